/* record_filter.c - reads a filter: one pass, recursion bounded by FILTER_DEPTH_MAX. Any thread. */
#include "domain/record_filter_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

struct reader {
    const char *begin, *at, *end;
    struct arena *arena;
    struct record_filter *filter;
    struct why *why;
    int depth;
};

static status refuse(struct reader *r, const char *what)
{
    if (!r->why->text[0]) why_set(r->why, "%s", what);
    return FAIL(INVALID);
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at)) r->at++;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || (unsigned char)c >= 0x80;
}

static struct str peek_word(struct reader *r)
{
    skip_space(r);
    const char *p = r->at;
    while (p < r->end && is_name_char(*p)) p++;
    return (struct str){ r->at, (size_t)(p - r->at) };
}

static bool is_word(struct str word, const char *what)
{
    return word.len == strlen(what) && strncasecmp(word.data, what, word.len) == 0;
}

static bool take_word(struct reader *r, const char *what)
{
    struct str word = peek_word(r);
    if (!is_word(word, what)) return false;
    r->at += word.len;
    return true;
}

static bool take(struct reader *r, const char *token)
{
    size_t n = strlen(token);
    skip_space(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, token, n) != 0) return false;
    r->at += n;
    return true;
}

/* --- literals --------------------------------------------------------------------------------------- */

static bool at_text(struct reader *r)
{
    skip_space(r);
    return r->at < r->end && (*r->at == '"' || *r->at == '\'');
}

static status read_text(struct reader *r, struct str *ret)
{
    char quote = *r->at;
    const char *start = r->at + 1, *p = start;
    struct buf plain;
    while (p < r->end && *p != quote) p += *p == '\\' && p + 1 < r->end ? 2 : 1;
    if (p >= r->end) return refuse(r, "the text has no closing quote");
    buf_init(&plain, FILTER_TEXT_MAX + 16);
    bool good = filter_unescape((struct str){ start, (size_t)(p - start) }, &plain);
    /* copied so that an empty text is not null */
    *ret = arena_str(r->arena, plain.len ? bytes_str(buf_bytes(&plain)) : STR(""));
    buf_done(&plain);
    if (!good) return refuse(r, "the text has an escape that JSON does not know");
    r->at = p + 1;
    return ret->data ? OK : FAIL(NO_MEMORY);
}

static bool read_number(struct reader *r, struct filter_value *ret)
{
    skip_space(r);
    const char *p = r->at;
    while (p < r->end && ((*p >= '0' && *p <= '9') || strchr("+-.eE", *p)) && *p) p++;
    if (!filter_number((struct str){ r->at, (size_t)(p - r->at) }, ret)) return false;
    r->at = p;
    return true;
}

static status read_literal(struct reader *r, struct filter_value *ret)
{
    *ret = (struct filter_value){ .type = TYPE_NULL };
    if (at_text(r)) {
        ret->type = TYPE_TEXT;
        return read_text(r, &ret->text);
    }
    if (take_word(r, "null")) return OK;
    ret->truth = take_word(r, "true");
    if (ret->truth || take_word(r, "false")) {
        ret->type = TYPE_BOOL;
        return OK;
    }
    if (read_number(r, ret)) return OK;
    return refuse(r, "a quoted text, a number, true, false or null is expected");
}

