/* api_versions.c - ApiVersions (key 18): what this broker serves. Answered before authentication. */
#include "broker/api_versions.h"

#include "broker/connection.h"
#include "broker/features.h"

#include <stdio.h>

static const struct handler handlers[] = {
#define HANDLER(key, name, min, max, flags) { key, min, max, flags, handle_##name, #name },
#include "broker/handlers.def"
#undef HANDLER
};

const struct handler *handler_table(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(handlers);
    return handlers;
}

const struct handler *handler_find(int16_t api_key)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (handlers[i].api_key == api_key) return &handlers[i];
    return NULL;
}

/* KAFKA-18659: librdkafka up to 2.11.0 takes a Produce minimum above 0 for a broker that cannot
 * compress; versions 0 to 2 are advertised and refused, as Kafka does. */
static int16_t advertised_min(const struct handler *h)
{
    return h->api_key == 0 ? 0 : h->min_version;
}

/* KIP-511: the names may be [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?. */
static bool software_legal(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inside = i > 0 && i + 1 < s.len && (c == '-' || c == '.');
        if (!alnum && !inside) return false;
    }
    return s.len > 0;
}

/* KIP-584. KAFKA-17492: older clients cannot read a feature whose lowest version is 0, so one is left
 * out below version 4. The epoch rises with each start, since only a new binary changes a level. */
static void features_fill(struct request *r, struct api_versions_response *response)
{
    size_t count;
    const struct feature *table = feature_table(&count);
    response->supported_features =
        ARENA_ARRAY(r->arena, struct api_versions_response_supported_feature_key, count);
    response->finalized_features =
        ARENA_ARRAY(r->arena, struct api_versions_response_finalized_feature_key, count);
    if (r->arena->failed) return;
    for (size_t i = 0; i < count; i++) {
        const struct feature *f = &table[i];
        struct str name = str_c(f->name);
        if (f->lowest > 0 || r->version >= 4)
            response->supported_features[response->supported_features_count++] =
                (struct api_versions_response_supported_feature_key){ name, f->lowest, f->highest };
        if (f->level > 0)
            response->finalized_features[response->finalized_features_count++] =
                (struct api_versions_response_finalized_feature_key){ name, f->level, f->level };
    }
    response->finalized_features_epoch = store_epoch(r->broker->store);
}

static void api_versions_fill(struct request *r, struct api_versions_response *response)
{
    struct api_versions_response_api_version *keys =
        ARENA_ARRAY(r->arena, struct api_versions_response_api_version, ARRAY_LEN(handlers));
    if (!keys) return;
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        keys[i].api_key = handlers[i].api_key;
        keys[i].min_version = advertised_min(&handlers[i]);
        keys[i].max_version = handlers[i].max_version;
    }
    response->api_keys = keys;
    response->api_keys_count = ARRAY_LEN(handlers);
    if (r->version >= 3) features_fill(r, response);
}

void handle_api_versions(struct request *r)
{
    const struct api_versions_request *body = r->body;
    struct api_versions_response response;
    wire_default(&api_versions_response_message, &response);
    struct str name = body->client_software_name, version = body->client_software_version;
    if (r->version >= 3 && (!software_legal(name) || !software_legal(version))) {
        response.error_code = status_kafka(FAIL(INVALID_REQUEST));
    } else {
        api_versions_fill(r, &response);
        if (r->version >= 3)
            snprintf(r->connection->software, sizeof r->connection->software, "%.*s %.*s",
                     name.len > 48 ? 48 : (int)name.len, name.data,
                     version.len > 40 ? 40 : (int)version.len, version.data);
    }
    request_reply(r, &response);
}

void api_versions_refuse(struct request *r)
{
    const struct handler *own = handler_find(API_VERSIONS_KEY);
    struct api_versions_response_api_version key = { own->api_key, own->min_version,
                                                     own->max_version };
    struct api_versions_response response;
    wire_default(&api_versions_response_message, &response);
    response.error_code = status_kafka(FAIL(UNSUPPORTED_VERSION));
    response.api_keys = &key;
    response.api_keys_count = 1;
    r->version = 0;
    request_reply(r, &response);
}
