/* domain.c - the domain's parts put together, and what the engine tells and asks. Domain thread, but
 * for domain_post and domain_wall. */
#include "domain/domain.h"

#include "collect/history.h"

#include "base/log.h"
#include "domain/admin.h"
#include "domain/alerts.h"
#include "domain/audit.h"
#include "domain/audit_rows.h"
#include "domain/backups.h"
#include "domain/certificates.h"
#include "domain/cluster_image.h"
#include "domain/cluster_run.h"
#include "domain/clusters.h"
#include "domain/disk_watch.h"
#include "domain/internal_topics.h"
#include "domain/lifetimes.h"
#include "domain/usage.h"
#include "domain/isolation.h"
#include "domain/lags.h"
#include "domain/oidc.h"
#include "domain/refusals.h"
#include "domain/logins.h"
#include "domain/reset_resume.h"
#include "domain/rolling.h"
#include "domain/settings.h"
#include "domain/watchers.h"
#include "store/room.h"

#include <stdio.h>
#include <time.h>

int64_t domain_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void domain_post(struct domain *domain, struct job *job) { loop_post(domain->loop, job); }

static void on_admin(void *arg, const char *cluster_id, const struct engine_admin *admin)
{
    admin_forwarded(arg, cluster_id, admin);
}

static status on_image(void *arg, const char *cluster_id, struct buf *out)
{
    struct domain *domain = arg;
    TRY(cluster_image_build(domain->db, cluster_id, out));
    TRY(certificates_record(domain, cluster_id, out));
    return logins_record(domain, cluster_id, out);
}

static void on_changed(void *arg, const char *cluster_id)
{
    cluster_run_helper_may_start(arg, cluster_id);
    watchers_tell(arg, cluster_id, "figures");
}

static void on_audit(void *arg, const char *cluster_id, const struct control_audit *audit)
{
    refusals_of_broker(arg, cluster_id, audit);
}

static status open_database(struct domain *domain, struct why *why)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/leat.db", domain->options.data_dir);
    if (n < 0 || (size_t)n >= sizeof path) return FAIL(INVALID);
    status result = room_new(domain->options.data_dir, &domain->room);
    room_make(domain->room);
    if (is_ok(result)) result = db_open_writer(path, &domain->db);
    if (failed(result)) why_set(why, "The database %s cannot be opened: %s", path, status_text(result));
    TRY(result);
    db_set_room(domain->db, domain->room);
    TRY(db_migrate(domain->db, why));
    TRY(audit_chain_old(domain->db));
    TRY(audit_rows_new(domain->db, &domain->audit_rows));
    TRY(internal_topics_complete(domain->db, domain_wall()));
    TRY(settings_organisation(domain->db, domain->organisation_id));
    return certificates_open(domain, why);
}

status domain_new(const struct domain_options *options, struct why *why, struct domain **ret_domain)
{
    CLEANUP(domain) struct domain *domain = mem_zalloc(sizeof *domain);
    if (!domain) return FAIL(NO_MEMORY);
    domain->options = *options;
    domain->started_at = domain_wall();
    domain->lockout = mem_zalloc(sizeof *domain->lockout);
    if (!domain->lockout) return FAIL(NO_MEMORY);
    TRY(loop_new(&domain->loop));
    domain->passwords.loop = domain->loop;
    TRY(open_database(domain, why));
    TRY(refusals_start(domain));
    TRY(oidc_start(domain, options->oidc_file, why));
    *ret_domain = TAKE(domain);
    return OK;
}

status domain_start(struct domain *domain)
{
    const struct supervisor_events none = { 0 };
    const struct engine_events events = {
        .admin = on_admin, .image = on_image, .changed = on_changed, .audit = on_audit,
        .arg = domain,
    };
    TRY(supervisor_new(domain->loop, &none, &domain->supervisor));
    TRY(engine_new(domain->loop, domain->supervisor, &events, &domain->engine));
    engine_set_liveness(domain->engine, domain->options.liveness_ms);
    isolation_start(domain);
    TRY(backups_tidy(domain));
    TRY(clusters_resume(domain));
    rolling_start(domain);
    reset_resume_start(domain);
    TRY(disk_watch_start(domain));
    TRY(lifetimes_start(domain));
    TRY(usage_start(domain));
    certificates_start(domain);
    status history = history_start(domain->options.data_dir, domain->options.history_max, domain->loop,
                                   domain->db, domain->engine, domain->supervisor, &domain->history);
    if (failed(history)) log_error("there will be no history: %s", status_text(history));
    TRY(alerts_start(domain));
    return logins_start(domain);
}

void domain_free(struct domain *domain)
{
    if (!domain) return;
    oidc_stop(domain);
    refusals_stop(domain);
    disk_watch_stop(domain);
    rolling_stop(domain);
    backups_stop(domain);
    lifetimes_stop(domain);
    usage_stop(domain);
    engine_free(domain->engine);
    reset_resume_stop(domain);
    supervisor_free(domain->supervisor);
    if (domain->watchers) watchers_done(domain);
    lags_done(domain);
    alerts_stop(domain);
    logins_stop(domain);
    certificates_close(domain);
    loop_free(domain->loop);
    history_stop(domain->history);
    audit_rows_free(domain->audit_rows);
    db_free(domain->db);
    room_free(domain->room);
    mem_free(domain->lockout);
    mem_free(domain);
}
