/* export.c - `leat export`: what a cluster has as a file for `leat apply`, which then has nothing to do. */
#include "cli/apply.h"
#include "cli/functions.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* --- YAML
 * -------------------------------------------------------------------------------------------------- */

/* Whether YAML of any version reads the text as this text, without quotes. */
static bool plain(const char *text)
{
    static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };
    if (!isalpha((unsigned char)text[0])) return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p)) return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i]) == 0) return false;
    return true;
}

/* A text as a scalar; JSON's strings are YAML's. */
static void put_text(FILE *out, const char *text)
{
    if (plain(text) || (*text && strspn(text, "123456789") && strlen(text) < 16 &&
                        strspn(text, "0123456789") == strlen(text))) {
        fputs(text, out);
        return;
    }
    json_t *json = json_string(text);
    json_dumpf(json, out, JSON_ENCODE_ANY);
    json_decref(json);
}

static void put_field(FILE *out, const char *before, const char *name, const char *text)
{
    fprintf(out, "%s%s: ", before, name);
    put_text(out, text);
    fputc('\n', out);
}

static void put_name(FILE *out, const char *name)
{
    fputs("  ", out);
    put_text(out, name);
    fputs(":\n", out);
}

/* --- sections
 * ----------------------------------------------------------------------------------------------- */

/* The name of an account, or the principal itself. */
static const char *who(const struct live *live, const char *principal)
{
    const char *name = live_account_name(live, principal);
    if (*name) return name;
    return strncmp(principal, "User:", 5) ? json_string_value(json_sprintf("User:%s", principal))
                                          : principal;
}

/* Accounts of the organization that this cluster has something to do with. */
static void put_accounts(FILE *out, const struct live *live)
{
    const char *name, *key;
    json_t *account, *row;
    bool any = false;
    json_object_foreach(json_object_get(live->state, "accounts"), name, account) {
        const char *id = text_at(account, "id");
        bool used = false;
        json_object_foreach(json_object_get(live->state, "acls"), key, row)
            used |= strcmp(text_at(row, "principal") + 5, id) == 0;
        json_object_foreach(json_object_get(live->state, "role-bindings"), key, row) used |=
            strcmp(text_at(row, "principal") + 5, id) == 0 &&
            strstr(text_at(row, "crn_pattern"), live->cluster);
        json_object_foreach(json_object_get(live->state, "keys"), key, row)
            used |= strcmp(text_at(row, "owner"), id) == 0;
        json_object_foreach(json_object_get(live->state, "quotas"), key, row) {
            size_t i;
            json_t *one;
            json_array_foreach(json_object_get(row, "principals"), i, one)
                used |= strcmp(json_string_value(one), id) == 0;
        }
        if (!used) continue;
        if (!any) fputs("\naccounts:\n", out);
        any = true;
        put_name(out, name);
        put_field(out, "    ", "description", text_at(account, "description"));
    }
}

static void put_topics(FILE *out, const struct live *live)
{
    const char *name, *config;
    json_t *topic, *value;
    fputs(json_object_size(json_object_get(live->state, "topics")) ? "\ntopics:\n" : "\ntopics: {}\n", out);
    json_object_foreach(json_object_get(live->state, "topics"), name, topic) {
        put_name(out, name);
        fprintf(out, "    partitions: %lld\n",
                (long long)json_integer_value(json_object_get(topic, "partitions")));
        if (json_object_size(json_object_get(topic, "configs"))) fputs("    configs:\n", out);
        json_object_foreach(json_object_get(topic, "configs"), config, value)
            put_field(out, "      ", config, json_string_value(value));
    }
}

static void put_users(FILE *out, const struct live *live)
{
    const char *key, *other;
    json_t *row, *same;
    if (json_object_size(json_object_get(live->state, "scram-users")) == 0) return;
    fputs("\n# Passwords cannot be read back. Where a user is to be made anew, its variable says the "
          "password.\n"
          "scram-users:\n",
          out);
    json_t *seen = json_object();
    json_object_foreach(json_object_get(live->state, "scram-users"), key, row) {
        const char *user = text_at(row, "user");
        bool first = true;
        if (json_object_get(seen, user)) continue;
        json_object_set_new(seen, user, json_true());
        put_name(out, user);
        fputs("    mechanisms: [", out);
        json_object_foreach(json_object_get(live->state, "scram-users"), other, same)
            if (strcmp(text_at(same, "user"), user) == 0) {
                fprintf(out, "%s%s", first ? "" : ", ", text_at(same, "mechanism"));
                first = false;
            }
        fputs("]\n    password-env: LEAT_PASSWORD_", out);
        for (const char *p = user; *p; p++)
            fputc(isalnum((unsigned char)*p) ? toupper((unsigned char)*p) : '_', out);
        fputc('\n', out);
    }
}

