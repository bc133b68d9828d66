/* load.c - the load generator of the benchmark: raw Kafka frames over many connections, one in flight each.
 *
 *   load ADDRESS PORT create TOPIC PARTITIONS [name=value …]
 *   load ADDRESS PORT produce TOPIC PARTITIONS CONNECTIONS ACKS RECORDS SIZE MILLISECONDS BYTES [RATE]
 *   load ADDRESS PORT consume TOPIC PARTITION BYTES
 *
 * produce sends batches of RECORDS records of SIZE bytes until the time is over or BYTES of records were
 * acknowledged (0: no bound), and checks every answer. With RATE (requests a second, all connections) it
 * is an open loop: latency counts from the moment a request was due. consume reads from offset 0 until
 * BYTES of batches came. Prints one JSON object; any wrong answer ends it with a status that is not 0. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define PARTITIONS_MAX 4096
#define BUCKETS 1024 /* of latency: 32 to a power of two */
#define FETCH_BYTES (8 << 20)

static uint64_t nanos(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- latency ---------------------------------------------------------------------------------------- */

static uint64_t buckets[BUCKETS], measured;

static void note_latency(uint64_t ns)
{
    uint64_t us10 = ns / 100; /* tenths of a microsecond */
    int top = us10 < 32 ? 0 : 63 - __builtin_clzll(us10) - 4;
    size_t at = us10 < 32 ? us10 : (size_t)top * 32 + (size_t)((us10 >> (top - 1)) & 31);
    buckets[at < BUCKETS ? at : BUCKETS - 1]++;
    measured++;
}

static double latency_us(double part)
{
    uint64_t wanted = (uint64_t)((double)measured * part), seen = 0;
    for (size_t at = 0; at < BUCKETS; at++) {
        seen += buckets[at];
        if (seen <= wanted) continue;
        if (at < 32) return (double)at / 10;
        size_t top = at / 32;
        return (double)((32 + at % 32) << (top - 1)) / 10;
    }
    return 0;
}

static void print_figures(uint64_t requests, uint64_t bytes, double seconds)
{
    printf("{\"requests\": %llu, \"bytes\": %llu, \"seconds\": %.6f, ", (unsigned long long)requests,
           (unsigned long long)bytes, seconds);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n", latency_us(0.5), latency_us(0.99),
           latency_us(0.999));
}

/* --- connections ------------------------------------------------------------------------------------ */

static int dial(const char *address, const char *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    if (inet_pton(AF_INET, address, &a.sin_addr) != 1) die("address");
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) die("send");
        p += sent;
        n -= (size_t)sent;
    }
}

static void recv_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) die("the broker closed the connection");
        p += got;
        n -= (size_t)got;
    }
}

/* The answer's bytes behind its size, in `in`. */
static void recv_answer(int fd, struct out *in)
{
    uint8_t size[4];
    recv_all(fd, size, 4);
    in->len = 0;
    size_t n = get(size, 4);
    recv_all(fd, put(in, n), n);
}

/* --- records ---------------------------------------------------------------------------------------- */

static uint32_t crc32c_bits(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    while (n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void put_varint(struct out *o, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; z >= 0x80; z >>= 7) put_int(o, 0x80 | (z & 0x7f), 1);
    put_int(o, z, 1);
}

static int varint_size(int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    int n = 1;
    for (; z >= 0x80; z >>= 7) n++;
    return n;
}

/* A batch (magic 2, uncompressed, no producer id) of records without a key. */
static void put_batch(struct out *o, int records, int size)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    size_t from = o->len;
    put_int(o, 0, 8);
    put_int(o, 0, 4); /* length */
    put_int(o, (uint64_t)-1, 4);
    put_int(o, 2, 1);
    put_int(o, 0, 4); /* CRC */
    put_int(o, 0, 2);
    put_int(o, (uint64_t)records - 1, 4);
    put_int(o, now, 8);
    put_int(o, now, 8);
    put_int(o, (uint64_t)-1, 8);
    put_int(o, (uint64_t)-1, 2);
    put_int(o, (uint64_t)-1, 4);
    put_int(o, (uint64_t)records, 4);
    uint32_t random = 1;
    for (int i = 0; i < records; i++) {
        put_varint(o, 1 + 1 + varint_size(i) + 1 + varint_size(size) + size + 1);
        put_int(o, 0, 1);
        put_int(o, 0, 1);
        put_varint(o, i);
        put_varint(o, -1);
        put_varint(o, size);
        uint8_t *value = put(o, (size_t)size);
        for (int k = 0; k < size; k++) value[k] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        put_int(o, 0, 1);
    }
    uint8_t *b = o->data + from;
    be(b + 8, o->len - from - 12, 4);
    be(b + 17, crc32c_bits(b + 21, o->len - from - 21), 4);
}

