/* tls_files.h - the certificate that the HTTPS door shows, read from files that may change while it is
 * open. Any HTTP thread.
 *
 * The files are looked at again at a handshake, once a second at most. A new pair is taken when it can be
 * read and belongs together; until then the one before is shown, and a line in the log says why. */
#pragma once
#include "base/status.h"

struct tls_files;

/* PEM: the chain with the leaf first, and its key; one file may hold both. INVALID with a sentence. One
 * at a time in a process: the library's callback has no argument. */
status tls_files_open(const char *chain_path, const char *key_path, struct why *why,
                      struct tls_files **ret_files);
/* After the daemon has ended. NULL ok. */
void tls_files_close(struct tls_files *files);
/* A gnutls_certificate_retrieve_function2, for MHD_OPTION_HTTPS_CERT_CALLBACK. */
void *tls_files_callback(void);
