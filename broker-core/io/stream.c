/* stream.c - framed connections on the event loop.
 *
 * Reading: bytes go into the loop's scratch memory, whole frames are handed out from there; only an
 * unfinished frame is kept (`in`), in memory of its final size into which the next read goes
 * directly. So a connection between two requests holds no buffer.
 * Writing: what is queued leaves together at the end of the turn, but no more than WRITE_PER_TURN, so
 * that one reader of much does not hold up the others; what the kernel does not take waits for
 * EPOLLOUT. Sources are read into the scratch memory right before their bytes go.
 * Under TLS (`tls`) bytes go through tls.c, record by record; a record is never left half read, so what
 * is not handed out yet is in the kernel and epoll tells of it.
 * Ending: closed() is called once, the memory goes at the end of the turn. */
#include "io/stream.h"

#include "base/mem.h"
#include "io/address.h"
#include "io/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define STREAM_MAGIC 0x5354524du
#define UNSENT_MAX (64u << 20)
#define READS_PER_TURN 4
#define READ_AT_ONCE (128u << 10)
#define WRITE_PARTS 32
#define WRITE_PER_TURN (768u << 10) /* some 0.35 ms; a write wakes the peer, which is dearer than a copy */
#define WRITE_IN_LONG_TURN (128u << 10)
#define TLS_PLAIN_MAX 16384 /* of one record; what is larger goes without a copy */
#define LINGER_MS 1000
#define FRAME_SIZE 4

struct place { /* how far a pending reply has come */
    size_t head;    /* bytes of its buffer */
    int part;
    size_t in_part; /* bytes of that part */
};
struct pending {
    struct buf bytes;
    bool small; /* a block of the loop, with the bytes behind the struct */
    struct stream_part *parts;
    int count;
    struct place at;
    struct pending *next;
};

struct stream {
    uint32_t magic;
    struct loop *loop;
    struct watch watch;
    struct deferred flush, parse, end;
    struct timer linger;
    const struct stream_events *events;
    void *owner;
    size_t max_frame;
    struct buf in;
    size_t in_at; /* bytes of `in` handed out already */
    struct pending *out_first, *out_last;
    size_t unsent;
    bool connecting, paused, closed, closing, lingering, blocked;
    bool awaits;      /* a source that will say when its bytes are there */
    size_t tls_due;   /* TLS has so many bytes of ours in a record it could not send yet */
    struct tls *tls;  /* NULL: plain */
    bool shaking;     /* the TLS handshake is under way */
    bool tls_blocked; /* handshake or reading waits until TLS could write */
    bool over;        /* TLS has ended; what is buffered is still handed out */
    const char *trouble;
    char peer[INET6_ADDRSTRLEN];
    uint16_t peer_port;
};

static void stream_ready(struct watch *watch, uint32_t events);
static void stream_flush(struct deferred *d);
static void stream_parse_backlog(struct deferred *d);
static void stream_end(struct deferred *d);
static void stream_linger_over(struct timer *timer);
static void stream_fail(struct stream *s, status why);

/* --- making ---------------------------------------------------------------------------------- */

static void stream_name_peer(struct stream *s)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } a = { 0 };
    socklen_t len = sizeof a;
    str_copy(s->peer, sizeof s->peer, STR("unix"));
    if (getpeername(s->watch.fd, &a.any, &len) < 0) return;
    if (a.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a.v4.sin_addr, s->peer, sizeof s->peer);
        s->peer_port = ntohs(a.v4.sin_port);
    } else if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.v6.sin6_addr, s->peer, sizeof s->peer);
        s->peer_port = ntohs(a.v6.sin6_port);
    }
}

static status stream_new(struct loop *loop, int fd, size_t max_frame,
                         const struct stream_events *events, void *owner, bool connecting,
                         struct stream **ret_stream)
{
    struct stream *s = mem_zalloc(sizeof *s);
    if (!s) {
        close(fd);
        return FAIL(NO_MEMORY);
    }
    s->magic = STREAM_MAGIC;
    s->loop = loop;
    s->watch = (struct watch){ .ready = stream_ready, .fd = fd };
    s->flush.run = stream_flush;
    s->parse.run = stream_parse_backlog;
    s->end.run = stream_end;
    timer_init(&s->linger, stream_linger_over);
    s->events = events;
    s->owner = owner;
    s->max_frame = max_frame;
    s->connecting = connecting;
    buf_init(&s->in, SIZE_MAX);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a Unix socket refuses: fine */
    status watched = loop_watch(loop, &s->watch, connecting ? EPOLLOUT : EPOLLIN);
    if (failed(watched)) {
        close(fd);
        mem_free(s);
        return watched;
    }
    stream_name_peer(s);
    *ret_stream = s;
    return OK;
}

