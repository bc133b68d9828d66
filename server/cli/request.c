/* request.c - does what a row of the table says: the path, the query and the body of one request.
 *
 * query and body are items "name=source[:kind]"; a dot in a body's name opens an object. What was not
 * given is left out. Sources:
 *   --option   @cluster   @environment   @clusterenv (the environment of the cluster)   ARGUMENT
 * kinds: none, text; n, a number; b, whether it was given; text, text that is never left out; user, an
 * id that gets "User:" before it; scope, a resource name, or what stands for one; file, the text of a
 * file; line, its first line; bool, true or false; list, every such option; json, a JSON file; acls,
 * the data of one; ids, every such option as {"id": …}; pairs, as
 * {"name": …, "value": …}. Of arguments that repeat: alter, NAME=VALUE as changes of configs; limits
 * and prices, NAME=NUMBER as an object. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#define URL_MAX 8000
#define FILE_MAX (16u << 20)

/* --- values ----------------------------------------------------------------------------------- */

/* "name=value"; exits when there is no '='. */
static json_t *pair_of(const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq) exit(cli_wrong("give NAME=VALUE, not '%s'", text));
    return json_pack("{s:s#, s:s}", "name", text, (int)(eq - text), "value", eq + 1);
}

static json_t *pairs_of(struct cli *cli, const char *option)
{
    json_t *list = json_array();
    for (int i = 0; cli_option_n(cli, option, i); i++)
        json_array_append_new(list, pair_of(cli_option_n(cli, option, i)));
    return list;
}

static json_t *ids_of(struct cli *cli, const char *option)
{
    json_t *list = json_array();
    for (int i = 0; cli_option_n(cli, option, i); i++)
        json_array_append_new(list, json_pack("{s:s}", "id", cli_option_n(cli, option, i)));
    if (cli_option(cli, "default")) json_array_append_new(list, json_pack("{s:s}", "id", "<default>"));
    if (json_array_size(list) == 0)
        exit(cli_wrong("for whom? Give --account sa-… (again for more) or --default"));
    return list;
}

/* Every such option; NULL when there is none. */
static json_t *texts_of(struct cli *cli, const char *option)
{
    json_t *list = json_array();
    for (int i = 0; cli_option_n(cli, option, i); i++)
        json_array_append_new(list, json_string(cli_option_n(cli, option, i)));
    return json_array_size(list) ? list : NULL;
}

static json_t *first_line(const char *path)
{
    char *text = cli_file(path, FILE_MAX);
    text[strcspn(text, "\r\n")] = 0;
    return json_string(text);
}

static json_t *truth_of(const char *option, const char *text)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        exit(cli_wrong("%s takes true or false, not '%s'", option, text));
    return json_boolean(yes);
}

static json_t *alter_of(struct cli *cli)
{
    json_t *list = json_array();
    for (int i = cli_rest(cli); i < cli->word_count; i++) {
        json_t *change = pair_of(cli->words[i]);
        if (!*text_at(change, "value")) {
            json_object_del(change, "value");
            json_object_set_new(change, "operation", json_string("DELETE"));
        }
        json_array_append_new(list, change);
    }
    return list;
}

/* NAME=NUMBER words as an object; of limits "NAME=" is null. */
static json_t *numbers_of(struct cli *cli, bool limits)
{
    json_t *object = json_object();
    for (int i = cli_rest(cli); i < cli->word_count; i++) {
        json_t *pair = pair_of(cli->words[i]);
        const char *text = text_at(pair, "value");
        char *end = NULL;
        double real = strtod(text, &end);
        bool whole =
            !limits || strspn(text + (*text == '-'), "0123456789") == strlen(text + (*text == '-'));
        if ((!*text && !limits) || *end || !whole)
            exit(cli_wrong("give NAME=NUMBER%s: %s",
                           limits ? " (-1: no limit), or NAME= for the plan's" : "", cli->words[i]));
        json_t *value = !*text   ? json_null()
                        : limits ? json_integer(strtoll(text, NULL, 10))
                                 : json_real(real);
        json_object_set_new(object, text_at(pair, "name"), value);
    }
    return json_object_size(object) ? object : NULL;
}

