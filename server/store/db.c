/* db.c - connections, statements and transactions over SQLite; the only file that calls sqlite3_.
 * Any thread, each connection by one thread at a time.
 *
 * A statement is prepared once per connection and kept in a table by its text. While it is in use
 * a second use of the same text gets a statement of its own, finalised at its end. */
#include "store/db.h"

#include "base/hash.h"
#include "base/log.h"
#include "store/room.h"

#define SQLITE_ENABLE_PREUPDATE_HOOK /* Debian's library has it */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 5000
#define STATEMENTS_MAX 512 /* kept per connection; texts are literals, so this is never met */

struct db_query {
    struct db *db;
    sqlite3_stmt *stmt; /* NULL: preparing failed */
    int bound;
    bool in_use, kept;
    status result;
    const char *sql;
    UT_hash_handle hh;
};

struct db {
    sqlite3 *handle;
    char *path;
    struct room *room;
    bool grouped; /* the open transaction is */
    int wal_fd;   /* for db_sync; -1: not opened yet. (SQLite locks other files than this.) */
    struct db_query *queries;
    void (*row_changes)(void *arg, const struct db_row *row);
    void *row_arg;
    struct db_query broken; /* what db_query gives when there is no memory */
};

static status db_status(struct db *db, int code, const char *what)
{
    switch (code & 0xff) {
    case SQLITE_OK: case SQLITE_ROW: case SQLITE_DONE: return OK;
    case SQLITE_CONSTRAINT:
        if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
            return FAIL(EXISTS);
        if (code == SQLITE_CONSTRAINT_FOREIGNKEY) return FAIL(CONFLICT);
        break;
    default: break;
    }
    log_error("database: %s (%d) in: %.200s", db->handle ? sqlite3_errmsg(db->handle) : "no handle",
              code, what);
    switch (code & 0xff) {
    case SQLITE_BUSY: case SQLITE_LOCKED: return FAIL(BUSY);
    case SQLITE_FULL: room_make(db->room); return FAIL(NO_SPACE); /* room for the next one */
    case SQLITE_NOMEM: return FAIL(NO_MEMORY);
    case SQLITE_CORRUPT: case SQLITE_NOTADB: return FAIL(CORRUPT);
    case SQLITE_IOERR: case SQLITE_CANTOPEN: return FAIL(IO);
    case SQLITE_READONLY: case SQLITE_PERM: case SQLITE_AUTH: return FAIL(NOT_PERMITTED);
    default: return FAIL(UNKNOWN_SERVER_ERROR);
    }
}

static status sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    status result = fd >= 0 && fsync(fd) == 0 ? OK : status_from_errno(errno);
    if (fd >= 0) close(fd);
    return result;
}

status db_copy(struct db *db, const char *path)
{
    char partial[1024];
    int n = snprintf(partial, sizeof partial, "%s.partial", path);
    if (n < 0 || (size_t)n >= sizeof partial) return FAIL(INVALID);
    unlink(partial);
    status result = db_run(DB(db, "VACUUM INTO ?", (const char *)partial));
    if (is_ok(result)) result = sync_path(partial);
    if (is_ok(result) && rename(partial, path) != 0) result = status_from_errno(errno);
    if (failed(result)) unlink(partial);
    return result;
}

status db_script(struct db *db, const char *sql)
{
    return db_status(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), sql);
}