status stream_accept(struct loop *loop, int fd, size_t max_frame, const struct stream_events *events,
                     void *owner, struct stream **ret_stream)
{
    return stream_new(loop, fd, max_frame, events, owner, false, ret_stream);
}

static void stream_shaken_too_long(void *arg)
{
    stream_fail(arg, FAIL(CLOSED));
}

status stream_accept_tls(struct loop *loop, int fd, struct tls_server *server, size_t max_frame,
                         const struct stream_events *events, void *owner,
                         struct stream **ret_stream)
{
    struct stream *s;
    TRY(stream_new(loop, fd, max_frame, events, owner, false, &s));
    status made = tls_new(server, fd, stream_shaken_too_long, s, &s->tls);
    if (failed(made)) {
        loop_unwatch(loop, &s->watch);
        close(fd);
        mem_free(s);
        return made;
    }
    s->shaking = true;
    *ret_stream = s;
    return OK;
}

static status stream_dial(struct loop *loop, int family, const struct sockaddr *to, socklen_t len,
                          size_t max_frame, const struct stream_events *events, void *owner,
                          struct stream **ret_stream)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return status_from_errno(errno);
    if (connect(fd, to, len) < 0 && errno != EINPROGRESS) {
        /* A Unix socket whose queue is full says EAGAIN: busy, not broken. */
        status refused = errno == EAGAIN ? FAIL(BUSY) : errno == ECONNREFUSED ? FAIL(CLOSED)
                                                                              : status_from_errno(errno);
        close(fd);
        return refused;
    }
    return stream_new(loop, fd, max_frame, events, owner, true, ret_stream);
}

status stream_connect(struct loop *loop, const char *addr, uint16_t port, size_t max_frame,
                      const struct stream_events *events, void *owner, struct stream **ret_stream)
{
    struct sockaddr_storage to = { 0 };
    socklen_t len;
    if (!address_parse(addr, port, &to, &len)) return FAIL(INVALID);
    return stream_dial(loop, to.ss_family, (struct sockaddr *)&to, len, max_frame, events, owner,
                       ret_stream);
}

status stream_connect_unix(struct loop *loop, int dir_fd, const char *name, size_t max_frame,
                           const struct stream_events *events, void *owner,
                           struct stream **ret_stream)
{
    struct sockaddr_un to;
    TRY(address_unix(dir_fd, name, &to));
    return stream_dial(loop, AF_UNIX, (struct sockaddr *)&to, sizeof to, max_frame, events, owner,
                       ret_stream);
}

/* --- small things ----------------------------------------------------------------------------- */

void stream_set_owner(struct stream *s, void *owner) { s->owner = owner; }
void stream_set_max_frame(struct stream *s, size_t max_frame) { s->max_frame = max_frame; }
size_t stream_unsent(const struct stream *s) { return s->unsent; }
size_t stream_received(const struct stream *s) { return s->in.len - s->in_at; }
const char *stream_peer(const struct stream *s) { return s->peer; }
uint16_t stream_peer_port(const struct stream *s) { return s->peer_port; }
int stream_fd(const struct stream *s) { return s->watch.fd; }
const char *stream_client_name(const struct stream *s) { return s->tls ? tls_client_name(s->tls) : ""; }
const char *stream_trouble(const struct stream *s) { return s->trouble; }

/* Asks epoll for what the state calls for. */
static void stream_rewatch(struct stream *s)
{
    if (s->closed) return;
    bool reads = s->shaking || s->lingering || (!s->connecting && !s->paused && !s->closing);
    bool writes = s->connecting || (s->blocked && !s->awaits) || s->tls_blocked;
    uint32_t events = (reads && !s->tls_blocked ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u);
    status watched = loop_watch(s->loop, &s->watch, events);
    if (failed(watched)) stream_fail(s, watched);
}

