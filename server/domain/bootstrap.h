/* bootstrap.h - the first start: an admin, a cloud key, and (unless told not to) the demo. */
#pragma once
#include "domain/domain.h"
#include "domain/quickstart.h"

/* Has this database been through its first start? */
bool bootstrap_needed(struct domain *domain);
/* One transaction; quickstart.json is written just before it is committed, so that no secret is lost: a
 * first start that was killed in between is a first start again. Takes LEAT_ADMIN_PASSWORD out of the
 * environment. Some 0.3 s for the password's hash. */
status bootstrap_run(struct domain *domain, struct quickstart *ret, struct why *why);
/* Later starts: wipes LEAT_ADMIN_PASSWORD, which means nothing any more, before children inherit it. */
void bootstrap_forget_password(void);
/* Where console and REST are with these options (the port may differ from the first start's). */
void bootstrap_urls(const struct domain_options *options, struct quickstart *quickstart);
