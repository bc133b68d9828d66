/* store.h - the data folder of one broker: partition logs, the commit journal, checkpoint, recovery.
 *
 * Runs on the broker's loop thread; syncs run on the loop's lanes. Format and durability protocol:
 * FORMAT.md beside this file. */
#pragma once
#include "base/uuid.h"
#include "io/fs.h"
#include "io/loop.h"
#include "storage/log_config.h"

struct store;
struct plog;

struct store_options {
    struct fs *fs;     /* root is the data folder */
    struct loop *loop; /* NULL: no jobs, everything synchronous (recovery tools, some tests) */
    /* Is this partition in the metadata image? Fills its config. Asked during recovery. */
    bool (*known)(void *arg, struct uuid topic, int32_t partition, struct log_config *ret_config);
    /* High watermark of a partition moved (parked fetches, group commits wait for this). Called
     * on the loop, never from inside a plog_append of the same call chain. */
    void (*moved)(void *arg, struct plog *log);
    /* A sync failed: nothing more is acknowledged; the process has to exit. */
    void (*fatal)(void *arg, status why);
    void *arg;
};

/* Recovers everything (synchronously), then is ready to serve. */
status store_open(const struct store_options *options, struct store **ret_store);
/* Clean stop: checkpoint, journals cut to 0 (synchronously, after running jobs ended). */
status store_stop(struct store *store);
void store_free(struct store *store); /* NULL ok; without store_stop this is like a kill */

/* Raised and persisted by every start; serves as leader epoch. >= 1. */
int32_t store_epoch(const struct store *store);
int64_t store_bytes(const struct store *store); /* all segments, on disk */

/* The log of a partition, made at first use (lazily: no file before the first append). NULL: no
 * memory. The pointer stays valid until store_delete_topic. */
struct plog *store_log(struct store *store, struct uuid topic, int32_t partition,
                       const struct log_config *config);
struct plog *store_find(struct store *store, struct uuid topic, int32_t partition); /* or NULL */
/* The image without this topic is durable: appends are refused, folders go in the background. */
void store_delete_topic(struct store *store, struct uuid topic);
/* Retention by time and size over all logs; unlinking happens in the background. Returns when (on
 * loop_now's clock, ms) something could next expire, or INT64_MAX: the caller arms a timer. */
int64_t store_retain(struct store *store);
