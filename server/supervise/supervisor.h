/* supervisor.h - the processes leatd wants: start, readiness, restart with backoff, stop, adoption.
 *
 * Domain thread only. A broker runs in its own session and outlives leatd; the next leatd finds it
 * by its sockets and the lock on its data folder. Exits are noticed by pidfd. */
#pragma once
#include "base/status.h"
#include "io/loop.h"
#include "supervise/cgroups.h"

struct supervisor;

enum proc_state { PROC_STOPPED, PROC_STARTING, PROC_RUNNING, PROC_BACKOFF, PROC_WAITING_PORT,
                  PROC_CRASH_LOOP, PROC_STOPPING };
const char *proc_state_name(enum proc_state state); /* "running" … */

struct proc_spec {
    char id[64];         /* "lkc-abc123-1", "demo-lkc-…" */
    char cluster_id[40];
    bool is_broker;      /* has sockets and a data folder; else a plain process (demo generator) */
    char folder[512];    /* DATA/clusters/<id>: data/, run/, log/ */
    uint32_t uid;        /* a broker's own user, who owns data/ and run/; 0: that of this process */
    struct cgroup_limits limits; /* of a broker's control group */
    char *argv[24];      /* program and arguments, NULL at the end; owned by the spec's maker,
                            copied by supervisor_want. Secrets never travel in argv */
};
struct proc_info {
    enum proc_state state;
    int pid;
    char reason[256];    /* why it is not running, a sentence; "" when fine */
    int64_t since;       /* ms since 1970: in this state */
    int64_t started_at;
    int restarts;
    int64_t memory_bytes, cpu_ms; /* of /proc, at most a second old */
    bool adopted;
    int64_t ended_at;    /* the last time it ended unasked, and why; 0 never since this leatd began */
    char end_reason[256];
};
/* Dearer to ask the kernel for; -1: it does not say (another user's process, without CAP_SYS_PTRACE). */
struct proc_usage {
    int64_t rss_bytes, pss_bytes, cpu_ms, threads, open_files;
};
void process_usage(int pid, struct proc_usage *ret); /* any thread */

struct supervisor_events {
    /* A broker's sockets answer (also after adoption): the engine dials them now. */
    void (*ready)(void *arg, const char *proc_id);
    void (*changed)(void *arg, const char *proc_id); /* any change of state */
    void *arg;
};

/* Before any broker is wanted: ends those below `folder` that a killed leatd had started a moment ago and
 * that have not taken the lock of their data folder yet: they have served nobody, and could not be found. */
void supervisor_end_strays(const char *folder);
status supervisor_new(struct loop *loop, const struct supervisor_events *events,
                      struct supervisor **ret_supervisor);
void supervisor_free(struct supervisor *supervisor); /* processes go on */
void supervisor_set_events(struct supervisor *supervisor, const struct supervisor_events *events);

/* Brokers get control groups by it from now on; it outlives the supervisor. */
void supervisor_set_cgroups(struct supervisor *supervisor, const struct cgroups *cgroups);
/* Other limits for a broker that is wanted, at once. */
void supervisor_set_limits(struct supervisor *supervisor, const char *proc_id,
                           const struct cgroup_limits *limits);

status supervisor_want(struct supervisor *supervisor, const struct proc_spec *spec); /* run it */
/* Gracefully (SIGTERM, SIGKILL after 20 s); done may be NULL. forget: drop it afterwards. */
void supervisor_stop(struct supervisor *supervisor, const char *proc_id, bool forget,
                     void (*done)(void *arg), void *arg);
status supervisor_restart(struct supervisor *supervisor, const char *proc_id); /* also out of a crash loop */
/* It runs and yet does not work: kills it, to be started again with `verdict` as the reason. */
void supervisor_kill(struct supervisor *supervisor, const char *proc_id, const char *verdict);
void supervisor_stop_all(struct supervisor *supervisor, void (*done)(void *arg), void *arg);
bool supervisor_info(struct supervisor *supervisor, const char *proc_id, struct proc_info *ret_info);
int supervisor_run_dir(struct supervisor *supervisor, const char *proc_id); /* fd of run/, or -1 */
