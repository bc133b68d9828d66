/* TLS below a stream: a real listener on loopback, OpenSSL's own client at the far end on the same
 * thread. What a hostile or broken peer does is sent as raw bytes. */
#include "tls_kit.h"

#include "base/mem.h"
#include "unit/source_kit.h"
#include "io/listener.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/tls_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FRAME (4u << 20)
#define PEERS (TLS_HANDSHAKES_MAX + 8)

static struct kit_pair ca, leaf, other_ca, alice;
static struct loop *loop;
static struct tls_server *server;
static struct listener *listener;

static struct { /* what the server's end saw; of the newest stream */
    struct stream *stream;
    int accepted, connected, closed, frames;
    size_t bytes;
    uint32_t sum;
    char name[TLS_NAME_MAX], trouble[128];
    bool plain, echo;
} seen;

static void on_frame(struct stream *stream, struct bytes frame, void *owner)
{
    (void)owner;
    seen.frames++;
    seen.bytes += frame.len;
    for (size_t i = 0; i < frame.len; i++) seen.sum = seen.sum * 31 + frame.data[i];
    if (!seen.echo) return;
    struct buf out;
    buf_init(&out, MAX_FRAME + 4);
    buf_put_be32(&out, (uint32_t)frame.len);
    buf_put(&out, frame.data, frame.len);
    assert_true(is_ok(stream_send(stream, &out)));
}
static void on_closed(struct stream *stream, status why, void *owner)
{
    (void)why, (void)owner;
    seen.closed++;
    const char *trouble = stream_trouble(stream);
    str_copy(seen.trouble, sizeof seen.trouble, str_c(trouble ? trouble : ""));
    if (seen.stream == stream) seen.stream = NULL;
}
static void on_connected(struct stream *stream, void *owner)
{
    (void)owner;
    seen.connected++;
    str_copy(seen.name, sizeof seen.name, str_c(stream_client_name(stream)));
}
static const struct stream_events events = { on_frame, on_closed, on_connected, NULL };

static void accepted(int fd, void *owner)
{
    (void)owner;
    seen.accepted++;
    status made = seen.plain ? stream_accept(loop, fd, MAX_FRAME, &events, NULL, &seen.stream)
                             : stream_accept_tls(loop, fd, server, MAX_FRAME, &events, NULL, &seen.stream);
    assert_int_equal(made.code, E_OK);
}
static void room_changed(void *arg, bool room)
{
    (void)arg;
    listener_hold(listener, !room);
}

