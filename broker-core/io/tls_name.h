/* tls_name.h - the subject of a certificate as text, the way Java's X500Principal.getName() writes it
 * (RFC 2253): most specific part first, "CN=alice,OU=team,O=example". Kafka's principals and ACLs are
 * these texts, so they have to be the same to the byte. */
#pragma once
#include "base/buf.h"

#include <openssl/x509.h>

/* Appends it. MALFORMED when a part cannot be read, NO_MEMORY when it does not fit. */
status tls_name_text(const X509_NAME *name, struct buf *out);
