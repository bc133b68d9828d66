/* leat_processes.c - /leat/v1/clusters/{id}/processes and …/logs: what an operator looks at first. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"
#include "domain/processes.h"

#define LINES_DEFAULT 100
#define LINES_MAX 1000

static json_t *known(int64_t n) { return n >= 0 ? json_integer(n) : json_null(); }

static json_t *to_json(const struct process_row *row, const struct processes *all)
{
    bool broker = strcmp(row->role, "broker") == 0, runs = row->info.pid > 0;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id", row->id,
                     "role", row->role, "state", proc_state_name(row->info.state), "pid",
                     runs ? json_integer(row->info.pid) : json_null(), "started_at",
                     api_time(row->info.started_at), "restarts", row->info.restarts, "cpu_ms",
                     (json_int_t)row->usage.cpu_ms, "memory_rss_bytes", (json_int_t)row->usage.rss_bytes,
                     "memory_pss_bytes", known(row->usage.pss_bytes), "threads", known(row->usage.threads),
                     "open_files", known(row->usage.open_files), "disk_bytes",
                     broker ? json_integer(all->disk_bytes) : json_null(), "disk_files",
                     broker ? json_integer(all->files) : json_null());
}

static void listed(void *arg, status result, const struct processes *processes)
{
    struct api_request *rq = arg;
    if (failed(result)) {
        api_fail(rq, result, result.code == E_NOT_FOUND ? "There is no such cluster." : NULL);
        return;
    }
    json_t *data = json_array();
    for (int i = 0; i < processes->count; i++)
        json_array_append_new(data, to_json(&processes->rows[i], processes));
    api_reply_list(rq, NULL, "LeatProcessList", data, NULL, processes->count);
}

void leat_processes_list(struct api_request *rq) { processes_list(rq->domain, rq->params[0], listed, rq); }

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
    json_t *data = json_array();
    struct bytes text = buf_bytes(&out);
    for (size_t at = 0; is_ok(result) && at < text.len;) {
        const char *line = (const char *)text.data + at, *end = memchr(line, '\n', text.len - at);
        size_t len = end ? (size_t)(end - line) : text.len - at;
        json_t *string = api_str((struct str){ line, len });
        if (json_is_null(string)) string = json_string("(a line that is no text)");
        json_array_append_new(data, string);
        at += len + 1;
    }
    buf_done(&out);
    json_t *body = json_pack("{s:s, s:s, s:o}", "kind", "LeatClusterLog", "cluster_id", c.id, "lines", data);
    api_reply_change(rq, result, NULL, 200, 0, body);
}
