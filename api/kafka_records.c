/* kafka_records.c - produce by REST: many JSON objects one after another, each a record. DOMAIN.
 *
 * The body is read in slices, a few of which are with the broker at once: what a request needs beside its
 * body and its answer is bounded, and no turn of the loop reads more than a little. The answer has one
 * object a record, in order, with status 200 also when records failed; with strict=true a failed record
 * makes it an error, which has these objects as "results". */
#include "api/handlers.h"
#include "api/kafka.h"
#include "api/kafka_record.h"

#include "base/mem.h"

#include <stdlib.h>
#include <utlist.h>

#define RECORDS_MAX 50000          /* of one request */
#define ANSWER_MAX (64u << 20)
#define SLICE_RECORDS 500
#define SLICE_BYTES (256u << 10)   /* of text; one record may be larger */
#define SLICE_ARENA (64u << 20)
#define SLICES_AT_ONCE 4

struct slice {
    struct request *request;
    struct arena arena;
    struct produce_item items[SLICE_RECORDS];
    struct record_shown shown[SLICE_RECORDS];
    int32_t count;
    bool done;
    struct slice *prev, *next;
};
struct request { /* in the arena of its api_request */
    struct api_request *rq;
    struct produce_target target;
    struct loop *loop;
    struct deferred more;   /* reads the next slice */
    struct str left;        /* of the body */
    struct slice *slices;   /* with the broker, or waiting for one before them */
    int under_way;
    int32_t count, failed;  /* records */
    bool ended;             /* nothing more is read */
    int stop_code;          /* an item at the end says why; 0: the body came to its end */
    struct str stop_text;
    status first;           /* of the first record that was sent */
    bool written;           /* some record was */
    struct str refusal;
    bool answered;
    bool strict;
    int strict_code;        /* of the failure that the status tells of */
    struct buf out;         /* result objects, each with a newline behind it */
};

/* --- answering -------------------------------------------------------------------------------- */

static void put_result(struct request *r, json_t *json, int code)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text) buf_put(&r->out, text, strlen(text));
    else r->out.failed = true;
    buf_put_str(&r->out, STR("\n"));
    json_decref(json);
    free(text); /* tidy: allowed, jansson's */
    if (code == 200) return;
    r->failed++;
    /* Of several failures one that will not pass by itself is told. */
    if (r->strict_code == 0 || kafka_record_passing(r->strict_code)) r->strict_code = code;
}

static void answer_strict(struct request *r)
{
    struct buf body;
    buf_init(&body, ANSWER_MAX + 1024);
    buf_printf(&body, "{\"error_code\":%d,\"message\":\"%d of %d records are not in the log; results has "
                      "one object for each, in order.\",\"results\":[", r->strict_code, r->failed, r->count);
    /* No object has a newline in it. */
    for (size_t i = 0; i + 1 < r->out.len; i++) {
        if (r->out.data[i] == '\n') r->out.data[i] = ',';
    }
    buf_put(&body, r->out.data, r->out.len);
    buf_put_str(&body, STR("]}"));
    buf_done(&r->out);
    r->rq->http->answer_bytes(r->rq, kafka_record_http(r->strict_code), "application/json", &body);
}

static void answer(struct request *r)
{
    loop_undefer(r->loop, &r->more);
    r->answered = true;
    /* When nothing could be sent at all, the whole request failed. */
    if (!r->written && (r->first.code == E_BROKER_NOT_AVAILABLE || r->first.code == E_CLOSED)) {
        buf_done(&r->out);
        kafka_fail(r->rq, FAIL(BROKER_NOT_AVAILABLE), STR_NULL);
        return;
    }
    if (!r->written && r->first.code == E_TOPIC_AUTHORIZATION_FAILED) {
        buf_done(&r->out);
        kafka_fail(r->rq, r->first, r->refusal);
        return;
    }
    if (r->stop_code) {
        r->count++;
        put_result(r, kafka_record_error(r->stop_code, r->stop_text), r->stop_code);
    }
    if (r->strict && r->failed) {
        answer_strict(r);
        return;
    }
    r->rq->http->answer_bytes(r->rq, 200, "application/json", &r->out);
}

/* --- slices ----------------------------------------------------------------------------------- */

static void stop(struct request *r, int code, struct str text)
{
    r->ended = true;
    r->stop_code = code;
    r->stop_text = text;
}

static void slice_free(struct slice *s)
{
    arena_done(&s->arena);
    mem_free(s);
}

/* The results of a slice, whose turn it is. */
static void slice_tell(struct request *r, struct slice *s)
{
    for (int32_t i = 0; i < s->count; i++) {
        const struct produce_item *item = &s->items[i];
        int code = kafka_record_code(item, &s->shown[i]);
        put_result(r, kafka_record_json(&r->target, item, &s->shown[i]), code);
        if (item->skip) continue;
        if (is_ok(item->result)) r->written = true;
        if (is_ok(r->first) && failed(item->result)) {
            r->first = item->result;
            r->refusal = arena_str(r->rq->arena, item->message);
        }
        bool gone = item->result.code == E_BROKER_NOT_AVAILABLE || item->result.code == E_CLOSED;
        if (gone && !r->ended) {
            stop(r, 50302, STR("The broker is not available: what follows was not read."));
        }
    }
}

