/* audit_log.c - /leat/v1/audit: what was done, newest first. HTTP threads. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/audit.h"

#include <stdio.h>

static json_t *to_json(const struct audit_row *row)
{
    json_t *detail = json_loadb(row->detail.data, row->detail.len, 0, NULL);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)row->id, "at",
                     api_time(row->at), "actor", api_str(row->actor), "door", api_str(row->door), "address",
                     api_str(row->address), "request_id", api_str(row->request_id), "operation",
                     api_str(row->operation), "resource", api_str(row->resource), "cluster_id",
                     row->cluster_id.len ? api_str(row->cluster_id) : json_null(), "detail",
                     detail ? detail : json_object());
}

static void add_row(void *arg, const struct audit_row *row)
{
    struct control_page *p = arg;
    char id[24];
    if (!control_page_room(p)) return;
    snprintf(id, sizeof id, "%lld", (long long)row->id);
    control_page_add(p, to_json(row), id);
}

void audit_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t before = 0;
    struct str cluster = rq->http->query(rq, "cluster_id", 0);
    static const struct role_scope everywhere = { .name = { "", 0 } };
    bool may = cluster.len ? access_permit_cluster(rq, cluster) : access_permit(rq, &everywhere);
    if (!may || !control_page_begin(&p, rq)) return;
    if (p.page.after.len && (!str_to_i64(p.page.after, &before) || before == 0)) {
        json_decref(p.data);
        api_fail_at(rq, 400, "invalid_request", "page_token is not one of this list.", NULL, "page_token");
        return;
    }
    status result = audit_list(rq->db, cluster, before, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, NULL, "AuditList", -1);
}
