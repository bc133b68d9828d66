/* What each connection has done by topic, and the list of it for leatd: connections made by hand on a real
 * broker. */
#include "broker/client_list.h"
#include "broker/connection.h"
#include "broker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define TOPICS (CLIENT_TOPICS_MAX + 100)

static struct rig rig;

static struct uuid id_of(uint32_t n)
{
    struct uuid id = { { 0 } };
    n *= 2654435761u; /* spread, as random ids are */
    memcpy(id.b, &n, sizeof n);
    id.b[15] = 1;
    return id;
}

static void topics(uint32_t from, uint32_t to, bool there)
{
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    for (uint32_t i = from; i < to; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        struct delta_topic t = { .id = id_of(i), .name = str_c(name), .partitions = 1,
                                 .replication_factor = 1 };
        if (there) delta_topic(&delta, &t);
        else delta_topic_deleted(&delta, t.id);
    }
    rig_delta_apply(&rig, &delta);
}

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

static struct request begin(struct connection *c, const char *principal)
{
    *c = (struct connection){ .broker = rig.broker, .principal = str_c(principal), .software = "lib 1.2",
                              .connected_at = loop_now(rig.broker->loop), .host = "10.0.0.1" };
    return (struct request){ .broker = rig.broker, .connection = c };
}

static const struct client_topic *row(const struct connection *c, struct uuid topic)
{
    for (uint32_t i = 0; i < c->client.cap; i++)
        if (uuid_eq(c->client.topics[i].topic, topic)) return &c->client.topics[i];
    return NULL;
}

static void test_each_topic_is_counted_by_itself_up_to_a_bound_and_the_rest_together(void **state)
{
    struct connection c;
    struct request r = begin(&c, "User:sa-1");
    (void)state;
    topics(0, TOPICS, true);
    for (int round = 1; round <= 3; round++)
        for (uint32_t i = 0; i < TOPICS; i++) {
            client_produced(&r, id_of(i), i + 1, 2, -1);
            client_fetches(&r, id_of(i));
            client_fetched(&r, id_of(i), 10, 1);
        }
    for (uint32_t i = 0; i < CLIENT_TOPICS_MAX; i++) {
        const struct client_topic *t = row(&c, id_of(i));
        assert_non_null(t);
        assert_int_equal(t->bytes_in, 3 * (i + 1));
        assert_int_equal(t->records_in, 6);
        assert_int_equal(t->bytes_out, 30);
        assert_int_equal(t->records_out, 3);
    }
    assert_null(row(&c, id_of(CLIENT_TOPICS_MAX)));
    assert_int_equal(c.client.others.records_out, 3 * (TOPICS - CLIENT_TOPICS_MAX));
    assert_true(rig.broker->client_rows > 0);
    client_done(&c);
    assert_int_equal(rig.broker->client_rows, 0);
}

static void test_topics_that_are_deleted_make_room(void **state)
{
    struct connection c;
    struct request r = begin(&c, "User:sa-1");
    (void)state;
    for (int round = 0; round < 50; round++) { /* a client of short-lived topics */
        topics((uint32_t)round * 100, (uint32_t)round * 100 + 100, true);
        for (uint32_t i = 0; i < 100; i++) client_produced(&r, id_of((uint32_t)round * 100 + i), 1, 1, -1);
        topics((uint32_t)round * 100, (uint32_t)round * 100 + 100, false);
    }
    assert_int_equal(c.client.others.records_in, 0);
    assert_true(c.client.cap <= 512);
    client_done(&c);
}

static void test_all_connections_together_are_bounded(void **state)
{
    enum { COUNT = 80 };
    static struct connection c[COUNT];
    (void)state;
    topics(0, CLIENT_TOPICS_MAX, true);
    for (int k = 0; k < COUNT; k++) {
        struct request r = begin(&c[k], "User:sa-1");
        for (uint32_t i = 0; i < CLIENT_TOPICS_MAX; i++) client_produced(&r, id_of(i), 1, 1, -1);
        int64_t sum = c[k].client.others.records_in;
        for (uint32_t i = 0; i < c[k].client.cap; i++) sum += c[k].client.topics[i].records_in;
        assert_int_equal(sum, CLIENT_TOPICS_MAX);
    }
    assert_true(rig.broker->client_rows <= CLIENT_ROWS_MAX);
    assert_true(c[0].client.others.records_in == 0 && c[COUNT - 1].client.others.records_in > 0);
    for (int k = 0; k < COUNT; k++) client_done(&c[k]);
    assert_int_equal(rig.broker->client_rows, 0);
}

/* --- the list ------------------------------------------------------------------------------------- */
struct heard {
    int parts, named, last;
    int64_t others;
    status error;
    char names[8][64]; /* of the first ones: client id, group */
};

