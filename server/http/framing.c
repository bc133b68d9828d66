/* framing.c - refuses messages whose end or target two parsers might see differently (CWE-444).
 * HTTP thread. libmicrohttpd keeps every header it read, so the first look at a request can count
 * them; the answer is 400 and the connection is closed. */
#include "http/http_int.h"

#include <strings.h>

struct count {
    int length, encoding, host;
    bool bad_length, bad_encoding, bad_name, bad_line;
};

/* Versions 0.9 of the library take bare line feeds and folded lines too, and tell nobody. But they
 * parse in place, which leaves traces: over CRLF they write two NULs and over LF one; and the value of
 * a folded line is moved away from its name. The bytes looked at lie within the message, since at
 * least the empty line follows. (A bare LF before the empty line leaves no trace, and hides nothing.)
 * Versions from 1.0 refuse both by themselves. */
static bool parses_loosely(void) { return strncmp(MHD_get_version(), "0.", 2) == 0; }

static bool ends_with_crlf(const char *text) { return text[strlen(text) + 1] == 0; }

static bool is_folded(const char *name, const char *value)
{
    const char *p = name + strlen(name) + 1; /* behind the colon */
    if (value < p) return true;
    while (p < value && (*p == ' ' || *p == '\t')) p++;
    return p != value;
}

static bool is_token(const char *name)
{
    if (!name[0]) return false;
    for (const char *p = name; *p; p++) {
        bool ok = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
            (*p >= 'A' && *p <= 'Z') ||
                  strchr("!#$%&'*+-.^_`|~", *p);
        if (!ok) return false;
    }
    return true;
}

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    struct count *c = arg;
    if (!is_token(name)) c->bad_name = true;
    bool loose = value && parses_loosely();
    if (loose && (!ends_with_crlf(value) || is_folded(name, value))) c->bad_line = true;
    if (strcasecmp(name, "Host") == 0) c->host++;
    if (strcasecmp(name, "Content-Length") == 0) {
        int64_t n;
        c->length++;
        if (!value || !str_to_i64(str_c(value), &n)) c->bad_length = true;
    }
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        c->encoding++;
        if (!value || strcasecmp(value, "chunked") != 0) c->bad_encoding = true;
    }
    return MHD_YES;
}

/* len: of path and query as C text. The line is parsed in place, so the version stands right behind them,
 * unless there is a NUL within or no version at all. */
const char *framing_target_fault(const char *url, size_t len, const char *version)
{
    if (!parses_loosely() || version == url + len + 1) return NULL;
    return "The first line is not METHOD, one space, path, one space, HTTP/1.1.";
}

int framing_headers(struct MHD_Connection *connection)
{
    return MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
}

const char *framing_fault(struct MHD_Connection *connection, const char *version)
{
    struct count c = { 0 };
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &c);
    if (c.bad_line || (parses_loosely() && !ends_with_crlf(version))) {
        return "A line of the header does not end with CRLF, or is folded.";
    }
    if (c.bad_name) return "A header's name holds characters that are not allowed.";
    if (c.length > 1) return "There is more than one Content-Length header.";
    if (c.bad_length) return "Content-Length is not a number.";
    if (c.length && c.encoding) return "Content-Length and Transfer-Encoding exclude each other.";
    if (c.encoding > 1 || c.bad_encoding) {
        return "The only transfer encoding understood is chunked.";
    }
    if (c.host > 1) return "There is more than one Host header.";
    if (c.host == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) == 0) {
        return "The Host header is missing.";
    }
    if (c.encoding && strcmp(version, MHD_HTTP_VERSION_1_1) != 0) {
        return "HTTP/1.0 has no transfer encodings.";
    }
    return NULL;
}
