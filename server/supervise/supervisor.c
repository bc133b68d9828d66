/* supervisor.c - what should run, runs: the state machine of each process. Domain thread.
 *
 *   STARTING -> RUNNING -> (ends) -> STARTING at once, then BACKOFF with doubling waits
 *   after CRASH_LOOP_FAILURES quick ends in a row: CRASH_LOOP, until somebody restarts it
 *   WAITING_PORT while its port is taken; STOPPING -> STOPPED on request
 *
 * Each process has one timer (`step`), set only while something is awaited; a running process costs
 * nothing. Its end is seen by a pidfd, so a process that is not our child (adopted after leatd was
 * killed) is watched just as well. */
#include "supervise/supervisor.h"

#include "base/hash.h"
#include "base/log.h"
#include "supervise/isolation.h"
#include "supervise/log_file.h"
#include "supervise/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CRASH_LOOP_FAILURES 8
#define HEALTHY_AFTER_MS 10000 /* a run of this length forgives earlier failures */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
#define PROBE_MS 5
#define PROBE_MAX_MS 100
#define PORT_RETRY_MS 300
#define STOP_TIMEOUT_MS 20000
#define ARGV_MAX 24
#define LOGS_LOOK_MS 10000

#define FIGURES_AGE_MS 1000

struct proc {
    struct supervisor *supervisor;
    struct proc_spec spec; /* argv owned */
    enum proc_state state;
    bool wanted, again, forget, adopted;
    int pid, pidfd, run_fd;
    int failures, restarts, probe_ms;
    int64_t since, started_at, started_mono;
    struct why reason, verdict, end_reason;
    int64_t ended_at;
    int figures_pid;         /* whose figures these are; 0: none were read */
    int64_t figures_at, memory_bytes, cpu_ms;
    struct timer step;
    struct watch exit;
    void (*stopped)(void *arg);
    void *stopped_arg;
    UT_hash_handle hh;
};

struct supervisor {
    struct loop *loop;
    struct supervisor_events events;
    const struct cgroups *cgroups; /* NULL: none */
    struct proc *procs;
    struct timer logs;
    struct deferred all_stopped;
    void (*all_done)(void *arg);
    void *all_arg;
};

const char *proc_state_name(enum proc_state state)
{
    static const char *const names[] = {
        [PROC_STOPPED] = "stopped",           [PROC_STARTING] = "starting",
        [PROC_RUNNING] = "running",           [PROC_BACKOFF] = "backoff",
        [PROC_WAITING_PORT] = "waiting_port", [PROC_CRASH_LOOP] = "crash_loop",
        [PROC_STOPPING] = "stopping",
    };
    return names[state];
}

static struct proc *find(const struct supervisor *s, const char *id)
{
    struct proc *p = NULL;
    HASH_FIND_STR(s->procs, id, p);
    return p;
}

static void changed(struct proc *p)
{
    const struct supervisor_events *e = &p->supervisor->events;
    if (e->changed) e->changed(e->arg, p->spec.id);
}

static void enter(struct proc *p, enum proc_state state)
{
    if (p->state != state) p->since = loop_wall(p->supervisor->loop);
    p->state = state;
    if (state == PROC_RUNNING) p->reason.text[0] = 0;
    changed(p);
}

static void step_after(struct proc *p, int64_t ms)
{
    struct loop *loop = p->supervisor->loop;
    status s = loop_timer_set(loop, &p->step, loop_now(loop) + ms);
    if (failed(s)) log_error("%s: no timer: %s", p->spec.id, status_text(s));
}

static void join_group(const struct proc *p)
{
    const struct cgroups *c = p->supervisor->cgroups;
    if (c && p->spec.is_broker) cgroups_join(c, p->spec.cluster_id, p->pid, &p->spec.limits);
}

