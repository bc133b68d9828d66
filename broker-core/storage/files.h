/* files.h - small whole-file operations and the names of the data folder. Any thread. */
#pragma once
#include "base/buf.h"
#include "io/fs.h"

#define PATH_SIZE 128 /* "trash/", wall clock, topic, partition, two offsets, suffix */

/* Appends the whole file to `out`; NOT_FOUND, LIMIT beyond out's maximum. */
status files_read(struct fs *fs, const char *path, struct buf *out);
/* `path`.tmp, datasync, rename over `path`; the caller syncs the folder. A NO_SPACE that came from
 * the sync counts as a failed sync: IO. */
status files_replace(struct fs *fs, const char *path, struct bytes content);
/* A failed sync is never retried: NO_SPACE reported by one becomes IO. */
status files_datasync(struct fs *fs, struct file *file);
status files_sync_dir(struct fs *fs, const char *path);

/* "00000000000000000042.log" -> 42 when the suffix fits; -1 otherwise. */
int64_t files_offset_of(const char *name, const char *suffix);

/* Names of a folder, sorted ascending; done frees. */
struct name_list {
    char **names;
    size_t count, cap;
    bool failed;
};
status files_list(struct fs *fs, const char *path, struct name_list *ret);
void name_list_done(struct name_list *list);
/* Removes a folder of files; what is not there is fine. */
status files_remove_folder(struct fs *fs, const char *path);
