/* alerts.c - the parts of alerts put together. Domain thread. */
#include "domain/alerts_int.h"

#include "base/log.h"
#include "identity/seal.h"

status alerts_start(struct domain *domain)
{
    struct alerts *alerts = mem_zalloc(sizeof *alerts);
    if (!alerts) return FAIL(NO_MEMORY);
    alerts->domain = domain;
    domain->alerts = alerts;
    status opened = seal_open(domain->options.data_dir, &alerts->seal);
    if (failed(opened))
        log_error("seal.key cannot be used (%s): channels of alerts have no secrets",
                  status_text(opened));
    TRY(sender_new(domain->loop, domain->options.alert_near, &alerts->sender));
    TRY(alert_queue_start(alerts));
    return alert_eval_start(alerts);
}

void alerts_stop(struct domain *domain)
{
    struct alerts *alerts = domain->alerts;
    if (!alerts) return;
    sender_free(alerts->sender);
    alert_queue_stop(alerts);
    alert_eval_stop(alerts);
    seal_close(alerts->seal);
    domain->alerts = NULL;
    mem_free(alerts);
}
