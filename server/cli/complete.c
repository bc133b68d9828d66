/* complete.c - completion of bash, zsh and fish. The three scripts are thin: they hand over the words
 * that were typed, and `leat __complete` answers from the table of verbs, a candidate a line, with what
 * it is behind a tab. Names of clusters, topics and groups are asked of the service, shortly. */
#include "cli/functions.h"

#include <stdlib.h>
#include <unistd.h>

#define WAIT_S 5 /* a slow service must not hang a shell */

/* --- candidates ------------------------------------------------------------------------------- */

static void offer(const char *prefix, const char *word, const char *text)
{
    if (strncmp(word, prefix, strlen(prefix)) == 0) printf("%s\t%s\n", word, text ? text : "");
}

static void offer_words(const char *prefix, const char *words)
{
    char word[80];
    while (*words) {
        size_t n = strcspn(words, "|");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        offer(prefix, word, "");
        words += n + (words[n] == '|');
    }
}

/* What "@…" stands for: the path of a list, which field of it to offer, and which explains. */
static const struct {
    const char *name, *path, *field, *text;
    bool of_cluster;
} lists[] = {
    { "@clusters", "/leat/v1/clusters?page_size=100", "id", "display_name", false },
    { "@environments", "/org/v2/environments?page_size=100", "id", "display_name", false },
    { "@accounts", "/iam/v2/service-accounts?page_size=100", "id", "display_name", false },
    { "@plans", "/leat/v1/plans", "name", NULL, false },
    { "@roles", "/leat/v1/roles", "name", "description", false },
    { "@metrics", "/v2/metrics/cloud/descriptors/metrics", "name", "description", false },
    { "@channels", "/leat/v1/alert-channels?page_size=100", "id", "name", false },
    { "@rules", "/leat/v1/alert-rules?page_size=100", "id", "name", false },
    { "@topics", "topics?page_size=100&filter=", "topic_name", NULL, true },
    { "@groups", "groups", "group_id", "state", true },
};

static void offer_list(struct cli *cli, const char *prefix, const char *name)
{
    char path[1000];
    size_t i;
    json_t *row;
    if (strcmp(name, "@profiles") == 0) {
        const json_t *profiles = profile_names();
        json_array_foreach(profiles, i, row) offer(prefix, json_string_value(row), "");
        return;
    }
    bool known = (cli->session && *cli->session) || (cli->key && cli->secret);
    for (size_t k = 0; k < ARRAY_LEN(lists) && known; k++) {
        if (strcmp(lists[k].name, name) != 0) continue;
        const char *cluster = cli_option(cli, "cluster") ? cli_option(cli, "cluster") : cli->cluster;
        if (lists[k].of_cluster && (!cluster || !*cluster)) return;
        if (lists[k].of_cluster)
            snprintf(path, sizeof path, "/leat/v1/clusters/%s/%s%s", rest_escape(cluster), lists[k].path,
                     strchr(lists[k].path, '?') ? rest_escape(prefix) : "");
        else snprintf(path, sizeof path, "%s", lists[k].path);
        alarm(WAIT_S);
        const json_t *rows = rest_list(cli, path);
        json_array_foreach(rows, i, row) {
            const char *word = text_at(row, lists[k].field);
            const char *brief = strcmp(name, "@metrics") == 0 ? strrchr(word, '/') : NULL;
            if (brief && strncmp(prefix, "io.", 3) != 0) word = brief + 1; /* as leat takes them, too */
            offer(prefix, word, lists[k].text ? text_at(row, lists[k].text) : "");
        }
    }
}

static void offer_value(struct cli *cli, const char *prefix, const char *words)
{
    if (!words) return;
    if (strcmp(words, "@files") == 0) puts("@files"); /* the shell knows better */
    else if (*words == '@') offer_list(cli, prefix, words);
    else offer_words(prefix, words);
}

static void offer_options(const struct verb *v, const char *prefix)
{
    char word[80], mark;
    for (size_t i = 0; i < option_count; i++) {
        if (!verb_takes(v, &cli_options[i], &mark)) continue;
        snprintf(word, sizeof word, "--%s", cli_options[i].name);
        offer(prefix, word, cli_options[i].text);
    }
}

static void offer_nouns(const char *prefix)
{
    for (size_t i = 0; i < verb_count; i++)
        if (i == 0 || strcmp(verbs[i].noun, verbs[i - 1].noun) != 0)
            offer(prefix, verbs[i].noun, *verbs[i].verb ? "" : verbs[i].text);
}

static void offer_verbs(const char *noun, const char *prefix)
{
    for (size_t i = 0; i < verb_count; i++)
        if (*verbs[i].verb && verb_noun_is(&verbs[i], noun)) offer(prefix, verbs[i].verb, verbs[i].text);
}