/* Ended for good (as wanted): tells who waits, and forgets it if so asked. */
static void rest(struct proc *p)
{
    struct supervisor *s = p->supervisor;
    void (*done)(void *) = p->stopped;
    void *arg = p->stopped_arg;
    bool forget = p->forget;
    p->stopped = NULL;
    loop_timer_clear(s->loop, &p->step);
    if (s->cgroups && p->spec.is_broker) cgroups_leave(s->cgroups, p->spec.cluster_id);
    enter(p, PROC_STOPPED);
    if (forget) {
        HASH_DEL(s->procs, p);
        for (int i = 0; i < ARGV_MAX; i++) mem_free(p->spec.argv[i]);
        if (p->run_fd >= 0) close(p->run_fd);
        mem_free(p);
    }
    if (done) done(arg);
    if (s->all_done) loop_defer(s->loop, &s->all_stopped);
}

/* It is not running although it should be. */
static void failure(struct proc *p)
{
    int64_t wait = 0;
    if (loop_now(p->supervisor->loop) - p->started_mono >= HEALTHY_AFTER_MS) p->failures = 0;
    p->failures++;
    p->restarts++;
    log_warn("%s %s", p->spec.id, p->reason.text);
    if (p->failures >= CRASH_LOOP_FAILURES) {
        log_error("%s failed %d times in a row and is left alone", p->spec.id, p->failures);
        enter(p, PROC_CRASH_LOOP);
        return;
    }
    if (p->failures > 1) wait = (int64_t)BACKOFF_FIRST_MS << (p->failures - 2);
    if (wait > BACKOFF_MAX_MS) wait = BACKOFF_MAX_MS;
    enter(p, wait ? PROC_BACKOFF : PROC_STARTING);
    step_after(p, wait);
}

static void forget_process(struct proc *p)
{
    loop_unwatch(p->supervisor->loop, &p->exit);
    loop_timer_clear(p->supervisor->loop, &p->step);
    if (p->pidfd >= 0) close(p->pidfd);
    p->pidfd = -1;
    p->pid = 0;
    p->adopted = false;
}

static void ended(struct watch *watch, uint32_t events)
{
    struct proc *p = CONTAINER_OF(watch, struct proc, exit);
    (void)events;
    process_reason(&p->spec, p->pidfd, &p->reason);
    if (p->verdict.text[0]) p->reason = p->verdict;
    p->verdict.text[0] = 0;
    if (p->wanted && !p->again) {
        p->end_reason = p->reason;
        p->ended_at = loop_wall(p->supervisor->loop);
    }
    forget_process(p);
    if (!p->wanted) {
        p->reason.text[0] = 0;
        rest(p);
    } else if (p->again) {
        p->again = false;
        p->failures = 0;
        p->restarts++;
        enter(p, PROC_STARTING);
        step_after(p, 0);
    } else {
        failure(p);
    }
}

static status watch_process(struct proc *p, int pid)
{
    p->pidfd = process_pidfd(pid);
    if (p->pidfd < 0) return status_from_errno(errno);
    p->pid = pid;
    p->exit = (struct watch){ .ready = ended, .fd = p->pidfd };
    p->started_at = loop_wall(p->supervisor->loop);
    p->started_mono = loop_now(p->supervisor->loop);
    return loop_watch(p->supervisor->loop, &p->exit, EPOLLIN);
}

static void running(struct proc *p)
{
    const struct supervisor_events *e = &p->supervisor->events;
    log_info("%s %s as process %d", p->spec.id, p->adopted ? "was found running" : "runs", p->pid);
    enter(p, PROC_RUNNING);
    if (p->spec.is_broker && e->ready) e->ready(e->arg, p->spec.id);
}

