/* refusals.c - a small table under a lock, drained by a timer of the domain's loop. */
#include "domain/refusals.h"

#include "base/log.h"
#include "domain/audit.h"
#include "wire/messages.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS 1000
#define MINUTE_MS 60000
#define FACTS_MAX 64

struct refusal {
    char operation[40], actor[256], door[16], address[64], resource[272], cluster_id[ID_TEXT];
    int64_t at, count;
    char *detail; /* of a broker: JSON; NULL: the count alone */
};

struct refusals {
    struct domain *domain;
    pthread_mutex_t lock; /* of all below but the timer */
    struct refusal rows[REFUSALS_KINDS];
    size_t count;
    int64_t others;
    int64_t minute;       /* when the one that is counted began */
    int written;          /* rows in it */
    bool posted;          /* the job or the timer is on its way */
    struct job job;
    struct timer timer;
};

static bool same(const struct refusal *a, const struct refusal *b)
{
    if (a->detail || b->detail) return false;
    return strcmp(a->operation, b->operation) == 0 && strcmp(a->actor, b->actor) == 0 &&
           strcmp(a->address, b->address) == 0 && strcmp(a->resource, b->resource) == 0;
}

static status append(struct db *db, const struct refusal *r)
{
    char detail[64];
    snprintf(detail, sizeof detail, "{\"count\":%lld}", (long long)r->count);
    const struct audit_row row = {
        .at = r->at, .actor = str_c(r->actor), .door = str_c(r->door), .address = str_c(r->address),
        .request_id = STR(""), .operation = str_c(r->operation), .resource = str_c(r->resource),
        .cluster_id = str_c(r->cluster_id), .detail = str_c(r->detail ? r->detail : detail),
    };
    return audit_append(db, &row);
}

static status write_rows(struct domain *domain, const struct refusal *rows, size_t count, int64_t others)
{
    const struct refusal rest = { .operation = "refusals.others", .door = "system", .at = domain_wall(),
                                  .count = others };
    TRY(db_begin(domain->db));
    status result = OK;
    for (size_t i = 0; i < count && is_ok(result); i++) result = append(domain->db, &rows[i]);
    if (others && is_ok(result)) result = append(domain->db, &rest);
    if (is_ok(result)) return db_commit(domain->db);
    db_rollback(domain->db);
    return result;
}

/* Rows beyond a minute's share become part of *others; what was deleted is always told. */
static size_t within_share(struct refusals *r, struct refusal *rows, size_t count, int64_t *others)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool deleted = strstr(rows[i].operation, ".delete") != NULL;
        if (deleted || r->written < REFUSALS_A_MINUTE) {
            r->written += !deleted;
            rows[kept++] = rows[i];
            continue;
        }
        *others += rows[i].count;
        free(rows[i].detail); /* tidy: allowed, jansson's */
    }
    return kept;
}

/* `all`: the minute is not waited for. */
static void drain(struct refusals *r, bool all)
{
    struct refusal *rows = mem_alloc(sizeof r->rows);
    int64_t now = loop_now(r->domain->loop), others = 0;
    if (!rows) return; /* next time */
    pthread_mutex_lock(&r->lock);
    bool over = all || now >= r->minute + MINUTE_MS;
    if (over) {
        others = r->others;
        r->others = 0;
        r->minute = now;
        r->written = 0;
    }
    size_t count = r->count;
    memcpy(rows, r->rows, count * sizeof *rows);
    r->count = 0;
    count = within_share(r, rows, count, &r->others);
    r->posted = r->others > 0;
    bool again = r->posted;
    pthread_mutex_unlock(&r->lock);
    if ((count || others) && failed(write_rows(r->domain, rows, count, others)))
        log_error("audit: %zu refusals could not be written", count);
    for (size_t i = 0; i < count; i++) free(rows[i].detail); /* tidy: allowed, jansson's */
    mem_free(rows);
    if (again && !all) (void)loop_timer_set(r->domain->loop, &r->timer, now + EVERY_MS);
}

static void tick(struct timer *timer) { drain(CONTAINER_OF(timer, struct refusals, timer), false); }

static void arm(struct job *job)
{
    struct refusals *r = CONTAINER_OF(job, struct refusals, job);
    int64_t at = loop_now(r->domain->loop) + EVERY_MS;
    if (failed(loop_timer_set(r->domain->loop, &r->timer, at))) drain(r, false);
}

status refusals_start(struct domain *domain)
{
    struct refusals *r = mem_zalloc(sizeof *r);
    if (!r) return FAIL(NO_MEMORY);
    r->domain = domain;
    pthread_mutex_init(&r->lock, NULL);
    r->job.done = arm;
    timer_init(&r->timer, tick);
    domain->refusals = r;
    return OK;
}

