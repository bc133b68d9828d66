/* compact_rewrite.c - one group of segments, filtered, becomes one new file. */
#include "storage/compact_rewrite.h"

#include "base/mem.h"
#include "storage/aborted.h"
#include "storage/files.h"
#include "storage/limits.h"

#include <stdio.h>
#include <string.h>

#define WINDOW (1 * MIB)    /* read at once */
#define WRITE_AT (256 * KIB) /* written at once */

/* --- reading ---------------------------------------------------------------------------------- */

struct walk {
    struct fs *fs;
    const struct rewrite_source *source;
    int64_t position; /* of the next batch */
    int64_t at;       /* of the window */
    struct batch_chain chain;
    struct buf window;
};

static void walk_init(struct walk *w, struct fs *fs, const struct rewrite_source *source)
{
    *w = (struct walk){ .fs = fs, .source = source };
    w->chain = (struct batch_chain){ source->base, source->base, source->end, source->sparse };
    buf_init(&w->window, BATCH_STORED_MAX);
}

/* So many bytes from the position on are in the window. */
static status walk_need(struct walk *w, size_t need)
{
    if (w->position + (int64_t)need <= w->at + (int64_t)w->window.len) return OK;
    int64_t rest = w->source->size - w->position;
    size_t want = need > WINDOW ? need : WINDOW, n;
    if ((int64_t)need > rest) return FAIL(CORRUPT);
    if ((int64_t)want > rest) want = (size_t)rest;
    buf_clear(&w->window);
    uint8_t *p = buf_reserve(&w->window, want);
    if (!p) return FAIL(NO_MEMORY);
    TRY(w->fs->ops->pread(w->fs, w->source->file, p, want, w->position, &n));
    w->window.len = n;
    w->at = w->position;
    return n >= need ? OK : FAIL(CORRUPT);
}

/* The next batch, checked; valid until the next call. NOT_FOUND at the end. */
static status walk_next(struct walk *w, struct bytes *ret_batch, struct batch_header *ret_header)
{
    struct batch_header h;
    if (w->position >= w->source->size)
        return w->chain.next == w->source->end ? FAIL(NOT_FOUND) : FAIL(CORRUPT);
    TRY(walk_need(w, BATCH_HEADER_SIZE));
    size_t at = (size_t)(w->position - w->at);
    if (failed(batch_header_peek(bytes_of(w->window.data + at, w->window.len - at), &h)))
        return FAIL(CORRUPT);
    TRY(walk_need(w, h.size));
    struct bytes batch = bytes_of(w->window.data + (w->position - w->at), h.size);
    if (failed(batch_check_crc(batch))) return FAIL(CORRUPT);
    TRY(batch_chain_take(&w->chain, &h));
    w->position += (int64_t)h.size;
    *ret_batch = batch;
    *ret_header = h;
    return OK;
}

/* --- the keys --------------------------------------------------------------------------------- */

