/* backups.c - copies of a cluster, and clusters made from them. Domain thread; the disk is waited for on
 * the pool.
 *
 * One at a time. Killed while it makes a backup, leatd finds a folder without its end name and removes
 * it, and the broker is started as always. Killed while it restores, it finds the cluster's id in
 * `setting` and deletes what there is of it. */
#include "domain/backups.h"

#include "base/log.h"
#include "domain/cluster_image.h"
#include "domain/cluster_run.h"
#include "domain/environments.h"
#include "domain/failpoint.h"
#include "domain/settings.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 10
#define SERVES_MS 10000 /* a broker that is being started gets so long */
#define TRIES_MAX 5
#define RESTORING "restoring"
#define DATABASES_KEPT 5

struct backup_work {
    struct domain *domain;
    struct job job;
    struct timer timer;          /* until the broker serves, or has ended */
    int64_t give_up_at;          /* loop time: the broker is ended for its backup */
    int tries;
    struct buf files;            /* as its broker named them, for image_version */
    int64_t image_version;
    bool named;                  /* … and keeps them until it is told */
    bool rests;                  /* no broker may be started meanwhile */
    char path[BACKUP_PATH], folder[BACKUP_PATH], database[BACKUP_PATH];
    struct backup_info info;
    struct buf image;            /* of a restore */
    char cluster_id[ID_TEXT];
    status result;
    backup_done made;
    domain_done restored;
    database_done copied;
    struct database_copy copy;
    void *arg;
};

static bool path_of(const struct domain *domain, struct str id, char path[BACKUP_PATH])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    char text[40];
    if (!str_copy(text, sizeof text, id) || strncmp(text, "bk-", 3) != 0 || text[strspn(text, letters)])
        return false;
    int n = snprintf(path, BACKUP_PATH, "%s/backups/%s", domain->options.data_dir, text);
    return n > 0 && n < BACKUP_PATH - 16;
}

static status begin(struct domain *domain, struct backup_work **ret, struct why *why)
{
    if (domain->backup) {
        why_set(why, "Another backup or restore is under way.");
        return FAIL(CONFLICT);
    }
    struct backup_work *work = mem_zalloc(sizeof *work);
    if (!work) return FAIL(NO_MEMORY);
    work->domain = domain;
    buf_init(&work->image, 64 << 20);
    buf_init(&work->files, 0);
    domain->backup = *ret = work;
    return OK;
}

static void end(struct backup_work *work)
{
    work->domain->backup = NULL;
    loop_timer_clear(work->domain->loop, &work->timer);
    buf_done(&work->image);
    buf_done(&work->files);
    mem_free(work);
}

/* --- making ------------------------------------------------------------------------------------------ */

static void attempt(struct backup_work *w);

static void make_work(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    struct backup_source source = { w->folder, w->database, { 0 }, -1 };
    if (w->named) {
        source.named = buf_bytes(&w->files);
        /* Of a cluster whose metadata never rests, the rows are younger than the records at last. */
        if (w->tries < TRIES_MAX) source.image_version = w->image_version;
    }
    w->result = backup_files_make(w->path, &source, &w->info);
}

/* Also of a cluster that was resumed meanwhile. */
static void serve_again(struct backup_work *w)
{
    struct cluster c;
    if (failed(clusters_get(w->domain->db, str_c(w->cluster_id), &c)) || c.deleting || c.paused_at) return;
    status result = clusters_launch(w->domain, c.id);
    if (failed(result)) log_error("%s is not started after its backup: %s", c.id, status_text(result));
}

static void make_done(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    struct why why = { "" };
    if (TAKE(w->named)) {
        bool held = engine_backup_end(w->domain->engine, w->cluster_id);
        if (is_ok(w->result) && !held) { /* its broker has ended, and the next one may have changed files */
            (void)backup_files_remove(w->path);
            w->result = FAIL(BUSY);
        }
        if (failed(w->result) && (w->result.code == E_BUSY || !held) && w->tries < TRIES_MAX) {
            attempt(w);
            return;
        }
    }
    if (TAKE(w->rests)) serve_again(w);
    if (failed(w->result)) why_set(&why, "The backup cannot be written: %s", status_text(w->result));
    failpoint("backup.done");
    w->made(w->arg, w->result, &why, &w->info);
    end(w);
}

