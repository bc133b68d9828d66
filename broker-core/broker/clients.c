/* clients.c - what each connection has done, by topic. Loop thread. */
#include "broker/clients.h"

#include "base/mem.h"
#include "broker/connection.h"

#define ROWS_MIN 4
#define ROWS_MAX (CLIENT_TOPICS_MAX / 3 * 4)

static struct client_topic spare; /* of requests whose connection is gone */

/* Where the row of the topic is, or the free one in which it belongs. Ids of topics are random. */
static uint32_t row_of(const struct client_topic *rows, uint32_t cap, struct uuid topic)
{
    uint32_t at;
    memcpy(&at, topic.b, sizeof at);
    for (at &= cap - 1; !uuid_is_zero(rows[at].topic) && !uuid_eq(rows[at].topic, topic);)
        at = (at + 1) & (cap - 1);
    return at;
}

/* How many of the rows are of topics that there still are. */
static uint32_t rows_alive(const struct broker *b, const struct client *client)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < client->cap; i++)
        alive += !uuid_is_zero(client->topics[i].topic) &&
                 image_topic_by_id(b->image, client->topics[i].topic);
    return alive;
}

/* Room for one more: rows of topics that are no more go, and there are twice as many rows if that does not
 * help. False: as before, and asked again only when the topics have changed. */
static bool rows_grow(struct broker *b, struct client *client)
{
    if (client->full && client->full_at == b->image->version) return false;
    client->full = true;
    client->full_at = b->image->version;
    uint32_t alive = rows_alive(b, client), cap = client->cap ? client->cap : ROWS_MIN;
    while (alive >= cap / 2) cap *= 2;
    if (cap > ROWS_MAX) cap = ROWS_MAX;
    if (alive >= cap / 4 * 3 || b->client_rows + cap - client->cap > CLIENT_ROWS_MAX) return false;
    struct client_topic *rows = mem_zalloc(cap * sizeof *rows);
    if (!rows) return false;
    for (uint32_t i = 0; i < client->cap; i++) {
        const struct client_topic *row = &client->topics[i];
        if (uuid_is_zero(row->topic) || !image_topic_by_id(b->image, row->topic)) continue;
        rows[row_of(rows, cap, row->topic)] = *row;
    }
    mem_free(client->topics);
    b->client_rows += cap - client->cap;
    client->topics = rows;
    client->cap = cap;
    client->count = alive;
    client->last = 0;
    client->full = false;
    return true;
}

static struct client_topic *row_new(struct broker *b, struct client *client, struct uuid topic)
{
    if (client->count >= client->cap / 4 * 3 && !rows_grow(b, client)) return &client->others;
    client->last = row_of(client->topics, client->cap, topic);
    client->count++;
    struct client_topic *row = &client->topics[client->last];
    row->topic = topic;
    row->producer_id = -1;
    return row;
}

static struct client_topic *row_find(struct request *r, struct uuid topic)
{
    if (!r->connection) return &spare;
    struct client *client = &r->connection->client;
    if (!client->cap) return row_new(r->broker, client, topic);
    if (uuid_eq(client->topics[client->last].topic, topic)) return &client->topics[client->last];
    uint32_t at = row_of(client->topics, client->cap, topic);
    if (uuid_is_zero(client->topics[at].topic)) return row_new(r->broker, client, topic);
    client->last = at;
    return &client->topics[at];
}

void client_produced(struct request *r, struct uuid topic, size_t bytes, int64_t records,
                     int64_t producer_id)
{
    struct client_topic *row = row_find(r, topic);
    row->bytes_in += (int64_t)bytes;
    row->records_in += records;
    row->produced_at = loop_now(r->broker->loop);
    row->producer_id = producer_id;
}

void client_fetches(struct request *r, struct uuid topic)
{
    row_find(r, topic)->fetched_at = loop_now(r->broker->loop);
}

void client_fetched(struct request *r, struct uuid topic, size_t bytes, int64_t records)
{
    struct client_topic *row = row_find(r, topic);
    row->bytes_out += (int64_t)bytes;
    row->records_out += records;
}

/* --- who it is --------------------------------------------------------------------------------------- */

static bool same(struct str a, struct str b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }

static void free_text(struct str *text)
{
    mem_free((void *)(uintptr_t)text->data);
    *text = STR_NULL;
}

/* A copy of both in one block, in *ret_first; null without memory. */
static void copy_text(struct str first, struct str second, struct str *ret_first, struct str *ret_second)
{
    *ret_first = *ret_second = STR_NULL;
    char *text = mem_alloc(first.len + second.len + 1);
    if (!text) return;
    if (first.len) memcpy(text, first.data, first.len);
    if (second.len) memcpy(text + first.len, second.data, second.len);
    *ret_first = (struct str){ text, first.len };
    *ret_second = (struct str){ text + first.len, second.len };
}

void client_named(struct connection *c, struct str id)
{
    struct str none;
    if (id.len > CLIENT_TEXT_MAX) id.len = CLIENT_TEXT_MAX;
    if (id.len == 0 ? c->client.id.len == 0 : same(id, c->client.id)) return;
    free_text(&c->client.id);
    if (id.len) copy_text(id, STR_NULL, &c->client.id, &none);
}

void client_is_member(struct request *r, struct str group_id, struct str member_id)
{
    struct connection *c = r->connection;
    if (!c || !group_id.len || !member_id.len || group_id.len > CLIENT_TEXT_MAX ||
        member_id.len > CLIENT_MEMBER_MAX)
        return;
    struct client *client = &c->client;
    if (client->group_id.data && same(group_id, client->group_id) && same(member_id, client->member_id))
        return;
    free_text(&client->group_id);
    copy_text(group_id, member_id, &client->group_id, &client->member_id);
}

void client_done(struct connection *c)
{
    struct client *client = &c->client;
    c->broker->client_rows -= client->cap;
    free_text(&client->id);
    free_text(&client->group_id);
    mem_free(client->topics);
    *client = (struct client){ 0 };
}
