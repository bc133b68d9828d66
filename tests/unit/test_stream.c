/* Framed connections: real sockets on loopback (free ports) and in a temporary folder; the far end
 * is a plain socket of the test or a second stream on the same loop. */
#include "io/listener.h"
#include "io/stream.h"

#include "base/mem.h"
#include "unit/source_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct side {
    struct stream *stream;
    struct buf got;   /* contents of the frames, each followed by '|' */
    int frames, connected, drained, closed;
    status why;
    int pause_after;  /* frames; 0: never */
    bool close_in_frame, echo;
};

static struct loop *loop;
static struct side server, client;
static struct listener *listener;
static size_t max_frame = 1 << 20;

static void side_frame(struct stream *stream, struct bytes frame, void *owner)
{
    struct side *side = owner;
    side->frames++;
    buf_put(&side->got, frame.data, frame.len);
    buf_put(&side->got, "|", 1);
    if (side->pause_after == side->frames) stream_pause(stream);
    if (side->close_in_frame) stream_close(stream);
}
static void side_closed(struct stream *stream, status why, void *owner)
{
    (void)stream;
    struct side *side = owner;
    side->closed++;
    side->why = why;
    side->stream = NULL;
}
static void side_connected(struct stream *stream, void *owner)
{
    (void)stream;
    ((struct side *)owner)->connected++;
}
static void side_drained(struct stream *stream, void *owner)
{
    (void)stream;
    ((struct side *)owner)->drained++;
}
static const struct stream_events side_events = { side_frame, side_closed, side_connected,
                                                  side_drained };

static void accepted(int fd, void *owner)
{
    struct side *side = owner;
    assert_true(is_ok(stream_accept(loop, fd, max_frame, &side_events, side, &side->stream)));
}

static int setup(void **state)
{
    (void)state;
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    buf_init(&server.got, 64 << 20);
    buf_init(&client.got, 64 << 20);
    if (failed(loop_new(&loop))) return 1;
    if (failed(listener_new(loop, "127.0.0.1", 0, accepted, &server, &listener))) return 1;
    if (failed(stream_connect(loop, "127.0.0.1", listener_port(listener), max_frame, &side_events,
                              &client, &client.stream)))
        return 1;
    while (!client.connected || !server.stream) loop_turn(loop, -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (server.stream) stream_close(server.stream);
    if (client.stream) stream_close(client.stream);
    listener_free(listener);
    loop_free(loop);
    buf_done(&server.got);
    buf_done(&client.got);
    return mem_outstanding() != 0;
}

static void put_frame(struct buf *out, const void *p, size_t n)
{
    buf_put_be32(out, (uint32_t)n);
    buf_put(out, p, n);
}
static void client_sends(const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    put_frame(&out, text, strlen(text));
    assert_true(is_ok(stream_send(client.stream, &out)));
}
static void assert_got(const struct side *side, const char *text)
{
    assert_int_equal(side->got.len, strlen(text));
    assert_memory_equal(side->got.data, text, strlen(text));
}

static void test_frames_arrive_whole_and_in_order(void **state)
{
    (void)state;
    client_sends("one");
    client_sends("");
    client_sends("three");
    while (server.frames < 3) loop_turn(loop, -1);
    assert_got(&server, "one||three|");
    assert_string_equal(stream_peer(server.stream), "127.0.0.1");
    assert_true(stream_peer_port(server.stream) != 0);
}

static void test_a_frame_that_comes_byte_by_byte_is_put_together(void **state)
{
    (void)state;
    const uint8_t bytes[] = { 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd' };
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(write(stream_fd(client.stream), bytes + i, 1), 1);
        size_t before = stream_received(server.stream);
        int frames = server.frames;
        while (stream_received(server.stream) == before && server.frames == frames)
            loop_turn(loop, -1);
    }
    assert_got(&server, "abc|d|");
    assert_int_equal(stream_received(server.stream), 0);
}

static void test_large_frames_between_small_ones_keep_their_bytes(void **state)
{
    (void)state;
    size_t sizes[] = { 3, 900000, 1, 131072, 131068, 70000, 0, 5 };
    struct buf expected;
    buf_init(&expected, 16 << 20);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf out;
        buf_init(&out, 2 << 20);
        buf_put_be32(&out, (uint32_t)sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++) {
            uint8_t byte = (uint8_t)(n * 31 + i);
            buf_put(&out, &byte, 1);
        }
        buf_put(&expected, out.data + 4, sizes[i]);
        buf_put(&expected, "|", 1);
        assert_true(is_ok(stream_send(client.stream, &out)));
    }
    while (server.frames < (int)ARRAY_LEN(sizes)) loop_turn(loop, -1);
    assert_int_equal(server.got.len, expected.len);
    assert_memory_equal(server.got.data, expected.data, expected.len);
    assert_int_equal(stream_unsent(client.stream), 0);
    buf_done(&expected);
}

static const size_t part_sizes[] = { 1, 400000, 2, 70000, 131072, 16384, 900000, 5 };

