/* jsontext.c - JSON without a tree. Any thread.
 *
 * skip_…() walk over a value and say whether it is one; a reader for a member walks again. Objects are
 * small here (keys, claims), so walking twice is cheaper than building anything. */
#include "base/jsontext.h"

#include <math.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 128
#define NUMBER_MAX_BYTES 64

struct cursor {
    const char *p, *end;
    bool checked; /* names were compared already: walking once more must not do it again */
};

static bool skip_value(struct cursor *c, int depth);

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted) return false;
    c->p++;
    return true;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four digits behind "\u". */
static bool take_unit(struct cursor *c, uint32_t *ret)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = c->p < c->end ? hex_of(*c->p) : -1;
        if (digit < 0) return false;
        unit = unit << 4 | (uint32_t)digit;
        c->p++;
    }
    *ret = unit;
    return true;
}

/* Bytes of the UTF-8 character at the cursor; 0: it is none. */
static size_t utf8_length(const struct cursor *c)
{
    return str_utf8_length((struct str){ c->p, (size_t)(c->end - c->p) });
}

static size_t utf8_put(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

/* One character of a string behind its backslash, as UTF-8. 0: there is no such escape. */
static size_t take_escape(struct cursor *c, char out[4])
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    if (c->p == c->end) return 0;
    char name = *c->p++;
    if (name != 'u') {
        const char *found = name ? strchr(names, name) : NULL;
        if (!found) return 0;
        out[0] = values[found - names];
        return 1;
    }
    if (!take_unit(c, &code)) return 0;
    if (code >= 0xdc00 && code <= 0xdfff) return 0;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!take(c, '\\') || !take(c, 'u') || !take_unit(c, &low) || low < 0xdc00 || low > 0xdfff)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    return utf8_put(code, out);
}

/* A string from its opening quote; its text goes to out when there is one (*fits says whether all of
 * it did). */
static bool walk_string(struct cursor *c, char *out, size_t size, size_t *ret_n, bool *fits)
{
    size_t n = 0;
    *fits = true;
    if (!take(c, '"')) return false;
    while (c->p < c->end && *c->p != '"') {
        char escaped[4];
        const char *from = c->p;
        size_t len;
        if ((uint8_t)*c->p < 0x20) return false;
        if (take(c, '\\')) {
            len = take_escape(c, escaped);
            from = escaped;
        } else {
            len = utf8_length(c);
            c->p += len;
        }
        if (!len) return false;
        if (n + len > size) *fits = false;
        else if (out) memcpy(out + n, from, len);
        if (*fits) n += len;
    }
    *ret_n = n;
    return take(c, '"');
}

static bool skip_string(struct cursor *c)
{
    size_t n;
    bool fits;
    return walk_string(c, NULL, 0, &n, &fits);
}

static bool skip_digits(struct cursor *c)
{
    const char *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    return c->p > from;
}

static bool skip_number(struct cursor *c)
{
    (void)take(c, '-');
    if (!take(c, '0') && !skip_digits(c)) return false;
    if (take(c, '.') && !skip_digits(c)) return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) (void)take(c, '-');
        return skip_digits(c);
    }
    return true;
}

static bool skip_word(struct cursor *c, struct str word)
{
    if (!str_starts((struct str){ c->p, (size_t)(c->end - c->p) }, word)) return false;
    c->p += word.len;
    return true;
}

static bool skip_array(struct cursor *c, int depth)
{
    c->p++;
    skip_space(c);
    if (take(c, ']')) return true;
    do {
        if (!skip_value(c, depth)) return false;
    } while (take(c, ','));
    return take(c, ']');
}

/* Name and colon of a member; the cursor is then at its value. */
static bool take_name(struct cursor *c, char name[NAME_MAX_BYTES], size_t *ret_n)
{
    bool fits;
    skip_space(c);
    if (!walk_string(c, name, NAME_MAX_BYTES, ret_n, &fits) || !fits) return false;
    skip_space(c);
    return take(c, ':');
}

/* Is the name of the member at `here` one of those before it? */
static bool name_again(struct cursor from, const char *here, const char *name, size_t n)
{
    char other[NAME_MAX_BYTES];
    size_t other_n;
    from.checked = true;
    while (from.p < here && take_name(&from, other, &other_n)) {
        if (from.p > here) return false;
        if (n == other_n && memcmp(name, other, n) == 0) return true;
        if (!skip_value(&from, JSONTEXT_DEPTH_MAX) || !take(&from, ',')) return false;
    }
    return false;
}

