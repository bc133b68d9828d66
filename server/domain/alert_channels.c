/* alert_channels.c - rows of channels. Their secrets are sealed, opened only to send, and absent from
 * audit rows. Reading: any thread; changes: domain thread. */
#include "domain/alerts_int.h"

#include "identity/seal.h"
#include "notify/mail.h"
#include "notify/target.h"

#include <stdio.h>

#define SECRET_LEAST 16
#define SECRET_MOST 1000

/* --- rows -------------------------------------------------------------------------------------------
 */

#define COLUMNS                                                                                     \
    "SELECT id, name, type, enabled, url, tls, sender, recipients, username, ca_pem, secret IS NOT NULL, " \
    "created_at, updated_at, sent_at, failed_at, error FROM alert_channel "

static void read_row(const struct db_query *q, struct alert_channel *c)
{
    *c = (struct alert_channel){ .enabled = db_i64(q, 3) != 0, .has_secret = db_i64(q, 10) != 0,
                                 .created_at = db_i64(q, 11), .updated_at = db_i64(q, 12),
                                 .sent_at = db_i64(q, 13), .failed_at = db_i64(q, 14) };
    DB_COPY(q, 0, c->id);
    DB_COPY(q, 1, c->name);
    DB_COPY(q, 2, c->type);
    DB_COPY(q, 4, c->url);
    DB_COPY(q, 5, c->tls);
    DB_COPY(q, 6, c->sender);
    DB_COPY(q, 7, c->recipients);
    DB_COPY(q, 8, c->username);
    DB_COPY(q, 9, c->ca_pem);
    DB_COPY(q, 15, c->error);
}

status alert_channels_get(struct db *db, struct str id, struct alert_channel *ret)
{
    struct db_query *q = DB(db, COLUMNS "WHERE id = ?", id);
    bool found = db_next(q);
    if (found) read_row(q, ret);
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

status alert_channels_list(struct db *db, struct str after, int64_t limit, alert_channel_each each,
                           void *arg)
{
    struct alert_channel c;
    struct db_query *q = DB(db, COLUMNS "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &c);
        each(arg, &c);
    }
    return db_end(q);
}

status alert_channels_secret(struct domain *domain, const char *id, struct buf *out)
{
    status result = OK;
    struct db_query *q =
        DB(domain->db, "SELECT secret FROM alert_channel WHERE id = ? AND secret IS NOT NULL", id);
    if (db_next(q)) result = seal_get(domain->alerts->seal, str_c(id), db_bytes(q, 0), out);
    TRY(db_end(q));
    return result;
}

/* --- what a channel may be ---------------------------------------------------------------- */

static status refuse(struct why *why, const char *sentence)
{
    why_set(why, "%s", sentence);
    return FAIL(INVALID);
}

static status check_recipients(const char *text, struct why *why)
{
    int count = 0;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1, count++)
        if (!mail_address_is_sound((struct str){ text, (size_t)(end - text) }))
            return refuse(why, "to has an entry that is no address like team@example.com.");
    if (count == 0 || count > ALERT_RECIPIENTS_MAX)
        return refuse(why, "to names from one to twenty addresses.");
    return OK;
}

static status check_email(const struct alert_channel *c, bool password, bool near, struct why *why)
{
    bool smtps = strncmp(c->url, "smtps://", 8) == 0;
    bool implicit = strcmp(c->tls, "implicit") == 0, none = strcmp(c->tls, "none") == 0;
    TRY(target_check(str_c(c->url), "smtp", near, why));
    TRY(check_recipients(c->recipients, why));
    if (!mail_address_is_sound(str_c(c->sender)))
        return refuse(why, "from is an address like leat@example.com.");
    if (!implicit && !none && strcmp(c->tls, "starttls") != 0)
        return refuse(why, "tls is starttls, implicit or none.");
    if (implicit != smtps)
        return refuse(why, "smtps:// and tls implicit go together.");
    if ((c->username[0] != 0) != password)
        return refuse(why, "username and password (as secret) go together.");
    if (none && password)
        return refuse(why, "A password is not sent without TLS: tls is starttls or implicit.");
    for (const char *p = c->username; *p; p++)
        if (*p < ' ' || *p == 127) return refuse(why, "username has control characters.");
    return OK;
}

static status check_ca(const char *pem, struct why *why)
{
    if (!pem[0] || strstr(pem, "-----BEGIN CERTIFICATE-----")) return OK;
    return refuse(why, "ca_pem is a certificate in PEM form.");
}

static status check_secret(const char *type, struct str secret, bool near, struct why *why)
{
    if (str_is_null(secret)) return OK;
    for (size_t i = 0; i < secret.len; i++)
        if ((unsigned char)secret.data[i] < ' ' || secret.data[i] == 127)
            return refuse(why, "The secret has control characters.");
    if (strcmp(type, "slack") == 0) return target_check(secret, "http", near, why);
    size_t least = strcmp(type, "webhook") == 0 ? SECRET_LEAST : 1;
    if (secret.len >= least && secret.len <= SECRET_MOST) return OK;
    why_set(why, "The secret has from %zu to %d bytes.", least, SECRET_MOST);
    return FAIL(INVALID);
}

static status check_channel(struct domain *domain, const struct alert_channel *c, struct str secret,
                            struct why *why)
{
    bool near = domain->options.alert_near, has = !str_is_null(secret) ? secret.len > 0 : c->has_secret;
    TRY(name_check(str_c(c->name), why));
    TRY(check_ca(c->ca_pem, why));
    TRY(check_secret(c->type, secret, near, why));
    if (strcmp(c->type, "email") == 0) return check_email(c, has, near, why);
    if (strcmp(c->type, "webhook") == 0) return target_check(str_c(c->url), "http", near, why);
    if (strcmp(c->type, "slack") != 0) return refuse(why, "type is webhook, slack or email.");
    return has ? OK : refuse(why, "A Slack channel needs its URL.");
}

