/* topic_config.h - the configs of topics: one table of what Kafka 4.2 lists (and leat.flush), with
 * type, default and bounds; a topic holds its overrides and the values in effect. */
#pragma once
#include "base/buf.h"
#include "storage/log_config.h"

enum config_type { CONFIG_BOOLEAN = 1, CONFIG_STRING, CONFIG_INT, CONFIG_SHORT, CONFIG_LONG,
                   CONFIG_DOUBLE, CONFIG_LIST }; /* Kafka's numbers */

struct config_info {
    const char *name;
    enum config_type type;
    const char *default_value;
    const char *doc;
    bool fixed; /* known, but only its default is accepted (tiered storage …) */
};
const struct config_info *topic_config_info(struct str name);          /* NULL: unknown */
const struct config_info *topic_config_table(size_t *ret_count);

/* Is `value` legal for this config? INVALID_CONFIG with a sentence otherwise. */
status topic_config_check(struct str name, struct str value, struct why *why);

struct topic_config {
    struct config_override {
        const struct config_info *info;
        struct str value; /* owned */
    } *overrides;
    size_t count;
    struct log_config log; /* in effect */
    int32_t min_insync_replicas;
};
/* Null: unset. Takes whatever Kafka does: topic_config_check is for those who ask for a change. */
status topic_config_set(struct topic_config *config, struct str name, struct str value);
struct str topic_config_get(const struct topic_config *config, const struct config_info *info,
                            bool *ret_is_default);
status topic_config_copy(const struct topic_config *from, struct topic_config *to);
void topic_config_init(struct topic_config *config);
void topic_config_done(struct topic_config *config);

/* Kafka's rule for topic names: [a-zA-Z0-9._-]{1,249}, not "." or "..". INVALID_TOPIC_EXCEPTION. */
status topic_name_check(struct str name, struct why *why);
