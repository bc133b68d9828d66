/* inspect_check.c - verifies every file of a data folder. */
#include "base/crc32c.h"
#include "base/hash.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/inspect_walk.h"
#include "storage/producer_state.h"

#include <stdarg.h>

struct point { /* what the checkpoint says of a folder */
    char folder[64];
    struct checkpoint_entry e;
    UT_hash_handle hh;
};
struct check {
    struct fs *fs;
    FILE *out;
    struct inspect_totals totals;
    struct point *points; /* uthash by folder */
};

static void __attribute__((format(printf, 2, 3))) damage(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("damaged: ", c->out);
    vfprintf(c->out, format, args);
    fputc('\n', c->out);
    va_end(args);
    c->totals.damages++;
}

/* --- the checkpoint --------------------------------------------------------------------------- */

static void read_points(struct check *c)
{
    struct buf in;
    struct checkpoint_header h;
    status s = inspect_read(c->fs, "checkpoint", &in);
    if (failed(s)) {
        if (s.code == E_NOT_FOUND)
            fputs("there is no checkpoint: a store that was never used\n", c->out);
        else damage(c, "checkpoint: %s", status_text(s));
        return;
    }
    s = checkpoint_open(buf_bytes(&in), &h);
    if (failed(s)) damage(c, "checkpoint: %s", status_text(s));
    for (uint32_t i = 0; is_ok(s) && i < h.count; i++) {
        char text[UUID_TEXT];
        struct point *p = mem_must(mem_zalloc(sizeof *p));
        checkpoint_get(buf_bytes(&in), i, &p->e);
        uuid_format(p->e.topic, text);
        snprintf(p->folder, sizeof p->folder, "%s-%d", text, (int)p->e.partition);
        HASH_ADD_STR(c->points, folder, p);
    }
    buf_done(&in);
}

/* --- one partition ---------------------------------------------------------------------------- */

struct partition {
    const char *folder;
    const struct point *point; /* NULL: the checkpoint does not name it */
    int64_t end;               /* offset behind the last good batch; -1: no segment yet */
    bool ended;                /* something that is not part of the log was met */
};

/* Where recovery may cut: there a batch may be torn. */
static bool is_tail(const struct partition *p, int64_t base, int64_t position)
{
    if (!p->point) return true;
    const struct checkpoint_entry *e = &p->point->e;
    return base > e->segment || (base == e->segment && position >= e->position);
}

static void check_records(struct check *c, const char *path, int64_t position, struct bytes batch)
{
    struct batch_reader reader;
    struct record r;
    status s = batch_reader_init(&reader, batch, BATCH_PLAIN_MAX);
    if (is_ok(s)) {
        while (batch_reader_next(&reader, &r)) c->totals.records++;
        s = batch_reader_result(&reader);
        batch_reader_done(&reader);
    }
    if (failed(s))
        damage(c, "%s: the records of the batch at %lld cannot be read", path, (long long)position);
}

static void check_segment(struct check *c, struct partition *p, const char *name, int64_t base)
{
    struct inspect_walk w;
    struct batch_header h;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    status s = inspect_walk_open(&w, c->fs, path);
    if (failed(s)) {
        damage(c, "%s: %s", path, status_text(s));
        return;
    }
    if (p->end < 0) p->end = base; /* the first one: what was before it is gone */
    c->totals.segments++;
    for (;;) {
        int64_t at = w.position;
        s = inspect_walk_next(&w, &h);
        if (s.code == E_NOT_FOUND) break;
        bool tail = is_tail(p, base, at);
        if (is_ok(s) && h.base_offset < p->end) s = FAIL(CORRUPT);
        if (is_ok(s) && tail && p->point && h.base_offset != p->end) s = FAIL(CORRUPT);
        if (failed(s)) {
            if (!tail)
                damage(c, "%s: the batch at %lld, behind offset %lld", path, (long long)at,
                       (long long)p->end);
            else
                fprintf(c->out,
                        "%s: %lld bytes behind the end of the log, from %lld on; the next start "
                        "cuts them off\n",
                        path, (long long)(w.size - at), (long long)at);
            p->ended = tail;
            break;
        }
        check_records(c, path, at, buf_bytes(&w.batch));
        c->totals.batches++;
        c->totals.bytes += (int64_t)h.size;
        p->end = batch_last_offset(&h) + 1;
    }
    inspect_walk_close(&w);
}

