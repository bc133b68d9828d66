/* bootstrap.c - what a new installation begins with. Domain thread, before the loop runs. */
#include "domain/bootstrap.h"

#include "base/uuid.h"
#include "domain/accounts.h"
#include "domain/api_keys.h"
#include "domain/clusters.h"
#include "domain/environments.h"
#include "domain/role_bindings.h"

#include <stdio.h>
#include <stdlib.h>

#define ADMIN_LOGIN "admin"
#define DEMO_TOPIC "payments"
#define DEMO_PARTITIONS 6

bool bootstrap_needed(struct domain *domain)
{
    int64_t users = 0;
    return is_ok(db_one_i64(DB(domain->db, "SELECT count(*) FROM user"), &users)) && users == 0;
}

void bootstrap_forget_password(void)
{
    char *given = getenv("LEAT_ADMIN_PASSWORD");
    if (given) explicit_bzero(given, strlen(given)); /* also what /proc shows of this process */
    unsetenv("LEAT_ADMIN_PASSWORD");
}

/* The password given by the environment is read once and wiped there; else a random one. */
static status admin_password(char *ret, size_t size, struct why *why)
{
    const char *given = getenv("LEAT_ADMIN_PASSWORD");
    char secret[SECRET_TEXT];
    if (given && given[0]) {
        bool fits = str_copy(ret, size, str_c(given)) && strlen(given) <= PASSWORD_MAX;
        bootstrap_forget_password();
        if (fits) return OK;
        why_set(why, "LEAT_ADMIN_PASSWORD is longer than %d bytes.", PASSWORD_MAX);
        return FAIL(INVALID);
    }
    secret_new(secret);
    secret[20] = 0; /* 120 bits are enough for what people type */
    str_copy(ret, size, str_c(secret));
    return OK;
}

static status make_admin(struct domain *domain, char ret_id[ID_TEXT], struct quickstart *qs, struct why *why)
{
    uint8_t salt[PASSWORD_SALT], hash[PASSWORD_HASH];
    int64_t now = domain_wall();
    TRY(admin_password(qs->admin_password, sizeof qs->admin_password, why));
    str_copy(qs->admin_user, sizeof qs->admin_user, STR(ADMIN_LOGIN));
    random_bytes(salt, sizeof salt);
    TRY(password_hash(str_c(qs->admin_password), salt, hash));
    secret_id_new("u-", ret_id);
    TRY(db_run(DB(domain->db, "INSERT INTO user (id, login, full_name, password_salt, password_hash, "
                              "created_at, updated_at) VALUES (?, ?, 'Administrator', ?, ?, ?5, ?5)",
                  (const char *)ret_id, ADMIN_LOGIN, bytes_of(salt, sizeof salt),
                  bytes_of(hash, sizeof hash), now)));
    return role_bindings_insert_admin(domain->db, domain->organisation_id, ret_id);
}

static status make_cloud_key(struct domain *domain, const char *owner, struct quickstart *qs)
{
    struct api_key_made made;
    const struct api_key_spec spec = {
        .display_name = STR("quickstart"), .description = STR("Made by the first start."),
        .owner = str_c(owner),
    };
    TRY(api_keys_insert(domain->db, &spec, &made));
    str_copy(qs->cloud_api_key, sizeof qs->cloud_api_key, str_c(made.key.id));
    str_copy(qs->cloud_api_secret, sizeof qs->cloud_api_secret, str_c(made.secret));
    return OK;
}

/* --- the demo ------------------------------------------------------------------------------------ */

static status make_demo_topic(struct db *db, const char *cluster_id)
{
    char id[UUID_TEXT];
    uuid_format(uuid_new(), id);
    return db_run(DB(db, "INSERT INTO topic VALUES (?, ?, ?, ?, 1, 0, ?)", cluster_id, (const char *)id,
                     DEMO_TOPIC, DEMO_PARTITIONS, domain_wall()));
}

static status make_demo_acls(struct db *db, const char *cluster_id, const char *account)
{
    static const struct { enum acl_resource type; const char *name; } resources[] = {
        { RES_TOPIC, "*" }, { RES_GROUP, "*" }, { RES_CLUSTER, "kafka-cluster" },
        { RES_TRANSACTIONAL_ID, "*" },
    };
    char principal[64];
    snprintf(principal, sizeof principal, "User:%s", account);
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        TRY(db_run(DB(db, "INSERT INTO acl VALUES (?, ?, ?, ?, ?, '*', ?, ?)", cluster_id,
                      resources[i].type, resources[i].name, PAT_LITERAL, (const char *)principal, OP_ALL,
                      PERM_ALLOW)));
    return OK;
}

