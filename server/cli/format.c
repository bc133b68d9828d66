/* format.c - keys and values as text, and times. */
#include "cli/format.h"

#include "base/uuid.h"

#include <stdlib.h>
#include <time.h>

static const char *const names[] = { "string", "hex", "base64", "json" };

const char *format_name(enum format format)
{
    return names[format];
}

enum format format_option(const struct cli *cli, const char *option, enum format otherwise)
{
    const char *text = cli_option(cli, option);
    if (!text) return otherwise;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) return (enum format)i;
    exit(cli_wrong("--%s takes string, hex, base64 or json, not '%s'", option, text));
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode_hex(struct str text, struct buf *ret)
{
    int high = -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ' ' || text.data[i] == '\r') continue;
        int digit = digit_of(text.data[i]);
        if (digit < 0) return false;
        if (high < 0) {
            high = digit;
            continue;
        }
        uint8_t byte = (uint8_t)(high * 16 + digit);
        buf_put(ret, &byte, 1);
        high = -1;
    }
    return high < 0;
}

bool format_decode(enum format format, struct str text, struct buf *ret)
{
    if (format == FORMAT_HEX) return decode_hex(text, ret);
    if (format == FORMAT_BASE64) {
        while (text.len && (text.data[text.len - 1] == '\r' || text.data[text.len - 1] == ' ')) text.len--;
        uint8_t *room = mem_alloc(text.len + 1);
        int64_t n = room ? base64_decode(text, room, text.len + 1) : -1;
        if (n > 0) buf_put(ret, room, (size_t)n);
        mem_free(room);
        return n >= 0;
    }
    if (format == FORMAT_JSON) {
        json_t *json = json_loadb(text.data, text.len,
                                  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
        if (!json) return false;
        json_decref(json);
    }
    buf_put(ret, text.data, text.len);
    return true;
}

bool format_print(enum format format, struct bytes bytes, FILE *out)
{
    if (format == FORMAT_HEX) {
        for (size_t i = 0; i < bytes.len; i++) fprintf(out, "%02x", bytes.data[i]);
        return true;
    }
    if (format == FORMAT_BASE64) {
        char *text = mem_alloc(4 * ((bytes.len + 2) / 3) + 1);
        if (!text) return false;
        fwrite(text, 1, base64_encode(bytes.data, bytes.len, text), out);
        mem_free(text);
        return true;
    }
    if (format == FORMAT_JSON) {
        /* As it was written: numbers keep their digits. One that has lines is put on one. */
        bool lines = bytes.len && memchr(bytes.data, '\n', bytes.len);
        json_t *json =
            json_loadb((const char *)bytes.data, bytes.len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL | (lines ? 0 : JSON_DECODE_INT_AS_REAL), NULL);
        if (!json) return false;
        if (lines) json_dumpf(json, out, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(json);
        if (lines) return true;
    }
    fwrite(bytes.data, 1, bytes.len, out);
    return true;
}

struct str format_unescape(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        char c = *p;
        if (c == '\\' && p[1]) {
            c = *++p;
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == '0' ? 0 : c;
        }
        text[n++] = c;
    }
    return (struct str){ text, n };
}

bool format_time(const char *text, int64_t *ret_ms)
{
    static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
    if (strlen(text) >= 12 && str_to_i64(str_c(text), ret_ms)) return true;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, forms[i], &tm);
        if (!end) continue;
        double part = 0;
        if (*end == '.') {
            char *after = NULL;
            part = strtod(end, &after);
            end = after;
        }
        if (*end == 'Z') end++;
        if (*end) continue;
        *ret_ms = (int64_t)timegm(&tm) * 1000 + (int64_t)(part * 1000 + 0.5);
        return true;
    }
    return false;
}

json_t *format_base64(struct bytes bytes)
{
    char *text = mem_alloc(4 * ((bytes.len + 2) / 3) + 1);
    if (!text) exit(cli_wrong("out of memory"));
    size_t n = base64_encode(bytes.data, bytes.len, text);
    json_t *json = json_stringn(text, n);
    mem_free(text);
    return json;
}
