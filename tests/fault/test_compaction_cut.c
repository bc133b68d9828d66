/* test_compaction_cut.c - a log that is compacted while the power fails, or the process dies, at any
 * change of the disk: nothing acknowledged is lost, nothing comes back twice.
 *
 * test_compaction_cut [DISKS [SEED]]: so many random disks (default 250), from that seed on. */
#include "fault/compact_kit.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int disks = 250;
static uint64_t first_seed = 1;

static bool dead(struct ck *c)
{
    return sim_dead(c->kit.sim) || c->kit.fatal;
}

/* One life: steps until death, or long enough. */
static void live(struct ck *c)
{
    struct sim *sim = c->kit.sim;
    if (sim_chance(sim, 85)) sim_die_at(sim, 1 + (int64_t)sim_below(sim, 120));
    for (int i = 0; i < 60 && !dead(c) && c->count < CK_RECORDS - 2000; i++) ck_step(c);
}

static void crash(struct ck *c)
{
    kit_close(&c->kit);
    sim_crash(c->kit.sim, sim_chance(c->kit.sim, 60));
    c->kit.fatal = 0;
    /* Recovery may be cut short as well. */
    for (int again = 0; again < 3 && sim_chance(c->kit.sim, 40); again++) {
        sim_die_at(c->kit.sim, 1 + (int64_t)sim_below(c->kit.sim, 12));
        if (is_ok(kit_open(&c->kit))) kit_close(&c->kit);
        sim_crash(c->kit.sim, sim_chance(c->kit.sim, 60));
    }
    sim_die_at(c->kit.sim, 0);
    status s = kit_open(&c->kit);
    if (failed(s)) {
        fprintf(stderr, "recovery failed: %s %s\n", status_name(s), c->kit.why.text);
        abort();
    }
}

static void run_disk(uint64_t seed)
{
    struct ck c;
    ck_init(&c, seed);
    c.kit.config.delete_retention_ms = 60;
    c.kit.config.segment_bytes = 600 + sim_below(c.kit.sim, 2000);
    status s = kit_open(&c.kit);
    assert_int_equal(s.code, E_OK);
    for (int life = 0; life < 6; life++) {
        live(&c);
        crash(&c);
        ck_recovered(&c);
        ck_check(&c);
    }
    ck_compact(&c);
    ck_check(&c);
    ck_done(&c);
}

static void test_no_crash_costs_a_compacted_log_a_record(void **state)
{
    (void)state;
    for (int i = 0; i < disks; i++) run_disk(first_seed + (uint64_t)i);
    assert_int_equal(mem_outstanding(), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) disks = atoi(argv[1]);
    if (argc > 2) first_seed = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_crash_costs_a_compacted_log_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