void stream_pause(struct stream *s)
{
    if (s->paused) return;
    s->paused = true;
    loop_undefer(s->loop, &s->parse);
    stream_rewatch(s);
}

void stream_resume(struct stream *s)
{
    if (!s->paused) return;
    s->paused = false;
    stream_rewatch(s);
    if ((s->in.len > s->in_at || s->over) && !s->closed) loop_defer(s->loop, &s->parse);
}

/* --- ending -------------------------------------------------------------------------------------- */

void stream_parts_free(struct stream_part *parts, int count)
{
    for (int i = 0; i < count; i++) parts[i].source->free(parts[i].source);
    mem_free(parts);
}

static void pending_free(struct stream *s, struct pending *p)
{
    if (p->small) {
        loop_block_free(s->loop, p);
        return;
    }
    for (; p->at.part < p->count; p->at.part++)
        p->parts[p->at.part].source->free(p->parts[p->at.part].source);
    mem_free(p->parts);
    buf_done(&p->bytes);
    mem_free(p);
}

static void stream_drop_out(struct stream *s)
{
    while (s->out_first) {
        struct pending *p = s->out_first;
        s->out_first = p->next;
        pending_free(s, p);
    }
    s->out_last = NULL;
    s->unsent = 0;
}

static void stream_fail(struct stream *s, status why)
{
    assert(s->magic == STREAM_MAGIC);
    if (s->closed) return;
    s->closed = true;
    loop_unwatch(s->loop, &s->watch);
    loop_timer_clear(s->loop, &s->linger);
    loop_undefer(s->loop, &s->flush);
    loop_undefer(s->loop, &s->parse);
    if (s->tls) {
        if (tls_trouble(s->tls)) s->trouble = tls_trouble(s->tls);
        tls_say_goodbye(s->tls);
        tls_free(TAKE(s->tls));
    }
    close(s->watch.fd);
    s->watch.fd = -1;
    stream_drop_out(s);
    loop_defer(s->loop, &s->end);
    if (s->events->closed) s->events->closed(s, why, s->owner);
}

static void stream_end(struct deferred *d)
{
    struct stream *s = CONTAINER_OF(d, struct stream, end);
    assert(s->magic == STREAM_MAGIC);
    buf_done(&s->in);
    s->magic = 0;
    mem_free(s);
}

void stream_close(struct stream *s) { stream_fail(s, FAIL(CLOSED)); }

/* Everything is with the kernel: say so, and wait for the peer's end, since closing a socket with
 * unread bytes would make the kernel throw away what the peer has not read yet. */
static void stream_linger(struct stream *s)
{
    s->lingering = true;
    s->tls_blocked = false;
    if (s->tls) tls_say_goodbye(s->tls);
    shutdown(s->watch.fd, SHUT_WR);
    if (failed(loop_timer_set(s->loop, &s->linger, loop_now(s->loop) + LINGER_MS))) stream_close(s);
    else stream_rewatch(s);
}

static void stream_linger_over(struct timer *timer)
{
    stream_close(CONTAINER_OF(timer, struct stream, linger));
}

void stream_close_when_sent(struct stream *s)
{
    if (s->closed || s->closing) return;
    if (s->shaking || s->over) {
        stream_close(s);
        return;
    }
    s->closing = true;
    buf_done(&s->in);
    s->in_at = 0;
    loop_undefer(s->loop, &s->parse);
    stream_rewatch(s);
    if (!s->closed && !s->unsent) stream_linger(s);
}

/* --- reading ------------------------------------------------------------------------------------- */

static inline bool stream_listens(const struct stream *s)
{
    return !s->closed && !s->closing && !s->paused;
}

/* Hands out whole frames from the front of [p, p + n); returns the bytes used. */
static size_t stream_hand_out(struct stream *s, uint8_t *p, size_t n)
{
    size_t used = 0;
    while (stream_listens(s) && n - used >= FRAME_SIZE) {
        int32_t size = (int32_t)get_be32(p + used);
        if (size < 0 || (size_t)size > s->max_frame) {
            /* A TLS record of a handshake begins 22, 3. */
            if (p[used] == 22 && p[used + 1] == 3) s->trouble = "it speaks TLS, this port does not";
            stream_fail(s, FAIL(LIMIT));
            break;
        }
        if (n - used - FRAME_SIZE < (size_t)size) break;
        struct bytes frame = bytes_of(p + used + FRAME_SIZE, (size_t)size);
        used += FRAME_SIZE + (size_t)size;
        s->events->frame(s, frame, s->owner);
    }
    return used;
}

