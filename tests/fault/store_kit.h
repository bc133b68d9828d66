/* store_kit.h - a store on a simulated disk for tests: clock, known topics, batches, reading back. */
#pragma once
#include "fault/fs_sim.h"
#include "storage/plog.h"
#include "wire/batch.h"

#define KIT_TOPICS 8
#define KIT_JOBS 128

struct kit {
    struct sim *sim;
    struct store *store;
    struct store_options options;
    struct log_config config;   /* of every topic */
    struct log_config os;       /* of topics with known_os */
    struct uuid topics[KIT_TOPICS];
    bool known[KIT_TOPICS], flush_os[KIT_TOPICS];
    int64_t now;
    int moved, fatal;
    struct why why;
    struct { /* with kit_by_hand: jobs that were submitted and are not done */
        struct job *job;
        bool worked;
    } lanes[LANE_COUNT][KIT_JOBS];
    int lane_count[LANE_COUNT];
};

void kit_init(struct kit *k, uint64_t seed);
void kit_done(struct kit *k);
status kit_open(struct kit *k);
void kit_close(struct kit *k);   /* like a kill: no checkpoint, jobs are forgotten */
void kit_reopen(struct kit *k);  /* kill and recovery; must succeed */
struct plog *kit_log(struct kit *k, int topic, int32_t partition);

struct kit_batch {
    int records;          /* 0: 1 */
    size_t value_size;    /* of each record */
    enum codec codec;
    int64_t timestamp;    /* of the first; the others follow by 1 ms. 0: the kit's clock */
    int64_t producer_id;  /* 0: none */
    int16_t epoch;
    int32_t sequence;
    uint64_t tag;         /* fills the values */
    bool keys;
    int16_t attributes;
};
void kit_make(const struct kit *k, const struct kit_batch *b, struct buf *out);
status kit_append(struct kit *k, struct plog *log, const struct kit_batch *b,
                  struct append_result *ret);
status kit_append_as(struct kit *k, struct plog *log, const struct kit_batch *b,
                     enum append_origin origin, struct append_result *ret);
/* All from the log start to the end of the log, or bound. */
status kit_read_all(struct plog *log, int64_t bound, struct buf *out);

/* From the next kit_open on jobs wait until the test runs them, one half (work, done) at a time. */
void kit_by_hand(struct kit *k);
bool kit_run_job(struct kit *k, enum lane lane); /* false: there is none */
void kit_run_jobs(struct kit *k);                /* and turns, until nothing is left to do */
