/* log_file.h - the log of a process: bounded in size and number, and its last lines. What a process
 * writes to is never moved: its descriptor would move with it. Any thread; the folder is leatd's own. */
#pragma once
#include "base/buf.h"

#define LOG_FILE_BYTES (1 << 20) /* more than that is moved out of the way */
#define LOG_FILE_KEPT 3          /* PATH.1 (the newest) to PATH.3 */

/* When PATH is above LOG_FILE_BYTES: its last LOG_FILE_BYTES become PATH.1, and PATH is emptied. */
void log_file_rotate(const char *path);
/* Appends the last `lines` lines, at most 256 KiB of them, PATH.1 first when PATH has too few. */
status log_file_tail(const char *path, int lines, struct buf *out);
