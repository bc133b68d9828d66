/* topic_changes.c - CreateTopics, DeleteTopics, CreatePartitions and IncrementalAlterConfigs: one
 * change of the cluster for all topics of a request; those that are refused leave the others alone.
 * Domain thread. */
#include "domain/topics.h"

#include "domain/topic_policies.h"
#include "domain/watchers.h"

#include <jansson.h>
#include <stdio.h>

/* A request under way: from its first row until the broker acknowledged. */
struct under_way {
    struct domain *domain;
    char cluster_id[40];
    struct change *change;
    struct topic_facts facts;
    struct limits limits;
    struct topic_policy policy;
    struct arena *arena;
    bool validate_only;
    int changed;          /* topics */
    int64_t version;
    const void *response;
    topics_done done;
    void *arg;
};

static void finished(void *arg, status result, const struct why *why)
{
    (void)why;
    struct under_way *u = arg;
    bool stands = is_ok(result) || result.code == E_PENDING;
    if (stands && u->changed) watchers_tell(u->domain, u->cluster_id, "topics");
    u->done(u->arg, result, u->version, stands ? u->response : NULL);
    mem_free(u);
}

static void refuse(struct under_way *u, status result)
{
    if (u->change) change_abort(u->change);
    u->response = NULL;
    finished(u, result, NULL);
}

static status read_facts(struct under_way *u)
{
    struct domain *d = u->domain;
    TRY(topics_limits(d->db, u->cluster_id, &u->limits));
    TRY(topic_policies_of_cluster(d->db, u->cluster_id, &u->policy));
    u->facts.limits = &u->limits;
    return db_one_i64(DB(d->db, "SELECT ifnull(sum(partitions), 0) FROM topic WHERE cluster_id = ? "
                         "AND internal = 0", (const char *)u->cluster_id),
                         &u->facts.partitions_used);
}

static status begin(struct under_way *u, const struct actor *actor)
{
    TRY(change_begin(u->domain, u->cluster_id, actor, &u->change));
    u->version = change_version(u->change);
    return read_facts(u);
}

/* NULL: done() was called. */
static struct under_way *start(struct domain *domain, const char *cluster_id,
                               const struct actor *actor, struct arena *arena, bool validate_only,
                               topics_done done, void *arg)
{
    struct under_way *u = mem_zalloc(sizeof *u);
    if (!u) {
        done(arg, FAIL(NO_MEMORY), 0, NULL);
        return NULL;
    }
    *u = (struct under_way){ .domain = domain, .arena = arena, .validate_only = validate_only,
                             .done = done, .arg = arg };
    str_copy(u->cluster_id, sizeof u->cluster_id, str_c(cluster_id));
    status result = begin(u, actor);
    if (is_ok(result)) return u;
    refuse(u, result);
    return NULL;
}

static void finish(struct under_way *u, const void *response, status result)
{
    if (is_ok(result)) result = arena_check(u->arena);
    if (failed(result)) {
        refuse(u, result);
        return;
    }
    u->response = response;
    if (u->validate_only || u->changed == 0) {
        change_abort(TAKE(u->change));
        finished(u, OK, NULL);
        return;
    }
    change_commit(TAKE(u->change), finished, u);
}

