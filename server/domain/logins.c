/* logins.c - settings of logins, and the fetching of key sets. Domain thread. */
#include "domain/logins.h"

#include "base/log.h"
#include "cluster/delta.h"
#include "domain/clusters.h"
#include "domain/fetch.h"

#define REFRESH_MS (60 * 60 * 1000)
#define LOOK_MS (60 * 1000)
#define ARENA_BYTES (1u << 20)

struct logins_state {
    struct domain *domain;
    struct fetcher *fetcher;
    struct timer timer;
    char last_id[ID_TEXT]; /* fetched again last: each in turn, so that one that fails holds up none */
};

struct setting { /* a change that may wait for a fetch */
    struct domain *domain;
    struct arena arena;
    struct logins logins; /* in the arena */
    char cluster_id[ID_TEXT];
    char actor_id[64], door[16], address[64], request_id[64];
    struct actor actor;
    domain_done done; /* NULL: refreshing */
    void *arg;
};

/* --- reading ----------------------------------------------------------------------------------------- */

status logins_get(struct db *db, struct str cluster_id, struct arena *arena, struct logins *ret)
{
    int64_t known = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM cluster WHERE id = ?", cluster_id), &known));
    if (!known) return FAIL(NOT_FOUND);
    *ret = (struct logins){ .issuer = STR(""), .audience = STR(""), .claim = STR(""), .skew_ms = 30000,
                            .jwks = STR(""), .jwks_url = STR("") };
    struct db_query *q = DB(db, "SELECT max_reauth_ms, issuer, audience, claim, skew_ms, jwks, jwks_url, "
                                "jwks_insecure, jwks_at FROM cluster_authentication WHERE cluster_id = ?",
                            cluster_id);
    if (db_next(q))
        *ret = (struct logins){
            .max_reauth_ms = db_i64(q, 0), .issuer = arena_str(arena, db_text(q, 1)),
            .audience = arena_str(arena, db_text(q, 2)), .claim = arena_str(arena, db_text(q, 3)),
            .skew_ms = db_i64(q, 4), .jwks = arena_str(arena, db_text(q, 5)),
            .jwks_url = arena_str(arena, db_text(q, 6)), .jwks_insecure = db_i64(q, 7) != 0,
            .jwks_at = db_i64(q, 8),
        };
    TRY(db_end(q));
    return arena_check(arena);
}

static struct authentication authentication_of(const struct logins *l)
{
    return (struct authentication){ .max_reauth_ms = l->max_reauth_ms, .issuer = l->issuer,
                                    .audience = l->audience, .claim = l->claim, .skew_ms = l->skew_ms,
                                    .jwks = l->jwks };
}

status logins_record(struct domain *domain, const char *cluster_id, struct buf *out)
{
    struct arena arena;
    struct logins logins;
    arena_init(&arena, ARENA_BYTES);
    status result = logins_get(domain->db, str_c(cluster_id), &arena, &logins);
    if (is_ok(result)) {
        struct authentication a = authentication_of(&logins);
        delta_authentication(out, &a);
        result = buf_check(out);
    }
    arena_done(&arena);
    return result;
}

/* --- changing ---------------------------------------------------------------------------------------- */

static status check(const struct logins *l, struct why *why)
{
    struct authentication a = authentication_of(l), made;
    bool tokens = l->jwks.len || l->jwks_url.len;
    if (l->jwks_url.len) TRY(fetch_check(l->jwks_url, l->jwks_insecure, why));
    if (tokens && (!l->issuer.len || !l->audience.len)) {
        why_set(why, "Bearer tokens need both: issuer and audience.");
        return FAIL(INVALID);
    }
    if (l->max_reauth_ms > 0 && l->max_reauth_ms < 1000) {
        why_set(why, "connections_max_reauth_ms is 0 (never) or at least 1000.");
        return FAIL(INVALID);
    }
    TRY(authentication_make(&a, why, &made));
    authentication_done(&made);
    return OK;
}