/* "2026-03-04", "2026-03-04T12:00", "…:30", "….250", with or without Z; UTC. */
static bool read_time(struct str text, int64_t *ret_ms)
{
    char copy[40];
    struct tm tm = { .tm_mday = 1 };
    int used = 0, ms = 0;
    if (!str_copy(copy, sizeof copy, text)) return false;
    size_t n = strlen(copy);
    if (n && copy[n - 1] == 'Z') copy[--n] = 0;
    if (sscanf(copy, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3) return false;
    const char *p = copy + used;
    if (*p == 'T' || *p == ' ') {
        if (sscanf(p + 1, "%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &used) != 2) return false;
        p += 1 + used;
        if (*p == ':') {
            if (sscanf(p + 1, "%2d%n", &tm.tm_sec, &used) != 1) return false;
            p += 1 + used;
        }
        if (*p == '.') {
            if (sscanf(p + 1, "%3d%n", &ms, &used) != 1 || used != 3) return false;
            p += 1 + used;
        }
    }
    if (*p || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0 || ms < 0 ||
        tm.tm_year < 1970) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}

/* --- tests ------------------------------------------------------------------------------------------- */

static status read_step(struct reader *r, struct filter_step *ret)
{
    struct filter_value index;
    *ret = (struct filter_step){ STR_NULL, 0 };
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        const char *p = r->at;
        while (p < r->end && is_name_char(*p)) p++;
        if (p == r->at) return refuse(r, "a name is expected behind the dot");
        ret->name = arena_str(r->arena, (struct str){ r->at, (size_t)(p - r->at) });
        r->at = p;
        return ret->name.data ? OK : FAIL(NO_MEMORY);
    }
    r->at++; /* the bracket */
    if (at_text(r)) TRY(read_text(r, &ret->name));
    else if (read_number(r, &index) && index.whole && index.integer >= 0) ret->index = index.integer;
    else return refuse(r, "a quoted name or a number from 0 is expected in the brackets");
    return take(r, "]") ? OK : refuse(r, "] is expected");
}

static bool at_step(const struct reader *r) { return r->at < r->end && (*r->at == '.' || *r->at == '['); }

static status read_path(struct reader *r, struct filter_test *t)
{
    if (!at_step(r)) return OK;
    t->path = ARENA_ARRAY(r->arena, struct filter_step, FILTER_PATH_MAX);
    if (!t->path) return FAIL(NO_MEMORY);
    while (at_step(r)) {
        if (t->path_len == FILTER_PATH_MAX) return refuse(r, "this path is too long");
        TRY(read_step(r, &t->path[t->path_len++]));
    }
    return OK;
}

static status read_field(struct reader *r, struct filter_test *t)
{
    static const char *const names[] = { "key", "value", "header", "offset", "partition", "timestamp" };
    int field = 0;
    while (field <= FIELD_TIMESTAMP && !take_word(r, names[field])) field++;
    if (field > FIELD_TIMESTAMP)
        return refuse(r, "key, value, header, offset, partition, timestamp, not, ( or a quoted text "
                         "is expected");
    t->field = (enum filter_field)field;
    if (t->field == FIELD_KEY || t->field == FIELD_VALUE) return read_path(r, t);
    if (t->field != FIELD_HEADER) return OK;
    struct filter_step step;
    if (!at_step(r))
        return refuse(r, "the name of the header is expected, as header.name or header[\"name\"]");
    TRY(read_step(r, &step));
    t->header = step.name;
    return step.name.data ? OK : refuse(r, "a header has a name, not a number");
}

static status read_op(struct reader *r, enum filter_op *ret)
{
    static const struct { const char *text; enum filter_op op; } ops[] = {
        { "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE }, { "<", OP_LT }, { ">", OP_GT },
        { "=", OP_EQ },
    };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (!take(r, ops[i].text)) continue;
        *ret = ops[i].op;
        return OK;
    }
    *ret = OP_CONTAINS;
    if (take_word(r, "contains")) return OK;
    *ret = OP_STARTS;
    if (!take_word(r, "starts"))
        return refuse(r, "==, !=, <, <=, >, >=, contains or starts with is expected");
    return take_word(r, "with") ? OK : refuse(r, "with is expected behind starts");
}

/* Does this comparison mean anything? */
static status check_test(struct reader *r, struct filter_test *t)
{
    struct filter_value *l = &t->literal;
    int64_t ms;
    bool equality = t->op == OP_EQ || t->op == OP_NE;
    if (t->op >= OP_CONTAINS && l->type != TYPE_TEXT) return refuse(r, "a quoted text is expected here");
    if (t->field == FIELD_TIMESTAMP && l->type == TYPE_TEXT && t->op < OP_CONTAINS) {
        if (!read_time(l->text, &ms)) return refuse(r, "a time is written like \"2026-03-04T12:00:00Z\"");
        *l = (struct filter_value){ .type = TYPE_NUMBER, .whole = true, .integer = ms, .number = (double)ms };
    }
    if (t->field >= FIELD_OFFSET && l->type != TYPE_NUMBER)
        return refuse(r, "offset, partition and timestamp are compared with numbers");
    if (t->field == FIELD_HEADER && l->type != TYPE_TEXT && l->type != TYPE_NULL)
        return refuse(r, "a header is compared with a quoted text or null");
    if (!equality && (l->type == TYPE_NULL || l->type == TYPE_BOOL))
        return refuse(r, "true, false and null are compared by == and != only");
    return OK;
}

static struct filter_node *node_new(struct reader *r, enum filter_kind kind)
{
    bool room = r->filter->nodes < FILTER_NODES_MAX;
    struct filter_node *n = room ? ARENA_NEW(r->arena, struct filter_node) : NULL;
    if (!n) {
        (void)refuse(r, "the filter is too long");
        return NULL;
    }
    r->filter->nodes++;
    n->kind = kind;
    return n;
}

/* --- how tests are joined ----------------------------------------------------------------------------- */

static status read_or(struct reader *r, const struct filter_node **ret);

static status read_one(struct reader *r, const struct filter_node **ret)
{
    if (++r->depth > FILTER_DEPTH_MAX) return refuse(r, "the filter is nested too deeply");
    struct filter_node *n;
    if (take(r, "(")) {
        TRY(read_or(r, ret));
        if (!take(r, ")")) return refuse(r, "and, or or ) is expected");
    } else if (take_word(r, "not")) {
        n = node_new(r, NODE_NOT);
        if (!n) return FAIL(INVALID);
        TRY(read_one(r, &n->left));
        *ret = n;
    } else {
        n = node_new(r, NODE_TEST);
        if (!n) return FAIL(INVALID);
        if (at_text(r)) {
            n->test.field = FIELD_ANY;
            TRY(read_literal(r, &n->test.literal));
        } else {
            TRY(read_field(r, &n->test));
            TRY(read_op(r, &n->test.op));
            const char *literal = (skip_space(r), r->at);
            TRY(read_literal(r, &n->test.literal));
            const char *behind = r->at;
            r->at = literal; /* where a complaint about the two points */
            TRY(check_test(r, &n->test));
            r->at = behind;
        }
        *ret = n;
    }
    r->depth--;
    return OK;
}

static status read_chain(struct reader *r, const char *word, enum filter_kind kind,
                         status (*read)(struct reader *r, const struct filter_node **ret),
                         const struct filter_node **ret)
{
    TRY(read(r, ret));
    while (take_word(r, word)) {
        struct filter_node *n = node_new(r, kind);
        if (!n) return FAIL(INVALID);
        n->left = *ret;
        TRY(read(r, &n->right));
        *ret = n;
    }
    return OK;
}

static status read_and(struct reader *r, const struct filter_node **ret)
{
    return read_chain(r, "and", NODE_AND, read_one, ret);
}

static status read_or(struct reader *r, const struct filter_node **ret)
{
    return read_chain(r, "or", NODE_OR, read_and, ret);
}

static size_t character_of(const struct reader *r)
{
    size_t n = 1;
    for (const char *p = r->begin; p < r->at; p++) n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

status record_filter_parse(struct str text, struct arena *arena, struct record_filter **ret_filter,
                           size_t *ret_at, struct why *ret_why)
{
    struct reader r = { text.data, text.data, text.data + text.len, arena,
                        ARENA_NEW(arena, struct record_filter), ret_why, 0 };
    *ret_at = 1;
    ret_why->text[0] = 0;
    if (!r.filter) return FAIL(NO_MEMORY);
    buf_init(&r.filter->scratch, FILTER_SCRATCH_MAX);
    status result = text.len <= FILTER_TEXT_MAX ? OK : refuse(&r, "a filter has 2048 bytes at most");
    if (is_ok(result) && !str_is_text(text)) result = refuse(&r, "a filter is UTF-8 text");
    if (is_ok(result)) result = read_or(&r, &r.filter->root);
    if (is_ok(result)) skip_space(&r);
    if (is_ok(result) && r.at < r.end) result = refuse(&r, "and, or or the end is expected");
    if (is_ok(result)) result = arena_check(arena);
    if (failed(result)) {
        *ret_at = character_of(&r);
        return result;
    }
    *ret_filter = r.filter;
    return OK;
}

void record_filter_done(struct record_filter *filter)
{
    if (filter) buf_done(&filter->scratch);
}
