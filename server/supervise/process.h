/* process.h - one operating system process: start it, find it again, end it, look at it.
 *
 * Private to this layer. Nothing here decides: supervisor.c does. Domain thread only. */
#pragma once
#include "supervise/supervisor.h"

/* Makes the folder with data/, run/ and log/ (0700). */
status process_folders(const struct proc_spec *spec, struct why *why);
/* Starts it in a session of its own, stdin from /dev/null, output appended to its log. The pid file of
 * a plain process is written. */
status process_spawn(const struct proc_spec *spec, int *ret_pid, struct why *why);
/* Does a process hold the lock of the broker's data folder? */
bool process_lock_held(const struct proc_spec *spec);
/* Connects to the broker's control socket and asks the kernel who is behind it. */
status process_probe(int run_fd, int *ret_pid, uint32_t *ret_uid);
/* The plain process that its pid file names, if it is still the same one. */
bool process_find(const struct proc_spec *spec, int *ret_pid);
int process_pidfd(int pid); /* -1 when it is gone */
/* Can the ports it listens on be bound now? False also says which one cannot in why. */
bool process_port_free(const struct proc_spec *spec, struct why *why);
/* Why it ended: exit status or signal of a child, and the last line of its log. */
void process_reason(const struct proc_spec *spec, int pidfd, struct why *why);
void process_log_path(const struct proc_spec *spec, char *ret, size_t size);
/* Resident memory and CPU time; zeros when it is gone. */
void process_figures(int pid, int64_t *ret_memory_bytes, int64_t *ret_cpu_ms);