static void make_begin(struct backup_work *w)
{
    failpoint("backup.taken");
    w->job = (struct job){ .work = make_work, .done = make_done };
    w->result = loop_submit(w->domain->loop, &w->job, LANE_COMPACTION);
    if (failed(w->result)) make_done(&w->job);
}

static void files_named(void *arg, status result, int64_t image_version, struct buf *files)
{
    struct backup_work *w = arg;
    if (is_ok(result)) {
        w->named = true;
        w->image_version = image_version;
        buf_done(&w->files);
        w->files = *files;
        buf_init(files, 0);
        make_begin(w);
        return;
    }
    if (result.code == E_UNSUPPORTED_VERSION) w->give_up_at = 0; /* it has to end for its backup */
    (void)loop_timer_set(w->domain->loop, &w->timer, loop_now(w->domain->loop) + LOOK_MS);
}

/* Its broker does not serve: it will in a moment, or it has ended, or it is ended for the copy. */
static void look_again(struct timer *timer)
{
    struct backup_work *w = CONTAINER_OF(timer, struct backup_work, timer);
    struct proc_info info = { 0 };
    char proc[64];
    clusters_proc_id(w->cluster_id, proc);
    bool there = w->domain->supervisor && supervisor_info(w->domain->supervisor, proc, &info);
    if (!there || info.state == PROC_STOPPED) {
        w->rests = true;
        make_begin(w);
        return;
    }
    if (loop_now(w->domain->loop) >= w->give_up_at) {
        if (info.state != PROC_STOPPING) supervisor_stop(w->domain->supervisor, proc, false, NULL, NULL);
    } else if (info.state == PROC_RUNNING) {
        engine_backup(w->domain->engine, w->cluster_id, files_named, w);
        return;
    }
    (void)loop_timer_set(w->domain->loop, timer, loop_now(w->domain->loop) + LOOK_MS);
}

static void attempt(struct backup_work *w)
{
    w->tries++;
    w->give_up_at = loop_now(w->domain->loop) + SERVES_MS;
    look_again(&w->timer);
}

bool backups_need_rest(const struct domain *domain, const char *cluster_id)
{
    const struct backup_work *w = domain->backup;
    return w && w->rests && strcmp(w->cluster_id, cluster_id) == 0;
}

static json_t *info_json(const struct backup_info *info)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", info->id, "cluster_id", info->cluster_id,
                     "display_name", info->display_name, "description", info->description, "created_at",
                     (json_int_t)info->created_at);
}

static status prepare(struct domain *domain, const struct actor *actor, const struct cluster *c,
                      struct str description, struct backup_work *w)
{
    CLEANUP_CHANGE struct change *change = NULL;
    char folder[BACKUP_PATH];
    secret_id_new("bk-", w->info.id);
    snprintf(folder, sizeof folder, "%s/backups", domain->options.data_dir);
    (void)mkdir(folder, 0700); /* the next step says when it is not there */
    if (!path_of(domain, str_c(w->info.id), w->path)) return FAIL(INVALID);
    snprintf(w->folder, sizeof w->folder, "%s/clusters/%s", domain->options.data_dir, c->id);
    snprintf(w->database, sizeof w->database, "%s", db_path(domain->db));
    memcpy(w->cluster_id, c->id, sizeof w->cluster_id);
    memcpy(w->info.cluster_id, c->id, sizeof w->info.cluster_id);
    memcpy(w->info.environment_id, c->environment_id, sizeof w->info.environment_id);
    memcpy(w->info.display_name, c->display_name, sizeof w->info.display_name);
    if (description.data) str_copy(w->info.description, sizeof w->info.description, description);
    w->info.created_at = domain_wall();
    w->info.metadata_version = c->metadata_version;
    TRY(change_begin(domain, NULL, actor, &change));
    change_set_cluster(change, c->id);
    change_note(change, "backup", NULL, info_json(&w->info));
    TRY(change_audit(change, "cluster.backup", c->id, NULL));
    return change_commit_now(&change);
}

