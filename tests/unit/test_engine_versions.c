/* The engine and brokers of other versions: the test is the broker, on the control socket of its folder and
 * with the lock of its data folder, so that the supervisor adopts this very process. */
#include "engine/engine.h"

#include "base/format.h"
#include "base/mem.h"
#include "cluster/control_frame.h"
#include "cluster/delta.h"
#include "io/listener.h"
#include "io/stream.h"
#include "supervise/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "lkc-old"
#define PROC ID "-1"
#define KEYS 100
#define FRAME_MAX (1u << 20)

static struct loop *loop;
static struct supervisor *supervisor;
static struct engine *engine;
static struct listener *listener;
static char folder[64];
static int lock, run_fd;

struct broker { /* the fake one */
    int16_t min, max, format;
    struct stream *stream;
    int received[KEYS]; /* frames by key */
    int greatest;       /* version of any of them */
    bool closed;
};
static struct broker broker;

#define WAIT(condition)                                                                            \
    do {                                                                                           \
        for (int turn_ = 0; !(condition) && turn_ < 1000; turn_++) loop_turn(loop, 10);            \
        assert_true(condition);                                                                    \
    } while (0)

static void say(int16_t protocol, const struct wire_message *message, const void *object)
{
    struct buf out;
    buf_init(&out, FRAME_MAX);
    assert_true(is_ok(control_frame(&out, protocol, message, object)));
    assert_true(is_ok(stream_send(broker.stream, &out)));
    buf_done(&out);
}

static void heard(struct stream *stream, struct bytes frame, void *owner)
{
    (void)stream, (void)owner;
    int16_t key = (int16_t)get_be16(frame.data), version = (int16_t)get_be16(frame.data + 2);
    assert_in_range(key, 1, KEYS - 1);
    broker.received[key]++;
    if (version > broker.greatest) broker.greatest = version;
    if (key == control_image_message.key)
        say(0, &control_ack_message, &(struct control_ack){ .version = 1 });
}
static void ended(struct stream *stream, status why, void *owner)
{
    (void)stream, (void)why, (void)owner;
    if (stream == broker.stream) broker.closed = true;
}
static const struct stream_events stream_events = { heard, ended, NULL, NULL };

static void accepted(int fd, void *owner)
{
    struct control_hello hello;
    struct stream *stream;
    (void)owner;
    if (failed(stream_accept(loop, fd, FRAME_MAX, &stream_events, NULL, &stream))) return;
    broker.stream = stream; /* the probe of the supervisor comes first, and leaves */
    broker.closed = false;
    wire_default(&control_hello_message, &hello);
    hello.min_version = broker.min;
    hello.max_version = broker.max;
    hello.format = broker.format;
    hello.program = STR("leat-broker of another age");
    hello.cluster_id = STR(ID);
    say(0, &control_hello_message, &hello);
}

static status want_image(void *arg, const char *cluster_id, struct buf *out)
{
    (void)arg, (void)cluster_id;
    delta_begin(out, 0, 1);
    delta_cluster(out, STR(ID), uuid_new());
    return OK;
}

static void meet(int16_t min, int16_t max, int16_t format)
{
    static const struct supervisor_events none;
    static const struct engine_events events = { .image = want_image };
    struct proc_spec spec = { .id = PROC, .cluster_id = ID, .is_broker = true };
    char *argv[] = { "/nowhere/leat-broker", NULL };
    broker = (struct broker){ .min = min, .max = max, .format = format };
    snprintf(spec.folder, sizeof spec.folder, "%s", folder);
    memcpy(spec.argv, argv, sizeof argv);
    assert_true(is_ok(supervisor_new(loop, &none, &supervisor)));
    assert_true(is_ok(engine_new(loop, supervisor, &events, &engine)));
    assert_true(is_ok(engine_attach(engine, ID)));
    assert_true(is_ok(supervisor_want(supervisor, &spec)));
}

