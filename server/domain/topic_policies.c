/* topic_policies.c - rows of policies, and the checks they stand for. A pattern is matched under limits,
 * so that no name and no pattern holds up the domain thread. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "domain/topic_policies.h"

#include "domain/environments.h"

#include <jansson.h>
#include <pcre2.h>
#include <stdlib.h>

#define RETENTION_MS_DEFAULT 604800000LL /* Kafka's, of a topic that sets none */

enum { MATCH_LIMIT = 20000, DEPTH_LIMIT = 250 };

const struct topic_policy topic_policy_none = { .partitions_min = -1, .partitions_max = -1,
                                                .retention_min_ms = -1, .retention_max_ms = -1 };

#define COLUMNS                                                                                     \
    "SELECT p.name_prefix, p.name_pattern, p.partitions_min, p.partitions_max, p.retention_min_ms, " \
    "p.retention_max_ms, p.description FROM topic_policy p "

static status read_one(struct db_query *q, struct topic_policy *ret)
{
    *ret = topic_policy_none;
    if (db_next(q)) {
        DB_COPY(q, 0, ret->name_prefix);
        DB_COPY(q, 1, ret->name_pattern);
        ret->partitions_min = db_i64(q, 2);
        ret->partitions_max = db_i64(q, 3);
        ret->retention_min_ms = db_i64(q, 4);
        ret->retention_max_ms = db_i64(q, 5);
        DB_COPY(q, 6, ret->description);
    }
    return db_end(q);
}

status topic_policies_get(struct db *db, struct str environment_id, struct topic_policy *ret)
{
    return read_one(DB(db, COLUMNS "WHERE p.environment_id = ?", environment_id), ret);
}

status topic_policies_of_cluster(struct db *db, const char *cluster_id, struct topic_policy *ret)
{
    return read_one(DB(db, COLUMNS "JOIN cluster c ON c.environment_id = p.environment_id WHERE c.id = ?",
                       cluster_id), ret);
}

/* --- patterns ---------------------------------------------------------------------------------------- */

static status compile(const char *pattern, pcre2_code **ret, struct why *why)
{
    int error = 0;
    size_t at = 0;
    uint8_t text[120] = "";
    *ret = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                         PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
    if (*ret) return OK;
    pcre2_get_error_message(error, text, sizeof text);
    why_set(why, "name_pattern is no regular expression: %s (at %zu).", (const char *)text, at);
    return FAIL(INVALID);
}