/* --- changes ------------------------------------------------------------------------------ */

/* "https://hooks.example.com/…": of a URL that is a secret, what may be shown. */
static void show_beginning(struct str url, char *ret, size_t size)
{
    size_t n = 0, slashes = 0;
    while (n < url.len && slashes < 3) slashes += url.data[n++] == '/';
    snprintf(ret, size, "%.*s…", (int)n, url.data);
}

static status write_row(struct db *db, const struct alert_channel *c)
{
    struct db_query *q = db_query(
        db,
        "INSERT INTO alert_channel (id, name, type, enabled, url, tls, sender, recipients, username, "
        "ca_pem, created_at, updated_at, sent_at, failed_at, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, 0, 0, '') ON CONFLICT (id) DO UPDATE SET name = excluded.name, enabled = "
        "excluded.enabled, url = excluded.url, tls = excluded.tls, sender = excluded.sender, "
        "recipients = excluded.recipients, username = excluded.username, ca_pem = excluded.ca_pem, "
        "updated_at = excluded.updated_at");
    db_bind_cstr(q, c->id);
    db_bind_cstr(q, c->name);
    db_bind_cstr(q, c->type);
    db_bind_i64(q, c->enabled);
    db_bind_cstr(q, c->url);
    db_bind_cstr(q, c->tls);
    db_bind_cstr(q, c->sender);
    db_bind_cstr(q, c->recipients);
    db_bind_cstr(q, c->username);
    db_bind_cstr(q, c->ca_pem);
    db_bind_i64(q, c->created_at);
    db_bind_i64(q, c->updated_at);
    return db_run(q);
}

static status write_secret(struct domain *domain, const char *id, struct str secret)
{
    struct buf sealed;
    if (str_is_null(secret)) return OK;
    if (!secret.len)
        return db_run(DB(domain->db, "UPDATE alert_channel SET secret = NULL WHERE id = ?", id));
    buf_init(&sealed, 16384);
    status result = seal_put(domain->alerts->seal, str_c(id), secret, &sealed);
    if (is_ok(result))
        result = db_run(
            DB(domain->db, "UPDATE alert_channel SET secret = ? WHERE id = ?", buf_bytes(&sealed), id));
    buf_done(&sealed);
    return result;
}

static status write_channel(struct domain *domain, struct alert_channel *c, struct str secret,
                            struct why *why)
{
    if (strcmp(c->type, "slack") == 0 && !str_is_null(secret))
        show_beginning(secret, c->url, sizeof c->url);
    status result = write_row(domain->db, c);
    if (result.code == E_EXISTS) why_set(why, "A channel named %s exists already.", c->name);
    TRY(result);
    return write_secret(domain, c->id, secret);
}

status alert_channels_create(struct domain *domain, const struct actor *actor, struct alert_channel *c,
                             struct str secret, char ret_secret[SECRET_TEXT], struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    int64_t count = 0;
    ret_secret[0] = 0;
    secret_id_new("ac-", c->id);
    c->created_at = c->updated_at = domain_wall();
    if (strcmp(c->type, "webhook") == 0 && str_is_null(secret)) {
        secret_new(ret_secret);
        secret = str_c(ret_secret);
    }
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(check_channel(domain, c, secret, why));
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM alert_channel"), &count));
    if (count >= ALERT_CHANNELS_MAX) {
        why_set(why, "There are %d channels already, which is the most.", ALERT_CHANNELS_MAX);
        return FAIL(LIMIT);
    }
    TRY(write_channel(domain, c, secret, why));
    TRY(change_audit(change, "alert_channel.create", c->id, NULL));
    c->has_secret = secret.len > 0;
    return change_commit_now(&change);
}

status alert_channels_update(struct domain *domain, const struct actor *actor,
                             const struct alert_channel *channel, struct str secret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct alert_channel before, after = *channel;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(alert_channels_get(domain->db, str_c(channel->id), &before));
    after.has_secret = before.has_secret;
    after.updated_at = domain_wall();
    str_copy(after.type, sizeof after.type, str_c(before.type));
    TRY(check_channel(domain, &after, secret, why));
    /* Whoever may change where it goes must not thereby be sent the password of somewhere else. */
    if (str_is_null(secret) && before.has_secret && strcmp(before.type, "email") == 0 &&
        strcmp(before.url, after.url) != 0)
        return refuse(why, "With another mail server the password (secret) is to be given again.");
    TRY(write_channel(domain, &after, secret, why));
    TRY(change_audit(change, "alert_channel.update", after.id, NULL));
    return change_commit_now(&change);
}

status alert_channels_delete(struct domain *domain, const struct actor *actor, struct str id,
                             struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct alert_channel c;
    int64_t rules = 0;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(alert_channels_get(domain->db, id, &c));
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM alert_rule_channel WHERE channel_id = ?", id),
                   &rules));
    if (rules) {
        why_set(why, "%lld rule%s to it by name; name another there first.", (long long)rules,
                rules == 1 ? " sends" : "s send");
        return FAIL(CONFLICT);
    }
    TRY(db_run(DB(domain->db, "DELETE FROM alert_channel WHERE id = ?", id)));
    TRY(change_audit(change, "alert_channel.delete", c.id, NULL));
    return change_commit_now(&change);
}
