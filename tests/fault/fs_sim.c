/* fs_sim.c - an in-memory disk behind the file-system seam. One thread.
 *
 * A file has the bytes in the page cache, the bytes on the disk, and the versions of sectors and
 * sizes that were written since the last sync; a folder has its entries in both worlds and the
 * changes between. Nodes live until the disk goes. */
#include "fault/fs_sim.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SECTOR 512

struct bytes_store {
    uint8_t *data;
    size_t len, cap;
};
struct version { /* of one sector, not synced */
    uint32_t sector;
    uint16_t len;
    uint8_t data[SECTOR];
};
struct entry {
    char name[96];
    struct node *node; /* NULL: removed (in changes) */
};
struct change { /* one atomic change of a folder */
    struct entry sets[2];
    int count;
};
struct node {
    bool folder;
    struct node *all_next;
    /* file */
    struct bytes_store cache, disk;
    struct version *versions;
    size_t version_count, version_cap;
    int64_t *sizes;
    size_t size_count, size_cap;
    bool writeback_failed;
    /* folder */
    struct entry *names, *disk_names;
    size_t name_count, name_cap, disk_count, disk_cap;
    struct change *changes;
    size_t change_count, change_cap;
};
struct file {
    struct node *node;
};
struct sim {
    struct fs fs;
    uint64_t state;
    struct node *root, *all;
    int64_t die_at;
    bool dead;
    uint32_t page, sync_percent, full_percent;
    int64_t counts[SIM_CALLS], changes;
    int64_t fail_at[SIM_CALLS];
    enum err fail_code[SIM_CALLS];
    bool failed;
    int64_t room; /* 0: not limited; else bytes + 1 */
};

static void *grow(void *p, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return p;
    while (*cap < need) *cap = *cap ? *cap * 2 : 16;
    return mem_must(mem_realloc(p, *cap * size));
}

static struct sim *sim_of(struct fs *fs) { return CONTAINER_OF(fs, struct sim, fs); }