/* Keeps the bytes of an unfinished frame (or, when paused, whatever came), in memory that has
 * room for the whole frame. */
static void stream_keep(struct stream *s, const uint8_t *p, size_t n)
{
    if (s->closed || s->closing || !n) return;
    buf_put(&s->in, p, n);
    size_t have = s->in.len - s->in_at;
    if (have >= FRAME_SIZE && !s->in.failed) {
        size_t size = get_be32(s->in.data + s->in_at);
        if (size <= s->max_frame && size + FRAME_SIZE > have)
            buf_reserve(&s->in, size + FRAME_SIZE - have);
    }
    if (s->in.failed) stream_fail(s, FAIL(NO_MEMORY));
}

/* Frames that are wholly in `in`. The buffer is detached while its frames are out, because the
 * owner may close the stream meanwhile. */
static void stream_parse(struct stream *s)
{
    if (!s->in.len) return;
    struct buf in = buf_take(&s->in);
    size_t at = s->in_at;
    s->in_at = 0;
    at += stream_hand_out(s, in.data + at, in.len - at);
    if (at == 0 && !s->closed && !s->closing) {
        s->in = in; /* nothing was whole: go on filling it */
        return;
    }
    if (at < in.len) stream_keep(s, in.data + at, in.len - at);
    buf_done(&in);
}

static void stream_parse_backlog(struct deferred *d)
{
    struct stream *s = CONTAINER_OF(d, struct stream, parse);
    if (stream_listens(s)) stream_parse(s);
    if (s->over && stream_listens(s)) stream_fail(s, FAIL(CLOSED));
}

/* As readv: fills the first part, then the second, as far as there are bytes. Whole records: the
 * second part has room for one more, or is left. */
static ssize_t stream_read_tls(struct stream *s, const struct iovec parts[2])
{
    size_t total = 0, room = parts[0].iov_len + parts[1].iov_len;
    while (!s->over && (total < parts[0].iov_len || room - total >= TLS_RECORD_MAX)) {
        bool first = total < parts[0].iov_len;
        size_t at = first ? total : total - parts[0].iov_len, n = 0;
        const struct iovec *part = &parts[first ? 0 : 1];
        enum tls_result result = tls_read(s->tls, (uint8_t *)part->iov_base + at,
                                          part->iov_len - at, &n);
        if (result == TLS_DONE) {
            total += n;
            continue;
        }
        s->over = result == TLS_ENDED;
        s->tls_blocked = result == TLS_WANTS_WRITE;
        break;
    }
    if (s->tls_blocked) stream_rewatch(s);
    if (total || s->over) return (ssize_t)total;
    errno = EAGAIN;
    return -1;
}

/* One read: first what the frame begun still lacks, then into the scratch memory. False when the
 * socket has no more for now or the stream ended. */
static bool stream_read_once(struct stream *s)
{
    size_t size = READ_AT_ONCE;
    uint8_t *scratch = loop_scratch(s->loop);
    if (!scratch) {
        stream_fail(s, FAIL(NO_MEMORY));
        return false;
    }
    size_t lacks = 0;
    if (s->in.len - s->in_at >= FRAME_SIZE) {
        size_t whole = FRAME_SIZE + (size_t)get_be32(s->in.data + s->in_at);
        size_t have = s->in.len - s->in_at;
        if (whole > have && whole - have <= s->in.cap - s->in.len) lacks = whole - have;
    }
    struct iovec parts[2] = { { s->in.data ? s->in.data + s->in.len : NULL, lacks },
                              { scratch, size } };
    ssize_t n = s->tls  ? stream_read_tls(s, parts)
                : lacks ? readv(s->watch.fd, parts, 2)
                        : read(s->watch.fd, scratch, size);
    if (s->closed) return false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        stream_fail(s, FAIL(CLOSED));
        return false;
    }
    size_t got = (size_t)n, direct = got < lacks ? got : lacks, rest = got - direct;
    s->in.len += direct;
    if (s->in.len) {
        if (direct < lacks) return false;
        if (lacks) {
            stream_parse(s);
        } else {
            stream_keep(s, scratch, rest);
            if (stream_listens(s)) stream_parse(s);
            return got == size && stream_listens(s);
        }
    }
    if (rest) {
        size_t used = s->in.len ? 0 : stream_hand_out(s, scratch, rest);
        stream_keep(s, scratch + used, rest - used);
    }
    return got == lacks + size && stream_listens(s);
}

