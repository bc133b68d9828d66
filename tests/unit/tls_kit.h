/* tls_kit.h - certificates made on the spot, and a TLS client of OpenSSL's over a socket that does not
 * block, for tests of the server's end. */
#pragma once
#include "base/bytes.h"

#include <openssl/ssl.h>

struct kit_pair { /* a certificate and its key, also as PEM */
    X509 *certificate;
    EVP_PKEY *key;
    char chain[4096], pem_key[1024];
};
/* subject: "CN=alice,O=mill" in the order of the certificate; issuer NULL: self-signed. Valid from
 * `from` to `to` seconds from now. A P-256 key of its own. */
void kit_make(struct kit_pair *pair, const char *subject, const struct kit_pair *issuer, long from, long to);
void kit_done(struct kit_pair *pair);

/* A client context that trusts `ca`; `own` (NULL: none) is its certificate. */
SSL_CTX *kit_client(const struct kit_pair *ca, const struct kit_pair *own, int version /* 0: any */);
