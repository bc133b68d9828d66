/* reset_resume.c - finishing offset resets that were under way. Domain thread. */
#include "domain/reset_resume.h"

#include "base/log.h"
#include "domain/groups.h"

#include <stdio.h>

#define REQUEST_MAX (8u << 20)
#define ARENA_MAX (32u << 20)
#define LOOK_MS 100
#define GIVE_UP_MS 60000

enum { OFFSET_COMMIT = 8, OFFSET_COMMIT_VERSION = 8 };

struct resets {
    struct domain *domain;
    struct timer timer;
    int64_t give_up_at, last; /* loop time; the greatest id there was at the start */
    int64_t id;               /* the one that was sent; 0: none */
    char cluster_id[ID_TEXT], group[256];
    struct arena arena;       /* of it */
};

status reset_note(struct domain *domain, const char *cluster_id,
                  const struct offset_commit_request *request, int64_t *ret_id)
{
    struct buf bytes;
    buf_init(&bytes, REQUEST_MAX);
    status result = wire_encode(&offset_commit_request_message, OFFSET_COMMIT_VERSION, request, &bytes);
    if (is_ok(result))
        result = db_run(DB(domain->db, "INSERT INTO reset_under_way (cluster_id, group_id, request) VALUES "
                                       "(?, ?, ?)", cluster_id, request->group_id, buf_bytes(&bytes)));
    buf_done(&bytes);
    TRY(result);
    return db_one_i64(DB(domain->db, "SELECT last_insert_rowid()"), ret_id);
}

void reset_answered(struct domain *domain, int64_t id)
{
    status result = db_run(DB(domain->db, "DELETE FROM reset_under_way WHERE id = ?", id));
    if (failed(result)) log_warn("an offset reset stays noted as under way: %s", status_text(result));
}

status reset_result(const struct offset_commit_response *response)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            status one = status_from_kafka(response->topics[t].partitions[p].error_code);
            if (failed(one)) return one;
        }
    }
    return OK;
}

/* --- at the start of the next leatd ------------------------------------------------------------------ */

static void settle(struct resets *r, status result)
{
    struct domain *domain = r->domain;
    CLEANUP_CHANGE struct change *change = NULL;
    char resource[300];
    log_info("%s: the offset reset of group %s that was under way: %s", r->cluster_id, r->group,
             is_ok(result) ? "done" : status_text(result));
    if (failed(result)) {
        snprintf(resource, sizeof resource, "group=%s", r->group);
        status said = change_begin(domain, r->cluster_id, &actor_system, &change);
        if (is_ok(said))
            said = change_audit_with(change, "group.reset_offsets_failed", resource, "error",
                                     str_c(status_name(result)));
        if (is_ok(said)) said = change_commit_now(&change);
        if (failed(said)) log_error("that is not in the audit log: %s", status_text(said));
    }
    reset_answered(domain, r->id);
    r->id = 0;
}

static void answered(void *arg, status result, const void *response)
{
    struct resets *r = arg;
    arena_done(&r->arena);
    if (result.code == E_BROKER_NOT_AVAILABLE || result.code == E_REQUEST_TIMED_OUT) {
        r->id = 0; /* looked at again */
        return;
    }
    settle(r, is_ok(result) ? reset_result(response) : result);
}

static void send_again(struct resets *r, struct bytes stored)
{
    struct offset_commit_request *request;
    arena_init(&r->arena, ARENA_MAX);
    request = ARENA_NEW(&r->arena, struct offset_commit_request);
    struct bytes own = arena_bytes(&r->arena, stored);
    status result = arena_check(&r->arena);
    if (is_ok(result)) {
        wire_default(&offset_commit_request_message, request);
        result = wire_decode(&offset_commit_request_message, OFFSET_COMMIT_VERSION, own, &r->arena, request,
                             NULL);
    }
    if (failed(result)) {
        arena_done(&r->arena);
        settle(r, result);
        return;
    }
    engine_call(r->domain->engine, r->cluster_id, (struct str)STR("User:leat"), OFFSET_COMMIT,
                OFFSET_COMMIT_VERSION, request, &r->arena, CALL_TIMEOUT_MS, answered, r);
}

/* The first one whose broker is there; or, when the time is up, any. *ret_any: there are some. */
static bool choose(struct resets *r, bool late, struct buf *request, bool *ret_any)
{
    bool found = false;
    struct db_query *q = DB(r->domain->db, "SELECT id, cluster_id, group_id, request FROM reset_under_way "
                                           "WHERE id <= ? ORDER BY id", r->last);
    *ret_any = false;
    while (!found && db_next(q)) {
        *ret_any = true;
        DB_COPY(q, 1, r->cluster_id);
        found = late || engine_version(r->domain->engine, r->cluster_id) >= 0;
        if (!found) continue;
        r->id = db_i64(q, 0);
        DB_COPY(q, 2, r->group);
        buf_put(request, db_bytes(q, 3).data, db_bytes(q, 3).len);
    }
    return is_ok(db_end(q)) && found && is_ok(buf_check(request));
}

static void look(struct timer *timer)
{
    struct resets *r = CONTAINER_OF(timer, struct resets, timer);
    struct loop *loop = r->domain->loop;
    bool late = loop_now(loop) >= r->give_up_at, any = true;
    struct buf request;
    buf_init(&request, REQUEST_MAX);
    if (!r->id && choose(r, late, &request, &any)) {
        if (late) settle(r, FAIL(BROKER_NOT_AVAILABLE));
        else send_again(r, buf_bytes(&request));
    }
    buf_done(&request);
    if (any) (void)loop_timer_set(loop, timer, loop_now(loop) + LOOK_MS);
}

void reset_resume_start(struct domain *domain)
{
    struct resets *r = mem_zalloc(sizeof *r);
    if (!r) return; /* the next start does it */
    domain->resets = r;
    r->domain = domain;
    r->give_up_at = loop_now(domain->loop) + GIVE_UP_MS;
    timer_init(&r->timer, look);
    status found = db_one_i64(DB(domain->db, "SELECT coalesce(max(id), 0) FROM reset_under_way"), &r->last);
    if (is_ok(found) && r->last) look(&r->timer);
}

void reset_resume_stop(struct domain *domain)
{
    struct resets *r = TAKE(domain->resets);
    if (!r) return;
    loop_timer_clear(domain->loop, &r->timer);
    if (r->id) arena_done(&r->arena);
    mem_free(r);
}
