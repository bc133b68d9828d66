/* broker_rig.c - see broker_rig.h. */
#include "unit/broker_rig.h"

#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct arena arena;
static struct buf batch_bytes;
int64_t rig_time;

void rig_open(struct rig *rig)
{
    struct why why = { "" };
    status opened = broker_new(&rig->options, &rig->broker, &why);
    if (failed(opened)) fail_msg("the broker does not start: %s", why.text);
}

static void rig_prepare(struct rig *rig)
{
    arena_init(&arena, 64 << 20);
    buf_init(&batch_bytes, 16 << 20);
    *rig = (struct rig){ .dir = "/tmp/leat-broker-XXXXXX" };
    assert_non_null(mkdtemp(rig->dir));
    broker_options_init(&rig->options);
    rig->options.endpoints[0].port = 0;
    rig->options.data_dir = rig->dir;
}

void rig_start(struct rig *rig)
{
    rig_prepare(rig);
    rig->options.standalone = true;
    rig_open(rig);
    rig_time = loop_wall(rig->broker->loop);
}

void rig_delta_begin(struct rig *rig, struct buf *delta)
{
    int64_t version = rig->broker->image->version;
    buf_init(delta, DELTA_MAX);
    delta_begin(delta, version, version + 1);
}

void rig_delta_apply(struct rig *rig, struct buf *delta)
{
    assert_true(is_ok(buf_check(delta)));
    status applied = image_apply(rig->broker->image, buf_bytes(delta),
                                 broker_observer(rig->broker));
    assert_int_equal(applied.code, E_OK);
    buf_done(delta);
}

void rig_start_managed(struct rig *rig)
{
    rig_prepare(rig);
    snprintf(rig->run, sizeof rig->run, "%s/run", rig->dir);
    rig->options.run_dir = rig->run;
    assert_int_equal(mkdir(rig->run, 0700), 0); /* leatd makes it */
    rig->options.cluster_id = "lkc-test";
    rig->options.endpoints[0].security = SECURITY_SASL_PLAINTEXT;
    rig_open(rig);
    rig_time = loop_wall(rig->broker->loop);
    struct buf delta;
    struct limits limits = limits_standalone;
    limits.authorise = true;
    limits.auto_create_topics = false;
    limits.message_bytes = 1 << 20;
    struct credential key = { .login = STR("KEY"), .principal = STR("User:sa-1"),
                              .has_secret = true };
    struct str secret = STR("secret");
    uint8_t salted[16 + 6];
    memset(key.secret_salt, 7, 16);
    memcpy(salted, key.secret_salt, 16);
    memcpy(salted + 16, secret.data, secret.len);
    SHA256(salted, sizeof salted, key.secret_hash);
    rig_delta_begin(rig, &delta);
    delta_cluster(&delta, STR("lkc-test"), uuid_new());
    delta_limits(&delta, &limits);
    delta_consumer_offsets(&delta, uuid_new());
    delta_transaction_state(&delta, uuid_new());
    delta_topic(&delta, &(struct delta_topic){ .id = uuid_new(), .name = STR("t"),
                                               .partitions = 1, .replication_factor = 1 });
    delta_credential(&delta, &key);
    rig_delta_apply(rig, &delta);
}

