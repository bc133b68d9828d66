/* segment.c - one file of a partition log, its descriptor and its index.
 *
 * Invariants: size only grows; bytes below size never change. A segment with dirt is open, and one
 * that is open stays so while it has pins; in the list of idle ones are those that may be closed.
 * Index file: see FORMAT.md; it is trusted only when its CRC holds, it covers the whole segment and
 * the last batch it names is the one in the file. */
#include "storage/segment.h"

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/breaks.h"
#include "storage/files.h"
#include "storage/limits.h"
#include "storage/warm.h"

#include <assert.h>
#include <stdio.h>
#include <sys/resource.h>

#define INDEX_HEADER 72
#define INDEX_ENTRY 16
#define INDEX_FILE_MAX (INDEX_HEADER + INDEX_ENTRY * INDEX_ENTRIES_MAX)

struct segment *segment_new(struct file_cache *cache, const char *folder, int64_t base)
{
    struct segment *s = mem_zalloc(sizeof *s);
    if (!s) return NULL;
    s->cache = cache;
    s->folder = folder;
    s->base = s->end = base;
    s->max_timestamp = INT64_MIN;
    s->indexed = true;
    index_init(&s->index);
    pthread_mutex_init(&s->sync_lock, NULL);
    return s;
}

void segment_free(struct segment *s)
{
    if (!s) return;
    segment_synced(s, s->written);
    segment_close(s);
    index_done(&s->index);
    pthread_mutex_destroy(&s->sync_lock);
    mem_free(s);
}

void segment_path(const struct segment *s, const char *suffix, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s/%020lld%s", s->folder, (long long)s->base, suffix);
}

/* What a read that may not wait would have to wait for. */
static status segment_missed(struct segment *s, int64_t at, bool index)
{
    *s->cache->miss = (struct read_miss){ s, at, index };
    return FAIL(BUSY);
}

void segment_cache_init(struct file_cache *cache, struct fs *fs)
{
    struct rlimit limit;
    cache->fs = fs;
    cache->dirty_max = FILES_DIRTY_MAX;
    cache->count_max = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 4 * FILES_DIRTY_MAX) return;
    cache->dirty_max = (uint32_t)limit.rlim_cur / 4;
    cache->count_max = (uint32_t)limit.rlim_cur / 4 * 3;
}

/* Into the list of idle ones or out of it, after a change of what that depends on. */
static void cache_place(struct segment *s)
{
    bool idle = s->file && !s->pins && !segment_dirty(s);
    if (idle == (s->prev != NULL)) return;
    if (idle) {
        DL_APPEND(s->cache->idle, s);
        return;
    }
    DL_DELETE(s->cache->idle, s);
    s->prev = s->next = NULL;
}

void segment_cache_trim(struct file_cache *cache)
{
    /* Never the newest: somebody is about to use it. */
    while (cache->count - cache->dirty > FILES_OPEN_MAX && cache->idle && cache->idle->next)
        segment_close(cache->idle);
}

status segment_open(struct segment *s, int flags)
{
    struct file_cache *cache = s->cache;
    if (s->file) {
        if (s->next) { /* idle, and not the newest: move to the end */
            DL_DELETE(cache->idle, s);
            DL_APPEND(cache->idle, s);
        }
        return OK;
    }
    if (cache->miss && !(flags & FS_CREATE)) return segment_missed(s, 0, false);
    if (cache->count_max && cache->count >= cache->count_max) return FAIL(NO_DESCRIPTORS);
    char path[PATH_SIZE];
    segment_path(s, ".log", path, sizeof path);
    status opened = cache->fs->ops->open(cache->fs, path, FS_WRITE | FS_NO_AHEAD | flags, &s->file);
    if (opened.code == E_NOT_FOUND) return FAIL(CORRUPT); /* it was there */
    TRY(opened);
    cache->count++;
    if (segment_dirty(s)) cache->dirty++;
    cache_place(s);
    segment_cache_trim(cache);
    return OK;
}

/* Out of the cache, still open. */
static struct file *segment_give_file(struct segment *s)
{
    if (segment_dirty(s)) s->cache->dirty--;
    s->cache->count--;
    struct file *file = TAKE(s->file);
    cache_place(s);
    return file;
}

void segment_close(struct segment *s)
{
    if (s->file) s->cache->fs->ops->close(s->cache->fs, segment_give_file(s));
}

