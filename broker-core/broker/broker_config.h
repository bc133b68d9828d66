/* broker_config.h - the settings of a broker as Kafka names them, for DescribeConfigs. Nothing is set
 * here: values come from the plan, --set, or are what this broker does. Loop thread only. */
#pragma once
#include "broker/handler.h"

enum { BROKER_CONFIG_PASSWORD = 9 }; /* Kafka's type of what is never shown; not a type of topics */

struct broker_config {
    const char *name;
    int8_t type;        /* enum config_type or BROKER_CONFIG_PASSWORD */
    const char *preset; /* Kafka's default; NULL: none */
    const char *topic;  /* the topic config whose broker-wide side it is, or NULL */
    struct str (*value)(struct request *r); /* NULL: the preset, or --set's value of `topic` */
    const char *doc;
};
const struct broker_config *broker_config_table(size_t *ret_count);
/* The broker-wide side of a topic config; NULL: it has none. */
const struct broker_config *broker_config_of_topic(const char *topic_config);

/* What is set for it beyond the preset, in the request's arena; null: nothing. */
struct str broker_config_set(struct request *r, const struct broker_config *config);
