/* users.c - /iam/v2/users and /iam/v2/invitations, and /leat/v1/invitations:accept, where who was invited
 * sets a name and a password. Reads on HTTP threads, changes on the domain thread; the password's hash is
 * computed on the pool, one at a time. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/users.h"
#include "identity/password_rules.h"

#define API_VERSION "iam/v2"

/* --- users ------------------------------------------------------------------------------------------ */

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/users/%s", str_c(id));
}

static json_t *to_json(struct api_request *rq, const struct user *u)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "api_version", API_VERSION, "kind", "User", "id",
                     u->id, "metadata",
                     control_metadata(rq, self_of(rq, u->id), control_crn(rq, "/user=%s", u->id),
                                      u->created_at, u->updated_at),
                     "email", u->login, "full_name", u->full_name, "auth_type", u->auth_type);
}

static void add_row(void *arg, const struct user *u)
{
    struct control_page *p = arg;
    if (control_page_room(p)) control_page_add(p, to_json(p->rq, u), u->id);
}

void users_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    if (!control_page_begin(&p, rq)) return;
    status result = users_count(rq->db, &total);
    if (is_ok(result)) result = users_list(rq->db, p.page.after, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, API_VERSION, "UserList", total);
}

void users_one_get(struct api_request *rq)
{
    struct user u;
    status result = users_get(rq->db, rq->params[0], &u);
    if (failed(result)) api_fail(rq, result, "There is no such user.");
    else api_reply(rq, 200, to_json(rq, &u));
}

/* Who is OrganizationAdmin is not renamed or removed by who may only keep accounts. */
static bool reaches(struct api_request *rq)
{
    int64_t admin = 0;
    static const struct role_scope everywhere = { .name = { "", 0 } };
    if (str_eq_c(rq->params[0], rq->caller.owner) || access_allows_for(rq, MAY_ROLE_GRANT, &everywhere))
        return true;
    status result = db_one_i64(DB(rq->db, "SELECT count(*) FROM role_binding WHERE principal = 'User:' || ? "
                                          "AND role = 'OrganizationAdmin'", rq->params[0]), &admin);
    if (is_ok(result) && !admin) return true;
    if (failed(result)) api_fail(rq, result, NULL);
    else
        api_fail_at(rq, 403, NULL, "Only an OrganizationAdmin changes or removes an OrganizationAdmin.", NULL,
                    NULL);
    return false;
}

void users_patch(struct api_request *rq)
{
    struct str name;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "full_name", "/full_name", true, &name) || !reaches(rq)) return;
    status result = users_rename(rq->domain, &actor, rq->params[0], name, &why);
    if (result.code == E_NOT_FOUND) why_set(&why, "There is no such user.");
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else users_one_get(rq);
}

static void deleted(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PENDING) control_fail(rq, result, why, STR_NULL);
    else api_reply_change(rq, result, why, 204, 0, NULL);
}

void users_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    if (reaches(rq)) users_delete(rq->domain, &actor, rq->params[0], deleted, rq);
}

/* --- invitations ------------------------------------------------------------------------------------ */

static struct str invitation_self(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/invitations/%s", str_c(id));
}

static json_t *invitation_json(struct api_request *rq, const struct invitation *i)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "api_version", API_VERSION,
                     "kind", "Invitation", "id", i->id, "metadata",
                     control_metadata(rq, invitation_self(rq, i->id),
                                      control_crn(rq, "/invitation=%s", i->id), i->created_at,
                                      i->accepted_at ? i->accepted_at : i->created_at),
                     "email", i->email, "auth_type", "AUTH_TYPE_LOCAL", "status", invitation_status(i),
                     "accepted_at", api_time(i->accepted_at), "expires_at", api_time(i->expires_at), "user",
                     control_ref_owner(rq, i->user_id), "creator", control_ref_owner(rq, i->creator));
}

static bool wanted(struct api_request *rq, const char *filter, const char *value)
{
    struct str text = rq->http->query(rq, filter, 0);
    return !text.data || str_eq_c(text, value);
}

static void add_invitation(void *arg, const struct invitation *i)
{
    struct control_page *p = arg;
    struct api_request *rq = p->rq;
    if (!wanted(rq, "email", i->email) || !wanted(rq, "user", i->user_id) ||
        !wanted(rq, "creator", i->creator) || !wanted(rq, "status", invitation_status(i)))
        return;
    if (control_page_room(p)) control_page_add(p, invitation_json(rq, i), i->id);
}

