/* tls.c - one TLS identity and its connections, over OpenSSL. Loop thread.
 *
 * OpenSSL reads and writes the socket through a BIO of ours: its own would raise SIGPIPE. It never
 * reads ahead, so what is not handed out yet is still in the kernel and epoll tells of it.
 * Unfinished handshakes stand in one list, oldest first; all have the same time, so one timer watches
 * the first of them. */
#include "io/tls.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/tls_name.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <utlist.h>

#define CONTEXT_MS (12 * 60 * 60 * 1000) /* then new ticket keys */
#define TICKET_S 7200
#define CHAIN_MAX 10
#define CLIENT_CAS_MAX 100
#define VERIFY_DEPTH 5

struct tls_server {
    struct loop *loop;
    struct tls_material material; /* owned */
    SSL_CTX *context;             /* NULL: not needed yet */
    bool stale;                   /* there is newer material than the context's */
    int64_t context_at;
    struct tls *handshakes;       /* DL, oldest first */
    size_t handshake_count;
    struct timer timer;
    void (*room)(void *arg, bool room);
    void *room_arg;
};

struct tls {
    struct tls_server *server;
    SSL *ssl;
    int fd;
    bool shaking, broken;
    bool begun; /* the first byte came */
    int64_t started;
    void (*expired)(void *arg);
    void *arg;
    const char *trouble;
    char client_name[TLS_NAME_MAX];
    struct tls *prev, *next;
};

/* --- reading PEM ----------------------------------------------------------------------------- */

/* Without this OpenSSL would ask the terminal. */
static int no_password(char *buf, int size, int for_writing, void *arg)
{
    (void)buf, (void)size, (void)for_writing, (void)arg;
    return -1;
}

static BIO *pem_open(struct bytes pem)
{
    return pem.len && pem.len <= TLS_PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
}

static X509 *pem_certificate(BIO *bio) { return PEM_read_bio_X509(bio, NULL, no_password, NULL); }

static EVP_PKEY *pem_key(struct bytes pem)
{
    BIO *bio = pem_open(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static status pair_check(X509 *leaf, EVP_PKEY *key, struct why *why)
{
    if (!leaf) why_set(why, "The certificate is not PEM that can be read.");
    else if (!key) why_set(why, "The key is not PEM that can be read, or needs a password.");
    else if (X509_check_private_key(leaf, key) != 1) why_set(why, "The key is not the certificate's.");
    else return OK;
    return FAIL(INVALID);
}

/* --- the context ------------------------------------------------------------------------------ */

static status context_chain(SSL_CTX *context, const struct tls_material *m, struct why *why)
{
    BIO *bio = pem_open(m->chain);
    X509 *leaf = bio ? pem_certificate(bio) : NULL, *next;
    EVP_PKEY *key = pem_key(m->key);
    status s = pair_check(leaf, key, why);
    if (is_ok(s) && X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
        why_set(why, "The certificate has expired.");
        s = FAIL(INVALID);
    }
    if (is_ok(s) && (SSL_CTX_use_certificate(context, leaf) != 1 ||
                     SSL_CTX_use_PrivateKey(context, key) != 1)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        why_set(why, "The certificate cannot be used: %s.", reason ? reason : "unknown kind");
        s = FAIL(INVALID);
    }
    for (int i = 0; is_ok(s) && (next = pem_certificate(bio)) != NULL; i++) {
        if (i == CHAIN_MAX || SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            why_set(why, "The chain is too long, or one of its certificates is too weak.");
            s = FAIL(INVALID);
        }
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return s;
}

static status context_clients(SSL_CTX *context, const struct tls_material *m, struct why *why)
{
    if (m->client_auth == TLS_CLIENT_NONE || !m->client_ca.len) return OK;
    BIO *bio = pem_open(m->client_ca);
    X509 *ca;
    int count = 0;
    bool ok = bio != NULL;
    while (ok && (ca = pem_certificate(bio)) != NULL) {
        ok = ++count <= CLIENT_CAS_MAX && SSL_CTX_add_client_CA(context, ca) == 1 &&
             X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) == 1;
        X509_free(ca);
    }
    BIO_free(bio);
    if (!ok || !count) {
        why_set(why, "The client CA is not PEM that can be read.");
        return FAIL(INVALID);
    }
    int must = m->client_auth == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | must, NULL);
    SSL_CTX_set_verify_depth(context, VERIFY_DEPTH);
    return OK;
}

static bool context_policy(SSL_CTX *context)
{
    static const unsigned char sessions[] = "leat";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need no memory here */
    SSL_CTX_set_timeout(context, TICKET_S);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_session_id_context(context, sessions, sizeof sessions - 1) == 1;
}

static status context_new(const struct tls_material *material, SSL_CTX **ret, struct why *why)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    status s = context && context_policy(context) ? OK : FAIL(NO_MEMORY);
    if (is_ok(s)) s = context_chain(context, material, why);
    if (is_ok(s)) s = context_clients(context, material, why);
    ERR_clear_error();
    if (is_ok(s)) *ret = context;
    else SSL_CTX_free(context);
    return s;
}

