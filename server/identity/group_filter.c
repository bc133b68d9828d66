/* group_filter.c - a recursive reader that evaluates as it goes. */
#include "identity/group_filter.h"

#include <ctype.h>
#include <string.h>

struct reader {
    struct str text;
    size_t at;
    const char *groups;
    const char *fault; /* what was expected; NULL: fine so far */
    int depth;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->text.len && isspace((unsigned char)r->text.data[r->at])) r->at++;
}

static bool take(struct reader *r, const char *token)
{
    size_t len = strlen(token);
    skip_space(r);
    if (r->text.len - r->at < len || memcmp(r->text.data + r->at, token, len) != 0) return false;
    size_t end = r->at + len;
    bool word = isalpha((unsigned char)token[0]);
    if (word && end < r->text.len && (isalnum((unsigned char)r->text.data[end]) || r->text.data[end] == '_'))
        return false;
    r->at = end;
    return true;
}

static bool expect(struct reader *r, bool taken, const char *what)
{
    if (!taken && !r->fault) r->fault = what;
    return taken;
}

static bool in_groups(const struct reader *r, const char *name, size_t len)
{
    const char *at = r->groups;
    for (const char *end; at && (end = strchr(at, '\n')); at = end + 1) {
        if ((size_t)(end - at) == len && memcmp(at, name, len) == 0) return true;
    }
    return false;
}

/* "name" in groups */
static bool read_membership(struct reader *r)
{
    char name[GROUP_FILTER_MAX];
    size_t len = 0;
    skip_space(r);
    char quote = r->at < r->text.len ? r->text.data[r->at] : 0;
    if (!expect(r, quote == '"' || quote == '\'', "the name of a group in quotes")) return false;
    for (r->at++; r->at < r->text.len && r->text.data[r->at] != quote; r->at++) {
        if (r->text.data[r->at] == '\\' && r->at + 1 < r->text.len) r->at++;
        if (len < sizeof name) name[len++] = r->text.data[r->at];
    }
    if (!expect(r, r->at < r->text.len, "the quote that ends the name")) return false;
    r->at++;
    if (!expect(r, take(r, "in"), "the word in")) return false;
    if (!expect(r, take(r, "groups") || take(r, "claims.groups"), "groups")) return false;
    return in_groups(r, name, len);
}

static bool read_any(struct reader *r);

static bool read_one(struct reader *r)
{
    bool result = false;
    if (!expect(r, ++r->depth <= GROUP_FILTER_DEPTH, "fewer parentheses")) return false;
    if (take(r, "!")) {
        result = !read_one(r);
    } else if (take(r, "(")) {
        result = read_any(r);
        expect(r, take(r, ")"), ")");
    } else {
        result = read_membership(r);
    }
    r->depth--;
    return result;
}

static bool read_all(struct reader *r)
{
    bool result = read_one(r);
    while (!r->fault && take(r, "&&")) result = read_one(r) && result;
    return result;
}

static bool read_any(struct reader *r)
{
    bool result = read_all(r);
    while (!r->fault && take(r, "||")) result = read_all(r) || result;
    return result;
}

static bool read_filter(struct reader *r)
{
    bool result = read_any(r);
    skip_space(r);
    expect(r, r->at == r->text.len, "the end, && or ||");
    return result && !r->fault;
}

status group_filter_check(struct str filter, struct why *why)
{
    struct reader r = { .text = filter };
    if (filter.len > GROUP_FILTER_MAX) {
        why_set(why, "A filter has at most %d bytes.", GROUP_FILTER_MAX);
        return FAIL(INVALID);
    }
    (void)read_filter(&r);
    if (!r.fault) return OK;
    why_set(why, "The filter cannot be read at character %zu, where %s is expected: it reads like "
                 "\"engineering\" in groups, joined by &&, || and !.", r.at + 1, r.fault);
    return FAIL(INVALID);
}

bool group_filter_holds(struct str filter, const char *groups)
{
    struct reader r = { .text = filter, .groups = groups };
    return filter.len <= GROUP_FILTER_MAX && read_filter(&r);
}