static void stream_read(struct stream *s)
{
    for (int i = 0; i < READS_PER_TURN && stream_listens(s); i++)
        if (!stream_read_once(s)) break;
    if (s->over && stream_listens(s)) stream_fail(s, FAIL(CLOSED));
}

/* After close_when_sent: whatever still comes is thrown away. */
static void stream_read_nothing(struct stream *s)
{
    uint8_t *scratch = loop_scratch(s->loop);
    ssize_t n = scratch ? read(s->watch.fd, scratch, READ_AT_ONCE) : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) stream_close(s);
}

/* --- writing ----------------------------------------------------------------------------------------- */

static status stream_takes(const struct stream *s, size_t size)
{
    if (s->closed || s->closing) return FAIL(CLOSED);
    return s->unsent && s->unsent + size > UNSENT_MAX ? FAIL(LIMIT) : OK;
}

static void stream_queue(struct stream *s, struct pending *p)
{
    if (s->out_last) s->out_last->next = p;
    else s->out_first = p;
    s->out_last = p;
}

static void stream_flush_later(struct stream *s, size_t more)
{
    s->unsent += more;
    if (!s->connecting && !s->shaking && !s->blocked) loop_defer(s->loop, &s->flush);
}

status stream_send_parts(struct stream *s, struct buf *take_bytes, struct stream_part *take_parts,
                         int count)
{
    struct buf bytes = buf_take(take_bytes);
    size_t size = bytes.len;
    for (int i = 0; i < count; i++) size += take_parts[i].len;
    status sent = stream_takes(s, size);
    struct pending *p = is_ok(sent) ? mem_zalloc(sizeof *p) : NULL;
    if (!p) {
        buf_done(&bytes);
        stream_parts_free(take_parts, count);
        return failed(sent) ? sent : FAIL(NO_MEMORY);
    }
    *p = (struct pending){ .bytes = bytes, .parts = take_parts, .count = count };
    for (int i = 0; i < count; i++) take_parts[i].source->stream = s;
    stream_queue(s, p);
    stream_flush_later(s, size);
    return OK;
}

status stream_send(struct stream *s, struct buf *take_bytes)
{
    return stream_send_parts(s, take_bytes, NULL, 0);
}

status stream_send_copy(struct stream *s, struct bytes bytes)
{
    assert(bytes.len <= STREAM_COPY_MAX);
    TRY(stream_takes(s, bytes.len));
    struct pending *p = s->out_last;
    if (!p || !p->small || p->bytes.cap - p->bytes.len < bytes.len) {
        p = loop_block(s->loop);
        if (!p) return FAIL(NO_MEMORY);
        *p = (struct pending){ .small = true };
        p->bytes.data = (uint8_t *)(p + 1);
        p->bytes.cap = LOOP_BLOCK - sizeof *p;
        stream_queue(s, p);
    }
    memcpy(p->bytes.data + p->bytes.len, bytes.data, bytes.len);
    p->bytes.len += bytes.len;
    stream_flush_later(s, bytes.len);
    return OK;
}

void stream_go_on(struct stream *s)
{
    if (s->closed || !s->awaits) return;
    s->awaits = s->blocked = false;
    loop_defer(s->loop, &s->flush);
}

/* Is the next byte of p at this place one of a part's? *ret_n: so many more of the same. */
static bool place_in_part(const struct pending *p, const struct place *at, size_t *ret_n)
{
    bool part = at->part < p->count && p->parts[at->part].at == at->head;
    *ret_n = part ? p->parts[at->part].len - at->in_part
                  : (at->part < p->count ? p->parts[at->part].at : p->bytes.len) - at->head;
    return part;
}

