/* cluster_run.c - from rows to processes and back. Domain thread.
 *
 * Deleting survives a kill at any point: `deleting` is set in the row first; the processes are stopped;
 * the rows go in one transaction that leaves a `removal` behind; that row goes when the folder is
 * gone. clusters_resume starts again wherever it ended. */
#include "domain/cluster_run.h"

#include "base/log.h"
#include "domain/backups.h"
#include "domain/certificates.h"
#include "domain/clusters.h"
#include "domain/failpoint.h"
#include "domain/isolation.h"
#include "domain/watchers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_DEPTH_MAX 8
#define PATH_BYTES 512

/* --- ports --------------------------------------------------------------------------------------- */

static bool port_is_free(const struct domain *domain, uint16_t port)
{
    int one = 1;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    at.sin_addr.s_addr = htonl(domain->options.advertise ? INADDR_ANY : INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool free_now = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return free_now;
}

status cluster_run_port(struct domain *domain, uint16_t *ret_port, struct why *why)
{
    int64_t next = domain->options.broker_port_first;
    uint16_t found = 0;
    struct db_query *q = DB(domain->db, "SELECT port FROM (SELECT port FROM broker UNION SELECT tls_port "
                                        "FROM broker) WHERE port BETWEEN ? AND ? ORDER BY port",
                            domain->options.broker_port_first, domain->options.broker_port_last);
    bool row = db_next(q);
    for (; next <= domain->options.broker_port_last && !found; next++) {
        if (row && db_i64(q, 0) == next) {
            row = db_next(q);
            continue;
        }
        if (port_is_free(domain, (uint16_t)next)) found = (uint16_t)next;
    }
    TRY(db_end(q));
    if (!found) {
        why_set(why, "No port of the range %u-%u is free for another cluster.",
                domain->options.broker_port_first, domain->options.broker_port_last);
        return FAIL(LIMIT);
    }
    *ret_port = found;
    return OK;
}

/* --- starting ------------------------------------------------------------------------------------ */

void clusters_proc_id(const char *cluster_id, char ret_id[64])
{
    snprintf(ret_id, 64, "%.39s-1", cluster_id);
}

static bool folder_of(const struct domain *domain, const char *cluster_id, char path[PATH_BYTES])
{
    int n = snprintf(path, PATH_BYTES, "%s/clusters/%s", domain->options.data_dir, cluster_id);
    return n > 0 && n < PATH_BYTES - 8;
}

static status make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return OK;
    log_error("the folder %s cannot be made: %s", path, strerror(errno));
    return status_from_errno(errno);
}

static status make_folders(const struct domain *domain, const char *folder)
{
    static const char *const parts[] = { "", "/data", "/run", "/log" };
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/clusters", domain->options.data_dir);
    TRY(make_folder(path));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        TRY(make_folder(path));
    }
    return OK;
}

static status want_broker(struct domain *domain, const struct cluster *c, const char *folder)
{
    struct proc_spec spec = { .is_broker = true };
    struct why why = { "" };
    char program[PATH_BYTES], data[PATH_BYTES + 8], run[PATH_BYTES + 8], listen[32], told[300];
    char tls_listen[48], tls_told[320], user[16];
    const char *host = domain->options.advertise;
    clusters_proc_id(c->id, spec.id);
    str_copy(spec.cluster_id, sizeof spec.cluster_id, str_c(c->id));
    if (!str_copy(spec.folder, sizeof spec.folder, str_c(folder))) return FAIL(INVALID);
    snprintf(program, sizeof program, "%s/leat-broker", domain->options.bin_dir);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(listen, sizeof listen, "%s:%u", host ? "0.0.0.0" : "127.0.0.1", c->port);
    snprintf(told, sizeof told, "%s:%u", host ? host : "127.0.0.1", c->port);
    snprintf(tls_listen, sizeof tls_listen, "SASL_SSL://%s:%u", host ? "0.0.0.0" : "127.0.0.1", c->tls_port);
    snprintf(tls_told, sizeof tls_told, "SASL_SSL://%s:%u", host ? host : "127.0.0.1", c->tls_port);
    char *argv[] = { program, "--data", data, "--run", run, "--cluster-id", (char *)c->id, "--node-id", "1",
                     "--listen", listen, "--advertise", told };
    char *user_argv[] = { "--user", user };
    char *tls_argv[] = { "--listen", tls_listen, "--advertise", tls_told };
    static_assert(sizeof argv + sizeof user_argv + sizeof tls_argv < sizeof spec.argv, "arguments fit");
    status result = isolation_user(domain, c->id, &spec.uid, &why);
    if (failed(result)) {
        log_error("%s: %s", c->id, why.text[0] ? why.text : status_text(result));
        return result;
    }
    TRY(isolation_limits(domain->db, c->id, &spec.limits));
    snprintf(user, sizeof user, "%u", spec.uid);
    char **end = mempcpy(spec.argv, argv, sizeof argv);
    if (spec.uid) end = mempcpy(end, user_argv, sizeof user_argv);
    if (c->tls_port) memcpy(end, tls_argv, sizeof tls_argv);
    return supervisor_want(domain->supervisor, &spec);
}

