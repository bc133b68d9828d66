/* topic_requests.c - rows of requests, and what an approval does. Domain thread, but for reading. */
#include "domain/topic_requests.h"

#include "domain/acls.h"
#include "domain/clusters.h"
#include "domain/topics.h"
#include "domain/watchers.h"

#include <stdlib.h>

#define ACLS_OF_REQUEST_MAX (TOPIC_REQUEST_ACCESS_MAX * 16)

#define COLUMNS                                                                                     \
    "SELECT seq, id, cluster_id, state, topic, partitions, configs, access, justification, reason, " \
    "requested_by, requested_at, decided_by, decided_at FROM topic_request "

static void read_row(const struct db_query *q, struct topic_request *r)
{
    *r = (struct topic_request){
        .seq = db_i64(q, 0), .id = db_text(q, 1), .cluster_id = db_text(q, 2), .state = db_text(q, 3),
        .topic = db_text(q, 4), .partitions = db_i64(q, 5), .configs = db_text(q, 6),
        .access = db_text(q, 7), .justification = db_text(q, 8), .reason = db_text(q, 9),
        .requested_by = db_text(q, 10), .requested_at = db_i64(q, 11), .decided_by = db_text(q, 12),
        .decided_at = db_i64(q, 13),
    };
}

#define FILTER                                                                                      \
    "(?1 IS NULL OR cluster_id = ?1) AND (?2 IS NULL OR state = ?2) AND "                            \
    "(?3 IS NULL OR requested_by = ?3) "

status topic_requests_list(struct db *db, const struct topic_request_filter *f, int64_t before,
                           int64_t limit, topic_request_each each, void *arg)
{
    struct topic_request r;
    struct db_query *q = DB(db, COLUMNS "WHERE " FILTER "AND seq < ?4 ORDER BY seq DESC LIMIT ?5",
                            f->cluster_id, f->state, f->requested_by, before > 0 ? before : INT64_MAX, limit);
    while (db_next(q)) {
        read_row(q, &r);
        each(arg, &r);
    }
    return db_end(q);
}

status topic_requests_count(struct db *db, const struct topic_request_filter *f, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM topic_request WHERE " FILTER, f->cluster_id, f->state,
                         f->requested_by), ret);
}

