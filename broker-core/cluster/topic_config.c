/* topic_config.c - the table of topic configs: what is legal, and what a topic's overrides make of
 * its logs. Values are kept as the text that was given. Any thread; no state. */
#include "cluster/topic_config.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define VALUE_MAX 4096   /* bytes of one value */
#define NAME_MAX_LENGTH 249 /* Kafka: a topic's folder has to fit into a file name */

enum config_symbol {
#define CONFIG(symbol, name, type, def, min, max, choices, fixed, doc) symbol,
#include "cluster/topic_config.def"
#undef CONFIG
    CONFIG_COUNT
};

static const struct config_info infos[CONFIG_COUNT] = {
#define CONFIG(symbol, name, type, def, min, max, choices, fixed, doc)                             \
    [symbol] = { name, CONFIG_##type, def, doc, fixed },
#include "cluster/topic_config.def"
#undef CONFIG
};

static const struct bounds {
    double min, max; /* of a number; the end values are tested as integers, see check_integer */
    int64_t min_integer, max_integer;
    const char *choices;
} bounds[CONFIG_COUNT] = {
#define CONFIG(symbol, name, type, def, min, max, choices, fixed, doc)                             \
    [symbol] = { (double)(min), (double)(max), min, max, choices },
#include "cluster/topic_config.def"
#undef CONFIG
};

const struct config_info *topic_config_info(struct str name)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        if (str_eq_c(name, infos[i].name)) return &infos[i];
    return NULL;
}

const struct config_info *topic_config_table(size_t *ret_count)
{
    *ret_count = CONFIG_COUNT;
    return infos;
}

/* --- what is legal ------------------------------------------------------------------------------- */
static struct str trimmed(struct str s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) s.data++, s.len--;
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

static bool parse_integer(struct str s, int64_t *ret)
{
    char text[32];
    s = trimmed(s);
    if (!s.len || !str_copy(text, sizeof(text), s)) return false;
    for (size_t i = text[0] == '-' || text[0] == '+'; text[i]; i++)
        if (text[i] < '0' || text[i] > '9') return false;
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end || end == text) return false;
    *ret = v;
    return true;
}

static bool parse_double(struct str s, double *ret)
{
    char text[64];
    s = trimmed(s);
    if (!s.len || !str_copy(text, sizeof(text), s)) return false;
    for (size_t i = 0; text[i]; i++)
        if (!strchr("0123456789+-.eE", text[i])) return false;
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (errno || *end || end == text) return false;
    *ret = v;
    return true;
}

