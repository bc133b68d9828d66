/* admin_scram.c - what may be a SCRAM user, and what a request makes of those there are. Any thread;
 * holds no state. */
#include "cluster/admin_scram.h"

typedef struct alter_user_scram_credentials_request_scram_credential_upsertion upsertion;
typedef struct alter_user_scram_credentials_request_scram_credential_deletion deletion;
typedef struct alter_user_scram_credentials_response_alter_user_scram_credentials_result row;
typedef struct alter_user_scram_credentials_request alter_request;

/* --- names ---------------------------------------------------------------------------------------- */

static bool looks_like_key_id(struct str name)
{
    if (name.len != 16) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '2' && c <= '7')) return false;
    }
    return true;
}

static bool is_reserved(struct str name)
{
    return str_starts(name, STR("sa-")) || str_starts(name, STR("u-")) ||
           str_starts(name, STR("leat")) || looks_like_key_id(name);
}

static status check_user(struct str name, int mechanism, struct why *why)
{
    if (name.len == 0)
        why_set(why, "Username must not be empty.");
    else if (name.len > ADMIN_SCRAM_NAME_MAX || !str_is_text(name))
        why_set(why, "A username has at most %d bytes of UTF-8 text.", ADMIN_SCRAM_NAME_MAX);
    else if (is_reserved(name))
        why_set(why, "%.*s is kept for service accounts, people and API keys (sa-…, u-…, leat…, key ids), "
                     "whose secrets are made and changed by REST.", STR_ARG(name));
    else if (scram_hash_size(mechanism) == 0) {
        why_set(why, "Unknown SCRAM mechanism %d.", mechanism);
        return FAIL(UNSUPPORTED_SASL_MECHANISM);
    } else
        return OK;
    return FAIL(UNACCEPTABLE_CREDENTIAL);
}

/* --- AlterUserScramCredentials ---------------------------------------------------------------------- */

struct altering {
    const struct scram_facts *facts;
    const alter_request *request;
    struct arena *arena;
    struct alter_user_scram_credentials_response *response;
    struct scram_change *changes;
    size_t count, created;
};

/* How often the user comes in the request: Kafka refuses more than once, whatever the mechanism. */
static int32_t mentions(const alter_request *request, struct str user)
{
    int32_t n = 0;
    for (int32_t i = 0; i < request->deletions_count; i++) n += str_eq(request->deletions[i].name, user);
    for (int32_t i = 0; i < request->upsertions_count; i++) n += str_eq(request->upsertions[i].name, user);
    return n;
}

static bool answered(const struct altering *a, struct str user)
{
    for (int32_t i = 0; i < a->response->results_count; i++)
        if (str_eq(a->response->results[i].user, user)) return true;
    return false;
}

static void answer(struct altering *a, struct str user, status result, const struct why *why)
{
    row *r = &a->response->results[a->response->results_count++];
    wire_default_struct(
        &alter_user_scram_credentials_response_alter_user_scram_credentials_result_struct, r);
    r->user = user;
    r->error_code = status_kafka(result);
    r->error_message = is_ok(result) ? STR_NULL
                                     : arena_str(a->arena, str_c(why->text[0] ? why->text
                                                                              : status_text(result)));
}

static status check_twice(const struct altering *a, struct str user, struct why *why)
{
    if (mentions(a->request, user) <= 1) return OK;
    why_set(why, "A user credential cannot be altered twice in the same request.");
    return FAIL(DUPLICATE_RESOURCE);
}

static status plan_deletion(struct altering *a, const deletion *d, struct why *why)
{
    struct scram_verifier there[2] = { { .iterations = 0 } };
    TRY(check_user(d->name, d->mechanism, why));
    TRY(check_twice(a, d->name, why));
    int at = d->mechanism - SCRAM_SHA_256;
    if (!a->facts->find(a->facts->arg, d->name, there) || there[at].iterations == 0) {
        why_set(why, "Attempt to delete a user credential that does not exist.");
        return FAIL(RESOURCE_NOT_FOUND);
    }
    a->changes[a->count++] = (struct scram_change){ .user = d->name, .mechanism = d->mechanism,
                                                    .other = there[!at] };
    return OK;
}

