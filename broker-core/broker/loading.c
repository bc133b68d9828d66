/* loading.c - see loading.h. */
#include "broker/loading.h"

#include "base/log.h"
#include "broker/group.h"
#include "broker/server.h"
#include "broker/txn.h"
#include "cluster/delta.h"
#include "wire/batch.h"

#define CHUNK (256u << 10)           /* read at a time; a batch may be larger */
#define CHUNK_MAX (64u << 20)
#define PATIENCE 64 /* times that something is brought in for one chunk; then wait */

static const struct topic *loading_topic(const struct broker *b)
{
    bool groups = b->loading.phase == LOADING_GROUPS;
    return image_topic(b->image, groups ? OFFSETS_TOPIC : STR(TRANSACTION_STATE_TOPIC));
}

static void next_partition(struct loading *l)
{
    l->partition++;
    l->reading = false;
}

static void next_phase(struct loading *l)
{
    l->phase++;
    l->left = bytes_of(NULL, 0);
    l->partition = 0;
    l->reading = false;
}

static void go_wrong(struct broker *b, status why)
{
    bool groups = b->loading.phase == LOADING_GROUPS;
    log_error("%s-%d cannot be read (%s): no %s is served", groups ? "__consumer_offsets"
                                                                     : "__transaction_state",
              (int)b->loading.partition, status_text(why), groups ? "consumer group" : "transaction");
    if (groups) group_coordinator_unreadable(b->groups);
    else txn_coordinator_unreadable(b->txns);
    next_phase(&b->loading);
}

/* The next chunk of the partition into memory. BUSY: not without waiting; NOT_FOUND: that was all. */
static status read_chunk(struct broker *b, struct plog *log, bool may_wait)
{
    struct loading *l = &b->loading;
    struct read_result read;
    if (plog_offline(log)) return FAIL(KAFKA_STORAGE_ERROR);
    if (!l->reading) l->at = plog_start(log);
    l->reading = true;
    if (l->at >= plog_high_watermark(log)) return FAIL(NOT_FOUND);
    buf_clear(&l->chunk);
    store_only_cached(b->store, may_wait || l->misses >= PATIENCE ? NULL : &l->miss);
    status s = plog_read(log, l->at, plog_high_watermark(log), CHUNK, true, &l->chunk, &read);
    store_only_cached(b->store, NULL);
    if (is_ok(s) && read.bytes == 0) s = FAIL(CORRUPT);
    if (failed(s)) return s;
    l->misses = 0;
    l->at = read.next_offset;
    l->left = buf_bytes(&l->chunk);
    return OK;
}

/* Records of a batch, or the chunk it is in; NOT_FOUND: the topic is read. */
static status load_step(struct broker *b, bool may_wait)
{
    struct loading *l = &b->loading;
    struct batch_header h;
    const struct loop *loop = may_wait ? NULL : b->loop;
    if (l->cursor.open || batch_next(&l->left, &l->batch, &h, NULL))
        return l->phase == LOADING_GROUPS
                   ? group_load_batch(b->groups, l->partition, l->batch, &l->cursor, loop)
                   : txn_load_batch(b->txns, l->batch, &l->cursor, loop);
    const struct topic *topic = loading_topic(b);
    if (!topic || l->partition >= topic->partitions) return FAIL(NOT_FOUND);
    struct plog *log = store_find(b->store, topic->id, l->partition);
    status s = log ? read_chunk(b, log, may_wait) : FAIL(NOT_FOUND);
    if (s.code != E_NOT_FOUND) return s;
    next_partition(l);
    return OK;
}

/* What was read begins to live; false: not all of it in this turn. */
static bool phase_over(struct broker *b, bool may_wait)
{
    bool read = loading_topic(b) != NULL;
    if (b->loading.phase == LOADING_GROUPS) {
        if (!group_coordinator_loaded(b->groups, read, may_wait ? NULL : b->loop)) return false;
    } else {
        txn_coordinator_loaded(b->txns, read);
    }
    next_phase(&b->loading);
    return true;
}

/* False: the disk has to bring something. */
static bool load_some(struct broker *b, int64_t until)
{
    struct loading *l = &b->loading;
    bool may_wait = until > 0, more = true;
    while (l->phase != LOADING_DONE && more) {
        status s = load_step(b, may_wait);
        if (s.code == E_BUSY) return false;
        if (s.code == E_NOT_FOUND) more = phase_over(b, may_wait);
        else if (failed(s)) go_wrong(b, s);
        if (may_wait ? loop_nanos() > until : loop_turn_is_long(b->loop)) more = false;
    }
    return true;
}

static void load_later(struct broker *b)
{
    struct loading *l = &b->loading;
    if (l->phase == LOADING_DONE) {
        buf_done(&l->chunk);
        return;
    }
    if (failed(loop_timer_set(b->loop, &l->next, loop_now(b->loop))))
        while (l->phase != LOADING_DONE) (void)load_some(b, INT64_MAX);
}

static void load_fire(struct timer *timer);

static void load_warmed(struct warm *warm, status result)
{
    struct broker *b = CONTAINER_OF(warm, struct broker, loading.warm);
    if (failed(result)) b->loading.misses = PATIENCE; /* the read says why */
    load_later(b);
}

static void load_fire(struct timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, loading.next);
    struct loading *l = &b->loading;
    bool here = load_some(b, 0);
    l->misses += !here;
    if (here || failed(warm_start(b->store, &l->miss, &l->warm))) load_later(b);
}

void loading_start(struct broker *b)
{
    struct loading *l = &b->loading;
    buf_init(&l->chunk, CHUNK_MAX);
    timer_init(&l->next, load_fire);
    l->warm.done = load_warmed;
    (void)load_some(b, loop_nanos() + b->options.load_first_ms * 1000000LL);
    if (l->phase != LOADING_DONE) log_info("consumer groups and transactions are loaded while clients come");
    load_later(b);
}

void loading_stop(struct broker *b)
{
    struct loading *l = &b->loading;
    warm_stop(&l->warm);
    loop_timer_clear(b->loop, &l->next);
    replay_end(&l->cursor);
    buf_done(&l->chunk);
    l->left = bytes_of(NULL, 0);
    l->phase = LOADING_DONE;
}
