/* mail.c - headers in ASCII (RFC 2047 where they are not), the text as base64, so that no line is too
 * long and none begins with what a mail server would take for something else. Any thread; keeps
 * nothing. */
#include "notify/mail.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

enum { LINE = 57, WORD = 39 }; /* bytes of a line of 76; of an encoded word */

bool mail_address_is_sound(struct str a)
{
    const char *at = a.len ? memchr(a.data, '@', a.len) : NULL;
    if (!at || at == a.data || at + 1 == a.data + a.len || a.len > MAIL_ADDRESS_MAX) return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.data[i] <= ' ' || a.data[i] >= 127 || strchr("<>()[]\\,;:\"", a.data[i])) return false;
    return !memchr(at + 1, '@', a.len - (size_t)(at + 1 - a.data));
}

static void put_base64(struct buf *out, const char *data, size_t n)
{
    uint8_t *at = buf_reserve(out, (n + 2) / 3 * 4 + 1);
    if (at) out->len += (size_t)EVP_EncodeBlock(at, (const uint8_t *)data, (int)n);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < ' ' || s.data[i] > '~') return false;
    return s.len < 200 && !memmem(s.data, s.len, "=?", 2); /* which would be read as encoded */
}

/* Encoded words of whole characters. */
static void put_subject(struct buf *out, struct str s)
{
    if (is_plain(s)) {
        buf_put_str(out, s);
        return;
    }
    for (const char *gap = ""; s.len; gap = "\r\n ") {
        size_t n = 0;
        while (n < s.len) {
            size_t more = str_utf8_length((struct str){ s.data + n, s.len - n });
            if (!more) more = 1;
            if (n + more > WORD) break;
            n += more;
        }
        buf_printf(out, "%s=?UTF-8?B?", gap);
        put_base64(out, s.data, n);
        buf_put_str(out, STR("?="));
        s = (struct str){ s.data + n, s.len - n };
    }
}

static void put_date(struct buf *out, int64_t at)
{
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = { 0 };
    time_t seconds = (time_t)(at / 1000);
    gmtime_r(&seconds, &tm);
    buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
               tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void mail_write(const struct mail *m, struct buf *out)
{
    put_date(out, m->at);
    buf_printf(out, "From: <%.*s>\r\nTo: ", STR_ARG(m->from));
    for (size_t i = 0; i < m->to_count; i++)
        buf_printf(out, "%s<%.*s>", i ? ",\r\n " : "", STR_ARG(m->to[i]));
    buf_put_str(out, STR("\r\nSubject: "));
    put_subject(out, m->subject);
    buf_printf(out, "\r\nMessage-ID: <%.*s>\r\n", STR_ARG(m->id));
    if (m->thread.len)
        buf_printf(out, "In-Reply-To: <%.*s>\r\nReferences: <%.*s>\r\n", STR_ARG(m->thread),
                   STR_ARG(m->thread));
    buf_put_str(
        out,
        STR("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
    for (size_t at = 0; at < m->text.len; at += LINE) {
        put_base64(out, m->text.data + at, m->text.len - at < LINE ? m->text.len - at : LINE);
        buf_put_str(out, STR("\r\n"));
    }
}
