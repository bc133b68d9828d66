/* session.c - /leat/v1/session: login of people by password, a cookie and a CSRF token; their sessions;
 * another password. Domain thread;
 * the password's hash is computed on the pool, one at a time. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/refusals.h"
#include "domain/users.h"
#include "identity/password_rules.h"
#include "identity/identity.h"

#include <stdio.h>

const char *api_session_cookie(const struct api_request *rq)
{
    return str_starts(rq->base_url, STR("https:")) ? "__Host-leat_session" : "leat_session";
}

static struct str token_of(struct api_request *rq)
{
    const char *header = rq->http->header(rq, "Cookie"), *name = api_session_cookie(rq);
    size_t n = strlen(name);
    const char *at = header ? header : "";
    while (*at) {
        at += strspn(at, "; ");
        size_t len = strcspn(at, ";");
        if (len > n && memcmp(at, name, n) == 0 && at[n] == '=')
            return (struct str){ at + n + 1, len - n - 1 };
        at += len;
    }
    return STR_NULL;
}

static json_t *to_json(const char *id, const char *login, const char *full_name, const char *csrf,
                       int64_t expires_at)
{
    return json_pack("{s:{s:s, s:s, s:s}, s:s, s:o}", "user", "id", id, "login", login, "full_name",
                     full_name, "csrf", csrf, "expires_at", api_time(expires_at));
}

/* --- login ----------------------------------------------------------------------------------------- */

struct login {
    struct api_request *rq;
    struct str name;
    struct identity_user user;
};

static void set_cookie(struct api_request *rq, const char *token, int64_t seconds)
{
    char text[180];
    bool https = str_starts(rq->base_url, STR("https:"));
    snprintf(text, sizeof text, "%s=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%lld%s",
             api_session_cookie(rq), token, (long long)seconds, https ? "; Secure" : "");
    rq->http->set_header(rq, "Set-Cookie", text);
}

static status begin_session(struct login *login, char token[SECRET_TEXT], char csrf[SECRET_TEXT], int64_t now)
{
    struct actor actor = control_actor(login->rq);
    CLEANUP_CHANGE struct change *change = NULL;
    actor.id = login->user.id;
    actor.door = "session";
    TRY(change_begin(login->rq->domain, NULL, &actor, &change));
    TRY(identity_session_new(login->rq->db, login->user.id, login->rq->address, now, token, csrf));
    TRY(change_audit(change, "session.create", login->user.id, NULL));
    return change_commit_now(&change);
}

static void checked(void *arg, status result)
{
    struct login *login = arg;
    struct api_request *rq = login->rq;
    struct domain *domain = rq->domain;
    char token[SECRET_TEXT], csrf[SECRET_TEXT];
    int64_t now = domain_wall();
    if (result.code == E_UNAUTHENTICATED) {
        lockout_failed(domain->lockout, login->name, str_c(rq->address), loop_now(domain->loop));
        refusals_note(domain, "session.refuse", login->user.id, "session", rq->address,
                      login->user.id[0] ? login->user.login : "unknown");
    }
    if (is_ok(result)) {
        lockout_passed(domain->lockout, login->name, str_c(rq->address));
        result = begin_session(login, token, csrf, now);
    }
    if (failed(result)) {
        api_fail(rq, result, result.code == E_UNAUTHENTICATED ? "The login or the password is wrong." : NULL);
        return;
    }
    set_cookie(rq, token, SESSION_LIFE_MS / 1000);
    api_reply(rq, 200, to_json(login->user.id, login->user.login, login->user.full_name, csrf,
                               now + SESSION_LIFE_MS));
    explicit_bzero(token, sizeof token);
}

static bool locked_out(struct api_request *rq, struct str name)
{
    char seconds[24];
    int64_t wait = lockout_wait(rq->domain->lockout, name, str_c(rq->address), loop_now(rq->domain->loop));
    if (wait == 0) return false;
    snprintf(seconds, sizeof seconds, "%lld", (long long)((wait + 999) / 1000));
    rq->http->set_header(rq, "Retry-After", seconds);
    refusals_note(rq->domain, "session.locked_out", "", "session", rq->address, "");
    api_fail_at(rq, 429, NULL, "Too many failed logins; wait a moment and try again.", NULL, NULL);
    return true;
}

void session_post(struct api_request *rq)
{
    struct str name, password;
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "login", "/login", true, &name) ||
        !control_str(rq, body, "password", "/password", true, &password) || locked_out(rq, name))
        return;
    struct login *login = ARENA_NEW(rq->arena, struct login);
    if (!login) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    login->rq = rq;
    login->name = name;
    bool known = is_ok(identity_user(rq->db, name, &login->user));
    /* Somebody unknown takes as long as a wrong password. */
    struct bytes salt = known ? bytes_of(login->user.salt, sizeof login->user.salt) : BYTES_NULL;
    struct bytes hash = known ? bytes_of(login->user.hash, sizeof login->user.hash) : BYTES_NULL;
    status result = password_check(&rq->domain->passwords, password, salt, hash, checked, login);
    if (failed(result)) checked(login, result);
}

