/* manifest.c - a YAML file checked as a whole, and what it wants in the form of apply.h. */
#include "cli/apply.h"
#include "cli/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define FAULTS_MAX 50

static struct {
    const char *path;
    const struct yaml_node *root;
    const struct live *live;
    json_t *wanted;
    int faults;
} file;

__attribute__((format(printf, 2, 3))) static void fault(const struct yaml_node *at, const char *format, ...)
{
    va_list args;
    if (++file.faults > FAULTS_MAX) return;
    fprintf(stderr, "%s:%d: ", file.path, at->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* --- fields ------------------------------------------------------------------------------------------- */

/* Is the name among "a|b|c"? */
static bool among(const char *names, const char *name)
{
    const char *at = names;
    size_t n = strlen(name);
    while (at && (strncmp(at, name, n) != 0 || (at[n] && at[n] != '|')))
        if ((at = strchr(at, '|'))) at++;
    return at != NULL;
}

/* Tells of names that are not among "a|b|c". */
static bool only(const struct yaml_node *map, const char *what, const char *names)
{
    if (map->kind != YAML_MAP) {
        fault(map, "%s is a list of names with values: %s", what, names);
        return false;
    }
    for (size_t i = 0; i < map->count; i++) {
        const char *name = map->names[i]->text;
        if (!among(names, name)) fault(map->names[i], "%s has no '%s'; it has %s", what, name, names);
    }
    return true;
}

/* The text of a field; NULL: it is not there, or it is no text (told). */
static const char *text_of(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *node = yaml_get(map, name);
    if (!node) return NULL;
    if (node->kind != YAML_TEXT || !node->text) {
        fault(node, "%s is a text", name);
        return NULL;
    }
    return node->text;
}

static const char *needed(const struct yaml_node *map, const char *name, const char *what)
{
    const char *text = text_of(map, name);
    if (!yaml_get(map, name)) fault(map, "%s needs %s", what, name);
    return text;
}

static bool whole(const struct yaml_node *node, const char *name, int64_t least, int64_t *ret)
{
    bool fine =
        node->kind == YAML_TEXT && node->text && str_to_i64(str_c(node->text), ret) && *ret >= least;
    if (!fine) fault(node, "%s is a whole number of at least %lld", name, (long long)least);
    return fine;
}

static bool yes(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *node = yaml_get(map, name);
    if (!node) return false;
    const char *text = node->kind == YAML_TEXT && node->text ? node->text : "";
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) fault(node, "%s is true or false", name);
    return strcmp(text, "true") == 0;
}

/* A list of texts; one text alone is a list of one. */
static json_t *texts_of(const struct yaml_node *node, const char *name)
{
    json_t *list = json_array();
    if (!node) return list;
    if (node->kind == YAML_TEXT && node->text) json_array_append_new(list, json_string(node->text));
    else if (node->kind != YAML_LIST) fault(node, "%s is a list", name);
    for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind == YAML_TEXT && item->text) json_array_append_new(list, json_string(item->text));
        else fault(item, "%s is a list of texts", name);
    }
    return list;
}

static const char *principal_of(const struct yaml_node *at, const char *text)
{
    const char *principal = text ? live_principal(file.live, file.wanted, text) : NULL;
    if (text && !principal)
        fault(at, "there is no account '%s': name it under accounts, or write User:… for who is none",
              text);
    return principal;
}

/* --- sections ----------------------------------------------------------------------------------------- */

static json_t *section(const char *name, enum yaml_kind kind, const struct yaml_node **ret_node)
{
    const struct yaml_node *node = yaml_get(file.root, name);
    *ret_node = NULL;
    if (!node) return NULL;
    json_t *s = json_object();
    json_object_set_new(file.wanted, name, s);
    if (node->kind == YAML_TEXT && !node->text) return s; /* an empty section: nothing is wanted */
    if (node->kind != kind)
        fault(node, "%s is a %s", name, kind == YAML_LIST ? "list" : "list of names with values");
    else *ret_node = node;
    return s;
}

static void put(json_t *s, const char *name, const struct yaml_node *at, json_t *take_entry)
{
    if (!name) {
        json_decref(take_entry);
        return;
    }
    const json_t *twice = json_object_get(s, name);
    if (twice)
        fault(at, "this says the same as line %d", (int)json_integer_value(json_object_get(twice, "line")));
    json_object_set_new(take_entry, "line", json_integer(at->line));
    json_object_set_new(s, name, take_entry);
}

