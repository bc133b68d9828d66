/* sandbox.h - a broker is hostile by assumption: before it serves it gives up what it does not need.
 * For the whole process and for good, so only programs ask for it (broker_options.sandbox, .uid).
 * Where the kernel or a container cannot do a part, the others hold all the same. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Becomes that user and the group of the same number, with no other groups and no capability but
 * CAP_NET_BIND_SERVICE (see sandbox_capabilities); at most 256 threads. Before any file is made. */
bool sandbox_user(uint32_t uid);
/* Gives up all capabilities; after the ports are bound. */
bool sandbox_capabilities(void);
/* No core dumps; no file above 4 GiB. */
void sandbox_limits(void);
/* No new privileges; files below these two folders only (run_fd -1: none), and to read, below the
 * folders of `more`; no further TCP bind or connect, no signals and abstract sockets to the outside
 * (as far as this kernel's Landlock goes). Before the first thread is started: a thread keeps what it
 * was born with. The version of Landlock that holds; 0: the kernel cannot (said once in the log). */
int sandbox_files(int data_fd, int run_fd, const int *more, size_t more_count);
/* After everything is bound: no new sockets, programs or processes, no signal to another process, and
 * none of the kernel's rarely used doors; all threads. */
bool sandbox_calls(void);
