/* recovery_log.c - recovery of one partition's log. Before the loop runs, synchronous.
 *
 * Bytes below the recovery point are durable, and read only for what has to be known of them: from the
 * snapshot on, for the producer state and the index of the last segment. Above it a batch counts if it
 * fits, has a good CRC and the expected base offset; what counts is written again, from the very
 * bytes that were checked: after a failed sync the page cache may be clean and right while the disk
 * is wrong, and a sync alone would then prove nothing. */
#include "base/log.h"
#include "storage/compact.h"
#include "storage/files.h"
#include "storage/recovery.h"

#include <stdio.h>

struct scan {
    struct recovered *r;
    struct segment *segment;
    int64_t file_size;
    int64_t expected; /* base offset of the next batch */
    bool durable;     /* below the recovery point: all has to be there, nothing is written */
    struct buf window;
    struct bytes index; /* of the segment that the snapshot ends in, up to there; empty: none */
    int64_t now;
    int64_t last; /* the base offset of the batch that was folded last */
};

/* Many syncs take long one by one: from some number on they are left to one of everything, which
 * recovery does before it writes the checkpoint. */
static bool sync_now(struct store *store)
{
    return store->recovery_syncs++ < store->tuning.recovery_syncs;
}

/* Damage that stands in the way of this log; `what` is a literal. */
static status bad(struct recovered *r, const char *what)
{
    r->damage = what;
    return FAIL(CORRUPT);
}

/* A file that cannot be read is as bad as a damaged one. */
static status read_back(struct recovered *r, status s)
{
    return s.code == E_IO ? bad(r, "the disk cannot read one of its files") : s;
}

static status drop_file(struct recovered *r, const char *folder, const char *name)
{
    if (r->drop_count == r->drop_cap) {
        size_t cap = r->drop_cap ? r->drop_cap * 2 : 8;
        struct removal_name *d = mem_realloc(r->drop, cap * sizeof *d);
        if (!d) return FAIL(NO_MEMORY);
        r->drop = d;
        r->drop_cap = cap;
    }
    snprintf(r->drop[r->drop_count++].path, sizeof r->drop->path, "%s/%s", folder, name);
    return OK;
}

/* `batch`: the whole of it, needed for control batches only. */
static status fold(struct scan *sc, const struct batch_header *h, struct bytes batch)
{
    struct plog *log = sc->r->log;
    struct producer_marker marker;
    bool ends = false;
    if (h->base_offset < log->rp.snapshot) return OK;
    if (h->attributes & BATCH_CONTROL) {
        status got = batch_get_marker(batch, &marker.type, &marker.coordinator_epoch);
        if (failed(got) && got.code != E_NOT_FOUND)
            return bad(sc->r, "a transaction marker cannot be read");
        ends = is_ok(got);
    }
    log->since_snapshot += (int64_t)h->size;
    /* No CRC covers the epoch: one that cannot be is not believed, and its batch not served. */
    struct batch_header believed = *h;
    if (h->leader_epoch > store_epoch(log->store)) believed.leader_epoch = -1;
    producer_state_doubt_epoch(&log->producers, believed.leader_epoch, sc->last);
    sc->last = h->base_offset;
    return producer_state_fold(&log->producers, &believed, ends ? &marker : NULL, sc->now);
}

/* --- scanning --------------------------------------------------------------------------------- */

/* Offsets may be missing only where a log was compacted, which is far below its recovery point. */
static bool offset_continues(const struct scan *sc, const struct batch_header *h)
{
    return h->base_offset == sc->expected ||
           (sc->durable && sc->segment->sparse && h->base_offset > sc->expected);
}

/* By the replay of this start: these pages are dirty. */
static bool just_written(const struct plog *log, const struct segment *s, int64_t at, size_t len)
{
    const struct replayed *r = &log->replayed;
    return r->segment == s->base && at >= r->from && at + (int64_t)len <= r->to;
}

/* Takes the good batches off the window and, above the recovery point, writes them again. When the
 * window ended in the middle of a batch that may be good, *ret_need says how large it is. */
