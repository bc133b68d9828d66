/* authentication.h - what a cluster asks of who logs in, beside its credentials: bearer tokens
 * (OAUTHBEARER) and how often one has to authenticate again (KIP-368). Travels in the image. */
#pragma once
#include "base/status.h"
#include "cluster/jwks.h"

#define OAUTH_TEXT_MAX 512
#define OAUTH_SKEW_MAX_MS (10 * 60 * 1000)

struct authentication {
    int64_t max_reauth_ms;     /* connections.max.reauth.ms; 0: never again */
    struct str issuer;         /* owned, as below; "": not checked */
    struct str audience;       /* one, or several behind commas: one of them; "": not checked */
    struct str claim;          /* whose value is the principal; "": sub */
    int64_t skew_ms;           /* clocks may differ so much */
    struct str jwks;           /* the text of the key set; "": no OAUTHBEARER */
    struct jwks *keys;         /* the same, read; NULL without OAUTHBEARER */
};

/* Copies the texts of `from` (its `keys` is not looked at) and reads the key set. INVALID with a sentence,
 * NO_MEMORY. */
status authentication_make(const struct authentication *from, struct why *why,
                           struct authentication *ret_authentication);
void authentication_done(struct authentication *authentication);
bool authentication_same(const struct authentication *a, const struct authentication *b);
