/* report.c - what a broker tells leatd about itself. Loop thread.
 *
 * For each topic and principal the last figures told are remembered, so that a report names only what
 * changed. Counters go up from the start of the process; leatd makes rates of them. */
#include "broker/report.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "broker/quota.h"
#include "broker/quota_meter.h"
#include "cluster/control_frame.h"

#define MINUTE_MS 60000
#define REPORT_SPREAD_MS 1000 /* after a minute's end; leatd's history looks 2 s after it */
#define REPORT_ARENA (16u << 20)
#define REPORT_PRINCIPALS_MAX 10000
#define REPORT_DAMAGE_MAX 16 /* partitions that are told with their text */

struct told_topic {
    struct uuid id;
    char name[250];
    struct control_report_report_topic last; /* its strings are not used */
    uint64_t round;
    bool ended; /* `last` is how far it came, and still to be told */
    UT_hash_handle hh;
};
struct told_principal {
    int64_t bytes_in, bytes_out, throttle_ms;
    UT_hash_handle hh;
    char name[];
};
struct report {
    struct broker *broker;
    struct told_topic *topics;
    struct told_principal *principals;
    struct control_report last; /* its arrays are not used */
    uint32_t last_damage;       /* CRC over what was told of it */
    uint32_t last_quotas;       /* the same of entities with a quota */
    bool whole;                 /* the next one tells everything */
    uint64_t round;
};

status report_new(struct broker *broker, struct report **ret_report)
{
    struct report *report = mem_zalloc(sizeof(*report));
    if (!report) return FAIL(NO_MEMORY);
    report->broker = broker;
    report->whole = true;
    *ret_report = report;
    return OK;
}

void report_forget(struct report *report)
{
    struct told_topic *topic, *next_topic;
    HASH_ITER(hh, report->topics, topic, next_topic) {
        HASH_DEL(report->topics, topic);
        mem_free(topic);
    }
    struct told_principal *principal, *next_principal;
    HASH_ITER(hh, report->principals, principal, next_principal) {
        HASH_DEL(report->principals, principal);
        mem_free(principal);
    }
    report->whole = true;
}

void report_free(struct report *report)
{
    if (!report) return;
    report_forget(report);
    mem_free(report);
}

int64_t report_minute_left(const char *cluster_id, int64_t wall)
{
    int64_t moment = crc32c(0, cluster_id, strlen(cluster_id)) % REPORT_SPREAD_MS;
    return MINUTE_MS - (wall - moment) % MINUTE_MS;
}

/* --- topics ---------------------------------------------------------------------------------------- */
static void add_damage(struct control_report *out, const struct topic *topic, int32_t partition,
                       const struct plog *log)
{
    out->damaged_partitions++;
    if (out->damage_count == REPORT_DAMAGE_MAX) return;
    out->damage[out->damage_count++] = (struct control_report_report_damage){
        .topic = topic->name,
        .partition = partition,
        .offline = plog_offline(log),
        .text = str_c(plog_damage(log)),
    };
}

static struct control_report_report_topic topic_figures(struct broker *b, const struct topic *topic,
                                                        struct control_report *out)
{
    const struct topic_stats *stats = NULL;
    HASH_FIND(hh, b->stats.topics, &topic->id, sizeof(topic->id), stats);
    struct control_report_report_topic row = { .name = topic->name, .last_record_at = -1 };
    if (stats) {
        row.bytes_in = stats->bytes_in;
        row.bytes_out = stats->bytes_out;
        row.records_in = stats->records_in;
        row.records_out = stats->records_out;
    }
    for (int32_t p = 0; b->store && p < topic->partitions; p++) {
        const struct plog *log = store_find(b->store, topic->id, p);
        if (!log) continue;
        if (plog_damage(log)) add_damage(out, topic, p, log);
        row.bytes_stored += plog_bytes(log);
        if (plog_end(log) > plog_start(log) && plog_last_timestamp(log) > row.last_record_at)
            row.last_record_at = plog_last_timestamp(log);
    }
    return row;
}

