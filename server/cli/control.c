/* control.c - verbs of the control plane: login, environments, clusters, accounts, keys, quotas. */
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Asks without echo on a terminal; else reads a line. */
static char *read_secret(void)
{
    static char line[1024];
    struct termios old, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
    if (terminal) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        fputs("Secret: ", stderr);
    }
    if (!fgets(line, sizeof line, stdin)) line[0] = 0;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    line[strcspn(line, "\r\n")] = 0;
    return line;
}

int verb_login(struct cli *cli)
{
    const char *quickstart = cli_option(cli, "quickstart");
    if (quickstart) {
        json_error_t error;
        json_t *q = json_load_file(quickstart, 0, &error);
        if (!q) return cli_wrong("%s cannot be read: %s", quickstart, error.text);
        cli->url = strdup(text_at(q, "rest_url"));
        cli->key = strdup(text_at(q, "cloud_api_key"));
        cli->secret = strdup(text_at(q, "cloud_api_secret"));
        cli->cluster = strdup(text_at(q, "cluster_id"));
        cli->ca = strdup(text_at(q, "ca_file"));
    } else {
        if (cli->word_count) cli->url = strdup(cli->words[0]);
        if (cli_option(cli, "key")) cli->key = strdup(cli_option(cli, "key"));
        if (cli_option(cli, "ca")) cli->ca = realpath(cli_option(cli, "ca"), NULL);
        if (cli_option(cli, "ca") && !cli->ca) return cli_wrong("there is no file %s", cli_option(cli, "ca"));
        if (!cli->key) return cli_wrong("which key? Give --key ID; the secret is asked for");
        const char *secret = getenv("LEAT_API_SECRET");
        cli->secret = strdup(secret && *secret ? secret : read_secret());
        if (cli_option(cli, "cluster")) cli->cluster = strdup(cli_option(cli, "cluster"));
    }
    rest_call(cli, "GET", NULL, "/leat/v1/clusters?page_size=1"); /* exits when refused */
    return profile_save(cli);
}

int verb_profiles(struct cli *cli) { return profile_list(cli); }

/* --- environments ---------------------------------------------------------------------------------- */
static const struct column environment_columns[] = { { "ID", "id", COL_TEXT },
                                                     { "NAME", "display_name", COL_TEXT },
                                                     { "CREATED", "metadata.created_at", COL_TEXT } };

int verb_environments_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/org/v2/environments"), environment_columns, 3);
    return 0;
}

int verb_environments_create(struct cli *cli)
{
    json_t *e = rest_call(cli, "POST", json_pack("{s:s}", "display_name", cli->words[0]),
                          "/org/v2/environments");
    table_object(cli, e, environment_columns, 3);
    return 0;
}

int verb_environments_delete(struct cli *cli)
{
    rest_call(cli, "DELETE", NULL, "/org/v2/environments/%s", rest_escape(cli->words[0]));
    return 0;
}

/* --- clusters -------------------------------------------------------------------------------------- */
static const struct column cluster_columns[] = {
    { "ID", "id", COL_TEXT },
    { "NAME", "display_name", COL_TEXT },
    { "ENVIRONMENT", "environment.display_name", COL_TEXT },
    { "STATE", "state.name", COL_TEXT },
    { "PLAN", "plan", COL_TEXT },
    { "TOPICS", "use.topics", COL_NUMBER },
    { "STORED", "use.storage_bytes", COL_BYTES },
    { "IN", "use.ingress_bytes_per_s", COL_RATE },
    { "OUT", "use.egress_bytes_per_s", COL_RATE },
    { "BOOTSTRAP", "bootstrap_servers", COL_TEXT },
    { "REASON", "state.reason", COL_TEXT },
};

int verb_clusters_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/leat/v1/clusters"), cluster_columns, 10);
    return 0;
}

int verb_clusters_show(struct cli *cli)
{
    const char *id = cli->word_count ? cli->words[0] : cli_cluster(cli);
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(id));
    table_object(cli, c, cluster_columns, ARRAY_LEN(cluster_columns));
    return 0;
}

int verb_clusters_create(struct cli *cli)
{
    const char *environment = cli_option(cli, "environment");
    const char *kind = cli_option(cli, "kind") ? cli_option(cli, "kind") : "Basic";
    if (!environment) return cli_wrong("which environment? Give --environment env-…");
    json_t *config = json_pack("{s:s}", "kind", kind);
    if (strcmp(kind, "Dedicated") == 0) json_object_set_new(config, "cku", json_integer(1));
    json_t *c = rest_call(cli, "POST",
                          json_pack("{s:{s:s, s:s, s:s, s:s, s:o, s:{s:s}}}", "spec",
                                    "display_name", cli->words[0], "availability", "SINGLE_ZONE",
                                    "cloud", "leat", "region", "local", "config", config,
                                    "environment", "id", environment),
                          "/cmk/v2/clusters");
    c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", text_at(c, "id"));
    table_object(cli, c, cluster_columns, ARRAY_LEN(cluster_columns));
    return 0;
}

int verb_clusters_delete(struct cli *cli)
{
    const char *id = cli->words[0];
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(id));
    if (!cli_option(cli, "yes"))
        return cli_wrong("this deletes cluster '%s' with %lld topics and all their records; "
                         "add --yes to do it",
                         text_at(c, "display_name"),
                         (long long)json_integer_value(field_at(c, "use.topics")));
    rest_call(cli, "DELETE", NULL, "/cmk/v2/clusters/%s?environment=%s", rest_escape(id),
              text_at(c, "environment.id"));
    return 0;
}

