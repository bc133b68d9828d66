/* kafka_records.c - produce by REST: one or many JSON objects, one after another, each a record. DOMAIN.
 *
 * The answer is 200 with one object a record, in order; a record that failed says so in its own
 * object. Data is BINARY (base64), STRING or JSON; there is no schema registry. */
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum encoding { ENC_NONE, ENC_BINARY, ENC_JSON, ENC_STRING };
static const char *const encoding_names[] = { NULL, "BINARY", "JSON", "STRING" };

struct item_shown {
    enum encoding key, value;
    int code;
    struct str refusal; /* why the record was not sent */
};
struct request {
    struct api_request *rq;
    char cluster_id[ID_TEXT];
    struct str topic;
    struct produce_item *items;
    struct item_shown *shown;
    int32_t count, cap;
    bool broken;        /* a syntax error ended the body: one more item says so */
    struct str syntax;
};

/* --- reading ---------------------------------------------------------------------------------- */

static void refuse(struct request *r, struct produce_item *item, struct item_shown *shown, int code,
                   struct str text)
{
    (void)r;
    item->skip = true;
    shown->code = code;
    shown->refusal = text;
}

static bool decode_base64(struct arena *arena, struct str text, struct bytes *ret)
{
    size_t room = text.len / 4 * 3 + 4;
    uint8_t *out = arena_alloc(arena, room);
    int64_t n = out ? base64_decode(text, out, room) : -1;
    if (n < 0) return false;
    *ret = bytes_of(out, (size_t)n);
    return true;
}

/* key or value: {"type", "data"} */
static void read_data(struct request *r, const json_t *from, const char *which,
                      struct produce_item *item,
                      struct item_shown *shown, struct bytes *ret, enum encoding *ret_encoding)
{
    struct arena *arena = r->rq->arena;
    const json_t *data = json_object_get(from, "data");
    struct str type = api_get_str(from, "type");
    *ret = BYTES_NULL;
    if (!from || json_is_null(from)) return;
    if (str_eq_c(type, "BINARY")) *ret_encoding = ENC_BINARY;
    else if (str_eq_c(type, "JSON")) *ret_encoding = ENC_JSON;
    else if (str_eq_c(type, "STRING")) *ret_encoding = ENC_STRING;
    else {
        refuse(r, item, shown, 400,
               arena_printf(arena, "Bad Request: %s.type must be BINARY, JSON or STRING; there is "
                                   "no schema registry.", which));
        return;
    }
    if (!data || json_is_null(data)) return;
    if (*ret_encoding == ENC_JSON) {
        char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text) *ret = arena_bytes(arena, str_bytes(str_c(text)));
        free(text); /* tidy: allowed, jansson's */
        return;
    }
    struct str text = { json_string_value(data), json_string_length(data) };
    if (!text.data) {
        refuse(r, item, shown, 400, arena_printf(arena, "Bad Request: %s.data is not a string.",
                                                 which));
    } else if (*ret_encoding == ENC_STRING) {
        *ret = arena_bytes(arena, str_bytes(text));
    } else if (!decode_base64(arena, text, ret)) {
        refuse(r, item, shown, 400, arena_printf(arena,
                                                 "Bad Request: %s.data is not a base64 string.",
                                                 which));
    }
}

static void read_headers(struct request *r, const json_t *list, struct produce_item *item,
                         struct item_shown *shown)
{
    size_t count = json_array_size(list);
    struct record_header *headers = ARENA_ARRAY(r->rq->arena, struct record_header, count + 1);
    for (size_t i = 0; headers && i < count; i++) {
        const json_t *header = json_array_get(list, i);
        struct str value = api_get_str(header, "value");
        headers[i].key = arena_str(r->rq->arena, api_get_str(header, "name"));
        headers[i].value = BYTES_NULL;
        if (!headers[i].key.data || (value.data && !decode_base64(r->rq->arena, value,
            &headers[i].value))) {
            refuse(r, item, shown, 400,
                   STR("Bad Request: a header is {\"name\": string, \"value\": base64 string}."));
            return;
        }
    }
    item->headers = headers;
    item->header_count = headers ? (int32_t)count : 0;
}

