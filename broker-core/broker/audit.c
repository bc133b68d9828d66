/* audit.c - a table of entries by what they are about, told by one timer. Loop thread. */
#include "broker/audit.h"

#include "base/hash.h"
#include "base/log.h"
#include "wire/messages.h"

#include <stdio.h>
#include <string.h>

#define SOON_MS 1000
#define WINDOW_MS 60000
#define KEY_MAX 800

typedef struct control_audit_audit_entry entry_out;
typedef struct control_audit_audit_fact fact_out;

struct fact {
    char name[280];
    int64_t before, after;
};
struct entry {
    enum audit_event event;
    char principal[256], host[64], resource[272], reason[200];
    int64_t count, first_at, last_at; /* wall; not told yet */
    int64_t told_at, due;             /* loop time; told_at -1: never */
    struct fact *facts;
    int32_t fact_count;
    UT_hash_handle hh;
    char key[]; /* with its NUL */
};
struct audit {
    struct loop *loop;
    bool (*send)(void *arg, const struct control_audit *message);
    void *arg;
    struct entry *entries; /* oldest first */
    int64_t window;        /* when the minute that is counted began */
    int told;              /* in it */
    int64_t others;        /* events that are only counted */
    struct timer timer;
};

static const char *const operations[] = {
    [AUDIT_LOGIN] = "kafka.sign_in", [AUDIT_LOGIN_FAILED] = "kafka.refuse",
    [AUDIT_TLS_FAILED] = "kafka.refuse_tls",
    [AUDIT_RECORDS_DELETED] = "topic.delete_records", [AUDIT_GROUP_DELETED] = "group.delete",
    [AUDIT_OFFSETS_DELETED] = "group.delete_offsets",
};

static void entry_free(struct audit *a, struct entry *e)
{
    HASH_DEL(a->entries, e);
    mem_free(e->facts);
    mem_free(e);
}

/* --- telling ------------------------------------------------------------------------------------ */

static struct str number(char room[24], int64_t v)
{
    if (v < 0) return STR_NULL;
    snprintf(room, 24, "%lld", (long long)v);
    return str_c(room);
}

static bool tell(struct audit *a, struct entry *e, int64_t others)
{
    fact_out facts[AUDIT_FACTS_MAX];
    char room[AUDIT_FACTS_MAX][2][24];
    struct control_audit message;
    entry_out out = {
        .operation = str_c(operations[e->event]), .principal = str_c(e->principal), .host = str_c(e->host),
        .resource = str_c(e->resource), .reason = str_c(e->reason), .count = e->count,
        .first_at = e->first_at, .last_at = e->last_at, .facts = facts, .facts_count = e->fact_count,
    };
    for (int32_t i = 0; i < e->fact_count; i++)
        facts[i] = (fact_out){ .name = str_c(e->facts[i].name),
                               .before = number(room[i][0], e->facts[i].before),
                               .after = number(room[i][1], e->facts[i].after) };
    wire_default(&control_audit_message, &message);
    message.entries = &out;
    message.entries_count = e->count ? 1 : 0;
    message.others = others;
    return a->send(a->arg, &message);
}

/* False: leatd is away. */
static bool tell_entry(struct audit *a, struct entry *e, int64_t now)
{
    if (!tell(a, e, 0)) return false;
    a->told++;
    e->told_at = now;
    e->count = 0;
    e->fact_count = 0;
    return true;
}

static void tell_others(struct audit *a)
{
    struct entry none = { .count = 0 };
    if (a->others && tell(a, &none, a->others)) a->others = 0;
}

static void arm(struct audit *a)
{
    int64_t next = a->others ? a->window + WINDOW_MS : INT64_MAX;
    for (struct entry *e = a->entries; e; e = e->hh.next)
        if (e->count && e->due < next) next = e->due;
    if (next == INT64_MAX) loop_timer_clear(a->loop, &a->timer);
    else (void)loop_timer_set(a->loop, &a->timer, next);
}

static void fire(struct timer *timer)
{
    struct audit *a = CONTAINER_OF(timer, struct audit, timer);
    struct entry *e, *next;
    int64_t now = loop_now(a->loop);
    if (now >= a->window + WINDOW_MS) {
        tell_others(a);
        a->window = now;
        a->told = 0;
    }
    HASH_ITER(hh, a->entries, e, next) {
        if (!e->count || e->due > now) continue;
        if (a->told >= AUDIT_TOLD_MAX) e->due = a->window + WINDOW_MS;
        else if (!tell_entry(a, e, now)) return; /* audit_touch goes on */
    }
    arm(a);
}

void audit_touch(struct audit *a)
{
    if (a) arm(a);
}

