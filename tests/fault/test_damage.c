/* test_damage.c - data folders with bytes turned over, cut off, wiped and files gone: nothing wrong is
 * ever served, what has no damage is complete, and what has some says so.
 *
 * A folder is made once for each of a few seeds, kept as a list of files, and then damaged over and
 * over, each time on a fresh disk. */
#include "base/log.h"
#include "fault/store_kit.h"
#include "storage/batch_check.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/log_source.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TOPICS 3 /* idempotent; transactions; compacted */
#define PARTITIONS 2
#define LOGS (TOPICS * PARTITIONS)
#define SEEDS 8
#define DISKS_PER_SEED 300
#define IMAGE_FILES 400

struct ledger { /* one log as it was served before the damage */
    int64_t start, end;
    struct buf bytes;
    struct buf aborted; /* struct aborted_txn, all of them */
    bool compacted;
};
struct image_file {
    char *path;
    struct buf bytes;
};
struct image {
    struct image_file files[IMAGE_FILES];
    size_t count;
    struct ledger logs[LOGS];
};

static const struct store_tuning small = { .direct_min = 1500, .span_max = 6000, .frame_max = 16384,
                                           .journal_cap = 60 * 4096, .journal_hard = 80 * 4096,
                                           .tail_max = 30000, .snapshot_every = 4000,
                                           .fold_max = 20000, .recovery_syncs = 100 };

static bool known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    const struct kit *k = arg;
    *ret = k->config;
    ret->cleanup_compact = uuid_eq(topic, k->topics[2]);
    ret->cleanup_delete = !ret->cleanup_compact;
    ret->min_cleanable_dirty_ratio = 0;
    return partition < PARTITIONS && topic.b[0] <= k->topics[TOPICS - 1].b[0];
}

static void begin(struct kit *k, uint64_t seed)
{
    kit_init(k, seed);
    k->config.segment_bytes = 1800;
    k->options.known = known;
    k->options.tuning = &small;
}

static struct plog *log_of(struct kit *k, int i)
{
    struct log_config config;
    struct uuid topic = k->topics[i / PARTITIONS];
    (void)known(k, topic, 0, &config);
    return store_log(k->store, topic, i % PARTITIONS, &config);
}

static void told_aborted(void *arg, const struct aborted_txn *txn) { buf_put(arg, txn, sizeof *txn); }

/* --- a folder, and back -------------------------------------------------------------------------- */

static void note_logs(struct kit *k, struct image *image)
{
    for (int i = 0; i < LOGS; i++) {
        struct plog *log = log_of(k, i);
        struct ledger *l = &image->logs[i];
        l->compacted = log->config.cleanup_compact;
        buf_init(&l->bytes, 1 << 24);
        buf_init(&l->aborted, 1 << 24);
        l->start = plog_start(log);
        l->end = plog_end(log);
        assert_int_equal(kit_read_all(log, l->end, &l->bytes).code, E_OK);
        assert_int_equal(plog_aborted(log, l->start, l->end, told_aborted, &l->aborted).code, E_OK);
        assert_null(plog_damage(log));
    }
}

static void keep_file(struct image *image, struct fs *fs, const char *path)
{
    assert_true(image->count < IMAGE_FILES);
    struct image_file *f = &image->files[image->count++];
    f->path = mem_must(mem_strdup(path));
    buf_init(&f->bytes, 1 << 24);
    assert_int_equal(files_read(fs, path, &f->bytes).code, E_OK);
}

static void keep_folder(struct image *image, struct fs *fs, const char *folder)
{
    struct name_list names;
    assert_int_equal(files_list(fs, folder, &names).code, E_OK);
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_SIZE];
        if (strcmp(folder, ".") == 0) snprintf(path, sizeof path, "%s", names.names[i]);
        else snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
        struct name_list inside;
        if (strcmp(folder, ".") == 0 && strchr(path, '-') && strncmp(path, "journal", 7) != 0) {
            if (is_ok(files_list(fs, path, &inside))) name_list_done(&inside);
            keep_folder(image, fs, path);
        } else {
            keep_file(image, fs, path);
        }
    }
    name_list_done(&names);
}