/* RFC 3339, or milliseconds since 1970. */
static bool read_time(const json_t *value, int64_t *ret)
{
    *ret = -1;
    if (!value || json_is_null(value)) return true;
    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return *ret >= 0;
    }
    struct tm tm = { 0 };
    const char *text = json_string_value(value), *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S",
        &tm) : NULL;
    if (!rest) return false;
    double fraction = 0;
    if (*rest == '.') {
        char *end;
        fraction = strtod(rest, &end);
        rest = end;
    }
    int hours = 0, minutes = 0;
    char sign = 0, after = 0;
    bool utc = strcasecmp(rest, "Z") == 0;
    if (!utc && (sscanf(rest, "%c%2d:%2d%c", &sign, &hours, &minutes, &after) != 3 ||
        (sign != '+' && sign != '-'))) {
        return false;
    }
    int64_t shift = (hours * 60 + minutes) * 60;
    *ret = ((int64_t)timegm(&tm) - (sign == '-' ? -shift : shift)) * 1000 + (int64_t)(fraction * 1000 + 0.5);
    return *ret >= 0;
}

static bool grow(struct request *r)
{
    if (r->count < r->cap) return true;
    int32_t cap = r->cap ? r->cap * 2 : 16;
    struct produce_item *items = ARENA_ARRAY(r->rq->arena, struct produce_item, cap);
    struct item_shown *shown = ARENA_ARRAY(r->rq->arena, struct item_shown, cap);
    if (!items || !shown) return false;
    if (r->count) {
        memcpy(items, r->items, (size_t)r->count * sizeof *items);
        memcpy(shown, r->shown, (size_t)r->count * sizeof *shown);
    }
    r->items = items;
    r->shown = shown;
    r->cap = cap;
    return true;
}

static void read_record(struct request *r, const json_t *json, int32_t partitions)
{
    struct produce_item *item = &r->items[r->count];
    struct item_shown *shown = &r->shown[r->count++];
    const json_t *partition = json_object_get(json, "partition_id");
    *item = (struct produce_item){ .partition = -1 };
    *shown = (struct item_shown){ 0 };
    read_data(r, json_object_get(json, "key"), "key", item, shown, &item->key, &shown->key);
    read_data(r, json_object_get(json, "value"), "value", item, shown, &item->value, &shown->value);
    read_headers(r, json_object_get(json, "headers"), item, shown);
    if (!read_time(json_object_get(json, "timestamp"), &item->timestamp)) {
        refuse(r, item, shown, 400, STR("Bad Request: timestamp is not an RFC 3339 time."));
    }
    if (!partition || json_is_null(partition)) return;
    json_int_t n = json_integer_value(partition);
    if (!json_is_integer(partition)) {
        refuse(r, item, shown, 400, STR("Bad Request: partition_id must be a number."));
    }
    else if (n < 0 || n >= partitions) {
        refuse(r, item, shown, 40402, STR("This topic has no such partition."));
    }
    else item->partition = (int32_t)n;
}

/* Reads all objects of the body. False: answered. */
static bool read_body(struct request *r, int32_t partitions)
{
    struct str left = r->rq->body;
    while (left.len && !r->broken) {
        while (left.len && strchr(" \t\r\n", left.data[0]) && left.data[0]) {
            left.data++;
            left.len--;
        }
        if (left.len == 0) break;
        json_error_t error;
        json_t *json = json_loadb(left.data, left.len, JSON_DISABLE_EOF_CHECK, &error);
        if (!json_is_object(json) || !grow(r) || r->count == PRODUCE_RECORDS_MAX) {
            r->broken = true;
            r->syntax = json
                ? STR("Bad Request: a record must be a JSON object, and there can be 10000 of them.")
                             : STR("Bad Request: the body is not JSON.");
        } else {
            read_record(r, json, partitions);
            left.data += error.position;
            left.len -= (size_t)error.position;
        }
        json_decref(json);
    }
    if (r->count || r->broken) return true;
    api_fail_kafka(r->rq, 422, 42206, "Payload error. Request body is empty. Data is required.");
    return false;
}

