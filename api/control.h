/* control.h - what the nouns of the control plane share: who acts, metadata, references, fields of a
 * body, pages. Any thread that runs a handler. */
#pragma once
#include "api/api.h"
#include "domain/domain.h"

const char *control_door(const struct api_request *rq); /* as the audit log calls it */
struct actor control_actor(const struct api_request *rq); /* views into rq */

/* "crn://host:port/organization=…" + the rest, each %s a part. */
struct str control_crn(struct api_request *rq, const char *rest, ...) __attribute__((format(printf, 2, 3)));
json_t *control_metadata(struct api_request *rq, struct str self, struct str crn, int64_t created_at,
                         int64_t updated_at);
/* {"id", "related", "resource_name"}. */
json_t *control_ref(struct str id, struct str related, struct str crn);
json_t *control_ref_environment(struct api_request *rq, const char *id);
json_t *control_ref_cluster(struct api_request *rq, const char *environment_id, const char *id);
json_t *control_ref_owner(struct api_request *rq, const char *id);

/* A text member; false: answered 400 (another type, or missing and required). Absent or null: null. */
bool control_str(struct api_request *rq, const json_t *object, const char *name, const char *pointer,
                 bool required, struct str *ret);
/* The id of a reference {"id": …}; the same rules. */
bool control_ref_id(struct api_request *rq, const json_t *object, const char *name, const char *pointer,
                    bool required, struct str *ret);
/* body["spec"]; NULL: answered. */
json_t *control_spec(struct api_request *rq);

/* A domain failure: LIMIT as 402 quota_exceeded, the rest by its status; location for a 409 (or null). */
void control_fail(struct api_request *rq, status error, const struct why *why, struct str location);

/* Collects a page of rows: ask the domain for size + 1 and add each. */
struct control_page {
    struct api_request *rq;
    struct api_page page;
    json_t *data;
    int count;
    bool more;
    char last[64];
};
bool control_page_begin(struct control_page *p, struct api_request *rq); /* false: answered */
bool control_page_room(struct control_page *p); /* false: this row is of the next page */
void control_page_add(struct control_page *p, json_t *take_row, const char *id);
void control_page_end(struct control_page *p, status result, const char *api_version, const char *kind,
                      int64_t total);