static bool topic_same(const struct control_report_report_topic *a,
                       const struct control_report_report_topic *b)
{
    return a->bytes_in == b->bytes_in && a->bytes_out == b->bytes_out &&
           a->records_in == b->records_in && a->records_out == b->records_out &&
           a->bytes_stored == b->bytes_stored && a->last_record_at == b->last_record_at;
}

/* What is remembered of the topic, made now if need be; NULL without memory. */
static struct told_topic *told_topic(struct report *report, const struct topic *topic, bool *ret_new)
{
    struct told_topic *told;
    HASH_FIND(hh, report->topics, &topic->id, sizeof(topic->id), told);
    *ret_new = told == NULL;
    if (told) return told;
    told = mem_zalloc(sizeof(*told));
    if (!told) return NULL;
    told->id = topic->id;
    (void)str_copy(told->name, sizeof(told->name), topic->name);
    HASH_ADD(hh, report->topics, id, sizeof(told->id), told);
    if (HASH_ADDED(hh, told)) return told;
    mem_free(told);
    return NULL;
}

void report_topic_ends(struct report *report, const struct topic *topic)
{
    const struct topic_stats *stats = NULL;
    bool is_new;
    HASH_FIND(hh, report->broker->stats.topics, &topic->id, sizeof(topic->id), stats);
    struct told_topic *told = stats ? told_topic(report, topic, &is_new) : NULL;
    if (!told) return;
    told->last = (struct control_report_report_topic){ .last_record_at = -1,
                                                       .bytes_in = stats->bytes_in,
                                                       .bytes_out = stats->bytes_out,
                                                       .records_in = stats->records_in,
                                                       .records_out = stats->records_out };
    told->ended = true;
}

static status add_topics(struct report *report, struct control_report *out, struct arena *arena)
{
    struct image *image = report->broker->image;
    out->topics = ARENA_ARRAY(arena, struct control_report_report_topic,
                              HASH_CNT(hh, image->topics) + HASH_CNT(hh, report->topics) + 1);
    out->damage = ARENA_ARRAY(arena, struct control_report_report_damage, REPORT_DAMAGE_MAX);
    if (!out->topics || !out->damage) return FAIL(NO_MEMORY);
    struct topic *topic, *next;
    HASH_ITER(hh, image->topics, topic, next) {
        bool is_new;
        struct told_topic *told = told_topic(report, topic, &is_new);
        if (!told) return FAIL(NO_MEMORY);
        told->round = report->round;
        struct control_report_report_topic row = topic_figures(report->broker, topic, out);
        if (!is_new && topic_same(&row, &told->last)) continue;
        told->last = row;
        out->topics[out->topics_count++] = row;
    }
    return OK;
}

static status add_gone(struct report *report, struct control_report *out, struct arena *arena)
{
    struct told_topic *told, *next;
    out->topics_gone = ARENA_ARRAY(arena, struct str, HASH_CNT(hh, report->topics) + 1);
    if (!out->topics_gone) return FAIL(NO_MEMORY);
    HASH_ITER(hh, report->topics, told, next) {
        if (told->round == report->round) continue;
        /* made again under its old name: not gone */
        if (!image_topic(report->broker->image, str_c(told->name))) {
            struct str name = arena_str(arena, str_c(told->name));
            if (told->ended) out->topics[out->topics_count] = told->last;
            if (told->ended) out->topics[out->topics_count++].name = name;
            out->topics_gone[out->topics_gone_count++] = name;
        }
        HASH_DEL(report->topics, told);
        mem_free(told);
    }
    return arena_check(arena);
}

/* --- principals ------------------------------------------------------------------------------------ */
struct adding {
    struct report *report;
    struct control_report *out;
    struct arena *arena;
    int32_t cap;
    status result;
};