static void go_on(struct request *r);

static void slice_done(void *arg)
{
    struct slice *s = arg;
    struct request *r = s->request;
    s->done = true;
    r->under_way--;
    while (r->slices && r->slices->done) {
        struct slice *first = r->slices;
        DL_DELETE(r->slices, first);
        slice_tell(r, first);
        slice_free(first);
    }
    go_on(r);
}

static void skip_space(struct str *text)
{
    while (text->len && memchr(" \t\r\n", text->data[0], 4)) {
        text->data++;
        text->len--;
    }
}

/* One record from the front of what is left. False: there is none. */
static bool read_record(struct request *r, struct slice *s)
{
    json_error_t error;
    skip_space(&r->left);
    if (r->left.len == 0) {
        r->ended = true;
        return false;
    }
    json_t *json = json_loadb(r->left.data, r->left.len, RECORD_JSON_FLAGS, &error);
    if (!json_is_object(json)) {
        stop(r, 400, json ? STR("Bad Request: a record must be a JSON object.")
                          : STR("Bad Request: the body is not JSON."));
    } else if (r->count == RECORDS_MAX) {
        stop(r, 413, STR("A request can have 50000 records: what follows was not read."));
    } else {
        struct str text = { r->left.data, (size_t)error.position };
        kafka_record_read(&s->arena, json, text, r->target.partitions, &s->items[s->count],
                          &s->shown[s->count]);
        s->count++;
        r->count++;
        r->left.data += error.position;
        r->left.len -= (size_t)error.position;
    }
    json_decref(json);
    return !r->ended;
}

/* Reads a slice and sends it. */
static void slice_next(struct request *r)
{
    struct slice *s = mem_zalloc(sizeof *s);
    if (!s) {
        stop(r, 50302, str_c(status_text(FAIL(NO_MEMORY))));
        return;
    }
    s->request = r;
    arena_init(&s->arena, SLICE_ARENA);
    size_t before = r->left.len;
    while (s->count < SLICE_RECORDS && before - r->left.len < SLICE_BYTES && read_record(r, s)) { }
    if (s->arena.failed) stop(r, 413, STR("A record is too large: it and what follows were not sent."));
    if (s->arena.failed || s->count == 0) {
        r->count -= s->count;
        slice_free(s);
        return;
    }
    DL_APPEND(r->slices, s);
    r->under_way++;
    records_produce(r->rq->domain, &r->target, s->items, s->count, &s->arena, slice_done, s);
}

static void read_more(struct deferred *deferred)
{
    struct request *r = CONTAINER_OF(deferred, struct request, more);
    slice_next(r);
    go_on(r);
}

/* May be called again for a request that a slice has just ended: slices without a record that can be sent
 * are done at once. */
static void go_on(struct request *r)
{
    if (r->answered) return;
    if (!r->ended && r->under_way < SLICES_AT_ONCE) loop_defer(r->loop, &r->more);
    else if (r->ended && r->under_way == 0) answer(r);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool read_strict(struct api_request *rq, bool *ret)
{
    struct str text = rq->http->query(rq, "strict", 0);
    *ret = str_eq_c(text, "true");
    if (!text.data || *ret || str_eq_c(text, "false")) return true;
    api_fail_kafka(rq, 400, 400, "Bad Request: strict is true or false.");
    return false;
}

bool kafka_produce_begin(struct api_request *rq, struct produce_target *ret, bool *ret_strict)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s) return false;
    if (rq->content_type && !api_is_json(rq->content_type)) {
        api_fail_kafka(rq, 415, 415, "Unsupported Media Type: send records as application/json.");
        return false;
    }
    struct str name = api_param(rq, "topic_name");
    if (!kafka_permit(rq, s, OP_WRITE, RES_TOPIC, name) || !kafka_topic(rq, s, &row)) return false;
    *ret = (struct produce_target){ .cluster_id = s->id, .principal = s->principal,
                                    .topic = row.topic.name, .partitions = row.topic.partitions };
    status result = records_message_bytes(rq->db, s->id, &row.topic, &ret->message_bytes);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return false;
    }
    return read_strict(rq, ret_strict);
}

void kafka_records_produce(struct api_request *rq)
{
    struct request *r = ARENA_NEW(rq->arena, struct request);
    if (!r) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    if (!kafka_produce_begin(rq, &r->target, &r->strict)) return;
    r->rq = rq;
    r->loop = rq->domain->loop;
    r->more.run = read_more;
    r->left = rq->body;
    skip_space(&r->left);
    if (r->left.len == 0) {
        api_fail_kafka(rq, 422, 42206, "Payload error. Request body is empty. Data is required.");
        return;
    }
    buf_init(&r->out, ANSWER_MAX);
    go_on(r);
}