void segment_adopt(struct segment *s, struct file *file)
{
    assert(!s->file && !segment_dirty(s));
    s->file = file;
    s->cache->count++;
    cache_place(s);
    segment_cache_trim(s->cache);
}

void segment_pin(struct segment *s)
{
    s->pins++;
    cache_place(s);
}

void segment_unpin(struct segment *s)
{
    assert(s->pins > 0);
    s->pins--;
    cache_place(s);
    if (s->pins || !s->doomed) return;
    struct file_cache *cache = s->cache;
    if (s->file && cache->let_go) {
        segment_synced(s, s->written);
        cache->let_go(cache, segment_give_file(s));
    }
    segment_free(s);
}

void segment_drop(struct segment *s)
{
    if (s->pins) s->doomed = true;
    else segment_free(s);
}

status segment_sync(struct segment *s)
{
    struct file_cache *cache = s->cache;
    pthread_mutex_lock(&s->sync_lock);
    status synced = atomic_load(&cache->sync_failed) ? FAIL(IO)
                                                     : files_datasync(cache->fs, s->file);
    if (failed(synced) && BREAK(DIRECT_RETRY_AFTER_EIO)) synced = files_datasync(cache->fs, s->file);
    if (failed(synced)) atomic_store(&cache->sync_failed, true);
    pthread_mutex_unlock(&s->sync_lock);
    return synced;
}

void segment_write_back(struct segment *s)
{
    struct fs *fs = s->cache->fs;
    if (fs->ops->write_back) fs->ops->write_back(fs, s->file);
}

void segment_changed(struct segment *s)
{
    if (!segment_dirty(s) && s->file) s->cache->dirty++;
    s->written++;
    cache_place(s);
}

void segment_synced(struct segment *s, uint64_t written)
{
    if (written <= s->synced) return;
    assert(written <= s->written);
    s->synced = written;
    if (!segment_dirty(s) && s->file) s->cache->dirty--;
    cache_place(s);
}

status segment_append(struct segment *s, struct bytes batch, const struct batch_header *h,
                      bool *ret_broken)
{
    struct fs *fs = s->cache->fs;
    TRY(segment_open(s, 0));
    if (!BREAK(ROLLBACK_NOT_DIRTY)) segment_changed(s);
    status written = fs->ops->pwrite(fs, s->file, batch.data, batch.len, s->size);
    if (BREAK(ROLLBACK_NOT_DIRTY) && is_ok(written)) segment_changed(s);
    if (failed(written)) {
        *ret_broken = failed(fs->ops->truncate(fs, s->file, s->size));
        return written;
    }
    segment_note(s, h);
    s->last_crc = batch_crc_field(batch); /* not h's: validation may have set the time since */
    return OK;
}

void segment_note(struct segment *s, const struct batch_header *h)
{
    if (s->size == 0) s->first_timestamp = h->max_timestamp;
    index_add(&s->index, (uint32_t)(h->base_offset - s->base), (uint32_t)s->size,
              s->max_timestamp);
    if (h->max_timestamp > s->max_timestamp) s->max_timestamp = h->max_timestamp;
    s->last_position = s->size;
    s->last_crc = h->crc;
    s->size += (int64_t)h->size;
    s->end = batch_last_offset(h) + 1;
}

/* --- reading ---------------------------------------------------------------------------------- */

status segment_pread(struct segment *s, void *p, size_t len, int64_t at, size_t *ret_n)
{
    struct fs *fs = s->cache->fs;
    if (!s->cache->miss || !fs->ops->pread_cached)
        return fs->ops->pread(fs, s->file, p, len, at, ret_n);
    size_t got = 0, n = 1;
    while (got < len && n > 0) {
        status read = fs->ops->pread_cached(fs, s->file, (uint8_t *)p + got, len - got,
                                            at + (int64_t)got, &n);
        if (read.code == E_BUSY) return segment_missed(s, at + (int64_t)got, false);
        TRY(read);
        got += n;
    }
    *ret_n = got;
    return OK;
}

void segment_view(const struct segment *s, struct segment *ret_view, struct file_cache *ret_cache)
{
    *ret_cache = (struct file_cache){ .fs = s->cache->fs };
    *ret_view = (struct segment){ .cache = ret_cache, .folder = s->folder, .base = s->base,
                                  .end = s->end, .size = s->size, .file = s->file,
                                  .good_to = s->good_to, .good_from = s->good_from,
                                  .sparse = s->sparse, .max_timestamp = INT64_MIN };
    index_init(&ret_view->index);
}

