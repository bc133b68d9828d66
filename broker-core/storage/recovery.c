/* recovery.c - from what a crash left to a store that serves. Before the loop runs, synchronous.
 *
 * Until the new checkpoint is durable recovery only adds bytes that were already meant to be there,
 * so a crash anywhere means starting again; only afterwards anything is removed, since what
 * justifies a removal may have been in the page cache alone until then. Steps as numbered in
 * FORMAT.md, "Recovery"; one log's scan is in recovery_log.c. */
#include "storage/recovery.h"

#include "base/format.h"
#include "base/log.h"
#include "storage/checkpoint.h"
#include "storage/files.h"

#include <stdio.h>

#define FRAMES_MAX (JOURNAL_SIZE_MAX / FRAME_ALIGN)

status recovery_bad(struct store *store, const char *what, const char *name)
{
    why_set(store->options.why,
            "%s: %s. The broker does not start with it: bring the data folder back from a backup, or "
            "start with an empty one; `leat-broker check` says what can be read of this one",
            name, what);
    return FAIL(CORRUPT);
}

status recovery_newer(struct store *store, const char *name)
{
    why_set(store->options.why,
            "%s is of a newer version of Leat than this program, which reads folders of the formats %d to "
            "%d. Nothing was changed: start the newer version again, or bring back a backup from before",
            name, FORMAT_OLDEST, FORMAT_NEWEST);
    return FAIL(FORMAT);
}

/* "<topic id>-<partition>" */
static bool parse_folder(const char *name, struct log_key *ret)
{
    size_t id = UUID_TEXT - 1;
    int64_t partition;
    if (strlen(name) < id + 2 || name[id] != '-') return false;
    if (!uuid_parse((struct str){ name, id }, &ret->topic)) return false;
    if (!str_to_i64(str_c(name + id + 1), &partition) || partition > INT32_MAX) return false;
    ret->partition = (int32_t)partition;
    return true;
}