static bool is_word(struct str s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

/* The next item of a comma-separated list; false at its end. */
static bool next_item(struct str *rest, struct str *ret_item)
{
    if (!rest->data) return false;
    const char *comma = memchr(rest->data, ',', rest->len);
    size_t n = comma ? (size_t)(comma - rest->data) : rest->len;
    *ret_item = trimmed((struct str){ rest->data, n });
    *rest = comma ? (struct str){ comma + 1, rest->len - n - 1 } : STR_NULL;
    return true;
}

static bool list_has(const char *choices, struct str word)
{
    struct str rest = str_c(choices), item;
    while (next_item(&rest, &item))
        if (str_eq(item, word)) return true;
    return false;
}

#define REFUSE(...) (why_set(why, __VA_ARGS__), FAIL(INVALID_CONFIG))
#define WRONG(format, ...)                                                                         \
    REFUSE("Invalid value %.*s for configuration %s: " format, shown(value), value.data,           \
           info->name, ##__VA_ARGS__)

static int shown(struct str value) { return value.len < 60 ? (int)value.len : 60; }

static status check_integer(const struct config_info *info, struct str value, struct why *why)
{
    const struct bounds *b = &bounds[info - infos];
    int64_t v;
    const char *type = info->type == CONFIG_LONG ? "LONG" : "INT";
    if (!parse_integer(value, &v) ||
        (info->type != CONFIG_LONG && (v < INT32_MIN || v > INT32_MAX)))
        return WRONG("Not a number of type %s", type);
    if (v < b->min_integer) return WRONG("Value must be at least %lld", (long long)b->min_integer);
    if (v > b->max_integer)
        return WRONG("Value must be no more than %lld", (long long)b->max_integer);
    if (info == &infos[COMPRESSION_GZIP_LEVEL] && v == 0)
        return WRONG("Value must be between 1 and 9 or equal to -1");
    return OK;
}

/* "*", or partition:broker pairs; as in Kafka, an item may be empty. */
static bool throttled_legal(struct str value)
{
    if (str_eq_c(trimmed(value), "*")) return true;
    struct str rest = value, item;
    while (next_item(&rest, &item)) {
        const char *colon = item.len ? memchr(item.data, ':', item.len) : NULL;
        int64_t v;
        if (item.len == 0) continue;
        if (!colon || !str_to_i64((struct str){ item.data, (size_t)(colon - item.data) }, &v) ||
            !str_to_i64((struct str){ colon + 1, item.len - (size_t)(colon - item.data) - 1 }, &v))
            return false;
    }
    return true;
}

static status check_list(const struct config_info *info, struct str value, struct why *why)
{
    const char *choices = bounds[info - infos].choices;
    if (trimmed(value).len == 0) return OK; /* KIP-1161: an empty list is legal */
    if (!choices[0])
        return throttled_legal(value) ? OK
                                      : WRONG("Must be '*' or a list of partition:broker pairs");
    struct str rest = value, item;
    while (next_item(&rest, &item))
        if (!list_has(choices, item))
            return WRONG("String must be one of: %s", choices);
    return OK;
}

static status check_value(const struct config_info *info, struct str value, struct why *why)
{
    const struct bounds *b = &bounds[info - infos];
    double v;
    switch (info->type) {
    case CONFIG_BOOLEAN:
        if (!is_word(trimmed(value), "true") && !is_word(trimmed(value), "false"))
            return WRONG("Expected value to be either true or false");
        return OK;
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG: return check_integer(info, value, why);
    case CONFIG_DOUBLE:
        if (!parse_double(value, &v)) return WRONG("Not a number of type DOUBLE");
        if (v < b->min || v > b->max) return WRONG("Value must be between %g and %g", b->min, b->max);
        return OK;
    case CONFIG_LIST: return check_list(info, value, why);
    case CONFIG_STRING:
        if (!list_has(b->choices, trimmed(value)))
            return WRONG("String must be one of: %s", b->choices);
        return OK;
    }
    return FAIL(INVALID_CONFIG);
}

/* Legal in Kafka. */
static status check_legal(struct str name, struct str value, struct why *why)
{
    const struct config_info *info = topic_config_info(name);
    if (!info) return REFUSE("Unknown topic config name: %.*s", shown(name), name.data);
    if (str_is_null(value)) return REFUSE("Null value not supported for topic configs: %s", info->name);
    if (value.len > VALUE_MAX) return REFUSE("The value of %s is too long.", info->name);
    return check_value(info, value, why);
}

status topic_config_check(struct str name, struct str value, struct why *why)
{
    TRY(check_legal(name, value, why));
    const struct config_info *info = topic_config_info(name);
    bool as_ever = info->type == CONFIG_BOOLEAN ? is_word(trimmed(value), info->default_value)
                                                : str_eq_c(trimmed(value), info->default_value);
    if (info->fixed && !as_ever)
        return REFUSE("%s must stay %s here: %s", info->name, info->default_value, info->doc);
    return OK;
}

status topic_name_check(struct str name, struct why *why)
{
    if (str_is_null(name) || name.len == 0) {
        why_set(why, "Topic name is invalid: the empty string is not allowed");
        return FAIL(INVALID_TOPIC_EXCEPTION);
    }
    if (str_eq_c(name, ".") || str_eq_c(name, "..")) {
        why_set(why, "Topic name is invalid: '.' or '..' is not allowed");
        return FAIL(INVALID_TOPIC_EXCEPTION);
    }
    if (name.len > NAME_MAX_LENGTH) {
        why_set(why, "Topic name is invalid: the length of '%.*s…' is longer than the max allowed "
                     "length %d", 40, name.data, NAME_MAX_LENGTH);
        return FAIL(INVALID_TOPIC_EXCEPTION);
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '.' || c == '_' || c == '-')
            continue;
        why_set(why, "Topic name is invalid: '%.*s' contains one or more characters other than "
                     "ASCII alphanumerics, '.', '_' and '-'", shown(name), name.data);
        return FAIL(INVALID_TOPIC_EXCEPTION);
    }
    return OK;
}

/* --- a topic's own --------------------------------------------------------------------------------- */
static bool list_value_has(struct str value, const char *word)
{
    struct str rest = value, item;
    while (next_item(&rest, &item))
        if (str_eq_c(item, word)) return true;
    return false;
}

static int8_t codec_of(struct str value)
{
    static const char *const codecs[] = { "uncompressed", "gzip", "snappy", "lz4", "zstd" };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        if (str_eq_c(trimmed(value), codecs[i])) return (int8_t)i;
    return -1;
}

/* The values in effect follow an override, which is legal. */
static void effect(struct topic_config *config, enum config_symbol symbol, struct str value)
{
    struct log_config *log = &config->log;
    int64_t v = 0;
    (void)parse_integer(value, &v);
    switch (symbol) {
    case CLEANUP_POLICY:
        log->cleanup_delete = list_value_has(value, "delete");
        log->cleanup_compact = list_value_has(value, "compact");
        break;
    case DELETE_RETENTION_MS: log->delete_retention_ms = v; break;
    case MAX_COMPACTION_LAG_MS: log->max_compaction_lag_ms = v; break;
    case MIN_COMPACTION_LAG_MS: log->min_compaction_lag_ms = v; break;
    case MIN_CLEANABLE_DIRTY_RATIO:
        (void)parse_double(value, &log->min_cleanable_dirty_ratio);
        break;
    case COMPRESSION_TYPE: log->compression = codec_of(value); break;
    case COMPRESSION_GZIP_LEVEL: log->gzip_level = (int32_t)v; break;
    case COMPRESSION_LZ4_LEVEL: log->lz4_level = (int32_t)v; break;
    case COMPRESSION_ZSTD_LEVEL: log->zstd_level = (int32_t)v; break;
    case FILE_DELETE_DELAY_MS: log->file_delete_delay_ms = v; break;
    case FLUSH_MESSAGES: log->flush_messages = v; break;
    case FLUSH_MS: log->flush_ms = v; break;
    case INDEX_INTERVAL_BYTES: log->index_interval_bytes = v; break;
    case SEGMENT_INDEX_BYTES: log->index_bytes = v; break;
    case SEGMENT_JITTER_MS: log->segment_jitter_ms = v; break;
    case LEAT_FLUSH: log->flush = str_eq_c(trimmed(value), "fsync"); break;
    case MAX_MESSAGE_BYTES: log->max_message_bytes = v; break;
    case TIMESTAMP_AFTER_MAX_MS: log->timestamp_after_max_ms = v; break;
    case TIMESTAMP_BEFORE_MAX_MS: log->timestamp_before_max_ms = v; break;
    case TIMESTAMP_TYPE: log->log_append_time = str_eq_c(trimmed(value), "LogAppendTime"); break;
    case MIN_INSYNC_REPLICAS: config->min_insync_replicas = (int32_t)v; break;
    case RETENTION_BYTES: log->retention_bytes = v; break;
    case RETENTION_MS: log->retention_ms = v; break;
    case SEGMENT_BYTES: log->segment_bytes = v; break;
    case SEGMENT_MS: log->segment_ms = v; break;
    default: break; /* kept and shown, without effect: the table says so */
    }
}

static void effects(struct topic_config *config)
{
    config->log = log_config_default;
    config->min_insync_replicas = 1;
    for (size_t i = 0; i < config->count; i++)
        effect(config, (enum config_symbol)(config->overrides[i].info - infos),
               config->overrides[i].value);
    /* Every record synced at once is what leat.flush=fsync does, at the price of one sync for many. */
    if (config->log.flush_messages == 1 || config->log.flush_ms == 0) config->log.flush = true;
}

void topic_config_init(struct topic_config *config)
{
    *config = (struct topic_config){ 0 };
    effects(config);
}

void topic_config_done(struct topic_config *config)
{
    for (size_t i = 0; i < config->count; i++) mem_free((char *)config->overrides[i].value.data);
    mem_free(config->overrides);
    *config = (struct topic_config){ 0 };
}

static void unset(struct topic_config *config, size_t at)
{
    mem_free((char *)config->overrides[at].value.data);
    memmove(&config->overrides[at], &config->overrides[at + 1],
            (config->count - at - 1) * sizeof(*config->overrides));
    config->count--;
}

static status set(struct topic_config *config, const struct config_info *info, struct str value)
{
    char *copy = mem_alloc(value.len + 1);
    if (!copy) return FAIL(NO_MEMORY);
    memcpy(copy, value.data, value.len);
    copy[value.len] = 0;
    for (size_t i = 0; i < config->count; i++)
        if (config->overrides[i].info == info) {
            mem_free((char *)config->overrides[i].value.data);
            config->overrides[i].value.data = copy;
            config->overrides[i].value.len = value.len;
            return OK;
        }
    struct config_override *grown =
        mem_realloc(config->overrides, (config->count + 1) * sizeof(*grown));
    if (!grown) {
        mem_free(copy);
        return FAIL(NO_MEMORY);
    }
    config->overrides = grown;
    grown[config->count++] = (struct config_override){ info, { copy, value.len } };
    return OK;
}

status topic_config_set(struct topic_config *config, struct str name, struct str value)
{
    const struct config_info *info = topic_config_info(name);
    if (!info) return FAIL(INVALID_CONFIG);
    if (str_is_null(value)) {
        for (size_t i = 0; i < config->count; i++)
            if (config->overrides[i].info == info) {
                unset(config, i);
                break;
            }
    } else {
        TRY(check_legal(name, value, NULL)); /* an image of before may hold what is refused today */
        TRY(set(config, info, value));
    }
    effects(config);
    return OK;
}

struct str topic_config_get(const struct topic_config *config, const struct config_info *info,
                            bool *ret_is_default)
{
    for (size_t i = 0; i < config->count; i++)
        if (config->overrides[i].info == info) {
            if (ret_is_default) *ret_is_default = false;
            return config->overrides[i].value;
        }
    if (ret_is_default) *ret_is_default = true;
    return str_c(info->default_value);
}

status topic_config_copy(const struct topic_config *from, struct topic_config *to)
{
    struct topic_config copy;
    topic_config_init(&copy);
    for (size_t i = 0; i < from->count; i++) {
        status s = set(&copy, from->overrides[i].info, from->overrides[i].value);
        if (failed(s)) {
            topic_config_done(&copy);
            return s;
        }
    }
    effects(&copy);
    topic_config_done(to);
    *to = copy;
    return OK;
}
