/* invariants.h - what holds of a store after every completion (FORMAT.md, "Invariants"). */
#pragma once
#include "storage/storage_int.h"

#ifdef LEAT_INVARIANTS
/* Aborts with a sentence when one does not hold. Looks at no more than INVARIANT_LOGS logs, so that a debug
 * build stays usable with many partitions. Loop thread. */
void store_check(const struct store *store);
#else
static inline void store_check(const struct store *store) { (void)store; }
#endif
