/* The engine and the supervisor over a real leat-broker process: what the domain wants gets there, what
 * clients do comes back, and no kill -9 of either side changes that. The test is the domain: it keeps the
 * image it wants in memory and answers CreateTopics that is forwarded. */
#include "engine/engine.h"

#include "base/mem.h"
#include "client/client_ops.h"
#include "cluster/admin_topics.h"
#include "supervise/supervisor.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ftw.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "lkc-test1"
#define PROC ID "-1"

static struct loop *loop;
static struct supervisor *supervisor;
static struct engine *engine;
static struct image *image; /* what the domain wants */
static char folder[64], address[32];
static uint16_t port;

#define WAIT(condition)                                                                            \
    do {                                                                                           \
        for (int turn_ = 0; !(condition) && turn_ < 3000; turn_++) loop_turn(loop, 10);            \
        assert_true(condition);                                                                    \
    } while (0)

/* --- the test as domain ---------------------------------------------------------------------------- */
static int images_asked;

static status want_image(void *arg, const char *cluster_id, struct buf *out)
{
    (void)arg;
    assert_string_equal(cluster_id, ID);
    images_asked++;
    return image_serialise(image, out);
}

struct push {
    bool done;
    status result;
};
static void pushed(void *arg, status result)
{
    struct push *p = arg;
    p->done = true;
    p->result = result;
}
static struct buf records;

static void change_begin(void)
{
    buf_init(&records, DELTA_MAX);
    delta_begin(&records, image->version, image->version + 1);
}
static void change_push(engine_done done, void *arg)
{
    assert_true(is_ok(image_apply(image, buf_bytes(&records), NULL)));
    engine_push(engine, ID, image->version, buf_bytes(&records), done, arg);
    buf_done(&records);
}
static status change_commit(void)
{
    struct push p = { 0 };
    change_push(pushed, &p);
    WAIT(p.done);
    return p.result;
}

static void put_topic(const char *name)
{
    struct delta_topic topic = { .id = uuid_new(), .name = str_c(name), .partitions = 1,
                                 .replication_factor = 1 };
    delta_topic(&records, &topic);
}
static void put_key(const char *login, const char *secret)
{
    struct credential key = { .login = str_c(login), .principal = STR("User:sa-1"),
                              .has_secret = true };
    uint8_t salted[128];
    random_bytes(key.secret_salt, sizeof(key.secret_salt));
    memcpy(salted, key.secret_salt, sizeof(key.secret_salt));
    memcpy(salted + sizeof(key.secret_salt), secret, strlen(secret));
    SHA256(salted, sizeof(key.secret_salt) + strlen(secret), key.secret_hash);
    delta_credential(&records, &key);
    static const enum acl_operation may[] = { OP_READ, OP_WRITE, OP_CREATE };
    for (size_t i = 0; i < ARRAY_LEN(may); i++) {
        struct acl acl = { RES_TOPIC, PAT_LITERAL, may[i], PERM_ALLOW, STR("*"), key.principal,
                           STR("*") };
        delta_acl(&records, &acl);
    }
}

struct forwarded {
    uint64_t token;
    struct create_topics_response *response;
};
static struct forwarded forwarded;

static void answer_forwarded(void *arg, status result)
{
    (void)arg;
    engine_answer(engine, forwarded.token, result, forwarded.response);
}

static void admin(void *arg, const char *cluster_id, const struct engine_admin *admin)
{
    (void)arg;
    const struct create_topics_request *create = admin->request;
    struct arena *arena = admin->arena;
    assert_string_equal(cluster_id, ID);
    assert_int_equal(admin->api_key, 19);
    assert_true(str_eq_c(admin->principal, "User:sa-1"));
    assert_true(str_eq_c(admin->client_host, "127.0.0.1"));
    struct topic_facts facts = { .limits = &image->limits };
    struct topic_plan plan = plan_topic_create(
        &facts, image_topic(image, create->topics[0].name) != NULL, &create->topics[0], arena);
    struct create_topics_response *response = ARENA_NEW(arena, struct create_topics_response);
    wire_default(&create_topics_response_message, response);
    response->topics = ARENA_NEW(arena, struct create_topics_response_creatable_topic_result);
    response->topics_count = 1;
    create_topics_answer(&plan, create->topics[0].name, admin->version, arena, response->topics);
    forwarded = (struct forwarded){ admin->token, response };
    if (failed(plan.result)) {
        engine_answer(engine, admin->token, OK, response);
        return;
    }
    change_begin();
    delta_topic(&records, &plan.topic);
    change_push(answer_forwarded, NULL);
}
static void changed(void *arg, const char *cluster_id)
{
    (void)arg;
    (void)cluster_id;
}
static const struct engine_events events = { admin, want_image, changed, NULL };

