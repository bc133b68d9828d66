/* data.c - verbs about one cluster's data: topics, ACLs, groups, produce, consume. */
#include "cli/verbs.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1 << 20)
#define PRODUCE_BATCH 100 /* lines a request */

/* --- topics ---------------------------------------------------------------------------------------- */
static const struct column topic_columns[] = { { "TOPIC", "topic_name", COL_TEXT },
                                               { "PARTITIONS", "partitions_count", COL_NUMBER },
                                               { "RECORDS", "records", COL_NUMBER },
                                               { "STORED", "bytes_stored", COL_BYTES },
                                               { "IN", "in_per_s", COL_RATE },
                                               { "LAST RECORD", "last_record_at", COL_TEXT } };

int verb_topics_list(struct cli *cli)
{
    char path[512];
    snprintf(path, sizeof path, "/leat/v1/clusters/%s/topics", rest_escape(cli_cluster(cli)));
    table_print(cli, rest_list(cli, path), topic_columns, 6);
    return 0;
}

/* "name=value" -> {"name":…, "value":…}; NULL when there is no '='. */
static json_t *config_of(const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq) return NULL;
    return json_pack("{s:s#, s:s}", "name", text, (int)(eq - text), "value", eq + 1);
}

int verb_topics_create(struct cli *cli)
{
    json_t *body = json_pack("{s:s}", "topic_name", cli->words[0]), *configs = json_array();
    const char *partitions = cli_option(cli, "partitions");
    int64_t n;
    if (partitions) {
        if (!str_to_i64(str_c(partitions), &n)) return cli_wrong("--partitions takes a number");
        json_object_set_new(body, "partitions_count", json_integer(n));
    }
    for (int i = 0; cli_option_n(cli, "config", i); i++) {
        json_t *config = config_of(cli_option_n(cli, "config", i));
        if (!config) return cli_wrong("--config takes NAME=VALUE");
        json_array_append_new(configs, config);
    }
    json_object_set_new(body, "configs", configs);
    json_t *t = rest_call(cli, "POST", body, "/kafka/v3/clusters/%s/topics",
                          rest_escape(cli_cluster(cli)));
    table_object(cli, t, topic_columns, 2);
    return 0;
}

int verb_topics_show(struct cli *cli)
{
    static const struct column columns[] = { { "PARTITION", "partition_id", COL_NUMBER },
                                             { "LEADER", "leader", COL_NUMBER },
                                             { "START", "start_offset", COL_NUMBER },
                                             { "END", "end_offset", COL_NUMBER },
                                             { "STORED", "bytes", COL_BYTES } };
    json_t *t = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s/topics/%s",
                          rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]));
    table_object(cli, t, topic_columns, 6);
    if (cli->json) return 0;
    putchar('\n');
    table_print(cli, field_at(t, "partitions"), columns, 5);
    return 0;
}

int verb_topics_delete(struct cli *cli)
{
    if (!cli_option(cli, "yes"))
        return cli_wrong("this deletes topic '%s' with all its records; add --yes to do it",
                         cli->words[0]);
    rest_call(cli, "DELETE", NULL, "/kafka/v3/clusters/%s/topics/%s",
              rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]));
    return 0;
}

int verb_topics_config(struct cli *cli)
{
    static const struct column columns[] = { { "NAME", "name", COL_TEXT },
                                             { "VALUE", "value", COL_TEXT },
                                             { "SOURCE", "source", COL_TEXT } };
    const char *cluster = rest_escape(cli_cluster(cli)), *topic = rest_escape(cli->words[0]);
    json_t *data = json_array();
    for (int i = 1; i < cli->word_count; i++) {
        json_t *config = config_of(cli->words[i]);
        if (!config) return cli_wrong("give NAME=VALUE, or NAME= for the default: %s", cli->words[i]);
        if (!*text_at(config, "value")) {
            json_object_del(config, "value");
            json_object_set_new(config, "operation", json_string("DELETE"));
        }
        json_array_append_new(data, config);
    }
    if (json_array_size(data))
        rest_call(cli, "POST", json_pack("{s:o}", "data", data),
                  "/kafka/v3/clusters/%s/topics/%s/configs:alter", cluster, topic);
    json_t *a = rest_call(cli, "GET", NULL, "/kafka/v3/clusters/%s/topics/%s/configs", cluster,
                          topic);
    table_print(cli, field_at(a, "data"), columns, 3);
    return 0;
}