status topic_requests_get(struct db *db, struct str id, topic_request_each each, void *arg)
{
    struct topic_request r;
    struct db_query *q = DB(db, COLUMNS "WHERE id = ?", id);
    bool found = db_next(q);
    if (found) {
        read_row(q, &r);
        each(arg, &r);
    }
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

/* --- what a request means ----------------------------------------------------------------------------- */

static struct str text_of(const json_t *value, struct arena *arena)
{
    if (!json_is_string(value)) return STR_NULL;
    return arena_str(arena, (struct str){ json_string_value(value), json_string_length(value) });
}

/* As Kafka's CreateTopics says it. */
static status wanted_topic(struct str topic, int64_t partitions, json_t *configs, struct arena *arena,
                           struct create_topics_request_creatable_topic *ret, struct why *why)
{
    const char *name;
    json_t *value;
    *ret = (struct create_topics_request_creatable_topic){
        .name = topic, .num_partitions = (int32_t)partitions, .replication_factor = -1,
    };
    ret->configs = ARENA_ARRAY(arena, struct create_topics_request_creatable_topic_config,
                               json_object_size(configs) + 1);
    if (!ret->configs) return FAIL(NO_MEMORY);
    json_object_foreach(configs, name, value) {
        struct str text = text_of(value, arena);
        if (str_is_null(text)) {
            why_set(why, "The config %.100s must be a string.", name);
            return FAIL(PRECONDITION);
        }
        ret->configs[ret->configs_count].name = arena_str(arena, str_c(name));
        ret->configs[ret->configs_count++].value = text;
    }
    return arena_check(arena);
}

static status add_acl(struct acl *acls, size_t *count, enum acl_resource resource, struct str name,
                      struct str principal, enum acl_operation operation, struct why *why)
{
    struct acl *a = &acls[*count];
    if (*count == ACLS_OF_REQUEST_MAX) return FAIL(LIMIT);
    *a = (struct acl){ .resource = resource, .name = name, .pattern = PAT_LITERAL, .principal = principal,
                       .host = STR("*"), .operation = operation, .permission = PERM_ALLOW };
    (*count)++;
    return failed(acls_check(a, why)) ? FAIL(PRECONDITION) : OK;
}

/* One of the list: the operations on the topic, and reading as a member of the group. */
static status add_access(const json_t *entry, struct str topic, struct arena *arena, struct acl *acls,
                         size_t *count, struct why *why)
{
    size_t i;
    json_t *operation;
    const json_t *operations = json_object_get(entry, "operations");
    struct str principal = text_of(json_object_get(entry, "principal"), arena);
    struct str group = text_of(json_object_get(entry, "group"), arena);
    if (str_is_null(principal) || json_array_size(operations) < 1 || json_array_size(operations) > 12) {
        why_set(why, "Each access names a principal and at least one operation.");
        return FAIL(PRECONDITION);
    }
    json_array_foreach((json_t *)operations, i, operation)
        TRY(add_acl(acls, count, RES_TOPIC, topic, principal, acl_operation_of(text_of(operation, arena)),
                    why));
    if (str_is_null(group)) return OK;
    return add_acl(acls, count, RES_GROUP, group, principal, OP_READ, why);
}

static status wanted_acls(json_t *access, struct str topic, struct arena *arena, struct acl **ret_acls,
                          size_t *ret_count, struct why *why)
{
    size_t i;
    json_t *entry;
    *ret_count = 0;
    *ret_acls = ARENA_ARRAY(arena, struct acl, ACLS_OF_REQUEST_MAX);
    if (!*ret_acls) return FAIL(NO_MEMORY);
    if (json_array_size(access) > TOPIC_REQUEST_ACCESS_MAX) {
        why_set(why, "A request has at most %d principals.", TOPIC_REQUEST_ACCESS_MAX);
        return FAIL(PRECONDITION);
    }
    json_array_foreach(access, i, entry)
        TRY(add_access(entry, topic, arena, *ret_acls, ret_count, why));
    return arena_check(arena);
}

/* Kafka's many reasons to refuse a topic are one here; what is said stays. */
static status as_refusal(status result, struct why *why)
{
    if (is_ok(result) || result.code == E_NO_MEMORY || result.code == E_NOT_FOUND) return result;
    if (!why->text[0]) why_set(why, "%s", status_text(result));
    return result.code == E_TOPIC_ALREADY_EXISTS ? FAIL(EXISTS) : FAIL(PRECONDITION);
}

/* --- asking --------------------------------------------------------------------------------------------- */

static status check_wish(struct domain *domain, const struct topic_wish *wish, struct arena *arena,
                         struct why *why)
{
    struct create_topics_request_creatable_topic topic;
    struct acl *acls;
    size_t count;
    struct cluster c;
    char cluster[ID_TEXT];
    if (failed(clusters_get(domain->db, wish->cluster_id, &c)) || c.deleting) {
        why_set(why, "There is no such cluster.");
        return FAIL(NOT_FOUND);
    }
    str_copy(cluster, sizeof cluster, wish->cluster_id);
    if (failed(text_check(wish->justification, why))) return FAIL(PRECONDITION);
    TRY(wanted_topic(wish->topic, wish->partitions, wish->configs, arena, &topic, why));
    TRY(wanted_acls(wish->access, wish->topic, arena, &acls, &count, why));
    return as_refusal(topics_create_check(domain, cluster, &topic, arena, why), why);
}

static status insert(struct domain *domain, const char *id, const char *who, const struct topic_wish *wish)
{
    char *configs = json_dumps(wish->configs, JSON_COMPACT), *access = json_dumps(wish->access, JSON_COMPACT);
    struct db_query *q = db_query(domain->db,
                                  "INSERT INTO topic_request (id, cluster_id, state, topic, partitions, "
                                  "configs, access, justification, reason, requested_by, requested_at, "
                                  "decided_by, decided_at) "
                                  "VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, '', ?, ?, '', 0)");
    db_bind_cstr(q, id);
    db_bind_str(q, wish->cluster_id);
    db_bind_str(q, wish->topic);
    db_bind_i64(q, wish->partitions);
    db_bind_cstr(q, configs ? configs : "{}");
    db_bind_cstr(q, access ? access : "[]");
    db_bind_str(q, str_is_null(wish->justification) ? STR("") : wish->justification);
    db_bind_cstr(q, who);
    db_bind_i64(q, domain_wall());
    free(configs); /* tidy: allowed, jansson's */
    free(access);  /* tidy: allowed, jansson's */
    TRY(db_run(q));
    return db_run(DB(domain->db, "DELETE FROM topic_request WHERE state <> 'pending' AND seq <= "
                                 "(SELECT max(seq) FROM topic_request) - ?", TOPIC_REQUESTS_KEPT));
}

status topic_requests_create(struct domain *domain, const struct actor *actor, const char *who,
                             const struct topic_wish *wish, struct arena *arena, char ret_id[ID_TEXT],
                             struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct topic_request_filter pending = { wish->cluster_id, STR("pending"), STR_NULL };
    int64_t waiting = 0;
    char cluster[ID_TEXT];
    TRY(check_wish(domain, wish, arena, why));
    str_copy(cluster, sizeof cluster, wish->cluster_id);
    TRY(change_begin(domain, cluster, actor, &change));
    TRY(topic_requests_count(domain->db, &pending, &waiting));
    if (waiting >= TOPIC_REQUESTS_PENDING_MAX) {
        why_set(why, "%d requests wait for this cluster already (leat.max_topic_requests.per_cluster).",
                TOPIC_REQUESTS_PENDING_MAX);
        return FAIL(LIMIT);
    }
    secret_id_new("tr-", ret_id);
    TRY(insert(domain, ret_id, who, wish));
    TRY(change_audit_with(change, "topic_request.create", ret_id, "topic", wish->topic));
    return change_commit_now(&change);
}

/* --- deciding ------------------------------------------------------------------------------------------- */

static const struct { const char *state, *operation; } decisions[] = {
    [TOPIC_REQUEST_APPROVE] = { "approved", "topic_request.approve" },
    [TOPIC_REQUEST_DECLINE] = { "declined", "topic_request.decline" },
    [TOPIC_REQUEST_WITHDRAW] = { "withdrawn", "topic_request.withdraw" },
};

/* A request, copied out of its row. */
struct deciding {
    struct domain *domain;
    struct arena *arena;
    struct topic_request request;
    char cluster_id[ID_TEXT];
    bool approved;
    domain_done done;
    void *arg;
};

static void copy_row(void *arg, const struct topic_request *r)
{
    struct deciding *d = arg;
    struct str *fields[] = { &d->request.id, &d->request.state, &d->request.topic, &d->request.configs,
                             &d->request.access, &d->request.requested_by };
    d->request = *r;
    str_copy(d->cluster_id, sizeof d->cluster_id, r->cluster_id);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) *fields[i] = arena_str(d->arena, *fields[i]);
}