static void image_free(struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        mem_free(image->files[i].path);
        buf_done(&image->files[i].bytes);
    }
    for (int i = 0; i < LOGS; i++) {
        buf_done(&image->logs[i].bytes);
        buf_done(&image->logs[i].aborted);
    }
    mem_free(image);
}

static void put_file(struct fs *fs, const char *path, struct bytes content)
{
    struct file *file;
    char folder[PATH_SIZE];
    const char *slash = strchr(path, '/');
    if (slash) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        (void)fs->ops->mkdir(fs, folder);
    }
    assert_int_equal(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file).code, E_OK);
    if (content.len)
        assert_int_equal(fs->ops->pwrite(fs, file, content.data, content.len, 0).code, E_OK);
    fs->ops->close(fs, file);
}

/* --- what is written ------------------------------------------------------------------------------ */

struct writer {
    struct kit *k;
    int32_t sequence[LOGS];
    bool open[LOGS];
    int64_t tag;
};

static void write_batch(struct writer *w, int i)
{
    struct kit *k = w->k;
    struct kit_batch b = { .records = 1 + (int)sim_below(k->sim, 4),
                           .value_size = 10 + sim_below(k->sim, sim_chance(k->sim, 5) ? 3000 : 120),
                           .codec = sim_chance(k->sim, 20) ? CODEC_LZ4 : CODEC_NONE,
                           .timestamp = k->now += 10,
                           .tag = (uint64_t)++w->tag,
                           .keys = true };
    if (i < PARTITIONS * 2) {
        b.producer_id = 7;
        b.sequence = w->sequence[i];
        w->sequence[i] += b.records;
    }
    if (i / PARTITIONS == 1) {
        b.attributes = BATCH_TRANSACTIONAL;
        w->open[i] = true;
    }
    struct append_result r;
    enum append_origin origin = b.attributes ? APPEND_VERIFIED : APPEND_CLIENT;
    assert_int_equal(kit_append_as(k, log_of(k, i), &b, origin, &r).code, E_OK);
    if (!w->open[i] || sim_chance(k->sim, 60)) return;
    w->open[i] = false;
    assert_int_equal(plog_append_marker(log_of(k, i), 7, 0, sim_chance(k->sim, 40), 0, false, &r).code,
                     E_OK);
}

static struct image *image_make(uint64_t seed)
{
    struct kit k;
    struct image *image = mem_must(mem_zalloc(sizeof *image));
    begin(&k, seed);
    assert_int_equal(kit_open(&k).code, E_OK);
    struct writer w = { .k = &k };
    int batches = 120 + (int)sim_below(k.sim, 200);
    for (int n = 0; n < batches; n++) {
        write_batch(&w, (int)sim_below(k.sim, LOGS));
        if (n == batches / 2) kit_reopen(&k);
        if (n % 40 == 20) (void)store_retain(k.store);
        if (n == 90) (void)plog_set_start(log_of(&k, 0), plog_end(log_of(&k, 0)) / 2, NULL);
    }
    note_logs(&k, image);
    if (seed % 4 == 0) assert_int_equal(store_stop(k.store).code, E_OK);
    kit_close(&k);
    keep_folder(image, sim_fs(k.sim), ".");
    kit_done(&k);
    return image;
}

/* --- what is broken ------------------------------------------------------------------------------- */

struct harm {
    bool gone[IMAGE_FILES];
    int file; /* the last one that was hit */
    bool store;      /* checkpoint or a journal was hit */
    bool logs[LOGS]; /* a file of this one */
    bool tail[LOGS]; /* its bytes above the recovery point, maybe: an end that cannot be told from a crash */
    char told[320]; /* for people */
};