/* The word at place n among a verb's arguments. */
static void offer_argument(struct cli *cli, const struct verb *v, int n, const char *noun, const char *prefix)
{
    static const char *const kinds[][2] = {
        { "TOPIC", "@topics" },
        { "GROUP", "@groups" },
        { "CLUSTER", "@clusters" },
        { "ENVIRONMENT", "@environments" },
        { "ROLE", "@roles" },
        { "METRIC", "@metrics" },
        { "SHELL", "bash|zsh|fish" },
        { "MODE", "none|requested|required" },
        { "METHOD", "GET|POST|PUT|PATCH|DELETE" },
    };
    const char *at = v->args ? v->args : "";
    if (strcmp(v->noun, "help") == 0) {
        if (n == 0) offer_nouns(prefix);
        else if (n == 1) offer_verbs(noun, prefix);
        return;
    }
    for (; n > 0 && *at; n--) at += strcspn(at, " "), at += strspn(at, " ");
    at += *at == '[';
    size_t len = strcspn(at, " ]=");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (len == strlen(kinds[i][0]) && memcmp(at, kinds[i][0], len) == 0)
            offer_value(cli, prefix, kinds[i][1]);
    if (strcmp(v->noun, "profiles") == 0) offer_value(cli, prefix, "@profiles");
    if (strcmp(v->noun, "plans") == 0 && len == 4 && memcmp(at, "NAME", 4) == 0 &&
        strcmp(v->verb, "create"))
        offer_value(cli, prefix, "@plans");
}

/* Words: what was typed behind "leat", the last is the one to complete (it may be empty). */
int verb_complete(struct cli *cli)
{
    const char *nouns[2] = { NULL, NULL }, *last = "";
    const struct option *waiting = NULL;
    int words = 0;
    for (int i = 0; i < cli->word_count; i++) {
        const char *word = cli->words[i];
        last = word;
        if (i + 1 == cli->word_count) break;
        if (waiting) {
            if (strcmp(waiting->name, "cluster") == 0) cli->cluster = strdup(word);
            waiting = NULL;
        } else if (strncmp(word, "--", 2) == 0) {
            waiting = option_find(word + 2);
            if (waiting && !waiting->value) waiting = NULL;
        } else if (strcmp(word, "-f") == 0) {
            waiting = option_find("file");
        } else {
            if (words < 2) nouns[words] = word;
            words++;
        }
    }
    const struct verb *v = nouns[0] ? verb_find(nouns[0], nouns[1]) : NULL;
    if (waiting) offer_value(cli, last, waiting->words);
    else if (*last == '-' && v) offer_options(v, last);
    else if (!nouns[0]) offer_nouns(last);
    else if (words == 1 && (!v || *v->verb)) offer_verbs(nouns[0], last);
    else if (v) offer_argument(cli, v, words - (*v->verb ? 2 : 1), nouns[1], last);
    return CLI_DONE;
}

/* --- scripts ---------------------------------------------------------------------------------- */

static const char bash_script[] =
    "# completion of leat for bash; put it to use by: source <(leat completion bash)\n"
    "_leat() {\n"
    "  local line\n"
    "  local -a found=()\n"
    "  while IFS= read -r line; do\n"
    "    found+=(\"${line%%$'\\t'*}\")\n"
    "  done < <(\"${COMP_WORDS[0]}\" __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "  COMPREPLY=()\n"
    "  if [[ ${found[0]-} == @files ]]; then\n"
    "    while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- "
    "\"${COMP_WORDS[COMP_CWORD]}\")\n"
    "    compopt -o filenames 2>/dev/null\n"
    "  else\n"
    "    COMPREPLY=(\"${found[@]}\")\n"
    "  fi\n"
    "}\n"
    "complete -F _leat leat\n";

static const char zsh_script[] =
    "#compdef leat\n"
    "# completion of leat for zsh; put it to use by: source <(leat completion zsh)\n"
    "_leat() {\n"
    "  local line\n"
    "  local -a found shown\n"
    "  while IFS= read -r line; do\n"
    "    found+=(\"${line%%$'\\t'*}\")\n"
    "    shown+=(\"${line/$'\\t'/  }\")\n"
    "  done < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "  if [[ ${found[1]-} == @files ]]; then\n"
    "    _files\n"
    "  else\n"
    "    compadd -l -d shown -- \"${found[@]}\"\n"
    "  fi\n"
    "}\n"
    "if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then\n"
    "  _leat \"$@\"\n"
    "else\n"
    "  compdef _leat leat\n"
    "fi\n";

static const char fish_script[] =
    "# completion of leat for fish; put it to use by: leat completion fish | source\n"
    "function __leat_complete\n"
    "    set -l typed (commandline -opc) (commandline -ct)\n"
    "    set -l found (command leat __complete -- $typed[2..-1] 2>/dev/null)\n"
    "    if test \"$found[1]\" = @files\\t -o \"$found[1]\" = @files\n"
    "        __fish_complete_path (commandline -ct)\n"
    "    else\n"
    "        printf '%s\\n' $found\n"
    "    end\n"
    "end\n"
    "complete -c leat -f -a '(__leat_complete)'\n";

int verb_completion(struct cli *cli)
{
    const char *shell = cli->words[0];
    if (strcmp(shell, "bash") == 0) fputs(bash_script, stdout);
    else if (strcmp(shell, "zsh") == 0) fputs(zsh_script, stdout);
    else if (strcmp(shell, "fish") == 0) fputs(fish_script, stdout);
    else return cli_wrong("there is completion for bash, zsh and fish, not for '%s'", shell);
    return CLI_DONE;
}
