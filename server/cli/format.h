/* format.h - how keys and values of records are written on a line: string, hex, base64 or json. */
#pragma once
#include "cli/cli.h"

enum format { FORMAT_STRING, FORMAT_HEX, FORMAT_BASE64, FORMAT_JSON };

/* Of an option; `otherwise` when it is not given. Exits when there is no such format. */
enum format format_option(const struct cli *cli, const char *option, enum format otherwise);
const char *format_name(enum format format);
/* The bytes that a text stands for, appended. False: it is not of that format. */
bool format_decode(enum format format, struct str text, struct buf *ret);
/* Writes bytes as text. False: they are not of that format (json), and nothing was written. */
bool format_print(enum format format, struct bytes bytes, FILE *out);
/* What a separator's \t, \n, \0 and \\ stand for, in the same memory. */
struct str format_unescape(char *text);
/* Milliseconds since 1970 of "2026-01-31T12:00:00[.5]Z", "2026-01-31" or a number of at least 12 digits. */
bool format_time(const char *text, int64_t *ret_ms);
json_t *format_base64(struct bytes bytes);