static int run_dir(struct proc *p)
{
    if (p->run_fd < 0) {
        char path[sizeof p->spec.folder + 8];
        snprintf(path, sizeof path, "%s/run", p->spec.folder);
        p->run_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return p->run_fd;
}

static uint32_t user_of(const struct proc *p) { return p->spec.uid ? p->spec.uid : geteuid(); }

static void ask_to_end(struct proc *p)
{
    (void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGTERM, NULL, 0);
    enter(p, PROC_STOPPING);
    step_after(p, STOP_TIMEOUT_MS);
}

/* A process of an earlier leatd: true when there is one (found, or still on its way up or down). */
static bool adopt(struct proc *p)
{
    int pid = 0;
    uint32_t uid = user_of(p);
    if (p->spec.is_broker) {
        if (!process_lock_held(&p->spec)) return false;
        bool answers = is_ok(process_probe(run_dir(p), &pid, &uid));
        /* One of another user is started anew when it is of our own, from before brokers had theirs. */
        if (!answers || (uid != user_of(p) && uid != geteuid())) {
            if (answers) why_set(&p->reason, "a process of user %u serves its folder; waiting for it", uid);
            else why_set(&p->reason, "another process holds its data folder; waiting for it");
            enter(p, PROC_STARTING);
            step_after(p, PROBE_MAX_MS);
            return true;
        }
    } else if (!process_find(&p->spec, &pid)) {
        return false;
    }
    if (failed(watch_process(p, pid))) {
        step_after(p, PROBE_MS); /* it ended this very moment */
        return true;
    }
    p->adopted = true;
    join_group(p);
    if (uid != user_of(p)) {
        log_info("%s runs as user %u and is started anew as user %u", p->spec.id, uid, user_of(p));
        p->again = true;
        ask_to_end(p);
        return true;
    }
    running(p);
    return true;
}

static void rotate_log(const struct proc *p)
{
    char path[sizeof p->spec.folder + 128];
    process_log_path(&p->spec, path, sizeof path);
    log_file_rotate(path);
}

static void look_at_logs(struct timer *timer)
{
    struct supervisor *s = CONTAINER_OF(timer, struct supervisor, logs);
    for (const struct proc *p = s->procs; p; p = p->hh.next) rotate_log(p);
    (void)loop_timer_set(s->loop, timer, loop_now(s->loop) + LOGS_LOOK_MS);
}

static void start(struct proc *p)
{
    int pid = 0;
    if (!process_port_free(&p->spec, &p->reason)) {
        if (p->state != PROC_WAITING_PORT) log_warn("%s: %s", p->spec.id, p->reason.text);
        enter(p, PROC_WAITING_PORT);
        step_after(p, PORT_RETRY_MS);
        return;
    }
    rotate_log(p);
    status s = p->spec.is_broker ? isolation_give(p->spec.folder, user_of(p), &p->reason) : OK;
    if (is_ok(s)) s = process_spawn(&p->spec, &pid, &p->reason);
    if (failed(s)) {
        p->started_mono = loop_now(p->supervisor->loop);
        failure(p);
        return;
    }
    s = watch_process(p, pid);
    if (failed(s)) { /* no descriptor to watch it with: better not to have it */
        kill(pid, SIGKILL);
        why_set(&p->reason, "cannot be watched: %s", status_text(s));
        failure(p);
        return;
    }
    join_group(p);
    enter(p, PROC_STARTING);
    if (!p->spec.is_broker) {
        running(p);
        return;
    }
    p->probe_ms = PROBE_MS;
    step_after(p, PROBE_MS);
}

/* The process is there; is its control socket? */
static void probe(struct proc *p)
{
    int pid = 0;
    uint32_t uid;
    if (is_ok(process_probe(run_dir(p), &pid, &uid)) && pid == p->pid) {
        running(p);
        return;
    }
    if (p->probe_ms < PROBE_MAX_MS) p->probe_ms += PROBE_MS;
    step_after(p, p->probe_ms);
}

/* Not wanted any more, and not yet found: is there one of an earlier leatd, perhaps still on its way up? */
static void end_found(struct proc *p)
{
    int pid = 0;
    uint32_t uid = user_of(p);
    if (p->spec.is_broker && !process_lock_held(&p->spec)) {
        rest(p);
    } else if ((p->spec.is_broker ? is_ok(process_probe(run_dir(p), &pid, &uid)) &&
                                        (uid == user_of(p) || uid == geteuid())
                                  : process_find(&p->spec, &pid)) &&
               is_ok(watch_process(p, pid))) {
        ask_to_end(p);
    } else if (p->spec.is_broker) {
        step_after(p, PROBE_MAX_MS);
    } else {
        rest(p);
    }
}

static void step(struct timer *timer)
{
    struct proc *p = CONTAINER_OF(timer, struct proc, step);
    if (p->state == PROC_STOPPING && p->pidfd < 0) {
        end_found(p);
    } else if (p->state == PROC_STOPPING) {
        log_warn("%s does not end when asked to; it is killed", p->spec.id);
        (void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
    } else if (p->pid) {
        probe(p);
    } else if (failed(process_folders(&p->spec, &p->reason))) {
        p->started_mono = loop_now(p->supervisor->loop);
        failure(p);
    } else if (!adopt(p)) {
        start(p);
    }
}

/* --- public ---------------------------------------------------------------------------------------- */
static void tell_all_stopped(struct deferred *deferred)
{
    struct supervisor *s = CONTAINER_OF(deferred, struct supervisor, all_stopped);
    for (struct proc *p = s->procs; p; p = p->hh.next)
        if (p->state != PROC_STOPPED) return;
    void (*done)(void *) = s->all_done;
    s->all_done = NULL;
    if (done) done(s->all_arg);
}

status supervisor_new(struct loop *loop, const struct supervisor_events *events,
                      struct supervisor **ret_supervisor)
{
    struct supervisor *s = mem_zalloc(sizeof *s);
    if (!s) return FAIL(NO_MEMORY);
    s->loop = loop;
    s->events = *events;
    s->all_stopped.run = tell_all_stopped;
    timer_init(&s->logs, look_at_logs);
    status timed = loop_timer_set(loop, &s->logs, loop_now(loop) + LOGS_LOOK_MS);
    if (failed(timed)) {
        mem_free(s);
        return timed;
    }
    *ret_supervisor = s;
    return OK;
}

static void proc_free(struct proc *p)
{
    forget_process(p);
    for (int i = 0; i < ARGV_MAX; i++) mem_free(p->spec.argv[i]);
    if (p->run_fd >= 0) close(p->run_fd);
    mem_free(p);
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor) return;
    struct proc *p, *next;
    loop_undefer(supervisor->loop, &supervisor->all_stopped);
    loop_timer_clear(supervisor->loop, &supervisor->logs);
    HASH_ITER(hh, supervisor->procs, p, next) {
        HASH_DEL(supervisor->procs, p);
        proc_free(p);
    }
    mem_free(supervisor);
}

void supervisor_set_events(struct supervisor *supervisor, const struct supervisor_events *events)
{
    supervisor->events = *events;
}

static status copy_argv(struct proc *p, const struct proc_spec *spec)
{
    memset(p->spec.argv, 0, sizeof p->spec.argv);
    for (int i = 0; i < ARGV_MAX - 1 && spec->argv[i]; i++) {
        p->spec.argv[i] = mem_strdup(spec->argv[i]);
        if (!p->spec.argv[i]) return FAIL(NO_MEMORY);
    }
    return OK;
}

status supervisor_want(struct supervisor *supervisor, const struct proc_spec *spec)
{
    struct proc *p = find(supervisor, spec->id);
    if (!p) {
        p = mem_zalloc(sizeof *p);
        if (!p) return FAIL(NO_MEMORY);
        p->supervisor = supervisor;
        p->spec = *spec;
        p->pidfd = p->run_fd = p->exit.fd = -1;
        timer_init(&p->step, step);
        status s = copy_argv(p, spec);
        if (is_ok(s)) {
            HASH_ADD_STR(supervisor->procs, spec.id, p);
            if (!HASH_ADDED(hh, p)) s = FAIL(NO_MEMORY);
        }
        if (failed(s)) {
            proc_free(p);
            return s;
        }
    }
    if (p->wanted) return OK;
    p->wanted = true;
    p->forget = false;
    p->failures = 0;
    if (p->state == PROC_STOPPING && p->pidfd >= 0) { /* comes up again once it has ended */
        p->again = true;
        return OK;
    }
    enter(p, PROC_STARTING);
    step_after(p, 0);
    return OK;
}

void supervisor_stop(struct supervisor *supervisor, const char *proc_id, bool forget,
                     void (*done)(void *arg), void *arg)
{
    struct proc *p = find(supervisor, proc_id);
    if (!p) {
        if (done) done(arg);
        return;
    }
    p->wanted = p->again = false;
    p->forget |= forget;
    p->stopped = done;
    p->stopped_arg = arg;
    if (p->pidfd >= 0) {
        ask_to_end(p);
    } else if (p->state == PROC_STARTING) { /* wanted and not yet found */
        enter(p, PROC_STOPPING);
        step_after(p, 0);
    } else {
        rest(p);
    }
}

status supervisor_restart(struct supervisor *supervisor, const char *proc_id)
{
    struct proc *p = find(supervisor, proc_id);
    if (!p || !p->wanted) return FAIL(NOT_FOUND);
    if (p->pidfd >= 0) {
        p->again = true;
        ask_to_end(p);
        return OK;
    }
    p->failures = 0;
    enter(p, PROC_STARTING);
    step_after(p, 0);
    return OK;
}

void supervisor_kill(struct supervisor *supervisor, const char *proc_id, const char *verdict)
{
    struct proc *p = find(supervisor, proc_id);
    if (!p || p->pidfd < 0) return;
    log_error("%s is killed: %s", proc_id, verdict);
    why_set(&p->verdict, "%s", verdict);
    (void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

void supervisor_set_cgroups(struct supervisor *supervisor, const struct cgroups *cgroups)
{
    supervisor->cgroups = cgroups;
}

void supervisor_set_limits(struct supervisor *supervisor, const char *proc_id,
                           const struct cgroup_limits *limits)
{
    struct proc *p = find(supervisor, proc_id);
    if (!p) return;
    p->spec.limits = *limits;
    if (p->pid > 0) join_group(p);
}

void supervisor_stop_all(struct supervisor *supervisor, void (*done)(void *arg), void *arg)
{
    struct proc *p, *next;
    supervisor->all_done = done;
    supervisor->all_arg = arg;
    HASH_ITER(hh, supervisor->procs, p, next) {
        if (p->state != PROC_STOPPED && p->state != PROC_STOPPING)
            supervisor_stop(supervisor, p->spec.id, p->forget, NULL, NULL);
        else p->wanted = p->again = false;
    }
    loop_defer(supervisor->loop, &supervisor->all_stopped);
}

/* A fleet of a thousand is asked for as a whole, and often. One that has just begun has no memory yet. */
static void figures_refresh(struct proc *p)
{
    int64_t now = loop_now(p->supervisor->loop);
    bool fresh = p->figures_pid == p->pid && now - p->figures_at < FIGURES_AGE_MS;
    if (fresh && (p->memory_bytes > 0 || !p->pid)) return;
    p->figures_pid = p->pid;
    p->figures_at = now;
    process_figures(p->pid, &p->memory_bytes, &p->cpu_ms);
}

bool supervisor_info(struct supervisor *supervisor, const char *proc_id, struct proc_info *ret_info)
{
    struct proc *p = find(supervisor, proc_id);
    if (!p) return false;
    *ret_info = (struct proc_info){ .state = p->state, .pid = p->pid, .since = p->since,
                                    .started_at = p->pid ? p->started_at : 0,
                                    .restarts = p->restarts, .adopted = p->adopted,
                                    .ended_at = p->ended_at };
    memcpy(ret_info->end_reason, p->end_reason.text, sizeof ret_info->end_reason);
    static_assert(sizeof ret_info->reason == sizeof p->reason.text, "the same sentence");
    memcpy(ret_info->reason, p->reason.text, sizeof ret_info->reason);
    figures_refresh(p);
    ret_info->memory_bytes = p->memory_bytes;
    ret_info->cpu_ms = p->cpu_ms;
    return true;
}

int supervisor_run_dir(struct supervisor *supervisor, const char *proc_id)
{
    struct proc *p = find(supervisor, proc_id);
    return p ? run_dir(p) : -1;
}
