/* produce_pack.c - see produce_pack.h. */
#include "broker/produce_pack.h"

#include "broker/authorizer.h"
#include "storage/limits.h"

#define PACKED_MAX (64u << 20) /* what the batches of one request may make, packed anew */

typedef struct produce_request_topic_produce_data topic_data;
typedef struct produce_request_partition_produce_data partition_data;

/* --- which -------------------------------------------------------------------------------------- */

static bool may_write(const struct request *r, const struct topic *topic)
{
    return r->super || authorizer_allows(r->broker->image, r->principal, r->client_host, OP_WRITE,
                                         RES_TOPIC, topic->name);
}

struct search {
    struct request *request;
    struct pack *pack; /* NULL: only count */
    int32_t count, max;
};

/* Whatever else is refused without a look at the records is not prepared either. */
static bool is_long(const struct search *s, const struct topic *topic, const partition_data *d,
                    struct log_config *ret_config)
{
    struct broker *b = s->request->broker;
    int64_t most = b->image->limits.message_bytes;
    if (d->index < 0 || d->index >= topic->partitions || (most >= 0 && (int64_t)d->records.len > most))
        return false;
    const struct plog *log = store_find(b->store, topic->id, d->index);
    if (log) *ret_config = *plog_config(log);
    else broker_log_config(b, topic, ret_config);
    return prepare_is_long(d->records, ret_config, loop_wall(b->loop)) && may_write(s->request, topic);
}

static void look_at_topic(struct search *s, topic_data *t)
{
    struct request *r = s->request;
    const struct image *image = r->broker->image;
    const struct topic *topic = NULL;
    for (int32_t k = 0; k < t->partition_data_count; k++) {
        partition_data *d = &t->partition_data[k];
        struct log_config config;
        if (d->records.len < PREPARE_INFLATE_LONG) continue;
        if (!topic)
            topic = r->version >= 13 ? image_topic_by_id(image, t->topic_id) : image_topic(image, t->name);
        if (!topic || topic->internal) return;
        if (!is_long(s, topic, d, &config)) continue;
        if (s->pack && s->count < s->max)
            s->pack->items[s->count] = (struct pack_item){
                .of = d, .config = config, .len = d->records.len,
                .batch = (uint8_t *)(uintptr_t)d->records.data, /* in the request's arena */
            };
        s->count++;
    }
}

static void look(struct search *s, const struct produce_request *body)
{
    for (int32_t i = 0; i < body->topic_data_count; i++) look_at_topic(s, &body->topic_data[i]);
}

int32_t pack_count(struct request *r, const struct produce_request *body)
{
    struct search s = { .request = r };
    look(&s, body);
    return s.count;
}

/* --- the work ------------------------------------------------------------------------------------- */

static void pack_work(struct job *job) /* on the lane's thread */
{
    struct pack *pack = CONTAINER_OF(job, struct pack, job);
    size_t made = 0;
    for (int32_t i = 0; i < pack->count; i++) {
        struct pack_item *item = &pack->items[i];
        item->outcome = prepare_batch(&item->prepared, item->batch, item->len, &item->config,
                                      APPEND_CLIENT, pack->now_ms, &item->result);
        made += item->prepared.packed.len;
        if (made > PACKED_MAX && is_ok(item->outcome)) {
            why_set(&item->result.why, "The batches of the request are too large in the codecs of their "
                                       "topics.");
            item->outcome = FAIL(MESSAGE_TOO_LARGE);
        }
        if (is_ok(item->outcome)) continue;
        made -= item->prepared.packed.len;
        buf_done(&item->prepared.packed);
    }
}

static void pack_over(struct job *job)
{
    struct pack *pack = CONTAINER_OF(job, struct pack, job);
    struct request *r = pack->request;
    r->broker->packing--;
    r->abandoned = NULL;
    request_hold(r, false);
    if (!pack->abandoned) {
        pack->done(pack);
        return;
    }
    pack_free(pack);
    request_drop(r);
}

static void pack_abandoned(struct request *r)
{
    struct pack *pack = r->state;
    pack->abandoned = true; /* the lane still reads the batches */
}

bool pack_start(struct pack *pack, struct request *r, const struct produce_request *body, int32_t count,
                void (*done)(struct pack *pack))
{
    struct loop *loop = r->broker->loop;
    *pack = (struct pack){ .job = { .work = pack_work, .done = pack_over }, .request = r, .done = done,
                           .now_ms = loop_wall(loop) };
    pack->items = ARENA_ARRAY(r->arena, struct pack_item, count);
    if (!pack->items) return false;
    struct search s = { .request = r, .pack = pack, .max = count };
    look(&s, body);
    pack->count = s.count < count ? s.count : count;
    if (failed(loop_submit(loop, &pack->job, LANE_PACK))) return false;
    r->broker->packing++;
    r->state = pack;
    r->abandoned = pack_abandoned;
    request_hold(r, true);
    return true;
}

struct pack_item *pack_item_of(struct pack *pack, const void *data)
{
    if (pack->next >= pack->count || pack->items[pack->next].of != data) return NULL;
    return &pack->items[pack->next++];
}

void pack_free(struct pack *pack)
{
    for (int32_t i = 0; i < pack->count; i++) prepared_done(&pack->items[i].prepared);
}