void segment_take_index_of(struct segment *s, struct segment *view)
{
    index_done(&s->index);
    s->index = view->index;
    index_init(&view->index);
    s->first_timestamp = view->first_timestamp;
    s->max_timestamp = view->max_timestamp;
    s->last_position = view->last_position;
    s->last_crc = view->last_crc;
    segment_checked(s, 0, view->good_to);
    s->indexed = true;
}

/* --- checking --------------------------------------------------------------------------------- */

bool segment_unchecked(const struct segment *s, int64_t from, int64_t to)
{
    return to > s->good_to && from < s->good_from;
}

void segment_checked(struct segment *s, int64_t from, int64_t to)
{
    if (from <= s->good_to && to > s->good_to) s->good_to = to;
    if (to >= s->good_from && from < s->good_from) s->good_from = from;
}

void segment_doubt(struct segment *s, int64_t from)
{
    if (from < s->good_to) s->good_to = from;
    if (s->size > s->good_from) s->good_from = s->size;
}

struct batch_chain segment_chain(const struct segment *s, int64_t next)
{
    return (struct batch_chain){ .next = next, .first = s->base, .end = s->end,
                                 .sparse = s->sparse };
}

bool batch_chain_fits(const struct batch_chain *chain, const struct batch_header *h)
{
    if (h->base_offset < chain->first || batch_last_offset(h) >= chain->end) return false;
    if (chain->next < 0 || h->base_offset == chain->next) return true;
    return chain->sparse && h->base_offset > chain->next;
}

status batch_chain_take(struct batch_chain *chain, const struct batch_header *h)
{
    if (!batch_chain_fits(chain, h)) return FAIL(CORRUPT);
    chain->next = batch_last_offset(h) + 1;
    return OK;
}

/* --- walking ---------------------------------------------------------------------------------- */

status segment_seek(struct segment *s, int64_t position, struct segment_cursor *c)
{
    const struct index_entry *e =
        position > 0 ? index_after(&s->index, (uint32_t)position - 1) : NULL;
    c->segment = s;
    c->position = position;
    c->next = position > 0 ? -1 : s->base;
    c->exact = e && e->position == position ? s->base + e->relative : -1;
    c->window_at = 0;
    c->window_len = 0;
    c->asked = 0;
    c->walks = false;
    return segment_open(s, 0);
}

static void cursor_look_ahead(struct segment_cursor *c)
{
    struct segment *s = c->segment;
    struct fs *fs = s->cache->fs;
    if (!c->walks || c->position + SCAN_AHEAD / 2 < c->asked || !fs->ops->will_need) return;
    fs->ops->will_need(fs, s->file, c->position, SCAN_AHEAD);
    c->asked = c->position + SCAN_AHEAD;
}

/* The header alone. */
static status header_at(struct segment_cursor *c, struct batch_header *ret_header)
{
    struct segment *s = c->segment;
    if (c->position >= s->size) return FAIL(NOT_FOUND);
    if (s->size - c->position < BATCH_HEADER_SIZE) return FAIL(CORRUPT);
    int64_t window_end = c->window_at + (int64_t)c->window_len;
    if (c->position < c->window_at || c->position + BATCH_HEADER_SIZE > window_end) {
        c->window_len = 0;
        cursor_look_ahead(c);
        TRY(segment_pread(s, c->window, sizeof c->window, c->position, &c->window_len));
        c->window_at = c->position;
        if (c->window_len < BATCH_HEADER_SIZE) return FAIL(CORRUPT);
    }
    size_t at = (size_t)(c->position - c->window_at);
    struct batch_header h;
    status peeked = batch_header_peek(bytes_of(c->window + at, c->window_len - at), &h);
    if (failed(peeked) || (int64_t)h.size > s->size - c->position) return FAIL(CORRUPT);
    *ret_header = h;
    return OK;
}

/* The CRC of a batch that was not checked yet; it may be larger than the window. */
static status check_batch(struct segment *s, int64_t position, const struct batch_header *h)
{
    struct buf batch;
    int64_t end = position + (int64_t)h->size;
    if (!segment_unchecked(s, position, end)) return OK;
    buf_init(&batch, BATCH_STORED_MAX);
    status read = segment_read_batch(s, position, h->size, &batch);
    if (is_ok(read) && failed(batch_check_crc(buf_bytes(&batch)))) read = FAIL(CORRUPT);
    buf_done(&batch);
    if (is_ok(read)) segment_checked(s, position, end);
    return read;
}