/* --- up and down ----------------------------------------------------------------------------------- */
static uint16_t free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void leatd_up(void)
{
    static const struct supervisor_events none;
    char data[96], run[96];
    assert_true(is_ok(supervisor_new(loop, &none, &supervisor)));
    assert_true(is_ok(engine_new(loop, supervisor, &events, &engine)));
    snprintf(data, sizeof(data), "%s/data", folder);
    snprintf(run, sizeof(run), "%s/run", folder);
    struct proc_spec spec = { .id = PROC, .cluster_id = ID, .is_broker = true};
    snprintf(spec.folder, sizeof(spec.folder), "%s", folder);
    char *argv[] = { LEAT_BROKER, "--data", data, "--run", run, "--listen", address,
                     "--advertise", address, "--cluster-id", ID, "--node-id", "1", NULL };
    memcpy(spec.argv, argv, sizeof(argv));
    assert_true(is_ok(engine_attach(engine, ID)));
    assert_true(is_ok(supervisor_want(supervisor, &spec)));
    WAIT(engine_version(engine, ID) == image->version);
}
static void leatd_down(void)
{
    engine_free(engine);
    supervisor_free(supervisor);
}

static int pid_now(void)
{
    struct proc_info info;
    return supervisor_info(supervisor, PROC, &info) && info.state == PROC_RUNNING ? info.pid : 0;
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/leat-engine-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    port = free_port();
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(image_new(&image)));
    change_begin();
    struct limits limits = limits_standalone;
    limits.authorise = true;
    delta_cluster(&records, STR(ID), uuid_new());
    delta_limits(&records, &limits);
    delta_consumer_offsets(&records, uuid_new());
    assert_true(is_ok(image_apply(image, buf_bytes(&records), NULL)));
    buf_done(&records);
    leatd_up();
    return 0;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}
static void mark(void *arg) { *(bool *)arg = true; }

static int teardown(void **state)
{
    (void)state;
    bool stopped = false;
    supervisor_stop_all(supervisor, mark, &stopped);
    WAIT(stopped);
    leatd_down();
    image_free(image);
    loop_free(loop);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != 0;
}

/* --- clients --------------------------------------------------------------------------------------- */
struct user {
    struct client *client;
    bool ready, closed, done;
    status why, result;
    int64_t offset;
    int16_t code;
};
static void user_ready(struct client *client, void *owner)
{
    (void)client;
    ((struct user *)owner)->ready = true;
}
static void user_closed(struct client *client, status why, void *owner)
{
    struct user *u = owner;
    (void)client;
    u->closed = true;
    u->why = why;
}
static const struct client_events user_events = { user_ready, user_closed };

static void user_in(struct user *u, const char *login, const char *secret)
{
    *u = (struct user){ 0 };
    struct client_options options = { .addr = "127.0.0.1", .port = port, .client_id = STR("test"),
                                      .user = str_c(login), .password = str_c(secret) };
    assert_true(is_ok(client_new(loop, &options, &user_events, u, &u->client)));
    WAIT(u->ready || u->closed);
}
static void produced(void *arg, status result, int64_t base_offset, int64_t time, struct str message)
{
    struct user *u = arg;
    (void)time;
    (void)message;
    u->done = true;
    u->result = result;
    u->offset = base_offset;
}
static status produce(struct user *u, const char *topic)
{
    struct client_record record = { .timestamp = -1, .value = bytes_of("hello", 5) };
    u->done = false;
    assert_true(is_ok(client_produce(u->client, str_c(topic), 0, CODEC_NONE, &record, 1, produced, u)));
    WAIT(u->done);
    return u->result;
}

