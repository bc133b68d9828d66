/* plain.c - verbs that many rows share: any request, text as it comes, streams. */
#include "cli/functions.h"

#include <ctype.h>

#define BODY_MAX (64u << 20)

int verb_api(struct cli *cli)
{
    const char *data = cli_option(cli, "data");
    char method[12];
    snprintf(method, sizeof method, "%.11s", cli->words[0]);
    for (char *p = method; *p; p++) *p = (char)toupper((unsigned char)*p);
    if (cli->words[1][0] != '/') return cli_wrong("a path begins with '/', like /leat/v1/info");
    if (strcmp(method, "GET") == 0 && !data) {
        rest_text(cli, method, cli->words[1]);
        putchar('\n');
        return CLI_DONE;
    }
    json_t *body = data ? json_string(cli_file(data, BODY_MAX)) : NULL;
    json_t *answer = rest_call(cli, method, body, "%s", cli->words[1]);
    if (answer) json_print(answer);
    return CLI_DONE;
}

int verb_text(struct cli *cli)
{
    rest_text(cli, "GET", request_path(cli, 0));
    return CLI_DONE;
}

static bool print_event(void *arg, const char *event, json_t *data)
{
    (void)arg;
    json_t *line = json_pack("{s:s, s:O}", "event", event, "data", data);
    json_line(line);
    json_decref(line);
    return !ferror(stdout);
}

int verb_events(struct cli *cli)
{
    rest_until_signal();
    rest_events(cli, request_path(cli, 0), print_event, NULL);
    return CLI_DONE;
}

int verb_then_show(struct cli *cli)
{
    json_t *body = request_body(cli), *list = json_object_get(body, "data");
    char method[8];
    snprintf(method, sizeof method, "%.*s", (int)strcspn(cli->verb->calls, " "), cli->verb->calls);
    bool shows = list && json_array_size(list) == 0;
    if (!list && json_object_size(body) == 0) return cli_wrong("what should change? See --help");
    if (!shows) rest_call(cli, method, body, "%s", request_path(cli, 0));
    view_print(cli, rest_pages(cli, request_path(cli, 1)), cli->verb->view);
    return CLI_DONE;
}
