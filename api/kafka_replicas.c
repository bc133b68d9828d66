/* kafka_replicas.c - replicas of partitions and their reassignment. READ. Every partition is kept once,
 * on broker 1: that replica leads and is in sync, and there is nowhere to move it, so that no list of
 * reassignments ever has an entry. */
#include "api/handlers.h"
#include "api/kafka_topics.h"

static json_t *replica_json(struct api_request *rq, const struct kafka_scope *s, struct str topic,
                            int32_t n)
{
    struct str id = str_c(s->id), p = arena_printf(rq->arena, "%d", n);
    json_t *o = kafka_object(
        "KafkaReplica", s->id, api_url(rq, KAFKA_PARTITION "/replicas/1", id, topic, p),
        kafka_crn(rq, s->id, "/topic=%.*s/partition=%d/replica=1", STR_ARG(topic), n));
    PUT(o, "topic_name", api_str(topic));
    PUT(o, "partition_id", json_integer(n));
    PUT(o, "broker_id", json_integer(1));
    PUT(o, "is_leader", json_true());
    PUT(o, "is_in_sync", json_true());
    PUT(o, "broker", kafka_related(api_url(rq, KAFKA_BASE "/brokers/1", id)));
    return o;
}

/* The topic and the partition of the path. */
static bool path_partition(struct api_request *rq, const struct kafka_scope *s,
                           struct topic_row *ret_row, int32_t *ret_partition)
{
    return s && kafka_topic(rq, s, ret_row) && kafka_partition(rq, ret_row, ret_partition);
}

void kafka_replicas_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    int32_t n;
    if (!path_partition(rq, s, &row, &n)) return;
    json_t *data = json_array();
    json_array_append_new(data, replica_json(rq, s, row.topic.name, n));
    api_reply_kafka_list(rq, "KafkaReplicaList", data);
}

void kafka_replicas_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    int32_t n;
    if (!path_partition(rq, s, &row, &n)) return;
    struct str broker = api_param(rq, "broker_id");
    if (str_eq_c(broker, "1")) {
        api_reply(rq, 200, replica_json(rq, s, row.topic.name, n));
        return;
    }
    struct str text = arena_printf(rq->arena, "Replica %.*s cannot be found.", STR_ARG(broker));
    api_fail_kafka(rq, 404, 404, text.data);
}

void kafka_broker_replicas_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row *rows = NULL;
    size_t count = 0;
    if (!s || !kafka_broker(rq)) return;
    status result = topics_list(rq->db, s->id, rq->arena, &rows, &count);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!kafka_allows(s, OP_DESCRIBE, RES_TOPIC, rows[i].topic.name)) continue;
        for (int32_t n = 0; n < rows[i].topic.partitions; n++) {
            json_array_append_new(data, replica_json(rq, s, rows[i].topic.name, n));
        }
    }
    api_reply_kafka_list(rq, "KafkaReplicaList", data);
}

/* --- reassignments ---------------------------------------------------------------------------- */

static void no_reassignments(struct api_request *rq)
{
    api_reply_kafka_list(rq, "KafkaReassignmentList", json_array());
}

/* As Kafka: who may describe the cluster sees what is under way in it. */
void kafka_reassignments_list_all(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (s && kafka_permit(rq, s, OP_DESCRIBE, RES_CLUSTER, KAFKA_CLUSTER_NAME)) no_reassignments(rq);
}

void kafka_reassignments_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (s && kafka_topic(rq, s, &row)) no_reassignments(rq);
}

void kafka_reassignments_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    int32_t n;
    if (!path_partition(rq, s, &row, &n)) return;
    struct str text = arena_printf(rq->arena, "Reassignment of partition %d of topic %.*s cannot be "
                                              "found: none is under way.",
                                   n, STR_ARG(row.topic.name));
    api_fail_kafka(rq, 404, 404, text.data);
}
