/* storage_int.h - what the files of this folder share: the store, a partition's log, tasks.
 *
 * All of it belongs to the loop thread. A task (a job on a lane) gets copies of what it needs and
 * pins the segments whose files it uses; a pinned segment keeps its descriptor and its memory. */
#pragma once
#include "base/hash.h"
#include "storage/admission.h"
#include "storage/breaks.h"
#include "storage/journal.h"
#include "storage/limits.h"
#include "storage/plog.h"
#include "storage/producer_state.h"
#include "storage/segment.h"
#include "storage/sync_gate.h"
#include "storage/warm.h"

struct log_key { /* no padding: hashed as bytes */
    struct uuid topic;
    int32_t partition;
};

/* Recovery point: every byte and folder entry below it is on disk. Persisted by the checkpoint. */
struct recovery_point {
    int64_t offset, segment, position;
    int64_t snapshot; /* offset of the named producer snapshot; 0 = none */
};

struct damage { /* what is known to be wrong with a log's files; zeroed: nothing */
    char *text;    /* of the first place met, a sentence */
    int64_t until; /* over once the log starts here or above */
    uint32_t count;
    struct damage_place {
        int64_t segment, position;
    } places[DAMAGE_PLACES_MAX];
};

struct plog {
    struct store *store;
    struct log_key key;
    UT_hash_handle hh;
    struct log_config config;
    void *user;
    char *folder;                              /* NULL until something is stored */

    int64_t start, start_wanted, start_handed; /* exposed; asked for; given to a frame */
    int64_t end, handed, durable, high_watermark;
    int64_t handed_segment, handed_position;   /* where `handed` lies */
    int64_t unhanded;                          /* bytes above it */
    struct recovery_point rp;                  /* as persisted */
    int64_t journaled;                         /* recovery: the journal has records up to here */
    struct replayed { int64_t segment, from, to; } replayed; /* recovery: bytes that it wrote */

    struct segment **segments; /* ascending; the last one is appended to */
    uint32_t count, cap;
    int64_t bytes;
    struct producer_state producers;
    int64_t since_snapshot;                    /* bytes above the newest snapshot */

    uint32_t dir_made, dir_synced;             /* entries made in the folder, covered by an fsync */
    struct plog_wait *waits, *start_waits;     /* utlist, ascending by offset */
    struct plog *pending_next, *moved_next;
    uint32_t holds;                            /* tasks that refer to this log */
    int64_t hint_offset, hint_segment, hint_position; /* where the last read ended */
    uint64_t rewrites;                         /* see plog_rewrites */
    uint64_t round;                            /* the last commit round it has a part in */
    size_t round_mark, round_span;             /* where in that; SIZE_MAX: no data yet */
    int64_t os_end;           /* what readers had seen when the topic came to flush */
    bool has_dir;
    bool touched;   /* appended to or rolled since the start */
    bool flushing;  /* config.flush in effect: high watermark = durable */
    bool direct;    /* a direct sync is in flight */
    bool want_direct; /* from os to flushing: one direct sync first */
    bool gone;      /* the topic is deleted */
    bool offline;   /* could not be recovered: no segments, nothing is done with its files */
    bool sparse;    /* was compacted: offsets of its closed segments only rise */
    struct damage damage;
    bool cut;       /* recovery cut something off */
    bool pending, moved_listed;
    int64_t clean_end;   /* compaction: keys of the records below stand once, as far as they may */
    bool clean_known;    /* clean_end was read */
    bool uncleanable;    /* compaction met damage: not again in this life */
    struct plog_flush *flush; /* timer of flush.ms, made at first use */
};

/* Something that runs on a lane. Freed with the store when it never came back. */
struct task {
    struct job job;
    struct store *store;
    status result;
    void (*finish)(struct task *task); /* loop thread; the result is in */
    void (*free)(struct task *task);   /* lets go of what it holds, frees itself */
    struct task *prev, *next;
};

struct journal_file {
    struct file *file;   /* commit thread's, between its first frame and the stop */
    int64_t size;        /* as far as it was written; more by what a broken write left */
    bool entry_synced;   /* the folder entry is durable */
};

struct journal_end { /* where the next frame goes */
    int64_t position;
    uint64_t sequence, previous;
    bool full;   /* a frame found no space: those already handed over are not written */
    bool broken; /* a sync failed: nor is any other */
};

struct store_copy { /* copy.c */
    void (*ready)(void *arg);
    void *arg;
    bool wanted, held; /* held: no file goes away */
};

