/* alert_deliveries.c - the queue of messages: rows, so that a kill loses none, sent by the sender's
 * thread, and tried again with growing pauses. A message of a rule that waits for its channel takes up
 * what comes after it, so a receiver that was away is told once. A channel has a few messages under way
 * at a time, and one that fails has one, so that receivers that hang do not hold up the others. Domain
 * thread, but for the list. */
#include "domain/alerts_int.h"

#include "base/log.h"
#include "base/uuid.h"

#include <stdio.h>

enum {
    ATTEMPTS_MAX = 12, FIRST_PAUSE_MS = 5000, PAUSE_MAX_MS = 3600000, LOOK_LEAST_MS = 1000,
    OF_CHANNEL_MAX = 4, DUE_MAX = 64,
};
#define AGE_MAX_MS (24LL * 3600000)

struct flight { /* a message that the sender has */
    struct alert_queue *queue;
    struct alert_delivery d;
    domain_done done; /* of a test; NULL: none */
    void *arg;
};
struct alert_queue {
    struct alerts *alerts;
    struct timer timer;
    struct deferred kick;
    struct flight *flights[SENDER_AT_ONCE];
};

/* --- rows -------------------------------------------------------------------------------------------
 */

#define COLUMNS                                                                                        \
    "SELECT seq, id, channel_id, rule_id, cause, state, created_at, next_at, attempts, done_at, "      \
    "http_status, error, (SELECT count(*) FROM alert_delivery_alert WHERE delivery = seq) FROM "       \
    "alert_delivery "

static void read_row(const struct db_query *q, struct alert_delivery *d)
{
    *d = (struct alert_delivery){ .seq = db_i64(q, 0),
                                  .created_at = db_i64(q, 6),
                                  .next_at = db_i64(q, 7),
                                  .attempts = db_i64(q, 8),
                                  .done_at = db_i64(q, 9),
                                  .http_status = db_i64(q, 10),
                                  .alert_count = db_i64(q, 12) };
    DB_COPY(q, 1, d->id);
    DB_COPY(q, 2, d->channel_id);
    DB_COPY(q, 3, d->rule_id);
    DB_COPY(q, 4, d->cause);
    DB_COPY(q, 5, d->state);
    DB_COPY(q, 11, d->error);
}

status alert_deliveries_list(struct db *db, struct str channel_id, int64_t before, int64_t limit,
                             alert_delivery_each each, void *arg)
{
    struct alert_delivery d;
    struct db_query *q = DB(db, COLUMNS "WHERE (?1 = '' OR channel_id = ?1) AND (?2 = 0 OR seq < ?2) "
                                        "ORDER BY seq DESC LIMIT ?3",
                            str_is_null(channel_id) ? STR("") : channel_id, before, limit);
    while (db_next(q)) {
        read_row(q, &d);
        each(arg, &d);
    }
    return db_end(q);
}

static status insert_row(struct db *db, struct alert_delivery *d)
{
    secret_id_new("ad-", d->id);
    TRY(db_run(
        DB(db,
           "INSERT INTO alert_delivery (id, channel_id, rule_id, cause, state, created_at, next_at, "
           "attempts, done_at, http_status, error) VALUES (?, ?, ?, ?, 'queued', ?, ?, 0, 0, 0, '')",
           (const char *)d->id, (const char *)d->channel_id, (const char *)d->rule_id,
           (const char *)d->cause, d->created_at, d->next_at)));
    return db_one_i64(DB(db, "SELECT seq FROM alert_delivery WHERE id = ?", (const char *)d->id),
                      &d->seq);
}

static bool in_flight(const struct alert_queue *queue, int64_t seq)
{
    for (size_t i = 0; i < SENDER_AT_ONCE; i++)
        if (queue->flights[i] && queue->flights[i]->d.seq == seq) return true;
    return false;
}

