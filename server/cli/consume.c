/* consume.c - `leat consume` and `leat search`: records as lines. Pages of a bounded size are read
 * partition by partition, so that nothing is left out and memory stays bounded. */
#include "cli/format.h"
#include "cli/functions.h"

#include "base/uuid.h"

#include <stdlib.h>
#include <time.h>

#define PAGE 500
#define NEWEST_DEFAULT 20
#define VALUE_MAX (1 << 20)   /* what the service shows of one value at most */
#define PARTITIONS_MAX 100000

struct reader {
    struct cli *cli;
    enum format format, key_format;
    bool plain;               /* values alone, in --format */
    struct str separator;
    const char *null_marker;
    int64_t limit, shown;     /* limit -1: none */
    int64_t to_offset, to_time; /* -1: none; the first that is not shown */
    long long odd;            /* records that were cut or not of the format */
};
struct cursor {
    int64_t partition, next, end; /* end: of the log when it was looked at last */
    int64_t committed;
    bool done;
};

/* --- one record ------------------------------------------------------------------------------- */

/* The bytes of a key or value; false: it is null. The caller's buf. */
static bool bytes_of_field(const json_t *field, struct buf *ret)
{
    const json_t *data = json_object_get(field, "data");
    if (!data) data = json_object_get(field, "value"); /* of a header */
    buf_clear(ret);
    if (!json_is_string(data)) return false;
    struct str text = { json_string_value(data), json_string_length(data) };
    if (strcmp(text_at(field, "encoding"), "base64") == 0) format_decode(FORMAT_BASE64, text, ret);
    else buf_put(ret, text.data, text.len);
    return true;
}

static void print_field(struct reader *r, enum format format, const json_t *field, const json_t *record)
{
    static struct buf bytes;
    if (!bytes.max) buf_init(&bytes, 64u << 20);
    if (!bytes_of_field(field, &bytes)) {
        fputs(r->null_marker ? r->null_marker : format == FORMAT_JSON ? "null" : "", stdout);
        return;
    }
    if (format_print(format, buf_bytes(&bytes), stdout)) return;
    fprintf(stderr, "leat: record %lld of partition %lld is not JSON\n",
            (long long)json_integer_value(json_object_get(record, "offset")),
            (long long)json_integer_value(json_object_get(record, "partition")));
    r->odd++;
}

static void print_headers(struct reader *r, const json_t *record)
{
    size_t i;
    json_t *header;
    bool any = false;
    json_array_foreach(json_object_get(record, "headers"), i, header) {
        printf("%s%s=", any ? "," : "", text_at(header, "name"));
        print_field(r, r->plain ? r->format : FORMAT_STRING, header, record);
        any = true;
    }
    if (r->plain) putchar('\t');
    else if (any) fputs("  ", stdout);
}

