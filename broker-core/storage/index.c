/* index.c - sparse offset and time index of one segment. Loop thread, or the owner's. */
#include "storage/index.h"

#include "base/mem.h"
#include "storage/limits.h"

void index_init(struct index *index)
{
    *index = (struct index){ .interval = INDEX_INTERVAL, .max = INDEX_ENTRIES_MAX };
}

void index_limit(struct index *index, int64_t interval_bytes, int64_t index_bytes)
{
    int64_t entries = index_bytes / 8;
    index->interval = (uint32_t)(interval_bytes < 1 ? 1 : interval_bytes);
    index->max = (uint32_t)(entries < 2 ? 2 : entries > INDEX_ENTRIES_MAX ? INDEX_ENTRIES_MAX : entries);
}

void index_done(struct index *index)
{
    mem_free(index->entries);
    index_init(index);
}

static void index_thin(struct index *index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < index->count; i += 2) index->entries[kept++] = index->entries[i];
    index->count = kept;
    if (index->interval < UINT32_MAX / 2) index->interval *= 2;
}

void index_add(struct index *index, uint32_t relative, uint32_t position, int64_t max_before)
{
    if (index->count) {
        uint32_t last = index->entries[index->count - 1].position;
        if (position < last || position - last < index->interval) return;
    }
    if (index->count >= index->max) index_thin(index);
    if (index->count == index->cap) {
        uint32_t cap = index->cap ? index->cap * 2 : 4;
        struct index_entry *e = mem_realloc(index->entries, cap * sizeof *e);
        if (!e) return;
        index->entries = e;
        index->cap = cap;
    }
    index->entries[index->count++] = (struct index_entry){ relative, position, max_before };
}

uint32_t index_find_offset(const struct index *index, uint32_t relative)
{
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[middle].relative <= relative) low = middle + 1;
        else high = middle;
    }
    return low ? index->entries[low - 1].position : 0;
}

const struct index_entry *index_before(const struct index *index, uint32_t position, int64_t relative)
{
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct index_entry *e = &index->entries[middle];
        if (e->position <= position && (int64_t)e->relative <= relative) low = middle + 1;
        else high = middle;
    }
    return low ? &index->entries[low - 1] : NULL;
}

const struct index_entry *index_after(const struct index *index, uint32_t position)
{
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[middle].position <= position) low = middle + 1;
        else high = middle;
    }
    return low < index->count ? &index->entries[low] : NULL;
}

uint32_t index_find_time(const struct index *index, int64_t ts)
{
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[middle].max_before < ts) low = middle + 1;
        else high = middle;
    }
    return low ? index->entries[low - 1].position : 0;
}

void index_cut(struct index *index, uint32_t position)
{
    while (index->count && index->entries[index->count - 1].position >= position) index->count--;
}
