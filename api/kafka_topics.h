/* kafka_topics.h - shared between the files about topics. */
#pragma once
#include "api/kafka.h"

json_t *kafka_topic_json(struct api_request *rq, const struct kafka_scope *s, const struct delta_topic *t,
                         bool operations);
/* The four changes of topics end here: one row's error, or what to answer. Takes body. */
void kafka_change_done(struct api_request *rq, status result, int64_t version, int16_t error_code,
                       struct str message, int http, json_t *body);

#define KAFKA_PARTITION KAFKA_BASE "/topics/%s/partitions/%s"
/* The partition that the path names, of a topic that is there. False: answered 404. */
bool kafka_partition(struct api_request *rq, const struct topic_row *row, int32_t *ret);
/* The one broker there is, "1", is the path's. False: answered 404. */
bool kafka_broker(struct api_request *rq);
/* What a request about configs wants changed: PUT and DELETE of the path's {name}, or the entries of
 * :alter. In the request's arena. False: answered. */
bool kafka_config_changes(struct api_request *rq,
                          struct incremental_alter_configs_request_alterable_config **ret,
                          int32_t *ret_count, bool *ret_validate_only);
