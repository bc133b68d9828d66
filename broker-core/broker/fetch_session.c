/* fetch_session.c - the cache of fetch sessions. Loop thread.
 *
 * A session owns its topics (by name or by id, never both) and its partitions, which hang in a list in
 * the order they are read: one that gave records goes to the end. Nobody holds a pointer into a session
 * over time: a context remembers serial and epoch, and while these two are a session's, its partitions
 * are the ones that begin() saw. */
#include "broker/fetch_session.h"

#include "base/hash.h"

#include <string.h>

#define EPOCH_INITIAL 0 /* opens a session */
#define EPOCH_FINAL -1  /* wants none */

typedef struct fetch_request_fetch_partition asked_partition;
typedef struct fetch_response_partition_data partition_answer;

struct session_topic {
    struct str name;     /* behind the struct; null: by id */
    struct uuid id;
    int32_t partitions;  /* that refer to it; the last one takes it along */
    UT_hash_handle hh;   /* by name or id */
};
struct partition_key {
    struct session_topic *topic;
    int64_t partition;
};
struct session_partition {
    struct partition_key key;
    asked_partition asked;
    int64_t high_watermark, log_start; /* as told last; -1: not, or with an error */
    struct session_partition *prev, *next;
    UT_hash_handle hh;
};
struct fetch_session {
    int32_t id, epoch;
    uint64_t serial;
    bool by_id;
    int64_t created, used;
    struct session_topic *topics;
    struct session_partition *partitions; /* by key */
    struct session_partition *order;      /* utlist DL */
    int32_t count;
    UT_hash_handle hh;
};
struct fetch_sessions {
    struct fetch_session *by_id;
    uint64_t serial;
    int64_t partitions; /* of all sessions */
};