static status audit(struct under_way *u, const char *operation, struct str topic, json_t *detail)
{
    char resource[300];
    snprintf(resource, sizeof resource, "topic=%.*s", STR_ARG(topic));
    char *text = json_dumps(detail, JSON_COMPACT);
    json_decref(detail);
    status result = change_audit(u->change, operation, resource, text);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

static status find(struct under_way *u, struct str name, struct topic_row *ret,
                   const struct delta_topic **ret_topic)
{
    status found = topics_get(u->domain->db, u->cluster_id, name, u->arena, ret);
    if (found.code == E_UNKNOWN_TOPIC_OR_PARTITION) {
        *ret_topic = NULL;
        return OK;
    }
    *ret_topic = &ret->topic;
    return found;
}

static status write_configs(struct under_way *u, const struct delta_topic *t)
{
    struct db *db = u->domain->db;
    const char *cluster = u->cluster_id;
    TRY(db_run(DB(db, "DELETE FROM topic_config WHERE cluster_id = ? AND topic = ?", cluster,
                  t->name)));
    for (int32_t i = 0; i < t->config_count; i++) {
        TRY(db_run(DB(db, "INSERT INTO topic_config VALUES (?, ?, ?, ?)", cluster, t->name,
                      t->configs[i].name, t->configs[i].value)));
    }
    return OK;
}

static struct str sentence(struct under_way *u, const struct topic_plan *plan)
{
    if (is_ok(plan->result)) return STR_NULL;
    return arena_str(u->arena, str_c(plan->why.text[0] ? plan->why.text
                                     : status_text(plan->result)));
}

/* --- create ----------------------------------------------------------------------------------- */

static json_t *configs_json(const struct delta_topic *t)
{
    json_t *object = json_object();
    for (int32_t i = 0; i < t->config_count; i++) {
        char name[128];
        if (!str_copy(name, sizeof name, t->configs[i].name)) continue;
        json_object_set_new(object, name, json_stringn(t->configs[i].value.data,
                                                       t->configs[i].value.len));
    }
    return object;
}

static status insert(struct under_way *u, const struct delta_topic *t)
{
    char id[UUID_TEXT];
    uuid_format(t->id, id);
    TRY(db_run(DB(u->domain->db, "INSERT INTO topic VALUES (?, ?, ?, ?, ?, ?, ?)",
                  (const char *)u->cluster_id, (const char *)id, t->name, t->partitions,
                  t->replication_factor, 0, domain_wall())));
    TRY(write_configs(u, t));
    delta_topic(change_records(u->change), t);
    TRY(audit(u, "topic.create", t->name,
              json_pack("{s:i, s:i, s:o}", "partitions", t->partitions, "replication_factor",
                        t->replication_factor, "configs", configs_json(t))));
    u->changed++;
    return OK;
}

/* Also by the environment's policy: `before` NULL, the topic is new. */
static void check_policy(struct under_way *u, const struct delta_topic *before, struct topic_plan *plan)
{
    if (is_ok(plan->result))
        plan->result = topic_policy_check(&u->policy, before, &plan->topic, &plan->why);
}

static status plan_one(struct under_way *u, const struct create_topics_request_creatable_topic *wanted,
                       struct topic_plan *plan)
{
    struct topic_row there;
    const struct delta_topic *topic;
    TRY(find(u, wanted->name, &there, &topic));
    TRY(topic_policy_fill(&u->policy, &u->limits, wanted, u->arena, &wanted));
    *plan = plan_topic_create(&u->facts, topic != NULL, wanted, u->arena);
    check_policy(u, NULL, plan);
    return OK;
}

status topics_create_within(struct domain *domain, struct change *change, const char *cluster_id,
                            const struct create_topics_request_creatable_topic *wanted,
                            struct arena *arena, struct why *why)
{
    struct under_way u = { .domain = domain, .change = change, .arena = arena };
    struct topic_plan plan;
    str_copy(u.cluster_id, sizeof u.cluster_id, str_c(cluster_id));
    TRY(read_facts(&u));
    TRY(plan_one(&u, wanted, &plan));
    if (failed(plan.result)) *why = plan.why;
    TRY(plan.result);
    return change ? insert(&u, &plan.topic) : OK;
}

status topics_create_check(struct domain *domain, const char *cluster_id,
                           const struct create_topics_request_creatable_topic *wanted,
                           struct arena *arena, struct why *why)
{
    return topics_create_within(domain, NULL, cluster_id, wanted, arena, why);
}

static status create_one(struct under_way *u, const struct create_topics_request *request,
                         int32_t i,
                         int16_t version, struct create_topics_response_creatable_topic_result *row)
{
    const struct create_topics_request_creatable_topic *wanted = &request->topics[i];
    struct topic_plan plan = { .result = FAIL(INVALID_REQUEST) };
    if (create_topics_repeated(request, i))
        why_set(&plan.why, "The request names this topic more than once.");
    else TRY(plan_one(u, wanted, &plan));
    if (is_ok(plan.result) && !u->validate_only) TRY(insert(u, &plan.topic));
    create_topics_answer(&plan, wanted->name, version, u->arena, row);
    return OK;
}

void topics_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                   const struct create_topics_request *request, int16_t version,
                   struct arena *arena, topics_done done, void *arg)
{
    struct under_way *u = start(domain, cluster_id, actor, arena, request->validate_only, done,
                                arg);
    if (!u) return;
    struct create_topics_response *response = ARENA_NEW(arena, struct create_topics_response);
    status result = response && request->topics_count <= ADMIN_TOPICS_MAX ? OK
        : FAIL(INVALID_REQUEST);
    if (is_ok(result)) {
        wire_default(&create_topics_response_message, response);
        response->topics_count = request->topics_count;
        response->topics = ARENA_ARRAY(arena, struct create_topics_response_creatable_topic_result,
                                       request->topics_count + 1);
        if (!response->topics) result = FAIL(NO_MEMORY);
    }
    for (int32_t i = 0; is_ok(result) && i < request->topics_count; i++) {
        result = create_one(u, request, i, version, &response->topics[i]);
    }
    finish(u, response, result);
}

