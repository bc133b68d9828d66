/* lockout.h - failed logins cost time: by login and address together after 5, by address alone
 * after 20, doubling from 1 s to 15 min. In memory, bounded. Domain thread. */
#pragma once
#include "base/bytes.h"

#define LOCKOUT_ENTRIES 1024

struct lockout {
    struct lockout_entry {
        uint64_t key;          /* 0: free */
        int failures;
        int64_t until, last;   /* ms, monotonic */
    } entries[LOCKOUT_ENTRIES];
};

/* Milliseconds to wait before the next try; 0: try. */
int64_t lockout_wait(const struct lockout *l, struct str login, struct str address, int64_t now);
void lockout_failed(struct lockout *l, struct str login, struct str address, int64_t now);
void lockout_passed(struct lockout *l, struct str login, struct str address);
