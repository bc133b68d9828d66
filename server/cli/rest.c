/* rest.c - requests to the service by libcurl; refusals become sentences. */
#include "cli/cli.h"

#include "base/buf.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (64u << 20)

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    struct buf *b = arg;
    buf_put(b, data, size * count);
    return b->failed ? 0 : size * count;
}

const char *rest_escape(const char *segment)
{
    const char *escaped = curl_easy_escape(NULL, segment, 0);
    return escaped ? escaped : "";
}

/* The sentence of an error body, whichever dialect it speaks. */
static const char *sentence_of(const json_t *body)
{
    const json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    const char *detail = json_string_value(json_object_get(first, "detail"));
    if (!detail) detail = json_string_value(json_object_get(first, "title"));
    if (!detail) detail = json_string_value(json_object_get(body, "message"));
    return detail;
}

static _Noreturn void refuse(struct cli *cli, long code, const json_t *body)
{
    const char *sentence = sentence_of(body);
    if (cli->json && body) {
        json_dumpf(body, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (sentence) fprintf(stderr, "leat: %s\n", sentence);
    else fprintf(stderr, "leat: the service answered with status %ld\n", code);
    if (code == 401)
        fputs("leat: check the key with `leat login`, or LEAT_API_KEY and LEAT_API_SECRET.\n",
              stderr);
    exit(1);
}

static json_t *send_request(struct cli *cli, const char *method, const char *body,
                            const char *url, long *ret_code)
{
    struct buf in;
    buf_init(&in, ANSWER_MAX);
    CURL *curl = curl_easy_init();
    if (!curl) exit(cli_wrong("libcurl could not start"));
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (body) headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    if (cli->ca && *cli->ca) curl_easy_setopt(curl, CURLOPT_CAINFO, cli->ca);
    if (cli->key) curl_easy_setopt(curl, CURLOPT_USERNAME, cli->key);
    if (cli->secret) curl_easy_setopt(curl, CURLOPT_PASSWORD, cli->secret);
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &in);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    CURLcode result = curl_easy_perform(curl);
    if (result != CURLE_OK) {
        fprintf(stderr, "leat: %s does not answer: %s\n", cli->url, curl_easy_strerror(result));
        exit(1);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_code);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    /* Produce answers several objects one behind the other: they become an array. */
    json_t *all = json_array();
    for (size_t at = 0; at < in.len;) {
        json_error_t error;
        json_t *one = json_loadb((const char *)in.data + at, in.len - at, JSON_DISABLE_EOF_CHECK,
                                 &error);
        if (!one) break;
        json_array_append_new(all, one);
        at += (size_t)error.position;
    }
    buf_done(&in);
    if (json_array_size(all) == 0) return NULL;
    return json_array_size(all) == 1 ? json_incref(json_array_get(all, 0)) : all;
}

json_t *rest_call(struct cli *cli, const char *method, json_t *take_body, const char *path, ...)
{
    char url[8192];
    int at = path[0] == '/' ? snprintf(url, sizeof url, "%s", cli->url) : 0;
    va_list args;
    va_start(args, path);
    vsnprintf(url + at, sizeof url - (size_t)at, path, args);
    va_end(args);
    if (!cli->key || !cli->secret)
        exit(cli_wrong("not logged in: use `leat login`, or set LEAT_API_KEY and LEAT_API_SECRET"));
    char *body = NULL;
    if (json_is_string(take_body)) body = strdup(json_string_value(take_body)); /* as it is */
    else if (take_body) body = json_dumps(take_body, JSON_COMPACT);
    json_decref(take_body);
    long code = 0;
    json_t *answer = send_request(cli, method, body, url, &code);
    if (code >= 300) refuse(cli, code, answer);
    if (code == 202 && strcmp(method, "GET") != 0 && cli->json == false &&
        strstr(path, "/kafka/v3"))
        fputs("leat: the broker is away; the change is stored and will reach it.\n", stderr);
    return answer;
}

json_t *rest_list(struct cli *cli, const char *path)
{
    json_t *rows = json_array();
    char url[4096];
    snprintf(url, sizeof url, "%s%s%cpage_size=100", cli->url, path, strchr(path, '?') ? '&' : '?');
    for (int page = 0; page < 1000 && *url; page++) {
        json_t *answer = rest_call(cli, "GET", NULL, "%s", url);
        json_array_extend(rows, json_object_get(answer, "data"));
        const char *next = text_at(answer, "metadata.next");
        if (strlen(next) >= sizeof url) break;
        snprintf(url, sizeof url, "%s", next);
    }
    return rows;
}
