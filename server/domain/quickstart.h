/* quickstart.h - DATA/quickstart.json: what the first start made, for people and scripts; the only place
 * where secrets lie in clear (0600). Written once, atomically. */
#pragma once
#include "base/status.h"

#include <stdio.h>

struct quickstart { /* the demo's fields are empty with --no-demo */
    char console_url[300], rest_url[300];
    char ca_file[420]; /* who signed the certificate of HTTPS; empty: HTTP, or somebody that is known */
    char admin_user[64], admin_password[260];
    char cloud_api_key[24], cloud_api_secret[64];
    char environment_id[40], cluster_id[40];
    char bootstrap_servers[300], sasl_mechanism[32];
    char kafka_api_key[24], kafka_api_secret[64];
};

status quickstart_write(const char *data_dir, const struct quickstart *quickstart);
status quickstart_read(const char *data_dir, struct quickstart *ret); /* NOT_FOUND, MALFORMED */
/* For a person: where the console is, the login, a kcat line that works. */
void quickstart_print(FILE *out, const char *data_dir, const struct quickstart *quickstart);
