/* time_lag.c - see time_lag.h. A round: look at all entries, some of them a turn; search what has to be
 * searched, one after the other; tell what changed, a message a turn. */
#include "broker/time_lag.h"

#include "base/log.h"
#include "storage/first_unread.h"

#include <stdlib.h>

#define LOOKS_A_TURN 256
#define ROWS_A_MESSAGE 500
#define GROUP_MAX 255
#define TOPIC_MAX 249
#define MESSAGE_ARENA (2u << 20)
#define LONG_AGO_MS 60000 /* a new listener is told at once */

typedef struct control_lags_lag_group group_out;
typedef struct control_lags_lag_topic topic_out;
typedef struct control_lags_lag_partition partition_out;

/* What is known of a partition from an offset on. */
struct answer {
    bool known;
    struct uuid topic;
    uint64_t rewrites;  /* of the log, when it was looked for */
    int64_t from;       /* offset */
    int64_t found;      /* offset of the first record that is shown; -1: none … */
    int64_t until;      /* … below this */
    int64_t timestamp;
};
struct lag_entry {
    struct lag_entry *prev, *next; /* of all */
    struct lag_entry *queue_next;  /* in a list of those below */
    struct committed *committed;   /* NULL: it is gone, which has to be told */
    struct answer answer;
    int64_t lag, oldest_at;        /* as of now; -1: none. lag -1: the partition is not there */
    int64_t told_committed, told_lag, told_oldest_at;
    int32_t partition;
    bool told;                     /* leatd has a row of it */
    bool queued;                   /* wanted, searched, or changed */
    struct str group, topic;       /* in text */
    char text[];
};
enum phase { RESTING, LOOKING, SEARCHING, TELLING };

struct time_lag {
    struct broker *broker;
    struct time_lag_listener listener;
    struct timer timer;
    int64_t began_at;             /* loop time of the last round */
    enum phase phase;
    bool again;                   /* something moved since this round began */
    bool whole, begun;            /* all is to be told; the first message of that was sent */
    struct lag_entry *entries;    /* utlist DL */
    struct lag_entry *cursor;     /* LOOKING: the next one */
    struct lag_entry *wanted, *wanted_last;
    struct lag_entry *gone, *changed; /* to be told, in this order: one may be there again */
    int32_t count, others, others_told;
    struct first_unread search;
    struct lag_entry *searched;
    int64_t search_from;
    struct uuid search_topic;
    uint64_t search_rewrites;
    bool starting;                /* inside first_unread_start */
};

static int64_t interval(const struct time_lag *t) { return t->listener.interval(t->listener.arg); }

static void set_timer(struct time_lag *t, int64_t at)
{
    (void)loop_timer_set(t->broker->loop, &t->timer, at);
}

static void go_on_next_turn(struct time_lag *t) { set_timer(t, loop_now(t->broker->loop)); }

void time_lag_touch(struct time_lag *t)
{
    if (!t) return;
    t->again = true;
    if (t->phase != RESTING || t->timer.slot || t->broker->stopping) return;
    int64_t ms = interval(t);
    if (ms >= 0) set_timer(t, t->began_at + ms);
}

void time_lag_hurry(struct time_lag *t)
{
    if (!t || t->phase != RESTING || !t->timer.slot) return;
    loop_timer_clear(t->broker->loop, &t->timer);
    time_lag_touch(t);
}

/* --- entries -------------------------------------------------------------------------------------- */

static void entry_free(struct time_lag *t, struct lag_entry *e)
{
    if (t->cursor == e) t->cursor = e->next;
    DL_DELETE(t->entries, e);
    t->count--;
    mem_free(e);
}

static struct lag_entry *entry_new(struct time_lag *t, const struct group *g, struct committed *o)
{
    if (t->count >= TIME_LAG_MAX || g->id.len > GROUP_MAX || o->topic.len > TOPIC_MAX) return NULL;
    struct lag_entry *e = mem_zalloc(sizeof *e + g->id.len + o->topic.len);
    if (!e) return NULL;
    if (g->id.len) memcpy(e->text, g->id.data, g->id.len);
    if (o->topic.len) memcpy(e->text + g->id.len, o->topic.data, o->topic.len);
    e->group = (struct str){ e->text, g->id.len };
    e->topic = (struct str){ e->text + g->id.len, o->topic.len };
    e->partition = o->partition;
    e->lag = e->oldest_at = -1;
    DL_APPEND(t->entries, e);
    t->count++;
    return e;
}

