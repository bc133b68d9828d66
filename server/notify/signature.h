/* signature.h - how a receiver knows that a message is ours and new. Any thread. */
#pragma once
#include "base/bytes.h"

#define SIGNATURE_TEXT (3 + 64 + 1)
/* "v1=" and the HMAC-SHA256, in hexadecimal, under `key` of: the time in decimal, a dot, the body. */
void signature_make(struct str key, int64_t seconds, struct bytes body, char ret_text[SIGNATURE_TEXT]);
