/* listener.c - accepting connections, at most ACCEPTS_PER_TURN a turn; without descriptors, after a
 * pause. Loop thread. */
#include "io/listener.h"

#include "base/mem.h"
#include "io/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 32
#define LISTEN_BACKLOG 512
#define NO_FD_PAUSE_MS 100

struct listener {
    struct loop *loop;
    struct watch watch;
    struct timer pause;
    accept_fn accepted;
    void *owner;
    uint16_t port;
    bool held;
};

static void listener_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct listener *l = CONTAINER_OF(watch, struct listener, watch);
    for (int i = 0; i < ACCEPTS_PER_TURN && !l->held; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->accepted(fd, l->owner);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* The queue stays readable: look again a little later instead of spinning. */
            loop_unwatch(l->loop, watch);
            if (failed(loop_timer_set(l->loop, &l->pause, loop_now(l->loop) + NO_FD_PAUSE_MS)))
                (void)loop_watch(l->loop, watch, EPOLLIN);
        }
        return;
    }
}

static void listener_pause_over(struct timer *timer)
{
    struct listener *l = CONTAINER_OF(timer, struct listener, pause);
    if (failed(loop_watch(l->loop, &l->watch, EPOLLIN)))
        (void)loop_timer_set(l->loop, &l->pause, loop_now(l->loop) + NO_FD_PAUSE_MS);
}

/* Takes the bound fd. */
static status listener_start(struct loop *loop, int fd, accept_fn accepted, void *owner,
                             struct listener **ret_listener)
{
    struct listener *l = mem_zalloc(sizeof *l);
    status started = !l ? FAIL(NO_MEMORY)
                     : listen(fd, LISTEN_BACKLOG) < 0 ? status_from_errno(errno)
                                                      : OK;
    if (is_ok(started)) {
        *l = (struct listener){ .loop = loop, .accepted = accepted, .owner = owner };
        l->watch = (struct watch){ .ready = listener_ready, .fd = fd };
        timer_init(&l->pause, listener_pause_over);
        started = loop_watch(loop, &l->watch, EPOLLIN);
    }
    if (failed(started)) {
        close(fd);
        mem_free(l);
        return started;
    }
    *ret_listener = l;
    return OK;
}

status listener_new(struct loop *loop, const char *addr, uint16_t port, accept_fn accepted,
                    void *owner, struct listener **ret_listener)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len;
    if (!address_parse(addr, port, &at, &len)) return FAIL(INVALID);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return status_from_errno(errno);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        status refused = status_from_errno(errno);
        close(fd);
        return refused;
    }
    TRY(listener_start(loop, fd, accepted, owner, ret_listener));
    /* The port stands at the same place in both address families. */
    (*ret_listener)->port = ntohs(((struct sockaddr_in *)&at)->sin_port);
    return OK;
}

status listener_new_unix(struct loop *loop, int dir_fd, const char *name, accept_fn accepted,
                         void *owner, struct listener **ret_listener)
{
    struct sockaddr_un at;
    TRY(address_unix(dir_fd, name, &at));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return status_from_errno(errno);
    unlinkat(dir_fd, name, 0);
    /* The mode of the socket becomes that of its file: private from the first moment. */
    fchmod(fd, 0600);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        status refused = status_from_errno(errno);
        close(fd);
        return refused;
    }
    return listener_start(loop, fd, accepted, owner, ret_listener);
}

uint16_t listener_port(const struct listener *l) { return l->port; }

void listener_hold(struct listener *l, bool hold)
{
    if (l->held == hold) return;
    l->held = hold;
    loop_timer_clear(l->loop, &l->pause);
    if (hold) loop_unwatch(l->loop, &l->watch);
    else listener_pause_over(&l->pause);
}

void listener_free(struct listener *l)
{
    if (!l) return;
    loop_unwatch(l->loop, &l->watch);
    loop_timer_clear(l->loop, &l->pause);
    close(l->watch.fd);
    mem_free(l);
}