/* --- ACLs ------------------------------------------------------------------------------------------ */
static const struct column acl_columns[] = { { "PRINCIPAL", "principal", COL_TEXT },
                                             { "PERMISSION", "permission", COL_TEXT },
                                             { "OPERATION", "operation", COL_TEXT },
                                             { "RESOURCE", "resource_type", COL_TEXT },
                                             { "NAME", "resource_name", COL_TEXT },
                                             { "PATTERN", "pattern_type", COL_TEXT },
                                             { "HOST", "host", COL_TEXT } };

int verb_acls_list(struct cli *cli)
{
    json_t *a = rest_call(cli, "GET", NULL, "/kafka/v3/clusters/%s/acls",
                          rest_escape(cli_cluster(cli)));
    table_print(cli, field_at(a, "data"), acl_columns, 7);
    return 0;
}

/* What the options name; the exit code of a wrong use in *ret_wrong. */
static json_t *acl_of(struct cli *cli, const char *permission, int *ret_wrong)
{
    const char *account = cli_option(cli, "account"), *operation = cli_option(cli, "operation");
    const char *type = "CLUSTER", *name = "kafka-cluster", *host = cli_option(cli, "host");
    if (cli_option(cli, "topic")) type = "TOPIC", name = cli_option(cli, "topic");
    if (cli_option(cli, "group")) type = "GROUP", name = cli_option(cli, "group");
    if (cli_option(cli, "transactional-id"))
        type = "TRANSACTIONAL_ID", name = cli_option(cli, "transactional-id");
    *ret_wrong = 0;
    if (!account || !operation) {
        *ret_wrong = cli_wrong("give --account sa-… and --operation READ|WRITE|… and what it is "
                               "about: --topic, --group or --transactional-id NAME (none: the "
                               "cluster)");
        return NULL;
    }
    char principal[300];
    snprintf(principal, sizeof principal, "%s%s", strncmp(account, "User:", 5) ? "User:" : "",
             account);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "resource_type", type, "resource_name",
                     name, "pattern_type", cli_option(cli, "prefix") ? "PREFIXED" : "LITERAL",
                     "principal", principal, "host", host ? host : "*", "operation", operation,
                     "permission", permission);
}

static int acl_create(struct cli *cli, const char *permission)
{
    int wrong;
    json_t *acl = acl_of(cli, permission, &wrong);
    if (!acl) return wrong;
    rest_call(cli, "POST", acl, "/kafka/v3/clusters/%s/acls", rest_escape(cli_cluster(cli)));
    return 0;
}

int verb_acls_allow(struct cli *cli) { return acl_create(cli, "ALLOW"); }
int verb_acls_deny(struct cli *cli) { return acl_create(cli, "DENY"); }

int verb_acls_remove(struct cli *cli)
{
    int wrong;
    json_t *acl = acl_of(cli, "ANY", &wrong), *value;
    if (!acl) return wrong;
    char query[4096] = "";
    const char *name;
    size_t at = 0;
    json_object_foreach(acl, name, value) {
        int n = snprintf(query + at, sizeof query - at, "%s%s=%s", at ? "&" : "", name,
                         rest_escape(json_string_value(value)));
        if (n < 0 || (size_t)n >= sizeof query - at) return cli_wrong("the names are too long");
        at += (size_t)n;
    }
    json_t *a = rest_call(cli, "DELETE", NULL, "/kafka/v3/clusters/%s/acls?%s",
                          rest_escape(cli_cluster(cli)), query);
    table_print(cli, field_at(a, "data"), acl_columns, 7);
    return 0;
}

/* --- groups ---------------------------------------------------------------------------------------- */
int verb_groups_list(struct cli *cli)
{
    static const struct column columns[] = { { "GROUP", "group_id", COL_TEXT },
                                             { "STATE", "state", COL_TEXT },
                                             { "MEMBERS", "members", COL_NUMBER },
                                             { "LAG", "total_lag", COL_NUMBER },
                                             { "WORST TOPIC", "worst_topic", COL_TEXT } };
    char path[512];
    snprintf(path, sizeof path, "/leat/v1/clusters/%s/groups", rest_escape(cli_cluster(cli)));
    table_print(cli, rest_list(cli, path), columns, 5);
    return 0;
}

int verb_groups_show(struct cli *cli)
{
    static const struct column columns[] = { { "TOPIC", "topic", COL_TEXT },
                                             { "PARTITION", "partition", COL_NUMBER },
                                             { "CURRENT", "current_offset", COL_NUMBER },
                                             { "END", "log_end_offset", COL_NUMBER },
                                             { "LAG", "lag", COL_NUMBER },
                                             { "MEMBER", "member_id", COL_TEXT } };
    json_t *g = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s/groups/%s",
                          rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]));
    table_print(cli, cli->json ? g : field_at(g, "lags"), columns, 6);
    return 0;
}

