/* limits.h - the bounds of storage (see FORMAT.md for those that are part of a format). */
#pragma once
#include <stdint.h>

#define KIB 1024
#define MIB (1024 * 1024)

/* The commit journal (see also store_tuning). */
#define JOURNAL_SIZE_MAX (64 * MIB)    /* no more of a journal file is read */
#define COMMIT_DIRECT_ROUND 4          /* direct syncs in flight */
#define COMMIT_SPANS_A_TURN 1024       /* that join a round; the others wait for the next one */
#define JOURNAL_STEP_MIN (64 * KIB)    /* a journal file grows by so much at once, filled with zeros: */
#define JOURNAL_STEP_MAX (512 * KIB)   /* a sync that changes the size of a file costs twice */
#define COMMIT_BUFFER_KEEP (64 * KIB)  /* frame buffer kept between rounds */
#define CHECKPOINT_RETRY_BYTES (1 * MIB) /* appended after a full disk before the next attempt */
#define CHECKPOINT_ENTRIES_MAX (1 << 20)
#define SNAPSHOT_STOP_MIN (16 * KIB)   /* bytes above the snapshot for which a stop takes a new one */
#define CHECKPOINT_SLICE_SETTLES 4     /* logs that learn in a turn that it is written, for each … */
#define CHECKPOINT_SLICE_LOOKS 2       /* logs looked at in a turn, for each that may be captured */

#define SEGMENT_SIZE_MAX (1LL << 31)   /* positions are 32 bits in the index */
#define SEGMENT_SCAN_WINDOW (256 * KIB)
#define SCAN_AHEAD (1 * MIB)           /* what the disk is asked for behind what is scanned */
#define INDEX_INTERVAL 4096            /* bytes between entries, at first */
#define INDEX_ENTRIES_MAX 4096         /* beyond it, every second entry goes and the interval doubles */
#define DAMAGE_PLACES_MAX 8           /* of one log that are told apart; more are met in silence */
#define FILES_OPEN_MAX 256             /* descriptors of clean segments; dirty ones stay open */
#define SOURCES_MAX 1024               /* stretches of segments on their way to clients */
#define FILES_DIRTY_MAX 16384          /* a checkpoint is wanted; at most a quarter of RLIMIT_NOFILE */

#define FLUSH_MS_MAX (365LL * 24 * 3600 * 1000) /* a longer flush.ms is none */
#define REMOVALS_MAX 4096              /* file.delete.delay.ms: beyond it files go at once */

#define PRODUCER_BATCHES 5             /* Kafka's max.in.flight for idempotence */
#define PRODUCERS_MAX 65536            /* per partition; then the one unused longest goes */
#define PRODUCER_EXPIRATION_MS (24LL * 3600 * 1000)
#define EPOCHS_MAX 4096
#define TXNS_OPEN_MAX 16384            /* per partition; a producer that would open more is refused */
#define ABORTED_ROLL 65536             /* aborted transactions of a segment; then it is closed */
#define ABORTED_FILE_ENTRIES_MAX (ABORTED_ROLL + 1)
#define ABORTED_MEMORY_MAX (4 * ABORTED_ROLL) /* in memory, per partition: a checkpoint is wanted */
#define BATCH_PLAIN_MAX (64u * MIB)    /* what decompressing one batch may make */
#define PREPARE_INFLATE_LONG 256       /* a compressed batch of so many bytes may take long to read, */
#define PREPARE_PACK_LONG (8 * KIB)    /* and one in clear to pack */
#define BATCH_STORED_MAX (128 * MIB)   /* no stored batch is larger */
#define KEY_MAP_MAX 786432             /* keys of one compaction pass: 24 MiB */
#define COMPACT_GROUP_MAX 64           /* segments that become one */
#define COMPACT_RETRY_MS (60LL * 1000) /* after a full disk */
#define RECLAIM_ROLL_MIN (64 * KIB)    /* deleted bytes in an active segment that are worth a new one */
#define RESERVE_MIN (256 * KIB)        /* of disk space, once something is stored */
#define RESERVE_MAX (32 * MIB)
#define RESERVE_SHARE 16               /* one part in so many of what is stored */
#define TRASH_KEEP_MS (24LL * 3600 * 1000)
