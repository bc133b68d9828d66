/* group_mappings.h - which people of the identity provider a role binding of User:group-… means: those whose
 * groups fit a filter (identity/group_filter.h). Reading: any thread with its own database; changes: domain
 * thread. */
#pragma once
#include "domain/domain.h"
#include "identity/group_filter.h"

#define GROUP_MAPPINGS_MAX 100

struct group_mapping {
    char id[ID_TEXT];
    char display_name[NAME_MAX_BYTES + 1], description[TEXT_MAX_BYTES + 1], filter[GROUP_FILTER_MAX + 1];
    int64_t created_at, updated_at;
};
struct group_mapping_write { /* null: as it is */
    struct str display_name, description, filter;
};

status group_mappings_get(struct db *db, struct str id, struct group_mapping *ret); /* NOT_FOUND */
status group_mappings_list(struct db *db, struct str after, int64_t limit,
                           void (*each)(void *arg, const struct group_mapping *m), void *arg);
status group_mappings_count(struct db *db, int64_t *ret);

/* EXISTS: *ret is the one of that name. */
status group_mappings_create(struct domain *domain, const struct actor *actor,
                             const struct group_mapping_write *write, struct group_mapping *ret,
                             struct why *why);
status group_mappings_update(struct domain *domain, const struct actor *actor, struct str id,
                             const struct group_mapping_write *write, struct why *why);
/* Its role bindings go with it. */
status group_mappings_delete(struct domain *domain, const struct actor *actor, struct str id);
