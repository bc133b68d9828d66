/* lifecycle.c - SIGTERM (and SIGHUP) end leatd alone, brokers serve on; SIGINT stops all processes
 * first, gracefully; a second signal does not wait for them. */
#include "domain/lifecycle.h"

#include "base/log.h"
#include "domain/cluster_run.h"
#include "domain/clusters.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READY_LOOK_MS 10
#define READY_MAX_MS 15000

struct lifecycle {
    struct domain *domain;
    struct watch watch;
    struct timer timer;
    int64_t give_up_at;
    char cluster_id[ID_TEXT]; /* "": nothing to wait for */
    void (*ready)(void *arg);
    void *arg;
};

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void lifecycle_block_signals(void)
{
    sigset_t set;
    signal_set(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Tells the service manager that started us, when there is one: one datagram to the socket it named
 * (sd_notify(3); a name that begins with @ is an abstract one). */
static void tell_manager(const char *state)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path) return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_warn("the service manager's socket %s takes no message: %s", path, strerror(errno));
    close(fd);
}

static void all_stopped(void *arg)
{
    struct lifecycle *l = arg;
    log_info("all processes have ended");
    loop_stop(l->domain->loop);
}

static void on_signal(struct watch *watch, uint32_t events)
{
    struct lifecycle *l = CONTAINER_OF(watch, struct lifecycle, watch);
    struct signalfd_siginfo info;
    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info) return;
    tell_manager("STOPPING=1");
    if (info.ssi_signo == SIGINT && !l->domain->stopping) {
        l->domain->stopping = true;
        log_info("stopping all brokers, then leatd");
        supervisor_stop_all(l->domain->supervisor, all_stopped, l);
        return;
    }
    log_info("leatd ends; brokers serve on");
    loop_stop(l->domain->loop);
}

/* The demo serves: its broker runs and has its metadata. */
static bool demo_serves(const struct lifecycle *l, struct proc_info *info)
{
    char proc[64];
    if (!l->cluster_id[0]) return true;
    clusters_proc_id(l->cluster_id, proc);
    if (!supervisor_info(l->domain->supervisor, proc, info)) return true; /* deleted meanwhile */
    return info->state == PROC_RUNNING && engine_version(l->domain->engine, l->cluster_id) > 0;
}

static void look_whether_ready(struct timer *timer)
{
    struct lifecycle *l = CONTAINER_OF(timer, struct lifecycle, timer);
    struct proc_info info = { 0 };
    bool serves = demo_serves(l, &info);
    if (!serves && loop_now(l->domain->loop) < l->give_up_at) {
        (void)loop_timer_set(l->domain->loop, timer, loop_now(l->domain->loop) + READY_LOOK_MS);
        return;
    }
    if (!serves) log_warn("the demo's broker does not serve yet: %s", info.reason);
    cluster_run_helper_may_start(l->domain, l->cluster_id);
    l->ready(l->arg);
    tell_manager("READY=1");
}

status lifecycle_run(struct domain *domain, const char *cluster_id, void (*ready)(void *arg), void *arg)
{
    sigset_t set;
    struct lifecycle l = { .domain = domain, .ready = ready, .arg = arg };
    signal_set(&set);
    l.watch.ready = on_signal;
    l.watch.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l.watch.fd < 0) return status_from_errno(errno);
    if (cluster_id) str_copy(l.cluster_id, sizeof l.cluster_id, str_c(cluster_id));
    timer_init(&l.timer, look_whether_ready);
    l.give_up_at = loop_now(domain->loop) + READY_MAX_MS;
    status result = loop_watch(domain->loop, &l.watch, EPOLLIN);
    if (is_ok(result)) result = loop_timer_set(domain->loop, &l.timer, loop_now(domain->loop));
    if (is_ok(result)) loop_run(domain->loop);
    loop_timer_clear(domain->loop, &l.timer);
    loop_unwatch(domain->loop, &l.watch);
    close(l.watch.fd);
    return result;
}
