/* aborted.c - the index of aborted transactions of one partition.
 *
 * Invariants: files ascend by base, entries by the offset of their marker, and every entry of a file
 * stands before those in memory. An entry's `stable` is the first offset of the oldest transaction
 * that was open behind its marker: later entries cannot begin below it, so a search ends there. */
#include "storage/aborted.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/files.h"
#include "storage/limits.h"

#include <stdio.h>

#define FILE_HEADER 32
#define FILE_MAX (FILE_HEADER + (size_t)ABORTED_FILE_ENTRIES_MAX * ABORTED_ENTRY_SIZE)
#define FIND_WINDOW 64 /* entries read at once */
#define COPY_ENTRIES 1024

void aborted_done(struct aborted_index *a)
{
    mem_free(a->files);
    mem_free(a->recent);
    *a = (struct aborted_index){ 0 };
}

status aborted_reserve(struct aborted_index *a)
{
    if (a->recent_count < a->recent_cap) return OK;
    uint32_t cap = a->recent_cap ? a->recent_cap * 2 : 4;
    struct aborted_entry *e = mem_realloc(a->recent, cap * sizeof *e);
    if (!e) return FAIL(NO_MEMORY);
    a->recent = e;
    a->recent_cap = cap;
    return OK;
}

void aborted_add(struct aborted_index *a, const struct aborted_entry *e)
{
    a->recent[a->recent_count++] = *e;
}

