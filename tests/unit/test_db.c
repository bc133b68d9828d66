/* The SQLite layer: statements, constraints, transactions, readers; migrations once each. */
#include "store/db.h"
#include "store/migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <stdio.h>

struct rig {
    char folder[64], path[96];
    struct db *db;
};

static int setup(void **state)
{
    static struct rig rig;
    snprintf(rig.folder, sizeof rig.folder, "/tmp/leat-db-XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    snprintf(rig.path, sizeof rig.path, "%s/leat.db", rig.folder);
    assert_true(is_ok(db_open_writer(rig.path, &rig.db)));
    assert_true(is_ok(db_script(rig.db, "CREATE TABLE p (id TEXT PRIMARY KEY, n INTEGER, b BLOB) STRICT;"
                                        "CREATE TABLE c (p TEXT NOT NULL REFERENCES p(id)) STRICT;")));
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char path[128];
    static const char *const ends[] = { "", "-wal", "-shm" };
    db_free(rig->db);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(path, sizeof path, "%s%s", rig->path, ends[i]);
        unlink(path);
    }
    rmdir(rig->folder);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static status insert(struct db *db, const char *id, int64_t n)
{
    return db_run(DB(db, "INSERT INTO p VALUES (?, ?, ?)", id, n, bytes_of("\0\1", 2)));
}

static void test_values_come_back_as_they_were_bound(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    char small[3];
    assert_true(is_ok(insert(db, "key", INT64_MIN)));
    struct db_query *q = DB(db, "SELECT id, n, b, NULL FROM p WHERE id = ?", STR("key"));
    assert_true(db_next(q));
    assert_true(str_eq_c(db_text(q, 0), "key"));
    assert_true(db_i64(q, 1) == INT64_MIN);
    assert_int_equal(db_bytes(q, 2).len, 2);
    assert_true(db_is_null(q, 3));
    assert_true(str_is_null(db_text(q, 3)));
    assert_false(DB_COPY(q, 0, small));
    assert_string_equal(small, "");
    assert_false(db_next(q));
    assert_true(is_ok(db_end(q)));
}

static void test_broken_constraints_are_told_apart(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    assert_true(is_ok(insert(db, "a", 1)));
    assert_int_equal(insert(db, "a", 2).code, E_EXISTS);
    assert_int_equal(db_run(DB(db, "INSERT INTO c VALUES (?)", "nobody")).code, E_CONFLICT);
    assert_int_equal(db_run(DB(db, "SELECT nothing FROM nowhere")).code, E_UNKNOWN_SERVER_ERROR);
}

static int64_t synchronous(struct db *db)
{
    int64_t level = -1;
    assert_true(is_ok(db_one_i64(DB(db, "PRAGMA synchronous"), &level)));
    return level;
}

static void test_only_grouped_changes_leave_their_sync_to_later(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    for (int commits = 0; commits < 2; commits++) {
        assert_true(is_ok(db_begin_grouped(db)));
        assert_int_equal(synchronous(db), 1);
        assert_true(is_ok(insert(db, commits ? "a" : "b", 1)));
        if (commits) assert_true(is_ok(db_commit(db)));
        else db_rollback(db);
        assert_int_equal(synchronous(db), 2);
    }
    assert_true(is_ok(db_sync(db)));
    assert_true(is_ok(db_begin(db)));
    assert_int_equal(synchronous(db), 2);
    db_rollback(db);
}

static void test_one_statement_may_be_used_twice_at_once(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    assert_true(is_ok(insert(db, "a", 1)));
    assert_true(is_ok(insert(db, "b", 2)));
    static const char sql[] = "SELECT id FROM p ORDER BY id";
    struct db_query *outer = DB(db, sql);
    int seen = 0;
    while (db_next(outer)) {
        struct db_query *inner = DB(db, sql);
        while (db_next(inner)) seen++;
        assert_true(is_ok(db_end(inner)));
    }
    assert_true(is_ok(db_end(outer)));
    assert_int_equal(seen, 4);
}

static void test_a_rolled_back_change_is_not_seen_and_a_committed_one_is(void **state)
{
    struct rig *rig = *state;
    CLEANUP(db) struct db *reader = NULL;
    int64_t n = 0;
    assert_true(is_ok(db_open_reader(rig->path, &reader)));
    assert_true(is_ok(db_begin(rig->db)));
    assert_true(is_ok(insert(rig->db, "a", 1)));
    db_rollback(rig->db);
    assert_false(db_in_transaction(rig->db));
    assert_true(is_ok(db_begin(rig->db)));
    assert_true(is_ok(insert(rig->db, "b", 1)));
    assert_true(is_ok(db_one_i64(DB(reader, "SELECT count(*) FROM p"), &n)));
    assert_int_equal(n, 0);
    assert_true(is_ok(db_commit(rig->db)));
    assert_true(is_ok(db_one_i64(DB(reader, "SELECT count(*) FROM p"), &n)));
    assert_int_equal(n, 1);
    assert_int_equal(db_one_i64(DB(reader, "SELECT n FROM p WHERE id = ?", "zz"), &n).code, E_NOT_FOUND);
}

static void test_a_reader_cannot_write(void **state)
{
    struct rig *rig = *state;
    CLEANUP(db) struct db *reader = NULL;
    assert_true(is_ok(db_open_reader(rig->path, &reader)));
    assert_true(failed(db_run(DB(reader, "DELETE FROM p"))));
}

static void test_migrations_are_applied_once_each(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    struct why why = { "" };
    int64_t n = 0;
    assert_true(is_ok(db_migrate(db, &why)));
    assert_true(is_ok(db_migrate(db, &why)));
    assert_true(is_ok(db_one_i64(DB(db, "SELECT count(*) FROM migration"), &n)));
    assert_int_equal(n, migration_count);
    assert_true(is_ok(db_one_i64(DB(db, "SELECT count(*) FROM plan"), &n)));
    assert_true(n >= 3);
}

static void test_a_newer_database_is_refused_with_a_sentence(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    struct why why = { "" };
    assert_true(is_ok(db_migrate(db, &why)));
    assert_true(is_ok(db_run(DB(db, "INSERT INTO migration VALUES (9999, 'x', 'y', 0)"))));
    assert_int_equal(db_migrate(db, &why).code, E_FORMAT);
    assert_non_null(strstr(why.text, "newer"));
}

/* The path of a database as its first program left it, with one row of its own. */
static struct db *old_database(struct db *now, const char *path)
{
    struct db *old = NULL;
    char checksum[80] = "";
    struct db_query *q = DB(now, "SELECT checksum FROM migration WHERE number = 1");
    assert_true(db_next(q));
    DB_COPY(q, 0, checksum);
    assert_true(is_ok(db_end(q)));
    assert_true(is_ok(db_open_writer(path, &old)));
    assert_true(is_ok(db_script(old, "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT "
                                     "NOT NULL, checksum TEXT NOT NULL, at INTEGER NOT NULL) STRICT")));
    assert_true(is_ok(db_script(old, migrations[0].sql)));
    assert_true(is_ok(db_run(DB(old, "INSERT INTO migration VALUES (1, 'first', ?, 0)",
                                (const char *)checksum))));
    assert_true(is_ok(db_run(DB(old, "INSERT INTO setting VALUES ('mark', 'from before')"))));
    return old;
}

static void test_a_database_is_copied_before_it_is_brought_up_to_date(void **state)
{
    struct rig *rig = *state;
    struct why why = { "" };
    char path[300], copy[340];
    int64_t n = 0;
    assert_true(is_ok(db_migrate(rig->db, &why)));
    snprintf(path, sizeof path, "%s-old", rig->path);
    snprintf(copy, sizeof copy, "%s.before-0002", path);
    struct db *old = old_database(rig->db, path), *before = NULL;
    assert_true(is_ok(db_migrate(old, &why)));
    assert_true(is_ok(db_open_reader(copy, &before)));
    assert_true(is_ok(db_one_i64(DB(before, "SELECT count(*) FROM migration"), &n)));
    assert_int_equal(n, 1);
    assert_true(is_ok(db_one_i64(DB(before, "SELECT count(*) FROM setting WHERE name = 'mark'"), &n)));
    assert_int_equal(n, 1);
    db_free(before);
    db_free(old);
    unlink(copy);
    unlink(path);
}

static void test_a_changed_migration_is_noticed(void **state)
{
    struct db *db = ((struct rig *)*state)->db;
    struct why why = { "" };
    assert_true(is_ok(db_migrate(db, &why)));
    assert_true(is_ok(db_run(DB(db, "UPDATE migration SET checksum = 'other' WHERE number = 1"))));
    assert_int_equal(db_migrate(db, &why).code, E_CORRUPT);
    assert_true(why.text[0] != 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_values_come_back_as_they_were_bound),
        T(test_broken_constraints_are_told_apart),
        T(test_only_grouped_changes_leave_their_sync_to_later),
        T(test_one_statement_may_be_used_twice_at_once),
        T(test_a_rolled_back_change_is_not_seen_and_a_committed_one_is),
        T(test_a_reader_cannot_write),
        T(test_migrations_are_applied_once_each),
        T(test_a_newer_database_is_refused_with_a_sentence),
        T(test_a_changed_migration_is_noticed),
        T(test_a_database_is_copied_before_it_is_brought_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