static void serve(const struct kit_pair *pair, const struct kit_pair *client_ca, enum tls_client_auth auth)
{
    struct why why = { "" };
    struct tls_material m = {
        .chain = str_bytes(str_c(pair->chain)), .key = str_bytes(str_c(pair->pem_key)),
        .client_ca = client_ca ? str_bytes(str_c(client_ca->chain)) : BYTES_NULL, .client_auth = auth,
    };
    assert_int_equal(tls_check(&m, &why).code, E_OK);
    assert_int_equal(tls_server_set(server, &m, &why).code, E_OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(tls_server_new(loop, &server)));
    tls_server_on_room(server, room_changed, NULL);
    assert_true(is_ok(listener_new(loop, "127.0.0.1", 0, accepted, NULL, &listener)));
    serve(&leaf, NULL, TLS_CLIENT_NONE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (seen.stream) stream_close(seen.stream);
    listener_free(listener);
    loop_turn(loop, 0);
    assert_int_equal(tls_server_handshakes(server), 0);
    tls_server_free(server);
    loop_free(loop);
    return 0;
}

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(listener_port(listener)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static SSL *peer_new(SSL_CTX *context, SSL_SESSION *session)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, dial());
    if (session) SSL_set_session(ssl, session);
    SSL_set_connect_state(ssl);
    return ssl;
}
static void peer_free(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

/* Both ends go on until the client's handshake is over: true when it succeeded. */
static bool shake(SSL *ssl)
{
    for (;;) {
        ERR_clear_error();
        int rc = SSL_do_handshake(ssl);
        if (rc == 1) return true;
        int error = SSL_get_error(ssl, rc);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
        loop_turn(loop, 5);
    }
}
static void write_all(SSL *ssl, const uint8_t *p, size_t n)
{
    while (n) {
        size_t sent = 0;
        if (SSL_write_ex(ssl, p, n, &sent) != 1) loop_turn(loop, 5);
        p += sent;
        n -= sent;
    }
}
static void read_all(SSL *ssl, uint8_t *p, size_t n)
{
    while (n) {
        size_t got = 0;
        if (SSL_read_ex(ssl, p, n, &got) != 1) loop_turn(loop, 5);
        p += got;
        n -= got;
    }
}
static void turn_until_closed(int count)
{
    while (seen.closed < count) loop_turn(loop, -1);
}

static void exchange(int version)
{
    static uint8_t frame[3 << 20], back[3 << 20];
    SSL_CTX *context = kit_client(&ca, NULL, version);
    SSL *ssl = peer_new(context, NULL);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    seen.echo = true;
    assert_true(shake(ssl));
    for (size_t n = 1; n <= sizeof frame - 4; n = n * 7 + 3) {
        for (size_t i = 0; i < n; i++) frame[4 + i] = (uint8_t)(i * 131 + n);
        put_be32(frame, (uint32_t)n);
        write_all(ssl, frame, n + 4);
        read_all(ssl, back, n + 4);
        assert_memory_equal(frame, back, n + 4);
    }
    peer_free(ssl);
    turn_until_closed(1);
    assert_string_equal(seen.trouble, "");
    SSL_CTX_free(context);
}

static void test_frames_of_any_size_go_both_ways_in_both_versions(void **state)
{
    (void)state;
    exchange(TLS1_3_VERSION);
    seen.closed = 0;
    exchange(TLS1_2_VERSION);
}

/* Records do not care where parts begin; the client reads slowly, so that records wait. */
static void test_parts_of_a_reply_go_through_tls(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 400000, 2, 70000, 16384, 3000000, 5 };
    static uint8_t back[8 << 20];
    struct kit_sources kit = { .loop = loop, .piece_max = 70001, .fails_at = SIZE_MAX,
                               .busy_every = 3 };
    struct buf expected;
    buf_init(&expected, 16 << 20);
    SSL_CTX *context = kit_client(&ca, NULL, 0);
    SSL *ssl = peer_new(context, NULL);
    assert_true(shake(ssl));
    assert_true(is_ok(kit_send_parts(&kit, seen.stream, sizes, ARRAY_LEN(sizes), &expected)));
    for (int i = 0; i < 20; i++) loop_turn(loop, 1);
    read_all(ssl, back, 4);
    assert_int_equal(get_be32(back), expected.len);
    for (size_t at = 0; at < expected.len; at += 1 << 19)
        read_all(ssl, back + at, expected.len - at < 1 << 19 ? expected.len - at : 1 << 19);
    assert_memory_equal(back, expected.data, expected.len);
    assert_int_equal(stream_unsent(seen.stream), 0);
    assert_int_equal(kit.alive, 0);
    assert_int_equal(kit.astray, 0);
    peer_free(ssl);
    turn_until_closed(1);
    SSL_CTX_free(context);
    buf_done(&expected);
}

