/* help.c - help texts, and the manual page in the language of man(7), from the table of verbs. */
#include "cli/functions.h"

#include <stdlib.h>

static const char *const exit_codes[][2] = {
    { "0", "done" },
    { "1", "refused by the service, in whole or in part; or what was checked is not so" },
    { "2", "wrong use, a file that cannot be used, or no confirmation" },
    { "3", "there is no such thing" },
    { "4", "the service does not answer, or cannot now: the same may go well later" },
    { "5", "`leat apply --dry-run`: there is something to do" },
};

static const char *const variables[][2] = {
    { "LEAT_PROFILE", "name of the profile to use" },
    { "LEAT_URL", "where the service is" },
    { "LEAT_API_KEY, LEAT_API_SECRET", "a key and its secret" },
    { "LEAT_CLUSTER, LEAT_ENVIRONMENT", "which cluster and which environment" },
    { "LEAT_CA", "PEM file of the CA that signed the service's certificate" },
    { "LEAT_PASSWORD, LEAT_TOKEN, LEAT_NEW_PASSWORD", "what would be asked for" },
};

/* --- for the terminal ------------------------------------------------------------------------- */

static void print_verb(FILE *out, const struct verb *v)
{
    char usage[1000], mark;
    verb_usage(v, usage, sizeof usage);
    fprintf(out, "usage: %s\n\n%s.\n", usage, v->text);
    bool any = false;
    for (int everywhere = 0; everywhere < 2; everywhere++)
        for (size_t i = 0; i < option_count; i++) {
            const struct option *o = &cli_options[i];
            char left[80];
            if ((int)o->everywhere != everywhere || !verb_takes(v, o, &mark)) continue;
            if (!any) fputs("\n", out);
            any = true;
            snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
            fprintf(out, "  %-27s %s\n", left, o->text);
        }
    if (v->example) fprintf(out, "\nExample: %s\n", v->example);
    if (v->calls && *v->calls) fprintf(out, "REST:    %s\n", v->calls);
}

static void print_line(FILE *out, const struct verb *v)
{
    char left[160];
    snprintf(left, sizeof left, "%s%s%s%s%s", v->noun, *v->verb ? " " : "", v->verb, v->args ? " " : "",
             v->args ? v->args : "");
    int width = 0;
    for (const char *p = left; *p; p++) width += ((unsigned char)*p & 0xc0) != 0x80; /* of UTF-8 */
    if (width > 38) fprintf(out, "  %s\n  %-38s %s\n", left, "", v->text);
    else fprintf(out, "  %s%*s %s\n", left, 38 - width, "", v->text);
}

static void print_all(FILE *out)
{
    fputs("usage: leat NOUN VERB [options]\n\n", out);
    for (size_t i = 0; i < verb_count; i++) {
        if (i && *verbs[i].verb && strcmp(verbs[i].noun, verbs[i - 1].noun) != 0) fputc('\n', out);
        print_line(out, &verbs[i]);
    }
    fputs("\n`leat NOUN VERB --help` says how a verb is used; a noun alone lists. Everywhere:\n\n", out);
    for (size_t i = 0; i < option_count; i++) {
        char left[80];
        const struct option *o = &cli_options[i];
        if (!o->everywhere) continue;
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "  %-27s %s\n", left, o->text);
    }
    fputs("\nInstead of a profile:\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        fprintf(out, "  %-46s %s\n", variables[i][0], variables[i][1]);
    fputs("\nExit codes:\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        fprintf(out, "  %s  %s\n", exit_codes[i][0], exit_codes[i][1]);
}

void help_print(FILE *out, const char *noun, const char *verb)
{
    const struct verb *one = noun ? verb_find(noun, verb) : NULL;
    bool any = false;
    if (one && (verb || !*one->verb)) {
        print_verb(out, one);
        return;
    }
    for (size_t i = 0; noun && i < verb_count; i++)
        if (verb_noun_is(&verbs[i], noun)) {
            print_line(out, &verbs[i]);
            any = true;
        }
    if (any) fprintf(out, "\n`leat %s VERB --help` says how a verb is used.\n", noun);
    else print_all(out);
}

/* The table itself, for tests and for whoever makes something of it. */
static void print_json(void)
{
    json_t *rows = json_array();
    char usage[1000];
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];
        verb_usage(v, usage, sizeof usage);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "noun", v->noun,
                                              "verb", v->verb, "usage", usage, "text", v->text,
                                              "example", v->example ? v->example : "", "calls",
                                              v->calls ? v->calls : "", "asks", v->confirm != NULL));
    }
    json_print(rows);
}