static json_t *json_of(const char *path, bool data)
{
    json_error_t error;
    json_t *json = json_loads(cli_file(path, FILE_MAX), 0, &error);
    if (!json) exit(cli_wrong("%s is not JSON: %s (line %d)", path, error.text, error.line));
    json_t *rows = data && json_is_object(json) ? json_object_get(json, "data") : json;
    if (!rows) exit(cli_wrong("%s has no \"data\"", path));
    return rows;
}

/* "organization", an environment's or a cluster's id stand for their resource names. */
static const char *scope_of(struct cli *cli, const char *text)
{
    if (strncmp(text, "env-", 4) == 0)
        return text_at(rest_call(cli, "GET", NULL, "/org/v2/environments/%s", rest_escape(text)),
                       "metadata.resource_name");
    if (strcmp(text, "organization") == 0)
        return text_at(json_array_get(rest_list(cli, "/org/v2/organizations"), 0),
                       "metadata.resource_name");
    if (strncmp(text, "lkc-", 4) == 0) {
        json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(text));
        json_t *s = json_sprintf("%s/cloud-cluster=%s", scope_of(cli, text_at(c, "environment.id")), text);
        return json_string_value(s);
    }
    return text;
}

static const char *user_of(const char *id)
{
    if (strncmp(id, "User:", 5) == 0) return id;
    return json_string_value(json_sprintf("User:%s", id));
}

static const char *source_text(struct cli *cli, const char *source)
{
    if (strncmp(source, "--", 2) == 0) return cli_option(cli, source + 2);
    if (strcmp(source, "@cluster") == 0) return cli_cluster(cli);
    if (strcmp(source, "@environment") == 0) return cli_environment(cli);
    if (strcmp(source, "@clusterenv") == 0)
        return text_at(rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(cli_cluster(cli))),
                       "environment.id");
    return cli_arg(cli, source);
}

static json_t *number_of(const char *source, const char *text)
{
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    if (*text && !*end) return json_integer(n);
    double real = strtod(text, &end);
    if (!*text || *end) exit(cli_wrong("%s takes a number, not '%s'", source, text));
    return json_real(real);
}

static json_t *value_of(struct cli *cli, const char *source, const char *kind)
{
    if (strcmp(kind, "pairs") == 0) return pairs_of(cli, source + 2);
    if (strcmp(kind, "ids") == 0) return ids_of(cli, source + 2);
    if (strcmp(kind, "list") == 0) return texts_of(cli, source + 2);
    if (strcmp(kind, "alter") == 0) return alter_of(cli);
    if (strcmp(kind, "limits") == 0) return numbers_of(cli, true);
    if (strcmp(kind, "prices") == 0) return numbers_of(cli, false);
    const char *text = source_text(cli, source);
    if (strcmp(kind, "b") == 0) return text ? json_true() : NULL;
    if (strcmp(kind, "text") == 0) return json_string(text ? text : "");
    if (!text) return NULL;
    if (strcmp(kind, "n") == 0) return number_of(source, text);
    if (strcmp(kind, "file") == 0) return json_string(cli_file(text, FILE_MAX));
    if (strcmp(kind, "line") == 0) return first_line(text);
    if (strcmp(kind, "bool") == 0) return truth_of(source, text);
    if (strcmp(kind, "json") == 0) return json_of(text, false);
    if (strcmp(kind, "acls") == 0) return json_of(text, true);
    if (strcmp(kind, "scope") == 0) return json_string(scope_of(cli, text));
    return json_string(strcmp(kind, "user") == 0 ? user_of(text) : text);
}

/* --- items ------------------------------------------------------------------------------------ */

/* The next "name=source:kind" of *at, taken apart into the three buffers; false at the end. */
static bool next_item(const char **at, char name[64], char source[64], char kind[16])
{
    char item[160];
    *at += strspn(*at, " ");
    size_t n = strcspn(*at, " ");
    if (n == 0) return false;
    snprintf(item, sizeof item, "%.*s", (int)n, *at);
    *at += n;
    char *eq = strchr(item, '='), *colon = strchr(item, ':');
    if (!eq) return false;
    if (colon) *colon = 0;
    snprintf(kind, 16, "%.15s", colon ? colon + 1 : "");
    snprintf(source, 64, "%.63s", eq + 1);
    *eq = 0;
    snprintf(name, 64, "%.63s", item);
    return true;
}

