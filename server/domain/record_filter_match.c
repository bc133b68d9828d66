/* record_filter_match.c - holds a filter against records; finds values in JSON without building anything.
 * What is no JSON has no values. Any thread. */
#include "domain/record_filter_int.h"

#include <math.h>
#include <stdlib.h>

/* --- numbers, texts ---------------------------------------------------------------------------------- */

bool filter_number(struct str text, struct filter_value *ret)
{
    char copy[64], *end = NULL;
    size_t at = text.len && text.data[0] == '-';
    if (text.len == at || text.data[at] < '0' || text.data[at] > '9') return false;
    if (!str_copy(copy, sizeof copy, text)) return false;
    for (size_t i = at; i < text.len; i++)
        if (!strchr("0123456789.eE+-", text.data[i])) return false; /* no hex, no nan */
    *ret = (struct filter_value){ .type = TYPE_NUMBER, .number = strtod(copy, &end) };
    if (*end || !isfinite(ret->number)) return false;
    int64_t integer;
    ret->whole = str_to_i64((struct str){ text.data + at, text.len - at }, &integer);
    if (ret->whole) ret->integer = at ? -integer : integer;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_unit(const char *p, const char *end, unsigned *ret)
{
    *ret = 0;
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        if (hex(p[i]) < 0) return false;
        *ret = *ret << 4 | (unsigned)hex(p[i]);
    }
    return true;
}

static void put_utf8(struct buf *out, unsigned c)
{
    char u[4];
    size_t n = 0;
    if (c < 0x80) u[n++] = (char)c;
    else if (c < 0x800) u[n++] = (char)(0xc0 | c >> 6);
    else if (c < 0x10000) u[n++] = (char)(0xe0 | c >> 12), u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    else {
        u[n++] = (char)(0xf0 | c >> 18);
        u[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80) u[n++] = (char)(0x80 | (c & 0x3f));
    buf_put(out, u, n);
}

bool filter_unescape(struct str text, struct buf *out)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    const char *p = text.data, *end = text.data + text.len;
    while (p < end) {
        const char *plain = p;
        while (p < end && *p != '\\') p++;
        if (p > plain) buf_put(out, plain, (size_t)(p - plain));
        if (p == end) break;
        if (++p == end) return false;
        unsigned c, low;
        const char *known = *p ? strchr(from, *p) : NULL;
        if (known) {
            buf_put(out, &to[known - from], 1);
            p++;
        } else if (*p == 'u' && read_unit(p + 1, end, &c)) {
            p += 5;
            bool pair = c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
                        read_unit(p + 2, end, &low) && low >= 0xdc00 && low < 0xe000;
            if (pair) {
                c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
                p += 6;
            }
            put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
        } else {
            return false;
        }
    }
    return !out->failed;
}

/* --- JSON --------------------------------------------------------------------------------------------- */

struct scan {
    const char *at, *end;
    int64_t *steps;
};

static void space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) s->at++;
}

/* Behind a text's closing quote; its characters. False: there is none. */
static bool text_skip(struct scan *s, struct str *ret, bool *ret_escaped)
{
    *ret_escaped = false;
    if (s->at == s->end || *s->at != '"') return false;
    const char *start = ++s->at;
    while (s->at < s->end && *s->at != '"') {
        if (*s->at == '\\') {
            *ret_escaped = true;
            s->at++;
        }
        if (s->at < s->end) s->at++;
    }
    if (s->at >= s->end) return false;
    *ret = (struct str){ start, (size_t)(s->at - start) };
    s->at++;
    return true;
}

/* Behind one value: brackets are counted, not matched by kind. */
static bool value_skip(struct scan *s)
{
    int64_t depth = 0;
    struct str ignored;
    bool escaped;
    space(s);
    const char *start = s->at;
    while (s->at < s->end) {
        char c = *s->at;
        if (c == '"') {
            if (!text_skip(s, &ignored, &escaped)) return false;
        } else if (c == '{' || c == '[') {
            depth++;
            s->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return s->at > start;
            depth--;
            s->at++;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return s->at > start;
        } else {
            s->at++;
            if (depth == 0) continue; /* a number or a word goes on */
        }
        if (depth == 0) return true;
    }
    return depth == 0 && s->at > start;
}

static bool name_is(struct str raw, bool escaped, struct str name)
{
    struct buf plain;
    if (!escaped) return str_eq(raw, name);
    if (raw.len > name.len * 6 + 12) return false; /* an escape is of six characters at most */
    buf_init(&plain, FILTER_TEXT_MAX * 8);
    bool same = filter_unescape(raw, &plain) && plain.len == name.len &&
                (name.len == 0 || memcmp(plain.data, name.data, name.len) == 0);
    buf_done(&plain);
    return same;
}

