/* live.c - what a cluster has, read by REST into the form of apply.h. */
#include "cli/apply.h"

#include <stdlib.h>

/* --- names ------------------------------------------------------------------------------------------- */

const char *acl_identity(const json_t *acl)
{
    return json_string_value(json_sprintf("%s|%s|%s|%s|%s|%s|%s", text_at(acl, "principal"),
                                          text_at(acl, "permission"), text_at(acl, "operation"),
                                          text_at(acl, "resource_type"), text_at(acl, "resource_name"),
                                          text_at(acl, "pattern_type"), text_at(acl, "host")));
}

const char *kafka_quota_identity(const json_t *entity)
{
    return json_string_value(json_sprintf("%s|%s|%s", text_at(entity, "user"), text_at(entity, "client_id"),
                                          text_at(entity, "ip")));
}

const char *live_principal(const struct live *live, const json_t *wanted, const char *text)
{
    if (strncmp(text, "User:", 5) == 0) return text;
    const json_t *account = json_object_get(json_object_get(live->state, "accounts"), text);
    if (account) return json_string_value(json_sprintf("User:%s", text_at(account, "id")));
    if (json_object_get(json_object_get(wanted, "accounts"), text))
        return json_string_value(json_sprintf("User:@{%s}", text));
    if (strncmp(text, "sa-", 3) == 0 || strncmp(text, "u-", 2) == 0 || strncmp(text, "group-", 6) == 0)
        return json_string_value(json_sprintf("User:%s", text));
    return NULL;
}

const char *live_account_name(const struct live *live, const char *principal)
{
    const char *name;
    json_t *account;
    if (strncmp(principal, "User:", 5) == 0) principal += 5;
    if (strncmp(principal, "@{", 2) == 0 && strlen(principal) > 3) /* it is still to be made */
        return strndup(principal + 2, strlen(principal) - 3);
    json_object_foreach(json_object_get(live->state, "accounts"), name, account)
        if (strcmp(text_at(account, "id"), principal) == 0) return name;
    return "";
}

/* --- sections ---------------------------------------------------------------------------------------- */

static json_t *section(struct live *live, const char *name)
{
    json_t *s = json_object();
    json_object_set_new(live->state, name, s);
    return s;
}

static void read_accounts(struct cli *cli, struct live *live)
{
    size_t i;
    json_t *row, *s = section(live, "accounts");
    const json_t *rows = rest_list(cli, "/iam/v2/service-accounts?page_size=100");
    json_array_foreach(rows, i, row)
        json_object_set_new(s, text_at(row, "display_name"),
                            json_pack("{s:s, s:s}", "id", text_at(row, "id"), "description",
                                      text_at(row, "description")));
}

static void read_topics(struct cli *cli, struct live *live)
{
    size_t i;
    json_t *row, *s = section(live, "topics");
    json_t *path = json_sprintf("/leat/v1/clusters/%s/topics?page_size=100", rest_escape(live->cluster));
    const json_t *rows = rest_list(cli, json_string_value(path));
    json_array_foreach(rows, i, row) {
        if (json_is_true(json_object_get(row, "is_internal"))) continue;
        json_object_set_new(s, text_at(row, "topic_name"),
                            json_pack("{s:O, s:{}}", "partitions", json_object_get(row, "partitions_count"),
                                      "configs"));
    }
    json_t *configs = rest_call(cli, "GET", NULL, "/kafka/v3/clusters/%s/topics/-/configs",
                                rest_escape(live->cluster));
    json_array_foreach(json_object_get(configs, "data"), i, row) {
        json_t *topic = json_object_get(s, text_at(row, "topic_name"));
        if (!topic || strcmp(text_at(row, "source"), "DYNAMIC_TOPIC_CONFIG") != 0) continue;
        json_object_set_new(json_object_get(topic, "configs"), text_at(row, "name"),
                            json_string(text_at(row, "value")));
    }
}

static void read_users(struct cli *cli, struct live *live)
{
    size_t i, k;
    json_t *row, *credential, *s = section(live, "scram-users");
    json_t *path =
        json_sprintf("/leat/v1/clusters/%s/scram-users?page_size=100", rest_escape(live->cluster));
    const json_t *rows = rest_list(cli, json_string_value(path));
    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(row, "credentials"), k, credential) {
            const char *user = text_at(row, "user_name"), *mechanism = text_at(credential, "mechanism");
            json_t *name = json_sprintf("%s|%s", user, mechanism);
            json_object_set_new(s, json_string_value(name),
                                json_pack("{s:s, s:s, s:O}", "user", user, "mechanism", mechanism,
                                          "iterations", json_object_get(credential, "iterations")));
        }
}

