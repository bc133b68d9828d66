/* What clusters use: time is cut at midnights, and what was counted is not counted again. */
#include "unit/domain_rig.h"

#include "domain/clusters.h"
#include "domain/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#define RIG domain_rig.domain
#define HOUR 3600000LL

static void see(const char *id, int64_t at, int64_t stored, int64_t partitions)
{
    assert_true(is_ok(db_run(DB(RIG->db, "INSERT OR REPLACE INTO usage_seen VALUES (?, ?, 0, 0, ?, ?)", id,
                                at, stored, partitions))));
}

static double sum(const char *sql)
{
    struct db_query *q = db_query(RIG->db, sql);
    double value = db_next(q) ? db_f64(q, 0) : -1;
    assert_true(is_ok(db_end(q)));
    return value;
}

static void test_time_is_cut_at_midnights(void **state)
{
    (void)state;
    char id[ID_TEXT];
    domain_rig_cluster(id);
    see(id, domain_wall() - 50 * HOUR, 1000000000, 4);
    usage_now(RIG);
    int64_t days = domain_rig_count("SELECT count(*) FROM usage_day");
    assert_in_range(days, 3, 4); /* fifty hours touch three days, or four */
    assert_int_equal(domain_rig_count("SELECT max(base_hours) <= 24.0001 FROM usage_day"), 1);
    assert_in_range((int64_t)(sum("SELECT sum(base_hours) FROM usage_day") * 1000 + 0.5), 50000, 50010);
    assert_in_range((int64_t)(sum("SELECT sum(partition_hours) FROM usage_day") * 1000 + 0.5), 200000,
                    200040);
    assert_in_range((int64_t)(sum("SELECT sum(storage_byte_hours) FROM usage_day") / 1e6 + 0.5), 50000,
                    50010);
}

static void test_what_was_counted_is_not_counted_again(void **state)
{
    (void)state;
    char id[ID_TEXT];
    domain_rig_cluster(id);
    see(id, domain_wall() - HOUR, 0, 1);
    for (int i = 0; i < 5; i++) usage_now(RIG);
    assert_in_range((int64_t)(sum("SELECT sum(base_hours) FROM usage_day") * 1000 + 0.5), 1000, 1010);
}

static void test_a_paused_cluster_stores_but_does_not_serve(void **state)
{
    (void)state;
    char id[ID_TEXT];
    domain_rig_cluster(id);
    assert_true(is_ok(db_run(DB(RIG->db, "UPDATE broker SET paused_at = 1"))));
    see(id, domain_wall() - HOUR, 1000, 1);
    usage_now(RIG);
    assert_true(sum("SELECT sum(base_hours) FROM usage_day") == 0);
    assert_true(sum("SELECT sum(storage_byte_hours) FROM usage_day") > 999);
}

static bool count_line(void *arg, const struct usage_line *line)
{
    int *seen = arg;
    assert_true(line->quantity > 0 && line->next_day[0] && strcmp(line->day, line->next_day) < 0);
    (*seen)++;
    return *seen < 3;
}

static void test_lines_go_on_behind_any_of_them(void **state)
{
    (void)state;
    char id[ID_TEXT];
    int seen = 0;
    struct usage_line after = { .index = -1 };
    domain_rig_cluster(id);
    assert_true(is_ok(db_run(DB(RIG->db, "INSERT INTO usage_day VALUES "
                                         "('2024-02-28', ?1, 'e', 'n', 1, 1, 1, 1, 1), "
                                         "('2024-02-29', ?1, 'e', 'n', 1, 1, 1, 1, 1)", (const char *)id))));
    assert_true(is_ok(usage_lines(RIG->db, "2024-02-28", "2024-03-01", &after, count_line, &seen)));
    assert_int_equal(seen, 3);
    str_copy(after.day, sizeof after.day, STR("2024-02-29"));
    str_copy(after.cluster_id, sizeof after.cluster_id, str_c(id));
    after.index = 2;
    seen = 0;
    assert_true(is_ok(usage_lines(RIG->db, "2024-02-28", "2024-03-01", &after, count_line, &seen)));
    assert_int_equal(seen, 2);
}

static void test_dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    assert_true(usage_is_day(STR("2024-02-29")));
    assert_false(usage_is_day(STR("2023-02-29")));
    assert_false(usage_is_day(STR("2024-2-9")));
    assert_false(usage_is_day(STR("2024-13-01")));
    assert_false(usage_is_day(STR("")));
}

#define T(f) cmocka_unit_test_setup_teardown(f, domain_rig_setup, domain_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_time_is_cut_at_midnights),
        T(test_what_was_counted_is_not_counted_again),
        T(test_a_paused_cluster_stores_but_does_not_serve),
        T(test_lines_go_on_behind_any_of_them),
        T(test_dates_are_those_of_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
