/* metrics.h - /metrics in Prometheus's text form: processes, totals of every cluster, topics. Domain
 * thread. */
#pragma once
#include "base/buf.h"
#include "collect/history.h"
#include "engine/engine.h"
#include "store/db.h"
#include "supervise/supervisor.h"

/* Appends to out; engine, supervisor and history may be NULL (nothing is known then). */
status metrics_text(struct db *db, struct engine *engine, struct supervisor *supervisor,
                    const struct history *history, struct buf *out);
