/* json_text.c - see json_text.h. */
#include "api/json_text.h"

#include "api/api.h"

#include <stdio.h>

static bool is_plain(char c) { return (unsigned char)c >= 0x20 && c != '"' && c != '\\' && c != 0x7f; }

void json_text_inside(struct buf *out, struct str text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.data[i])) continue;
        buf_put(out, text.data + from, i - from);
        buf_printf(out, "\\u%04x", (unsigned char)text.data[i]);
        from = i + 1;
    }
    buf_put(out, text.data + from, text.len - from);
}

void json_text_str(struct buf *out, struct str text)
{
    if (!text.data || !api_is_utf8(text.data, text.len)) {
        JSON_TEXT(out, "null");
        return;
    }
    JSON_TEXT(out, "\"");
    json_text_inside(out, text);
    JSON_TEXT(out, "\"");
}

void json_text_i64(struct buf *out, int64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)n);
    buf_put(out, text, (size_t)len);
}

void json_text_encoded(struct buf *out, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (api_is_unreserved(text.data[i])) continue;
        unsigned char c = (unsigned char)text.data[i];
        char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
        buf_put(out, text.data + from, i - from);
        buf_put(out, escape, sizeof escape);
        from = i + 1;
    }
    buf_put(out, text.data + from, text.len - from);
}
