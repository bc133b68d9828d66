/* domain_rig.c - see domain_rig.h. */
#include "unit/domain_rig.h"

#include "cluster/image.h"
#include "domain/accounts.h"
#include "domain/cluster_image.h"
#include "domain/clusters.h"
#include "domain/environments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

struct domain_rig domain_rig;
const struct actor domain_rig_actor = { "u-test", "rest", "127.0.0.1", "rq-1" };

int domain_rig_setup(void **state)
{
    struct why why = { "" };
    domain_rig = (struct domain_rig){ .folder = "/tmp/leat-domain-XXXXXX" };
    assert_non_null(mkdtemp(domain_rig.folder));
    const struct domain_options options = {
        .data_dir = domain_rig.folder, .bin_dir = "/nowhere", .listen = "127.0.0.1:8080",
        .broker_port_first = 21000, .broker_port_last = 21500, .demo = true,
    };
    assert_true(is_ok(domain_new(&options, &why, &domain_rig.domain)));
    *state = &domain_rig;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int domain_rig_teardown(void **state)
{
    (void)state;
    domain_free(domain_rig.domain);
    assert_int_equal(mem_outstanding(), 0);
    return nftw(domain_rig.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void domain_rig_done(void *arg, status result, const struct why *why)
{
    (void)arg;
    domain_rig.done++;
    domain_rig.result = result;
    snprintf(domain_rig.why, sizeof domain_rig.why, "%s", why->text);
}

int64_t domain_rig_count(const char *sql)
{
    int64_t n = -1;
    assert_true(is_ok(db_one_i64(db_query(domain_rig.domain->db, sql), &n)));
    return n;
}

void domain_rig_cluster(char ret_cluster[ID_TEXT])
{
    struct environment e;
    struct cluster c;
    struct why why = { "" };
    if (failed(environments_find(domain_rig.domain->db, STR("rig"), &e)))
        assert_true(is_ok(environments_create(domain_rig.domain, &domain_rig_actor, NAMED(STR("rig")), &e,
                                              &why)));
    static int n;
    char name[32];
    snprintf(name, sizeof name, "cluster %d", ++n);
    const struct cluster_spec spec = {
        .environment_id = str_c(e.id), .display_name = str_c(name), .kind = STR("Basic"),
        .availability = STR("SINGLE_ZONE"), .cloud = STR("leat"), .region = STR("local"), .cku = 1,
    };
    assert_true(is_ok(clusters_create(domain_rig.domain, &domain_rig_actor, &spec, &c, &why)));
    str_copy(ret_cluster, ID_TEXT, str_c(c.id));
}

void domain_rig_account(const char *name, char ret_account[ID_TEXT])
{
    struct account a;
    struct why why = { "" };
    assert_true(is_ok(accounts_create(domain_rig.domain, &domain_rig_actor, str_c(name), STR(""), &a, &why)));
    str_copy(ret_account, ID_TEXT, str_c(a.id));
}

struct image *domain_rig_image(const char *cluster_id)
{
    struct image *image = NULL;
    struct buf bytes;
    buf_init(&bytes, 1u << 20);
    assert_true(is_ok(cluster_image_build(domain_rig.domain->db, cluster_id, &bytes)));
    assert_true(is_ok(image_new(&image)));
    assert_true(is_ok(image_apply(image, buf_bytes(&bytes), NULL)));
    buf_done(&bytes);
    return image;
}
