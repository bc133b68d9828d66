/* processes.h - the processes of a cluster: what they use, and what they wrote to their logs. */
#pragma once
#include "domain/domain.h"

#define PROCESSES_MAX 2

struct process_row {
    char id[64];
    const char *role;        /* "broker", "demo" */
    struct proc_info info;
    struct proc_usage usage; /* -1: the kernel does not say */
};
struct processes {
    struct process_row rows[PROCESSES_MAX];
    int count;
    int64_t disk_bytes, files; /* what lies in the cluster's folder, as the file system counts it */
};
/* done() comes later, once the folder was gone through (on the pool). NOT_FOUND. Domain thread. */
typedef void (*processes_done)(void *arg, status result, const struct processes *processes);
void processes_list(struct domain *domain, struct str cluster_id, processes_done done, void *arg);
/* The last lines of its broker's log; empty before there is one. Any thread. */
status processes_log(const struct domain *domain, const char *cluster_id, int lines, struct buf *out);
