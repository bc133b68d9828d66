/* admin.c - the table of admin requests and the functions behind them. Domain thread. */
#include "domain/admin.h"

#include "domain/acls.h"
#include "domain/kafka_quotas.h"
#include "domain/scram_users.h"
#include "domain/topics.h"

#include <stdio.h>

enum { CREATE_TOPICS = 19, DELETE_TOPICS = 20, CREATE_ACLS = 30, DELETE_ACLS = 31, CREATE_PARTITIONS = 37,
      ALTER_CLIENT_QUOTAS = 49, ALTER_USER_SCRAM_CREDENTIALS = 51,
      INCREMENTAL_ALTER_CONFIGS = 44 };

struct forwarded {
    struct domain *domain;
    uint64_t token;
};

/* A change that the broker has not acknowledged in time stands; its client is told so by Kafka's
 * REQUEST_TIMED_OUT, after which it looks again. */
static void answered(void *arg, status result, int64_t version, const void *response)
{
    (void)version;
    struct forwarded *f = arg;
    if (result.code == E_PENDING) result = FAIL(REQUEST_TIMED_OUT);
    engine_answer(f->domain->engine, f->token, result, is_ok(result) ? response : NULL);
    mem_free(f);
}

void admin_forwarded(struct domain *domain, const char *cluster_id,
                     const struct engine_admin *admin)
{
    char id[128], address[64];
    struct forwarded *f = mem_zalloc(sizeof *f);
    if (!f) {
        engine_answer(domain->engine, admin->token, FAIL(NO_MEMORY), NULL);
        return;
    }
    *f = (struct forwarded){ domain, admin->token };
    struct str who = admin->principal;
    if (str_starts(who, STR("User:"))) who = (struct str){ who.data + 5, who.len - 5 };
    snprintf(id, sizeof id, "%.*s", STR_ARG(who));
    snprintf(address, sizeof address, "%.*s", STR_ARG(admin->client_host));
    struct actor actor = { .id = id, .door = "kafka", .address = address, .request_id = "" };
    switch (admin->api_key) {
    case CREATE_TOPICS:
        topics_create(domain, cluster_id, &actor, admin->request, admin->version, admin->arena,
                      answered, f);
        break;
    case DELETE_TOPICS:
        topics_delete(domain, cluster_id, &actor, admin->request, admin->version, admin->arena,
                      answered, f);
        break;
    case CREATE_ACLS:
        acls_request_create(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    case DELETE_ACLS:
        acls_request_delete(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    case CREATE_PARTITIONS:
        topics_add_partitions(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    case INCREMENTAL_ALTER_CONFIGS:
        topics_alter_configs(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    case ALTER_CLIENT_QUOTAS:
        kafka_quotas_alter(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    case ALTER_USER_SCRAM_CREDENTIALS:
        scram_users_alter(domain, cluster_id, &actor, admin->request, admin->arena, answered, f);
        break;
    default: answered(f, FAIL(UNSUPPORTED_VERSION), 0, NULL);
    }
}