/* --- answering -------------------------------------------------------------------------------- */

static json_t *data_json(enum encoding encoding, struct bytes data)
{
    if (encoding == ENC_NONE) return json_null();
    return json_pack("{s:s, s:I}", "type", encoding_names[encoding], "size", (json_int_t)data.len);
}

static json_t *error_json(int code, json_t *take_message)
{
    return json_pack("{s:i, s:o}", "error_code", code, "message", take_message);
}

static json_t *item_json(struct request *r, int32_t i)
{
    const struct produce_item *item = &r->items[i];
    const struct item_shown *shown = &r->shown[i];
    if (item->skip) return error_json(shown->code, api_str(shown->refusal));
    if (failed(item->result)) {
        bool told = item->message.len > 0;
        return error_json(api_kafka_code(item->result),
                          told ? api_str(item->message) : json_string(status_text(item->result)));
    }
    json_t *o = json_object();
    PUT(o, "error_code", json_integer(200));
    PUT(o, "cluster_id", json_string(r->cluster_id));
    PUT(o, "topic_name", api_str(r->topic));
    PUT(o, "partition_id", json_integer(item->partition));
    PUT(o, "offset", json_integer(item->offset));
    PUT(o, "timestamp", api_time(item->timestamp >= 0 ? item->timestamp : domain_wall()));
    PUT(o, "key", data_json(shown->key, item->key));
    PUT(o, "value", data_json(shown->value, item->value));
    return o;
}

static void put_json(struct buf *out, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text) buf_put(out, text, strlen(text));
    buf_put_str(out, STR("\n"));
    json_decref(json);
    free(text); /* tidy: allowed, jansson's */
}

static void produced(void *arg)
{
    struct request *r = arg;
    struct buf out;
    /* When nothing could be sent at all, the whole request failed. */
    status first = r->count && !r->items[0].skip ? r->items[0].result : OK;
    if (first.code == E_BROKER_NOT_AVAILABLE || first.code == E_CLOSED) {
        kafka_fail(r->rq, FAIL(BROKER_NOT_AVAILABLE), STR_NULL);
        return;
    }
    if (first.code == E_TOPIC_AUTHORIZATION_FAILED) {
        kafka_fail(r->rq, first, r->items[0].message);
        return;
    }
    buf_init(&out, 32 << 20);
    for (int32_t i = 0; i < r->count; i++) put_json(&out, item_json(r, i));
    if (r->broken) {
        put_json(&out, json_pack("{s:i, s:o}", "error_code", 400, "message", api_str(r->syntax)));
    }
    r->rq->http->answer_bytes(r->rq, 200, "application/json", &out);
}

void kafka_records_produce(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s) return;
    if (rq->content_type && strncasecmp(rq->content_type, "application/json", 16) != 0) {
        api_fail_kafka(rq, 415, 415, "Unsupported Media Type: send records as application/json.");
        return;
    }
    struct str name = api_param(rq, "topic_name");
    if (!kafka_permit(rq, s, OP_WRITE, RES_TOPIC, name) || !kafka_topic(rq, s, &row)) return;
    struct request *r = ARENA_NEW(rq->arena, struct request);
    if (!r) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    *r = (struct request){ .rq = rq, .topic = row.topic.name };
    str_copy(r->cluster_id, sizeof r->cluster_id, str_c(s->id));
    if (!read_body(r, row.topic.partitions)) return;
    records_produce(rq->domain, r->cluster_id, s->principal, r->topic, row.topic.partitions,
                    r->items, r->count,
                    rq->arena, produced, r);
}