static bool empty(const struct yaml_node *node)
{
    return node->kind == YAML_TEXT && !node->text;
}

static void read_accounts(void)
{
    const struct yaml_node *node;
    json_t *s = section("accounts", YAML_MAP, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        json_t *entry = json_object();
        if (!empty(node->items[i]) && only(node->items[i], "an account", "description")) {
            const char *text = text_of(node->items[i], "description");
            if (text) json_object_set_new(entry, "description", json_string(text));
        }
        put(s, node->names[i]->text, node->names[i], entry);
    }
}

/* A config's value: a text, a number, or a list, which is joined by commas. */
static json_t *config_value(const struct yaml_node *node)
{
    if (node->kind == YAML_TEXT && node->text) return json_string(node->text);
    size_t i;
    if (node->kind != YAML_LIST) fault(node, "a config needs a value: a text, a number or a list");
    if (node->kind != YAML_LIST) return json_string("");
    json_t *item, *list = texts_of(node, "a config"), *joined = json_string("");
    json_array_foreach(list, i, item)
        joined = json_sprintf("%s%s%s", json_string_value(joined), i ? "," : "", json_string_value(item));
    return joined;
}

static void read_topics(void)
{
    const struct yaml_node *node;
    json_t *s = section("topics", YAML_MAP, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *topic = node->items[i], *configs = yaml_get(topic, "configs");
        const struct yaml_node *partitions = yaml_get(topic, "partitions");
        const char *name = node->names[i]->text;
        json_t *entry = json_object(), *values = json_object();
        const json_t *live = json_object_get(json_object_get(file.live->state, "topics"), name);
        int64_t count, has = json_integer_value(json_object_get(live, "partitions"));
        if (!empty(topic)) only(topic, "a topic", "partitions|configs");
        if (partitions && whole(partitions, "partitions", 1, &count)) {
            json_object_set_new(entry, "partitions", json_integer(count));
            if (live && count < has)
                fault(partitions,
                      "topic '%s' has %lld partitions, and partitions cannot be taken away: "
                      "make another topic, or write %lld",
                      name, (long long)has, (long long)has);
        }
        if (configs && configs->kind != YAML_MAP && !empty(configs))
            fault(configs, "configs is a list of names with values");
        for (size_t k = 0; configs && configs->kind == YAML_MAP && k < configs->count; k++)
            json_object_set_new(values, configs->names[k]->text, config_value(configs->items[k]));
        json_object_set_new(entry, "configs", values);
        put(s, name, node->names[i], entry);
    }
}

static void read_users(void)
{
    const struct yaml_node *node;
    json_t *s = section("scram-users", YAML_MAP, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *user = node->items[i], *at = node->names[i];
        if (!only(user, "a SCRAM user", "mechanisms|iterations|password-env|password-file")) continue;
        const char *env = text_of(user, "password-env"), *path = text_of(user, "password-file");
        const struct yaml_node *iterations = yaml_get(user, "iterations");
        json_t *mechanisms = texts_of(yaml_get(user, "mechanisms"), "mechanisms"), *mechanism;
        int64_t count = 0;
        size_t k;
        if (json_array_size(mechanisms) == 0)
            json_array_append_new(mechanisms, json_string("SCRAM-SHA-512"));
        if ((env != NULL) == (path != NULL))
            fault(user, "a SCRAM user needs one of password-env and password-file, which say where its "
                        "password is");
        if (iterations) whole(iterations, "iterations", 1, &count);
        json_array_foreach(mechanisms, k, mechanism) {
            const char *name = json_string_value(mechanism);
            if (strcmp(name, "SCRAM-SHA-256") != 0 && strcmp(name, "SCRAM-SHA-512") != 0)
                fault(user, "mechanisms are SCRAM-SHA-256 and SCRAM-SHA-512, not '%s'", name);
            json_t *key = json_sprintf("%s|%s", at->text, name);
            json_t *entry = json_pack("{s:s, s:s}", "user", at->text, "mechanism", name);
            if (count) json_object_set_new(entry, "iterations", json_integer(count));
            if (env) json_object_set_new(entry, "password-env", json_string(env));
            if (path) json_object_set_new(entry, "password-file", json_string(path));
            /* Where it is to be made, its password must be there before anything changes. */
            bool there = json_object_get(json_object_get(file.live->state, "scram-users"),
                                         json_string_value(key));
            if (!there && env && !(getenv(env) && *getenv(env)))
                fault(yaml_get(user, "password-env"), "the variable %s is not set", env);
            if (!there && path && access(path, R_OK) != 0)
                fault(yaml_get(user, "password-file"), "%s cannot be read: %s", path, strerror(errno));
            put(s, json_string_value(key), at, entry);
        }
    }
}

