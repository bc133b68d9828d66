/* backups.h - copies of a cluster, and clusters made from them. Domain thread.
 *
 * A broker that serves names its files as of one turn of its loop and keeps them until they are linked
 * (records are not copied): everything acknowledged before is in the backup, clients notice nothing. One
 * that does not serve, and one of an older version, is ended for as long as that takes. */
#pragma once
#include "domain/backup_files.h"
#include "domain/clusters.h"

#define BACKUPS_MAX 1000

typedef void (*backup_done)(void *arg, status result, const struct why *why, const struct backup_info *info);
/* NOT_FOUND; CONFLICT: another backup or restore is under way, or the cluster is being deleted. */
void backups_make(struct domain *domain, const struct actor *actor, struct str cluster_id,
                  struct str description, backup_done done, void *arg);
struct restore_spec {
    struct str backup_id;
    struct str cluster_id;      /* null: a new id; else the backup's own, when that cluster is gone */
    struct str environment_id, display_name; /* null: as they were */
};
/* A cluster with the backup's topics, records, offsets, ACLs, SCRAM users and quotas; with its API keys
 * when it gets its old id. done() once it starts. NOT_FOUND, CONFLICT, EXISTS (the name), FORMAT. */
void backups_restore(struct domain *domain, const struct actor *actor, const struct restore_spec *spec,
                     domain_done done, void *arg, char ret_cluster_id[ID_TEXT]);
/* Its files are being copied: it is started afterwards. */
bool backups_need_rest(const struct domain *domain, const char *cluster_id);
/* Any thread; in no order. */
status backups_list(const char *data_dir, void (*each)(void *arg, const struct backup_info *info), void *arg);
status backups_delete(struct domain *domain, const struct actor *actor, struct str id, struct why *why);
/* At start, before clusters are: what a killed leatd left half made goes. */
status backups_tidy(struct domain *domain);
void backups_stop(struct domain *domain);

/* A copy of the whole database into DATA/backups/database-<time>.db, made on the pool while all goes on;
 * the newest five stay. CONFLICT while another backup is under way. */
struct database_copy {
    char path[BACKUP_PATH];
    int64_t bytes, created_at;
};
typedef void (*database_done)(void *arg, status result, const struct why *why,
                              const struct database_copy *copy);
void backups_database(struct domain *domain, const struct actor *actor, database_done done, void *arg);