int verb_groups_delete(struct cli *cli)
{
    if (!cli_option(cli, "yes"))
        return cli_wrong("this deletes group '%s' with its committed offsets; add --yes to do it",
                         cli->words[0]);
    rest_call(cli, "DELETE", NULL, "/leat/v1/clusters/%s/groups/%s", rest_escape(cli_cluster(cli)),
              rest_escape(cli->words[0]));
    return 0;
}

/* {"to": …} of the one option that says where; NULL: none does, or more than one, or no number. */
static json_t *reset_body(struct cli *cli)
{
    static const char *const numbers[] = { "offset", "timestamp", "shift" };
    const char *to = cli_option(cli, "to"), *from = cli_option(cli, "from-group");
    json_t *body = json_object();
    int given = (to != NULL) + (from != NULL);
    if (to) json_object_set_new(body, "to", json_string(to));
    if (from) json_object_update_new(body, json_pack("{s:s, s:s}", "to", "group", "from_group", from));
    for (int i = 0; i < 3; i++) {
        const char *text = cli_option(cli, numbers[i]);
        int64_t n;
        if (!text) continue;
        bool negative = text[0] == '-';
        if (!str_to_i64(str_c(text + negative), &n)) return NULL;
        json_object_update_new(body, json_pack("{s:s, s:I}", "to", numbers[i], numbers[i],
                                               (json_int_t)(negative ? -n : n)));
        given++;
    }
    return given == 1 ? body : NULL;
}

int verb_groups_reset(struct cli *cli)
{
    static const struct column columns[] = { { "TOPIC", "topic", COL_TEXT },
                                             { "PARTITION", "partition", COL_NUMBER },
                                             { "NOW AT", "current_offset", COL_NUMBER },
                                             { "WILL BE AT", "new_offset", COL_NUMBER },
                                             { "AGAIN", "repeated", COL_NUMBER },
                                             { "SKIPPED", "skipped", COL_NUMBER },
                                             { "LAG AFTER", "lag", COL_NUMBER } };
    bool yes = cli_option(cli, "yes");
    json_t *body = reset_body(cli), *topics = json_array();
    if (!body) {
        return cli_wrong("where to? Give one of --to earliest|latest, --offset N, --timestamp MS, --shift N, "
                         "--from-group G");
    }
    for (int i = 0; cli_option_n(cli, "topic", i); i++)
        json_array_append_new(topics, json_pack("{s:s}", "topic", cli_option_n(cli, "topic", i)));
    if (json_array_size(topics)) json_object_set_new(body, "topics", topics);
    json_object_set_new(body, "dry_run", json_boolean(!yes));
    json_t *plan = rest_call(cli, "POST", body, "/leat/v1/clusters/%s/groups/%s:reset-offsets",
                             rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]));
    table_print(cli, cli->json ? plan : field_at(plan, "partitions"), columns, 7);
    const char *blocked = text_at(plan, "blocked_by");
    if (*blocked) fprintf(stderr, "%s\n", blocked);
    else if (!yes) fputs("Nothing was changed; add --yes to do it.\n", stderr);
    return 0;
}

/* --- records --------------------------------------------------------------------------------------- */
/* Sends what was collected; refused records are said one by one. Returns how many were. */
static int flush_records(struct cli *cli, struct buf *body)
{
    if (body->len == 0) return 0;
    buf_put(body, "", 1);
    json_t *answer = rest_call(cli, "POST", json_string((const char *)body->data),
                               "/kafka/v3/clusters/%s/topics/%s/records",
                               rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]));
    buf_clear(body);
    json_t *rows = json_is_array(answer) ? answer : json_pack("[O]", answer), *row;
    size_t i;
    int refused = 0;
    json_array_foreach(rows, i, row) {
        if (json_integer_value(json_object_get(row, "error_code")) == 200) {
            if (cli->json) json_dumpf(row, stdout, JSON_COMPACT), putchar('\n');
            continue;
        }
        fprintf(stderr, "leat: a record was refused: %s\n", text_at(row, "message"));
        refused++;
    }
    return refused;
}