void backups_make(struct domain *domain, const struct actor *actor, struct str cluster_id,
                  struct str description, backup_done done, void *arg)
{
    struct backup_work *w = NULL;
    struct why why = { "" };
    struct cluster c;
    status result = clusters_get(domain->db, cluster_id, &c);
    if (is_ok(result) && c.deleting) result = FAIL(NOT_FOUND);
    if (is_ok(result)) result = text_check(description.data ? description : STR(""), &why);
    if (is_ok(result)) result = begin(domain, &w, &why);
    if (is_ok(result)) result = prepare(domain, actor, &c, description, w);
    if (failed(result)) {
        if (w) end(w);
        done(arg, result, &why, NULL);
        return;
    }
    w->made = done;
    w->arg = arg;
    failpoint("backup.noted");
    timer_init(&w->timer, look_again);
    attempt(w);
}

/* --- restoring --------------------------------------------------------------------------------------- */

static void restore_work(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    char data[BACKUP_PATH + 8];
    snprintf(data, sizeof data, "%s/data", w->folder);
    if (mkdir(w->folder, 0700) != 0 || mkdir(data, 0700) != 0) w->result = FAIL(IO);
    else w->result = backup_files_restore(w->path, data, buf_bytes(&w->image));
    failpoint("restore.files");
}

static status let_it_run(struct backup_work *w)
{
    const char *id = w->cluster_id;
    struct db *db = w->domain->db;
    TRY(db_begin(db));
    /* A version more than its image has: it is told the whole of it, with certificates. */
    status result = db_run(DB(db, "UPDATE cluster SET metadata_version = metadata_version + 1 WHERE "
                                  "id = ?", id));
    if (is_ok(result))
        result = db_run(DB(db, "UPDATE broker SET wanted = 'running', paused_at = NULL, pause_reason = '' "
                               "WHERE cluster_id = ?", id));
    if (is_ok(result)) result = settings_set(db, RESTORING, "");
    if (failed(result)) {
        db_rollback(db);
        return result;
    }
    TRY(db_commit(db));
    failpoint("restore.settled");
    return clusters_launch(w->domain, id);
}

static void undo(struct backup_work *w)
{
    struct db *db = w->domain->db;
    status result = db_run(DB(db, "UPDATE cluster SET deleting = 1 WHERE id = ?",
                              (const char *)w->cluster_id));
    if (is_ok(result)) result = settings_set(db, RESTORING, "");
    if (is_ok(result)) cluster_run_end(w->domain, w->cluster_id);
    else log_error("what was restored of %s stays: %s", w->cluster_id, status_text(result));
}

static void restore_done(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    struct why why = { "" };
    if (is_ok(w->result)) w->result = let_it_run(w);
    if (failed(w->result)) {
        why_set(&why, "The backup cannot be restored: %s", status_text(w->result));
        undo(w);
    }
    w->restored(w->arg, w->result, &why);
    end(w);
}

/* The rows of one table, of columns that both have: the backup may be of another version. */
static status take_table(struct db *db, const char *table, const char *cluster_id, const char *where)
{
    char columns[1024], sql[2600];
    struct db_query *q = DB(db, "SELECT group_concat(m.name) FROM pragma_table_info(?1, 'main') m JOIN "
                                "pragma_table_info(?1, 'bk') b ON b.name = m.name WHERE m.name <> "
                                "'cluster_id'", table);
    bool row = db_next(q);
    columns[0] = 0;
    if (row) DB_COPY(q, 0, columns);
    TRY(db_end(q));
    if (!columns[0]) return OK; /* the backup is from before there was such a table */
    snprintf(sql, sizeof sql, "DELETE FROM main.%s WHERE cluster_id = '%s'; INSERT INTO main.%s (cluster_id, "
                              "%s) SELECT '%s', %s FROM bk.%s WHERE %s", table, cluster_id, table, columns,
             cluster_id, columns, table, where);
    return db_script(db, sql);
}

