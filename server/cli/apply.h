/* apply.h - `leat apply` and `leat export`: what a cluster should have, and what it has, as one form.
 *
 * A state is a JSON object with an object for each section; in it an entry for each thing, under a name
 * that is its identity: accounts      name                      {description, id} topics        name
 * {partitions, configs: {name: value}} scram-users   name|MECHANISM            {user, mechanism,
 * iterations} acls          its seven fields by '|'   the ACL as REST has it quotas        name {in,
 * out, principals: [sorted], id} kafka-quotas  user|client id|address    {entity, quotas} role-bindings
 * principal|role|where      {principal, role_name, crn_pattern, id} keys          account|name {owner,
 * name, id} A wanted entry also has "line", of the file. Sections that the file does not have are
 * missing. An account that is still to be made stands as "@{name}" wherever its id will be. */
#pragma once
#include "cli/cli.h"

#define APPLY_READS                                                                                \
    "GET /leat/v1/clusters/{cluster}; GET /iam/v2/service-accounts; "                              \
    "GET /leat/v1/clusters/{cluster}/topics; GET /kafka/v3/clusters/{cluster}/topics/-/configs; "  \
    "GET /leat/v1/clusters/{cluster}/scram-users; GET /kafka/v3/clusters/{cluster}/acls; "         \
    "GET /kafka-quotas/v1/client-quotas; GET /leat/v1/clusters/{cluster}/kafka-quotas; "           \
    "GET /iam/v2/role-bindings; GET /iam/v2/api-keys; GET /org/v2/environments/{environment}"
#define APPLY_CALLS                                                                                \
    APPLY_READS                                                                                    \
    "; GET /org/v2/environments; GET /org/v2/organizations; GET /leat/v1/clusters; "                \
    "POST /org/v2/environments; POST /cmk/v2/clusters; PATCH /cmk/v2/clusters/{ID}"                \
    "; POST /iam/v2/service-accounts; PATCH /iam/v2/service-accounts/{ID}; "                       \
    "POST /kafka/v3/clusters/{cluster}/topics; PATCH /kafka/v3/clusters/{cluster}/topics/{TOPIC}; " \
    "POST /kafka/v3/clusters/{cluster}/topics/{TOPIC}/configs:alter; "                             \
    "DELETE /kafka/v3/clusters/{cluster}/topics/{TOPIC}; "                                         \
    "PUT /leat/v1/clusters/{cluster}/scram-users/{USER}; "                                         \
    "DELETE /leat/v1/clusters/{cluster}/scram-users/{USER}; "                                      \
    "POST /kafka/v3/clusters/{cluster}/acls; DELETE /kafka/v3/clusters/{cluster}/acls; "           \
    "POST /kafka-quotas/v1/client-quotas; PATCH /kafka-quotas/v1/client-quotas/{ID}; "             \
    "DELETE /kafka-quotas/v1/client-quotas/{ID}; PUT /leat/v1/clusters/{cluster}/kafka-quotas; "   \
    "DELETE /leat/v1/clusters/{cluster}/kafka-quotas; POST /iam/v2/role-bindings; "                \
    "DELETE /iam/v2/role-bindings/{ID}; POST /iam/v2/api-keys"

/* The cluster that a file is for: by its id, or declared by a name in an environment (tenant.c). */
struct tenant {
    const char *path;           /* of the file, as messages name it */
    int line;
    const char *id;             /* NULL: it is still to be made */
    const char *name;           /* NULL: the file says an id, or nothing */
    const char *environment;    /* name or id, as the file says */
    const char *environment_id; /* NULL: it is still to be made */
    const char *kind;           /* NULL: the file does not say; likewise cku 0 */
    int64_t cku;
    const char *has_kind;       /* of a cluster that is there */
    int64_t has_cku;
};
/* Looks for what is declared; exits when the service refuses, or what is there cannot become that. */
void tenant_find(struct cli *cli, struct tenant *tenant);
/* Steps that make the environment and the cluster, or change it; their bodies are tenant_body's. */
json_t *tenant_plan(const struct tenant *tenant);
json_t *tenant_body(const struct tenant *tenant, const char *kind);
/* After such a step: notes the id; waits until a new cluster serves. NULL: fine; else what is wrong. */
const char *tenant_made(struct cli *cli, struct tenant *tenant, const char *kind, const json_t *answer);

/* What a cluster has (live.c). */
struct live {
    const char *cluster, *environment; /* ids */
    const char *crn;                   /* the cluster's resource name */
    json_t *state;
    json_t *owned;                     /* keys of kafka-quotas that client quotas own */
};
/* Reads all sections; exits when the service refuses. `cluster` is an id. */
struct live live_read(struct cli *cli, const char *cluster);
/* The same of a cluster that is still to be made: what its organization has. */
struct live live_before(struct cli *cli, const struct tenant *tenant);
/* "User:sa-000001" of an account's name, of an id or of a principal; "User:@{name}" when the name is of an
 * account of `wanted` that is not there yet; NULL: there is no such account. */
const char *live_principal(const struct live *live, const json_t *wanted, const char *text);
/* "" or the name of the account that the principal is. */
const char *live_account_name(const struct live *live, const char *principal);
const char *acl_identity(const json_t *acl);
const char *kafka_quota_identity(const json_t *entity);

/* What a file wants (manifest.c): reads, checks everything and tells all that is wrong, with lines; then
 * exits. First manifest_load, which says which cluster it is for; manifest_read may be called again. */
struct tenant manifest_load(struct cli *cli, const char *path);
json_t *manifest_read(const struct live *live);

/* What is to be done (plan.c): an array of steps in the order in which they go,
 *   {action: create|change|delete, kind, name, line, details: ["…"], method, path, body}. */
json_t *plan_make(const struct live *live, const json_t *wanted, bool prune);
