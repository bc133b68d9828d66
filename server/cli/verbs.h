/* verbs.h - every verb of commands.def; each returns the exit code. */
#pragma once
#include "cli/cli.h"

#define COMMAND(noun, verb, usage, help, function, fewest, most) int function(struct cli *cli);
#include "cli/commands.def"
#undef COMMAND
