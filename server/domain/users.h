/* users.h - people: rows of `user`, how they come (invitations) and go, their passwords and sessions.
 * Reading: any thread with its own database; changes: domain thread. A user's id is in role bindings and
 * owns keys; it is never used again. */
#pragma once
#include "domain/domain.h"

#define USERS_MAX 5000
#define EMAIL_MAX 127
#define INVITATION_LIFE_MS (7LL * 24 * 60 * 60 * 1000)

struct user {
    char id[ID_TEXT], login[EMAIL_MAX + 1], full_name[NAME_MAX_BYTES + 1], auth_type[24];
    int64_t created_at, updated_at;
};
status users_get(struct db *db, struct str id, struct user *ret); /* NOT_FOUND */
status users_list(struct db *db, struct str after, int64_t limit,
                  void (*each)(void *arg, const struct user *u), void *arg);
status users_count(struct db *db, int64_t *ret);
status users_rename(struct domain *domain, const struct actor *actor, struct str id, struct str full_name,
                    struct why *why);
/* Sessions, keys, role bindings and quota entries go with it. CONFLICT: the last OrganizationAdmin. */
void users_delete(struct domain *domain, const struct actor *actor, struct str id, domain_done done,
                  void *arg);

struct invitation {
    char id[ID_TEXT], email[EMAIL_MAX + 1], user_id[ID_TEXT], creator[ID_TEXT];
    int64_t created_at, expires_at, accepted_at;
};
/* INVITE_STATUS_SENT, _ACCEPTED or _EXPIRED. */
const char *invitation_status(const struct invitation *i);
status invitations_get(struct db *db, struct str id, struct invitation *ret);
status invitations_list(struct db *db, struct str after, int64_t limit,
                        void (*each)(void *arg, const struct invitation *i), void *arg);
/* Makes the user, too, who cannot sign in yet. The token is told once. EXISTS: somebody has this address. */
status invitations_create(struct domain *domain, const struct actor *actor, const char *creator,
                          struct str email, struct invitation *ret, char ret_token[SECRET_TEXT],
                          struct why *why);
/* One that waits takes its user along; of one that was accepted just the row goes. */
status invitations_delete(struct domain *domain, const struct actor *actor, struct str id);

/* What a token opens; NOT_FOUND: unknown, used or expired. */
status invitations_of_token(struct db *db, struct str token, struct invitation *ret);
/* The salt and hash were made on the background lane. The token is used up. */
status invitations_accept(struct domain *domain, const struct actor *actor, struct str token,
                          struct str full_name, const uint8_t salt[PASSWORD_SALT],
                          const uint8_t hash[PASSWORD_HASH], struct user *ret, struct why *why);
/* All sessions but the one with this token end. */
status users_set_password(struct domain *domain, const struct actor *actor, const char *id,
                          const uint8_t salt[PASSWORD_SALT], const uint8_t hash[PASSWORD_HASH],
                          struct str keep_token);

/* Logging out. */
status users_session_leave(struct domain *domain, const struct actor *actor, const char *user_id,
                           struct str token);

struct session_row {
    char id[ID_TEXT], address[64];
    int64_t created_at, expires_at;
    bool current;          /* the one with the token that was given */
};
status users_sessions(struct db *db, const char *user_id, struct str token,
                      void (*each)(void *arg, const struct session_row *s), void *arg);
/* NOT_FOUND: this user has no such session. */
status users_session_end(struct domain *domain, const struct actor *actor, const char *user_id,
                         struct str id);
