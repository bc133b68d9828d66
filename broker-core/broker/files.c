/* files.c - the files of a standalone broker. Loop thread.
 *
 * A reload builds a whole image from the files, checks it, and applies it like any other: who was taken
 * out of the users is cut off, a new certificate serves new connections. */
#include "broker/files.h"

#include "base/log.h"
#include "broker/server.h"
#include "cluster/delta.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/scram.h"

#define FILE_MAX (1u << 20)
#define USERS_MAX 500 /* each costs some milliseconds of hashing */

static void paths_of(const struct broker *b, const char *ret_paths[FILES_MAX])
{
    const struct file_options *o = &b->options.files;
    ret_paths[0] = o->tls_certificate;
    ret_paths[1] = o->tls_key;
    ret_paths[2] = o->tls_client_ca;
    ret_paths[3] = o->users;
    ret_paths[4] = o->jwks;
}

static status file_read(const char *path, struct buf *out, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    status result = fd < 0 ? status_from_errno(errno) : OK;
    ssize_t n = 1;
    while (is_ok(result) && n > 0) {
        uint8_t *to = buf_reserve(out, 16384);
        n = to ? read(fd, to, 16384) : -1;
        if (!to) result = FAIL(LIMIT);
        else if (n < 0) result = status_from_errno(errno);
        else out->len += (size_t)n;
    }
    if (fd >= 0) close(fd);
    if (failed(result)) why_set(why, "%s cannot be read: %s", path, status_text(result));
    return result;
}

static void secret_buf_done(struct buf *b)
{
    if (b->data) OPENSSL_cleanse(b->data, b->cap);
    buf_done(b);
}

/* --- users ------------------------------------------------------------------------------------------ */

