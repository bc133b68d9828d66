/* admin_acls.h - the rules of CreateAcls and DeleteAcls (Kafka's AclControlManager), whoever owns the
 * entries: the local controller of a standalone broker, or leatd's domain. They decide, explain and
 * write the answer; nothing is changed here. Responses and entries live in the caller's arena. */
#pragma once
#include "base/arena.h"
#include "cluster/acl.h"
#include "wire/messages.h"

#define ADMIN_ACLS_MAX 10000     /* of one cluster */
#define ADMIN_ACL_NAME_MAX 1024  /* bytes of a name, principal or host */

/* Entries to create, or that go. */
struct acl_plan {
    const struct acl *acls; /* strings as long-lived as the request and `there` */
    size_t count;
};

/* One row of an answer for each creation; what is granted comes into the plan. `there`: how many
 * entries the cluster has. NO_MEMORY. */
status plan_acls_create(size_t there, const struct create_acls_request *request, struct arena *arena,
                        struct create_acls_response *ret_response, struct acl_plan *ret_plan);
/* As above for filters over the entries in `there`. An entry that two filters match is told twice and
 * goes once. */
status plan_acls_delete(const struct acl_set *there, const struct delete_acls_request *request,
                        struct arena *arena, struct delete_acls_response *ret_response,
                        struct acl_plan *ret_plan);

/* INVALID_REQUEST with a sentence. */
status acl_check(const struct acl *acl, struct why *why);
status acl_filter_check(const struct acl *filter, struct why *why);

/* DescribeAcls: the rows of what `filter` matches, one resource a row; strings are views into `there`.
 * NO_MEMORY. */
status acls_describe(const struct acl_set *there, const struct acl *filter, struct arena *arena,
                     struct describe_acls_response *ret_response);
