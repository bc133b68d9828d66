/* db.h - a thin layer over SQLite: one writer (the domain thread) and read-only connections (one an
 * HTTP thread), with statements prepared once and kept.
 *
 *     struct db_query *q = DB(db, "SELECT id, name FROM t WHERE owner = ? AND at > ?", owner, at);
 *     while (db_next(q)) use(db_text(q, 0), db_i64(q, 1));
 *     TRY(db_end(q));
 *
 *     TRY(db_run(DB(db, "INSERT INTO t VALUES (?, ?)", id, name)));
 *
 * DB() never returns NULL: what went wrong is said by db_end or db_run, which must be called once
 * for every DB(). A struct db belongs to one thread at a time. Errors are logged here, but for broken
 * constraints, which callers expect: EXISTS (unique), CONFLICT (foreign key). */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

struct db;
struct db_query;

/* WAL, foreign keys, synchronous FULL. What a process before left in the journal is in the database then. */
status db_open_writer(const char *path, struct db **ret_db);
status db_open_reader(const char *path, struct db **ret_db);
/* A database that is only looked at, whether somebody writes it now or it is a copy: nothing is written
 * beside it. NOT_FOUND. */
status db_open_file(const char *path, struct db **ret_db);
void db_free(struct db *db); /* NULL ok */
DEFINE_CLEANUP(db);
const char *db_path(const struct db *db);
struct room;
/* Where a writer's transactions find room when the disk is full (store/room.h); NULL: nowhere. */
void db_set_room(struct db *db, struct room *room);

/* Applies what migrations/ holds and the database has not had: each in its own transaction, with its
 * checksum. Before the first, what an older program left is copied to PATH.before-NNNN; the last three
 * copies stay. FORMAT (a newer database) and CORRUPT (a changed migration) come with a sentence. */
status db_migrate(struct db *db, struct why *why);

/* A whole copy of the database as of now into a new file (0600 by the umask), synced, while others read
 * and write. An older file of that name is replaced at the end. Any connection. */
status db_copy(struct db *db, const char *path);

/* Runs several statements without arguments or results. */
status db_script(struct db *db, const char *sql);

/* --- transactions: writer only, not nested -------------------------------------------------------- */
status db_begin(struct db *db); /* IMMEDIATE */
/* A transaction whose db_commit survives a kill of the process, and a loss of power only from the next
 * db_sync (or commit of another kind) on: so that several share one sync. */
status db_begin_grouped(struct db *db);
/* IO: nothing is known of what was committed since the last good one, and a second try would prove nothing
 * (the kernel takes pages for clean after a failed sync): end the process; the next open settles it. */
status db_sync(struct db *db);
status db_commit(struct db *db); /* failed: rolled back */
void db_rollback(struct db *db); /* none open: ok */
bool db_in_transaction(const struct db *db);

/* --- rows that change: writer only ---------------------------------------------------------------- */
struct db_row;
struct db_value {
    enum { DB_NULL, DB_I64, DB_F64, DB_TEXT, DB_BLOB } type;
    int64_t i64;
    double f64;
    struct str text; /* a view; TEXT and BLOB */
};
/* From now on each() is told of every row just before it is inserted, changed or deleted, by cascades and
 * triggers too. It must not use db. NULL: no more. */
void db_watch_rows(struct db *db, void (*each)(void *arg, const struct db_row *row), void *arg);
const char *db_row_table(const struct db_row *row);
bool db_row_has(const struct db_row *row, bool after); /* false: before an insert, after a deletion */
struct db_value db_row_value(const struct db_row *row, bool after, int column);

/* --- queries -------------------------------------------------------------------------------------- */
/* sql must stay valid for the life of db (a literal): statements are kept by its text. */
struct db_query *db_query(struct db *db, const char *sql);
void db_bind_str(struct db_query *q, struct str v); /* null: NULL. Copied, as all arguments */
void db_bind_cstr(struct db_query *q, const char *v);
void db_bind_i64(struct db_query *q, int64_t v);
void db_bind_f64(struct db_query *q, double v);
void db_bind_bytes(struct db_query *q, struct bytes v);
#define db_bind(q, v)                                                                              \
    _Generic((v), struct str: db_bind_str, struct bytes: db_bind_bytes, char *: db_bind_cstr,      \
             const char *: db_bind_cstr, double: db_bind_f64, default: db_bind_i64)((q), (v))

bool db_next(struct db_query *q);   /* true: a row is there */
status db_end(struct db_query *q);  /* gives the statement back; the first error met */
status db_run(struct db_query *q);  /* all rows stepped over, then db_end */
/* The first row's first column; NOT_FOUND without a row. */
status db_one_i64(struct db_query *q, int64_t *ret);

/* Columns of the row, from 0; views are valid until the next db_next/db_end. */
struct str db_text(const struct db_query *q, int column); /* NULL: null */
struct bytes db_bytes(const struct db_query *q, int column);
int64_t db_i64(const struct db_query *q, int column);
double db_f64(const struct db_query *q, int column);
bool db_is_null(const struct db_query *q, int column);
/* Into a fixed field; what does not fit gives an empty one. NULL: empty. */
#define DB_COPY(q, column, field) str_copy((field), sizeof(field), db_text((q), (column)))
int64_t db_changes(const struct db *db); /* rows changed by the last statement */

/* DB(db, sql, arguments…): a query with up to ten arguments bound in order. */
#define DB(db, sql, ...)                                                                           \
    ({                                                                                             \
        struct db_query *q_ = db_query((db), (sql));                                               \
        DB_PICK(0 __VA_OPT__(, ) __VA_ARGS__, DB10_, DB9_, DB8_, DB7_, DB6_, DB5_, DB4_, DB3_,     \
                DB2_, DB1_, DB0_)                                                                  \
        (__VA_ARGS__);                                                                             \
        q_;                                                                                        \
    })
#define DB_PICK(a, b, c, d, e, f, g, h, i, j, k, name, ...) name
#define DB0_()
#define DB1_(a) db_bind(q_, a);
#define DB2_(a, ...) db_bind(q_, a); DB1_(__VA_ARGS__)
#define DB3_(a, ...) db_bind(q_, a); DB2_(__VA_ARGS__)
#define DB4_(a, ...) db_bind(q_, a); DB3_(__VA_ARGS__)
#define DB5_(a, ...) db_bind(q_, a); DB4_(__VA_ARGS__)
#define DB6_(a, ...) db_bind(q_, a); DB5_(__VA_ARGS__)
#define DB7_(a, ...) db_bind(q_, a); DB6_(__VA_ARGS__)
#define DB8_(a, ...) db_bind(q_, a); DB7_(__VA_ARGS__)
#define DB9_(a, ...) db_bind(q_, a); DB8_(__VA_ARGS__)
#define DB10_(a, ...) db_bind(q_, a); DB9_(__VA_ARGS__)
