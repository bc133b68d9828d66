/* auth.c - who asks. HTTP thread, before the body is read. Denies by default: a route that is not
 * for ANYONE needs a session's cookie or a key's Basic credentials; nothing else is looked at.
 *
 * The cost of a key is one SHA-256 and one probe of an index; of a session, the same. */
#include "http/http_int.h"

#include "api/access.h"
#include "domain/refusals.h"
#include "identity/identity.h"

#include <stdio.h>
#include <strings.h>

#define BASIC_MAX 512

/* A browser's own fetch must not make it open a password window. */
static bool is_script(const struct exchange *x)
{
    const char *mode = exchange_header(x, "Sec-Fetch-Mode");
    return exchange_header(x, "X-Requested-With") || exchange_header(x, "Cookie") ||
           (mode && strcmp(mode, "navigate") != 0);
}

static bool refuse(struct exchange *x, const char *detail)
{
    if (!limits_failed_auth(x)) return false;
    if (!is_script(x)) {
        x->rq.http->set_header(&x->rq, "WWW-Authenticate",
                               "Basic realm=\"leat\", error=\"invalid_key\", "
                               "error_description=\"The API key or its secret is missing or wrong\"");
    }
    if (x->rq.route->dialect == KAFKA) api_fail_kafka(&x->rq, 401, 401, detail);
    else api_fail_at(&x->rq, 401, NULL, detail, NULL, NULL);
    return false;
}

static void caller_set(struct api_caller *caller, enum api_door door, const struct identity *who)
{
    caller->door = door;
    str_copy(caller->owner, sizeof caller->owner, str_c(who->owner));
    str_copy(caller->key_id, sizeof caller->key_id, str_c(who->key_id));
    str_copy(caller->cluster_id, sizeof caller->cluster_id, str_c(who->cluster_id));
    str_copy(caller->groups, sizeof caller->groups, str_c(who->groups));
    if (door == DOOR_CLUSTER_KEY) {
        snprintf(caller->principal, sizeof caller->principal, "User:%s", who->owner);
    } else {
        str_copy(caller->principal, sizeof caller->principal, STR("User:leat"));
    }
}

/* --- Basic ------------------------------------------------------------------------------------ */

static bool basic_check(struct exchange *x, struct db *db, const char *text)
{
    char plain[BASIC_MAX];
    while (*text == ' ') text++;
    int64_t n = base64_decode(str_c(text), (uint8_t *)plain, sizeof plain);
    const char *colon = n > 0 ? memchr(plain, ':', (size_t)n) : NULL;
    struct identity who = { 0 };
    status found = FAIL(UNAUTHENTICATED);
    if (colon) {
        struct str key = { plain, (size_t)(colon - plain) };
        struct str secret = { colon + 1, (size_t)n - key.len - 1 };
        found = identity_key(db, key, secret, &who);
    }
    char key_id[KEY_ID_TEXT] = ""; /* what only looks like one may be anything, even a password */
    if (colon && secret_is_key_id((struct str){ plain, (size_t)(colon - plain) }))
        str_copy(key_id, sizeof key_id, (struct str){ plain, (size_t)(colon - plain) });
    explicit_bzero(plain, sizeof plain);
    if (found.code == E_UNAUTHENTICATED || found.code == E_NOT_FOUND)
        refusals_note(x->http->domain, "api_key.refuse", key_id, "api_key", x->rq.address,
                      key_id[0] ? key_id : "unknown");
    if (found.code == E_UNAUTHENTICATED || found.code == E_NOT_FOUND) {
        return refuse(x, "invalid API key: the key or its secret is wrong.");
    }
    if (failed(found)) {
        api_fail(&x->rq, found, NULL);
        return false;
    }
    caller_set(&x->rq.caller, who.cluster_id[0] ? DOOR_CLUSTER_KEY : DOOR_CLOUD_KEY, &who);
    return true;
}

/* --- session ---------------------------------------------------------------------------------- */

/* The value of a cookie; the last of that name would be a shadowing attempt, the first counts. */
static struct str cookie(const char *header, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = header; p && *p;) {
        while (*p == ' ' || *p == ';') p++;
        size_t n = strcspn(p, ";");
        if (n > len && strncmp(p, name, len) == 0 && p[len] == '=') {
            return (struct str){ p + len + 1, n - len - 1 };
        }
        p += n;
    }
    return STR_NULL;
}

/* Of a browser, only our own pages may change things. */
static bool foreign_site(const struct exchange *x)
{
    const char *site = exchange_header(x, "Sec-Fetch-Site");
    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

static bool forbid(struct exchange *x, const char *detail)
{
    if (x->rq.route->dialect == KAFKA) api_fail_kafka(&x->rq, 403, 40301, detail);
    else api_fail_at(&x->rq, 403, NULL, detail, NULL, NULL);
    return false;
}

static bool session_check(struct exchange *x, struct db *db, struct str token)
{
    struct identity who = { 0 };
    status found = identity_session(db, token, &who);
    if (found.code == E_UNAUTHENTICATED || found.code == E_NOT_FOUND) {
        return refuse(x, "The session has ended: log in again.");
    }
    if (failed(found)) {
        api_fail(&x->rq, found, NULL);
        return false;
    }
    if (x->rq.method != GET) {
        const char *csrf = exchange_header(x, "X-CSRF-Token");
        size_t len = strlen(who.csrf);
        bool same = csrf && len && strlen(csrf) == len && bytes_eq_secret(csrf, who.csrf, len);
        if (!same || foreign_site(x)) {
            return forbid(x, "The X-CSRF-Token header is missing or is not this session's.");
        }
    }
    caller_set(&x->rq.caller, DOOR_SESSION, &who);
    return true;
}

/* --- the rule --------------------------------------------------------------------------------- */

static bool door_check(struct exchange *x)
{
    const struct api_caller *caller = &x->rq.caller;
    if (caller->door != DOOR_CLUSTER_KEY) return true;
    if (x->rq.route->access != CLUSTER) {
        return refuse(x,
                      "invalid API key: this is a cluster's key; the control plane needs a cloud key.");
    }
    struct str cluster = api_param(&x->rq, "cluster_id");
    if (cluster.data && !str_eq_c(cluster, caller->cluster_id)) {
        return refuse(x, "invalid API key: this key belongs to another cluster.");
    }
    return true;
}

bool auth_check(struct exchange *x, struct db *db)
{
    const struct api_route *route = x->rq.route;
    const char *authorization = exchange_header(x, "Authorization");
    struct str token = cookie(exchange_header(x, "Cookie"), api_session_cookie(&x->rq));
    if (route->access == ANYONE) {
        if (x->rq.method != GET && foreign_site(x)) {
            return forbid(x, "This request comes from another site.");
        }
        /* Logging out and "who am I" are for anyone, and look at the session if there is one. */
        struct identity who = { 0 };
        if (token.data && is_ok(identity_session(db, token, &who))) {
            if (x->rq.method == GET || x->rq.method == POST) {
                caller_set(&x->rq.caller, DOOR_SESSION, &who);
            } else if (!session_check(x, db, token)) {
                return false;
            }
        }
        return true;
    }
    if (authorization && strncasecmp(authorization, "Basic ", 6) == 0) {
        return basic_check(x, db, authorization + 6) && door_check(x) && access_check(&x->rq, db);
    }
    if (authorization) {
        return refuse(x, "Only Basic authentication is understood: API key and secret.");
    }
    if (token.data) return session_check(x, db, token) && door_check(x) && access_check(&x->rq, db);
    return refuse(x, "Log in, or send an API key and its secret by Basic authentication.");
}
