/* identity.c - finds the owner of a key or a session. Any thread, with that thread's database. */
#include "identity/identity.h"

#include <time.h>

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

status identity_key(struct db *db, struct str key_id, struct str secret, struct identity *ret)
{
    struct identity id = { 0 };
    bool good = false;
    struct db_query *q = DB(db, "SELECT owner, cluster_id, secret_salt, secret_hash, id FROM api_key "
                                "WHERE id = ?", key_id);
    if (db_next(q)) {
        good = secret_check(db_bytes(q, 2), db_bytes(q, 3), secret);
        DB_COPY(q, 0, id.owner);
        DB_COPY(q, 1, id.cluster_id);
        DB_COPY(q, 4, id.key_id);
    }
    TRY(db_end(q));
    if (!good) return FAIL(UNAUTHENTICATED);
    *ret = id;
    return OK;
}

status identity_session(struct db *db, struct str token, struct identity *ret)
{
    struct identity id = { 0 };
    uint8_t hash[SECRET_HASH];
    if (token.len != SECRET_TEXT - 1) return FAIL(UNAUTHENTICATED);
    secret_token_hash(token, hash);
    struct db_query *q = DB(db, "SELECT s.user_id, u.login, u.full_name, s.csrf, s.expires_at, s.groups "
                                "FROM session s JOIN user u ON u.id = s.user_id "
                                "WHERE s.token_hash = ? AND s.expires_at > ?",
                            bytes_of(hash, sizeof hash), wall_ms());
    bool found = db_next(q);
    if (found) {
        DB_COPY(q, 0, id.owner);
        DB_COPY(q, 1, id.login);
        DB_COPY(q, 2, id.full_name);
        DB_COPY(q, 3, id.csrf);
        id.expires_at = db_i64(q, 4);
        DB_COPY(q, 5, id.groups);
    }
    TRY(db_end(q));
    if (!found) return FAIL(UNAUTHENTICATED);
    *ret = id;
    return OK;
}

status identity_session_new(struct db *db, const char *user_id, const char *address, int64_t now,
                            char ret_token[SECRET_TEXT], char ret_csrf[SECRET_TEXT])
{
    uint8_t hash[SECRET_HASH];
    char id[ID_TEXT];
    secret_id_new("ses-", id);
    secret_new(ret_token);
    secret_new(ret_csrf);
    secret_token_hash(str_c(ret_token), hash);
    TRY(db_run(DB(db, "DELETE FROM session WHERE expires_at <= ?", now)));
    return db_run(DB(db, "INSERT INTO session (token_hash, user_id, csrf, created_at, expires_at, id, "
                         "address) VALUES (?, ?, ?, ?, ?, ?, ?)", bytes_of(hash, sizeof hash),
                     user_id, (const char *)ret_csrf, now, now + SESSION_LIFE_MS, (const char *)id, address));
}

status identity_session_end(struct db *db, struct str token)
{
    uint8_t hash[SECRET_HASH];
    secret_token_hash(token, hash);
    return db_run(DB(db, "DELETE FROM session WHERE token_hash = ?", bytes_of(hash, sizeof hash)));
}

status identity_user(struct db *db, struct str login, struct identity_user *ret)
{
    struct identity_user user = { 0 };
    struct db_query *q = DB(db, "SELECT id, login, full_name, password_salt, password_hash FROM user "
                                "WHERE login = ?", login);
    bool found = db_next(q);
    if (found) {
        DB_COPY(q, 0, user.id);
        DB_COPY(q, 1, user.login);
        DB_COPY(q, 2, user.full_name);
        struct bytes salt = db_bytes(q, 3), hash = db_bytes(q, 4);
        found = salt.len == sizeof user.salt && hash.len == sizeof user.hash;
        if (found) memcpy(user.salt, salt.data, salt.len);
        if (found) memcpy(user.hash, hash.data, hash.len);
    }
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = user;
    return OK;
}