status alert_queue_put(struct domain *domain, const char *channel_id, const char *rule_id,
                       const char *cause, int64_t now, const char (*alerts)[ID_TEXT], size_t count)
{
    struct alert_delivery d = { .created_at = now, .next_at = now };
    status found = db_one_i64(DB(domain->db,
                                 "SELECT seq FROM alert_delivery WHERE channel_id = ? AND rule_id = ? "
                                 "AND state = 'queued' AND cause <> 'test' ORDER BY seq DESC LIMIT 1",
                                 channel_id, rule_id),
                              &d.seq);
    if (failed(found) && found.code != E_NOT_FOUND) return found;
    if (failed(found) || (domain->alerts && in_flight(domain->alerts->queue, d.seq))) {
        str_copy(d.channel_id, sizeof d.channel_id, str_c(channel_id));
        str_copy(d.rule_id, sizeof d.rule_id, str_c(rule_id));
        str_copy(d.cause, sizeof d.cause, str_c(cause));
        TRY(insert_row(domain->db, &d));
    }
    for (size_t i = 0; i < count; i++)
        TRY(db_run(DB(domain->db, "INSERT OR IGNORE INTO alert_delivery_alert VALUES (?, ?)", d.seq,
                      (const char *)alerts[i])));
    return OK;
}

/* --- what became of it -------------------------------------------------------------------------------
 */

static int64_t pause_of(int64_t attempts, int64_t wanted)
{
    uint32_t noise = 0;
    int64_t ms = attempts >= 10 ? PAUSE_MAX_MS : (int64_t)FIRST_PAUSE_MS << attempts;
    random_bytes(&noise, sizeof noise);
    if (ms < wanted) ms = wanted;
    if (ms > PAUSE_MAX_MS) ms = PAUSE_MAX_MS;
    return ms - ms / 5 + (int64_t)(noise % (uint32_t)(ms / 5 * 2 + 1)); /* a fifth more or less */
}

static status write_result(struct db *db, struct alert_delivery *d, const struct send_result *r)
{
    int64_t now = domain_wall();
    bool last = !r->again || strcmp(d->cause, "test") == 0 || d->attempts + 1 >= ATTEMPTS_MAX ||
                now - d->created_at >= AGE_MAX_MS;
    const char *state = r->arrived ? "sent" : last ? "failed" : "queued";
    if (r->arrived && r->partly)
        snprintf(d->error, sizeof d->error,
                 "It went only to the recipients that the mail server takes: it answered %d before.",
                 (int)d->http_status);
    else str_copy(d->error, sizeof d->error, r->arrived ? STR("") : str_c(r->text));
    d->next_at = now + pause_of(d->attempts, r->after_ms);
    d->attempts++;
    str_copy(d->state, sizeof d->state, str_c(state));
    TRY(db_begin(db));
    TRY(db_run(DB(
        db,
        "UPDATE alert_delivery SET state = ?, attempts = ?, next_at = ?, done_at = ?, http_status = ?, "
        "error = ? WHERE seq = ?",
        state, d->attempts, d->next_at, strcmp(state, "queued") == 0 ? (int64_t)0 : now, r->code,
        (const char *)d->error, d->seq)));
    if (r->arrived)
        TRY(db_run(DB(db, "UPDATE alert_channel SET sent_at = ?, error = ? WHERE id = ?", now,
                      (const char *)d->error, (const char *)d->channel_id)));
    else
        TRY(db_run(DB(db, "UPDATE alert_channel SET failed_at = ?, error = ? WHERE id = ?", now,
                      (const char *)d->error, (const char *)d->channel_id)));
    return db_commit(db);
}

static void settle(struct alert_queue *queue, struct alert_delivery *d, const struct send_result *r)
{
    struct db *db = queue->alerts->domain->db;
    status result = write_result(db, d, r);
    if (failed(result)) {
        db_rollback(db); /* it stays queued: told twice is better than never */
        log_error("alert delivery %s: what became of it was not written: %s", d->id,
                  status_text(result));
    } else if (strcmp(d->state, "failed") == 0) {
        log_error("alert delivery %s to channel %s was given up after %lld attempts: %s", d->id,
                  d->channel_id, (long long)d->attempts, r->text);
    }
}

static void sent(void *arg, const struct send_result *r)
{
    struct flight *f = arg;
    struct alert_queue *queue = f->queue;
    struct why why = { "" };
    for (size_t i = 0; i < SENDER_AT_ONCE; i++)
        if (queue->flights[i] == f) queue->flights[i] = NULL;
    settle(queue, &f->d, r);
    if (!r->arrived) why_set(&why, "%s", r->text);
    if (f->done) f->done(f->arg, r->arrived ? OK : FAIL(PRECONDITION), &why);
    mem_free(f);
    alert_queue_kick(queue->alerts->domain);
}

