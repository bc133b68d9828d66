/* oidc.h - signing in by the organization's own identity provider: OpenID Connect, the authorisation code
 * flow with PKCE (S256), state and nonce. Domain thread; what is asked of the provider runs off it.
 *
 * Configured by a file (leatd --oidc FILE), a JSON object:
 *   issuer, client_id    as the provider has them
 *   client_secret        "": a public client, which PKCE alone protects
 *   scopes               default "openid email profile"
 *   login_claim          default "email": what people are called here
 *   groups_claim         default "groups": role bindings of Group:<name> hold for who is in it
 *   redirect_uri         default: the address that the browser used, with /leat/v1/oidc:callback
 *   name                 on the button of the login page; default "single sign-on"
 *   insecure             true: http, and addresses of this machine, for tests */
#pragma once
#include "domain/domain.h"

#define OIDC_PENDING_MAX 256          /* sign-ins under way; the oldest gives way */
#define OIDC_PENDING_MS (10 * 60 * 1000)
#define OIDC_GROUPS_MAX 1024          /* bytes of all names together */

/* NULL file: not configured. INVALID with a sentence. */
status oidc_start(struct domain *domain, const char *file, struct why *why);
void oidc_stop(struct domain *domain);
/* What the button says; NULL: not configured. */
const char *oidc_name(const struct domain *domain);

/* Where to send the browser; `state` goes into a cookie of this browser, too. */
typedef void (*oidc_begun)(void *arg, status result, const char *location, const char *state);
void oidc_begin(struct domain *domain, struct str base_url, oidc_begun done, void *arg);

struct oidc_person {
    char user_id[ID_TEXT];
    char token[SECRET_TEXT]; /* of the session */
};
typedef void (*oidc_ended)(void *arg, status result, const struct why *why, const struct oidc_person *person);
/* state: of the query, the same as in the cookie (the caller has compared). Makes the user when it is
 * the first time, and the session. UNAUTHENTICATED: the provider's answer is not good; NOT_FOUND: no such
 * sign-in is under way; EXISTS: somebody with a password has this login. */
void oidc_end(struct domain *domain, struct str state, struct str code, const char *address,
              const char *request_id, oidc_ended done, void *arg);