/* Before its first checkpoint a store has neither logs nor frames. */
static status check_new(struct store *store)
{
    struct name_list names;
    bool used = false;
    struct file *file;
    TRY(files_list(store->fs, ".", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct log_key key;
        used |= parse_folder(names.names[i], &key);
    }
    name_list_done(&names);
    static const char *const paths[2] = { "journal-0", "journal-1" };
    for (int i = 0; i < 2 && !used; i++) {
        status opened = store->fs->ops->open(store->fs, paths[i], FS_READ, &file);
        if (opened.code == E_NOT_FOUND) continue;
        TRY(opened);
        store->fs->ops->close(store->fs, file);
        used = true;
    }
    return used ? recovery_bad(store, "is missing, but there are partitions or journals", "checkpoint")
                : OK;
}

/* The log of a partition that the image knows; NULL when it does not, or without memory (*ret). */
static struct plog *recovery_find(struct store *store, struct log_key key, status *ret)
{
    struct log_config config = log_config_default;
    *ret = OK;
    struct plog *log = store_find(store, key.topic, key.partition);
    if (log) return log;
    if (!store->options.known(store->options.arg, key.topic, key.partition, &config)) return NULL;
    log = store_make_log(store, key, &config);
    if (!log || failed(plog_need_folder(log))) {
        *ret = FAIL(NO_MEMORY);
        return NULL;
    }
    return log;
}

/* --- step 1: checkpoint ----------------------------------------------------------------------- */

static status read_checkpoint(struct store *store, uint64_t *ret_first_live)
{
    struct buf in;
    struct checkpoint_header h;
    buf_init(&in, CHECKPOINT_HEADER + (size_t)CHECKPOINT_ENTRIES_MAX * CHECKPOINT_ENTRY);
    status s = files_read(store->fs, "checkpoint", &in);
    if (s.code == E_NOT_FOUND) { /* a new store */
        random_bytes(&store->store_id, sizeof store->store_id);
        *ret_first_live = 1;
        buf_done(&in);
        return check_new(store);
    }
    if (is_ok(s)) s = checkpoint_open(buf_bytes(&in), &h);
    if (s.code == E_CORRUPT) s = recovery_bad(store, "damaged", "checkpoint");
    if (s.code == E_FORMAT) s = recovery_newer(store, "checkpoint");
    for (uint32_t i = 0; is_ok(s) && i < h.count; i++) {
        struct checkpoint_entry e;
        checkpoint_get(buf_bytes(&in), i, &e);
        struct plog *log = recovery_find(store, (struct log_key){ e.topic, e.partition }, &s);
        if (!log) continue;
        log->start = e.start;
        log->rp = (struct recovery_point){ e.offset, e.segment, e.position, e.snapshot };
        log->cut = e.flags & CHECKPOINT_CUT;
    }
    if (is_ok(s)) {
        store->store_id = h.store_id;
        store->generation = h.generation;
        store->format = h.format;
        *ret_first_live = h.first_live;
    }
    buf_done(&in);
    return s;
}

/* --- step 2: journals ------------------------------------------------------------------------- */

struct live_frame {
    int64_t at;
    uint64_t sequence;
};
struct live_file {
    struct file *file;
    struct live_frame *frames;
    size_t count;
    uint64_t previous; /* of the first frame */
};

static status live_add(struct live_file *l, int64_t at, const struct frame_header *h)
{
    if ((l->count & (l->count - 1)) == 0) {
        size_t cap = l->count ? l->count * 2 : 1;
        struct live_frame *f = mem_realloc(l->frames, cap * sizeof *f);
        if (!f) return FAIL(NO_MEMORY);
        l->frames = f;
    }
    if (l->count == 0) l->previous = h->previous;
    l->frames[l->count++] = (struct live_frame){ at, h->sequence };
    return OK;
}

/* A valid frame behind a break, newer than what stands before it: the medium has lost something that
 * was synced, and maybe no segment has it. */
static status check_behind(struct store *store, struct live_file *l, const char *path, int64_t at,
                           uint64_t first_live)
{
    int64_t size;
    struct buf frame;
    uint64_t from = l->count ? l->frames[l->count - 1].sequence + 2 : first_live;
    bool found = false;
    TRY(store->fs->ops->size(store->fs, l->file, &size));
    buf_init(&frame, FRAME_SIZE_MAX);
    for (at += FRAME_ALIGN; at < size && !found; at += FRAME_ALIGN) {
        struct frame_header h;
        status s = journal_read_frame(store->fs, l->file, at, store->store_id, &frame, &h);
        found = is_ok(s) && h.generation == store->generation && h.sequence >= from;
    }
    buf_done(&frame);
    if (!found) return OK;
    why_set(store->options.why,
            "%s is damaged before its frame at %lld: records that were acknowledged may be there "
            "alone. Bring the data folder back from a backup; or move both journals away and start: "
            "what only they have is lost then, all else is served", path, (long long)at - FRAME_ALIGN);
    return FAIL(CORRUPT);
}

static status read_journal(struct store *store, const char *path, uint64_t first_live,
                           struct live_file *l)
{
    struct buf frame;
    struct frame_header h;
    int64_t at = 0;
    status s = store->fs->ops->open(store->fs, path, FS_READ, &l->file);
    if (s.code == E_NOT_FOUND) return OK;
    TRY(s);
    buf_init(&frame, FRAME_SIZE_MAX);
    while (l->count < FRAMES_MAX) {
        s = journal_read_frame(store->fs, l->file, at, store->store_id, &frame, &h);
        if (failed(s) || (h.generation != store->generation && !BREAK(NO_EPOCH))) break;
        if (l->count && !BREAK(NO_EPOCH) && h.previous != l->frames[l->count - 1].sequence) break;
        s = live_add(l, at, &h);
        if (failed(s)) break;
        at += (int64_t)frame_padded(h.length);
    }
    buf_done(&frame);
    if (s.code == E_FORMAT) return recovery_newer(store, path);
    if (failed(s) && s.code != E_NOT_FOUND) return s;
    bool any = BREAK(NO_EPOCH) || BREAK(FIRST_LIVE_IGNORED);
    if (any) return OK;
    if (!l->count) return check_behind(store, l, path, -FRAME_ALIGN, first_live);
    if (l->frames[0].sequence >= first_live) return check_behind(store, l, path, at, first_live);
    l->count = 0; /* all of it was freed */
    return OK;
}

/* What a store that knows topics by name alone would take for this one; the tests' ids say the name. */
static struct plog *find_by_name(struct store *store, const struct frame_record *r)
{
    for (struct plog *log = store->logs; log; log = log->hh.next)
        if (log->key.topic.b[1] == r->topic.b[1] && log->key.partition == r->partition) return log;
    return NULL;
}

static status apply_record(struct store *store, const struct frame_record *r)
{
    status s;
    struct plog *log = recovery_find(store, (struct log_key){ r->topic, r->partition }, &s);
    if (!log && BREAK(TOPIC_BY_NAME)) log = find_by_name(store, r);
    if (!log) return s;
    if (r->type == RECORD_START) {
        if (r->offset > log->start) log->start = r->offset;
        return OK;
    }
    if (r->end > log->journaled) log->journaled = r->end;
    if (r->end <= log->rp.offset && !BREAK(REPLAY_BELOW_POINT)) return OK;
    struct fs *fs = store->fs;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%020lld.log", log->folder, (long long)r->segment);
    struct file *file;
    s = fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file);
    if (s.code == E_NOT_FOUND) { /* the folder was not durable */
        TRY(fs->ops->mkdir(fs, log->folder));
        s = fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file);
    }
    TRY(s);
    s = fs->ops->pwrite(fs, file, r->data.data, r->data.len, r->position);
    fs->ops->close(fs, file);
    if (log->replayed.segment != r->segment || log->replayed.to != r->position)
        log->replayed = (struct replayed){ r->segment, r->position, r->position };
    log->replayed.to += (int64_t)r->data.len;
    return s;
}

