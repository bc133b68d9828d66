/* oidc.c - the two halves of a sign-in and what is remembered between them: a row for each browser that
 * was sent to the provider, in memory, bounded. The provider's description and keys are fetched for each
 * sign-in, so that a change there is seen at once; its answers are believed only after issuer, audience,
 * signature, times and nonce of the ID token have been checked. */
#include "domain/oidc.h"

#include "base/log.h"
#include "base/uuid.h"
#include "cluster/jwt.h"
#include "domain/fetch.h"
#include "identity/identity.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (256u << 10)
#define TEXT 512
#define CALLBACK "/leat/v1/oidc:callback"

struct pending {
    char state[SECRET_TEXT], nonce[SECRET_TEXT], verifier[SECRET_TEXT]; /* state "": free */
    char redirect[TEXT];
    int64_t at;
};

struct oidc {
    struct domain *domain;
    struct fetcher *fetcher;
    char issuer[TEXT], client_id[256], client_secret[TEXT], scopes[256], login_claim[64], groups_claim[64];
    char redirect_uri[TEXT], name[64];
    bool insecure;
    struct pending pending[OIDC_PENDING_MAX];
};

/* A sign-in's first or second half, while the provider is asked. */
struct step {
    struct oidc *oidc;
    struct pending pending;
    char code[2048], address[64], request_id[40];
    char token_endpoint[TEXT], jwks_uri[TEXT];
    char *id_token;
    struct why why;
    oidc_begun begun;
    oidc_ended ended;
    void *arg;
};

/* --- configuration ---------------------------------------------------------------------------------- */

static bool read_text(const json_t *file, const char *name, const char *fallback, char *to, size_t size,
                      struct why *why)
{
    const json_t *value = json_object_get(file, name);
    const char *text = value ? json_string_value(value) : fallback;
    if (text && str_copy(to, size, str_c(text))) return true;
    why_set(why, "The file of --oidc needs %s, a text of less than %zu characters.", name, size);
    return false;
}

static status read_file(struct oidc *o, const char *path, struct why *why)
{
    json_error_t error;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(file)) {
        why_set(why, "%s is not a file with a JSON object.", path);
        json_decref(file);
        return FAIL(INVALID);
    }
    bool good = read_text(file, "issuer", NULL, o->issuer, sizeof o->issuer, why) &&
                read_text(file, "client_id", NULL, o->client_id, sizeof o->client_id, why) &&
                read_text(file, "client_secret", "", o->client_secret, sizeof o->client_secret, why) &&
                read_text(file, "scopes", "openid email profile", o->scopes, sizeof o->scopes, why) &&
                read_text(file, "login_claim", "email", o->login_claim, sizeof o->login_claim, why) &&
                read_text(file, "groups_claim", "groups", o->groups_claim, sizeof o->groups_claim, why) &&
                read_text(file, "redirect_uri", "", o->redirect_uri, sizeof o->redirect_uri, why) &&
                read_text(file, "name", "single sign-on", o->name, sizeof o->name, why);
    o->insecure = json_is_true(json_object_get(file, "insecure"));
    json_decref(file);
    return good ? fetch_check(str_c(o->issuer), o->insecure, why) : FAIL(INVALID);
}

status oidc_start(struct domain *domain, const char *file, struct why *why)
{
    if (!file) return OK;
    struct oidc *o = mem_zalloc(sizeof *o);
    if (!o) return FAIL(NO_MEMORY);
    o->domain = domain;
    status result = read_file(o, file, why);
    if (is_ok(result)) result = fetcher_new(domain->loop, &o->fetcher);
    if (failed(result)) mem_free(o);
    else domain->oidc = o;
    return result;
}

void oidc_stop(struct domain *domain)
{
    struct oidc *o = TAKE(domain->oidc);
    if (!o) return;
    fetcher_free(o->fetcher);
    explicit_bzero(o, sizeof *o);
    mem_free(o);
}