uint64_t sim_random(struct sim *sim)
{
    uint64_t z = sim->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
uint32_t sim_below(struct sim *sim, uint32_t n) { return (uint32_t)(sim_random(sim) >> 32) % n; }
bool sim_chance(struct sim *sim, uint32_t percent) { return sim_below(sim, 100) < percent; }

/* --- bytes ------------------------------------------------------------------------------------ */

static void store_resize(struct bytes_store *b, size_t len)
{
    b->data = grow(b->data, &b->cap, len, 1);
    if (len > b->len) memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

static void store_put(struct bytes_store *b, size_t at, const void *p, size_t len)
{
    if (b->len < at + len) store_resize(b, at + len);
    if (len) memcpy(b->data + at, p, len);
}

static size_t sector_len(const struct bytes_store *b, uint32_t sector)
{
    size_t at = (size_t)sector * SECTOR;
    if (at >= b->len) return 0;
    return b->len - at < SECTOR ? b->len - at : SECTOR;
}

static void note_sector(struct node *n, uint32_t sector)
{
    n->versions = grow(n->versions, &n->version_cap, n->version_count + 1, sizeof *n->versions);
    struct version *v = &n->versions[n->version_count++];
    v->sector = sector;
    v->len = (uint16_t)sector_len(&n->cache, sector);
    if (v->len) memcpy(v->data, n->cache.data + (size_t)sector * SECTOR, v->len);
}

static void note_size(struct node *n)
{
    n->sizes = grow(n->sizes, &n->size_cap, n->size_count + 1, sizeof *n->sizes);
    n->sizes[n->size_count++] = (int64_t)n->cache.len;
}

static void disk_sector(struct node *n, const struct version *v)
{
    if (v->len) store_put(&n->disk, (size_t)v->sector * SECTOR, v->data, v->len);
}

static int compare_versions(const void *a, const void *b)
{
    const struct version *x = *(struct version *const *)a, *y = *(struct version *const *)b;
    if (x->sector != y->sector) return x->sector < y->sector ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* For each un-synced sector (in groups of a page): does it reach the disk, and in which version? */
static void lose_sectors(struct sim *sim, struct node *n, uint32_t keep)
{
    if (!n->version_count) return;
    struct version **sorted = mem_must(mem_alloc(n->version_count * sizeof *sorted));
    for (size_t i = 0; i < n->version_count; i++) sorted[i] = &n->versions[i];
    qsort(sorted, n->version_count, sizeof *sorted, compare_versions);
    uint32_t page = UINT32_MAX;
    bool kept = false;
    for (size_t i = 0, end; i < n->version_count; i = end) {
        for (end = i; end < n->version_count && sorted[end]->sector == sorted[i]->sector;) end++;
        if (sorted[i]->sector / sim->page != page) kept = sim_chance(sim, keep);
        page = sorted[i]->sector / sim->page;
        size_t pick = end - 1;
        if (!sim_chance(sim, 80)) pick = i + sim_below(sim, (uint32_t)(end - i));
        if (kept) disk_sector(n, sorted[pick]);
    }
    mem_free(sorted);
}

static void file_power_cut(struct sim *sim, struct node *n)
{
    static const uint32_t keeps[] = { 0, 30, 60, 90, 100 };
    uint32_t keep = keeps[sim_below(sim, 5)];
    int64_t size = (int64_t)n->disk.len;
    if (n->size_count) {
        uint32_t pick = sim_below(sim, (uint32_t)n->size_count + 1);
        if (keep == 100) pick = (uint32_t)n->size_count - 1;
        if (pick < n->size_count) size = n->sizes[pick];
    }
    lose_sectors(sim, n, keep);
    store_resize(&n->disk, (size_t)size);
    n->cache.len = 0;
    store_resize(&n->cache, 0);
    store_put(&n->cache, 0, n->disk.data, n->disk.len);
    n->version_count = n->size_count = 0;
    n->writeback_failed = false;
}

/* A sync failed: pages are clean, the cache keeps them, the disk may not have them. */
static void file_lose_pages(struct sim *sim, struct node *n)
{
    int64_t size = n->size_count ? n->sizes[n->size_count - 1] : (int64_t)n->disk.len;
    lose_sectors(sim, n, 50);
    store_resize(&n->disk, (size_t)size);
    n->version_count = n->size_count = 0;
}

/* Clean pages leave the cache. */
static void file_evict(struct node *n)
{
    for (uint32_t s = 0; (size_t)s * SECTOR < n->cache.len; s++) {
        bool dirty = false;
        for (size_t i = 0; i < n->version_count && !dirty; i++) dirty = n->versions[i].sector == s;
        size_t len = sector_len(&n->cache, s), on_disk = sector_len(&n->disk, s);
        if (on_disk < len) len = on_disk;
        if (!dirty && len) memcpy(n->cache.data + (size_t)s * SECTOR,
                                  n->disk.data + (size_t)s * SECTOR, len);
    }
}

/* --- folders ---------------------------------------------------------------------------------- */

static struct node *node_new(struct sim *sim, bool folder)
{
    struct node *n = mem_must(mem_zalloc(sizeof *n));
    n->folder = folder;
    n->all_next = sim->all;
    sim->all = n;
    return n;
}

static struct entry *names_find(struct entry *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].name, name) == 0) return &names[i];
    return NULL;
}

static void names_set(struct entry **names, size_t *count, size_t *cap, const struct entry *e)
{
    struct entry *there = names_find(*names, *count, e->name);
    if (there && e->node) {
        there->node = e->node;
    } else if (there) {
        *there = (*names)[--*count];
    } else if (e->node) {
        *names = grow(*names, cap, *count + 1, sizeof **names);
        (*names)[(*count)++] = *e;
    }
}

static void folder_change(struct node *d, const struct entry *sets, int count)
{
    d->changes = grow(d->changes, &d->change_cap, d->change_count + 1, sizeof *d->changes);
    struct change *c = &d->changes[d->change_count++];
    c->count = count;
    for (int i = 0; i < count; i++) {
        c->sets[i] = sets[i];
        names_set(&d->names, &d->name_count, &d->name_cap, &sets[i]);
    }
}

