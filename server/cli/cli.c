/* cli.c - takes the command line apart and finds the verb. */
#include "cli/cli.h"
#include "cli/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define SECRET_MAX 4096

int cli_wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("leat: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CLI_USAGE;
}

/* --- what was typed --------------------------------------------------------------------------- */

const char *cli_option_n(const struct cli *cli, const char *name, int n)
{
    for (int i = 0; i < cli->option_count; i++)
        if (strcmp(cli->options[i].name, name) == 0 && n-- == 0) return cli->options[i].value;
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    return cli_option_n(cli, name, 0);
}

int64_t cli_number(const struct cli *cli, const char *name, int64_t otherwise)
{
    const char *text = cli_option(cli, name);
    int64_t n;
    if (!text) return otherwise;
    bool negative = text[0] == '-';
    if (negative && strcmp(name, "shift") != 0)
        exit(cli_wrong("--%s takes a whole number from 0, not '%s'", name, text));
    if (!str_to_i64(str_c(text + negative), &n))
        exit(cli_wrong("--%s takes a whole number, not '%s'", name, text));
    return negative ? -n : n;
}

/* The name of the n-th argument: "[NAME=VALUE…]" is called NAME. */
static bool arg_is(const char *args, int n, const char *name, bool *ret_repeats)
{
    const char *at = args ? args : "";
    for (; n > 0 && *at; n--) at += strcspn(at, " "), at += strspn(at, " ");
    size_t whole = strcspn(at, " ");
    *ret_repeats = memmem(at, whole, "…", strlen("…")) != NULL;
    at += *at == '[';
    size_t len = strcspn(at, " ]=\xe2");
    return name && len == strlen(name) && memcmp(at, name, len) == 0;
}

const char *cli_arg(const struct cli *cli, const char *name)
{
    bool repeats;
    for (int i = 0; i < cli->word_count; i++)
        if (arg_is(cli->verb->args, i, name, &repeats)) return cli->words[i];
    return NULL;
}

int cli_rest(const struct cli *cli)
{
    bool repeats;
    for (int i = 0; i < cli->word_count; i++) {
        arg_is(cli->verb->args, i, NULL, &repeats);
        if (repeats) return i;
    }
    return cli->word_count;
}

const char *cli_cluster(struct cli *cli)
{
    const char *given = cli_option(cli, "cluster");
    if (given) return given;
    if (cli->cluster && *cli->cluster) return cli->cluster;
    exit(cli_wrong("which cluster? Give --cluster lkc-…, choose one by `leat use`, or set LEAT_CLUSTER"));
}

const char *cli_environment(struct cli *cli)
{
    const char *given = cli_option(cli, "environment");
    if (given) return given;
    if (cli->environment && *cli->environment) return cli->environment;
    exit(cli_wrong("which environment? Give --environment env-…, choose one by `leat use`, or set "
                   "LEAT_ENVIRONMENT"));
}

/* --- people, secrets and files ---------------------------------------------------------------- */

void cli_confirm(const struct cli *cli, const char *format, ...)
{
    char text[700], line[16] = "";
    va_list args;
    if (cli_option(cli, "yes")) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) exit(cli_wrong("%s Add --yes to do it.", text));
    fprintf(stderr, "%s Type yes to do it: ", text);
    if (fgets(line, sizeof line, stdin) && strcmp(line, "yes\n") == 0) return;
    fputs("Nothing was changed.\n", stderr);
    exit(CLI_USAGE);
}

/* Asks without echo on a terminal; else reads a line. */
static char *ask(const char *prompt)
{
    static char line[SECRET_MAX];
    struct termios old, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
    if (terminal) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        fprintf(stderr, "%s: ", prompt);
    }
    if (!fgets(line, sizeof line, stdin)) line[0] = 0;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    return line;
}

char *cli_secret(const struct cli *cli, const char *option, const char *variable, const char *prompt)
{
    const char *path = option ? cli_option(cli, option) : NULL;
    const char *env = variable ? getenv(variable) : NULL;
    char *secret = path ? cli_file(path, SECRET_MAX) : env && *env ? strdup(env) : strdup(ask(prompt));
    secret[strcspn(secret, "\r\n")] = 0;
    if (!*secret) exit(cli_wrong("%s is empty", prompt));
    return secret;
}

char *cli_file(const char *path, size_t max)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) exit(cli_wrong("%s cannot be read: %s", path, strerror(errno)));
    struct buf in;
    buf_init(&in, max + 2);
    char part[65536];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0 && in.len <= max) buf_put(&in, part, (size_t)n);
    if (n < 0) exit(cli_wrong("%s cannot be read: %s", path, strerror(errno)));
    if (in.failed || in.len > max) exit(cli_wrong("%s is larger than %zu bytes", path, max));
    if (!standard) close(fd);
    if (in.len && memchr(in.data, 0, in.len)) exit(cli_wrong("%s is not text", path));
    buf_put(&in, "", 1);
    return (char *)in.data;
}

