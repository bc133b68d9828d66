/* commands.c - the table of verbs. */
#include "cli/verbs.h"

const struct cli_command cli_commands[] = {
#define COMMAND(noun, verb, usage, help, function, fewest, most)                                   \
    { noun, verb, usage, help, function, fewest, most },
#include "cli/commands.def"
#undef COMMAND
};
const size_t cli_command_count = ARRAY_LEN(cli_commands);
