/* leat_logins.c - /leat/v1/clusters/{id}/authentication: bearer tokens, and how often to authenticate again.
 * Domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"
#include "domain/logins.h"

static json_t *to_json(const struct cluster *c, const struct logins *l)
{
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:b, s:o}", "kind",
                     "ClusterAuthentication", "cluster_id", c->id, "connections_max_reauth_ms",
                     (json_int_t)l->max_reauth_ms, "issuer", api_str(l->issuer), "audience",
                     api_str(l->audience), "principal_claim", api_str(l->claim.len ? l->claim : STR("sub")),
                     "clock_skew_ms", (json_int_t)l->skew_ms, "jwks", api_str(l->jwks), "jwks_url",
                     api_str(l->jwks_url), "jwks_insecure", l->jwks_insecure, "jwks_fetched_at",
                     api_time(l->jwks_at));
}

static void reply_one(struct api_request *rq, status result)
{
    struct cluster c;
    struct logins logins;
    status found = clusters_get(rq->db, rq->params[0], &c);
    if (is_ok(found)) found = logins_get(rq->db, rq->params[0], rq->arena, &logins);
    if (failed(found)) {
        api_fail(rq, found, found.code == E_NOT_FOUND ? "There is no such cluster." : NULL);
        return;
    }
    api_reply_change(rq, result, NULL, 200, c.metadata_version, to_json(&c, &logins));
}

void leat_logins_get(struct api_request *rq) { reply_one(rq, OK); }

static void changed(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PENDING) control_fail(rq, result, why, STR_NULL);
    else reply_one(rq, result);
}

/* A whole number; absent: as it is. False: answered. */
static bool number(struct api_request *rq, const json_t *body, const char *name, const char *pointer,
                   int64_t *ret)
{
    const json_t *value = json_object_get(body, name);
    if (!value || json_is_null(value)) return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = json_integer_value(value);
        return true;
    }
    api_fail_at(rq, 422, "invalid", "This is a whole number, 0 or more.", pointer, NULL);
    return false;
}

/* The whole of it is replaced: what is not named is as for a new cluster. */
void leat_logins_put(struct api_request *rq)
{
    struct logins l = { .skew_ms = 30000 };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body ||
        !number(rq, body, "connections_max_reauth_ms", "/connections_max_reauth_ms", &l.max_reauth_ms) ||
        !number(rq, body, "clock_skew_ms", "/clock_skew_ms", &l.skew_ms) ||
        !control_str(rq, body, "issuer", "/issuer", false, &l.issuer) ||
        !control_str(rq, body, "audience", "/audience", false, &l.audience) ||
        !control_str(rq, body, "principal_claim", "/principal_claim", false, &l.claim) ||
        !control_str(rq, body, "jwks", "/jwks", false, &l.jwks) ||
        !control_str(rq, body, "jwks_url", "/jwks_url", false, &l.jwks_url))
        return;
    l.jwks_insecure = json_is_true(json_object_get(body, "jwks_insecure"));
    logins_set(rq->domain, &actor, rq->params[0], &l, changed, rq);
}