int verb_produce(struct cli *cli)
{
    static char line[LINE_MAX_BYTES];
    const char *key = cli_option(cli, "record-key"), *partition = cli_option(cli, "partition");
    int64_t n = -1;
    int refused = 0, sent = 0, waiting = 0;
    if (partition && !str_to_i64(str_c(partition), &n)) return cli_wrong("--partition takes a number");
    struct buf body;
    buf_init(&body, 64u << 20);
    if (isatty(STDIN_FILENO)) fputs("One record a line; end with Ctrl-D.\n", stderr);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        json_t *record = json_pack("{s:{s:s, s:s}}", "value", "type", "STRING", "data", line);
        if (!record) return cli_wrong("line %d is not UTF-8 text", sent + 1);
        if (key)
            json_object_set_new(record, "key", json_pack("{s:s, s:s}", "type", "STRING", "data", key));
        if (partition) json_object_set_new(record, "partition_id", json_integer(n));
        char *text = json_dumps(record, JSON_COMPACT);
        buf_put_str(&body, str_c(text));
        free(text); /* tidy: allowed, jansson's own memory */
        json_decref(record);
        sent++;
        if (++waiting == PRODUCE_BATCH || body.len > LINE_MAX_BYTES / 2 || isatty(STDIN_FILENO)) {
            refused += flush_records(cli, &body);
            waiting = 0;
        }
    }
    refused += flush_records(cli, &body);
    if (!cli->json) fprintf(stderr, "%d of %d records written\n", sent - refused, sent);
    return refused ? 1 : 0;
}

static void print_record(struct cli *cli, const json_t *r)
{
    if (cli->json) {
        json_dumpf(r, stdout, JSON_COMPACT);
    } else {
        const char *key = text_at(r, "key.data");
        printf("%lld:%lld  %s%s%s", (long long)json_integer_value(field_at(r, "partition")),
               (long long)json_integer_value(field_at(r, "offset")), key, *key ? "  " : "",
               text_at(r, "value.data"));
    }
    putchar('\n');
}

/* Goes on from the end of each partition, one request a second. */
static int follow(struct cli *cli, json_t *answer)
{
    const char *filter = cli_option(cli, "filter");
    for (;;) {
        json_t *partitions = json_incref(json_object_get(answer, "partitions")), *p, *next;
        json_t *merged = json_array();
        size_t i;
        fflush(stdout);
        nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
        json_array_foreach(partitions, i, p) {
            long long id = json_integer_value(json_object_get(p, "partition_id"));
            long long at = json_integer_value(json_object_get(p, "next_offset"));
            next = rest_call(cli, "GET", NULL,
                             "/leat/v1/clusters/%s/topics/%s/records?from=offset&offset=%lld"
                             "&partition=%lld&limit=500%s%s",
                             rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]), at, id,
                             filter ? "&filter=" : "", filter ? rest_escape(filter) : "");
            json_t *row;
            size_t k;
            json_array_foreach(json_object_get(next, "data"), k, row) print_record(cli, row);
            json_array_extend(merged, json_object_get(next, "partitions"));
            json_decref(next);
        }
        json_decref(answer);
        json_decref(partitions);
        answer = json_pack("{s:o}", "partitions", merged);
    }
    return 0;
}

int verb_consume(struct cli *cli)
{
    const char *from = cli_option(cli, "from"), *limit = cli_option(cli, "limit");
    const char *partition = cli_option(cli, "partition"), *filter = cli_option(cli, "filter");
    int64_t offset;
    char where[128];
    if (!from) from = "newest";
    if (str_to_i64(str_c(from), &offset))
        snprintf(where, sizeof where, "from=offset&offset=%lld", (long long)offset);
    else if (strcmp(from, "newest") == 0 || strcmp(from, "oldest") == 0)
        snprintf(where, sizeof where, "from=%s", from);
    else
        return cli_wrong("--from takes newest, oldest or an offset");
    json_t *answer =
        rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s/topics/%s/records?%s&limit=%s%s%s%s%s",
                  rest_escape(cli_cluster(cli)), rest_escape(cli->words[0]), where,
                  limit ? rest_escape(limit) : "20", partition ? "&partition=" : "",
                  partition ? rest_escape(partition) : "", filter ? "&filter=" : "",
                  filter ? rest_escape(filter) : "");
    json_t *data = json_object_get(answer, "data");
    bool newest = strcmp(from, "newest") == 0; /* shown in the order they were written */
    for (size_t i = 0, n = json_array_size(data); i < n; i++)
        print_record(cli, json_array_get(data, newest ? n - 1 - i : i));
    return cli_option(cli, "follow") ? follow(cli, answer) : 0;
}
