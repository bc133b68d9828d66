/* options.h - the arguments of leatd. */
#pragma once
#include "domain/domain.h"

struct options {
    struct domain_options domain;
    int64_t requests_per_s, requests_burst; /* of REST; see http/rate_limit.h */
    bool show;  /* --show: print the quickstart of the folder and end */
    const char *verify_audit; /* --verify-audit: a database to look at, and end; NULL: none */
    const char *audit_holds;  /* --audit-holds: the hash of a row that must be there; NULL: none */
    bool quiet; /* --quiet: do not print it at the start */
    char data_dir[400], bin_dir[400], web_dir[400];
};
/* INVALID with a sentence for a bad option. --help prints and sets *ret_help. */
status options_parse(struct options *options, int argc, char **argv, bool *ret_help, struct why *why);
/* Makes the data folder (0700) when it is not there, its path absolute, and locks it for the life of
 * this process, leaving the process id in leatd.pid. LOCKED: another leatd has it. */
status options_claim_folder(struct options *options, struct why *why);
void options_release_folder(const struct options *options);
