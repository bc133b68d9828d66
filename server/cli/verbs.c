/* verbs.c - the table of verbs and of options, and what is asked of it. */
#include "cli/cli.h"

#include "cli/apply.h"
#include "cli/functions.h"
#include "cli/views.h"

#include <stdio.h>

#define ALERT_RULE_BODY                                                                            \
    "severity=--severity threshold=--threshold:n for_ms=--for-ms:n resolve_ms=--resolve-ms:n "     \
    "repeat_ms=--repeat-ms:n resource=--resource channels=--channel:list description=--description " \
    "enabled=--enabled:bool cluster_id=--cluster environment_id=--environment"
#define ALERT_CHANNEL_BODY                                                                         \
    "url=--target url=--target-file:line secret=--secret-file:line from=--sender to=--recipient:list " \
    "username=--username tls=--tls ca_pem=--channel-ca:file enabled=--enabled:bool"

const struct verb verbs[] = {
#define VERB(n, v, ...) { .noun = n, .verb = v, __VA_ARGS__ },
#include "cli/verbs_service.def"
#include "cli/verbs_alerts.def"
#include "cli/verbs_control.def"
#include "cli/verbs_kafka.def"
#undef VERB
};
const size_t verb_count = ARRAY_LEN(verbs);

const struct option cli_options[] = {
#define OPTION(n, v, w, t) { .name = n, .value = v, .words = w, .text = t },
#define EVERYWHERE(n, v, w, t) { .name = n, .value = v, .words = w, .text = t, .everywhere = true },
#include "cli/options.def"
#undef OPTION
#undef EVERYWHERE
};
const size_t option_count = ARRAY_LEN(cli_options);

bool verb_noun_is(const struct verb *v, const char *noun)
{
    size_t n = strlen(v->noun), m = strlen(noun);
    if (n == m) return memcmp(v->noun, noun, n) == 0;
    /* One says "leat topic create" as well. */
    return *v->verb && n == m + 1 && v->noun[m] == 's' && memcmp(v->noun, noun, m) == 0;
}

const struct verb *verb_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];
        if (!verb_noun_is(v, noun)) continue;
        if (!*v->verb || strcmp(v->verb, verb ? verb : "list") == 0) return v;
    }
    return NULL;
}

const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(cli_options[i].name, name) == 0) return &cli_options[i];
    return NULL;
}

bool verb_takes(const struct verb *v, const struct option *o, char *ret_mark)
{
    const char *at = v->options ? v->options : "";
    size_t n = strlen(o->name);
    *ret_mark = 0;
    while (*at) {
        size_t len = strcspn(at, " ");
        char mark = at[len - 1];
        bool marked = mark == '!' || mark == '*' || mark == '+';
        if (len - marked == n && memcmp(at, o->name, n) == 0) {
            *ret_mark = marked ? mark : 0;
            return true;
        }
        at += len;
        at += strspn(at, " ");
    }
    if (strcmp(o->name, "yes") == 0) return v->confirm != NULL;
    return o->everywhere;
}

void verb_usage(const struct verb *v, char *ret, size_t size)
{
    char mark;
    size_t at = (size_t)snprintf(ret, size, "leat %s%s%s%s%s", v->noun, *v->verb ? " " : "", v->verb,
                                 v->args && *v->args ? " " : "", v->args ? v->args : "");
    for (size_t i = 0; i < option_count && at < size; i++) {
        const struct option *o = &cli_options[i];
        if (o->everywhere || !verb_takes(v, o, &mark)) continue;
        bool must = mark == '!' || mark == '+';
        at += (size_t)snprintf(ret + at, size - at, " %s--%s%s%s%s%s", must ? "" : "[", o->name,
                               o->value ? " " : "", o->value ? o->value : "", must ? "" : "]",
                               mark == '*' || mark == '+' ? "…" : "");
    }
}

void verb_words(const struct verb *v, int *ret_fewest, int *ret_most)
{
    const char *at = v->args ? v->args : "";
    *ret_fewest = *ret_most = 0;
    while (*at) {
        size_t len = strcspn(at, " ");
        *ret_fewest += *at != '[';
        ++*ret_most;
        if (memmem(at, len, "…", strlen("…"))) *ret_most = CLI_ARGS_MAX;
        at += len;
        at += strspn(at, " ");
    }
}
