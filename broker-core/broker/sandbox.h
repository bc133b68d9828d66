/* sandbox.h - a broker is hostile by assumption: before it serves it gives up what it does not need.
 * For the whole process and for good, so only programs ask for it (broker_options.sandbox). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* No new privileges; files below these two folders only (run_fd -1: none), and to read, below the
 * folders of `more`. Before the first thread
 * is started: a thread keeps what it was born with. False: the kernel cannot (said once in the log). */
bool sandbox_files(int data_fd, int run_fd, const int *more, size_t more_count);
/* After everything is bound: no new sockets, programs or processes, and none of the kernel's rarely
 * used doors; all threads. */
bool sandbox_calls(void);
