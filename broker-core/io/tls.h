/* tls.h - TLS 1.2 and 1.3 at the server's end, over the descriptor of a stream (OpenSSL 3).
 *
 * A tls_server is one identity: certificate, key and whom it asks for a certificate. OpenSSL's context
 * costs half a MiB, so it is made at the first accept. New material serves new connections; those
 * that stand keep theirs. Sessions resume by tickets whose keys live as long as the context, half a
 * day at most. Loop thread only, but for tls_check (any thread). */
#pragma once
#include "base/bytes.h"
#include "io/loop.h"

#define TLS_HANDSHAKES_MAX 128       /* unfinished at a time; then nothing is accepted */
#define TLS_HANDSHAKE_MS 10000       /* a handshake that takes longer ends */
#define TLS_HANDSHAKE_CROWDED_MS 1000 /* … when all places are taken */
#define TLS_NAME_MAX 250 /* of a client, with its NUL */
#define TLS_PEM_MAX (64u << 10)

struct tls_server;

enum tls_client_auth { TLS_CLIENT_NONE, TLS_CLIENT_REQUESTED, TLS_CLIENT_REQUIRED };
struct tls_material {
    struct bytes chain;     /* PEM, the leaf first */
    struct bytes key;       /* PEM, without a password */
    struct bytes client_ca; /* PEM, one or more; empty: client certificates are not asked for */
    enum tls_client_auth client_auth;
};

/* An owned copy; NO_MEMORY. tls_material_done also wipes the key. */
status tls_material_copy(const struct tls_material *from, struct tls_material *ret_material);
void tls_material_done(struct tls_material *material);

/* Everything a server needs of the material: it can be read, fits together, is strong enough and not
 * expired. INVALID with a sentence. */
status tls_check(const struct tls_material *material, struct why *why);

status tls_server_new(struct loop *loop, struct tls_server **ret_server);
void tls_server_free(struct tls_server *server); /* NULL ok; no connection of it may be left */
/* Copies it. Only reads certificate and key; whoever made them has called tls_check. */
status tls_server_set(struct tls_server *server, const struct tls_material *material,
                      struct why *why);
bool tls_server_ready(const struct tls_server *server); /* has a certificate */
enum tls_client_auth tls_server_client_auth(const struct tls_server *server);
/* Told when the last place for handshakes is taken (false) and when there is room again (true). */
void tls_server_on_room(struct tls_server *server, void (*room)(void *arg, bool room), void *arg);
size_t tls_server_handshakes(const struct tls_server *server); /* unfinished now */

/* --- one connection; for stream.c ------------------------------------------------------------ */
struct tls;

enum tls_result { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_ENDED };
/* Does not take fd. `expired` is called when the handshake takes too long; it ends the connection. */
status tls_new(struct tls_server *server, int fd, void (*expired)(void *arg), void *arg,
               struct tls **ret_tls);
void tls_free(struct tls *tls); /* NULL ok */
enum tls_result tls_handshake(struct tls *tls);
/* At most n bytes of what came; a record is never left half read when n is TLS_RECORD_MAX or more. */
#define TLS_RECORD_MAX 16384
enum tls_result tls_read(struct tls *tls, void *p, size_t n, size_t *ret_n);
/* At most one record of it. After TLS_WANTS_… the same bytes, or more, have to be offered again. */
enum tls_result tls_write(struct tls *tls, const void *p, size_t n, size_t *ret_n);
void tls_say_goodbye(struct tls *tls); /* close_notify, as far as the socket takes it */
/* The subject of the client's certificate as Java and so Kafka write it (RFC 2253); "" without. */
const char *tls_client_name(const struct tls *tls);
/* Why the connection ended, in OpenSSL's words; NULL when the peer just went. */
const char *tls_trouble(const struct tls *tls);
