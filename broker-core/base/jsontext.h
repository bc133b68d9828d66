/* jsontext.h - reading JSON (RFC 8259) where it stands: values are views into a text that was checked
 * first. No memory, bounded depth. */
#pragma once
#include "base/bytes.h"

#define JSONTEXT_DEPTH_MAX 16
#define JSONTEXT_MEMBERS_MAX 256 /* of one object */

/* Is the whole text one value, and is no name twice in one object? Everything below is for values of
 * a text that passed. */
bool jsontext_check(struct str text);

bool jsontext_is_object(struct str value);
bool jsontext_is_array(struct str value);
bool jsontext_is_string(struct str value);
/* The value of a member; null when there is none, or `object` is none. */
struct str jsontext_get(struct str object, const char *name);
/* The next item of an array: begin with *at = 0. False at its end, and for what is no array. */
bool jsontext_next(struct str array, size_t *at, struct str *ret_item);
/* A string without its quotes and escapes, with a NUL behind it. False: it is no string, does not fit, or
 * holds a NUL. */
bool jsontext_string(struct str value, char *out, size_t size);
bool jsontext_number(struct str value, double *ret);
