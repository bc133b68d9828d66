/* certificates.h - the service's own CA, and the certificate each cluster serves TLS with. Domain thread,
 * but for what says otherwise.
 *
 * Keys stand in DATA/tls (0700, files 0600) and nowhere else in clear; the CA's key never leaves this
 * process. A leaf of ours is renewed when two thirds of its life are over, and pushed; what an operator
 * has given is not touched. */
#pragma once
#include "domain/domain.h"
#include "identity/certificate.h"
#include "io/tls.h"

/* At start, before brokers are: makes the CA at first, and whatever clusters lack. */
status certificates_open(struct domain *domain, struct why *why);
void certificates_start(struct domain *domain); /* renews from then on */
void certificates_close(struct domain *domain);

struct str certificates_ca(const struct domain *domain); /* PEM; any thread, it never changes */

/* Inside the transaction that makes a cluster: its first leaf. */
status certificates_insert(struct domain *domain, const char *cluster_id);
/* The record of what a cluster serves with, for its image. Nothing when it has no certificate. */
status certificates_record(struct domain *domain, const char *cluster_id, struct buf *out);
/* The cluster's rows are gone: so are its files. */
void certificates_forget(struct domain *domain, const char *cluster_id);

/* What is served, without the key; any thread. chain and client_ca are in the arena. NOT_FOUND. */
struct cluster_certificate {
    bool operators; /* given by REST, not ours */
    bool fits_host;
    struct certificate facts;
    struct str chain, client_ca;
    enum tls_client_auth client_auth;
};
status certificates_get(const struct domain *domain, struct db *db, struct str cluster_id,
                        struct arena *arena, struct cluster_certificate *ret);

/* Changes; done as with any. chain and key null: a leaf of ours again. INVALID with a sentence. */
void certificates_set(struct domain *domain, const struct actor *actor, struct str cluster_id,
                      struct str chain, struct str key, domain_done done, void *arg);
/* Who may come with a certificate: client_ca is PEM. */
void certificates_set_clients(struct domain *domain, const struct actor *actor, struct str cluster_id,
                              enum tls_client_auth auth, struct str client_ca, domain_done done, void *arg);
