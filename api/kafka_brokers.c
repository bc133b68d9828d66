/* kafka_brokers.c - the brokers of a cluster: one today, node 1. READ. */
#include "api/handlers.h"
#include "api/kafka_topics.h"

static json_t *broker_json(struct api_request *rq, const struct kafka_scope *s)
{
    struct str id = str_c(s->id);
    struct str at = clusters_bootstrap(rq->domain, &s->cluster, rq->arena);
    const char *colon = at.len ? memrchr(at.data, ':', at.len) : NULL;
    struct str host = colon ? (struct str){ at.data, (size_t)(colon - at.data) } : STR_NULL;
    json_t *o = kafka_object("KafkaBroker", s->id, api_url(rq, KAFKA_BASE "/brokers/1", id),
                             kafka_crn(rq, s->id, "/broker=1"));
    PUT(o, "broker_id", json_integer(1));
    PUT(o, "host", api_str(host));
    PUT(o, "port", json_integer(s->cluster.port));
    PUT(o, "rack", json_null());
    PUT(o, "configs", kafka_related(api_url(rq, KAFKA_BASE "/brokers/1/configs", id)));
    PUT(o, "partition_replicas",
        kafka_related(api_url(rq, KAFKA_BASE "/brokers/1/partition-replicas", id)));
    return o;
}

void kafka_brokers_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (s) api_reply_kafka_list(rq, "KafkaBrokerList", json_pack("[o]", broker_json(rq, s)));
}

bool kafka_broker(struct api_request *rq)
{
    struct str broker = api_param(rq, "broker_id");
    if (str_eq_c(broker, "1")) return true;
    struct str text = arena_printf(rq->arena, "Broker %.*s cannot be found.", STR_ARG(broker));
    api_fail_kafka(rq, 404, 404, text.data);
    return false;
}

void kafka_brokers_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (s && kafka_broker(rq)) api_reply(rq, 200, broker_json(rq, s));
}