static int log_of_path(const struct kit *k, const char *path)
{
    for (int i = 0; i < LOGS; i++) {
        char text[UUID_TEXT], folder[64];
        uuid_format(k->topics[i / PARTITIONS], text);
        snprintf(folder, sizeof folder, "%s-%d/", text, i % PARTITIONS);
        if (strncmp(path, folder, strlen(folder)) == 0) return i;
    }
    return -1;
}

static void turn(struct kit *k, struct buf *b)
{
    switch (sim_below(k->sim, 5)) {
    case 0:
    case 1: b->data[sim_below(k->sim, (uint32_t)b->len)] ^= (uint8_t)(1u << sim_below(k->sim, 8)); break;
    case 2: b->data[sim_below(k->sim, (uint32_t)b->len)] = (uint8_t)sim_random(k->sim); break;
    case 3: { /* a sector */
        size_t at = sim_below(k->sim, (uint32_t)b->len) / 512 * 512;
        memset(b->data + at, 0, b->len - at < 512 ? b->len - at : 512);
        break;
    }
    default: b->len = sim_below(k->sim, (uint32_t)b->len); break;
    }
}

/* Writes the image with one to three things wrong. */
static void put_harmed(struct kit *k, const struct image *image, struct harm *h)
{
    struct buf copies[IMAGE_FILES];
    *h = (struct harm){ .file = 0 };
    for (size_t i = 0; i < image->count; i++) {
        buf_init(&copies[i], 1 << 24);
        buf_put(&copies[i], image->files[i].bytes.data, image->files[i].bytes.len);
    }
    for (uint32_t n = 1 + sim_below(k->sim, 3); n; n--) {
        uint32_t i = sim_below(k->sim, (uint32_t)image->count);
        const char *path = image->files[i].path;
        int log = log_of_path(k, path);
        h->file = (int)i;
        size_t told = strlen(h->told);
        snprintf(h->told + told, sizeof h->told - told, " %.90s", path);
        if (log >= 0) h->logs[log] = true;
        else h->store = true;
        if (log >= 0 && strstr(path, ".log")) h->tail[log] = true;
        if (sim_chance(k->sim, 15)) h->gone[i] = true;
        else if (copies[i].len) turn(k, &copies[i]);
    }
    for (size_t i = 0; i < image->count; i++) {
        if (!h->gone[i]) put_file(sim_fs(k->sim), image->files[i].path, buf_bytes(&copies[i]));
        buf_done(&copies[i]);
    }
}

/* --- what is served ------------------------------------------------------------------------------- */

static const uint8_t *ledger_batch(const struct ledger *l, int64_t base, size_t *ret_size)
{
    struct bytes left = buf_bytes(&l->bytes), batch;
    struct batch_header h;
    while (batch_next(&left, &batch, &h, NULL)) {
        if (h.base_offset != base) continue;
        *ret_size = batch.len;
        return batch.data;
    }
    return NULL;
}

/* Batches whose base offset was turned into a gap of a compacted log: FORMAT.md, "Not noticed". */
static int64_t moved;

static bool was_moved(const struct ledger *l, struct bytes batch)
{
    struct bytes left = buf_bytes(&l->bytes), was;
    struct batch_header h;
    while (l->compacted && batch_next(&left, &was, &h, NULL))
        if (was.len == batch.len && memcmp(was.data + 8, batch.data + 8, was.len - 8) == 0) return true;
    return false;
}

static int64_t check_batches(const struct ledger *l, struct bytes left, int64_t at)
{
    struct bytes batch;
    struct batch_header h;
    size_t size = 0;
    while (batch_next(&left, &batch, &h, NULL)) {
        const uint8_t *was = ledger_batch(l, h.base_offset, &size);
        at = batch_last_offset(&h) + 1;
        if (!was && was_moved(l, batch)) {
            moved++;
            continue;
        }
        assert_non_null(was);
        assert_int_equal(batch.len, size);
        assert_memory_equal(batch.data, was, size);
    }
    assert_int_equal(left.len, 0);
    return at;
}

