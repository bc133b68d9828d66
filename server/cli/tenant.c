/* tenant.c - the cluster that a file of `leat apply` is for, and the environment it is in: found by name,
 * made where they are not there. */
#include "cli/apply.h"

#include <stdlib.h>
#include <time.h>

enum { START_MS = 60000, POLL_MS = 50 };

/* The row of that display_name, in that environment (NULL: of any); NULL: there is none. */
static const json_t *row_of(const json_t *rows, const char *environment_id, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)rows, i, row)
        if (strcmp(text_at(row, "display_name"), name) == 0 &&
            (!environment_id || strcmp(text_at(row, "environment.id"), environment_id) == 0))
            return row;
    return NULL;
}

static const json_t *row_of_id(const json_t *rows, const char *id)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)rows, i, row) if (strcmp(text_at(row, "id"), id) == 0) return row;
    return NULL;
}

static bool is_id(const char *text) { return strncmp(text, "env-", 4) == 0; }

/* What a declared cluster has already. A kind that it cannot get is told with its line. */
static void compare(struct tenant *t, const json_t *cluster)
{
    t->id = strdup(text_at(cluster, "id"));
    t->has_kind = strdup(text_at(cluster, "kind"));
    t->has_cku = json_integer_value(json_object_get(cluster, "cku"));
    if (!t->kind || strcmp(t->kind, t->has_kind) == 0) return;
    if (strcmp(t->has_kind, "Basic") != 0 || strcmp(t->kind, "Standard") != 0)
        exit(cli_wrong("%s:%d: the cluster %s is %s, and only a Basic cluster changes, to Standard; nothing "
                       "was changed", t->path, t->line, t->name, t->has_kind));
}

void tenant_find(struct cli *cli, struct tenant *t)
{
    if (t->id) return;
    const json_t *rows = rest_list(cli, "/org/v2/environments?page_size=100");
    const json_t *e = row_of_id(rows, t->environment);
    if (!e) e = row_of(rows, NULL, t->environment);
    if (!e && is_id(t->environment))
        exit(cli_wrong("%s:%d: there is no environment %s; nothing was changed", t->path, t->line,
                       t->environment));
    if (!e) return;
    t->environment_id = strdup(text_at(e, "id"));
    const json_t *c = row_of(rest_list(cli, "/leat/v1/clusters?page_size=100"), t->environment_id, t->name);
    if (c) compare(t, c);
}

/* --- steps ---------------------------------------------------------------------------------------- */

static json_t *step(const struct tenant *t, const char *action, const char *kind, const char *name,
                    json_t *take_details, const char *method, json_t *take_path)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:o, s:s, s:o}", "action", action, "kind", kind, "name", name,
                     "line", t->line, "details", take_details, "method", method, "path", take_path);
}

static void note_config(const struct tenant *t, json_t *details)
{
    if (t->kind) json_array_append_new(details, json_sprintf("kind: %s", t->kind));
    if (t->cku) json_array_append_new(details, json_sprintf("cku: %lld", (long long)t->cku));
}

json_t *tenant_plan(const struct tenant *t)
{
    json_t *steps = json_array(), *details = json_array();
    if (!t->name) return steps;
    if (!t->environment_id)
        json_array_append_new(steps, step(t, "create", "environment", t->environment, json_array(), "POST",
                                          json_string("/org/v2/environments")));
    if (!t->id) {
        note_config(t, details);
        json_array_append_new(steps, step(t, "create", "cluster", t->name, details, "POST",
                                          json_string("/cmk/v2/clusters")));
        return steps;
    }
    if (t->kind && strcmp(t->kind, t->has_kind) != 0)
        json_array_append_new(details, json_sprintf("kind: %s → %s", t->has_kind, t->kind));
    if (t->cku && t->cku != t->has_cku)
        json_array_append_new(details, json_sprintf("cku: %lld → %lld", (long long)t->has_cku,
                                                    (long long)t->cku));
    if (json_array_size(details))
        json_array_append_new(steps, step(t, "change", "cluster", t->name, details, "PATCH",
                                          json_sprintf("/cmk/v2/clusters/%s", rest_escape(t->id))));
    return steps;
}

json_t *tenant_body(const struct tenant *t, const char *kind)
{
    if (strcmp(kind, "environment") == 0) return json_pack("{s:s}", "display_name", t->environment);
    json_t *config = json_pack("{s:s}", "kind", t->kind ? t->kind : t->id ? t->has_kind : "Basic");
    if (t->cku) json_object_set_new(config, "cku", json_integer(t->cku));
    json_t *spec = json_pack("{s:o, s:{s:s}}", "config", config, "environment", "id", t->environment_id);
    if (!t->id)
        json_object_update_new(spec, json_pack("{s:s, s:s, s:s, s:s}", "display_name", t->name,
                                               "availability", "SINGLE_ZONE", "cloud", "leat", "region",
                                               "local"));
    return json_pack("{s:o}", "spec", spec);
}

/* --- what was made -------------------------------------------------------------------------------- */

/* Topics need a broker. NULL: it serves; else why not. */
static const char *wait_for_broker(struct cli *cli, const char *id)
{
    for (int waited = 0; waited < START_MS && !rest_interrupted; waited += POLL_MS) {
        long code;
        const char *why;
        json_t *path = json_sprintf("/leat/v1/clusters/%s", rest_escape(id));
        json_t *c = rest_try(cli, "GET", NULL, json_string_value(path), &code, &why);
        if (why) return why;
        if (strcmp(text_at(c, "state.name"), "running") == 0) return NULL;
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
    }
    return json_string_value(json_sprintf("the cluster %s was made, but its broker does not serve yet", id));
}

const char *tenant_made(struct cli *cli, struct tenant *t, const char *kind, const json_t *answer)
{
    const char *id = strdup(text_at(answer, "id"));
    if (strcmp(kind, "environment") == 0) {
        t->environment_id = id;
        return NULL;
    }
    if (t->id) return NULL; /* it was changed */
    t->id = id;
    return wait_for_broker(cli, id);
}
