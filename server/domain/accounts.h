/* accounts.h - service accounts: who programs are. Reading: any thread with its own database; changes:
 * domain thread. */
#pragma once
#include "domain/domain.h"

#define ACCOUNTS_MAX 10000

struct account {
    char id[ID_TEXT];
    char display_name[NAME_MAX_BYTES + 1], description[TEXT_MAX_BYTES + 1];
    int64_t created_at, updated_at;
};

status accounts_get(struct db *db, struct str id, struct account *ret); /* NOT_FOUND */
status accounts_find(struct db *db, struct str display_name, struct account *ret);
/* Behind `after`; with a name (not null): just that one. */
status accounts_list(struct db *db, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct account *a), void *arg);
status accounts_count(struct db *db, int64_t *ret);
/* Is there such an owner: a service account or a user? */
bool accounts_owner_exists(struct db *db, struct str id);

status accounts_create(struct domain *domain, const struct actor *actor, struct str display_name,
                       struct str description, struct account *ret, struct why *why);
status accounts_describe(struct domain *domain, const struct actor *actor, struct str id,
                         struct str description, struct why *why);
/* Its keys, ACLs and quota entries go with it, cluster by cluster; its live connections close. */
/* The same for a person's things and row (domain/users.h asks whether it may go). */
void accounts_delete_user(struct domain *domain, const struct actor *actor, const char *id, domain_done done,
                          void *arg);
void accounts_delete(struct domain *domain, const struct actor *actor, struct str id, domain_done done,
                     void *arg);
/* Inside a transaction. */
status accounts_insert(struct db *db, struct str display_name, struct str description,
                       struct account *ret);