static status take_window(struct scan *sc, size_t *ret_taken, size_t *ret_need)
{
    struct bytes left = buf_bytes(&sc->window);
    struct segment *s = sc->segment;
    int64_t at = s->size;
    size_t taken = 0;
    *ret_need = 0;
    while (left.len >= BATCH_HEADER_SIZE) {
        struct batch_header h;
        if (failed(batch_header_peek(left, &h)) || !offset_continues(sc, &h)) break;
        if ((int64_t)h.size > sc->file_size - at - (int64_t)taken) break;
        if (h.size > left.len) {
            *ret_need = h.size;
            break;
        }
        if (failed(batch_check_crc(bytes_of(left.data, h.size))) && !BREAK(NO_BATCH_CRC)) break;
        segment_note(s, &h);
        TRY(fold(sc, &h, bytes_of(left.data, h.size)));
        sc->expected = batch_last_offset(&h) + 1;
        taken += h.size;
        left.data += h.size;
        left.len -= h.size;
    }
    struct fs *fs = s->cache->fs;
    if (taken && !sc->durable && !just_written(sc->r->log, s, at, taken) && !BREAK(NO_REWRITE))
        TRY(fs->ops->pwrite(fs, s->file, sc->window.data, taken, at));
    if (left.len < BATCH_HEADER_SIZE && *ret_need == 0) *ret_need = BATCH_HEADER_SIZE;
    *ret_taken = taken;
    return OK;
}

/* Takes batches from the end of what is known of the segment, as far as they are good. */
static status scan_batches(struct scan *sc)
{
    struct segment *s = sc->segment;
    struct fs *fs = s->cache->fs;
    size_t want = SEGMENT_SCAN_WINDOW;
    TRY(segment_open(s, 0));
    while (s->size < sc->file_size) {
        int64_t rest = sc->file_size - s->size;
        if ((int64_t)want > rest) want = (size_t)rest;
        buf_clear(&sc->window);
        uint8_t *p = buf_reserve(&sc->window, want);
        size_t n, taken, need;
        if (!p) return FAIL(NO_MEMORY);
        if (fs->ops->will_need) fs->ops->will_need(fs, s->file, s->size + (int64_t)want, SCAN_AHEAD);
        TRY(read_back(sc->r, fs->ops->pread(fs, s->file, p, want, s->size, &n)));
        sc->window.len = n;
        TRY(take_window(sc, &taken, &need));
        if (taken == 0 && (need <= want || (int64_t)need > rest || need > BATCH_STORED_MAX)) break;
        want = taken == 0 ? need : SEGMENT_SCAN_WINDOW;
    }
    return OK;
}

/* --- below the recovery point ----------------------------------------------------------------- */

/* Headers up to the snapshot, for the index alone: of snapshots from before they had one. */
static status walk_headers(struct scan *sc, int64_t limit)
{
    struct segment *s = sc->segment;
    struct batch_header h;
    TRY(segment_open(s, 0));
    struct segment view = *s;
    view.size = limit;
    view.prev = view.next = NULL;
    struct segment_cursor c = { .segment = &view, .walks = true };
    while (c.position < limit && s->end < sc->r->log->rp.snapshot) {
        status got = segment_header(&c, &h);
        if (is_ok(got) && h.base_offset != s->end) got = FAIL(CORRUPT);
        if (failed(got)) return got;
        segment_note(s, &h);
        c.position += (int64_t)h.size;
    }
    return OK;
}

/* Goes on behind damage, at the next good batch or, without one, at `end`. What the lost batches said of
 * producers is lost with them; but the marker of an open transaction must not be: its records would be
 * taken for another one's, and committed ones left out or aborted ones served. */