static bool matches(const pcre2_code *code, struct str name)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;
    if (data && context) {
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_depth_limit(context, DEPTH_LIMIT);
        found = pcre2_match(code, (PCRE2_SPTR)name.data, name.len, 0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return found >= 0;
}

/* --- checks ------------------------------------------------------------------------------------------ */

static status refuse(const struct topic_policy *policy, const char *sentence, struct why *why)
{
    char own[sizeof why->text];
    str_copy(own, sizeof own, str_c(sentence));
    why_set(why, "%s%s%s", own, policy->description[0] ? " " : "", policy->description);
    return FAIL(POLICY_VIOLATION);
}

static status check_name(const struct topic_policy *policy, struct str name, struct why *why)
{
    struct why part = { "" };
    pcre2_code *code = NULL;
    if (policy->name_prefix[0] && !str_starts(name, str_c(policy->name_prefix))) {
        why_set(&part, "Topics of this environment are named %s….", policy->name_prefix);
        return refuse(policy, part.text, why);
    }
    if (!policy->name_pattern[0]) return OK;
    TRY(compile(policy->name_pattern, &code, why)); /* was checked when it was set */
    bool fine = matches(code, name);
    pcre2_code_free(code);
    if (fine) return OK;
    why_set(&part, "Names of this environment's topics match %s.", policy->name_pattern);
    return refuse(policy, part.text, why);
}

static status check_range(const struct topic_policy *policy, const char *what, int64_t value, int64_t min,
                          int64_t max, struct why *why)
{
    struct why part = { "" };
    bool fine = (min < 0 || value >= min) && (max < 0 || value <= max);
    if (fine) return OK;
    if (min >= 0 && max >= 0)
        why_set(&part, "In this environment %s is from %lld to %lld.", what, (long long)min, (long long)max);
    else
        why_set(&part, "In this environment %s is at %s %lld.", what, min >= 0 ? "least" : "most",
                (long long)(min >= 0 ? min : max));
    return refuse(policy, part.text, why);
}

/* Endless (-1) is INT64_MAX. */
static int64_t retention_of(const struct delta_topic *topic)
{
    int64_t value = RETENTION_MS_DEFAULT;
    for (int32_t i = 0; i < topic->config_count; i++) {
        if (str_eq_c(topic->configs[i].name, "retention.ms") &&
            !str_to_i64(topic->configs[i].value, &value))
            return INT64_MAX;
    }
    return value;
}

status topic_policy_check(const struct topic_policy *policy, const struct delta_topic *before,
                          const struct delta_topic *topic, struct why *why)
{
    int64_t retention = retention_of(topic);
    if (topic->internal) return OK;
    if (!before) TRY(check_name(policy, topic->name, why));
    if (!before || before->partitions != topic->partitions)
        TRY(check_range(policy, "the number of partitions", topic->partitions, policy->partitions_min,
                        policy->partitions_max, why));
    if (!before || retention_of(before) != retention)
        TRY(check_range(policy, "retention.ms", retention, policy->retention_min_ms,
                        policy->retention_max_ms, why));
    return OK;
}

/* --- what a request leaves open ------------------------------------------------------------------------ */

static int64_t into(int64_t value, int64_t min, int64_t max)
{
    if (min >= 0 && value < min) value = min;
    if (max >= 0 && value > max) value = max;
    return value;
}

typedef struct create_topics_request_creatable_topic_config creatable_config;

static bool names_retention(const creatable_topic *wanted)
{
    for (int32_t i = 0; i < wanted->configs_count; i++)
        if (str_eq_c(wanted->configs[i].name, "retention.ms")) return true;
    return false;
}

status topic_policy_fill(const struct topic_policy *policy, const struct limits *limits,
                         const creatable_topic *wanted, struct arena *arena,
                         const creatable_topic **ret_wanted)
{
    int64_t usual = limits->retention_ms > 0 && limits->retention_ms < RETENTION_MS_DEFAULT
        ? limits->retention_ms : RETENTION_MS_DEFAULT;
    int64_t retention = into(usual, policy->retention_min_ms, policy->retention_max_ms);
    int64_t partitions = into(limits->default_partitions, policy->partitions_min, policy->partitions_max);
    bool open = wanted->num_partitions == -1 && wanted->assignments_count <= 0;
    creatable_topic *copy = ARENA_NEW(arena, creatable_topic);
    if (!copy) return FAIL(NO_MEMORY);
    *copy = *wanted;
    if (open) copy->num_partitions = (int32_t)partitions;
    if (retention != RETENTION_MS_DEFAULT && !names_retention(wanted)) {
        int32_t n = wanted->configs_count < 0 ? 0 : wanted->configs_count;
        creatable_config *configs = ARENA_ARRAY(arena, creatable_config, (size_t)n + 1);
        if (!configs) return FAIL(NO_MEMORY);
        for (int32_t i = 0; i < n; i++) configs[i] = wanted->configs[i];
        configs[n] = (creatable_config){ .name = STR("retention.ms"),
                                         .value = arena_printf(arena, "%lld", (long long)retention) };
        copy->configs = configs;
        copy->configs_count = n + 1;
    }
    *ret_wanted = copy;
    return OK;
}

/* --- changes ------------------------------------------------------------------------------------------ */

static status check_policy(const struct topic_policy *p, struct why *why)
{
    pcre2_code *code = NULL;
    TRY(text_check(str_c(p->description), why));
    if (p->name_prefix[0] && failed(topic_name_check(str_c(p->name_prefix), NULL))) {
        why_set(why, "name_prefix has characters that no topic's name can have.");
        return FAIL(INVALID);
    }
    if (p->name_pattern[0]) TRY(compile(p->name_pattern, &code, why));
    pcre2_code_free(code);
    bool partitions = p->partitions_min <= TOPIC_PARTITIONS_MAX && p->partitions_min != 0 &&
                      p->partitions_max != 0 &&
                      (p->partitions_max < 0 || p->partitions_min <= p->partitions_max);
    bool retention = p->retention_max_ms < 0 || p->retention_min_ms <= p->retention_max_ms;
    if (partitions && retention) return OK;
    why_set(why, "A range has a min that is not above its max; partitions begin with 1.");
    return FAIL(INVALID);
}

static status write_row(struct db *db, struct str environment_id, const struct topic_policy *p)
{
    TRY(db_run(DB(db, "DELETE FROM topic_policy WHERE environment_id = ?", environment_id)));
    if (memcmp(p, &topic_policy_none, sizeof *p) == 0) return OK;
    return db_run(DB(db, "INSERT INTO topic_policy VALUES (?, ?, ?, ?, ?, ?, ?, ?)", environment_id,
                     (const char *)p->name_prefix, (const char *)p->name_pattern, p->partitions_min,
                     p->partitions_max, p->retention_min_ms, p->retention_max_ms,
                     (const char *)p->description));
}

status topic_policies_set(struct domain *domain, const struct actor *actor, struct str environment_id,
                          const struct topic_policy *policy, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct environment e;
    TRY(check_policy(policy, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(environments_get(domain->db, environment_id, &e));
    TRY(write_row(domain->db, environment_id, policy));
    TRY(change_audit(change, "environment.topic_policy", e.id, NULL));
    return change_commit_now(&change);
}
