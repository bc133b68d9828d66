/* sasl.h - authentication of one connection, whatever the mechanism.
 *
 * SaslHandshake names the mechanism (sasl_start), then tokens go to and fro (sasl_step) until done.
 * PLAIN, both SCRAMs and (with a key set) OAUTHBEARER on the Kafka port; on the Unix socket alone also
 * LEAT-PRINCIPAL, with which leatd says for whom it acts: the token is the principal. For
 * re-authentication (KIP-368) start again on the same object: another principal or mechanism is refused.
 * One per connection, embedded; loop thread only. */
#pragma once
#include "broker/scram.h"

#define SASL_TOKEN_MAX 524288
#define SASL_MECHANISMS_MAX 5
#define PRINCIPAL_ANONYMOUS "User:ANONYMOUS"

enum sasl_state { SASL_IDLE, SASL_STARTED, SASL_DONE, SASL_FAILED };
struct sasl {
    enum sasl_state state;
    int mechanism;             /* own number; 0 = none yet */
    bool local;                /* the Unix socket */
    struct scram scram;
    char login[256];           /* key id or SCRAM user; "" for LEAT-PRINCIPAL */
    char principal[256];       /* "User:…", "" before SASL_DONE for the first time */
    char tried[256];           /* after a failure, the principal whose credentials were tried; "": unknown */
    int authenticated_with;    /* mechanism of the first success */
    int64_t expires_ms;        /* since 1970: until when the last success holds; 0: for ever */
    bool refused;              /* OAUTHBEARER: told so; the client's next word ends it */
    const char *why;           /* after a failure, half a sentence for the log; or NULL */
};
void sasl_init(struct sasl *sasl, bool local);
void sasl_done(struct sasl *sasl);

/* Known without SASL, from a client certificate: "User:" and the name. INVALID: too long. */
status sasl_external(struct sasl *sasl, struct str name);

/* Where credentials are looked up. */
struct sasl_source {
    const struct image *image;
    const struct image *files; /* looked at first; NULL: none */
    int64_t now_ms;            /* since 1970 */
};

/* The mechanisms offered here, for SaslHandshake's answer. Returns their number. */
size_t sasl_mechanisms(const struct sasl *sasl, const struct sasl_source *source,
                       struct str ret_names[SASL_MECHANISMS_MAX]);
/* UNSUPPORTED_SASL_MECHANISM; ILLEGAL_SASL_STATE in the middle of an exchange. */
status sasl_start(struct sasl *sasl, const struct sasl_source *source, struct str mechanism);
/* One token from the client, the answer (may be empty) is appended to `out`. OK and state SASL_DONE:
 * authenticated. OK and SASL_STARTED: another token follows. SASL_AUTHENTICATION_FAILED: answer it
 * with a general text, flush, close. ILLEGAL_SASL_STATE without sasl_start. */
status sasl_step(struct sasl *sasl, const struct sasl_source *source, struct bytes token,
                 struct buf *out);
static inline struct str sasl_principal(const struct sasl *sasl) { return str_c(sasl->principal); }
/* Did SASL succeed once? (A certificate alone does not count.) */
static inline bool sasl_was_authenticated(const struct sasl *sasl) { return sasl->authenticated_with != 0; }
const char *sasl_mechanism(const struct sasl *sasl); /* "PLAIN"; "": none yet */
static inline struct str sasl_login(const struct sasl *sasl) { return str_c(sasl->login); }
