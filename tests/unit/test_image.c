/* The metadata image: deltas against what they should make of it, events, and refusal of everything
 * that is not whole. Every test ends with no block of memory left. */
#include "base/mem.h"
#include "cluster/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct image *image;
static struct buf delta;
static char events[512];
static int64_t blocks;

static void event(void *arg, enum image_event e, struct topic *topic, struct str login)
{
    static const char *const names[] = { "+topic", "~topic", "-topic", "~key", "-key", "acls",
                                         "quotas", "limits", "tls" };
    (void)arg;
    size_t n = strlen(events);
    struct str name = topic ? topic->name : login;
    snprintf(events + n, sizeof(events) - n, "%s%s%.*s ", names[e], name.data ? ":" : "",
             STR_ARG(name));
}
static const struct image_observer observer = { event, NULL };

static int setup(void **state)
{
    (void)state;
    blocks = mem_outstanding();
    buf_init(&delta, DELTA_MAX);
    events[0] = 0;
    return failed(image_new(&image));
}
static int teardown(void **state)
{
    (void)state;
    image_free(image);
    buf_done(&delta);
    return mem_outstanding() != blocks;
}

static status apply(void)
{
    events[0] = 0;
    status s = image_apply(image, buf_bytes(&delta), &observer);
    buf_clear(&delta);
    return s;
}
static struct uuid id_of(uint8_t n) { return (struct uuid){ { n, 1 } }; }

static void put_topic(uint8_t id, const char *name, int32_t partitions, const char *retention)
{
    struct delta_config config = { STR("retention.ms"), str_c(retention) };
    struct delta_topic topic = { .id = id_of(id), .name = str_c(name), .partitions = partitions,
                                 .replication_factor = 3, .configs = &config,
                                 .config_count = retention ? 1 : 0 };
    delta_topic(&delta, &topic);
}
static void put_key(const char *login, uint8_t secret)
{
    struct credential key = { .login = str_c(login), .principal = STR("User:sa-1"),
                              .has_secret = true };
    memset(key.secret_hash, secret, sizeof(key.secret_hash));
    key.scram[1].iterations = 4096;
    key.scram[1].salt_len = 32;
    memset(key.scram[1].stored_key, secret, 64);
    delta_credential(&delta, &key);
}
static const struct acl acl_read = { RES_TOPIC, PAT_LITERAL, OP_READ, PERM_ALLOW, { "a", 1 },
                                     { "User:x", 6 }, { "*", 1 } };

static void first_image(void)
{
    delta_begin(&delta, 0, 7);
    delta_cluster(&delta, STR("lkc-1"), id_of(9));
    struct limits limits = limits_standalone;
    limits.partitions = 100;
    delta_limits(&delta, &limits);
    delta_consumer_offsets(&delta, id_of(50));
    put_topic(1, "a", 3, NULL);
    put_topic(2, "b", 4, "1000");
    put_key("KEY1", 1);
    delta_acl(&delta, &acl_read);
    assert_true(is_ok(apply()));
}

static void test_whole_image_brings_everything(void **state)
{
    (void)state;
    first_image();
    assert_string_equal(image->cluster_id, "lkc-1");
    assert_int_equal(image->version, 7);
    assert_int_equal(image->limits.partitions, 100);
    assert_int_equal(image->partition_count, 7); /* internal topics do not count */
    struct topic *b = image_topic(image, STR("b"));
    assert_non_null(b);
    assert_ptr_equal(b, image_topic_by_id(image, id_of(2)));
    assert_int_equal(b->config.log.retention_ms, 1000);
    struct topic *offsets = image_topic(image, STR("__consumer_offsets"));
    assert_int_equal(offsets->partitions, 50);
    assert_true(offsets->internal && offsets->config.log.cleanup_compact &&
                !offsets->config.log.cleanup_delete);
    const struct credential *key = image_credential(image, STR("KEY1"));
    assert_true(key->has_secret && key->secret_hash[3] == 1);
    assert_int_equal(key->scram[0].iterations, 0);
    assert_int_equal(key->scram[1].iterations, 4096);
    assert_int_equal(image->acls.count, 1);
    assert_string_equal(events, "acls limits +topic:__consumer_offsets +topic:a +topic:b ~key:KEY1 ");
}