static void helper_id(const char *cluster_id, char ret_id[64])
{
    snprintf(ret_id, 64, "demo-%.39s", cluster_id);
}

static status start_helper(struct domain *domain, const char *cluster_id)
{
    struct proc_spec spec = { 0 };
    char program[PATH_BYTES], file[PATH_BYTES];
    helper_id(cluster_id, spec.id);
    str_copy(spec.cluster_id, sizeof spec.cluster_id, str_c(cluster_id));
    if (!folder_of(domain, cluster_id, spec.folder)) return FAIL(INVALID);
    snprintf(program, sizeof program, "%s/leat", domain->options.bin_dir);
    snprintf(file, sizeof file, "%s/quickstart.json", domain->options.data_dir);
    char *argv[] = { program, "demo", "--quickstart", file, "--topic", "payments", "--group",
                     "fraud-check", NULL };
    memcpy(spec.argv, argv, sizeof argv);
    return supervisor_want(domain->supervisor, &spec);
}

void cluster_run_helper_may_start(struct domain *domain, const char *cluster_id)
{
    if (!domain->helper_waits[0] || strcmp(domain->helper_waits, cluster_id) != 0) return;
    if (!domain->supervisor || domain->stopping || engine_version(domain->engine, cluster_id) <= 0) return;
    domain->helper_waits[0] = 0;
    status result = start_helper(domain, cluster_id);
    if (failed(result)) log_error("the demo's generator cannot be started: %s", status_text(result));
}

static status note_helper(struct domain *domain, const char *cluster_id)
{
    int64_t count = 0;
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM helper WHERE cluster_id = ? AND kind = 'demo'",
                      cluster_id), &count));
    if (count > 0) str_copy(domain->helper_waits, sizeof domain->helper_waits, str_c(cluster_id));
    return OK;
}

/* A cluster from before there was TLS gets its port. Without a free one it goes on without. */
static status give_tls_port(struct domain *domain, struct cluster *c)
{
    struct why why = { "" };
    if (c->tls_port || c->deleting) return OK;
    if (failed(cluster_run_port(domain, &c->tls_port, &why))) {
        log_warn("%s: it serves no TLS: %s", c->id, why.text);
        return OK;
    }
    return db_run(DB(domain->db, "UPDATE broker SET tls_port = ? WHERE cluster_id = ?", c->tls_port,
                     (const char *)c->id));
}

status clusters_launch(struct domain *domain, const char *id)
{
    char folder[PATH_BYTES];
    struct cluster c;
    TRY(clusters_get(domain->db, str_c(id), &c));
    TRY(give_tls_port(domain, &c));
    if (!folder_of(domain, id, folder)) return FAIL(INVALID);
    failpoint("launch.before-folders");
    TRY(make_folders(domain, folder));
    failpoint("launch.folders");
    if (!c.deleting && !c.paused_at) TRY(note_helper(domain, id));
    if (domain->engine) TRY(engine_attach(domain->engine, id));
    if (domain->engine) engine_set_format(domain->engine, id, (int)c.format);
    if (backups_need_rest(domain, id)) return OK;
    return domain->supervisor ? want_broker(domain, &c, folder) : OK;
}

