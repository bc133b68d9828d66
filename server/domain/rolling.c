/* rolling.c - clusters started anew one after the other, and onto the program that is installed now.
 * Domain thread.
 *
 * How far it came is one row of `setting`, written before each restart, so that a leatd that is killed
 * goes on behind the last cluster. A broker ends in order (its journal is folded, its sockets are
 * answered), so nothing that was acknowledged is lost; clients see a leader that is away for a moment. */
#include "domain/rolling.h"

#include "base/format.h"
#include "base/log.h"
#include "domain/clusters.h"
#include "domain/failpoint.h"
#include "domain/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define SETTING "rolling_restart"
#define LOOK_MS 20
#define BACK_MAX_MS 120000

struct rolling {
    struct domain *domain;
    struct rolling_state state;
    char after[ID_TEXT]; /* clusters up to this one are done */
    int old_pid;
    int64_t give_up_at;
    struct timer timer;
};

static void keep(const struct rolling *r)
{
    char text[256] = "";
    const struct rolling_state *s = &r->state;
    if (s->phase == ROLLING_RUNNING)
        snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " %s", s->started_at, s->total,
                 s->done, r->after[0] ? r->after : "-");
    (void)settings_set(r->domain->db, SETTING, text); /* logged; it would begin again */
}

static void finish(struct rolling *r, enum rolling_phase phase)
{
    r->state.phase = phase;
    r->state.finished_at = domain_wall();
    if (phase == ROLLING_DONE) r->state.cluster_id[0] = 0;
    else log_error("the rolling restart stops at %s: %s", r->state.cluster_id, r->state.reason);
    keep(r);
}

static void look_again(struct rolling *r)
{
    (void)loop_timer_set(r->domain->loop, &r->timer, loop_now(r->domain->loop) + LOOK_MS);
}

struct next {
    char id[ID_TEXT];
};

static void take_first(void *arg, const struct cluster *c)
{
    struct next *next = arg;
    if (!next->id[0] && !c->deleting && !c->paused_at) str_copy(next->id, sizeof next->id, str_c(c->id));
}

static int pid_of(const struct rolling *r, struct proc_info *info)
{
    char proc[64];
    clusters_proc_id(r->state.cluster_id, proc);
    return supervisor_info(r->domain->supervisor, proc, info) ? info->pid : 0;
}

static void restart_next(struct rolling *r)
{
    struct next next = { "" };
    struct proc_info info = { 0 };
    char proc[64];
    status result = clusters_list(r->domain->db, STR_NULL, str_c(r->after), CLUSTERS_MAX, take_first, &next);
    if (failed(result) || !next.id[0]) {
        if (failed(result)) snprintf(r->state.reason, sizeof r->state.reason, "%s", status_text(result));
        finish(r, failed(result) ? ROLLING_FAILED : ROLLING_DONE);
        return;
    }
    memcpy(r->state.cluster_id, next.id, sizeof next.id);
    keep(r);
    r->old_pid = pid_of(r, &info);
    r->give_up_at = loop_now(r->domain->loop) + BACK_MAX_MS;
    clusters_proc_id(next.id, proc);
    (void)supervisor_restart(r->domain->supervisor, proc); /* one that is gone is looked at below */
    look_again(r);
}

static bool back(struct rolling *r)
{
    struct proc_info info = { 0 };
    struct cluster c;
    if (failed(clusters_get(r->domain->db, str_c(r->state.cluster_id), &c)) || c.deleting || c.paused_at)
        return true; /* somebody wanted something else meanwhile */
    int pid = pid_of(r, &info);
    return pid > 0 && pid != r->old_pid && info.state == PROC_RUNNING &&
           engine_version(r->domain->engine, c.id) > 0;
}

static void look(struct timer *timer)
{
    struct rolling *r = CONTAINER_OF(timer, struct rolling, timer);
    if (r->domain->stopping) return;
    if (back(r)) {
        r->state.done++;
        memcpy(r->after, r->state.cluster_id, sizeof r->after);
        restart_next(r);
    } else if (loop_now(r->domain->loop) >= r->give_up_at) {
        struct proc_info info = { 0 };
        (void)pid_of(r, &info);
        snprintf(r->state.reason, sizeof r->state.reason, "It did not come back in %d s%s%.180s",
                 BACK_MAX_MS / 1000, info.reason[0] ? ": " : ".", info.reason);
        finish(r, ROLLING_FAILED);
    } else {
        look_again(r);
    }
}