struct retention_pass { /* over all logs, some of them a turn */
    bool running;
    struct plog *cursor;  /* the next one */
    int64_t now, next;    /* wall ms: of its beginning, and when time alone moves something */
    struct read_miss miss;
    struct warm warm;     /* under way: it waits for the index of a segment of that log */
    int misses;           /* of that log */
    bool loaded;          /* some index */
};

struct store {
    struct store_options options;
    struct store_tuning tuning;
    struct fs *fs;
    struct fs *spare_fs; /* with the reserve behind it, if there is one; all of recovery uses it */
    struct deferred turn;
    struct plog *logs; /* uthash by key */
    int32_t partitions;  /* all have numbers below */
    struct file_cache files;
    struct task *tasks; /* utlist, out on a lane */
    struct plog *pending_first, *pending_last;
    struct plog *moved_first, *moved_last;
    status failure;    /* OK, or why nothing goes on */
    bool stopping;      /* jobs are run in place */
    bool in_turn, wants_turn;
    bool offline;       /* recovery has set a log aside */
    bool journal_full;  /* a frame found no space: no more until a checkpoint or some growth */

    uint64_t store_id, generation;
    int32_t format;        /* in which checkpoints say that the folder is written */
    struct journal_file journal[2];
    int current;           /* the journal file in use */
    int64_t position;      /* in it */
    uint64_t sequence;     /* of the next frame */
    uint64_t previous;     /* of the last frame written */
    uint64_t first;        /* sequence of the current file's first frame */
    bool other_free;
    struct commit_round *round; /* the newest that is out, or NULL; open until the lane takes it */
    uint32_t rounds_out;
    uint64_t round_number;
    pthread_mutex_t round_lock; /* of the open round */
    struct sync_gate gate;      /* commits have the right of way on the disk */
    struct journal_end lane_next; /* the commit lane's while rounds are out */
    uint8_t *frame_buffer;        /* and this, too */
    size_t frame_cap;
    uint64_t rounds;       /* frames synced since the start, for tests and figures */
    uint32_t directs[2];   /* in flight, by lane */
    bool direct_wanted;    /* of those pending some may have enough for one */

    int32_t recovery_syncs;  /* during recovery: so many were wanted */
    bool checkpoint_wanted;
    struct checkpoint *checkpoint; /* the one that runs, or NULL */
    int64_t tail_bytes;    /* appended since the last capture */
    int64_t unfolded;      /* since_snapshot of all logs */
    uint32_t unfolded_logs; /* those that have any */
    int64_t checkpoint_retry_at; /* tail_bytes at which a failed one is tried again */
    uint32_t root_made, root_synced;
    struct cleaning *cleaning; /* the pass of compaction that runs */
    bool compact_wanted;
    int64_t compact_retry_at;  /* wall ms; after a pass that found no space */
    atomic_bool compact_cancel;

    struct store_copy copy;
    struct removal *removals; /* files that wait for their time */
    uint32_t removal_count;
    int64_t removal_bytes;
    int64_t bytes, internal_bytes;
    struct admission admission;
    struct retention_pass retention;
    int64_t trash_next;    /* wall ms when something in the trash is due; INT64_MAX: nothing */
};

/* --- store.c ---------------------------------------------------------------------------------- */
int64_t store_wall(struct store *store);
void store_fail(struct store *store, status why); /* once; nothing is acknowledged afterwards */
/* Takes the task: work on the lane, finish() on the loop unless the store failed meanwhile. */
void store_submit(struct store *store, struct task *task, enum lane lane);
void store_want_turn(struct store *store);
void store_settle(struct store *store); /* at the end of public calls: without a loop, turns now */
struct plog *store_make_log(struct store *store, struct log_key key,
                            const struct log_config *config);
void store_unlist(struct plog *log);   /* out of the lists of the next turn */
void store_count(struct plog *log, int64_t bytes); /* of a log come or go, in the sums of the store */
void store_drop_log(struct plog *log); /* frees it; no task may hold it */

