/* consumer.c - the data of a consumer-protocol group: members, expressions, its state. Loop thread. */
#include "broker/consumer.h"

#include "base/mem.h"

#include <stdlib.h>

/* --- names ------------------------------------------------------------------------------------ */
struct str *consumer_copy_names(const struct str *names, int32_t count)
{
    size_t size = (size_t)count * sizeof(*names) + 1;
    for (int32_t i = 0; i < count; i++) size += names[i].len;
    struct str *own = mem_zalloc(size);
    if (own == NULL) return NULL;
    char *at = (char *)(own + count);
    for (int32_t i = 0; i < count; i++) {
        if (names[i].len > 0) memcpy(at, names[i].data, names[i].len);
        own[i] = (struct str){ at, names[i].len };
        at += names[i].len;
    }
    return own;
}

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int32_t consumer_sort_names(struct str *names, int32_t count)
{
    if (count < 2) return count < 0 ? 0 : count;
    qsort(names, (size_t)count, sizeof(*names), name_cmp);
    int32_t n = 1;
    for (int32_t i = 1; i < count; i++)
        if (str_cmp(names[i], names[n - 1]) != 0) names[n++] = names[i];
    return n;
}

bool consumer_same_names(const struct consumer_member *a, const struct consumer_member *b)
{
    if (a->names_count != b->names_count) return false;
    for (int32_t i = 0; i < a->names_count; i++)
        if (str_cmp(a->names[i], b->names[i]) != 0) return false;
    return true;
}

bool consumer_has_name(const struct str *names, int32_t count, struct str name)
{
    return count > 0 && bsearch(&name, names, (size_t)count, sizeof(name), name_cmp) != NULL;
}

/* --- members ---------------------------------------------------------------------------------- */
struct consumer_member *consumer_find(const struct group *g, struct str id)
{
    struct consumer_member *m = NULL;
    if (g->consumer != NULL && id.len > 0)
        HASH_FIND(hh, g->consumer->members, id.data, id.len, m);
    return m;
}

struct consumer_member *consumer_static(const struct group *g, struct str instance_id)
{
    if (g->consumer == NULL || str_is_null(instance_id)) return NULL;
    for (struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        if (str_eq(m->instance_id, instance_id)) return m;
    return NULL;
}

/* To the rest of the broker such a group is stable while it has members, and empty else. */
static void note_state(struct group *g)
{
    enum group_state state = g->consumer->members ? GROUP_STABLE : GROUP_EMPTY;
    if (g->state != state) group_enter(g, state);
}

status consumer_add(struct group *g, struct str id, struct consumer_member **ret_member)
{
    struct consumer_member *m = mem_zalloc(sizeof(*m));
    if (m == NULL) return FAIL(NO_MEMORY);
    m->group = g;
    consumer_timers_init(m);
    if (group_set_text(&m->id, id)) {
        HASH_ADD_KEYPTR(hh, g->consumer->members, m->id.data, m->id.len, m);
        if (HASH_ADDED(hh, m)) {
            note_state(g);
            *ret_member = m;
            return OK;
        }
    }
    mem_free((void *)m->id.data);
    mem_free(m);
    return FAIL(NO_MEMORY);
}

void consumer_remove(struct consumer_member *m)
{
    struct group *g = m->group;
    struct timer *timers[] = { &m->session, &m->rebalance, &m->join, &m->sync };
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_timer_clear(g->coordinator->options.loop, timers[i]);
    HASH_DEL(g->consumer->members, m);
    struct str *texts[] = { &m->id,          &m->client_id, &m->client_host, &m->instance_id,
                            &m->rack_id,     &m->regex,     &m->assignor };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) mem_free((void *)texts[i]->data);
    mem_free(m->names);
    mem_free(m->protocols);
    tps_clear(&m->assigned);
    tps_clear(&m->revoking);
    tps_clear(&m->target);
    mem_free(m);
    note_state(g);
}

size_t consumer_classic_count(const struct group *g)
{
    size_t n = 0;
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        n += m->classic;
    return n;
}

bool consumer_reconciled(const struct consumer_member *m, int32_t assignment_epoch)
{
    return m->state == CONSUMER_STABLE && m->epoch == assignment_epoch;
}

/* --- expressions ------------------------------------------------------------------------------ */
struct consumer_regex *consumer_regex(const struct group *g, struct str regex)
{
    struct consumer_regex *r;
    DL_FOREACH(g->consumer->regexes, r) if (str_cmp(r->regex, regex) == 0) return r;
    return NULL;
}

void consumer_drop_regex(struct group *g, struct consumer_regex *r)
{
    DL_DELETE(g->consumer->regexes, r);
    mem_free((void *)r->regex.data);
    mem_free(r->topics);
    mem_free(r);
}

bool consumer_subscribed(const struct group *g, struct str topic)
{
    const struct consumer_regex *r;
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        if (consumer_has_name(m->names, m->names_count, topic)) return true;
    DL_FOREACH(g->consumer->regexes, r)
        if (consumer_has_name(r->topics, r->topics_count, topic)) return true;
    return false;
}

/* --- the group -------------------------------------------------------------------------------- */
status consumer_group_new(struct group *g)
{
    if (g->consumer != NULL) return OK;
    struct consumer_group *own = mem_zalloc(sizeof(*own));
    if (own == NULL) return FAIL(NO_MEMORY);
    if (!group_set_text(&g->protocol_type, STR("consumer"))) {
        mem_free(own);
        return FAIL(NO_MEMORY);
    }
    (void)group_set_text(&g->protocol, STR_NULL); /* takes no memory */
    g->generation = 0;
    own->checked_version = -1;
    g->consumer = own;
    note_state(g);
    return OK;
}

void consumer_group_free(struct group *g)
{
    if (g->consumer == NULL) return;
    while (g->consumer->members != NULL) consumer_remove(g->consumer->members);
    while (g->consumer->regexes != NULL) consumer_drop_regex(g, g->consumer->regexes);
    mem_free(g->consumer);
    g->consumer = NULL;
    (void)group_set_text(&g->protocol_type, STR_NULL);
}

const char *consumer_group_state(const struct group *g)
{
    const struct consumer_group *c = g->consumer;
    if (c->members == NULL) return "Empty";
    if (c->epoch > c->assignment_epoch) return "Assigning";
    for (const struct consumer_member *m = c->members; m != NULL; m = m->hh.next)
        if (!consumer_reconciled(m, c->assignment_epoch)) return "Reconciling";
    return "Stable";
}

const struct assignor *consumer_assignor(const struct consumer_member **members, size_t count)
{
    const struct assignor *best = assignor_at(0), *a;
    size_t most = 0;
    for (size_t i = 0; (a = assignor_at(i)) != NULL; i++) {
        size_t votes = 0;
        for (size_t m = 0; m < count; m++) votes += str_eq(members[m]->assignor, a->name);
        if (votes <= most) continue;
        most = votes;
        best = a;
    }
    return best;
}

void consumer_begin(struct group *g)
{
    struct consumer_member *m, *tmp;
    HASH_ITER(hh, g->consumer->members, m, tmp) {
        if (!m->known) { /* half of its records were cleaned away */
            consumer_remove(m);
            continue;
        }
        consumer_arm_session(m);
        consumer_arm_rebalance(m);
    }
}
