/* produce.c - `leat produce`: a line becomes a record. Bytes stay what they are; a batch of lines is one
 * request, so that memory stays bounded however long the input is. */
#include "cli/format.h"
#include "cli/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES (12u << 20)
#define BATCH_LINES 500
#define BATCH_BYTES (4u << 20)
#define READ_BYTES (64u << 10)
#define IDLE_MS 20

struct producer {
    struct cli *cli;
    const char *path;
    enum format format, key_format;
    struct str separator;    /* data NULL: none */
    const char *null_marker; /* NULL: none */
    json_t *common;          /* what every record has: key, headers, partition, timestamp */
    struct buf body, key, value;
    int waiting;
    long long line, sent, refused;
};

/* --- sending ---------------------------------------------------------------------------------- */

static _Noreturn void give_up(struct producer *p, int code)
{
    long long written = p->sent - p->refused;
    if (written == 0) fputs("leat: nothing was written.\n", stderr);
    else fprintf(stderr, "leat: %lld record%s written, up to line %lld of the input.\n", written,
                 written == 1 ? " was" : "s were", p->line - p->waiting);
    exit(code);
}

/* Sends what was collected; refused records are told one by one. */
static void flush_records(struct producer *p)
{
    long code;
    const char *why;
    size_t i;
    json_t *row;
    if (p->waiting == 0) return;
    buf_put(&p->body, "", 1);
    if (p->body.failed) exit(cli_wrong("out of memory"));
    json_t *answer =
        rest_try(p->cli, "POST", json_string((const char *)p->body.data), p->path, &code, &why);
    buf_clear(&p->body);
    if (why && !json_object_get(answer, "error_code")) {
        fprintf(stderr, "leat: %s\n", why);
        give_up(p, rest_exit_code(code));
    }
    if (why && code != 200) { /* none of them was looked at */
        fprintf(stderr, "leat: %s\n", why);
        give_up(p, rest_exit_code(code));
    }
    json_t *rows = json_is_array(answer) ? answer : json_pack("[o]", answer);
    json_array_foreach(rows, i, row) {
        if (json_integer_value(json_object_get(row, "error_code")) == 200) {
            if (p->cli->json) json_line(row);
            continue;
        }
        fprintf(stderr, "leat: the record of line %lld was refused: %s\n",
                p->line - p->waiting + 1 + (long long)i, text_at(row, "message"));
        p->refused++;
    }
    p->sent += p->waiting;
    p->waiting = 0;
    json_decref(rows);
}

static json_t *data_of(struct bytes bytes)
{
    return json_pack("{s:s, s:o}", "type", "BINARY", "data", format_base64(bytes));
}

/* --- lines ------------------------------------------------------------------------------------ */

static _Noreturn void bad_line(struct producer *p, const char *what, enum format format)
{
    flush_records(p);
    cli_wrong("line %lld %s%s", p->line, what, format == FORMAT_STRING ? "" : format_name(format));
    p->waiting = 1; /* this one was not sent */
    give_up(p, CLI_USAGE);
}

static void take_line(struct producer *p, struct str line)
{
    struct str key = STR_NULL;
    p->line++;
    if (line.len > LINE_MAX_BYTES) bad_line(p, "is longer than 12 MiB", FORMAT_STRING);
    json_t *record = json_copy(p->common);
    if (p->separator.data) {
        const char *at = memmem(line.data, line.len, p->separator.data, p->separator.len);
        if (!at) bad_line(p, "has no key: the separator is not in it", FORMAT_STRING);
        key = (struct str){ line.data, (size_t)(at - line.data) };
        line.len -= key.len + p->separator.len;
        line.data = at + p->separator.len;
        buf_clear(&p->key);
        if (!format_decode(p->key_format, key, &p->key))
            bad_line(p, "has a key that is not ", p->key_format);
        json_object_set_new(record, "key", data_of(buf_bytes(&p->key)));
    }
    buf_clear(&p->value);
    if (!p->null_marker || !str_eq_c(line, p->null_marker)) {
        if (!format_decode(p->format, line, &p->value)) bad_line(p, "is not ", p->format);
        json_object_set_new(record, "value", data_of(buf_bytes(&p->value)));
    }
    char *text = json_dumps(record, JSON_COMPACT);
    buf_put_str(&p->body, str_c(text));
    buf_put(&p->body, "\n", 1);
    free(text); /* tidy: allowed, jansson's own memory */
    json_decref(record);
    p->waiting++;
}

struct input {
    int fd;
    struct buf bytes; /* what was read of it, up to the line limit and a bit */
    size_t at;        /* the line under way */
    bool over;
};

/* Nothing more is there for the moment: `tail -f log | leat produce` shall not wait for a whole batch. */
static bool is_idle(const struct input *in)
{
    return poll(&(struct pollfd){ .fd = in->fd, .events = POLLIN }, 1, IDLE_MS) == 0;
}