static int32_t next_epoch(int32_t epoch)
{
    if (epoch < 0) return EPOCH_FINAL;
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

/* --- topics and partitions of a session --------------------------------------------------------- */

static struct session_topic *topic_find(const struct fetch_session *s, struct str name,
                                        struct uuid id)
{
    struct session_topic *topic = NULL;
    if (s->by_id) HASH_FIND(hh, s->topics, &id, sizeof id, topic);
    else HASH_FIND(hh, s->topics, name.data, name.len, topic);
    return topic;
}

static struct session_topic *topic_get(struct fetch_session *s, struct str name, struct uuid id)
{
    struct session_topic *topic = topic_find(s, name, id);
    if (topic) return topic;
    size_t extra = s->by_id ? 0 : name.len;
    topic = mem_zalloc(sizeof *topic + extra);
    if (!topic) return NULL;
    if (s->by_id) {
        topic->id = id;
        HASH_ADD(hh, s->topics, id, sizeof topic->id, topic);
    } else {
        memcpy(topic + 1, name.data, name.len);
        topic->name = (struct str){ (const char *)(topic + 1), name.len };
        HASH_ADD_KEYPTR(hh, s->topics, topic->name.data, name.len, topic);
    }
    if (HASH_ADDED(hh, topic)) return topic;
    mem_free(topic);
    return NULL;
}

static void topic_unused(struct fetch_session *s, struct session_topic *topic)
{
    if (topic->partitions > 0) return;
    HASH_DEL(s->topics, topic);
    mem_free(topic);
}

static struct session_partition *partition_find(const struct fetch_session *s,
                                                struct session_topic *topic, int32_t partition)
{
    struct partition_key key = { topic, partition };
    struct session_partition *found = NULL;
    HASH_FIND(hh, s->partitions, &key, sizeof key, found);
    return found;
}

static void partition_remove(struct fetch_sessions *all, struct fetch_session *s,
                             struct session_partition *p)
{
    HASH_DEL(s->partitions, p);
    DL_DELETE(s->order, p);
    s->count--;
    all->partitions--;
    p->key.topic->partitions--;
    topic_unused(s, p->key.topic);
    mem_free(p);
}

/* The partition with what is asked of it now; NULL: no memory or no room. */
static struct session_partition *partition_set(struct fetch_sessions *all, struct fetch_session *s,
                                               struct str name, struct uuid id,
                                               const asked_partition *asked)
{
    struct session_topic *topic = topic_get(s, name, id);
    if (!topic) return NULL;
    struct session_partition *p = partition_find(s, topic, asked->partition);
    if (!p) {
        bool room = s->count < FETCH_SESSION_PARTITIONS_MAX &&
                    all->partitions < FETCH_CACHED_PARTITIONS_MAX;
        p = room ? mem_zalloc(sizeof *p) : NULL;
        if (p) {
            p->key = (struct partition_key){ topic, asked->partition };
            HASH_ADD(hh, s->partitions, key, sizeof p->key, p);
        }
        if (!p || !HASH_ADDED(hh, p)) {
            mem_free(p);
            topic_unused(s, topic);
            return NULL;
        }
        p->high_watermark = p->log_start = -1;
        DL_APPEND(s->order, p);
        topic->partitions++;
        s->count++;
        all->partitions++;
    }
    p->asked = *asked;
    return p;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static struct fetch_session *session_find(const struct fetch_sessions *all, int32_t id)
{
    struct fetch_session *s = NULL;
    HASH_FIND(hh, all->by_id, &id, sizeof id, s);
    return s;
}

static void session_remove(struct fetch_sessions *all, struct fetch_session *s)
{
    while (s->order) partition_remove(all, s, s->order);
    HASH_DEL(all->by_id, s);
    mem_free(s);
}

/* Which session goes for one of `size` partitions, as in Kafka: one that nobody used for long; else the
 * smallest that is not young, when the new one is larger. NULL: none. */
static struct fetch_session *session_victim(const struct fetch_sessions *all, int32_t size,
                                            int64_t now)
{
    struct fetch_session *s, *next, *oldest = NULL, *smallest = NULL;
    HASH_ITER(hh, all->by_id, s, next) {
        if (!oldest || s->used < oldest->used) oldest = s;
        bool young = s->used - s->created <= FETCH_SESSION_EVICTION_MS;
        if (!young && (!smallest || s->count < smallest->count)) smallest = s;
    }
    if (oldest && now - oldest->used > FETCH_SESSION_EVICTION_MS) return oldest;
    return smallest && smallest->count < size ? smallest : NULL;
}

static bool session_room(struct fetch_sessions *all, int32_t size, int64_t now)
{
    if (size > FETCH_SESSION_PARTITIONS_MAX) return false;
    while (HASH_COUNT(all->by_id) >= FETCH_SESSIONS_MAX ||
           all->partitions + size > FETCH_CACHED_PARTITIONS_MAX) {
        struct fetch_session *victim = session_victim(all, size, now);
        if (!victim) return false;
        session_remove(all, victim);
    }
    return true;
}

static int32_t session_new_id(const struct fetch_sessions *all)
{
    int32_t id;
    do {
        random_bytes(&id, sizeof id);
        id &= INT32_MAX;
    } while (id == 0 || session_find(all, id));
    return id;
}

static struct fetch_session *session_new(struct fetch_sessions *all, bool by_id, int64_t now)
{
    struct fetch_session *s = mem_zalloc(sizeof *s);
    if (!s) return NULL;
    s->id = session_new_id(all);
    s->epoch = next_epoch(EPOCH_INITIAL);
    s->serial = ++all->serial;
    s->by_id = by_id;
    s->created = s->used = now;
    HASH_ADD(hh, all->by_id, id, sizeof s->id, s);
    if (HASH_ADDED(hh, s)) return s;
    mem_free(s);
    return NULL;
}

status fetch_sessions_new(struct fetch_sessions **ret_sessions)
{
    *ret_sessions = mem_zalloc(sizeof **ret_sessions);
    return *ret_sessions ? OK : FAIL(NO_MEMORY);
}

void fetch_sessions_free(struct fetch_sessions *all)
{
    if (!all) return;
    while (all->by_id) session_remove(all, all->by_id);
    mem_free(all);
}

size_t fetch_sessions_count(const struct fetch_sessions *all) { return HASH_COUNT(all->by_id); }

/* --- what a request reads ----------------------------------------------------------------------- */

static status targets_of_request(const struct fetch_request *body, struct arena *arena,
                                 struct fetch_context *c)
{
    int32_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++)
        if (body->topics[t].partitions_count > 0) count += body->topics[t].partitions_count;
    c->targets = ARENA_ARRAY(arena, struct fetch_target, count);
    TRY(arena_check(arena));
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct fetch_request_fetch_topic *topic = &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++)
            c->targets[c->count++] = (struct fetch_target){
                .asked = topic->partitions[p],
                .topic = c->by_id ? STR_NULL : topic->topic,
                .topic_id = c->by_id ? topic->topic_id : (struct uuid){ { 0 } },
            };
    }
    return OK;
}

static status targets_of_session(const struct fetch_session *s, struct arena *arena,
                                 struct fetch_context *c)
{
    c->targets = ARENA_ARRAY(arena, struct fetch_target, s->count);
    TRY(arena_check(arena));
    const struct session_topic *topic = NULL;
    struct str name = STR_NULL;
    struct session_partition *p;
    DL_FOREACH(s->order, p) {
        if (p->key.topic != topic && !s->by_id) name = arena_str(arena, p->key.topic->name);
        topic = p->key.topic;
        c->targets[c->count++] = (struct fetch_target){
            .asked = p->asked, .topic = name, .topic_id = topic->id, .cached = p };
    }
    return arena_check(arena);
}

