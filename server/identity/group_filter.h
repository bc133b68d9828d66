/* group_filter.h - the filter of a group mapping: whom of an identity provider's people it means.
 *
 *     "engineering" in groups
 *     ("staff" in groups && !("interns" in groups)) || 'admins' in claims.groups
 *
 * The part of CEL that asks for groups: strings in either quotes, `in groups`, !, &&, ||, parentheses.
 * Pure; any thread. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

#define GROUP_FILTER_MAX 1024 /* bytes */
#define GROUP_FILTER_DEPTH 16

/* INVALID with a sentence that says where. */
status group_filter_check(struct str filter, struct why *why);
/* groups: each name with a newline behind it. What is no filter means nobody. */
bool group_filter_holds(struct str filter, const char *groups);
