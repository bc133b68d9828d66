/* topics.h - topics of a cluster: rows, and the four Kafka requests that change them. REST and
 * Kafka admin clients come through the same functions, so rules, limits and audit hold for both.
 *
 * Who may do it was checked before: by the broker's authoriser for a forwarded request, by api for
 * REST. Rules are cluster/admin_topics.h; here they meet the database and the plan. */
#pragma once
#include "cluster/admin_topics.h"
#include "domain/domain.h"

struct topic_row {
    struct delta_topic topic; /* strings and overrides in the caller's arena */
    int64_t created_at;
};
/* Any thread, with that thread's database. NOT_FOUND: UNKNOWN_TOPIC_OR_PARTITION. */
status topics_get(struct db *db, const char *cluster_id, struct str name, struct arena *arena,
                  struct topic_row *ret);
/* By name. All of a cluster (a plan bounds how many). */
status topics_list(struct db *db, const char *cluster_id, struct arena *arena,
                   struct topic_row **ret_rows, size_t *ret_count);
/* The limits of a cluster's plan; NOT_FOUND: no such cluster. */
status topics_limits(struct db *db, const char *cluster_id, struct limits *ret);

/* Domain thread. One topic inside a change of its cluster that the caller commits; refused: the error of
 * Kafka's CreateTopics with a sentence, and nothing was changed. _check only asks whether it would be. */
status topics_create_within(struct domain *domain, struct change *change, const char *cluster_id,
                            const struct create_topics_request_creatable_topic *wanted,
                            struct arena *arena, struct why *why);
status topics_create_check(struct domain *domain, const char *cluster_id,
                           const struct create_topics_request_creatable_topic *wanted,
                           struct arena *arena, struct why *why);

/* Domain thread. `request` is read before the function returns; `response` is a struct of the
 * response's type in `arena`, with a row for every topic asked about. result: OK or PENDING (rows
 * tell of each topic); otherwise nothing was changed and response is NULL. `version` is the
 * cluster's metadata version with the change. done() may come from inside the call. */
typedef void (*topics_done)(void *arg, status result, int64_t version, const void *response);
void topics_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                   const struct create_topics_request *request, int16_t version,
                   struct arena *arena, topics_done done, void *arg);
void topics_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                   const struct delete_topics_request *request, int16_t version,
                   struct arena *arena, topics_done done, void *arg);
void topics_add_partitions(struct domain *domain, const char *cluster_id, const struct actor *actor,
                           const struct create_partitions_request *request, struct arena *arena,
                           topics_done done, void *arg);
void topics_alter_configs(struct domain *domain, const char *cluster_id, const struct actor *actor,
                          const struct incremental_alter_configs_request *request,
                          struct arena *arena, topics_done done, void *arg);
