/* log.c - the log line. Any thread; one write(2) a line. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level lowest_level = LOG_INFO;

/* The last bytes that were logged: byte n of them all lies at n % size. */
static struct {
    pthread_mutex_t mutex;
    char *memory;
    size_t size, written;
} kept = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void log_set_level(enum log_level lowest) { lowest_level = lowest; }

void log_keep(char *memory, size_t size)
{
    kept.memory = memory;
    kept.size = size;
    kept.written = 0;
}

static void keep(const char *line, size_t len)
{
    if (!kept.memory || len > kept.size) return;
    pthread_mutex_lock(&kept.mutex);
    for (size_t i = 0; i < len; i++) kept.memory[kept.written++ % kept.size] = line[i];
    pthread_mutex_unlock(&kept.mutex);
}

void log_kept(int lines, struct buf *out)
{
    if (!kept.memory || lines <= 0) return;
    pthread_mutex_lock(&kept.mutex);
    size_t first = kept.written > kept.size ? kept.written - kept.size : 0, at = kept.written;
    for (; at > first; at--) {
        if (at < kept.written && kept.memory[(at - 1) % kept.size] == '\n' && --lines == 0) break;
    }
    bool cut = at == first && first > 0; /* its beginning was written over */
    while (cut && at < kept.written) cut = kept.memory[at++ % kept.size] != '\n';
    while (at < kept.written) {
        size_t from = at % kept.size, len = kept.written - at;
        if (len > kept.size - from) len = kept.size - from;
        buf_put(out, kept.memory + from, len);
        at += len;
    }
    pthread_mutex_unlock(&kept.mutex);
}

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
    keep(line, at);
}
