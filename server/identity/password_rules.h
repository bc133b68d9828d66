/* password_rules.h - which passwords people may choose. Length counts, classes of characters do not; what is
 * tried first is refused: words and names with little beside them, sequences of keys, the login (libpasswdqc,
 * with its own list of words). Pure; any thread. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"
#include "identity/password.h"

#define PASSWORD_MIN 8 /* characters */

/* INVALID with a sentence that says what is wrong with it, and never the password. */
status password_acceptable(struct str password, struct str login, struct why *why);