static status apply_file(struct store *store, struct live_file *l, const char *path)
{
    struct buf frame;
    struct frame_header h;
    status s = OK;
    buf_init(&frame, FRAME_SIZE_MAX);
    for (size_t i = 0; i < l->count && is_ok(s); i++) {
        s = journal_read_frame(store->fs, l->file, l->frames[i].at, store->store_id, &frame, &h);
        size_t position = 0;
        uint32_t index = 0;
        struct frame_record r;
        while (is_ok(s)) {
            s = journal_next_record(buf_bytes(&frame), &h, &position, &index, &r);
            if (s.code == E_NOT_FOUND) {
                s = OK;
                break;
            }
            if (is_ok(s)) s = apply_record(store, &r);
        }
        if (s.code == E_CORRUPT) s = recovery_bad(store, "a frame cannot be read", path);
    }
    buf_done(&frame);
    return s;
}

/* The chain of frames must begin in what the checkpoint freed and have no gap. */
static status check_chain(struct store *store, struct live_file *older, struct live_file *newer,
                          uint64_t first_live)
{
    if (BREAK(NO_EPOCH) || BREAK(FIRST_LIVE_IGNORED)) return OK;
    if (older->count && newer->count) { /* drop from the older what lies after newer.previous */
        while (older->count && older->frames[older->count - 1].sequence > newer->previous)
            older->count--;
        if (!older->count || older->frames[older->count - 1].sequence != newer->previous)
            return recovery_bad(store, "the two files do not continue each other", "journal");
    }
    struct live_file *first = older->count ? older : newer;
    if (first->count && first->previous >= first_live)
        return recovery_bad(store, "its first frames are missing", "journal");
    return OK;
}

static status replay(struct store *store, uint64_t first_live)
{
    static const char *const paths[2] = { "journal-0", "journal-1" };
    struct live_file l[2] = { { 0 } };
    status s = read_journal(store, paths[0], first_live, &l[0]);
    if (is_ok(s)) s = read_journal(store, paths[1], first_live, &l[1]);
    int newer = l[0].count && (!l[1].count || l[0].frames[0].sequence > l[1].frames[0].sequence)
                    ? 0 : 1;
    if (is_ok(s)) s = check_chain(store, &l[1 - newer], &l[newer], first_live);
    if (is_ok(s)) s = apply_file(store, &l[1 - newer], paths[1 - newer]);
    if (is_ok(s)) s = apply_file(store, &l[newer], paths[newer]);
    for (int i = 0; i < 2; i++) {
        if (l[i].file) store->fs->ops->close(store->fs, l[i].file);
        mem_free(l[i].frames);
    }
    return s;
}

/* --- folders ---------------------------------------------------------------------------------- */

/* Logs for all folders that the image knows; the names of the others stay in the list. */
static status find_folders(struct store *store, struct name_list *foreign)
{
    TRY(files_list(store->fs, ".", foreign));
    size_t kept = 0;
    status s = OK;
    for (size_t i = 0; i < foreign->count; i++) {
        struct log_key key;
        struct plog *log = NULL;
        if (is_ok(s) && parse_folder(foreign->names[i], &key)) log = recovery_find(store, key, &s);
        else key.partition = -1;
        /* Text that another encoding of the same id would have made is not ours either. */
        if (log && strcmp(log->folder, foreign->names[i]) == 0) log->has_dir = true;
        if (log || key.partition < 0) mem_free(foreign->names[i]);
        else foreign->names[kept++] = foreign->names[i];
    }
    foreign->count = kept;
    return s;
}

/* A database restored from an old backup must not cost records: what the image does not know waits
 * a day in the trash. */
