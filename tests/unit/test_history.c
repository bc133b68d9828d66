/* What leatd writes of totals that began before it did: minutes handed to the history one by one. */
#include "collect/history.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LATE "lkc-late"
#define PROMPT "lkc-prompt"

static char folder[64];
static int64_t found[2]; /* what `late` gained in its topics t and u */

/* One leatd after another: its memory is new, the file is not. */
static struct history *begin(void)
{
    struct history *h = mem_zalloc(sizeof *h);
    assert_non_null(h);
    h->data_dir = folder;
    h->minutes_kept = MINUTES_KEPT;
    assert_true(is_ok(open_file(folder, &h->file)));
    h->hour = INT64_MAX; /* none is due */
    buf_init(&h->taken, TAKE_MAX);
    return h;
}

static void records(struct history *h, const char *cluster, const char *topic, int64_t total, bool fresh)
{
    struct taking to = { .out = &h->taken, .cluster = cluster, .fresh = fresh };
    put(&to, S_RECEIVED_RECORDS, topic, total);
}

static void minute(struct history *h, int64_t at)
{
    h->minute = at;
    write_minute(h);
    buf_clear(&h->taken);
}

static void on_found(void *arg, const struct history_point *p)
{
    (void)arg;
    found[str_eq_c(p->labels[0], "u")] += p->value;
}

static void read_late(int64_t from, int64_t to)
{
    struct history_query q = { .cluster_id = STR(LATE), .types = { series_by_name(STR("received_records")) },
                               .type_count = 1, .from = from * MINUTE_MS, .to = to * MINUTE_MS,
                               .step = HISTORY_MINUTE, .point = on_found };
    found[0] = found[1] = 0;
    assert_true(is_ok(history_read(folder, &q)));
}

static void test_a_broker_that_is_heard_of_late_counts_from_where_it_was_last_looked_at(void **state)
{
    struct history *h = begin();
    (void)state;
    records(h, LATE, "t", 4, true);
    minute(h, 100);
    history_stop(h);
    h = begin();
    records(h, PROMPT, "t", 1, true); /* of `late` nothing is known yet */
    minute(h, 101);
    records(h, PROMPT, "t", 1, true);
    records(h, LATE, "t", 11, false);
    records(h, LATE, "u", 3, false); /* of which nobody knows when it was counted */
    minute(h, 102);
    read_late(101, 103);
    assert_int_equal(found[0], 11 - 4);
    assert_int_equal(found[1], 0);
    records(h, LATE, "t", 12, false);
    records(h, LATE, "u", 5, false);
    minute(h, 103);
    read_late(103, 104);
    assert_int_equal(found[0], 1);
    assert_int_equal(found[1], 2);
    history_stop(h);
}

static void test_a_broker_that_began_after_leatd_is_no_other_life_of_the_one_before(void **state)
{
    struct history *h = begin();
    (void)state;
    records(h, LATE, "t", 4, true);
    minute(h, 100);
    history_stop(h);
    h = begin();
    records(h, LATE, "t", 9, true); /* its broker ended meanwhile, and this leatd started it */
    minute(h, 101);
    read_late(101, 102);
    assert_int_equal(found[0], 9);
    history_stop(h);
}

static void test_minutes_that_cannot_be_written_are_counted_once_in_the_next_that_can(void **state)
{
    struct history *h = begin();
    (void)state;
    records(h, LATE, "t", 4, true);
    minute(h, 100);
    for (int64_t at = 101; at < 106; at++) { /* the database refuses to begin one inside another */
        assert_true(is_ok(db_begin(h->file)));
        records(h, LATE, "t", 4 + at - 100, true);
        minute(h, at);
    }
    records(h, LATE, "t", 12, true);
    minute(h, 106);
    read_late(100, 107);
    assert_int_equal(found[0], 12);
    history_stop(h);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/leat-history-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = { "history.db", "history.db-wal", "history.db-shm" };
    char path[128];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_broker_that_is_heard_of_late_counts_from_where_it_was_last_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_broker_that_began_after_leatd_is_no_other_life_of_the_one_before, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_minutes_that_cannot_be_written_are_counted_once_in_the_next_that_can, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
