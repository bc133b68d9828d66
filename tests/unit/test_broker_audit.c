/* test_broker_audit.c - what a broker tells the audit log: few entries, whatever clients do, all counted. */
#include "base/mem.h"
#include "broker/audit.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct heard {
    bool away;
    int entries;
    int64_t count, others, before, after;
};

static bool hear(void *arg, const struct control_audit *message)
{
    struct heard *h = arg;
    if (h->away) return false;
    h->entries += message->entries_count;
    h->others += message->others;
    for (int32_t i = 0; i < message->entries_count; i++) {
        h->count += message->entries[i].count;
        if (!message->entries[i].facts_count) continue;
        h->before = strtoll(message->entries[i].facts[0].before.data, NULL, 10);
        h->after = strtoll(message->entries[i].facts[0].after.data, NULL, 10);
    }
    return true;
}

static void turn_until(struct loop *loop, const int *number, int least)
{
    int64_t end = loop_now(loop) + 10000;
    while (*number < least && loop_now(loop) < end) loop_turn(loop, 100);
    assert_true(*number >= least);
}

static void test_a_flood_is_a_bounded_number_of_entries_and_every_event_is_counted(void **state)
{
    struct heard h = { .away = false };
    struct loop *loop;
    struct audit *audit;
    char host[32];
    (void)state;
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(audit_new(loop, hear, &h, &audit)));
    for (int i = 0; i < 1000; i++) {
        snprintf(host, sizeof host, "192.0.2.%d", i % 500);
        audit_note(audit, AUDIT_LOGIN_FAILED, STR("User:sa-1"), host, "", "PLAIN");
    }
    turn_until(loop, &h.entries, AUDIT_TOLD_MAX);
    for (int i = 0; i < 3; i++) loop_turn(loop, 10);
    assert_int_equal(h.entries, AUDIT_TOLD_MAX);
    audit_free(audit); /* tells what waits */
    assert_int_equal(h.entries, AUDIT_ENTRIES_MAX);
    assert_int_equal(h.count + h.others, 1000);
    loop_free(loop);
}

static void test_what_waits_while_leatd_is_away_is_told_when_it_is_back(void **state)
{
    struct heard h = { .away = true };
    struct loop *loop;
    struct audit *audit;
    (void)state;
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(audit_new(loop, hear, &h, &audit)));
    audit_note(audit, AUDIT_LOGIN, STR("User:sa-1"), "192.0.2.1", "", "PLAIN");
    audit_note_change(audit, AUDIT_RECORDS_DELETED, STR("User:sa-1"), "192.0.2.1", "topic=t", "t-0", 3, 7);
    audit_note_change(audit, AUDIT_RECORDS_DELETED, STR("User:sa-1"), "192.0.2.1", "topic=t", "t-0", 7, 9);
    int64_t end = loop_now(loop) + 1500;
    while (loop_now(loop) < end) loop_turn(loop, 100);
    assert_int_equal(h.entries, 0);
    h.away = false;
    audit_touch(audit);
    turn_until(loop, &h.entries, 2);
    assert_int_equal(h.before, 3);
    assert_int_equal(h.after, 9);
    audit_note(audit, AUDIT_LOGIN, STR("User:sa-1"), "192.0.2.1", "", "PLAIN"); /* known for an hour */
    audit_free(audit);
    assert_int_equal(h.entries, 2);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood_is_a_bounded_number_of_entries_and_every_event_is_counted),
        cmocka_unit_test(test_what_waits_while_leatd_is_away_is_told_when_it_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