static status put_user(struct str name, struct str password, struct buf *delta)
{
    char principal[256];
    uint8_t salted[16 + 1024];
    unsigned len = 32;
    struct credential c = { .login = name, .has_secret = true };
    if (!name.len || name.len > 200 || !password.len || password.len > 1024) return FAIL(INVALID);
    snprintf(principal, sizeof principal, "User:%.*s", STR_ARG(name));
    c.principal = str_c(principal);
    if (RAND_bytes(c.secret_salt, sizeof c.secret_salt) != 1) return FAIL(IO);
    memcpy(salted, c.secret_salt, 16);
    memcpy(salted + 16, password.data, password.len);
    bool hashed = EVP_Digest(salted, 16 + password.len, c.secret_hash, &len, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(salted, sizeof salted);
    if (!hashed) return FAIL(IO);
    TRY(scram_verifier_new(SCRAM_SHA_256, password, &c.scram[0]));
    TRY(scram_verifier_new(SCRAM_SHA_512, password, &c.scram[1]));
    delta_credential(delta, &c);
    return buf_check(delta);
}

static struct str line_next(struct str *rest)
{
    const char *end = memchr(rest->data, '\n', rest->len);
    size_t n = end ? (size_t)(end - rest->data) : rest->len;
    struct str line = { rest->data, n };
    size_t used = end ? n + 1 : n;
    *rest = (struct str){ rest->data + used, rest->len - used };
    if (line.len && line.data[line.len - 1] == '\r') line.len--;
    return line;
}

static status put_users(const char *path, struct buf *delta, struct why *why)
{
    struct buf text;
    int number = 0;
    buf_init(&text, FILE_MAX);
    status result = file_read(path, &text, why);
    struct str rest = bytes_str(buf_bytes(&text));
    while (is_ok(result) && rest.len) {
        struct str line = line_next(&rest);
        const char *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        number++;
        if (!line.len || line.data[0] == '#') continue;
        size_t n = colon ? (size_t)(colon - line.data) : 0;
        result = n && number <= USERS_MAX
                     ? put_user((struct str){ line.data, n },
                                (struct str){ colon + 1, line.len - n - 1 }, delta)
                     : FAIL(INVALID);
        if (failed(result)) why_set(why, "%s, line %d: expected NAME:PASSWORD", path, number);
    }
    secret_buf_done(&text);
    return result;
}

/* --- TLS -------------------------------------------------------------------------------------------- */

static status put_tls(const struct broker *b, struct buf *delta, struct why *why)
{
    const struct file_options *o = &b->options.files;
    struct buf chain, key, ca;
    buf_init(&chain, TLS_PEM_MAX + 1);
    buf_init(&key, TLS_PEM_MAX + 1);
    buf_init(&ca, TLS_PEM_MAX + 1);
    status result = file_read(o->tls_certificate, &chain, why);
    if (is_ok(result)) result = file_read(o->tls_key ? o->tls_key : o->tls_certificate, &key, why);
    if (is_ok(result) && o->tls_client_ca) result = file_read(o->tls_client_ca, &ca, why);
    struct tls_material material = { buf_bytes(&chain), buf_bytes(&key), buf_bytes(&ca),
                                     b->options.client_auth };
    if (is_ok(result)) result = tls_check(&material, why);
    if (is_ok(result)) delta_tls(delta, &material);
    buf_done(&chain);
    secret_buf_done(&key);
    buf_done(&ca);
    return result;
}

/* --- how logins are asked for ------------------------------------------------------------------------ */

static status put_authentication(const struct broker *b, struct buf *delta, struct why *why)
{
    struct authentication a = b->options.authentication, checked;
    struct buf text;
    status result = OK;
    buf_init(&text, JWKS_MAX + 16384);
    if (b->options.files.jwks) result = file_read(b->options.files.jwks, &text, why);
    a.jwks = bytes_str(buf_bytes(&text));
    if (is_ok(result)) result = authentication_make(&a, why, &checked);
    if (is_ok(result)) {
        delta_authentication(delta, &checked);
        authentication_done(&checked);
    }
    buf_done(&text);
    return result;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static status files_load(struct broker *b, struct why *why)
{
    struct buf delta;
    buf_init(&delta, DELTA_MAX);
    delta_begin(&delta, 0, b->files->version + 1);
    status result = OK;
    if (b->options.files.tls_certificate) result = put_tls(b, &delta, why);
    if (is_ok(result) && b->options.files.users) result = put_users(b->options.files.users, &delta, why);
    if (is_ok(result)) result = put_authentication(b, &delta, why);
    if (is_ok(result)) result = buf_check(&delta);
    if (is_ok(result)) result = image_apply(b->files, buf_bytes(&delta), broker_observer(b));
    secret_buf_done(&delta);
    return result;
}

void files_reload(struct broker *b)
{
    struct why why = { "" };
    if (!b->files) return;
    status loaded = files_load(b, &why);
    if (is_ok(loaded)) log_info("the files were read again");
    else
        log_error("the files are not taken, what was read before stays in force: %s",
                  why.text[0] ? why.text : status_text(loaded));
}

static status folder_of(const char *path, int *ret_fd, struct why *why)
{
    char folder[512] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    if (n && !str_copy(folder, sizeof folder, (struct str){ path, n })) return FAIL(INVALID);
    *ret_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd >= 0) return OK;
    why_set(why, "the folder of %s cannot be opened: %s", path, strerror(errno));
    return FAIL(NOT_FOUND);
}

static void reload_asked(struct watch *watch, uint32_t events)
{
    uint64_t times;
    (void)events;
    if (read(watch->fd, &times, sizeof times) == (ssize_t)sizeof times)
        files_reload(CONTAINER_OF(watch, struct broker, reload));
}

status files_start(struct broker *b, struct why *why)
{
    const char *paths[FILES_MAX];
    paths_of(b, paths);
    if (b->options.authentication.max_reauth_ms) TRY(image_new(&b->files));
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (!paths[i]) continue;
        if (!b->files) TRY(image_new(&b->files));
        TRY(folder_of(paths[i], &b->file_folders[b->file_folder_count], why));
        b->file_folder_count++;
    }
    if (!b->files) return OK;
    b->reload = (struct watch){ .ready = reload_asked, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (b->reload.fd < 0) return status_from_errno(errno);
    TRY(loop_watch(b->loop, &b->reload, EPOLLIN));
    return files_load(b, why);
}

size_t files_folders(const struct broker *b, int ret_fds[FILES_MAX])
{
    memcpy(ret_fds, b->file_folders, sizeof b->file_folders);
    return b->file_folder_count;
}

void files_stop(struct broker *b)
{
    if (b->files && b->reload.fd > 0) {
        loop_unwatch(b->loop, &b->reload);
        close(b->reload.fd);
    }
    for (size_t i = 0; i < b->file_folder_count; i++) close(b->file_folders[i]);
    b->file_folder_count = 0;
    image_free(TAKE(b->files));
}