status tls_check(const struct tls_material *material, struct why *why)
{
    SSL_CTX *context;
    TRY(context_new(material, &context, why));
    SSL_CTX_free(context);
    return OK;
}

/* The context to serve a new connection with. */
static status context_ready(struct tls_server *s)
{
    int64_t now = loop_now(s->loop);
    if (s->context && !s->stale && now - s->context_at < CONTEXT_MS) return OK;
    if (!s->material.chain.len) return FAIL(NOT_FOUND);
    SSL_CTX *context;
    struct why why = { "" };
    status made = context_new(&s->material, &context, &why);
    s->context_at = now;
    s->stale = false; /* not again for every connection */
    if (failed(made)) {
        log_error("TLS cannot be served with the certificate: %s",
                  why.text[0] ? why.text : status_text(made));
        return s->context ? OK : made;
    }
    SSL_CTX_free(s->context);
    s->context = context;
    return OK;
}

/* --- the server -------------------------------------------------------------------------------- */

static void handshakes_late(struct timer *timer);

status tls_server_new(struct loop *loop, struct tls_server **ret_server)
{
    struct tls_server *s = mem_zalloc(sizeof *s);
    if (!s) return FAIL(NO_MEMORY);
    s->loop = loop;
    timer_init(&s->timer, handshakes_late);
    *ret_server = s;
    return OK;
}

void tls_material_done(struct tls_material *m)
{
    if (m->key.data) OPENSSL_cleanse((void *)m->key.data, m->key.len);
    mem_free((void *)m->chain.data);
    mem_free((void *)m->key.data);
    mem_free((void *)m->client_ca.data);
    *m = (struct tls_material){ 0 };
}

void tls_server_free(struct tls_server *s)
{
    if (!s) return;
    assert(!s->handshakes);
    loop_timer_clear(s->loop, &s->timer);
    SSL_CTX_free(s->context);
    tls_material_done(&s->material);
    mem_free(s);
}

static bool part_copy(struct bytes from, struct bytes *to)
{
    if (!from.len) return true;
    uint8_t *copy = mem_memdup(from.data, from.len);
    if (copy) *to = bytes_of(copy, from.len);
    return copy != NULL;
}

status tls_material_copy(const struct tls_material *from, struct tls_material *ret_material)
{
    struct tls_material own = { .client_auth = from->client_auth };
    if (!part_copy(from->chain, &own.chain) || !part_copy(from->key, &own.key) ||
        !part_copy(from->client_ca, &own.client_ca)) {
        tls_material_done(&own);
        return FAIL(NO_MEMORY);
    }
    *ret_material = own;
    return OK;
}

status tls_server_set(struct tls_server *s, const struct tls_material *material, struct why *why)
{
    BIO *bio = pem_open(material->chain);
    X509 *leaf = bio ? pem_certificate(bio) : NULL;
    EVP_PKEY *key = pem_key(material->key);
    status fits = pair_check(leaf, key, why);
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    TRY(fits);
    struct tls_material own;
    TRY(tls_material_copy(material, &own));
    tls_material_done(&s->material);
    s->material = own;
    s->stale = true;
    return OK;
}

bool tls_server_ready(const struct tls_server *s) { return s->material.chain.len > 0; }

enum tls_client_auth tls_server_client_auth(const struct tls_server *s)
{
    return s->material.client_auth;
}

void tls_server_on_room(struct tls_server *s, void (*room)(void *arg, bool room), void *arg)
{
    s->room = room;
    s->room_arg = arg;
}

size_t tls_server_handshakes(const struct tls_server *s) { return s->handshake_count; }

/* --- unfinished handshakes ---------------------------------------------------------------------- */

static bool handshakes_full(const struct tls_server *s)
{
    return s->handshake_count >= TLS_HANDSHAKES_MAX;
}

static int64_t handshake_deadline(const struct tls_server *s)
{
    return s->handshakes->started +
           (handshakes_full(s) ? TLS_HANDSHAKE_CROWDED_MS : TLS_HANDSHAKE_MS);
}

static void handshakes_arm(struct tls_server *s)
{
    if (s->handshakes) (void)loop_timer_set(s->loop, &s->timer, handshake_deadline(s));
    else loop_timer_clear(s->loop, &s->timer);
}

static void handshake_begins(struct tls *t)
{
    struct tls_server *s = t->server;
    t->shaking = true;
    t->started = loop_now(s->loop);
    DL_APPEND(s->handshakes, t);
    s->handshake_count++;
    if (s->handshakes == t || handshakes_full(s)) handshakes_arm(s);
    if (s->handshake_count == TLS_HANDSHAKES_MAX && s->room) s->room(s->room_arg, false);
}