/* In place, in order, beside what is sent in the usual way; whatever the sources give at a time. */
static void test_parts_of_a_reply_stand_where_they_belong(void **state)
{
    (void)state;
    struct buf expected;
    buf_init(&expected, 16 << 20);
    stream_set_max_frame(server.stream, 8 << 20);
    struct kit_sources kits[] = {
        { .loop = loop, .piece_max = SIZE_MAX, .fails_at = SIZE_MAX },
        { .loop = loop, .piece_max = 1000, .fails_at = SIZE_MAX },
        { .loop = loop, .piece_max = 70001, .fails_at = SIZE_MAX, .busy_every = 3 },
    };
    for (size_t i = 0; i < ARRAY_LEN(kits); i++) {
        client_sends("before");
        buf_put_str(&expected, STR("before|"));
        assert_true(is_ok(kit_send_parts(&kits[i], client.stream, part_sizes, ARRAY_LEN(part_sizes),
                                         &expected)));
        client_sends("behind");
        buf_put_str(&expected, STR("|behind|"));
    }
    while (server.frames < 9) loop_turn(loop, -1);
    assert_int_equal(server.got.len, expected.len);
    assert_memory_equal(server.got.data, expected.data, expected.len);
    assert_int_equal(stream_unsent(client.stream), 0);
    for (size_t i = 0; i < ARRAY_LEN(kits); i++) {
        assert_int_equal(kits[i].alive, 0);
        assert_int_equal(kits[i].astray, 0);
    }
    buf_done(&expected);
}

static void test_a_source_that_fails_ends_the_stream_and_all_are_freed(void **state)
{
    (void)state;
    struct buf expected;
    buf_init(&expected, 16 << 20);
    stream_set_max_frame(server.stream, 8 << 20);
    struct kit_sources kit = { .loop = loop, .piece_max = SIZE_MAX, .fails_at = 300000 };
    for (int i = 0; i < 2; i++)
        assert_true(is_ok(kit_send_parts(&kit, client.stream, part_sizes, ARRAY_LEN(part_sizes),
                                         &expected)));
    while (!client.closed) loop_turn(loop, -1);
    assert_int_equal(client.why.code, E_IO);
    assert_int_equal(kit.alive, 0);
    struct stream *stream = server.stream;
    stream_close(stream);
    assert_true(failed(kit_send_parts(&kit, stream, part_sizes, 2, &expected)));
    assert_int_equal(kit.alive, 0);
    buf_done(&expected);
}

static void test_a_paused_stream_hands_out_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    server.pause_after = 1;
    client_sends("a");
    client_sends("b");
    client_sends("c");
    while (server.frames < 1) loop_turn(loop, -1);
    for (int i = 0; i < 5; i++) loop_turn(loop, 0);
    assert_got(&server, "a|");
    client_sends("d");
    for (int i = 0; i < 5; i++) loop_turn(loop, 0);
    assert_int_equal(server.frames, 1);
    server.pause_after = 0;
    stream_resume(server.stream);
    while (server.frames < 4) loop_turn(loop, -1);
    assert_got(&server, "a|b|c|d|");
}

static void test_a_frame_over_the_limit_or_of_negative_size_closes(void **state)
{
    (void)state;
    stream_set_max_frame(server.stream, 10);
    client_sends("0123456789");
    while (server.frames < 1) loop_turn(loop, -1);
    client_sends("0123456789a");
    while (!server.closed) loop_turn(loop, -1);
    assert_int_equal(server.why.code, E_LIMIT);
    assert_int_equal(server.closed, 1);
    while (!client.closed) loop_turn(loop, -1);
    assert_int_equal(client.why.code, E_CLOSED);
}

static void test_closing_inside_the_frame_callback_is_safe_and_told_once(void **state)
{
    (void)state;
    server.close_in_frame = true;
    client_sends("a");
    client_sends("b");
    while (!server.closed) loop_turn(loop, -1);
    assert_int_equal(server.frames, 1);
    assert_int_equal(server.closed, 1);
}

static void test_close_when_sent_delivers_everything_first(void **state)
{
    (void)state;
    client_sends("never read by anybody");
    struct buf out;
    buf_init(&out, 4 << 20);
    buf_put_be32(&out, 1000000);
    memset(buf_extend(&out, 1000000), 'x', 1000000);
    assert_true(is_ok(stream_send(server.stream, &out)));
    stream_close_when_sent(server.stream);
    buf_init(&out, 16);
    assert_int_equal(stream_send(server.stream, &out).code, E_CLOSED);
    while (!client.closed || !server.closed) loop_turn(loop, -1);
    assert_int_equal(client.frames, 1);
    assert_int_equal(client.got.len, 1000001);
    assert_int_equal(server.frames, 0);
}

static void test_more_than_the_limit_unsent_is_refused(void **state)
{
    (void)state;
    stream_pause(client.stream);
    status sent = OK;
    for (int i = 0; i < 100 && is_ok(sent); i++) {
        struct buf out;
        buf_init(&out, 2 << 20);
        buf_put_be32(&out, (1 << 20) - 4);
        memset(buf_extend(&out, (1 << 20) - 4), 'x', (1 << 20) - 4);
        sent = stream_send(server.stream, &out);
        loop_turn(loop, 0);
    }
    assert_int_equal(sent.code, E_LIMIT);
}

