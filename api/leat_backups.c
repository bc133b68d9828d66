/* leat_backups.c - /leat/v1/backups: copies of clusters, and clusters made from them. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/backups.h"

static json_t *to_json(const struct backup_info *i)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I}", "kind", "LeatBackup", "id", i->id,
                     "cluster_id", i->cluster_id, "environment_id", i->environment_id, "display_name",
                     i->display_name, "description", i->description, "created_at", api_time(i->created_at),
                     "bytes", (json_int_t)i->bytes, "files", (json_int_t)i->files, "format",
                     (json_int_t)i->format);
}

static void made(void *arg, status result, const struct why *why, const struct backup_info *info)
{
    struct api_request *rq = arg;
    if (failed(result)) {
        control_fail(rq, result, why, STR_NULL);
        return;
    }
    struct backup_info full = *info;
    full.format = BACKUP_FORMAT;
    api_reply(rq, 201, to_json(&full));
}

void leat_backups_create(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    struct str description = STR_NULL;
    if (rq->body.len) {
        const json_t *body = api_body(rq);
        if (!body || !control_str(rq, body, "description", "/description", false, &description)) return;
    }
    backups_make(rq->domain, &actor, rq->params[0], description, made, rq);
}

static void add_row(void *arg, const struct backup_info *info)
{
    json_array_append_new(arg, to_json(info));
}

void leat_backups_list(struct api_request *rq)
{
    json_t *data = json_array();
    status result = backups_list(rq->domain->options.data_dir, add_row, data);
    if (is_ok(result)) {
        api_reply_list(rq, NULL, "LeatBackupList", data, NULL, (int64_t)json_array_size(data));
        return;
    }
    json_decref(data);
    api_fail(rq, result, NULL);
}

void leat_backups_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = backups_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 204, NULL);
}

struct restoring {
    struct api_request *rq;
    char cluster_id[ID_TEXT];
};

static void restored(void *arg, status result, const struct why *why)
{
    struct restoring *r = arg;
    if (failed(result)) control_fail(r->rq, result, why, STR_NULL);
    else api_reply(r->rq, 202, json_pack("{s:s, s:s}", "kind", "LeatRestore", "cluster_id", r->cluster_id));
}

void leat_backups_restore(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    struct restore_spec spec = { .backup_id = rq->params[0] };
    struct restoring *r = ARENA_NEW(rq->arena, struct restoring);
    if (rq->body.len) {
        const json_t *body = api_body(rq);
        if (!body || !control_str(rq, body, "cluster_id", "/cluster_id", false, &spec.cluster_id) ||
            !control_str(rq, body, "display_name", "/display_name", false, &spec.display_name) ||
            !control_ref_id(rq, body, "environment", "/environment", false, &spec.environment_id))
            return;
    }
    r->rq = rq;
    backups_restore(rq->domain, &actor, &spec, restored, r, r->cluster_id);
}

static void copied(void *arg, status result, const struct why *why, const struct database_copy *copy)
{
    struct api_request *rq = arg;
    if (failed(result)) {
        control_fail(rq, result, why, STR_NULL);
        return;
    }
    api_reply(rq, 201, json_pack("{s:s, s:s, s:I, s:o}", "kind", "LeatDatabaseBackup", "path", copy->path,
                                 "bytes", (json_int_t)copy->bytes, "created_at", api_time(copy->created_at)));
}

void leat_database_backup(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    backups_database(rq->domain, &actor, copied, rq);
}