static struct entry entry_of(const char *name, struct node *node)
{
    struct entry e = { .node = node };
    snprintf(e.name, sizeof e.name, "%s", name);
    return e;
}

static void folder_set(struct node *d, const char *name, struct node *node)
{
    struct entry e = entry_of(name, node);
    folder_change(d, &e, 1);
}

static void folder_apply(struct node *d, const struct change *c)
{
    for (int i = 0; i < c->count; i++)
        names_set(&d->disk_names, &d->disk_count, &d->disk_cap, &c->sets[i]);
}

static void folder_power_cut(struct sim *sim, struct node *d)
{
    static const uint32_t keeps[] = { 0, 50, 100 };
    uint32_t keep = keeps[sim_below(sim, 3)];
    for (size_t i = 0; i < d->change_count; i++)
        if (sim_chance(sim, keep)) folder_apply(d, &d->changes[i]);
    d->change_count = d->name_count = 0;
    for (size_t i = 0; i < d->disk_count; i++)
        names_set(&d->names, &d->name_count, &d->name_cap, &d->disk_names[i]);
}

/* The folder that holds the last part of the path, and that part's name. */
static struct node *resolve(struct sim *sim, const char *path, const char **ret_name)
{
    struct node *d = sim->root;
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        char part[96];
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        struct entry *e = names_find(d->names, d->name_count, part);
        if (!e || !e->node->folder) return NULL;
        d = e->node;
    }
    *ret_name = path;
    return d;
}

static struct node *lookup(struct sim *sim, const char *path)
{
    const char *name;
    if (strcmp(path, ".") == 0) return sim->root;
    struct node *d = resolve(sim, path, &name);
    struct entry *e = d ? names_find(d->names, d->name_count, name) : NULL;
    return e ? e->node : NULL;
}

/* --- faults ----------------------------------------------------------------------------------- */

/* A changing call: dies here? Then half of the time its effect still reaches the cache (*ret_do). */
static status sim_tick(struct sim *sim, enum sim_call call, bool *ret_do)
{
    *ret_do = false;
    if (sim->dead) return FAIL(IO);
    sim->changes++;
    sim->counts[call]++;
    if (sim->die_at && --sim->die_at == 0) {
        sim->dead = true;
        *ret_do = sim_chance(sim, 50);
        return FAIL(IO);
    }
    if (sim->fail_at[call] && --sim->fail_at[call] == 0) {
        sim->failed = true;
        return status_of(sim->fail_code[call]);
    }
    *ret_do = true;
    return OK;
}

/* The same for a call that changes nothing. */
static status sim_tick_look(struct sim *sim, enum sim_call call)
{
    if (sim->dead) return FAIL(IO);
    sim->counts[call]++;
    if (!sim->fail_at[call] || --sim->fail_at[call]) return OK;
    sim->failed = true;
    return status_of(sim->fail_code[call]);
}

/* --- the seam --------------------------------------------------------------------------------- */

static status op_open(struct fs *fs, const char *path, int flags, struct file **ret_file)
{
    struct sim *sim = sim_of(fs);
    const char *name;
    if (sim->dead) return FAIL(IO);
    struct node *n = lookup(sim, path);
    if (n && n->folder) return FAIL(IO);
    if (n) {
        TRY(sim_tick_look(sim, SIM_LOOK));
    } else {
        struct node *d = resolve(sim, path, &name);
        bool act;
        if (!d || !(flags & FS_CREATE)) return FAIL(NOT_FOUND);
        status s = sim_tick(sim, SIM_OPEN, &act);
        if (act) folder_set(d, name, n = node_new(sim, false));
        TRY(s);
    }
    struct file *file = mem_must(mem_alloc(sizeof *file));
    file->node = n;
    *ret_file = file;
    return OK;
}