/* The offset of the batch in the ledger that a read at `at` begins with; -1: none. */
static int64_t ledger_next(const struct ledger *l, int64_t at)
{
    struct bytes left = buf_bytes(&l->bytes), batch;
    struct batch_header h;
    while (batch_next(&left, &batch, &h, NULL))
        if (batch_last_offset(&h) >= at) return h.base_offset;
    return -1;
}

/* Reads from every offset; how many could not be read. */
static int read_everywhere(struct kit *k, struct plog *log, const struct ledger *l)
{
    int refused = 0;
    int64_t end = plog_end(log);
    assert_true(end <= l->end);
    for (int64_t at = plog_start(log); at < end;) {
        struct buf out;
        struct read_result r;
        buf_init(&out, 1 << 24);
        size_t max = 1 + sim_below(k->sim, 5000);
        status s = plog_read(log, at, end, max, true, &out, &r);
        if (is_ok(s)) {
            struct batch_header h;
            assert_true(r.bytes > 0);
            assert_int_equal(batch_header_peek(buf_bytes(&out), &h).code, E_OK);
            int64_t before = moved;
            assert_int_equal(check_batches(l, buf_bytes(&out), at), r.next_offset);
            if (moved == before) assert_int_equal(h.base_offset, ledger_next(l, at));
            at = sim_chance(k->sim, 70) ? r.next_offset : at + 1;
        } else {
            assert_int_equal(s.code, E_CORRUPT);
            assert_non_null(plog_damage(log));
            refused++;
            at++;
        }
        buf_done(&out);
    }
    return refused;
}

static bool has_record(const struct ledger *l, int64_t offset, int64_t ts)
{
    struct bytes left = buf_bytes(&l->bytes), batch;
    struct batch_header h;
    while (batch_next(&left, &batch, &h, NULL)) {
        struct batch_reader reader;
        struct record r;
        bool found = false;
        if (offset < h.base_offset || offset > batch_last_offset(&h)) continue;
        assert_int_equal(batch_reader_init(&reader, batch, 1 << 24).code, E_OK);
        while (batch_reader_next(&reader, &r)) found |= r.offset == offset && r.timestamp == ts;
        batch_reader_done(&reader);
        return found;
    }
    return false;
}

static void look_up(struct kit *k, struct plog *log, const struct ledger *l)
{
    for (int i = 0; i < 5; i++) {
        int64_t offset, ts, asked = 1700000000000 + sim_below(k->sim, 3500);
        int32_t epoch;
        status s = plog_offset_for_time(log, asked, &offset, &ts, &epoch);
        if (failed(s)) assert_non_null(plog_damage(log));
        else if (offset >= 0) assert_true(ts >= asked && has_record(l, offset, ts));
    }
}

/* Was this aborted? Behind damage a transaction may begin later than it did. */
static bool is_aborted(const uint8_t *was, const uint8_t *told, bool damaged)
{
    struct aborted_txn a, b;
    memcpy(&a, was, sizeof a);
    memcpy(&b, told, sizeof b);
    return a.producer_id == b.producer_id &&
           (a.first_offset == b.first_offset || (damaged && a.first_offset < b.first_offset));
}

/* All that was aborted, or what of it lies in the segments that are there; nothing else. */
static void check_aborted(struct plog *log, const struct ledger *l, bool harmed)
{
    struct buf told;
    size_t size = sizeof(struct aborted_txn), from = 0;
    buf_init(&told, 1 << 24);
    status s = plog_aborted(log, l->start, l->end, told_aborted, &told);
    for (size_t at = 0; at < told.len; at += size, from += size) {
        while (from < l->aborted.len &&
               !is_aborted(l->aborted.data + from, told.data + at, plog_damage(log) != NULL))
            from += size;
        assert_true(from < l->aborted.len);
    }
    if (is_ok(s) && plog_end(log) == l->end && !plog_damage(log))
        assert_int_equal(told.len, l->aborted.len);
    if (failed(s)) assert_true(harmed && s.code == E_CORRUPT);
    buf_done(&told);
}