static status make_demo_key(struct db *db, const char *cluster_id, struct quickstart *qs)
{
    struct account account;
    struct api_key_made made;
    TRY(accounts_insert(db, STR("demo"), STR("The demo's programs."), &account));
    const struct api_key_spec spec = {
        .display_name = STR("demo"), .description = STR("Made by the first start."),
        .owner = str_c(account.id), .cluster_id = str_c(cluster_id),
    };
    TRY(api_keys_insert(db, &spec, &made));
    str_copy(qs->kafka_api_key, sizeof qs->kafka_api_key, str_c(made.key.id));
    str_copy(qs->kafka_api_secret, sizeof qs->kafka_api_secret, str_c(made.secret));
    str_copy(qs->sasl_mechanism, sizeof qs->sasl_mechanism, STR("PLAIN"));
    return make_demo_acls(db, cluster_id, account.id);
}

static status make_demo(struct domain *domain, struct quickstart *qs, struct why *why)
{
    struct environment e;
    struct cluster c;
    const char *host = domain->options.advertise;
    TRY(environments_insert(domain->db, STR("demo"), &e));
    const struct cluster_spec spec = {
        .environment_id = str_c(e.id), .display_name = STR("demo"), .kind = STR("Standard"),
        .availability = STR("SINGLE_ZONE"), .cloud = STR("leat"), .region = STR("local"), .cku = 1,
    };
    TRY(clusters_insert(domain, &spec, &c, why));
    TRY(make_demo_topic(domain->db, c.id));
    TRY(make_demo_key(domain->db, c.id, qs));
    TRY(db_run(DB(domain->db, "INSERT INTO helper VALUES ('demo', ?, 'demo')", (const char *)c.id)));
    str_copy(qs->environment_id, sizeof qs->environment_id, str_c(e.id));
    str_copy(qs->cluster_id, sizeof qs->cluster_id, str_c(c.id));
    snprintf(qs->bootstrap_servers, sizeof qs->bootstrap_servers, "%s:%u", host ? host : "127.0.0.1", c.port);
    return OK;
}

/* --- all of it ------------------------------------------------------------------------------------ */

/* "http://HOST:PORT", or https, where a browser on this machine (or, advertised, elsewhere) finds leatd. */
static void url_of(const struct domain_options *options, char *ret, size_t size)
{
    const char *colon = strrchr(options->listen, ':');
    int host_len = colon ? (int)(colon - options->listen) : 0;
    bool any = host_len == 0 || strncmp(options->listen, "0.0.0.0:", 8) == 0 ||
               strncmp(options->listen, "[::]:", 5) == 0;
    const char *instead = options->advertise ? options->advertise : "127.0.0.1";
    const char *scheme = options->https ? "https" : "http";
    if (any) snprintf(ret, size, "%s://%s%s", scheme, instead, colon ? colon : "");
    else snprintf(ret, size, "%s://%s", scheme, options->listen);
}

void bootstrap_urls(const struct domain_options *options, struct quickstart *quickstart)
{
    url_of(options, quickstart->rest_url, sizeof quickstart->rest_url);
    quickstart->ca_file[0] = 0;
    if (options->https && !options->https_chain)
        snprintf(quickstart->ca_file, sizeof quickstart->ca_file, "%s/tls/ca.pem", options->data_dir);
    snprintf(quickstart->console_url, sizeof quickstart->console_url, "%.290s/", quickstart->rest_url);
}

static status make_all(struct domain *domain, struct change *change, struct quickstart *qs, struct why *why)
{
    char admin[ID_TEXT];
    bootstrap_urls(&domain->options, qs);
    TRY(make_admin(domain, admin, qs, why));
    TRY(make_cloud_key(domain, admin, qs));
    if (domain->options.demo) TRY(make_demo(domain, qs, why));
    TRY(change_audit(change, "organisation.create", domain->organisation_id, NULL));
    return quickstart_write(domain->options.data_dir, qs);
}

status bootstrap_run(struct domain *domain, struct quickstart *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct quickstart qs = { 0 };
    TRY(change_begin(domain, NULL, &actor_system, &change));
    TRY(make_all(domain, change, &qs, why));
    TRY(change_commit_now(&change));
    *ret = qs;
    explicit_bzero(&qs, sizeof qs);
    return OK;
}
