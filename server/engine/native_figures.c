/* native_figures.c - a broker's reports become figures with rates. Domain thread.
 *
 * Counters are totals since the broker started; a rate is their difference over the time between
 * two reports. A broker reports only what changed, so what a report leaves out has rate 0. */
#include "engine/native_int.h"

#include <string.h>

#define STALE_MS 3000         /* a watched broker says every second while something happens */
#define DAMAGE_MAX 16
#define QUOTAS_MAX 500
#define STALE_MAX_MS 120000   /* an unwatched one every minute */

static double rate(int64_t now, int64_t before, double seconds)
{
    int64_t more = now >= before ? now - before : now; /* a new life begins at 0 */
    return seconds > 0 ? (double)more / seconds : 0;
}

static void slots_clear(struct slot **slots)
{
    struct slot *s, *next;
    HASH_ITER(hh, *slots, s, next) {
        HASH_DEL(*slots, s);
        mem_free(s);
    }
}

void figures_clear(struct figures *f)
{
    slots_clear(&f->topic_slots);
    slots_clear(&f->principal_slots);
    mem_free(f->shown.topics);
    mem_free(f->shown.principals);
    mem_free(f->shown.damage);
    mem_free(f->shown.quotas);
    *f = (struct figures){ 0 };
}

/* The row of this name, made (zeroed) when `may_add`; SIZE_MAX: none, or no room. */
static size_t row_of(struct slot **slots, struct str name, size_t *count, bool may_add)
{
    struct slot *s = NULL;
    if (name.len == 0 || name.len >= sizeof s->name) return SIZE_MAX;
    HASH_FIND(hh, *slots, name.data, name.len, s);
    if (s) return s->at;
    if (!may_add) return SIZE_MAX;
    s = mem_zalloc(sizeof *s);
    if (!s) return SIZE_MAX;
    str_copy(s->name, sizeof s->name, name);
    s->at = *count;
    HASH_ADD_KEYPTR(hh, *slots, s->name, name.len, s);
    if (!HASH_ADDED(hh, s)) {
        mem_free(s);
        return SIZE_MAX;
    }
    (*count)++;
    return s->at;
}

static bool grow(void **rows, size_t *cap, size_t count, size_t size, size_t max)
{
    if (count < *cap) return true;
    size_t want = *cap ? *cap * 2 : 16;
    if (count >= max) return false;
    void *more = mem_realloc(*rows, want * size);
    if (!more) return false;
    *rows = more;
    *cap = want;
    return true;
}

static struct engine_topic_figures *topic_row(struct figures *f, struct str name)
{
    struct engine_figures *e = &f->shown;
    bool room = grow((void **)&e->topics, &f->topic_cap, e->topic_count, sizeof *e->topics,
                     NODE_TOPICS_MAX);
    size_t before = e->topic_count;
    size_t at = row_of(&f->topic_slots, name, &e->topic_count, room);
    if (at == SIZE_MAX) return NULL;
    if (at == before) {
        memset(&e->topics[at], 0, sizeof e->topics[at]);
        str_copy(e->topics[at].name, sizeof e->topics[at].name, name);
    }
    return &e->topics[at];
}

const struct engine_topic_figures *figures_topic(const struct figures *f, struct str name)
{
    struct slot *s = NULL;
    HASH_FIND(hh, f->topic_slots, name.data, name.len, s);
    return s ? &f->shown.topics[s->at] : NULL;
}

static void topic_gone(struct node *node, struct str name)
{
    struct figures *f = &node->figures;
    struct engine_figures *e = &f->shown;
    const struct engine_endings *to = &node->engine->endings;
    struct slot *s = NULL, *last = NULL;
    HASH_FIND(hh, f->topic_slots, name.data, name.len, s);
    if (!s) return;
    if (to->topic) to->topic(to->arg, node->id, e, s->at);
    size_t at = s->at, end = --e->topic_count;
    HASH_DEL(f->topic_slots, s);
    mem_free(s);
    if (at == end) return;
    e->topics[at] = e->topics[end];
    HASH_FIND_STR(f->topic_slots, e->topics[at].name, last);
    if (last) last->at = at;
}