/* To the member or item that the step names; false: there is none. */
static bool step_into(struct scan *s, const struct filter_step *step)
{
    space(s);
    char open = step->name.data ? '{' : '[', close = step->name.data ? '}' : ']';
    if (s->at == s->end || *s->at != open) return false;
    s->at++;
    for (int64_t i = 0;; i++) {
        struct str raw = STR_NULL;
        bool escaped = false;
        space(s);
        if (s->at == s->end || *s->at == close) return false;
        if (step->name.data) {
            if (!text_skip(s, &raw, &escaped)) return false;
            space(s);
            if (s->at == s->end || *s->at++ != ':') return false;
            if (name_is(raw, escaped, step->name)) return true;
        } else if (i == step->index) {
            return true;
        }
        if (!value_skip(s)) return false;
        space(s);
        if (s->at == s->end || *s->at++ != ',') return false;
    }
}

static void take_value(struct scan *s, struct filter_value *ret)
{
    space(s);
    const char *start = s->at;
    *ret = (struct filter_value){ .type = TYPE_NULL };
    if (s->at == s->end) return;
    if (*s->at == '"') {
        if (text_skip(s, &ret->text, &ret->escaped)) ret->type = TYPE_TEXT;
        return;
    }
    if (*s->at == '{' || *s->at == '[') {
        ret->type = TYPE_OTHER;
        return;
    }
    if (!value_skip(s)) return;
    struct str word = { start, (size_t)(s->at - start) };
    if (str_eq_c(word, "true") || str_eq_c(word, "false"))
        *ret = (struct filter_value){ .type = TYPE_BOOL, .truth = word.len == 4 };
    else if (!str_eq_c(word, "null") && !filter_number(word, ret)) ret->type = TYPE_OTHER;
}

status filter_json(struct bytes text, const struct filter_step *path, int path_len, int64_t *steps,
                   struct filter_value *ret)
{
    const char *start = (const char *)text.data;
    struct scan s = { start, start + text.len, steps };
    *ret = (struct filter_value){ .type = TYPE_NULL };
    if (!text.data) return OK;
    *steps -= (int64_t)text.len + 1; /* one pass: each byte is met once */
    if (*steps < 0) return FAIL(LIMIT);
    int i = 0;
    while (i < path_len && step_into(&s, &path[i])) i++;
    if (i == path_len) take_value(&s, ret);
    return OK;
}

/* --- comparing ---------------------------------------------------------------------------------------- */

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

/* ASCII case ignored. LIMIT: *steps is spent. */
static status find_any(struct bytes text, struct str what, int64_t *steps, bool *ret)
{
    *ret = what.len == 0;
    if (*ret || !text.data || text.len < what.len) return OK;
    const char *p = (const char *)text.data;
    for (size_t i = 0; i + what.len <= text.len && !*ret; i++) {
        size_t k = 0;
        while (k < what.len && lower(p[i + k]) == lower(what.data[k])) k++;
        *ret = k == what.len;
        *steps -= (int64_t)k + 1;
        if (*steps < 0) return FAIL(LIMIT);
    }
    return OK;
}

static bool by_order(enum filter_op op, int order)
{
    switch (op) {
    case OP_EQ: return order == 0;
    case OP_NE: return order != 0;
    case OP_LT: return order < 0;
    case OP_LE: return order <= 0;
    case OP_GT: return order > 0;
    case OP_GE: return order >= 0;
    default: return false;
    }
}

static bool compare_numbers(enum filter_op op, const struct filter_value *a, const struct filter_value *b)
{
    if (a->whole && b->whole) return by_order(op, (a->integer > b->integer) - (a->integer < b->integer));
    return by_order(op, (a->number > b->number) - (a->number < b->number));
}

static status compare_texts(struct record_filter *f, enum filter_op op, const struct filter_value *a,
                            struct str b, int64_t *steps, bool *ret)
{
    struct str text = a->text;
    *ret = false;
    *steps -= (int64_t)text.len;
    if (*steps < 0) return FAIL(LIMIT);
    if (a->escaped) {
        buf_clear(&f->scratch);
        bool good = filter_unescape(text, &f->scratch);
        if (f->scratch.failed) return FAIL(LIMIT);
        if (!good) return OK;
        text = f->scratch.len ? bytes_str(buf_bytes(&f->scratch)) : STR("");
    }
    if (op == OP_STARTS) *ret = str_starts(text, b);
    else if (op == OP_CONTAINS) *ret = b.len == 0 || (text.len && memmem(text.data, text.len, b.data, b.len));
    else *ret = by_order(op, str_cmp(text, b));
    return OK;
}

