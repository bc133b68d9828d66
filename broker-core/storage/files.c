/* files.c - small whole-file operations and the names of the data folder. Any thread. */
#include "storage/files.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX (1u << 22)

status files_read(struct fs *fs, const char *path, struct buf *out)
{
    struct file *file;
    TRY(fs->ops->open(fs, path, FS_READ, &file));
    int64_t size = 0;
    status s = fs->ops->size(fs, file, &size);
    if (is_ok(s) && (uint64_t)size > out->max - out->len) s = FAIL(LIMIT);
    if (is_ok(s) && size > 0) {
        uint8_t *p = buf_reserve(out, (size_t)size);
        size_t n = 0;
        s = p ? fs->ops->pread(fs, file, p, (size_t)size, 0, &n) : FAIL(NO_MEMORY);
        if (is_ok(s)) out->len += n;
    }
    fs->ops->close(fs, file);
    return s;
}

status files_datasync(struct fs *fs, struct file *file)
{
    status s = fs->ops->datasync(fs, file);
    return s.code == E_NO_SPACE ? FAIL(IO) : s;
}

status files_sync_dir(struct fs *fs, const char *path)
{
    status s = fs->ops->sync_dir(fs, path);
    return s.code == E_NO_SPACE ? FAIL(IO) : s;
}

status files_replace(struct fs *fs, const char *path, struct bytes content)
{
    char temp[PATH_SIZE + 4];
    snprintf(temp, sizeof temp, "%s.tmp", path);
    struct file *file;
    TRY(fs->ops->open(fs, temp, FS_WRITE | FS_CREATE, &file));
    status s = fs->ops->truncate(fs, file, 0);
    if (is_ok(s)) s = fs->ops->pwrite(fs, file, content.data, content.len, 0);
    if (is_ok(s)) s = files_datasync(fs, file);
    fs->ops->close(fs, file);
    TRY(s);
    return fs->ops->rename(fs, temp, path);
}

int64_t files_offset_of(const char *name, const char *suffix)
{
    if (strlen(name) != 20 + strlen(suffix) || strcmp(name + 20, suffix) != 0) return -1;
    int64_t offset; /* 63 bits have 19 digits */
    return name[0] == '0' && str_to_i64((struct str){ name + 1, 19 }, &offset) ? offset : -1;
}

static void list_entry(const char *name, void *arg)
{
    struct name_list *list = arg;
    if (list->failed) return;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        char **names = cap <= NAMES_MAX ? mem_realloc(list->names, cap * sizeof *names) : NULL;
        list->failed = !names;
        if (!names) return;
        list->names = names;
        list->cap = cap;
    }
    char *copy = mem_strdup(name);
    list->failed = !copy;
    if (copy) list->names[list->count++] = copy;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

status files_list(struct fs *fs, const char *path, struct name_list *ret)
{
    struct name_list list = { 0 };
    status s = fs->ops->list(fs, path, list_entry, &list);
    if (is_ok(s) && list.failed) s = FAIL(NO_MEMORY);
    if (failed(s)) {
        name_list_done(&list);
        return s;
    }
    if (list.count) qsort(list.names, list.count, sizeof *list.names, compare_names);
    *ret = list;
    return OK;
}

void name_list_done(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++) mem_free(list->names[i]);
    mem_free(list->names);
    *list = (struct name_list){ 0 };
}

status files_remove_folder(struct fs *fs, const char *path)
{
    struct name_list list;
    status s = files_list(fs, path, &list);
    if (s.code == E_NOT_FOUND) return OK;
    TRY(s);
    for (size_t i = 0; i < list.count && is_ok(s); i++) {
        char name[PATH_SIZE + 64];
        snprintf(name, sizeof name, "%s/%s", path, list.names[i]);
        s = fs->ops->unlink(fs, name);
        if (s.code == E_NOT_FOUND) s = OK;
    }
    name_list_done(&list);
    return is_ok(s) ? fs->ops->rmdir(fs, path) : s;
}