static void test_serialised_image_is_the_same_image(void **state)
{
    (void)state;
    first_image();
    struct buf once, twice;
    struct image *copy;
    buf_init(&once, DELTA_MAX);
    buf_init(&twice, DELTA_MAX);
    assert_true(is_ok(image_serialise(image, &once)));
    assert_true(is_ok(image_new(&copy)));
    assert_true(is_ok(image_apply(copy, buf_bytes(&once), NULL)));
    assert_true(is_ok(image_serialise(copy, &twice)));
    assert_int_equal(once.len, twice.len);
    assert_memory_equal(once.data, twice.data, once.len);
    events[0] = 0;
    assert_true(is_ok(image_apply(image, buf_bytes(&once), &observer)));
    assert_string_equal(events, "acls "); /* nothing else changed */
    image_free(copy);
    buf_done(&once);
    buf_done(&twice);
}

static void test_delta_changes_what_it_names_and_keeps_addresses(void **state)
{
    (void)state;
    first_image();
    struct topic *b = image_topic(image, STR("b"));
    delta_begin(&delta, 7, 8);
    put_topic(2, "b", 6, "2000");
    delta_topic_deleted(&delta, id_of(1));
    put_topic(3, "a", 1, NULL); /* made again under its old name */
    put_key("KEY2", 2);
    delta_credential_deleted(&delta, STR("KEY1"));
    delta_acl_deleted(&delta, &acl_read);
    assert_true(is_ok(apply()));
    assert_string_equal(events, "acls ~topic:b -topic:a +topic:a ~key:KEY2 -key:KEY1 ");
    assert_ptr_equal(b, image_topic(image, STR("b")));
    assert_int_equal(b->partitions, 6);
    assert_int_equal(b->config.log.retention_ms, 2000);
    assert_true(uuid_eq(image_topic(image, STR("a"))->id, id_of(3)));
    assert_null(image_topic_by_id(image, id_of(1)));
    assert_null(image_credential(image, STR("KEY1")));
    assert_int_equal(image->acls.count, 0);
    assert_int_equal(image->partition_count, 7);
}

static void test_whole_image_deletes_what_it_does_not_name(void **state)
{
    (void)state;
    first_image();
    struct topic *b = image_topic(image, STR("b"));
    delta_begin(&delta, 0, 12);
    delta_cluster(&delta, STR("lkc-1"), id_of(9));
    delta_limits(&delta, &image->limits);
    put_topic(2, "b", 4, "1000");
    put_topic(4, "a", 2, NULL);
    assert_true(is_ok(apply()));
    assert_int_equal(image->version, 12);
    assert_ptr_equal(b, image_topic(image, STR("b")));
    assert_int_equal(image->partition_count, 6);
    assert_null(image_topic(image, STR("__consumer_offsets")));
    assert_string_equal(events, "-topic:__consumer_offsets -topic:a -key:KEY1 acls +topic:a ");
}