/* --- tests ----------------------------------------------------------------------------------------- */
static void test_what_the_domain_pushes_is_usable_when_it_is_acknowledged(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_topic("orders");
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    assert_int_equal(engine_version(engine, ID), image->version);
    user_in(&u, "KEY1", "wrong");
    assert_true(u.closed);
    assert_int_equal(u.why.code, E_SASL_AUTHENTICATION_FAILED);
    client_free(u.client);
    user_in(&u, "KEY1", "secret");
    assert_true(u.ready);
    assert_true(is_ok(produce(&u, "orders")));
    assert_int_equal(u.offset, 0);

    change_begin();
    delta_credential_deleted(&records, STR("KEY1"));
    assert_true(is_ok(change_commit()));
    WAIT(u.closed); /* a deleted key's connections end */
    client_free(u.client);
}

static void test_changes_in_a_row_are_acknowledged_in_order(void **state)
{
    (void)state;
    struct push p[20] = { { 0 } };
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%d", i);
        change_begin();
        put_topic(name);
        change_push(pushed, &p[i]);
    }
    WAIT(p[19].done);
    for (int i = 0; i < 20; i++) assert_true(p[i].done && is_ok(p[i].result));
    assert_int_equal(engine_version(engine, ID), image->version);
}

static void created(void *arg, status result, const void *response)
{
    struct user *u = arg;
    u->done = true;
    u->result = result;
    u->code = is_ok(result) ? ((const struct create_topics_response *)response)->topics[0].error_code
                            : -1;
}

static void test_a_kafka_admin_request_reaches_the_domain_and_comes_back(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    user_in(&u, "KEY1", "secret");
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic;
    wire_default(&create_topics_request_message, &request);
    wire_default_struct(&create_topics_request_creatable_topic_struct, &topic);
    topic = (struct create_topics_request_creatable_topic){ .name = STR("made"), .num_partitions = 1,
                                                            .replication_factor = 1 };
    request.topics = &topic;
    request.topics_count = 1;
    assert_true(is_ok(client_call(u.client, 19, -1, &request, created, &u)));
    WAIT(u.done);
    assert_int_equal(u.code, 0);
    assert_non_null(image_topic(image, STR("made")));
    assert_true(is_ok(produce(&u, "made"))); /* usable at once */
    u.done = false;
    assert_true(is_ok(client_call(u.client, 19, -1, &request, created, &u)));
    WAIT(u.done);
    assert_int_equal(u.code, 36);
    client_free(u.client);
}

struct called {
    bool done;
    status result;
    int32_t topics;
};
static void described(void *arg, status result, const void *response)
{
    struct called *c = arg;
    c->done = true;
    c->result = result;
    if (is_ok(result)) c->topics = ((const struct metadata_response *)response)->topics_count;
}
static struct called ask_metadata(void)
{
    struct called c = { 0 };
    struct arena arena;
    struct metadata_request request;
    arena_init(&arena, 1 << 20);
    wire_default(&metadata_request_message, &request);
    request.topics_count = -1;
    engine_call(engine, ID, STR("User:leat"), 3, 12, &request, &arena, 5000, described, &c);
    assert_false(c.done); /* never from inside the call */
    WAIT(c.done);
    arena_done(&arena);
    return c;
}

static void test_a_killed_broker_comes_back_with_everything(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_topic("orders");
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    user_in(&u, "KEY1", "secret");
    assert_true(is_ok(produce(&u, "orders")));
    client_free(u.client);

    int pid = pid_now();
    kill(pid, SIGKILL);
    WAIT(engine_version(engine, ID) == -1);
    struct push p = { 0 };
    change_begin();
    put_topic("made-meanwhile");
    change_push(pushed, &p);
    WAIT(p.done);
    assert_int_equal(p.result.code, E_PENDING); /* it stands, and comes later */
    WAIT(engine_version(engine, ID) == image->version);
    assert_int_not_equal(pid_now(), pid);

    user_in(&u, "KEY1", "secret");
    assert_true(is_ok(produce(&u, "orders")));
    assert_int_equal(u.offset, 1);
    assert_true(is_ok(produce(&u, "made-meanwhile")));
    client_free(u.client);
}