static status map_batch(struct bytes batch, int64_t from, struct key_map *map, int64_t *end)
{
    struct batch_reader reader;
    struct record r;
    status s = OK;
    TRY(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
    while (is_ok(s) && batch_reader_next(&reader, &r)) {
        if (r.offset < from || !r.key.data) continue;
        s = key_map_put(map, r.key, r.offset);
        if (is_ok(s)) *end = r.offset + 1;
    }
    if (is_ok(s)) s = batch_reader_result(&reader);
    batch_reader_done(&reader);
    return s;
}

status rewrite_map(struct fs *fs, const struct rewrite_source *source, const struct filter *filter,
                   int64_t from, struct key_map *map, const atomic_bool *cancel, int64_t *ret_end)
{
    struct walk w;
    struct bytes batch;
    struct batch_header h;
    int64_t end = from > source->base ? from : source->base;
    status s;
    walk_init(&w, fs, source);
    while (is_ok(s = walk_next(&w, &batch, &h))) {
        if (atomic_load(cancel)) s = FAIL(CLOSED);
        else if (batch_last_offset(&h) < from) continue;
        else if (!(h.attributes & BATCH_CONTROL) && !filter_is_aborted(filter, &h))
            s = map_batch(batch, from, map, &end);
        if (failed(s)) break;
        end = batch_last_offset(&h) + 1;
    }
    buf_done(&w.window);
    if (s.code == E_NOT_FOUND) end = source->end;
    else if (s.code != E_LIMIT) return s;
    *ret_end = end;
    return OK;
}

/* --- the new file ----------------------------------------------------------------------------- */

struct output {
    struct fs *fs;
    struct file *file;
    struct segment *segment;
    struct buf buf; /* not written yet: the end of the segment */
    bool changed;
};

static status output_write(struct output *o)
{
    int64_t at = o->segment->size - (int64_t)o->buf.len;
    if (o->buf.len) TRY(o->fs->ops->pwrite(o->fs, o->file, o->buf.data, o->buf.len, at));
    buf_clear(&o->buf);
    return OK;
}

/* Takes the batch that was appended to the buffer behind `before` bytes into the segment. */
static status output_note(struct output *o, size_t before)
{
    struct batch_header h;
    if (o->buf.len == before) return OK;
    TRY(batch_header_peek(bytes_of(o->buf.data + before, o->buf.len - before), &h));
    segment_note(o->segment, &h);
    return o->buf.len >= WRITE_AT ? output_write(o) : OK;
}

static status filter_source(struct output *o, const struct rewrite_source *source, bool last,
                            struct filter *filter, const atomic_bool *cancel)
{
    struct walk w;
    struct bytes batch;
    struct batch_header h, final = { .size = 0 };
    status s;
    walk_init(&w, o->fs, source);
    while (is_ok(s = walk_next(&w, &batch, &h))) {
        bool changed;
        size_t before = o->buf.len;
        s = atomic_load(cancel) ? FAIL(CLOSED)
                                : filter_batch(filter, batch, &h, &o->buf, &changed);
        if (failed(s)) break;
        if (h.record_count || w.position < source->size || !last) o->changed |= changed;
        if (failed(s = output_note(o, before))) break;
        final = h;
    }
    buf_done(&w.window);
    if (s.code != E_NOT_FOUND) return s;
    if (!last || final.size == 0 || o->segment->end == batch_last_offset(&final) + 1) return OK;
    size_t before = o->buf.len;
    TRY(filter_placeholder(&final, &o->buf));
    return output_note(o, before);
}

static status output_fill(struct output *o, const struct rewrite_source *sources, uint32_t count,
                          struct filter *filter, const atomic_bool *cancel)
{
    TRY(o->fs->ops->truncate(o->fs, o->file, 0));
    for (uint32_t i = 0; i < count; i++)
        TRY(filter_source(o, &sources[i], i + 1 == count, filter, cancel));
    TRY(output_write(o));
    if (count == 1 && !o->changed) return OK;
    return files_datasync(o->fs, o->file);
}

void rewrite_swap_path(const char *folder, int64_t base, int64_t end, char *ret, size_t size)
{
    snprintf(ret, size, "%s/%020lld-%020lld.swap", folder, (long long)base, (long long)end);
}

/* From the temporary file to one that recovery finishes. */
static status publish(struct fs *fs, const char *folder, const char *temp, int64_t base, int64_t end,
                      struct rewrite_result *ret)
{
    char path[PATH_SIZE];
    rewrite_swap_path(folder, base, end, path, sizeof path);
    TRY(fs->ops->rename(fs, temp, path));
    status synced = files_sync_dir(fs, folder);
    ret->fatal = failed(synced);
    return synced;
}

/* Before the segment without the markers can come: with an entry but no marker, a reader would leave
 * out what the producer wrote later. */
static status forget_aborted(struct fs *fs, const char *folder, int64_t base,
                             const struct filter *filter, struct rewrite_result *ret)
{
    bool changed;
    TRY(aborted_file_drop(fs, folder, base, filter->dropped, filter->dropped_count, &changed));
    if (!changed) return OK;
    status synced = files_sync_dir(fs, folder);
    ret->fatal = failed(synced);
    return synced;
}

status rewrite_group(struct fs *fs, struct file_cache *cache, const char *folder,
                     const struct rewrite_source *sources, uint32_t count, struct filter *filter,
                     const atomic_bool *cancel, struct rewrite_result *ret)
{
    int64_t base = sources[0].base, end = sources[count - 1].end;
    char temp[PATH_SIZE];
    struct output o = { .fs = fs };
    *ret = (struct rewrite_result){ 0 };
    snprintf(temp, sizeof temp, "%s/%020lld.compact.tmp", folder, (long long)base);
    TRY(fs->ops->open(fs, temp, FS_WRITE | FS_CREATE, &o.file));
    buf_init(&o.buf, 2 * (size_t)BATCH_STORED_MAX);
    o.segment = segment_new(cache, folder, base);
    status s = o.segment ? output_fill(&o, sources, count, filter, cancel) : FAIL(NO_MEMORY);
    buf_done(&o.buf);
    ret->same = is_ok(s) && count == 1 && !o.changed;
    if (is_ok(s) && filter->dropped_count) s = forget_aborted(fs, folder, base, filter, ret);
    if (is_ok(s) && !ret->same) s = publish(fs, folder, temp, base, end, ret);
    if (is_ok(s) && !ret->same) {
        o.segment->end = end;
        ret->segment = o.segment;
        ret->file = o.file;
        return OK;
    }
    fs->ops->close(fs, o.file);
    segment_free(o.segment);
    if (!ret->fatal) (void)fs->ops->unlink(fs, temp);
    return s;
}
