/* admin_topics.c - what Kafka's topic requests may do: each function looks at the facts it is given
 * and answers with the topic as it should be, or a status and a sentence. Any thread; no state. */
#include "cluster/admin_topics.h"

#include "wire/table.h"

#define CONFIGS_MAX 64 /* overrides of one topic; there are fewer names than this */

static struct topic_plan refuse(struct topic_plan *plan, enum err code)
{
    plan->result = status_of(code);
    return *plan;
}
#define REFUSE(code, ...) (why_set(&plan.why, __VA_ARGS__), refuse(&plan, E_##code))
#define NAME(s) ((s).len < 100 ? (int)(s).len : 100), ((s).data ? (s).data : "")

/* --- overrides ------------------------------------------------------------------------------------- */
struct overrides {
    struct delta_config *items;
    int32_t count;
};

static bool overrides_init(struct overrides *o, const struct delta_topic *from, struct arena *arena)
{
    *o = (struct overrides){ ARENA_ARRAY(arena, struct delta_config, CONFIGS_MAX), 0 };
    if (!o->items) return false;
    for (int32_t i = 0; from && i < from->config_count && i < CONFIGS_MAX; i++)
        o->items[o->count++] = from->configs[i];
    return true;
}

static struct delta_config *override_find(const struct overrides *o, struct str name)
{
    for (int32_t i = 0; i < o->count; i++)
        if (str_eq(o->items[i].name, name)) return &o->items[i];
    return NULL;
}

static status override_set(struct overrides *o, struct str name, struct str value)
{
    struct delta_config *known = override_find(o, name);
    if (known) {
        known->value = value;
        return OK;
    }
    if (o->count == CONFIGS_MAX) return FAIL(INVALID_CONFIG);
    o->items[o->count++] = (struct delta_config){ name, value };
    return OK;
}

static void override_unset(struct overrides *o, struct str name)
{
    struct delta_config *known = override_find(o, name);
    if (known) *known = o->items[--o->count];
}

/* What no single value shows: values that contradict each other or the plan. */
static status check_together(const struct topic_facts *facts, const struct overrides *o,
                             struct why *why)
{
    const struct delta_config *c;
    int64_t low = 0, high = INT64_MAX, v;
    if ((c = override_find(o, STR("min.compaction.lag.ms")))) (void)str_to_i64(c->value, &low);
    if ((c = override_find(o, STR("max.compaction.lag.ms")))) (void)str_to_i64(c->value, &high);
    if (low > high) {
        why_set(why, "conflict topic config setting min.compaction.lag.ms (%lld) > "
                     "max.compaction.lag.ms (%lld)", (long long)low, (long long)high);
        return FAIL(INVALID_CONFIG);
    }
    c = override_find(o, STR("max.message.bytes"));
    if (c && facts->limits->message_bytes >= 0 && str_to_i64(c->value, &v) &&
        v > facts->limits->message_bytes) {
        why_set(why, "max.message.bytes may be at most %lld on this cluster's plan.",
                (long long)facts->limits->message_bytes);
        return FAIL(POLICY_VIOLATION);
    }
    return OK;
}

/* A topic that says nothing gets what the plan allows at most; one that asks for more is refused. */
static status check_retention(const struct topic_facts *facts, struct overrides *o, struct arena *arena,
                              struct why *why)
{
    static const int64_t kafka_default = 7 * 24 * 3600000LL;
    int64_t most = facts->limits->retention_ms, v = 0;
    const struct delta_config *own = override_find(o, STR("retention.ms"));
    if (most <= 0 || (!own && most >= kafka_default)) return OK;
    if (!own)
        return override_set(o, STR("retention.ms"), arena_printf(arena, "%lld", (long long)most));
    bool endless = !str_to_i64(own->value, &v);
    if (!endless && v <= most) return OK;
    why_set(why, "retention.ms may be at most %lld (%.1f days) on this cluster's plan.", (long long)most,
            (double)most / 86400000.0);
    return FAIL(POLICY_VIOLATION);
}

/* --- CreateTopics ---------------------------------------------------------------------------------- */
static bool reserved(struct str name)
{
    return str_eq_c(name, CONSUMER_OFFSETS_TOPIC) || str_eq_c(name, TRANSACTION_STATE_TOPIC) ||
           str_eq_c(name, "__share_group_state");
}