static struct engine_principal_figures *principal_row(struct figures *f, struct str name)
{
    struct engine_figures *e = &f->shown;
    bool room = grow((void **)&e->principals, &f->principal_cap, e->principal_count,
                     sizeof *e->principals, NODE_PRINCIPALS_MAX);
    size_t before = e->principal_count;
    if (name.len >= sizeof e->principals->principal) return NULL;
    size_t at = row_of(&f->principal_slots, name, &e->principal_count, room);
    if (at == SIZE_MAX) return NULL;
    if (at == before) {
        memset(&e->principals[at], 0, sizeof e->principals[at]);
        str_copy(e->principals[at].principal, sizeof e->principals[at].principal, name);
    }
    return &e->principals[at];
}

static void zero_rates(struct engine_figures *e)
{
    e->in_per_s = e->out_per_s = e->requests_per_s = 0;
    for (size_t i = 0; i < e->topic_count; i++) {
        struct engine_topic_figures *t = &e->topics[i];
        t->in_per_s = t->out_per_s = t->records_in_per_s = t->records_out_per_s = 0;
    }
    for (size_t i = 0; i < e->principal_count; i++) {
        struct engine_principal_figures *p = &e->principals[i];
        p->in_per_s = p->out_per_s = p->throttle_ms_per_s = 0;
    }
    for (size_t i = 0; i < e->quota_count; i++) {
        struct engine_quota_figures *q = &e->quotas[i];
        q->in_per_s = q->out_per_s = q->request_percent = q->mutations_per_s = 0;
        q->connections_per_s = q->throttle_ms_per_s = 0;
    }
}

static void apply_topic(struct figures *f, const struct control_report_report_topic *r, double s)
{
    struct engine_topic_figures *t = topic_row(f, r->name);
    if (!t) return;
    t->in_per_s = rate(r->bytes_in, t->bytes_in, s);
    t->out_per_s = rate(r->bytes_out, t->bytes_out, s);
    t->records_in_per_s = rate(r->records_in, t->records_in, s);
    t->records_out_per_s = rate(r->records_out, t->records_out, s);
    t->bytes_in = r->bytes_in;
    t->bytes_out = r->bytes_out;
    t->records_in = r->records_in;
    t->records_out = r->records_out;
    t->bytes_stored = r->bytes_stored;
    t->last_record_at = r->last_record_at;
}

static void apply_principal(struct figures *f, const struct control_report_report_principal *r,
                            double s)
{
    struct engine_principal_figures *p = principal_row(f, r->principal);
    if (!p) return;
    p->in_per_s = rate(r->bytes_in, p->bytes_in, s);
    p->out_per_s = rate(r->bytes_out, p->bytes_out, s);
    p->throttle_ms_per_s = rate(r->throttle_ms, p->throttle_ms, s);
    p->bytes_in = r->bytes_in;
    p->bytes_out = r->bytes_out;
    p->throttle_ms = r->throttle_ms;
}

static bool same_entity(const struct engine_quota_figures *a, const struct engine_quota_figures *b)
{
    return a->has_user == b->has_user && a->has_client_id == b->has_client_id && a->has_ip == b->has_ip &&
           strcmp(a->user, b->user) == 0 && strcmp(a->client_id, b->client_id) == 0 &&
           strcmp(a->ip, b->ip) == 0;
}

static bool quota_told(struct engine_quota_figures *q, const struct control_report_report_quota *r)
{
    *q = (struct engine_quota_figures){
        .has_user = r->parts & 1, .has_client_id = r->parts & 2, .has_ip = r->parts & 4,
        .bytes_in = r->bytes_in, .bytes_out = r->bytes_out, .request_us = r->request_us,
        .mutations = r->mutations, .connections = r->connections, .throttle_ms = r->throttle_ms,
    };
    return str_copy(q->user, sizeof q->user, r->user) &&
           str_copy(q->client_id, sizeof q->client_id, r->client_id) && str_copy(q->ip, sizeof q->ip, r->ip);
}

static void quota_rates(struct engine_quota_figures *q, const struct engine_quota_figures *before, double s)
{
    q->in_per_s = rate(q->bytes_in, before->bytes_in, s);
    q->out_per_s = rate(q->bytes_out, before->bytes_out, s);
    q->request_percent = rate(q->request_us, before->request_us, s) / 10000; /* us a second */
    q->mutations_per_s = rate(q->mutations, before->mutations, s);
    q->connections_per_s = rate(q->connections, before->connections, s);
    q->throttle_ms_per_s = rate(q->throttle_ms, before->throttle_ms, s);
}

