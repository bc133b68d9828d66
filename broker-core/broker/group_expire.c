/* group_expire.c - offsets nobody uses any more, and groups that are empty of everything. Loop
 * thread; one timer, set to when something could next expire. A pass over all groups takes as many turns as
 * it needs; a crash in its midst leaves what was not reached, which expires after the restart.
 *
 * An offset expires offsets.retention.minutes after its group became empty; after its commit when
 * the group has no protocol (consumers that assign themselves) or, in a stable group of consumers,
 * when no member subscribes to its topic. An empty group without offsets goes after ten minutes. */
#include "broker/consumer.h"

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/messages.h"

#include <assert.h>

enum { EMPTY_GROUP_MS = 600000, RECHECK_MS = 86400000, SUBSCRIPTION_ARENA = 4 << 20 };
enum { GROUPS_A_LOOK = 16, OFFSETS_A_LOOK = 256 }; /* of a pass, between two looks at how long the turn is */
static_assert(EMPTY_GROUP_MS < RECHECK_MS, "the recheck is the rare one");

/* --- who subscribes to what ------------------------------------------------------------------- */
static int member_subscribes(const struct group *g, const struct member *m, struct str topic,
                             struct arena *arena)
{
    struct bytes metadata = group_metadata_of(m, g->protocol);
    struct consumer_protocol_subscription s;
    if (metadata.len < 2) return -1;
    int16_t version = (int16_t)get_be16(metadata.data);
    if (version < 0) return -1;
    int16_t known = consumer_protocol_subscription_message.max_version;
    if (version > known) version = known; /* later versions only add fields */
    if (failed(wire_decode(&consumer_protocol_subscription_message, version,
                           bytes_of(metadata.data + 2, metadata.len - 2), arena, &s, NULL)))
        return -1;
    for (int32_t i = 0; i < s.topics_count; i++)
        if (str_eq(s.topics[i], topic)) return 1;
    return 0;
}

int group_subscribes(const struct group *g, struct str topic)
{
    if (g->consumer != NULL) return consumer_subscribed(g, topic);
    if (!str_eq(g->protocol_type, STR("consumer")) || str_is_null(g->protocol)) return -1;
    int found = 0;
    struct arena arena;
    arena_init(&arena, SUBSCRIPTION_ARENA);
    for (const struct member *m = g->members; m != NULL && found == 0; m = m->hh.next) {
        found = member_subscribes(g, m, topic, &arena);
        arena_reset(&arena);
    }
    arena_done(&arena);
    return found;
}

/* --- when ------------------------------------------------------------------------------------- */
static int64_t add(int64_t at, int64_t ms)
{
    return at > INT64_MAX - ms ? INT64_MAX : at + ms;
}

static int64_t offset_expiry(const struct group *g, const struct committed *o)
{
    int64_t retention = g->coordinator->options.offsets_retention_ms;
    int64_t base;
    if (group_offset_is_pending(g, o->topic, o->partition)) return INT64_MAX;
    if (str_is_null(g->protocol_type) || (g->consumer && !consumer_subscribed(g, o->topic)))
        base = o->committed_at;
    else if (g->state == GROUP_EMPTY)
        base = g->state_at > o->committed_at ? g->state_at : o->committed_at;
    else if (g->state == GROUP_STABLE && group_subscribes(g, o->topic) == 0)
        base = o->committed_at;
    else
        return INT64_MAX;
    if (o->expires_at >= 0) return o->expires_at;
    return retention < 0 ? INT64_MAX : add(base, retention);
}

int64_t group_next_expiry(const struct group *g)
{
    if (g->offsets == NULL && g->pending_offsets != NULL) return INT64_MAX; /* the marker asks again */
    if (g->offsets == NULL && g->state == GROUP_EMPTY) return add(g->state_at, EMPTY_GROUP_MS);
    if (g->offsets == NULL) return INT64_MAX;
    int64_t next = INT64_MAX;
    if (g->state == GROUP_STABLE) /* subscriptions change without telling us here */
        next = add(loop_wall(g->coordinator->options.loop), RECHECK_MS);
    if (g->state == GROUP_STABLE || g->state == GROUP_EMPTY)
        for (const struct committed *o = g->offsets; o != NULL; o = o->hh.next) {
            int64_t at = g->state == GROUP_STABLE ? next : offset_expiry(g, o);
            if (at < next) next = at;
        }
    return next;
}

