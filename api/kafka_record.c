/* kafka_record.c - records from JSON: data is BINARY (base64), STRING or JSON; there is no schema
 * registry. JSON data is stored as it was written, without the space between its tokens: a number is
 * not touched, however large or exact. */
#include "api/kafka_record.h"

#include "api/kafka.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static const char *const encoding_names[] = { NULL, "BINARY", "JSON", "STRING" };

/* --- JSON as text, known to be sound ------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static size_t skip_space(struct str t, size_t at)
{
    while (at < t.len && is_space(t.data[at])) at++;
    return at;
}

static size_t skip_string(struct str t, size_t at)
{
    for (at++; at < t.len && t.data[at] != '"'; at++) {
        if (t.data[at] == '\\') at++;
    }
    return at + 1;
}

/* Behind the value that begins at `at`. */
static size_t skip_value(struct str t, size_t at)
{
    int depth = 0;
    while (at < t.len) {
        char c = t.data[at];
        if (c == '"') {
            at = skip_string(t, at);
            if (depth == 0) return at;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c))) return at;
        at++;
        if (c == '{' || c == '[') depth++;
        else if ((c == '}' || c == ']') && --depth == 0) return at;
    }
    return at;
}

struct str kafka_json_member(struct str object, const char *name)
{
    struct str found = STR_NULL;
    size_t at = skip_space(object, 0), len = strlen(name);
    if (at == object.len || object.data[at] != '{') return found;
    while (at < object.len && object.data[at] != '}') {
        size_t key = skip_space(object, at + 1);
        if (key >= object.len || object.data[key] != '"') break;
        at = skip_string(object, key);
        bool same = at - key == len + 2 && memcmp(object.data + key + 1, name, len) == 0;
        at = skip_space(object, skip_space(object, at) + 1); /* the colon */
        size_t end = skip_value(object, at);
        if (same) found = (struct str){ object.data + at, end - at }; /* the last one counts */
        at = skip_space(object, end);
    }
    return found;
}

struct str kafka_json_item(struct str array, size_t *at)
{
    size_t from = skip_space(array, *at);
    if (from >= array.len || array.data[from] == ']') return STR_NULL;
    from = skip_space(array, from + 1); /* the bracket or a comma */
    if (from >= array.len || array.data[from] == ']') return STR_NULL;
    size_t end = skip_value(array, from);
    *at = end;
    return (struct str){ array.data + from, end - from };
}

/* Without the space between tokens. */
static struct bytes compact(struct arena *arena, struct str t)
{
    char *out = arena_alloc(arena, t.len + 1);
    size_t n = 0;
    if (!out) return BYTES_NULL;
    for (size_t at = 0; at < t.len;) {
        size_t end = t.data[at] == '"' ? skip_string(t, at) : at + 1;
        if (end > t.len) end = t.len;
        if (!is_space(t.data[at])) {
            memcpy(out + n, t.data + at, end - at);
            n += end - at;
        }
        at = end;
    }
    return bytes_of(out, n);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
    struct arena *arena;
    struct produce_item *item;
    struct record_shown *shown;
};