static void place_move(const struct pending *p, struct place *at, size_t n)
{
    size_t left;
    if (!place_in_part(p, at, &left)) {
        at->head += n;
    } else if (n == left) {
        at->part++;
        at->in_part = 0;
    } else {
        at->in_part += n;
    }
}

static bool place_at_end(const struct pending *p, const struct place *at)
{
    return at->part == p->count && at->head == p->bytes.len;
}

/* What is offered to the socket next. */
struct gather {
    struct iovec parts[WRITE_PARTS];
    int count;
    size_t bytes;    /* in all */
    uint8_t *scratch;
    size_t used, size; /* of the scratch memory */
    size_t max;
    bool flat;       /* TLS: small pieces follow each other in the scratch memory */
    status failure;  /* of a source; BUSY: it will say when to go on */
};

/* Up to n bytes at the place; 0: no more for now. */
static size_t gather_piece(struct gather *g, const struct pending *p, const struct place *at)
{
    size_t n, room = g->size - g->used;
    bool part = place_in_part(p, at, &n), copied = part || (g->flat && (g->count || n < TLS_PLAIN_MAX));
    if (n > g->max - g->bytes) n = g->max - g->bytes;
    if (copied && n > room) n = room;
    if (!n) return 0;
    uint8_t *to = copied ? g->scratch + g->used : p->bytes.data + at->head;
    struct stream_source *source = part ? p->parts[at->part].source : NULL;
    if (part) g->failure = source->read(source, at->in_part, to, n, &n);
    else if (copied) memcpy(to, p->bytes.data + at->head, n);
    if (failed(g->failure)) return 0;
    struct iovec *last = g->count ? &g->parts[g->count - 1] : NULL;
    if (last && (uint8_t *)last->iov_base + last->iov_len == to) last->iov_len += n;
    else g->parts[g->count++] = (struct iovec){ to, n };
    if (copied) g->used += n;
    g->bytes += n;
    return n;
}

static void stream_gather(struct stream *s, struct gather *g, size_t max)
{
    *g = (struct gather){ .flat = s->tls != NULL, .max = max };
    g->scratch = loop_scratch(s->loop);
    g->size = LOOP_SCRATCH;
    if (!g->scratch) g->failure = FAIL(NO_MEMORY);
    for (const struct pending *p = s->out_first; p && is_ok(g->failure); p = p->next) {
        struct place at = p->at;
        while (!place_at_end(p, &at)) {
            if (g->count == WRITE_PARTS || (g->flat && g->count && !g->used)) return;
            size_t n = gather_piece(g, p, &at);
            if (!n) return;
            place_move(p, &at, n);
        }
    }
}

/* Where this byte of what was gathered lies. */
static const uint8_t *gather_at(const struct gather *g, size_t at)
{
    int i = 0;
    for (; at >= g->parts[i].iov_len; i++) at -= g->parts[i].iov_len;
    return (const uint8_t *)g->parts[i].iov_base + at;
}

/* The first n bytes of what was gathered are gone. */
static void stream_sent(struct stream *s, const struct gather *g, size_t n)
{
    size_t all = n;
    s->unsent -= n;
    while (s->out_first) {
        struct pending *p = s->out_first;
        size_t left;
        while (!place_at_end(p, &p->at)) {
            bool part = place_in_part(p, &p->at, &left);
            if (left > n) left = n;
            if (!left && !part) return;
            struct stream_source *source = part ? p->parts[p->at.part].source : NULL;
            int before = p->at.part;
            place_move(p, &p->at, left);
            n -= left;
            if (part && p->at.part == before) {
                if (left && source->sent) source->sent(source, gather_at(g, all - left), left);
                return;
            }
            if (part) source->free(source);
        }
        s->out_first = p->next;
        if (!s->out_first) s->out_last = NULL;
        pending_free(s, p);
    }
}

/* Record by record. A client that makes TLS want to read first is one that is not there. */
static bool stream_write_tls(struct stream *s, const struct gather *g)
{
    const uint8_t *data = g->parts[0].iov_base;
    size_t at = 0;
    while (at < g->bytes) {
        size_t n = g->bytes - at, sent = 0;
        switch (tls_write(s->tls, data + at, n, &sent)) {
        case TLS_DONE: at += sent; s->tls_due = 0; continue;
        case TLS_WANTS_WRITE: s->tls_due = n < TLS_PLAIN_MAX ? n : TLS_PLAIN_MAX; break;
        case TLS_WANTS_READ:
        case TLS_ENDED: stream_fail(s, FAIL(CLOSED)); return false;
        }
        break;
    }
    stream_sent(s, g, at);
    return at == g->bytes;
}

