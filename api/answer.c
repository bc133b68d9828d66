/* answer.c - bodies in the three dialects: errors, lists, pages. Any thread that runs a handler. */
#include "api/api.h"
#include "api/json_text.h"

#include "domain/pause.h"

#include "base/uuid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

void api_reply(struct api_request *rq, int http, json_t *body)
{
    rq->http->answer(rq, http, body);
}

/* --- errors ----------------------------------------------------------------------------------- */

static const struct {
    int http;
    const char *code, *title;
} errors_by_status[] = {
    { 400, "bad_request", "The request is not valid" },
    { 401, "user_unauthenticated", "Not authenticated" },
    { 402, "quota_exceeded", "Quota exceeded" },
    { 403, "user_unauthorized", "Not permitted" },
    { 404, "resource_not_found", "Not found" },
    { 405, "method_not_allowed", "Method not allowed" },
    { 408, "request_timeout", "Request timeout" },
    { 409, "resource_conflict", "Conflict" },
    { 413, "payload_too_large", "Payload too large" },
    { 415, "unsupported_media_type", "Unsupported media type" },
    { 422, "invalid_configuration", "Invalid configuration" },
    { 429, "rate_limit_exceeded", "Too many requests" },
    { 500, "internal_error", "Internal error" },
    { 503, "service_unavailable", "Service unavailable" },
    { 507, "insufficient_storage", "Insufficient storage" },
};

static size_t error_row(int http)
{
    for (size_t i = 0; i < sizeof errors_by_status / sizeof errors_by_status[0]; i++) {
        if (errors_by_status[i].http == http) return i;
    }
    return 0;
}

void api_fail_at(struct api_request *rq, int http, const char *code, const char *detail,
                 const char *pointer, const char *parameter)
{
    size_t row = error_row(http);
    char status_text[8];
    snprintf(status_text, sizeof status_text, "%d", http);
    json_t *source = json_object();
    if (pointer) json_object_set_new(source, "pointer", json_string(pointer));
    if (parameter) json_object_set_new(source, "parameter", json_string(parameter));
    json_t *error = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", rq->request_id, "status",
                              status_text, "code", code ? code : errors_by_status[row].code,
                              "title", errors_by_status[row].title, "detail",
                              detail ? detail : errors_by_status[row].title, "source", source);
    api_reply(rq, http, json_pack("{s:[o]}", "errors", error));
}

void api_fail_kafka(struct api_request *rq, int http, int error_code, const char *message)
{
    api_reply(rq, http, json_pack("{s:i, s:s}", "error_code", error_code, "message", message));
}

/* The error_code that goes with a status of the Kafka dialect (rest-proxy numbers). */
int api_kafka_code(status error)
{
    switch (error.code) {
    case E_UNKNOWN_TOPIC_OR_PARTITION: return 40403;
    case E_SASL_AUTHENTICATION_FAILED: return 40101;
    case E_THROTTLING_QUOTA_EXCEEDED: return 42901;
    case E_REQUEST_TIMED_OUT: return 40801;
    default: break;
    }
    int http = status_http(error);
    switch (http) {
    case 400: return 40002;
    case 403: return 40301;
    case 503: return 50302;
    case 500: return 50002;
    default: return http;
    }
}

void api_fail(struct api_request *rq, status error, const char *detail)
{
    struct why why = { "" };
    int http = status_http(error);
    struct str cluster = rq->route ? api_param(rq, "cluster_id") : STR_NULL;
    if (error.code == E_BROKER_NOT_AVAILABLE && cluster.data && rq->db && pause_text(rq->db, cluster, &why))
        detail = why.text;
    if (!detail || !detail[0]) detail = status_text(error);
    enum api_dialect dialect = rq->route ? rq->route->dialect : CONTROL;
    if (dialect == KAFKA) {
        if (http == 409 || http == 422) http = 400; /* this dialect has neither for broker errors */
        int code = http == 400 ? 40002 : api_kafka_code(error);
        if (http == 404 && error.code != E_UNKNOWN_TOPIC_OR_PARTITION) code = 404;
        api_fail_kafka(rq, http, code, detail);
        return;
    }
    const char *code = NULL;
    if (error.code == E_EXISTS) code = "resource_already_exists";
    else if (error.code == E_LIMIT || error.code == E_POLICY_VIOLATION) code = "quota_exceeded";
    api_fail_at(rq, http, code, detail, NULL, NULL);
}

