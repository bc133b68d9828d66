/* leatd.c - the control plane: parses, wires, runs. Its main thread is the domain thread; HTTP threads
 * are libmicrohttpd's; what blocks runs on the loop's pool.
 * Layers: store, identity, supervise, engine, collect, domain, api, http. */
#include "base/log.h"
#include "domain/audit.h"
#include "domain/bootstrap.h"
#include "domain/lifecycle.h"
#include "domain/options.h"
#include "http/http.h"

#include <stdio.h>
#include <sys/resource.h>

#define DESCRIPTORS 65536
#define LOG_KEPT (256 << 10) /* for /leat/v1/logs */

struct run {
    struct options options;
    struct domain *domain;
    struct http *http;
    struct quickstart quickstart;
};

static int complain(const struct why *why, status result, int code)
{
    fprintf(stderr, "leatd: %s\n", why->text[0] ? why->text : status_text(result));
    return code;
}

static int show(const struct options *options)
{
    struct quickstart quickstart;
    struct why why = { "" };
    status result = quickstart_read(options->domain.data_dir, &quickstart);
    if (failed(result)) {
        why_set(&why, "%s/quickstart.json cannot be read: %s", options->domain.data_dir, status_text(result));
        return complain(&why, result, 1);
    }
    quickstart_print(stdout, options->domain.data_dir, &quickstart);
    return 0;
}

static int tell_verdict(const char *file, const struct audit_verdict *v)
{
    char head[2 * AUDIT_HASH + 1] = "";
    for (size_t i = 0; i < AUDIT_HASH; i++) snprintf(head + 2 * i, 3, "%02x", v->head[i]);
    if (!v->intact) {
        printf("broken at row %lld: %s (%lld rows before it fit)\n", (long long)v->broken_at, v->what,
               (long long)v->rows);
        return 1;
    }
    printf("whole: the %lld rows of the audit log in %s, %lld to %lld, are what was written\nnewest: %s\n",
           (long long)v->rows, file, (long long)v->first, (long long)v->last, head);
    return 0;
}

/* What a script asks of a live database, a copy or a backup. */
static int verify_audit(const struct options *options)
{
    struct audit_verdict verdict;
    struct why why = { "" };
    const char *file = options->verify_audit;
    bool holds = true;
    CLEANUP(db) struct db *db = NULL;
    status result = db_open_file(file, &db);
    if (is_ok(result)) result = audit_verify(db, &verdict);
    if (is_ok(result) && options->audit_holds) result = audit_holds(db, str_c(options->audit_holds), &holds);
    if (failed(result)) {
        why_set(&why, "the audit log of %s cannot be read: %s", file, status_text(result));
        if (result.code == E_INVALID) why_set(&why, "--audit-holds wants the 64 digits of a hash");
        return complain(&why, result, 2);
    }
    if (verdict.intact && !holds) {
        printf("broken: no row has the hash %s\n", options->audit_holds);
        return 1;
    }
    return tell_verdict(file, &verdict);
}

static void ready(void *arg)
{
    struct run *run = arg;
    if (run->quickstart.rest_url[0] && !run->options.quiet)
        quickstart_print(stdout, run->options.domain.data_dir, &run->quickstart);
    puts("ready");
    fflush(stdout);
    explicit_bzero(&run->quickstart, sizeof run->quickstart);
}

static status start(struct run *run, struct why *why)
{
    const struct domain_options *o = &run->options.domain;
    TRY(domain_new(o, why, &run->domain));
    if (bootstrap_needed(run->domain)) {
        TRY(bootstrap_run(run->domain, &run->quickstart, why));
    } else {
        bootstrap_forget_password();
        if (failed(quickstart_read(o->data_dir, &run->quickstart)))
            log_warn("%s/quickstart.json cannot be read; starting without it", o->data_dir);
        else
            bootstrap_urls(o, &run->quickstart);
    }
    char own[512];
    snprintf(own, sizeof own, "%s/tls/https.pem", o->data_dir);
    const struct http_options http = {
        .listen = o->listen,
        .web_dir = o->web_dir,
        .data_dir = o->data_dir,
        .tls_chain = o->https_chain ? o->https_chain : o->https ? own : NULL,
        .tls_key = o->https_key ? o->https_key : o->https ? own : NULL,
        .requests_per_s = run->options.requests_per_s,
        .requests_burst = run->options.requests_burst,
    };
    TRY(http_start(&http, run->domain, why, &run->http));
    return domain_start(run->domain);
}

/* Connections of the door and of clusters are descriptors. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    rlim_t wanted = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    if (wanted <= limit.rlim_cur) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct run run;
    static char log_memory[LOG_KEPT];
    struct why why = { "" };
    bool help = false;
    status result = options_parse(&run.options, argc, argv, &help, &why);
    if (failed(result)) return complain(&why, result, 2);
    if (help) return 0;
    if (run.options.show) return show(&run.options);
    if (run.options.verify_audit) return verify_audit(&run.options);
    log_keep(log_memory, sizeof log_memory);
    raise_descriptors();
    lifecycle_block_signals();
    result = options_claim_folder(&run.options, &why);
    if (failed(result)) return complain(&why, result, 1);
    result = start(&run, &why);
    if (is_ok(result)) result = lifecycle_run(run.domain, run.quickstart.cluster_id, ready, &run);
    http_stop(run.http);
    domain_free(run.domain);
    options_release_folder(&run.options);
    return failed(result) ? complain(&why, result, 1) : 0;
}
