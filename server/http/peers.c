/* peers.c - watches over connections; see peers.h. The lock guards the list, and with it that a
 * descriptor is still the client's when it is shut down. */
#include "http/peers.h"

#include "base/log.h"
#include "base/mem.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <utlist.h>

#define REQUEST_MS 10000       /* for the first line of a new connection, then for the headers */
#define IDLE_MS 60000          /* between two requests */
#define TRANSFER_MS 15000      /* for a body or an answer, and a second more for each … */
#define TRANSFER_BYTES_PER_S 4096
#define CROWDED_NUM 7          /* from 7/8 of max on, who waits is asked to leave */
#define CROWDED_DEN 8

struct peer {
    struct peers *peers;
    int fd;
    bool shut;          /* has been cut off */
    atomic_int phase;
    atomic_llong since; /* ms of the monotonic clock */
    atomic_llong bytes; /* of the body; of an answer: acknowledged when it was first looked at, -1 before */
    struct peer *prev, *next;
};

struct peers {
    int max, count;
    atomic_llong cut;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;
    struct peer *all; /* oldest first */
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t acknowledged(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0) return 0;
    return (int64_t)info.tcpi_bytes_acked;
}

static bool too_slow(int64_t spent, int64_t bytes)
{
    return spent > TRANSFER_MS + bytes * 1000 / TRANSFER_BYTES_PER_S;
}

static bool overdue(struct peer *c, int64_t now)
{
    int64_t spent = now - atomic_load(&c->since);
    switch ((enum peer_phase)atomic_load(&c->phase)) {
    case PEER_NEW:
    case PEER_HEADERS: return spent > REQUEST_MS;
    case PEER_IDLE: return spent > IDLE_MS;
    case PEER_BODY: return too_slow(spent, atomic_load(&c->bytes));
    case PEER_SERVICE: return false;
    case PEER_ANSWER: break;
    }
    int64_t acked = acknowledged(c->fd);
    int64_t unset = -1;
    atomic_compare_exchange_strong(&c->bytes, &unset, acked);
    return too_slow(spent, acked - atomic_load(&c->bytes));
}

/* Its HTTP thread finds the connection closed, and lets go of it. */
static void cut(struct peers *peers, struct peer *c)
{
    if (c->shut) return;
    c->shut = true;
    shutdown(c->fd, SHUT_RDWR);
    atomic_fetch_add(&peers->cut, 1);
}

/* Of those that ask nothing, as many as are too many. */
static void make_room(struct peers *peers, int64_t now)
{
    int many = peers->count - peers->max * CROWDED_NUM / CROWDED_DEN;
    struct peer *c;
    DL_FOREACH(peers->all, c) {
        if (many <= 0) return;
        int phase = atomic_load(&c->phase);
        bool waits = phase == PEER_NEW || phase == PEER_IDLE || phase == PEER_HEADERS;
        if (c->shut) many--;
        if (c->shut || !waits || now - atomic_load(&c->since) < 1000) continue;
        cut(peers, c);
        many--;
    }
}

static void *watch(void *arg)
{
    struct peers *peers = arg;
    pthread_mutex_lock(&peers->lock);
    while (!peers->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&peers->wake, &peers->lock, &until);
        int64_t now = now_ms();
        struct peer *c;
        DL_FOREACH(peers->all, c) {
            if (overdue(c, now)) cut(peers, c);
        }
        make_room(peers, now);
    }
    pthread_mutex_unlock(&peers->lock);
    return NULL;
}

struct peers *peers_new(int max)
{
    struct peers *peers = mem_zalloc(sizeof *peers);
    if (!peers) return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&peers->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&peers->lock, NULL);
    peers->max = max;
    if (pthread_create(&peers->thread, NULL, watch, peers) == 0) return peers;
    pthread_mutex_destroy(&peers->lock);
    pthread_cond_destroy(&peers->wake);
    mem_free(peers);
    return NULL;
}

void peers_free(struct peers *peers)
{
    if (!peers) return;
    pthread_mutex_lock(&peers->lock);
    peers->ending = true;
    pthread_cond_signal(&peers->wake);
    pthread_mutex_unlock(&peers->lock);
    pthread_join(peers->thread, NULL);
    pthread_mutex_destroy(&peers->lock);
    pthread_cond_destroy(&peers->wake);
    mem_free(peers);
}

int64_t peers_cut(const struct peers *peers) { return atomic_load(&peers->cut); }

struct peer *peer_new(struct peers *peers, int fd)
{
    struct peer *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->peers = peers;
    c->fd = fd;
    atomic_init(&c->phase, PEER_NEW);
    atomic_init(&c->since, now_ms());
    pthread_mutex_lock(&peers->lock);
    DL_APPEND(peers->all, c);
    peers->count++;
    pthread_mutex_unlock(&peers->lock);
    return c;
}

void peer_gone(struct peer *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->peers->lock);
    DL_DELETE(c->peers->all, c);
    c->peers->count--;
    pthread_mutex_unlock(&c->peers->lock);
    mem_free(c);
}

void peer_enter(struct peer *c, enum peer_phase phase)
{
    if (!c || atomic_load(&c->phase) == (int)phase) return;
    atomic_store(&c->phase, PEER_SERVICE); /* never a new phase with the time of the one before */
    atomic_store(&c->since, now_ms());
    atomic_store(&c->bytes, phase == PEER_ANSWER ? -1 : 0);
    atomic_store(&c->phase, (int)phase);
}

void peer_sent(struct peer *c, size_t bytes)
{
    if (c) atomic_fetch_add(&c->bytes, (long long)bytes);
}