static void print_record(struct reader *r, const json_t *record)
{
    const json_t *key = json_object_get(record, "key"), *value = json_object_get(record, "value");
    long long partition = (long long)json_integer_value(json_object_get(record, "partition"));
    long long offset = (long long)json_integer_value(json_object_get(record, "offset"));
    r->shown++;
    if (json_is_true(json_object_get(record, "truncated"))) {
        fprintf(stderr, "leat: record %lld of partition %lld is longer than what is shown of it\n",
                offset, partition);
        r->odd++;
    }
    if (r->cli->json) {
        json_dumpf(record, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    if (!r->plain) printf("%lld:%lld  ", partition, offset);
    if (cli_option(r->cli, "headers")) print_headers(r, record);
    bool keyed = json_is_string(json_object_get(key, "data"));
    if (r->separator.data || (!r->plain && keyed)) {
        print_field(r, r->key_format, key, record);
        if (r->separator.data) fwrite(r->separator.data, 1, r->separator.len, stdout);
        else fputs("  ", stdout);
    }
    print_field(r, r->format, value, record);
    putchar('\n');
}

/* Whether the record is one to show; *ret_beyond: it and all behind it in its partition are not. */
static bool wanted(const struct reader *r, const json_t *record, bool *ret_beyond)
{
    int64_t offset = json_integer_value(json_object_get(record, "offset"));
    int64_t time = json_integer_value(json_object_get(record, "timestamp"));
    *ret_beyond = r->to_offset >= 0 && offset >= r->to_offset;
    return !*ret_beyond && (r->to_time < 0 || time < r->to_time);
}

/* --- where ------------------------------------------------------------------------------------ */

/* "from=…" of --from. */
static void place_of(const struct cli *cli, const char *otherwise, char *ret, size_t size)
{
    const char *from = cli_option(cli, "from");
    int64_t n;
    if (!from) from = otherwise;
    if (strcmp(from, "beginning") == 0 || strcmp(from, "earliest") == 0) from = "oldest";
    if (strcmp(from, "oldest") == 0 || strcmp(from, "newest") == 0) snprintf(ret, size, "from=%s", from);
    else if (format_time(from, &n)) snprintf(ret, size, "from=timestamp&timestamp=%lld", (long long)n);
    else if (str_to_i64(str_c(from), &n)) snprintf(ret, size, "from=offset&offset=%lld", (long long)n);
    else exit(cli_wrong("--from takes oldest, newest, an offset or a time, not '%s'", from));
}

static void read_end(struct reader *r)
{
    const char *to = cli_option(r->cli, "to");
    r->to_offset = r->to_time = -1;
    if (to && !format_time(to, &r->to_time) && !str_to_i64(str_c(to), &r->to_offset))
        exit(cli_wrong("--to takes an offset or a time, not '%s'", to));
}

static struct reader reader_of(struct cli *cli)
{
    const char *separator = cli_option(cli, "key-separator");
    struct reader r = { .cli = cli,
                        .limit = cli_number(cli, "limit", -1),
                        .plain = cli_option(cli, "format") || separator,
                        .format = format_option(cli, "format", FORMAT_STRING),
                        .key_format = format_option(cli, "key-format", FORMAT_STRING),
                        .null_marker = cli_option(cli, "null-marker") };
    if (separator) r.separator = format_unescape(strdup(separator));
    read_end(&r);
    return r;
}

/* --- pages ------------------------------------------------------------------------------------ */

static json_t *page(struct reader *r, const char *where, int64_t partition, int64_t limit, bool with_filter)
{
    const char *filter = with_filter ? cli_option(r->cli, "filter") : NULL;
    char one[40] = "";
    if (partition >= 0) snprintf(one, sizeof one, "&partition=%lld", (long long)partition);
    return rest_call(r->cli, "GET", NULL, "%s?%s&limit=%lld&max_bytes=%lld%s%s%s",
                     request_path(r->cli, 0), where, (long long)limit,
                     (long long)cli_number(r->cli, "max-bytes", VALUE_MAX), one,
                     filter ? "&filter=" : "", filter ? rest_escape(filter) : "");
}

/* Shows one page of a partition. False: there is nothing more to show of it now. */
static bool read_page(struct reader *r, struct cursor *c)
{
    char where[80];
    size_t i;
    json_t *record;
    snprintf(where, sizeof where, "from=offset&offset=%lld", (long long)c->next);
    json_t *answer = page(r, where, c->partition, PAGE, true), *data = json_object_get(answer, "data");
    int64_t next = json_integer_value(
        field_at(json_array_get(json_object_get(answer, "partitions"), 0), "next_offset"));
    int64_t before = c->next;
    json_array_foreach(data, i, record) {
        bool beyond;
        if (rest_interrupted || (r->limit >= 0 && r->shown >= r->limit)) break;
        int64_t offset = json_integer_value(json_object_get(record, "offset"));
        if (!cli_option(r->cli, "follow") && offset >= c->end) break;
        if (wanted(r, record, &beyond)) print_record(r, record);
        if (beyond) c->done = true;
        if (c->done) break;
        c->next = offset + 1;
    }
    if (i == json_array_size(data) && next > c->next) c->next = next;
    json_decref(answer);
    return c->next > before && c->next < c->end && !c->done;
}

static bool finished(const struct reader *r)
{
    return rest_interrupted || ferror(stdout) || (r->limit >= 0 && r->shown >= r->limit);
}

/* The ends of all partitions as they are now. */
static void look_at_ends(struct reader *r, struct cursor *cursors, size_t count)
{
    size_t i;
    json_t *p, *answer = page(r, "from=newest", cli_number(r->cli, "partition", -1), 1, false);
    json_array_foreach(json_object_get(answer, "partitions"), i, p)
        for (size_t k = 0; k < count; k++)
            if (cursors[k].partition == json_integer_value(json_object_get(p, "partition_id")))
                cursors[k].end = json_integer_value(json_object_get(p, "end_offset"));
    json_decref(answer);
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Begins where the group stands: partitions that it knows nothing of stay where they are. */
static void begin_from_group(struct reader *r, const char *group, struct cursor *cursors, size_t count)
{
    char path[1000];
    long code;
    const char *why;
    size_t i;
    json_t *lag;
    snprintf(path, sizeof path, "/leat/v1/clusters/%s/groups/%s", rest_escape(cli_cluster(r->cli)),
             rest_escape(group));
    json_t *answer = rest_try(r->cli, "GET", NULL, path, &code, &why);
    if (code == 404) return;
    if (why) {
        fprintf(stderr, "leat: %s\n", why);
        exit(rest_exit_code(code));
    }
    json_array_foreach(json_object_get(answer, "lags"), i, lag) {
        const json_t *offset = json_object_get(lag, "current_offset");
        if (strcmp(text_at(lag, "topic"), r->cli->words[0]) != 0 || !json_is_integer(offset)) continue;
        for (size_t k = 0; k < count; k++)
            if (cursors[k].partition == json_integer_value(json_object_get(lag, "partition")) &&
                json_integer_value(offset) >= 0)
                cursors[k].next = cursors[k].committed = json_integer_value(offset);
    }
    json_decref(answer);
}

static void commit(struct reader *r, const char *group, struct cursor *cursors, size_t count)
{
    if (!group || fflush(stdout) != 0) return; /* what was not written was not consumed */
    for (size_t i = 0; i < count; i++) {
        if (cursors[i].next == cursors[i].committed) continue;
        json_t *answer =
            rest_call(r->cli, "POST",
                      json_pack("{s:s, s:I, s:b, s:[{s:s, s:[I]}]}", "to", "offset", "offset",
                                (json_int_t)cursors[i].next, "dry_run", 0, "topics", "topic",
                                r->cli->words[0], "partitions", (json_int_t)cursors[i].partition),
                      "/leat/v1/clusters/%s/groups/%s:reset-offsets", rest_escape(cli_cluster(r->cli)),
                      rest_escape(group));
        if (*text_at(answer, "blocked_by")) {
            fprintf(stderr, "leat: %s\n", text_at(answer, "blocked_by"));
            exit(CLI_REFUSED);
        }
        cursors[i].committed = cursors[i].next;
        json_decref(answer);
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static struct cursor *cursors_of(struct reader *r, json_t *answer, size_t *ret_count)
{
    json_t *list = json_object_get(answer, "partitions"), *p;
    size_t i, n = json_array_size(list);
    struct cursor *cursors = mem_alloc((n ? n : 1) * sizeof *cursors);
    const char *from = cli_option(r->cli, "from");
    int64_t offset;
    bool by_offset = from && !format_time(from, &offset) && str_to_i64(str_c(from), &offset);
    if (!cursors) exit(cli_wrong("out of memory"));
    json_array_foreach(list, i, p) {
        struct cursor *c = &cursors[i];
        *c = (struct cursor){ .partition = json_integer_value(json_object_get(p, "partition_id")),
                              .next = json_integer_value(json_object_get(p, "start_offset")),
                              .end = json_integer_value(json_object_get(p, "end_offset")),
                              .committed = -1 };
        if (by_offset && offset > c->next) c->next = offset;
    }
    *ret_count = n;
    return cursors;
}

/* Where each partition has its first record of that time or later. */
static void begin_at_time(struct reader *r, const char *where, struct cursor *cursors, size_t count)
{
    for (size_t i = 0; i < count && !rest_interrupted; i++) {
        json_t *answer = page(r, where, cursors[i].partition, 1, false);
        json_t *first = json_array_get(json_object_get(answer, "data"), 0);
        cursors[i].next = first ? json_integer_value(json_object_get(first, "offset")) : cursors[i].end;
        json_decref(answer);
    }
}

static void show_newest(struct reader *r, json_t *answer)
{
    json_t *data = json_object_get(answer, "data");
    for (size_t n = json_array_size(data); n > 0; n--) /* in the order in which they were written */
        print_record(r, json_array_get(data, n - 1));
}

static void read_all(struct reader *r, const char *group, struct cursor *cursors, size_t count)
{
    bool follow = cli_option(r->cli, "follow");
    for (;;) {
        bool more = false;
        for (size_t i = 0; i < count && !finished(r); i++)
            if (!cursors[i].done && cursors[i].next < cursors[i].end && read_page(r, &cursors[i]))
                more = true;
        commit(r, group, cursors, count);
        fflush(stdout);
        if (finished(r) || (!more && !follow)) return;
        if (more) continue;
        nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
        if (rest_interrupted) return;
        look_at_ends(r, cursors, count);
    }
}

int verb_consume(struct cli *cli)
{
    struct reader r = reader_of(cli);
    const char *group = cli_option(cli, "group"), *path = strdup(request_path(cli, 0));
    bool follow = cli_option(cli, "follow");
    char where[80];
    size_t count;
    (void)path;
    rest_until_signal();
    place_of(cli, group ? "oldest" : "newest", where, sizeof where);
    bool newest = strcmp(where, "from=newest") == 0;
    int64_t first = !newest || follow ? 1 : r.limit >= 0 && r.limit < PAGE ? r.limit : PAGE;
    if (newest && r.limit < 0) first = NEWEST_DEFAULT;
    if (newest && r.limit > PAGE)
        return cli_wrong("of the newest at most %d can be shown; use --from", PAGE);
    if (first < 1) return CLI_DONE;
    json_t *answer =
        page(&r, newest ? where : "from=newest", cli_number(cli, "partition", -1), first, newest);
    struct cursor *cursors = cursors_of(&r, answer, &count);
    if (newest) {
        if (!follow || r.limit < 0) show_newest(&r, answer);
        for (size_t i = 0; i < count; i++) cursors[i].next = cursors[i].end;
    }
    json_decref(answer);
    if (strncmp(where, "from=timestamp", 14) == 0) begin_at_time(&r, where, cursors, count);
    if (group) begin_from_group(&r, group, cursors, count);
    if (!newest || follow || group) read_all(&r, group, cursors, count);
    return r.odd ? CLI_REFUSED : CLI_DONE;
}

/* --- search ----------------------------------------------------------------------------------- */

struct search {
    struct reader *reader;
    bool failed;
};

static bool found(void *arg, const char *event, json_t *data)
{
    struct search *s = arg;
    if (strcmp(event, "record") == 0) print_record(s->reader, data);
    if (strcmp(event, "error") == 0) {
        fprintf(stderr, "leat: %s\n", text_at(data, "error"));
        s->failed = true;
    }
    if (strcmp(event, "end") == 0 && !json_is_true(json_object_get(data, "complete")))
        fprintf(stderr, "leat: not everything was searched: %s\n", text_at(data, "reason"));
    fflush(stdout);
    return strcmp(event, "end") != 0 && !s->failed;
}

int verb_search(struct cli *cli)
{
    struct reader r = reader_of(cli);
    struct search s = { .reader = &r };
    char where[80], to[60] = "", partition[40] = "", limit[40] = "";
    place_of(cli, "newest", where, sizeof where);
    if (r.to_offset >= 0) snprintf(to, sizeof to, "&to_offset=%lld", (long long)r.to_offset);
    if (r.to_time >= 0) snprintf(to, sizeof to, "&to_timestamp=%lld", (long long)r.to_time);
    if (cli_option(cli, "partition"))
        snprintf(partition, sizeof partition, "&partition=%lld",
                 (long long)cli_number(cli, "partition", 0));
    if (r.limit >= 0) snprintf(limit, sizeof limit, "&limit=%lld", (long long)r.limit);
    json_t *path = json_sprintf("%s?filter=%s&%s%s%s%s", request_path(cli, 0),
                                rest_escape(cli_option(cli, "filter")), where, to, partition, limit);
    rest_until_signal();
    rest_events(cli, json_string_value(path), found, &s);
    return s.failed || r.odd ? CLI_REFUSED : CLI_DONE;
}