/* --- taking apart ----------------------------------------------------------------------------- */

static int take_option(struct cli *cli, int argc, char **argv, int *i)
{
    char name[64];
    const char *text = argv[*i] + 2, *equals = strchr(text, '=');
    snprintf(name, sizeof name, "%.*s", (int)(equals ? (size_t)(equals - text) : strlen(text)), text);
    const struct option *o = option_find(name);
    if (!o) return cli_wrong("there is no option --%s; see leat --help", name);
    if (!o->value && equals) return cli_wrong("--%s takes no value", name);
    if (o->value && !equals && *i + 1 >= argc) return cli_wrong("--%s needs a value: %s", name, o->value);
    cli->options[cli->option_count].name = o->name;
    cli->options[cli->option_count++].value = !o->value ? "" : equals ? equals + 1 : argv[++*i];
    return 0;
}

/* Options may stand anywhere; "--" ends them. */
static int take_apart(struct cli *cli, int argc, char **argv)
{
    static char *const shorts[][2] = { { "-f", "--file" }, { "-h", "--help" }, { "-y", "--yes" } };
    bool words_only = false;
    if (argc > CLI_ARGS_MAX) return cli_wrong("too many arguments");
    for (int i = 1; i < argc; i++) {
        for (size_t k = 0; k < ARRAY_LEN(shorts) && !words_only; k++)
            if (strcmp(argv[i], shorts[k][0]) == 0) argv[i] = shorts[k][1];
        if (words_only || strncmp(argv[i], "--", 2) != 0) {
            cli->words[cli->word_count++] = argv[i];
            continue;
        }
        if (!argv[i][2]) {
            words_only = true;
            continue;
        }
        int wrong = take_option(cli, argc, argv, &i);
        if (wrong) return wrong;
    }
    return 0;
}

/* Whether the verb takes what was given; tells what it does not. */
static int check_use(const struct cli *cli)
{
    char usage[1000], mark;
    int fewest, most;
    verb_words(cli->verb, &fewest, &most);
    verb_usage(cli->verb, usage, sizeof usage);
    if (cli->word_count < fewest || cli->word_count > most) return cli_wrong("usage: %s", usage);
    for (int i = 0; i < cli->option_count; i++) {
        const char *name = cli->options[i].name;
        /* --yes is harmless where nothing is asked. */
        if (!verb_takes(cli->verb, option_find(name), &mark) && strcmp(name, "yes") != 0)
            return cli_wrong("there is no --%s here; usage: %s", name, usage);
        bool again = mark == '*' || mark == '+';
        if (!again && cli_option_n(cli, name, 1)) return cli_wrong("--%s is given twice", name);
    }
    for (size_t i = 0; i < option_count; i++) {
        bool takes = verb_takes(cli->verb, &cli_options[i], &mark);
        if (takes && (mark == '!' || mark == '+') && !cli_option(cli, cli_options[i].name))
            return cli_wrong("--%s is missing; usage: %s", cli_options[i].name, usage);
    }
    return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    int wrong = take_apart(cli, argc, argv);
    if (wrong) return wrong;
    const char *noun = cli->word_count ? cli->words[0] : "help";
    const char *verb = cli->word_count > 1 ? cli->words[1] : NULL;
    cli->json = cli_option(cli, "json") != NULL;
    if (cli_option(cli, "help")) {
        help_print(stdout, cli->word_count ? noun : NULL, verb);
        exit(CLI_DONE);
    }
    cli->verb = verb_find(noun, verb);
    if (!cli->verb)
        return cli_wrong("there is no '%s%s%s'; see leat --help", noun, verb ? " " : "", verb ? verb : "");
    int used = *cli->verb->verb && verb ? 2 : 1;
    if (used > cli->word_count) used = cli->word_count;
    cli->word_count -= used;
    memmove(cli->words, cli->words + used, sizeof cli->words[0] * (size_t)cli->word_count);
    return check_use(cli);
}

int cli_main(int argc, char **argv)
{
    static struct cli cli;
    setlocale(LC_CTYPE, "");
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("leat " LEAT_VERSION);
        return CLI_DONE;
    }
    if (argc < 2) {
        help_print(stderr, NULL, NULL);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "__complete") == 0) {
        for (int i = 3; i < argc && i < CLI_ARGS_MAX; i++) cli.words[cli.word_count++] = argv[i];
        profile_load(&cli);
        return verb_complete(&cli);
    }
    int wrong = cli_parse(&cli, argc, argv);
    if (wrong) return wrong;
    profile_load(&cli);
    int code = cli.verb->run ? cli.verb->run(&cli) : request_run(&cli);
    if (fflush(stdout) != 0 && errno != EPIPE) {
        fprintf(stderr, "leat: the output cannot be written: %s\n", strerror(errno));
        return CLI_REFUSED;
    }
    return code;
}
