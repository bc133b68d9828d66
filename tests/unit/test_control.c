/* The broker's end of the control protocol: a managed broker in this process, and the test as leatd on
 * its control.sock, both on the broker's loop. */
#include "broker/control.h"

#include "base/arena.h"
#include "broker/group.h"
#include "broker/report.h"
#include "cluster/control_frame.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], data_dir[80], run_dir[80];
static struct broker *broker;
static int64_t blocks;

/* --- the test as leatd ----------------------------------------------------------------------------- */
struct leatd {
    struct stream *stream;
    struct arena arena;      /* of the last messages; reset by leatd_forget */
    const void *hello, *ack, *admin, *report; /* the last of each kind */
    const struct control_backup_taken *taken;
    const struct control_lags *lags;
    int acks, reports, parts, report_version, lags_told;
    bool closed;
};
static struct leatd leatd, other;

static void leatd_frame(struct stream *stream, struct bytes frame, void *owner)
{
    struct leatd *l = owner;
    const struct wire_message *m;
    const void *object;
    (void)stream;
    struct bytes own = arena_bytes(&l->arena, frame);
    assert_true(is_ok(control_parse(own, &l->arena, &m, &object)));
    if (m == &control_hello_message) l->hello = object;
    if (m == &control_ack_message) l->ack = object, l->acks++;
    if (m == &control_admin_message) l->admin = object;
    if (m == &control_report_message) {
        l->report = object, l->reports++;
        l->report_version = get_be16(frame.data + 2);
    }
    if (m == &control_lags_message) l->lags = object, l->lags_told++;
    if (m == &control_backup_part_message) l->parts++;
    if (m == &control_backup_taken_message) l->taken = object;
}
static void leatd_closed(struct stream *stream, status why, void *owner)
{
    (void)stream;
    (void)why;
    ((struct leatd *)owner)->closed = true;
}
static const struct stream_events leatd_events = { leatd_frame, leatd_closed, NULL, NULL };

#define WAIT(condition)                                                                            \
    do {                                                                                           \
        for (int turn_ = 0; !(condition) && turn_ < 3000; turn_++) loop_turn(broker->loop, 10);    \
        assert_true(condition);                                                                    \
    } while (0)

static void say(struct leatd *l, const struct wire_message *m, const void *object)
{
    struct buf out;
    buf_init(&out, DELTA_MAX);
    assert_true(is_ok(control_frame(&out, CONTROL_VERSION_MAX, m, object)));
    assert_true(is_ok(stream_send(l->stream, &out)));
}

static void leatd_dial(struct leatd *l)
{
    *l = (struct leatd){ 0 };
    arena_init(&l->arena, 16 << 20);
    assert_true(is_ok(stream_connect_unix(broker->loop, broker->run_fd, CONTROL_SOCKET, 16 << 20,
                                          &leatd_events, l, &l->stream)));
    WAIT(l->hello);
}
static void leatd_greet(struct leatd *l)
{
    struct control_hello hello;
    wire_default(&control_hello_message, &hello);
    hello.max_version = CONTROL_VERSION_MAX;
    hello.program = STR("test");
    say(l, &control_hello_message, &hello);
    WAIT(l->reports == 1);
}
static void leatd_leave(struct leatd *l)
{
    if (l->stream && !l->closed) stream_close(l->stream);
    arena_done(&l->arena);
    l->stream = NULL;
}

static struct uuid id_of(uint8_t n) { return (struct uuid){ { n, 1 } }; }

static void push(struct leatd *l, int64_t from, int64_t to, uint8_t topic, const char *name)
{
    struct buf records;
    buf_init(&records, DELTA_MAX);
    delta_begin(&records, from, to);
    if (from == 0) {
        struct limits limits = limits_standalone;
        limits.authorise = true;
        delta_cluster(&records, STR("lkc-1"), id_of(200));
        delta_limits(&records, &limits);
    }
    struct delta_topic t = { .id = id_of(topic), .name = str_c(name), .partitions = 2,
                             .replication_factor = 1 };
    delta_topic(&records, &t);
    struct control_image message = { from, to, buf_bytes(&records) };
    say(l, &control_image_message, &message);
    buf_done(&records);
}

