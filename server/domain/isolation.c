/* isolation.c - which user a cluster's broker runs as, and what fences it. Domain thread.
 *
 * Numbers are rows (broker.uid), chosen once. One that the system's own tables name is skipped; a
 * number of the network's directory cannot be asked for without waiting, so the range is an option. */
#include "domain/isolation.h"

#include "base/log.h"
#include "domain/clusters.h"
#include "domain/plans.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS_MAX 128          /* a broker has about 20 */
#define MEMORY_BASE (256LL << 20)
#define MEMORY_OF_PARTITION (64LL << 10)
#define MEMORY_MOST (1LL << 40)
#define PARTITIONS_MOST 100000

static bool has_row(void *arg, const char *id)
{
    struct cluster c;
    return is_ok(clusters_get(((struct domain *)arg)->db, str_c(id), &c));
}

void isolation_start(struct domain *domain)
{
    const struct domain_options *o = &domain->options;
    struct why *why = &domain->no_own_users;
    if (!o->broker_user_first) why_set(why, "switched off by --broker-users none");
    else domain->own_users = isolation_possible(o->data_dir, o->broker_user_first, why);
    if (!domain->own_users) log_info("brokers have no users of their own: %s", why->text);
    cgroups_find(&domain->cgroups, o->no_cgroups ? NULL : "/sys/fs/cgroup", "/proc/self/cgroup", o->data_dir);
    cgroups_tidy(&domain->cgroups, has_row, domain);
    if (domain->supervisor) supervisor_set_cgroups(domain->supervisor, &domain->cgroups);
}

/* A backstop behind the broker's own budgets: requests under way by its plan, what its partitions need,
 * and enough page cache to serve the newest records from. */
status isolation_limits(struct db *db, const char *cluster_id, struct cgroup_limits *ret)
{
    struct limits l;
    TRY(plans_of_cluster(db, cluster_id, &l));
    int64_t partitions = l.partitions < 0 || l.partitions > PARTITIONS_MOST ? PARTITIONS_MOST : l.partitions;
    *ret = (struct cgroup_limits){ .memory_bytes = -1, .processes = THREADS_MAX, .weight = 400 };
    if (l.memory_bytes >= 0 && l.memory_bytes < MEMORY_MOST)
        ret->memory_bytes = MEMORY_BASE + 4 * l.memory_bytes + partitions * MEMORY_OF_PARTITION;
    if (l.ingress_bytes_per_s >= 0 && l.ingress_bytes_per_s <= 25 << 20)
        ret->weight = l.ingress_bytes_per_s <= 1 << 20 ? 50 : l.ingress_bytes_per_s <= 5 << 20 ? 100 : 200;
    return OK;
}

void isolation_limits_changed(struct domain *domain, const char *cluster_id)
{
    struct cgroup_limits limits;
    char proc[64];
    clusters_proc_id(cluster_id, proc);
    if (domain->supervisor && is_ok(isolation_limits(domain->db, cluster_id, &limits)))
        supervisor_set_limits(domain->supervisor, proc, &limits);
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
    if (!ret->process.limits)
        lacks(ret, "Core dumps or the size of its files are not limited: a build for tests", "");
    cgroups_read(&domain->cgroups, cluster_id, &ret->group);
    ret->group_version = domain->cgroups.version;
    const struct why *why = domain->cgroups.why;
    if (ret->group.memory_bytes < 0)
        lacks(ret, "Its memory is not limited by a control group", why[CGROUP_MEMORY].text);
    if (ret->group.processes < 0)
        lacks(ret, "Its threads are not limited by a control group", why[CGROUP_PIDS].text);
    if (ret->group.weight < 0)
        lacks(ret, "Its share of the processors is not limited by a control group", why[CGROUP_CPU].text);
    if (!ret->process.seccomp)
        lacks(ret, "Its system calls are not filtered: no seccomp in this kernel, or a build for tests", "");
}