void refusals_stop(struct domain *domain)
{
    struct refusals *r = TAKE(domain->refusals);
    if (!r) return;
    loop_timer_clear(domain->loop, &r->timer);
    drain(r, true);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void fill(struct refusal *row, const char *operation, const char *actor, const char *door,
                 const char *address, const char *resource)
{
    str_copy(row->operation, sizeof row->operation, str_c(operation));
    str_copy(row->actor, sizeof row->actor, str_c(actor));
    str_copy(row->door, sizeof row->door, str_c(door));
    str_copy(row->address, sizeof row->address, str_c(address));
    str_copy(row->resource, sizeof row->resource, str_c(resource));
}

/* Takes row.detail. */
static void add(struct refusals *r, const struct refusal *row)
{
    pthread_mutex_lock(&r->lock);
    size_t i = 0;
    while (i < r->count && !same(&r->rows[i], row)) i++;
    if (i < r->count) r->rows[i].count += row->count;
    else if (r->count < REFUSALS_KINDS) r->rows[r->count++] = *row;
    else r->others += row->count;
    bool kept = i < r->count;
    bool post = !r->posted;
    r->posted = true;
    pthread_mutex_unlock(&r->lock);
    if (!kept) free(row->detail); /* tidy: allowed, jansson's */
    if (post) domain_post(r->domain, &r->job);
}

void refusals_note(struct domain *domain, const char *operation, const char *actor, const char *door,
                   const char *address, const char *resource)
{
    struct refusals *r = domain->refusals;
    struct refusal row = { .at = domain_wall(), .count = 1 };
    if (!r) return;
    fill(&row, operation, actor, door, address, resource);
    add(r, &row);
}

/* --- brokers ------------------------------------------------------------------------------------------- */

static bool broker_operation(struct str name)
{
    static const char *const known[] = { "kafka.sign_in", "kafka.refuse", "kafka.refuse_tls",
                                         "topic.delete_records", "group.delete", "group.delete_offsets" };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq_c(name, known[i])) return true;
    }
    return false;
}

static json_t *text_json(struct str s)
{
    json_t *text = json_stringn(s.data ? s.data : "", s.len);
    return text ? text : json_string("");
}

static void put_fact(json_t *o, struct str name, struct str value)
{
    char key[300], number[24];
    if (!value.data || !str_copy(key, sizeof key, name) || !str_copy(number, sizeof number, value)) return;
    json_object_set_new(o, key, json_integer(strtoll(number, NULL, 10)));
}

static struct str without(struct str s, struct str prefix)
{
    return str_starts(s, prefix) ? (struct str){ s.data + prefix.len, s.len - prefix.len } : s;
}

static char *detail_of(const struct control_audit_audit_entry *e)
{
    json_t *detail = json_object(), *before = json_object(), *after = json_object();
    if (e->reason.len) json_object_set_new(detail, "how", text_json(e->reason));
    json_object_set_new(detail, "count", json_integer(e->count));
    for (int32_t i = 0; i < e->facts_count && i < FACTS_MAX; i++) {
        put_fact(before, e->facts[i].name, e->facts[i].before);
        put_fact(after, e->facts[i].name, e->facts[i].after);
    }
    if (str_eq_c(e->operation, "group.delete"))
        json_object_set_new(before, "group_id", text_json(without(e->resource, STR("group="))));
    if (json_object_size(before) || json_object_size(after)) {
        json_object_set(detail, "before", before);
        json_object_set(detail, "after", after);
    }
    char *text = json_dumps(detail, JSON_COMPACT);
    json_decref(detail);
    json_decref(before);
    json_decref(after);
    return text;
}

void refusals_of_broker(struct domain *domain, const char *cluster_id, const struct control_audit *audit)
{
    struct refusals *r = domain->refusals;
    if (!r) return;
    for (int32_t i = 0; i < audit->entries_count; i++) {
        const struct control_audit_audit_entry *e = &audit->entries[i];
        struct refusal row = { .door = "kafka", .at = domain_wall(), .count = e->count };
        if (!broker_operation(e->operation) || e->count <= 0) continue;
        str_copy(row.operation, sizeof row.operation, e->operation);
        str_copy(row.actor, sizeof row.actor, without(e->principal, STR("User:")));
        str_copy(row.address, sizeof row.address, e->host);
        str_copy(row.resource, sizeof row.resource, e->resource.len ? e->resource : str_c(cluster_id));
        str_copy(row.cluster_id, sizeof row.cluster_id, str_c(cluster_id));
        row.detail = detail_of(e);
        if (row.detail) add(r, &row);
    }
    if (audit->others > 0) {
        struct refusal row = { .door = "kafka", .at = domain_wall(), .count = audit->others,
                               .operation = "kafka.others" };
        str_copy(row.resource, sizeof row.resource, str_c(cluster_id));
        str_copy(row.cluster_id, sizeof row.cluster_id, str_c(cluster_id));
        add(r, &row);
    }
}
