/* identity.h - who is asking: an API key by Basic, or a session by its cookie. Any thread, with that
 * thread's database. */
#pragma once
#include "base/status.h"
#include "identity/secret.h"
#include "store/db.h"

struct identity {
    char owner[40];        /* u-… or sa-… */
    char key_id[24];       /* "" for a session */
    char cluster_id[40];   /* "" = cloud key or session */
    char login[128];       /* session: what was typed at the login page */
    char full_name[128];
    char groups[1024];     /* session: of an identity provider, each name with a newline behind it */
    char csrf[SECRET_TEXT];/* session */
    int64_t expires_at;    /* session: ms since 1970 */
};

/* UNAUTHENTICATED when unknown, wrong or expired. */
status identity_key(struct db *db, struct str key_id, struct str secret, struct identity *ret);
status identity_session(struct db *db, struct str token, struct identity *ret);

/* --- sessions: writer --------------------------------------------------------------------------- */
#define SESSION_LIFE_MS (12 * 60 * 60 * 1000)
/* The token goes into the cookie; only its hash is kept. Expired ones are removed on the way. */
status identity_session_new(struct db *db, const char *user_id, const char *address, int64_t now,
                            char ret_token[SECRET_TEXT], char ret_csrf[SECRET_TEXT]);
status identity_session_end(struct db *db, struct str token);
/* A user's password row; NOT_FOUND. */
struct identity_user {
    char id[40], login[128], full_name[128];
    uint8_t salt[16], hash[32];
};
status identity_user(struct db *db, struct str login, struct identity_user *ret);
