/* group.c - the data of a consumer group: members, protocols, who is leader. Loop thread.
 *
 * Invariants: a group with members has a leader, who is one of them; every member belongs to exactly
 * one group; strings of a group or member are its own. */
#include "broker/group.h"

#include "base/mem.h"
#include "broker/consumer.h"

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = { "Empty", "PreparingRebalance", "CompletingRebalance",
                                         "Stable", "Dead" };
    return names[state];
}

/* --- owned text ------------------------------------------------------------------------------- */
bool group_set_text(struct str *field, struct str value)
{
    char *copy = NULL;
    if (!str_is_null(value)) {
        copy = mem_alloc(value.len + 1);
        if (copy == NULL) return false;
        if (value.len > 0) memcpy(copy, value.data, value.len);
        copy[value.len] = 0;
    }
    mem_free((void *)field->data);
    *field = (struct str){ copy, copy ? value.len : 0 };
    return true;
}

bool group_set_bytes(struct bytes *field, struct bytes value)
{
    struct str text = bytes_str(*field);
    struct str from = { value.data ? (const char *)value.data : "", value.len };
    if (!group_set_text(&text, from)) return false;
    *field = str_bytes(text);
    return true;
}

/* --- the table -------------------------------------------------------------------------------- */
struct group *group_find(struct group_coordinator *c, struct str id)
{
    struct group *group = NULL;
    const char *key = id.len > 0 ? id.data : ""; /* old consumers commit for the group "" */
    HASH_FIND(hh, c->groups, key, id.len, group);
    return group;
}

static void rebalance_fired(struct timer *timer);

status group_get(struct group_coordinator *c, struct str id, struct group **ret_group)
{
    if (id.data == NULL) id = STR("");
    struct group *g = group_find(c, id);
    if (g != NULL) {
        *ret_group = g;
        return OK;
    }
    if (HASH_COUNT(c->groups) >= c->options.groups_max) return FAIL(LIMIT);
    g = mem_zalloc(sizeof(*g));
    if (g == NULL) return FAIL(NO_MEMORY);
    g->coordinator = c;
    g->changed = ++c->changes;
    timer_init(&g->rebalance, rebalance_fired);
    g->state_at = loop_wall(c->options.loop);
    if (!group_set_text(&g->id, id)) {
        mem_free(g);
        return FAIL(NO_MEMORY);
    }
    HASH_ADD_KEYPTR(hh, c->groups, g->id.data, g->id.len, g);
    if (!HASH_ADDED(hh, g)) {
        mem_free((void *)g->id.data);
        mem_free(g);
        return FAIL(NO_MEMORY);
    }
    /* Should it stay empty and without offsets, it goes again. */
    group_expire_by(c, group_next_expiry(g));
    *ret_group = g;
    return OK;
}

void group_free(struct group *g)
{
    struct group_coordinator *c = g->coordinator;
    loop_timer_clear(c->options.loop, &g->rebalance);
    consumer_group_free(g);
    while (g->members != NULL) group_remove_member(g->members, FAIL(UNKNOWN_MEMBER_ID));
    while (g->pending != NULL) group_remove_pending(g->pending);
    while (g->offsets != NULL) group_drop_offset(g, g->offsets);
    group_drop_pending(g);
    group_expire_skip(g);
    HASH_DEL(c->groups, g);
    mem_free((void *)g->protocol_type.data);
    mem_free((void *)g->protocol.data);
    mem_free((void *)g->id.data);
    mem_free(g);
}

void group_enter(struct group *g, enum group_state state)
{
    g->before = g->state;
    g->state = state;
    g->state_at = loop_wall(g->coordinator->options.loop);
    if (state == GROUP_EMPTY) group_expire_by(g->coordinator, group_next_expiry(g));
}

static void rebalance_fired(struct timer *timer)
{
    struct group *g = CONTAINER_OF(timer, struct group, rebalance);
    if (g->state == GROUP_PREPARING)
        group_join_phase_over(g);
    else
        group_sync_phase_over(g);
}

/* --- members ---------------------------------------------------------------------------------- */
struct member *group_find_member(const struct group *g, struct str id)
{
    struct member *m = NULL;
    if (id.len > 0) HASH_FIND(hh, g->members, id.data, id.len, m);
    return m;
}

