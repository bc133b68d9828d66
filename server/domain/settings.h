/* settings.h - facts of the installation, one row each. Any thread that may use the database. */
#pragma once
#include "domain/domain.h"

/* NOT_FOUND leaves ret_value empty. */
status settings_get(struct db *db, const char *name, char *ret_value, size_t size);
status settings_set(struct db *db, const char *name, const char *value);
/* The id of this installation, as other tools expect it: a UUID in its usual form. Made once. */
status settings_organisation(struct db *db, char ret_id[40]);

/* How the organisation is called: "Leat" until somebody names it. */
status settings_name(struct db *db, char ret_name[NAME_MAX_BYTES + 1]);
/* INVALID with a sentence. Domain thread. */
status settings_rename(struct domain *domain, const struct actor *actor, struct str name, struct why *why);