static struct told_principal *told_principal(struct report *report, struct str name, bool *ret_new)
{
    struct told_principal *told;
    HASH_FIND(hh, report->principals, name.data, name.len, told);
    *ret_new = told == NULL;
    if (told || HASH_COUNT(report->principals) >= REPORT_PRINCIPALS_MAX) return told;
    told = mem_zalloc(sizeof(*told) + name.len);
    if (!told) return NULL;
    memcpy(told->name, name.data, name.len);
    HASH_ADD_KEYPTR(hh, report->principals, told->name, name.len, told);
    if (HASH_ADDED(hh, told)) return told;
    mem_free(told);
    return NULL;
}

static bool grow(struct adding *a)
{
    if (a->out->principals_count < a->cap) return true;
    int32_t cap = a->cap ? a->cap * 2 : 16;
    struct control_report_report_principal *rows =
        ARENA_ARRAY(a->arena, struct control_report_report_principal, cap);
    if (!rows) return false;
    if (a->cap) memcpy(rows, a->out->principals, (size_t)a->cap * sizeof(*rows));
    a->out->principals = rows;
    a->cap = cap;
    return true;
}

static void add_principal(void *arg, const struct quota_throttled *t)
{
    struct adding *a = arg;
    bool is_new;
    struct told_principal *told = told_principal(a->report, t->principal, &is_new);
    struct control_report_report_principal row = {
        .principal = t->principal,
        .bytes_in = t->bytes_in,
        .bytes_out = t->bytes_out,
        .throttle_ms = t->produce_ms + t->fetch_ms + t->other_ms,
    };
    if (!told) return; /* too many to remember: not shown */
    if (!is_new && told->bytes_in == row.bytes_in && told->bytes_out == row.bytes_out &&
        told->throttle_ms == row.throttle_ms)
        return;
    told->bytes_in = row.bytes_in;
    told->bytes_out = row.bytes_out;
    told->throttle_ms = row.throttle_ms;
    if (!grow(a)) a->result = FAIL(NO_MEMORY);
    else a->out->principals[a->out->principals_count++] = row;
}

/* --- entities with a quota -------------------------------------------------------------------------- */

static uint32_t quotas_crc(const struct control_report *r)
{
    uint32_t crc = crc32c(0, &r->quotas_count, sizeof r->quotas_count);
    for (int32_t i = 0; i < r->quotas_count; i++) {
        const struct control_report_report_quota *q = &r->quotas[i];
        const int64_t counts[] = { q->bytes_in, q->bytes_out, q->request_us, q->mutations, q->connections,
                                   q->throttle_ms, q->parts };
        const struct str names[] = { q->user, q->client_id, q->ip };
        crc = crc32c(crc, counts, sizeof counts);
        for (size_t n = 0; n < ARRAY_LEN(names); n++) crc = crc32c(crc, names[n].data, names[n].len);
    }
    return crc;
}

static status add_quotas(const struct report *report, struct control_report *out, struct arena *arena)
{
    const struct quotas *quotas = report->broker->quotas;
    out->quotas_count = 0;
    out->quotas = ARENA_ARRAY(arena, struct control_report_report_quota, QUOTA_METERS_MAX);
    if (!out->quotas) return FAIL(NO_MEMORY);
    const struct quota_meter *m = quotas ? quotas_meters(quotas) : NULL;
    for (; m; m = m->hh.next)
        out->quotas[out->quotas_count++] = (struct control_report_report_quota){
            .parts = (int8_t)((m->entity.has_user ? 1 : 0) | (m->entity.has_client_id ? 2 : 0) |
                              (m->entity.has_ip ? 4 : 0)),
            .user = m->entity.user,
            .client_id = m->entity.client_id,
            .ip = m->entity.ip,
            .bytes_in = m->bytes_in,
            .bytes_out = m->bytes_out,
            .request_us = m->request_us,
            .mutations = m->mutations,
            .connections = m->connections,
            .throttle_ms = m->throttle_ms,
        };
    if (!report->whole && quotas_crc(out) == report->last_quotas) {
        out->quotas = NULL;
        out->quotas_count = -1;
    }
    return OK;
}