struct member *group_static_member(const struct group *g, struct str instance_id)
{
    if (str_is_null(instance_id)) return NULL;
    for (struct member *m = g->members; m != NULL; m = m->hh.next)
        if (str_eq(m->instance_id, instance_id)) return m;
    return NULL;
}

static void member_free(struct member *m)
{
    mem_free((void *)m->id.data);
    mem_free((void *)m->instance_id.data);
    mem_free((void *)m->client_id.data);
    mem_free((void *)m->client_host.data);
    mem_free(m->protocols);
    mem_free((void *)m->assignment.data);
    mem_free(m);
}

struct member *group_add_member(struct group *g, const struct join_request *q, struct str id)
{
    struct member *m = mem_zalloc(sizeof(*m));
    if (m == NULL) return NULL;
    m->group = g;
    m->session_timeout_ms = q->session_timeout_ms;
    m->rebalance_timeout_ms = q->rebalance_timeout_ms;
    timer_init(&m->session, group_session_expired);
    if (!group_set_text(&m->id, id) || !group_set_text(&m->instance_id, q->instance_id) ||
        !group_set_text(&m->client_id, q->client_id) ||
        !group_set_text(&m->client_host, q->client_host) ||
        !group_set_bytes(&m->assignment, BYTES_NULL) ||
        failed(group_set_protocols(m, q->protocols, q->protocols_count)) ||
        (g->members == NULL && !group_set_text(&g->protocol_type, q->protocol_type))) {
        member_free(m);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, g->members, m->id.data, m->id.len, m);
    if (!HASH_ADDED(hh, m)) {
        member_free(m);
        return NULL;
    }
    if (g->leader == NULL) g->leader = m;
    return m;
}

void group_remove_member(struct member *m, status why)
{
    struct group *g = m->group;
    loop_timer_clear(g->coordinator->options.loop, &m->session);
    HASH_DEL(g->members, m);
    if (g->leader == m) g->leader = g->members;
    struct join_result refused = { .error = why, .generation = -1, .member_id = m->id };
    group_answer_join(m, &refused);
    group_answer_sync(m, why);
    member_free(m);
}

status group_rename_member(struct member *m, struct str id)
{
    struct group *g = m->group;
    struct str new_id = STR_NULL;
    if (!group_set_text(&new_id, id)) return FAIL(NO_MEMORY);
    HASH_DEL(g->members, m);
    mem_free((void *)m->id.data);
    m->id = new_id;
    HASH_ADD_KEYPTR(hh, g->members, m->id.data, m->id.len, m);
    mem_must(HASH_ADDED(hh, m) ? m : NULL); /* cannot be put back half-way */
    return OK;
}

/* --- protocols -------------------------------------------------------------------------------- */
struct group_protocol *group_copy_protocols(const struct group_protocol *protocols, int32_t n)
{
    size_t size = (size_t)n * sizeof(*protocols);
    for (int32_t i = 0; i < n; i++) size += protocols[i].name.len + protocols[i].metadata.len + 1;
    struct group_protocol *own = mem_zalloc(size + 1);
    if (own == NULL) return NULL;
    char *at = (char *)(own + n);
    for (int32_t i = 0; i < n; i++) {
        struct group_protocol p = protocols[i];
        if (p.name.len > 0) memcpy(at, p.name.data, p.name.len);
        own[i].name = (struct str){ at, p.name.len };
        at += p.name.len;
        if (p.metadata.len > 0) memcpy(at, p.metadata.data, p.metadata.len);
        own[i].metadata = bytes_of(at, p.metadata.len);
        at += p.metadata.len;
    }
    return own;
}

status group_set_protocols(struct member *m, const struct group_protocol *protocols, int32_t n)
{
    struct group_protocol *own = group_copy_protocols(protocols, n);
    if (own == NULL) return FAIL(NO_MEMORY);
    mem_free(m->protocols);
    m->protocols = own;
    m->protocols_count = n;
    return OK;
}

bool group_same_protocols(const struct member *m, const struct group_protocol *p, int32_t n)
{
    if (m->protocols_count != n) return false;
    for (int32_t i = 0; i < n; i++) {
        struct bytes a = m->protocols[i].metadata, b = p[i].metadata;
        if (str_cmp(m->protocols[i].name, p[i].name) != 0 || a.len != b.len ||
            (a.len > 0 && memcmp(a.data, b.data, a.len) != 0))
            return false;
    }
    return true;
}

