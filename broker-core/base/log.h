/* log.h - one line a message on standard error: time, level, text. Programs log; libraries
 * return. Control characters from outside are shown escaped, so that a line stays a line. */
#pragma once
#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level lowest);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The newest lines are kept there too, until the process ends; once, at start, before there are threads. */
void log_keep(char *memory, size_t size);
/* The last `lines` of what is kept, oldest first, each with its newline. Any thread. */
void log_kept(int lines, struct buf *out);
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
