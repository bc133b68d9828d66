/* The Prometheus text: families once each, labels escaped; and who waited for quotas. */
#include "unit/domain_rig.h"

#include "collect/history.h"
#include "collect/metrics.h"
#include "domain/throttled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_every_cluster_has_its_series_and_labels_are_escaped(void **state)
{
    struct buf out;
    char id[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(db_run(DB(domain_rig.domain->db, "UPDATE cluster SET display_name = 'a\"b\\c'"))));
    buf_init(&out, 1u << 20);
    assert_true(is_ok(metrics_text(domain_rig.domain->db, NULL, NULL, NULL, &out)));
    buf_put(&out, "", 1);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "leat_clusters 1\n"));
    assert_non_null(strstr(text, "cluster=\"a\\\"b\\\\c\""));
    const char *type = strstr(text, "# TYPE leat_broker_up gauge\n");
    assert_non_null(type);
    assert_null(strstr(type + 1, "# TYPE leat_broker_up gauge\n"));
    buf_done(&out);
}

static void test_who_is_not_in_the_history_is_not_said_to_have_waited_for_nothing(void **state)
{
    static struct engine_principal_figures all[HISTORY_PRINCIPALS + 1];
    const struct engine_figures figures = { .known = true, .principals = all,
                                            .principal_count = ARRAY_LEN(all) };
    struct throttled slow = { STR("User:slow"), true, 5, 70 };
    struct throttled_all found = { .known = true, .rows = &slow, .count = 1, .figures = &figures };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        snprintf(all[i].principal, sizeof all[i].principal, "User:%zu", i);
    assert_int_equal(throttled_of(&found, STR("User:slow")).hour_ms, 70);
    assert_true(throttled_of(&found, STR("User:0")).known); /* waited for nothing */
    assert_true(throttled_of(&found, STR("User:99")).known);
    assert_false(throttled_of(&found, STR("User:100")).known);
    found.figures = NULL;
    assert_true(throttled_of(&found, STR("User:never-seen")).known);
    found.known = false;
    assert_false(throttled_of(&found, STR("User:0")).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_cluster_has_its_series_and_labels_are_escaped,
                                        domain_rig_setup, domain_rig_teardown),
        cmocka_unit_test(test_who_is_not_in_the_history_is_not_said_to_have_waited_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
