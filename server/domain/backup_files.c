/* backup_files.c - what lies in a backup's folder, and the copying. Any thread; blocks on the disk. */
#include "domain/backup_files.h"

#include "base/arena.h"
#include "cluster/image_file.h"
#include "domain/failpoint.h"
#include "engine/engine.h"
#include "store/db.h"
#include "wire/messages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define SCRIPT_MAX (64 << 10)
#define PART_ARENA (32u << 20)

/* --- files ------------------------------------------------------------------------------------------ */

/* `bytes` of it, or all (-1); *ret_bytes says how many. */
static status copy_file(int from_dir, const char *from, int to_dir, const char *to, int64_t bytes,
                        int64_t *ret_bytes)
{
    struct stat st;
    int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0) return status_from_errno(errno);
    int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failure = out < 0 || fstat(in, &st) != 0 ? errno : 0;
    int64_t left = !failure && bytes < 0 ? st.st_size : bytes, done = 0;
    while (!failure && done < left) {
        ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)(left - done), 0);
        if (n < 0) failure = errno;
        else if (n == 0) failure = EIO; /* shorter than the backup says */
        else done += n;
    }
    if (!failure && fsync(out) != 0) failure = errno;
    if (out >= 0) close(out);
    close(in);
    if (failure) return status_from_errno(failure);
    *ret_bytes = done;
    return OK;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Caches, locks and what is on its way; the image is made anew from the rows. */
static bool left_out(const char *name)
{
    static const char *const names[] = { "lock", "image", "reserve", "trash" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return ends_with(name, ".index") || ends_with(name, ".tmp") || ends_with(name, ".new");
}

struct taking {
    struct db *db;
    struct backup_info *info;
};

/* The first `bytes` of it, or all (-1). */
static status take_file(struct taking *t, int from, int to, const char *name, const char *path, int64_t bytes)
{
    struct stat st;
    bool linked = ends_with(name, ".log") && linkat(from, name, to, name, 0) == 0;
    if (!linked) TRY(copy_file(from, name, to, name, bytes, &bytes));
    else if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return status_from_errno(errno);
    else if (!S_ISREG(st.st_mode) || st.st_size < bytes) return FAIL(CORRUPT);
    else if (bytes < 0) bytes = st.st_size;
    t->info->bytes += bytes;
    t->info->files++;
    return db_run(DB(t->db, "INSERT INTO file VALUES (?, ?)", path, bytes));
}

/* Takes `from`, and leaves `to` open. */
static status take_below(struct taking *t, int from, int to, const char *prefix, int depth)
{
    char path[BACKUP_PATH];
    status result = OK;
    DIR *dir = depth > 0 ? fdopendir(from) : NULL;
    if (!dir) {
        close(from);
        return FAIL(IO);
    }
    for (struct dirent *e; is_ok(result) && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || left_out(e->d_name)) continue;
        int n = snprintf(path, sizeof path, "%s%s", prefix, e->d_name);
        if (n < 0 || (size_t)n >= sizeof path - 2) result = FAIL(INVALID);
        int below = openat(from, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0) {
            if (is_ok(result)) result = take_file(t, from, to, e->d_name, path, -1);
            continue;
        }
        int made = mkdirat(to, e->d_name, 0700) == 0
                       ? openat(to, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        strcat(path, "/"); /* tidy: allowed, room was left above */
        if (made < 0) result = status_from_errno(errno);
        if (is_ok(result)) result = take_below(t, below, made, path, depth - 1);
        else close(below);
        if (made >= 0) close(made);
    }
    closedir(dir);
    return result;
}

/* --- what a broker that serves has named ---------------------------------------------------------------- */

/* Everything of an offline log; of another what no segment or snapshot is, see store_copy_take. */
static status take_others(struct taking *t, int from, int to, const char *folder, bool whole)
{
    char path[BACKUP_PATH];
    status result = OK;
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!dir) {
        if (again >= 0) close(again);
        return FAIL(IO);
    }
    for (struct dirent *e; is_ok(result) && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || left_out(e->d_name)) continue;
        if (!whole && !ends_with(e->d_name, ".aborted") && strcmp(e->d_name, "cleaned") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        result = take_file(t, from, to, e->d_name, path, -1);
    }
    closedir(dir);
    return result;
}