/* The resource that an ACL is about. */
static json_t *resource_of(const struct yaml_node *acl)
{
    static const char *const types[][2] = { { "topic", "TOPIC" }, { "group", "GROUP" },
                                            { "transactional-id", "TRANSACTIONAL_ID" } };
    const char *type = NULL, *name = NULL;
    int given = 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!yaml_get(acl, types[i][0])) continue;
        type = types[i][1], name = text_of(acl, types[i][0]);
        given++;
    }
    if (yes(acl, "cluster")) type = "CLUSTER", name = "kafka-cluster", given++;
    if (given != 1) fault(acl, "an ACL is about one of topic, group, transactional-id and cluster: true");
    return json_pack("{s:s, s:s, s:s}", "resource_type", type ? type : "", "resource_name",
                     name ? name : "", "pattern_type", yes(acl, "prefix") ? "PREFIXED" : "LITERAL");
}

/* Which operations a resource knows, as Kafka's AclEntry. */
static void check_operation(const struct yaml_node *at, const char *type, const char *operation)
{
    static const char *const known[][3] = {
        { "TOPIC", "a topic", "ALL|READ|WRITE|CREATE|DELETE|ALTER|DESCRIBE|DESCRIBE_CONFIGS|ALTER_CONFIGS" },
        { "GROUP", "a group", "ALL|READ|DELETE|DESCRIBE|DESCRIBE_CONFIGS|ALTER_CONFIGS" },
        { "TRANSACTIONAL_ID", "a transactional-id", "ALL|WRITE|DESCRIBE|TWO_PHASE_COMMIT" },
        { "CLUSTER", "the cluster",
          "ALL|CREATE|ALTER|DESCRIBE|CLUSTER_ACTION|DESCRIBE_CONFIGS|ALTER_CONFIGS|IDEMPOTENT_WRITE" },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(type, known[i][0]) == 0 && !among(known[i][2], operation))
            fault(at, "%s is no operation on %s: %s", operation, known[i][1], known[i][2]);
}

