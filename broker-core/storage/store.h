/* store.h - the data folder of one broker: partition logs, the commit journal, checkpoint, recovery.
 *
 * Runs on the broker's loop thread; syncs run on the loop's lanes. Format and durability protocol:
 * FORMAT.md beside this file. */
#pragma once
#include "base/buf.h"
#include "base/uuid.h"
#include "io/fs.h"
#include "io/loop.h"
#include "io/reserve.h"
#include "storage/log_config.h"

struct store;
struct plog;

/* When the journal gives way to other means (FORMAT.md, "Tunables"); tests make them small. */
struct store_tuning {
    int64_t direct_min;   /* from here on a partition's span syncs its own segment */
    int64_t span_max;     /* largest span of one partition in a frame */
    int64_t frame_max;
    int64_t journal_cap;  /* a checkpoint is wanted */
    int64_t journal_hard; /* all commits are direct */
    int64_t tail_max;     /* bytes above the recovery points: a checkpoint is wanted */
    int64_t snapshot_every; /* bytes of one log above its snapshot: the next checkpoint takes a new one */
    int64_t fold_max;     /* of all logs together: those with more than their share do */
    int32_t checkpoint_slice; /* logs of a checkpoint captured in one turn, synced in one job; 0: 128 */
    int32_t recovery_syncs; /* of files and folders one by one; more are synced all at once */
};
extern const struct store_tuning store_tuning_default;

struct store_options {
    struct fs *fs;     /* root is the data folder */
    /* Of the same disk: serves internal topics, markers, checkpoints and recovery when that is full; kept
     * whole by store_retain and with what is appended. NULL: none. */
    struct reserve *reserve;
    int32_t format;    /* of a new folder; 0: the newest */
    /* NULL: no jobs, everything synchronous (recovery tools, some tests): an append is durable and
     * its waits are called when plog_append returns. */
    struct loop *loop;
    /* Is this partition in the metadata image? Fills its config. Asked during recovery. */
    bool (*known)(void *arg, struct uuid topic, int32_t partition, struct log_config *ret_config);
    /* High watermark of a partition moved (parked fetches, group commits wait for this), or its log start, or
     * compaction took records out. Called
     * on the loop, never from inside a plog_append of the same call chain. */
    void (*moved)(void *arg, struct plog *log);
    /* store_state() is another now. NULL ok. Called from inside
     * calls that change logs: it only takes note. */
    void (*state_changed)(void *arg);
    /* store_retain has to be called again soon: what it waited for is there. NULL ok, without a loop. */
    void (*retain)(void *arg);
    /* A sync failed: nothing more is acknowledged (waits are never called); the process has to
     * exit with its own code. NULL: logged and abort(). */
    void (*fatal)(void *arg, status why);
    /* ms since 1970; NULL: the loop's wall clock, or the system's without a loop. */
    int64_t (*wall)(void *arg);
    /* Tests, with loop NULL: jobs are handed here instead of being run in place; store_turn() is
     * then called by the test. */
    void (*submit)(void *arg, struct job *job, enum lane lane);
    void *arg;
    const struct store_tuning *tuning; /* NULL: the default */
    struct why *why; /* NULL ok: which file or partition store_open could not recover */
};

/* Recovers everything (synchronously), then is ready to serve. */
status store_open(const struct store_options *options, struct store **ret_store);
/* Clean stop: turns the loop until running jobs have ended, then checkpoint, journals cut to 0. */
status store_stop(struct store *store);
/* NULL ok; without store_stop this is like a kill. Call it before loop_free: it turns the loop
 * until running jobs have ended. */
void store_free(struct store *store);
/* The end of a turn: starts what is pending. Called by the loop; tests with `submit` call it. */
void store_turn(struct store *store);

/* Raised and persisted by every start; serves as leader epoch. >= 1. */
int32_t store_epoch(const struct store *store);
/* The format of the folder (base/format.h): a new one has options.format, another keeps its own until it is
 * raised, with the next checkpoint, which begins soon. */
int32_t store_format(const struct store *store);
void store_raise_format(struct store *store, int32_t format);
bool store_offline(const struct store *store); /* some log is or was, see plog_offline */
/* All segments; what is removed counts no more from that moment on, though its files go a little later. */
int64_t store_bytes(const struct store *store);
int64_t store_user_bytes(const struct store *store); /* … without those of internal topics */

/* --- may clients append? (internal topics and markers of transactions are always admitted) ---------- */
enum store_state {
    STORE_OPEN,
    STORE_AT_LIMIT, /* an append was refused, and still would be: POLICY_VIOLATION */
    STORE_HELD,     /* store_hold: KAFKA_STORAGE_ERROR, which clients try again */
    STORE_FULL,     /* the disk is: KAFKA_STORAGE_ERROR; call store_retain about once a second */
};
enum store_state store_state(const struct store *store);
void store_set_limit(struct store *store, int64_t user_bytes); /* of store_user_bytes; -1: none */
void store_hold(struct store *store, bool hold);
/* Space is short: active segments whose records are all deleted go now (else they stay until they
 * are full or old). */
void store_reclaim(struct store *store);

/* The log of a partition, made at first use (lazily: no file before the first append). NULL: no
 * memory. A log that exists takes over `config` (may be NULL then). The pointer stays valid until
 * store_delete_topic. */
struct plog *store_log(struct store *store, struct uuid topic, int32_t partition,
                       const struct log_config *config);
struct plog *store_find(struct store *store, struct uuid topic, int32_t partition); /* or NULL */
/* The image without this topic is durable, and its partitions [from, to) go: waits fail with
 * UNKNOWN_TOPIC_OR_PARTITION before this returns, folders go in the background. Their plog pointers are
 * dead afterwards. Each takes a microsecond or more: of thousands some at a time. */
void store_delete_topic(struct store *store, struct uuid topic, int32_t from, int32_t to);

/* --- a copy of all logs while they go on (copy.c) ------------------------------------------------ */
#define COPY_SEGMENTS_MAX 1024 /* in a store_copy_log; a log with more of them is told several times */
struct store_copy_segment {
    int64_t base, size; /* BASE.log, of which the first `size` bytes count */
};
struct store_copy_log {
    const char *folder;
    bool whole;       /* offline: all files that lie there, as they are */
    int64_t snapshot; /* the .snap to take; 0: none */
    const struct store_copy_segment *segments;
    uint32_t count;
};
typedef void (*store_copy_each)(void *arg, const struct store_copy_log *log);
/* ready() at the end of a turn, once no checkpoint and no compaction runs; from then until store_copy_end
 * (or store_stop) nothing that store_copy_take named goes away or changes, but for growth. A second one
 * takes the place of the first. */
void store_copy_want(struct store *store, void (*ready)(void *arg), void *arg);
/* In ready(): all logs that have files, and the file `checkpoint` to lay beside them. Besides what is
 * named, a copy takes *.aborted and `cleaned` of these folders. */
status store_copy_take(struct store *store, store_copy_each each, void *arg, struct buf *checkpoint);
void store_copy_end(struct store *store); /* none: ok */

/* Retention by time and size, over so many logs as one turn of the loop has time for (without one: all);
 * unlinking happens in the background. Returns when (on loop_now's clock, ms) it is to be called again,
 * or INT64_MAX: the caller arms a timer. That is at once while logs are left, and else when something
 * could next expire. Indexes that are not in memory are loaded on a lane; options.retain follows. */
int64_t store_retain(struct store *store);
