/* governance.c - the verbs about what is allowed and asked for: plans, limits, topic requests, costs. */
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>

/* --- plans and limits -------------------------------------------------------------------------------- */

static const struct column plan_columns[] = {
    { "PLAN", "name", COL_TEXT },
    { "CLUSTERS", "clusters", COL_NUMBER },
    { "IN", "limits.ingress_bytes_per_s", COL_RATE },
    { "OUT", "limits.egress_bytes_per_s", COL_RATE },
    { "STORAGE", "limits.storage_bytes", COL_BYTES },
    { "PARTITIONS", "limits.partitions", COL_NUMBER },
    { "CONNECTIONS", "limits.connections", COL_NUMBER },
    { "LIFETIME MS", "limits.lifetime_ms", COL_NUMBER },
};

static const struct column limit_columns[] = {
    { "LIMIT", "name", COL_TEXT },   { "ALLOWED", "limit", COL_NUMBER }, { "USED", "use", COL_NUMBER },
    { "OF THE PLAN", "plan_limit", COL_NUMBER }, { "ITS OWN", "own_limit", COL_NUMBER },
    { "UNIT", "unit", COL_TEXT },
};

/* Words NAME=NUMBER (NAME= : null) from the `first`; NULL: told what is wrong. */
static json_t *limits_of(const struct cli *cli, int first)
{
    json_t *limits = json_object();
    for (int i = first; i < cli->word_count; i++) {
        char name[64];
        int64_t value = 0;
        const char *equals = strchr(cli->words[i], '=');
        struct str text = { equals ? cli->words[i] : "", equals ? (size_t)(equals - cli->words[i]) : 0 };
        struct str number = str_c(equals ? equals + 1 : "");
        bool negative = number.len == 2 && strcmp(number.data, "-1") == 0;
        bool fine = equals && str_copy(name, sizeof name, text) &&
                    (number.len == 0 || negative || str_to_i64(number, &value));
        if (!fine) {
            cli_wrong("give NAME=NUMBER (-1: no limit), or NAME= for the plan's: %s", cli->words[i]);
            return NULL;
        }
        json_t *set = number.len == 0 ? json_null() : json_integer(negative ? -1 : value);
        json_object_set_new(limits, name, set);
    }
    return limits;
}

int verb_plans_list(struct cli *cli)
{
    json_t *a = rest_call(cli, "GET", NULL, "/leat/v1/plans");
    table_print(cli, field_at(a, "data"), plan_columns, ARRAY_LEN(plan_columns));
    return 0;
}

static int print_plan(struct cli *cli, json_t *plan)
{
    table_object(cli, plan, plan_columns, ARRAY_LEN(plan_columns));
    return 0;
}

int verb_plans_create(struct cli *cli)
{
    const char *from = cli_option(cli, "plan");
    json_t *limits = limits_of(cli, 1);
    if (!limits) return 2;
    return print_plan(cli, rest_call(cli, "POST", json_pack("{s:s, s:s, s:o}", "name", cli->words[0], "from",
                                                            from ? from : "basic", "limits", limits),
                                     "/leat/v1/plans"));
}

int verb_plans_set(struct cli *cli)
{
    json_t *limits = limits_of(cli, 1);
    if (!limits) return 2;
    return print_plan(cli, rest_call(cli, "PATCH", json_pack("{s:o}", "limits", limits), "/leat/v1/plans/%s",
                                     rest_escape(cli->words[0])));
}

int verb_plans_delete(struct cli *cli)
{
    rest_call(cli, "DELETE", NULL, "/leat/v1/plans/%s", rest_escape(cli->words[0]));
    return 0;
}

int verb_limits_list(struct cli *cli)
{
    const char *cluster = rest_escape(cli_cluster(cli));
    json_t *a = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s/limits", cluster);
    table_print(cli, field_at(a, "data"), limit_columns, ARRAY_LEN(limit_columns));
    return 0;
}

int verb_limits_set(struct cli *cli)
{
    const char *cluster = rest_escape(cli_cluster(cli)), *plan = cli_option(cli, "plan");
    json_t *limits = limits_of(cli, 0);
    if (!limits) return 2;
    json_t *body = json_object();
    if (plan) json_object_set_new(body, "plan", json_string(plan));
    if (json_object_size(limits)) json_object_set_new(body, "limits", limits);
    if (!json_object_size(body)) return cli_wrong("what should change? Give --plan NAME or LIMIT=NUMBER");
    rest_call(cli, "PATCH", body, "/leat/v1/clusters/%s", cluster);
    return verb_limits_list(cli);
}

