/* floor.c - the least a server can do: one epoll loop that appends what the load generator sends to one
 * file and answers. It checks nothing, knows one partition, keeps nothing over a restart. What a broker
 * needs above it is what a broker costs.
 *
 *   floor PORT FILE none|turn
 *
 * A turn reads every ready connection, appends all their batches with one write, with `turn` syncs the
 * file once, and then answers all. Fetch requests get the bytes of the file. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TURN_MAX 256
#define FRAME_MAX (4 << 20)
#define BUFFER (FRAME_MAX + 4)

struct conn {
    int fd;
    uint8_t *in;
    size_t have, whole; /* bytes of the first frame, once it is there */
};

struct place { /* where a batch begins */
    uint64_t offset, position;
};

static struct place *places;
static size_t place_count, place_cap;
static uint64_t end_offset, end_position;
static int file;

static void note_place(void)
{
    if (place_count == place_cap) {
        place_cap = place_cap ? place_cap * 2 : 1024;
        places = realloc(places, place_cap * sizeof *places);
        if (!places) die("memory");
    }
    places[place_count++] = (struct place){ end_offset, end_position };
}

/* What lies behind the header of a frame, and how long its client id is. */
static const uint8_t *body(const struct conn *c) { return c->in + 14 + get(c->in + 12, 2); }

/* --- produce ---------------------------------------------------------------------------------------- */

/* The batch of a Produce frame: behind transactional id, acks, timeout, one topic, one partition. */
static struct iovec batch_of(const struct conn *c)
{
    const uint8_t *p = body(c) + 2 + 2 + 4 + 4;
    p += 2 + get(p, 2) + 4 + 4;
    return (struct iovec){ (void *)(p + 4), get(p, 4) };
}

static void answer_produce(const struct conn *c, uint64_t offset)
{
    const uint8_t *topic = body(c) + 2 + 2 + 4 + 4;
    size_t name = get(topic, 2);
    uint8_t out[512], *p = out + 4;
    memcpy(p, c->in + 8, 4);
    be(p + 4, 1, 4);
    memcpy(p + 8, topic, 2 + name);
    p += 10 + name;
    be(p, 1, 4);
    memcpy(p + 4, topic + 2 + name + 4, 4);
    be(p + 8, 0, 2);
    be(p + 10, offset, 8);
    be(p + 18, (uint64_t)-1, 8);
    be(p + 26, 0, 8);
    be(p + 34, 0, 4);             /* record errors */
    be(p + 38, (uint64_t)-1, 2);  /* error message */
    be(p + 40, 0, 4);             /* throttle time */
    size_t n = (size_t)(p + 44 - out);
    be(out, n - 4, 4);
    if (send(c->fd, out, n, MSG_NOSIGNAL) != (ssize_t)n) die("send");
}

/* --- fetch ------------------------------------------------------------------------------------------ */

static void answer_fetch(const struct conn *c)
{
    static uint8_t *out;
    static size_t cap;
    const uint8_t *topic = body(c) + 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4;
    size_t name = get(topic, 2);
    const uint8_t *part = topic + 2 + name + 4;
    uint64_t offset = get(part + 8, 8), max = get(part + 24, 4);
    size_t low = 0, high = place_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (places[mid].offset < offset) low = mid + 1;
        else high = mid;
    }
    uint64_t from = low < place_count ? places[low].position : end_position;
    uint64_t n = end_position - from < max ? end_position - from : max;
    size_t head = 4 + 4 + 4 + 2 + 4 + 4 + 2 + name + 4 + 4 + 2 + 24 + 4 + 4 + 4;
    if (cap < head + n) {
        cap = head + n;
        out = realloc(out, cap);
        if (!out) die("memory");
    }
    memset(out, 0, head);
    be(out, head + n - 4, 4);
    memcpy(out + 4, c->in + 8, 4);
    be(out + 18, 1, 4);
    memcpy(out + 22, topic, 2 + name);
    uint8_t *p = out + 24 + name;
    be(p, 1, 4);
    be(p + 10, end_offset, 8);
    be(p + 18, end_offset, 8);
    be(out + head - 4, n, 4);
    if (pread(file, out + head, n, (off_t)from) != (ssize_t)n) die("pread");
    for (size_t at = 0; at < head + n;) {
        ssize_t sent = send(c->fd, out + at, head + n - at, MSG_NOSIGNAL);
        if (sent <= 0) die("send");
        at += (size_t)sent;
    }
}

/* --- turns ------------------------------------------------------------------------------------------ */

/* Reads what is there; true: a whole frame. */
static bool fill(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, BUFFER - c->have, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        close(c->fd);
        free(c->in);
        free(c);
        return false;
    }
    c->have += (size_t)n;
    if (c->have < 4) return false;
    c->whole = 4 + get(c->in, 4);
    if (c->whole > BUFFER) die("a frame too large");
    return c->have >= c->whole;
}

static void next_frame(struct conn *c)
{
    c->have -= c->whole;
    memmove(c->in, c->in + c->whole, c->have);
}

static void turn(struct conn **ready, int count, bool sync)
{
    struct iovec parts[TURN_MAX];
    uint64_t offsets[TURN_MAX];
    int produced = 0;
    uint64_t at = end_position;
    for (int i = 0; i < count; i++) {
        struct conn *c = ready[i];
        if (get(c->in + 4, 2) == API_FETCH) {
            answer_fetch(c);
            next_frame(c);
            continue;
        }
        ready[produced] = c;
        parts[produced] = batch_of(c);
        uint8_t *batch = parts[produced].iov_base;
        be(batch, end_offset, 8);
        note_place();
        offsets[produced] = end_offset;
        end_offset += get(batch + HEAD, 4);
        end_position += parts[produced++].iov_len;
    }
    if (!produced) return;
    if (pwritev(file, parts, produced, (off_t)at) != (ssize_t)(end_position - at)) die("pwritev");
    if (sync && fdatasync(file)) die("fdatasync");
    for (int i = 0; i < produced; i++) {
        answer_produce(ready[i], offsets[i]);
        next_frame(ready[i]);
    }
}

static void welcome(int epoll, int listener)
{
    int fd = accept(listener, NULL, NULL), one = 1;
    struct conn *c = calloc(1, sizeof *c);
    if (fd < 0 || !c || !(c->in = malloc(BUFFER))) die("accept");
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024)) die("listen");
    file = open(argv[2], O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (file < 0) die(argv[2]);
    bool sync = !strcmp(argv[3], "turn");
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, events[TURN_MAX];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        struct conn *ready[TURN_MAX];
        int count = 0, n = epoll_wait(epoll, events, TURN_MAX, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c) welcome(epoll, listener);
            else if (fill(c)) ready[count++] = c;
        }
        turn(ready, count, sync);
    }
}
