/* backup.c - verbs for backups of clusters and of the database, and for restoring. */
#include "cli/verbs.h"

#include "base/mem.h"

static const struct column columns[] = { { "ID", "id", COL_TEXT },
                                         { "CLUSTER", "cluster_id", COL_TEXT },
                                         { "NAME", "display_name", COL_TEXT },
                                         { "MADE", "created_at", COL_TEXT },
                                         { "SIZE", "bytes", COL_BYTES },
                                         { "DESCRIPTION", "description", COL_TEXT } };

int verb_backup_create(struct cli *cli)
{
    const char *id = cli->word_count ? cli->words[0] : cli_cluster(cli);
    const char *description = cli_option(cli, "description");
    json_t *made = rest_call(cli, "POST", json_pack("{s:s}", "description", description ? description : ""),
                             "/leat/v1/clusters/%s/backups", rest_escape(id));
    table_object(cli, made, columns, ARRAY_LEN(columns));
    return 0;
}

int verb_backup_list(struct cli *cli)
{
    table_print(cli, rest_list(cli, "/leat/v1/backups"), columns, ARRAY_LEN(columns));
    return 0;
}

int verb_backup_delete(struct cli *cli)
{
    if (!cli_option(cli, "yes"))
        return cli_wrong("this deletes the backup %s; add --yes to do it", cli->words[0]);
    rest_call(cli, "DELETE", NULL, "/leat/v1/backups/%s", rest_escape(cli->words[0]));
    return 0;
}

int verb_backup_database(struct cli *cli)
{
    static const struct column copy[] = { { "PATH", "path", COL_TEXT }, { "SIZE", "bytes", COL_BYTES } };
    table_object(cli, rest_call(cli, "POST", NULL, "/leat/v1/database:backup"), copy, ARRAY_LEN(copy));
    return 0;
}

int verb_restore(struct cli *cli)
{
    static const struct column restored[] = { { "CLUSTER", "cluster_id", COL_TEXT } };
    const char *name = cli->word_count > 1 ? cli->words[1] : NULL;
    const char *environment = cli_option(cli, "environment"), *same = cli_option(cli, "cluster");
    json_t *body = json_object();
    if (name) json_object_set_new(body, "display_name", json_string(name));
    if (same) json_object_set_new(body, "cluster_id", json_string(same));
    if (environment) json_object_set_new(body, "environment", json_pack("{s:s}", "id", environment));
    table_object(cli, rest_call(cli, "POST", body, "/leat/v1/backups/%s:restore", rest_escape(cli->words[0])),
                 restored, ARRAY_LEN(restored));
    return 0;
}
