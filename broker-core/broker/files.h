/* files.h - what a standalone broker reads from files: certificate and key, the CA of its clients,
 * users, the keys of bearer tokens. Read at start and again when it is asked to (SIGHUP); what cannot
 * be used is said in the log and changes nothing. It is held as an image of its own beside the durable
 * one. Loop thread only.
 *
 * Users: a line each, NAME:PASSWORD, good for PLAIN and both SCRAMs; '#' begins a comment line. */
#pragma once
#include "base/status.h"

#include <stddef.h>

struct broker;

struct file_options { /* paths; NULL: none */
    const char *tls_certificate; /* PEM, the leaf first; with the key when tls_key is NULL */
    const char *tls_key;
    const char *tls_client_ca;
    const char *users;
    const char *jwks;            /* the keys that sign bearer tokens */
};
#define FILES_MAX 5

/* Before the sandbox: opens the folders of the files, reads them, makes broker->files. A sentence in
 * `why`. Nothing when the options name no file. */
status files_start(struct broker *broker, struct why *why);
/* The folders, for the sandbox: they may be read from then on. Returns their number. */
size_t files_folders(const struct broker *broker, int ret_fds[FILES_MAX]);
void files_reload(struct broker *broker);
void files_stop(struct broker *broker);