int verb_clusters_restart(struct cli *cli)
{
    const char *id = cli->word_count ? cli->words[0] : cli_cluster(cli);
    rest_call(cli, "POST", NULL, "/leat/v1/clusters/%s:restart", rest_escape(id));
    return 0;
}

/* --- service accounts ------------------------------------------------------------------------------ */
static const struct column account_columns[] = { { "ID", "id", COL_TEXT },
                                                 { "NAME", "display_name", COL_TEXT },
                                                 { "DESCRIPTION", "description", COL_TEXT } };

int verb_accounts_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/iam/v2/service-accounts"), account_columns, 3);
    return 0;
}

int verb_accounts_create(struct cli *cli)
{
    const char *description = cli_option(cli, "description");
    json_t *a = rest_call(cli, "POST",
                          json_pack("{s:s, s:s}", "display_name", cli->words[0], "description",
                                    description ? description : ""),
                          "/iam/v2/service-accounts");
    table_object(cli, a, account_columns, 3);
    return 0;
}

int verb_accounts_delete(struct cli *cli)
{
    rest_call(cli, "DELETE", NULL, "/iam/v2/service-accounts/%s", rest_escape(cli->words[0]));
    return 0;
}

/* --- keys -------------------------------------------------------------------------------------------- */
static const struct column key_columns[] = { { "KEY", "id", COL_TEXT },
                                             { "OWNER", "spec.owner.id", COL_TEXT },
                                             { "OPENS", "spec.resource.id", COL_TEXT },
                                             { "NAME", "spec.display_name", COL_TEXT },
                                             { "SECRET", "spec.secret", COL_TEXT } };

int verb_keys_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/iam/v2/api-keys"), key_columns, 4);
    return 0;
}

int verb_keys_create(struct cli *cli)
{
    const char *owner = cli_option(cli, "account");
    const char *description = cli_option(cli, "description");
    if (!owner) return cli_wrong("whose key? Give --account sa-… (and --cluster or --cloud)");
    json_t *resource = cli_option(cli, "cloud")
                           ? json_pack("{s:s, s:s}", "id", "cloud", "kind", "Cloud")
                           : json_pack("{s:s}", "id", cli_cluster(cli));
    json_t *k = rest_call(cli, "POST",
                          json_pack("{s:{s:s, s:s, s:{s:s}, s:o}}", "spec", "display_name",
                                    cli->word_count ? cli->words[0] : "", "description",
                                    description ? description : "", "owner", "id", owner,
                                    "resource", resource),
                          "/iam/v2/api-keys");
    table_object(cli, k, key_columns, 5);
    if (!cli->json) puts("\nThe secret is shown this once; store it now.");
    return 0;
}

int verb_keys_delete(struct cli *cli)
{
    rest_call(cli, "DELETE", NULL, "/iam/v2/api-keys/%s", rest_escape(cli->words[0]));
    return 0;
}

/* --- quotas ---------------------------------------------------------------------------------------- */
static const struct column quota_columns[] = { { "ID", "id", COL_TEXT },
                                               { "NAME", "spec.display_name", COL_TEXT },
                                               { "IN", "spec.throughput.ingress_byte_rate", COL_RATE },
                                               { "OUT", "spec.throughput.egress_byte_rate", COL_RATE },
                                               { "PRINCIPALS", "spec.principals", COL_TEXT } };

static const char *environment_of(struct cli *cli, const char *cluster)
{
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(cluster));
    return text_at(c, "environment.id");
}

int verb_quotas_list(struct cli *cli)
{
    const char *cluster = cli_cluster(cli);
    char path[512];
    snprintf(path, sizeof path, "/kafka-quotas/v1/client-quotas?spec.cluster=%s&environment=%s",
             rest_escape(cluster), environment_of(cli, cluster));
    table_print(cli, rest_list(cli, path), quota_columns, 5);
    return 0;
}

int verb_quotas_create(struct cli *cli)
{
    const char *cluster = cli_cluster(cli), *in = cli_option(cli, "in"), *out = cli_option(cli, "out");
    if (!in || !out) return cli_wrong("give --in and --out in bytes per second");
    json_t *principals = json_array();
    for (int i = 0; cli_option_n(cli, "account", i); i++)
        json_array_append_new(principals, json_pack("{s:s}", "id", cli_option_n(cli, "account", i)));
    if (cli_option(cli, "default"))
        json_array_append_new(principals, json_pack("{s:s}", "id", "<default>"));
    if (json_array_size(principals) == 0)
        return cli_wrong("for whom? Give --account sa-… (again for more) or --default");
    json_t *q = rest_call(
        cli, "POST",
        json_pack("{s:{s:s, s:s, s:{s:s, s:s}, s:{s:s}, s:o, s:{s:s}}}", "spec", "display_name",
                  cli->words[0], "description", "", "throughput", "ingress_byte_rate", in,
                  "egress_byte_rate", out, "cluster", "id", cluster, "principals", principals,
                  "environment", "id", environment_of(cli, cluster)),
        "/kafka-quotas/v1/client-quotas");
    table_object(cli, q, quota_columns, 5);
    return 0;
}

int verb_quotas_delete(struct cli *cli)
{
    rest_call(cli, "DELETE", NULL, "/kafka-quotas/v1/client-quotas/%s", rest_escape(cli->words[0]));
    return 0;
}
