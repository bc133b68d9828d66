/* control.c - verbs of the control plane that are more than one request, or ask for secrets. */
#include "cli/functions.h"

#include <stdlib.h>
#include <time.h>

/* --- clusters --------------------------------------------------------------------------------- */

static int show_cluster(struct cli *cli, const char *id)
{
    view_print(cli, rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(id)), cli->verb->view);
    return CLI_DONE;
}

int verb_clusters_create(struct cli *cli)
{
    const char *kind = cli_option(cli, "kind") ? cli_option(cli, "kind") : "Basic";
    json_t *config = json_pack("{s:s}", "kind", kind);
    int64_t cku = cli_number(cli, "cku", strcmp(kind, "Dedicated") == 0);
    if (cku) json_object_set_new(config, "cku", json_integer(cku));
    json_t *c = rest_call(cli, "POST",
                          json_pack("{s:{s:s, s:s, s:s, s:s, s:o, s:{s:s}}}", "spec", "display_name",
                                    cli->words[0], "availability", "SINGLE_ZONE", "cloud", "leat", "region",
                                    "local", "config", config, "environment", "id", cli_environment(cli)),
                          "/cmk/v2/clusters");
    return show_cluster(cli, text_at(c, "id"));
}

int verb_clusters_rename(struct cli *cli)
{
    const char *id = cli->words[0];
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(id));
    rest_call(cli, "PATCH",
              json_pack("{s:{s:s, s:{s:s}}}", "spec", "display_name", cli->words[1], "environment", "id",
                        text_at(c, "environment.id")), "/cmk/v2/clusters/%s", rest_escape(id));
    return show_cluster(cli, id);
}

int verb_clusters_delete(struct cli *cli)
{
    const char *id = cli->words[0];
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(id));
    cli_confirm(cli, "This deletes the cluster '%s' (%s) with %lld topics and all their records.",
                text_at(c, "display_name"), id, (long long)json_integer_value(field_at(c, "use.topics")));
    rest_call(cli, "DELETE", NULL, "/cmk/v2/clusters/%s?environment=%s", rest_escape(id),
              rest_escape(text_at(c, "environment.id")));
    return CLI_DONE;
}

int verb_clusters_logs(struct cli *cli)
{
    json_t *answer = rest_call(cli, "GET", NULL, "%s", request_path(cli, 0)), *line;
    size_t i;
    if (cli->json) {
        json_print(answer);
        return CLI_DONE;
    }
    json_array_foreach(json_object_get(answer, "lines"), i, line) puts(json_string_value(line));
    return CLI_DONE;
}

/* --- keys, people, requests ------------------------------------------------------------------- */

int verb_keys_create(struct cli *cli)
{
    const char *description = cli_option(cli, "description");
    json_t *resource = cli_option(cli, "cloud") ? json_pack("{s:s, s:s}", "id", "cloud", "kind", "Cloud")
                                                : json_pack("{s:s}", "id", cli_cluster(cli));
    json_t *k = rest_call(cli, "POST",
                          json_pack("{s:{s:s, s:s, s:{s:s}, s:o}}", "spec", "display_name",
                                    cli->word_count ? cli->words[0] : "", "description",
                                    description ? description : "", "owner", "id",
                                    cli_option(cli, "account"), "resource", resource),
                          "/iam/v2/api-keys");
    view_print(cli, k, cli->verb->view);
    if (!cli->json) fputs("The secret is shown this once; store it now.\n", stderr);
    return CLI_DONE;
}

int verb_invitations_accept(struct cli *cli)
{
    char *token = cli_secret(cli, "token-file", "LEAT_TOKEN", "Token");
    char *password = cli_secret(cli, "password-file", "LEAT_PASSWORD", "New password");
    if (!cli->key) cli->key = strdup("none"), cli->secret = strdup("none"); /* the token is who asks */
    json_t *user = rest_call(cli, "POST",
                             json_pack("{s:s, s:s, s:s}", "token", token, "full_name",
                                       cli_option(cli, "full-name"), "password", password),
                             "/leat/v1/invitations:accept");
    if (cli->json) json_print(user);
    else fputs("Accepted; log in by `leat login --email ADDRESS`.\n", stderr);
    return CLI_DONE;
}

int verb_password_change(struct cli *cli)
{
    char *current = cli_secret(cli, NULL, "LEAT_PASSWORD", "Current password");
    char *next = cli_secret(cli, "password-file", "LEAT_NEW_PASSWORD", "New password");
    rest_call(cli, "PUT", json_pack("{s:s, s:s}", "current_password", current, "new_password", next),
              "/leat/v1/password");
    return CLI_DONE;
}