static status step_over(struct scan *sc, int64_t limit, int64_t end)
{
    struct segment *s = sc->segment;
    struct segment view = *s;
    struct batch_header h;
    int64_t damaged = s->size, at = limit;
    if (sc->r->log->producers.txns.open)
        return bad(sc->r, "it is damaged where a transaction is open, between its last snapshot and the "
                          "recovery point");
    view.size = limit;
    view.end = end;
    status found = segment_skip(&view, damaged, sc->expected, &at, &h);
    if (failed(found) && found.code != E_NOT_FOUND && found.code != E_CORRUPT) return read_back(sc->r, found);
    sc->expected = is_ok(found) ? h.base_offset : end;
    s->size = s->good_from = is_ok(found) ? at : limit;
    if (failed(found)) s->end = end;
    damage_found(sc->r->log, s, damaged, sc->expected);
    return OK;
}

/* The batches up to `limit`, which end at the offset `end`: durable, and folded from the snapshot on.
 * What lies below the snapshot is not read. */
static status take_durable(struct scan *sc, int64_t limit, int64_t end)
{
    struct plog *log = sc->r->log;
    struct segment *s = sc->segment;
    int64_t file_size = sc->file_size;
    if (s->base < log->rp.snapshot &&
        (!sc->index.len || failed(segment_take_index(s, sc->index, log->rp.snapshot, limit)))) {
        status walked = walk_headers(sc, limit);
        if (failed(walked) && walked.code != E_CORRUPT) return walked;
    }
    sc->expected = s->end;
    s->good_from = s->size;
    sc->file_size = limit;
    sc->durable = true;
    do {
        TRY(scan_batches(sc));
        if (s->end > end) return bad(sc->r, "its files go beyond its recovery point");
        if (s->size < limit || s->end != end) TRY(step_over(sc, limit, end));
    } while (s->size < limit);
    sc->file_size = file_size;
    sc->durable = false;
    return OK;
}

/* --- the segments of a log -------------------------------------------------------------------- */

/* Garbage behind a segment that is followed by a kept one goes now: it can never become part of the
 * log again. */
static status trim(struct segment *s)
{
    struct fs *fs = s->cache->fs;
    TRY(segment_open(s, 0));
    TRY(fs->ops->truncate(fs, s->file, s->size));
    return BREAK(NO_SETTLE_SYNC) ? OK : files_datasync(fs, s->file);
}

static status file_size(struct segment *s, int64_t *ret_size)
{
    TRY(segment_open(s, 0));
    return s->cache->fs->ops->size(s->cache->fs, s->file, ret_size);
}

/* A segment below the recovery segment: whole and durable. `next` is where the following begins. */
static status take_old(struct scan *sc, int64_t next)
{
    struct segment *s = sc->segment;
    int64_t size;
    TRY(file_size(s, &size));
    if (next > sc->r->log->rp.snapshot) return take_durable(sc, size, next);
    s->size = s->good_from = size;
    s->end = next;
    s->indexed = false;
    return OK;
}

static status take_tail(struct scan *sc)
{
    struct plog *log = sc->r->log;
    struct segment *s = sc->segment;
    TRY(file_size(s, &sc->file_size));
    if (sc->file_size != log->rp.position) sc->r->same = false;
    if (s->base == log->rp.segment) {
        if (sc->file_size < log->rp.position)
            return bad(sc->r, "bytes below the recovery point are missing");
        TRY(take_durable(sc, log->rp.position, log->rp.offset));
    }
    TRY(scan_batches(sc));
    if (sc->file_size > s->size) {
        log_warn("%s/%020lld.log: %lld bytes behind offset %lld are no whole record batch, because a write "
                 "was cut short or they are damaged; they are cut off", log->folder, (long long)s->base,
                 (long long)(sc->file_size - s->size), (long long)sc->expected);
        sc->r->trim = s;
        log->cut = true;
    }
    s->end = s->size ? s->end : s->base;
    /* Synced here, unless nothing was above the recovery point: then what else lies in the file may
     * be unsynced, and it counts as dirty from the first touch. */
    if (sc->r->same) s->suspect = !BREAK(TRUST_UNTOUCHED);
    else if (sync_now(log->store) && !BREAK(NO_RECOVERY_SYNC)) TRY(files_datasync(s->cache->fs, s->file));
    return OK;
}

