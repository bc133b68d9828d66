/* leat_clients.c - /leat/v1: who is connected to a cluster, and who produces to a topic or reads it. DOMAIN.
 *
 * Only the broker knows; it is asked when somebody wants to know, and what it says is shown as it is. */
#include "api/control.h"
#include "api/handlers.h"
#include "api/kafka.h"

struct view {
    struct api_request *rq;
    bool of_topic;
};

/* Clients name themselves: what is no UTF-8 in it is shown as U+FFFD. */
static json_t *text(struct api_request *rq, struct str s)
{
    char *out = s.len ? arena_alloc(rq->arena, s.len * 3) : NULL;
    size_t len = 0;
    if (!out) return json_null();
    while (s.len) {
        size_t n = str_utf8_length(s);
        memcpy(out + len, n ? s.data : "\xef\xbf\xbd", n ? n : 3);
        len += n ? n : 3;
        n += !n;
        s = (struct str){ s.data + n, s.len - n };
    }
    return api_str((struct str){ out, len });
}

static json_t *roles(const struct engine_client *c)
{
    json_t *list = json_array();
    if (c->produced_at > 0) json_array_append_new(list, json_string("producer"));
    if (c->fetched_at > 0) json_array_append_new(list, json_string("consumer"));
    return list;
}

static json_t *client_json(const struct view *v, const struct engine_client *c)
{
    static const char *const matches[] = { "none", "connection", "client_id", "ambiguous" };
    struct api_request *rq = v->rq;
    json_t *o = json_object();
    PUT(o, "principal", text(rq, c->principal));
    PUT(o, "client_id", text(rq, c->client_id));
    PUT(o, "address", c->by_leatd ? json_null() : text(rq, c->address));
    PUT(o, "via", json_string(c->by_leatd ? "rest" : "kafka"));
    PUT(o, "software_name", text(rq, c->software_name));
    PUT(o, "software_version", text(rq, c->software_version));
    PUT(o, "connected_at", api_time(c->connected_at));
    PUT(o, "roles", roles(c));
    PUT(o, "consumer_group_id", text(rq, c->group_id));
    PUT(o, "consumer_group_match", json_string(matches[c->group_match]));
    PUT(o, "producer_id", c->producer_id >= 0 ? json_integer(c->producer_id) : json_null());
    PUT(o, "bytes_in", json_integer(c->bytes_in));
    PUT(o, "bytes_out", json_integer(c->bytes_out));
    PUT(o, "records_in", json_integer(c->records_in));
    PUT(o, "records_out", json_integer(c->records_out));
    PUT(o, "last_produced_at", api_time(c->produced_at));
    PUT(o, "last_fetched_at", api_time(c->fetched_at));
    if (!v->of_topic) PUT(o, "topics_count", json_integer(c->topics));
    return o;
}

static void fail(struct api_request *rq, status result)
{
    const char *why = NULL;
    int http = 503;
    switch (result.code) {
    case E_BROKER_NOT_AVAILABLE:
        why = "The broker of this cluster is away, and nobody else knows who is connected to it.";
        break;
    case E_UNSUPPORTED_VERSION:
        why = "The broker of this cluster is of an older version, which does not tell who is connected; "
              "restart the cluster to run the one that is installed.";
        break;
    case E_REQUEST_TIMED_OUT:
        why = "The broker of this cluster did not tell in time who is connected to it.";
        break;
    case E_BUSY:
        why = "Too many ask at this moment who is connected to this cluster; ask again in a second.";
        break;
    default:
        api_fail(rq, result, NULL);
        return;
    }
    api_fail_at(rq, http, NULL, why, NULL, NULL);
}

static void told(void *arg, status result, const struct engine_client *clients, size_t count, int64_t others)
{
    struct view *v = arg;
    if (result.code == E_UNKNOWN_TOPIC_OR_PARTITION) result = OK; /* made a moment ago: nobody uses it yet */
    if (failed(result)) {
        fail(v->rq, result);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(data, client_json(v, &clients[i]));
    api_reply(v->rq, 200, json_pack("{s:s, s:o, s:I}", "kind", "ClientList", "data", data, "others",
                                    (json_int_t)others));
}

static void ask(struct api_request *rq, const char *cluster_id, struct str topic)
{
    struct view *v = ARENA_NEW(rq->arena, struct view);
    if (!v) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    *v = (struct view){ .rq = rq, .of_topic = !str_is_null(topic) };
    status asked = engine_clients(rq->domain->engine, cluster_id, topic, told, v);
    if (failed(asked)) fail(rq, asked);
}

void leat_clients_list(struct api_request *rq)
{
    struct cluster c;
    status found = clusters_get(rq->db, rq->params[0], &c);
    if (failed(found)) api_fail(rq, found, "There is no such cluster.");
    else ask(rq, c.id, STR_NULL);
}

void leat_topic_clients_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (s && kafka_topic(rq, s, &row)) ask(rq, s->id, row.topic.name);
}
