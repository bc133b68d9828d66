/* client_list.c - telling leatd who is connected and who uses a topic. Loop thread.
 *
 * Two rounds over the connections: the first finds out which connections heartbeat for which group, the
 * second names the clients. A round goes on in the next turn where it was: connections are in the order in
 * which they came, and one that ends under the cursor moves it. */
#include "broker/client_list.h"

#include "base/arena.h"
#include "broker/connection.h"
#include "broker/consumer.h"

#define LISTS_MAX 16      /* of leatd at a time; it asks for fewer */
#define PART_ROWS 100
#define LOOKS 32          /* connections between two looks at how long the turn is */
#define HEARD_ARENA (16u << 20)
#define ASSIGNMENT_ARENA (4u << 20)

typedef struct control_clients_part_client_row client_row;

struct heard { /* heartbeats came from these */
    struct str group; /* a view into the connection it was first seen at, copied into the arena */
    bool several;
    UT_hash_handle hh;
    char key[];       /* principal, client id and address, a zero byte between them */
};

struct client_list {
    struct client_lists *lists;
    int64_t token;
    bool of_topic;
    struct uuid topic;
    char name[256];
    struct connection *at; /* the next one of the round; NULL: it is over */
    bool naming;           /* the second round */
    struct arena arena;    /* of what was heard */
    struct heard *heard;
    int32_t named, row_count;
    int64_t others;
    client_row rows[PART_ROWS];
    struct client_list *prev, *next;
};

/* --- groups ------------------------------------------------------------------------------------------- */

/* ConsumerProtocolAssignment: version, then the message. What cannot be read names no topic. */
static bool assigned(struct bytes in, struct str topic)
{
    const struct wire_message *m = &consumer_protocol_assignment_message;
    struct consumer_protocol_assignment a;
    struct arena arena;
    bool found = false;
    if (in.len < 2) return false;
    int16_t version = (int16_t)get_be16(in.data);
    if (version > m->max_version) version = m->max_version;
    if (version < m->min_version) return false;
    arena_init(&arena, ASSIGNMENT_ARENA);
    wire_default(m, &a);
    if (is_ok(wire_decode(m, version, bytes_of(in.data + 2, in.len - 2), &arena, &a, NULL)))
        for (int32_t i = 0; i < a.assigned_partitions_count && !found; i++)
            found = str_eq(a.assigned_partitions[i].topic, topic);
    arena_done(&arena);
    return found;
}

static bool has_topic(const struct tps *set, struct uuid topic)
{
    for (size_t i = 0; i < set->count; i++)
        if (uuid_eq(set->at[i].topic, topic)) return true;
    return false;
}

/* Is the member whose heartbeats come over the connection still one, and of the list's topic? */
static bool is_member(const struct client_list *l, const struct connection *c)
{
    if (!c->client.group_id.data) return false;
    const struct group *group = group_find(l->lists->broker->groups, c->client.group_id);
    if (!group) return false;
    if (group->consumer) {
        const struct consumer_member *m = consumer_find(group, c->client.member_id);
        return m && (!l->of_topic || has_topic(&m->assigned, l->topic));
    }
    const struct member *m = group_find_member(group, c->client.member_id);
    return m && (!l->of_topic || assigned(m->assignment, str_c(l->name)));
}

static struct str alike_key(struct client_list *l, const struct connection *c)
{
    return arena_printf(&l->arena, "%.*s%c%.*s%c%s", STR_ARG(c->principal), 0, STR_ARG(c->client.id), 0,
                        c->host);
}

static void hear(struct client_list *l, const struct connection *c)
{
    struct heard *h = NULL;
    if (!is_member(l, c)) return;
    struct str key = alike_key(l, c);
    if (!key.data) return;
    HASH_FIND(hh, l->heard, key.data, key.len, h);
    if (h) {
        h->several |= !str_eq(h->group, c->client.group_id);
        return;
    }
    h = arena_alloc(&l->arena, sizeof *h + key.len);
    if (!h) return;
    memcpy(h->key, key.data, key.len);
    h->group = arena_str(&l->arena, c->client.group_id);
    HASH_ADD_KEYPTR(hh, l->heard, h->key, key.len, h);
}

static void name_group(struct client_list *l, const struct connection *c, client_row *row)
{
    struct heard *h = NULL;
    if (is_member(l, c)) {
        row->group = c->client.group_id;
        row->group_match = CLIENT_GROUP_OWN;
        return;
    }
    if (row->fetched_at < 0) return; /* a producer of that program, say */
    struct str key = alike_key(l, c);
    if (key.data) HASH_FIND(hh, l->heard, key.data, key.len, h);
    if (!h) return;
    row->group_match = h->several ? CLIENT_GROUP_SEVERAL : CLIENT_GROUP_ALIKE;
    if (!h->several) row->group = h->group;
}

/* --- clients -------------------------------------------------------------------------------------------- */

static void part_send(struct client_list *l, bool last, status result)
{
    struct control_clients_part part;
    wire_default(&control_clients_part_message, &part);
    part.token = l->token;
    part.error_code = status_kafka(result);
    part.last = last;
    part.others = l->others;
    part.clients = l->rows;
    part.clients_count = l->row_count;
    l->row_count = 0;
    l->lists->send(l->lists->arg, &control_clients_part_message, &part);
}

