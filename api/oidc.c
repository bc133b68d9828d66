/* oidc.c - /leat/v1/oidc: signing in by the organization's own provider, as a browser walks it. The state
 * of a sign-in is held against a cookie of the same browser, so that nobody is signed in by somebody else's
 * link. What fails sends the browser back to the login page with a word. Domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/oidc.h"
#include "domain/refusals.h"
#include "identity/identity.h"

#include <stdio.h>

#define COOKIE "leat_oidc"

void oidc_get(struct api_request *rq)
{
    const char *name = oidc_name(rq->domain);
    api_reply(rq, 200, json_pack("{s:b, s:o}", "configured", name != NULL, "name",
                                 name ? json_string(name) : json_null()));
}

static void send_to(struct api_request *rq, const char *location)
{
    rq->http->set_header(rq, "Location", location);
    api_reply(rq, 302, NULL);
}

static void set_cookie(struct api_request *rq, const char *state, int seconds)
{
    char text[200];
    snprintf(text, sizeof text, COOKIE "=%s; HttpOnly; SameSite=Lax; Path=/leat/v1/; Max-Age=%d%s", state,
             seconds, str_starts(rq->base_url, STR("https:")) ? "; Secure" : "");
    rq->http->set_header(rq, "Set-Cookie", text);
}

static void begun(void *arg, status result, const char *location, const char *state)
{
    struct api_request *rq = arg;
    if (result.code == E_NOT_FOUND) {
        api_fail(rq, result, "No identity provider is configured.");
    } else if (failed(result)) {
        send_to(rq, "/?signin=unreachable");
    } else {
        set_cookie(rq, state, OIDC_PENDING_MS / 1000);
        send_to(rq, location);
    }
}

void oidc_login_get(struct api_request *rq) { oidc_begin(rq->domain, rq->base_url, begun, rq); }

static void ended(void *arg, status result, const struct why *why, const struct oidc_person *person)
{
    struct api_request *rq = arg;
    char text[180];
    (void)why; /* logged; a browser gets a word */
    if (failed(result)) {
        refusals_note(rq->domain, "session.refuse", "", "session", rq->address, "identity provider");
        bool taken = result.code == E_EXISTS, expired = result.code == E_NOT_FOUND;
        send_to(rq, taken ? "/?signin=taken" : expired ? "/?signin=expired" : "/?signin=refused");
        return;
    }
    snprintf(text, sizeof text, "%s=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%d%s",
             api_session_cookie(rq), person->token, SESSION_LIFE_MS / 1000,
             str_starts(rq->base_url, STR("https:")) ? "; Secure" : "");
    rq->http->set_header(rq, "Set-Cookie", text);
    explicit_bzero(text, sizeof text);
    send_to(rq, "/");
}

/* Is this the browser that was sent to the provider? */
static bool same_browser(struct api_request *rq, struct str state)
{
    const char *header = rq->http->header(rq, "Cookie");
    for (const char *at = header ? strstr(header, COOKIE "=") : NULL; at; at = strstr(at + 1, COOKIE "=")) {
        const char *value = at + sizeof COOKIE;
        size_t n = strcspn(value, "; ");
        if (n == state.len && n && bytes_eq_secret(value, state.data, n)) return true;
    }
    return false;
}

void oidc_callback_get(struct api_request *rq)
{
    struct why none = { "" };
    struct str state = rq->http->query(rq, "state", 0), code = rq->http->query(rq, "code", 0);
    if (!oidc_name(rq->domain)) api_fail(rq, FAIL(NOT_FOUND), "No identity provider is configured.");
    else if (!state.len || !same_browser(rq, state)) ended(rq, FAIL(NOT_FOUND), &none, NULL);
    else if (!code.len) ended(rq, FAIL(UNAUTHENTICATED), &none, NULL); /* the provider said no */
    else oidc_end(rq->domain, state, code, rq->address, rq->request_id, ended, rq);
}
