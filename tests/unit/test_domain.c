/* Environments, clusters, accounts and keys: what can be made, what conflicts, what goes with what; and
 * that the image built from the rows says the same. */
#include "unit/domain_rig.h"

#include "cluster/delta.h"
#include "domain/accounts.h"
#include "domain/api_keys.h"
#include "domain/audit.h"
#include "domain/cluster_image.h"
#include "domain/clusters.h"
#include "domain/environments.h"
#include "domain/internal_topics.h"
#include "domain/plans.h"
#include "identity/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#define RIG domain_rig.domain
#define ACTOR &domain_rig_actor

/* --- changes ---------------------------------------------------------------------------------------- */

static void test_an_aborted_change_leaves_nothing(void **state)
{
    struct change *change = NULL;
    (void)state;
    assert_true(is_ok(change_begin(RIG, NULL, ACTOR, &change)));
    assert_true(is_ok(change_audit(change, "x.create", "y", NULL)));
    change_abort(change);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM audit"), 0);
    assert_false(db_in_transaction(RIG->db));
}

static void test_only_a_change_with_records_raises_the_version(void **state)
{
    struct change *change = NULL;
    char id[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(change_begin(RIG, id, ACTOR, &change)));
    assert_int_equal(change_version(change), 2);
    change_commit(change, domain_rig_done, NULL);
    assert_int_equal(domain_rig_count("SELECT metadata_version FROM cluster"), 1);
    assert_true(is_ok(change_begin(RIG, id, ACTOR, &change)));
    delta_credential_deleted(change_records(change), STR("nobody"));
    change_commit(change, domain_rig_done, NULL);
    assert_int_equal(domain_rig_count("SELECT metadata_version FROM cluster"), 2);
    assert_int_equal(domain_rig.done, 2);
    assert_int_equal(change_begin(RIG, "lkc-none", ACTOR, &change).code, E_NOT_FOUND);
    assert_false(db_in_transaction(RIG->db));
}

static int audit_rows;
static void count_audit(void *arg, const struct audit_row *row)
{
    (void)arg;
    audit_rows++;
    assert_true(str_eq_c(row->actor, "u-test"));
}

static void test_every_change_leaves_an_audit_row(void **state)
{
    char id[ID_TEXT], account[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    domain_rig_account("a", account);
    const struct audit_filter all = { .from = 0 }, one = { .cluster_id = str_c(id) };
    audit_rows = 0;
    assert_true(is_ok(audit_list(RIG->db, &all, 0, 100, count_audit, NULL)));
    assert_int_equal(audit_rows, 3);
    audit_rows = 0;
    assert_true(is_ok(audit_list(RIG->db, &one, 0, 100, count_audit, NULL)));
    assert_int_equal(audit_rows, 1);
}

/* --- environments ------------------------------------------------------------------------------------ */

static void test_environment_names_are_unique_and_sane(void **state)
{
    struct environment a, b;
    struct why why = { "" };
    char long_name[NAME_MAX_BYTES + 2];
    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_true(is_ok(environments_create(RIG, ACTOR, NAMED(STR("prod")), &a, &why)));
    assert_int_equal(environments_create(RIG, ACTOR, NAMED(STR("prod")), &b, &why).code, E_EXISTS);
    assert_non_null(strstr(why.text, "prod"));
    assert_int_equal(environments_create(RIG, ACTOR, NAMED(STR("")), &b, &why).code, E_INVALID);
    assert_int_equal(environments_create(RIG, ACTOR, NAMED(STR("a\nb")), &b, &why).code, E_INVALID);
    assert_int_equal(environments_create(RIG, ACTOR, NAMED(str_c(long_name)), &b, &why).code, E_INVALID);
    assert_true(is_ok(environments_create(RIG, ACTOR, NAMED(STR("test")), &b, &why)));
    assert_int_equal(environments_update(RIG, ACTOR, str_c(b.id), NAMED(STR("prod")), &why).code, E_EXISTS);
    assert_true(is_ok(environments_update(RIG, ACTOR, str_c(b.id), NAMED(STR("stage")), &why)));
    assert_int_equal(environments_update(RIG, ACTOR, STR("env-none"), NAMED(STR("q")), &why).code,
                     E_NOT_FOUND);
    assert_true(is_ok(environments_delete(RIG, ACTOR, str_c(b.id), &why)));
    assert_int_equal(environments_get(RIG->db, str_c(b.id), &b).code, E_NOT_FOUND);
}

static int env_rows;
static char env_last[ID_TEXT];
static void count_environment(void *arg, const struct environment *e)
{
    (void)arg;
    env_rows++;
    assert_true(strcmp(e->id, env_last) > 0);
    str_copy(env_last, sizeof env_last, str_c(e->id));
}

static void test_pages_of_environments_join_without_gap_or_repetition(void **state)
{
    struct environment e;
    struct why why = { "" };
    char name[16];
    (void)state;
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "e%d", i);
        assert_true(is_ok(environments_create(RIG, ACTOR, NAMED(str_c(name)), &e, &why)));
    }
    env_rows = 0;
    env_last[0] = 0;
    for (int page = 0; page < 3; page++)
        assert_true(is_ok(environments_list(RIG->db, str_c(env_last), 10, count_environment, NULL)));
    assert_int_equal(env_rows, 25);
}

