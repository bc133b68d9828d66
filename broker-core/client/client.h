/* client.h - a small asynchronous Kafka client: one connection, calls in flight, answers decoded.
 *
 * For the console and REST (through kafka.sock), `leat demo`, and later other clusters. Loop thread
 * only. It does not reconnect: after `closed` the owner frees the client and makes another one.
 * Callbacks never run inside the call that caused them, except those that client_free ends. The
 * client may be freed inside any callback. */
#pragma once
#include "io/stream.h"
#include "wire/codec.h"

#define CLIENT_IN_FLIGHT_MAX 256
#define CLIENT_FRAME_MAX (128u << 20)
#define CLIENT_CONNECT_TIMEOUT_MS 10000

struct client;

struct client_events {
    /* Connected, versions known, authenticated; what was called before has been sent. Optional. */
    void (*ready)(struct client *client, void *owner);
    /* Once, when the connection is gone: refused, timed out, closed by the other side, or
     * authentication failed (SASL_AUTHENTICATION_FAILED). All calls failed before this one is
     * called. Not called from client_free. Optional. */
    void (*closed)(struct client *client, status why, void *owner);
};

struct client_options {
    /* TCP (numeric address) … */
    const char *addr;
    uint16_t port;
    /* … or, when unix_name is set, a Unix socket by its name in the folder unix_dir (a descriptor,
     * used during client_new only). */
    const char *unix_name;
    int unix_dir;
    struct str client_id;
    /* SASL PLAIN when user is set. */
    struct str user;
    struct str password;
    /* LEAT-PRINCIPAL when set ("User:leat"): whom the peer acts for; on kafka.sock. */
    struct str principal;
    int timeout_ms; /* of a call; 0: 30000 */
};

/* Starts to connect. Strings are copied. */
status client_new(struct loop *loop, const struct client_options *options,
                  const struct client_events *events, void *owner, struct client **ret_client);
/* NULL ok. Calls in flight end with CLOSED: their done() is called. */
void client_free(struct client *client);

/* The answer to one call. `response` (a struct of the response type) lives in the arena of the call
 * and its strings in the frame: valid during done() only. It is NULL when result is an error:
 * CLOSED, REQUEST_TIMED_OUT, MALFORMED, SASL_AUTHENTICATION_FAILED … Errors inside a response are
 * the caller's to read. */
typedef void (*client_done)(void *arg, status result, const void *response);

/* Encodes the request at once (it may be freed afterwards), sends it as soon as the connection is
 * ready, and calls done exactly once. version -1: the highest both sides know (before `ready`: the
 * highest we know; done() hears UNSUPPORTED_VERSION if the other side does not). BUSY with too many
 * in flight or waiting; CLOSED; UNSUPPORTED_VERSION. When it fails done() is not called. Not for
 * Produce with acks 0, which has no answer. */
status client_call(struct client *client, int16_t api_key, int16_t version, const void *request,
                   client_done done, void *arg);
/* The same with a timeout of its own. */
status client_call_within(struct client *client, int16_t api_key, int16_t version,
                          const void *request, int timeout_ms, client_done done, void *arg);

/* The version that -1 would choose; -1 when the other side lacks the API or is not known yet. */
int16_t client_version(const struct client *client, int16_t api_key);
/* The same, but not above `highest`. */
int16_t client_version_to(const struct client *client, int16_t api_key, int16_t highest);
bool client_ready(const struct client *client);
int client_in_flight(const struct client *client);
