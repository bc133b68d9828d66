/* compact_kit.h - one compacted partition beside a plain list of everything that was written. */
#pragma once
#include "fault/store_kit.h"

#define CK_RECORDS 20000

struct ck_record {
    uint32_t key, value;  /* value 0: tombstone */
    int64_t producer_id;  /* of a transaction; 0: none */
    enum { CK_PLAIN, CK_OPEN, CK_COMMITTED, CK_ABORTED, CK_MARKER } state;
};
struct ck {
    struct kit kit;
    struct ck_record *records; /* by offset */
    int64_t count;     /* acknowledged */
    int64_t attempted; /* what lies between may be there or not */
    bool commits;      /* … when that is a marker */
    uint32_t values;
    int32_t sequence[4]; /* of the producers ck_step uses: 1 + index */
};

void ck_init(struct ck *c, uint64_t seed); /* compaction as soon as anything is dirty */
void ck_done(struct ck *c);
struct plog *ck_log(struct ck *c);
/* False when the store refused (only after death). */
bool ck_put(struct ck *c, uint32_t key, uint32_t value); /* value 0: tombstone */
bool ck_put_many(struct ck *c, int n, enum codec codec, int64_t producer_id); /* keys 0…n-1 */
bool ck_txn(struct ck *c, int64_t producer_id, uint32_t key);
bool ck_end(struct ck *c, int64_t producer_id, bool commit);
void ck_roll(struct ck *c);    /* and a checkpoint, so that the closed segment may be compacted */
void ck_compact(struct ck *c);
void ck_step(struct ck *c);    /* something random of all that */
void ck_recovered(struct ck *c); /* after a crash: was the last attempt taken? */
int ck_offsets(struct ck *c, int64_t *ret, int max);
/* What is stored was written, under its offset; of each key the last committed record with a value
 * is there; nothing of an aborted transaction is delivered. Aborts otherwise. */
void ck_check(struct ck *c);
