/* features.h - the table of features.def for who asks by name (KIP-584). Any thread; no state. */
#pragma once
#include "base/bytes.h"

struct feature {
    const char *name;
    int16_t lowest, highest; /* the levels this binary supports */
    int16_t level;           /* the one it runs; 0: off */
};
const struct feature *feature_table(size_t *ret_count);
const struct feature *feature_find(struct str name); /* NULL: unknown */