static int setup(void **state)
{
    char path[96];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/leat-versions-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    static const char *const names[] = { "data", "run", "log" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (mkdir(path, 0700) != 0) return 1;
    }
    snprintf(path, sizeof path, "%s/data/lock", folder);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (lock < 0 || fcntl(lock, F_OFD_SETLK, &held) != 0) return 1;
    snprintf(path, sizeof path, "%s/run", folder);
    run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(is_ok(loop_new(&loop)));
    return failed(listener_new_unix(loop, run_fd, CONTROL_SOCKET, accepted, NULL, &listener));
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    engine_free(engine);
    supervisor_free(supervisor); /* the process goes on: it is this one */
    listener_free(listener);
    if (broker.stream && !broker.closed) stream_close(broker.stream);
    for (int i = 0; i < 10; i++) loop_turn(loop, 0);
    loop_free(loop);
    close(lock);
    close(run_fd);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != 0;
}

static void refused(void *arg, status result, int64_t image_version, struct buf *files)
{
    (void)image_version, (void)files;
    *(enum err *)arg = result.code;
}

static void told(void *arg, status result, const struct engine_client *clients, size_t count, int64_t others)
{
    (void)clients, (void)count, (void)others;
    *(enum err *)arg = result.code;
}

static void test_a_broker_of_the_version_before_is_controlled_and_not_told_what_it_does_not_know(void **state)
{
    struct proc_info info;
    enum err backup = E_OK;
    (void)state;
    meet(0, CONTROL_VERSION_PREVIOUS, 0);
    WAIT(engine_version(engine, ID) == 1);
    assert_true(supervisor_info(supervisor, PROC, &info));
    assert_int_equal(info.pid, getpid());
    assert_int_equal(info.restarts, 0);
    engine_set_format(engine, ID, FORMAT_NEWEST);
    engine_backup(engine, ID, refused, &backup);
    assert_int_equal(backup, E_UNSUPPORTED_VERSION);
    assert_int_equal(engine_clients(engine, ID, STR_NULL, told, &backup).code, E_UNSUPPORTED_VERSION);
    engine_hold(engine, ID, true); /* what it does know comes behind it */
    WAIT(broker.received[9] == 1);
    for (int key = 10; key < KEYS; key++) assert_int_equal(broker.received[key], 0);
    assert_int_equal(engine_format(engine, ID), 0);
    struct control_report report;
    wire_default(&control_report_message, &report);
    report.whole = true;
    report.connections = 3;
    say(CONTROL_VERSION_PREVIOUS, &control_report_message, &report);
    WAIT(engine_figures(engine, ID));
    assert_int_equal(engine_figures(engine, ID)->connections, 3);
}

static void test_a_newer_broker_is_spoken_to_in_the_newest_version_that_leatd_knows(void **state)
{
    (void)state;
    meet(CONTROL_VERSION_MAX, CONTROL_VERSION_MAX + 1, FORMAT_NEWEST);
    WAIT(engine_version(engine, ID) == 1);
    assert_int_equal(engine_format(engine, ID), FORMAT_NEWEST);
    assert_false(broker.closed);
}

static void test_a_folder_of_the_older_format_is_raised_when_that_is_confirmed(void **state)
{
    (void)state;
    meet(0, CONTROL_VERSION_MAX, FORMAT_OLDEST);
    engine_set_format(engine, ID, FORMAT_OLDEST);
    WAIT(engine_version(engine, ID) == 1);
    assert_int_equal(broker.received[30], 0);
    engine_set_format(engine, ID, FORMAT_NEWEST);
    WAIT(broker.received[30] == 1);
    assert_int_equal(engine_format(engine, ID), FORMAT_NEWEST);
}

static void test_a_broker_that_shares_no_version_is_not_controlled(void **state)
{
    (void)state;
    meet(CONTROL_VERSION_MAX + 1, CONTROL_VERSION_MAX + 2, FORMAT_NEWEST);
    WAIT(broker.closed);
    assert_int_equal(engine_version(engine, ID), -1);
    assert_string_equal(engine_program(engine, ID), "");
    assert_int_equal(broker.received[control_image_message.key], 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_broker_of_the_version_before_is_controlled_and_not_told_what_it_does_not_know),
        T(test_a_newer_broker_is_spoken_to_in_the_newest_version_that_leatd_knows),
        T(test_a_folder_of_the_older_format_is_raised_when_that_is_confirmed),
        T(test_a_broker_that_shares_no_version_is_not_controlled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
