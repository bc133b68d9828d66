/* functions.h - verbs that are more than one request. Each returns the exit code. */
#pragma once
#include "cli/cli.h"

/* profile.c */
int verb_login(struct cli *cli);
int verb_logout(struct cli *cli);
int verb_whoami(struct cli *cli);
int verb_use(struct cli *cli);
int verb_profiles_list(struct cli *cli);
int verb_profiles_use(struct cli *cli);
int verb_profiles_delete(struct cli *cli);

/* help.c, complete.c */
int verb_manual(struct cli *cli);
int verb_completion(struct cli *cli);
int verb_complete(struct cli *cli);

/* demo.c */
int verb_demo(struct cli *cli);

/* plain.c: what many rows share */
int verb_api(struct cli *cli);
int verb_text(struct cli *cli);      /* the answer as it comes */
int verb_events(struct cli *cli);    /* a stream of events as JSON lines */
int verb_then_show(struct cli *cli); /* the first call when there is a body for it, then the second */

/* control.c */
int verb_clusters_create(struct cli *cli);
int verb_clusters_rename(struct cli *cli);
int verb_clusters_delete(struct cli *cli);
int verb_clusters_logs(struct cli *cli);
int verb_keys_create(struct cli *cli);
int verb_requests_create(struct cli *cli);
int verb_invitations_accept(struct cli *cli);
int verb_password_change(struct cli *cli);
int verb_metrics_query(struct cli *cli);
int verb_metrics_history(struct cli *cli);
int verb_metrics_labels(struct cli *cli);

/* kafka.c */
int verb_acls_list(struct cli *cli);
int verb_acls_allow(struct cli *cli);
int verb_acls_deny(struct cli *cli);
int verb_acls_remove(struct cli *cli);
int verb_groups_reset(struct cli *cli);
int verb_scram_users_set(struct cli *cli);

/* produce.c, consume.c */
int verb_produce(struct cli *cli);
int verb_consume(struct cli *cli);
int verb_search(struct cli *cli);

/* apply.c, export.c */
int verb_apply(struct cli *cli);
int verb_export(struct cli *cli);
