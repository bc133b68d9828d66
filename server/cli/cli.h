/* cli.h - the command line `leat`: a client of the REST API.
 *
 * One process, one thread, one command: memory is not given back piece by piece but by leaving.
 * A verb returns the exit code: 0 done, 1 refused by the service, 2 wrong use. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"

#include <jansson.h>

#define CLI_ARGS_MAX 64

/* What was typed, taken apart: words in order, --name value and --name flags. */
struct cli {
    const char *words[CLI_ARGS_MAX]; /* behind noun and verb */
    int word_count;
    struct {
        const char *name, *value;
    } options[CLI_ARGS_MAX];
    int option_count;
    bool json;           /* --json: the service's own body instead of a table */
    const char *profile; /* name of the profile in use */
    char *url, *key, *secret, *cluster, *ca; /* ca: PEM file of who signed https */
};

struct cli_option {
    const char *name;
    bool has_value;
};
struct cli_command {
    const char *noun, *verb;
    const char *usage; /* words and options behind noun and verb */
    const char *help;
    int (*run)(struct cli *cli);
    int words_min, words_max;
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_option cli_options[]; /* ends with name NULL */

int cli_main(int argc, char **argv);

/* --- options ------------------------------------------------------------------------------------ */
const char *cli_option(const struct cli *cli, const char *name); /* NULL: not given */
/* The n-th of that name (0 first). */
const char *cli_option_n(const struct cli *cli, const char *name, int n);
const char *cli_cluster(struct cli *cli); /* --cluster or the profile's; says what to do and exits */
int cli_wrong(const char *format, ...) __attribute__((format(printf, 1, 2))); /* 2 */

/* --- profiles (profile.c): $XDG_CONFIG_HOME/leat/config.json, mode 0600 ------------------------- */
void profile_load(struct cli *cli); /* environment variables win: LEAT_URL, LEAT_API_KEY, … */
int profile_save(struct cli *cli);
int profile_list(struct cli *cli);

/* --- REST (rest.c) -------------------------------------------------------------------------------- */
/* Sends and reads; a refusal is printed as the service's sentence and ends in exit(1). The result is
 * NULL when there is no body. Path is a printf format; %s parts must be escaped by rest_escape. */
json_t *rest_call(struct cli *cli, const char *method, json_t *take_body, const char *path, ...)
    __attribute__((format(printf, 4, 5)));
const char *rest_escape(const char *segment);
/* All pages of a control-plane list, joined. */
json_t *rest_list(struct cli *cli, const char *path);

/* --- output (table.c) ----------------------------------------------------------------------------- */
struct column {
    const char *title;
    const char *path; /* "spec.display_name" */
    enum { COL_TEXT, COL_NUMBER, COL_BYTES, COL_RATE } kind;
};
/* Prints the array as a table, or as JSON with --json. Takes nothing. */
void table_print(const struct cli *cli, const json_t *rows, const struct column *columns,
                 size_t count);
/* One object, a line a field. */
void table_object(const struct cli *cli, const json_t *object, const struct column *columns,
                  size_t count);
const json_t *field_at(const json_t *object, const char *path);
const char *text_at(const json_t *object, const char *path); /* "" when absent */