static void test_copied_frames_keep_their_place_between_others_when_the_reader_is_slow(void **state)
{
    (void)state;
    stream_pause(client.stream);
    for (uint32_t i = 0; i < 400; i++) {
        struct buf out;
        uint8_t small[8] = { 0, 0, 0, 4 };
        put_be32(small + 4, 2 * i);
        assert_true(is_ok(stream_send_copy(server.stream, bytes_of(small, sizeof small))));
        buf_init(&out, 64 << 10);
        buf_put_be32(&out, 4 + (i % 3 ? 0 : 50000));
        buf_put_be32(&out, 2 * i + 1);
        if (i % 3 == 0) memset(buf_extend(&out, 50000), 'x', 50000);
        if (i % 5 == 0) {
            buf_done(&out); /* then two copied ones follow each other */
            put_be32(small + 4, 2 * i + 1);
            assert_true(is_ok(stream_send_copy(server.stream, bytes_of(small, sizeof small))));
        } else {
            assert_true(is_ok(stream_send(server.stream, &out)));
        }
        if (i % 7 == 0) loop_turn(loop, 0);
    }
    assert_true(stream_unsent(server.stream) > 0);
    stream_resume(client.stream);
    while (client.frames < 800) loop_turn(loop, -1);
    assert_int_equal(stream_unsent(server.stream), 0);
    const uint8_t *p = client.got.data;
    for (uint32_t i = 0; i < 800; i++) {
        bool large = i % 2 && i / 2 % 3 == 0 && i / 2 % 5;
        assert_int_equal(get_be32(p), i);
        p += large ? 50005 : 5; /* with the bar behind it */
    }
    assert_int_equal(p - client.got.data, client.got.len);
    loop_trim(loop);
}

static void test_connecting_where_nobody_listens_ends_with_closed(void **state)
{
    (void)state;
    struct listener *other;
    assert_true(is_ok(listener_new(loop, "127.0.0.1", 0, accepted, &server, &other)));
    uint16_t port = listener_port(other);
    listener_free(other);
    struct side lost = { 0 };
    status dialled = stream_connect(loop, "127.0.0.1", port, 100, &side_events, &lost,
                                    &lost.stream);
    if (is_ok(dialled)) {
        while (!lost.closed) loop_turn(loop, -1);
        assert_int_equal(lost.connected, 0);
    }
}

static void test_a_unix_listener_is_private_and_replaces_a_stale_socket(void **state)
{
    (void)state;
    char dir[] = "/tmp/leat-stream-XXXXXX";
    assert_non_null(mkdtemp(dir));
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct listener *first, *second;
    struct side inner = { 0 }, outer = { 0 };
    buf_init(&inner.got, 100);
    assert_true(is_ok(listener_new_unix(loop, dir_fd, "s.sock", accepted, &inner, &first)));
    listener_free(first);
    assert_true(is_ok(listener_new_unix(loop, dir_fd, "s.sock", accepted, &inner, &second)));
    struct stat st;
    assert_int_equal(fstatat(dir_fd, "s.sock", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(is_ok(stream_connect_unix(loop, dir_fd, "s.sock", 100, &side_events, &outer,
                                          &outer.stream)));
    while (!outer.connected || !inner.stream) loop_turn(loop, -1);
    assert_string_equal(stream_peer(inner.stream), "unix");
    stream_close(outer.stream);
    while (!inner.closed) loop_turn(loop, -1);
    listener_free(second);
    buf_done(&inner.got);
    unlinkat(dir_fd, "s.sock", 0);
    close(dir_fd);
    rmdir(dir);
}

static void test_a_taken_port_is_said_to_be_in_use(void **state)
{
    (void)state;
    struct listener *second;
    assert_int_equal(
        listener_new(loop, "127.0.0.1", listener_port(listener), accepted, &server, &second).code,
        E_ADDRESS_IN_USE);
    assert_int_equal(listener_new(loop, "localhost", 0, accepted, &server, &second).code,
                     E_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_frames_arrive_whole_and_in_order),
        TEST(test_a_frame_that_comes_byte_by_byte_is_put_together),
        TEST(test_large_frames_between_small_ones_keep_their_bytes),
        TEST(test_parts_of_a_reply_stand_where_they_belong),
        TEST(test_a_source_that_fails_ends_the_stream_and_all_are_freed),
        TEST(test_a_paused_stream_hands_out_nothing_until_it_is_resumed),
        TEST(test_a_frame_over_the_limit_or_of_negative_size_closes),
        TEST(test_closing_inside_the_frame_callback_is_safe_and_told_once),
        TEST(test_close_when_sent_delivers_everything_first),
        TEST(test_more_than_the_limit_unsent_is_refused),
        TEST(test_copied_frames_keep_their_place_between_others_when_the_reader_is_slow),
        TEST(test_connecting_where_nobody_listens_ends_with_closed),
        TEST(test_a_unix_listener_is_private_and_replaces_a_stale_socket),
        TEST(test_a_taken_port_is_said_to_be_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
