/* rest.c - requests to the service by libcurl; refusals become sentences. */
#include "cli/cli.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MAX (256u << 20)
#define URL_MAX 16384
#define PAGES_MAX 10000
#define SLOW_S 120 /* an answer that takes longer is given up */
#define AGAIN_MAX 10
#define WAIT_MAX_S 60

volatile sig_atomic_t rest_interrupted;

static void on_signal(int number)
{
    (void)number;
    rest_interrupted = 1;
}

void rest_until_signal(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const char *rest_escape(const char *segment)
{
    const char *escaped = curl_easy_escape(NULL, segment, 0);
    return escaped ? escaped : "";
}

int rest_exit_code(long code)
{
    if (code == 404) return CLI_NOT_FOUND;
    return code == 0 || code == 408 || code == 429 || code >= 500 ? CLI_UNREACHABLE : CLI_REFUSED;
}

/* --- one request ------------------------------------------------------------------------------ */

struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    struct buf in;
    char cookie[300]; /* "name=value" of Set-Cookie */
    int64_t retry_after; /* seconds of Retry-After */
    long code;
    CURLcode result;
};

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    struct buf *b = arg;
    buf_put(b, data, size * count);
    return b->failed ? 0 : size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    struct str line = { data, size * count };
    if (line.len > 12 && strncasecmp(data, "Set-Cookie: ", 12) == 0) {
        size_t n = 0;
        while (12 + n < line.len && !strchr(";\r\n", data[12 + n])) n++;
        snprintf(x->cookie, sizeof x->cookie, "%.*s", (int)n, data + 12);
    }
    if (line.len > 13 && strncasecmp(data, "Retry-After: ", 13) == 0) {
        struct str number = { data + 13, line.len - 13 };
        while (number.len && strchr("\r\n ", number.data[number.len - 1])) number.len--;
        if (!str_to_i64(number, &x->retry_after)) x->retry_after = 0;
    }
    return line.len;
}

static void identify(struct cli *cli, struct exchange *x)
{
    char line[400];
    if (cli->session && *cli->session) {
        curl_easy_setopt(x->curl, CURLOPT_COOKIE, cli->session);
        snprintf(line, sizeof line, "X-CSRF-Token: %s", cli->csrf ? cli->csrf : "");
        x->headers = curl_slist_append(x->headers, line);
    } else if (cli->key && cli->secret) {
        curl_easy_setopt(x->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(x->curl, CURLOPT_USERNAME, cli->key);
        curl_easy_setopt(x->curl, CURLOPT_PASSWORD, cli->secret);
    }
}

static void exchange_open(struct cli *cli, struct exchange *x, const char *method, const char *url,
                          const char *accept)
{
    *x = (struct exchange){ .curl = curl_easy_init() };
    buf_init(&x->in, ANSWER_MAX);
    if (!x->curl) exit(cli_wrong("libcurl could not start"));
    x->headers = curl_slist_append(NULL, accept);
    curl_easy_setopt(x->curl, CURLOPT_URL, url);
    curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x->curl, CURLOPT_USERAGENT, "leat/" LEAT_VERSION);
    if (cli->ca && *cli->ca) curl_easy_setopt(x->curl, CURLOPT_CAINFO, cli->ca);
    curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(x->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, &x->in);
    identify(cli, x);
}

static void exchange_body(struct exchange *x, const char *body)
{
    if (!body) return;
    x->headers = curl_slist_append(x->headers, "Content-Type: application/json");
    x->headers = curl_slist_append(x->headers, "Expect:");
    curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, body);
}

static void exchange_run(struct exchange *x)
{
    curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
    x->result = curl_easy_perform(x->curl);
    if (x->result == CURLE_OK || x->result == CURLE_WRITE_ERROR || x->result == CURLE_ABORTED_BY_CALLBACK)
        curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->code);
}

static void exchange_close(struct exchange *x)
{
    curl_slist_free_all(x->headers);
    curl_easy_cleanup(x->curl);
    buf_done(&x->in);
}

/* --- refusals --------------------------------------------------------------------------------- */

/* The sentence of an error body, whichever dialect it speaks. */
static const char *sentence_of(const json_t *body)
{
    const json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    const char *detail = json_string_value(json_object_get(first, "detail"));
    if (!detail) detail = json_string_value(json_object_get(first, "title"));
    if (!detail) detail = json_string_value(json_object_get(body, "message"));
    return detail;
}

static _Noreturn void refuse(struct cli *cli, const struct exchange *x, const json_t *body)
{
    const char *sentence = sentence_of(body);
    fflush(stdout);
    if (x->code == 0) {
        fprintf(stderr, "leat: %s does not answer: %s\n", cli->url, curl_easy_strerror(x->result));
        exit(CLI_UNREACHABLE);
    }
    if (cli->json && body) json_print(body);
    if (sentence) fprintf(stderr, "leat: %s\n", sentence);
    else fprintf(stderr, "leat: the service answered with status %ld\n", x->code);
    if (x->code == 401)
        fputs("leat: check the key with `leat login`, or LEAT_API_KEY and LEAT_API_SECRET.\n", stderr);
    fflush(stdout);
    exit(rest_exit_code(x->code));
}