/* --- the broker ------------------------------------------------------------------------------------ */
static void broker_up(void)
{
    struct broker_options options;
    struct why why = { "" };
    broker_options_init(&options);
    options.data_dir = data_dir;
    options.run_dir = run_dir;
    options.cluster_id = "lkc-1";
    if (failed(broker_new(&options, &broker, &why))) fail_msg("%s", why.text);
}

static int setup(void **state)
{
    (void)state;
    blocks = mem_outstanding();
    snprintf(folder, sizeof(folder), "/tmp/leat-control-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(data_dir, sizeof(data_dir), "%s/data", folder);
    snprintf(run_dir, sizeof(run_dir), "%s/run", folder);
    if (mkdir(data_dir, 0700) || mkdir(run_dir, 0700)) return 1; /* leatd makes them */
    broker_up();
    leatd_dial(&leatd);
    return 0;
}
static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}
static int teardown(void **state)
{
    (void)state;
    leatd_leave(&leatd);
    broker_free(broker);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != blocks;
}

/* --- tests ----------------------------------------------------------------------------------------- */
static void test_hello_says_who_and_which_version(void **state)
{
    (void)state;
    const struct control_hello *hello = leatd.hello;
    assert_true(str_eq_c(hello->cluster_id, "lkc-1"));
    assert_int_equal(hello->node_id, 1);
    assert_int_equal(hello->image_version, 0);
    assert_int_equal(hello->port, broker_port(broker));
    assert_true(control_hello_fits(hello));
    assert_true(broker->image->limits.authorise); /* an empty image allows nothing */
}

static const struct control_ack *acked(int count)
{
    WAIT(leatd.acks == count);
    return leatd.ack;
}

static void test_images_in_a_row_are_applied_in_order_and_are_on_disk_when_acknowledged(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    push(&leatd, 0, 5, 1, "a");
    push(&leatd, 5, 6, 2, "b");
    push(&leatd, 6, 7, 3, "c");
    const struct control_ack *ack = acked(3);
    assert_int_equal(ack->version, 7);
    assert_int_equal(ack->error_code, 0);
    assert_non_null(image_topic(broker->image, STR("c")));
    CLEANUP(image) struct image *stored = NULL;
    assert_true(is_ok(image_new(&stored)));
    assert_true(is_ok(image_file_read(broker->fs, stored)));
    assert_int_equal(stored->version, 7);
    assert_non_null(image_topic(stored, STR("a")));
}

static void test_held_appends_are_reported_at_once_and_end_with_leatd(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    say(&leatd, &control_hold_message, &(struct control_hold){ .hold = true });
    WAIT(leatd.reports == 2);
    assert_int_equal(((const struct control_report *)leatd.report)->storage_state, STORE_HELD);
    assert_int_equal(store_state(broker->store), STORE_HELD);
    leatd_leave(&leatd);
    WAIT(store_state(broker->store) == STORE_OPEN);
    leatd_dial(&leatd);
}

static void test_a_restarted_broker_has_its_image_before_leatd_comes(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    push(&leatd, 0, 5, 1, "a");
    acked(1);
    leatd_leave(&leatd);
    broker_free(broker);
    broker_up();
    assert_int_equal(broker->image->version, 5);
    assert_non_null(image_topic(broker->image, STR("a")));
    leatd_dial(&leatd);
    assert_int_equal(((const struct control_hello *)leatd.hello)->image_version, 5);
}

static void test_a_delta_that_does_not_fit_is_refused_with_the_version_there_is(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    push(&leatd, 0, 5, 1, "a");
    push(&leatd, 7, 8, 2, "b");
    const struct control_ack *ack = acked(2);
    assert_int_not_equal(ack->error_code, 0);
    assert_int_equal(ack->version, 5);
    assert_null(image_topic(broker->image, STR("b")));
    push(&leatd, 0, 8, 2, "b"); /* what leatd then does */
    ack = acked(3);
    assert_int_equal(ack->error_code, 0);
    assert_null(image_topic(broker->image, STR("a")));
    assert_non_null(image_topic(broker->image, STR("b")));
}

static void test_nothing_but_hello_is_heard_before_hello(void **state)
{
    (void)state;
    push(&leatd, 0, 5, 1, "a");
    WAIT(leatd.closed);
    assert_int_equal(broker->image->version, 0);
}