/* --- noting ------------------------------------------------------------------------------------- */

/* Room for one more: of those that are only remembered, the one told longest ago goes. */
static bool make_room(struct audit *a)
{
    struct entry *oldest = NULL;
    if (HASH_COUNT(a->entries) < AUDIT_ENTRIES_MAX) return true;
    for (struct entry *e = a->entries; e; e = e->hh.next)
        if (!e->count && (!oldest || e->told_at < oldest->told_at)) oldest = e;
    if (oldest) entry_free(a, oldest);
    return oldest != NULL;
}

static struct entry *entry_of(struct audit *a, enum audit_event event, struct str principal, const char *host,
                              const char *resource, const char *reason)
{
    char key[KEY_MAX];
    struct entry *e;
    int n = snprintf(key, sizeof key, "%d|%.*s|%s|%s|%s", (int)event, STR_ARG(principal), host,
                     resource, reason);
    size_t len = (size_t)n < sizeof key ? (size_t)n : sizeof key - 1;
    HASH_FIND(hh, a->entries, key, len, e);
    if (e) return e;
    if (!make_room(a)) return NULL;
    e = mem_zalloc(sizeof *e + len + 1);
    if (!e) return NULL;
    memcpy(e->key, key, len);
    e->event = event;
    e->told_at = -1;
    str_copy(e->principal, sizeof e->principal, principal);
    str_copy(e->host, sizeof e->host, str_c(host));
    str_copy(e->resource, sizeof e->resource, str_c(resource));
    str_copy(e->reason, sizeof e->reason, str_c(reason));
    HASH_ADD_KEYPTR(hh, a->entries, e->key, len, e);
    if (HASH_ADDED(hh, e)) return e;
    mem_free(e);
    return NULL;
}

static void count(struct audit *a, struct entry *e)
{
    int64_t now = loop_now(a->loop), wall = loop_wall(a->loop);
    if (!a->window) a->window = now;
    if (!e->count++) {
        bool again = e->event < AUDIT_RECORDS_DELETED && e->told_at >= 0 && now - e->told_at < WINDOW_MS;
        e->first_at = wall;
        e->due = again ? e->told_at + WINDOW_MS : now + SOON_MS;
    }
    e->last_at = wall;
    arm(a);
}

void audit_note(struct audit *a, enum audit_event event, struct str principal, const char *host,
                const char *resource, const char *reason)
{
    if (!a) return;
    struct entry *e = entry_of(a, event, principal, host, resource, reason);
    if (!e) {
        a->others++;
        arm(a);
        return;
    }
    bool known = event == AUDIT_LOGIN && e->told_at >= 0 &&
                 loop_now(a->loop) - e->told_at < AUDIT_LOGIN_AGAIN_MS;
    if (!known) count(a, e);
}

static void add_fact(struct entry *e, const char *name, int64_t before, int64_t after)
{
    for (int32_t i = 0; i < e->fact_count; i++) {
        if (strcmp(e->facts[i].name, name) != 0) continue;
        e->facts[i].after = after; /* since it was told last */
        return;
    }
    if (!e->facts) e->facts = mem_alloc(AUDIT_FACTS_MAX * sizeof *e->facts);
    if (!e->facts || e->fact_count == AUDIT_FACTS_MAX) return;
    struct fact *f = &e->facts[e->fact_count++];
    *f = (struct fact){ .before = before, .after = after };
    str_copy(f->name, sizeof f->name, str_c(name));
}

void audit_note_change(struct audit *a, enum audit_event event, struct str principal, const char *host,
                       const char *resource, const char *name, int64_t before, int64_t after)
{
    if (!a) return;
    struct entry *e = entry_of(a, event, principal, host, resource, "");
    if (!e) {
        a->others++;
        arm(a);
        return;
    }
    add_fact(e, name, before, after);
    count(a, e);
}

status audit_new(struct loop *loop, bool (*send)(void *arg, const struct control_audit *message), void *arg,
                 struct audit **ret)
{
    struct audit *a = mem_zalloc(sizeof *a);
    if (!a) return FAIL(NO_MEMORY);
    *a = (struct audit){ .loop = loop, .send = send, .arg = arg };
    timer_init(&a->timer, fire);
    *ret = a;
    return OK;
}

void audit_free(struct audit *a)
{
    struct entry *e, *next;
    if (!a) return;
    loop_timer_clear(a->loop, &a->timer);
    HASH_ITER(hh, a->entries, e, next) {
        if (e->count) (void)tell(a, e, 0);
        entry_free(a, e);
    }
    tell_others(a);
    mem_free(a);
}