static status take_segment(struct scan *sc, int64_t base, int64_t next)
{
    struct plog *log = sc->r->log;
    TRY(plog_add_segment(log, base, 0));
    sc->segment = plog_active(log);
    sc->segment->sparse = log->sparse && base < log->rp.segment;
    TRY(base < log->rp.segment ? take_old(sc, next) : take_tail(sc));
    log->bytes += sc->segment->size;
    return OK;
}

struct folder {
    struct name_list names;
    int64_t *bases; /* of segments, ascending */
    size_t count;
};

/* The greatest offset of a snapshot in the folder, when the broken store wants that one. */
static void newest_snapshot(struct plog *log, const struct folder *f)
{
    for (size_t i = 0; i < f->names.count; i++) {
        int64_t snap = files_offset_of(f->names.names[i], ".snap");
        if (snap > log->rp.snapshot) log->rp.snapshot = snap;
    }
}

static status folder_sort(struct recovered *r, struct folder *f)
{
    struct plog *log = r->log;
    if (BREAK(NEWEST_SNAPSHOT)) newest_snapshot(log, f);
    log->sparse = log->config.cleanup_compact;
    f->bases = mem_alloc((f->names.count + 1) * sizeof *f->bases);
    if (!f->bases) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < f->names.count; i++) {
        const char *name = f->names.names[i];
        int64_t base = files_offset_of(name, ".log"), snap = files_offset_of(name, ".snap");
        int64_t index = files_offset_of(name, ".index");
        size_t len = strlen(name);
        if (base >= 0) f->bases[f->count++] = base;
        else if (strcmp(name, "cleaned") == 0) log->sparse = true;
        else if ((snap >= 0 && snap != log->rp.snapshot) || index >= log->rp.segment)
            TRY(drop_file(r, log->folder, name));
        else if (len > 4 && strcmp(name + len - 4, ".tmp") == 0)
            TRY(drop_file(r, log->folder, name));
    }
    return OK;
}

/* The recovery segment must be there; at position 0 it may never have become durable. */
static status need_segment(struct recovered *r, struct folder *f)
{
    struct plog *log = r->log;
    size_t at = 0;
    while (at < f->count && f->bases[at] < log->rp.segment) at++;
    if (at < f->count && f->bases[at] == log->rp.segment) return OK;
    if (log->rp.position > 0)
        return bad(r, "the segment of its recovery point is missing");
    memmove(f->bases + at + 1, f->bases + at, (f->count - at) * sizeof *f->bases);
    f->bases[at] = log->rp.segment;
    f->count++;
    struct fs *fs = log->store->fs;
    struct file *file;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%020lld.log", log->folder, (long long)log->rp.segment);
    TRY(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file));
    fs->ops->close(fs, file);
    return OK;
}

/* The producer state of the named snapshot; what follows it in the file: an index. */
static status read_snapshot(struct recovered *r, int64_t now, struct buf *in, struct bytes *ret_index)
{
    struct plog *log = r->log;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%020lld.snap", log->folder, (long long)log->rp.snapshot);
    TRY(files_read(log->store->fs, path, in));
    size_t size = producer_state_size(buf_bytes(in));
    *ret_index = bytes_of(in->data + size, in->len - size);
    return producer_state_decode(bytes_of(in->data, size), log->rp.snapshot, now, &log->producers);
}

/* Files of aborted transactions that the snapshot does not name were written for one that never
 * counted. Those it names are there, unless their segment is on its way out. */
static status match_aborted(struct recovered *r, const struct folder *f)
{
    struct plog *log = r->log;
    struct aborted_index *index = &log->producers.aborted;
    uint32_t found = 0;
    bool missing = f->bases[0] > log->start;
    int64_t first = missing ? log->start : f->bases[0];
    for (size_t i = 1; i < f->count && f->bases[i] <= log->start; i++) first = f->bases[i];
    aborted_forget(index, first);
    for (size_t i = 0; i < f->names.count; i++) {
        int64_t base = files_offset_of(f->names.names[i], ".aborted");
        if (base < 0) continue;
        if (aborted_has_file(index, base)) found++;
        else if (!missing) TRY(drop_file(r, log->folder, f->names.names[i]));
    }
    if (found != index->file_count) return FAIL(CORRUPT);
    return aborted_check(index, log->store->fs, log->folder);
}