/* --- sending ------------------------------------------------------------------------------ */

static struct send *make(struct alert_queue *queue, const struct alert_delivery *d,
                         struct send_result *r)
{
    struct domain *domain = queue->alerts->domain;
    struct alert_channel channel;
    struct send *send = send_new();
    status result =
        send ? alert_channels_get(domain->db, str_c(d->channel_id), &channel) : FAIL(NO_MEMORY);
    *r = (struct send_result){ .again = true };
    if (is_ok(result) && !channel.enabled && strcmp(d->cause, "test") != 0) {
        snprintf(r->text, sizeof r->text, "The channel is switched off.");
        r->again = false;
    } else if (is_ok(result)) {
        result = alert_message_make(domain, d, &channel, send);
        if (is_ok(result)) return send;
    }
    if (result.code == E_CORRUPT) {
        snprintf(r->text, sizeof r->text,
                 "The channel's secret cannot be opened with the key in seal.key: set it "
                 "again.");
        r->again = false;
    }
    if (!r->text[0])
        snprintf(r->text, sizeof r->text, "The message cannot be made: %s", status_text(result));
    send_free(send);
    return NULL;
}

/* done NULL: no test. False: nothing was begun, and done() is not called. */
static bool start(struct alert_queue *queue, struct alert_delivery *d, domain_done done, void *arg,
                  struct why *why)
{
    struct send_result result;
    size_t place = 0;
    while (place < SENDER_AT_ONCE && queue->flights[place]) place++;
    struct flight *f = place < SENDER_AT_ONCE ? mem_zalloc(sizeof *f) : NULL;
    struct send *send = f ? make(queue, d, &result) : NULL;
    if (!send) {
        if (f) settle(queue, d, &result);
        why_set(why, "%s", f ? result.text : "Too many messages are under way; try again.");
        mem_free(f);
        return false;
    }
    *f = (struct flight){ queue, *d, done, arg };
    send->done = sent;
    send->arg = f;
    if (failed(sender_send(queue->alerts->sender, send))) {
        mem_free(f);
        why_set(why, "Nothing can be sent now; try again.");
        return false;
    }
    queue->flights[place] = f;
    return true;
}

/* A message of the same rule is under way there: the order of the two is kept. */
static bool rule_in_flight(const struct alert_queue *queue, const struct alert_delivery *d)
{
    for (size_t i = 0; i < SENDER_AT_ONCE; i++) {
        const struct flight *f = queue->flights[i];
        if (f && !f->done && strcmp(f->d.channel_id, d->channel_id) == 0 &&
            strcmp(f->d.rule_id, d->rule_id) == 0)
            return true;
    }
    return false;
}

static bool channel_is_full(const struct alert_queue *queue, const char *channel_id)
{
    int count = 0;
    int64_t fails = 0;
    for (size_t i = 0; i < SENDER_AT_ONCE; i++)
        count += queue->flights[i] && strcmp(queue->flights[i]->d.channel_id, channel_id) == 0;
    if (count == 0 || count >= OF_CHANNEL_MAX) return count > 0;
    (void)db_one_i64(DB(queue->alerts->domain->db,
                        "SELECT failed_at > sent_at FROM alert_channel WHERE id = ?", channel_id),
                     &fails); /* gone: so is what it was owed */
    return fails != 0;
}

static bool all_in_flight(const struct alert_queue *queue)
{
    size_t count = 0;
    for (size_t i = 0; i < SENDER_AT_ONCE; i++) count += queue->flights[i] != NULL;
    return count == SENDER_AT_ONCE;
}

/* Channels with all they may have under way, as text: each id with a semicolon behind it. */
struct full_channels {
    char ids[SENDER_AT_ONCE * (ID_TEXT + 1)];
    size_t len;
};