static status write_row(struct domain *domain, const struct setting *s)
{
    const struct logins *l = &s->logins;
    return db_run(DB(domain->db,
                     "INSERT INTO cluster_authentication VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT "
                     "(cluster_id) DO UPDATE SET max_reauth_ms = excluded.max_reauth_ms, issuer = "
                     "excluded.issuer, audience = excluded.audience, claim = excluded.claim, skew_ms = "
                     "excluded.skew_ms, jwks = excluded.jwks, jwks_url = excluded.jwks_url, jwks_insecure = "
                     "excluded.jwks_insecure, jwks_at = excluded.jwks_at",
                     (const char *)s->cluster_id, l->max_reauth_ms, l->issuer, l->audience, l->claim,
                     l->skew_ms, l->jwks, l->jwks_url, (int64_t)l->jwks_insecure, l->jwks_at));
}

static void setting_free(struct setting *s)
{
    arena_done(&s->arena);
    mem_free(s);
}

static void setting_end(struct setting *s, status result, const struct why *why)
{
    if (s->done) s->done(s->arg, result, why);
    else if (failed(result) && result.code != E_PENDING)
        log_warn("%s: its key set stays as it was: %s", s->cluster_id, why->text);
    setting_free(s);
}

/* Takes s. */
static void setting_commit(struct setting *s)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    domain_done done = s->done;
    void *arg = s->arg;
    status result = check(&s->logins, &why);
    if (is_ok(result)) result = change_begin(s->domain, s->cluster_id, &s->actor, &change);
    if (is_ok(result)) result = write_row(s->domain, s);
    if (is_ok(result)) result = logins_record(s->domain, s->cluster_id, change_records(change));
    if (is_ok(result) && s->done)
        result = change_audit_with(change, "cluster.authentication", s->cluster_id, "issuer",
                                   s->logins.issuer);
    if (failed(result)) {
        change_abort(TAKE(change));
        setting_end(s, result, &why);
        return;
    }
    setting_free(s);
    change_commit(TAKE(change), done, arg);
}

static void fetched(void *arg, status result, const struct why *why, struct bytes body)
{
    struct setting *s = arg;
    struct str text = arena_str(&s->arena, bytes_str(body));
    if (failed(result)) {
        setting_end(s, result, why);
        return;
    }
    bool same = !s->done && str_eq(text, s->logins.jwks);
    s->logins.jwks = text;
    s->logins.jwks_at = domain_wall();
    if (!same) {
        setting_commit(s);
        return;
    }
    (void)db_run(DB(s->domain->db, "UPDATE cluster_authentication SET jwks_at = ? WHERE cluster_id = ?",
                    s->logins.jwks_at, (const char *)s->cluster_id)); /* logged; fetched again sooner */
    setting_free(s);
}

static void copy_text(char *field, size_t size, const char *text)
{
    if (!text || !str_copy(field, size, str_c(text))) field[0] = 0;
}

static struct str own(struct setting *s, struct str text)
{
    return arena_str(&s->arena, text.data ? text : STR(""));
}

static struct setting *setting_new(struct domain *domain, const char *cluster_id, const struct actor *actor,
                                   const struct logins *l)
{
    struct setting *s = mem_zalloc(sizeof *s);
    if (!s) return NULL;
    arena_init(&s->arena, ARENA_BYTES);
    s->domain = domain;
    copy_text(s->cluster_id, sizeof s->cluster_id, cluster_id);
    copy_text(s->actor_id, sizeof s->actor_id, actor->id);
    copy_text(s->door, sizeof s->door, actor->door);
    copy_text(s->address, sizeof s->address, actor->address);
    copy_text(s->request_id, sizeof s->request_id, actor->request_id);
    s->actor = (struct actor){ s->actor_id, s->door, s->address, s->request_id };
    s->logins = (struct logins){
        .max_reauth_ms = l->max_reauth_ms, .issuer = own(s, l->issuer), .audience = own(s, l->audience),
        .claim = own(s, l->claim), .skew_ms = l->skew_ms, .jwks = own(s, l->jwks),
        .jwks_url = own(s, l->jwks_url), .jwks_insecure = l->jwks_insecure, .jwks_at = l->jwks_at,
    };
    if (is_ok(arena_check(&s->arena))) return s;
    setting_free(s);
    return NULL;
}