/* The next line without its end; what waits is sent while none comes. False: there is none. */
static bool next_line(struct producer *p, struct input *in, struct str *ret)
{
    size_t seen = in->at;
    for (;;) {
        char *text = (char *)in->bytes.data;
        char *end = in->bytes.len > seen ? memchr(text + seen, '\n', in->bytes.len - seen) : NULL;
        size_t stop = end ? (size_t)(end - text) : in->bytes.len;
        if (end || (in->over && in->bytes.len > in->at) || in->bytes.len - in->at > LINE_MAX_BYTES) {
            *ret = (struct str){ text + in->at, stop - in->at };
            in->at = end ? stop + 1 : stop;
            return true;
        }
        if (in->over || rest_interrupted) return false;
        if (in->at) memmove(in->bytes.data, in->bytes.data + in->at, in->bytes.len - in->at);
        in->bytes.len -= in->at;
        in->at = 0;
        seen = in->bytes.len;
        if (p->waiting && is_idle(in)) flush_records(p);
        uint8_t *room = rest_interrupted ? NULL : buf_reserve(&in->bytes, READ_BYTES);
        ssize_t n = room ? read(in->fd, room, READ_BYTES) : -1;
        if (n > 0) in->bytes.len += (size_t)n;
        else if (n == 0) in->over = true;
        else return false;
    }
}

static void read_lines(struct producer *p, int fd)
{
    struct input in = { .fd = fd };
    struct str line;
    buf_init(&in.bytes, LINE_MAX_BYTES + 2 * READ_BYTES);
    errno = 0;
    while (!rest_interrupted && next_line(p, &in, &line)) {
        take_line(p, line);
        if (p->waiting >= BATCH_LINES || p->body.len >= BATCH_BYTES) flush_records(p);
        errno = 0;
    }
    bool broken = !in.over && !rest_interrupted;
    int why = errno ? errno : ENOMEM;
    flush_records(p);
    buf_done(&in.bytes);
    if (broken) {
        cli_wrong("the input cannot be read: %s", strerror(why));
        give_up(p, CLI_USAGE);
    }
}

/* --- options ---------------------------------------------------------------------------------- */

static json_t *headers_of(struct cli *cli)
{
    json_t *headers = json_array();
    for (int i = 0; cli_option_n(cli, "header", i); i++) {
        const char *text = cli_option_n(cli, "header", i), *eq = strchr(text, '=');
        if (!eq) exit(cli_wrong("--header takes NAME=VALUE, not '%s'", text));
        json_array_append_new(headers, json_pack("{s:s#, s:o}", "name", text, (int)(eq - text), "value",
                                                 format_base64(bytes_of(eq + 1, strlen(eq + 1)))));
    }
    return headers;
}

static json_t *common_of(struct cli *cli)
{
    const char *key = cli_option(cli, "record-key"), *time = cli_option(cli, "timestamp");
    int64_t partition = cli_number(cli, "partition", -1), ms;
    json_t *common = json_object(), *headers = headers_of(cli);
    if (key && cli_option(cli, "key-separator"))
        exit(cli_wrong("give one of --record-key and --key-separator"));
    if (cli_option(cli, "key-format") && !cli_option(cli, "key-separator"))
        exit(cli_wrong("--key-format goes with --key-separator"));
    if (key) json_object_set_new(common, "key", data_of(bytes_of(key, strlen(key))));
    if (partition >= 0) json_object_set_new(common, "partition_id", json_integer(partition));
    if (json_array_size(headers)) json_object_set_new(common, "headers", headers);
    if (time) {
        if (!format_time(time, &ms) && !str_to_i64(str_c(time), &ms))
            exit(cli_wrong(
                "--timestamp takes milliseconds since 1970 or 2026-01-31T12:00:00Z, not '%s'", time));
        json_object_set_new(common, "timestamp", json_integer(ms));
    }
    return common;
}

int verb_produce(struct cli *cli)
{
    const char *separator = cli_option(cli, "key-separator"), *file = cli_option(cli, "file");
    struct producer p = {
        .cli = cli, .path = request_path(cli, 0), .format = format_option(cli, "format", FORMAT_STRING),
        .key_format = format_option(cli, "key-format", FORMAT_STRING), .common = common_of(cli),
        .null_marker = cli_option(cli, "null-marker"),
    };
    if (separator) p.separator = format_unescape(strdup(separator));
    if (separator && p.separator.len == 0) return cli_wrong("--key-separator is empty");
    buf_init(&p.body, 64u << 20);
    buf_init(&p.key, LINE_MAX_BYTES + 1);
    buf_init(&p.value, LINE_MAX_BYTES + 1);
    int in = file && strcmp(file, "-") != 0 ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (in < 0) return cli_wrong("%s cannot be read: %s", file, strerror(errno));
    if (isatty(in)) fputs("One record a line; end with Ctrl-D.\n", stderr);
    rest_until_signal();
    read_lines(&p, in);
    if (!cli->json) fprintf(stderr, "%lld of %lld records written\n", p.sent - p.refused, p.sent);
    return p.refused ? CLI_REFUSED : CLI_DONE;
}
