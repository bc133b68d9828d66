/* backup_files.h - what lies in a backup's folder, and the copying; any thread, blocks on the disk.
 *
 *   DATA/backups/<bk-…>/backup.json   what it is; written last: a folder without it is none
 *                       backup.db     the cluster's rows (SQLite), and table `file`: path, bytes
 *                       data/         the broker's folder: logs are hard links, of which the first
 *                                     `bytes` count (a log only grows), all else copies
 */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

#define BACKUP_FORMAT 1
#define BACKUP_PATH 640

struct backup_info {
    char id[40], cluster_id[40], environment_id[40], display_name[65], description[513];
    int64_t format, created_at, bytes, files, metadata_version;
};
struct backup_source {
    const char *folder, *database; /* the cluster's, and the service's database */
    struct bytes named;     /* the files that its broker named (engine_backup); null: it does not run, all */
    int64_t image_version;  /* that the rows have to be of; -1: any */
};
/* Makes the folder `path` of a cluster's data and rows. *info gets bytes, files and metadata_version.
 * BUSY: the rows are of another version. */
status backup_files_make(const char *path, const struct backup_source *source, struct backup_info *info);
/* NOT_FOUND; FORMAT: of a newer version. */
status backup_files_info(const char *path, struct backup_info *ret);
/* Fills `data` (made) with what the backup has, and writes `image` (the records of one) there. */
status backup_files_restore(const char *path, const char *data, struct bytes image);
/* The folder and all below, links not followed. */
status backup_files_remove(const char *path);