/* --- topic requests ------------------------------------------------------------------------------------ */

static const struct column request_columns[] = {
    { "ID", "id", COL_TEXT },
    { "STATE", "state", COL_TEXT },
    { "CLUSTER", "cluster_id", COL_TEXT },
    { "TOPIC", "topic_name", COL_TEXT },
    { "PARTITIONS", "partitions_count", COL_NUMBER },
    { "BY", "requested_by", COL_TEXT },
    { "WHY", "justification", COL_TEXT },
    { "REASON", "reason", COL_TEXT },
};

int verb_requests_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/leat/v1/topic-requests"), request_columns, ARRAY_LEN(request_columns));
    return 0;
}

static int print_request(struct cli *cli, json_t *request)
{
    table_object(cli, request, request_columns, ARRAY_LEN(request_columns));
    return 0;
}

int verb_requests_create(struct cli *cli)
{
    const char *cluster = cli_cluster(cli), *account = cli_option(cli, "account"), *operation;
    const char *partitions = cli_option(cli, "partitions"), *why = cli_option(cli, "description");
    const char *group = cli_option(cli, "group");
    json_t *body = json_pack("{s:s, s:s, s:s}", "cluster_id", cluster, "topic_name", cli->words[0],
                             "justification", why ? why : "");
    int64_t count = 0;
    if (partitions && !str_to_i64(str_c(partitions), &count)) return cli_wrong("--partitions is a number");
    if (partitions) json_object_set_new(body, "partitions_count", json_integer(count));
    if (account) {
        json_t *operations = json_array();
        for (int n = 0; (operation = cli_option_n(cli, "operation", n)); n++)
            json_array_append_new(operations, json_string(operation));
        json_t *access = json_pack("{s:o, s:o}", "principal", json_sprintf("User:%s", account), "operations",
                                   operations);
        if (group) json_object_set_new(access, "group", json_string(group));
        json_object_set_new(body, "access", json_pack("[o]", access));
    }
    return print_request(cli, rest_call(cli, "POST", body, "/leat/v1/topic-requests"));
}

static int decide(struct cli *cli, const char *verb)
{
    const char *reason = cli_option(cli, "reason");
    return print_request(cli, rest_call(cli, "POST", json_pack("{s:s}", "reason", reason ? reason : ""),
                                        "/leat/v1/topic-requests/%s:%s", rest_escape(cli->words[0]), verb));
}

int verb_requests_approve(struct cli *cli) { return decide(cli, "approve"); }
int verb_requests_decline(struct cli *cli) { return decide(cli, "decline"); }
int verb_requests_withdraw(struct cli *cli) { return decide(cli, "withdraw"); }

/* --- costs ---------------------------------------------------------------------------------------------- */

int verb_costs_list(struct cli *cli)
{
    static const struct column columns[] = {
        { "DAY", "start_date", COL_TEXT },   { "CLUSTER", "resource.id", COL_TEXT },
        { "NAME", "resource.display_name", COL_TEXT }, { "WHAT", "line_type", COL_TEXT },
        { "QUANTITY", "shown", COL_TEXT },   { "UNIT", "unit", COL_TEXT },
        { "AMOUNT", "cost", COL_TEXT },
    };
    const char *from = cli_option(cli, "from"), *to = cli_option(cli, "to");
    char path[256];
    size_t i;
    json_t *row;
    if (!from || !to) return cli_wrong("which days? Give --from 2026-01-01 --to 2026-02-01 (not included)");
    snprintf(path, sizeof path, "/billing/v1/costs?start_date=%.40s&end_date=%.40s", rest_escape(from),
             rest_escape(to));
    json_t *rows = rest_list(cli, path);
    json_array_foreach(rows, i, row) {
        if (cli->json) break;
        json_object_set_new(row, "shown", json_sprintf("%.6g", json_number_value(field_at(row, "quantity"))));
        json_object_set_new(row, "cost", json_sprintf("%.2f", json_number_value(field_at(row, "amount"))));
    }
    table_print(cli, rows, columns, ARRAY_LEN(columns));
    return 0;
}
