/* migrate.h - the migrations of this program, embedded at build; inside server/store only. */
#pragma once
#include <stddef.h>

struct migration {
    int number;       /* 1, 2, 3 … without a gap */
    const char *name; /* "0001_first.sql" */
    const char *sql;
    size_t len;
};
extern const struct migration migrations[];
extern const size_t migration_count;