status segment_header(struct segment_cursor *c, struct batch_header *ret_header)
{
    struct segment *s = c->segment;
    struct batch_header h;
    TRY(header_at(c, &h));
    if (segment_unchecked(s, c->position, c->position + (int64_t)h.size)) {
        struct batch_chain chain = segment_chain(s, c->next);
        if (c->exact >= 0 && h.base_offset != c->exact) return FAIL(CORRUPT);
        if (!batch_chain_fits(&chain, &h)) return FAIL(CORRUPT);
        TRY(check_batch(s, c->position, &h));
    }
    *ret_header = h;
    return OK;
}

void segment_step(struct segment_cursor *c, const struct batch_header *h)
{
    c->position += (int64_t)h->size;
    c->next = batch_last_offset(h) + 1;
    c->exact = -1;
}

status segment_find(struct segment *s, int64_t offset, int64_t *ret_position,
                    struct batch_header *ret_header)
{
    *ret_position = 0;
    TRY(segment_need_index(s));
    int64_t relative = offset > s->base ? offset - s->base : 0;
    if (relative > UINT32_MAX) relative = UINT32_MAX;
    struct segment_cursor c;
    TRY(segment_seek(s, index_find_offset(&s->index, (uint32_t)relative), &c));
    for (;;) {
        struct batch_header h;
        int64_t damaged = c.position;
        status got = segment_header(&c, &h);
        *ret_position = damaged;
        if (got.code == E_CORRUPT) {
            got = segment_skip(s, damaged, c.next < 0 ? s->base : c.next, &c.position, &h);
            if (is_ok(got) && h.base_offset > offset) return FAIL(CORRUPT);
        }
        /* A segment ends with the batch before the next one's, also when it was compacted. */
        if (got.code == E_NOT_FOUND && offset < s->end) return FAIL(CORRUPT);
        TRY(got);
        if (batch_last_offset(&h) >= offset) {
            *ret_position = c.position;
            *ret_header = h;
            return OK;
        }
        segment_step(&c, &h);
    }
}

/* --- behind damage ---------------------------------------------------------------------------- */

/* Is there a good batch at the position, with offsets from `next` on? */
static status good_at(struct segment *s, int64_t position, int64_t next,
                      struct batch_header *ret_header)
{
    struct segment_cursor c;
    struct batch_header h;
    TRY(segment_seek(s, position, &c));
    TRY(header_at(&c, &h));
    if (h.base_offset < next || batch_last_offset(&h) >= s->end) return FAIL(CORRUPT);
    if (c.exact >= 0 && h.base_offset != c.exact) return FAIL(CORRUPT);
    TRY(check_batch(s, position, &h));
    *ret_header = h;
    return OK;
}

/* Looks for one at each position of [from, to). */
static status search(struct segment *s, int64_t from, int64_t to, int64_t next,
                     int64_t *ret_position, struct batch_header *ret_header)
{
    struct buf window;
    status found = FAIL(NOT_FOUND);
    buf_init(&window, SEGMENT_SCAN_WINDOW);
    uint8_t *p = buf_reserve(&window, SEGMENT_SCAN_WINDOW);
    if (!p) found = FAIL(NO_MEMORY);
    while (found.code == E_NOT_FOUND && from < to) {
        size_t n;
        status read = segment_pread(s, p, SEGMENT_SCAN_WINDOW, from, &n);
        if (failed(read)) found = read;
        if (failed(read) || n < BATCH_HEADER_SIZE) break;
        size_t at = 0;
        for (; at + BATCH_HEADER_SIZE <= n && from + (int64_t)at < to; at++) {
            struct batch_header h;
            if (p[at + BATCH_MAGIC_AT] != BATCH_MAGIC ||
                failed(batch_header_peek(bytes_of(p + at, n - at), &h)) || h.base_offset < next ||
                failed(good_at(s, from + (int64_t)at, next, &h)))
                continue;
            *ret_position = from + (int64_t)at;
            *ret_header = h;
            found = OK;
            break;
        }
        from += (int64_t)at;
    }
    buf_done(&window);
    return found;
}

