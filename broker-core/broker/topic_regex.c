/* topic_regex.c - patterns of topic names over libpcre2-8. Loop thread.
 *
 * The two syntaxes agree on everything a pattern of topic names is made of. scan() walks over the
 * pattern once and refuses what only PCRE2 has: references, assertions, atomic groups, possessive
 * quantifiers, conditions, recursion, callouts and verbs. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "broker/topic_regex.h"

#include <pcre2.h>

enum {
    PATTERN_MAX = 4096,      /* bytes */
    MATCH_LIMIT = 5000,      /* steps for one topic name */
    DEPTH_LIMIT = 250,
    HEAP_LIMIT_KIB = 256,
    FAILURES_MAX = 16,       /* names that hit a limit, after which it matches nothing more */
};

struct topic_regex {
    pcre2_code *code;        /* NULL: the empty pattern */
    pcre2_match_context *context;
    pcre2_match_data *data;
    int failures;
};

/* --- what RE2 has ----------------------------------------------------------------------------- */
static bool escape_allowed(char c)
{
    return strchr("123456789gkGKXRHhNVvOo", c) == NULL;
}

/* Behind "(?": flags, a non-capturing or a named group. */
static bool group_allowed(struct str p, size_t at)
{
    if (at >= p.len) return false;
    if (p.data[at] == 'P') return at + 1 < p.len && p.data[at + 1] == '<';
    if (p.data[at] == '<') return at + 1 < p.len && p.data[at + 1] != '=' && p.data[at + 1] != '!';
    while (at < p.len && strchr("imsU-", p.data[at]) != NULL) at++;
    return at < p.len && (p.data[at] == ':' || p.data[at] == ')');
}

static bool is_quantifier_end(struct str p, size_t at)
{
    return p.data[at] == '*' || p.data[at] == '+' || p.data[at] == '?' || p.data[at] == '}';
}

/* The index of the ']' that ends the class beginning at `at`, or the end. */
static size_t skip_class(struct str p, size_t at)
{
    size_t i = at + 1;
    if (i < p.len && p.data[i] == '^') i++;
    if (i < p.len && p.data[i] == ']') i++; /* stands for itself there */
    for (; i < p.len && p.data[i] != ']'; i++) {
        if (p.data[i] == '\\') {
            i++;
        } else if (p.data[i] == '[' && i + 1 < p.len && p.data[i + 1] == ':') {
            while (i + 1 < p.len && !(p.data[i] == ':' && p.data[i + 1] == ']')) i++;
            i++;
        }
    }
    return i;
}

static size_t skip_quoted(struct str p, size_t at) /* behind \Q */
{
    while (at < p.len && !(p.data[at] == '\\' && at + 1 < p.len && p.data[at + 1] == 'E')) at++;
    return at + 1;
}

static bool scan(struct str p)
{
    for (size_t i = 0; i < p.len; i++) {
        char c = p.data[i];
        if (c == 0) return false;
        if (c == '\\') {
            if (++i >= p.len || !escape_allowed(p.data[i])) return false;
            if (p.data[i] == 'Q') i = skip_quoted(p, i + 1);
        } else if (c == '[') {
            i = skip_class(p, i);
        } else if (c == '(' && i + 1 < p.len && p.data[i + 1] == '*') {
            return false;
        } else if (c == '(' && i + 1 < p.len && p.data[i + 1] == '?') {
            if (!group_allowed(p, i + 2)) return false;
            i++;
        } else if (c == '+' && i > 0 && is_quantifier_end(p, i - 1) &&
                   (i < 2 || p.data[i - 2] != '\\')) {
            return false;
        }
    }
    return true;
}

/* --- compiling and matching ------------------------------------------------------------------- */
static status compile(struct topic_regex *r, struct str pattern)
{
    int error;
    size_t at;
    uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C |
                       PCRE2_DOLLAR_ENDONLY;
    r->code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, options, &error, &at, NULL);
    if (r->code == NULL) return FAIL(INVALID_REGULAR_EXPRESSION);
    r->context = pcre2_match_context_create(NULL);
    r->data = pcre2_match_data_create(1, NULL);
    if (r->context == NULL || r->data == NULL) return FAIL(NO_MEMORY);
    pcre2_set_match_limit(r->context, MATCH_LIMIT);
    pcre2_set_depth_limit(r->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(r->context, HEAP_LIMIT_KIB);
    return OK;
}

status topic_regex_new(struct str pattern, struct topic_regex **ret_regex)
{
    if (pattern.len > PATTERN_MAX || !scan(pattern)) return FAIL(INVALID_REGULAR_EXPRESSION);
    CLEANUP(topic_regex) struct topic_regex *r = mem_zalloc(sizeof(*r));
    if (r == NULL) return FAIL(NO_MEMORY);
    if (pattern.len > 0) TRY(compile(r, pattern));
    *ret_regex = TAKE(r);
    return OK;
}

void topic_regex_free(struct topic_regex *r)
{
    if (r == NULL) return;
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->context);
    pcre2_code_free(r->code);
    mem_free(r);
}

bool topic_regex_matches(struct topic_regex *r, struct str topic)
{
    if (r->code == NULL || r->failures >= FAILURES_MAX) return false;
    int n = pcre2_match(r->code, (PCRE2_SPTR)topic.data, topic.len, 0, 0, r->data, r->context);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH) r->failures++;
    return n >= 0;
}