static void test_tls_is_kept_replaced_and_taken_away_by_a_whole_image(void **state)
{
    (void)state;
    struct buf whole;
    struct tls_material tls = { str_bytes(STR("chain")), str_bytes(STR("key")), BYTES_NULL,
                                TLS_CLIENT_REQUESTED };
    delta_begin(&delta, 0, 1);
    delta_cluster(&delta, STR("lkc-1"), id_of(0));
    delta_tls(&delta, &tls);
    assert_true(is_ok(apply()));
    assert_string_equal(events, "tls ");
    buf_init(&whole, DELTA_MAX);
    assert_true(is_ok(image_serialise(image, &whole)));
    buf_put(&delta, whole.data, whole.len);
    buf_done(&whole);
    assert_true(is_ok(apply()));
    assert_string_equal(events, ""); /* the same as before */
    assert_true(str_eq(bytes_str(image->tls.key), STR("key")));
    assert_int_equal(image->tls.client_auth, TLS_CLIENT_REQUESTED);
    delta_begin(&delta, 1, 2);
    tls.client_auth = (enum tls_client_auth)7;
    delta_tls(&delta, &tls);
    assert_int_equal(apply().code, E_MALFORMED);
    delta_begin(&delta, 0, 2);
    assert_true(is_ok(apply()));
    assert_string_equal(events, "tls ");
    assert_int_equal(image->tls.chain.len, 0);
}

static void test_delta_from_another_version_is_refused(void **state)
{
    (void)state;
    first_image();
    delta_begin(&delta, 6, 8);
    put_topic(5, "c", 1, NULL);
    assert_int_equal(apply().code, E_CONFLICT);
    assert_null(image_topic(image, STR("c")));
}

static void test_another_clusters_image_is_refused(void **state)
{
    (void)state;
    first_image();
    delta_begin(&delta, 0, 8);
    delta_cluster(&delta, STR("lkc-2"), id_of(9));
    assert_int_equal(apply().code, E_INCONSISTENT_CLUSTER_ID);
    assert_non_null(image_topic(image, STR("a")));
}

static void test_nothing_is_changed_by_a_delta_cut_or_bent_anywhere(void **state)
{
    (void)state;
    first_image();
    struct buf before, after;
    buf_init(&before, DELTA_MAX);
    buf_init(&after, DELTA_MAX);
    assert_true(is_ok(image_serialise(image, &before)));
    delta_begin(&delta, 7, 8);
    put_topic(5, "c", 1, "77");
    put_key("KEY3", 3);
    delta_topic_deleted(&delta, id_of(1));
    int refused = 0;
    for (size_t cut = 0; cut < delta.len; cut++) {
        status s = image_apply(image, bytes_of(delta.data, cut), NULL);
        if (is_ok(s)) { /* cut between records: a legal, shorter delta; take back what it did */
            assert_true(is_ok(image_apply(image, buf_bytes(&before), NULL)));
            continue;
        }
        refused++;
        buf_clear(&after);
        assert_true(is_ok(image_serialise(image, &after)));
        assert_int_equal(after.len, before.len);
        assert_memory_equal(after.data, before.data, before.len);
    }
    assert_true(refused > (int)delta.len - 5);
    buf_done(&before);
    buf_done(&after);
}

static void test_an_illegal_record_at_the_end_undoes_nothing_because_nothing_was_done(void **state)
{
    (void)state;
    first_image();
    delta_begin(&delta, 7, 8);
    put_topic(5, "c", 1, NULL);
    put_topic(6, "d", 0, NULL); /* no partitions */
    assert_int_equal(apply().code, E_MALFORMED);
    assert_null(image_topic(image, STR("c")));
    delta_begin(&delta, 7, 8);
    put_topic(5, "c", 1, NULL);
    put_topic(6, "d d", 1, NULL);
    assert_true(failed(apply()));
    delta_begin(&delta, 7, 8);
    put_topic(5, "c", 1, "often");
    assert_int_equal(apply().code, E_INVALID_CONFIG);
    assert_string_equal(events, "");
}

