/* log_source.c - see log_source.h. Bytes below a segment's size never change, so they can be read at any
 * time, and again; what the log does meanwhile is of no concern. They are checked as they go out: damage
 * ends the stream before the batch it is in is whole, and what is read again is told of it. */
#include "storage/log_source.h"

#include "base/mem.h"
#include "storage/batch_check.h"
#include "storage/storage_int.h"
#include "storage/warm.h"

#include <assert.h>

#define PATIENCE 4 /* misses in a row at one place: what is brought in goes again at once, so wait */

struct log_source {
    struct stream_source source;
    struct store *store;
    struct segment *segment; /* pinned */
    int64_t position;
    struct log_key key;
    struct checked {
        struct batch_check check;
        size_t upto; /* so many bytes */
    } sent, read;    /* what did not fit into the socket is read, and checked, twice */
    struct warm warm;
    int misses;
    status failure; /* of the read on the lane */
};

static void source_warmed(struct warm *warm, status result)
{
    struct log_source *l = CONTAINER_OF(warm, struct log_source, warm);
    l->failure = result;
    stream_go_on(l->source.stream);
}

/* Its log, while the segment is one of it. */
static struct plog *source_log(const struct log_source *l)
{
    struct plog *log = store_find(l->store, l->key.topic, l->key.partition);
    int64_t i = log ? plog_segment_of(log, l->segment->base) : -1;
    return i >= 0 && log->segments[i] == l->segment ? log : NULL;
}

static status source_check(struct log_source *l, size_t at, const uint8_t *p, size_t n)
{
    if (at == l->sent.upto) l->read = l->sent;
    assert(at == l->read.upto);
    struct plog *log = source_log(l);
    struct batch_check *check = &l->read.check;
    status good = batch_check_feed(check, log, p, n);
    l->read.upto += n;
    if (failed(good) && log) damage_met(log, l->segment, check->position, check->chain.next);
    return good;
}

/* The bytes were good a moment ago. */
static void source_sent(struct stream_source *source, const uint8_t *p, size_t n)
{
    struct log_source *l = CONTAINER_OF(source, struct log_source, source);
    l->sent.upto += n;
    assert(l->sent.upto <= l->read.upto);
    if (l->sent.upto == l->read.upto) l->sent.check = l->read.check;
    else l->failure = batch_check_feed(&l->sent.check, source_log(l), p, n);
}

static status source_read(struct stream_source *source, size_t at, uint8_t *p, size_t n, size_t *ret_n)
{
    struct log_source *l = CONTAINER_OF(source, struct log_source, source);
    struct fs *fs = l->store->fs;
    int64_t from = l->position + (int64_t)at;
    TRY(l->failure);
    if (l->warm.task) return FAIL(BUSY);
    bool cached = fs->ops->pread_cached && l->store->options.loop && l->misses < PATIENCE;
    status read = (cached ? fs->ops->pread_cached : fs->ops->pread)(fs, l->segment->file, p, n, from,
                                                                    ret_n);
    if (read.code == E_BUSY) {
        struct read_miss miss = { .segment = l->segment, .at = from };
        l->misses++;
        TRY(warm_start(l->store, &miss, &l->warm));
        return read;
    }
    TRY(read);
    l->misses = 0;
    if (*ret_n == 0) return FAIL(CORRUPT); /* the file has become shorter */
    return source_check(l, at, p, *ret_n);
}

static void source_free(struct stream_source *source)
{
    struct log_source *l = CONTAINER_OF(source, struct log_source, source);
    warm_stop(&l->warm);
    l->store->files.sources--;
    segment_unpin(l->segment);
    mem_free(l);
}

struct stream_source *log_source_new(struct plog *log, const struct log_span *span)
{
    struct store *store = log->store;
    if (store->files.sources >= SOURCES_MAX || !span->segment->file) return NULL;
    struct log_source *l = mem_zalloc(sizeof *l);
    if (!l) return NULL;
    *l = (struct log_source){
        .source = { .read = source_read, .sent = source_sent, .free = source_free }, .store = store,
        .segment = span->segment, .position = span->position, .key = log->key,
        .warm.done = source_warmed };
    batch_check_begin(&l->sent.check, span);
    l->read = l->sent;
    segment_pin(l->segment);
    store->files.sources++;
    return &l->source;
}