/* Produce answers several objects one behind the other: they become an array. */
static json_t *parse_all(const struct buf *in)
{
    json_t *all = json_array();
    for (size_t at = 0; at < in->len;) {
        json_error_t error;
        json_t *one = json_loadb((const char *)in->data + at, in->len - at,
                                 JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
        if (!one) break;
        json_array_append_new(all, one);
        at += (size_t)error.position;
    }
    json_t *answer = NULL;
    if (json_array_size(all) == 1) answer = json_incref(json_array_get(all, 0));
    else if (json_array_size(all)) return all;
    json_decref(all);
    return answer;
}

static void who(struct cli *cli)
{
    bool known = (cli->session && *cli->session) || (cli->key && *cli->key && cli->secret && *cli->secret);
    if (!known)
        exit(cli_wrong("not logged in: use `leat login`, or set LEAT_API_KEY and LEAT_API_SECRET"));
}

static void address(struct cli *cli, char url[URL_MAX], const char *path)
{
    int n = snprintf(url, URL_MAX, "%s%s", path[0] == '/' ? cli->url : "", path);
    if (n < 0 || n >= URL_MAX) exit(cli_wrong("what was given is too long"));
}

/* One who asks more often than he may waits as long as he is told, and asks again. */
static bool wait_a_moment(struct exchange *x, int tries)
{
    if (x->code != 429 || tries >= AGAIN_MAX || x->retry_after < 1 || x->retry_after > WAIT_MAX_S)
        return false;
    struct timespec left = { .tv_sec = x->retry_after };
    exchange_close(x);
    return nanosleep(&left, NULL) == 0;
}

static json_t *perform(struct cli *cli, struct exchange *x, const char *method, json_t *take_body,
                       const char *path)
{
    char url[URL_MAX], *body = NULL;
    address(cli, url, path);
    if (json_is_string(take_body)) body = strdup(json_string_value(take_body)); /* as it is */
    else if (take_body) body = json_dumps(take_body, JSON_COMPACT);
    json_decref(take_body);
    int tries = 0;
    do {
        exchange_open(cli, x, method, url, "Accept: application/json");
        curl_easy_setopt(x->curl, CURLOPT_TIMEOUT, (long)SLOW_S);
        exchange_body(x, body);
        exchange_run(x);
        /* A login that is locked is told at once. */
    } while (strcmp(path, "/leat/v1/session") != 0 && wait_a_moment(x, tries++));
    json_t *answer = parse_all(&x->in);
    free(body); /* tidy: allowed, jansson's or strdup's memory */
    return answer;
}

json_t *rest_call(struct cli *cli, const char *method, json_t *take_body, const char *path, ...)
{
    char url[URL_MAX];
    struct exchange x;
    va_list args;
    va_start(args, path);
    int n = vsnprintf(url, sizeof url, path, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof url) exit(cli_wrong("what was given is too long"));
    who(cli);
    json_t *answer = perform(cli, &x, method, take_body, url);
    if (x.code == 0 || x.code >= 300) refuse(cli, &x, answer);
    if (x.code == 202 && strcmp(method, "GET") != 0 && !cli->json && strstr(url, "/kafka/v3"))
        fputs("leat: the broker is away; the change is stored and will reach it.\n", stderr);
    exchange_close(&x);
    return answer;
}

json_t *rest_try(struct cli *cli, const char *method, json_t *take_body, const char *path, long *ret_code,
                 const char **ret_why)
{
    struct exchange x;
    who(cli);
    json_t *answer = perform(cli, &x, method, take_body, path);
    *ret_code = x.code;
    *ret_why = NULL;
    const char *why = x.code == 0 ? curl_easy_strerror(x.result) : sentence_of(answer);
    if (x.code == 0 || x.code >= 300) *ret_why = strdup(why ? why : "the service gave no reason");
    exchange_close(&x);
    return answer;
}

/* --- lists ------------------------------------------------------------------------------------ */

json_t *rest_pages(struct cli *cli, const char *path)
{
    char url[URL_MAX];
    bool paged = strncmp(path, "/kafka/v3", 9) != 0;
    json_t *whole = rest_call(cli, "GET", NULL, "%s", path), *answer = whole;
    for (int page = 1; page < PAGES_MAX; page++) {
        const char *next = text_at(answer, "metadata.next");
        const char *token = text_at(answer, "meta.pagination.next_page_token");
        if (!paged || (!*next && !*token)) break;
        if (*next) snprintf(url, sizeof url, "%s", next);
        else
            snprintf(url, sizeof url, "%s%cpage_token=%s", path, strchr(path, '?') ? '&' : '?',
                     rest_escape(token));
        /* A link names the host by which the service knows itself, which need not be ours. */
        const char *host = strstr(url, "://"), *rest = host ? strchr(host + 3, '/') : url;
        json_t *more = rest_call(cli, "GET", NULL, "%s", rest ? rest : url);
        json_array_extend(json_object_get(whole, "data"), json_object_get(more, "data"));
        if (answer != whole) json_decref(answer);
        answer = more;
    }
    if (answer != whole && json_object_get(json_object_get(whole, "metadata"), "next"))
        json_object_set_new(json_object_get(whole, "metadata"), "next", json_null());
    return whole;
}

json_t *rest_list(struct cli *cli, const char *path)
{
    return json_object_get(rest_pages(cli, path), "data");
}

/* --- text ------------------------------------------------------------------------------------- */

/* What is good goes out as it comes; a refusal is kept, to be told. */
static size_t pass_on(char *data, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    long code = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 300) return take(data, size, count, &x->in);
    return fwrite(data, size, count, stdout) * size;
}

