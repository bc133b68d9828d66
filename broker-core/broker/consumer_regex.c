/* consumer_regex.c - when the expressions of a group are matched with the topics of the cluster: one
 * that is new at once, all of them when topics have come or gone, and again after ten minutes, since
 * the ACLs of who asks decide what it may see. Loop thread. */
#include "broker/authorizer.h"
#include "broker/consumer.h"
#include "broker/topic_regex.h"

#include "base/mem.h"

enum { REFRESH_MS = 600000, REFRESH_MAX = 16 /* in one request: the loop has others, too */ };

/* Ids are random: their sum tells one set of topics from another. */
static uint64_t fingerprint(const struct image *image)
{
    uint64_t sum = 1;
    for (const struct topic *t = image->topics; t != NULL; t = t->hh.next) sum += get_be64(t->id.b);
    return sum;
}

static status resolve(struct consumer_op *op, const struct consumer_context *who,
                      struct consumer_regex *r)
{
    const struct image *image = op->group->coordinator->options.image;
    CLEANUP(topic_regex) struct topic_regex *compiled = NULL;
    TRY(topic_regex_new(r->regex, &compiled));
    r->topics = ARENA_ARRAY(&op->arena, struct str, HASH_COUNT(image->topics));
    TRY(arena_check(&op->arena));
    r->topics_count = 0;
    for (const struct topic *t = image->topics; t != NULL; t = t->hh.next)
        if (topic_regex_matches(compiled, t->name) &&
            (who->super || authorizer_allows(image, who->principal, who->client_host, OP_DESCRIBE,
                                             RES_TOPIC, t->name)))
            r->topics[r->topics_count++] = t->name;
    r->topics_count = consumer_sort_names(r->topics, r->topics_count);
    r->version = image->version;
    r->resolved_at = loop_wall(op->group->coordinator->options.loop);
    consumer_batch_regex(op->batch, r);
    return OK;
}

static bool same_topics(const struct consumer_regex *a, const struct consumer_regex *b)
{
    if (a->topics_count != b->topics_count) return false;
    for (int32_t i = 0; i < a->topics_count; i++)
        if (str_cmp(a->topics[i], b->topics[i]) != 0) return false;
    return true;
}

static struct consumer_regex *find(struct consumer_op *op, struct str regex)
{
    struct consumer_regex *r;
    DL_FOREACH(op->regexes, r) if (str_cmp(r->regex, regex) == 0) return r;
    return NULL;
}

/* Drops those nobody subscribes with any more. */
static void drop_unused(struct consumer_op *op)
{
    size_t n;
    const struct consumer_member **members = consumer_op_members(op, &n);
    struct consumer_regex *r, *tmp;
    DL_FOREACH_SAFE(op->regexes, r, tmp) {
        bool used = members == NULL;
        for (size_t i = 0; i < n && !used; i++) used = str_cmp(members[i]->regex, r->regex) == 0;
        if (used) continue;
        consumer_batch_no_regex(op->batch, r->regex);
        DL_DELETE(op->regexes, r);
    }
}

static status refresh(struct consumer_op *op, const struct consumer_context *who, bool *ret_changed)
{
    struct consumer_regex *r;
    const struct image *image = op->group->coordinator->options.image;
    uint64_t seen = fingerprint(image);
    int64_t now = loop_wall(op->group->coordinator->options.loop);
    int done = 0;
    if (seen != op->topics_seen) op->topics_version = image->version;
    op->topics_seen = seen;
    op->regexes_stale = false;
    DL_FOREACH(op->regexes, r) {
        if (r->version >= op->topics_version && now - r->resolved_at < REFRESH_MS) continue;
        if (done++ == REFRESH_MAX) {
            op->regexes_stale = true;
            break;
        }
        struct consumer_regex before = *r;
        TRY(resolve(op, who, r));
        if (!same_topics(&before, r)) *ret_changed = true;
    }
    return OK;
}

status consumer_check_regex(struct str regex)
{
    CLEANUP(topic_regex) struct topic_regex *compiled = NULL;
    return topic_regex_new(regex, &compiled);
}

bool consumer_op_regexes_due(const struct consumer_op *op)
{
    const struct consumer_regex *r;
    int64_t now = loop_wall(op->group->coordinator->options.loop);
    DL_FOREACH(op->regexes, r) if (now - r->resolved_at >= REFRESH_MS) return true;
    return op->regexes_stale;
}

status consumer_op_regexes(struct consumer_op *op, const struct consumer_context *who,
                           bool *ret_changed)
{
    struct str regex = op->has_now ? op->now.regex : STR_NULL;
    drop_unused(op);
    if (op->regexes != NULL && who != NULL) TRY(refresh(op, who, ret_changed));
    if (regex.len == 0 || find(op, regex) != NULL || who == NULL) return OK;
    struct consumer_regex *r = ARENA_NEW(&op->arena, struct consumer_regex);
    if (r == NULL) return FAIL(NO_MEMORY);
    r->regex = regex;
    TRY(resolve(op, who, r));
    DL_APPEND(op->regexes, r);
    if (op->topics_seen == 0) op->topics_seen = fingerprint(op->group->coordinator->options.image);
    *ret_changed = true;
    return OK;
}
