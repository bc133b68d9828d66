/* record_filter.h - which records somebody wants to see: a small closed language, read once and then held
 * against each record. It computes nothing, calls nothing and keeps no state. Any thread.
 *
 *     value.amount > 100 and (key starts with "de-" or header["source"] == "till") and not "refund"
 *
 *     test      = field op literal | text
 *     field     = key path? | value path? | header "[" text "]" | header "." name
 *               | offset | partition | timestamp
 *     path      = ( "." name | "[" text "]" | "[" number "]" )+     into JSON; what is missing is null
 *     op        = "==" | "!=" | "<" | "<=" | ">" | ">=" | contains | starts with
 *     literal   = text | number | true | false | null
 *     text      = "…" or '…' with JSON's escapes; alone it is found in key or value, ASCII case ignored
 *
 * Tests are joined by not, and, or (in this order of strength) and parentheses. A timestamp is compared
 * with ms since 1970 or a text like "2026-03-04T12:00:00Z". Values of different types are never equal,
 * nor before or behind each other. Of several headers of one name any may pass. */
#pragma once
#include "base/arena.h"
#include "wire/batch.h"

#define FILTER_TEXT_MAX 2048
#define FILTER_NODES_MAX 128
#define FILTER_DEPTH_MAX 16
#define FILTER_PATH_MAX 16
#define FILTER_SCRATCH_MAX (16 << 20)

struct record_filter;
/* INVALID: ret_why says what was expected, ret_at the character (from 1) where. The filter lives in the
 * arena; record_filter_done before it goes. */
status record_filter_parse(struct str text, struct arena *arena, struct record_filter **ret_filter,
                           size_t *ret_at, struct why *ret_why);
void record_filter_done(struct record_filter *filter); /* NULL ok */

/* Holds it against a record. *steps goes down by about one a byte looked at; LIMIT when it is spent, or
 * when a text with escapes is longer than FILTER_SCRATCH_MAX. */
status record_filter_match(struct record_filter *filter, int32_t partition, const struct record *record,
                           int64_t *steps, bool *ret_match);