static void put_at(json_t *object, const char *path, json_t *take_value)
{
    const char *dot = strchr(path, '.');
    if (!dot) {
        json_object_set_new(object, path, take_value);
        return;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
    json_t *inner = json_object_get(object, name);
    if (!inner) json_object_set_new(object, name, inner = json_object());
    put_at(inner, dot + 1, take_value);
}

json_t *request_body(struct cli *cli)
{
    char name[64], source[64], kind[16];
    const char *at = cli->verb->body;
    if (!at) return NULL;
    json_t *body = json_object(), *value;
    while (next_item(&at, name, source, kind))
        if ((value = value_of(cli, source, kind))) put_at(body, name, value);
    return body;
}

/* --- paths ------------------------------------------------------------------------------------ */

static const char *part_of(struct cli *cli, const char *name)
{
    if (strcmp(name, "cluster") == 0) return cli_cluster(cli);
    const char *word = cli_arg(cli, name);
    if (!word && strcmp(name, "CLUSTER") == 0) return cli_cluster(cli);
    if (!word) exit(cli_wrong("%s is missing", name));
    if (!*word) exit(cli_wrong("%s is empty", name));
    return word;
}

static size_t put_query(struct cli *cli, char *url, size_t at, size_t size)
{
    char name[64], source[64], kind[16];
    const char *items = cli->verb->query ? cli->verb->query : "";
    char mark = '?';
    while (next_item(&items, name, source, kind)) {
        json_t *value = value_of(cli, source, kind);
        if (!value) continue;
        int n = snprintf(url + at, size - at, "%c%s=%s", mark, name, rest_escape(json_string_value(value)));
        if (n < 0 || (size_t)n >= size - at) exit(cli_wrong("what was given is too long"));
        at += (size_t)n;
        mark = '&';
    }
    return at;
}

const char *request_path(struct cli *cli, int n)
{
    static char url[URL_MAX + 300];
    const char *call = cli->verb->calls;
    size_t at = 0;
    while (n-- > 0) call = strchr(call, ';') + 1;
    call = strchr(call + strspn(call, " "), ' ') + 1;
    for (size_t len = strcspn(call, ";"), i = 0; i < len && at < URL_MAX; i++) {
        if (call[i] != '{') {
            url[at++] = call[i];
            continue;
        }
        char name[64];
        size_t end = strcspn(call + i, "}");
        snprintf(name, sizeof name, "%.*s", (int)end - 1, call + i + 1);
        int put = snprintf(url + at, URL_MAX - at, "%s", rest_escape(part_of(cli, name)));
        if (put < 0 || (size_t)put >= URL_MAX - at) exit(cli_wrong("what was given is too long"));
        at += (size_t)put;
        i += end;
    }
    url[at] = 0;
    put_query(cli, url, at, sizeof url);
    return url;
}

/* --- the whole -------------------------------------------------------------------------------- */

void request_confirm(struct cli *cli)
{
    char text[600];
    size_t at = 0;
    for (const char *p = cli->verb->confirm; p && *p && at + 1 < sizeof text; p++) {
        if (*p != '{') {
            text[at++] = *p;
            continue;
        }
        char name[64];
        size_t end = strcspn(p, "}");
        snprintf(name, sizeof name, "%.*s", (int)end - 1, p + 1);
        int n = snprintf(text + at, sizeof text - at, "%s", part_of(cli, name));
        at = n < 0 || (size_t)n >= sizeof text - at ? sizeof text - 1 : at + (size_t)n;
        p += end;
    }
    text[at] = 0;
    if (cli->verb->confirm) cli_confirm(cli, "%s", text);
}

/* The exit code that the answer means. */
static int meaning(const struct cli *cli, const json_t *answer)
{
    const char *field = cli->verb->truth;
    return field && !json_is_true(field_at(answer, field)) ? CLI_REFUSED : CLI_DONE;
}

/* A verb without a function of its own. */
int request_run(struct cli *cli)
{
    char method[8];
    snprintf(method, sizeof method, "%.*s", (int)strcspn(cli->verb->calls, " "), cli->verb->calls);
    request_confirm(cli);
    const char *path = request_path(cli, 0);
    if (strcmp(method, "GET") == 0) {
        json_t *rows = rest_pages(cli, path);
        view_print(cli, rows, cli->verb->view);
        return meaning(cli, rows);
    }
    json_t *answer = rest_call(cli, method, request_body(cli), "%s", path);
    if (answer && cli->verb->view) view_print(cli, answer, cli->verb->view);
    else if (answer && cli->json) json_print(answer);
    return meaning(cli, answer);
}
