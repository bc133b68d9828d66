/* logins.h - how a cluster asks for logins beside its passwords: bearer tokens of an issuer, and how often
 * to authenticate again. Domain thread, but for logins_get.
 *
 * A key set given by URL is fetched before the change is made and again every hour; what cannot be fetched
 * or read leaves the keys as they were. */
#pragma once
#include "cluster/authentication.h"
#include "domain/domain.h"

struct logins {
    int64_t max_reauth_ms;
    struct str issuer, audience, claim;
    int64_t skew_ms;
    struct str jwks;      /* public keys, as text; "": no bearer tokens */
    struct str jwks_url;  /* where they come from; "": given as text */
    bool jwks_insecure;   /* http and addresses of this machine are allowed */
    int64_t jwks_at;      /* ms since 1970, of the last fetch */
};
/* Texts are in the arena. NOT_FOUND: no such cluster; without settings all is empty. Any thread. */
status logins_get(struct db *db, struct str cluster_id, struct arena *arena, struct logins *ret);
/* Replaces all of it; jwks and jwks_at are of no meaning beside a jwks_url. INVALID with a sentence. */
void logins_set(struct domain *domain, const struct actor *actor, struct str cluster_id,
                const struct logins *logins, domain_done done, void *arg);
/* For the cluster's image. */
status logins_record(struct domain *domain, const char *cluster_id, struct buf *out);

status logins_start(struct domain *domain); /* fetches again from then on */
void logins_stop(struct domain *domain);
