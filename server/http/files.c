/* files.c - the console's files. HTTP thread. A path that names no file is a page of the console
 * (its addresses are its own), so it gets index.html; what looks like an API path never does.
 *
 * Opened by name below the web folder for each request: a path of [A-Za-z0-9._-] parts that do not
 * begin with a dot cannot leave it. */
#include "http/http_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool files_is_api(struct str path)
{
    static const char *const prefixes[] = { "/org", "/cmk", "/iam", "/kafka", "/kafka-quotas",
                                            "/service-quota", "/billing", "/v2", "/v3", "/leat", "/srcm",
                                            "/healthz", "/readyz", "/metrics" };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct str p = str_c(prefixes[i]);
        if (str_starts(path, p) && (path.len == p.len || path.data[p.len] == '/')) return true;
    }
    return false;
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        { ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },   { ".svg", "image/svg+xml" },
        { ".png", "image/png" },                 { ".ico", "image/x-icon" },
        { ".json", "application/json" },         { ".map", "application/json" },
        { ".woff2", "font/woff2" },              { ".txt", "text/plain; charset=utf-8" },
        { ".webmanifest", "application/manifest+json" },
    };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t n = strlen(types[i][0]);
        if (len > n && strcmp(name + len - n, types[i][0]) == 0) return types[i][1];
    }
    return "application/octet-stream";
}

static bool is_safe(struct str path)
{
    bool start = true; /* of a part */
    for (size_t i = 1; i < path.len; i++) {
        char c = path.data[i];
        bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '_';
        if (start && !letter) return false;
        if (!letter && c != '-' && c != '.' && c != '/') return false;
        start = c == '/';
    }
    return path.len > 1 && !start && path.len < 512;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* May it be an address of the console? A whole URL, a broken escape or a NUL is none. */
static bool is_page(struct str path)
{
    if (!path.len || path.data[0] != '/') return false;
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] <= ' ' || path.data[i] == '\\' || path.data[i] == 127) return false;
        if (path.data[i] != '%') continue;
        if (i + 2 >= path.len || hex(path.data[i + 1]) < 0 || hex(path.data[i + 2]) < 0) return false;
        if (path.data[i + 1] == '0' && path.data[i + 2] == '0') return false;
    }
    return true;
}

/* A file of the console, open; index.html when the path names none. -1: there is no console. */
static int file_open(struct exchange *x, char *ret_name, size_t size, struct stat *ret_stat)
{
    struct str path = x->rq.path;
    if (x->http->web_fd < 0) return -1;
    if (is_safe(path) && str_copy(ret_name, size, (struct str){ path.data + 1, path.len - 1 })) {
        int fd = openat(x->http->web_fd, ret_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && fstat(fd, ret_stat) == 0 && S_ISREG(ret_stat->st_mode)) return fd;
        if (fd >= 0) close(fd);
    }
    str_copy(ret_name, size, STR("index.html"));
    int fd = openat(x->http->web_fd, "index.html", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, ret_stat) == 0 && S_ISREG(ret_stat->st_mode)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static enum MHD_Result send_text(struct exchange *x, unsigned code, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                        MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    exchange_common_headers(x, response);
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    if (code == 405) MHD_add_response_header(response, "Allow", "GET, HEAD");
    atomic_fetch_add(&x->http->by_class[code / 100], 1);
    enum MHD_Result result = MHD_queue_response(x->connection, code, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result files_send(struct exchange *x)
{
    char name[512], etag[64];
    struct stat st;
    if (x->rq.method != GET) return send_text(x, 405, "Only GET is possible here.\n");
    if (!is_page(x->rq.path)) return send_text(x, 404, "There is no such page.\n");
    int fd = file_open(x, name, sizeof name, &st);
    if (fd < 0) {
        return send_text(x, 404, "There is no console here: leatd was started without --web.\n");
    }
    snprintf(etag, sizeof etag, "\"%llx-%llx%lx\"", (unsigned long long)st.st_size,
             (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
    const char *known = exchange_header(x, "If-None-Match");
    bool same = known && strcmp(known, etag) == 0;
    struct MHD_Response *response;
    if (same) {
        close(fd);
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_fd((size_t)st.st_size, fd);
        if (!response) close(fd);
    }
    if (!response) return MHD_NO;
    exchange_common_headers(x, response);
    MHD_add_response_header(response, "ETag", etag);
    MHD_add_response_header(response, "Content-Type", type_of(name));
    MHD_add_response_header(response, "Cache-Control", "no-cache"); /* ask, and mostly hear 304 */
    atomic_fetch_add(&x->http->by_class[same ? 3 : 2], 1);
    peer_enter(x->peer, PEER_ANSWER);
    enum MHD_Result result = MHD_queue_response(x->connection, same ? 304 : 200, response);
    MHD_destroy_response(response);
    return result;
}
