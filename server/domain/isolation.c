/* isolation.c - which user a cluster's broker runs as, and what fences it. Domain thread.
 *
 * Numbers are rows (broker.uid), chosen once. One that the system's own tables name is skipped; a
 * number of the network's directory cannot be asked for without waiting, so the range is an option. */
#include "domain/isolation.h"

#include "base/log.h"
#include "domain/clusters.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

void isolation_start(struct domain *domain)
{
    const struct domain_options *o = &domain->options;
    struct why *why = &domain->no_own_users;
    if (!o->broker_user_first) why_set(why, "switched off by --broker-users none");
    else domain->own_users = isolation_possible(o->data_dir, o->broker_user_first, why);
    if (!domain->own_users) log_info("brokers have no users of their own: %s", why->text);
}

static bool named_in_passwd(uint32_t id)
{
    bool found = false;
    FILE *f = fopen("/etc/passwd", "re");
    for (struct passwd *p; f && !found && (p = fgetpwent(f)) != NULL;)
        found = p->pw_uid == id || p->pw_gid == id;
    if (f) fclose(f);
    return found;
}

static bool named_in_group(uint32_t id)
{
    bool found = false;
    FILE *f = fopen("/etc/group", "re");
    for (struct group *g; f && !found && (g = fgetgrent(f)) != NULL;) found = g->gr_gid == id;
    if (f) fclose(f);
    return found;
}

static status choose(struct domain *domain, uint32_t *ret_uid, struct why *why)
{
    const int64_t first = domain->options.broker_user_first, last = domain->options.broker_user_last;
    int64_t next = first;
    uint32_t found = 0;
    struct db_query *q = DB(domain->db, "SELECT uid FROM broker WHERE uid BETWEEN ? AND ? ORDER BY uid",
                            first, last);
    bool row = db_next(q);
    for (; next <= last && !found; next++) {
        if (row && db_i64(q, 0) == next) row = db_next(q);
        else if (!named_in_passwd((uint32_t)next) && !named_in_group((uint32_t)next)) found = (uint32_t)next;
    }
    TRY(db_end(q));
    if (!found) {
        why_set(why, "No user of the range %lld-%lld is free for another broker.", (long long)first,
                (long long)last);
        return FAIL(LIMIT);
    }
    *ret_uid = found;
    return OK;
}

status isolation_user(struct domain *domain, const char *cluster_id, uint32_t *ret_uid, struct why *why)
{
    int64_t uid = 0;
    *ret_uid = 0;
    if (!domain->own_users) return OK;
    TRY(db_one_i64(DB(domain->db, "SELECT coalesce(uid, 0) FROM broker WHERE cluster_id = ?", cluster_id),
                   &uid));
    if (uid >= domain->options.broker_user_first && uid <= domain->options.broker_user_last) {
        *ret_uid = (uint32_t)uid;
        return OK;
    }
    TRY(choose(domain, ret_uid, why));
    return db_run(DB(domain->db, "UPDATE broker SET uid = ? WHERE cluster_id = ?", (int64_t)*ret_uid,
                     cluster_id));
}

/* --- what holds ------------------------------------------------------------------------------------ */

static void lacks(struct cluster_isolation *i, const char *text, const char *detail)
{
    if (i->missing_count == (int)ARRAY_LEN(i->missing)) return;
    snprintf(i->missing[i->missing_count++], sizeof i->missing[0], "%s%s%.200s", text, detail[0] ? ": " : "",
             detail);
}

void isolation_of(struct domain *domain, const char *cluster_id, struct cluster_isolation *ret)
{
    struct proc_info info;
    char proc[64];
    *ret = (struct cluster_isolation){ 0 };
    clusters_proc_id(cluster_id, proc);
    if (!domain->supervisor || !supervisor_info(domain->supervisor, proc, &info)) return;
    isolation_read(info.pid, &ret->process);
    if (!ret->process.known) return;
    ret->own_user = ret->process.uid != geteuid();
    ret->landlock = domain->engine ? engine_landlock(domain->engine, cluster_id) : 0;
    if (!ret->own_user) lacks(ret, "No user of its own", domain->no_own_users.text);
    if (!ret->process.no_capabilities) lacks(ret, "It has capabilities of root", "");
    if (!ret->process.no_new_privileges) lacks(ret, "It may gain privileges by programs it starts", "");
    if (!ret->landlock)
        lacks(ret, "Its files are not fenced: no Landlock in this kernel, or a build for tests", "");
    if (!ret->process.seccomp)
        lacks(ret, "Its system calls are not filtered: no seccomp in this kernel, or a build for tests", "");
}
