/* apply.c - `leat apply`: shows what is to be done and does it. */
#include "cli/apply.h"
#include "cli/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PASSWORD_MAX 4096

struct applying {
    struct cli *cli;
    const char *path;
    struct tenant tenant;
    json_t *made; /* ids of accounts that were made, by name */
};

/* --- what is shown
 * ------------------------------------------------------------------------------------------ */

static size_t count_of(const json_t *steps, const char *action)
{
    size_t i, n = 0;
    json_t *step;
    json_array_foreach(steps, i, step) n += strcmp(text_at(step, "action"), action) == 0;
    return n;
}

static void print_step(const json_t *step, FILE *out)
{
    const char *action = text_at(step, "action");
    const char *mark = strcmp(action, "create") == 0 ? "+" : strcmp(action, "change") == 0 ? "~" : "-";
    size_t i;
    json_t *detail;
    fprintf(out, "%s %s %s\n", mark, text_at(step, "kind"), text_at(step, "name"));
    json_array_foreach(json_object_get(step, "details"), i, detail)
        fprintf(out, "    %s\n", json_string_value(detail));
}

static void print_plan(const char *cluster, const json_t *steps)
{
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step) print_step(step, stdout);
    if (i)
        printf("%s: %zu to create, %zu to change, %zu to delete\n", cluster,
               count_of(steps, "create"), count_of(steps, "change"), count_of(steps, "delete"));
    else printf("%s has what the file says; nothing to do\n", cluster);
    fflush(stdout);
}

/* The plan and what became of it, as JSON; requests and secrets are nobody's business. */
static void print_json(const char *cluster, const json_t *steps, bool dry_run, size_t done,
                       const char *why)
{
    static const char *const fields[] = { "action", "kind", "name", "line", "details" };
    json_t *changes = json_array(), *step;
    size_t i;
    json_array_foreach(steps, i, step) {
        json_t *change = json_object();
        for (size_t f = 0; f < ARRAY_LEN(fields); f++)
            json_object_set(change, fields[f], json_object_get(step, fields[f]));
        json_object_set_new(change, "done", json_boolean(i < done));
        json_array_append_new(changes, change);
    }
    json_print(json_pack("{s:s, s:b, s:o, s:s?}", "cluster", cluster, "dry_run", dry_run,
                         "changes", changes, "failed", why));
}

/* --- one step
 * ------------------------------------------------------------------------------------------------ */

/* Puts the ids of accounts that were made where "@{name}" stands. */
static json_t *resolved(const struct applying *a, const json_t *value)
{
    const char *text = json_string_value(value), *at = text ? strstr(text, "@{") : NULL, *name;
    json_t *copy, *item;
    size_t i;
    if (at) {
        const char *end = strrchr(at, '}');
        json_t *of = json_stringn(at + 2, end ? (size_t)(end - at) - 2 : 0);
        const char *id = text_at(a->made, json_string_value(of));
        json_t *direct = json_object_get(a->made, json_string_value(of));
        if (direct) id = json_string_value(direct);
        return json_sprintf("%.*s%s", (int)(at - text), text, id);
    }
    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach((json_t *)value, name, item) json_object_set_new(copy, name, resolved(a, item));
        return copy;
    }
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach((json_t *)value, i, item) json_array_append_new(copy, resolved(a, item));
        return copy;
    }
    return json_incref((json_t *)value);
}

/* The password of a SCRAM user, from where its entry says. */
static void add_password(const json_t *entry, json_t *body)
{
    const char *env = text_at(entry, "password-env"), *path = text_at(entry, "password-file");
    char *password = *env ? strdup(getenv(env) ? getenv(env) : "") : cli_file(path, PASSWORD_MAX);
    password[strcspn(password, "\r\n")] = 0;
    json_object_set_new(body, "password", json_string(password));
}

static bool of_tenant(const json_t *step)
{
    const char *kind = text_at(step, "kind");
    return strcmp(kind, "environment") == 0 || strcmp(kind, "cluster") == 0;
}

/* What is done after a step went well. NULL: fine; else what is wrong. */
static const char *after(struct applying *a, const json_t *step, const json_t *answer)
{
    const char *kind = text_at(step, "kind");
    if (of_tenant(step)) return tenant_made(a->cli, &a->tenant, kind, answer);
    if (strcmp(kind, "account") == 0 && strcmp(text_at(step, "action"), "create") == 0)
        json_object_set_new(a->made, text_at(step, "name"), json_string(text_at(answer, "id")));
    if (strcmp(kind, "key") != 0) return NULL;
    const char *path = text_at(step, "entry.secret-file");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    json_t *secret =
        json_pack("{s:s, s:s}", "key", text_at(answer, "id"), "secret", text_at(answer, "spec.secret"));
    if (fd >= 0 && json_dumpfd(secret, fd, JSON_INDENT(2)) == 0 && fsync(fd) == 0 && close(fd) == 0)
        return NULL;
    return json_string_value(
        json_sprintf("the key %s was made, but its secret could not be written to %s (%s): "
                     "delete it and apply again",
                     text_at(answer, "id"), path, strerror(errno)));
}