static status take_tables(struct db *db, const char *cluster_id, bool same_id)
{
    static const char *const tables[] = { "topic", "topic_config", "acl", "scram_user", "kafka_quota",
                                          "cluster_authentication", "cluster_limit" };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) TRY(take_table(db, tables[i], cluster_id, "1"));
    if (same_id)
        TRY(take_table(db, "api_key", cluster_id,
                       "bk.api_key.id NOT IN (SELECT id FROM main.api_key) AND bk.api_key.owner IN "
                       "(SELECT id FROM main.service_account)"));
    return db_run(DB(db, "UPDATE cluster SET (plan, kind, cku, tag, metadata_version) = (SELECT plan, kind, "
                         "cku, tag, metadata_version + 1 FROM bk.cluster) WHERE id = ?", cluster_id));
}

static status insert_cluster(struct domain *domain, const struct restore_spec *spec,
                             const struct backup_info *info, struct cluster *ret, struct why *why)
{
    struct environment e;
    bool same = spec->cluster_id.data != NULL;
    if (same && !str_eq_c(spec->cluster_id, info->cluster_id)) {
        why_set(why, "cluster_id is left out, for a new one, or the backup's own: %s.", info->cluster_id);
        return FAIL(INVALID);
    }
    struct cluster_spec wanted = {
        .id = spec->cluster_id, .kind = STR("Basic"), .cku = 1, .availability = STR("SINGLE_ZONE"),
        .cloud = STR("leat"), .region = STR("local"),
        .environment_id = spec->environment_id.data ? spec->environment_id : str_c(info->environment_id),
        .display_name = spec->display_name.data ? spec->display_name : str_c(info->display_name),
    };
    if (failed(environments_get(domain->db, wanted.environment_id, &e))) {
        why_set(why, "There is no environment %.*s: name one in environment.id.",
                STR_ARG(wanted.environment_id));
        return FAIL(INVALID);
    }
    if (same && is_ok(clusters_get(domain->db, spec->cluster_id, ret))) {
        why_set(why, "The cluster %s is there: delete it first, or leave cluster_id out.", info->cluster_id);
        return FAIL(CONFLICT);
    }
    TRY(clusters_insert(domain, &wanted, ret, why));
    TRY(take_tables(domain->db, ret->id, same));
    TRY(db_run(DB(domain->db, "UPDATE broker SET wanted = 'stopped', paused_at = ?, pause_reason = 'It is "
                              "being restored.' WHERE cluster_id = ?", domain_wall(),
                  (const char *)ret->id)));
    return settings_set(domain->db, RESTORING, ret->id);
}

static status restore_rows(struct domain *domain, const struct actor *actor, const struct restore_spec *spec,
                           struct backup_work *w, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(insert_cluster(domain, spec, &w->info, &c, why));
    change_set_cluster(change, c.id);
    TRY(change_audit_with(change, "cluster.restore", c.id, "backup_id", str_c(w->info.id)));
    TRY(change_commit_now(&change));
    failpoint("restore.marked");
    memcpy(w->cluster_id, c.id, sizeof w->cluster_id);
    return cluster_image_build(domain->db, c.id, &w->image);
}