static void hear(void *arg, const struct wire_message *message, const void *object)
{
    struct heard *h = arg;
    const struct control_clients_part *part = object;
    assert_ptr_equal(message, &control_clients_part_message);
    h->parts++;
    h->last += part->last;
    h->others = part->others;
    if (part->error_code) h->error = status_from_kafka(part->error_code);
    assert_true(part->clients_count <= 100);
    for (int32_t i = 0; i < part->clients_count; i++, h->named++)
        if (h->named < 8)
            snprintf(h->names[h->named], sizeof h->names[0], "%.*s", STR_ARG(part->clients[i].client_id));
}

static void list(struct client_lists *lists, struct heard *h, struct str topic)
{
    *h = (struct heard){ .error = OK };
    client_lists_asked(lists, &(struct control_clients){ .token = 7, .topic = topic });
    for (int turn = 0; turn < 1000 && !h->last; turn++) loop_turn(rig.broker->loop, 1);
    assert_int_equal(h->last, 1);
}

static void test_a_list_is_bounded_comes_in_parts_and_outlives_connections_that_end(void **state)
{
    enum { COUNT = 3000 };
    struct connection *c = mem_zalloc(COUNT * sizeof *c);
    struct client_lists lists;
    struct heard heard;
    struct broker *b = rig.broker;
    (void)state;
    topics(0, 2, true);
    client_lists_init(&lists, b, hear, &heard);
    b->client_lists = &lists;
    for (int i = 0; i < COUNT; i++) {
        struct request r = begin(&c[i], "User:sa-1");
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        client_named(&c[i], str_c(name));
        if (i % 2) client_produced(&r, id_of(1), 1, 1, 5);
        DL_APPEND(b->connections, &c[i]);
    }
    list(&lists, &heard, STR("t1"));
    assert_int_equal(heard.named, CLIENT_LIST_MAX);
    assert_int_equal(heard.others, COUNT / 2 - CLIENT_LIST_MAX);
    assert_true(heard.parts > 9);
    assert_string_equal(heard.names[0], "c1");
    assert_string_equal(heard.names[7], "c15");
    list(&lists, &heard, STR("t0"));
    assert_int_equal(heard.named + heard.others, 0);
    list(&lists, &heard, STR("nothing"));
    assert_int_equal(heard.error.code, E_UNKNOWN_TOPIC_OR_PARTITION);

    /* the first ones end while a list begins */
    heard = (struct heard){ 0 };
    client_lists_asked(&lists, &(struct control_clients){ .topic = STR_NULL });
    for (int i = 0; i < 10; i++) {
        client_lists_gone(b->client_lists, &c[i]);
        client_done(&c[i]);
        DL_DELETE(b->connections, &c[i]);
        memset(&c[i], 0xee, sizeof c[i]);
    }
    for (int turn = 0; turn < 1000 && !heard.last; turn++) loop_turn(b->loop, 1);
    assert_int_equal(heard.named, CLIENT_LIST_MAX);
    assert_int_equal(heard.others, COUNT - 10 - CLIENT_LIST_MAX);
    assert_string_equal(heard.names[0], "c10");

    for (int k = 0; k < 100; k++) /* more than wait at a time are refused at once */
        client_lists_asked(&lists, &(struct control_clients){ .topic = STR_NULL });
    assert_true(lists.count < 100);
    client_lists_over(&lists);
    assert_int_equal(lists.count, 0);
    b->client_lists = NULL;
    for (int i = 10; i < COUNT; i++) {
        DL_DELETE(b->connections, &c[i]);
        client_done(&c[i]);
    }
    mem_free(c);
}

static void test_a_client_id_of_any_length_is_kept_up_to_a_bound(void **state)
{
    struct connection c;
    char text[1000];
    (void)state;
    (void)begin(&c, "User:sa-1");
    memset(text, 'x', sizeof text);
    client_named(&c, STR_NULL);
    assert_true(c.client.id.len == 0 && !c.client.id.data);
    client_named(&c, (struct str){ text, sizeof text });
    assert_int_equal(c.client.id.len, CLIENT_TEXT_MAX);
    const char *kept = c.client.id.data;
    client_named(&c, (struct str){ text, sizeof text });
    assert_ptr_equal(c.client.id.data, kept);
    client_named(&c, STR("short"));
    assert_true(str_eq_c(c.client.id, "short"));
    client_done(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_each_topic_is_counted_by_itself_up_to_a_bound_and_the_rest_together),
        T(test_topics_that_are_deleted_make_room),
        T(test_all_connections_together_are_bounded),
        T(test_a_list_is_bounded_comes_in_parts_and_outlives_connections_that_end),
        T(test_a_client_id_of_any_length_is_kept_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