void group_expire_by(struct group_coordinator *c, int64_t wall_ms)
{
    if (c->pass.running && wall_ms < c->pass.next) c->pass.next = wall_ms;
    if (c->pass.running || wall_ms == INT64_MAX) return;
    struct loop *loop = c->options.loop;
    int64_t delay = wall_ms - loop_wall(loop);
    int64_t at = loop_now(loop) + (delay < 0 ? 0 : delay);
    if (c->expiry.slot != 0 && c->expiry.at <= at) return;
    mem_must(is_ok(loop_timer_set(loop, &c->expiry, at)) ? c : NULL);
}

/* --- doing it --------------------------------------------------------------------------------- */
static void pass_enter(struct group_coordinator *c, struct group *g)
{
    c->pass.group = g;
    c->pass.offset = g ? g->offsets : NULL;
    c->pass.failed = false;
}

void group_expire_skip(struct group *g)
{
    if (g->coordinator->pass.group == g) pass_enter(g->coordinator, g->hh.next);
}

/* What of the next offsets of the group has expired goes, in one batch. */
static status expire_some(struct group *g, struct group_pass *pass)
{
    CLEANUP(group_batch) struct group_batch *b = NULL;
    struct committed *due[OFFSETS_A_LOOK];
    int count = 0;
    for (; pass->looked < OFFSETS_A_LOOK && pass->offset != NULL; pass->looked++) {
        struct committed *o = pass->offset;
        pass->offset = o->hh.next;
        if (offset_expiry(g, o) > pass->now) continue;
        if (b == NULL) TRY(group_batch_new(g->coordinator, g->id, &b));
        group_batch_no_offset(b, o->topic, o->partition);
        due[count++] = o;
    }
    if (count == 0) return OK;
    TRY(group_batch_append(b, NULL, NULL));
    for (int i = 0; i < count; i++) group_drop_offset(g, due[i]);
    return OK;
}

/* Its offsets have been seen to. */
static void expire_group(struct group *g, struct group_pass *pass)
{
    struct group_coordinator *c = g->coordinator;
    bool over = !pass->failed && g->state == GROUP_EMPTY && g->offsets == NULL &&
                g->pending == NULL && g->pending_offsets == NULL &&
                group_next_expiry(g) <= pass->now;
    if (over && is_ok(group_delete(c, g->id, NULL, NULL))) return; /* the pass has gone on to the next */
    int64_t at = group_next_expiry(g);
    if (at <= pass->now) at = pass->now + EMPTY_GROUP_MS; /* could not be written: later again */
    if (at < pass->next) pass->next = at;
    if (pass->group == g) pass_enter(c, g->hh.next);
}

/* False: the turn is long, and some are left. */
static bool pass_go_on(struct group_coordinator *c)
{
    struct group_pass *pass = &c->pass;
    pass->looked = 0;
    for (uint32_t n = 1; pass->group != NULL; n++) {
        if (failed(expire_some(pass->group, pass))) {
            pass->failed = true;
            pass->offset = NULL;
        }
        if (pass->offset == NULL) expire_group(pass->group, pass);
        if (n % GROUPS_A_LOOK != 0 && pass->looked < OFFSETS_A_LOOK) continue;
        if (loop_turn_is_long(c->options.loop)) return pass->group == NULL;
        pass->looked = 0;
    }
    return true;
}

void group_expire_fire(struct timer *timer)
{
    struct group_coordinator *c = CONTAINER_OF(timer, struct group_coordinator, expiry);
    struct loop *loop = c->options.loop;
    if (!c->pass.running) {
        c->pass = (struct group_pass){ .running = true, .now = loop_wall(loop), .next = INT64_MAX };
        pass_enter(c, c->groups);
    }
    while (!pass_go_on(c))
        if (is_ok(loop_timer_set(loop, &c->expiry, loop_now(loop)))) return; /* else: no memory to wait */
    c->pass.running = false;
    group_expire_by(c, c->pass.next);
}