static status restore(struct domain *domain, const struct actor *actor, const struct restore_spec *spec,
                      struct backup_work *w, struct why *why)
{
    char name[BACKUP_PATH + 16];
    if (!path_of(domain, spec->backup_id, w->path)) return FAIL(NOT_FOUND);
    status result = backup_files_info(w->path, &w->info);
    if (result.code == E_FORMAT)
        why_set(why, "The backup has format %lld, which is of a newer version of Leat; this one reads %d.",
                (long long)w->info.format, BACKUP_FORMAT);
    TRY(result);
    snprintf(name, sizeof name, "%s/backup.db", w->path);
    TRY(db_run(DB(domain->db, "ATTACH ? AS bk", (const char *)name)));
    result = restore_rows(domain, actor, spec, w, why);
    status detached = db_run(DB(domain->db, "DETACH bk"));
    if (failed(detached))
        log_error("the database of %s stays attached: %s", w->info.id, status_text(detached));
    TRY(result);
    snprintf(w->folder, sizeof w->folder, "%s/clusters/%s", domain->options.data_dir, w->cluster_id);
    snprintf(name, sizeof name, "%s/clusters", domain->options.data_dir);
    (void)mkdir(name, 0700); /* the next step says when it is not there */
    w->job = (struct job){ .work = restore_work, .done = restore_done };
    result = loop_submit(domain->loop, &w->job, LANE_COMPACTION);
    if (failed(result)) undo(w);
    return result;
}

void backups_restore(struct domain *domain, const struct actor *actor, const struct restore_spec *spec,
                     domain_done done, void *arg, char ret_cluster_id[ID_TEXT])
{
    struct backup_work *w = NULL;
    struct why why = { "" };
    status result = begin(domain, &w, &why);
    if (is_ok(result)) {
        w->restored = done;
        w->arg = arg;
        result = restore(domain, actor, spec, w, &why);
        memcpy(ret_cluster_id, w->cluster_id, ID_TEXT);
    }
    if (is_ok(result)) return;
    if (w) end(w);
    done(arg, result, &why);
}

/* --- the database ------------------------------------------------------------------------------------ */

static void forget_old_copies(const char *data_dir)
{
    char pattern[BACKUP_PATH];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/backups/database-*.db", data_dir);
    if (glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i + DATABASES_KEPT < found.gl_pathc; i++) unlink(found.gl_pathv[i]);
    globfree(&found);
}

static void copy_work(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    CLEANUP(db) struct db *db = NULL;
    struct stat st;
    w->result = db_open_writer(w->database, &db); /* a reader may not even copy */
    if (is_ok(w->result)) w->result = db_copy(db, w->copy.path);
    if (failed(w->result)) return;
    if (stat(w->copy.path, &st) == 0) w->copy.bytes = st.st_size;
    forget_old_copies(w->domain->options.data_dir);
}

static void copy_done(struct job *job)
{
    struct backup_work *w = CONTAINER_OF(job, struct backup_work, job);
    struct why why = { "" };
    if (failed(w->result)) why_set(&why, "The database cannot be copied: %s", status_text(w->result));
    w->copied(w->arg, w->result, &why, &w->copy);
    end(w);
}

static status begin_copy(struct domain *domain, const struct actor *actor, struct backup_work *w)
{
    CLEANUP_CHANGE struct change *change = NULL;
    char folder[BACKUP_PATH - 64];
    snprintf(folder, sizeof folder, "%s/backups", domain->options.data_dir);
    (void)mkdir(folder, 0700); /* the next step says when it is not there */
    w->copy.created_at = domain_wall();
    snprintf(w->copy.path, sizeof w->copy.path, "%s/database-%013lld.db", folder,
             (long long)w->copy.created_at);
    snprintf(w->database, sizeof w->database, "%s", db_path(domain->db));
    TRY(change_begin(domain, NULL, actor, &change));
    change_note(change, "file", NULL, json_string(strrchr(w->copy.path, '/') + 1));
    TRY(change_audit(change, "database.backup", "database", NULL));
    TRY(change_commit_now(&change));
    w->job = (struct job){ .work = copy_work, .done = copy_done };
    return loop_submit(domain->loop, &w->job, LANE_COMPACTION);
}