/* --- delete ----------------------------------------------------------------------------------- */

static status find_by_id(struct under_way *u, struct uuid id, struct topic_row *ret,
                         const struct delta_topic **ret_topic)
{
    char text[UUID_TEXT], name[256] = "";
    uuid_format(id, text);
    struct db_query *q = DB(u->domain->db, "SELECT name FROM topic WHERE cluster_id = ? AND id = ?",
                            (const char *)u->cluster_id, (const char *)text);
    if (db_next(q)) DB_COPY(q, 0, name);
    TRY(db_end(q));
    *ret_topic = NULL;
    return name[0] ? find(u, str_c(name), ret, ret_topic) : OK;
}

static status delete_one(struct under_way *u,
                         const struct delete_topics_request_delete_topic_state *wanted,
                         struct delete_topics_response_deletable_topic_result *row)
{
    struct topic_row there;
    const struct delta_topic *topic;
    bool by_id = str_is_null(wanted->name);
    if (by_id) TRY(find_by_id(u, wanted->topic_id, &there, &topic));
    else TRY(find(u, wanted->name, &there, &topic));
    struct topic_plan plan = { .result = by_id ? FAIL(UNKNOWN_TOPIC_ID)
                              : FAIL(UNKNOWN_TOPIC_OR_PARTITION) };
    if (topic) plan = plan_topic_delete(topic);
    if (is_ok(plan.result)) {
        TRY(db_run(DB(u->domain->db, "DELETE FROM topic WHERE cluster_id = ? AND name = ?",
                      (const char *)u->cluster_id, topic->name)));
        delta_topic_deleted(change_records(u->change), topic->id);
        TRY(audit(u, "topic.delete", topic->name, json_object()));
        u->changed++;
    }
    row->name = topic ? topic->name : wanted->name;
    row->topic_id = topic ? topic->id : wanted->topic_id;
    row->error_code = status_kafka(plan.result);
    row->error_message = sentence(u, &plan);
    return OK;
}

void topics_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                   const struct delete_topics_request *request, int16_t version,
                   struct arena *arena, topics_done done, void *arg)
{
    struct under_way *u = start(domain, cluster_id, actor, arena, false, done, arg);
    if (!u) return;
    int32_t count = version >= 6 ? request->topics_count : request->topic_names_count;
    struct delete_topics_response *response = ARENA_NEW(arena, struct delete_topics_response);
    status result = response && count >= 0 && count <= ADMIN_TOPICS_MAX ? OK
        : FAIL(INVALID_REQUEST);
    if (is_ok(result)) {
        wire_default(&delete_topics_response_message, response);
        response->responses_count = count;
        response->responses = ARENA_ARRAY(arena,
                                          struct delete_topics_response_deletable_topic_result,
                                          count + 1);
        if (!response->responses) result = FAIL(NO_MEMORY);
    }
    for (int32_t i = 0; is_ok(result) && i < count; i++) {
        struct delete_topics_request_delete_topic_state by_name = { 0 };
        if (version < 6) by_name.name = request->topic_names[i];
        result = delete_one(u, version >= 6 ? &request->topics[i] : &by_name,
                            &response->responses[i]);
    }
    finish(u, response, result);
}

/* --- more partitions -------------------------------------------------------------------------- */

static status partitions_one(struct under_way *u, const struct create_partitions_request *request,
                             int32_t i,
                             struct create_partitions_response_create_partitions_topic_result *row)
{
    const struct create_partitions_request_create_partitions_topic *wanted = &request->topics[i];
    struct topic_row there;
    const struct delta_topic *topic = NULL;
    struct topic_plan plan = { .result = FAIL(INVALID_REQUEST) };
    if (create_partitions_repeated(request, i)) {
        why_set(&plan.why, "The request names this topic more than once.");
    } else {
        TRY(find(u, wanted->name, &there, &topic));
        plan = plan_topic_partitions(&u->facts, topic, wanted, u->arena);
        check_policy(u, topic, &plan);
    }
    if (is_ok(plan.result) && !u->validate_only) {
        TRY(db_run(DB(u->domain->db,
                      "UPDATE topic SET partitions = ? WHERE cluster_id = ? AND name = ?",
                      plan.topic.partitions, (const char *)u->cluster_id, plan.topic.name)));
        delta_topic(change_records(u->change), &plan.topic);
        TRY(audit(u, "topic.partitions", plan.topic.name,
                  json_pack("{s:i, s:i}", "from", topic->partitions, "to", plan.topic.partitions)));
        u->changed++;
    }
    row->name = wanted->name;
    row->error_code = status_kafka(plan.result);
    row->error_message = sentence(u, &plan);
    return OK;
}