/* --- the session that there is ----------------------------------------------------------------------- */

void session_get(struct api_request *rq)
{
    struct identity id;
    if (failed(identity_session(rq->db, token_of(rq), &id)))
        api_fail(rq, FAIL(UNAUTHENTICATED), "There is no session; log in.");
    else
        api_reply(rq, 200, to_json(id.owner, id.login, id.full_name, id.csrf, id.expires_at));
}

void session_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    status result = users_session_leave(rq->domain, &actor, rq->caller.owner, token_of(rq));
    set_cookie(rq, "", 0);
    if (failed(result)) api_fail(rq, result, NULL);
    else api_reply(rq, 204, NULL);
}

/* --- all sessions of who asks ------------------------------------------------------------------------ */

static void add_session(void *arg, const struct session_row *s)
{
    json_array_append_new(arg, json_pack("{s:s, s:s, s:o, s:o, s:b}", "id", s->id, "address", s->address,
                                         "created_at", api_time(s->created_at), "expires_at",
                                         api_time(s->expires_at), "current", s->current));
}

void sessions_list_get(struct api_request *rq)
{
    json_t *data = json_array();
    status result = users_sessions(rq->db, rq->caller.owner, token_of(rq), add_session, data);
    if (is_ok(result)) {
        api_reply_list(rq, NULL, "SessionList", data, NULL, (int64_t)json_array_size(data));
        return;
    }
    json_decref(data);
    api_fail(rq, result, NULL);
}

void sessions_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    status result = users_session_end(rq->domain, &actor, rq->caller.owner, rq->params[0]);
    if (failed(result)) api_fail(rq, result, "You have no such session.");
    else api_reply(rq, 204, NULL);
}

/* --- another password -------------------------------------------------------------------------------- */

struct renewal {
    struct api_request *rq;
    struct str next;
    struct identity who;
    struct identity_user user;
};

static void renewed(void *arg, status result, const uint8_t salt[PASSWORD_SALT],
                    const uint8_t hash[PASSWORD_HASH])
{
    struct renewal *r = arg;
    struct api_request *rq = r->rq;
    struct actor actor = control_actor(rq);
    if (is_ok(result))
        result = users_set_password(rq->domain, &actor, r->user.id, salt, hash, token_of(rq));
    if (failed(result)) api_fail(rq, result, NULL);
    else api_reply(rq, 204, NULL);
}

static void current_checked(void *arg, status result)
{
    struct renewal *r = arg;
    struct api_request *rq = r->rq;
    struct domain *domain = rq->domain;
    if (result.code == E_UNAUTHENTICATED) {
        lockout_failed(domain->lockout, str_c(r->who.login), str_c(rq->address), loop_now(domain->loop));
        refusals_note(domain, "password.refuse", r->user.id, "session", rq->address, r->user.login);
        api_fail_at(rq, 403, NULL, "The current password is wrong.", "/current_password", NULL);
        return;
    }
    if (is_ok(result)) result = password_make(&domain->passwords, r->next, renewed, r);
    if (failed(result)) api_fail(rq, result, NULL);
}

void password_put(struct api_request *rq)
{
    struct str current;
    struct why why = { "" };
    json_t *body = api_body(rq);
    struct renewal *r = ARENA_NEW(rq->arena, struct renewal);
    if (!r) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    *r = (struct renewal){ .rq = rq };
    if (!body || !control_str(rq, body, "current_password", "/current_password", true, &current) ||
        !control_str(rq, body, "new_password", "/new_password", true, &r->next))
        return;
    if (rq->caller.door != DOOR_SESSION || failed(identity_session(rq->db, token_of(rq), &r->who)) ||
        failed(identity_user(rq->db, str_c(r->who.login), &r->user))) {
        api_fail_at(rq, 403, NULL, "A password is changed by who is logged in with one.", NULL, NULL);
        return;
    }
    if (locked_out(rq, str_c(r->who.login))) return;
    if (failed(password_acceptable(r->next, str_c(r->who.login), &why))) {
        api_fail_at(rq, 400, "invalid_request", why.text, "/new_password", NULL);
        return;
    }
    status result = password_check(&rq->domain->passwords, current, bytes_of(r->user.salt, PASSWORD_SALT),
                                   bytes_of(r->user.hash, PASSWORD_HASH), current_checked, r);
    if (failed(result)) current_checked(r, result);
}