static void test_every_allocation_may_fail_and_nothing_is_half_done(void **state)
{
    (void)state;
    first_image();
    struct buf change;
    buf_init(&change, DELTA_MAX);
    delta_begin(&delta, 7, 8);
    put_topic(2, "b", 9, "5");
    delta_acl_deleted(&delta, &acl_read);
    put_key("KEY1", 8);
    delta_tls(&delta, &(struct tls_material){ str_bytes(STR("chain")), str_bytes(STR("key")), BYTES_NULL,
                                              TLS_CLIENT_NONE });
    delta_authentication(&delta, &(struct authentication){ .issuer = STR("i"), .max_reauth_ms = 5 });
    bool done = false;
    for (int n = 1; n < 200 && !done; n++) {
        mem_fail_after(n);
        status s = image_apply(image, buf_bytes(&delta), NULL);
        mem_fail_after(0);
        done = is_ok(s);
        if (done) break;
        assert_int_equal(s.code, E_NO_MEMORY);
        assert_int_equal(image->version, 7);
        assert_int_equal(image_topic(image, STR("b"))->partitions, 4);
        assert_int_equal(image->acls.count, 1);
        assert_int_equal(image->tls.chain.len, 0);
        assert_int_equal(image->authentication.max_reauth_ms, 0);
    }
    assert_true(done);
    assert_int_equal(image->authentication.max_reauth_ms, 5);
    assert_int_equal(image_topic(image, STR("b"))->partitions, 9);
    buf_done(&change);
}

/* --- quotas ---------------------------------------------------------------------------------------- */
static void put_quota(const char *user, const char *client, double rate)
{
    struct quota q;
    quota_init(&q);
    q.has_user = user != NULL;
    q.has_client_id = client != NULL;
    if (user && *user) q.user = str_c(user);
    if (client && *client) q.client_id = str_c(client);
    q.producer_byte_rate = rate;
    delta_quota(&delta, &q);
}
static double rate(const char *user, const char *client)
{
    double r = -1;
    const struct quota *entity;
    return image_quota(image, QUOTA_PRODUCER_BYTES, str_c(user), str_c(client), &r, &entity) ? r : -1;
}

static void test_quotas_are_matched_in_kafkas_order(void **state)
{
    (void)state;
    static const struct { const char *user, *client; } order[] = {
        { "u", "c" }, { "u", "" }, { "u", NULL }, { "", "c" }, { "", "" }, { "", NULL },
        { NULL, "c" }, { NULL, "" } };
    delta_begin(&delta, 0, 1);
    delta_cluster(&delta, STR("x"), id_of(1));
    assert_true(is_ok(apply()));
    for (int i = 7; i >= 0; i--) { /* the weakest first: each new one wins */
        delta_begin(&delta, image->version, image->version + 1);
        put_quota(order[i].user, order[i].client, i + 1);
        assert_true(is_ok(apply()));
        assert_string_equal(events, "quotas ");
        assert_true(rate("u", "c") == i + 1);
    }
    assert_true(rate("u", "other") == 2);
    assert_true(rate("other", "c") == 4);
    assert_true(rate("other", "other") == 5);
    double r;
    assert_false(image_quota(image, QUOTA_CONSUMER_BYTES, STR("u"), STR("c"), &r, NULL));
    struct quota entity = { .has_user = true, .user = STR("u"), .has_client_id = true,
                            .client_id = STR("c") };
    delta_begin(&delta, image->version, image->version + 1);
    delta_quota_deleted(&delta, &entity);
    assert_true(is_ok(apply()));
    assert_true(rate("u", "c") == 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_whole_image_brings_everything),
        T(test_serialised_image_is_the_same_image),
        T(test_delta_changes_what_it_names_and_keeps_addresses),
        T(test_whole_image_deletes_what_it_does_not_name),
        T(test_tls_is_kept_replaced_and_taken_away_by_a_whole_image),
        T(test_delta_from_another_version_is_refused),
        T(test_another_clusters_image_is_refused),
        T(test_nothing_is_changed_by_a_delta_cut_or_bent_anywhere),
        T(test_an_illegal_record_at_the_end_undoes_nothing_because_nothing_was_done),
        T(test_every_allocation_may_fail_and_nothing_is_half_done),
        T(test_quotas_are_matched_in_kafkas_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