void api_reply_change(struct api_request *rq, status result, const struct why *why, int http,
                      int64_t version, json_t *body)
{
    if (result.code == E_PENDING) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)version);
        rq->http->set_header(rq, "Leat-Pending", text);
        api_reply(rq, 202, body);
    } else if (failed(result)) {
        json_decref(body);
        api_fail(rq, result, why ? why->text : NULL);
    } else {
        api_reply(rq, http, body);
    }
}

/* --- bodies ----------------------------------------------------------------------------------- */

bool api_is_json(const char *type)
{
    size_t n = strcspn(type, "; \t");
    return n == 16 && strncasecmp(type, "application/json", 16) == 0;
}

static void fail_body(struct api_request *rq, int http, int kafka_code, const char *detail)
{
    if (rq->route->dialect == KAFKA) api_fail_kafka(rq, http, kafka_code, detail);
    else api_fail_at(rq, http, NULL, detail, NULL, NULL);
}

json_t *api_body(struct api_request *rq)
{
    if (rq->json) return rq->json;
    if (rq->content_type && !api_is_json(rq->content_type)) {
        fail_body(rq, 415, 415, "Unsupported Media Type: send the body as application/json.");
        return NULL;
    }
    if (rq->body.len == 0) {
        if (rq->route->dialect == KAFKA) {
            fail_body(rq, 422, 42206, "Payload error. Request body is empty. Data is required.");
        } else {
            fail_body(rq, 400, 400, "The request needs a JSON object as its body.");
        }
        return NULL;
    }
    json_error_t error;
    json_t *json = json_loadb(rq->body.data, rq->body.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(json)) {
        struct str text = json ? STR("Bad Request: the body must be a JSON object.")
                               : arena_printf(rq->arena,
                                              "Bad Request: the body is not JSON (%s at line %d).",
                                              error.text, error.line);
        if (text.data && !api_is_utf8(text.data, text.len)) {
            text = STR("Bad Request: the body is not JSON.");
        }
        json_decref(json);
        fail_body(rq, 400, 400, text.data ? text.data : "Bad Request");
        return NULL;
    }
    rq->json = json;
    return json;
}

struct str api_get_str(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) return STR_NULL;
    return (struct str){ json_string_value(value), json_string_length(value) };
}

json_t *api_str(struct str s)
{
    json_t *string = s.data ? json_stringn(s.data, s.len) : NULL;
    return string ? string : json_null();
}

json_t *api_time(int64_t ms)
{
    if (ms <= 0) return json_null();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[40], full[48];
    if (!gmtime_r(&seconds, &tm)) return json_null();
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(full, sizeof full, "%s.%03dZ", text, (int)(ms % 1000));
    return json_string(full);
}

bool api_is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

struct str api_encode(struct arena *arena, struct str text)
{
    struct buf out;
    buf_init(&out, text.len * 3 + 1);
    json_text_encoded(&out, text);
    struct str encoded = out.failed ? STR_NULL : arena_str(arena, bytes_str(buf_bytes(&out)));
    buf_done(&out);
    return encoded;
}

struct str api_url(struct api_request *rq, const char *format, ...)
{
    struct buf out;
    buf_init(&out, 16 * 1024);
    buf_put_str(&out, rq->base_url);
    /* Who came by /v3 (see router.c) goes on there. */
    if (str_starts(rq->path, STR("/v3/")) && strncmp(format, "/kafka/v3/", 10) == 0) format += 6;
    va_list args;
    va_start(args, format);
    for (const char *p = format; *p; p++) {
        if (p[0] != '%' || p[1] != 's') {
            buf_put(&out, p, 1);
            continue;
        }
        json_text_encoded(&out, va_arg(args, struct str));
        p++;
    }
    va_end(args);
    struct str url = out.failed ? STR_NULL : arena_str(rq->arena, bytes_str(buf_bytes(&out)));
    buf_done(&out);
    return url;
}

/* --- lists ------------------------------------------------------------------------------------ */