void time_lag_committed(struct time_lag *t, const struct group *g, struct committed *o, bool is_new)
{
    if (!t) return;
    if (!o->lag) {
        o->lag = entry_new(t, g, o);
        t->others += (is_new && !o->lag) - (!is_new && o->lag);
    }
    if (o->lag) o->lag->committed = o;
    time_lag_touch(t);
}

void time_lag_dropped(struct time_lag *t, struct committed *o)
{
    struct lag_entry *e = TAKE(o->lag);
    if (!t) return;
    t->others -= !e;
    if (e) e->committed = NULL;
    if (e && !e->told && !e->queued) entry_free(t, e);
    time_lag_touch(t);
}

/* --- looking -------------------------------------------------------------------------------------- */

static struct plog *log_of(const struct time_lag *t, const struct lag_entry *e, struct uuid *ret_topic)
{
    const struct topic *topic = image_topic(t->broker->image, e->topic);
    if (!topic || e->partition < 0 || e->partition >= topic->partitions) return NULL;
    *ret_topic = topic->id;
    return store_find(t->broker->store, topic->id, e->partition);
}

/* From which offset on a search is needed to know more; -1: the answer holds. */
static int64_t search_needed(struct lag_entry *e, struct plog *log, struct uuid topic)
{
    struct answer *a = &e->answer;
    int64_t from = e->committed->offset, stable = plog_stable(log);
    if (from < plog_start(log)) from = plog_start(log);
    if (a->known && !uuid_eq(a->topic, topic)) a->known = false;
    if (from >= stable) { /* nothing that is shown */
        *a = (struct answer){ .known = true, .topic = topic, .from = from, .found = -1, .until = from };
        return -1;
    }
    if (!a->known || from < a->from) return from;
    if (a->found < 0) return stable <= a->until ? -1 : from > a->until ? from : a->until;
    return from <= a->found && a->rewrites == plog_rewrites(log) ? -1 : from;
}

static bool is_same(const struct lag_entry *e)
{
    if (!e->committed || e->lag < 0) return !e->told;
    return e->told && e->told_committed == e->committed->offset && e->told_lag == e->lag &&
           e->told_oldest_at == e->oldest_at;
}

static void entry_changed(struct time_lag *t, struct lag_entry *e)
{
    struct lag_entry **list = e->committed ? &t->changed : &t->gone;
    e->queued = true;
    e->queue_next = *list;
    *list = e;
}

/* All that is known of it is known: is it to be told? */
static void entry_settle(struct time_lag *t, struct lag_entry *e)
{
    e->queued = false;
    e->oldest_at = e->answer.known && e->answer.found >= 0 ? e->answer.timestamp : -1;
    if (!is_same(e)) entry_changed(t, e);
    else if (!e->committed) entry_free(t, e);
}

static void entry_look(struct time_lag *t, struct lag_entry *e)
{
    struct uuid topic;
    struct plog *log = e->committed ? log_of(t, e, &topic) : NULL;
    e->lag = -1;
    if (log) {
        int64_t lag = plog_high_watermark(log) - e->committed->offset;
        e->lag = lag > 0 ? lag : 0;
    } else if (e->committed && image_topic(t->broker->image, e->topic)) {
        e->lag = 0; /* nothing was ever written to it */
    }
    if (!log || search_needed(e, log, topic) < 0) {
        if (!log) e->answer.known = false;
        entry_settle(t, e);
        return;
    }
    e->queued = true;
    e->queue_next = NULL;
    if (t->wanted) t->wanted_last->queue_next = e;
    else t->wanted = e;
    t->wanted_last = e;
}

/* --- searching ------------------------------------------------------------------------------------ */

static void take_answer(struct time_lag *t, struct lag_entry *e)
{
    struct answer *a = &e->answer;
    const struct first_unread *s = &t->search;
    /* A search that went on behind an earlier answer. */
    int64_t from = a->known && a->found < 0 && a->until == t->search_from ? a->from : t->search_from;
    *a = (struct answer){ .known = true, .topic = t->search_topic, .rewrites = t->search_rewrites,
                          .from = from, .found = s->offset, .until = s->until,
                          .timestamp = s->timestamp };
}