static void op_close(struct fs *fs, struct file *file)
{
    (void)fs;
    mem_free(file);
}

static status op_pread(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                       size_t *ret_n)
{
    struct bytes_store *b = &file->node->cache;
    TRY(sim_tick_look(sim_of(fs), SIM_PREAD));
    size_t n = (size_t)at >= b->len ? 0 : b->len - (size_t)at;
    if (n > len) n = len;
    if (n) memcpy(p, b->data + at, n);
    *ret_n = n;
    return OK;
}

void sim_set_room(struct sim *sim, int64_t bytes) { sim->room = bytes < 0 ? 0 : bytes + 1; }

static int64_t used_below(const struct node *n)
{
    int64_t used = n->folder ? 0 : (int64_t)n->cache.len;
    for (size_t i = 0; n->folder && i < n->name_count; i++) used += used_below(n->names[i].node);
    return used;
}

/* May the file grow to `end`? */
static bool has_room(const struct sim *sim, const struct node *file, int64_t end)
{
    if (!sim->room || end <= (int64_t)file->cache.len) return true;
    return used_below(sim->root) - (int64_t)file->cache.len + end < sim->room;
}

static status op_allocate(struct fs *fs, struct file *file, int64_t size)
{
    struct sim *sim = sim_of(fs);
    struct node *n = file->node;
    bool act;
    status s = sim_tick(sim, SIM_ALLOCATE, &act);
    if (is_ok(s) && !has_room(sim, n, size)) return FAIL(NO_SPACE);
    if (!act || (int64_t)n->cache.len >= size) return s;
    store_resize(&n->cache, (size_t)size);
    note_size(n);
    return s;
}

static status op_pwrite(struct fs *fs, struct file *file, const void *p, size_t len, int64_t at)
{
    struct sim *sim = sim_of(fs);
    struct node *n = file->node;
    bool act;
    status s = sim_tick(sim, SIM_PWRITE, &act);
    if (is_ok(s) && sim_chance(sim, sim->full_percent)) s = FAIL(NO_SPACE);
    if (is_ok(s) && !has_room(sim, n, at + (int64_t)len)) s = FAIL(NO_SPACE);
    if (failed(s) && !sim->dead) {
        len = len ? sim_below(sim, (uint32_t)len) : 0;
        act = true;
    }
    if (!act || len == 0) return s;
    if (n->cache.len < (size_t)at) { /* the hole's sectors are written, too */
        uint32_t first = (uint32_t)(n->cache.len / SECTOR);
        store_resize(&n->cache, (size_t)at);
        if (n->cache.len % SECTOR) note_sector(n, first);
    }
    store_put(&n->cache, (size_t)at, p, len);
    for (int64_t i = at / SECTOR; i <= (at + (int64_t)len - 1) / SECTOR; i++)
        note_sector(n, (uint32_t)i);
    note_size(n);
    return s;
}

static status op_truncate(struct fs *fs, struct file *file, int64_t size)
{
    struct sim *sim = sim_of(fs);
    struct node *n = file->node;
    bool act;
    status s = sim_tick(sim, SIM_TRUNCATE, &act);
    if (!act) return s;
    store_resize(&n->cache, (size_t)size);
    size_t count = n->version_count;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        uint32_t sector = n->versions[i].sector;
        if ((int64_t)sector * SECTOR >= size && sector != last) note_sector(n, sector);
        last = sector;
    }
    if (size % SECTOR) note_sector(n, (uint32_t)(size / SECTOR));
    note_size(n);
    return s;
}

/* The contents of one file, in whole; a failure leaves pages clean in the cache. */
static status file_sync(struct sim *sim, struct node *n)
{
    if (n->writeback_failed || sim_chance(sim, sim->sync_percent)) {
        n->writeback_failed = false;
        file_lose_pages(sim, n);
        return FAIL(IO);
    }
    for (size_t i = 0; i < n->version_count; i++) disk_sector(n, &n->versions[i]);
    if (n->disk.len != n->cache.len) store_resize(&n->disk, n->cache.len);
    n->version_count = n->size_count = 0;
    return OK;
}