static void test_one_that_only_knocks_disturbs_nobody_but_the_newest_that_says_hello_wins(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    for (int i = 0; i < 6; i++) {
        leatd_dial(&other);
        leatd_leave(&other);
    }
    leatd_dial(&other);
    push(&leatd, 0, 2, 1, "a");
    WAIT(leatd.acks == 1);
    assert_false(leatd.closed);
    leatd_greet(&other);
    WAIT(leatd.closed);
    push(&other, 0, 3, 1, "a");
    WAIT(other.acks == 1);
    leatd_leave(&other);
}

static void test_garbage_closes_the_connection_and_nothing_else(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    struct buf out;
    buf_init(&out, 100);
    buf_put_be32(&out, 6);
    buf_put(&out, "\0\2\0\0\377\377", 6);
    assert_true(is_ok(stream_send(leatd.stream, &out)));
    WAIT(leatd.closed);
    arena_done(&leatd.arena);
    leatd_dial(&leatd);
    leatd_greet(&leatd);
}

/* --- forwarded requests ---------------------------------------------------------------------------- */
struct asked {
    struct arena arena;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic;
    bool done;
    status result;
    const struct create_topics_response *response;
};

static void asked_done(void *arg, status result, void *response)
{
    struct asked *a = arg;
    a->done = true;
    a->result = result;
    a->response = response;
}
static void ask(struct asked *a)
{
    *a = (struct asked){ 0 };
    arena_init(&a->arena, 1 << 20);
    wire_default(&create_topics_request_message, &a->request);
    a->topic = (struct create_topics_request_creatable_topic){ .name = STR("new"),
                                                               .num_partitions = 1,
                                                               .replication_factor = 1 };
    a->request.topics = &a->topic;
    a->request.topics_count = 1;
    struct controller_request request = { 19, 7, &a->request, STR("User:x"), STR("192.0.2.1"),
                                          &a->arena };
    broker->controller->ops->submit(broker->controller, &request, asked_done, a);
}

static void test_an_admin_request_is_forwarded_and_answered_after_its_image(void **state)
{
    (void)state;
    struct asked a;
    leatd_greet(&leatd);
    ask(&a);
    WAIT(leatd.admin);
    const struct control_admin *admin = leatd.admin;
    assert_int_equal(admin->api_key, 19);
    assert_true(str_eq_c(admin->principal, "User:x"));
    assert_true(str_eq_c(admin->client_host, "192.0.2.1"));
    struct create_topics_request seen;
    assert_true(is_ok(wire_decode(&create_topics_request_message, 7, admin->body, &leatd.arena,
                                  &seen, NULL)));
    assert_true(str_eq_c(seen.topics[0].name, "new"));

    push(&leatd, 0, 1, 9, "new");
    struct create_topics_response_creatable_topic_result row = { .name = STR("new") };
    struct create_topics_response response = { .topics = &row, .topics_count = 1 };
    struct buf body;
    buf_init(&body, 1000);
    assert_true(is_ok(wire_encode(&create_topics_response_message, 7, &response, &body)));
    struct control_admin_reply reply = { admin->token, 0, buf_bytes(&body) };
    say(&leatd, &control_admin_reply_message, &reply);
    buf_done(&body);
    WAIT(a.done);
    assert_true(is_ok(a.result));
    assert_true(str_eq_c(a.response->topics[0].name, "new"));
    assert_non_null(image_topic(broker->image, STR("new"))); /* before the answer */
    arena_done(&a.arena);
}

static void test_without_leatd_an_admin_request_times_out_at_once(void **state)
{
    (void)state;
    struct asked a;
    leatd_greet(&leatd);
    ask(&a);
    assert_false(a.done);
    stream_close(leatd.stream);
    WAIT(a.done); /* it was on its way */
    assert_int_equal(a.result.code, E_REQUEST_TIMED_OUT);
    arena_done(&a.arena);
    ask(&a);
    assert_true(a.done);
    assert_int_equal(a.result.code, E_REQUEST_TIMED_OUT);
    arena_done(&a.arena);
}

