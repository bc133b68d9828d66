/* local_access.c - from requests about access to records of the image. Loop thread. */
#include "broker/local_access.h"

#include "broker/admin.h"
#include "cluster/admin_acls.h"
#include "cluster/admin_quotas.h"
#include "cluster/admin_scram.h"

static status create_acls(const struct image *image, const void *request, struct arena *arena,
                          struct buf *records, void **ret_response)
{
    struct create_acls_response *response = ARENA_NEW(arena, struct create_acls_response);
    struct acl_plan plan;
    if (!response) return FAIL(NO_MEMORY);
    TRY(plan_acls_create(image->acls.count, request, arena, response, &plan));
    for (size_t i = 0; i < plan.count; i++) delta_acl(records, &plan.acls[i]);
    *ret_response = response;
    return OK;
}

static status delete_acls(const struct image *image, const void *request, struct arena *arena,
                          struct buf *records, void **ret_response)
{
    struct delete_acls_response *response = ARENA_NEW(arena, struct delete_acls_response);
    struct acl_plan plan;
    if (!response) return FAIL(NO_MEMORY);
    TRY(plan_acls_delete(&image->acls, request, arena, response, &plan));
    for (size_t i = 0; i < plan.count; i++) delta_acl_deleted(records, &plan.acls[i]);
    *ret_response = response;
    return OK;
}

/* Logins that are not SCRAM users do not come here: admin_scram refuses their names. */
static bool find_user(void *arg, struct str user, struct scram_verifier ret_scram[2])
{
    const struct credential *c = image_credential(arg, user);
    if (!c) return false;
    memcpy(ret_scram, c->scram, sizeof c->scram);
    return true;
}

static status alter_scram(const struct image *image, const void *request, struct arena *arena,
                          struct buf *records, void **ret_response)
{
    struct alter_user_scram_credentials_response *response =
        ARENA_NEW(arena, struct alter_user_scram_credentials_response);
    struct scram_facts facts = { find_user, (void *)image, HASH_COUNT(image->credentials) };
    struct scram_plan plan;
    if (!response) return FAIL(NO_MEMORY);
    TRY(plan_scram_alter(&facts, request, arena, response, &plan));
    for (size_t i = 0; i < plan.count; i++) {
        struct credential c;
        if (scram_change_credential(&plan.changes[i], arena, &c)) delta_credential(records, &c);
        else delta_credential_deleted(records, plan.changes[i].user);
    }
    *ret_response = response;
    return OK;
}

static bool find_quota(void *arg, const struct quota *entity, struct quota *ret)
{
    const struct quota *there = image_quota_entity(arg, entity);
    if (there) *ret = *there;
    return there != NULL;
}

static status alter_quotas(const struct image *image, const void *request, struct arena *arena,
                           struct buf *records, void **ret_response)
{
    struct alter_client_quotas_response *response =
        ARENA_NEW(arena, struct alter_client_quotas_response);
    struct quota_facts facts = { .find = find_quota, .arg = (void *)image };
    struct quota_plan plan;
    const struct quota *q;
    if (!response) return FAIL(NO_MEMORY);
    DL_COUNT(image->quotas, q, facts.entities);
    TRY(plan_quotas_alter(&facts, request, arena, response, &plan));
    for (size_t i = 0; i < plan.count; i++) {
        if (quota_is_empty(&plan.quotas[i])) delta_quota_deleted(records, &plan.quotas[i]);
        else delta_quota(records, &plan.quotas[i]);
    }
    *ret_response = response;
    return OK;
}

status local_access_plan(const struct image *image, int16_t api_key, const void *request,
                         struct arena *arena, struct buf *records, void **ret_response)
{
    switch (api_key) {
    case API_CREATE_ACLS: return create_acls(image, request, arena, records, ret_response);
    case API_DELETE_ACLS: return delete_acls(image, request, arena, records, ret_response);
    case API_ALTER_CLIENT_QUOTAS: return alter_quotas(image, request, arena, records, ret_response);
    case API_ALTER_USER_SCRAM_CREDENTIALS:
        return alter_scram(image, request, arena, records, ret_response);
    default: return FAIL(INVALID_REQUEST);
    }
}
