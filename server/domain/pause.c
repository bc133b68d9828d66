/* pause.c - clusters whose processes rest while all they hold stays. Domain thread.
 *
 * The row comes first: a leatd that is killed after it finds the broker at its next start (launched to
 * be adopted) and ends it then. */
#include "domain/pause.h"

#include "domain/cluster_run.h"
#include "domain/failpoint.h"
#include "domain/lifetimes.h"

static status find_live(struct domain *domain, struct str id, struct cluster *ret, struct why *why)
{
    TRY(clusters_get(domain->db, id, ret));
    if (!ret->deleting) return OK;
    why_set(why, "The cluster is being deleted.");
    return FAIL(CONFLICT);
}

status clusters_pause(struct domain *domain, const struct actor *actor, struct str id, struct str reason,
                      struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    struct str text = str_is_null(reason) ? STR("") : reason;
    TRY(find_live(domain, id, &c, why));
    TRY(text_check(text, why));
    TRY(change_begin(domain, c.id, actor, &change));
    TRY(db_run(DB(domain->db, "UPDATE broker SET wanted = 'stopped', pause_reason = ?, paused_at = "
                              "coalesce(paused_at, ?) WHERE cluster_id = ?", text, domain_wall(), id)));
    TRY(change_audit_with(change, "cluster.pause", c.id, "reason", text));
    TRY(change_commit_now(&change));
    if (!c.paused_at) cluster_run_rest(domain, c.id);
    return OK;
}

status clusters_resume_paused(struct domain *domain, const struct actor *actor, struct str id,
                              struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    TRY(find_live(domain, id, &c, why));
    if (!c.paused_at) return OK;
    TRY(lifetimes_check(domain->db, c.id, why));
    TRY(change_begin(domain, c.id, actor, &change));
    TRY(db_run(DB(domain->db, "UPDATE broker SET wanted = 'running', pause_reason = '', paused_at = NULL "
                              "WHERE cluster_id = ?", id)));
    TRY(change_audit(change, "cluster.resume", c.id, NULL));
    TRY(change_commit_now(&change));
    failpoint("resume.marked");
    return clusters_launch(domain, c.id);
}

bool pause_text(struct db *db, struct str cluster_id, struct why *ret)
{
    struct cluster c;
    if (failed(clusters_get(db, cluster_id, &c)) || !c.paused_at) return false;
    why_set(ret, "The cluster is paused%s%.160s; its records can be reached once it is resumed.",
            c.pause_reason[0] ? ": " : "", c.pause_reason);
    return true;
}
