/* topic_policies.h - what topics of an environment may be named and how large they may be. Held by the
 * functions of topics.h, so for REST, Kafka's requests and automatic creation alike. Reading and
 * checking: any thread, with that thread's database; changes: domain thread. */
#pragma once
#include "cluster/admin_topics.h"
#include "domain/domain.h"

#define POLICY_PATTERN_MAX 255
#define POLICY_PREFIX_MAX 100

struct topic_policy {
    char name_prefix[POLICY_PREFIX_MAX + 1];   /* "": any */
    char name_pattern[POLICY_PATTERN_MAX + 1]; /* of the whole name (PCRE); "": any */
    int64_t partitions_min, partitions_max;    /* -1: no limit, here and below */
    int64_t retention_min_ms, retention_max_ms;
    char description[TEXT_MAX_BYTES + 1];      /* told to whoever is refused */
};
extern const struct topic_policy topic_policy_none;

/* An environment without one has topic_policy_none. */
status topic_policies_get(struct db *db, struct str environment_id, struct topic_policy *ret);
status topic_policies_of_cluster(struct db *db, const char *cluster_id, struct topic_policy *ret);

/* NOT_FOUND: the environment. INVALID: a sentence. topic_policy_none takes it away. Topics that are
 * there already stay as they are. */
status topic_policies_set(struct domain *domain, const struct actor *actor, struct str environment_id,
                          const struct topic_policy *policy, struct why *why);

/* A request that leaves partitions or retention to the service gets what the policy allows: *ret_wanted is
 * `wanted` or a changed copy in the arena. */
typedef struct create_topics_request_creatable_topic creatable_topic;
status topic_policy_fill(const struct topic_policy *policy, const struct limits *limits,
                         const creatable_topic *wanted, struct arena *arena,
                         const creatable_topic **ret_wanted);
/* POLICY_VIOLATION with a sentence, or OK. `before` NULL: the topic is new; else only what changes is
 * looked at. */
status topic_policy_check(const struct topic_policy *policy, const struct delta_topic *before,
                          const struct delta_topic *topic, struct why *why);
