/* cgroups.h - a control group for each broker: its memory, its processes and its share of the processors,
 * by cgroup v2 or v1, where they can be made. Domain thread.
 *
 * v1: groups lie below leatd's own, so that what holds for leatd holds for its brokers, too. v2: beside it,
 * since a group with processes has no groups below it (and a service manager could not start leatd again
 * in one that has). Where a group cannot be made the process runs without, and `why` says what is missing. */
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum cgroup_kind { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_KINDS };

struct cgroups {
    int version;                       /* 1 or 2; 0: there are none */
    char name[32];                     /* of the group that holds those of all brokers of this service */
    char base[CGROUP_KINDS][512];      /* its folder; "": this kind cannot be limited */
    struct why why[CGROUP_KINDS];      /* why not */
};
struct cgroup_limits { /* -1: none */
    int64_t memory_bytes, processes;   /* processes: threads count */
    int64_t weight;                    /* of the processors when they are short; 100 is what all begin with */
};
struct cgroup_figures { /* -1: not limited by a group, or not known */
    int64_t memory_bytes, memory_limit_bytes; /* with the page cache of its files */
    int64_t processes, processes_limit, weight;
    int64_t out_of_memory;             /* how often the kernel killed in it for its memory */
};

/* What can be done here. `mounts`: "/sys/fs/cgroup"; `self`: "/proc/self/cgroup"; tag: the same for each
 * leatd of one data folder, and of no other. NULL mounts: switched off. */
void cgroups_find(struct cgroups *ret, const char *mounts, const char *self, const char *tag);
/* Makes the group of `id`, sets its limits, and moves the process there (0: there is none yet). Out of its
 * former group when that was of an earlier leatd elsewhere, which goes then. */
void cgroups_join(const struct cgroups *cgroups, const char *id, int pid,
                  const struct cgroup_limits *limits);
void cgroups_leave(const struct cgroups *cgroups, const char *id); /* its processes have ended; none: ok */
void cgroups_read(const struct cgroups *cgroups, const char *id, struct cgroup_figures *ret);
/* Removes groups that hold nobody and are not kept. */
void cgroups_tidy(const struct cgroups *cgroups, bool (*keep)(void *arg, const char *id), void *arg);