/* --- reports --------------------------------------------------------------------------------------- */
static void append_to(struct broker *b, const char *topic, int32_t partition, int64_t timestamp)
{
    struct batch_builder builder;
    struct append_result result;
    struct buf batch;
    struct plog *log = broker_log(b, image_topic(b->image, str_c(topic)), partition);
    batch_builder_init(&builder, &batch_options_default);
    buf_init(&batch, 1 << 16);
    assert_true(is_ok(batch_builder_add(&builder, timestamp, BYTES_NULL, bytes_of("v", 1), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&builder, &batch)));
    assert_true(is_ok(plog_append(log, batch.data, batch.len, APPEND_CLIENT, &result)));
    batch_builder_done(&builder);
    buf_done(&batch);
}

static const struct control_report *reported(int count)
{
    WAIT(leatd.reports == count);
    return leatd.report;
}

static void test_reports_name_what_changed_and_end_with_one_at_rest(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    assert_true(reported(1)->whole);
    say(&leatd, &control_watch_message, &(struct control_watch){ 1000, 60000 });
    assert_false(reported(2)->whole); /* the watch begins with how things are */
    push(&leatd, 0, 1, 1, "a");
    const struct control_report *report = reported(3);
    assert_int_equal(report->topics_count, 1);
    assert_true(str_eq_c(report->topics[0].name, "a"));
    stats_topic(&broker->stats, id_of(1))->bytes_in = 77;
    broker->stats.bytes_in = 77;
    control_touch(broker->control);
    report = reported(4);
    assert_int_equal(report->topics[0].bytes_in, 77);
    assert_int_equal(report->bytes_in, 77);
    push(&leatd, 0, 2, 2, "b");
    report = reported(5);
    assert_int_equal(report->topics_gone_count, 1);
    assert_true(str_eq_c(report->topics_gone[0], "a"));
    report = reported(6);
    assert_int_equal(report->topics_count + report->topics_gone_count, 0); /* at rest: rates are 0 */
    assert_int_equal(report->bytes_in, 77);
    for (int i = 0; i < 4; i++) loop_turn(broker->loop, 400);
    assert_int_equal(leatd.reports, 6); /* and then silence */
}

static const struct control_lags_lag_partition *lag_told(int count)
{
    WAIT(leatd.lags_told == count);
    if (leatd.lags->groups_count == 0) return NULL;
    assert_true(str_eq_c(leatd.lags->groups[0].group, "g"));
    return &leatd.lags->groups[0].topics[0].partitions[0];
}

static void test_how_far_a_group_is_behind_is_told_when_it_changes_and_then_nothing(void **state)
{
    const struct commit_item item = { .topic = STR("a"), .partition = 1, .offset = 0 };
    struct group *g;
    (void)state;
    leatd_greet(&leatd);
    say(&leatd, &control_watch_message, &(struct control_watch){ 1000, 60000 });
    push(&leatd, 0, 1, 1, "a");
    assert_null(lag_told(1)); /* everything: nothing yet */
    assert_true(leatd.lags->begin && leatd.lags->end);
    assert_true(is_ok(group_get(broker->groups, STR("g"), &g)));
    assert_true(is_ok(group_put_offset(g, &item, loop_wall(broker->loop), -1)));
    assert_int_equal(lag_told(2)->lag, 0);
    append_to(broker, "a", 1, 12345);
    const struct control_lags_lag_partition *told = lag_told(3);
    assert_int_equal(told->partition, 1);
    assert_int_equal(told->lag, 1);
    assert_int_equal(told->oldest_at, 12345);
    for (int i = 0; i < 6; i++) loop_turn(broker->loop, 400);
    assert_int_equal(leatd.lags_told, 3);
    leatd_leave(&leatd);
    leatd_dial(&leatd);
    leatd_greet(&leatd);
    say(&leatd, &control_watch_message, &(struct control_watch){ 1000, 60000 });
    assert_int_equal(lag_told(1)->oldest_at, 12345);
    assert_true(leatd.lags->begin && leatd.lags->end);
    group_drop_offset(g, group_offset(g, STR("a"), 1));
    assert_int_equal(lag_told(2)->lag, -1);
}