/* Every byte of a frame in a record of its own, several frames in one record. */
static void test_frames_and_records_need_not_agree(void **state)
{
    (void)state;
    SSL_CTX *context = kit_client(&ca, NULL, 0);
    SSL *ssl = peer_new(context, NULL);
    assert_true(shake(ssl));
    static const uint8_t three[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b', 'c', 0, 0, 0, 0 };
    for (size_t i = 0; i < sizeof three; i++) write_all(ssl, three + i, 1);
    write_all(ssl, three, sizeof three);
    while (seen.frames < 6) loop_turn(loop, -1);
    assert_int_equal(seen.bytes, 6);
    peer_free(ssl);
    SSL_CTX_free(context);
}

static void test_a_paused_stream_keeps_its_bytes_and_goes_on(void **state)
{
    (void)state;
    SSL_CTX *context = kit_client(&ca, NULL, 0);
    SSL *ssl = peer_new(context, NULL);
    assert_true(shake(ssl));
    while (!seen.connected) loop_turn(loop, -1);
    stream_pause(seen.stream);
    static const uint8_t frame[] = { 0, 0, 0, 2, 'o', 'k' };
    write_all(ssl, frame, sizeof frame);
    SSL_shutdown(ssl);
    for (int i = 0; i < 5; i++) loop_turn(loop, 1);
    assert_int_equal(seen.frames, 0);
    stream_resume(seen.stream);
    turn_until_closed(1);
    assert_int_equal(seen.frames, 1);
    peer_free(ssl);
    SSL_CTX_free(context);
}

static void test_old_versions_are_refused(void **state)
{
    (void)state;
    SSL_CTX *context = kit_client(&ca, NULL, TLS1_1_VERSION);
    SSL *ssl = peer_new(context, NULL);
    assert_false(shake(ssl));
    turn_until_closed(1);
    assert_string_not_equal(seen.trouble, "");
    assert_int_equal(seen.connected, 0);
    peer_free(ssl);
    SSL_CTX_free(context);
}

static SSL_SESSION *kept;
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static bool resumes(SSL_CTX *context)
{
    uint8_t frame[] = { 0, 0, 0, 1, 'x' };
    SSL *ssl = peer_new(context, kept);
    assert_true(shake(ssl));
    write_all(ssl, frame, sizeof frame);
    read_all(ssl, frame, sizeof frame); /* the tickets of TLS 1.3 come before it */
    bool resumed = SSL_session_reused(ssl);
    SSL_shutdown(ssl); /* else the session counts as broken */
    peer_free(ssl);
    while (seen.stream) loop_turn(loop, -1);
    return resumed;
}

static void test_sessions_resume_until_the_certificate_changes(void **state)
{
    (void)state;
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    seen.echo = true;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX *context = kit_client(&ca, NULL, versions[i]);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
        assert_false(resumes(context));
        assert_true(resumes(context));
        serve(&leaf, NULL, TLS_CLIENT_NONE); /* new keys for tickets */
        assert_false(resumes(context));
        SSL_SESSION_free(TAKE(kept));
        SSL_CTX_free(context);
    }
}

static void test_a_new_certificate_leaves_standing_connections_alone(void **state)
{
    (void)state;
    struct kit_pair next;
    uint8_t frame[] = { 0, 0, 0, 1, 'x' };
    seen.echo = true;
    kit_make(&next, "CN=next", &ca, -10, 1000);
    SSL_CTX *context = kit_client(&ca, NULL, 0);
    SSL *old = peer_new(context, NULL);
    assert_true(shake(old));
    serve(&next, NULL, TLS_CLIENT_NONE);
    SSL *new = peer_new(context, NULL);
    assert_true(shake(new));
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(old), leaf.certificate), 0);
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(new), next.certificate), 0);
    write_all(old, frame, sizeof frame);
    read_all(old, frame, sizeof frame);
    peer_free(old);
    peer_free(new);
    turn_until_closed(2);
    SSL_CTX_free(context);
    kit_done(&next);
}

static void raw_case(const void *p, size_t n, const char *trouble)
{
    int fd = dial(), count = seen.closed + 1;
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
    turn_until_closed(count);
    if (trouble) assert_string_equal(seen.trouble, trouble);
    close(fd);
}

static void test_who_speaks_the_wrong_language_is_told_apart(void **state)
{
    (void)state;
    static const uint8_t kafka[] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff };
    static const uint8_t hello[] = { 22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };
    static const uint8_t odd[] = { 22, 9, 9, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    raw_case(kafka, sizeof kafka, "it does not speak TLS, which this port needs");
    raw_case("GET / HTTP/1.1\r\n\r\n", 18, "it does not speak TLS, which this port needs");
    raw_case(odd, sizeof odd, NULL);
    assert_string_not_equal(seen.trouble, "");
    assert_int_equal(seen.connected, 0);
    seen.plain = true;
    raw_case(hello, sizeof hello, "it speaks TLS, this port does not");
}