static bool storage_is(enum engine_storage state)
{
    const struct engine_figures *f = engine_figures(engine, ID);
    return f && f->known && f->storage == state;
}

static void test_held_appends_stay_held_through_a_kill_of_the_broker(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_topic("orders");
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    engine_hold(engine, ID, true);
    WAIT(storage_is(ENGINE_STORAGE_HELD));
    user_in(&u, "KEY1", "secret");
    assert_int_equal(status_kafka(produce(&u, "orders")), 56); /* KAFKA_STORAGE_ERROR */
    client_free(u.client);
    kill(pid_now(), SIGKILL);
    WAIT(engine_version(engine, ID) == -1);
    WAIT(engine_version(engine, ID) == image->version);
    WAIT(storage_is(ENGINE_STORAGE_HELD));
    engine_hold(engine, ID, false);
    WAIT(storage_is(ENGINE_STORAGE_OPEN));
    user_in(&u, "KEY1", "secret");
    assert_true(is_ok(produce(&u, "orders")));
    client_free(u.client);
}

static void test_the_next_leatd_adopts_the_broker_and_it_serves_meanwhile(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_topic("orders");
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    int pid = pid_now();
    leatd_down();
    user_in(&u, "KEY1", "secret");
    assert_true(is_ok(produce(&u, "orders")));
    leatd_up();
    struct proc_info info;
    assert_true(supervisor_info(supervisor, PROC, &info));
    assert_int_equal(info.pid, pid);
    assert_true(info.adopted);
    assert_true(is_ok(produce(&u, "orders")));
    assert_int_equal(u.offset, 1);
    client_free(u.client);
    struct called c = ask_metadata();
    assert_true(is_ok(c.result));
    assert_int_equal(c.topics, 2);
}

static void test_figures_follow_what_clients_do(void **state)
{
    (void)state;
    struct user u;
    change_begin();
    put_topic("orders");
    put_key("KEY1", "secret");
    assert_true(is_ok(change_commit()));
    engine_watch(engine, ID);
    user_in(&u, "KEY1", "secret");
    for (int i = 0; i < 5; i++) assert_true(is_ok(produce(&u, "orders")));
    const struct engine_figures *f = NULL;
    WAIT((f = engine_figures(engine, ID)) && f->records_in == 5);
    const struct engine_topic_figures *orders = NULL;
    for (size_t i = 0; i < f->topic_count; i++)
        if (strcmp(f->topics[i].name, "orders") == 0) orders = &f->topics[i];
    assert_non_null(orders);
    assert_int_equal(orders->records_in, 5);
    assert_true(orders->bytes_in > 0 && orders->bytes_in == f->bytes_in);
    assert_true(orders->last_record_at > 0);
    assert_true(f->connections >= 1);
    client_free(u.client);
}

static void test_a_cluster_that_is_away_answers_so(void **state)
{
    (void)state;
    bool stopped = false;
    supervisor_stop(supervisor, PROC, false, mark, &stopped);
    WAIT(stopped);
    WAIT(engine_version(engine, ID) == -1);
    struct called c = ask_metadata();
    assert_int_equal(c.result.code, E_BROKER_NOT_AVAILABLE);
    change_begin();
    put_topic("later");
    assert_int_equal(change_commit().code, E_PENDING);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_the_domain_pushes_is_usable_when_it_is_acknowledged),
        T(test_changes_in_a_row_are_acknowledged_in_order),
        T(test_a_kafka_admin_request_reaches_the_domain_and_comes_back),
        T(test_a_killed_broker_comes_back_with_everything),
        T(test_held_appends_stay_held_through_a_kill_of_the_broker),
        T(test_the_next_leatd_adopts_the_broker_and_it_serves_meanwhile),
        T(test_figures_follow_what_clients_do),
        T(test_a_cluster_that_is_away_answers_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
