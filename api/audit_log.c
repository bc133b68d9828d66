/* audit_log.c - /leat/v1/audit: what was done, newest first; found again, taken along as JSON lines, and
 * checked against its own hashes. HTTP threads. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXPORT_ROWS 10000
#define EXPORT_ROWS_MAX 50000
#define EXPORT_BYTES_MAX (64u << 20)

static json_t *hex(struct bytes b)
{
    char text[2 * AUDIT_HASH + 1] = "";
    if (b.len != AUDIT_HASH) return json_null();
    for (int i = 0; i < AUDIT_HASH; i++) snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)b.data)[i]);
    return json_string(text);
}

static json_t *to_json(const struct audit_row *row)
{
    json_t *detail = json_loadb(row->detail.data, row->detail.len, 0, NULL);
    json_t *json = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)row->id,
                             "at", api_time(row->at), "actor", api_str(row->actor), "door",
                             api_str(row->door), "address", api_str(row->address), "request_id",
                             api_str(row->request_id), "operation", api_str(row->operation), "resource",
                             api_str(row->resource), "cluster_id",
                             row->cluster_id.len ? api_str(row->cluster_id) : json_null(), "detail",
                             detail ? detail : json_object());
    json_object_set_new(json, "hash", hex(row->hash));
    return json;
}

/* --- what is looked for ------------------------------------------------------------------------------ */

/* RFC 3339 in UTC ("2026-01-31", "2026-01-31T10:00:00Z", with a fraction), or ms since 1970. */
static bool read_time(struct api_request *rq, const char *name, int64_t *ret)
{
    struct str text = rq->http->query(rq, name, 0);
    struct tm tm = { 0 };
    char copy[40];
    *ret = 0;
    if (!text.data || (text.len && str_to_i64(text, ret))) return true;
    if (str_copy(copy, sizeof copy, text)) {
        const char *end = strptime(copy, "%Y-%m-%d", &tm);
        if (end && *end == 'T') end = strptime(end + 1, "%H:%M:%S", &tm);
        int64_t fraction = 0;
        if (end && *end == '.') {
            int64_t unit = 100;
            for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10) fraction += (*end - '0') * unit;
        }
        if (end && *end == 'Z') end++;
        *ret = (int64_t)timegm(&tm) * 1000 + fraction;
        if (end && !*end) return true;
    }
    api_fail_at(rq, 400, "invalid_request", "A time is RFC 3339 in UTC, like 2026-01-31T10:00:00Z, or "
                "milliseconds since 1970.", NULL, name);
    return false;
}

/* False: answered. Of one cluster by who may see its audit; of all by who may see everything. */
static bool read_filter(struct api_request *rq, struct audit_filter *ret)
{
    static const struct role_scope everywhere = { .name = { "", 0 } };
    *ret = (struct audit_filter){
        .cluster_id = rq->http->query(rq, "cluster_id", 0), .actor = rq->http->query(rq, "actor", 0),
        .door = rq->http->query(rq, "door", 0), .operation = rq->http->query(rq, "operation", 0),
        .resource = rq->http->query(rq, "resource", 0), .text = rq->http->query(rq, "text", 0),
    };
    bool may = ret->cluster_id.len ? access_permit_cluster(rq, ret->cluster_id)
                                   : access_permit(rq, &everywhere);
    return may && read_time(rq, "from", &ret->from) && read_time(rq, "to", &ret->to);
}

/* --- list -------------------------------------------------------------------------------------------- */

static void add_row(void *arg, const struct audit_row *row)
{
    struct control_page *p = arg;
    char id[24];
    if (!control_page_room(p)) return;
    snprintf(id, sizeof id, "%lld", (long long)row->id);
    control_page_add(p, to_json(row), id);
}

void audit_list_get(struct api_request *rq)
{
    struct control_page p;
    struct audit_filter filter;
    int64_t before = 0;
    if (!read_filter(rq, &filter) || !control_page_begin(&p, rq)) return;
    if (p.page.after.len && (!str_to_i64(p.page.after, &before) || before == 0)) {
        json_decref(p.data);
        api_fail_at(rq, 400, "invalid_request", "page_token is not one of this list.", NULL, "page_token");
        return;
    }
    status result = audit_list(rq->db, &filter, before, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, NULL, "AuditList", -1);
}

/* --- export ------------------------------------------------------------------------------------------ */

struct export {
    struct buf out;
    int64_t count, limit, last;
    bool more;
};

static void export_row(void *arg, const struct audit_row *row)
{
    struct export *e = arg;
    if (e->count == e->limit) {
        e->more = true;
        return;
    }
    json_t *json = to_json(row);
    char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (line) buf_put(&e->out, line, strlen(line));
    if (line) buf_put(&e->out, "\n", 1);
    free(line); /* tidy: allowed, jansson's */
    e->count++;
    e->last = row->id;
}

void audit_export_get(struct api_request *rq)
{
    struct audit_filter filter;
    struct export e = { .count = 0 };
    int64_t after = 0;
    char next[24];
    if (!read_filter(rq, &filter) || !api_query_i64(rq, "after", 0, 0, INT64_MAX, &after) ||
        !api_query_i64(rq, "limit", EXPORT_ROWS, 1, EXPORT_ROWS_MAX, &e.limit))
        return;
    buf_init(&e.out, EXPORT_BYTES_MAX);
    status result = audit_export(rq->db, &filter, after, e.limit + 1, export_row, &e);
    if (is_ok(result)) result = buf_check(&e.out);
    if (failed(result)) {
        buf_done(&e.out);
        api_fail(rq, result, "These rows are too much at once: ask with a smaller limit.");
        return;
    }
    snprintf(next, sizeof next, "%lld", (long long)e.last);
    if (e.more) rq->http->set_header(rq, "Leat-Next-After", next);
    rq->http->answer_bytes(rq, 200, "application/x-ndjson", &e.out);
}

/* --- verify ------------------------------------------------------------------------------------------ */

void audit_verify_get(struct api_request *rq)
{
    struct audit_verdict v;
    status result = audit_verify(rq->db, &v);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *broken = v.broken_at ? json_integer(v.broken_at) : json_null();
    api_reply(rq, 200, json_pack("{s:b, s:I, s:I, s:I, s:o, s:o, s:s}", "intact", v.intact, "rows",
                                 (json_int_t)v.rows, "first_id", (json_int_t)v.first, "last_id",
                                 (json_int_t)v.last, "head", hex(bytes_of(v.head, AUDIT_HASH)), "broken_at",
                                 broken, "what", v.what));
}