static void read_acls(void)
{
    static const char *const permissions[][2] = { { "allow", "ALLOW" }, { "deny", "DENY" } };
    const struct yaml_node *node;
    json_t *s = section("acls", YAML_LIST, &node), *operation;
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *acl = node->items[i];
        if (!only(acl, "an ACL", "principal|allow|deny|topic|group|transactional-id|cluster|prefix|host"))
            continue;
        const char *principal = principal_of(acl, needed(acl, "principal", "an ACL"));
        const char *host = text_of(acl, "host");
        json_t *resource = resource_of(acl);
        if (!yaml_get(acl, "allow") && !yaml_get(acl, "deny")) fault(acl, "an ACL needs allow or deny");
        for (size_t k = 0; k < ARRAY_LEN(permissions); k++) {
            size_t n;
            json_t *list = texts_of(yaml_get(acl, permissions[k][0]), permissions[k][0]);
            json_array_foreach(list, n, operation) {
                json_t *entry = json_copy(resource);
                check_operation(acl, text_at(resource, "resource_type"), json_string_value(operation));
                json_object_update_new(
                    entry, json_pack("{s:s, s:s, s:s, s:s}", "principal", principal ? principal : "",
                                     "host", host ? host : "*", "operation",
                                     json_string_value(operation), "permission", permissions[k][1]));
                put(s, principal ? acl_identity(entry) : NULL, acl, entry);
            }
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_quotas(void)
{
    const struct yaml_node *node;
    json_t *s = section("quotas", YAML_MAP, &node), *account;
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *quota = node->items[i];
        if (!only(quota, "a quota", "in|out|accounts|default")) continue;
        const struct yaml_node *in = yaml_get(quota, "in"), *out = yaml_get(quota, "out");
        int64_t bytes;
        if (!in || !out) fault(quota, "a quota needs in and out, in bytes a second");
        if (in) whole(in, "in", 1, &bytes);
        if (out) whole(out, "out", 1, &bytes);
        const char *ids[1000];
        size_t count = 0, k;
        if (yes(quota, "default")) ids[count++] = "<default>";
        const json_t *accounts = texts_of(yaml_get(quota, "accounts"), "accounts");
        json_array_foreach(accounts, k, account) {
            const char *principal = principal_of(quota, json_string_value(account));
            if (principal && count < ARRAY_LEN(ids)) ids[count++] = principal + 5;
        }
        if (count == 0) fault(quota, "a quota needs accounts, or default: true");
        if (count == ARRAY_LEN(ids)) fault(quota, "a quota is for fewer than 1,000 accounts");
        qsort(ids, count, sizeof *ids, by_text);
        json_t *principals = json_array();
        for (k = 0; k < count; k++) json_array_append_new(principals, json_string(ids[k]));
        put(s, node->names[i]->text, node->names[i],
            json_pack("{s:s, s:s, s:o}", "in", in && in->text ? in->text : "", "out",
                      out && out->text ? out->text : "", "principals", principals));
    }
}

static void read_kafka_quotas(void)
{
    static const char *const rates[][2] = { { "in", "producer_byte_rate" }, { "out", "consumer_byte_rate" },
                                            { "request-percent", "request_percentage" },
                                            { "mutations-per-s", "controller_mutation_rate" },
                                            { "connections-per-s", "connection_creation_rate" } };
    const struct yaml_node *node;
    json_t *s = section("kafka-quotas", YAML_LIST, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *quota = node->items[i];
        if (!only(quota, "a quota",
                  "user|client-id|ip|in|out|request-percent|mutations-per-s|connections-per-s"))
            continue;
        json_t *entity = json_object(), *quotas = json_object();
        const char *user = text_of(quota, "user"), *client = text_of(quota, "client-id"),
                   *ip = text_of(quota, "ip");
        if (user) json_object_set_new(entity, "user", json_string(user));
        if (client) json_object_set_new(entity, "client_id", json_string(client));
        if (ip) json_object_set_new(entity, "ip", json_string(ip));
        if (json_object_size(entity) == 0)
            fault(quota, "a quota is of a user, a client-id, both, or an ip");
        for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
            const char *text = text_of(quota, rates[k][0]);
            char *end = NULL;
            double rate = text ? strtod(text, &end) : 0;
            if (!text) continue;
            if (*end || rate <= 0)
                fault(yaml_get(quota, rates[k][0]), "%s is a number above 0", rates[k][0]);
            json_object_set_new(quotas, rates[k][1], json_real(rate));
        }
        if (json_object_size(quotas) == 0) fault(quota, "a quota needs a rate");
        if (json_object_get(file.live->owned, kafka_quota_identity(entity)))
            fault(quota,
                  "a client quota of this cluster is for the same user; change that one, under quotas");
        put(s, kafka_quota_identity(entity), quota,
            json_pack("{s:o, s:o}", "entity", entity, "quotas", quotas));
    }
}

/* Of a topic, a group or a transactional id of the cluster; NULL: the binding names none. */
static const char *resource_crn(const struct yaml_node *binding)
{
    static const char *const types[] = { "topic", "group", "transactional-id" };
    const char *crn = NULL, *star = yes(binding, "prefix") ? "*" : "";
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const char *name = text_of(binding, types[i]);
        if (!name) continue;
        if (crn || yaml_get(binding, "scope"))
            fault(binding, "a role binding is for one of topic, group, transactional-id and scope");
        crn = json_string_value(json_sprintf("%s/kafka=%s/%s=%s%s", file.live->crn, file.live->cluster,
                                             types[i], name, star));
    }
    if (!crn && *star) fault(binding, "prefix needs topic, group or transactional-id");
    return crn;
}

static const char *scope_of(const struct yaml_node *binding)
{
    const char *scope = text_of(binding, "scope"), *resource = resource_crn(binding);
    char *crn = strdup(file.live->crn);
    if (resource) return resource;
    if (scope && strncmp(scope, "crn://", 6) == 0) return scope;
    if (!scope || strcmp(scope, "cluster") == 0) return crn;
    char *cut = strstr(crn, strcmp(scope, "environment") == 0 ? "/cloud-cluster=" : "/environment=");
    if (cut) *cut = 0;
    if (strcmp(scope, "environment") != 0 && strcmp(scope, "organization") != 0)
        fault(yaml_get(binding, "scope"), "scope is cluster, environment, organization or a crn://…");
    return crn;
}