static void add(client_row *row, const struct client_topic *t, int64_t to_wall)
{
    row->bytes_in += t->bytes_in;
    row->records_in += t->records_in;
    row->bytes_out += t->bytes_out;
    row->records_out += t->records_out;
    if (t->produced_at && t->produced_at + to_wall > row->produced_at) {
        row->produced_at = t->produced_at + to_wall;
        row->producer_id = t->producer_id;
    }
    if (t->fetched_at && t->fetched_at + to_wall > row->fetched_at) row->fetched_at = t->fetched_at + to_wall;
    row->topics += !uuid_is_zero(t->topic);
}

/* Sums what is asked for; false: it has nothing to do with the topic. */
static bool count(struct client_list *l, const struct connection *c, client_row *row, int64_t to_wall)
{
    const struct client *client = &c->client;
    for (uint32_t i = 0; i < client->cap; i++)
        if (!uuid_is_zero(client->topics[i].topic) &&
            (!l->of_topic || uuid_eq(client->topics[i].topic, l->topic)))
            add(row, &client->topics[i], to_wall);
    if (!l->of_topic) {
        add(row, &client->others, to_wall);
        return !c->local; /* leatd itself is nobody's client */
    }
    bool maybe = client->others.produced_at || client->others.fetched_at;
    if (!row->topics && maybe) l->others++;
    return row->topics > 0;
}

static void name_client(struct client_list *l, const struct connection *c)
{
    struct loop *loop = l->lists->broker->loop;
    int64_t to_wall = loop_wall(loop) - loop_now(loop);
    client_row *row = &l->rows[l->row_count];
    wire_default_struct(&control_clients_part_client_row_struct, row);
    if (!count(l, c, row, to_wall)) return;
    if (l->named == CLIENT_LIST_MAX) {
        l->others++;
        return;
    }
    const char *space = strchr(c->software, ' ');
    size_t name_len = space ? (size_t)(space - c->software) : strlen(c->software);
    row->principal = c->principal.data ? c->principal : STR("");
    row->client_id = c->client.id.data ? c->client.id : STR("");
    row->address = str_c(c->host);
    row->software_name = (struct str){ c->software, name_len };
    row->software_version = space ? str_c(space + 1) : STR("");
    row->connected_at = c->connected_at + to_wall;
    row->local = c->local;
    name_group(l, c, row);
    l->named++;
    if (++l->row_count == PART_ROWS) part_send(l, false, OK);
}

/* --- rounds --------------------------------------------------------------------------------------------- */

static void list_free(struct client_list *l)
{
    DL_DELETE(l->lists->first, l);
    l->lists->count--;
    HASH_CLEAR(hh, l->heard);
    arena_done(&l->arena);
    mem_free(l);
}

/* False: that was enough for one turn. */
static bool round_go(struct client_list *l)
{
    struct loop *loop = l->lists->broker->loop;
    for (int looked = 1; l->at; looked++) {
        const struct connection *c = l->at;
        l->at = l->at->next;
        if (l->naming) name_client(l, c);
        else hear(l, c);
        if (looked % LOOKS == 0 && loop_turn_is_long(loop)) return l->at == NULL;
    }
    return true;
}

static void lists_go(struct timer *timer)
{
    struct client_lists *lists = CONTAINER_OF(timer, struct client_lists, next);
    struct client_list *l = lists->first;
    if (!l) return;
    bool over = round_go(l);
    if (over && l->naming) {
        part_send(l, true, OK);
        list_free(l);
    } else if (over) {
        l->naming = true;
        l->at = lists->broker->connections;
    } else if (l->row_count) {
        part_send(l, false, OK); /* its rows are views into connections that may end */
    }
    if (lists->first) (void)loop_timer_set(lists->broker->loop, &lists->next, loop_now(lists->broker->loop));
}

void client_lists_init(struct client_lists *lists, struct broker *broker,
                       void (*send)(void *arg, const struct wire_message *message, const void *object),
                       void *arg)
{
    *lists = (struct client_lists){ .broker = broker, .send = send, .arg = arg };
    timer_init(&lists->next, lists_go);
}

static status list_begin(struct client_list *l, const struct control_clients *message)
{
    struct broker *b = l->lists->broker;
    l->of_topic = !str_is_null(message->topic);
    l->at = b->connections;
    if (l->of_topic) {
        const struct topic *topic = image_topic(b->image, message->topic);
        if (!topic || !str_copy(l->name, sizeof l->name, message->topic))
            return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
        l->topic = topic->id;
    }
    return loop_timer_set(b->loop, &l->lists->next, loop_now(b->loop));
}

void client_lists_asked(struct client_lists *lists, const struct control_clients *message)
{
    struct client_list *l = lists->count < LISTS_MAX ? mem_zalloc(sizeof *l) : NULL;
    if (!l) {
        struct control_clients_part part;
        wire_default(&control_clients_part_message, &part);
        part.token = message->token;
        part.error_code = status_kafka(FAIL(REQUEST_TIMED_OUT));
        part.last = true;
        lists->send(lists->arg, &control_clients_part_message, &part);
        return;
    }
    l->lists = lists;
    l->token = message->token;
    arena_init(&l->arena, HEARD_ARENA);
    DL_APPEND(lists->first, l);
    lists->count++;
    status begun = list_begin(l, message);
    if (is_ok(begun)) return;
    part_send(l, true, begun);
    list_free(l);
}

void client_lists_gone(struct client_lists *lists, const struct connection *c)
{
    struct client_list *l;
    if (!lists) return;
    DL_FOREACH(lists->first, l)
        if (l->at == c) l->at = l->at->next;
}

void client_lists_over(struct client_lists *lists)
{
    while (lists->first) list_free(lists->first);
    loop_timer_clear(lists->broker->loop, &lists->next);
}
