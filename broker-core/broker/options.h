/* options.h - the command line of a broker. */
#pragma once
#include "broker/server.h"

struct options {
    struct broker_options broker; /* its strings live below, or are the arguments themselves */
    char super_users[1024];
    char values[BROKER_MAX_DEFAULTS][64];
};

extern const char options_help[];

/* INVALID with a sentence. Without the program's name in `arguments`, which must stay alive. */
status options_parse(struct options *options, int count, const char *const *arguments,
                     struct why *why);
