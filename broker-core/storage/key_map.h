/* key_map.h - the last offset of each key, for compaction.
 *
 * Keys are kept as 128 bits of their SHA-256, so an entry costs the same whatever the key's length
 * and nobody can make two keys meet. The size is fixed when the map is made. One thread at a time. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct key_slot {
    uint8_t hash[16];
    int64_t next; /* offset + 1; 0: empty */
};
struct key_map {
    struct key_slot *slots;
    uint32_t size; /* a power of two */
    uint32_t count, max;
};

/* Room for `keys` keys, at least 64 and at most KEY_MAP_MAX. NO_MEMORY. */
status key_map_init(struct key_map *map, uint64_t keys);
void key_map_done(struct key_map *map); /* a zeroed one: ok */
/* Notes that the key was seen at offset; offsets of one key rise. LIMIT: the map is full. */
status key_map_put(struct key_map *map, struct bytes key, int64_t offset);
/* The last offset noted for the key; -1: none. */
int64_t key_map_get(const struct key_map *map, struct bytes key);
