/* client_int.h - shared by the helpers on top of client.c. */
#pragma once
#include "base/mem.h"
#include "client/client_ops.h"
#include "wire/messages.h"

#define REQUEST_ARENA_MAX (16u << 20)

enum api {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
};

/* client_call with the highest version up to `highest` that the other side knows. */
static inline status client_call_to(struct client *client, int16_t api_key, int16_t highest,
                                    const void *request, int timeout_ms, client_done done,
                                    void *arg)
{
    int16_t version = highest; /* not ready yet: it will be compared then */
    if (client_ready(client)) version = client_version_to(client, api_key, highest);
    if (version < 0) return FAIL(UNSUPPORTED_VERSION);
    if (timeout_ms <= 0) return client_call(client, api_key, version, request, done, arg);
    return client_call_within(client, api_key, version, request, timeout_ms, done, arg);
}
