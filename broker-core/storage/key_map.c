/* key_map.c - open addressing with linear probing; at most three of four slots are taken. */
#include "storage/key_map.h"

#include "base/mem.h"
#include "storage/limits.h"

#include <openssl/evp.h>
#include <string.h>

#define KEYS_MIN 64

status key_map_init(struct key_map *map, uint64_t keys)
{
    if (keys < KEYS_MIN) keys = KEYS_MIN;
    if (keys > KEY_MAP_MAX) keys = KEY_MAP_MAX;
    uint32_t size = KEYS_MIN;
    while ((uint64_t)size / 4 * 3 < keys) size *= 2;
    struct key_slot *slots = mem_zalloc((size_t)size * sizeof *slots);
    if (!slots) return FAIL(NO_MEMORY);
    *map = (struct key_map){ .slots = slots, .size = size, .max = size / 4 * 3 };
    return OK;
}

void key_map_done(struct key_map *map)
{
    mem_free(map->slots);
    *map = (struct key_map){ 0 };
}

/* The slot of the key, or the empty one where it belongs; NULL when it cannot be hashed. */
static struct key_slot *find(const struct key_map *map, struct bytes key, uint8_t hash[32])
{
    if (EVP_Digest(key.data, key.len, hash, NULL, EVP_sha256(), NULL) != 1) return NULL;
    uint32_t at;
    memcpy(&at, hash, sizeof at);
    for (;; at++) {
        struct key_slot *slot = &map->slots[at & (map->size - 1)];
        if (slot->next == 0 || memcmp(slot->hash, hash, sizeof slot->hash) == 0) return slot;
    }
}

status key_map_put(struct key_map *map, struct bytes key, int64_t offset)
{
    uint8_t hash[32];
    struct key_slot *slot = find(map, key, hash);
    if (!slot) return FAIL(NO_MEMORY);
    if (slot->next == 0) {
        if (map->count == map->max) return FAIL(LIMIT);
        memcpy(slot->hash, hash, sizeof slot->hash);
        map->count++;
    }
    slot->next = offset + 1;
    return OK;
}

int64_t key_map_get(const struct key_map *map, struct bytes key)
{
    uint8_t hash[32];
    const struct key_slot *slot = find(map, key, hash);
    return slot && slot->next ? slot->next - 1 : -1;
}
