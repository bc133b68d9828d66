/* admission.c - see admission.h. */
#include "storage/admission.h"

#include "storage/storage_int.h"

#include <stdio.h>

#define RECLAIM_MS 1000

enum store_state store_state(const struct store *store)
{
    const struct admission *a = &store->admission;
    if (a->held) return STORE_HELD;
    if (a->limit >= 0 && a->refused && store_user_bytes(store) + a->refused > a->limit)
        return STORE_AT_LIMIT;
    return STORE_OPEN;
}

void admission_note(struct store *store)
{
    struct admission *a = &store->admission;
    enum store_state now = store_state(store);
    if (now != STORE_AT_LIMIT && !a->held) a->refused = 0;
    if (now == a->told) return;
    a->told = now;
    if (store->options.state_changed) store->options.state_changed(store->options.arg);
}

void store_set_limit(struct store *store, int64_t user_bytes)
{
    store->admission.limit = user_bytes;
    admission_note(store);
}

void store_hold(struct store *store, bool hold)
{
    store->admission.held = hold;
    admission_note(store);
}

/* "12.3 MiB" */
static void size_text(int64_t bytes, char out[24])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double n = (double)bytes / KIB;
    size_t i = 0;
    if (bytes < KIB) {
        snprintf(out, 24, "%d bytes", (int)bytes);
        return;
    }
    for (; n >= 1024 && i + 1 < sizeof units / sizeof *units; i++) n /= 1024;
    snprintf(out, 24, "%.1f %s", n, units[i]);
}

static status at_limit(struct store *store, int64_t bytes, struct why *why)
{
    struct admission *a = &store->admission;
    char used[24], limit[24];
    size_text(store_user_bytes(store), used);
    size_text(a->limit, limit);
    why_set(why, "The storage limit of this cluster's plan is reached: %s of %s are used. Delete records or "
                 "topics, shorten retention, or raise the plan.", used, limit);
    a->refused = bytes;
    int64_t now = store_wall(store);
    if (now >= a->reclaim_at || now < a->reclaim_at - RECLAIM_MS) {
        a->reclaim_at = now + RECLAIM_MS;
        store_reclaim(store);
    }
    return FAIL(POLICY_VIOLATION);
}

status admission_check(struct store *store, int64_t bytes, struct why *why)
{
    struct admission *a = &store->admission;
    status s = OK;
    if (a->held) {
        why_set(why, "The disk of this service is nearly full: appends to this cluster, one of the largest "
                     "that grow, wait until there is room.");
        s = FAIL(KAFKA_STORAGE_ERROR);
    } else if (a->limit >= 0 && store_user_bytes(store) + bytes > a->limit) {
        s = at_limit(store, bytes, why);
    } else {
        return OK;
    }
    admission_note(store);
    return s;
}