static status op_datasync(struct fs *fs, struct file *file)
{
    struct sim *sim = sim_of(fs);
    bool act;
    status s = sim_tick(sim, SIM_DATASYNC, &act);
    if (sim->dead) return FAIL(IO);
    if (is_ok(s)) return file_sync(sim, file->node);
    file->node->writeback_failed = false;
    file_lose_pages(sim, file->node);
    return s;
}

static status op_size(struct fs *fs, struct file *file, int64_t *ret_size)
{
    TRY(sim_tick_look(sim_of(fs), SIM_LOOK));
    *ret_size = (int64_t)file->node->cache.len;
    return OK;
}

static status op_sync_dir(struct fs *fs, const char *path)
{
    struct sim *sim = sim_of(fs);
    bool act;
    TRY(sim_tick(sim, SIM_SYNC_DIR, &act));
    struct node *d = lookup(sim, path);
    if (!d || !d->folder) return FAIL(NOT_FOUND);
    if (sim_chance(sim, sim->sync_percent)) { /* a metadata error: the file system stops */
        sim->dead = true;
        return FAIL(IO);
    }
    for (size_t i = 0; i < d->change_count; i++) folder_apply(d, &d->changes[i]);
    d->change_count = 0;
    return OK;
}

static status op_sync_all(struct fs *fs)
{
    struct sim *sim = sim_of(fs);
    bool act;
    status s = sim_tick(sim, SIM_SYNC_ALL, &act);
    if (sim->dead) return FAIL(IO);
    for (struct node *n = sim->all; n; n = n->all_next) {
        if (failed(s)) {
            if (!n->folder) file_lose_pages(sim, n);
            continue;
        }
        if (!n->folder) {
            s = file_sync(sim, n);
            continue;
        }
        for (size_t i = 0; i < n->change_count; i++) folder_apply(n, &n->changes[i]);
        n->change_count = 0;
    }
    return s;
}

static status op_rename(struct fs *fs, const char *from, const char *to)
{
    struct sim *sim = sim_of(fs);
    const char *from_name, *to_name;
    bool act;
    if (sim->dead) return FAIL(IO);
    struct node *n = lookup(sim, from), *a = resolve(sim, from, &from_name);
    struct node *b = resolve(sim, to, &to_name);
    if (!n || !b) return FAIL(NOT_FOUND);
    status s = sim_tick(sim, SIM_RENAME, &act);
    struct entry sets[2] = { entry_of(from_name, NULL), entry_of(to_name, n) };
    if (act && a == b) {
        folder_change(a, sets, 2);
    } else if (act) {
        folder_change(a, &sets[0], 1);
        folder_change(b, &sets[1], 1);
    }
    return s;
}

static status op_unlink(struct fs *fs, const char *path)
{
    struct sim *sim = sim_of(fs);
    const char *name;
    bool act;
    if (sim->dead) return FAIL(IO);
    struct node *n = lookup(sim, path);
    if (!n || n->folder) return FAIL(NOT_FOUND);
    status s = sim_tick(sim, SIM_UNLINK, &act);
    struct node *d = resolve(sim, path, &name);
    if (act) folder_set(d, name, NULL);
    return s;
}

static status op_mkdir(struct fs *fs, const char *path)
{
    struct sim *sim = sim_of(fs);
    const char *name;
    bool act;
    if (sim->dead) return FAIL(IO);
    if (lookup(sim, path)) return FAIL(EXISTS);
    struct node *d = resolve(sim, path, &name);
    if (!d) return FAIL(NOT_FOUND);
    status s = sim_tick(sim, SIM_MKDIR, &act);
    if (act) folder_set(d, name, node_new(sim, true));
    return s;
}