static status apply(struct deciding *d, struct change *change, struct why *why)
{
    struct create_topics_request_creatable_topic topic;
    struct acl *acls;
    size_t count;
    const struct topic_request *r = &d->request;
    json_t *configs = json_loadb(r->configs.data, r->configs.len, 0, NULL);
    json_t *access = json_loadb(r->access.data, r->access.len, 0, NULL);
    status result = wanted_topic(r->topic, r->partitions, configs, d->arena, &topic, why);
    if (is_ok(result)) result = wanted_acls(access, r->topic, d->arena, &acls, &count, why);
    json_decref(configs);
    json_decref(access);
    TRY(result);
    result = topics_create_within(d->domain, change, d->cluster_id, &topic, d->arena, why);
    if (is_ok(result)) result = acls_create_within(d->domain, change, d->cluster_id, acls, count, why);
    return as_refusal(result, why);
}

static status decide(struct deciding *d, struct change *change, const char *who, enum topic_decision decision,
                     struct str reason, struct why *why)
{
    const struct topic_request *r = &d->request;
    if (!str_eq_c(r->state, "pending")) {
        why_set(why, "The request was %.*s already.", STR_ARG(r->state));
        return FAIL(CONFLICT);
    }
    if (decision == TOPIC_REQUEST_WITHDRAW && !str_eq_c(r->requested_by, who)) {
        why_set(why, "A request is withdrawn by who made it, %.*s; others decline it.",
                STR_ARG(r->requested_by));
        return FAIL(NOT_PERMITTED);
    }
    if (decision == TOPIC_REQUEST_DECLINE && str_is_empty(reason)) {
        why_set(why, "A request is declined with a reason.");
        return FAIL(PRECONDITION);
    }
    if (failed(text_check(reason, why))) return FAIL(PRECONDITION);
    if (decision == TOPIC_REQUEST_APPROVE) TRY(apply(d, change, why));
    TRY(db_run(DB(d->domain->db, "UPDATE topic_request SET state = ?, reason = ?, decided_by = ?, "
                                 "decided_at = ? WHERE seq = ?",
                  decisions[decision].state, str_is_null(reason) ? STR("") : reason, who, domain_wall(),
                  r->seq)));
    char id[ID_TEXT];
    str_copy(id, sizeof id, r->id);
    return change_audit_with(change, decisions[decision].operation, id, "reason", reason);
}

static void finished(void *arg, status result, const struct why *why)
{
    struct deciding *d = arg;
    bool stands = is_ok(result) || result.code == E_PENDING;
    if (stands && d->approved) {
        watchers_tell(d->domain, d->cluster_id, "topics");
        watchers_tell(d->domain, d->cluster_id, "acls");
    }
    d->done(d->arg, result, why);
    mem_free(d);
}

void topic_requests_decide(struct domain *domain, const struct actor *actor, const char *who, struct str id,
                           enum topic_decision decision, struct str reason, struct arena *arena,
                           domain_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    struct deciding *d = mem_zalloc(sizeof *d);
    status result = d ? OK : FAIL(NO_MEMORY);
    if (d) {
        *d = (struct deciding){ .domain = domain, .arena = arena, .done = done, .arg = arg,
                                .approved = decision == TOPIC_REQUEST_APPROVE };
        result = topic_requests_get(domain->db, id, copy_row, d);
    }
    if (is_ok(result)) result = change_begin(domain, d->cluster_id, actor, &change);
    if (is_ok(result)) result = decide(d, change, who, decision, reason, &why);
    if (failed(result)) {
        change_abort(TAKE(change));
        mem_free(d);
        done(arg, result, &why);
        return;
    }
    change_commit(TAKE(change), finished, d);
}