static status check_strength(const upsertion *u, struct why *why)
{
    if (u->iterations < SCRAM_ITERATIONS)
        why_set(why, "Too few iterations: %d to %d.", SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX);
    else if (u->iterations > SCRAM_ITERATIONS_MAX)
        why_set(why, "Too many iterations: %d to %d.", SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX);
    else if (u->salt.len == 0 || u->salt.len > SCRAM_SALT_MAX)
        why_set(why, "The salt must have 1 to %d bytes.", SCRAM_SALT_MAX);
    else if (u->salted_password.len != scram_hash_size(u->mechanism))
        why_set(why, "The salted password must have %zu bytes.", scram_hash_size(u->mechanism));
    else
        return OK;
    return FAIL(UNACCEPTABLE_CREDENTIAL);
}

static status plan_upsertion(struct altering *a, const upsertion *u, struct why *why)
{
    struct scram_verifier there[2] = { { .iterations = 0 } };
    TRY(check_user(u->name, u->mechanism, why));
    TRY(check_twice(a, u->name, why));
    TRY(check_strength(u, why));
    if (!a->facts->find(a->facts->arg, u->name, there)) {
        if (a->facts->users + a->created >= ADMIN_SCRAM_USERS_MAX) {
            why_set(why, "A cluster can have %d SCRAM users.", ADMIN_SCRAM_USERS_MAX);
            return FAIL(POLICY_VIOLATION);
        }
        a->created++;
    }
    struct scram_change *c = &a->changes[a->count];
    *c = (struct scram_change){ .user = u->name, .mechanism = u->mechanism,
                                .other = there[u->mechanism == SCRAM_SHA_256 ? 1 : 0] };
    TRY(scram_verifier_of_salted(u->mechanism, u->salted_password, u->salt, u->iterations, &c->verifier));
    a->count++;
    return OK;
}

status plan_scram_alter(const struct scram_facts *facts, const alter_request *request,
                        struct arena *arena, struct alter_user_scram_credentials_response *ret_response,
                        struct scram_plan *ret_plan)
{
    int64_t n = (int64_t)request->deletions_count + request->upsertions_count;
    if (n < 0 || n > ADMIN_SCRAM_ASKED_MAX) return FAIL(INVALID_REQUEST);
    struct altering a = { .facts = facts, .request = request, .arena = arena, .response = ret_response };
    wire_default(&alter_user_scram_credentials_response_message, ret_response);
    ret_response->results = ARENA_ARRAY(arena, row, n);
    a.changes = ARENA_ARRAY(arena, struct scram_change, n);
    TRY(arena_check(arena));
    for (int32_t i = 0; i < request->deletions_count; i++) {
        struct why why = { "" };
        const deletion *d = &request->deletions[i];
        if (!answered(&a, d->name)) answer(&a, d->name, plan_deletion(&a, d, &why), &why);
    }
    for (int32_t i = 0; i < request->upsertions_count; i++) {
        struct why why = { "" };
        const upsertion *u = &request->upsertions[i];
        if (!answered(&a, u->name)) answer(&a, u->name, plan_upsertion(&a, u, &why), &why);
    }
    *ret_plan = (struct scram_plan){ a.changes, a.count };
    return arena_check(arena);
}

bool scram_change_credential(const struct scram_change *change, struct arena *arena,
                             struct credential *ret)
{
    int at = change->mechanism - SCRAM_SHA_256;
    *ret = (struct credential){ .login = change->user };
    ret->principal = arena_printf(arena, "User:%.*s", STR_ARG(change->user));
    ret->scram[at] = change->verifier;
    ret->scram[!at] = change->other;
    return ret->scram[0].iterations != 0 || ret->scram[1].iterations != 0;
}

bool credential_is_scram_user(const struct credential *credential)
{
    return !credential->has_secret && !is_reserved(credential->login);
}