static void search_done(struct first_unread *search, status result)
{
    struct time_lag *t = CONTAINER_OF(search, struct time_lag, search);
    struct lag_entry *e = TAKE(t->searched);
    if (is_ok(result)) take_answer(t, e);
    else e->answer.known = false; /* damage: read_committed would not return anything, either */
    entry_settle(t, e);
    if (!t->starting) go_on_next_turn(t);
}

/* False: one is under way. */
static bool search_all(struct time_lag *t)
{
    while (t->wanted) {
        struct lag_entry *e = t->wanted;
        struct uuid topic;
        struct plog *log = e->committed ? log_of(t, e, &topic) : NULL;
        int64_t from = log ? search_needed(e, log, topic) : -1;
        t->wanted = e->queue_next;
        if (from < 0) {
            entry_settle(t, e);
            continue;
        }
        t->searched = e;
        t->search_from = from;
        t->search_topic = topic;
        t->search_rewrites = plog_rewrites(log);
        t->starting = true;
        status started = first_unread_start(log, from, &t->search);
        t->starting = false;
        if (failed(started)) {
            t->searched = NULL;
            e->answer.known = false;
            entry_settle(t, e);
        }
        if (t->searched) return false;
    }
    return true;
}

/* --- telling -------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct lag_entry *x = *(struct lag_entry *const *)a, *y = *(struct lag_entry *const *)b;
    int c = str_cmp(x->group, y->group);
    if (c == 0) c = str_cmp(x->topic, y->topic);
    if (c == 0) c = (x->partition > y->partition) - (x->partition < y->partition);
    return c ? c : (x->committed != NULL) - (y->committed != NULL); /* gone, and there again */
}

/* Rows of a message into groups and topics. */
static status fill(struct control_lags *m, struct lag_entry **rows, int n, struct arena *arena)
{
    m->groups = ARENA_ARRAY(arena, group_out, n + 1);
    topic_out *topics = ARENA_ARRAY(arena, topic_out, n + 1);
    partition_out *partitions = ARENA_ARRAY(arena, partition_out, n + 1);
    if (arena->failed) return FAIL(NO_MEMORY);
    for (int i = 0; i < n; i++) {
        const struct lag_entry *e = rows[i];
        group_out *g = m->groups_count ? &m->groups[m->groups_count - 1] : NULL;
        if (!g || !str_eq(g->group, e->group)) {
            g = &m->groups[m->groups_count++];
            *g = (group_out){ .group = arena_str(arena, e->group), .topics = topics };
        }
        topic_out *of = g->topics_count ? &g->topics[g->topics_count - 1] : NULL;
        if (!of || !str_eq(of->topic, e->topic)) {
            of = topics++;
            g->topics_count++;
            *of = (topic_out){ .topic = arena_str(arena, e->topic), .partitions = partitions };
        }
        bool gone = !e->committed || e->lag < 0;
        of->partitions_count++;
        *partitions++ = (partition_out){ .partition = e->partition,
                                         .committed = gone ? -1 : e->committed->offset,
                                         .lag = gone ? -1 : e->lag,
                                         .oldest_at = gone ? -1 : e->oldest_at };
    }
    return arena_check(arena);
}

static void entry_was_told(struct time_lag *t, struct lag_entry *e)
{
    e->queued = false;
    e->told = e->committed && e->lag >= 0;
    if (!e->committed) {
        entry_free(t, e);
        return;
    }
    e->told_committed = e->committed->offset;
    e->told_lag = e->lag;
    e->told_oldest_at = e->oldest_at;
}

static int take_rows(struct lag_entry **list, struct lag_entry **rows, int n)
{
    for (; *list && n < ROWS_A_MESSAGE; *list = (*list)->queue_next) rows[n++] = *list;
    return n;
}