typedef struct create_topics_request_creatable_topic creatable;

/* A manual assignment says how many partitions and (virtual) replicas there are. */
static status plan_assignment(const creatable *wanted, struct delta_topic *topic, struct why *why)
{
    int32_t n = wanted->assignments_count;
    if (wanted->replication_factor != -1) {
        why_set(why, "A manual partition assignment was specified, but replication factor was not "
                     "set to -1.");
        return FAIL(INVALID_REQUEST);
    }
    if (wanted->num_partitions != -1) {
        why_set(why, "A manual partition assignment was specified, but numPartitions was not set "
                     "to -1.");
        return FAIL(INVALID_REQUEST);
    }
    if (n > TOPIC_PARTITIONS_MAX) {
        why_set(why, "A topic has at most %d partitions.", TOPIC_PARTITIONS_MAX);
        return FAIL(POLICY_VIOLATION);
    }
    uint8_t seen[(TOPIC_PARTITIONS_MAX + 7) / 8] = { 0 };
    for (int32_t i = 0; i < n; i++) {
        int32_t p = wanted->assignments[i].partition_index;
        if (p < 0 || p >= n || (seen[p / 8] & 1 << p % 8)) {
            why_set(why, "The partitions of a manual assignment must be consecutive integers "
                         "starting from 0.");
            return FAIL(INVALID_REPLICA_ASSIGNMENT);
        }
        seen[p / 8] |= (uint8_t)(1 << p % 8);
        if (wanted->assignments[i].broker_ids_count < 1 ||
            wanted->assignments[i].broker_ids_count > INT16_MAX ||
            wanted->assignments[i].broker_ids_count != wanted->assignments[0].broker_ids_count) {
            why_set(why, "The replica lists of a manual assignment must not be empty and must all "
                         "have the same length.");
            return FAIL(INVALID_REPLICA_ASSIGNMENT);
        }
    }
    topic->partitions = n;
    topic->replication_factor = (int16_t)wanted->assignments[0].broker_ids_count;
    return OK;
}

/* The virtual factor of the architecture is a plan's to switch off: then one broker holds one replica. */
static status check_factor(const struct topic_facts *facts, int16_t factor, struct why *why)
{
    if (factor <= 1 || !facts->limits->strict_replication) return OK;
    why_set(why, "Unable to replicate the partition %d time(s): The target replication factor of %d "
                 "cannot be reached because only 1 broker(s) are registered.", factor, factor);
    return FAIL(INVALID_REPLICATION_FACTOR);
}

static status plan_counts(const struct topic_facts *facts, const creatable *wanted,
                          struct delta_topic *topic, struct why *why)
{
    if (wanted->assignments_count > 0) {
        TRY(plan_assignment(wanted, topic, why));
        if (is_ok(check_factor(facts, topic->replication_factor, why))) return OK;
        return FAIL(INVALID_REPLICA_ASSIGNMENT);
    }
    if (wanted->replication_factor < -1 || wanted->replication_factor == 0) {
        why_set(why, "Replication factor must be larger than 0, or -1 to use the default value.");
        return FAIL(INVALID_REPLICATION_FACTOR);
    }
    if (wanted->num_partitions < -1 || wanted->num_partitions == 0) {
        why_set(why, "Number of partitions must be larger than 0, or -1 to use the default value.");
        return FAIL(INVALID_PARTITIONS);
    }
    int16_t factor = facts->default_replication > 0 ? facts->default_replication : 1;
    topic->partitions =
        wanted->num_partitions == -1 ? facts->limits->default_partitions : wanted->num_partitions;
    topic->replication_factor = wanted->replication_factor == -1 ? factor : wanted->replication_factor;
    return check_factor(facts, topic->replication_factor, why);
}

/* `more` partitions on top of those in use: does the plan allow it? */
static status check_partitions(const struct topic_facts *facts, int32_t total, int32_t more,
                               struct why *why)
{
    if (total > TOPIC_PARTITIONS_MAX) {
        why_set(why, "A topic has at most %d partitions.", TOPIC_PARTITIONS_MAX);
        return FAIL(POLICY_VIOLATION);
    }
    int64_t limit = facts->limits->partitions;
    if (limit >= 0 && facts->partitions_used + more > limit) {
        why_set(why, "This cluster's plan allows %lld partitions; %lld are in use and %d more were "
                     "asked for.", (long long)limit, (long long)facts->partitions_used, more);
        return FAIL(POLICY_VIOLATION);
    }
    return OK;
}

