/* When leatd finds the disk nearly full, and whose appends it holds back: the rules, without a disk. */
#include "domain/disk_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB (1LL << 20)
#define GIB (1LL << 30)

static void test_the_minimum_is_five_percent_but_a_gib_at_most(void **state)
{
    (void)state;
    assert_int_equal(disk_min_free(-1, 10 * GIB), GIB / 2);
    assert_int_equal(disk_min_free(-1, 20 * GIB), GIB);
    assert_int_equal(disk_min_free(-1, 10000 * GIB), GIB);
    assert_int_equal(disk_min_free(-1, 64 * MIB), 64 * MIB / 20);
    assert_int_equal(disk_min_free(7 * MIB, 10000 * GIB), 7 * MIB);
    assert_int_equal(disk_min_free(0, 10 * GIB), 0);
}

static void test_low_begins_below_the_minimum_and_ends_half_as_much_above(void **state)
{
    (void)state;
    struct disk_room room = { .total = 20 * GIB, .free = GIB, .min_free = GIB };
    assert_false(disk_is_low(&room, false));
    room.free = GIB - 1;
    assert_true(disk_is_low(&room, false));
    room.free = GIB + GIB / 2 - 1;
    assert_false(disk_is_low(&room, false));
    assert_true(disk_is_low(&room, true));
    room.free = GIB + GIB / 2;
    assert_false(disk_is_low(&room, true));
    room = (struct disk_room){ .total = GIB }; /* never, by option */
    assert_false(disk_is_low(&room, false));
}

static void test_the_less_room_the_sooner_the_next_look(void **state)
{
    (void)state;
    struct disk_room room = { .free = 1000 * GIB, .min_free = GIB };
    assert_int_equal(disk_next_look(&room, false), 30000);
    room.free = 11 * GIB;
    assert_in_range(disk_next_look(&room, false), 9900, 10100);
    room.free = GIB + 1;
    assert_int_equal(disk_next_look(&room, false), 1000);
    assert_int_equal(disk_next_look(&room, true), 1000);
}

static struct disk_tenant tenant(int64_t stored, int64_t before, int64_t taken)
{
    return (struct disk_tenant){ .stored = stored, .taken_before = before, .taken = taken };
}

static void test_the_largest_that_grows_is_held_first(void **state)
{
    (void)state;
    struct disk_tenant t[] = {
        tenant(500, 70, 70), /* large, at rest */
        tenant(100, 70, 71), tenant(300, 70, 90), tenant(200, 70, 4000),
        tenant(900, -1, 70), /* just met: nobody knows */
    };
    const size_t n = sizeof t / sizeof *t;
    assert_int_equal(disk_choose(t, n), 2);
    t[2].held = true;
    assert_int_equal(disk_choose(t, n), 3);
    t[3].held = true;
    assert_int_equal(disk_choose(t, n), 1);
    t[1].held = true;
    assert_int_equal(disk_choose(t, n), -1);
    assert_int_equal(disk_choose(NULL, 0), -1);
}

static void test_a_broker_that_began_anew_counts_from_nothing(void **state)
{
    (void)state;
    struct disk_tenant t[] = { tenant(10, 5000, 0), tenant(5, 5000, 20) };
    assert_int_equal(disk_choose(t, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_minimum_is_five_percent_but_a_gib_at_most),
        cmocka_unit_test(test_low_begins_below_the_minimum_and_ends_half_as_much_above),
        cmocka_unit_test(test_the_less_room_the_sooner_the_next_look),
        cmocka_unit_test(test_the_largest_that_grows_is_held_first),
        cmocka_unit_test(test_a_broker_that_began_anew_counts_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