static void test_damaged_records_end_the_connection(void **state)
{
    (void)state;
    SSL_CTX *context = kit_client(&ca, NULL, 0);
    SSL *ssl = peer_new(context, NULL);
    assert_true(shake(ssl));
    while (!seen.connected) loop_turn(loop, -1);
    static const uint8_t record[] = { 23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                      17, 18, 19, 20 };
    assert_int_equal(send(SSL_get_fd(ssl), record, sizeof record, MSG_NOSIGNAL), sizeof record);
    turn_until_closed(1);
    assert_string_not_equal(seen.trouble, "");
    assert_int_equal(seen.frames, 0);
    peer_free(ssl);
    SSL_CTX_free(context);
}

static void test_a_client_may_not_renegotiate(void **state)
{
    (void)state;
    SSL_CTX *context = kit_client(&ca, NULL, TLS1_2_VERSION);
    SSL *ssl = peer_new(context, NULL);
    assert_true(shake(ssl));
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_false(shake(ssl));
    peer_free(ssl);
    turn_until_closed(1);
    SSL_CTX_free(context);
}

static void test_unfinished_handshakes_are_capped_in_number_and_time(void **state)
{
    (void)state;
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) fds[i] = dial();
    while (tls_server_handshakes(server) < TLS_HANDSHAKES_MAX) loop_turn(loop, -1);
    for (int i = 0; i < 5; i++) loop_turn(loop, 0);
    assert_int_equal(seen.accepted, TLS_HANDSHAKES_MAX);
    turn_until_closed(TLS_HANDSHAKES_MAX); /* a second later, not ten */
    assert_string_equal(seen.trouble, "the TLS handshake took too long");
    while (seen.accepted < PEERS) loop_turn(loop, -1);
    for (int i = 0; i < PEERS; i++) close(fds[i]); /* half open ones just go */
    turn_until_closed(PEERS);
    assert_int_equal(tls_server_handshakes(server), 0);
}

static void client_case(const struct kit_pair *own, enum tls_client_auth auth, const char *name)
{
    int connected = seen.connected;
    uint8_t frame[] = { 0, 0, 0, 1, 'x' };
    serve(&leaf, &ca, auth);
    seen.echo = true;
    SSL_CTX *context = kit_client(&ca, own, 0);
    SSL *ssl = peer_new(context, NULL);
    bool shaken = shake(ssl); /* TLS 1.3: the client is done before it is refused */
    if (name) {
        assert_true(shaken);
        write_all(ssl, frame, sizeof frame);
        read_all(ssl, frame, sizeof frame);
        assert_int_equal(seen.connected, connected + 1);
        assert_string_equal(seen.name, name);
    } else {
        while (seen.stream) loop_turn(loop, -1);
        assert_int_equal(seen.connected, connected);
        assert_string_not_equal(seen.trouble, "");
    }
    peer_free(ssl);
    while (seen.stream) loop_turn(loop, -1);
    SSL_CTX_free(context);
}

static void test_client_certificates_are_asked_for_checked_and_named(void **state)
{
    (void)state;
    struct kit_pair mallory, late;
    kit_make(&mallory, "CN=alice,O=mill", &other_ca, -10, 1000);
    kit_make(&late, "CN=alice,O=mill", &ca, -1000, -10);
    client_case(&alice, TLS_CLIENT_REQUIRED, "O=mill,CN=alice");
    client_case(&alice, TLS_CLIENT_REQUESTED, "O=mill,CN=alice");
    client_case(&alice, TLS_CLIENT_NONE, "");
    client_case(NULL, TLS_CLIENT_REQUESTED, "");
    client_case(NULL, TLS_CLIENT_REQUIRED, NULL);
    client_case(&mallory, TLS_CLIENT_REQUIRED, NULL);
    client_case(&mallory, TLS_CLIENT_REQUESTED, NULL);
    client_case(&late, TLS_CLIENT_REQUIRED, NULL);
    kit_done(&mallory);
    kit_done(&late);
}