/* All of them, mostly in the order of before. */
static void apply_quotas(struct engine_figures *e, const struct control_report *r, double seconds)
{
    static const struct engine_quota_figures none;
    int32_t count = r->quotas_count < QUOTAS_MAX ? r->quotas_count : QUOTAS_MAX;
    if (count < 0) return;
    struct engine_quota_figures *before = e->quotas;
    size_t before_count = e->quota_count;
    e->quota_count = 0;
    e->quotas = count ? mem_zalloc((size_t)count * sizeof *e->quotas) : NULL;
    for (int32_t i = 0; e->quotas && i < count; i++) {
        struct engine_quota_figures *q = &e->quotas[e->quota_count];
        if (!quota_told(q, &r->quotas[i])) continue;
        size_t at = e->quota_count < before_count && same_entity(q, &before[e->quota_count])
                        ? e->quota_count : 0;
        while (at < before_count && !same_entity(q, &before[at])) at++;
        quota_rates(q, at < before_count ? &before[at] : &none, seconds);
        e->quota_count++;
    }
    mem_free(before);
}

static void apply_damage(struct engine_figures *e, const struct control_report *r)
{
    int32_t count = r->damage_count < DAMAGE_MAX ? r->damage_count : DAMAGE_MAX;
    e->damaged_partitions = r->damaged_partitions;
    e->damage_count = 0;
    if (count && !e->damage) e->damage = mem_zalloc(DAMAGE_MAX * sizeof *e->damage);
    if (!e->damage) return;
    for (int32_t i = 0; i < count; i++) {
        const struct control_report_report_damage *told = &r->damage[i];
        struct engine_damage *d = &e->damage[e->damage_count++];
        (void)str_copy(d->topic, sizeof d->topic, told->topic);
        (void)str_copy(d->text, sizeof d->text, told->text);
        d->partition = told->partition;
        d->offline = told->offline;
    }
}

void node_figures_begin(struct node *node)
{
    const struct engine_endings *to = &node->engine->endings;
    struct proc_info info = { 0 };
    (void)supervisor_info(node->engine->supervisor, node->proc_id, &info);
    if (node->figures.shown.known && node->figures_of != info.pid && to->life)
        to->life(to->arg, node->id, &node->figures.shown);
    figures_clear(&node->figures);
    node->figures.shown.from_start = info.pid > 0 && !info.adopted;
    node->figures_of = info.pid;
}

void node_report_received(struct node *node, const struct control_report *r)
{
    struct figures *f = &node->figures;
    struct engine_figures *e = &f->shown;
    bool from_start = e->from_start;
    if (r->whole) figures_clear(f);
    e->from_start = from_start;
    f->gap_ms = e->known && r->at > e->reported_at ? r->at - e->reported_at : 0;
    double s = (double)f->gap_ms / 1000;
    zero_rates(e);
    e->in_per_s = rate(r->bytes_in, e->bytes_in, s);
    e->out_per_s = rate(r->bytes_out, e->bytes_out, s);
    e->requests_per_s = rate(r->requests, e->requests, s);
    e->bytes_in = r->bytes_in;
    e->bytes_out = r->bytes_out;
    e->records_in = r->records_in;
    e->records_out = r->records_out;
    e->requests = r->requests;
    e->errors = r->errors;
    e->throttle_ms = r->throttle_ms;
    e->connections = r->connections;
    e->bytes_stored = r->bytes_stored;
    e->storage = r->storage_state >= 0 && r->storage_state <= ENGINE_STORAGE_FULL
                     ? (enum engine_storage)r->storage_state
                     : ENGINE_STORAGE_OPEN;
    e->memory_bytes = r->memory_bytes;
    e->turns_over_1ms = r->turns_over1_ms;
    e->turns_over_10ms = r->turns_over10_ms;
    e->longest_turn_us = r->longest_turn_us;
    apply_damage(e, r);
    for (int32_t i = 0; i < r->topics_count; i++) apply_topic(f, &r->topics[i], s);
    for (int32_t i = 0; i < r->topics_gone_count; i++) topic_gone(node, r->topics_gone[i]);
    for (int32_t i = 0; i < r->principals_count; i++) apply_principal(f, &r->principals[i], s);
    apply_quotas(e, r, s);
    e->reported_at = r->at;
    e->known = true;
}

void figures_settle(struct figures *f, int64_t now_wall)
{
    int64_t fresh = f->gap_ms * 2 > STALE_MS ? f->gap_ms * 2 : STALE_MS;
    if (fresh > STALE_MAX_MS) fresh = STALE_MAX_MS;
    if (now_wall - f->shown.reported_at > fresh) zero_rates(&f->shown);
}
