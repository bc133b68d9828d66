/* migrate.c - brings a database to the newest schema. Domain thread, at start.
 *
 * Table `migration` remembers each one applied with its SHA-256, so that a file changed after it
 * was applied is noticed. A database with a number this program does not know is of a newer
 * program and is refused untouched. */
#include "store/migrate.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

#include <glob.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>

static void checksum(const struct migration *m, char ret_hex[65])
{
    uint8_t hash[32];
    SHA256((const uint8_t *)m->sql, m->len, hash);
    for (int i = 0; i < 32; i++) snprintf(ret_hex + 2 * i, 3, "%02x", hash[i]);
}

/* The number of migrations applied; each is compared with ours. */
static status check_applied(struct db *db, size_t *ret_count, struct why *why)
{
    size_t count = 0;
    status result = OK;
    struct db_query *q = DB(db, "SELECT number, checksum FROM migration ORDER BY number");
    while (db_next(q)) {
        char hex[65];
        if (count >= migration_count) {
            why_set(why, "The database is of a newer version of Leat (migration %lld; this one knows "
                    "%zu): start that version, or restore a backup.", (long long)db_i64(q, 0),
                    migration_count);
            result = FAIL(FORMAT);
            break;
        }
        checksum(&migrations[count], hex);
        if (db_i64(q, 0) != migrations[count].number || !str_eq_c(db_text(q, 1), hex)) {
            why_set(why, "Migration %lld of the database is not the one of this program (%s).",
                    (long long)db_i64(q, 0), migrations[count].name);
            result = FAIL(CORRUPT);
            break;
        }
        count++;
    }
    TRY(db_end(q));
    *ret_count = count;
    return result;
}

static status apply(struct db *db, const struct migration *m)
{
    char hex[65];
    checksum(m, hex);
    TRY(db_begin(db));
    status result = db_script(db, m->sql);
    if (is_ok(result))
        result = db_run(DB(db, "INSERT INTO migration VALUES (?, ?, ?, unixepoch() * 1000)",
                           m->number, m->name, (const char *)hex));
    if (failed(result)) {
        db_rollback(db);
        return result;
    }
    return db_commit(db);
}

#define COPIES_KEPT 3

/* Of the copies of this database, the newest stay: their names end in a number of fixed width. */
static void forget_old_copies(const char *path)
{
    char pattern[1024];
    glob_t found;
    int n = snprintf(pattern, sizeof pattern, "%s.before-[0-9][0-9][0-9][0-9]", path);
    if (n < 0 || (size_t)n >= sizeof pattern || glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i + COPIES_KEPT < found.gl_pathc; i++) unlink(found.gl_pathv[i]);
    globfree(&found);
}

static status copy_before(struct db *db, const struct migration *m, struct why *why)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s.before-%04d", db_path(db), (int)m->number);
    status result = n > 0 && (size_t)n < sizeof path ? db_copy(db, path) : FAIL(INVALID);
    if (failed(result)) {
        why_set(why, "The database cannot be copied before it is brought up to date: %s",
                status_text(result));
        return result;
    }
    log_info("database: what it was before %s lies in %s", m->name, path);
    forget_old_copies(db_path(db));
    return OK;
}

status db_migrate(struct db *db, struct why *why)
{
    size_t have = 0;
    TRY(db_script(db, "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT "
                      "NOT NULL, checksum TEXT NOT NULL, at INTEGER NOT NULL) STRICT"));
    TRY(check_applied(db, &have, why));
    if (have > 0 && have < migration_count) TRY(copy_before(db, &migrations[have], why));
    for (size_t i = have; i < migration_count; i++) {
        status result = apply(db, &migrations[i]);
        if (failed(result)) {
            why_set(why, "Migration %s failed: %s", migrations[i].name, status_text(result));
            return result;
        }
        log_info("database: applied migration %s", migrations[i].name);
    }
    return OK;
}
