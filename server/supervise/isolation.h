/* isolation.h - a broker's own user, and what holds for its process. Domain thread. */
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Can this process start others as the user `uid`? False says in why what is missing (root, a
 * capability, a user namespace that knows the number); tried on a file that is made below `folder`. */
bool isolation_possible(const char *folder, uint32_t uid, struct why *why);
/* data/ and run/ of a broker's folder, and all below, to the user and its group; nothing when they are
 * theirs already. While its broker does not run. Links are not followed. */
status isolation_give(const char *folder, uint32_t uid, struct why *why);

/* What the kernel says of a process. */
struct proc_isolation {
    bool known;              /* false: it is gone */
    uint32_t uid;
    bool no_new_privileges, no_capabilities, seccomp;
    bool limits;             /* no core dumps, and the size of a file is bounded */
};
void isolation_read(int pid, struct proc_isolation *ret);
