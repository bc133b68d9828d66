/* kafka.c - verbs of a cluster's ACLs, groups and SCRAM users that need more than a row of the table. */
#include "cli/functions.h"

#include <stdlib.h>

/* --- ACLs ------------------------------------------------------------------------------------- */

/* What the options name. `all`: what is not given is left out. */
static json_t *acl_of(struct cli *cli, const char *permission, bool all)
{
    static const char *const types[][2] = { { "topic", "TOPIC" }, { "group", "GROUP" },
                                            { "transactional-id", "TRANSACTIONAL_ID" } };
    const char *account = cli_option(cli, all ? "principal" : "account"), *host = cli_option(cli, "host");
    const char *operation = cli_option(cli, "operation"), *type = NULL, *name = NULL;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!cli_option(cli, types[i][0])) continue;
        if (type) exit(cli_wrong("an ACL is about one of --topic, --group and --transactional-id"));
        type = types[i][1], name = cli_option(cli, types[i][0]);
    }
    json_t *acl = json_object();
    if (account)
        json_object_set_new(acl, "principal",
                            strncmp(account, "User:", 5) ? json_sprintf("User:%s", account)
                                                         : json_string(account));
    if (operation) json_object_set_new(acl, "operation", json_string(operation));
    if (type)
        json_object_update_new(acl,
                               json_pack("{s:s, s:s}", "resource_type", type, "resource_name", name));
    if (all) return acl;
    if (!type)
        json_object_update_new(acl, json_pack("{s:s, s:s}", "resource_type", "CLUSTER", "resource_name",
                                              "kafka-cluster"));
    json_object_update_new(acl, json_pack("{s:s, s:s, s:s}", "pattern_type",
                                          cli_option(cli, "prefix") ? "PREFIXED" : "LITERAL", "host",
                                          host ? host : "*", "permission", permission));
    return acl;
}

static const char *query_of(const json_t *acl)
{
    static char query[4096];
    const char *name;
    json_t *value;
    size_t at = 0;
    json_object_foreach((json_t *)acl, name, value) {
        int n = snprintf(query + at, sizeof query - at, "%c%s=%s", at ? '&' : '?', name,
                         rest_escape(json_string_value(value)));
        if (n < 0 || (size_t)n >= sizeof query - at) exit(cli_wrong("the names are too long"));
        at += (size_t)n;
    }
    query[at] = 0;
    return query;
}

int verb_acls_list(struct cli *cli)
{
    json_t *a =
        rest_call(cli, "GET", NULL, "%s%s", request_path(cli, 0), query_of(acl_of(cli, NULL, true)));
    view_print(cli, a, cli->verb->view);
    return CLI_DONE;
}

static int acl_create(struct cli *cli, const char *permission)
{
    rest_call(cli, "POST", acl_of(cli, permission, false), "%s", request_path(cli, 0));
    return CLI_DONE;
}

int verb_acls_allow(struct cli *cli) { return acl_create(cli, "ALLOW"); }
int verb_acls_deny(struct cli *cli) { return acl_create(cli, "DENY"); }

int verb_acls_remove(struct cli *cli)
{
    const char *path = strdup(request_path(cli, 0)), *query = query_of(acl_of(cli, "ANY", false));
    request_confirm(cli);
    view_print(cli, rest_call(cli, "DELETE", NULL, "%s%s", path, query), cli->verb->view);
    return CLI_DONE;
}

/* --- groups ----------------------------------------------------------------------------------- */

/* {"to": …} of the one option that says where; NULL: none does, or more than one. */
static json_t *reset_body(struct cli *cli)
{
    static const char *const numbers[] = { "offset", "timestamp", "shift" };
    const char *to = cli_option(cli, "to"), *from = cli_option(cli, "from-group");
    json_t *body = json_object();
    int given = (to != NULL) + (from != NULL);
    if (to) json_object_set_new(body, "to", json_string(to));
    if (from) json_object_update_new(body, json_pack("{s:s, s:s}", "to", "group", "from_group", from));
    for (int i = 0; i < 3; i++) {
        if (!cli_option(cli, numbers[i])) continue;
        json_object_update_new(body, json_pack("{s:s, s:I}", "to", numbers[i], numbers[i],
                                               (json_int_t)cli_number(cli, numbers[i], 0)));
        given++;
    }
    return given == 1 ? body : NULL;
}

int verb_groups_reset(struct cli *cli)
{
    bool yes = cli_option(cli, "yes");
    json_t *body = reset_body(cli), *topics = json_array();
    if (!body)
        return cli_wrong(
            "where to? Give one of --to earliest|latest, --offset N, --timestamp MS, --shift N, "
            "--from-group G");
    for (int i = 0; cli_option_n(cli, "topic", i); i++)
        json_array_append_new(topics, json_pack("{s:s}", "topic", cli_option_n(cli, "topic", i)));
    if (json_array_size(topics)) json_object_set_new(body, "topics", topics);
    json_object_set_new(body, "dry_run", json_boolean(!yes));
    json_t *plan = rest_call(cli, "POST", body, "%s", request_path(cli, 0));
    if (cli->json) json_print(plan);
    else view_rows(json_object_get(plan, "partitions"), cli->verb->view);
    const char *blocked = text_at(plan, "blocked_by");
    if (*blocked) fprintf(stderr, "%s\n", blocked);
    else if (!yes) fputs("Nothing was changed; add --yes to do it.\n", stderr);
    return CLI_DONE;
}

/* --- SCRAM users ------------------------------------------------------------------------------ */

int verb_scram_users_set(struct cli *cli)
{
    const char *mechanism = cli_option(cli, "mechanism");
    int64_t iterations = cli_number(cli, "iterations", 0);
    json_t *body = json_object();
    if (mechanism) json_object_set_new(body, "mechanism", json_string(mechanism));
    if (iterations) json_object_set_new(body, "iterations", json_integer(iterations));
    if (!cli_option(cli, "password-made-up"))
        json_object_set_new(body, "password", json_string(cli_secret(cli, "password-file", "LEAT_PASSWORD",
                                                                     "Password")));
    json_t *user = rest_call(cli, "PUT", body, "%s", request_path(cli, 0));
    view_print(cli, user, cli->verb->view);
    if (*text_at(user, "password") && !cli->json)
        fputs("The password is shown this once; store it now.\n", stderr);
    return CLI_DONE;
}