static status take_log_files(struct taking *t, int from, int to, const char *folder,
                             const struct control_backup_part_backup_log *log, bool first)
{
    char name[40], path[BACKUP_PATH];
    for (int32_t i = 0; i < log->segments_count; i++) {
        snprintf(name, sizeof name, "%020lld.log", (long long)log->segments[i].base);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (log->segments[i].size < 0) return FAIL(CORRUPT);
        TRY(take_file(t, from, to, name, path, log->segments[i].size));
    }
    if (!first) return OK;
    if (log->snapshot) {
        snprintf(name, sizeof name, "%020lld.snap", (long long)log->snapshot);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        TRY(take_file(t, from, to, name, path, -1));
    }
    return take_others(t, from, to, folder, log->whole);
}

static status take_log(struct taking *t, int from, int to, const struct control_backup_part_backup_log *log)
{
    char folder[64];
    if (!str_copy(folder, sizeof folder, log->folder) || folder[0] == '.' || strchr(folder, '/'))
        return FAIL(CORRUPT); /* no broker of ours says so */
    bool first = mkdirat(to, folder, 0700) == 0;
    if (!first && errno != EEXIST) return status_from_errno(errno);
    int in = openat(from, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = openat(to, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    status result = in < 0 || out < 0 ? status_from_errno(errno) : OK;
    if (is_ok(result)) result = take_log_files(t, in, out, folder, log, first);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return result;
}

static status take_parts(struct taking *t, int from, int to, struct bytes named, int checkpoint,
                         int64_t *ret_bytes)
{
    struct arena arena;
    const struct control_backup_part *part;
    status result = OK;
    arena_init(&arena, PART_ARENA);
    while (is_ok(result) && named.len) {
        result = engine_backup_next(&named, &arena, &part);
        for (int32_t i = 0; is_ok(result) && i < part->logs_count; i++)
            result = take_log(t, from, to, &part->logs[i]);
        size_t len = is_ok(result) ? part->checkpoint.len : 0;
        if (len && write(checkpoint, part->checkpoint.data, len) != (ssize_t)len) result = FAIL(IO);
        *ret_bytes += (int64_t)len;
        arena_reset(&arena);
    }
    arena_done(&arena);
    return result;
}

static status take_named(struct taking *t, int from, int to, struct bytes named)
{
    int64_t bytes = 0;
    int checkpoint = openat(to, "checkpoint", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (checkpoint < 0) return status_from_errno(errno);
    status result = take_parts(t, from, to, named, checkpoint, &bytes);
    if (close(checkpoint) != 0 && is_ok(result)) result = status_from_errno(errno);
    t->info->bytes += bytes;
    t->info->files++;
    if (failed(result)) return result;
    return db_run(DB(t->db, "INSERT INTO file VALUES ('checkpoint', ?)", bytes));
}

/* --- rows --------------------------------------------------------------------------------------------- */

/* 'text' for SQL. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_put(out, "'", 1);
    for (; *text; text++) buf_put(out, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    buf_put(out, "'", 1);
}

static status run_script(struct db *db, struct buf *script)
{
    buf_put(script, "", 1);
    status result = buf_check(script);
    if (is_ok(result)) result = db_script(db, (const char *)buf_bytes(script).data);
    buf_done(script);
    return result;
}

static status take_rows(struct db *db, const char *database, const char *cluster_id)
{
    static const char *const tables[] = { "broker", "topic", "topic_config", "acl", "scram_user",
                                          "kafka_quota", "cluster_authentication", "cluster_limit",
                                          "api_key" };
    struct buf script;
    buf_init(&script, SCRIPT_MAX);
    buf_put_str(&script, STR("ATTACH "));
    put_quoted(&script, database);
    buf_put_str(&script, STR(" AS src; BEGIN; CREATE TABLE cluster AS SELECT * FROM src.cluster WHERE "
                             "id = "));
    put_quoted(&script, cluster_id);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        buf_put_str(&script, STR("; CREATE TABLE "));
        buf_put_str(&script, str_c(tables[i]));
        buf_put_str(&script, STR(" AS SELECT * FROM src."));
        buf_put_str(&script, str_c(tables[i]));
        buf_put_str(&script, STR(" WHERE cluster_id = "));
        put_quoted(&script, cluster_id);
    }
    buf_put_str(&script, STR("; COMMIT; DETACH src; CREATE TABLE file (path TEXT PRIMARY KEY, bytes "
                             "INTEGER)"));
    return run_script(db, &script);
}

static status write_info(const char *path, const struct backup_info *i)
{
    char name[BACKUP_PATH + 48];
    snprintf(name, sizeof name, "%s/backup.json", path);
    json_t *json = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "format",
                             (json_int_t)BACKUP_FORMAT, "id", i->id, "cluster_id", i->cluster_id,
                             "environment_id", i->environment_id, "display_name", i->display_name,
                             "description", i->description, "created_at", (json_int_t)i->created_at, "bytes",
                             (json_int_t)i->bytes, "files", (json_int_t)i->files, "metadata_version",
                             (json_int_t)i->metadata_version);
    bool written = json && json_dump_file(json, name, JSON_INDENT(1)) == 0;
    json_decref(json);
    return written ? OK : FAIL(IO);
}

/* The rows are those that the broker had at the moment it named? */
static status check_version(struct db *db, const struct backup_source *source, struct backup_info *info)
{
    struct db_query *q = DB(db, "SELECT metadata_version FROM cluster");
    info->metadata_version = db_next(q) ? db_i64(q, 0) : -1;
    TRY(db_end(q));
    bool same = source->image_version < 0 || info->metadata_version == source->image_version;
    return same ? OK : FAIL(BUSY);
}

static status take_files(struct taking *t, const struct backup_source *source, int from, int to)
{
    if (!source->named.data) return take_below(t, from, to, "", DEPTH_MAX);
    status result = take_named(t, from, to, source->named);
    close(from);
    return result;
}

static status make(const char *path, const struct backup_source *source, struct backup_info *info)
{
    char name[BACKUP_PATH + 48], data[BACKUP_PATH];
    CLEANUP(db) struct db *db = NULL;
    snprintf(name, sizeof name, "%s/data", path);
    if (mkdir(path, 0700) != 0 || mkdir(name, 0700) != 0) return status_from_errno(errno);
    int to = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(data, sizeof data, "%s/data", source->folder);
    int from = open(data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    status result = to < 0 || from < 0 ? status_from_errno(errno) : OK;
    snprintf(name, sizeof name, "%s/backup.db", path);
    if (is_ok(result)) result = db_open_writer(name, &db);
    if (is_ok(result)) result = take_rows(db, source->database, info->cluster_id);
    if (is_ok(result)) result = check_version(db, source, info);
    if (is_ok(result)) result = db_begin(db);
    if (is_ok(result)) {
        struct taking taking = { db, info };
        int taken = from;
        from = -1;
        result = take_files(&taking, source, taken, to);
        if (is_ok(result)) result = db_commit(db);
    }
    if (from >= 0) close(from);
    if (is_ok(result)) result = write_info(path, info);
    if (is_ok(result) && syncfs(to) != 0) result = status_from_errno(errno);
    if (to >= 0) close(to);
    return result;
}

status backup_files_make(const char *path, const struct backup_source *source, struct backup_info *info)
{
    char partial[BACKUP_PATH + 16];
    snprintf(partial, sizeof partial, "%s.partial", path);
    info->bytes = info->files = 0;
    status result = make(partial, source, info);
    failpoint("backup.linked");
    if (is_ok(result) && rename(partial, path) != 0) result = status_from_errno(errno);
    if (failed(result)) (void)backup_files_remove(partial); /* or at the next start */
    return result;
}

static void copy_member(const json_t *json, const char *name, char *field, size_t size)
{
    const char *text = json_string_value(json_object_get(json, name));
    if (!text || !str_copy(field, size, str_c(text))) field[0] = 0;
}

status backup_files_info(const char *path, struct backup_info *ret)
{
    char name[BACKUP_PATH + 48];
    json_error_t error;
    snprintf(name, sizeof name, "%s/backup.json", path);
    json_t *json = json_load_file(name, 0, &error);
    if (!json) return FAIL(NOT_FOUND);
    *ret = (struct backup_info){ .format = json_integer_value(json_object_get(json, "format")),
                                 .created_at = json_integer_value(json_object_get(json, "created_at")),
                                 .bytes = json_integer_value(json_object_get(json, "bytes")),
                                 .files = json_integer_value(json_object_get(json, "files")),
                                 .metadata_version =
                                     json_integer_value(json_object_get(json, "metadata_version")) };
    copy_member(json, "id", ret->id, sizeof ret->id);
    copy_member(json, "cluster_id", ret->cluster_id, sizeof ret->cluster_id);
    copy_member(json, "environment_id", ret->environment_id, sizeof ret->environment_id);
    copy_member(json, "display_name", ret->display_name, sizeof ret->display_name);
    copy_member(json, "description", ret->description, sizeof ret->description);
    json_decref(json);
    return ret->format > BACKUP_FORMAT || ret->format < 1 ? FAIL(FORMAT) : OK;
}

/* --- back -------------------------------------------------------------------------------------------- */

static bool is_plain(const char *path)
{
    return path[0] && path[0] != '/' && !strstr(path, "..");
}

static status put_back(int from, int to, const char *path, int64_t bytes)
{
    char folder[BACKUP_PATH];
    int64_t copied = 0;
    const char *slash = strrchr(path, '/');
    if (!is_plain(path)) return FAIL(CORRUPT);
    if (slash && !str_copy(folder, sizeof folder, (struct str){ path, (size_t)(slash - path) }))
        return FAIL(CORRUPT);
    if (slash && mkdirat(to, folder, 0700) != 0 && errno != EEXIST) return status_from_errno(errno);
    return copy_file(from, path, to, path, bytes, &copied);
}

static status put_all_back(const char *path, int from, int to)
{
    char name[BACKUP_PATH + 48], file[BACKUP_PATH];
    CLEANUP(db) struct db *db = NULL;
    status result = OK;
    snprintf(name, sizeof name, "%s/backup.db", path);
    TRY(db_open_reader(name, &db));
    struct db_query *q = DB(db, "SELECT path, bytes FROM file ORDER BY path");
    while (is_ok(result) && db_next(q)) {
        DB_COPY(q, 0, file);
        result = put_back(from, to, file, db_i64(q, 1));
    }
    status ended = db_end(q);
    return failed(result) ? result : ended;
}

status backup_files_restore(const char *path, const char *data, struct bytes image)
{
    char name[BACKUP_PATH + 48];
    struct fs *fs = NULL;
    snprintf(name, sizeof name, "%s/data", path);
    int from = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status result = from < 0 || to < 0 ? status_from_errno(errno) : put_all_back(path, from, to);
    if (from >= 0) close(from);
    if (failed(result)) {
        if (to >= 0) close(to);
        return result;
    }
    TRY(fs_posix_new(to, &fs)); /* takes the descriptor */
    result = image_file_write(fs, image);
    fs_posix_free(fs);
    return result;
}

static status remove_below(int fd, int depth)
{
    status result = OK;
    DIR *dir = depth > 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return FAIL(IO);
    }
    for (struct dirent *e; is_ok(result) && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0) result = remove_below(below, depth - 1);
        if (is_ok(result) && unlinkat(fd, e->d_name, below >= 0 ? AT_REMOVEDIR : 0) != 0)
            result = status_from_errno(errno);
    }
    closedir(dir);
    return result;
}

status backup_files_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? OK : status_from_errno(errno);
    TRY(remove_below(fd, DEPTH_MAX));
    return rmdir(path) == 0 ? OK : status_from_errno(errno);
}