static status skip(struct segment *s, int64_t position, int64_t next, int64_t *ret_position,
                   struct batch_header *ret_header)
{
    struct segment_cursor c;
    struct batch_header h;
    TRY(segment_seek(s, position, &c));
    if (is_ok(header_at(&c, &h))) { /* its size may be right: nothing is nearer then */
        *ret_position = position + (int64_t)h.size;
        if (is_ok(good_at(s, *ret_position, next, ret_header))) return OK;
    }
    for (int64_t from = position + 1; from < s->size;) {
        const struct index_entry *e = index_after(&s->index, (uint32_t)from - 1);
        int64_t to = e ? (int64_t)e->position + 1 : s->size; /* the entry's is tried, too */
        status found = search(s, from, to, next, ret_position, ret_header);
        if (found.code != E_NOT_FOUND) return found;
        from = to;
    }
    return FAIL(NOT_FOUND);
}

status segment_skip(struct segment *s, int64_t position, int64_t next, int64_t *ret_position,
                    struct batch_header *ret_header)
{
    struct read_miss *miss = TAKE(s->cache->miss); /* rare enough to wait for the disk */
    status found = skip(s, position, next, ret_position, ret_header);
    s->cache->miss = miss;
    return found;
}

status segment_read_batch(struct segment *s, int64_t position, size_t size, struct buf *out)
{
    TRY(segment_open(s, 0));
    uint8_t *p = buf_reserve(out, size);
    if (!p) return FAIL(NO_MEMORY);
    size_t n;
    TRY(segment_pread(s, p, size, position, &n));
    if (n < size) return FAIL(CORRUPT);
    out->len += n;
    return OK;
}

/* --- index file ------------------------------------------------------------------------------- */

/* The last batch that the index names is the one in the file. */
static status check_last_batch(struct segment *s)
{
    struct segment_cursor c;
    struct batch_header h;
    TRY(segment_seek(s, s->last_position, &c));
    TRY(header_at(&c, &h));
    if (s->last_position + (int64_t)h.size != s->size || batch_last_offset(&h) + 1 != s->end)
        return FAIL(CORRUPT);
    return h.crc == s->last_crc ? OK : FAIL(CORRUPT);
}

void segment_put_index(const struct segment *s, struct buf *out)
{
    size_t begin = out->len, len = INDEX_HEADER + (size_t)s->index.count * INDEX_ENTRY;
    if (!s->indexed || s->size == 0) return;
    uint8_t *p = buf_extend(out, len);
    if (!p) return;
    memset(p, 0, INDEX_HEADER);
    memcpy(p, "LIX1", 4);
    put_le32(p + 8, (uint32_t)len);
    put_le32(p + 12, s->index.count);
    put_le64(p + 16, (uint64_t)s->size);
    put_le64(p + 24, (uint64_t)s->end);
    put_le64(p + 32, (uint64_t)s->first_timestamp);
    put_le64(p + 40, (uint64_t)s->max_timestamp);
    put_le64(p + 48, (uint64_t)s->last_position);
    put_le32(p + 56, s->last_crc);
    put_le32(p + 60, s->index.interval);
    for (uint32_t i = 0; i < s->index.count; i++) {
        uint8_t *e = p + INDEX_HEADER + (size_t)i * INDEX_ENTRY;
        put_le32(e, s->index.entries[i].relative);
        put_le32(e + 4, s->index.entries[i].position);
        put_le64(e + 8, (uint64_t)s->index.entries[i].max_before);
    }
    p = out->data + begin;
    put_le32(p + 4, crc32c(0, p + 8, len - 8));
}

void segment_write_index(struct fs *fs, const char *path, struct bytes content)
{
    struct file *file;
    if (failed(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file))) return;
    (void)fs->ops->pwrite(fs, file, content.data, content.len, 0);
    fs->ops->close(fs, file);
}

void segment_save_index(struct segment *s)
{
    struct buf out;
    buf_init(&out, INDEX_FILE_MAX);
    segment_put_index(s, &out);
    char path[PATH_SIZE];
    segment_path(s, ".index", path, sizeof path);
    if (out.len) segment_write_index(s->cache->fs, path, buf_bytes(&out));
    buf_done(&out);
}

/* Framing, and what the header says of the segment; the entries are as they were written. */
static status index_open(struct bytes in, uint32_t *ret_count)
{
    const uint8_t *p = in.data;
    if (in.len < INDEX_HEADER || memcmp(p, "LIX1", 4) != 0) return FAIL(CORRUPT);
    uint32_t length = get_le32(p + 8), count = get_le32(p + 12);
    if (length > in.len || count > INDEX_ENTRIES_MAX) return FAIL(CORRUPT);
    if (length != INDEX_HEADER + (size_t)count * INDEX_ENTRY) return FAIL(CORRUPT);
    if (get_le32(p + 4) != crc32c(0, p + 8, length - 8)) return FAIL(CORRUPT);
    *ret_count = count;
    return OK;
}