void invitations_list_get(struct api_request *rq)
{
    struct control_page p;
    if (!control_page_begin(&p, rq)) return;
    status result = invitations_list(rq->db, p.page.after, USERS_MAX, add_invitation, &p);
    control_page_end(&p, result, API_VERSION, "InvitationList", -1);
}

void invitations_one_get(struct api_request *rq)
{
    struct invitation i;
    status result = invitations_get(rq->db, rq->params[0], &i);
    if (failed(result)) api_fail(rq, result, "There is no such invitation.");
    else api_reply(rq, 200, invitation_json(rq, &i));
}

void invitations_post(struct api_request *rq)
{
    struct str email, auth;
    struct invitation i;
    struct why why = { "" };
    char token[SECRET_TEXT];
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "email", "/email", true, &email) ||
        !control_str(rq, body, "auth_type", "/auth_type", false, &auth))
        return;
    if (auth.len && !str_eq_c(auth, "AUTH_TYPE_LOCAL")) {
        api_fail_at(rq, 422, "invalid_configuration",
                    "People are invited with AUTH_TYPE_LOCAL; who signs in by the organization's own "
                    "provider needs no invitation.", "/auth_type", NULL);
        return;
    }
    status result = invitations_create(rq->domain, &actor, rq->caller.owner, email, &i, token, &why);
    if (failed(result)) {
        control_fail(rq, result, &why, STR_NULL);
        return;
    }
    json_t *json = invitation_json(rq, &i);
    json_object_set_new(json, "token", json_string(token));
    json_object_set_new(json, "link", json_sprintf("%.*s/invitation#%s", STR_ARG(rq->base_url), token));
    explicit_bzero(token, sizeof token);
    rq->http->set_header(rq, "Location", invitation_self(rq, i.id).data);
    api_reply(rq, 201, json);
}

void invitations_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    status result = invitations_delete(rq->domain, &actor, rq->params[0]);
    if (failed(result)) api_fail(rq, result, "There is no such invitation.");
    else api_reply(rq, 204, NULL);
}

/* --- accepting -------------------------------------------------------------------------------------- */

struct acceptance {
    struct api_request *rq;
    struct str token, full_name;
};

static void no_invitation(struct api_request *rq, status error)
{
    bool unknown = error.code == E_NOT_FOUND;
    api_fail(rq, error, unknown ? "This invitation is unknown, used up or over: ask for another." : NULL);
}

static void hashed(void *arg, status result, const uint8_t salt[PASSWORD_SALT],
                   const uint8_t hash[PASSWORD_HASH])
{
    struct acceptance *a = arg;
    struct api_request *rq = a->rq;
    struct why why = { "" };
    struct invitation i;
    struct user u;
    struct actor actor = control_actor(rq);
    if (is_ok(result)) result = invitations_of_token(rq->db, a->token, &i);
    actor.id = i.user_id;
    actor.door = "session";
    if (is_ok(result))
        result = invitations_accept(rq->domain, &actor, a->token, a->full_name, salt, hash, &u, &why);
    if (is_ok(result)) api_reply(rq, 201, to_json(rq, &u));
    else if (why.text[0]) api_fail_at(rq, 400, "invalid_request", why.text, NULL, NULL);
    else no_invitation(rq, result);
}

void invitations_accept_post(struct api_request *rq)
{
    struct str password;
    struct why why = { "" };
    struct invitation i;
    json_t *body = api_body(rq);
    struct acceptance *a = ARENA_NEW(rq->arena, struct acceptance);
    if (!a) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    a->rq = rq;
    if (!body || !control_str(rq, body, "token", "/token", true, &a->token) ||
        !control_str(rq, body, "full_name", "/full_name", true, &a->full_name) ||
        !control_str(rq, body, "password", "/password", true, &password))
        return;
    status result = invitations_of_token(rq->db, a->token, &i);
    if (failed(result)) {
        no_invitation(rq, result);
        return;
    }
    result = password_acceptable(password, str_c(i.email), &why);
    if (is_ok(result)) result = password_make(&rq->domain->passwords, password, hashed, a);
    if (is_ok(result)) return;
    if (why.text[0]) api_fail_at(rq, 400, "invalid_request", why.text, "/password", NULL);
    else api_fail(rq, result, NULL);
}
