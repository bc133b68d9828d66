/* admin_topics.h - the rules of Kafka's topic requests, whoever owns the topics: the local controller
 * of a standalone broker, or leatd's domain. They decide and explain; nothing is changed here.
 *
 * The facts come from the caller: what exists, the plan's limits, how many partitions are in use. All
 * results live in the caller's arena. */
#pragma once
#include "base/arena.h"
#include "cluster/delta.h"
#include "cluster/limits.h"
#include "wire/messages.h"

#define TOPIC_PARTITIONS_MAX 10000      /* of one topic */
#define ADMIN_TOPICS_MAX 1000           /* topics in one request */

/* What a plan answers: status and, when it is refused, a sentence for the client. */
struct topic_plan {
    status result;
    struct why why;
    struct delta_topic topic; /* when OK: complete, id drawn (creation) or kept */
};

struct topic_facts {
    const struct limits *limits;
    int64_t partitions_used;     /* all topics but internal ones */
    int16_t default_replication; /* for -1; 0 means 1 */
};

/* One topic of CreateTopics. exists: one of this name is there. Draws the id. A creation raises
 * facts->partitions_used when it is granted, so that a request's topics add up. */
struct topic_plan plan_topic_create(struct topic_facts *facts, bool exists,
                                    const struct create_topics_request_creatable_topic *wanted,
                                    struct arena *arena);
/* One topic of CreatePartitions; `topic` NULL: unknown. */
struct topic_plan plan_topic_partitions(struct topic_facts *facts, const struct delta_topic *topic,
    const struct create_partitions_request_create_partitions_topic *wanted, struct arena *arena);
/* One resource of IncrementalAlterConfigs that is a topic; `topic` NULL: unknown. */
struct topic_plan plan_topic_configs(const struct topic_facts *facts, const struct delta_topic *topic,
    const struct incremental_alter_configs_request_alter_configs_resource *wanted,
    struct arena *arena);
/* May a client delete it, or change it? Internal topics: no (INVALID_TOPIC_EXCEPTION /
 * TOPIC_AUTHORIZATION_FAILED as Kafka). */
struct topic_plan plan_topic_delete(const struct delta_topic *topic);

/* true for the i-th topic of a request when its name comes more than once in it: Kafka refuses all
 * of them with INVALID_REQUEST. */
bool create_topics_repeated(const struct create_topics_request *request, int32_t i);
bool create_partitions_repeated(const struct create_partitions_request *request, int32_t i);
bool alter_configs_repeated(const struct incremental_alter_configs_request *request, int32_t i);

/* The row of a CreateTopics answer (version 5 and above: partitions, factor and every config in
 * effect, the overrides as DYNAMIC_TOPIC_CONFIG). */
void create_topics_answer(const struct topic_plan *plan, struct str name, int16_t version,
                          struct arena *arena,
                          struct create_topics_response_creatable_topic_result *ret_row);
/* A topic of an image as the plans take it (views into the topic; configs from the arena). */
struct delta_topic delta_topic_view(const struct topic *topic, struct arena *arena);
