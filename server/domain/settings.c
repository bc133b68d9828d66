/* settings.c - the table `setting`. */
#include "domain/settings.h"

#include "base/uuid.h"

#include <stdio.h>

status settings_get(struct db *db, const char *name, char *ret_value, size_t size)
{
    struct db_query *q = DB(db, "SELECT value FROM setting WHERE name = ?", name);
    bool found = db_next(q);
    ret_value[0] = 0;
    if (found) str_copy(ret_value, size, db_text(q, 0));
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

status settings_set(struct db *db, const char *name, const char *value)
{
    return db_run(DB(db, "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
                         "excluded.value", name, value));
}

status settings_organisation(struct db *db, char ret_id[40])
{
    status result = settings_get(db, "organisation_id", ret_id, 40);
    if (result.code != E_NOT_FOUND) return result;
    struct uuid u = uuid_new();
    const uint8_t *b = u.b;
    snprintf(ret_id, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return settings_set(db, "organisation_id", ret_id);
}

status settings_name(struct db *db, char ret_name[NAME_MAX_BYTES + 1])
{
    status result = settings_get(db, "organisation_name", ret_name, NAME_MAX_BYTES + 1);
    if (result.code != E_NOT_FOUND) return result;
    str_copy(ret_name, NAME_MAX_BYTES + 1, STR("Leat"));
    return OK;
}

status settings_rename(struct domain *domain, const struct actor *actor, struct str name, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    char text[NAME_MAX_BYTES + 1];
    TRY(name_check(name, why));
    str_copy(text, sizeof text, name);
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(settings_set(domain->db, "organisation_name", text));
    TRY(change_audit(change, "organization.update", domain->organisation_id, NULL));
    return change_commit_now(&change);
}
