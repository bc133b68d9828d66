/* cli.h - the command line `leat`: a client of the REST API.
 *
 * One process, one thread, one command: memory is not given back piece by piece but by leaving. What
 * grows with what is read (records) is given back, so that memory stays bounded.
 * Every verb is one row of the table of verbs*.def: dispatch, help, completion and the manual page come
 * from it. A verb returns the exit code. */
#pragma once
#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#define CLI_ARGS_MAX 256

/* Exit codes; the manual page tells them (help.c). */
enum cli_exit {
    CLI_DONE = 0,
    CLI_REFUSED = 1,     /* by the service, in whole or in part */
    CLI_USAGE = 2,       /* wrong use, a file that cannot be used, not confirmed */
    CLI_NOT_FOUND = 3,   /* 404 */
    CLI_UNREACHABLE = 4, /* no answer, or 408, 429, 5xx: the same may go well later */
    CLI_DIFFERENT = 5,   /* apply --dry-run: there is something to do */
};

struct cli;

/* One row of the table. Every text is a constant. */
struct verb {
    const char *noun, *verb;  /* verb "": the noun alone */
    const char *args;         /* "TOPIC [NAME=VALUE…]"; what stands in [] may be left out */
    const char *options;      /* names of options.def; "name!" must be given, "name*" may be repeated */
    const char *text;         /* one sentence, without a full stop */
    const char *example;
    const char *calls;        /* "GET /path/{ARG}"; several of a function are separated by ';' */
    const char *query, *body; /* request.c says how they read */
    const char *view;         /* table.c says how it reads */
    const char *truth;        /* a field of the answer: when it is not true, the exit code is CLI_REFUSED */
    const char *confirm;      /* asked before it is done; {ARG} is put in */
    int (*run)(struct cli *cli); /* NULL: request_run() does what the row says */
};
extern const struct verb verbs[];
extern const size_t verb_count;

struct option {
    const char *name;
    const char *value; /* what stands behind it in help texts; NULL: a flag */
    const char *words; /* what completion offers: "a|b|c", or "@topics" (complete.c); NULL: nothing */
    const char *text;
    bool everywhere;   /* every verb takes it */
};
extern const struct option cli_options[];
extern const size_t option_count;

/* What was typed, taken apart: words in order, --name value and --name flags. */
struct cli {
    const struct verb *verb;
    const char *words[CLI_ARGS_MAX]; /* behind noun and verb */
    int word_count;
    struct {
        const char *name, *value;
    } options[CLI_ARGS_MAX];
    int option_count;
    bool json;           /* --json: the service's own body instead of a table */
    const char *profile; /* name of the profile in use */
    char *url, *key, *secret, *cluster, *environment, *ca; /* ca: PEM file of who signed https */
    char *session, *csrf; /* of a login by password: the cookie and the token that goes with it */
};

int cli_main(int argc, char **argv);