static bool stream_write_plain(struct stream *s, struct gather *g)
{
    struct msghdr message = { .msg_iov = g->parts, .msg_iovlen = (size_t)g->count };
    ssize_t n = sendmsg(s->watch.fd, &message, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) stream_fail(s, FAIL(CLOSED));
        return false;
    }
    stream_sent(s, g, (size_t)n);
    return (size_t)n == g->bytes;
}

/* True when the kernel took all that was offered, and there was no end to what was. */
static bool stream_write_once(struct stream *s, size_t *left)
{
    struct gather g;
    stream_gather(s, &g, *left);
    if (failed(g.failure) && g.failure.code != E_BUSY) {
        stream_fail(s, g.failure); /* half an answer is none */
        return false;
    }
    s->awaits = failed(g.failure);
    if (!g.bytes || g.bytes < s->tls_due) {
        if (!s->awaits) stream_sent(s, &g, 0); /* an empty buffer */
        return false;
    }
    bool all = s->tls ? stream_write_tls(s, &g) : stream_write_plain(s, &g);
    *left -= g.bytes;
    return all && !s->awaits && *left;
}

static void stream_write(struct stream *s)
{
    size_t left = loop_turn_is_long(s->loop) ? WRITE_IN_LONG_TURN : WRITE_PER_TURN;
    if (s->awaits) return;
    while (s->out_first && !s->closed)
        if (!stream_write_once(s, &left)) break;
    if (s->closed) return;
    s->blocked = s->out_first != NULL;
    stream_rewatch(s);
    if (s->closed || s->blocked) return;
    if (s->closing && !s->lingering) stream_linger(s);
    else if (s->events->drained) s->events->drained(s, s->owner);
}

static void stream_flush(struct deferred *d)
{
    struct stream *s = CONTAINER_OF(d, struct stream, flush);
    if (!s->closed && !s->connecting && !s->shaking && !s->blocked) stream_write(s);
}

/* --- readiness ---------------------------------------------------------------------------------------- */

static void stream_connected(struct stream *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) error = errno;
    if (error) {
        stream_fail(s, FAIL(CLOSED));
        return;
    }
    s->connecting = false;
    stream_name_peer(s);
    stream_rewatch(s);
    if (s->closed) return;
    if (s->out_first) loop_defer(s->loop, &s->flush);
    if (s->events->connected) s->events->connected(s, s->owner);
    if (s->closing && !s->closed && !s->out_first) stream_linger(s);
}

static void stream_shake(struct stream *s)
{
    enum tls_result result = tls_handshake(s->tls);
    if (result == TLS_ENDED) {
        stream_fail(s, FAIL(CLOSED));
        return;
    }
    s->tls_blocked = result == TLS_WANTS_WRITE;
    s->shaking = result != TLS_DONE;
    stream_rewatch(s);
    if (s->closed || s->shaking) return;
    if (s->out_first) loop_defer(s->loop, &s->flush);
    if (s->events->connected) s->events->connected(s, s->owner);
}

static void stream_ready(struct watch *watch, uint32_t events)
{
    struct stream *s = CONTAINER_OF(watch, struct stream, watch);
    assert(s->magic == STREAM_MAGIC);
    if (s->connecting) {
        stream_connected(s);
        return;
    }
    if (s->shaking) {
        stream_shake(s);
        return;
    }
    bool reads = events & EPOLLIN;
    if (s->tls_blocked && (events & EPOLLOUT)) {
        s->tls_blocked = false;
        reads = stream_listens(s);
    }
    if (events & EPOLLOUT) stream_write(s);
    if (s->closed) return;
    if (s->lingering && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) stream_read_nothing(s);
    else if (reads) stream_read(s);
    /* The peer is gone although we are not reading now. */
    else if (events & (EPOLLHUP | EPOLLERR)) stream_fail(s, FAIL(CLOSED));
}
