/* json_text.h - JSON written straight into a buffer: for lists too long to be built as a tree first. Any
 * thread; the buffer's `failed` says whether all of it had room. */
#pragma once
#include "base/buf.h"

/* The inside of a string, escaped; what is no UTF-8 is for the caller to keep out. */
void json_text_inside(struct buf *out, struct str text);
void json_text_str(struct buf *out, struct str text); /* with its quotes; null for null or no UTF-8 */
void json_text_i64(struct buf *out, int64_t n);
/* A text as api_encode writes it into URLs, which needs no escapes in JSON. */
void json_text_encoded(struct buf *out, struct str text);
/* Literals: names and punctuation. */
#define JSON_TEXT(out, literal) buf_put_str((out), STR(literal))
