/* leat_records.h - what pages, tails and searches of records share. */
#pragma once
#include "api/api.h"
#include "domain/records.h"

json_t *leat_record_json(const struct scan_record *record);
/* The parameter filter, made in the arena; NULL when there is none. False: answered 400, saying where.
 * record_filter_done. */
bool leat_record_filter(struct api_request *rq, struct arena *arena, struct record_filter **ret);