static void put_acls(FILE *out, const struct live *live)
{
    static const char *const types[][2] = { { "TOPIC", "topic" }, { "GROUP", "group" },
                                            { "TRANSACTIONAL_ID", "transactional-id" } };
    const char *key;
    json_t *acl;
    fputs(json_object_size(json_object_get(live->state, "acls")) ? "\nacls:\n" : "\nacls: []\n", out);
    json_object_foreach(json_object_get(live->state, "acls"), key, acl) {
        const char *type = text_at(acl, "resource_type");
        bool allow = strcmp(text_at(acl, "permission"), "ALLOW") == 0;
        put_field(out, "  - ", "principal", who(live, text_at(acl, "principal")));
        put_field(out, "    ", allow ? "allow" : "deny", text_at(acl, "operation"));
        if (strcmp(type, "CLUSTER") == 0) fputs("    cluster: true\n", out);
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            if (strcmp(type, types[i][0]) == 0)
                put_field(out, "    ", types[i][1], text_at(acl, "resource_name"));
        if (strcmp(text_at(acl, "pattern_type"), "PREFIXED") == 0) fputs("    prefix: true\n", out);
        if (strcmp(text_at(acl, "host"), "*") != 0) put_field(out, "    ", "host", text_at(acl, "host"));
    }
}

static void put_quotas(FILE *out, const struct live *live)
{
    const char *name;
    json_t *quota, *id;
    size_t i;
    if (json_object_size(json_object_get(live->state, "quotas"))) fputs("\nquotas:\n", out);
    json_object_foreach(json_object_get(live->state, "quotas"), name, quota) {
        bool everybody = false, any = false;
        put_name(out, name);
        put_field(out, "    ", "in", text_at(quota, "in"));
        put_field(out, "    ", "out", text_at(quota, "out"));
        json_array_foreach(json_object_get(quota, "principals"), i, id) {
            if (strcmp(json_string_value(id), "<default>") == 0) {
                everybody = true;
                continue;
            }
            fputs(any ? ", " : "    accounts: [", out);
            put_text(out, who(live, json_string_value(id)));
            any = true;
        }
        if (any) fputs("]\n", out);
        if (everybody) fputs("    default: true\n", out);
    }
}

static void put_kafka_quotas(FILE *out, const struct live *live)
{
    static const char *const rates[][2] = { { "producer_byte_rate", "in" }, { "consumer_byte_rate", "out" },
                                            { "request_percentage", "request-percent" },
                                            { "controller_mutation_rate", "mutations-per-s" },
                                            { "connection_creation_rate", "connections-per-s" } };
    static const char *const of[][2] = { { "user", "user" }, { "client_id", "client-id" }, { "ip", "ip" } };
    const char *key;
    json_t *quota;
    if (json_object_size(json_object_get(live->state, "kafka-quotas"))) fputs("\nkafka-quotas:\n", out);
    json_object_foreach(json_object_get(live->state, "kafka-quotas"), key, quota) {
        const char *before = "  - ";
        for (size_t i = 0; i < ARRAY_LEN(of); i++) {
            const json_t *value = json_object_get(json_object_get(quota, "entity"), of[i][0]);
            if (!value) continue;
            put_field(out, before, of[i][1], json_string_value(value));
            before = "    ";
        }
        for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
            const json_t *rate = json_object_get(json_object_get(quota, "quotas"), rates[i][0]);
            if (rate) fprintf(out, "    %s: %.15g\n", rates[i][1], json_number_value(rate));
        }
    }
}

static void put_bindings(FILE *out, const struct live *live)
{
    const char *key;
    json_t *row;
    bool any = false;
    json_object_foreach(json_object_get(live->state, "role-bindings"), key, row) {
        const char *crn = text_at(row, "crn_pattern");
        if (strncmp(crn, live->crn, strlen(live->crn)) != 0) continue;
        if (!any) fputs("\nrole-bindings:\n", out);
        any = true;
        put_field(out, "  - ", "principal", who(live, text_at(row, "principal")));
        put_field(out, "    ", "role", text_at(row, "role_name"));
        put_field(out, "    ", "scope", strcmp(crn, live->crn) == 0 ? "cluster" : crn);
    }
}

int verb_export(struct cli *cli)
{
    const char *path = cli_option(cli, "output");
    struct live live = live_read(cli, cli_cluster(cli));
    if (cli->json) {
        json_print(json_pack("{s:s, s:O}", "cluster", live.cluster, "state", live.state));
        return CLI_DONE;
    }
    FILE *out = path ? fopen(path, "we") : stdout;
    if (!out) return cli_wrong("%s cannot be written: %s", path, strerror(errno));
    fputs("# Made by `leat export`; put to use by `leat apply -f FILE`.\n", out);
    fputs("# For a cluster of its own: {name: …, environment: …}, made where it is not there.\n", out);
    put_field(out, "", "cluster", live.cluster);
    put_accounts(out, &live);
    put_topics(out, &live);
    put_users(out, &live);
    put_acls(out, &live);
    put_quotas(out, &live);
    put_kafka_quotas(out, &live);
    put_bindings(out, &live);
    if ((path ? fclose(out) : fflush(out)) == 0) return CLI_DONE;
    return cli_wrong("the file cannot be written: %s", strerror(errno));
}