int verb_help(struct cli *cli)
{
    const char *noun = cli->word_count ? cli->words[0] : NULL;
    const char *verb = cli->word_count > 1 ? cli->words[1] : NULL;
    bool known = !noun;
    for (size_t i = 0; i < verb_count && !known; i++) known = verb_noun_is(&verbs[i], noun);
    if (!known || (verb && !verb_find(noun, verb)))
        return cli_wrong("there is no '%s%s%s'; see leat --help", noun, verb ? " " : "", verb ? verb : "");
    if (cli->json) print_json();
    else help_print(stdout, noun, verb);
    return CLI_DONE;
}

/* --- the manual page -------------------------------------------------------------------------- */

/* Text as man(7) takes it. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'') fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else if (*text == '`') fputs("\\(oq", stdout);
        else putchar(*text);
    }
}

static void roff_item(const char *title, const char *text)
{
    fputs(".TP\n.B ", stdout);
    roff(title);
    putchar('\n');
    roff(text);
    putchar('\n');
}

static void roff_verbs(void)
{
    char usage[1000];
    puts(".SH COMMANDS");
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];
        if (i == 0 || strcmp(v->noun, verbs[i - 1].noun) != 0) {
            fputs(".SS ", stdout);
            roff(v->noun);
            putchar('\n');
        }
        verb_usage(v, usage, sizeof usage);
        roff_item(usage, v->text);
        if (!v->example) continue;
        puts(".RS\n.PP\n.EX");
        roff(v->example);
        puts("\n.EE\n.RE");
    }
}

static void roff_options(void)
{
    char left[80];
    for (int everywhere = 1; everywhere >= 0; everywhere--) {
        puts(everywhere ? ".SH OPTIONS\n.SS Of every command" : ".SS Of single commands");
        for (size_t i = 0; i < option_count; i++) {
            const struct option *o = &cli_options[i];
            if ((int)o->everywhere != everywhere) continue;
            snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
            roff_item(left, o->text);
        }
    }
}

int verb_manual(struct cli *cli)
{
    (void)cli;
    puts(
        ".\\\" made by `leat manual` from the table of verbs\n"
        ".TH LEAT 1 \"\" \"leat " LEAT_VERSION "\" \"User Commands\"\n"
        ".SH NAME\nleat \\- the command line of a Leat service: managed Apache Kafka\n"
        ".SH SYNOPSIS\n.B leat\n.I NOUN VERB\n.RI [ options ]\n"
        ".SH DESCRIPTION\nEach command is one request to the service's REST interface, or a few. A "
        "noun alone "
        "lists. Nouns may be said in the singular. Tables are for people; with\n.B \\-\\-json\nthe "
        "service's "
        "own answer is printed, whose form is stable, and streams as one JSON object a line.\n.PP\n"
        "Secrets never stand in arguments: they are asked for, or come from a file or a variable. What "
        "deletes something asks first; without a terminal it needs\n.BR \\-\\-yes .");
    roff_verbs();
    roff_options();
    puts(".SH \"EXIT STATUS\"");
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++) roff_item(exit_codes[i][0], exit_codes[i][1]);
    puts(".SH ENVIRONMENT");
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) roff_item(variables[i][0], variables[i][1]);
    puts(".SH FILES");
    roff_item("$XDG_CONFIG_HOME/leat/config.json",
              "saved profiles, with their secrets; its owner alone may read it "
              "(without XDG_CONFIG_HOME: ~/.config/leat/config.json)");
    return CLI_DONE;
}
