/* kafka_partitions.c - partitions: rows (READ), and where their logs begin and end (DOMAIN). Every
 * partition is kept once, on broker 1. */
#include "api/handlers.h"
#include "api/kafka_topics.h"

#include "domain/offsets.h"

static json_t *partition_json(struct api_request *rq, const char *cluster, struct str topic, int32_t n)
{
    struct str id = str_c(cluster), p = arena_printf(rq->arena, "%d", n);
    json_t *o = kafka_object(
        "KafkaPartition", cluster, api_url(rq, KAFKA_PARTITION, id, topic, p),
        kafka_crn(rq, cluster, "/topic=%.*s/partition=%d", STR_ARG(topic), n));
    PUT(o, "topic_name", api_str(topic));
    PUT(o, "partition_id", json_integer(n));
    PUT(o, "leader", kafka_related(api_url(rq, KAFKA_PARTITION "/replicas/1", id, topic, p)));
    PUT(o, "replicas", kafka_related(api_url(rq, KAFKA_PARTITION "/replicas", id, topic, p)));
    PUT(o, "reassignment", kafka_related(api_url(rq, KAFKA_PARTITION "/reassignment", id, topic, p)));
    return o;
}

bool kafka_partition(struct api_request *rq, const struct topic_row *row, int32_t *ret)
{
    struct str text = api_param(rq, "partition_id");
    int64_t n;
    if (str_to_i64(text, &n) && n < row->topic.partitions) {
        *ret = (int32_t)n;
        return true;
    }
    struct str detail = arena_printf(rq->arena, "Partition %.*s of topic %.*s cannot be found.",
                                     STR_ARG(text),
                                     STR_ARG(row->topic.name));
    api_fail_kafka(rq, 404, 40402, detail.data);
    return false;
}

void kafka_partitions_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s || !kafka_topic(rq, s, &row)) return;
    json_t *data = json_array();
    for (int32_t i = 0; i < row.topic.partitions; i++) {
        json_array_append_new(data, partition_json(rq, s->id, row.topic.name, i));
    }
    api_reply_kafka_list(rq, "KafkaPartitionList", data);
}

void kafka_partitions_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    int32_t n;
    if (s && kafka_topic(rq, s, &row) && kafka_partition(rq, &row, &n)) {
        api_reply(rq, 200, partition_json(rq, s->id, row.topic.name, n));
    }
}

/* --- offsets ---------------------------------------------------------------------------------- */

struct asked {
    struct api_request *rq;
    char cluster_id[ID_TEXT];
    struct topic_offsets offsets;
};

static void offsets_known(void *arg, status result)
{
    struct asked *a = arg;
    const struct partition_offsets *o = a->offsets.partitions;
    if (is_ok(result)) result = o->result;
    if (failed(result)) {
        kafka_fail(a->rq, result, STR_NULL);
        return;
    }
    json_t *p = partition_json(a->rq, a->cluster_id, a->offsets.topic, o->partition);
    json_object_set_new(p, "kind", json_string("KafkaPartitionWithOffsets"));
    json_object_set_new(p, "earliest_offset", json_integer(o->start));
    json_object_set_new(p, "latest_offset", json_integer(o->end));
    api_reply(a->rq, 200, p);
}

void kafka_partitions_offset(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    int32_t n;
    if (!s || !kafka_topic(rq, s, &row) || !kafka_partition(rq, &row, &n)) return;
    struct str type = rq->http->query(rq, "offset_type", 0);
    if (type.data && !str_eq_c(type, "earliest_and_latest")) {
        api_fail_kafka(rq, 400, 400, "Bad Request: offset_type can only be earliest_and_latest.");
        return;
    }
    struct asked *a = ARENA_NEW(rq->arena, struct asked);
    if (a) a->offsets = offsets_of_topic(row.topic.name, 1, rq->arena);
    if (rq->arena->failed) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    a->rq = rq;
    str_copy(a->cluster_id, sizeof a->cluster_id, str_c(s->id));
    a->offsets.partitions[0].partition = n;
    offsets_load(rq->domain, a->cluster_id, s->principal, &a->offsets, 1, rq->arena, offsets_known,
                 a);
}
