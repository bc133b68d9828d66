/* kafka_clusters.c - /kafka/v3/clusters. READ. */
#include "api/handlers.h"
#include "api/access.h"
#include "api/kafka.h"

static json_t *cluster_json(struct api_request *rq, const char *cluster_id)
{
    struct str id = str_c(cluster_id);
    json_t *o = kafka_object("KafkaCluster", cluster_id, api_url(rq, KAFKA_BASE, id),
                             kafka_crn(rq, cluster_id, "%s", ""));
    PUT(o, "controller", kafka_related(api_url(rq, KAFKA_BASE "/brokers/1", id)));
    PUT(o, "acls", kafka_related(api_url(rq, KAFKA_BASE "/acls", id)));
    PUT(o, "brokers", kafka_related(api_url(rq, KAFKA_BASE "/brokers", id)));
    PUT(o, "broker_configs", kafka_related(api_url(rq, KAFKA_BASE "/broker-configs", id)));
    PUT(o, "consumer_groups", kafka_related(api_url(rq, KAFKA_BASE "/consumer-groups", id)));
    PUT(o, "topics", kafka_related(api_url(rq, KAFKA_BASE "/topics", id)));
    PUT(o, "partition_reassignments",
        kafka_related(api_url(rq, KAFKA_BASE "/topics/-/partitions/-/reassignment", id)));
    return o;
}

struct listing {
    struct api_request *rq;
    json_t *data;
};

static void list_one(void *arg, const struct cluster *c)
{
    struct listing *l = arg;
    if (c->deleting) return;
    if (l->rq->caller.door == DOOR_CLUSTER_KEY && strcmp(l->rq->caller.cluster_id, c->id) != 0) {
        return;
    }
    if (!access_sees_cluster(l->rq, c->environment_id, c->id)) return;
    json_array_append_new(l->data, cluster_json(l->rq, c->id));
}

void kafka_clusters_list(struct api_request *rq)
{
    struct listing l = { rq, json_array() };
    access_mark_asked(rq);
    status result = clusters_list(rq->db, STR_NULL, STR_NULL, CLUSTERS_MAX, list_one, &l);
    if (failed(result)) {
        json_decref(l.data);
        api_fail(rq, result, NULL);
        return;
    }
    api_reply_kafka_list(rq, "KafkaClusterList", l.data);
}

void kafka_clusters_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (s) api_reply(rq, 200, cluster_json(rq, s->id));
}
