/* kafka_topics.h - shared between the files about topics. */
#pragma once
#include "api/kafka.h"

json_t *kafka_topic_json(struct api_request *rq, const struct kafka_scope *s, const struct delta_topic *t,
                         bool operations);
/* The four changes of topics end here: one row's error, or what to answer. Takes body. */
void kafka_change_done(struct api_request *rq, status result, int64_t version, int16_t error_code,
                       struct str message, int http, json_t *body);
