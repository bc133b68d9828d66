/* leat_tls.c - /leat/v1: the CA, what a cluster serves TLS with, and who may come with a certificate.
 * Domain thread. No answer ever holds a key. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/certificates.h"
#include "domain/clusters.h"

static const char *const client_auths[] = { "none", "requested", "required" };

/* --- the CA ------------------------------------------------------------------------------------------ */

static void facts_into(json_t *json, const struct certificate *facts)
{
    json_object_set_new(json, "subject", api_str(str_c(facts->subject)));
    json_object_set_new(json, "issuer", api_str(str_c(facts->issuer)));
    json_object_set_new(json, "sha256_fingerprint", json_string(facts->fingerprint));
    json_object_set_new(json, "not_before", api_time(facts->not_before));
    json_object_set_new(json, "not_after", api_time(facts->not_after));
}

void leat_ca_get(struct api_request *rq)
{
    struct str pem = certificates_ca(rq->domain);
    struct certificate facts;
    if (failed(certificate_read(str_bytes(pem), &facts))) {
        api_fail(rq, FAIL(CORRUPT), NULL);
        return;
    }
    json_t *json = json_pack("{s:s, s:o}", "kind", "CertificateAuthority", "certificate", api_str(pem));
    facts_into(json, &facts);
    api_reply(rq, 200, json);
}

/* The file that clients trust, for whoever has a key of the cluster. */
void leat_ca_pem_get(struct api_request *rq)
{
    struct cluster c;
    struct buf body;
    if (failed(clusters_get(rq->db, rq->params[0], &c))) {
        api_fail(rq, FAIL(NOT_FOUND), "There is no such cluster.");
        return;
    }
    buf_init(&body, CERTIFICATE_MAX);
    buf_put_str(&body, certificates_ca(rq->domain));
    rq->http->answer_bytes(rq, 200, "application/x-pem-file", &body);
}

/* --- a cluster's certificate ------------------------------------------------------------------------- */

static json_t *to_json(struct api_request *rq, const struct cluster *c, const struct cluster_certificate *cc)
{
    struct str tls = clusters_bootstrap_tls(rq->domain, c, rq->arena);
    json_t *json = json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:o, s:s, s:o}", "kind", "ClusterCertificate",
                             "cluster_id", c->id, "bootstrap_servers", api_str(tls), "security_protocol",
                             "SASL_SSL", "source", cc->operators ? "operator" : "leat", "fits_host",
                             cc->fits_host, "certificate", api_str(cc->chain), "client_auth",
                             client_auths[cc->client_auth], "client_ca", api_str(cc->client_ca));
    facts_into(json, &cc->facts);
    return json;
}

static void reply_one(struct api_request *rq, status result)
{
    struct cluster c;
    struct cluster_certificate cc;
    status found = clusters_get(rq->db, rq->params[0], &c);
    if (is_ok(found)) found = certificates_get(rq->domain, rq->db, rq->params[0], rq->arena, &cc);
    if (failed(found)) {
        api_fail(rq, found, found.code == E_NOT_FOUND ? "There is no such cluster." : NULL);
        return;
    }
    api_reply_change(rq, result, NULL, 200, c.metadata_version, to_json(rq, &c, &cc));
}

void leat_certificate_get(struct api_request *rq) { reply_one(rq, OK); }

static void changed(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PENDING) control_fail(rq, result, why, STR_NULL);
    else reply_one(rq, result);
}

void leat_certificate_put(struct api_request *rq)
{
    struct str chain = STR_NULL, key = STR_NULL;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "certificate", "/certificate", true, &chain) ||
        !control_str(rq, body, "private_key", "/private_key", true, &key))
        return;
    certificates_set(rq->domain, &actor, rq->params[0], chain, key, changed, rq);
}

/* Back to a leaf of ours; a new one, when it is one already. */
void leat_certificate_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    certificates_set(rq->domain, &actor, rq->params[0], STR_NULL, STR_NULL, changed, rq);
}

void leat_client_auth_put(struct api_request *rq)
{
    struct str auth = STR_NULL, ca = STR_NULL;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    size_t i = 0;
    if (!body || !control_str(rq, body, "client_auth", "/client_auth", true, &auth) ||
        !control_str(rq, body, "client_ca", "/client_ca", false, &ca))
        return;
    while (i < ARRAY_LEN(client_auths) && !str_eq_c(auth, client_auths[i])) i++;
    if (i == ARRAY_LEN(client_auths)) {
        api_fail_at(rq, 422, "invalid", "client_auth is one of none, requested, required.", "/client_auth",
                    NULL);
        return;
    }
    certificates_set_clients(rq->domain, &actor, rq->params[0], (enum tls_client_auth)i, ca, changed, rq);
}
