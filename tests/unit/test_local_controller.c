/* The controller of a standalone broker: requests in, answers and an image out, across a restart. */
#include "broker/server.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];
static struct broker *broker;
static int64_t blocks;

static void broker_up(void)
{
    struct broker_options options;
    struct why why = { "" };
    broker_options_init(&options);
    options.data_dir = folder;
    options.standalone = true;
    options.limits.default_partitions = 4;
    if (failed(broker_new(&options, &broker, &why))) fail_msg("%s", why.text);
}
static int setup(void **state)
{
    (void)state;
    blocks = mem_outstanding();
    snprintf(folder, sizeof(folder), "/tmp/leat-local-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    broker_up();
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
    broker_free(broker);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != blocks;
}

struct asked {
    struct arena arena;
    bool done;
    status result;
    const void *response;
};
static void asked_done(void *arg, status result, void *response)
{
    struct asked *a = arg;
    a->done = true;
    a->result = result;
    a->response = response;
}
static void ask_later(struct asked *a, int16_t key, int16_t version, const void *request)
{
    *a = (struct asked){ 0 };
    arena_init(&a->arena, 4 << 20);
    struct controller_request submitted = { key, version, request, STR("User:x"), STR("192.0.2.1"),
                                            &a->arena };
    broker->controller->ops->submit(broker->controller, &submitted, asked_done, a);
}
static void wait_for(struct asked *a)
{
    for (int i = 0; i < 1000 && !a->done; i++) loop_turn(broker->loop, 10);
    assert_true(a->done);
}
static const void *ask(struct asked *a, int16_t key, int16_t version, const void *request)
{
    ask_later(a, key, version, request);
    wait_for(a);
    assert_true(is_ok(a->result));
    return a->response;
}

typedef struct create_topics_request_creatable_topic creatable;
static creatable topic(const char *name, int32_t partitions)
{
    return (creatable){ .name = str_c(name), .num_partitions = partitions, .replication_factor = -1 };
}
static int16_t create(const char *name, int32_t partitions, bool validate)
{
    struct asked a;
    creatable t = topic(name, partitions);
    struct create_topics_request request = { .topics = &t, .topics_count = 1,
                                             .validate_only = validate };
    const struct create_topics_response *response = ask(&a, 19, 7, &request);
    int16_t code = response->topics[0].error_code;
    if (code == 0 && !validate)
        assert_true(uuid_eq(response->topics[0].topic_id,
                            image_topic(broker->image, str_c(name))->id));
    arena_done(&a.arena);
    return code;
}

static void test_the_first_image_has_an_identity_and_the_offsets_topic(void **state)
{
    (void)state;
    assert_int_equal(strlen(broker->image->cluster_id), 22);
    const struct topic *offsets = image_topic(broker->image, STR("__consumer_offsets"));
    assert_int_equal(offsets->partitions, 50);
    assert_true(offsets->internal);
}

/* As the folder of a version that knew no transactions. */
static void test_an_older_image_gets_the_internal_topic_it_lacks(void **state)
{
    (void)state;
    struct buf delta, whole;
    buf_init(&delta, DELTA_MAX);
    buf_init(&whole, DELTA_MAX);
    delta_begin(&delta, broker->image->version, broker->image->version + 1);
    delta_topic_deleted(&delta, image_topic(broker->image, STR("__transaction_state"))->id);
    assert_true(is_ok(image_file_next(broker->image, buf_bytes(&delta), &whole)));
    assert_true(is_ok(image_file_write(broker->fs, buf_bytes(&whole))));
    buf_done(&delta);
    buf_done(&whole);
    broker_free(broker);
    broker_up();
    const struct topic *topic = image_topic(broker->image, STR("__transaction_state"));
    assert_non_null(topic);
    assert_true(topic->internal);
    assert_int_equal(topic->partitions, 50);
}

static void test_a_created_topic_is_there_and_survives_a_restart(void **state)
{
    (void)state;
    char id[64];
    (void)str_copy(id, sizeof(id), str_c(broker->image->cluster_id));
    assert_int_equal(create("a", -1, false), 0);
    assert_int_equal(create("a", -1, false), 36);
    assert_int_equal(create("b", 2, true), 0);
    assert_null(image_topic(broker->image, STR("b")));
    struct uuid topic_id = image_topic(broker->image, STR("a"))->id;
    broker_free(broker);
    broker_up();
    assert_string_equal(broker->image->cluster_id, id);
    assert_true(uuid_eq(image_topic(broker->image, STR("a"))->id, topic_id));
    assert_int_equal(image_topic(broker->image, STR("a"))->partitions, 4);
}

static void test_requests_that_come_together_see_each_other(void **state)
{
    (void)state;
    struct asked one, two;
    creatable t = topic("a", 1), same[2] = { topic("c", 1), topic("c", 1) };
    struct create_topics_request request = { .topics = &t, .topics_count = 1 };
    struct create_topics_request twice = { .topics = same, .topics_count = 2 };
    ask_later(&one, 19, 7, &request);
    ask_later(&two, 19, 7, &request);
    wait_for(&one);
    wait_for(&two);
    assert_int_equal(((const struct create_topics_response *)one.response)->topics[0].error_code, 0);
    assert_int_equal(((const struct create_topics_response *)two.response)->topics[0].error_code, 36);
    arena_done(&one.arena);
    arena_done(&two.arena);
    const struct create_topics_response *response = ask(&one, 19, 7, &twice);
    assert_int_equal(response->topics[0].error_code, 42);
    assert_int_equal(response->topics[1].error_code, 42);
    arena_done(&one.arena);
}

static void test_partitions_grow_configs_change_and_topics_go(void **state)
{
    (void)state;
    struct asked a;
    assert_int_equal(create("a", 1, false), 0);
    struct create_partitions_request_create_partitions_topic more = { .name = STR("a"), .count = 3,
                                                                      .assignments_count = -1 };
    struct create_partitions_request partitions = { .topics = &more, .topics_count = 1 };
    const struct create_partitions_response *grown = ask(&a, 37, 3, &partitions);
    assert_int_equal(grown->results[0].error_code, 0);
    assert_int_equal(image_topic(broker->image, STR("a"))->partitions, 3);
    arena_done(&a.arena);

    struct incremental_alter_configs_request_alterable_config set = { STR("retention.ms"), 0,
                                                                      STR("1234") };
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        2, STR("a"), &set, 1 };
    struct incremental_alter_configs_request configs = { .resources = &resource,
                                                         .resources_count = 1 };
    const struct incremental_alter_configs_response *altered = ask(&a, 44, 1, &configs);
    assert_int_equal(altered->responses[0].error_code, 0);
    assert_int_equal(image_topic(broker->image, STR("a"))->config.log.retention_ms, 1234);
    arena_done(&a.arena);

    struct delete_topics_request_delete_topic_state names[2] = {
        { .name = STR("a") }, { .name = STR("__consumer_offsets") } };
    struct delete_topics_request deletion = { .topics = names, .topics_count = 2 };
    const struct delete_topics_response *deleted = ask(&a, 20, 6, &deletion);
    assert_int_equal(deleted->responses[0].error_code, 0);
    assert_int_equal(deleted->responses[1].error_code, 17);
    assert_null(image_topic(broker->image, STR("a")));
    arena_done(&a.arena);
    deletion.topics_count = 1;
    deleted = ask(&a, 20, 6, &deletion);
    assert_int_equal(deleted->responses[0].error_code, 3);
    arena_done(&a.arena);
}

static void test_a_broker_that_stops_answers_what_waits(void **state)
{
    (void)state;
    struct asked a[3];
    creatable t = topic("a", 1);
    struct create_topics_request request = { .topics = &t, .topics_count = 1 };
    for (int i = 0; i < 3; i++) ask_later(&a[i], 19, 7, &request);
    broker_free(broker);
    for (int i = 0; i < 3; i++) {
        assert_true(a[i].done);
        arena_done(&a[i].arena);
    }
    broker_up();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_first_image_has_an_identity_and_the_offsets_topic),
        T(test_an_older_image_gets_the_internal_topic_it_lacks),
        T(test_a_created_topic_is_there_and_survives_a_restart),
        T(test_requests_that_come_together_see_each_other),
        T(test_partitions_grow_configs_change_and_topics_go),
        T(test_a_broker_that_stops_answers_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
