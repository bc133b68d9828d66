/* leat_processes.c - processes and logs, /leat/v1/clusters/{id}/… and of the service itself: what an
 * operator looks at first. */
#include "api/control.h"
#include "api/handlers.h"
#include "base/log.h"
#include "domain/clusters.h"
#include "domain/processes.h"

#include <unistd.h>

#define LINES_DEFAULT 100
#define LINES_MAX 1000

static json_t *known(int64_t n) { return n >= 0 ? json_integer(n) : json_null(); }

struct turns {
    int64_t over_1ms, over_10ms, longest_us; /* -1: not known */
};

static json_t *to_json(const struct process_row *row, const struct turns *turns, int64_t disk_bytes,
                       int64_t disk_files)
{
    bool runs = row->info.pid > 0;
    json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id",
                             row->id, "role", row->role, "state", proc_state_name(row->info.state), "pid",
                             runs ? json_integer(row->info.pid) : json_null(), "started_at",
                             api_time(row->info.started_at), "restarts", row->info.restarts, "cpu_ms",
                             (json_int_t)row->usage.cpu_ms, "memory_rss_bytes",
                             (json_int_t)row->usage.rss_bytes, "memory_pss_bytes",
                             known(row->usage.pss_bytes), "threads", known(row->usage.threads), "open_files",
                             known(row->usage.open_files), "disk_bytes", known(disk_bytes),
                             "disk_files", known(disk_files));
    json_object_set_new(json, "turns_over_1ms", known(turns->over_1ms));
    json_object_set_new(json, "turns_over_10ms", known(turns->over_10ms));
    json_object_set_new(json, "longest_turn_us", known(turns->longest_us));
    return json;
}

/* As the broker told with its figures. */
static struct turns turns_of(const struct api_request *rq, const struct process_row *row)
{
    char cluster[ID_TEXT];
    const struct engine_figures *f = NULL;
    if (strcmp(row->role, "broker") == 0 && str_copy(cluster, sizeof cluster, rq->params[0]))
        f = engine_figures(rq->domain->engine, cluster);
    if (!f) return (struct turns){ -1, -1, -1 };
    return (struct turns){ f->turns_over_1ms, f->turns_over_10ms, f->longest_turn_us };
}

static void listed(void *arg, status result, const struct processes *processes)
{
    struct api_request *rq = arg;
    if (failed(result)) {
        api_fail(rq, result, result.code == E_NOT_FOUND ? "There is no such cluster." : NULL);
        return;
    }
    json_t *data = json_array();
    for (int i = 0; i < processes->count; i++) {
        const struct process_row *row = &processes->rows[i];
        const struct turns turns = turns_of(rq, row);
        bool broker = strcmp(row->role, "broker") == 0;
        json_array_append_new(data, to_json(row, &turns, broker ? processes->disk_bytes : -1,
                                            broker ? processes->files : -1));
    }
    api_reply_list(rq, NULL, "LeatProcessList", data, NULL, processes->count);
}

void leat_processes_list(struct api_request *rq) { processes_list(rq->domain, rq->params[0], listed, rq); }

static json_t *lines_of(const struct buf *out)
{
    json_t *data = json_array();
    struct bytes text = buf_bytes(out);
    for (size_t at = 0; at < text.len;) {
        const char *line = (const char *)text.data + at, *end = memchr(line, '\n', text.len - at);
        size_t len = end ? (size_t)(end - line) : text.len - at;
        json_t *string = api_str((struct str){ line, len });
        if (json_is_null(string)) string = json_string("(a line that is no text)");
        json_array_append_new(data, string);
        at += len + 1;
    }
    return data;
}

void leat_logs_get(struct api_request *rq)
{
    struct cluster c;
    struct buf out;
    int64_t lines = 0;
    if (!api_query_i64(rq, "lines", LINES_DEFAULT, 1, LINES_MAX, &lines)) return;
    if (failed(clusters_get(rq->db, rq->params[0], &c))) {
        api_fail(rq, FAIL(NOT_FOUND), "There is no such cluster.");
        return;
    }
    buf_init(&out, 1 << 20);
    status result = processes_log(rq->domain, c.id, (int)lines, &out);
    json_t *data = lines_of(&out);
    buf_done(&out);
    json_t *body = json_pack("{s:s, s:s, s:o}", "kind", "LeatClusterLog", "cluster_id", c.id, "lines", data);
    api_reply_change(rq, result, NULL, 200, 0, body);
}

/* --- the service itself ------------------------------------------------------------------------------ */

void leat_service_processes(struct api_request *rq)
{
    const struct loop_turns *t = loop_turns(rq->domain->loop);
    const struct turns turns = { (int64_t)t->over_1ms, (int64_t)t->over_10ms, t->longest_ns / 1000 };
    struct process_row row = { .id = "leatd", .role = "leatd",
                               .info = { .state = PROC_RUNNING, .pid = getpid(),
                                         .started_at = rq->domain->started_at } };
    process_usage(row.info.pid, &row.usage);
    json_t *data = json_array();
    json_array_append_new(data, to_json(&row, &turns, -1, -1));
    api_reply_list(rq, NULL, "LeatProcessList", data, NULL, 1);
}

void leat_service_logs(struct api_request *rq)
{
    struct buf out;
    int64_t lines = 0;
    if (!api_query_i64(rq, "lines", LINES_DEFAULT, 1, LINES_MAX, &lines)) return;
    buf_init(&out, 1 << 20);
    log_kept((int)lines, &out);
    status result = buf_check(&out);
    json_t *data = lines_of(&out);
    buf_done(&out);
    json_t *body = json_pack("{s:s, s:o}", "kind", "LeatServiceLog", "lines", data);
    api_reply_change(rq, result, NULL, 200, 0, body);
}
