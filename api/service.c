/* service.c - the service itself: is it there, can it work, what is it, its figures. */
#include "api/handlers.h"

#include "collect/metrics.h"
#include "domain/domain.h"

void service_health(struct api_request *rq) { api_reply(rq, 200, json_pack("{s:s}", "status",
    "ok")); }

/* DOMAIN: that this runs says the domain thread turns; the query says the database answers. */
void service_ready(struct api_request *rq)
{
    int64_t one = 0;
    bool ready = is_ok(db_one_i64(DB(rq->db, "SELECT count(*) FROM setting"), &one)) &&
        rq->domain->engine;
    api_reply(rq, ready ? 200 : 503, json_pack("{s:s}", "status", ready ? "ok" : "not ready"));
}

void service_info(struct api_request *rq)
{
    api_reply(rq, 200, json_pack("{s:s, s:s, s:s}", "version", LEAT_VERSION, "kafka_version", "4.2",
                                 "organization_id",
                                 rq->domain->organisation_id));
}

void service_metrics(struct api_request *rq)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    status result = metrics_text(rq->db, rq->domain->engine, rq->domain->supervisor,
                                 rq->domain->history, &out);
    if (failed(result)) {
        buf_done(&out);
        api_fail(rq, result, NULL);
        return;
    }
    rq->http->metrics(rq, &out);
    rq->http->answer_bytes(rq, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}