/* Takes what a good index says into s, whose size and end are those of the index. */
static status index_take(struct segment *s, const uint8_t *p, uint32_t count)
{
    s->last_position = (int64_t)get_le64(p + 48);
    s->last_crc = get_le32(p + 56);
    if (s->last_position < 0 || s->last_position >= s->size) return FAIL(CORRUPT);
    TRY(check_last_batch(s));
    struct index_entry *entries = mem_alloc((count ? count : 1) * sizeof *entries);
    if (!entries) return FAIL(NO_MEMORY);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *e = p + INDEX_HEADER + (size_t)i * INDEX_ENTRY;
        entries[i] = (struct index_entry){ get_le32(e), get_le32(e + 4),
                                           (int64_t)get_le64(e + 8) };
    }
    index_done(&s->index);
    s->index = (struct index){ entries, count, count ? count : 1, get_le32(p + 60) };
    if (s->index.interval < INDEX_INTERVAL) s->index.interval = INDEX_INTERVAL;
    s->first_timestamp = (int64_t)get_le64(p + 32);
    s->max_timestamp = (int64_t)get_le64(p + 40);
    return OK;
}

static status index_decode(struct segment *s, struct bytes in)
{
    uint32_t count;
    TRY(index_open(in, &count));
    if (get_le64(in.data + 16) != (uint64_t)s->size || get_le64(in.data + 24) != (uint64_t)s->end)
        return FAIL(CORRUPT);
    return index_take(s, in.data, count);
}

status segment_take_index(struct segment *s, struct bytes in, int64_t end, int64_t limit)
{
    uint32_t count;
    TRY(index_open(in, &count));
    int64_t size = (int64_t)get_le64(in.data + 16);
    if ((int64_t)get_le64(in.data + 24) != end || size <= 0 || size > limit) return FAIL(CORRUPT);
    s->size = size;
    s->end = end;
    status taken = index_take(s, in.data, count);
    if (is_ok(taken)) return OK;
    s->size = 0;
    s->end = s->base;
    return taken;
}

/* Walks all batches; what is damaged is left out. *ret_whole: nothing was. */
static status index_scan(struct segment *s, bool *ret_whole)
{
    struct segment_cursor c;
    struct batch_header h;
    struct segment fresh = { .base = s->base, .end = s->base, .max_timestamp = INT64_MIN };
    bool whole = true;
    index_done(&s->index); /* the search behind damage asks it */
    TRY(segment_seek(s, 0, &c));
    c.walks = true;
    index_init(&fresh.index);
    status got;
    while ((got = segment_header(&c, &h)).code != E_NOT_FOUND) {
        if (got.code == E_CORRUPT) {
            whole = false;
            got = segment_skip(s, c.position, c.next, &c.position, &h);
            if (got.code == E_NOT_FOUND) break;
        }
        if (failed(got)) {
            index_done(&fresh.index);
            return got;
        }
        fresh.size = c.position;
        segment_note(&fresh, &h);
        segment_step(&c, &h);
    }
    s->index = fresh.index;
    s->first_timestamp = fresh.first_timestamp;
    s->max_timestamp = fresh.max_timestamp;
    s->last_position = fresh.last_position;
    s->last_crc = fresh.last_crc;
    *ret_whole = whole && fresh.size == s->size && fresh.end == s->end;
    return OK;
}

status segment_need_index(struct segment *s)
{
    if (s->indexed) return OK;
    if (s->cache->miss) return segment_missed(s, 0, true);
    char path[PATH_SIZE];
    segment_path(s, ".index", path, sizeof path);
    struct buf in;
    buf_init(&in, INDEX_FILE_MAX);
    status loaded = segment_open(s, 0);
    if (is_ok(loaded)) loaded = files_read(s->cache->fs, path, &in);
    if (is_ok(loaded)) loaded = index_decode(s, buf_bytes(&in));
    buf_done(&in);
    bool whole = false;
    if (failed(loaded)) TRY(index_scan(s, &whole));
    s->indexed = true;
    if (whole) segment_save_index(s);
    return OK;
}
