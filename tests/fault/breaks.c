/* breaks.c - the deliberate break that a program of the suite breaks has: LEAT_BREAK in its environment. */
#include "storage/breaks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum storage_break storage_break = BREAK_NONE;

static const char *const names[BREAK_COUNT] = {
    [BREAK_NONE] = "NONE",
#define B(name, text) [BREAK_##name] = #name,
#include "storage/breaks.def"
#undef B
};

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("LEAT_BREAK");
    for (int i = 0; name && i < BREAK_COUNT; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        storage_break = (enum storage_break)i;
        return;
    }
    if (!name) return;
    fprintf(stderr, "no such break: %s\n", name);
    exit(2);
}
