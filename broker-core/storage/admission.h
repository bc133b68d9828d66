/* admission.h - may clients append? No, when the plan's storage is used up, the disk is full, or somebody
 * who watches the disk has said so. Internal topics and the markers of transactions are always admitted.
 * Part of the store; loop thread only. What broker and tests call stands in store.h. */
#pragma once
#include "base/status.h"
#include "storage/store.h"
#include "wire/batch.h"

struct admission {
    int64_t limit;      /* of store_user_bytes; -1: none */
    int64_t refused;    /* bytes of the append that the limit refused last; 0: none */
    int64_t reclaim_at; /* wall ms: not before, what is deleted already is asked for again */
    bool held;
    bool filling;       /* the reserve is being made */
    int64_t fill_at;    /* store_bytes that ask for a larger reserve */
    enum store_state told;
};

/* `bytes` of a client that are about to be written: POLICY_VIOLATION at the plan's limit,
 * KAFKA_STORAGE_ERROR (which clients try again) when the disk is full or appends are held; *why gets a
 * sentence for the client. */
status admission_check(struct store *store, int64_t bytes, struct why *why);
/* --- a full disk: see io/reserve.h -------------------------------------------------------------------- */
bool admission_full(const struct store *store);
void admission_no_space(struct store *store); /* a write without the reserve found no space */
/* May the append of h to the log use the reserve, and did it get a piece? Then it is tried again. */
bool admission_spare(struct plog *log, const struct batch_header *h);
/* Sees to the size of the reserve; on a full disk: is there room again? */
void admission_keep_reserve(struct store *store);

/* Bytes went, or the disk has room again: says so when it changes anything. */
void admission_note(struct store *store);