static void check_log(struct kit *k, int i, const struct ledger *l, const struct harm *h)
{
    struct plog *log = log_of(k, i);
    if (plog_offline(log)) {
        struct buf out;
        struct read_result r;
        assert_true(h->logs[i]);
        assert_non_null(plog_damage(log));
        buf_init(&out, 1 << 20);
        assert_int_equal(plog_read(log, 0, l->end, 100, true, &out, &r).code, E_KAFKA_STORAGE_ERROR);
        buf_done(&out);
        return;
    }
    assert_int_equal(plog_start(log), l->start);
    if (!h->tail[i]) assert_int_equal(plog_end(log), l->end);
    int refused = read_everywhere(k, log, l);
    if (!h->tail[i]) assert_int_equal(refused, 0); /* only segments hold what cannot be made again */
    look_up(k, log, l);
    check_aborted(log, l, h->logs[i]);
}

/* What can be written is there after the next start. */
static void append_and_reopen(struct kit *k, const struct harm *h)
{
    int64_t ends[LOGS];
    for (int i = 0; i < LOGS; i++) {
        struct plog *log = log_of(k, i);
        struct kit_batch b = { .tag = 77, .keys = true };
        status s = kit_append(k, log, &b, NULL);
        if (failed(s)) assert_true(plog_offline(log) && s.code == E_KAFKA_STORAGE_ERROR);
        ends[i] = plog_end(log);
    }
    kit_reopen(k);
    for (int i = 0; i < LOGS; i++) {
        struct plog *log = log_of(k, i);
        struct buf out;
        struct read_result r;
        buf_init(&out, 1 << 20);
        if (!h->logs[i]) assert_false(plog_offline(log));
        if (!plog_offline(log)) {
            assert_int_equal(plog_end(log), ends[i]);
            assert_int_equal(plog_read(log, ends[i] - 1, ends[i], 1000, true, &out, &r).code, E_OK);
        }
        buf_done(&out);
    }
}

static int64_t disks, refusals, offline, partly;

static void one_disk(const struct image *image, uint64_t seed)
{
    struct kit k;
    struct harm h;
    begin(&k, seed);
    put_harmed(&k, image, &h);
    k.now += 1000000;
    status s = kit_open(&k);
    disks++;
    if (getenv("DAMAGE_SEED"))
        print_message("seed %llu:%s -> %s %s\n", (unsigned long long)seed, h.told, status_name(s),
                      k.why.text);
    if (failed(s)) {
        assert_true(h.store);
        assert_true(s.code == E_CORRUPT || s.code == E_FORMAT);
        refusals++;
    } else {
        for (int i = 0; i < LOGS; i++) {
            check_log(&k, i, &image->logs[i], &h);
            offline += plog_offline(log_of(&k, i));
            partly += !plog_offline(log_of(&k, i)) && plog_damage(log_of(&k, i));
        }
        append_and_reopen(&k, &h);
    }
    kit_done(&k);
}

static void test_nothing_wrong_is_served_whatever_bytes_are_turned_over(void **state)
{
    (void)state;
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* thousands of lines */
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct image *image = image_make(seed);
        for (uint64_t i = 0; i < DISKS_PER_SEED; i++) one_disk(image, seed * 100000 + i);
        image_free(image);
    }
    assert_int_equal(mem_outstanding(), 0);
    print_message("%lld disks: %lld not started, %lld logs offline, %lld damaged in part\n",
                  (long long)disks, (long long)refusals, (long long)offline, (long long)partly);
    assert_true(refusals > 0 && offline > 0 && partly > 0 && moved < disks / 100);
}

/* --- what is made again, and the way out --------------------------------------------------------- */

/* A log of 60 batches in closed segments; the folder of topic 0, partition 0. */
static struct plog *begin_log(struct kit *k)
{
    begin(k, 4);
    assert_int_equal(kit_open(k).code, E_OK);
    for (int i = 0; i < 60; i++) {
        struct kit_batch b = { .records = 2, .timestamp = k->now += 10, .tag = (uint64_t)i };
        assert_int_equal(kit_append(k, log_of(k, 0), &b, NULL).code, E_OK);
    }
    assert_int_equal(store_stop(k->store).code, E_OK);
    kit_close(k);
    assert_int_equal(kit_open(k).code, E_OK);
    return log_of(k, 0);
}