/* --- create ----------------------------------------------------------------------------------------- */

static int create(int fd, char **argv, int argc)
{
    struct out o = { 0 }, in = { 0 };
    begin(&o, API_CREATE_TOPICS, CREATE_TOPICS_VERSION);
    put_int(&o, 1, 4);
    put_str(&o, argv[0]);
    put_int(&o, (uint64_t)atoi(argv[1]), 4);
    put_int(&o, 1, 2);
    put_int(&o, 0, 4);
    put_int(&o, (uint64_t)(argc - 2), 4);
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) die("name=value");
        *value++ = 0;
        put_str(&o, argv[i]);
        put_str(&o, value);
    }
    put_int(&o, 60000, 4);
    put_int(&o, 0, 1);
    seal(&o);
    send_all(fd, o.data, o.len);
    recv_answer(fd, &in);
    size_t name = get(in.data + 12, 2);
    uint64_t error = get(in.data + 14 + name, 2);
    if (error) fprintf(stderr, "the topic was refused with error %d\n", (int)error);
    return error != 0;
}

/* --- produce ---------------------------------------------------------------------------------------- */

struct conn {
    int fd;
    int partition;
    bool busy;
    uint64_t due; /* ns: when the request in flight was to be sent */
    uint8_t in[512];
    size_t have;
};

struct run {
    const char *topic;
    int partitions, count, acks, records, size;
    uint64_t duration, bytes, rate;
    struct out frames[PARTITIONS_MAX];
    size_t payload; /* of a frame: bytes of its batch */
    struct conn conns[CONNECTIONS_MAX];
    int epoll;
    uint64_t sent, done, wrong;
    uint64_t next_due, gap;
};

static void make_frames(struct run *r)
{
    struct out batch = { 0 };
    put_batch(&batch, r->records, r->size);
    r->payload = batch.len;
    for (int p = 0; p < r->partitions; p++) {
        struct out *o = &r->frames[p];
        begin(o, API_PRODUCE, PRODUCE_VERSION);
        put_int(o, (uint64_t)-1, 2);
        put_int(o, (uint64_t)r->acks, 2);
        put_int(o, 30000, 4);
        put_int(o, 1, 4);
        put_str(o, r->topic);
        put_int(o, 1, 4);
        put_int(o, (uint64_t)p, 4);
        put_int(o, batch.len, 4);
        memcpy(put(o, batch.len), batch.data, batch.len);
        seal(o);
    }
}

static void produce_next(struct run *r, struct conn *c, uint64_t due)
{
    struct out *o = &r->frames[c->partition];
    c->partition = (c->partition + r->count) % r->partitions;
    be(o->data + 8, ++r->sent, 4);
    c->due = due;
    c->busy = true;
    send_all(c->fd, o->data, o->len);
}

/* Offset of the error code: size, correlation id, one topic with its name, one partition with its number. */
static void produce_answered(struct run *r, struct conn *c, uint64_t now)
{
    size_t error = 4 + 4 + 4 + 2 + strlen(r->topic) + 4 + 4;
    if (get(c->in + error, 2) != 0) r->wrong++;
    r->done++;
    c->busy = false;
    note_latency(now - c->due);
}

static void produce_read(struct run *r, struct conn *c)
{
    ssize_t got = recv(c->fd, c->in + c->have, sizeof c->in - c->have, 0);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) die("the broker closed the connection");
    c->have += (size_t)got;
    if (c->have < 4 || c->have < 4 + get(c->in, 4)) return;
    c->have = 0;
    produce_answered(r, c, nanos());
}

static bool produce_enough(const struct run *r, uint64_t since)
{
    return nanos() - since >= r->duration || (r->bytes && r->done * r->payload >= r->bytes);
}

/* In an open loop the next idle connection takes what is due; what finds none stays due. */
static int open_loop(struct run *r)
{
    uint64_t now = nanos();
    for (int i = 0; i < r->count && r->next_due <= now; i++) {
        if (r->conns[i].busy) continue;
        produce_next(r, &r->conns[i], r->next_due);
        r->next_due += r->gap;
    }
    return r->next_due > now ? (int)((r->next_due - now) / 1000000) : 1;
}

static void produce_loop(struct run *r, uint64_t since)
{
    struct epoll_event events[CONNECTIONS_MAX];
    r->next_due = since;
    if (r->rate) r->gap = 1000000000u / r->rate;
    for (int i = 0; i < r->count && !r->rate; i++) produce_next(r, &r->conns[i], nanos());
    while (!produce_enough(r, since) && !r->wrong) {
        int wait = r->rate ? open_loop(r) : 1000;
        int n = epoll_wait(r->epoll, events, CONNECTIONS_MAX, wait);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            produce_read(r, c);
            if (!c->busy && !r->rate) produce_next(r, c, nanos());
        }
    }
}

