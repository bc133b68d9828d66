/* users.c - people. An invitation makes a user without a password; a user without one cannot sign in by
 * it (identity_user does not find it). */
#include "domain/users.h"

#include "domain/accounts.h"
#include "domain/role_bindings.h"
#include "identity/identity.h"

#include <strings.h>

#define COLUMNS "SELECT id, login, full_name, auth_type, created_at, updated_at FROM user "

static void read_row(const struct db_query *q, struct user *u)
{
    *u = (struct user){ .created_at = db_i64(q, 4), .updated_at = db_i64(q, 5) };
    DB_COPY(q, 0, u->id);
    DB_COPY(q, 1, u->login);
    DB_COPY(q, 2, u->full_name);
    DB_COPY(q, 3, u->auth_type);
}

status users_get(struct db *db, struct str id, struct user *ret)
{
    struct user u;
    struct db_query *q = DB(db, COLUMNS "WHERE id = ?", id);
    bool found = db_next(q);
    if (found) read_row(q, &u);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = u;
    return OK;
}

status users_list(struct db *db, struct str after, int64_t limit,
                  void (*each)(void *arg, const struct user *u), void *arg)
{
    struct user u;
    struct db_query *q = DB(db, COLUMNS "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &u);
        each(arg, &u);
    }
    return db_end(q);
}

status users_count(struct db *db, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM user"), ret);
}