void rig_close(struct rig *rig)
{
    broker_free(rig->broker);
    rig->broker = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void rig_stop(struct rig *rig)
{
    rig_close(rig);
    rig_forget();
    buf_done(&batch_bytes);
    nftw(rig->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void rig_forget(void) { arena_done(&arena); }

static void raw_dial(struct rig *rig, struct raw_client *c, int family, const void *to, size_t len)
{
    *c = (struct raw_client){ .fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    buf_init(&c->in, 64 << 20);
    assert_int_equal(connect(c->fd, to, (socklen_t)len), 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    int one = 1; /* what is sent is there at the next turn */
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct broker *b = rig->broker;
    int64_t before = b->stats.connections_opened + b->stats.connections_refused;
    while (b->stats.connections_opened + b->stats.connections_refused == before)
        loop_turn(b->loop, -1);
}

void raw_connect(struct rig *rig, struct raw_client *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(broker_port(rig->broker)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    raw_dial(rig, c, AF_INET, &to, sizeof to);
}

void raw_connect_local(struct rig *rig, struct raw_client *c)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    snprintf(to.sun_path, sizeof to.sun_path, "%s/kafka.sock", rig->run);
    raw_dial(rig, c, AF_UNIX, &to, sizeof to);
}

void raw_close(struct raw_client *c)
{
    close(c->fd);
    buf_done(&c->in);
}

void raw_send_bytes(struct raw_client *c, const void *p, size_t n)
{
    assert_int_equal(send(c->fd, p, n, MSG_NOSIGNAL), n);
}

void raw_send(struct rig *rig, struct raw_client *c, int16_t key, int16_t version, const void *body)
{
    (void)rig;
    struct buf out;
    buf_init(&out, 16 << 20);
    status made = request_frame(&out, key, version, ++c->correlation, STR("raw"), body);
    assert_int_equal(made.code, E_OK);
    raw_send_bytes(c, out.data, out.len);
    buf_done(&out);
}

/* Bytes of the socket into c->in; false at its end. */
static bool raw_read(struct raw_client *c)
{
    uint8_t *to = buf_reserve(&c->in, 65536);
    assert_non_null(to);
    ssize_t n = recv(c->fd, to, 65536, 0);
    if (n > 0) c->in.len += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

static bool raw_whole(const struct raw_client *c)
{
    return c->in.len >= 4 && c->in.len - 4 >= get_be32(c->in.data);
}

bool raw_has_frame(struct rig *rig, struct raw_client *c)
{
    for (int i = 0; i < 20 && !raw_whole(c); i++) {
        loop_turn(rig->broker->loop, 1);
        if (!raw_read(c)) break;
    }
    return raw_whole(c);
}

bool raw_is_closed(struct rig *rig, struct raw_client *c)
{
    for (int i = 0; i < 2000; i++) {
        loop_turn(rig->broker->loop, 1);
        if (!raw_read(c)) return true;
    }
    return false;
}

void *raw_receive(struct rig *rig, struct raw_client *c, int16_t key, int16_t version)
{
    for (int i = 0; i < 20000 && !raw_whole(c); i++) {
        loop_turn(rig->broker->loop, 1);
        if (!raw_read(c) && !raw_whole(c)) fail_msg("the broker closed the connection");
    }
    if (!raw_whole(c)) fail_msg("no answer from the broker");
    size_t size = get_be32(c->in.data);
    struct bytes frame = arena_bytes(&arena, bytes_of(c->in.data + 4, size));
    memmove(c->in.data, c->in.data + 4 + size, c->in.len - 4 - size);
    c->in.len -= 4 + size;
    int32_t correlation;
    size_t at;
    const struct wire_message *m = wire_response(key);
    void *object = arena_alloc(&arena, wire_object_size(m));
    assert_true(is_ok(response_header_parse(frame, key, version, &correlation, &at)));
    status read = wire_decode(m, version, bytes_of(frame.data + at, frame.len - at), &arena,
                              object, NULL);
    assert_int_equal(read.code, E_OK);
    return object;
}

void *raw_call(struct rig *rig, struct raw_client *c, int16_t key, int16_t version,
               const void *body)
{
    raw_send(rig, c, key, version, body);
    return raw_receive(rig, c, key, version);
}

/* --- often needed ------------------------------------------------------------------------------- */

void rig_create_topic(struct rig *rig, struct raw_client *c, const char *name, int32_t partitions)
{
    struct create_topics_request body;
    struct create_topics_request_creatable_topic topic;
    wire_default(&create_topics_request_message, &body);
    wire_default_struct(&create_topics_request_creatable_topic_struct, &topic);
    topic.name = str_c(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    body.topics = &topic;
    body.topics_count = 1;
    struct create_topics_response *answer = raw_call(rig, c, 19, 5, &body);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].error_code, 0);
}

struct bytes rig_batch(int n, int64_t producer_id, int32_t sequence)
{
    struct batch_options options = batch_options_default;
    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? -1 : 0;
    options.base_sequence = sequence;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < n; i++) {
        char value[32];
        int len = snprintf(value, sizeof value, "value-%d", i);
        assert_true(is_ok(batch_builder_add(&builder, rig_time + i, BYTES_NULL,
                                            bytes_of(value, (size_t)len), NULL, 0)));
    }
    buf_clear(&batch_bytes);
    assert_true(is_ok(batch_builder_finish(&builder, &batch_bytes)));
    batch_builder_done(&builder);
    return buf_bytes(&batch_bytes);
}

void rig_produce_send(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
                      int16_t acks, struct bytes batch)
{
    struct produce_request_partition_produce_data data = { partition, batch };
    struct produce_request_topic_produce_data topics = { .name = str_c(topic),
                                                         .partition_data = &data,
                                                         .partition_data_count = 1 };
    struct produce_request body;
    wire_default(&produce_request_message, &body);
    body.acks = acks;
    body.timeout_ms = 30000;
    body.topic_data = &topics;
    body.topic_data_count = 1;
    raw_send(rig, c, 0, PRODUCE_VERSION, &body);
}

struct produce_response_partition_produce_response *
rig_produce(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
            struct bytes batch)
{
    rig_produce_send(rig, c, topic, partition, -1, batch);
    struct produce_response *answer = raw_receive(rig, c, 0, PRODUCE_VERSION);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partition_responses_count, 1);
    return &answer->responses[0].partition_responses[0];
}

void rig_fetch_send(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
                    int64_t offset, int32_t max_wait_ms, int32_t min_bytes)
{
    struct fetch_request_fetch_partition p;
    wire_default_struct(&fetch_request_fetch_partition_struct, &p);
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
    struct fetch_request_fetch_topic topics = { .topic = str_c(topic), .partitions = &p,
                                                .partitions_count = 1 };
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.max_wait_ms = max_wait_ms;
    body.min_bytes = min_bytes;
    body.topics = &topics;
    body.topics_count = 1;
    raw_send(rig, c, 1, FETCH_VERSION, &body);
}
