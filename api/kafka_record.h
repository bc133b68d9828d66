/* kafka_record.h - one record as REST writes it: read from JSON for the domain, and what became of it.
 * Any thread. */
#pragma once
#include "api/api.h"

#include "domain/records.h"

enum record_encoding { ENC_NONE, ENC_BINARY, ENC_JSON, ENC_STRING };
struct record_shown {
    enum record_encoding key, value;
    int code;           /* error_code of a record that was refused before it was sent */
    struct str refusal;
};

/* Where the records of this request go, if its caller may write there; all of it lives as long as the
 * request. *ret_strict: the query asks for strict=true. False: answered. */
bool kafka_produce_begin(struct api_request *rq, struct produce_target *ret, bool *ret_strict);

/* How records are parsed: numbers only need to be numbers here, since JSON data is kept as it was
 * written; a string may hold a NUL; more may follow. */
#define RECORD_JSON_FLAGS (JSON_DISABLE_EOF_CHECK | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)
#define RECORD_BATCH_FLAGS (JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)

/* `json` and the text that it was parsed from. What the item points to is in the arena, or NULL of an
 * arena that failed. A record that cannot be sent gets item->skip, and shown says why. */
void kafka_record_read(struct arena *arena, const json_t *json, struct str text, int32_t partitions,
                       struct produce_item *item, struct record_shown *shown);
/* 200, or the error_code of a record that is not in the log. */
int kafka_record_code(const struct produce_item *item, const struct record_shown *shown);
/* {"error_code": 200, cluster_id, …, offset, …}, or {"error_code", "message"}. */
json_t *kafka_record_json(const struct produce_target *target, const struct produce_item *item,
                          const struct record_shown *shown);
json_t *kafka_record_error(int code, struct str message);
/* The HTTP status of an error_code: 40403 is a 404. */
int kafka_record_http(int code);
bool kafka_record_passing(int code); /* may the same record be taken later? */

/* The raw text of a member of an object, or of an array's items one after another (begin with at = 0), in
 * a text that was parsed before. Null: none. */
struct str kafka_json_member(struct str object, const char *name);
struct str kafka_json_item(struct str array, size_t *at);