const char *oidc_name(const struct domain *domain) { return domain->oidc ? domain->oidc->name : NULL; }

/* --- texts for the provider --------------------------------------------------------------------------- */

/* name=value, percent-encoded, with a separator before all but the first. */
static void put_field(struct buf *out, const char *name, const char *value)
{
    if (out->len && out->data[out->len - 1] != '?') buf_put(out, "&", 1);
    buf_put(out, name, strlen(name));
    buf_put(out, "=", 1);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     strchr("-._~", *p);
        if (plain) buf_put(out, p, 1);
        else buf_printf(out, "%%%02X", *p);
    }
}

/* RFC 7636: base64url of the verifier's SHA-256, without padding. */
static void challenge_of(const char *verifier, char ret[SECRET_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t hash[SECRET_HASH + 1] = { 0 };
    secret_token_hash(str_c(verifier), hash);
    size_t n = 0;
    for (size_t i = 0; i < SECRET_HASH; i += 3) {
        uint32_t three = (uint32_t)hash[i] << 16 | (uint32_t)hash[i + 1] << 8 |
                         (i + 2 < SECRET_HASH ? hash[i + 2] : 0u);
        for (int k = 0; k < 4 && n < SECRET_TEXT - 1; k++) ret[n++] = digits[three >> (18 - 6 * k) & 63];
    }
    ret[n] = 0;
}

/* --- the first half ----------------------------------------------------------------------------------- */

static struct pending *slot(struct oidc *o, int64_t now)
{
    struct pending *oldest = &o->pending[0];
    for (size_t i = 0; i < OIDC_PENDING_MAX; i++) {
        struct pending *p = &o->pending[i];
        if (!p->state[0] || now - p->at > OIDC_PENDING_MS) return p;
        if (p->at < oldest->at) oldest = p;
    }
    return oldest;
}

/* The members of the provider's description that are needed; its issuer must be the one configured. */
static bool read_description(struct step *s, struct bytes body, char *ret_authorize, size_t size)
{
    json_t *d = json_loadb((const char *)body.data, body.len, 0, NULL);
    const char *issuer = json_string_value(json_object_get(d, "issuer"));
    const char *authorize = json_string_value(json_object_get(d, "authorization_endpoint"));
    const char *token = json_string_value(json_object_get(d, "token_endpoint"));
    const char *jwks = json_string_value(json_object_get(d, "jwks_uri"));
    bool good = issuer && strcmp(issuer, s->oidc->issuer) == 0 && authorize && token && jwks &&
                str_copy(ret_authorize, size, str_c(authorize)) &&
                str_copy(s->token_endpoint, sizeof s->token_endpoint, str_c(token)) &&
                str_copy(s->jwks_uri, sizeof s->jwks_uri, str_c(jwks)) &&
                is_ok(fetch_check(str_c(token), s->oidc->insecure, &s->why)) &&
                is_ok(fetch_check(str_c(jwks), s->oidc->insecure, &s->why)) &&
                is_ok(fetch_check(str_c(authorize), s->oidc->insecure, &s->why));
    json_decref(d);
    return good;
}

static void begin_end(struct step *s, status result, const char *location)
{
    if (failed(result)) log_warn("oidc: the provider cannot be asked: %s", s->why.text);
    s->begun(s->arg, result, location, s->pending.state);
    explicit_bzero(s, sizeof *s);
    mem_free(s);
}

static void described(void *arg, status result, const struct why *why, struct bytes body)
{
    struct step *s = arg;
    struct oidc *o = s->oidc;
    char authorize[TEXT], challenge[SECRET_TEXT];
    s->why = *why;
    if (is_ok(result) && !read_description(s, body, authorize, sizeof authorize)) {
        why_set(&s->why, "what it says of itself is not that of the issuer configured.");
        result = FAIL(INVALID);
    }
    if (failed(result)) {
        begin_end(s, result, NULL);
        return;
    }
    struct buf out;
    buf_init(&out, 8192);
    buf_printf(&out, "%s%c", authorize, strchr(authorize, '?') ? '&' : '?');
    challenge_of(s->pending.verifier, challenge);
    put_field(&out, "response_type", "code");
    put_field(&out, "client_id", o->client_id);
    put_field(&out, "redirect_uri", s->pending.redirect);
    put_field(&out, "scope", o->scopes);
    put_field(&out, "state", s->pending.state);
    put_field(&out, "nonce", s->pending.nonce);
    put_field(&out, "code_challenge", challenge);
    put_field(&out, "code_challenge_method", "S256");
    buf_put(&out, "", 1);
    result = buf_check(&out);
    if (is_ok(result)) *slot(o, s->pending.at) = s->pending;
    begin_end(s, result, is_ok(result) ? (const char *)out.data : NULL);
    buf_done(&out);
}

static status describe(struct step *s, fetch_done done)
{
    char url[TEXT + 64];
    size_t n = strlen(s->oidc->issuer);
    bool slash = n && s->oidc->issuer[n - 1] == '/';
    snprintf(url, sizeof url, "%s%s.well-known/openid-configuration", s->oidc->issuer, slash ? "" : "/");
    return fetch(s->oidc->fetcher, str_c(url), s->oidc->insecure, ANSWER_MAX, done, s);
}

void oidc_begin(struct domain *domain, struct str base_url, oidc_begun done, void *arg)
{
    struct oidc *o = domain->oidc;
    struct step *s = o ? mem_zalloc(sizeof *s) : NULL;
    if (!s) {
        done(arg, o ? FAIL(NO_MEMORY) : FAIL(NOT_FOUND), NULL, "");
        return;
    }
    *s = (struct step){ .oidc = o, .begun = done, .arg = arg };
    s->pending.at = domain_wall();
    secret_new(s->pending.state);
    secret_new(s->pending.nonce);
    secret_new(s->pending.verifier);
    if (o->redirect_uri[0]) str_copy(s->pending.redirect, TEXT, str_c(o->redirect_uri));
    else snprintf(s->pending.redirect, TEXT, "%.*s" CALLBACK, STR_ARG(base_url));
    status result = describe(s, described);
    if (failed(result)) begin_end(s, result, NULL);
}

/* --- the second half ---------------------------------------------------------------------------------- */

static void finish(struct step *s, status result, const struct oidc_person *person)
{
    if (failed(result)) log_warn("oidc: a sign-in failed: %s", s->why.text);
    s->ended(s->arg, result, &s->why, person);
    if (s->id_token) explicit_bzero(s->id_token, strlen(s->id_token));
    mem_free(s->id_token);
    explicit_bzero(s, sizeof *s);
    mem_free(s);
}

static void refuse(struct step *s, const char *why)
{
    why_set(&s->why, "%s", why);
    finish(s, FAIL(UNAUTHENTICATED), NULL);
}

struct claims {
    char subject[TEXT + 256], login[128], name[NAME_MAX_BYTES + 1], groups[OIDC_GROUPS_MAX];
};

/* Names that fit; a name with a newline is none. */
static void read_groups(const json_t *list, char groups[OIDC_GROUPS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t len = name ? strlen(name) : 0;
        if (!len || strchr(name, '\n') || n + len + 2 > OIDC_GROUPS_MAX) continue;
        n += (size_t)snprintf(groups + n, OIDC_GROUPS_MAX - n, "%s\n", name);
    }
}

/* Of a token whose signature, issuer, audience and times are good. */
static bool read_claims(struct step *s, struct claims *ret)
{
    const char *first = strchr(s->id_token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    size_t len = second ? (size_t)(second - first - 1) : 0, n = 0;
    uint8_t *bytes = len ? mem_alloc(len + 1) : NULL;
    bool good = bytes && base64url_decode((struct str){ first + 1, len }, bytes, len, &n);
    json_t *json = good ? json_loadb((const char *)bytes, n, 0, NULL) : NULL;
    const char *nonce = json_string_value(json_object_get(json, "nonce"));
    const char *sub = json_string_value(json_object_get(json, "sub"));
    const char *login = json_string_value(json_object_get(json, s->oidc->login_claim));
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *azp = json_string_value(json_object_get(json, "azp"));
    memset(ret, 0, sizeof *ret);
    good = nonce && strcmp(nonce, s->pending.nonce) == 0 && sub && sub[0] && strlen(sub) < 256 &&
           (!azp || strcmp(azp, s->oidc->client_id) == 0);
    if (good) snprintf(ret->subject, sizeof ret->subject, "%s %s", s->oidc->issuer, sub);
    if (!login || !login[0]) login = sub;
    good = good && str_copy(ret->login, sizeof ret->login, str_c(login));
    if (good && (!name || !str_copy(ret->name, sizeof ret->name, str_c(name)))) ret->name[0] = 0;
    if (good) read_groups(json_object_get(json, s->oidc->groups_claim), ret->groups);
    json_decref(json);
    mem_free(bytes);
    return good;
}

/* The user of this subject; a new id when there is none. */
static status user_of(struct db *db, const struct claims *c, char ret_id[ID_TEXT], bool *ret_new)
{
    ret_id[0] = 0;
    struct db_query *q = DB(db, "SELECT id FROM user WHERE subject = ?", (const char *)c->subject);
    if (db_next(q)) str_copy(ret_id, ID_TEXT, db_text(q, 0));
    TRY(db_end(q));
    *ret_new = !ret_id[0];
    if (*ret_new) secret_id_new("u-", ret_id);
    return OK;
}

/* EXISTS: somebody else is called so. */
static status write_user(struct db *db, struct change *change, const struct claims *c, const char *id,
                         bool new)
{
    int64_t now = domain_wall();
    if (!new)
        return db_run(DB(db, "UPDATE user SET full_name = ?, updated_at = ? WHERE id = ? AND full_name <> ?1",
                         (const char *)c->name, now, id));
    TRY(db_run(DB(db, "INSERT INTO user (id, login, full_name, password_salt, password_hash, created_at, "
                      "updated_at, auth_type, subject) VALUES (?1, ?2, ?3, x'', x'', ?4, ?4, "
                      "'AUTH_TYPE_SSO', ?5)", id, (const char *)c->login, (const char *)c->name, now,
                  (const char *)c->subject)));
    return change_audit(change, "user.create", id, NULL);
}

static status sign_in(struct step *s, const struct claims *c, struct oidc_person *ret)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct db *db = s->oidc->domain->db;
    char csrf[SECRET_TEXT];
    bool new;
    TRY(user_of(db, c, ret->user_id, &new));
    const struct actor actor = { ret->user_id, "session", s->address, s->request_id };
    TRY(change_begin(s->oidc->domain, NULL, &actor, &change));
    status result = write_user(db, change, c, ret->user_id, new);
    if (result.code == E_EXISTS)
        why_set(&s->why, "Somebody who signs in by password is called %s.", c->login);
    TRY(result);
    TRY(identity_session_new(db, ret->user_id, s->address, domain_wall(), ret->token, csrf));
    TRY(db_run(DB(db, "UPDATE session SET groups = ? WHERE csrf = ? AND user_id = ?", (const char *)c->groups,
                  (const char *)csrf, (const char *)ret->user_id)));
    TRY(change_audit_with(change, "session.create", ret->user_id, "provider", str_c(s->oidc->issuer)));
    return change_commit_now(&change);
}

static void keys_came(void *arg, status result, const struct why *why, struct bytes body)
{
    struct step *s = arg;
    struct claims claims;
    struct oidc_person person = { .user_id = "" };
    struct jwt jwt;
    const char *fault = "";
    s->why = *why;
    if (failed(result)) {
        finish(s, result, NULL);
        return;
    }
    const struct authentication wanted = {
        .issuer = str_c(s->oidc->issuer), .audience = str_c(s->oidc->client_id), .claim = STR(""),
        .skew_ms = 60000, .jwks = bytes_str(body),
    };
    struct authentication made;
    result = authentication_make(&wanted, &s->why, &made);
    if (failed(result)) {
        finish(s, result, NULL);
        return;
    }
    result = jwt_check(&made, str_c(s->id_token), domain_wall(), &jwt, &fault);
    authentication_done(&made);
    if (failed(result)) {
        refuse(s, fault);
    } else if (!read_claims(s, &claims)) {
        refuse(s, "its nonce is not the one of this sign-in");
    } else {
        result = sign_in(s, &claims, &person);
        finish(s, result, &person);
        explicit_bzero(&person, sizeof person);
    }
}

static void token_came(void *arg, status result, const struct why *why, struct bytes body)
{
    struct step *s = arg;
    s->why = *why;
    json_t *json = is_ok(result) ? json_loadb((const char *)body.data, body.len, 0, NULL) : NULL;
    const char *token = json_string_value(json_object_get(json, "id_token"));
    s->id_token = token && strlen(token) < JWT_MAX ? mem_strdup(token) : NULL;
    json_decref(json);
    if (failed(result)) refuse(s, "the provider does not take the code");
    else if (!s->id_token) refuse(s, "the provider's answer has no ID token");
    else if (failed(fetch(s->oidc->fetcher, str_c(s->jwks_uri), s->oidc->insecure, JWKS_MAX, keys_came, s)))
        refuse(s, "too much is fetched at a time");
}

static void described_again(void *arg, status result, const struct why *why, struct bytes body)
{
    struct step *s = arg;
    struct oidc *o = s->oidc;
    char authorize[TEXT];
    struct buf form;
    s->why = *why;
    if (failed(result) || !read_description(s, body, authorize, sizeof authorize)) {
        refuse(s, "what the provider says of itself is not that of the issuer configured");
        return;
    }
    buf_init(&form, 16 * 1024);
    put_field(&form, "grant_type", "authorization_code");
    put_field(&form, "code", s->code);
    put_field(&form, "redirect_uri", s->pending.redirect);
    put_field(&form, "client_id", o->client_id);
    put_field(&form, "code_verifier", s->pending.verifier);
    const struct fetch_post post = { buf_bytes(&form), str_c(o->client_id), str_c(o->client_secret) };
    result = buf_check(&form);
    if (is_ok(result))
        result = fetch_with(o->fetcher, str_c(s->token_endpoint), o->insecure, ANSWER_MAX, &post, token_came,
                            s);
    buf_done(&form);
    if (failed(result)) refuse(s, "too much is fetched at a time");
}

void oidc_end(struct domain *domain, struct str state, struct str code, const char *address,
              const char *request_id, oidc_ended done, void *arg)
{
    struct oidc *o = domain->oidc;
    struct why why = { "no such sign-in is under way" };
    struct pending *found = NULL;
    for (size_t i = 0; o && i < OIDC_PENDING_MAX && !found; i++) {
        struct pending *p = &o->pending[i];
        if (p->state[0] && str_eq_c(state, p->state) && domain_wall() - p->at <= OIDC_PENDING_MS) found = p;
    }
    struct step *s = found ? mem_zalloc(sizeof *s) : NULL;
    if (!s || !str_copy(s->code, sizeof s->code, code) || !code.len) {
        mem_free(s);
        done(arg, FAIL(NOT_FOUND), &why, NULL);
        return;
    }
    s->oidc = o;
    s->pending = *found;
    explicit_bzero(found, sizeof *found); /* once */
    str_copy(s->address, sizeof s->address, str_c(address));
    str_copy(s->request_id, sizeof s->request_id, str_c(request_id));
    s->ended = done;
    s->arg = arg;
    if (failed(describe(s, described_again))) refuse(s, "too much is fetched at a time");
}
