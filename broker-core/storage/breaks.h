/* breaks.h - deliberate breaks of the protocol, so that the tests can show that they would notice. Without
 * LEAT_BREAKS, which only the suite breaks sets for its own copy of this folder, BREAK(x) is false and
 * nothing of it is compiled. */
#pragma once
#include <stdbool.h>

enum storage_break {
    BREAK_NONE,
#define B(name, text) BREAK_##name,
#include "storage/breaks.def"
#undef B
    BREAK_COUNT
};

#ifdef LEAT_BREAKS
extern enum storage_break storage_break; /* the one that is in force; tests/fault/breaks.c */
#define BREAK(name) (storage_break == BREAK_##name)
#else
#define BREAK(name) false
#endif