static status db_open(const char *path, int flags, struct db **ret_db)
{
    CLEANUP(db) struct db *db = mem_zalloc(sizeof *db);
    if (!db) return FAIL(NO_MEMORY);
    db->wal_fd = -1;
    db->path = mem_strdup(path);
    if (!db->path) return FAIL(NO_MEMORY);
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    TRY(db_status(db, sqlite3_open_v2(path, &db->handle, flags, NULL), path));
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    TRY(db_script(db, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF"));
    *ret_db = TAKE(db);
    return OK;
}

/* What the journal has goes to the database and is synced there: after a sync that failed the journal may be
 * right in memory alone, and look synced. */
static void settle_journal(struct db *db)
{
    if (sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        log_warn("database %s: its journal stays as it is: %s", db->path, sqlite3_errmsg(db->handle));
}

status db_open_writer(const char *path, struct db **ret_db)
{
    CLEANUP(db) struct db *db = NULL;
    TRY(db_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db));
    TRY(db_script(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
    settle_journal(db);
    *ret_db = TAKE(db);
    return OK;
}

status db_open_reader(const char *path, struct db **ret_db)
{
    CLEANUP(db) struct db *db = NULL;
    TRY(db_open(path, SQLITE_OPEN_READONLY, &db));
    TRY(db_script(db, "PRAGMA query_only = ON"));
    *ret_db = TAKE(db);
    return OK;
}

/* "file:/a%20path?immutable=1": without a journal beside it, it is not looked for one, nor made. */
static bool uri_of(const char *path, char *ret, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-_.~";
    size_t n = (size_t)snprintf(ret, size, "file:");
    for (const char *c = path; *c; c++) {
        if (n + 16 >= size) return false;
        n += (size_t)snprintf(ret + n, size - n, strchr(plain, *c) ? "%c" : "%%%02X", (unsigned char)*c);
    }
    snprintf(ret + n, size - n, "?immutable=1");
    return true;
}

status db_open_file(const char *path, struct db **ret_db)
{
    char journal[1100], uri[3300];
    if (access(path, R_OK) != 0) return status_from_errno(errno);
    snprintf(journal, sizeof journal, "%s-wal", path);
    if (access(journal, F_OK) == 0) return db_open_reader(path, ret_db);
    if (!uri_of(path, uri, sizeof uri)) return FAIL(INVALID);
    CLEANUP(db) struct db *db = NULL;
    TRY(db_open(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &db));
    TRY(db_script(db, "PRAGMA query_only = ON"));
    *ret_db = TAKE(db);
    return OK;
}

void db_free(struct db *db)
{
    if (!db) return;
    struct db_query *q, *next;
    HASH_ITER(hh, db->queries, q, next) {
        HASH_DEL(db->queries, q);
        sqlite3_finalize(q->stmt);
        mem_free(q);
    }
    sqlite3_close(db->handle);
    if (db->wal_fd >= 0) close(db->wal_fd);
    mem_free(db->path);
    mem_free(db);
}

const char *db_path(const struct db *db) { return db->path; }

void db_set_room(struct db *db, struct room *room) { db->room = room; }

/* Outside of a transaction: what comes next is synced by itself again. */
static void group_end(struct db *db)
{
    if (!db->grouped || db_in_transaction(db)) return;
    db->grouped = false;
    (void)db_script(db, "PRAGMA synchronous = FULL");
}

status db_begin(struct db *db)
{
    room_make(db->room);
    return db_run(DB(db, "BEGIN IMMEDIATE"));
}

status db_begin_grouped(struct db *db)
{
    TRY(db_script(db, "PRAGMA synchronous = NORMAL")); /* not to be changed within a transaction */
    db->grouped = true;
    status result = db_begin(db);
    if (failed(result)) group_end(db);
    return result;
}

status db_sync(struct db *db)
{
    if (db->wal_fd < 0) {
        char path[1100];
        snprintf(path, sizeof path, "%s-wal", db->path);
        db->wal_fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (db->wal_fd >= 0 && fdatasync(db->wal_fd) == 0) return OK;
    log_error("database: the journal cannot be synced: %s", strerror(errno));
    return FAIL(IO);
}

status db_commit(struct db *db)
{
    status result = db_run(DB(db, "COMMIT"));
    if (failed(result)) db_rollback(db);
    group_end(db);
    return result;
}

void db_rollback(struct db *db)
{
    if (db_in_transaction(db)) (void)db_run(DB(db, "ROLLBACK"));
    group_end(db);
}

bool db_in_transaction(const struct db *db) { return !sqlite3_get_autocommit(db->handle); }

/* --- rows that change ----------------------------------------------------------------------------- */

struct db_row {
    sqlite3 *handle;
    const char *table;
    int what; /* SQLITE_INSERT, UPDATE, DELETE */
};

static void row_changes(void *arg, sqlite3 *handle, int what, const char *schema, const char *table,
                        sqlite3_int64 old_id, sqlite3_int64 new_id)
{
    struct db *db = arg;
    const struct db_row row = { handle, table, what };
    (void)schema;
    (void)old_id;
    (void)new_id;
    db->row_changes(db->row_arg, &row);
}

void db_watch_rows(struct db *db, void (*each)(void *arg, const struct db_row *row), void *arg)
{
    db->row_changes = each;
    db->row_arg = arg;
    sqlite3_preupdate_hook(db->handle, each ? row_changes : NULL, db);
}

const char *db_row_table(const struct db_row *row) { return row->table; }

bool db_row_has(const struct db_row *row, bool after)
{
    return row->what != (after ? SQLITE_DELETE : SQLITE_INSERT);
}

struct db_value db_row_value(const struct db_row *row, bool after, int column)
{
    sqlite3_value *v = NULL;
    int code = after ? sqlite3_preupdate_new(row->handle, column, &v)
                     : sqlite3_preupdate_old(row->handle, column, &v);
    if (code != SQLITE_OK || !v) return (struct db_value){ .type = DB_NULL };
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER: return (struct db_value){ .type = DB_I64, .i64 = sqlite3_value_int64(v) };
    case SQLITE_FLOAT: return (struct db_value){ .type = DB_F64, .f64 = sqlite3_value_double(v) };
    case SQLITE_BLOB: case SQLITE_TEXT: break;
    default: return (struct db_value){ .type = DB_NULL };
    }
    bool blob = sqlite3_value_type(v) == SQLITE_BLOB;
    const char *data = blob ? sqlite3_value_blob(v) : (const char *)sqlite3_value_text(v);
    struct str s = { data ? data : "", data ? (size_t)sqlite3_value_bytes(v) : 0 };
    return (struct db_value){ .type = blob ? DB_BLOB : DB_TEXT, .text = s };
}

/* --- queries -------------------------------------------------------------------------------------- */

static struct db_query *db_broken(struct db *db, status why)
{
    db->broken = (struct db_query){ .db = db, .result = why, .in_use = true, .kept = true,
                                    .sql = "" };
    return &db->broken;
}

struct db_query *db_query(struct db *db, const char *sql)
{
    struct db_query *q;
    HASH_FIND_STR(db->queries, sql, q);
    if (q && !q->in_use) {
        q->in_use = true;
        q->result = OK;
        q->bound = 0;
        return q;
    }
    bool keep = !q && HASH_COUNT(db->queries) < STATEMENTS_MAX;
    struct db_query *fresh = mem_zalloc(sizeof *fresh);
    if (!fresh) return db_broken(db, FAIL(NO_MEMORY));
    *fresh = (struct db_query){ .db = db, .sql = sql, .in_use = true, .result = OK };
    int code = sqlite3_prepare_v3(db->handle, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0,
                                  &fresh->stmt, NULL);
    fresh->result = db_status(db, code, sql);
    if (keep && fresh->stmt) {
        HASH_ADD_KEYPTR(hh, db->queries, fresh->sql, strlen(fresh->sql), fresh);
        fresh->kept = HASH_ADDED(hh, fresh);
    }
    return fresh;
}

static void db_bound(struct db_query *q, int code)
{
    if (failed(q->result)) return;
    q->result = db_status(q->db, code, q->sql);
}

void db_bind_str(struct db_query *q, struct str v)
{
    if (!q->stmt) return;
    db_bound(q, sqlite3_bind_text64(q->stmt, ++q->bound, v.data, v.len, SQLITE_TRANSIENT,
                                    SQLITE_UTF8));
}

void db_bind_cstr(struct db_query *q, const char *v) { db_bind_str(q, str_c(v)); }

void db_bind_i64(struct db_query *q, int64_t v)
{
    if (q->stmt) db_bound(q, sqlite3_bind_int64(q->stmt, ++q->bound, v));
}

void db_bind_f64(struct db_query *q, double v)
{
    if (q->stmt) db_bound(q, sqlite3_bind_double(q->stmt, ++q->bound, v));
}

void db_bind_bytes(struct db_query *q, struct bytes v)
{
    if (!q->stmt) return;
    db_bound(q, sqlite3_bind_blob64(q->stmt, ++q->bound, v.data, v.len, SQLITE_TRANSIENT));
}

bool db_next(struct db_query *q)
{
    if (!q->stmt || failed(q->result)) return false;
    int code = sqlite3_step(q->stmt);
    if (code == SQLITE_ROW) return true;
    q->result = db_status(q->db, code, q->sql);
    return false;
}

status db_end(struct db_query *q)
{
    status result = q->result;
    if (q->kept) {
        sqlite3_reset(q->stmt); /* its code repeats what db_next said */
        sqlite3_clear_bindings(q->stmt);
        q->in_use = false;
    } else {
        sqlite3_finalize(q->stmt);
        mem_free(q);
    }
    return result;
}

status db_run(struct db_query *q)
{
    while (db_next(q)) continue;
    return db_end(q);
}

status db_one_i64(struct db_query *q, int64_t *ret)
{
    bool found = db_next(q);
    int64_t value = found ? db_i64(q, 0) : 0;
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = value;
    return OK;
}

struct str db_text(const struct db_query *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q->stmt, column);
    if (!text) return STR_NULL;
    return (struct str){ text, (size_t)sqlite3_column_bytes(q->stmt, column) };
}

struct bytes db_bytes(const struct db_query *q, int column)
{
    if (db_is_null(q, column)) return BYTES_NULL;
    const void *data = sqlite3_column_blob(q->stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(q->stmt, column);
    return bytes_of(data ? data : "", len);
}

double db_f64(const struct db_query *q, int column) { return sqlite3_column_double(q->stmt, column); }
int64_t db_i64(const struct db_query *q, int column) { return sqlite3_column_int64(q->stmt, column); }

bool db_is_null(const struct db_query *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t db_changes(const struct db *db) { return sqlite3_changes64(db->handle); }
