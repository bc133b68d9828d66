/* limit_use.c - figures of the broker and sums over topics, by the limit they count against. */
#include "domain/limit_use.h"

/* Kafka's defaults, for topics that set nothing. */
#define RETENTION_MS "604800000"
#define MESSAGE_BYTES "1048588"

/* The greatest value of a config over a cluster's topics; endless (-1) is told as INT64_MAX. 0 topics: 0. */
#define GREATEST(config, fallback)                                                                  \
    "SELECT coalesce(max(CASE WHEN v < 0 THEN 9223372036854775807 ELSE v END), 0) FROM (SELECT "    \
    "CAST(coalesce((SELECT value FROM topic_config k WHERE k.cluster_id = t.cluster_id AND "         \
    "k.topic = t.name AND k.name = '" config "'), '" fallback "') AS INTEGER) AS v FROM topic t "    \
    "WHERE t.cluster_id = ? AND t.internal = 0)"

status limit_use_read(struct domain *domain, const char *cluster_id, struct limit_use *ret)
{
    struct limit_use use = { 0 };
    struct db *db = domain->db;
    TRY(db_one_i64(DB(db, "SELECT coalesce(sum(partitions), 0) FROM topic WHERE cluster_id = ? AND "
                          "internal = 0", cluster_id), &use.partitions));
    TRY(db_one_i64(DB(db, GREATEST("retention.ms", RETENTION_MS), cluster_id), &use.longest_retention_ms));
    TRY(db_one_i64(DB(db, GREATEST("max.message.bytes", MESSAGE_BYTES), cluster_id),
                   &use.largest_message_bytes));
    TRY(db_one_i64(DB(db, "SELECT max(0, ? - plan_since) FROM cluster WHERE id = ?", domain_wall(),
                      cluster_id), &use.age_ms));
    const struct engine_figures *f = domain->engine ? engine_figures(domain->engine, cluster_id) : NULL;
    if (f && f->known) {
        use.ingress_bytes_per_s = f->in_per_s;
        use.egress_bytes_per_s = f->out_per_s;
        use.requests_per_s = f->requests_per_s;
        use.storage_bytes = f->bytes_stored;
        use.connections = f->connections;
        use.memory_bytes = f->memory_bytes;
    }
    if (domain->engine) engine_watch(domain->engine, cluster_id);
    *ret = use;
    return OK;
}

bool limit_use_of(const struct limit_use *use, const struct limit_kind *kind, double *ret)
{
    double retention = use->longest_retention_ms == INT64_MAX ? -1 : (double)use->longest_retention_ms;
    const struct { const char *name; double value; } table[] = {
        { "ingress_bytes_per_s", use->ingress_bytes_per_s },
        { "egress_bytes_per_s", use->egress_bytes_per_s },
        { "requests_per_s", use->requests_per_s }, { "storage_bytes", (double)use->storage_bytes },
        { "connections", (double)use->connections }, { "memory_bytes", (double)use->memory_bytes },
        { "partitions", (double)use->partitions }, { "retention_ms", retention },
        { "lifetime_ms", (double)use->age_ms },
        { "message_bytes", (double)use->largest_message_bytes },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, kind->name) != 0) continue;
        *ret = table[i].value;
        return true;
    }
    return false;
}