/* What producers have done, as of the snapshot. When that is of no use, all of the log is read for it;
 * the next checkpoint writes a new one. */
static status load_producers(struct recovered *r, const struct folder *f, int64_t now,
                             struct buf *in, struct bytes *ret_index)
{
    struct plog *log = r->log;
    status s = OK;
    if (log->rp.snapshot > 0) s = read_snapshot(r, now, in, ret_index);
    if (is_ok(s)) s = match_aborted(r, f);
    if (is_ok(s)) return OK;
    if (s.code == E_FORMAT) return recovery_newer(log->store, "a producer snapshot");
    if (s.code != E_CORRUPT && s.code != E_NOT_FOUND) return read_back(r, s);
    log_warn("%s: the producer snapshot at %lld or a file of aborted transactions is missing or "
             "damaged; made again from the whole log", log->folder, (long long)log->rp.snapshot);
    r->rebuild = true;
    r->snapshot = log->rp.snapshot;
    log->rp.snapshot = 0;
    *ret_index = bytes_of(NULL, 0);
    producer_state_done(&log->producers);
    return match_aborted(r, f);
}

/* Whether nothing may lie above the recovery point, and no cut can have come undone; the size of the file,
 * which decides, is looked at when it is open. (Where the journal had more, the replay has put it there.) */
static bool may_be_same(const struct plog *log, const struct folder *f)
{
    return !log->cut && log->journaled <= log->rp.offset && f->bases[f->count - 1] == log->rp.segment;
}

static status take_segments(struct recovered *r, const struct folder *f, int64_t now,
                            struct bytes index)
{
    struct plog *log = r->log;
    struct scan sc = { .r = r, .expected = log->rp.offset, .now = now, .index = index, .last = -1 };
    status s = OK;
    buf_init(&sc.window, BATCH_STORED_MAX);
    for (size_t i = 0; i < f->count && is_ok(s); i++) {
        int64_t base = f->bases[i];
        if (base > log->rp.segment && (base != sc.expected || (r->trim && BREAK(STOP_AT_GARBAGE)))) {
            char name[32];
            snprintf(name, sizeof name, "%020lld.log", (long long)base);
            log_warn("%s/%s does not go on where the log ends (offset %lld); it is removed", log->folder,
                     name, (long long)sc.expected);
            log->cut = true;
            s = drop_file(r, log->folder, name);
            continue;
        }
        if (r->trim) s = trim(r->trim);
        r->trim = NULL;
        if (is_ok(s)) s = take_segment(&sc, base, i + 1 < f->count ? f->bases[i + 1] : 0);
    }
    buf_done(&sc.window);
    log->end = sc.expected;
    return s;
}

static status load_and_take(struct recovered *r, struct folder *f)
{
    int64_t now = store_wall(r->log->store);
    struct bytes index = bytes_of(NULL, 0);
    struct buf snapshot;
    buf_init(&snapshot, SIZE_MAX / 2);
    status s = load_producers(r, f, now, &snapshot, &index);
    r->same = may_be_same(r->log, f);
    if (is_ok(s)) s = take_segments(r, f, now, index);
    buf_done(&snapshot);
    return s;
}

static status recover_folder(struct recovered *r, struct folder *f)
{
    struct plog *log = r->log;
    bool changed;
    TRY(files_list(log->store->fs, log->folder, &f->names));
    TRY(compact_recover(log->store->fs, log->folder, &f->names, &changed));
    if (changed) {
        name_list_done(&f->names);
        TRY(files_list(log->store->fs, log->folder, &f->names));
    }
    TRY(folder_sort(r, f));
    TRY(need_segment(r, f));
    TRY(load_and_take(r, f));
    if (!r->same && sync_now(log->store) && !BREAK(NO_RECOVERY_SYNC))
        TRY(files_sync_dir(log->store->fs, log->folder));
    struct segment *last = plog_active(log);
    if (log->start > log->end) return bad(r, "it ends before its log start");
    if (log->journaled > log->end)
        log_error("%s is damaged above its recovery point: the records from %lld up to %lld were "
                  "acknowledged and are lost", log->folder, (long long)log->end,
                  (long long)log->journaled);
    if (log->start < log->segments[0]->base)
        damage_missing(log, log->start, log->segments[0]->base);
    log->rp = (struct recovery_point){ log->end, last->base, last->size, log->rp.snapshot };
    return OK;
}