static status op_rmdir(struct fs *fs, const char *path)
{
    struct sim *sim = sim_of(fs);
    const char *name;
    bool act;
    if (sim->dead) return FAIL(IO);
    struct node *n = lookup(sim, path);
    if (!n || !n->folder) return FAIL(NOT_FOUND);
    if (n->name_count) return FAIL(IO);
    status s = sim_tick(sim, SIM_UNLINK, &act);
    struct node *d = resolve(sim, path, &name);
    if (act) folder_set(d, name, NULL);
    return s;
}

static status op_list(struct fs *fs, const char *path, void (*entry)(const char *name, void *arg),
                      void *arg)
{
    struct sim *sim = sim_of(fs);
    struct node *d = lookup(sim, path);
    if (!sim->dead && (!d || !d->folder)) return FAIL(NOT_FOUND);
    TRY(sim_tick_look(sim, SIM_LOOK));
    for (size_t i = 0; i < d->name_count; i++) entry(d->names[i].name, arg);
    return OK;
}

static const struct fs_ops sim_ops = {
    .open = op_open,
    .close = op_close,
    .pread = op_pread,
    .pwrite = op_pwrite,
    .truncate = op_truncate,
    .allocate = op_allocate,
    .datasync = op_datasync,
    .size = op_size,
    .sync_dir = op_sync_dir,
    .sync_all = op_sync_all,
    .rename = op_rename,
    .unlink = op_unlink,
    .mkdir = op_mkdir,
    .rmdir = op_rmdir,
    .list = op_list,
};

/* --- life ------------------------------------------------------------------------------------- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = mem_must(mem_zalloc(sizeof *sim));
    sim->fs.ops = &sim_ops;
    sim->state = seed;
    sim->page = 1;
    sim->root = node_new(sim, true);
    return sim;
}

void sim_free(struct sim *sim)
{
    for (struct node *n = sim->all, *next; n; n = next) {
        next = n->all_next;
        mem_free(n->cache.data);
        mem_free(n->disk.data);
        mem_free(n->versions);
        mem_free(n->sizes);
        mem_free(n->names);
        mem_free(n->disk_names);
        mem_free(n->changes);
        mem_free(n);
    }
    mem_free(sim);
}

struct fs *sim_fs(struct sim *sim) { return &sim->fs; }
void sim_die_at(struct sim *sim, int64_t n) { sim->die_at = n; }
bool sim_dead(const struct sim *sim) { return sim->dead; }
void sim_set_page(struct sim *sim, uint32_t sectors) { sim->page = sectors; }
bool sim_failed(const struct sim *sim) { return sim->failed; }
int64_t sim_count(const struct sim *sim, enum sim_call call) { return sim->counts[call]; }
int64_t sim_changes(const struct sim *sim) { return sim->changes; }

void sim_fail_at(struct sim *sim, enum sim_call call, int64_t n, enum err code)
{
    sim->fail_at[call] = n;
    sim->fail_code[call] = code;
    sim->failed = false;
}

void sim_set_flaky(struct sim *sim, uint32_t sync_percent, uint32_t full_percent)
{
    sim->sync_percent = sync_percent;
    sim->full_percent = full_percent;
}

void sim_crash(struct sim *sim, bool power)
{
    bool evict = sim_chance(sim, 30);
    for (struct node *n = sim->all; n; n = n->all_next) {
        if (power && n->folder) folder_power_cut(sim, n);
        else if (power) file_power_cut(sim, n);
        else if (evict && !n->folder) file_evict(n);
    }
    sim->dead = false;
    sim->die_at = 0;
    sim->sync_percent = sim->full_percent = 0;
    memset(sim->fail_at, 0, sizeof sim->fail_at);
}

void sim_writeback_fails(struct sim *sim)
{
    struct node *dirty[64];
    uint32_t count = 0;
    for (struct node *n = sim->all; n && count < 64; n = n->all_next)
        if (!n->folder && n->version_count) dirty[count++] = n;
    if (!count) return;
    struct node *n = dirty[sim_below(sim, count)];
    size_t sizes = n->size_count;
    file_lose_pages(sim, n);
    n->size_count = sizes; /* the size is metadata: still on its way */
    n->writeback_failed = true;
}