/* --- all of it ------------------------------------------------------------------------------------- */
static void add_totals(struct broker *b, struct control_report *out)
{
    const struct stats *s = &b->stats;
    out->at = loop_wall(b->loop);
    out->bytes_in = s->bytes_in;
    out->bytes_out = s->bytes_out;
    out->records_in = s->records_in;
    out->records_out = s->records_out;
    out->requests = s->requests;
    out->errors = s->failed_requests;
    out->throttle_ms = s->throttle_ms;
    out->connections = b->connection_count;
    out->bytes_stored = b->store ? store_user_bytes(b->store) : 0;
    out->storage_state = b->store ? (int8_t)store_state(b->store) : 0;
    out->memory_bytes = b->memory_used;
    out->authentication_failures = s->authentication_failures;
    const struct loop_turns *turns = loop_turns(b->loop);
    out->turns_over1_ms = (int64_t)turns->over_1ms;
    out->turns_over10_ms = (int64_t)turns->over_10ms;
    out->longest_turn_us = turns->longest_ns / 1000;
    out->authorization_failures = s->authorization_failures;
}

static uint32_t damage_crc(const struct control_report *r)
{
    uint32_t crc = crc32c(0, &r->damaged_partitions, sizeof r->damaged_partitions);
    for (int32_t i = 0; i < r->damage_count; i++) {
        const struct control_report_report_damage *d = &r->damage[i];
        crc = crc32c(crc, &d->partition, sizeof d->partition);
        crc = crc32c(crc, d->topic.data, d->topic.len);
        crc = crc32c(crc, d->text.data, d->text.len);
    }
    return crc;
}

static bool totals_same(const struct control_report *a, const struct control_report *b)
{
    return a->bytes_in == b->bytes_in && a->bytes_out == b->bytes_out &&
           a->records_in == b->records_in && a->records_out == b->records_out &&
           a->requests == b->requests && a->errors == b->errors &&
           a->throttle_ms == b->throttle_ms && a->connections == b->connections &&
           a->bytes_stored == b->bytes_stored && a->storage_state == b->storage_state &&
           a->memory_bytes == b->memory_bytes &&
           a->authentication_failures == b->authentication_failures &&
           a->authorization_failures == b->authorization_failures;
}

static status fill(struct report *report, struct control_report *out, struct arena *arena)
{
    struct adding a = { report, out, arena, 0, OK };
    report->round++;
    add_totals(report->broker, out);
    TRY(add_topics(report, out, arena));
    TRY(add_gone(report, out, arena));
    TRY(add_quotas(report, out, arena));
    if (report->broker->quotas) quotas_each_throttled(report->broker->quotas, add_principal, &a);
    return a.result;
}

status report_frame(struct report *report, int16_t protocol, bool anyway, struct buf *out,
                    bool *ret_changed)
{
    struct arena arena;
    struct control_report message;
    wire_default(&control_report_message, &message);
    arena_init(&arena, REPORT_ARENA);
    status s = fill(report, &message, &arena);
    message.whole = report->whole;
    *ret_changed = report->whole || message.topics_count || message.topics_gone_count ||
                   message.principals_count || message.quotas_count >= 0 ||
                   !totals_same(&message, &report->last) || damage_crc(&message) != report->last_damage;
    if (is_ok(s) && (*ret_changed || anyway))
        s = control_frame(out, protocol, &control_report_message, &message);
    if (is_ok(s)) {
        report->last = message;
        report->last_damage = damage_crc(&message);
        if (message.quotas_count >= 0) report->last_quotas = quotas_crc(&message);
        report->whole = false;
    } else {
        report_forget(report); /* what was remembered was not told */
    }
    arena_done(&arena);
    return s;
}
