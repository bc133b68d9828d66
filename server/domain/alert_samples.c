/* alert_samples.c - what rules measure, from what brokers last reported and what processes do. Domain
 * thread; keeps nothing. */
#include "domain/alerts_int.h"

#include "domain/clusters.h"
#include "domain/plans.h"
#include "engine/lags.h"

#include <stdio.h>
#include <sys/statvfs.h>

enum { WINDOW_MS = 10000, REQUESTS_LEAST = 20, QUIET_MS = 150000 };

typedef struct alert_sample sample;

static void bytes_text(int64_t bytes, char *ret, size_t size)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    size_t i = 0;
    for (; value >= 1024 && i + 1 < ARRAY_LEN(units); i++) value /= 1024;
    snprintf(ret, size, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

static void share(int64_t used, int64_t of, const char *what, alert_sample_each each, void *arg)
{
    char detail[200], used_text[32], of_text[32];
    double percent = of > 0 ? 100.0 * (double)used / (double)of : 0;
    bytes_text(used, used_text, sizeof used_text);
    bytes_text(of, of_text, sizeof of_text);
    snprintf(detail, sizeof detail, "%.1f %% of the %s is used: %s of %s.", percent, what, used_text,
             of_text);
    each(arg, &(sample){ STR(""), percent, detail });
}

static bool broker_state(struct domain *domain, const struct cluster *c, alert_sample_each each,
                         void *arg)
{
    char id[64], detail[400];
    struct proc_info info = { .state = PROC_STOPPED };
    clusters_proc_id(c->id, id);
    bool known = domain->supervisor && supervisor_info(domain->supervisor, id, &info);
    bool runs = known && info.state == PROC_RUNNING;
    bool serves = runs && engine_version(domain->engine, c->id) >= 0;
    const char *why = info.reason[0] ? info.reason : info.end_reason;
    snprintf(detail, sizeof detail,
             serves ? "The broker serves."
             : runs ? "The broker runs, but does not answer."
                    : "The broker is not running (%s)%s%s.",
             proc_state_name(info.state), why[0] ? ": " : "", why);
    each(arg, &(sample){ STR(""), serves ? 0 : 1, detail });
    return true;
}

static bool storage(struct domain *domain, const struct cluster *c, const struct engine_figures *f,
                    alert_sample_each each, void *arg)
{
    struct limits limits;
    if (f->bytes_stored > 0 && failed(plans_of_cluster(domain->db, c->id, &limits))) return false;
    if (f->bytes_stored <= 0 || limits.storage_bytes <= 0)
        each(arg, &(sample){ STR(""), 0, "Nothing is near the storage limit." });
    else
        share(f->bytes_stored, limits.storage_bytes, "storage limit", each, arg);
    return true;
}

static void appends_refused(const struct engine_figures *f, alert_sample_each each, void *arg)
{
    static const char *const details[] = {
        [ENGINE_STORAGE_OPEN] = "Producers are served.",
        [ENGINE_STORAGE_AT_LIMIT] = "The storage limit is reached: producers are refused.",
        [ENGINE_STORAGE_HELD] = "The disk is almost full: producers of this cluster are held back.",
        [ENGINE_STORAGE_FULL] = "The disk is full: producers are refused.",
    };
    each(arg, &(sample){ STR(""), f->storage == ENGINE_STORAGE_OPEN ? 0 : 1, details[f->storage] });
}

static void damaged(const struct engine_figures *f, alert_sample_each each, void *arg)
{
    char detail[400];
    if (f->damage_count)
        snprintf(detail, sizeof detail, "%lld partition%s damaged; %.100s-%d: %.200s",
                 (long long)f->damaged_partitions, f->damaged_partitions == 1 ? " is" : "s are",
                 f->damage[0].topic, f->damage[0].partition, f->damage[0].text);
    else
        snprintf(detail, sizeof detail, "%lld partitions are damaged.",
                 (long long)f->damaged_partitions);
    each(arg, &(sample){ STR(""), (double)f->damaged_partitions, detail });
}

static void throttling(const struct engine_figures *f, alert_sample_each each, void *arg)
{
    char detail[200];
    for (size_t i = 0; i < f->principal_count; i++) {
        const struct engine_principal_figures *p = &f->principals[i];
        snprintf(detail, sizeof detail, "Quotas hold it back for %.0f ms in each second.",
                 p->throttle_ms_per_s);
        each(arg, &(sample){ str_c(p->principal), p->throttle_ms_per_s, detail });
    }
}

void alert_errors_take(struct alert_errors *e, const struct engine_figures *f)
{
    bool began =
        !e->at || f->requests < e->requests || f->errors < e->errors; /* another life of its broker */
    int64_t passed = f->reported_at - e->at, requests = f->requests - e->requests;
    if (!began && passed < WINDOW_MS) {
        /* Nothing was reported since long: nothing happened. */
        if (domain_wall() - f->reported_at > QUIET_MS) e->percent = 0;
        return;
    }
    e->percent = began || requests < REQUESTS_LEAST
        ? 0 : 100.0 * (double)(f->errors - e->errors) / (double)requests;
    e->counted = began ? 0 : requests;
    e->at = f->reported_at;
    e->requests = f->requests;
    e->errors = f->errors;
}

static void error_rate(const struct alert_errors *e, alert_sample_each each, void *arg)
{
    char detail[200];
    snprintf(detail, sizeof detail, "%.1f %% of the last %lld requests were answered with an error.",
             e->percent, (long long)e->counted);
    each(arg, &(sample){ STR(""), e->percent, detail });
}

static bool disk(struct domain *domain, alert_sample_each each, void *arg)
{
    struct statvfs fs;
    if (statvfs(domain->options.data_dir, &fs) != 0) return false;
    int64_t used = (int64_t)(fs.f_blocks - fs.f_bfree) * (int64_t)fs.f_frsize;
    share(used, used + (int64_t)fs.f_bavail * (int64_t)fs.f_frsize, "disk", each, arg);
    return true;
}

/* What a group is behind, in all its topics: `n` entries. */
static void group_sample(enum alert_kind kind, const struct engine_lag *lags, size_t n,
                         alert_sample_each each, void *arg)
{
    char detail[400] = "It has read everything.";
    const struct engine_lag *most = NULL, *oldest = NULL;
    int64_t total = 0, ms;
    for (size_t i = 0; i < n; i++) {
        total += lags[i].lag;
        if (lags[i].lag > 0 && (!most || lags[i].lag > most->lag)) most = &lags[i];
        if (lags[i].oldest_at >= 0 && (!oldest || lags[i].oldest_at < oldest->oldest_at)) oldest = &lags[i];
    }
    ms = oldest ? engine_time_lag(oldest->oldest_at, domain_wall()) : 0;
    if (kind == ALERT_TIME_LAG && oldest)
        snprintf(detail, sizeof detail, "The oldest record not read is %.1f s old, in partition %d of %s.",
                 (double)ms / 1000, (int)oldest->oldest_partition, oldest->topic);
    if (kind == ALERT_LAG && most)
        snprintf(detail, sizeof detail, "%lld records behind, most of them in partition %d of %s.",
                 (long long)total, (int)most->most_partition, most->topic);
    double value = kind == ALERT_LAG ? (double)total : (double)ms / 1000;
    each(arg, &(sample){ str_c(lags[0].group), value, detail });
}

/* As the broker tells (engine/lags.h); false: it has not yet, or it is of a version that does not. */
static bool group_lags(struct domain *domain, enum alert_kind kind, const struct cluster *c,
                       alert_sample_each each, void *arg)
{
    size_t count;
    if (!engine_lags_known(domain->engine, c->id)) return false;
    const struct engine_lag *lags = engine_lags(domain->engine, c->id, &count);
    for (size_t i = 0, n; i < count; i += n) {
        for (n = 1; i + n < count && strcmp(lags[i + n].group, lags[i].group) == 0; n++) {}
        group_sample(kind, &lags[i], n, each, arg);
    }
    return true;
}

bool alert_samples(struct domain *domain, enum alert_kind kind, const struct cluster *c,
                   const struct alert_errors *errors, alert_sample_each each, void *arg)
{
    if (kind == ALERT_DISK) return disk(domain, each, arg);
    if (kind == ALERT_WATCHDOG) {
        each(arg, &(sample){ STR(""), 1, "Alerts are looked at." });
        return true;
    }
    if (kind == ALERT_BROKER_STATE) return broker_state(domain, c, each, arg);
    const struct engine_figures *f = domain->engine ? engine_figures(domain->engine, c->id) : NULL;
    if (!f || !f->known || engine_version(domain->engine, c->id) < 0) return false;
    if (kind == ALERT_LAG || kind == ALERT_TIME_LAG) return group_lags(domain, kind, c, each, arg);
    if (kind == ALERT_STORAGE) return storage(domain, c, f, each, arg);
    if (kind == ALERT_APPENDS_REFUSED) appends_refused(f, each, arg);
    else if (kind == ALERT_DAMAGED_PARTITIONS) damaged(f, each, arg);
    else if (kind == ALERT_THROTTLING) throttling(f, each, arg);
    else if (kind == ALERT_ERROR_RATE && errors && errors->at) error_rate(errors, each, arg);
    else return false;
    return true;
}
