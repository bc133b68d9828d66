/* names.c - what display names and descriptions may be. Any thread. */
#include "domain/domain.h"

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c < 0x20 || c == 0x7f) return true;
    }
    return false;
}

status name_check(struct str name, struct why *why)
{
    if (name.len == 0) {
        why_set(why, "A name is needed.");
        return FAIL(INVALID);
    }
    if (name.len > NAME_MAX_BYTES) {
        why_set(why, "The name is longer than %d bytes.", NAME_MAX_BYTES);
        return FAIL(INVALID);
    }
    if (has_control(name) || name.data[0] == ' ' || name.data[name.len - 1] == ' ') {
        why_set(why, "A name has no control characters and no space at its ends.");
        return FAIL(INVALID);
    }
    return OK;
}

status text_check(struct str text, struct why *why)
{
    if (text.len > TEXT_MAX_BYTES) {
        why_set(why, "The description is longer than %d bytes.", TEXT_MAX_BYTES);
        return FAIL(INVALID);
    }
    if (has_control(text)) {
        why_set(why, "The description has control characters.");
        return FAIL(INVALID);
    }
    return OK;
}