void cluster_run_rest(struct domain *domain, const char *cluster_id)
{
    char proc[64];
    if (strcmp(domain->helper_waits, cluster_id) == 0) domain->helper_waits[0] = 0;
    if (!domain->supervisor) return;
    failpoint("pause.marked");
    helper_id(cluster_id, proc);
    supervisor_stop(domain->supervisor, proc, true, NULL, NULL);
    clusters_proc_id(cluster_id, proc);
    supervisor_stop(domain->supervisor, proc, true, NULL, NULL);
}

/* --- ending -------------------------------------------------------------------------------------- */

struct ending {
    struct domain *domain;
    char cluster_id[ID_TEXT];
    char folder[PATH_BYTES];
    int waiting;      /* processes still to end */
    struct job job;   /* removal of the folder */
    status result;
};

/* Empties the folder at fd, never following a link; takes fd. */
static status remove_below(int fd, int depth)
{
    DIR *dir = depth > 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return FAIL(IO);
    }
    status result = OK;
    for (struct dirent *e; is_ok(result) && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (unlinkat(fd, e->d_name, 0) == 0) continue;
        if (errno != EISDIR && errno != EPERM) result = status_from_errno(errno);
        int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0) break;
        result = remove_below(below, depth - 1);
        if (is_ok(result) && unlinkat(fd, e->d_name, AT_REMOVEDIR) != 0) result = status_from_errno(errno);
    }
    closedir(dir);
    return result;
}

static void remove_work(struct job *job)
{
    struct ending *ending = CONTAINER_OF(job, struct ending, job);
    failpoint("removal.begin");
    int fd = open(ending->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        ending->result = errno == ENOENT ? OK : status_from_errno(errno);
        return;
    }
    ending->result = remove_below(fd, FOLDER_DEPTH_MAX);
    failpoint("removal.emptied");
    if (is_ok(ending->result) && rmdir(ending->folder) != 0) ending->result = status_from_errno(errno);
}

static void remove_done(struct job *job)
{
    struct ending *ending = CONTAINER_OF(job, struct ending, job);
    status result = ending->result;
    failpoint("removal.done");
    if (is_ok(result))
        result = db_run(DB(ending->domain->db, "DELETE FROM removal WHERE cluster_id = ?",
                           (const char *)ending->cluster_id));
    if (failed(result))
        log_error("the folder %s is not removed (%s); the next start tries again", ending->folder,
                  status_text(result));
    mem_free(ending);
}

static status start_removal(struct ending *ending)
{
    ending->job.work = remove_work;
    ending->job.done = remove_done;
    return loop_submit(ending->domain->loop, &ending->job, LANE_BACKGROUND);
}

static status delete_rows(struct db *db, const char *id)
{
    static const char *const sql[] = {
        "DELETE FROM helper WHERE cluster_id = ?", "DELETE FROM client_quota WHERE cluster_id = ?",
        "DELETE FROM scram_user WHERE cluster_id = ?", "DELETE FROM kafka_quota WHERE cluster_id = ?",
        "DELETE FROM acl WHERE cluster_id = ?", "DELETE FROM api_key WHERE cluster_id = ?",
        "DELETE FROM topic_config WHERE cluster_id = ?", "DELETE FROM topic WHERE cluster_id = ?",
        "DELETE FROM topic_request WHERE cluster_id = ?", "DELETE FROM cluster_limit WHERE cluster_id = ?",
        "DELETE FROM cluster_tls WHERE cluster_id = ?",
        "DELETE FROM cluster_authentication WHERE cluster_id = ?",
        "DELETE FROM broker WHERE cluster_id = ?", "DELETE FROM cluster WHERE id = ?",
        "INSERT OR IGNORE INTO removal VALUES (?)",
    };
    TRY(db_begin(db));
    status result = OK;
    for (size_t i = 0; i < ARRAY_LEN(sql) && is_ok(result); i++) result = db_run(DB(db, sql[i], id));
    if (failed(result)) {
        db_rollback(db);
        return result;
    }
    return db_commit(db);
}

