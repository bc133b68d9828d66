/* alerts.h - what the nouns of alerts share: fields of bodies, failures. Any thread that runs a
 * handler. */
#pragma once
#include "api/api.h"
#include "domain/alerts.h"
#include "identity/roles.h"

json_t *alert_text_or_null(const char *text);
struct role_scope alert_rule_scope(const struct alert_rule *rule); /* views into rule */

/* Answers 422 and is false. */
bool alert_refuse(struct api_request *rq, const char *pointer, const char *detail);
/* A member, when it is there; false: answered. null is "". */
bool alert_read_text(struct api_request *rq, const json_t *body, const char *name, char *ret,
                     size_t size);
bool alert_read_i64(struct api_request *rq, const json_t *body, const char *name, int64_t *ret);
bool alert_read_bool(struct api_request *rq, const json_t *body, const char *name, bool *ret);
/* INVALID as 422 with its sentence, NOT_FOUND with `missing`. */
void alert_fail(struct api_request *rq, status result, const struct why *why, const char *missing);