static status compare(struct record_filter *f, enum filter_op op, const struct filter_value *a,
                      const struct filter_value *b, int64_t *steps, bool *ret)
{
    *ret = op == OP_NE;
    if (a->type != b->type) return OK;
    switch (b->type) {
    case TYPE_NULL: *ret = op == OP_EQ; return OK;
    case TYPE_BOOL: *ret = (a->truth == b->truth) == (op == OP_EQ); return OK;
    case TYPE_NUMBER: *ret = compare_numbers(op, a, b); return OK;
    case TYPE_TEXT: return compare_texts(f, op, a, b->text, steps, ret);
    case TYPE_OTHER: break;
    }
    return OK;
}

static struct filter_value whole(int64_t n)
{
    return (struct filter_value){ .type = TYPE_NUMBER, .whole = true, .integer = n, .number = (double)n };
}

static struct filter_value raw(struct bytes b)
{
    if (!b.data) return (struct filter_value){ .type = TYPE_NULL };
    return (struct filter_value){ .type = TYPE_TEXT, .text = bytes_str(b) };
}

static status match_header(struct record_filter *f, const struct filter_test *t, const struct record *record,
                           int64_t *steps, bool *ret)
{
    struct record_header h;
    struct filter_value v = { .type = TYPE_NULL };
    size_t at = 0;
    bool any = false;
    *ret = false;
    for (int32_t i = 0; i < record->header_count && !*ret; i++) {
        if (failed(record_header_next(record, &at, &h))) break;
        *steps -= (int64_t)h.key.len + 1;
        if (*steps < 0) return FAIL(LIMIT);
        if (!str_eq(h.key, t->header)) continue;
        any = true;
        v = raw(h.value);
        TRY(compare(f, t->op, &v, &t->literal, steps, ret));
    }
    return any ? OK : compare(f, t->op, &v, &t->literal, steps, ret);
}

/* A key or value: as it is beside a text or null, as JSON beside a number, true, false or with a path. */
static status match_data(struct record_filter *f, const struct filter_test *t, struct bytes data,
                         int64_t *steps, bool *ret)
{
    struct filter_value v = raw(data);
    if (t->path_len || t->literal.type == TYPE_NUMBER || t->literal.type == TYPE_BOOL)
        TRY(filter_json(data, t->path, t->path_len, steps, &v));
    return compare(f, t->op, &v, &t->literal, steps, ret);
}

static status match_test(struct record_filter *f, const struct filter_test *t, int32_t partition,
                         const struct record *record, int64_t *steps, bool *ret)
{
    struct filter_value v;
    if (--*steps < 0) return FAIL(LIMIT);
    switch (t->field) {
    case FIELD_KEY: return match_data(f, t, record->key, steps, ret);
    case FIELD_VALUE: return match_data(f, t, record->value, steps, ret);
    case FIELD_HEADER: return match_header(f, t, record, steps, ret);
    case FIELD_OFFSET: v = whole(record->offset); break;
    case FIELD_PARTITION: v = whole(partition); break;
    case FIELD_TIMESTAMP: v = whole(record->timestamp); break;
    case FIELD_ANY:
        TRY(find_any(record->key, t->literal.text, steps, ret));
        return *ret ? OK : find_any(record->value, t->literal.text, steps, ret);
    default: return FAIL(INVALID);
    }
    *ret = compare_numbers(t->op, &v, &t->literal);
    return OK;
}

static status match_node(struct record_filter *f, const struct filter_node *n, int32_t partition,
                         const struct record *record, int64_t *steps, bool *ret)
{
    if (n->kind == NODE_TEST) return match_test(f, &n->test, partition, record, steps, ret);
    TRY(match_node(f, n->left, partition, record, steps, ret));
    if (n->kind == NODE_NOT) *ret = !*ret;
    else if (*ret == (n->kind == NODE_AND)) return match_node(f, n->right, partition, record, steps, ret);
    return OK;
}

status record_filter_match(struct record_filter *filter, int32_t partition, const struct record *record,
                           int64_t *steps, bool *ret_match)
{
    *ret_match = false;
    return match_node(filter, filter->root, partition, record, steps, ret_match);
}