static void test_a_broker_that_nobody_watches_tells_of_a_minute_within_a_second_of_its_end(void **state)
{
    static const char *const clusters[] = { "", "lkc-abc123", "lkc-zzz999" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++)
        for (int64_t wall = 1700000000123; wall < 1700000130000; wall += 499) {
            int64_t left = report_minute_left(clusters[i], wall);
            assert_in_range(left, 1, 60000);
            assert_in_range((wall + left) % 60000, 0, 999);
        }
    assert_int_not_equal(report_minute_left(clusters[1], 60000), report_minute_left(clusters[2], 60000));
}

static void test_every_message_says_from_which_version_of_the_protocol_it_may_be_sent(void **state)
{
    (void)state;
    for (int16_t key = 1; key < 100; key++) {
        const struct wire_message *m = wire_find(WIRE_CONTROL, key);
        if (m) assert_int_equal(control_message_version(m, CONTROL_VERSION_MAX), m->max_version);
    }
    assert_int_equal(control_message_version(&control_hello_message, 0), 0);
    assert_int_equal(control_message_version(&control_report_message, 0), 0);
    assert_int_equal(control_message_version(&control_report_message, 2), 1);
    assert_int_equal(control_message_version(&control_report_message, 3), 2);
    assert_int_equal(control_message_version(&control_backup_message, 3), -1);
}

/* A leatd before its upgrade, and a broker after its own. */
static void test_a_leatd_of_the_version_before_is_told_nothing_that_it_does_not_know(void **state)
{
    struct control_hello hello;
    (void)state;
    wire_default(&control_hello_message, &hello);
    hello.max_version = CONTROL_VERSION_PREVIOUS;
    hello.program = STR("older");
    say(&leatd, &control_hello_message, &hello);
    WAIT(leatd.reports == 1);
    assert_int_equal(leatd.report_version,
                     control_message_version(&control_report_message, CONTROL_VERSION_PREVIOUS));
}

static void test_a_leatd_of_another_age_is_left_alone(void **state)
{
    struct control_hello hello;
    (void)state;
    wire_default(&control_hello_message, &hello);
    hello.min_version = CONTROL_VERSION_MAX + 1;
    hello.max_version = CONTROL_VERSION_MAX + 2;
    hello.program = STR("from far away");
    say(&leatd, &control_hello_message, &hello);
    WAIT(leatd.closed);
    assert_int_equal(leatd.reports, 0);
}

static void test_a_backup_is_named_with_the_version_of_the_image_it_belongs_to(void **state)
{
    (void)state;
    leatd_greet(&leatd);
    push(&leatd, 0, 7, 1, "orders");
    say(&leatd, &control_backup_message, &(struct control_backup){ .token = 5, .begin = true });
    WAIT(leatd.taken); /* behind the image, whose write it waited for */
    assert_int_equal(leatd.taken->token, 5);
    assert_int_equal(leatd.taken->error_code, 0);
    assert_int_equal(leatd.taken->image_version, 7);
    assert_int_equal(leatd.parts, 1);
    leatd_leave(&leatd);
    WAIT(!broker->store->copy.wanted); /* nobody would ever say that it is over */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_hello_says_who_and_which_version),
        T(test_images_in_a_row_are_applied_in_order_and_are_on_disk_when_acknowledged),
        T(test_held_appends_are_reported_at_once_and_end_with_leatd),
        T(test_a_restarted_broker_has_its_image_before_leatd_comes),
        T(test_a_delta_that_does_not_fit_is_refused_with_the_version_there_is),
        T(test_nothing_but_hello_is_heard_before_hello),
        T(test_one_that_only_knocks_disturbs_nobody_but_the_newest_that_says_hello_wins),
        T(test_garbage_closes_the_connection_and_nothing_else),
        T(test_an_admin_request_is_forwarded_and_answered_after_its_image),
        T(test_without_leatd_an_admin_request_times_out_at_once),
        T(test_every_message_says_from_which_version_of_the_protocol_it_may_be_sent),
        T(test_a_leatd_of_the_version_before_is_told_nothing_that_it_does_not_know),
        T(test_a_leatd_of_another_age_is_left_alone),
        T(test_a_backup_is_named_with_the_version_of_the_image_it_belongs_to),
        T(test_how_far_a_group_is_behind_is_told_when_it_changes_and_then_nothing),
        T(test_reports_name_what_changed_and_end_with_one_at_rest),
        T(test_a_broker_that_nobody_watches_tells_of_a_minute_within_a_second_of_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