static void handshake_over(struct tls *t)
{
    struct tls_server *s = t->server;
    if (!t->shaking) return;
    bool first = s->handshakes == t, full = s->handshake_count == TLS_HANDSHAKES_MAX;
    t->shaking = false;
    DL_DELETE(s->handshakes, t);
    s->handshake_count--;
    if (first || full) handshakes_arm(s);
    if (full && s->room) s->room(s->room_arg, true);
}

static void handshakes_late(struct timer *timer)
{
    struct tls_server *s = CONTAINER_OF(timer, struct tls_server, timer);
    int64_t now = loop_now(s->loop);
    while (s->handshakes && handshake_deadline(s) <= now) {
        struct tls *t = s->handshakes;
        t->trouble = "the TLS handshake took too long";
        t->broken = true;
        handshake_over(t);
        t->expired(t->arg);
    }
    handshakes_arm(s);
}

/* --- the BIO ------------------------------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *p, int n)
{
    const struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(t->fd, p, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)) BIO_set_retry_write(bio);
    return (int)sent;
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(t->fd, p, (size_t)n, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    if (got <= 0 || t->begun) return (int)got;
    t->begun = true;
    if (*p == SSL3_RT_HANDSHAKE) return (int)got;
    t->trouble = "it does not speak TLS, which this port needs";
    got = -1;
    return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    (void)bio, (void)number, (void)p;
    return command == BIO_CTRL_FLUSH;
}

static BIO *bio_new(struct tls *t)
{
    static BIO_METHOD *method; /* of the process, made once; loops of several threads use one each */
    BIO_METHOD *mine = __atomic_load_n(&method, __ATOMIC_ACQUIRE), *none = NULL;
    if (!mine) {
        mine = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "stream");
        if (!mine) return NULL;
        BIO_meth_set_write(mine, bio_write);
        BIO_meth_set_read(mine, bio_read);
        BIO_meth_set_ctrl(mine, bio_ctrl);
        if (!__atomic_compare_exchange_n(&method, &none, mine, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            BIO_meth_free(mine);
            mine = none;
        }
    }
    BIO *bio = BIO_new(mine);
    if (!bio) return NULL;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- one connection -------------------------------------------------------------------------------- */

status tls_new(struct tls_server *server, int fd, void (*expired)(void *arg), void *arg,
               struct tls **ret_tls)
{
    TRY(context_ready(server));
    struct tls *t = mem_zalloc(sizeof *t);
    if (!t) return FAIL(NO_MEMORY);
    *t = (struct tls){ .server = server, .fd = fd, .expired = expired, .arg = arg };
    t->ssl = SSL_new(server->context);
    BIO *bio = t->ssl ? bio_new(t) : NULL;
    if (!bio) {
        ERR_clear_error();
        SSL_free(t->ssl);
        mem_free(t);
        return FAIL(NO_MEMORY);
    }
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_accept_state(t->ssl);
    handshake_begins(t);
    *ret_tls = t;
    return OK;
}

void tls_free(struct tls *t)
{
    if (!t) return;
    handshake_over(t);
    SSL_free(t->ssl);
    ERR_clear_error();
    mem_free(t);
}

static enum tls_result result_of(struct tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: return TLS_ENDED;
    default: break;
    }
    unsigned long error = ERR_peek_last_error();
    if (error && !t->trouble) t->trouble = ERR_reason_error_string(error);
    t->broken = true; /* nothing may be sent after a fatal error */
    return TLS_ENDED;
}

/* "" without a certificate. */
static bool client_name(struct tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    if (!certificate) return true;
    struct buf text;
    buf_init(&text, TLS_NAME_MAX - 1);
    status named = tls_name_text(X509_get_subject_name(certificate), &text);
    bool fits = is_ok(named) && !memchr(text.data ? text.data : (uint8_t *)"", 0, text.len) &&
                str_copy(t->client_name, sizeof t->client_name, bytes_str(buf_bytes(&text)));
    buf_done(&text);
    if (!fits) t->trouble = "the name in the client's certificate is too long";
    return fits;
}

enum tls_result tls_handshake(struct tls *t)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc != 1) return result_of(t, rc);
    handshake_over(t);
    return client_name(t) ? TLS_DONE : TLS_ENDED;
}

enum tls_result tls_read(struct tls *t, void *p, size_t n, size_t *ret_n)
{
    ERR_clear_error();
    int rc = SSL_read_ex(t->ssl, p, n, ret_n);
    return rc == 1 ? TLS_DONE : result_of(t, rc);
}

enum tls_result tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n)
{
    ERR_clear_error();
    int rc = SSL_write_ex(t->ssl, p, n, ret_n);
    return rc == 1 ? TLS_DONE : result_of(t, rc);
}

void tls_say_goodbye(struct tls *t)
{
    if (t->broken || t->shaking) return;
    t->broken = true; /* once */
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

const char *tls_client_name(const struct tls *t) { return t->client_name; }
const char *tls_trouble(const struct tls *t) { return t->trouble; }