/* One message. False: there is nothing more to tell. */
static bool tell(struct time_lag *t)
{
    struct lag_entry *rows[ROWS_A_MESSAGE];
    int n = take_rows(&t->changed, rows, take_rows(&t->gone, rows, 0));
    if (!n && !t->whole && t->others == t->others_told) return false;
    qsort(rows, (size_t)n, sizeof *rows, by_place);
    struct arena arena;
    struct control_lags message;
    arena_init(&arena, MESSAGE_ARENA);
    wire_default(&control_lags_message, &message);
    message.begin = t->whole && !t->begun;
    message.end = t->whole && !t->gone && !t->changed;
    message.others = t->others;
    bool sent = is_ok(fill(&message, rows, n, &arena));
    for (int i = 0; i < n; i++) entry_was_told(t, rows[i]);
    sent = sent && t->listener.send(t->listener.arg, &message); /* which may end in time_lag_forget */
    arena_done(&arena);
    if (!sent) {
        time_lag_forget(t);
        t->began_at = loop_now(t->broker->loop);
        time_lag_hurry(t);
        return false;
    }
    t->others_told = t->others;
    t->begun = t->whole;
    if (message.end) t->whole = t->begun = false;
    return true;
}

/* --- rounds --------------------------------------------------------------------------------------- */

static void round_begin(struct time_lag *t)
{
    t->began_at = loop_now(t->broker->loop);
    t->again = false;
    t->phase = LOOKING;
    t->cursor = t->entries;
}

static void round_end(struct time_lag *t)
{
    t->phase = RESTING;
    if (t->again) time_lag_touch(t);
}

/* False: some are left for the next turn. */
static bool look_at_some(struct time_lag *t)
{
    for (int n = 0; t->cursor && n < LOOKS_A_TURN; n++) {
        struct lag_entry *e = t->cursor;
        t->cursor = e->next;
        if (!e->queued) entry_look(t, e);
    }
    return !t->cursor;
}

static void round_go_on(struct time_lag *t)
{
    if (t->phase == LOOKING) {
        if (!look_at_some(t)) {
            go_on_next_turn(t);
            return;
        }
        t->phase = SEARCHING;
    }
    if (t->phase == SEARCHING) {
        if (!search_all(t)) return; /* search_done goes on */
        t->phase = TELLING;
    }
    if (tell(t)) go_on_next_turn(t);
    else round_end(t);
}

static void fire(struct timer *timer)
{
    struct time_lag *t = CONTAINER_OF(timer, struct time_lag, timer);
    struct broker *b = t->broker;
    if (b->stopping || t->searched) return;
    if (t->phase == RESTING) {
        int64_t ms = interval(t);
        if (ms < 0) return;
        if (!b->store || !b->groups || b->groups->loading) { /* what is committed is not all known yet */
            set_timer(t, loop_now(b->loop) + ms);
            return;
        }
        round_begin(t);
    }
    round_go_on(t);
}

/* --- life ----------------------------------------------------------------------------------------- */

status time_lag_new(struct broker *broker, const struct time_lag_listener *listener,
                    struct time_lag **ret_time_lag)
{
    struct time_lag *t = mem_zalloc(sizeof *t);
    if (!t) return FAIL(NO_MEMORY);
    t->broker = broker;
    t->listener = *listener;
    t->began_at = loop_now(broker->loop) - LONG_AGO_MS;
    t->search.done = search_done;
    timer_init(&t->timer, fire);
    *ret_time_lag = t;
    return OK;
}

void time_lag_forget(struct time_lag *t)
{
    struct lag_entry *e, *next;
    if (!t) return;
    first_unread_stop(&t->search);
    loop_timer_clear(t->broker->loop, &t->timer);
    t->searched = t->wanted = t->gone = t->changed = t->cursor = NULL;
    t->phase = RESTING;
    t->whole = true;
    t->begun = false;
    DL_FOREACH_SAFE(t->entries, e, next) {
        e->told = e->queued = false;
        if (!e->committed) entry_free(t, e);
    }
    t->began_at = loop_now(t->broker->loop) - LONG_AGO_MS;
    time_lag_touch(t);
}

void time_lag_free(struct time_lag *t)
{
    if (!t) return;
    first_unread_stop(&t->search);
    loop_timer_clear(t->broker->loop, &t->timer);
    while (t->entries) {
        if (t->entries->committed) t->entries->committed->lag = NULL;
        entry_free(t, t->entries);
    }
    mem_free(t);
}