static void turn_byte(struct kit *k, const char *path, int64_t at)
{
    struct fs *fs = sim_fs(k->sim);
    struct file *file;
    uint8_t byte;
    size_t n;
    assert_int_equal(fs->ops->open(fs, path, FS_WRITE, &file).code, E_OK);
    assert_int_equal(fs->ops->pread(fs, file, &byte, 1, at, &n).code, E_OK);
    byte ^= 0x20;
    assert_int_equal(fs->ops->pwrite(fs, file, &byte, 1, at).code, E_OK);
    fs->ops->close(fs, file);
}

static void harm_indexes(struct kit *k, const char *folder, int how)
{
    struct fs *fs = sim_fs(k->sim);
    struct name_list names;
    int found = 0;
    assert_int_equal(files_list(fs, folder, &names).code, E_OK);
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_SIZE];
        struct file *file;
        if (files_offset_of(names.names[i], ".index") < 0) continue;
        found++;
        snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
        if (how == 0) assert_int_equal(fs->ops->unlink(fs, path).code, E_OK);
        if (how == 1) turn_byte(k, path, 80);
        if (how != 2) continue;
        assert_int_equal(fs->ops->open(fs, path, FS_WRITE, &file).code, E_OK);
        assert_int_equal(fs->ops->truncate(fs, file, 50).code, E_OK);
        fs->ops->close(fs, file);
    }
    name_list_done(&names);
    assert_true(found > 2);
}

static void test_indexes_are_made_again(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct kit k;
        struct plog *log = begin_log(&k);
        char folder[64];
        snprintf(folder, sizeof folder, "%s", log->folder);
        kit_close(&k);
        harm_indexes(&k, folder, how);
        assert_int_equal(kit_open(&k).code, E_OK);
        log = log_of(&k, 0);
        for (int64_t at = 0; at < 120; at++) {
            struct buf out;
            struct read_result r;
            int64_t offset, ts;
            int32_t epoch;
            buf_init(&out, 1 << 20);
            assert_int_equal(plog_read(log, at, 120, 1, true, &out, &r).code, E_OK);
            assert_int_equal(r.next_offset, at / 2 * 2 + 2);
            buf_done(&out);
            int64_t asked = 1700000000000 + 10 * (at / 2 + 1) + at % 2;
            assert_int_equal(plog_offset_for_time(log, asked, &offset, &ts, &epoch).code, E_OK);
            assert_int_equal(offset, at);
        }
        assert_null(plog_damage(log));
        kit_done(&k);
    }
}

static status read_one(struct plog *log, int64_t at)
{
    struct buf out;
    struct read_result r;
    buf_init(&out, 1 << 20);
    status s = plog_read(log, at, plog_end(log), 1, true, &out, &r);
    buf_done(&out);
    return s;
}

static void test_deleting_the_records_below_ends_damage(void **state)
{
    (void)state;
    struct kit k;
    struct plog *log = begin_log(&k);
    char path[PATH_SIZE];
    struct segment *s = log->segments[1];
    int64_t hit = s->base + 2; /* in its second batch */
    segment_path(s, ".log", path, sizeof path);
    int64_t position;
    struct batch_header h;
    assert_int_equal(segment_find(s, hit, &position, &h).code, E_OK);
    kit_close(&k);
    turn_byte(&k, path, position + 70);
    assert_int_equal(kit_open(&k).code, E_OK);
    log = log_of(&k, 0);
    assert_null(plog_damage(log)); /* nobody has looked yet */
    assert_int_equal(read_one(log, hit).code, E_CORRUPT);
    assert_int_equal(read_one(log, hit + 1).code, E_CORRUPT);
    assert_int_equal(read_one(log, hit - 1).code, E_OK);
    assert_int_equal(read_one(log, hit + 2).code, E_OK);
    assert_non_null(strstr(plog_damage(log), path));
    assert_int_equal(plog_set_start(log, hit + 1, NULL).code, E_OK);
    assert_non_null(plog_damage(log));
    assert_int_equal(plog_set_start(log, hit + 2, NULL).code, E_OK);
    assert_int_equal(plog_start(log), hit + 2);
    assert_null(plog_damage(log));
    for (int64_t at = hit + 2; at < 120; at++) assert_int_equal(read_one(log, at).code, E_OK);
    kit_done(&k);
}