static struct rolling *rolling_of(struct domain *domain)
{
    if (domain->rolling) return domain->rolling;
    struct rolling *r = mem_zalloc(sizeof *r);
    if (!r) return NULL;
    r->domain = domain;
    timer_init(&r->timer, look);
    domain->rolling = r;
    return r;
}

status rolling_begin(struct domain *domain, const struct actor *actor, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct rolling *r = rolling_of(domain);
    int64_t total = 0;
    if (!r) return FAIL(NO_MEMORY);
    if (r->state.phase == ROLLING_RUNNING) {
        why_set(why, "A rolling restart is under way already, at cluster %s.", r->state.cluster_id);
        return FAIL(CONFLICT);
    }
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM cluster JOIN broker ON cluster_id = id WHERE "
                                  "deleting = 0 AND paused_at IS NULL"), &total));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(change_audit(change, "cluster.rolling_restart", "clusters", NULL));
    TRY(change_commit_now(&change));
    r->state = (struct rolling_state){ .phase = ROLLING_RUNNING, .total = total,
                                       .started_at = domain_wall() };
    r->after[0] = 0;
    restart_next(r);
    return OK;
}

void rolling_look(const struct domain *domain, struct rolling_state *ret)
{
    static const struct rolling_state none;
    *ret = domain->rolling ? domain->rolling->state : none;
}

void rolling_start(struct domain *domain)
{
    char text[256];
    struct rolling *r = rolling_of(domain);
    if (!r || failed(settings_get(domain->db, SETTING, text, sizeof text)) || !text[0]) return;
    struct rolling_state *s = &r->state;
    if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %39s", &s->started_at, &s->total, &s->done,
               r->after) != 4)
        return;
    static_assert(sizeof r->after >= 40, "as long as what is read into it");
    if (strcmp(r->after, "-") == 0) r->after[0] = 0;
    s->phase = ROLLING_RUNNING;
    restart_next(r);
}

void rolling_stop(struct domain *domain)
{
    struct rolling *r = TAKE(domain->rolling);
    if (!r) return;
    loop_timer_clear(domain->loop, &r->timer);
    mem_free(r);
}

/* Is the program that this process runs the file that is installed now? */
static bool runs_installed(const struct domain *domain, int pid)
{
    char path[64], program[600];
    struct stat running, installed;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    snprintf(program, sizeof program, "%s/leat-broker", domain->options.bin_dir);
    return stat(path, &running) == 0 && stat(program, &installed) == 0 &&
           running.st_dev == installed.st_dev && running.st_ino == installed.st_ino;
}

status rolling_upgrade(struct domain *domain, const struct actor *actor, struct str cluster_id,
                       bool *ret_restarts, struct why *why)
{
    struct proc_info info = { 0 };
    char proc[64];
    struct cluster c;
    TRY(clusters_get(domain->db, cluster_id, &c));
    clusters_proc_id(c.id, proc);
    bool known = domain->supervisor && supervisor_info(domain->supervisor, proc, &info);
    *ret_restarts = !known || info.state != PROC_RUNNING || !runs_installed(domain, info.pid);
    if (!*ret_restarts && !c.deleting && !c.paused_at) return OK;
    return clusters_restart(domain, actor, cluster_id, why);
}

status rolling_confirm(struct domain *domain, const struct actor *actor, struct str cluster_id,
                       struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    TRY(clusters_get(domain->db, cluster_id, &c));
    if (c.format >= FORMAT_NEWEST) return OK;
    const char *program = domain->engine ? engine_program(domain->engine, c.id) : "";
    if (program[0] && !engine_format(domain->engine, c.id)) {
        why_set(why, "The cluster's broker still is %.60s, of an older version: upgrade the cluster first.",
                program);
        return FAIL(CONFLICT);
    }
    TRY(change_begin(domain, c.id, actor, &change));
    TRY(db_run(DB(domain->db, "UPDATE cluster SET format = ? WHERE id = ?", (int64_t)FORMAT_NEWEST,
                  (const char *)c.id)));
    TRY(change_audit(change, "cluster.confirm_upgrade", c.id, NULL));
    TRY(change_commit_now(&change));
    failpoint("confirm.committed");
    if (domain->engine) engine_set_format(domain->engine, c.id, FORMAT_NEWEST);
    return OK;
}