/* Begins what is due and may be, of channels that are not full; false: another look would find no more. */
static bool begin_due(struct alert_queue *queue, int64_t now, struct full_channels *full)
{
    struct alert_delivery due[DUE_MAX];
    struct why why = { "" };
    size_t count = 0;
    bool more = false;
    struct db_query *q = DB(queue->alerts->domain->db,
                            COLUMNS "WHERE state = 'queued' AND cause <> 'test' AND next_at <= ? AND "
                                    "instr(?, channel_id || ';') = 0 ORDER BY next_at LIMIT ?",
                            now, (const char *)full->ids, DUE_MAX);
    while (count < DUE_MAX && db_next(q)) read_row(q, &due[count++]);
    (void)db_end(q); /* logged; looked at again */
    for (size_t i = 0; i < count && !all_in_flight(queue); i++) {
        if (strstr(full->ids, due[i].channel_id) || rule_in_flight(queue, &due[i])) continue;
        if (!channel_is_full(queue, due[i].channel_id)) {
            more |= start(queue, &due[i], NULL, NULL, &why);
        } else if (full->len + ID_TEXT < sizeof full->ids) {
            full->len += (size_t)snprintf(full->ids + full->len, sizeof full->ids - full->len, "%s;",
                                          due[i].channel_id);
            more = true;
        }
    }
    return more && !all_in_flight(queue);
}

static void look(struct alert_queue *queue)
{
    struct domain *domain = queue->alerts->domain;
    struct full_channels full = { .len = 0 };
    int64_t now = domain_wall(), next = 0;
    while (begin_due(queue, now, &full)) {}
    loop_timer_clear(domain->loop, &queue->timer);
    if (failed(db_one_i64(DB(domain->db,
                             "SELECT next_at FROM alert_delivery WHERE state = 'queued' AND cause <> "
                             "'test' ORDER BY next_at LIMIT 1"),
                          &next)))
        return;
    if (next < now + LOOK_LEAST_MS) next = now + LOOK_LEAST_MS;
    if (next > now + PAUSE_MAX_MS) next = now + PAUSE_MAX_MS; /* a clock that jumped */
    (void)loop_timer_set(domain->loop, &queue->timer, loop_now(domain->loop) + next - now);
}

static void on_timer(struct timer *timer) { look(CONTAINER_OF(timer, struct alert_queue, timer)); }
static void on_kick(struct deferred *deferred)
{
    look(CONTAINER_OF(deferred, struct alert_queue, kick));
}

void alert_queue_kick(struct domain *domain)
{
    if (domain->alerts) loop_defer(domain->loop, &domain->alerts->queue->kick);
}

void alert_channels_test(struct domain *domain, const struct actor *actor, struct str id,
                         domain_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    struct alert_channel channel;
    struct alert_delivery d = { .cause = "test", .state = "queued", .created_at = domain_wall() };
    d.next_at = d.created_at;
    str_copy(d.channel_id, sizeof d.channel_id, id);
    status result = change_begin(domain, NULL, actor, &change);
    if (is_ok(result)) result = alert_channels_get(domain->db, id, &channel);
    if (is_ok(result)) result = insert_row(domain->db, &d);
    if (is_ok(result))
        result = change_audit_with(change, "alert_channel.test", channel.id, "delivery", str_c(d.id));
    if (is_ok(result)) result = change_commit_now(&change);
    if (is_ok(result) && start(domain->alerts->queue, &d, done, arg, &why)) return;
    done(arg, failed(result) ? result : FAIL(PRECONDITION), &why);
}

/* --- life --------------------------------------------------------------------------------- */

status alert_queue_start(struct alerts *alerts)
{
    struct db *db = alerts->domain->db;
    struct alert_queue *queue = mem_zalloc(sizeof *queue);
    if (!queue) return FAIL(NO_MEMORY);
    queue->alerts = alerts;
    queue->kick.run = on_kick;
    timer_init(&queue->timer, on_timer);
    alerts->queue = queue;
    TRY(db_run(DB(db,
                  "UPDATE alert_delivery SET state = 'failed', error = 'The service ended meanwhile.', "
                  "done_at = ? WHERE state = 'queued' AND cause = 'test'",
                  domain_wall())));
    alert_queue_kick(alerts->domain);
    return OK;
}

/* The sender is gone already, and with it the done() of what was under way. */
void alert_queue_stop(struct alerts *alerts)
{
    struct alert_queue *queue = TAKE(alerts->queue);
    if (!queue) return;
    loop_timer_clear(alerts->domain->loop, &queue->timer);
    loop_undefer(alerts->domain->loop, &queue->kick);
    for (size_t i = 0; i < SENDER_AT_ONCE; i++) mem_free(queue->flights[i]);
    mem_free(queue);
}