/* --- what was typed (cli.c) ------------------------------------------------------------------- */
/* Fills *cli without loading a profile. 0, or CLI_USAGE (told). */
int cli_parse(struct cli *cli, int argc, char **argv);
const char *cli_option(const struct cli *cli, const char *name); /* NULL: not given */
/* The n-th of that name (0 first). */
const char *cli_option_n(const struct cli *cli, const char *name, int n);
/* The option as a number; `otherwise` when it is not given. Exits when it is not a number. */
int64_t cli_number(const struct cli *cli, const char *name, int64_t otherwise);
/* The word that stands for the argument of that name; NULL when it was left out. */
const char *cli_arg(const struct cli *cli, const char *name);
/* Index of the first word of an argument that repeats ("NAME=VALUE…"). */
int cli_rest(const struct cli *cli);
const char *cli_cluster(struct cli *cli); /* --cluster or the profile's; says what to do and exits */
const char *cli_environment(struct cli *cli);
/* Tells what is wrong; CLI_USAGE. */
int cli_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Asks on a terminal, unless --yes; elsewhere only --yes is a yes. Exits when it is a no. */
void cli_confirm(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A secret: from the file that `option` names (NULL: no such option), from the environment variable, or
 * asked for without echo. The caller owns it. Exits when there is none. */
char *cli_secret(const struct cli *cli, const char *option, const char *variable, const char *prompt);
/* A file (or "-": standard input) of at most `max` bytes, with a NUL behind. Exits when there is none. */
char *cli_file(const char *path, size_t max);

/* --- the table (verbs.c) ---------------------------------------------------------------------- */
/* By noun and verb; "topic" is found as "topics". verb NULL: the noun's list, or the noun alone. */
const struct verb *verb_find(const char *noun, const char *verb);
bool verb_noun_is(const struct verb *v, const char *noun);
const struct option *option_find(const char *name);
/* Whether the verb takes the option. *ret_mark: '!', '*' or 0. */
bool verb_takes(const struct verb *v, const struct option *o, char *ret_mark);
void verb_usage(const struct verb *v, char *ret, size_t size); /* "leat topics create TOPIC [--…]" */
/* How many words it needs and takes at most. */
void verb_words(const struct verb *v, int *ret_fewest, int *ret_most);
int verb_help(struct cli *cli);       /* help.c: all verbs, those of a noun, or one */
void help_print(FILE *out, const char *noun, const char *verb);

/* --- profiles (profile.c): $XDG_CONFIG_HOME/leat/config.json, mode 0600 ----------------------- */
void profile_load(struct cli *cli); /* environment variables win: LEAT_URL, LEAT_API_KEY, … */
int profile_save(struct cli *cli);
json_t *profile_names(void); /* array of strings */

/* --- one row's request (request.c) ------------------------------------------------------------ */
int request_run(struct cli *cli);
void request_confirm(struct cli *cli); /* asks verb->confirm, when there is one; exits when it is a no */
/* The path of the verb's n-th call with its arguments put in and the query behind it. */
const char *request_path(struct cli *cli, int n);
json_t *request_body(struct cli *cli); /* of verb->body; NULL: it has none */

/* --- REST (rest.c) ---------------------------------------------------------------------------- */
/* Sends and reads; a refusal is printed as the service's sentence and ends the program. The result is
 * NULL when there is no body. Path is a printf format; %s parts must be escaped by rest_escape. */
json_t *rest_call(struct cli *cli, const char *method, json_t *take_body, const char *path, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, but a refusal is the caller's: *ret_code gets the status (0: no answer), *ret_why the
 * sentence (NULL: it was not refused). */
json_t *rest_try(struct cli *cli, const char *method, json_t *take_body, const char *path, long *ret_code,
                 const char **ret_why);
const char *rest_escape(const char *segment);
/* A list with all its pages: the first answer, whose data has the rows of all. */
json_t *rest_pages(struct cli *cli, const char *path);
json_t *rest_list(struct cli *cli, const char *path); /* their rows alone */
/* Writes the body to standard output as it comes, whatever its size. */
void rest_text(struct cli *cli, const char *method, const char *path);
/* Follows a stream of server-sent events: `each` is called with the event's name and its JSON; false
 * ends it. Ends also when the service does or after SIGINT. *ret_answered: a 200 came. */
typedef bool (*rest_event_fn)(void *arg, const char *event, json_t *data);
void rest_events(struct cli *cli, const char *path, rest_event_fn each, void *arg);
extern volatile sig_atomic_t rest_interrupted; /* SIGINT or SIGTERM came: rest_until_signal() */
void rest_until_signal(void);
int rest_exit_code(long code);
/* The printed sentence of a 401 says how to log in. */
const char *rest_login(struct cli *cli, const char *login, const char *password); /* NULL: cookie is set */

/* --- output (table.c) ------------------------------------------------------------------------- */
void view_print(const struct cli *cli, const json_t *answer, const char *view);
void view_rows(const json_t *rows, const char *view);
void json_print(const json_t *value);      /* indented */
void json_line(const json_t *value);       /* one line, at once */
const json_t *field_at(const json_t *object, const char *path);
const char *text_at(const json_t *object, const char *path); /* "" when absent */
