/* The Prometheus text: families once each, labels escaped. */
#include "unit/domain_rig.h"

#include "collect/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_cluster_has_its_series_and_labels_are_escaped,
                                        domain_rig_setup, domain_rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
