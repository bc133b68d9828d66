/* connection_rate.c - what becomes of connections beyond the rate of their address or of the plan.
 * Loop thread. */
#include "broker/connection_rate.h"

#include <arpa/inet.h>
#include <unistd.h>

enum { KEPT_MAX = 256, KEPT_MAX_MS = 1000 };

struct kept_connection {
    struct broker *broker;
    int fd;
    struct timer timer;
    struct kept_connection *prev, *next;
};

static void let_go(struct kept_connection *k)
{
    struct broker *b = k->broker;
    loop_timer_clear(b->loop, &k->timer);
    DL_DELETE(b->kept_connections, k);
    b->kept_count--;
    close(k->fd);
    mem_free(k);
}

static void time_is_over(struct timer *timer)
{
    let_go(CONTAINER_OF(timer, struct kept_connection, timer));
}

/* false: closed at once instead. */
static bool keep(struct broker *b, int fd, int32_t ms)
{
    struct kept_connection *k = b->kept_count < KEPT_MAX ? mem_zalloc(sizeof *k) : NULL;
    if (!k) return false;
    *k = (struct kept_connection){ .broker = b, .fd = fd };
    timer_init(&k->timer, time_is_over);
    if (failed(loop_timer_set(b->loop, &k->timer, loop_now(b->loop) + ms))) {
        mem_free(k);
        return false;
    }
    DL_APPEND(b->kept_connections, k);
    b->kept_count++;
    return true;
}

static struct str address_of(int fd, char text[INET6_ADDRSTRLEN])
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    socklen_t len = sizeof a;
    if (getpeername(fd, &a.any, &len) < 0) return STR("");
    const void *bytes = a.any.sa_family == AF_INET ? (const void *)&a.v4.sin_addr : &a.v6.sin6_addr;
    return inet_ntop(a.any.sa_family, bytes, text, INET6_ADDRSTRLEN) ? str_c(text) : STR("");
}

bool connection_rate_exceeded(struct broker *b, int fd)
{
    char text[INET6_ADDRSTRLEN];
    if (!b->quotas || !quotas_any_connection(b->quotas)) return false;
    int32_t ms = quotas_connect(b->quotas, address_of(fd, text), loop_now(b->loop));
    if (ms == 0) return false;
    b->stats.connections_refused++;
    if (!keep(b, fd, ms < KEPT_MAX_MS ? ms : KEPT_MAX_MS)) close(fd);
    return true;
}

void connection_rate_stop(struct broker *b)
{
    while (b->kept_connections) let_go(b->kept_connections);
}
