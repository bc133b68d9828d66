/* plan.c - what is to be done so that a cluster has what a file wants. */
#include "cli/apply.h"

#include <stdlib.h>

struct planning {
    const struct live *live;
    const json_t *wanted;
    bool prune;
    json_t *steps;
};

/* --- steps
 * ----------------------------------------------------------------------------------------------- */

/* Adds a step; what is taken may be NULL. The entry is what apply.c needs beyond the request. */
static void step(struct planning *p, const char *action, const char *kind, const char *name,
                 const json_t *entry, json_t *take_details, const char *method, json_t *take_path,
                 json_t *take_body)
{
    json_t *s =
        json_pack("{s:s, s:s, s:s, s:I, s:o, s:s, s:o}", "action", action, "kind", kind, "name", name,
                  "line", json_integer_value(json_object_get(entry, "line")), "details",
                  take_details ? take_details : json_array(), "method", method, "path", take_path);
    if (take_body) json_object_set_new(s, "body", take_body);
    if (entry) json_object_set(s, "entry", (json_t *)entry);
    json_array_append_new(p->steps, s);
}

static json_t *path_in_cluster(const struct planning *p, const char *dialect, const char *rest)
{
    return json_sprintf("%s/clusters/%s/%s", dialect, rest_escape(p->live->cluster), rest);
}

static json_t *wanted_of(const struct planning *p, const char *section)
{
    return json_object_get(p->wanted, section);
}

static json_t *live_of(const struct planning *p, const char *section)
{
    return json_object_get(p->live->state, section);
}

/* --- accounts
 * ----------------------------------------------------------------------------------------------- */

static void plan_accounts(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "accounts"), name, want) {
        const json_t *live = json_object_get(live_of(p, "accounts"), name);
        const char *text = text_at(want, "description");
        if (!live) {
            step(p, "create", "account", name, want, NULL, "POST", json_string("/iam/v2/service-accounts"),
                 json_pack("{s:s, s:s}", "display_name", name, "description", text));
        } else if (json_object_get(want, "description") &&
                   strcmp(text, text_at(live, "description")) != 0) {
            step(p, "change", "account", name, want,
                 json_pack("[o]", json_sprintf("description: \"%s\" → \"%s\"",
                                               text_at(live, "description"), text)),
                 "PATCH", json_sprintf("/iam/v2/service-accounts/%s", text_at(live, "id")),
                 json_pack("{s:s}", "description", text));
        }
    }
}

/* --- topics
 * -------------------------------------------------------------------------------------------------- */

static bool same_value(const char *a, const char *b)
{
    char *end_a, *end_b;
    if (strcmp(a, b) == 0) return true;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    return *a && *b && !*end_a && !*end_b && x == y;
}

static void new_topic(struct planning *p, const char *name, const json_t *want)
{
    json_t *configs = json_array(), *details = json_array(), *value;
    json_t *partitions = json_object_get(want, "partitions");
    const char *config;
    json_t *body = json_pack("{s:s}", "topic_name", name);
    if (partitions) {
        json_object_set(body, "partitions_count", partitions);
        json_array_append_new(
            details, json_sprintf("partitions: %lld", (long long)json_integer_value(partitions)));
    }
    json_object_foreach(json_object_get(want, "configs"), config, value) {
        json_array_append_new(configs, json_pack("{s:s, s:O}", "name", config, "value", value));
        json_array_append_new(details, json_sprintf("%s: %s", config, json_string_value(value)));
    }
    json_object_set_new(body, "configs", configs);
    step(p, "create", "topic", name, want, details, "POST", path_in_cluster(p, "/kafka/v3", "topics"),
         body);
}