static void test_an_environment_with_clusters_is_not_deleted(void **state)
{
    struct environment e;
    struct why why = { "" };
    char id[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(environments_find(RIG->db, STR("rig"), &e)));
    assert_int_equal(environments_delete(RIG, ACTOR, str_c(e.id), &why).code, E_CONFLICT);
    assert_true(why.text[0] != 0);
}

/* --- clusters ---------------------------------------------------------------------------------------- */

static void test_a_new_cluster_has_a_port_folders_and_a_first_image(void **state)
{
    struct cluster c;
    char id[ID_TEXT], path[256];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(clusters_get(RIG->db, str_c(id), &c)));
    assert_true(c.port >= 21000 && c.port <= 21500);
    assert_int_equal(c.metadata_version, 1);
    assert_string_equal(c.plan, "basic");
    snprintf(path, sizeof path, "%s/clusters/%s/run", domain_rig.folder, id);
    assert_int_equal(access(path, X_OK), 0);
    struct image *image = domain_rig_image(id);
    struct topic *topic = image_topic(image, STR("__consumer_offsets"));
    assert_non_null(topic);
    assert_int_equal(topic->partitions, 50);
    assert_true(topic->internal);
    topic = image_topic(image, STR("__transaction_state"));
    assert_non_null(topic);
    assert_true(topic->internal);
    assert_int_equal(image->version, 1);
    assert_true(image->limits.authorise);
    assert_int_equal(image->limits.partitions, 500);
    image_free(image);
}

static void test_a_cluster_of_an_older_version_gets_the_internal_topic_it_lacks(void **state)
{
    char id[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(db_run(DB(RIG->db, "DELETE FROM topic WHERE name = '__transaction_state'"))));
    assert_true(is_ok(internal_topics_complete(RIG->db, 1)));
    assert_true(is_ok(internal_topics_complete(RIG->db, 1))); /* nothing is done twice */
    struct image *image = domain_rig_image(id);
    struct topic *topic = image_topic(image, STR("__transaction_state"));
    assert_non_null(topic);
    assert_int_equal(topic->partitions, 50);
    assert_int_equal(image->version, 2);
    image_free(image);
}

static status make(struct str environment, const char *name, const char *kind, struct cluster *ret,
                   struct why *why)
{
    const struct cluster_spec spec = {
        .environment_id = environment, .display_name = str_c(name), .kind = str_c(kind),
        .availability = STR("SINGLE_ZONE"), .cloud = STR("AWS"), .region = STR("eu-west-1"), .cku = 1,
    };
    return clusters_create(RIG, ACTOR, &spec, ret, why);
}

static void test_clusters_have_own_ports_and_names_unique_in_their_environment(void **state)
{
    struct environment e, other;
    struct cluster a, b;
    struct why why = { "" };
    (void)state;
    assert_true(is_ok(environments_create(RIG, ACTOR, NAMED(STR("one")), &e, &why)));
    assert_true(is_ok(environments_create(RIG, ACTOR, NAMED(STR("two")), &other, &why)));
    assert_true(is_ok(make(str_c(e.id), "x", "Standard", &a, &why)));
    assert_int_equal(make(str_c(e.id), "x", "Standard", &b, &why).code, E_EXISTS);
    assert_true(is_ok(make(str_c(other.id), "x", "Standard", &b, &why)));
    assert_int_not_equal(a.port, b.port);
    assert_int_equal(make(str_c(e.id), "y", "Enterprise", &b, &why).code, E_PRECONDITION);
    assert_int_equal(make(STR("env-none"), "y", "Basic", &b, &why).code, E_NOT_FOUND);
}

static void test_a_plan_changes_limits_in_the_image(void **state)
{
    struct cluster_patch patch = cluster_patch_none;
    char id[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    patch.plan = STR("standard");
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    struct image *image = domain_rig_image(id);
    assert_int_equal(image->version, 2);
    assert_int_equal(image->limits.partitions, 2500);
    image_free(image);
    patch.plan = STR("golden");
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    patch = cluster_patch_none;
    patch.kind = STR("Dedicated");
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION); /* only Basic changes, to Standard */
    patch = cluster_patch_none;
    patch.plan = STR("dedicated");
    patch.cku = 3;
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    image = domain_rig_image(id);
    assert_int_equal(image->limits.partitions, 30000);
    image_free(image);
}

