/* api_keys.h - API keys: a cluster key opens one cluster, a cloud key the control plane. Reading: any
 * thread with its own database; changes: domain thread. A new cluster key is in the broker's image
 * before its secret is answered; deleting one closes its connections there. */
#pragma once
#include "domain/domain.h"

#define API_KEYS_MAX 50000
#define API_KEYS_PER_CLUSTER_MAX 5000

struct api_key {
    char id[KEY_ID_TEXT];
    char owner[ID_TEXT], cluster_id[ID_TEXT]; /* cluster_id "": a cloud key */
    char environment_id[ID_TEXT];
    char display_name[NAME_MAX_BYTES + 1], description[TEXT_MAX_BYTES + 1];
    int64_t created_at, updated_at;
};
struct api_key_spec {
    struct str display_name, description; /* may be empty */
    struct str owner;
    struct str cluster_id;                /* null: a cloud key */
};
struct api_key_made {
    struct api_key key;
    char secret[SECRET_TEXT];
    int64_t version; /* of the cluster's metadata */
};

status api_keys_get(struct db *db, struct str id, struct api_key *ret); /* NOT_FOUND */
/* Behind `after`; owner and resource (lkc-… or "cloud") filter when not null. */
status api_keys_list(struct db *db, struct str owner, struct str resource, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct api_key *k), void *arg);
status api_keys_count(struct db *db, struct str owner, struct str resource, int64_t *ret);

/* ret is filled before done is called. PRECONDITION: no such owner or cluster, with a sentence. */
void api_keys_create(struct domain *domain, const struct actor *actor, const struct api_key_spec *spec,
                     struct api_key_made *ret, domain_done done, void *arg);
/* Null: stays. */
status api_keys_update(struct domain *domain, const struct actor *actor, struct str id,
                       struct str display_name, struct str description, struct why *why);
void api_keys_delete(struct domain *domain, const struct actor *actor, struct str id, int64_t *ret_version,
                     domain_done done, void *arg);
/* Inside a transaction. */
status api_keys_insert(struct db *db, const struct api_key_spec *spec, struct api_key_made *ret);
