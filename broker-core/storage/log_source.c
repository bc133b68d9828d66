/* log_source.c - see log_source.h. Bytes below a segment's size never change, so they can be read at any
 * time, and again; what the log does meanwhile is of no concern. */
#include "storage/log_source.h"

#include "base/mem.h"
#include "storage/storage_int.h"
#include "storage/warm.h"

#define PATIENCE 4 /* misses in a row at one place: what is brought in goes again at once, so wait */

struct log_source {
    struct stream_source source;
    struct store *store;
    struct segment *segment; /* pinned */
    int64_t position;
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
    return *ret_n ? OK : FAIL(CORRUPT); /* the file has become shorter */
}

static void source_free(struct stream_source *source)
{
    struct log_source *l = CONTAINER_OF(source, struct log_source, source);
    warm_stop(&l->warm);
    l->store->files.sources--;
    segment_unpin(l->segment);
    mem_free(l);
}

struct stream_source *log_source_new(struct store *store, const struct log_span *span)
{
    if (store->files.sources >= SOURCES_MAX || !span->segment->file) return NULL;
    struct log_source *l = mem_zalloc(sizeof *l);
    if (!l) return NULL;
    *l = (struct log_source){
        .source = { .read = source_read, .free = source_free }, .store = store,
        .segment = span->segment, .position = span->position,
        .warm.done = source_warmed };
    segment_pin(l->segment);
    store->files.sources++;
    return &l->source;
}
