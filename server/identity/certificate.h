/* certificate.h - X.509 for the service's own CA: making it, making leaves, looking at what an operator
 * brings. P-256 throughout. Pure; any thread. */
#pragma once
#include "base/buf.h"

#define CERTIFICATE_MAX (64u << 10) /* bytes of PEM */

/* A new key and its self-signed certificate, ten years; both as PEM. */
status certificate_ca_new(const char *name, struct buf *ret_chain, struct buf *ret_key);
/* A leaf for a host name or address, signed by the CA; its chain holds the CA's certificate too.
 * INVALID: the CA cannot be read, or is not that key's. */
status certificate_leaf_new(struct bytes ca_chain, struct bytes ca_key, const char *host, int64_t lifetime_s,
                            struct buf *ret_chain, struct buf *ret_key);

struct certificate {
    char subject[256], issuer[256];
    char fingerprint[96];     /* SHA-256, "AB:CD:…" */
    int64_t not_before, not_after; /* ms since 1970 */
};
/* Of the first certificate of a chain. INVALID: it cannot be read. */
status certificate_read(struct bytes chain, struct certificate *ret_certificate);
/* Does its name (SAN) fit the host name or address? */
bool certificate_is_for(struct bytes chain, const char *host);