void topics_add_partitions(struct domain *domain, const char *cluster_id, const struct actor *actor,
                           const struct create_partitions_request *request, struct arena *arena,
                           topics_done done, void *arg)
{
    struct under_way *u = start(domain, cluster_id, actor, arena, request->validate_only, done,
                                arg);
    if (!u) return;
    int32_t count = request->topics_count;
    struct create_partitions_response *response = ARENA_NEW(arena,
        struct create_partitions_response);
    status result = response && count >= 0 && count <= ADMIN_TOPICS_MAX ? OK
        : FAIL(INVALID_REQUEST);
    if (is_ok(result)) {
        wire_default(&create_partitions_response_message, response);
        response->results_count = count;
        response->results = ARENA_ARRAY(arena,
                                        struct create_partitions_response_create_partitions_topic_result,
                                        count + 1);
        if (!response->results) result = FAIL(NO_MEMORY);
    }
    for (int32_t i = 0; is_ok(result) && i < count; i++) {
        result = partitions_one(u, request, i, &response->results[i]);
    }
    finish(u, response, result);
}

/* --- configs ---------------------------------------------------------------------------------- */

#define RESOURCE_TOPIC 2 /* of Kafka's config resources */

static json_t *changes_json(const struct incremental_alter_configs_request_alter_configs_resource *r)
{
    json_t *object = json_object();
    for (int32_t i = 0; i < r->configs_count; i++) {
        char name[128];
        if (!str_copy(name, sizeof name, r->configs[i].name)) continue;
        struct str value = r->configs[i].value;
        bool unset = r->configs[i].config_operation == 1 || !value.data;
        json_object_set_new(object, name, unset ? json_null() : json_stringn(value.data,
            value.len));
    }
    return object;
}

static status configs_one(struct under_way *u,
                          const struct incremental_alter_configs_request *request,
                          int32_t i,
                          struct incremental_alter_configs_response_alter_configs_resource_response *row)
{
    const struct incremental_alter_configs_request_alter_configs_resource *wanted = &request->resources[i];
    struct topic_row there;
    const struct delta_topic *topic;
    struct topic_plan plan = { .result = FAIL(INVALID_REQUEST) };
    if (alter_configs_repeated(request, i)) {
        why_set(&plan.why, "The request names this resource more than once.");
    } else if (wanted->resource_type != RESOURCE_TOPIC) {
        why_set(&plan.why, "Only the configs of topics can be changed; a cluster's are its plan.");
    } else {
        TRY(find(u, wanted->resource_name, &there, &topic));
        plan = plan_topic_configs(&u->facts, topic, wanted, u->arena);
        check_policy(u, topic, &plan);
    }
    if (is_ok(plan.result) && !u->validate_only) {
        TRY(write_configs(u, &plan.topic));
        delta_topic(change_records(u->change), &plan.topic);
        TRY(audit(u, "topic.configs", plan.topic.name, changes_json(wanted)));
        u->changed++;
    }
    row->resource_type = wanted->resource_type;
    row->resource_name = wanted->resource_name;
    row->error_code = status_kafka(plan.result);
    row->error_message = sentence(u, &plan);
    return OK;
}

void topics_alter_configs(struct domain *domain, const char *cluster_id, const struct actor *actor,
                          const struct incremental_alter_configs_request *request,
                          struct arena *arena, topics_done done, void *arg)
{
    struct under_way *u = start(domain, cluster_id, actor, arena, request->validate_only, done,
                                arg);
    if (!u) return;
    int32_t count = request->resources_count;
    struct incremental_alter_configs_response *response =
        ARENA_NEW(arena, struct incremental_alter_configs_response);
    status result = response && count >= 0 && count <= ADMIN_TOPICS_MAX ? OK
        : FAIL(INVALID_REQUEST);
    if (is_ok(result)) {
        wire_default(&incremental_alter_configs_response_message, response);
        response->responses_count = count;
        response->responses =
            ARENA_ARRAY(arena,
                        struct incremental_alter_configs_response_alter_configs_resource_response,
                        count + 1);
        if (!response->responses) result = FAIL(NO_MEMORY);
    }
    for (int32_t i = 0; is_ok(result) && i < count; i++) {
        result = configs_one(u, request, i, &response->responses[i]);
    }
    finish(u, response, result);
}
