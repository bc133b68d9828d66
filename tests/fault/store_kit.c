/* store_kit.c - a store on a simulated disk for tests. */
#include "fault/store_kit.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool kit_known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    struct kit *k = arg;
    (void)partition;
    for (int i = 0; i < KIT_TOPICS; i++) {
        if (!k->known[i] || !uuid_eq(k->topics[i], topic)) continue;
        *ret = k->config;
        if (k->flush_os[i]) ret->flush = false;
        return true;
    }
    return false;
}

static void kit_moved(void *arg, struct plog *log)
{
    struct kit *k = arg;
    (void)log;
    k->moved++;
}

static void kit_fatal(void *arg, status why)
{
    struct kit *k = arg;
    (void)why;
    k->fatal++;
}

static int64_t kit_wall(void *arg)
{
    return ((struct kit *)arg)->now;
}

void kit_init(struct kit *k, uint64_t seed)
{
    *k = (struct kit){ .sim = sim_new(seed), .now = 1700000000000 };
    k->config = log_config_default;
    for (int i = 0; i < KIT_TOPICS; i++) {
        for (size_t b = 0; b < 16; b++) k->topics[i].b[b] = (uint8_t)(17 * i + (int)b + 1);
        k->known[i] = true;
    }
    k->options = (struct store_options){ .fs = sim_fs(k->sim),
                                         .known = kit_known,
                                         .moved = kit_moved,
                                         .fatal = kit_fatal,
                                         .wall = kit_wall,
                                         .arg = k,
                                         .why = &k->why };
}

void kit_done(struct kit *k)
{
    kit_close(k);
    sim_free(k->sim);
}

status kit_open(struct kit *k)
{
    k->why.text[0] = 0;
    return store_open(&k->options, &k->store);
}

void kit_close(struct kit *k)
{
    memset(k->lane_count, 0, sizeof k->lane_count);
    store_free(k->store);
    k->store = NULL;
}

void kit_reopen(struct kit *k)
{
    kit_close(k);
    sim_crash(k->sim, false);
    status s = kit_open(k);
    if (failed(s)) {
        fprintf(stderr, "recovery failed: %s %s\n", status_name(s), k->why.text);
        abort();
    }
}

struct plog *kit_log(struct kit *k, int topic, int32_t partition)
{
    struct log_config config = k->config;
    if (k->flush_os[topic]) config.flush = false;
    return store_log(k->store, k->topics[topic], partition, &config);
}

void kit_make(const struct kit *k, const struct kit_batch *b, struct buf *out)
{
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    options.codec = b->codec;
    options.attributes = b->attributes;
    if (b->producer_id) {
        options.producer_id = b->producer_id;
        options.producer_epoch = b->epoch;
        options.base_sequence = b->sequence;
    }
    batch_builder_init(&builder, &options);
    size_t size = b->value_size ? b->value_size : 20;
    uint8_t *value = mem_must(mem_alloc(size));
    int64_t at = b->timestamp ? b->timestamp : k->now;
    for (int i = 0; i < (b->records ? b->records : 1); i++) {
        for (size_t j = 0; j < size; j++) value[j] = (uint8_t)(b->tag * 131 + j * 7 + (size_t)i);
        struct bytes key = b->keys ? bytes_of("key", 3) : BYTES_NULL;
        status s = batch_builder_add(&builder, at + i, key, bytes_of(value, size), NULL, 0);
        assert(is_ok(s));
        (void)s;
    }
    mem_free(value);
    status s = batch_builder_finish(&builder, out);
    assert(is_ok(s));
    (void)s;
    batch_builder_done(&builder);
}

status kit_append_as(struct kit *k, struct plog *log, const struct kit_batch *b,
                     enum append_origin origin, struct append_result *ret)
{
    struct buf bytes;
    struct append_result unused;
    buf_init(&bytes, 1u << 28);
    kit_make(k, b, &bytes);
    status s = plog_append(log, bytes.data, bytes.len, origin, ret ? ret : &unused);
    buf_done(&bytes);
    return s;
}

status kit_append(struct kit *k, struct plog *log, const struct kit_batch *b,
                  struct append_result *ret)
{
    return kit_append_as(k, log, b, APPEND_CLIENT, ret);
}

status kit_read_all(struct plog *log, int64_t bound, struct buf *out)
{
    int64_t at = plog_start(log);
    while (at < bound) {
        struct read_result r;
        TRY(plog_read(log, at, bound, 1 << 20, true, out, &r));
        if (r.bytes == 0) break;
        at = r.next_offset;
    }
    return OK;
}

/* --- jobs by hand ----------------------------------------------------------------------------- */

static void kit_submit(void *arg, struct job *job, enum lane lane)
{
    struct kit *k = arg;
    assert(k->lane_count[lane] < KIT_JOBS);
    k->lanes[lane][k->lane_count[lane]].job = job;
    k->lanes[lane][k->lane_count[lane]++].worked = false;
}

void kit_by_hand(struct kit *k) { k->options.submit = kit_submit; }

bool kit_run_job(struct kit *k, enum lane lane)
{
    if (!k->lane_count[lane]) return false;
    struct job *job = k->lanes[lane][0].job;
    if (!k->lanes[lane][0].worked) {
        k->lanes[lane][0].worked = true;
        job->work(job);
        return true;
    }
    int left = --k->lane_count[lane];
    memmove(&k->lanes[lane][0], &k->lanes[lane][1], (size_t)left * sizeof k->lanes[lane][0]);
    job->done(job);
    return true;
}

void kit_run_jobs(struct kit *k)
{
    bool more = true;
    while (more) {
        more = false;
        for (int lane = 0; lane < LANE_COUNT; lane++) more |= kit_run_job(k, (enum lane)lane);
        if (more) store_turn(k->store);
    }
}