bool api_query_i64(struct api_request *rq, const char *name, int64_t fallback, int64_t min,
                   int64_t max, int64_t *ret)
{
    struct str text = rq->http->query(rq, name, 0);
    *ret = fallback;
    if (!text.data) return true;
    bool negative = text.len > 1 && text.data[0] == '-';
    struct str digits = negative ? (struct str){ text.data + 1, text.len - 1 } : text;
    if (!str_to_i64(digits, ret) || (negative ? -*ret : *ret) < min || *ret > max) {
        struct str detail = arena_printf(rq->arena, "%s must be a whole number from %lld to %lld.",
                                         name,
                                         (long long)min, (long long)max);
        if (rq->route->dialect == KAFKA) api_fail_kafka(rq, 400, 400, detail.data);
        else api_fail_at(rq, 400, NULL, detail.data, NULL, name);
        return false;
    }
    if (negative) *ret = -*ret;
    return true;
}

bool api_page(struct api_request *rq, struct api_page *ret_page)
{
    bool control = rq->route->dialect == CONTROL;
    int64_t size;
    if (!api_query_i64(rq, "page_size", control ? 10 : 50, 1, control ? 100 : 1000, &size)) {
        return false;
    }
    ret_page->size = (int)size;
    ret_page->after = rq->http->query(rq, "page_token", 0);
    if (ret_page->after.len > 255) {
        api_fail_at(rq, 400, NULL, "This page_token is not one of ours.", NULL, "page_token");
        return false;
    }
    return true;
}

/* The request's own address with another page_token (NULL: none). */
static struct str page_url(struct api_request *rq, const char *after)
{
    struct buf out;
    buf_init(&out, 16 * 1024);
    buf_put_str(&out, rq->base_url);
    buf_put_str(&out, rq->path);
    char separator = '?';
    struct str left = rq->raw_query;
    while (left.len) {
        const char *amp = memchr(left.data, '&', left.len);
        struct str part = { left.data, amp ? (size_t)(amp - left.data) : left.len };
        left = amp ? (struct str){ amp + 1, left.len - part.len - 1 } : STR("");
        if (part.len == 0 || str_starts(part, STR("page_token="))) continue;
        buf_put(&out, &separator, 1);
        buf_put_str(&out, part);
        separator = '&';
    }
    if (after) {
        buf_put(&out, &separator, 1);
        buf_put_str(&out, STR("page_token="));
        buf_put_str(&out, api_encode(rq->arena, str_c(after)));
    }
    struct str url = out.failed ? STR_NULL : arena_str(rq->arena, bytes_str(buf_bytes(&out)));
    buf_done(&out);
    return url;
}

void api_reply_list(struct api_request *rq, const char *api_version, const char *kind,
                    json_t *take_data, const char *next_after, int64_t total)
{
    json_t *metadata = json_object();
    json_object_set_new(metadata, "first", api_str(page_url(rq, NULL)));
    json_object_set_new(metadata, "next", next_after ? api_str(page_url(rq, next_after))
                        : json_null());
    if (total >= 0) json_object_set_new(metadata, "total_size", json_integer(total));
    json_t *list = json_object();
    if (api_version) json_object_set_new(list, "api_version", json_string(api_version));
    json_object_set_new(list, "kind", json_string(kind));
    json_object_set_new(list, "metadata", metadata);
    json_object_set_new(list, "data", take_data);
    api_reply(rq, 200, list);
}

/* The request's own address. */
static struct str self_url(struct api_request *rq)
{
    return arena_printf(rq->arena, "%.*s%.*s%s%.*s", STR_ARG(rq->base_url), STR_ARG(rq->path),
                        rq->raw_query.len ? "?" : "", STR_ARG(rq->raw_query));
}

void api_reply_kafka_list(struct api_request *rq, const char *kind, json_t *take_data)
{
    json_t *metadata = json_pack("{s:o, s:n}", "self", api_str(self_url(rq)), "next");
    api_reply(rq, 200, json_pack("{s:s, s:o, s:o}", "kind", kind, "metadata", metadata, "data",
                                 take_data));
}

void api_kafka_list_begin(struct api_request *rq, const char *kind, struct buf *out)
{
    buf_init(out, LIST_TEXT_MAX);
    buf_printf(out, "{\"kind\":\"%s\",\"metadata\":{\"self\":", kind);
    json_text_str(out, self_url(rq));
    JSON_TEXT(out, ",\"next\":null},\"data\":[");
}

void api_kafka_list_end(struct api_request *rq, struct buf *take)
{
    JSON_TEXT(take, "]}");
    if (!take->failed) {
        rq->http->answer_bytes(rq, 200, "application/json", take);
        return;
    }
    buf_done(take);
    api_fail_kafka(rq, 413, 413, "The list is larger than one answer may be: ask for one topic at a time.");
}