static void change_topic(struct planning *p, const char *name, const json_t *want, const json_t *live)
{
    json_t *changes = json_array(), *details = json_array(), *value;
    const json_t *configs = json_object_get(want, "configs"), *has = json_object_get(live, "configs");
    const char *config;
    int64_t count = json_integer_value(json_object_get(want, "partitions"));
    int64_t now = json_integer_value(json_object_get(live, "partitions"));
    json_t *path = json_sprintf("topics/%s", rest_escape(name));
    if (count > now)
        step(
            p, "change", "topic", name, want,
            json_pack("[o]", json_sprintf("partitions: %lld → %lld", (long long)now, (long long)count)),
            "PATCH", path_in_cluster(p, "/kafka/v3", json_string_value(path)),
            json_pack("{s:I}", "partitions_count", (json_int_t)count));
    json_object_foreach((json_t *)configs, config, value) {
        const char *old = json_string_value(json_object_get(has, config)), *text = json_string_value(value);
        if (old && same_value(old, text)) continue;
        json_array_append_new(changes, json_pack("{s:s, s:s}", "name", config, "value", text));
        json_array_append_new(details,
                              json_sprintf("%s: %s → %s", config, old ? old : "(default)", text));
    }
    json_object_foreach((json_t *)has, config, value) {
        if (!p->prune || json_object_get(configs, config)) continue;
        json_array_append_new(changes, json_pack("{s:s, s:s}", "name", config, "operation", "DELETE"));
        json_array_append_new(details,
                              json_sprintf("%s: %s → (default)", config, json_string_value(value)));
    }
    if (json_array_size(changes) == 0) return;
    path = json_sprintf("topics/%s/configs:alter", rest_escape(name));
    step(p, "change", "topic", name, want, details, "POST",
         path_in_cluster(p, "/kafka/v3", json_string_value(path)), json_pack("{s:o}", "data", changes));
}

static void plan_topics(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "topics"), name, want) {
        const json_t *live = json_object_get(live_of(p, "topics"), name);
        if (live) change_topic(p, name, want, live);
        else new_topic(p, name, want);
    }
}

/* --- users and ACLs
 * ------------------------------------------------------------------------------------------ */

static json_t *user_path(const struct planning *p, const json_t *user)
{
    json_t *path = json_sprintf("scram-users/%s", rest_escape(text_at(user, "user")));
    return path_in_cluster(p, "/leat/v1", json_string_value(path));
}

static void plan_users(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "scram-users"), name, want) {
        if (json_object_get(live_of(p, "scram-users"), name)) continue; /* a password cannot be compared */
        json_t *body = json_pack("{s:s}", "mechanism", text_at(want, "mechanism"));
        if (json_object_get(want, "iterations"))
            json_object_set(body, "iterations", json_object_get(want, "iterations"));
        step(p, "create", "SCRAM user", text_at(want, "user"), want,
             json_pack("[s]", text_at(want, "mechanism")), "PUT", user_path(p, want), body);
    }
}

static const char *acl_words(const struct planning *p, const json_t *acl)
{
    const char *principal = text_at(acl, "principal"), *host = text_at(acl, "host");
    const char *account = live_account_name(p->live, principal);
    return json_string_value(json_sprintf(
        "%s %s %s %s '%s'%s%s%s", text_at(acl, "permission"), *account ? account : principal,
        text_at(acl, "operation"), text_at(acl, "resource_type"), text_at(acl, "resource_name"),
        strcmp(text_at(acl, "pattern_type"), "PREFIXED") == 0 ? " (prefix)" : "",
        strcmp(host, "*") ? " from " : "", strcmp(host, "*") ? host : ""));
}

static void plan_acls(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "acls"), name, want) {
        if (json_object_get(live_of(p, "acls"), name)) continue;
        json_t *body = json_copy(want);
        json_object_del(body, "line");
        step(p, "create", "ACL", acl_words(p, want), want, NULL, "POST",
             path_in_cluster(p, "/kafka/v3", "acls"), body);
    }
}

/* --- quotas
 * ---------------------------------------------------------------------------------------------------
 */

static json_t *quota_spec(const json_t *want)
{
    json_t *ids = json_array(), *id;
    size_t i;
    json_array_foreach(json_object_get(want, "principals"), i, id)
        json_array_append_new(ids, json_pack("{s:O}", "id", id));
    return json_pack("{s:{s:O, s:O}, s:o}", "throughput", "ingress_byte_rate", json_object_get(want, "in"),
                     "egress_byte_rate", json_object_get(want, "out"), "principals", ids);
}

