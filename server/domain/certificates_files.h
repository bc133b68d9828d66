/* certificates_files.h - the folder DATA/tls: ca.pem, ca.key, and a file of each cluster's certificate
 * (its key, then its chain). Files are 0600 and appear whole, synced. Any thread. */
#pragma once
#include "identity/certificate.h"

#define CERTIFICATE_FILE_NAME 80

/* Makes the folder; reads the CA. NOT_FOUND: there is none yet; CORRUPT: half of it is missing. */
status certificate_files_open(const char *data_dir, struct buf *ret_ca, struct buf *ret_ca_key);
status certificate_ca_write(const char *data_dir, struct bytes ca, struct bytes ca_key);

/* A new file under a new name. */
status certificate_file_write(const char *data_dir, const char *cluster_id, struct bytes chain,
                              struct bytes key, char ret_file[CERTIFICATE_FILE_NAME]);
status certificate_file_read(const char *data_dir, const char *file, struct buf *ret_chain,
                             struct buf *ret_key);
/* Of the HTTPS door: DATA/tls/https.pem, its key and its chain. */
status certificate_https_write(const char *data_dir, struct bytes chain, struct bytes key);
/* Removes the files of a cluster but one (NULL: all). */
void certificate_files_remove(const char *data_dir, const char *cluster_id, const char *but);