static void process_ended(void *arg)
{
    struct ending *ending = arg;
    if (--ending->waiting > 0) return;
    struct domain *domain = ending->domain;
    failpoint("delete.ended");
    if (domain->engine) engine_detach(domain->engine, ending->cluster_id);
    status result = delete_rows(domain->db, ending->cluster_id);
    failpoint("delete.rows-gone");
    if (is_ok(result)) certificates_forget(domain, ending->cluster_id);
    if (is_ok(result)) watchers_tell(domain, ending->cluster_id, "cluster");
    if (is_ok(result)) result = start_removal(ending);
    if (failed(result)) {
        log_error("cluster %s is not deleted (%s); the next start tries again", ending->cluster_id,
                  status_text(result));
        mem_free(ending);
    }
}

static struct ending *ending_new(struct domain *domain, const char *cluster_id)
{
    struct ending *ending = mem_zalloc(sizeof *ending);
    if (!ending) return NULL;
    ending->domain = domain;
    str_copy(ending->cluster_id, sizeof ending->cluster_id, str_c(cluster_id));
    if (folder_of(domain, cluster_id, ending->folder)) return ending;
    mem_free(ending);
    return NULL;
}

static void stop_process(struct ending *ending, const char *proc_id)
{
    struct proc_info info;
    struct supervisor *supervisor = ending->domain->supervisor;
    if (!supervisor || !supervisor_info(supervisor, proc_id, &info)) return;
    ending->waiting++;
    supervisor_stop(supervisor, proc_id, true, process_ended, ending);
}

void cluster_run_end(struct domain *domain, const char *cluster_id)
{
    char proc[64];
    struct ending *ending = ending_new(domain, cluster_id);
    if (!ending) {
        log_error("cluster %s is not deleted for lack of memory; the next start tries again", cluster_id);
        return;
    }
    if (strcmp(domain->helper_waits, cluster_id) == 0) domain->helper_waits[0] = 0;
    failpoint("delete.marked");
    ending->waiting = 1; /* until all are asked to stop */
    helper_id(cluster_id, proc);
    stop_process(ending, proc);
    clusters_proc_id(cluster_id, proc);
    stop_process(ending, proc);
    process_ended(ending);
}

/* --- start of leatd ------------------------------------------------------------------------------ */

static status resume_removals(struct domain *domain)
{
    char id[ID_TEXT];
    struct db_query *q = DB(domain->db, "SELECT cluster_id FROM removal");
    while (db_next(q)) {
        DB_COPY(q, 0, id);
        struct ending *ending = id[0] ? ending_new(domain, id) : NULL;
        if (ending && failed(start_removal(ending))) mem_free(ending);
    }
    return db_end(q);
}

struct resume {
    struct domain *domain;
    status result;
};

static void resume_cluster(void *arg, const struct cluster *c)
{
    struct resume *resume = arg;
    status result = clusters_launch(resume->domain, c->id);
    if (failed(result)) {
        log_error("cluster %s cannot be started: %s", c->id, status_text(result));
        resume->result = result;
    }
    /* One being deleted, or paused, is launched too, so that a broker still running is found and ended. */
    if (c->deleting) cluster_run_end(resume->domain, c->id);
    else if (c->paused_at) cluster_run_rest(resume->domain, c->id);
}

status clusters_resume(struct domain *domain)
{
    struct resume resume = { domain, OK };
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/clusters", domain->options.data_dir);
    if (domain->supervisor) supervisor_end_strays(folder);
    TRY(resume_removals(domain));
    TRY(clusters_list(domain->db, STR_NULL, STR_NULL, CLUSTERS_MAX, resume_cluster, &resume));
    return OK;
}
