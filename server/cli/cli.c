/* cli.c - takes the command line apart and finds the verb. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct cli_option cli_options[] = {
    { "json", false },        { "profile", true },     { "cluster", true },
    { "url", true },          { "key", true },         { "quickstart", true },
    { "ca", true },
    { "environment", true },  { "kind", true },        { "partitions", true },
    { "config", true },       { "account", true },     { "cloud", false },
    { "description", true },  { "topic", true },       { "group", true },
    { "transactional-id", true }, { "prefix", false }, { "operation", true },
    { "host", true },         { "in", true },          { "out", true },
    { "default", false },     { "from", true },        { "limit", true },
    { "partition", true },    { "follow", false },     { "yes", false },
    { "record-key", true },   { "to", true },          { "offset", true },
    { "timestamp", true },    { "shift", true },       { "from-group", true },
    { "filter", true },       { "plan", true },        { "reason", true },
    { NULL, false },
};

int cli_wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("leat: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 2;
}

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

const char *cli_cluster(struct cli *cli)
{
    const char *given = cli_option(cli, "cluster");
    if (given) return given;
    if (cli->cluster && *cli->cluster) return cli->cluster;
    exit(cli_wrong("which cluster? Give --cluster lkc-…, or set LEAT_CLUSTER."));
}

static void print_help(FILE *out)
{
    fputs("usage: leat NOUN VERB [options]\n\n", out);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_commands[i];
        char left[160];
        snprintf(left, sizeof left, "%s%s%s %s", c->noun, *c->verb ? " " : "", c->verb, c->usage);
        if (strlen(left) > 46) fprintf(out, "  %s\n  %-46s %s\n", left, "", c->help);
        else fprintf(out, "  %-46s %s\n", left, c->help);
    }
    fputs("\n  --json          the service's answer instead of a table\n"
          "  --profile NAME  which saved service to talk to (default: default)\n"
          "  --cluster ID    which cluster (default: the profile's)\n\n"
          "LEAT_URL, LEAT_API_KEY, LEAT_API_SECRET, LEAT_CLUSTER and LEAT_CA (a PEM file)\n"
          "stand in for a profile.\n",
          out);
}

static const struct cli_option *option_of(const char *name)
{
    for (const struct cli_option *o = cli_options; o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

/* Options may stand anywhere; "--" ends them. */
static int take_apart(struct cli *cli, int argc, char **argv)
{
    bool words_only = false;
    if (argc > CLI_ARGS_MAX) return cli_wrong("too many arguments");
    for (int i = 1; i < argc; i++) {
        if (words_only || strncmp(argv[i], "--", 2) != 0) {
            cli->words[cli->word_count++] = argv[i];
            continue;
        }
        if (!argv[i][2]) {
            words_only = true;
            continue;
        }
        const struct cli_option *o = option_of(argv[i] + 2);
        if (!o) return cli_wrong("unknown option %s; see leat --help", argv[i]);
        if (o->has_value && i + 1 == argc) return cli_wrong("%s needs a value", argv[i]);
        cli->options[cli->option_count].name = o->name;
        cli->options[cli->option_count++].value = o->has_value ? argv[++i] : "";
    }
    return 0;
}

static const struct cli_command *find_command(struct cli *cli, int *ret_words)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_commands[i];
        if (strcmp(c->noun, cli->words[0]) != 0) continue;
        if (!*c->verb) {
            *ret_words = 1;
            return c;
        }
        /* A noun alone lists. */
        const char *verb = cli->word_count > 1 ? cli->words[1] : "list";
        if (strcmp(c->verb, verb) != 0) continue;
        *ret_words = cli->word_count > 1 ? 2 : 1;
        return c;
    }
    return NULL;
}

int cli_main(int argc, char **argv)
{
    static struct cli cli;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) break;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("leat " LEAT_VERSION);
            return 0;
        }
    }
    int wrong = take_apart(&cli, argc, argv);
    if (wrong) return wrong;
    if (cli.word_count == 0) {
        print_help(stderr);
        return 2;
    }
    int used = 0;
    const struct cli_command *c = find_command(&cli, &used);
    if (!c)
        return cli_wrong("there is no '%s%s%s'; see leat --help", cli.words[0],
                         cli.word_count > 1 ? " " : "", cli.word_count > 1 ? cli.words[1] : "");
    cli.word_count -= used;
    memmove(cli.words, cli.words + used, sizeof cli.words[0] * (size_t)cli.word_count);
    if (cli.word_count < c->words_min || cli.word_count > c->words_max)
        return cli_wrong("usage: leat %s%s%s %s", c->noun, *c->verb ? " " : "", c->verb, c->usage);
    cli.json = cli_option(&cli, "json") != NULL;
    cli.profile = cli_option(&cli, "profile") ? cli_option(&cli, "profile") : "default";
    profile_load(&cli);
    return c->run(&cli);
}