void rest_text(struct cli *cli, const char *method, const char *path)
{
    struct exchange x;
    char url[URL_MAX];
    address(cli, url, path);
    who(cli);
    exchange_open(cli, &x, method, url, "Accept: */*");
    curl_easy_setopt(x.curl, CURLOPT_WRITEFUNCTION, pass_on);
    curl_easy_setopt(x.curl, CURLOPT_WRITEDATA, &x);
    curl_easy_setopt(x.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(x.curl, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
    exchange_run(&x);
    if (x.result != CURLE_OK) x.code = 0;
    if (x.code == 0 || x.code >= 300) refuse(cli, &x, parse_all(&x.in));
    exchange_close(&x);
}

/* --- events ----------------------------------------------------------------------------------- */

struct listener {
    struct exchange *x;
    rest_event_fn each;
    void *arg;
    bool ended; /* who listens has had enough */
};

/* Takes whole events off the front of what came. */
static void take_events(struct listener *l)
{
    struct buf *in = &l->x->in;
    size_t at = 0;
    while (!l->ended) {
        const char *begin = (const char *)in->data + at;
        const char *end = memmem(begin, in->len - at, "\n\n", 2);
        if (!end) break;
        char event[32] = "message";
        json_t *data = NULL;
        for (const char *line = begin; line < end;) {
            const char *stop = memchr(line, '\n', (size_t)(end - line) + 1);
            if (strncmp(line, "event: ", 7) == 0)
                snprintf(event, sizeof event, "%.*s", (int)(stop - line - 7), line + 7);
            if (strncmp(line, "data: ", 6) == 0)
                data = json_loadb(line + 6, (size_t)(stop - line) - 6, JSON_ALLOW_NUL | JSON_DECODE_ANY,
                                  NULL);
            line = stop + 1;
        }
        if (data && !l->each(l->arg, event, data)) l->ended = true;
        json_decref(data);
        at = (size_t)(end - (const char *)in->data) + 2;
    }
    if (at) memmove(in->data, in->data + at, in->len - at);
    in->len -= at;
}

static size_t take_stream(char *data, size_t size, size_t count, void *arg)
{
    struct listener *l = arg;
    long code = 0;
    buf_put(&l->x->in, data, size * count);
    curl_easy_getinfo(l->x->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code < 300) take_events(l);
    return l->x->in.failed || l->ended || rest_interrupted ? 0 : size * count;
}

static int watch(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return rest_interrupted;
}

void rest_events(struct cli *cli, const char *path, rest_event_fn each, void *arg)
{
    struct exchange x;
    struct listener l = { .x = &x, .each = each, .arg = arg };
    char url[URL_MAX];
    address(cli, url, path);
    who(cli);
    exchange_open(cli, &x, "GET", url, "Accept: text/event-stream");
    curl_easy_setopt(x.curl, CURLOPT_WRITEFUNCTION, take_stream);
    curl_easy_setopt(x.curl, CURLOPT_WRITEDATA, &l);
    curl_easy_setopt(x.curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(x.curl, CURLOPT_XFERINFOFUNCTION, watch);
    exchange_run(&x);
    bool meant = l.ended || rest_interrupted;
    if (x.code >= 300 || (x.code == 0 && !meant)) refuse(cli, &x, parse_all(&x.in));
    exchange_close(&x);
}

/* --- login by password ------------------------------------------------------------------------ */

const char *rest_login(struct cli *cli, const char *login, const char *password)
{
    struct exchange x;
    json_t *body = json_pack("{s:s, s:s}", "login", login, "password", password);
    cli->session = NULL;
    json_t *answer = perform(cli, &x, "POST", body, "/leat/v1/session");
    if (x.code == 0) return curl_easy_strerror(x.result);
    if (x.code >= 300) return sentence_of(answer) ? sentence_of(answer) : "the service refused";
    cli->session = strdup(x.cookie);
    cli->csrf = strdup(text_at(answer, "csrf"));
    exchange_close(&x);
    return NULL;
}