void backups_database(struct domain *domain, const struct actor *actor, database_done done, void *arg)
{
    struct backup_work *w = NULL;
    struct why why = { "" };
    status result = begin(domain, &w, &why);
    if (is_ok(result)) {
        w->copied = done;
        w->arg = arg;
        result = begin_copy(domain, actor, w);
    }
    if (is_ok(result)) return;
    if (w) end(w);
    done(arg, result, &why, NULL);
}

/* --- the folder of all ------------------------------------------------------------------------------- */

static status each_folder(const char *data_dir, void (*each)(void *arg, const char *name, const char *path),
                          void *arg)
{
    char path[BACKUP_PATH], below[BACKUP_PATH + 300];
    snprintf(path, sizeof path, "%s/backups", data_dir);
    DIR *dir = opendir(path);
    if (!dir) return OK; /* none was ever made */
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        each(arg, e->d_name, below);
    }
    closedir(dir);
    return OK;
}

struct listing {
    void (*each)(void *arg, const struct backup_info *info);
    void *arg;
    int count;
};

static void list_one(void *arg, const char *name, const char *path)
{
    struct listing *l = arg;
    struct backup_info info;
    if (strchr(name, '.') || l->count >= BACKUPS_MAX) return;
    if (failed(backup_files_info(path, &info)) && !info.format) return;
    l->count++;
    l->each(l->arg, &info);
}

status backups_list(const char *data_dir, void (*each)(void *arg, const struct backup_info *info), void *arg)
{
    struct listing listing = { each, arg, 0 };
    return each_folder(data_dir, list_one, &listing);
}

struct removing {
    struct job job;
    char path[BACKUP_PATH + 16];
};

static void removing_work(struct job *job)
{
    struct removing *r = CONTAINER_OF(job, struct removing, job);
    status result = backup_files_remove(r->path);
    if (failed(result))
        log_error("%s is not removed (%s); the next start tries again", r->path, status_text(result));
}

static void removing_done(struct job *job) { mem_free(CONTAINER_OF(job, struct removing, job)); }

static void remove_later(struct domain *domain, const char *path)
{
    struct removing *r = mem_zalloc(sizeof *r);
    if (!r) return; /* the next start tries again */
    snprintf(r->path, sizeof r->path, "%s", path);
    r->job = (struct job){ .work = removing_work, .done = removing_done };
    if (failed(loop_submit(domain->loop, &r->job, LANE_DELETION))) mem_free(r);
}

status backups_delete(struct domain *domain, const struct actor *actor, struct str id, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct backup_info info;
    char path[BACKUP_PATH], gone[BACKUP_PATH + 16];
    if (domain->backup) {
        why_set(why, "A backup or restore is under way.");
        return FAIL(CONFLICT);
    }
    if (!path_of(domain, id, path)) return FAIL(NOT_FOUND);
    status found = backup_files_info(path, &info);
    if (found.code == E_NOT_FOUND) return found;
    TRY(change_begin(domain, NULL, actor, &change));
    change_note(change, "backup", info_json(&info), NULL);
    TRY(change_audit(change, "backup.delete", info.id, NULL));
    TRY(change_commit_now(&change));
    snprintf(gone, sizeof gone, "%s.partial", path);
    if (rename(path, gone) != 0) return FAIL(IO);
    remove_later(domain, gone);
    return OK;
}

static void tidy_one(void *arg, const char *name, const char *path)
{
    if (strstr(name, ".partial")) remove_later(arg, path);
}

status backups_tidy(struct domain *domain)
{
    char id[ID_TEXT];
    TRY(each_folder(domain->options.data_dir, tidy_one, domain));
    if (failed(settings_get(domain->db, RESTORING, id, sizeof id)) || !id[0]) return OK;
    log_warn("%s was not restored to its end and is deleted", id);
    TRY(db_run(DB(domain->db, "UPDATE cluster SET deleting = 1 WHERE id = ?", (const char *)id)));
    return settings_set(domain->db, RESTORING, "");
}

void backups_stop(struct domain *domain)
{
    if (domain->backup) loop_timer_clear(domain->loop, &domain->backup->timer);
}