/* NULL: done; else why not. */
static const char *perform(struct applying *a, const json_t *step, long *ret_code)
{
    const char *why;
    json_t *body = json_object_get(step, "body");
    if (body) body = resolved(a, body);
    if (of_tenant(step)) body = tenant_body(&a->tenant, text_at(step, "kind"));
    if (strcmp(text_at(step, "kind"), "SCRAM user") == 0 && body)
        add_password(json_object_get(step, "entry"), body);
    json_t *answer = rest_try(a->cli, text_at(step, "method"), body, text_at(step, "path"), ret_code, &why);
    /* What is to be gone and is gone already is as it should be. */
    if (why && *ret_code == 404 && strcmp(text_at(step, "method"), "DELETE") == 0) return NULL;
    return why ? why : after(a, step, answer);
}

/* --- the whole
 * ------------------------------------------------------------------------------------------------- */

/* Has the service look at topics and configs before anything is changed. The number of faults, told. */
static int check(struct applying *a, const json_t *steps)
{
    size_t i;
    json_t *step;
    int faults = 0;
    json_array_foreach(steps, i, step) {
        long code;
        const char *why;
        const char *method = text_at(step, "method");
        if (strcmp(text_at(step, "kind"), "topic") != 0 || strcmp(method, "DELETE") == 0) continue;
        json_t *body = json_deep_copy(json_object_get(step, "body"));
        json_object_set_new(body, "validate_only", json_true());
        json_decref(rest_try(a->cli, method, body, text_at(step, "path"), &code, &why));
        if (!why) continue;
        fprintf(stderr, "%s:%lld: topic '%s': %s\n", a->path,
                (long long)json_integer_value(json_object_get(step, "line")), text_at(step, "name"), why);
        if (code == 0 || code >= 500) exit(rest_exit_code(code));
        faults++;
    }
    return faults;
}

static void confirm_deletes(struct applying *a, const json_t *steps)
{
    size_t deletes = count_of(steps, "delete");
    if (deletes == 0) return;
    cli_confirm(a->cli,
                "This deletes %zu thing%s that %s does not name; topics go with all their records.",
                deletes, deletes == 1 ? "" : "s", a->path);
}

/* A new cluster serves: what else is to be done, of what it and its organization have now. NULL: the service
 * does not take what the file says (told). */
static json_t *steps_behind(struct applying *a)
{
    struct live live = live_read(a->cli, a->tenant.id);
    json_t *steps = plan_make(&live, manifest_read(&live), cli_option(a->cli, "prune"));
    return check(a, steps) ? NULL : steps;
}

/* Puts them behind the steps that were done; false: told. */
static bool go_on_in_new_cluster(struct applying *a, json_t *steps, size_t done)
{
    json_t *behind = steps_behind(a);
    if (!behind) return false;
    while (json_array_size(steps) > done) json_array_remove(steps, done);
    json_array_extend(steps, behind);
    return true;
}

static int run(struct applying *a, json_t *steps)
{
    const char *why = NULL;
    long code = 200;
    size_t i;
    for (i = 0; i < json_array_size(steps) && !rest_interrupted && !why; i++) {
        bool there = a->tenant.id != NULL;
        if ((why = perform(a, json_array_get(steps, i), &code))) break;
        if (there || !a->tenant.id) continue;
        if (!a->cli->json) printf("the cluster %s is %s\n", a->tenant.name, a->tenant.id);
        if (!go_on_in_new_cluster(a, steps, i + 1)) why = "the cluster was made, and the rest was not";
    }
    size_t n = json_array_size(steps);
    if (!why && i < n) why = "interrupted";
    if (a->cli->json) print_json(a->tenant.id ? a->tenant.id : a->tenant.name, steps, false, i, why);
    if (!why) {
        if (n && !a->cli->json) printf("done: %zu of %zu\n", n, n);
        return CLI_DONE;
    }
    fflush(stdout);
    fprintf(stderr, "leat: %s\n", why);
    fprintf(stderr, "leat: %zu of %zu were done; not done:\n", i, n);
    for (; i < n; i++) print_step(json_array_get(steps, i), stderr);
    fputs("leat: apply the file again to go on from here.\n", stderr);
    return code == 0 ? CLI_UNREACHABLE : code >= 300 ? rest_exit_code(code) : CLI_REFUSED;
}

int verb_apply(struct cli *cli)
{
    const char *path = cli_option(cli, "file");
    bool dry_run = cli_option(cli, "dry-run");
    struct applying a = { .cli = cli, .tenant = manifest_load(cli, path), .made = json_object() };
    a.path = a.tenant.path;
    tenant_find(cli, &a.tenant);
    struct live live = a.tenant.id ? live_read(cli, a.tenant.id) : live_before(cli, &a.tenant);
    json_t *wanted = manifest_read(&live);
    json_t *steps = tenant_plan(&a.tenant), *rest = plan_make(&live, wanted, cli_option(cli, "prune"));
    if (a.tenant.id && check(&a, rest))
        return cli_wrong("%s cannot be applied as it is; nothing was changed", a.path);
    json_array_extend(steps, rest);
    if (!cli->json) print_plan(live.cluster, steps);
    if (dry_run) {
        if (cli->json) print_json(live.cluster, steps, true, 0, NULL);
        return json_array_size(steps) ? CLI_DIFFERENT : CLI_DONE;
    }
    confirm_deletes(&a, steps);
    rest_until_signal();
    return run(&a, steps);
}