/* "accounts: a, b" of ids, or of names that are still to be made. */
static json_t *who_words(const struct planning *p, const json_t *ids)
{
    const char *all = "";
    json_t *id;
    size_t i;
    json_array_foreach(ids, i, id) {
        const char *name = live_account_name(p->live, json_string_value(id));
        all = json_string_value(
            json_sprintf("%s%s%s", all, i ? ", " : "", *name ? name : json_string_value(id)));
    }
    return json_sprintf("accounts: %s", all);
}

static void plan_quotas(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "quotas"), name, want) {
        const json_t *live = json_object_get(live_of(p, "quotas"), name);
        bool rates = live && strcmp(text_at(live, "in"), text_at(want, "in")) == 0 &&
                     strcmp(text_at(live, "out"), text_at(want, "out")) == 0;
        bool same = live && json_equal(json_object_get(live, "principals"),
                                       json_object_get(want, "principals"));
        json_t *spec = quota_spec(want), *details = json_array();
        if (rates && same) continue;
        if (!rates)
            json_array_append_new(
                details, json_sprintf("in: %s, out: %s", text_at(want, "in"), text_at(want, "out")));
        if (!same) json_array_append_new(details, who_words(p, json_object_get(want, "principals")));
        if (live) {
            step(p, "change", "quota", name, want, details, "PATCH",
                 json_sprintf("/kafka-quotas/v1/client-quotas/%s", text_at(live, "id")),
                 json_pack("{s:o}", "spec", spec));
            continue;
        }
        json_object_update_new(spec, json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "display_name", name,
                                               "description", "", "cluster", "id", p->live->cluster,
                                               "environment", "id", p->live->environment));
        step(p, "create", "quota", name, want, details, "POST",
             json_string("/kafka-quotas/v1/client-quotas"), json_pack("{s:o}", "spec", spec));
    }
}

static bool same_rates(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *rate;
    if (json_object_size(a) != json_object_size(b)) return false;
    json_object_foreach((json_t *)a, name,
                        rate) if (!json_object_get(b, name) ||
                                  json_number_value(rate) !=
                                      json_number_value(json_object_get(b, name))) return false;
    return true;
}

static const char *entity_words(const json_t *entity)
{
    const char *name;
    json_t *value, *text = json_string("");
    json_object_foreach((json_t *)entity, name, value) text =
        json_sprintf("%s%s%s %s", json_string_value(text), *json_string_value(text) ? ", " : "", name,
                     json_string_value(value));
    return json_string_value(text);
}

static void plan_kafka_quotas(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "kafka-quotas"), name, want) {
        const json_t *live = json_object_get(live_of(p, "kafka-quotas"), name);
        json_t *quotas = json_object_get(want, "quotas"), *details = json_array(), *rate;
        const char *what;
        if (live && same_rates(json_object_get(live, "quotas"), quotas)) continue;
        json_object_foreach(quotas, what, rate)
            json_array_append_new(details, json_sprintf("%s: %.15g", what, json_number_value(rate)));
        step(p, live ? "change" : "create", "Kafka quota",
             entity_words(json_object_get(want, "entity")), want, details, "PUT",
             path_in_cluster(p, "/leat/v1", "kafka-quotas"),
             json_pack("{s:O, s:O}", "entity", json_object_get(want, "entity"), "quotas", quotas));
    }
}

/* --- role bindings and keys
 * ------------------------------------------------------------------------------------ */

static void plan_bindings_and_keys(struct planning *p)
{
    const char *name;
    json_t *want;
    json_object_foreach(wanted_of(p, "role-bindings"), name, want) {
        if (json_object_get(live_of(p, "role-bindings"), name)) continue;
        const char *principal = text_at(want, "principal"),
                   *account = live_account_name(p->live, principal);
        json_t *words = json_sprintf("%s %s", *account ? account : principal, text_at(want, "role_name"));
        step(p, "create", "role binding", json_string_value(words), want,
             json_pack("[s]", text_at(want, "crn_pattern")), "POST",
             json_string("/iam/v2/role-bindings"),
             json_pack("{s:s, s:s, s:s}", "principal", principal, "role_name",
                       text_at(want, "role_name"), "crn_pattern", text_at(want, "crn_pattern")));
    }
    json_object_foreach(wanted_of(p, "keys"), name, want) {
        if (json_object_get(live_of(p, "keys"), name)) continue;
        step(p, "create", "key", text_at(want, "name"), want,
             json_pack("[o]", json_sprintf("its secret goes to %s", text_at(want, "secret-file"))),
             "POST", json_string("/iam/v2/api-keys"),
             json_pack("{s:{s:s, s:s, s:{s:s}, s:{s:s}}}", "spec", "display_name",
                       text_at(want, "name"), "description", "", "owner", "id", text_at(want, "owner"),
                       "resource", "id", p->live->cluster));
    }
}