/* The first reason stays. */
static void refuse(struct reading *r, int code, struct str text)
{
    if (r->item->skip) return;
    r->item->skip = true;
    r->shown->code = code;
    r->shown->refusal = text;
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
static void read_data(struct reading *r, const json_t *from, struct str record, const char *which,
                      struct bytes *ret, enum record_encoding *ret_encoding)
{
    const json_t *data = json_object_get(from, "data");
    struct str type = api_get_str(from, "type");
    if (!from || json_is_null(from)) return;
    if (str_eq_c(type, "BINARY")) *ret_encoding = ENC_BINARY;
    else if (str_eq_c(type, "JSON")) *ret_encoding = ENC_JSON;
    else if (str_eq_c(type, "STRING")) *ret_encoding = ENC_STRING;
    else {
        refuse(r, 400, arena_printf(r->arena, "Bad Request: %s.type must be BINARY, JSON or STRING; "
                                              "there is no schema registry.", which));
        return;
    }
    if (!data || json_is_null(data)) return;
    struct str text = { json_string_value(data), json_string_length(data) };
    if (*ret_encoding == ENC_JSON) {
        struct str raw = kafka_json_member(kafka_json_member(record, which), "data");
        if (raw.data) *ret = compact(r->arena, raw);
        else refuse(r, 400, STR("Bad Request: write key, value and data without escapes in their names."));
    } else if (!text.data) {
        refuse(r, 400, arena_printf(r->arena, "Bad Request: %s.data is not a string.", which));
    } else if (*ret_encoding == ENC_STRING) {
        *ret = arena_bytes(r->arena, str_bytes(text));
    } else if (!decode_base64(r->arena, text, ret)) {
        refuse(r, 400, arena_printf(r->arena, "Bad Request: %s.data is not a base64 string.", which));
    }
}

static bool read_header(struct reading *r, const json_t *from, struct record_header *ret)
{
    const json_t *value = json_object_get(from, "value");
    struct str text = api_get_str(from, "value");
    ret->key = arena_str(r->arena, api_get_str(from, "name"));
    ret->value = BYTES_NULL;
    if (!ret->key.data || (value && !text.data && !json_is_null(value))) return false;
    return !text.data || decode_base64(r->arena, text, &ret->value);
}

static void read_headers(struct reading *r, const json_t *list)
{
    struct str wrong =
        STR("Bad Request: headers are a list of {\"name\": string, \"value\": base64 string}.");
    size_t count = json_array_size(list);
    if (!list || json_is_null(list)) return;
    struct record_header *headers = ARENA_ARRAY(r->arena, struct record_header, count + 1);
    if (!json_is_array(list)) refuse(r, 400, wrong);
    for (size_t i = 0; headers && i < count; i++) {
        if (!read_header(r, json_array_get(list, i), &headers[i])) refuse(r, 400, wrong);
    }
    r->item->headers = headers;
    r->item->header_count = headers ? (int32_t)count : 0;
}

/* A number that has no fraction, as large as a double can tell. */
static bool whole_number(const json_t *value, double max, int64_t *ret)
{
    double n = json_number_value(value);
    if (!json_is_number(value) || n != floor(n) || fabs(n) > max) return false;
    *ret = (int64_t)n;
    return true;
}

/* RFC 3339, or milliseconds since 1970. */
static bool read_time(const json_t *value, int64_t *ret)
{
    *ret = -1;
    if (!value || json_is_null(value)) return true;
    if (json_is_number(value)) return whole_number(value, 9e15, ret) && *ret >= 0;
    struct tm tm = { 0 };
    const char *text = json_string_value(value);
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
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
    int64_t shift = (int64_t)(hours * 60 + minutes) * 60;
    int64_t seconds = (int64_t)timegm(&tm) - (sign == '-' ? -shift : shift);
    *ret = seconds * 1000 + (int64_t)(fraction * 1000 + 0.5);
    return *ret >= 0;
}

static void read_partition(struct reading *r, const json_t *value, int32_t partitions)
{
    int64_t n;
    if (!value || json_is_null(value)) return;
    if (!whole_number(value, 9e15, &n)) {
        refuse(r, 400, STR("Bad Request: partition_id must be a whole number."));
    } else if (n < 0 || n >= partitions) {
        refuse(r, 40402, arena_printf(r->arena, "This topic has no partition %lld; it has %d.",
                                      (long long)n, partitions));
    } else {
        r->item->partition = (int32_t)n;
    }
}

void kafka_record_read(struct arena *arena, const json_t *json, struct str text, int32_t partitions,
                       struct produce_item *item, struct record_shown *shown)
{
    struct reading r = { arena, item, shown };
    *item = (struct produce_item){ .partition = -1, .key = BYTES_NULL, .value = BYTES_NULL };
    *shown = (struct record_shown){ 0 };
    read_data(&r, json_object_get(json, "key"), text, "key", &item->key, &shown->key);
    read_data(&r, json_object_get(json, "value"), text, "value", &item->value, &shown->value);
    read_headers(&r, json_object_get(json, "headers"));
    if (!read_time(json_object_get(json, "timestamp"), &item->timestamp)) {
        refuse(&r, 400, STR("Bad Request: timestamp is not an RFC 3339 time."));
    }
    read_partition(&r, json_object_get(json, "partition_id"), partitions);
}

/* --- what became of it ------------------------------------------------------------------------- */

int kafka_record_code(const struct produce_item *item, const struct record_shown *shown)
{
    if (item->skip) return shown->code;
    return failed(item->result) ? api_kafka_code(item->result) : 200;
}

int kafka_record_http(int code) { return code < 1000 ? code : code / 100; }

bool kafka_record_passing(int code)
{
    int http = kafka_record_http(code);
    return http == 408 || http == 429 || http >= 500;
}

json_t *kafka_record_error(int code, struct str message)
{
    return json_pack("{s:i, s:o}", "error_code", code, "message", api_str(message));
}

static json_t *data_json(enum record_encoding encoding, struct bytes data)
{
    if (encoding == ENC_NONE) return json_null();
    return json_pack("{s:s, s:I}", "type", encoding_names[encoding], "size", (json_int_t)data.len);
}

json_t *kafka_record_json(const struct produce_target *target, const struct produce_item *item,
                          const struct record_shown *shown)
{
    int code = kafka_record_code(item, shown);
    if (code != 200) {
        struct str told = item->skip ? shown->refusal : item->message;
        return kafka_record_error(code, told.len ? told : str_c(status_text(item->result)));
    }
    json_t *o = json_object();
    PUT(o, "error_code", json_integer(200));
    PUT(o, "cluster_id", json_string(target->cluster_id));
    PUT(o, "topic_name", api_str(target->topic));
    PUT(o, "partition_id", json_integer(item->partition));
    PUT(o, "offset", json_integer(item->offset));
    PUT(o, "timestamp", api_time(item->timestamp));
    PUT(o, "key", data_json(shown->key, item->key));
    PUT(o, "value", data_json(shown->value, item->value));
    return o;
}
