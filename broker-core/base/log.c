/* log.c - the log line. Any thread; one write(2) a line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level lowest_level = LOG_INFO;

void log_set_level(enum log_level lowest) { lowest_level = lowest; }

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    if (level < lowest_level) return;
    char text[1024], line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    at += (size_t)snprintf(line + at, sizeof line - at, ".%03ldZ %s ", now.tv_nsec / 1000000,
                           names[level]);
    for (const char *c = text; *c && at < sizeof line - 8; c++) {
        if ((unsigned char)*c >= 0x20 && *c != 0x7f) line[at++] = *c;
        else at += (size_t)snprintf(line + at, 5, "\\x%02x", (unsigned char)*c);
    }
    line[at++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written; /* nobody left to tell */
}