static status bin_folders(struct store *store, const struct name_list *foreign)
{
    struct fs *fs = store->fs;
    if (foreign->count == 0) return OK;
    status s = fs->ops->mkdir(fs, "trash");
    if (failed(s) && s.code != E_EXISTS) return s;
    for (size_t i = 0; i < foreign->count; i++) {
        char path[PATH_SIZE + 64];
        snprintf(path, sizeof path, "trash/%lld-%s", (long long)store_wall(store),
                 foreign->names[i]);
        TRY(fs->ops->rename(fs, foreign->names[i], path));
    }
    return OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static status write_checkpoint(struct store *store)
{
    struct buf out;
    buf_init(&out, CHECKPOINT_HEADER + (size_t)CHECKPOINT_ENTRIES_MAX * CHECKPOINT_ENTRY);
    checkpoint_begin(&out, store->format);
    for (struct plog *log = store->logs; log; log = log->hh.next) {
        if (log->count == 0 && !log->offline) continue;
        struct checkpoint_entry e = { log->key.topic, log->key.partition,
                                      log->cut && !BREAK(NO_CUT_MARK) ? CHECKPOINT_CUT : 0,
                                      log->start, log->rp.offset,
                                      log->rp.segment, log->rp.position, log->rp.snapshot };
        checkpoint_add(&out, &e);
    }
    struct checkpoint_header h = { store->store_id, store->generation, 1, 0, 0 };
    status s = checkpoint_end(&out, &h);
    if (is_ok(s)) s = files_replace(store->fs, "checkpoint", buf_bytes(&out));
    if (is_ok(s)) s = files_sync_dir(store->fs, ".");
    buf_done(&out);
    return s;
}

/* When it is clear that a sync of everything will be needed, no file is synced by itself before it. */
static void expect_syncs(struct store *store)
{
    int32_t written = 0;
    for (const struct plog *log = store->logs; log; log = log->hh.next)
        written += log->journaled > log->rp.offset;
    if (written > store->tuning.recovery_syncs) store->recovery_syncs = store->tuning.recovery_syncs + 1;
}

static status recover_logs(struct store *store, struct recovered *list, size_t *ret_count)
{
    struct plog *log, *next;
    expect_syncs(store);
    HASH_ITER(hh, store->logs, log, next)
    {
        struct recovered *r = &list[*ret_count];
        *r = (struct recovered){ .log = log };
        ++*ret_count;
        TRY(recovery_log(r));
        store_count(log, log->bytes);
    }
    return OK;
}

static status settle(struct store *store, struct recovered *list, size_t count,
                     const struct name_list *foreign)
{
    for (size_t i = 0; i < count; i++) TRY(recovery_settle(&list[i]));
    status gone = store->fs->ops->unlink(store->fs, "checkpoint.tmp");
    if (failed(gone) && gone.code != E_NOT_FOUND) return gone;
    TRY(bin_folders(store, foreign));
    for (size_t i = 0; i < count; i++) recovery_serve(&list[i]);
    return OK;
}

static status recover(struct store *store, struct recovered *list, size_t *count,
                      const struct name_list *foreign)
{
    TRY(recover_logs(store, list, count));           /* steps 4 and 5 */
    if (store->recovery_syncs > store->tuning.recovery_syncs && !BREAK(NO_RECOVERY_SYNC))
        TRY(store->fs->ops->sync_all(store->fs));
    if (!BREAK(NO_RECOVERY_SYNC)) TRY(files_sync_dir(store->fs, ".")); /* step 6 */
    if (BREAK(EARLY_REMOVAL)) TRY(settle(store, list, *count, foreign));
    if (!BREAK(NO_GENERATION)) store->generation++;
    TRY(write_checkpoint(store));                    /* step 7: all old frames are dead */
    return settle(store, list, *count, foreign);     /* step 8 */
}

/* The next start must not fold again what this one did, and more. */
static void want_snapshots(struct store *store)
{
    store->unfolded = store->unfolded_logs = 0;
    for (const struct plog *log = store->logs; log; log = log->hh.next) {
        store->unfolded += log->since_snapshot;
        store->unfolded_logs += log->since_snapshot > 0;
    }
    if (store->unfolded > store->tuning.fold_max) checkpoint_want(store);
}

status recovery_run(struct store *store)
{
    uint64_t first_live = 1;
    struct name_list foreign = { 0 };
    size_t count = 0;
    TRY(read_checkpoint(store, &first_live));
    TRY(replay(store, first_live));
    status s = find_folders(store, &foreign);
    size_t logs = HASH_CNT(hh, store->logs);
    struct recovered *list = is_ok(s) ? mem_zalloc((logs ? logs : 1) * sizeof *list) : NULL;
    if (is_ok(s) && !list) s = FAIL(NO_MEMORY);
    if (is_ok(s)) s = recover(store, list, &count, &foreign);
    for (size_t i = 0; i < count; i++) recovery_done(&list[i]);
    mem_free(list);
    name_list_done(&foreign);
    TRY(s);
    store->sequence = store->first = 1;
    store->other_free = true;
    store->journal[0].entry_synced = store->journal[1].entry_synced = false;
    want_snapshots(store);
    return OK;
}