/* --- plog.c ----------------------------------------------------------------------------------- */
status plog_need_folder(struct plog *log); /* its name, in memory */
void plog_queue(struct plog *log);   /* something for the next round */
void plog_queue_quietly(struct plog *log); /* the same, without asking for a turn */
void plog_count(struct plog *log, int64_t bytes); /* stored bytes come or go */
void plog_unfolded(struct plog *log, int64_t bytes); /* so many more (or fewer) above its snapshot */
void plog_mark_handed(struct plog *log); /* all of it is on its way to the disk */
void plog_note_moved(struct plog *log);
void plog_fire(struct plog *log);    /* waits that are due, then moved() */
void plog_fail_waits(struct plog *log, status why);
void plog_advance(struct plog *log, int64_t durable);
void plog_expose_start(struct plog *log, int64_t start);
void plog_touch(struct plog *log);
void plog_release(struct plog *log); /* one hold less; a gone log goes with the last */
status plog_roll(struct plog *log);
status plog_roll_anyway(struct plog *log); /* to give space back: with the reserve if need be */
/* Writes a checked batch with its place in the log; then takes it into account (`marker` of a
 * control batch, else NULL). */
status plog_append_stored(struct plog *log, uint8_t *batch, size_t len, struct batch_header *h);
void plog_account(struct plog *log, const struct batch_header *h,
                  const struct producer_marker *marker);
void plog_set_high_watermark(struct plog *log, int64_t offset);
status plog_add_segment(struct plog *log, int64_t base, int64_t size);
struct segment *plog_active(const struct plog *log); /* NULL: none yet */
/* plog_read.c: segment index and position of the batch that contains offset (or, in compacted logs, of
 * the next one); *ret_next: the batch begins there, or behind it in a sparse segment.
 * start <= offset < end. CORRUPT: it is damaged, and that is noted. */
status plog_locate(struct plog *log, int64_t offset, int64_t *ret_at, int64_t *ret_position,
                   int64_t *ret_next);
/* The epoch is not covered by the CRC, but the log knows where each one began. */
bool plog_epoch_fits(const struct plog *log, const struct batch_header *h);
/* Index of the segment that contains offset (the last with base <= offset); -1 below the first. */
int64_t plog_segment_of(const struct plog *log, int64_t offset);

/* --- index_save.c ----------------------------------------------------------------------------- */
void index_save(struct store *store, const struct segment *s); /* the .index file of a closed segment */

/* --- plog_flush.c ----------------------------------------------------------------------------- */
void plog_flush_check(struct plog *log); /* after anything that moved the end or what is durable */
void plog_flush_free(struct plog *log);

/* --- damage.c --------------------------------------------------------------------------------- */
/* Damage in the segment at `base` was met at a position, whatever offsets from `next` on stood there:
 * says so, once. `next`: -1 when not known. */
void damage_met(struct plog *log, struct segment *s, int64_t position, int64_t next);
/* The same by recovery, which knows at which offset the log goes on. */
void damage_found(struct plog *log, const struct segment *s, int64_t position, int64_t until);
/* Records from `from` up to `until` are not there. */
void damage_missing(struct plog *log, int64_t from, int64_t until);
/* Recovery cannot go on with this log: it is set aside. Takes over what was found out so far. */
void damage_offline(struct plog *log, const char *what);
void damage_settle(struct plog *log); /* the log start has moved */
void damage_done(struct plog *log);

/* --- commit.c, checkpoint.c, retention.c, recovery.c ------------------------------------------ */
void commit_start(struct store *store);     /* builds a round when none runs and there is need */
/* Begins one when it is wanted, none runs and no round is out; else goes on with the one that runs. */
void checkpoint_start(struct store *store);
void checkpoint_forget(struct plog *log);   /* it is no longer among the store's logs */
void checkpoint_free(struct store *store);  /* the one that runs; none: ok */
void checkpoint_want(struct store *store);
bool checkpoint_due(const struct store *store); /* the next gap between two rounds is for it */
void retention_clean(struct plog *log);  /* drops the segments that may go; asks for a checkpoint */
/* All records are deleted, and the active segment would keep their bytes. */
bool retention_worth_rolling(const struct plog *log);
void retention_forget_log(struct plog *log); /* it is no longer among the store's logs */
void retention_close(struct file_cache *files, struct file *file); /* on a lane; file_cache.let_go */
void retention_remove_folder(struct plog *log);
int64_t retention_trash(struct store *store, int64_t now);
void retention_hurry(struct store *store); /* space may be short: then no file waits any more */
void retention_forget(struct store *store); /* when the store ends: files that wait */
void retention_go_on(struct store *store); /* what waited for a copy to be made */
void copy_start(struct store *store);    /* the moment is now, when one is wanted and nothing runs */
bool copy_wanted(const struct store *store); /* then no checkpoint and no compaction begins */
bool copy_holds(const struct store *store);  /* and nothing is removed */
status recovery_run(struct store *store);