static void test_bad_material_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct kit_pair late;
    kit_make(&late, "CN=late", &ca, -1000, -10);
    struct bytes chain = str_bytes(str_c(leaf.chain)), key = str_bytes(str_c(leaf.pem_key));
    struct bytes text = str_bytes(STR("nonsense"));
    const struct tls_material bad[] = {
        { chain, str_bytes(str_c(alice.pem_key)), BYTES_NULL, TLS_CLIENT_NONE },
        { str_bytes(str_c(late.chain)), str_bytes(str_c(late.pem_key)), BYTES_NULL, TLS_CLIENT_NONE },
        { text, key, BYTES_NULL, TLS_CLIENT_NONE }, { chain, text, BYTES_NULL, TLS_CLIENT_NONE },
        { BYTES_NULL, BYTES_NULL, BYTES_NULL, TLS_CLIENT_NONE }, { chain, key, text, TLS_CLIENT_REQUIRED },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct why why = { "" };
        assert_int_equal(tls_check(&bad[i], &why).code, E_INVALID);
        assert_string_not_equal(why.text, "");
    }
    kit_done(&late);
}

/* Expected texts are those of Java's X500Principal.getName(). */
static void test_names_are_written_as_java_writes_them(void **state)
{
    (void)state;
    static const struct { const char *subject, *text; } cases[] = {
        { "C=DE,O=Mill,OU=Wheel,CN=alice", "CN=alice,OU=Wheel,O=Mill,C=DE" },
        { "CN=a+b;c<d>", "CN=a\\+b\\;c\\<d\\>" },
        { "CN= lead and trail ", "CN=\\ lead and trail\\ " },
        { "CN=#5", "CN=\\#5" },
        { "DC=example,UID=u1,CN=mühle", "CN=mühle,UID=u1,DC=example" },
        { "CN=x,emailAddress=a@b", "1.2.840.113549.1.9.1=#1603614062,CN=x" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kit_pair pair;
        struct buf out;
        kit_make(&pair, cases[i].subject, NULL, -10, 1000);
        buf_init(&out, 1000);
        assert_true(is_ok(tls_name_text(X509_get_subject_name(pair.certificate), &out)));
        buf_put(&out, "", 1);
        assert_string_equal((char *)out.data, cases[i].text);
        buf_done(&out);
        kit_done(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_frames_of_any_size_go_both_ways_in_both_versions),
        T(test_parts_of_a_reply_go_through_tls),
        T(test_frames_and_records_need_not_agree),
        T(test_a_paused_stream_keeps_its_bytes_and_goes_on),
        T(test_old_versions_are_refused),
        T(test_sessions_resume_until_the_certificate_changes),
        T(test_a_new_certificate_leaves_standing_connections_alone),
        T(test_who_speaks_the_wrong_language_is_told_apart),
        T(test_damaged_records_end_the_connection),
        T(test_a_client_may_not_renegotiate),
        T(test_unfinished_handshakes_are_capped_in_number_and_time),
        T(test_client_certificates_are_asked_for_checked_and_named),
        T(test_bad_material_is_refused_with_a_sentence),
        cmocka_unit_test(test_names_are_written_as_java_writes_them),
    };
    kit_make(&ca, "CN=test CA", NULL, -10, 100000);
    kit_make(&other_ca, "CN=test CA", NULL, -10, 100000);
    kit_make(&leaf, "CN=localhost", &ca, -10, 100000);
    kit_make(&alice, "CN=alice,O=mill", &ca, -10, 100000);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    kit_done(&ca);
    kit_done(&other_ca);
    kit_done(&leaf);
    kit_done(&alice);
    return failures || mem_outstanding() != 0;
}