static void read_bindings(void)
{
    const struct yaml_node *node;
    json_t *s = section("role-bindings", YAML_LIST, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *binding = node->items[i];
        if (!only(binding, "a role binding",
                  "principal|role|scope|topic|group|transactional-id|prefix")) continue;
        const char *principal = principal_of(binding, needed(binding, "principal", "a role binding"));
        const char *role = needed(binding, "role", "a role binding"), *crn = scope_of(binding);
        if (!principal || !role) continue;
        json_t *name = json_sprintf("%s|%s|%s", principal, role, crn);
        put(s, json_string_value(name), binding,
            json_pack("{s:s, s:s, s:s}", "principal", principal, "role_name", role, "crn_pattern", crn));
    }
}

static void read_keys(void)
{
    const struct yaml_node *node;
    json_t *s = section("keys", YAML_LIST, &node);
    for (size_t i = 0; node && i < node->count; i++) {
        const struct yaml_node *key = node->items[i];
        if (!only(key, "a key", "account|name|secret-file")) continue;
        const char *owner = principal_of(key, needed(key, "account", "a key")),
                   *name = needed(key, "name", "a key");
        const char *path = needed(key, "secret-file", "a key");
        if (!owner || !name || !path) continue;
        json_t *identity = json_sprintf("%s|%s", owner + 5, name);
        bool there =
            json_object_get(json_object_get(file.live->state, "keys"), json_string_value(identity));
        if (!there && access(path, F_OK) == 0)
            fault(yaml_get(key, "secret-file"),
                  "%s is there already, and a secret is not written over anything", path);
        put(s, json_string_value(identity), key,
            json_pack("{s:s, s:s, s:s}", "owner", owner + 5, "name", name, "secret-file", path));
    }
}

/* --- the whole
 * ----------------------------------------------------------------------------------------- */

/* cluster: as a map; --cluster and the profile's have no say then. */
static void read_tenant(struct cli *cli, const struct yaml_node *node, struct tenant *ret)
{
    const struct yaml_node *cku = yaml_get(node, "cku"), *kind = yaml_get(node, "kind");
    if (!only(node, "a cluster", "name|environment|kind|cku")) return;
    ret->line = node->line;
    ret->name = needed(node, "name", "a cluster");
    ret->environment = text_of(node, "environment");
    ret->kind = text_of(node, "kind");
    if (ret->kind && strcmp(ret->kind, "Basic") != 0 && strcmp(ret->kind, "Standard") != 0 &&
        strcmp(ret->kind, "Enterprise") != 0 && strcmp(ret->kind, "Dedicated") != 0)
        fault(kind, "kind is Basic, Standard, Enterprise or Dedicated");
    if (cku) whole(cku, "cku", 1, &ret->cku);
    if (cku && ret->cku && (!ret->kind || strcmp(ret->kind, "Dedicated") != 0))
        fault(cku, "cku is of kind Dedicated");
    if (!yaml_get(node, "environment")) ret->environment = cli_environment(cli);
    if (cli_option(cli, "cluster"))
        exit(cli_wrong("%s declares its cluster, and --cluster says another", file.path));
}

struct tenant manifest_load(struct cli *cli, const char *path)
{
    struct tenant tenant = { .path = strcmp(path, "-") == 0 ? "standard input" : path };
    file.path = tenant.path;
    file.root = yaml_load(path);
    only(file.root, "a file for leat apply", "cluster|accounts|topics|scram-users|acls|quotas|kafka-quotas|"
                                             "role-bindings|keys");
    const struct yaml_node *node = yaml_get(file.root, "cluster");
    if (node && node->kind == YAML_MAP) read_tenant(cli, node, &tenant);
    else tenant.id = text_of(file.root, "cluster");
    const char *given = cli_option(cli, "cluster");
    if (file.faults) exit(cli_wrong("%s cannot be used as it is; nothing was changed", file.path));
    if (tenant.name) return tenant;
    if (tenant.id && given && strcmp(tenant.id, given) != 0)
        exit(cli_wrong("%s is for the cluster %s, and --cluster says %s", file.path, tenant.id, given));
    if (!tenant.id) tenant.id = cli_cluster(cli);
    return tenant;
}

json_t *manifest_read(const struct live *live)
{
    file.live = live;
    file.faults = 0;
    file.wanted = json_object();
    read_accounts();
    read_topics();
    read_users();
    read_acls();
    read_quotas();
    read_kafka_quotas();
    read_bindings();
    read_keys();
    if (file.faults > FAULTS_MAX) fprintf(stderr, "… and %d more\n", file.faults - FAULTS_MAX);
    if (file.faults) exit(cli_wrong("%s cannot be used as it is; nothing was changed", file.path));
    return file.wanted;
}
