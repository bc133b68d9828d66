/* lifecycle.h - from started to ended: readiness and signals. Domain thread (leatd's main thread). */
#pragma once
#include "domain/domain.h"

/* Before any thread exists: SIGTERM, SIGINT and SIGHUP come to the loop alone; SIGPIPE is ignored. */
void lifecycle_block_signals(void);
/* Runs the loop until a signal ends it. ready() is called once: when the demo's broker serves
 * (cluster_id; "" or NULL: at once), or after 15 s. */
status lifecycle_run(struct domain *domain, const char *cluster_id, void (*ready)(void *arg), void *arg);