static bool skip_object(struct cursor *c, int depth)
{
    char name[NAME_MAX_BYTES];
    size_t n;
    int members = 0;
    c->p++;
    struct cursor first = *c;
    skip_space(c);
    if (take(c, '}')) return true;
    do {
        const char *here = c->p;
        if (++members > JSONTEXT_MEMBERS_MAX || !take_name(c, name, &n)) return false;
        if (members > 1 && !c->checked && name_again(first, here, name, n)) return false;
        if (!skip_value(c, depth)) return false;
    } while (take(c, ','));
    return take(c, '}');
}

/* A value with the space around it. `depth` is how many may be inside one another. */
static bool skip_value(struct cursor *c, int depth)
{
    bool sound = false;
    skip_space(c);
    if (c->p == c->end || depth == 0) return false;
    switch (*c->p) {
    case '{': sound = skip_object(c, depth - 1); break;
    case '[': sound = skip_array(c, depth - 1); break;
    case '"': sound = skip_string(c); break;
    case 't': sound = skip_word(c, STR("true")); break;
    case 'f': sound = skip_word(c, STR("false")); break;
    case 'n': sound = skip_word(c, STR("null")); break;
    default: sound = skip_number(c); break;
    }
    skip_space(c);
    return sound;
}

bool jsontext_check(struct str text)
{
    struct cursor c = { text.data, text.data + text.len, false };
    return text.len && skip_value(&c, JSONTEXT_DEPTH_MAX) && c.p == c.end;
}

/* --- reading what was checked ------------------------------------------------------------------------- */

static bool begins(struct str value, char first) { return value.len && value.data[0] == first; }

bool jsontext_is_object(struct str value) { return begins(value, '{'); }
bool jsontext_is_array(struct str value) { return begins(value, '['); }
bool jsontext_is_string(struct str value) { return begins(value, '"'); }

/* The value at the cursor, without the space around it; the cursor goes behind it. */
static struct str take_value(struct cursor *c)
{
    skip_space(c);
    struct str value = { c->p, 0 };
    if (!skip_value(c, JSONTEXT_DEPTH_MAX)) return STR_NULL;
    const char *end = c->p;
    while (end > value.data && strchr(" \t\r\n", end[-1])) end--;
    value.len = (size_t)(end - value.data);
    return value;
}

struct str jsontext_get(struct str object, const char *name)
{
    struct cursor c = { object.data, object.data + object.len, true };
    char own[NAME_MAX_BYTES];
    size_t n, wanted = strlen(name);
    skip_space(&c);
    if (!object.len || !take(&c, '{')) return STR_NULL;
    while (take_name(&c, own, &n)) {
        struct str value = take_value(&c);
        if (n == wanted && memcmp(own, name, n) == 0) return value;
        if (!take(&c, ',')) break;
    }
    return STR_NULL;
}

bool jsontext_next(struct str array, size_t *at, struct str *ret_item)
{
    struct cursor c = { array.data, array.data + array.len, true };
    if (!jsontext_is_array(array) || *at >= array.len) return false;
    c.p += *at ? *at : 1;
    struct str item = take_value(&c);
    if (!item.data) return false;
    (void)take(&c, ',');
    *at = (size_t)(c.p - array.data);
    *ret_item = item;
    return true;
}

bool jsontext_string(struct str value, char *out, size_t size)
{
    struct cursor c = { value.data, value.data + value.len, true };
    size_t n;
    bool fits;
    if (!jsontext_is_string(value) || !size || !walk_string(&c, out, size - 1, &n, &fits) || !fits ||
        memchr(out, 0, n))
        return false;
    out[n] = 0;
    return true;
}

bool jsontext_number(struct str value, double *ret)
{
    char text[NUMBER_MAX_BYTES];
    char *end;
    if (!value.len || !(begins(value, '-') || (value.data[0] >= '0' && value.data[0] <= '9')) ||
        !str_copy(text, sizeof text, value))
        return false;
    double number = strtod(text, &end);
    if (*end || !isfinite(number)) return false;
    *ret = number;
    return true;
}
