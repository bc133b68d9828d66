/* router.c - the route table and the lookup in it. Any thread; the table never changes.
 *
 * A template is matched segment by segment; a segment is literal text, "{name}", or "{name}:verb".
 * The path is cut at '/' while still percent-encoded, then each segment is decoded: so "%2F" in a
 * group's name stays within its segment. Nothing is normalised: "//", a trailing slash or another
 * case is simply another path. Where two templates match, the more literal one (from the left)
 * wins. */
#include "api/api.h"

#include "api/handlers.h"
#include "base/mem.h"

#include <pthread.h>

#define SEGMENTS_MAX 16
#define PATH_MAX_BYTES 4096

static const struct api_route routes[] = {
#define ROUTE(method, path, dialect, where, access, handler, operation)                            \
    { method, path, dialect, where, access, handler, operation },
#include "api/routes.def"
#undef ROUTE
};

const struct api_route *api_routes(size_t *ret_count)
{
    *ret_count = sizeof routes / sizeof routes[0];
    return routes;
}

const char *api_method_name(enum api_method method)
{
    static const char *const names[METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
    return method < METHOD_COUNT ? names[method] : "?";
}

/* --- decoding --------------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The length of the UTF-8 sequence at p, 0 when it is none (overlong, surrogate, cut off). */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n > left) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
    }
    if (p[0] == 0xE0 && p[1] < 0xA0) return 0;
    if (p[0] == 0xED && p[1] > 0x9F) return 0;
    if (p[0] == 0xF0 && p[1] < 0x90) return 0;
    if (p[0] == 0xF4 && p[1] > 0x8F) return 0;
    return n;
}

bool api_is_utf8(const void *text, size_t len)
{
    const uint8_t *p = text;
    for (size_t at = 0; at < len;) {
        size_t n = utf8_sequence(p + at, len - at);
        if (!n) return false;
        at += n;
    }
    return true;
}

status api_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret)
{
    char *out = arena_alloc(arena, text.len + 1);
    if (!out) return FAIL(NO_MEMORY);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '+' && plus_is_space) c = ' ';
        if (c == '%') {
            if (i + 2 >= text.len) return FAIL(INVALID);
            int high = hex(text.data[i + 1]), low = hex(text.data[i + 2]);
            if (high < 0 || low < 0) return FAIL(INVALID);
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == 0) return FAIL(INVALID);
        out[n++] = c;
    }
    if (!api_is_utf8(out, n)) return FAIL(INVALID);
    *ret = (struct str){ out, n };
    return OK;
}

/* --- matching --------------------------------------------------------------------------------- */

struct path {
    struct str segments[SEGMENTS_MAX];
    int count;
};

static bool path_split(struct str path, struct path *ret)
{
    ret->count = 0;
    if (path.len == 0 || path.data[0] != '/') return false;
    for (size_t at = 1; at <= path.len;) {
        const char *slash = memchr(path.data + at, '/', path.len - at);
        size_t end = slash ? (size_t)(slash - path.data) : path.len;
        if (ret->count == SEGMENTS_MAX) return false;
        ret->segments[ret->count++] = (struct str){ path.data + at, end - at };
        at = end + 1;
    }
    return true;
}

/* The templates taken apart once: a request is held against each of them. */
static struct template {
    struct path path;
    struct { uint16_t close, suffix; } bare[SEGMENTS_MAX]; /* of "{name}:verb"; close 0: literal */
} templates[ARRAY_LEN(routes)];
static pthread_once_t templates_once = PTHREAD_ONCE_INIT;

static void templates_make(void)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct template *t = &templates[i];
        if (!path_split(str_c(routes[i].path), &t->path)) t->path.count = -1;
        for (int n = 0; n < t->path.count; n++) {
            struct str segment = t->path.segments[n];
            if (segment.len == 0 || segment.data[0] != '{') continue;
            const char *close = memchr(segment.data, '}', segment.len);
            t->bare[n].close = (uint16_t)(close - segment.data);
            t->bare[n].suffix = (uint16_t)(segment.len - t->bare[n].close - 1);
        }
    }
}

/* Weight of the match in base 4, leftmost segment highest: 3 literal, 2 with a verb, 1 bare. 0: none. */
static uint64_t template_match(const struct template *t, const struct path *path, struct str params[8])
{
    if (t->path.count != path->count) return 0;
    uint64_t total = 0;
    int n = 0;
    for (int i = 0; i < path->count; i++) {
        struct str pattern = t->path.segments[i], segment = path->segments[i];
        size_t suffix = t->bare[i].suffix;
        if (!t->bare[i].close) {
            if (!str_eq(pattern, segment)) return 0;
            total = total * 4 + 3;
            continue;
        }
        if (segment.len <= suffix) return 0; /* a parameter is never empty */
        size_t len = segment.len - suffix;
        if (memcmp(segment.data + len, pattern.data + t->bare[i].close + 1, suffix) != 0) return 0;
        if (n < 8) params[n++] = (struct str){ segment.data, len };
        total = total * 4 + (suffix ? 2 : 1);
    }
    return total;
}

/* /v3/… is /kafka/v3/…, as a REST proxy that stands alone serves it. */
static bool alias_expand(struct path *path)
{
    if (!str_eq_c(path->segments[0], "v3")) return true;
    if (path->count == SEGMENTS_MAX) return false;
    memmove(path->segments + 1, path->segments, (size_t)path->count * sizeof path->segments[0]);
    path->segments[0] = STR("kafka");
    path->count++;
    return true;
}

status api_match(struct api_request *rq)
{
    struct path path;
    if (rq->path.len > PATH_MAX_BYTES || !path_split(rq->path, &path)) return FAIL(NOT_FOUND);
    if (!alias_expand(&path)) return FAIL(NOT_FOUND);
    pthread_once(&templates_once, templates_make);
    const struct api_route *best = NULL, *other_method = NULL;
    uint64_t best_weight = 0, other_weight = 0;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct str params[8] = { { 0 } };
        uint64_t weight = template_match(&templates[i], &path, params);
        if (routes[i].method == rq->method && weight > best_weight) {
            best = &routes[i];
            best_weight = weight;
            memcpy(rq->params, params, sizeof params);
        } else if (weight > other_weight) {
            other_method = &routes[i];
            other_weight = weight;
        }
    }
    /* "{id}:restart" with another method must not be taken for a bare "{id}". */
    if (best && other_method && other_weight > best_weight) best = NULL;
    rq->route = best ? best : other_method;
    if (!best) return other_method ? FAIL(UNSUPPORTED_VERSION) : FAIL(NOT_FOUND);
    for (int i = 0; i < 8 && rq->params[i].data; i++) {
        TRY(api_decode(rq->arena, rq->params[i], false, &rq->params[i]));
    }
    return OK;
}

struct str api_param(const struct api_request *rq, const char *name)
{
    size_t len = strlen(name);
    int n = 0;
    for (const char *p = strchr(rq->route->path, '{'); p && n < 8; p = strchr(p + 1, '{'), n++) {
        if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '}') return rq->params[n];
    }
    return STR_NULL;
}