static bool member_has(const struct member *m, struct str protocol)
{
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (str_cmp(m->protocols[i].name, protocol) == 0) return true;
    return false;
}

static bool all_have(const struct group *g, struct str protocol)
{
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        if (!member_has(m, protocol)) return false;
    return true;
}

bool group_supports(const struct group *g, struct str type, const struct group_protocol *p,
                    int32_t n)
{
    if (type.len == 0 || n <= 0) return false;
    if (g->members == NULL) return true;
    if (!str_eq(g->protocol_type, type)) return false;
    for (int32_t i = 0; i < n; i++)
        if (all_have(g, p[i].name)) return true;
    return false;
}

/* Each member votes for the first of its protocols that all have. */
static int32_t votes_for(const struct group *g, struct str protocol)
{
    int32_t votes = 0;
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        for (int32_t i = 0; i < m->protocols_count; i++) {
            if (!all_have(g, m->protocols[i].name)) continue;
            votes += str_cmp(m->protocols[i].name, protocol) == 0;
            break;
        }
    return votes;
}

struct str group_vote(const struct group *g)
{
    struct str best = STR_NULL;
    int32_t most = 0;
    if (g->members == NULL) return best;
    const struct member *any = g->members; /* candidates are among anybody's */
    for (int32_t i = 0; i < any->protocols_count; i++) {
        struct str name = any->protocols[i].name;
        if (!all_have(g, name)) continue;
        int32_t votes = votes_for(g, name);
        if (votes <= most) continue;
        most = votes;
        best = name;
    }
    return best;
}

struct bytes group_metadata_of(const struct member *m, struct str protocol)
{
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (str_cmp(m->protocols[i].name, protocol) == 0) return m->protocols[i].metadata;
    return bytes_of("", 0);
}

int32_t group_rebalance_timeout(const struct group *g)
{
    int32_t most = 0;
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        if (m->rebalance_timeout_ms > most) most = m->rebalance_timeout_ms;
    return most;
}

/* --- members to be ---------------------------------------------------------------------------- */
struct pending_member *group_pending(const struct group *g, struct str id)
{
    struct pending_member *p = NULL;
    if (id.len > 0) HASH_FIND(hh, g->pending, id.data, id.len, p);
    return p;
}

static void pending_expired(struct timer *timer)
{
    struct pending_member *p = CONTAINER_OF(timer, struct pending_member, expiry);
    struct group *g = p->group;
    group_remove_pending(p);
    group_maybe_complete_join(g);
}

status group_add_pending(struct group *g, struct str id, int32_t timeout_ms)
{
    struct loop *loop = g->coordinator->options.loop;
    struct pending_member *p = mem_zalloc(sizeof(*p) + id.len + 1);
    if (p == NULL) return FAIL(NO_MEMORY);
    memcpy(p->text, id.data, id.len);
    p->id = (struct str){ p->text, id.len };
    p->group = g;
    timer_init(&p->expiry, pending_expired);
    status s = loop_timer_set(loop, &p->expiry, loop_now(loop) + timeout_ms);
    if (is_ok(s)) {
        HASH_ADD_KEYPTR(hh, g->pending, p->id.data, p->id.len, p);
        if (HASH_ADDED(hh, p)) return OK;
        loop_timer_clear(loop, &p->expiry);
        s = FAIL(NO_MEMORY);
    }
    mem_free(p);
    return s;
}

void group_remove_pending(struct pending_member *p)
{
    loop_timer_clear(p->group->coordinator->options.loop, &p->expiry);
    HASH_DEL(p->group->pending, p);
    mem_free(p);
}

status group_check_member(const struct group *g, struct str member_id, struct str instance_id,
                          struct member **ret_member)
{
    struct member *fixed = group_static_member(g, instance_id);
    if (fixed != NULL && !str_eq(fixed->id, member_id)) return FAIL(FENCED_INSTANCE_ID);
    struct member *m = group_find_member(g, member_id);
    if (m == NULL || (!str_is_null(instance_id) && fixed == NULL)) return FAIL(UNKNOWN_MEMBER_ID);
    *ret_member = m;
    return OK;
}
