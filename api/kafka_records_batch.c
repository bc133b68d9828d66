/* kafka_records_batch.c - records:batch, a few records with ids of the caller's: those that are in the log
 * and those that are not, apart. DOMAIN. */
#include "api/handlers.h"
#include "api/kafka.h"
#include "api/kafka_record.h"

#define ENTRIES_MAX 10
#define ID_BYTES_MAX 80

struct batch { /* in the arena of its request */
    struct api_request *rq;
    struct produce_target target;
    bool strict;
    int32_t count;
    struct str ids[ENTRIES_MAX];
    struct produce_item items[ENTRIES_MAX];
    struct record_shown shown[ENTRIES_MAX];
};

static void answer(struct batch *b)
{
    json_t *successes = json_array(), *failures = json_array();
    int worst = 0;
    for (int32_t i = 0; i < b->count; i++) {
        int code = kafka_record_code(&b->items[i], &b->shown[i]);
        json_t *o = kafka_record_json(&b->target, &b->items[i], &b->shown[i]);
        PUT(o, "id", api_str(b->ids[i]));
        if (code == 200) json_object_del(o, "error_code");
        json_array_append_new(code == 200 ? successes : failures, o);
        /* Of several failures one that will not pass by itself is told. */
        if (code != 200 && (worst == 0 || kafka_record_passing(worst))) worst = code;
    }
    json_t *body = json_pack("{s:o, s:o}", "successes", successes, "failures", failures);
    if (!b->strict || worst == 0) {
        api_reply(b->rq, 207, body);
        return;
    }
    PUT(body, "error_code", json_integer(worst));
    PUT(body, "message", json_string("Some records are not in the log: failures names them."));
    api_reply(b->rq, kafka_record_http(worst), body);
}

static void produced(void *arg)
{
    struct batch *b = arg;
    bool gone = false, written = false;
    for (int32_t i = 0; i < b->count; i++) {
        enum err code = b->items[i].result.code;
        if (b->items[i].skip) continue;
        gone = gone || code == E_BROKER_NOT_AVAILABLE || code == E_CLOSED;
        written = written || code == E_OK;
    }
    if (gone && !written) kafka_fail(b->rq, FAIL(BROKER_NOT_AVAILABLE), STR_NULL);
    else answer(b);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool bad_batch(struct api_request *rq, const char *text)
{
    api_fail_kafka(rq, 422, 42208, text);
    return false;
}

static bool read_entry(struct batch *b, const json_t *json, struct str text)
{
    struct str id = api_get_str(json, "id");
    if (!json_is_object(json)) return bad_batch(b->rq, "Produce batch error. An entry is not an object.");
    if (id.len == 0 || id.len > ID_BYTES_MAX) {
        return bad_batch(b->rq, "Produce batch error. The id of an entry is a string of 1 to 80 bytes.");
    }
    for (int32_t i = 0; i < b->count; i++) {
        if (!str_eq(b->ids[i], id)) continue;
        return bad_batch(b->rq, "Produce batch error. The ids of entries must differ.");
    }
    b->ids[b->count] = arena_str(b->rq->arena, id);
    kafka_record_read(b->rq->arena, json, text, b->target.partitions, &b->items[b->count],
                      &b->shown[b->count]);
    b->count++;
    return true;
}

static bool read_entries(struct batch *b, const json_t *body)
{
    const json_t *entries = json_object_get(body, "entries");
    struct str raw = kafka_json_member(b->rq->body, "entries");
    size_t count = json_array_size(entries), at = 0;
    if (!raw.data || count == 0) {
        return bad_batch(b->rq, "Produce batch error. The batch has no entries.");
    }
    if (count > ENTRIES_MAX) {
        return bad_batch(b->rq, "Produce batch error. A batch can have 10 entries; use records for more.");
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_entry(b, json_array_get(entries, i), kafka_json_item(raw, &at))) return false;
    }
    return true;
}

void kafka_records_batch(struct api_request *rq)
{
    struct batch *b = ARENA_NEW(rq->arena, struct batch);
    json_error_t error;
    if (!b) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    b->rq = rq;
    if (!kafka_produce_begin(rq, &b->target, &b->strict)) return;
    if (rq->body.len == 0) {
        api_fail_kafka(rq, 422, 42206, "Payload error. Request body is empty. Data is required.");
        return;
    }
    rq->json = json_loadb(rq->body.data, rq->body.len, RECORD_BATCH_FLAGS, &error);
    if (!json_is_object(rq->json)) {
        api_fail_kafka(rq, 400, 400, "Bad Request: the body must be a JSON object.");
        return;
    }
    if (!read_entries(b, rq->json)) return;
    if (rq->arena->failed) {
        api_fail(rq, FAIL(MESSAGE_TOO_LARGE), "The batch is too large.");
        return;
    }
    records_produce(rq->domain, &b->target, b->items, b->count, rq->arena, produced, b);
}