static void test_a_changed_plan_reaches_its_clusters_and_their_own_limits_stay(void **state)
{
    (void)state;
    char id[ID_TEXT];
    struct why why;
    struct plan plan;
    domain_rig_cluster(id);
    assert_true(is_ok(plans_get(RIG->db, "basic", &plan)));
    struct limit_change own = { .kind = limit_kind_find(STR("connections")), .value = 7 };
    struct cluster_patch patch = cluster_patch_none;
    patch.limits = &own;
    patch.limit_count = 1;
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    int64_t version = domain_rig_count("SELECT metadata_version FROM cluster");
    plan.limits.partitions = 77;
    plan.limits.connections = 88;
    assert_true(is_ok(plans_update(RIG, ACTOR, &plan, &why)));
    assert_int_equal(domain_rig_count("SELECT metadata_version FROM cluster"), version + 1);
    struct image *image = domain_rig_image(id);
    assert_int_equal(image->limits.partitions, 77);
    assert_int_equal(image->limits.connections, 7);
    image_free(image);
    own.clear = true;
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    image = domain_rig_image(id);
    assert_int_equal(image->limits.connections, 88);
    image_free(image);
}

static void test_plans_are_kept_while_they_are_needed(void **state)
{
    (void)state;
    char id[ID_TEXT];
    struct why why;
    struct plan plan;
    domain_rig_cluster(id);
    assert_true(is_ok(plans_get(RIG->db, "basic", &plan)));
    str_copy(plan.name, sizeof plan.name, STR("gold"));
    assert_true(is_ok(plans_create(RIG, ACTOR, &plan, &why)));
    assert_int_equal(plans_create(RIG, ACTOR, &plan, &why).code, E_EXISTS);
    struct cluster_patch patch = cluster_patch_none;
    patch.plan = STR("gold");
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_int_equal(plans_delete(RIG, ACTOR, STR("gold"), &why).code, E_CONFLICT);
    assert_int_equal(plans_delete(RIG, ACTOR, STR("trial"), &why).code, E_CONFLICT);
    patch.plan = STR("standard");
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_true(is_ok(plans_delete(RIG, ACTOR, STR("gold"), &why)));
    plan.limits.connections = 0;
    assert_int_equal(plans_create(RIG, ACTOR, &plan, &why).code, E_INVALID);
}

static bool removed(void)
{
    return domain_rig_count("SELECT count(*) FROM removal") == 0;
}

static void test_a_deleted_cluster_leaves_no_rows_and_no_folder(void **state)
{
    struct cluster_patch patch = cluster_patch_none;
    struct why why = { "" };
    char id[ID_TEXT], path[256];
    (void)state;
    domain_rig_cluster(id);
    patch.deletion_protection = 1;
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_int_equal(clusters_delete(RIG, ACTOR, str_c(id), &why).code, E_CONFLICT);
    patch.deletion_protection = 0;
    clusters_update(RIG, ACTOR, str_c(id), &patch, domain_rig_done, NULL);
    assert_true(is_ok(clusters_delete(RIG, ACTOR, str_c(id), &why)));
    while (!removed()) loop_turn(RIG->loop, 1000);
    snprintf(path, sizeof path, "%s/clusters/%s", domain_rig.folder, id);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM cluster"), 0);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM topic"), 0);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM broker"), 0);
    assert_int_equal(clusters_delete(RIG, ACTOR, str_c(id), &why).code, E_NOT_FOUND);
}

static void test_a_deletion_that_was_cut_off_is_finished_at_the_next_start(void **state)
{
    char id[ID_TEXT], path[256];
    (void)state;
    domain_rig_cluster(id);
    assert_true(is_ok(db_run(DB(RIG->db, "UPDATE cluster SET deleting = 1"))));
    assert_true(is_ok(clusters_resume(RIG)));
    while (!removed()) loop_turn(RIG->loop, 1000);
    snprintf(path, sizeof path, "%s/clusters/%s", domain_rig.folder, id);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM cluster"), 0);
}

/* --- keys and accounts -------------------------------------------------------------------------------- */

static struct api_key_made make_key(const char *owner, const char *cluster)
{
    struct api_key_made made = { 0 };
    const struct api_key_spec spec = {
        .display_name = STR("k"), .owner = str_c(owner), .cluster_id = str_c(cluster),
    };
    api_keys_create(RIG, ACTOR, &spec, &made, domain_rig_done, NULL);
    return made;
}

