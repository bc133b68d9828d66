/* quota_meter.c - see quota_meter.h. */
#include "broker/quota_meter.h"

#include "base/mem.h"

#define NAME_MAX_LEN 255 /* a longer one is not counted */

static size_t put_name(char *to, struct str name)
{
    if (name.len) memcpy(to, name.data, name.len);
    return name.len;
}

/* Which parts there are, and their names: an entity's default has a name without data. */
static size_t key_of(const struct quota *e, char key[6 + 3 * NAME_MAX_LEN])
{
    const struct str names[] = { e->user, e->client_id, e->ip };
    const bool has[] = { e->has_user, e->has_client_id, e->has_ip };
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = has[i] && names[i].data ? names[i].len : 0;
        if (n > NAME_MAX_LEN) return 0;
        key[len++] = (char)(!has[i] ? 0 : names[i].data ? 2 : 1);
        key[len++] = (char)n;
        len += put_name(key + len, (struct str){ names[i].data, n });
    }
    return len;
}

/* The names as they lie in the meter's key. */
static void name_entity(struct quota_meter *m)
{
    struct str *const names[] = { &m->entity.user, &m->entity.client_id, &m->entity.ip };
    bool *const has[] = { &m->entity.has_user, &m->entity.has_client_id, &m->entity.has_ip };
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = (uint8_t)m->key[at + 1];
        *has[i] = m->key[at] != 0;
        *names[i] = m->key[at] == 2 ? (struct str){ m->key + at + 2, n } : STR_NULL;
        at += 2 + n;
    }
}

struct quota_meter *quota_meter_of(struct quota_meters *meters, const struct quota *entity)
{
    char key[6 + 3 * NAME_MAX_LEN];
    struct quota_meter *m = NULL;
    size_t len = key_of(entity, key);
    if (!len) return NULL;
    HASH_FIND(hh, meters->all, key, len, m);
    if (m || HASH_COUNT(meters->all) >= QUOTA_METERS_MAX) return m;
    m = mem_zalloc(sizeof *m + len);
    if (!m) return NULL;
    memcpy(m->key, key, len);
    m->key_len = len;
    name_entity(m);
    HASH_ADD_KEYPTR(hh, meters->all, m->key, len, m);
    if (HASH_ADDED(hh, m)) return m;
    mem_free(m);
    return NULL;
}

int64_t quota_held_longer(int64_t *until, int32_t ms, int64_t now)
{
    int64_t from = *until > now ? *until : now, end = now + ms;
    if (end <= from) return 0;
    *until = end;
    return end - from;
}

void quota_meter_add(struct quota_meter *m, enum quota_kind kind, double amount, int32_t ms, int64_t now)
{
    if (!m) return;
    switch (kind) {
    case QUOTA_PRODUCER_BYTES: m->bytes_in += (int64_t)amount; break;
    case QUOTA_CONSUMER_BYTES: m->bytes_out += (int64_t)amount; break;
    case QUOTA_REQUEST: m->request_us += (int64_t)(amount * 1000); break;
    case QUOTA_MUTATION: m->mutations += (int64_t)amount; break;
    case QUOTA_CONNECTION: m->connections += (int64_t)amount; break;
    }
    m->throttle_ms += quota_held_longer(&m->until, ms, now);
}

void quota_meters_prune(struct quota_meters *meters, const struct image *image)
{
    struct quota_meter *m, *next;
    HASH_ITER(hh, meters->all, m, next) {
        if (image_quota_entity(image, &m->entity)) continue;
        HASH_DEL(meters->all, m);
        mem_free(m);
    }
}

void quota_meters_done(struct quota_meters *meters)
{
    struct quota_meter *m, *next;
    HASH_ITER(hh, meters->all, m, next) {
        HASH_DEL(meters->all, m);
        mem_free(m);
    }
}