static void read_acls(struct cli *cli, struct live *live)
{
    static const char *const fields[] = { "resource_type", "resource_name", "pattern_type", "principal",
                                          "host", "operation", "permission" };
    size_t i;
    json_t *row, *s = section(live, "acls");
    json_t *all = rest_call(cli, "GET", NULL, "/kafka/v3/clusters/%s/acls", rest_escape(live->cluster));
    json_array_foreach(json_object_get(all, "data"), i, row) {
        json_t *acl = json_object();
        for (size_t f = 0; f < ARRAY_LEN(fields); f++)
            json_object_set(acl, fields[f], json_object_get(row, fields[f]));
        json_object_set_new(s, acl_identity(acl), acl);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids of {"id": …} in an order that compares. */
static json_t *sorted_ids(const json_t *list)
{
    size_t n = json_array_size(list), i;
    const char **ids = mem_alloc((n ? n : 1) * sizeof *ids);
    json_t *item, *sorted = json_array();
    json_array_foreach(list, i, item) ids[i] = text_at(item, "id");
    qsort(ids, n, sizeof *ids, by_text);
    for (i = 0; i < n; i++) json_array_append_new(sorted, json_string(ids[i]));
    mem_free(ids);
    return sorted;
}

static void read_quotas(struct cli *cli, struct live *live)
{
    size_t i;
    json_t *row, *s = section(live, "quotas");
    json_t *path =
        json_sprintf("/kafka-quotas/v1/client-quotas?spec.cluster=%s&environment=%s&page_size=100",
                     rest_escape(live->cluster), rest_escape(live->environment));
    const json_t *rows = rest_list(cli, json_string_value(path));
    json_array_foreach(rows, i, row)
        json_object_set_new(s, text_at(row, "spec.display_name"),
                            json_pack("{s:s, s:s, s:s, s:o}", "id", text_at(row, "id"), "in",
                                      text_at(row, "spec.throughput.ingress_byte_rate"), "out",
                                      text_at(row, "spec.throughput.egress_byte_rate"), "principals",
                                      sorted_ids(field_at(row, "spec.principals"))));
    path = json_sprintf("/leat/v1/clusters/%s/kafka-quotas?page_size=100", rest_escape(live->cluster));
    s = section(live, "kafka-quotas");
    live->owned = json_object();
    rows = rest_list(cli, json_string_value(path));
    json_array_foreach(rows, i, row) {
        json_t *entity = json_object_get(row, "entity"), *rates = json_object(), *rate;
        const char *name;
        if (json_is_string(json_object_get(row, "client_quota_id"))) {
            json_object_set_new(live->owned, kafka_quota_identity(entity), json_true());
            continue;
        }
        json_object_foreach(json_object_get(row, "quotas"), name, rate)
            if (json_is_number(rate)) json_object_set(rates, name, rate);
        json_object_set_new(s, kafka_quota_identity(entity),
                            json_pack("{s:O, s:o}", "entity", entity, "quotas", rates));
    }
}

/* Role bindings of the whole organization; of the cluster, when the caller may see no more. */
static json_t *bindings(struct cli *cli, const struct live *live)
{
    char *all = strdup(live->crn), *cut = strstr(all, "/environment=");
    if (cut) *cut = 0;
    const char *const scopes[] = { all, live->crn };
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        long code;
        const char *why;
        json_t *pattern = json_sprintf("%s/*", scopes[i]);
        json_t *path = json_sprintf("/iam/v2/role-bindings?crn_pattern=%s&page_size=100",
                                    rest_escape(json_string_value(pattern)));
        json_decref(rest_try(cli, "GET", NULL, json_string_value(path), &code, &why));
        if (code != 403 || i + 1 == ARRAY_LEN(scopes)) return rest_list(cli, json_string_value(path));
    }
    return NULL;
}

static void read_bindings_and_keys(struct cli *cli, struct live *live)
{
    size_t i;
    json_t *row, *s = section(live, "role-bindings");
    const json_t *rows = bindings(cli, live);
    json_array_foreach(rows, i, row) {
        json_t *name = json_sprintf("%s|%s|%s", text_at(row, "principal"), text_at(row, "role_name"),
                                    text_at(row, "crn_pattern"));
        json_object_set_new(s, json_string_value(name),
                            json_pack("{s:s, s:s, s:s, s:s}", "id", text_at(row, "id"), "principal",
                                      text_at(row, "principal"), "role_name", text_at(row, "role_name"),
                                      "crn_pattern", text_at(row, "crn_pattern")));
    }
    json_t *path =
        json_sprintf("/iam/v2/api-keys?spec.resource=%s&page_size=100", rest_escape(live->cluster));
    s = section(live, "keys");
    rows = rest_list(cli, json_string_value(path));
    json_array_foreach(rows, i, row) {
        json_t *name =
            json_sprintf("%s|%s", text_at(row, "spec.owner.id"), text_at(row, "spec.display_name"));
        json_object_set_new(s, json_string_value(name),
                            json_pack("{s:s, s:s, s:s}", "id", text_at(row, "id"), "owner",
                                      text_at(row, "spec.owner.id"), "name",
                                      text_at(row, "spec.display_name")));
    }
}

struct live live_read(struct cli *cli, const char *cluster)
{
    struct live live = { .state = json_object() };
    json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(cluster));
    live.cluster = strdup(text_at(c, "id"));
    live.environment = strdup(text_at(c, "environment.id"));
    json_t *e = rest_call(cli, "GET", NULL, "/org/v2/environments/%s", rest_escape(live.environment));
    live.crn = json_string_value(json_sprintf("%s/cloud-cluster=%s", text_at(e, "metadata.resource_name"),
                                              live.cluster));
    read_accounts(cli, &live);
    read_topics(cli, &live);
    read_users(cli, &live);
    read_acls(cli, &live);
    read_quotas(cli, &live);
    read_bindings_and_keys(cli, &live);
    return live;
}

struct live live_before(struct cli *cli, const struct tenant *t)
{
    static const char *const sections[] = { "topics", "scram-users", "acls", "quotas", "kafka-quotas",
                                            "role-bindings", "keys" };
    struct live live = { .cluster = t->name, .environment = t->environment, .state = json_object() };
    const json_t *o = json_array_get(rest_list(cli, "/org/v2/organizations?page_size=1"), 0);
    /* Names where ids will be: this is only shown. */
    live.crn = json_string_value(json_sprintf("%s/environment=%s/cloud-cluster=%s",
                                              text_at(o, "metadata.resource_name"),
                                              t->environment_id ? t->environment_id : t->environment,
                                              t->name));
    live.owned = json_object();
    read_accounts(cli, &live);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) section(&live, sections[i]);
    return live;
}