static status session_update(struct fetch_sessions *all, struct fetch_session *s,
                             const struct fetch_request *body)
{
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct fetch_request_fetch_topic *topic = &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++)
            if (!partition_set(all, s, topic->topic, topic->topic_id, &topic->partitions[p]))
                return FAIL(FETCH_SESSION_ID_NOT_FOUND); /* no room: the client begins anew */
    }
    for (int32_t t = 0; t < body->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten_topic *topic = &body->forgotten_topics_data[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct session_topic *known = topic_find(s, topic->topic, topic->topic_id);
            struct session_partition *gone =
                known ? partition_find(s, known, topic->partitions[p]) : NULL;
            if (gone) partition_remove(all, s, gone);
        }
    }
    return OK;
}

static status incremental_begin(struct fetch_sessions *all, const struct fetch_request *body,
                                int64_t now, struct arena *arena, struct fetch_context *c)
{
    struct fetch_session *s = session_find(all, body->session_id);
    if (!s) return FAIL(FETCH_SESSION_ID_NOT_FOUND);
    if (s->epoch != body->session_epoch) return FAIL(INVALID_FETCH_SESSION_EPOCH);
    if (s->by_id != c->by_id) return FAIL(FETCH_SESSION_TOPIC_ID_ERROR);
    status updated = session_update(all, s, body);
    if (failed(updated) || !s->count) {
        session_remove(all, s);
        TRY(updated);
        c->kind = FETCH_SESSIONLESS;
        return targets_of_request(body, arena, c);
    }
    s->used = now;
    s->epoch = next_epoch(s->epoch);
    c->kind = FETCH_INCREMENTAL;
    c->session_id = s->id;
    c->epoch = s->epoch;
    c->serial = s->serial;
    return targets_of_session(s, arena, c);
}

status fetch_session_begin(struct fetch_sessions *all, const struct fetch_request *body, bool by_id,
                           int64_t now, struct arena *arena, struct fetch_context *ret)
{
    *ret = (struct fetch_context){ .by_id = by_id };
    if (body->session_epoch != EPOCH_INITIAL && body->session_epoch != EPOCH_FINAL)
        return incremental_begin(all, body, now, arena, ret);
    struct fetch_session *old = session_find(all, body->session_id);
    if (old) session_remove(all, old); /* a full request closes the session it names */
    ret->kind = body->session_epoch == EPOCH_INITIAL ? FETCH_FULL : FETCH_SESSIONLESS;
    return targets_of_request(body, arena, ret);
}

/* --- what is sent ------------------------------------------------------------------------------- */

/* Remembers what the client is told; true when that is news to it. */
static bool partition_told(struct session_partition *p, const partition_answer *answer)
{
    bool news = answer->records.len > 0 || answer->error_code != 0 ||
                p->high_watermark != answer->high_watermark ||
                p->log_start != answer->log_start_offset || answer->diverging_epoch.epoch >= 0 ||
                answer->preferred_read_replica >= 0;
    /* -1 after an error: the partition is sent again when it has passed. */
    p->high_watermark = answer->error_code ? -1 : answer->high_watermark;
    p->log_start = answer->log_start_offset;
    return news;
}

static void session_open(struct fetch_sessions *all, struct fetch_context *c,
                         const partition_answer *answers, int64_t now)
{
    if (!session_room(all, c->count, now)) return;
    struct fetch_session *s = session_new(all, c->by_id, now);
    for (int32_t i = 0; s && i < c->count; i++) {
        const struct fetch_target *target = &c->targets[i];
        struct session_partition *p =
            partition_set(all, s, target->topic, target->topic_id, &target->asked);
        if (!p) {
            session_remove(all, s);
            return;
        }
        (void)partition_told(p, &answers[i]);
    }
    if (s) c->session_id = s->id;
}

status fetch_session_end(struct fetch_sessions *all, struct fetch_context *c,
                         const partition_answer *answers, int64_t now, bool *ret_send)
{
    if (c->kind != FETCH_INCREMENTAL) {
        if (c->kind == FETCH_FULL) session_open(all, c, answers, now);
        for (int32_t i = 0; i < c->count; i++) ret_send[i] = true;
        return OK;
    }
    struct fetch_session *s = session_find(all, c->session_id);
    if (!s || s->serial != c->serial) return FAIL(FETCH_SESSION_ID_NOT_FOUND);
    if (s->epoch != c->epoch) return FAIL(INVALID_FETCH_SESSION_EPOCH);
    for (int32_t i = 0; i < c->count; i++) {
        struct session_partition *p = c->targets[i].cached;
        ret_send[i] = partition_told(p, &answers[i]);
        if (!answers[i].records.len) continue;
        DL_DELETE(s->order, p);
        DL_APPEND(s->order, p);
    }
    return OK;
}