static int produce(const char *address, const char *port, char **argv, int argc)
{
    static struct run r;
    r.topic = argv[0];
    r.partitions = atoi(argv[1]), r.count = atoi(argv[2]), r.acks = atoi(argv[3]);
    r.records = atoi(argv[4]), r.size = atoi(argv[5]);
    r.duration = (uint64_t)atoll(argv[6]) * 1000000, r.bytes = (uint64_t)atoll(argv[7]);
    r.rate = argc > 8 ? (uint64_t)atoll(argv[8]) : 0;
    if (r.partitions < 1 || r.partitions > PARTITIONS_MAX || r.count < 1 || r.count > CONNECTIONS_MAX)
        die("bounds");
    make_frames(&r);
    r.epoll = epoll_create1(0);
    for (int i = 0; i < r.count; i++) {
        r.conns[i].fd = dial(address, port);
        r.conns[i].partition = i % r.partitions;
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &r.conns[i] };
        epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.conns[i].fd, &e);
    }
    uint64_t since = nanos();
    produce_loop(&r, since);
    double seconds = (double)(nanos() - since) / 1e9;
    print_figures(r.done, r.done * r.payload, seconds);
    if (r.wrong) fprintf(stderr, "an answer carried an error\n");
    return r.wrong != 0 || r.done == 0;
}

/* --- consume ---------------------------------------------------------------------------------------- */

static void put_fetch(struct out *o, const char *topic, int partition, uint64_t offset)
{
    begin(o, API_FETCH, FETCH_VERSION);
    put_int(o, (uint64_t)-1, 4);
    put_int(o, 500, 4);
    put_int(o, 1, 4);
    put_int(o, FETCH_BYTES, 4);
    put_int(o, 0, 1);
    put_int(o, 0, 4);
    put_int(o, (uint64_t)-1, 4);
    put_int(o, 1, 4);
    put_str(o, topic);
    put_int(o, 1, 4);
    put_int(o, (uint64_t)partition, 4);
    put_int(o, (uint64_t)-1, 4);
    put_int(o, offset, 8);
    put_int(o, (uint64_t)-1, 8);
    put_int(o, FETCH_BYTES, 4);
    put_int(o, 0, 4);
    put_str(o, "");
    seal(o);
}

/* Batches must follow each other without a gap. Returns false when they do not. */
static bool walk(const uint8_t *p, size_t n, uint64_t *offset)
{
    while (n >= HEAD + 4) {
        size_t len = 12 + get(p + 8, 4);
        if (get(p, 8) != *offset) return false;
        if (len > n) return true; /* the rest comes with the next answer */
        *offset += get(p + HEAD, 4);
        p += len;
        n -= len;
    }
    return true;
}

static int consume(int fd, char **argv)
{
    struct out o = { 0 }, in = { 0 };
    uint64_t wanted = (uint64_t)atoll(argv[2]), got = 0, offset = 0, since = nanos(), answers = 0;
    size_t error = 4 + 4 + 2 + 4 + 4 + 2 + strlen(argv[0]) + 4 + 4;
    while (got < wanted) {
        put_fetch(&o, argv[0], atoi(argv[1]), offset);
        uint64_t from = nanos(), before = offset;
        send_all(fd, o.data, o.len);
        recv_answer(fd, &in);
        note_latency(nanos() - from);
        size_t at = error + 2 + 8 + 8 + 8;
        uint32_t aborted = (uint32_t)get(in.data + at, 4);
        if (get(in.data + error, 2) || (aborted && aborted != UINT32_MAX)) break;
        size_t len = get(in.data + at + 8, 4);
        if (len != in.len - at - 12 || !walk(in.data + at + 12, len, &offset) || offset == before) break;
        got += len;
        answers++;
    }
    double seconds = (double)(nanos() - since) / 1e9;
    print_figures(answers, got, seconds);
    if (got < wanted) fprintf(stderr, "a wrong answer at offset %llu\n", (unsigned long long)offset);
    return got < wanted;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && !strcmp(argv[3], "create")) return create(dial(argv[1], argv[2]), argv + 4, argc - 4);
    if (argc >= 12 && !strcmp(argv[3], "produce")) return produce(argv[1], argv[2], argv + 4, argc - 4);
    if (argc >= 7 && !strcmp(argv[3], "consume")) return consume(dial(argv[1], argv[2]), argv + 4);
    fprintf(stderr, "usage: load ADDRESS PORT create|produce|consume …, see load.c\n");
    return 2;
}