/* As a stream does whose socket takes less than it is offered: what did not go is read again. When `path`,
 * its byte turns over when half of the span was offered, and less of it taken. */
static status send_in_pieces(struct kit *k, struct plog *log, const struct log_span *span, const char *path,
                             int64_t byte, struct buf *out)
{
    uint8_t offered[400];
    size_t at = 0, most = 0;
    status s = OK;
    struct stream_source *source = log_source_new(log, span);
    assert_non_null(source);
    while (at < span->len && is_ok(s)) {
        size_t n = 0, more = 0, want = 1 + sim_below(k->sim, span->len - at);
        size_t first = 1 + sim_below(k->sim, want);
        s = source->read(source, at, offered, first, &n);
        if (is_ok(s) && n < want) s = source->read(source, at + n, offered + n, want - n, &more);
        if (failed(s)) break;
        if (at + n + more > most) most = at + n + more;
        size_t sent = sim_below(k->sim, n + more + 1);
        if (path && most > span->len / 2 && at + sent < most) {
            turn_byte(k, path, byte);
            path = NULL;
        }
        buf_put(out, offered, sent);
        at += sent;
        if (sent && at < span->len) source->sent(source, offered, sent);
    }
    source->free(source);
    struct bytes left = buf_bytes(out), batch;
    struct batch_header h;
    while (batch_next(&left, &batch, &h, NULL)) continue;
    out->len -= left.len; /* a batch that is not whole is nothing to a client */
    return s;
}

/* What a fetch does: a span, and its bytes; or, as they are sent, in pieces. The offset behind what was
 * served of the batches in `was`. */
static int64_t serve(struct kit *k, struct plog *log, const struct ledger *was, int64_t at, bool pieces)
{
    struct buf out;
    struct log_span span;
    buf_init(&out, 1 << 20);
    status s = plog_span(log, at, plog_end(log), 400, true, &span);
    if (is_ok(s) && span.unchecked) s = FAIL(CORRUPT);
    if (is_ok(s))
        s = pieces ? send_in_pieces(k, log, &span, NULL, 0, &out) : plog_span_read(log, &span, &out);
    int64_t next = out.len ? check_batches(was, buf_bytes(&out), at) : at;
    if (is_ok(s)) assert_int_equal(next, span.next_offset);
    else assert_int_equal(s.code, E_CORRUPT);
    buf_done(&out);
    return next;
}

static void test_a_byte_that_turns_over_after_it_was_served_is_not_served_again(void **state)
{
    (void)state;
    int64_t size = 1;
    for (int64_t byte = 0; byte < size; byte++) {
        struct kit k;
        struct ledger was = { 0 };
        struct plog *log = begin_log(&k);
        struct segment *s = log->segments[1];
        char path[PATH_SIZE];
        segment_path(s, ".log", path, sizeof path);
        buf_init(&was.bytes, 1 << 24);
        was.end = plog_end(log);
        assert_int_equal(kit_read_all(log, was.end, &was.bytes).code, E_OK);
        struct batch_header second;
        int64_t from = s->base, position;
        assert_int_equal(segment_find(s, from + 2, &position, &second).code, E_OK);
        size = position + (int64_t)second.size; /* the two first batches */
        turn_byte(&k, path, byte);
        bool hit = byte >= position; /* the second one */
        assert_true(serve(&k, log, &was, from, byte % 2) <= (hit ? from + 2 : from));
        assert_int_equal(read_one(log, from).code, hit ? E_OK : E_CORRUPT);
        assert_int_equal(read_one(log, from + 2).code, hit ? E_CORRUPT : E_OK);
        assert_int_equal(read_one(log, from + 4).code, E_OK);
        assert_non_null(strstr(plog_damage(log), path));
        buf_done(&was.bytes);
        kit_done(&k);
    }
    assert_true(size > 150);
}