/* Index and aborted transactions: the CRC over all from byte 8 on. */
static void check_file(struct check *c, const struct partition *p, const char *name,
                       const char *magic)
{
    struct buf in;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    if (failed(inspect_read(c->fs, path, &in))) return;
    const uint8_t *b = in.data;
    bool good = in.len >= 12 && memcmp(b, magic, 4) == 0 && get_le32(b + 8) <= in.len &&
                get_le32(b + 8) >= 12 && get_le32(b + 4) == crc32c(0, b + 8, get_le32(b + 8) - 8);
    if (!good && magic[1] == 'I') fprintf(c->out, "%s: will be made again\n", path);
    else if (!good) damage(c, "%s", path);
    buf_done(&in);
}

static void check_snapshot(struct check *c, const struct partition *p, const char *name,
                           int64_t offset)
{
    struct buf in;
    struct producer_state state = { 0 };
    char path[PATH_SIZE];
    if (!p->point || p->point->e.snapshot != offset) return; /* not in use */
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    status s = inspect_read(c->fs, path, &in);
    if (is_ok(s)) {
        struct bytes front = bytes_of(in.data, producer_state_size(buf_bytes(&in)));
        s = producer_state_decode(front, offset, 0, &state);
        buf_done(&in);
        if (is_ok(s)) producer_state_done(&state);
    }
    if (failed(s)) damage(c, "%s: %s", path, status_text(s));
}

static void check_partition(struct check *c, const char *folder)
{
    struct name_list names;
    struct partition p = { .folder = folder, .end = -1 };
    HASH_FIND_STR(c->points, folder, p.point);
    status s = files_list(c->fs, folder, &names);
    if (failed(s)) {
        damage(c, "%s: %s", folder, status_text(s));
        return;
    }
    c->totals.partitions++;
    for (size_t i = 0; i < names.count && !p.ended; i++) {
        const char *name = names.names[i];
        int64_t base = files_offset_of(name, ".log"), snap = files_offset_of(name, ".snap");
        if (base >= 0) check_segment(c, &p, name, base);
        else if (files_offset_of(name, ".index") >= 0) check_file(c, &p, name, "LIX1");
        else if (files_offset_of(name, ".aborted") >= 0) check_file(c, &p, name, "LAT1");
        else if (snap >= 0) check_snapshot(c, &p, name, snap);
    }
    if (p.point && p.end < p.point->e.offset && p.end >= 0)
        damage(c, "%s: ends at offset %lld, %lld were durable", folder, (long long)p.end,
               (long long)p.point->e.offset);
    name_list_done(&names);
}

static bool is_partition(const char *name)
{
    struct uuid id;
    size_t len = UUID_TEXT - 1;
    return strlen(name) > len + 1 && name[len] == '-' && uuid_parse((struct str){ name, len }, &id);
}

status inspect_check(struct fs *fs, FILE *out, struct inspect_totals *ret_totals)
{
    struct check c = { .fs = fs, .out = out };
    struct name_list names;
    TRY(files_list(fs, ".", &names));
    read_points(&c);
    for (size_t i = 0; i < names.count; i++)
        if (is_partition(names.names[i])) check_partition(&c, names.names[i]);
    name_list_done(&names);
    struct point *p, *next;
    HASH_ITER (hh, c.points, p, next) {
        HASH_DEL(c.points, p);
        mem_free(p);
    }
    fprintf(out, "%lld partitions, %lld segments, %lld batches, %lld records, %lld bytes: ",
            (long long)c.totals.partitions, (long long)c.totals.segments,
            (long long)c.totals.batches, (long long)c.totals.records, (long long)c.totals.bytes);
    if (c.totals.damages) fprintf(out, "%lld damaged\n", (long long)c.totals.damages);
    else fputs("no damage\n", out);
    *ret_totals = c.totals;
    return OK;
}