static status plan_create_configs(const struct topic_facts *facts, const creatable *wanted,
                                  struct overrides *o, struct arena *arena, struct why *why)
{
    for (int32_t i = 0; i < wanted->configs_count; i++) {
        TRY(topic_config_check(wanted->configs[i].name, wanted->configs[i].value, why));
        TRY(override_set(o, wanted->configs[i].name, wanted->configs[i].value));
    }
    TRY(check_together(facts, o, why));
    return check_retention(facts, o, arena, why);
}

struct topic_plan plan_topic_create(struct topic_facts *facts, bool exists, const creatable *wanted,
                                    struct arena *arena)
{
    struct topic_plan plan = { .topic = { .name = wanted->name } };
    struct overrides o;
    plan.result = topic_name_check(wanted->name, &plan.why);
    if (failed(plan.result)) return plan;
    if (exists) return REFUSE(TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", NAME(wanted->name));
    if (reserved(wanted->name))
        return REFUSE(INVALID_TOPIC_EXCEPTION, "The name '%.*s' is kept for an internal topic.",
                      NAME(wanted->name));
    if (!overrides_init(&o, NULL, arena)) return refuse(&plan, E_NO_MEMORY);
    plan.result = plan_counts(facts, wanted, &plan.topic, &plan.why);
    if (is_ok(plan.result)) plan.result = plan_create_configs(facts, wanted, &o, arena, &plan.why);
    if (is_ok(plan.result))
        plan.result = check_partitions(facts, plan.topic.partitions, plan.topic.partitions, &plan.why);
    if (failed(plan.result)) return plan;
    facts->partitions_used += plan.topic.partitions;
    plan.topic.id = uuid_new();
    plan.topic.configs = o.items;
    plan.topic.config_count = o.count;
    return plan;
}

/* --- CreatePartitions ------------------------------------------------------------------------------ */
static struct topic_plan unknown_topic(struct str name)
{
    struct topic_plan plan = { .topic = { .name = name } };
    return REFUSE(UNKNOWN_TOPIC_OR_PARTITION, "The topic '%.*s' does not exist.", NAME(name));
}

struct topic_plan plan_topic_partitions(struct topic_facts *facts, const struct delta_topic *topic,
    const struct create_partitions_request_create_partitions_topic *wanted, struct arena *arena)
{
    (void)arena;
    if (!topic) return unknown_topic(wanted->name);
    struct topic_plan plan = { .topic = *topic };
    if (topic->internal)
        return REFUSE(INVALID_REQUEST, "'%.*s' is an internal topic; its partitions are fixed.",
                      NAME(topic->name));
    if (wanted->count == topic->partitions)
        return REFUSE(INVALID_PARTITIONS, "Topic already has %d partition(s).", topic->partitions);
    if (wanted->count < topic->partitions)
        return REFUSE(INVALID_PARTITIONS, "The topic %.*s currently has %d partition(s); %d would "
                      "not be an increase.", NAME(topic->name), topic->partitions, wanted->count);
    int32_t more = wanted->count - topic->partitions;
    if (wanted->assignments_count >= 0 && wanted->assignments_count != more)
        return REFUSE(INVALID_REPLICA_ASSIGNMENT, "Attempted to add %d additional partition(s), but "
                      "%d assignment(s) were specified.", more, wanted->assignments_count);
    for (int32_t i = 0; i < wanted->assignments_count; i++) {
        if (wanted->assignments[i].broker_ids_count == topic->replication_factor) continue;
        return REFUSE(INVALID_REPLICA_ASSIGNMENT, "The manual partition assignment includes a "
                      "partition with %d replica(s), but this is not consistent with previous "
                      "partitions, which have %d replica(s).", wanted->assignments[i].broker_ids_count,
                      topic->replication_factor);
    }
    plan.result = check_partitions(facts, wanted->count, more, &plan.why);
    if (failed(plan.result)) return plan;
    facts->partitions_used += more;
    plan.topic.partitions = wanted->count;
    return plan;
}

/* --- IncrementalAlterConfigs ----------------------------------------------------------------------- */
enum { ALTER_SET, ALTER_DELETE, ALTER_APPEND, ALTER_SUBTRACT };
typedef struct incremental_alter_configs_request_alterable_config alteration;

static bool list_contains(struct str list, struct str item)
{
    size_t at = 0;
    while (at <= list.len) {
        const char *comma = at < list.len ? memchr(list.data + at, ',', list.len - at) : NULL;
        size_t end = comma ? (size_t)(comma - list.data) : list.len;
        if (str_eq(item, (struct str){ list.data + at, end - at })) return true;
        at = end + 1;
    }
    return false;
}

/* The items of `from` that are not in `without`, behind `list`. */
static struct str list_join(struct str list, struct str from, struct str without, struct arena *arena)
{
    size_t at = 0;
    while (at <= from.len && from.len > 0) {
        const char *comma = at < from.len ? memchr(from.data + at, ',', from.len - at) : NULL;
        size_t end = comma ? (size_t)(comma - from.data) : from.len;
        struct str item = { from.data + at, end - at };
        if (!list_contains(without, item) && !(list.len && list_contains(list, item)))
            list = list.len ? arena_printf(arena, "%.*s,%.*s", STR_ARG(list), STR_ARG(item)) : item;
        at = end + 1;
    }
    return list;
}

static struct str current_value(const struct overrides *o, const struct config_info *info)
{
    const struct delta_config *c = override_find(o, str_c(info->name));
    return c ? c->value : str_c(info->default_value);
}

static status alter(struct overrides *o, const alteration *a, struct arena *arena, struct why *why)
{
    const struct config_info *info = topic_config_info(a->name);
    if (!info) return topic_config_check(a->name, a->value, why);
    if (a->config_operation == ALTER_DELETE) {
        override_unset(o, a->name);
        return OK;
    }
    if (str_is_null(a->value)) {
        why_set(why, "Null value not supported for : %s", info->name);
        return FAIL(INVALID_REQUEST);
    }
    struct str value = a->value;
    if (a->config_operation != ALTER_SET) {
        bool append = a->config_operation == ALTER_APPEND;
        if (info->type != CONFIG_LIST) {
            why_set(why, "Can't %s key %s because its type is not LIST.",
                    append ? "APPEND to" : "SUBTRACT from", info->name);
            return FAIL(INVALID_CONFIG);
        }
        struct str now = current_value(o, info);
        value = append ? list_join(now, a->value, STR_NULL, arena)
                       : list_join(STR(""), now, a->value, arena);
    }
    TRY(topic_config_check(a->name, value, why));
    return override_set(o, a->name, value);
}

static bool altered_twice(const struct incremental_alter_configs_request_alter_configs_resource *r,
                          int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (str_eq(r->configs[k].name, r->configs[i].name)) return true;
    return false;
}

struct topic_plan plan_topic_configs(const struct topic_facts *facts, const struct delta_topic *topic,
    const struct incremental_alter_configs_request_alter_configs_resource *wanted,
    struct arena *arena)
{
    if (!topic) return unknown_topic(wanted->resource_name);
    struct topic_plan plan = { .topic = *topic };
    struct overrides o;
    if (topic->internal)
        return REFUSE(INVALID_REQUEST, "'%.*s' is an internal topic; its configs are fixed.",
                      NAME(topic->name));
    if (wanted->configs_count > 4 * CONFIGS_MAX)
        return REFUSE(INVALID_REQUEST, "Too many configs in one request.");
    if (!overrides_init(&o, topic, arena)) return refuse(&plan, E_NO_MEMORY);
    for (int32_t i = 0; i < wanted->configs_count; i++) {
        const alteration *a = &wanted->configs[i];
        if (altered_twice(wanted, i))
            return REFUSE(INVALID_REQUEST, "Error due to duplicate config keys");
        if (a->config_operation < ALTER_SET || a->config_operation > ALTER_SUBTRACT)
            return REFUSE(INVALID_REQUEST, "Unknown operation type %d.", a->config_operation);
        plan.result = alter(&o, a, arena, &plan.why);
        if (failed(plan.result)) return plan;
    }
    plan.result = check_together(facts, &o, &plan.why);
    if (is_ok(plan.result)) plan.result = check_retention(facts, &o, arena, &plan.why);
    plan.topic.configs = o.items;
    plan.topic.config_count = o.count;
    return plan;
}

/* --- DeleteTopics ---------------------------------------------------------------------------------- */
struct topic_plan plan_topic_delete(const struct delta_topic *topic)
{
    if (!topic) return unknown_topic(STR(""));
    struct topic_plan plan = { .topic = *topic };
    if (topic->internal)
        return REFUSE(INVALID_TOPIC_EXCEPTION, "'%.*s' is an internal topic and cannot be deleted.",
                      NAME(topic->name));
    return plan;
}

/* --- the same name twice --------------------------------------------------------------------------- */
bool create_topics_repeated(const struct create_topics_request *request, int32_t i)
{
    for (int32_t k = 0; k < request->topics_count; k++)
        if (k != i && str_eq(request->topics[k].name, request->topics[i].name)) return true;
    return false;
}

bool create_partitions_repeated(const struct create_partitions_request *request, int32_t i)
{
    for (int32_t k = 0; k < request->topics_count; k++)
        if (k != i && str_eq(request->topics[k].name, request->topics[i].name)) return true;
    return false;
}

bool alter_configs_repeated(const struct incremental_alter_configs_request *request, int32_t i)
{
    for (int32_t k = 0; k < request->resources_count; k++)
        if (k != i && request->resources[k].resource_type == request->resources[i].resource_type &&
            str_eq(request->resources[k].resource_name, request->resources[i].resource_name))
            return true;
    return false;
}

/* --- the answer to CreateTopics -------------------------------------------------------------------- */
enum { SOURCE_TOPIC = 1, SOURCE_DEFAULT = 5 };

static void answer_configs(const struct delta_topic *topic, struct arena *arena,
                           struct create_topics_response_creatable_topic_result *row)
{
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    struct overrides o = { (struct delta_config *)topic->configs, topic->config_count };
    row->configs = ARENA_ARRAY(arena, struct create_topics_response_creatable_topic_configs, count);
    if (!row->configs) return; /* the request fails as a whole: arena_check */
    for (size_t i = 0; i < count; i++) {
        const struct delta_config *own = override_find(&o, str_c(table[i].name));
        row->configs[i] = (struct create_topics_response_creatable_topic_configs){
            .name = str_c(table[i].name),
            .value = own ? own->value : str_c(table[i].default_value),
            .config_source = own ? SOURCE_TOPIC : SOURCE_DEFAULT,
        };
    }
    row->configs_count = (int32_t)count;
}

void create_topics_answer(const struct topic_plan *plan, struct str name, int16_t version,
                          struct arena *arena,
                          struct create_topics_response_creatable_topic_result *ret_row)
{
    wire_default_struct(&create_topics_response_creatable_topic_result_struct, ret_row);
    ret_row->name = name;
    ret_row->error_code = status_kafka(plan->result);
    ret_row->error_message = STR_NULL;
    if (failed(plan->result)) {
        struct str text = plan->why.text[0] ? str_c(plan->why.text) : str_c(status_text(plan->result));
        ret_row->error_message = arena_str(arena, text);
        return;
    }
    ret_row->topic_id = plan->topic.id;
    ret_row->num_partitions = plan->topic.partitions;
    ret_row->replication_factor = plan->topic.replication_factor;
    if (version >= 5) answer_configs(&plan->topic, arena, ret_row);
}

struct delta_topic delta_topic_view(const struct topic *topic, struct arena *arena)
{
    struct delta_topic view = {
        .id = topic->id,
        .name = topic->name,
        .partitions = topic->partitions,
        .replication_factor = topic->replication_factor,
        .internal = topic->internal,
    };
    struct delta_config *configs = ARENA_ARRAY(arena, struct delta_config, topic->config.count);
    if (!configs) return view;
    for (size_t i = 0; i < topic->config.count; i++)
        configs[i] = (struct delta_config){ str_c(topic->config.overrides[i].info->name),
                                            topic->config.overrides[i].value };
    view.configs = configs;
    view.config_count = (int32_t)topic->config.count;
    return view;
}
