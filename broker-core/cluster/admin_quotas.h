/* admin_quotas.h - the rules of AlterClientQuotas (Kafka's ClientQuotaControlManager), whoever owns the
 * quotas: the local controller of a standalone broker, or leatd's domain; and the answers of
 * DescribeClientQuotas. Responses and plans live in the caller's arena. */
#pragma once
#include "base/arena.h"
#include "cluster/image.h"
#include "wire/messages.h"

#define ADMIN_QUOTAS_MAX 5000       /* entities of one cluster */
#define ADMIN_QUOTAS_ASKED_MAX 1000 /* in one request */
#define ADMIN_QUOTA_NAME_MAX 1024   /* bytes of a name */

/* Quotas as they shall be, all rates of an entity; quota_is_empty: the entity goes. */
struct quota_plan {
    const struct quota *quotas;
    size_t count;
};
struct quota_facts {
    /* The rates that an entity has; false: none. */
    bool (*find)(void *arg, const struct quota *entity, struct quota *ret);
    /* OK, or why Kafka clients may not change this entity, in a sentence. NULL: they may. */
    status (*may_change)(void *arg, const struct quota *entity, struct why *why);
    void *arg;
    size_t entities;
};

/* A row in the answer for each entity; what is granted comes into the plan, nothing when the request
 * only validates. NO_MEMORY; INVALID_REQUEST: more than ADMIN_QUOTAS_ASKED_MAX. */
status plan_quotas_alter(const struct quota_facts *facts,
                         const struct alter_client_quotas_request *request, struct arena *arena,
                         struct alter_client_quotas_response *ret_response,
                         struct quota_plan *ret_plan);
bool quota_is_empty(const struct quota *quota);

/* The entities that match the request's components. INVALID_REQUEST or UNSUPPORTED_VERSION with a
 * sentence. Strings are views into the quotas. */
status quotas_describe(const struct quota *quotas, const struct describe_client_quotas_request *request,
                       struct arena *arena, struct describe_client_quotas_response *ret_response,
                       struct why *why);