void logins_set(struct domain *domain, const struct actor *actor, struct str cluster_id,
                const struct logins *logins, domain_done done, void *arg)
{
    struct why why = { "" };
    struct cluster c;
    struct logins wanted = *logins;
    status result = clusters_get(domain->db, cluster_id, &c);
    if (is_ok(result) && c.deleting) result = FAIL(NOT_FOUND);
    wanted.jwks_at = 0;
    if (wanted.jwks_url.len) wanted.jwks = STR("");
    if (is_ok(result)) result = check(&wanted, &why);
    struct setting *s = is_ok(result) ? setting_new(domain, c.id, actor, &wanted) : NULL;
    if (is_ok(result) && !s) result = FAIL(NO_MEMORY);
    if (is_ok(result) && wanted.jwks_url.len && !domain->logins) result = FAIL(BUSY);
    if (is_ok(result)) {
        s->done = done;
        s->arg = arg;
    }
    if (is_ok(result) && wanted.jwks_url.len)
        result = fetch(domain->logins->fetcher, s->logins.jwks_url, wanted.jwks_insecure, JWKS_MAX, fetched,
                       s);
    else if (is_ok(result)) {
        setting_commit(s);
        return;
    }
    if (is_ok(result)) return;
    if (s) setting_free(s);
    done(arg, result, &why);
}

/* --- fetching again ------------------------------------------------------------------------------------ */

/* One at a time, in order of id. */
static void refresh_one(struct logins_state *state)
{
    struct domain *domain = state->domain;
    struct arena arena;
    struct logins logins;
    char id[ID_TEXT] = "";
    struct db_query *q = DB(domain->db, "SELECT cluster_id FROM cluster_authentication WHERE jwks_url <> '' "
                                        "AND jwks_at < ? AND cluster_id > ? ORDER BY cluster_id LIMIT 1",
                            domain_wall() - REFRESH_MS, (const char *)state->last_id);
    if (db_next(q)) DB_COPY(q, 0, id);
    status ended = db_end(q);
    str_copy(state->last_id, sizeof state->last_id, str_c(id)); /* none: from the first one again */
    if (failed(ended) || !id[0]) return;
    arena_init(&arena, ARENA_BYTES);
    status result = logins_get(domain->db, str_c(id), &arena, &logins);
    struct setting *s = is_ok(result) ? setting_new(domain, id, &actor_system, &logins) : NULL;
    if (s && failed(fetch(state->fetcher, s->logins.jwks_url, logins.jwks_insecure, JWKS_MAX, fetched, s)))
        setting_free(s);
    arena_done(&arena);
}

static void look(struct timer *timer)
{
    struct logins_state *state = CONTAINER_OF(timer, struct logins_state, timer);
    refresh_one(state);
    (void)loop_timer_set(state->domain->loop, timer, loop_now(state->domain->loop) + LOOK_MS);
}

status logins_start(struct domain *domain)
{
    struct logins_state *state = mem_zalloc(sizeof *state);
    if (!state) return FAIL(NO_MEMORY);
    state->domain = domain;
    timer_init(&state->timer, look);
    status made = fetcher_new(domain->loop, &state->fetcher);
    if (failed(made)) {
        mem_free(state);
        return made;
    }
    domain->logins = state;
    look(&state->timer);
    return OK;
}

void logins_stop(struct domain *domain)
{
    struct logins_state *state = domain->logins;
    if (!state) return;
    loop_timer_clear(domain->loop, &state->timer);
    fetcher_free(state->fetcher);
    mem_free(state);
    domain->logins = NULL;
}
