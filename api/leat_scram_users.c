/* leat_scram_users.c - /leat/v1: SCRAM users of a cluster, the same that kafka-configs.sh makes. A password
 * that Leat makes up is shown in the answer to that one request. Lists on HTTP threads, changes DOMAIN. */
#include "api/control.h"
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/scram_users.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 256

/* --- as JSON ---------------------------------------------------------------------------------------- */

struct users_page {
    json_t *data;
    int users, size;
    bool more;
    char last[ADMIN_SCRAM_NAME_MAX + 1]; /* the name of the last user in data */
};

static json_t *user_json(struct str name)
{
    json_t *o = json_object(), *principal = json_sprintf("User:%.*s", STR_ARG(name));
    PUT(o, "kind", json_string("ScramUser"));
    PUT(o, "user_name", api_str(name));
    PUT(o, "principal", principal ? principal : json_null());
    PUT(o, "credentials", json_array());
    return o;
}

static void add_row(void *arg, const struct scram_row *row)
{
    struct users_page *p = arg;
    if (p->users == 0 || strcmp(p->last, row->name) != 0) {
        if (p->users == p->size) {
            p->more = true;
            return;
        }
        json_array_append_new(p->data, user_json(str_c(row->name)));
        str_copy(p->last, sizeof p->last, str_c(row->name));
        p->users++;
    }
    json_t *user = json_array_get(p->data, (size_t)p->users - 1);
    json_array_append_new(json_object_get(user, "credentials"),
                          json_pack("{s:s, s:i}", "mechanism", scram_mechanism_name(row->mechanism),
                                    "iterations", (int)row->iterations));
}

void leat_scram_users_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct api_page page;
    int64_t total = 0;
    if (!s || !api_page(rq, &page)) return;
    struct users_page p = { .data = json_array(), .size = page.size };
    status result = scram_users_count(rq->db, s->id, &total);
    if (is_ok(result)) result = scram_users_list(rq->db, s->id, page.after, page.size + 1, add_row, &p);
    if (failed(result)) {
        json_decref(p.data);
        api_fail(rq, result, NULL);
        return;
    }
    api_reply_list(rq, NULL, "ScramUserList", p.data, p.more ? p.last : NULL, total);
}

/* NULL: there is no such user. */
static json_t *load(struct api_request *rq, const char *cluster_id, struct str name)
{
    struct users_page p = { .data = json_array(), .size = 1 };
    status result = scram_users_get(rq->db, cluster_id, name, add_row, &p);
    json_t *user = is_ok(result) ? json_incref(json_array_get(p.data, 0)) : NULL;
    json_decref(p.data);
    return user;
}

static void not_found(struct api_request *rq)
{
    struct str text = arena_printf(rq->arena, "There is no SCRAM user %.*s%s.",
                                   STR_ARG(api_param(rq, "user_name")),
                                   rq->http->query(rq, "mechanism", 0).data ? " with this mechanism" : "");
    api_fail_at(rq, 404, NULL, text.data, NULL, NULL);
}

void leat_scram_users_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (!s) return;
    json_t *user = load(rq, s->id, api_param(rq, "user_name"));
    if (user) api_reply(rq, 200, user);
    else not_found(rq);
}

/* --- changes ---------------------------------------------------------------------------------------- */

struct pending_user {
    struct api_request *rq;
    const char *cluster_id;
    char secret[SECRET_TEXT];   /* made up here; "": the caller's own */
    int64_t version;
    bool created, removed;
};

static void changed(void *arg, status result, const struct why *why)
{
    struct pending_user *p = arg;
    struct api_request *rq = p->rq;
    if (result.code == E_NOT_FOUND) {
        not_found(rq);
    } else if (failed(result) && result.code != E_PENDING) {
        control_fail(rq, result, why, STR_NULL);
    } else if (p->removed) {
        api_reply_change(rq, result, why, 204, p->version, NULL);
    } else {
        json_t *user = load(rq, p->cluster_id, api_param(rq, "user_name"));
        if (user && p->secret[0]) PUT(user, "password", json_string(p->secret));
        api_reply_change(rq, result, why, p->created ? 201 : 200, p->version, user);
    }
}

static bool bad(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, NULL, detail, pointer, NULL);
    return false;
}

static bool read_password(struct api_request *rq, const json_t *body, struct pending_user *p, struct str *ret)
{
    const json_t *v = json_object_get(body, "password");
    if (!v || json_is_null(v)) {
        secret_new(p->secret);
        *ret = str_c(p->secret);
        return true;
    }
    *ret = api_get_str(body, "password");
    if (ret->data && ret->len >= PASSWORD_MIN && ret->len <= PASSWORD_MAX && str_is_text(*ret)) return true;
    return bad(rq, "/password", "password has 8 to 256 bytes; without it, one is made up and shown once.");
}

static bool read_body(struct api_request *rq, const json_t *body, int *ret_mechanism, int32_t *ret_iterations)
{
    const json_t *mechanism = json_object_get(body, "mechanism");
    const json_t *iterations = json_object_get(body, "iterations");
    *ret_mechanism = mechanism ? scram_mechanism_of(api_get_str(body, "mechanism")) : SCRAM_SHA_512;
    if (!*ret_mechanism) return bad(rq, "/mechanism", "mechanism is SCRAM-SHA-256 or SCRAM-SHA-512.");
    json_int_t n = iterations ? json_integer_value(iterations) : SCRAM_ITERATIONS;
    if (n < SCRAM_ITERATIONS || n > SCRAM_ITERATIONS_MAX)
        return bad(rq, "/iterations", "iterations is a number from 4096 to 16384.");
    *ret_iterations = (int32_t)n;
    return true;
}

static struct pending_user *pending_new(struct api_request *rq, const char *cluster_id)
{
    struct pending_user *p = ARENA_NEW(rq->arena, struct pending_user);
    if (p) *p = (struct pending_user){ .rq = rq, .cluster_id = cluster_id };
    else api_fail(rq, FAIL(NO_MEMORY), NULL);
    return p;
}

void leat_scram_users_put(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    const json_t *body = s ? api_body(rq) : NULL;
    struct pending_user *p = body ? pending_new(rq, s->id) : NULL;
    int mechanism;
    int32_t iterations;
    struct str password;
    if (!p || !read_body(rq, body, &mechanism, &iterations) || !read_password(rq, body, p, &password)) return;
    struct actor actor = kafka_actor(rq);
    scram_users_set(rq->domain, s->id, &actor, api_param(rq, "user_name"), mechanism, iterations, password,
                    rq->arena, &p->version, &p->created, changed, p);
}

void leat_scram_users_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct str asked = rq->http->query(rq, "mechanism", 0);
    int mechanism = asked.data ? scram_mechanism_of(asked) : 0;
    if (!s) return;
    if (asked.data && !mechanism) {
        api_fail_at(rq, 400, NULL, "mechanism is SCRAM-SHA-256 or SCRAM-SHA-512.", NULL, "mechanism");
        return;
    }
    struct pending_user *p = pending_new(rq, s->id);
    struct actor actor = kafka_actor(rq);
    if (!p) return;
    p->removed = true;
    scram_users_delete(rq->domain, s->id, &actor, api_param(rq, "user_name"), mechanism, &p->version, changed,
                       p);
}
