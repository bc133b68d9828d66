/* change.c - one change of metadata: a transaction, its audit rows, the delta for the broker.
 * Domain thread; at most one change is open at a time (there is one writing connection).
 *
 * Invariant: a cluster's metadata_version is raised in the same transaction that changes its rows, so
 * the image made from the database at any time is the image of that version. */
#include "domain/domain.h"

#include "base/log.h"
#include "cluster/delta.h"
#include "domain/audit.h"
#include "domain/audit_rows.h"
#include "domain/failpoint.h"
#include "domain/watchers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

struct change {
    struct domain *domain;
    char cluster_id[ID_TEXT]; /* "": none */
    char actor_id[64], door[16], address[64], request_id[64];
    int64_t version;          /* after the change */
    struct buf records;
    size_t empty_len;         /* of the records without any but the first */
    bool open, audited;
    struct hold hold;
    const char *what;         /* watchers are told; NULL: whoever made the change tells them */
    struct why why;
    domain_done done;
    void *arg;
};

const struct actor actor_system = { "system", "system", "", "" };

static void change_free(struct change *change)
{
    buf_done(&change->records);
    mem_free(change);
}

static void copy_text(char *field, size_t size, const char *text)
{
    if (!text || !str_copy(field, size, str_c(text))) field[0] = 0;
}

status change_begin(struct domain *domain, const char *cluster_id, const struct actor *actor,
                    struct change **ret_change)
{
    CLEANUP_CHANGE struct change *change = mem_zalloc(sizeof *change);
    if (!change) return FAIL(NO_MEMORY);
    change->domain = domain;
    buf_init(&change->records, DELTA_MAX);
    copy_text(change->actor_id, sizeof change->actor_id, actor->id);
    copy_text(change->door, sizeof change->door, actor->door);
    copy_text(change->address, sizeof change->address, actor->address);
    copy_text(change->request_id, sizeof change->request_id, actor->request_id);
    TRY(domain->engine ? db_begin_grouped(domain->db) : db_begin(domain->db));
    change->open = true;
    audit_rows_begin(domain->audit_rows);
    if (cluster_id) {
        copy_text(change->cluster_id, sizeof change->cluster_id, cluster_id);
        int64_t version = 0;
        TRY(db_one_i64(DB(domain->db, "SELECT metadata_version FROM cluster WHERE id = ?",
                          cluster_id), &version));
        change->version = version + 1;
        delta_begin(&change->records, version, version + 1);
        change->empty_len = change->records.len;
    }
    *ret_change = TAKE(change);
    return OK;
}

void change_set_cluster(struct change *change, const char *cluster_id)
{
    copy_text(change->cluster_id, sizeof change->cluster_id, cluster_id);
}

struct buf *change_records(struct change *change) { return &change->records; }
int64_t change_version(const struct change *change) { return change->version; }

static const char *what_of(const char *operation)
{
    static const struct { const char *prefix, *what; } table[] = {
        { "cluster.", "cluster" }, { "api_key.", "keys" }, { "client_quota.", "quotas" },
        { "service_account.leave", "keys" },
        { "topic_request.", "topic_requests" }, { "scram_user.", "scram_users" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strncmp(operation, table[i].prefix, strlen(table[i].prefix)) == 0) return table[i].what;
    }
    return NULL;
}

static status append(struct change *change, const char *operation, const char *resource, struct str detail)
{
    const struct audit_row row = {
        .at = domain_wall(), .actor = str_c(change->actor_id), .door = str_c(change->door),
        .address = str_c(change->address), .request_id = str_c(change->request_id),
        .operation = str_c(operation), .resource = str_c(resource), .cluster_id = str_c(change->cluster_id),
        .detail = detail,
    };
    return audit_append(change->domain->db, &row);
}

