/* source_kit.c - see source_kit.h. */
#include "unit/source_kit.h"

#include "base/mem.h"

struct source {
    struct stream_source source;
    struct deferred ready;
    struct kit_sources *kit;
    uint8_t seed;
    size_t read, sent; /* so far */
};

static void source_ready(struct deferred *d)
{
    stream_go_on(CONTAINER_OF(d, struct source, ready)->source.stream);
}

static status source_read(struct stream_source *source, size_t at, uint8_t *p, size_t n, size_t *ret_n)
{
    struct source *s = CONTAINER_OF(source, struct source, source);
    struct kit_sources *kit = s->kit;
    if (kit->busy_every && ++kit->reads % kit->busy_every == 0) {
        loop_defer(kit->loop, &s->ready);
        return FAIL(BUSY);
    }
    if (at != s->read && at != s->sent) kit->astray++;
    if (n > kit->piece_max) n = kit->piece_max;
    for (size_t i = 0; i < n; i++) {
        if (at + i == kit->fails_at) return FAIL(IO);
        p[i] = kit_byte(s->seed, at + i);
    }
    s->read = at + n;
    *ret_n = n;
    return OK;
}

static void source_sent(struct stream_source *source, const uint8_t *p, size_t n)
{
    struct source *s = CONTAINER_OF(source, struct source, source);
    for (size_t i = 0; i < n; i++)
        if (p[i] != kit_byte(s->seed, s->sent + i)) s->kit->astray++;
    s->sent += n;
    if (s->sent > s->read) s->kit->astray++;
}

static void source_free(struct stream_source *source)
{
    struct source *s = CONTAINER_OF(source, struct source, source);
    loop_undefer(s->kit->loop, &s->ready);
    s->kit->alive--;
    mem_free(s);
}

struct stream_source *kit_source(struct kit_sources *kit, uint8_t seed)
{
    struct source *s = mem_must(mem_zalloc(sizeof *s));
    *s = (struct source){ .source = { .read = source_read, .sent = source_sent, .free = source_free },
                          .ready.run = source_ready, .kit = kit, .seed = seed };
    kit->alive++;
    return &s->source;
}

status kit_send_parts(struct kit_sources *kit, struct stream *stream, const size_t *sizes, int count,
                      struct buf *expected)
{
    struct buf head;
    struct stream_part *parts = mem_must(mem_alloc((size_t)count * sizeof *parts));
    size_t size = 0;
    buf_init(&head, SIZE_MAX);
    buf_put_be32(&head, 0);
    for (int i = 0; i < count; i++) {
        buf_put(&head, "abc", 3);
        buf_put(expected, "abc", 3);
        parts[i] = (struct stream_part){ head.len, sizes[i], kit_source(kit, (uint8_t)i) };
        uint8_t *to = buf_extend(expected, sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++) to[n] = kit_byte((uint8_t)i, n);
        buf_put(&head, "de", 2);
        buf_put(expected, "de", 2);
        size += sizes[i];
    }
    put_be32(head.data, (uint32_t)(head.len - 4 + size));
    return stream_send_parts(stream, &head, parts, count);
}