/* Index of the first entry in memory with its marker at or above offset. */
static uint32_t recent_from(const struct aborted_index *a, int64_t offset)
{
    uint32_t low = 0, high = a->recent_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->recent[middle].last < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

uint32_t aborted_since(const struct aborted_index *a, int64_t offset)
{
    return a->recent_count - recent_from(a, offset);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void put_entry(uint8_t *b, const struct aborted_entry *e)
{
    put_le64(b, (uint64_t)e->producer_id);
    put_le64(b + 8, (uint64_t)e->first);
    put_le64(b + 16, (uint64_t)e->last);
    put_le64(b + 24, (uint64_t)e->stable);
}

static void get_entry(const uint8_t *b, struct aborted_entry *e)
{
    e->producer_id = (int64_t)get_le64(b);
    e->first = (int64_t)get_le64(b + 8);
    e->last = (int64_t)get_le64(b + 16);
    e->stable = (int64_t)get_le64(b + 24);
}

status aborted_encode(const struct aborted_index *a, int64_t base, int64_t end, struct buf *out,
                      uint32_t *ret_count)
{
    uint32_t from = recent_from(a, base), to = recent_from(a, end);
    *ret_count = to - from;
    if (from == to) return OK;
    size_t length = FILE_HEADER + (size_t)(to - from) * ABORTED_ENTRY_SIZE;
    uint8_t *h = buf_extend(out, length);
    if (!h) return buf_check(out);
    memset(h, 0, FILE_HEADER);
    memcpy(h, "LAT1", 4);
    put_le32(h + 8, (uint32_t)length);
    put_le32(h + 12, to - from);
    put_le64(h + 16, (uint64_t)base);
    uint8_t *b = h + FILE_HEADER;
    for (uint32_t i = from; i < to; i++, b += ABORTED_ENTRY_SIZE) put_entry(b, &a->recent[i]);
    put_le32(h + 4, crc32c(0, h + 8, length - 8));
    return OK;
}

void aborted_put(const struct aborted_index *a, struct buf *out)
{
    for (uint32_t i = 0; i < a->file_count; i++) {
        uint8_t *b = buf_extend(out, ABORTED_FILE_SIZE);
        if (!b) return;
        put_le64(b, (uint64_t)a->files[i].base);
        put_le32(b + 8, a->files[i].count);
        put_le32(b + 12, 0);
    }
    for (uint32_t i = 0; i < a->recent_count; i++) {
        uint8_t *b = buf_extend(out, ABORTED_ENTRY_SIZE);
        if (!b) return;
        put_entry(b, &a->recent[i]);
    }
}

static status file_add(struct aborted_index *a, int64_t base, uint32_t count)
{
    if (a->file_count == a->file_cap) {
        uint32_t cap = a->file_cap ? a->file_cap * 2 : 4;
        struct aborted_file *f = mem_realloc(a->files, cap * sizeof *f);
        if (!f) return FAIL(NO_MEMORY);
        a->files = f;
        a->file_cap = cap;
    }
    a->files[a->file_count++] = (struct aborted_file){ .base = base, .count = count };
    return OK;
}

status aborted_get(struct aborted_index *a, const uint8_t *files, uint32_t file_count,
                   const uint8_t *entries, uint32_t entry_count)
{
    int64_t before = -1;
    for (; file_count; file_count--, files += ABORTED_FILE_SIZE) {
        int64_t base = (int64_t)get_le64(files);
        if (base <= before) return FAIL(CORRUPT);
        TRY(file_add(a, base, get_le32(files + 8)));
        a->files[a->file_count - 1].named = true;
        before = base;
    }
    for (; entry_count; entry_count--, entries += ABORTED_ENTRY_SIZE) {
        struct aborted_entry e;
        get_entry(entries, &e);
        if (e.last <= before || e.first > e.last) return FAIL(CORRUPT);
        TRY(aborted_reserve(a));
        aborted_add(a, &e);
        before = e.last;
    }
    return OK;
}

status aborted_copy(const struct aborted_index *a, int64_t from, struct aborted_index *copy,
                    int64_t *ret_whole)
{
    uint32_t first = recent_from(a, from), left = a->recent_count - first, n = COPY_ENTRIES;
    *copy = (struct aborted_index){ 0 };
    while (n < left && a->recent[first + n - 1].stable <= from) n *= 2;
    if (n > left) n = left;
    *ret_whole = n < left ? a->recent[first + n - 1].stable : INT64_MAX;
    if (a->file_count) copy->files = mem_alloc(a->file_count * sizeof *copy->files);
    if (n) copy->recent = mem_alloc(n * sizeof *copy->recent);
    if ((a->file_count && !copy->files) || (n && !copy->recent)) {
        aborted_done(copy);
        return FAIL(NO_MEMORY);
    }
    if (a->file_count) memcpy(copy->files, a->files, a->file_count * sizeof *copy->files);
    if (n) memcpy(copy->recent, a->recent + first, n * sizeof *copy->recent);
    copy->file_count = copy->file_cap = a->file_count;
    copy->recent_count = copy->recent_cap = n;
    return OK;
}

/* --- files ------------------------------------------------------------------------------------ */

/* The n first entries in memory go. */
static void recent_drop(struct aborted_index *a, uint32_t n)
{
    if (n == 0) return;
    a->recent_count -= n;
    memmove(a->recent, a->recent + n, a->recent_count * sizeof *a->recent);
    if (a->recent_count) return;
    mem_free(a->recent);
    a->recent = NULL;
    a->recent_cap = 0;
}

status aborted_stored(struct aborted_index *a, int64_t base, int64_t end, uint32_t count)
{
    TRY(file_add(a, base, count));
    recent_drop(a, recent_from(a, end));
    return OK;
}

void aborted_forget(struct aborted_index *a, int64_t base)
{
    uint32_t n = 0;
    recent_drop(a, recent_from(a, base));
    while (n < a->file_count && a->files[n].base < base) n++;
    if (n == 0) return;
    a->file_count -= n;
    memmove(a->files, a->files + n, a->file_count * sizeof *a->files);
}

bool aborted_has_file(const struct aborted_index *a, int64_t base)
{
    for (uint32_t i = 0; i < a->file_count; i++)
        if (a->files[i].base == base) return true;
    return false;
}

int64_t aborted_last_file(const struct aborted_index *a)
{
    return a->file_count ? a->files[a->file_count - 1].base : -1;
}

void aborted_named(struct aborted_index *a, int64_t last)
{
    for (uint32_t i = 0; i < a->file_count && a->files[i].base <= last; i++) a->files[i].named = true;
}

bool aborted_in_file(const struct aborted_index *a, int64_t base, int64_t end)
{
    if (recent_from(a, base) != recent_from(a, end)) return false;
    for (uint32_t i = 0; i < a->file_count; i++)
        if (a->files[i].base == base) return a->files[i].named;
    return true;
}

/* The header of the file at `base`, which may hold `most` entries; they are not looked at. */
static status header_check(const uint8_t *h, int64_t base, uint32_t most, uint32_t *ret_count)
{
    uint32_t n = get_le32(h + 12);
    if (memcmp(h, "LAT1", 4) != 0 || n > most || (int64_t)get_le64(h + 16) != base ||
        get_le32(h + 8) != FILE_HEADER + (size_t)n * ABORTED_ENTRY_SIZE)
        return FAIL(CORRUPT);
    *ret_count = n;
    return OK;
}

/* The same, and all of it is there as it was written. */
static status content_check(struct bytes in, int64_t base, uint32_t most, uint32_t *ret_count)
{
    if (in.len < FILE_HEADER) return FAIL(CORRUPT);
    TRY(header_check(in.data, base, most, ret_count));
    if (get_le32(in.data + 8) != in.len || get_le32(in.data + 4) != crc32c(0, in.data + 8, in.len - 8))
        return FAIL(CORRUPT);
    return OK;
}

/* What stays of the file's content, in place. False: all of it. */
static bool drop_entries(struct buf *in, uint32_t entries, const int64_t *markers, uint32_t count)
{
    uint32_t stay = 0, k = 0;
    uint8_t *e = in->data + FILE_HEADER;
    for (uint32_t i = 0; i < entries; i++) {
        struct aborted_entry entry;
        get_entry(e + (size_t)i * ABORTED_ENTRY_SIZE, &entry);
        while (k < count && markers[k] < entry.last) k++;
        if (k < count && markers[k] == entry.last) continue;
        put_entry(e + (size_t)stay++ * ABORTED_ENTRY_SIZE, &entry);
    }
    if (stay == entries) return false;
    in->len = FILE_HEADER + (size_t)stay * ABORTED_ENTRY_SIZE;
    put_le32(in->data + 8, (uint32_t)in->len);
    put_le32(in->data + 12, stay);
    put_le32(in->data + 4, crc32c(0, in->data + 8, in->len - 8));
    return true;
}

status aborted_file_drop(struct fs *fs, const char *folder, int64_t base, const int64_t *markers,
                         uint32_t count, bool *ret_changed)
{
    char path[PATH_SIZE];
    struct buf in;
    uint32_t entries;
    *ret_changed = false;
    snprintf(path, sizeof path, "%s/%020lld.aborted", folder, (long long)base);
    buf_init(&in, FILE_MAX);
    status s = files_read(fs, path, &in);
    if (is_ok(s)) s = content_check(buf_bytes(&in), base, ABORTED_FILE_ENTRIES_MAX, &entries);
    if (is_ok(s) && drop_entries(&in, entries, markers, count)) {
        s = files_replace(fs, path, buf_bytes(&in));
        *ret_changed = is_ok(s);
    }
    buf_done(&in);
    return s.code == E_NOT_FOUND ? OK : s; /* markers that ended no transaction have no file */
}

struct search {
    int64_t from, to;
    aborted_each *each;
    void *arg;
    bool over; /* no later entry can matter */
    bool near; /* nothing may be waited for */
};

static void search_take(struct search *s, const struct aborted_entry *e)
{
    if (e->last >= s->from && e->first < s->to) s->each(s->arg, e);
    if (e->stable >= s->to) s->over = true;
}

static status file_check(struct aborted_file *f, struct fs *fs, const char *path)
{
    struct buf in;
    if (f->checked) return OK;
    uint32_t count;
    buf_init(&in, FILE_MAX);
    status s = files_read(fs, path, &in);
    if (is_ok(s)) s = content_check(buf_bytes(&in), f->base, f->count, &count);
    buf_done(&in);
    f->checked = is_ok(s);
    return s.code == E_NOT_FOUND || s.code == E_LIMIT ? FAIL(CORRUPT) : s;
}

static void file_path(const struct aborted_file *f, const char *folder, char *ret, size_t size)
{
    snprintf(ret, size, "%s/%020lld.aborted", folder, (long long)f->base);
}

status aborted_check(struct aborted_index *a, struct fs *fs, const char *folder)
{
    for (uint32_t i = 0; i < a->file_count; i++) {
        char path[PATH_SIZE];
        file_path(&a->files[i], folder, path, sizeof path);
        TRY(file_check(&a->files[i], fs, path));
    }
    return OK;
}

static status file_bytes(const struct search *s, struct fs *fs, struct file *file, void *p, size_t n,
                         int64_t at)
{
    size_t got = 0;
    bool near = s->near && fs->ops->pread_cached;
    TRY((near ? fs->ops->pread_cached : fs->ops->pread)(fs, file, p, n, at, &got));
    if (got == n) return OK;
    return near ? FAIL(BUSY) : FAIL(CORRUPT);
}

static status file_entries(const struct search *s, struct fs *fs, struct file *file, uint32_t at,
                           uint32_t count, struct aborted_entry *ret)
{
    uint8_t bytes[FIND_WINDOW * ABORTED_ENTRY_SIZE];
    TRY(file_bytes(s, fs, file, bytes, (size_t)count * ABORTED_ENTRY_SIZE,
                   FILE_HEADER + (int64_t)at * ABORTED_ENTRY_SIZE));
    for (uint32_t i = 0; i < count; i++) get_entry(bytes + (size_t)i * ABORTED_ENTRY_SIZE, &ret[i]);
    return OK;
}

static status file_search(const struct aborted_file *f, struct fs *fs, struct file *file,
                          struct search *s)
{
    struct aborted_entry e[FIND_WINDOW];
    uint8_t header[FILE_HEADER];
    uint32_t low = 0, high, count;
    /* Compaction may put a shorter one in its place at any time: what this descriptor has counts. */
    TRY(file_bytes(s, fs, file, header, sizeof header, 0));
    TRY(header_check(header, f->base, f->count, &count));
    high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        TRY(file_entries(s, fs, file, middle, 1, e));
        if (e->last < s->from) low = middle + 1;
        else high = middle;
    }
    while (low < count && !s->over) {
        uint32_t n = count - low < FIND_WINDOW ? count - low : FIND_WINDOW;
        TRY(file_entries(s, fs, file, low, n, e));
        for (uint32_t i = 0; i < n && !s->over; i++) search_take(s, &e[i]);
        low += n;
    }
    return OK;
}

static status file_find(struct aborted_file *f, struct fs *fs, const char *folder, struct search *s)
{
    char path[PATH_SIZE];
    struct file *file;
    if (s->near && !f->near) return FAIL(BUSY);
    file_path(f, folder, path, sizeof path);
    TRY(file_check(f, fs, path));
    TRY(fs->ops->open(fs, path, FS_READ, &file));
    status result = file_search(f, fs, file, s);
    fs->ops->close(fs, file);
    if (result.code == E_BUSY) f->near = false; /* it was long ago */
    return result;
}

static status find(struct aborted_index *a, struct fs *fs, const char *folder, struct search *s,
                   int64_t *ret_missed)
{
    uint32_t i = 0;
    while (i + 1 < a->file_count && a->files[i + 1].base <= s->from) i++;
    for (; i < a->file_count && !s->over; i++) {
        *ret_missed = a->files[i].base;
        TRY(file_find(&a->files[i], fs, folder, s));
    }
    for (uint32_t k = recent_from(a, s->from); k < a->recent_count && !s->over; k++)
        search_take(s, &a->recent[k]);
    return OK;
}

status aborted_find(struct aborted_index *a, struct fs *fs, const char *folder, int64_t from,
                    int64_t to, aborted_each *each, void *arg)
{
    struct search s = { .from = from, .to = to, .each = each, .arg = arg, .over = from >= to };
    int64_t missed;
    return find(a, fs, folder, &s, &missed);
}

status aborted_find_near(struct aborted_index *a, struct fs *fs, const char *folder, int64_t from, int64_t to,
                         aborted_each *each, void *arg, int64_t *ret_missed)
{
    struct search s = { .from = from, .to = to, .each = each, .arg = arg, .over = from >= to, .near = true };
    return find(a, fs, folder, &s, ret_missed);
}

/* What it says is looked at later, by who asked. */
status aborted_read(struct fs *fs, const char *folder, int64_t base)
{
    struct aborted_file f = { .base = base };
    char path[PATH_SIZE];
    struct buf in;
    file_path(&f, folder, path, sizeof path);
    buf_init(&in, FILE_MAX);
    status s = files_read(fs, path, &in);
    buf_done(&in);
    return s.code == E_NOT_FOUND || s.code == E_LIMIT ? OK : s;
}

void aborted_near(struct aborted_index *a, int64_t base)
{
    for (uint32_t i = 0; i < a->file_count; i++)
        if (a->files[i].base == base) a->files[i].near = true;
}