/* --- what the file does not have
 * --------------------------------------------------------------------------------- */

static void prune_kafka_quota(struct planning *p, const json_t *entity)
{
    const char *name;
    json_t *value, *query = json_string("");
    json_object_foreach((json_t *)entity, name, value) query =
        json_sprintf("%s%c%s=%s", json_string_value(query), *json_string_value(query) ? '&' : '?', name,
                     rest_escape(json_string_value(value)));
    json_t *rest = json_sprintf("kafka-quotas%s", json_string_value(query));
    step(p, "delete", "Kafka quota", entity_words(entity), NULL, NULL, "DELETE",
         path_in_cluster(p, "/leat/v1", json_string_value(rest)), NULL);
}

static void prune_acl(struct planning *p, const json_t *acl)
{
    const char *name;
    json_t *value, *rest = json_string("acls");
    json_object_foreach((json_t *)acl, name, value) rest = json_sprintf(
        "%s%c%s=%s", json_string_value(rest), strchr(json_string_value(rest), '?') ? '&' : '?', name,
        rest_escape(json_string_value(value)));
    step(p, "delete", "ACL", acl_words(p, acl), NULL, NULL, "DELETE",
         path_in_cluster(p, "/kafka/v3", json_string_value(rest)), NULL);
}

static void prune_one(struct planning *p, const char *section, const char *name, const json_t *live)
{
    if (strcmp(section, "topics") == 0) {
        json_t *rest = json_sprintf("topics/%s", rest_escape(name));
        step(p, "delete", "topic", name, NULL, NULL, "DELETE",
             path_in_cluster(p, "/kafka/v3", json_string_value(rest)), NULL);
    } else if (strcmp(section, "scram-users") == 0) {
        json_t *path = user_path(p, live);
        step(p, "delete", "SCRAM user", text_at(live, "user"), NULL,
             json_pack("[s]", text_at(live, "mechanism")), "DELETE",
             json_sprintf("%s?mechanism=%s", json_string_value(path), text_at(live, "mechanism")),
             NULL);
    } else if (strcmp(section, "acls") == 0) {
        prune_acl(p, live);
    } else if (strcmp(section, "quotas") == 0) {
        step(p, "delete", "quota", name, NULL, NULL, "DELETE",
             json_sprintf("/kafka-quotas/v1/client-quotas/%s", text_at(live, "id")), NULL);
    } else if (strcmp(section, "kafka-quotas") == 0) {
        prune_kafka_quota(p, json_object_get(live, "entity"));
    } else if (strncmp(text_at(live, "crn_pattern"), p->live->crn, strlen(p->live->crn)) == 0) {
        step(p, "delete", "role binding", name, NULL, NULL, "DELETE",
             json_sprintf("/iam/v2/role-bindings/%s", text_at(live, "id")), NULL);
    }
}

/* Of a section that the file has: what it does not name. */
static void prune(struct planning *p, const char *section)
{
    const char *name;
    json_t *live, *want = wanted_of(p, section);
    if (!p->prune || !want) return;
    json_object_foreach(live_of(p, section), name, live)
        if (!json_object_get(want, name)) prune_one(p, section, name, live);
}

json_t *plan_make(const struct live *live, const json_t *wanted, bool with_prune)
{
    struct planning p = { .live = live, .wanted = wanted, .prune = with_prune, .steps = json_array() };
    plan_accounts(&p);
    plan_topics(&p);
    plan_users(&p);
    plan_acls(&p);
    prune(&p, "quotas"); /* first: a principal has one quota at most */
    plan_quotas(&p);
    prune(&p, "kafka-quotas");
    plan_kafka_quotas(&p);
    plan_bindings_and_keys(&p);
    prune(&p, "acls");
    prune(&p, "role-bindings");
    prune(&p, "scram-users");
    prune(&p, "topics");
    return p.steps;
}
