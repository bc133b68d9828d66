/* role_bindings.h - which role who has where. What a binding lets its principal do is decided in
 * identity/roles.h. Reading: any thread with its own database; changes: domain thread. */
#pragma once
#include "domain/domain.h"
#include "identity/roles.h"

#define ROLE_BINDINGS_MAX 50000
#define CRN_MAX 600

struct role_binding {
    char id[ID_TEXT], principal[64], role[32];
    char environment_id[ID_TEXT], cluster_id[ID_TEXT];
    enum role_resource resource;
    char name[260];
    bool prefixed;
    char crn_pattern[CRN_MAX];
    int64_t created_at;
};
struct role_scope role_binding_scope(const struct role_binding *b); /* views into b */

/* "crn://HOST/organization=ID[/environment=…[/cloud-cluster=…[/kafka=…[/topic=…|/group=…|
 * /transactional-id=…]]]]"; a trailing '*' of a name is a prefix. Views into crn. INVALID with a sentence. */
status role_scope_of_crn(const char *organisation_id, struct str crn, struct role_scope *ret,
                         struct why *why);

status role_bindings_get(struct db *db, struct str id, struct role_binding *ret); /* NOT_FOUND */
/* Behind `after`; principal and role filter when not null. */
status role_bindings_list(struct db *db, struct str principal, struct str role, struct str after,
                          int64_t limit, void (*each)(void *arg, const struct role_binding *b), void *arg);

/* EXISTS: just this binding is there (ret is it). INVALID, with a sentence. */
status role_bindings_create(struct domain *domain, const struct actor *actor, struct str principal,
                            struct str role, struct str crn, struct role_binding *ret, struct why *why);
/* CONFLICT: nobody would be OrganizationAdmin any more. ret: what it was. */
status role_bindings_delete(struct domain *domain, const struct actor *actor, struct str id,
                            struct role_binding *ret, struct why *why);

/* Inside a transaction: of the organisation's first people. */
status role_bindings_insert_admin(struct db *db, const char *organisation_id, const char *user_id);
/* People who are OrganizationAdmin, but for this one. */
status role_bindings_admins_beside(struct db *db, struct str user_id, int64_t *ret);