/* What replay wrote is durable; all else stays as it is, here and in the checkpoint. */
static status set_aside(struct recovered *r, const struct folder *f)
{
    struct plog *log = r->log;
    struct fs *fs = log->store->fs;
    for (size_t i = 0; i < f->count; i++) {
        struct file *file;
        char path[PATH_SIZE];
        if (f->bases[i] < log->rp.segment) continue;
        snprintf(path, sizeof path, "%s/%020lld.log", log->folder, (long long)f->bases[i]);
        if (failed(fs->ops->open(fs, path, FS_WRITE, &file))) continue;
        status synced = files_datasync(fs, file);
        fs->ops->close(fs, file);
        TRY(synced);
    }
    if (log->has_dir) TRY(files_sync_dir(fs, log->folder));
    if (r->rebuild) log->rp.snapshot = r->snapshot;
    r->drop_count = 0;
    r->trim = NULL;
    r->same = false;
    damage_offline(log, r->damage ? r->damage : "a file of it is damaged");
    log->end = log->rp.offset > log->start ? log->rp.offset : log->start;
    return OK;
}

status recovery_log(struct recovered *r)
{
    struct plog *log = r->log;
    struct folder f = { .count = 0 };
    status s = OK;
    if (log->has_dir) s = recover_folder(r, &f);
    else if (log->rp.offset > 0 || log->start > 0) s = bad(r, "its folder is missing");
    if (s.code == E_CORRUPT) s = set_aside(r, &f);
    name_list_done(&f.names);
    mem_free(f.bases);
    return s;
}

/* --- step 8 ----------------------------------------------------------------------------------- */

static status unlink_one(struct fs *fs, const char *path)
{
    status s = fs->ops->unlink(fs, path);
    return s.code == E_NOT_FOUND ? OK : s;
}

/* Segments wholly below the log start, as far as the cleaner may go. */
static status drop_old(struct plog *log)
{
    while (log->count > 1 && log->segments[1]->base <= log->start &&
           log->segments[0]->base < log->rp.segment &&
           log->segments[1]->base <= log->rp.snapshot) {
        struct segment *s = log->segments[0];
        char path[PATH_SIZE];
        segment_path(s, ".index", path, sizeof path);
        TRY(unlink_one(log->store->fs, path));
        segment_path(s, ".aborted", path, sizeof path);
        TRY(unlink_one(log->store->fs, path));
        segment_path(s, ".log", path, sizeof path);
        TRY(unlink_one(log->store->fs, path));
        plog_count(log, -s->size);
        log->count--;
        memmove(log->segments, log->segments + 1, log->count * sizeof *log->segments);
        segment_free(s);
    }
    return OK;
}

status recovery_settle(struct recovered *r)
{
    struct plog *log = r->log;
    if (log->offline) return OK;
    if (r->trim) TRY(trim(r->trim));
    for (size_t i = 0; i < r->drop_count; i++)
        TRY(unlink_one(log->store->fs, r->drop[i].path));
    TRY(drop_old(log));
    return log->cut && !BREAK(NO_SETTLE_SYNC) ? files_sync_dir(log->store->fs, log->folder) : OK;
}

void recovery_serve(struct recovered *r)
{
    struct plog *log = r->log;
    log->durable = log->end;
    plog_set_high_watermark(log, log->end);
    log->start_wanted = log->start_handed = log->start;
    if (r->same) log->dir_made++; /* whether its entries are durable is not known */
    plog_mark_handed(log);
}

void recovery_done(struct recovered *r)
{
    mem_free(r->drop);
}