/* Takes detail; NULL: no memory. */
static status audit(struct change *change, const char *operation, const char *resource, json_t *detail)
{
    change->what = what_of(operation);
    change->audited = true;
    status result = detail ? audit_rows_take(change->domain->audit_rows, operation, detail) : FAIL(NO_MEMORY);
    char *text = is_ok(result) ? json_dumps(detail, JSON_COMPACT) : NULL;
    json_decref(detail);
    if (is_ok(result)) result = text ? append(change, operation, resource, str_c(text)) : FAIL(NO_MEMORY);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

status change_audit(struct change *change, const char *operation, const char *resource,
                    const char *detail_json)
{
    return audit(change, operation, resource, detail_json ? json_loads(detail_json, 0, NULL) : json_object());
}

status change_audit_with(struct change *change, const char *operation, const char *resource,
                         const char *name, struct str value)
{
    return audit(change, operation, resource,
                 json_pack("{s:o}", name, json_stringn(value.data ? value.data : "", value.len)));
}

void change_note(struct change *change, const char *name, json_t *before, json_t *after)
{
    audit_rows_note(change->domain->audit_rows, name, before, after);
}

static void change_finished(void *arg, status result)
{
    struct change *change = arg;
    if (change->done) change->done(change->arg, result, &change->why);
    change_free(change);
}

#define EXIT_SYNC 3 /* as of brokers */

/* --- one sync for the changes of a turn ---------------------------------------------------------- */

static void sync_changes(struct deferred *deferred)
{
    struct domain *domain = CONTAINER_OF(deferred, struct domain, syncing);
    if (failed(db_sync(domain->db))) {
        log_error("leatd ends: the disk did not take the changes of this moment, and none of them is "
                  "answered; brokers serve on");
        _exit(EXIT_SYNC);
    }
    domain->unsynced = false;
    struct hold *hold, *all = domain->holds;
    domain->holds = NULL;
    while ((hold = all)) {
        DL_DELETE(all, hold);
        hold->run(hold);
    }
}

bool domain_hold(struct domain *domain, struct hold *hold)
{
    if (!domain->unsynced) return false;
    DL_APPEND(domain->holds, hold);
    return true;
}

static void sync_later(struct domain *domain)
{
    if (!domain->engine || domain->unsynced) return;
    domain->unsynced = true;
    domain->syncing.run = sync_changes;
    loop_defer(domain->loop, &domain->syncing);
}

static status commit(struct change *change)
{
    struct db *db = change->domain->db;
    TRY(buf_check(&change->records));
    if (change->audited && audit_rows_left(change->domain->audit_rows))
        log_warn("audit: a change of %s writes rows behind its last audit row", change->actor_id);
    audit_rows_end(change->domain->audit_rows);
    if (change->records.len > change->empty_len)
        TRY(db_run(DB(db, "UPDATE cluster SET metadata_version = ? WHERE id = ?", change->version,
                      (const char *)change->cluster_id)));
    TRY(db_commit(db));
    sync_later(change->domain);
    return OK;
}

/* The change stands, and is durable: the broker may hear of it. */
static void go_on(struct hold *hold)
{
    struct change *change = CONTAINER_OF(hold, struct change, hold);
    struct engine *engine = change->domain->engine;
    if (!engine || change->records.len <= change->empty_len) {
        change_finished(change, OK);
        return;
    }
    engine_push(engine, change->cluster_id, change->version, buf_bytes(&change->records),
                change_finished, change);
}

void change_commit(struct change *change, domain_done done, void *arg)
{
    change->done = done;
    change->arg = arg;
    failpoint("change.before-commit");
    status result = commit(change);
    failpoint("change.committed");
    if (failed(result)) {
        db_rollback(change->domain->db);
        audit_rows_end(change->domain->audit_rows);
    }
    change->open = false;
    if (is_ok(result) && change->what && change->cluster_id[0])
        watchers_tell(change->domain, change->cluster_id, change->what);
    if (failed(result) || change->records.len <= change->empty_len) {
        change_finished(change, result); /* what it answers is held */
        return;
    }
    change->hold.run = go_on;
    if (!domain_hold(change->domain, &change->hold)) go_on(&change->hold);
}

static void keep_result(void *arg, status result, const struct why *why)
{
    (void)why;
    *(status *)arg = result;
}

status change_commit_now(struct change **change)
{
    status result = FAIL(PENDING);
    change_commit(TAKE(*change), keep_result, &result);
    return result;
}

void change_abort(struct change *change)
{
    if (!change) return;
    if (change->open) {
        db_rollback(change->domain->db);
        audit_rows_end(change->domain->audit_rows);
    }
    change_free(change);
}
