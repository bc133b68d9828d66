/* roles.h - roles bound to people and service accounts, and the question they answer: may this
 * principal do that there? They guard REST for sessions and cloud keys. What a cluster key may do is decided
 * by Kafka's ACLs; where leatd itself decides (topics, configs, ACLs by REST) the roles of the key's account
 * count, too (api/kafka.h). Any thread, with that thread's database. */
#pragma once
#include "base/arena.h"
#include "store/db.h"

enum role {
#define ROLE(id, name, levels, what) ROLE_##id,
#define PERMISSION(id, name, inward, roles)
#include "identity/roles.def"
#undef ROLE
#undef PERMISSION
    ROLE_COUNT
};
enum permission {
#define ROLE(id, name, levels, what)
#define PERMISSION(id, name, inward, roles) MAY_##id,
#include "identity/roles.def"
#undef ROLE
#undef PERMISSION
    PERMISSION_COUNT
};
/* Kinds of scope, as a mask. AT_RESOURCE: topics, groups or transactional ids by name or prefix. */
enum role_level { AT_ORGANIZATION = 1, AT_ENVIRONMENT = 2, AT_CLUSTER = 4, AT_RESOURCE = 8 };
enum role_resource { RESOURCE_NONE, RESOURCE_TOPIC, RESOURCE_GROUP, RESOURCE_TRANSACTIONAL_ID };

const char *role_name(enum role role);
const char *role_what(enum role role); /* a sentence for people */
unsigned role_levels(enum role role);
bool role_of(struct str name, enum role *ret);
const char *permission_name(enum permission permission);
bool permission_given(enum permission permission, enum role role);
const char *role_resource_name(enum role_resource resource); /* "topic", "group", "transactional-id"; "" */

/* Where: empty parts are wider. {"", "", …} is the organisation. */
struct role_scope {
    struct str environment_id, cluster_id;
    enum role_resource resource;
    struct str name;
    bool prefixed;         /* of bindings: name is a prefix; "" means all */
};
enum role_level role_scope_level(const struct role_scope *scope);
/* Does `outer` hold everything in `inner`? */
bool role_scope_holds(const struct role_scope *outer, const struct role_scope *inner);

#define ROLES_PER_PRINCIPAL_MAX 1000
struct roles { /* what one caller has; in the arena it was loaded into */
    struct role_held { enum role role; struct role_scope scope; } *held;
    size_t count;
};
/* Of any of the principals ("User:u-…", "Group:…"). Rows of roles that this program does not know are
 * skipped. */
status roles_load(struct db *db, const struct str *principals, size_t count, struct arena *arena,
                  struct roles *ret);
bool roles_allow(const struct roles *roles, enum permission permission, const struct role_scope *target);
/* Everywhere in the organisation. */
bool roles_allow_everywhere(const struct roles *roles, enum permission permission);
