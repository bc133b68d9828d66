/* topic_regex.h - the regular expressions consumers subscribe with (KIP-848, SubscribedTopicRegex).
 *
 * Kafka takes RE2's: no references back, no looking around, nothing that remembers. What RE2 does
 * not have is refused here, too, and libpcre2 matches the rest under limits on steps, depth and
 * memory, without JIT: an expression that is expensive by design ends as "no match". */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

struct topic_regex;

/* INVALID_REGULAR_EXPRESSION; NO_MEMORY. An empty one is valid and matches no topic. */
status topic_regex_new(struct str pattern, struct topic_regex **ret_regex);
void topic_regex_free(struct topic_regex *regex); /* NULL ok */
DEFINE_CLEANUP(topic_regex);
/* Does it match the whole name? */
bool topic_regex_matches(struct topic_regex *regex, struct str topic);