int verb_requests_create(struct cli *cli)
{
    const char *account = cli_option(cli, "account"), *operation, *group = cli_option(cli, "group");
    const char *why = cli_option(cli, "description");
    int64_t partitions = cli_number(cli, "partitions", 0);
    json_t *body = json_pack("{s:s, s:s, s:s}", "cluster_id", cli_cluster(cli), "topic_name", cli->words[0],
                             "justification", why ? why : "");
    if (partitions) json_object_set_new(body, "partitions_count", json_integer(partitions));
    if (account) {
        json_t *operations = json_array();
        for (int n = 0; (operation = cli_option_n(cli, "operation", n)); n++)
            json_array_append_new(operations, json_string(operation));
        json_t *access = json_pack("{s:o, s:o}", "principal", json_sprintf("User:%s", account),
                                   "operations", operations);
        if (group) json_object_set_new(access, "group", json_string(group));
        json_object_set_new(body, "access", json_pack("[o]", access));
    }
    view_print(cli, rest_call(cli, "POST", body, "/leat/v1/topic-requests"), cli->verb->view);
    return CLI_DONE;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static json_t *interval_of(struct cli *cli)
{
    char from[32], to[32];
    time_t now = time(NULL) / 60 * 60, hour_ago = now - 3600;
    struct tm tm;
    strftime(from, sizeof from, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&hour_ago, &tm));
    now += 60;
    strftime(to, sizeof to, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    const char *given_from = cli_option(cli, "from"), *given_to = cli_option(cli, "to");
    return json_pack("[o]",
                     json_sprintf("%s/%s", given_from ? given_from : from, given_to ? given_to : to));
}

static json_t *metrics_body(struct cli *cli)
{
    const char *by = cli_option(cli, "by");
    json_t *body = json_pack("{s:{s:s, s:s, s:s}, s:o}", "filter", "op", "EQ", "field", "resource.kafka.id",
                             "value", cli_cluster(cli), "intervals", interval_of(cli));
    int64_t limit = cli_number(cli, "limit", 0);
    if (by) json_object_set_new(body, "group_by", json_pack("[o]", json_sprintf("metric.%s", by)));
    if (limit) json_object_set_new(body, "limit", json_integer(limit));
    return body;
}

int verb_metrics_query(struct cli *cli)
{
    const char *granularity = cli_option(cli, "granularity"), *by = cli_option(cli, "by");
    char view[120];
    json_t *body = metrics_body(cli);
    json_object_set_new(body, "aggregations", json_pack("[{s:s}]", "metric", cli->words[0]));
    json_object_set_new(body, "granularity", json_string(granularity ? granularity : "PT1M"));
    if (by) snprintf(view, sizeof view, "AT=timestamp BY=metric.%.60s VALUE=value:n", by);
    else snprintf(view, sizeof view, "AT=timestamp VALUE=value:n");
    view_print(cli, rest_call(cli, "POST", body, "/v2/metrics/cloud/query"), view);
    return CLI_DONE;
}

static const char *label_of(const json_t *series, const char *by)
{
    const char *text = by ? json_string_value(json_object_get(series, by)) : NULL;
    return text ? text : "";
}

/* The answer has a list of values a series; people read a row a step. */
static json_t *rows_of(const json_t *history, const char *by)
{
    json_t *rows = json_array(), *series, *value;
    json_int_t from = json_integer_value(json_object_get(history, "from"));
    json_int_t step = json_integer_value(json_object_get(history, "step_ms"));
    size_t n, i;
    json_array_foreach(json_object_get(history, "series"), n, series)
        json_array_foreach(json_object_get(series, "values"), i, value) {
            char at[32];
            struct tm tm;
            time_t seconds = (time_t)((from + (json_int_t)i * step) / 1000);
            strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
            json_array_append_new(rows, json_pack("{s:s, s:O, s:s, s:O}", "at", at, "metric",
                                                  json_object_get(series, "metric"), "label",
                                                  label_of(series, by), "value", value));
        }
    return rows;
}

int verb_metrics_history(struct cli *cli)
{
    const char *by = cli_option(cli, "by");
    json_t *history = rest_call(cli, "GET", NULL, "%s", request_path(cli, 0));
    json_t *rows = cli->json ? NULL : rows_of(history, by);
    view_print(cli, rows ? rows : history,
               by ? "AT=at METRIC=metric BY=label VALUE=value:n" : "AT=at METRIC=metric VALUE=value:n");
    json_decref(rows);
    return CLI_DONE;
}

int verb_metrics_labels(struct cli *cli)
{
    char view[120];
    json_t *body = metrics_body(cli);
    json_object_set_new(body, "metric", json_string(cli->words[0]));
    snprintf(view, sizeof view, "VALUE=metric.%.60s", cli_option(cli, "by"));
    view_print(cli, rest_call(cli, "POST", body, "/v2/metrics/cloud/attributes"), view);
    return CLI_DONE;
}