status users_rename(struct domain *domain, const struct actor *actor, struct str id, struct str full_name,
                    struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct user u;
    TRY(name_check(full_name, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(users_get(domain->db, id, &u));
    TRY(db_run(DB(domain->db, "UPDATE user SET full_name = ?, updated_at = ? WHERE id = ?", full_name,
                  domain_wall(), id)));
    TRY(change_audit(change, "user.update", u.id, NULL));
    return change_commit_now(&change);
}

void users_delete(struct domain *domain, const struct actor *actor, struct str id, domain_done done,
                  void *arg)
{
    struct why why = { "" };
    struct user u;
    int64_t admins = 0, is_admin = 0;
    status result = users_get(domain->db, id, &u);
    if (is_ok(result)) result = role_bindings_admins_beside(domain->db, id, &admins);
    if (is_ok(result))
        result = db_one_i64(DB(domain->db, "SELECT count(*) FROM role_binding WHERE principal = 'User:' || ? "
                                           "AND role = 'OrganizationAdmin'", id), &is_admin);
    if (is_ok(result) && is_admin && admins == 0) {
        why_set(&why, "This is the last OrganizationAdmin: make somebody else one first.");
        result = FAIL(CONFLICT);
    }
    if (failed(result)) done(arg, result, &why);
    else accounts_delete_user(domain, actor, u.id, done, arg);
}

/* --- invitations ----------------------------------------------------------------------------------- */

#define INVITATION                                                                                 \
    "SELECT id, email, user_id, creator, created_at, expires_at, accepted_at FROM invitation "

static void read_invitation(const struct db_query *q, struct invitation *i)
{
    *i = (struct invitation){ .created_at = db_i64(q, 4), .expires_at = db_i64(q, 5),
                              .accepted_at = db_i64(q, 6) };
    DB_COPY(q, 0, i->id);
    DB_COPY(q, 1, i->email);
    DB_COPY(q, 2, i->user_id);
    DB_COPY(q, 3, i->creator);
}

static status one_invitation(struct db_query *q, struct invitation *ret)
{
    struct invitation i;
    bool found = db_next(q);
    if (found) read_invitation(q, &i);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = i;
    return OK;
}

const char *invitation_status(const struct invitation *i)
{
    if (i->accepted_at) return "INVITE_STATUS_ACCEPTED";
    return i->expires_at > domain_wall() ? "INVITE_STATUS_SENT" : "INVITE_STATUS_EXPIRED";
}

status invitations_get(struct db *db, struct str id, struct invitation *ret)
{
    return one_invitation(DB(db, INVITATION "WHERE id = ?", id), ret);
}

status invitations_list(struct db *db, struct str after, int64_t limit,
                        void (*each)(void *arg, const struct invitation *i), void *arg)
{
    struct invitation i;
    struct db_query *q = DB(db, INVITATION "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_invitation(q, &i);
        each(arg, &i);
    }
    return db_end(q);
}

/* Enough to tell an address from a slip: something, an @, something; no spaces or control characters. */
static status check_email(struct str email, struct why *why)
{
    const char *at = email.len ? memchr(email.data, '@', email.len) : NULL;
    bool good = at && at > email.data && at < email.data + email.len - 1 && email.len <= EMAIL_MAX;
    for (size_t i = 0; good && i < email.len; i++) {
        unsigned char c = (unsigned char)email.data[i];
        good = c > ' ' && c < 127;
    }
    if (good) return OK;
    why_set(why, "/email is not an e-mail address of at most %d plain characters.", EMAIL_MAX);
    return FAIL(INVALID);
}

static status insert_user(struct db *db, struct str login, int64_t now, char ret_id[ID_TEXT])
{
    secret_id_new("u-", ret_id);
    return db_run(DB(db, "INSERT INTO user (id, login, full_name, password_salt, password_hash, created_at, "
                         "updated_at) VALUES (?, ?, '', x'', x'', ?3, ?3)", (const char *)ret_id, login,
                     now));
}

status invitations_create(struct domain *domain, const struct actor *actor, const char *creator,
                          struct str email, struct invitation *ret, char ret_token[SECRET_TEXT],
                          struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct invitation i = { .created_at = domain_wall() };
    uint8_t hash[SECRET_HASH];
    int64_t count = 0;
    TRY(check_email(email, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(users_count(domain->db, &count));
    if (count >= USERS_MAX) {
        why_set(why, "There are %d people already, which is the limit (iam.max_users.per_org).", USERS_MAX);
        return FAIL(LIMIT);
    }
    i.expires_at = i.created_at + INVITATION_LIFE_MS;
    secret_id_new("i-", i.id);
    str_copy(i.email, sizeof i.email, email);
    str_copy(i.creator, sizeof i.creator, str_c(creator));
    status result = insert_user(domain->db, email, i.created_at, i.user_id);
    if (result.code == E_EXISTS) why_set(why, "Somebody with this address is here, or invited, already.");
    TRY(result);
    secret_new(ret_token);
    secret_token_hash(str_c(ret_token), hash);
    TRY(db_run(DB(domain->db, "INSERT INTO invitation VALUES (?, ?, ?, ?, ?, ?, ?, 0)", (const char *)i.id,
                  email, (const char *)i.user_id, creator, bytes_of(hash, sizeof hash), i.created_at,
                  i.expires_at)));
    TRY(change_audit(change, "invitation.create", i.id, NULL));
    TRY(change_commit_now(&change));
    *ret = i;
    return OK;
}

status invitations_delete(struct domain *domain, const struct actor *actor, struct str id)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct invitation i;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(invitations_get(domain->db, id, &i));
    TRY(db_run(DB(domain->db, "DELETE FROM invitation WHERE id = ?", id)));
    if (!i.accepted_at) TRY(db_run(DB(domain->db, "DELETE FROM user WHERE id = ?", (const char *)i.user_id)));
    TRY(change_audit(change, "invitation.delete", i.id, NULL));
    return change_commit_now(&change);
}

status invitations_of_token(struct db *db, struct str token, struct invitation *ret)
{
    uint8_t hash[SECRET_HASH];
    if (token.len != SECRET_TEXT - 1) return FAIL(NOT_FOUND);
    secret_token_hash(token, hash);
    return one_invitation(DB(db, INVITATION "WHERE token_hash = ? AND accepted_at = 0 AND expires_at > ?",
                             bytes_of(hash, sizeof hash), domain_wall()), ret);
}

status invitations_accept(struct domain *domain, const struct actor *actor, struct str token,
                          struct str full_name, const uint8_t salt[PASSWORD_SALT],
                          const uint8_t hash[PASSWORD_HASH], struct user *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct db *db = domain->db;
    struct invitation i;
    TRY(name_check(full_name, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(invitations_of_token(db, token, &i));
    TRY(db_run(DB(db, "UPDATE user SET full_name = ?, password_salt = ?, password_hash = ?, updated_at = ? "
                      "WHERE id = ?", full_name, bytes_of(salt, PASSWORD_SALT), bytes_of(hash, PASSWORD_HASH),
                  domain_wall(), (const char *)i.user_id)));
    TRY(db_run(DB(db, "UPDATE invitation SET accepted_at = ? WHERE id = ?", domain_wall(),
                  (const char *)i.id)));
    TRY(users_get(db, str_c(i.user_id), ret));
    TRY(change_audit(change, "invitation.accept", i.id, NULL));
    return change_commit_now(&change);
}

status users_set_password(struct domain *domain, const struct actor *actor, const char *id,
                          const uint8_t salt[PASSWORD_SALT], const uint8_t hash[PASSWORD_HASH],
                          struct str keep_token)
{
    CLEANUP_CHANGE struct change *change = NULL;
    uint8_t keep[SECRET_HASH];
    struct db *db = domain->db;
    secret_token_hash(keep_token, keep);
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(db_run(DB(db, "UPDATE user SET password_salt = ?, password_hash = ?, updated_at = ? WHERE id = ?",
                  bytes_of(salt, PASSWORD_SALT), bytes_of(hash, PASSWORD_HASH), domain_wall(), id)));
    TRY(db_run(DB(db, "DELETE FROM session WHERE user_id = ? AND token_hash <> ?", id,
                  bytes_of(keep, sizeof keep))));
    TRY(change_audit(change, "user.set_password", id, NULL));
    return change_commit_now(&change);
}

/* --- sessions -------------------------------------------------------------------------------------- */

status users_sessions(struct db *db, const char *user_id, struct str token,
                      void (*each)(void *arg, const struct session_row *s), void *arg)
{
    uint8_t own[SECRET_HASH];
    secret_token_hash(token, own);
    struct db_query *q = DB(db, "SELECT id, address, created_at, expires_at, token_hash = ? FROM session "
                                "WHERE user_id = ? AND expires_at > ? ORDER BY created_at DESC LIMIT 1000",
                            bytes_of(own, sizeof own), user_id, domain_wall());
    while (db_next(q)) {
        struct session_row s = { .created_at = db_i64(q, 2), .expires_at = db_i64(q, 3),
                                 .current = db_i64(q, 4) != 0 };
        DB_COPY(q, 0, s.id);
        DB_COPY(q, 1, s.address);
        each(arg, &s);
    }
    return db_end(q);
}

status users_session_end(struct domain *domain, const struct actor *actor, const char *user_id,
                         struct str id)
{
    CLEANUP_CHANGE struct change *change = NULL;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(db_run(DB(domain->db, "DELETE FROM session WHERE user_id = ? AND id = ?", user_id, id)));
    if (db_changes(domain->db) == 0) return FAIL(NOT_FOUND);
    char name[ID_TEXT] = "";
    str_copy(name, sizeof name, id);
    TRY(change_audit_with(change, "session.end", user_id, "session", str_c(name)));
    return change_commit_now(&change);
}

status users_session_leave(struct domain *domain, const struct actor *actor, const char *user_id,
                           struct str token)
{
    CLEANUP_CHANGE struct change *change = NULL;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(identity_session_end(domain->db, token));
    TRY(change_audit(change, "session.delete", user_id, NULL));
    return change_commit_now(&change);
}