static void test_a_byte_that_turns_over_while_its_batch_is_sent_is_not_sent(void **state)
{
    (void)state;
    int met = 0;
    for (int64_t byte = 0; byte < 300; byte++) {
        struct kit k;
        struct ledger was = { 0 };
        struct buf out;
        struct log_span span;
        struct plog *log = begin_log(&k);
        struct segment *s = log->segments[1];
        char path[PATH_SIZE];
        segment_path(s, ".log", path, sizeof path);
        buf_init(&was.bytes, 1 << 24);
        was.end = plog_end(log);
        assert_int_equal(kit_read_all(log, was.end, &was.bytes).code, E_OK);
        assert_int_equal(plog_span(log, s->base, was.end, 400, true, &span).code, E_OK);
        buf_init(&out, 1 << 20);
        status sent = send_in_pieces(&k, log, &span, path, byte, &out);
        if (out.len) check_batches(&was, buf_bytes(&out), s->base);
        if (failed(sent)) assert_non_null(strstr(plog_damage(log), path));
        met += failed(sent);
        buf_done(&out);
        buf_done(&was.bytes);
        kit_done(&k);
    }
    assert_true(met > 50);
}

/* --- files of the whole store -------------------------------------------------------------------- */

/* Any field of the checkpoint, and of a frame that others follow. */
static void test_a_damaged_checkpoint_or_journal_is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        for (int64_t at = 0; at < 110; at++) {
            struct kit k;
            begin(&k, 5);
            assert_int_equal(kit_open(&k).code, E_OK);
            for (int i = 0; i < 3; i++) {
                struct kit_batch b = { .tag = 1 };
                assert_int_equal(kit_append(&k, log_of(&k, 0), &b, NULL).code, E_OK);
            }
            if (what == 0) assert_int_equal(store_stop(k.store).code, E_OK);
            kit_close(&k);
            int64_t size = what == 0 ? CHECKPOINT_HEADER + CHECKPOINT_ENTRY : 110;
            if (at < size) turn_byte(&k, what == 0 ? "checkpoint" : "journal-0", at);
            status s = kit_open(&k);
            if (at < size) assert_true(s.code == E_CORRUPT || s.code == E_FORMAT);
            if (s.code == E_CORRUPT)
                assert_non_null(strstr(k.why.text, what == 0 ? "checkpoint" : "journal-0"));
            kit_done(&k);
        }
    }
}

static void test_a_missing_checkpoint_is_no_new_store(void **state)
{
    (void)state;
    struct kit k;
    (void)begin_log(&k);
    kit_close(&k);
    assert_int_equal(sim_fs(k.sim)->ops->unlink(sim_fs(k.sim), "checkpoint").code, E_OK);
    assert_int_equal(kit_open(&k).code, E_CORRUPT);
    assert_non_null(strstr(k.why.text, "backup"));
    kit_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexes_are_made_again),
        cmocka_unit_test(test_deleting_the_records_below_ends_damage),
        cmocka_unit_test(test_a_byte_that_turns_over_after_it_was_served_is_not_served_again),
        cmocka_unit_test(test_a_byte_that_turns_over_while_its_batch_is_sent_is_not_sent),
        cmocka_unit_test(test_a_damaged_checkpoint_or_journal_is_refused_with_a_sentence),
        cmocka_unit_test(test_a_missing_checkpoint_is_no_new_store),
        cmocka_unit_test(test_nothing_wrong_is_served_whatever_bytes_are_turned_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
