/* status.c - names and projections of the error table. Any thread. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    int16_t kafka;
    int16_t http;
    const char *text;
} errors[] = {
#define ERR(name, kafka, http, text) [E_##name] = { #name, kafka, http, text },
#include "base/errors.def"
#undef ERR
};

const char *status_name(status s) { return errors[s.code].name; }
const char *status_text(status s) { return errors[s.code].text; }
int16_t status_kafka(status s) { return errors[s.code].kafka; }
int status_http(status s) { return errors[s.code].http; }

status status_from_kafka(int16_t kafka_code)
{
    if (kafka_code == 0) return OK;
    for (int e = E_UNKNOWN_SERVER_ERROR; e < ERR_COUNT; e++)
        if (errors[e].kafka == kafka_code) return status_of((enum err)e);
    return FAIL(UNKNOWN_SERVER_ERROR);
}

status status_from_errno(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return FAIL(NO_SPACE);
    case ENOENT:
    case ESRCH: return FAIL(NOT_FOUND);
    case EEXIST: return FAIL(EXISTS);
    case EACCES:
    case EROFS:
    case EPERM: return FAIL(NOT_PERMITTED);
    case ENOMEM: return FAIL(NO_MEMORY);
    case EMFILE:
    case ENFILE: return FAIL(NO_DESCRIPTORS);
    case EADDRINUSE: return FAIL(ADDRESS_IN_USE);
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED: return FAIL(CLOSED);
    default: return FAIL(IO);
    }
}

void why_set(struct why *why, const char *format, ...)
{
    if (!why) return;
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}
