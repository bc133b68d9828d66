/* admission.h - may clients append? No, when the plan's storage is used up, the disk is full, or somebody
 * who watches the disk has said so. Internal topics and the markers of transactions are always admitted.
 * Part of the store; loop thread only. What broker and tests call stands in store.h. */
#pragma once
#include "base/status.h"
#include "storage/store.h"

struct admission {
    int64_t limit;      /* of store_user_bytes; -1: none */
    int64_t refused;    /* bytes of the append that the limit refused last; 0: none */
    int64_t reclaim_at; /* wall ms: not before, what is deleted already is asked for again */
    bool held;
    enum store_state told;
};

/* `bytes` of a client that are about to be written: POLICY_VIOLATION at the plan's limit,
 * KAFKA_STORAGE_ERROR (which clients try again) when the disk is full or appends are held; *why gets a
 * sentence for the client. */
status admission_check(struct store *store, int64_t bytes, struct why *why);
/* Bytes went, or the disk has room again: says so when it changes anything. */
void admission_note(struct store *store);