static void test_a_cluster_key_is_in_the_image_and_works_by_basic(void **state)
{
    char id[ID_TEXT], account[ID_TEXT];
    struct identity who;
    (void)state;
    domain_rig_cluster(id);
    domain_rig_account("app", account);
    struct api_key_made made = make_key(account, id);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_int_equal(made.version, 2);
    struct image *image = domain_rig_image(id);
    const struct credential *c = image_credential(image, str_c(made.key.id));
    assert_non_null(c);
    assert_true(c->has_secret);
    assert_int_equal(c->scram[0].iterations, 4096);
    assert_int_equal(c->scram[1].iterations, 4096);
    assert_true(str_starts(c->principal, STR("User:sa-")));
    image_free(image);
    assert_true(is_ok(identity_key(RIG->db, str_c(made.key.id), str_c(made.secret), &who)));
    assert_string_equal(who.cluster_id, id);
    int64_t version = 0;
    api_keys_delete(RIG, ACTOR, str_c(made.key.id), &version, domain_rig_done, NULL);
    assert_int_equal(version, 3);
    image = domain_rig_image(id);
    assert_null(image_credential(image, str_c(made.key.id)));
    image_free(image);
}

static void test_a_cloud_key_is_in_no_image(void **state)
{
    char id[ID_TEXT], account[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    domain_rig_account("app", account);
    struct api_key_made made = make_key(account, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_string_equal(made.key.cluster_id, "");
    struct image *image = domain_rig_image(id);
    assert_null(image_credential(image, str_c(made.key.id)));
    assert_int_equal(image->version, 1);
    image_free(image);
}

static void test_a_key_needs_an_owner_and_a_cluster_that_exist(void **state)
{
    char id[ID_TEXT], account[ID_TEXT];
    (void)state;
    domain_rig_cluster(id);
    domain_rig_account("app", account);
    (void)make_key("sa-nobody", id);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    (void)make_key(account, "lkc-none");
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM api_key"), 0);
}

static void test_a_deleted_account_takes_its_keys_and_acls_along(void **state)
{
    char a[ID_TEXT], b[ID_TEXT], account[ID_TEXT], principal[64];
    (void)state;
    domain_rig_cluster(a);
    domain_rig_cluster(b);
    domain_rig_account("app", account);
    struct api_key_made one = make_key(account, a), two = make_key(account, b);
    struct api_key_made three = make_key(account, NULL);
    snprintf(principal, sizeof principal, "User:%s", account);
    assert_true(is_ok(db_run(DB(RIG->db, "INSERT INTO acl VALUES (?, 2, 't', 3, ?, '*', 3, 3)",
                                (const char *)b, (const char *)principal))));
    domain_rig.done = 0;
    accounts_delete(RIG, ACTOR, str_c(account), domain_rig_done, NULL);
    assert_int_equal(domain_rig.done, 1);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM api_key"), 0);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM acl"), 0);
    struct image *image = domain_rig_image(b);
    assert_null(image_credential(image, str_c(two.key.id)));
    assert_int_equal(image->acls.count, 0);
    image_free(image);
    assert_true(one.key.id[0] && three.key.id[0]);
    accounts_delete(RIG, ACTOR, str_c(account), domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_NOT_FOUND);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, domain_rig_setup, domain_rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_an_aborted_change_leaves_nothing),
        T(test_only_a_change_with_records_raises_the_version),
        T(test_every_change_leaves_an_audit_row),
        T(test_environment_names_are_unique_and_sane),
        T(test_pages_of_environments_join_without_gap_or_repetition),
        T(test_an_environment_with_clusters_is_not_deleted),
        T(test_a_cluster_of_an_older_version_gets_the_internal_topic_it_lacks),
        T(test_a_new_cluster_has_a_port_folders_and_a_first_image),
        T(test_clusters_have_own_ports_and_names_unique_in_their_environment),
        T(test_a_plan_changes_limits_in_the_image),
        T(test_a_deleted_cluster_leaves_no_rows_and_no_folder),
        T(test_a_deletion_that_was_cut_off_is_finished_at_the_next_start),
        T(test_a_cluster_key_is_in_the_image_and_works_by_basic),
        T(test_a_cloud_key_is_in_no_image),
        T(test_a_key_needs_an_owner_and_a_cluster_that_exist),
        T(test_a_changed_plan_reaches_its_clusters_and_their_own_limits_stay),
        T(test_plans_are_kept_while_they_are_needed),
        T(test_a_deleted_account_takes_its_keys_and_acls_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
