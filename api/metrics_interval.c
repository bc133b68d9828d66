/* metrics_interval.c - times and durations by hand: the forms are few and must not depend on a locale. */
#include "api/metrics_interval.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST_MS (400LL * 86400000)

static bool digits(const char **at, int count, int *ret)
{
    *ret = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *ret = *ret * 10 + (**at - '0');
    }
    return true;
}

static bool one(const char **at, const char *of)
{
    if (!**at || !strchr(of, **at)) return false;
    (*at)++;
    return true;
}

/* A number and its unit, "90" and 'm'. */
static bool amount(const char **at, int64_t *ret)
{
    char *end;
    if (**at < '0' || **at > '9') return false;
    long long n = strtoll(*at, &end, 10);
    *at = end;
    *ret = n;
    return n <= 1000000;
}

static int64_t unit_ms(char c)
{
    return c == 's' || c == 'S' ? 1000 : c == 'm' || c == 'M' ? 60000 : c == 'h' || c == 'H' ? 3600000
           : c == 'd' || c == 'D' ? 86400000 : 0;
}

static bool offset(const char **at, int64_t *ms)
{
    int h, m;
    if (one(at, "Zz")) return true;
    int sign = **at == '-' ? 1 : -1;
    if (!one(at, "+-") || !digits(at, 2, &h) || !one(at, ":") || !digits(at, 2, &m)) return false;
    *ms += sign * (h * 60 + m) * 60000LL;
    return true;
}

static bool absolute(const char *at, int64_t *ret)
{
    struct tm tm = { 0 };
    int year, month;
    if (!digits(&at, 4, &year) || !one(&at, "-") || !digits(&at, 2, &month) || !one(&at, "-") ||
        !digits(&at, 2, &tm.tm_mday) || !one(&at, "Tt ") || !digits(&at, 2, &tm.tm_hour) || !one(&at, ":") ||
        !digits(&at, 2, &tm.tm_min))
        return false;
    if (one(&at, ":") && !digits(&at, 2, &tm.tm_sec)) return false;
    if (one(&at, ".")) at += strspn(at, "0123456789");
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 24 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret = (int64_t)timegm(&tm) * 1000;
    return offset(&at, ret) && !*at;
}

static bool relative(const char *at, int64_t now, int64_t *ret)
{
    *ret = now;
    for (at += 3; *at == '-' || *at == '+';) {
        int64_t n, sign = *at++ == '-' ? -1 : 1;
        if (!amount(&at, &n) || !unit_ms(*at)) return false;
        *ret += sign * n * unit_ms(*at++);
    }
    if (one(&at, "|")) {
        int64_t unit = unit_ms(*at);
        if (!unit) return false;
        *ret -= *ret % unit;
        at++;
    }
    return !*at;
}

static bool duration(const char *at, int64_t *ret)
{
    bool time = false, any = false;
    *ret = 0;
    for (at++; *at; any = true) {
        int64_t n;
        if (one(&at, "T")) time = true;
        if (!amount(&at, &n) || !*at) return false;
        int64_t unit = time ? (strchr("HMS", *at) ? unit_ms(*at) : 0)
                       : *at == 'D' ? 86400000 : *at == 'W' ? 7 * 86400000LL : 0;
        if (!unit) return false;
        *ret += n * unit;
        at++;
    }
    return any && *ret > 0;
}

static bool moment(const char *text, int64_t now, int64_t *ret)
{
    return strncmp(text, "now", 3) == 0 ? relative(text, now, ret) : absolute(text, ret);
}

bool metrics_interval(const char *text, int64_t now, struct metrics_interval *ret)
{
    char first[64];
    int64_t length;
    const char *slash = strchr(text, '/'), *second = slash ? slash + 1 : "";
    if (!slash || !str_copy(first, sizeof first, (struct str){ text, (size_t)(slash - text) })) return false;
    if (first[0] == 'P') {
        if (!duration(first, &length) || !moment(second, now, &ret->to)) return false;
        ret->from = ret->to - length;
    } else if (second[0] == 'P') {
        if (!duration(second, &length) || !moment(first, now, &ret->from)) return false;
        ret->to = ret->from + length;
    } else if (!moment(first, now, &ret->from) || !moment(second, now, &ret->to)) {
        return false;
    }
    return ret->from < ret->to && ret->to - ret->from <= LONGEST_MS;
}
