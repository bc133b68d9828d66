/* lockout.c - counts failed logins. Domain thread. A full table forgets the entry that is oldest, so
 * memory is bounded whoever knocks. */
#include "identity/lockout.h"

#include "base/hash.h"

#define PAIR_FREE 5
#define ADDRESS_FREE 20
#define LONGEST_MS (15 * 60 * 1000)
#define FORGET_MS (60 * 60 * 1000)

static uint64_t key_of(struct str login, struct str address)
{
    uint32_t a = hash_keyed(address.data, address.len);
    uint32_t b = login.data ? hash_keyed(login.data, login.len) : 0;
    return (uint64_t)a << 32 | b | (login.data ? 1 : 0) | (uint64_t)1 << 63;
}

static struct lockout_entry *find(const struct lockout *l, uint64_t key)
{
    for (size_t i = 0; i < LOCKOUT_ENTRIES; i++) {
        if (l->entries[i].key == key) return (struct lockout_entry *)&l->entries[i];
    }
    return NULL;
}

static struct lockout_entry *find_or_add(struct lockout *l, uint64_t key)
{
    struct lockout_entry *e = find(l, key);
    if (e) return e;
    struct lockout_entry *oldest = &l->entries[0];
    for (size_t i = 0; i < LOCKOUT_ENTRIES && oldest->key; i++) {
        if (!l->entries[i].key || l->entries[i].last < oldest->last) oldest = &l->entries[i];
    }
    *oldest = (struct lockout_entry){ .key = key };
    return oldest;
}

static int64_t wait_of(const struct lockout_entry *e, int64_t now)
{
    return e && e->until > now ? e->until - now : 0;
}

int64_t lockout_wait(const struct lockout *l, struct str login, struct str address, int64_t now)
{
    int64_t pair = wait_of(find(l, key_of(login, address)), now);
    int64_t host = wait_of(find(l, key_of(STR_NULL, address)), now);
    return pair > host ? pair : host;
}

static void count(struct lockout *l, uint64_t key, int free_tries, int64_t now)
{
    struct lockout_entry *e = find_or_add(l, key);
    if (e->failures && now - e->last > FORGET_MS) e->failures = 0;
    e->last = now;
    e->failures++;
    if (e->failures < free_tries) return;
    int doublings = e->failures - free_tries;
    int64_t wait = doublings < 20 ? (int64_t)1000 << doublings : LONGEST_MS;
    e->until = now + (wait < LONGEST_MS ? wait : LONGEST_MS);
}

void lockout_failed(struct lockout *l, struct str login, struct str address, int64_t now)
{
    count(l, key_of(login, address), PAIR_FREE, now);
    count(l, key_of(STR_NULL, address), ADDRESS_FREE, now);
}

void lockout_passed(struct lockout *l, struct str login, struct str address)
{
    struct lockout_entry *e = find(l, key_of(login, address));
    if (e) *e = (struct lockout_entry){ 0 };
}
