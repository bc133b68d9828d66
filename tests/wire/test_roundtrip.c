/* test_roundtrip.c - every message in every version survives the codec.
 *
 * Walks the tables: an object is filled with values that are not the defaults, written, read,
 * compared field by field and written again. Every prefix of the bytes must be refused. Each prefix
 * is a heap block of exactly its size, so that the address sanitizer sees a read behind it. */
#include "base/mem.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ARENA_CAP (8u << 20)
#define BYTES_MAX (8u << 20)

enum variant {
    FULL,     /* everything set, two elements an array */
    NULLS,    /* null wherever the version allows it, empty arrays elsewhere */
    DEFAULTS, /* as wire_default leaves it */
    VARIANTS
};

struct filler {
    struct arena *arena;
    int16_t version;
    enum variant variant;
    uint32_t next; /* makes values differ */
};

static void fill_struct(struct filler *fl, const struct wire_struct *s, uint8_t *object);

static struct str text(struct filler *fl)
{
    return arena_printf(fl->arena, "text-%u", fl->next++);
}

static void fill_value(struct filler *fl, const struct wire_field *f, uint8_t *p)
{
    uint64_t n = 0x8142238445866788ull * (2 * fl->next++ + 1);
    double d = (double)fl->next + 0.25;
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL: *(bool *)p = !f->default_number; break;
    case WIRE_INT8: *p = (uint8_t)(n | 0x40) & 0x7f; break;
    case WIRE_INT16:
    case WIRE_UINT16: memcpy(p, &n, 2); break;
    case WIRE_INT32:
    case WIRE_UINT32: memcpy(p, &n, 4); break;
    case WIRE_INT64: memcpy(p, &n, 8); break;
    case WIRE_FLOAT64: memcpy(p, &d, 8); break;
    case WIRE_STRING: *(struct str *)(void *)p = text(fl); break;
    case WIRE_BYTES: *(struct bytes *)(void *)p = str_bytes(text(fl)); break;
    case WIRE_UUID: memcpy(p, &n, 8); break;
    case WIRE_STRUCT: fill_struct(fl, &wire_structs[f->of], p); break;
    }
}

static size_t element_size(const struct wire_field *f)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 8, 8, sizeof(struct str),
                                     sizeof(struct bytes), 16 };
    return f->type == WIRE_STRUCT ? wire_structs[f->of].size : sizes[f->type];
}

static void fill_array(struct filler *fl, const struct wire_field *f, uint8_t *object)
{
    size_t size = element_size(f);
    uint8_t *items = arena_array(fl->arena, 2, size);
    assert_non_null(items);
    for (int i = 0; i < 2; i++) {
        if (f->type == WIRE_STRUCT) wire_default_struct(&wire_structs[f->of], items + i * size);
        fill_value(fl, f, items + i * size);
    }
    memcpy(object + f->at, &items, sizeof items);
    *(int32_t *)(void *)(object + f->count_at) = 2;
}

static void set_null(const struct wire_field *f, uint8_t *object)
{
    static const struct bytes null;
    if (f->flags & WIRE_ARRAY) *(int32_t *)(void *)(object + f->count_at) = -1;
    else if (f->type != WIRE_STRUCT) memcpy(object + f->at, &null, sizeof null);
}

static void fill_field(struct filler *fl, const struct wire_field *f, uint8_t *object)
{
    if (fl->variant == NULLS) {
        if (wire_in(f->null, fl->version)) set_null(f, object);
        else if (f->type == WIRE_STRUCT && !(f->flags & (WIRE_ARRAY | WIRE_POINTER))) {
            fill_value(fl, f, object + f->at);
        }
        return;
    }
    if (f->flags & WIRE_ARRAY) {
        fill_array(fl, f, object);
    } else if (f->flags & WIRE_POINTER) {
        void *sub = arena_alloc(fl->arena, wire_structs[f->of].size);
        assert_non_null(sub);
        wire_default_struct(&wire_structs[f->of], sub);
        fill_struct(fl, &wire_structs[f->of], sub);
        memcpy(object + f->at, &sub, sizeof sub);
    } else {
        fill_value(fl, f, object + f->at);
    }
}

static void fill_struct(struct filler *fl, const struct wire_struct *s, uint8_t *object)
{
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (wire_in(f->in, fl->version)) fill_field(fl, f, object);
    }
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool same_struct(const struct wire_struct *s, const uint8_t *a, const uint8_t *b);

static bool same_value(const struct wire_field *f, const uint8_t *a, const uint8_t *b)
{
    if (f->type == WIRE_STRUCT) return same_struct(&wire_structs[f->of], a, b);
    if (f->type != WIRE_STRING && f->type != WIRE_BYTES) return !memcmp(a, b, element_size(f));
    return str_eq(*(const struct str *)(const void *)a, *(const struct str *)(const void *)b);
}

static bool same_field(const struct wire_field *f, const uint8_t *a, const uint8_t *b)
{
    const uint8_t *sub_a, *sub_b;
    bool plain = !(f->flags & (WIRE_ARRAY | WIRE_POINTER));
    if (plain) return same_value(f, a + f->at, b + f->at);
    memcpy(&sub_a, a + f->at, sizeof sub_a);
    memcpy(&sub_b, b + f->at, sizeof sub_b);
    if (f->flags & WIRE_POINTER) {
        if (!sub_a || !sub_b) return sub_a == sub_b;
        return same_struct(&wire_structs[f->of], sub_a, sub_b);
    }
    int32_t count = *(const int32_t *)(const void *)(a + f->count_at);
    if (count != *(const int32_t *)(const void *)(b + f->count_at)) return false;
    for (int32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * element_size(f);
        if (!same_value(f, sub_a + at, sub_b + at)) return false;
    }
    return true;
}

static bool same_struct(const struct wire_struct *s, const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (same_field(f, a, b)) continue;
        print_error("field %s differs\n", f->name);
        return false;
    }
    return true;
}

/* --- the tests -------------------------------------------------------------------------------- */

struct sample {
    const struct wire_message *message;
    int16_t version;
    enum variant variant;
    void *object;
    struct buf bytes;
    struct arena arena;
};

static void each_sample(void (*test)(struct sample *s))
{
    for (const struct wire_message *const *m = wire_messages; *m; m++) {
        for (int v = (*m)->min_version; v <= (*m)->max_version; v++) {
            for (int variant = 0; variant < VARIANTS; variant++) {
                struct sample s = { *m, (int16_t)v, (enum variant)variant };
                arena_init(&s.arena, ARENA_CAP);
                buf_init(&s.bytes, BYTES_MAX);
                s.object = arena_alloc(&s.arena, wire_object_size(*m));
                wire_default(*m, s.object);
                struct filler fl = { &s.arena, s.version, s.variant, 1 };
                if (variant != DEFAULTS) fill_struct(&fl, wire_body(*m), s.object);
                status written = wire_encode(*m, s.version, s.object, &s.bytes);
                if (failed(written)) print_error("%s v%d: %s\n", (*m)->name, v, status_name(written));
                assert_true(is_ok(written));
                test(&s);
                buf_done(&s.bytes);
                arena_done(&s.arena);
            }
        }
    }
}

static void check_round(struct sample *s)
{
    size_t used;
    struct buf again;
    void *back = arena_alloc(&s->arena, wire_object_size(s->message));
    status read = wire_decode(s->message, s->version, buf_bytes(&s->bytes), &s->arena, back, &used);
    bool ok = is_ok(read) && used == s->bytes.len &&
              same_struct(wire_body(s->message), s->object, back);
    buf_init(&again, BYTES_MAX);
    ok = ok && is_ok(wire_encode(s->message, s->version, back, &again)) &&
         again.len == s->bytes.len &&
         (again.len == 0 || !memcmp(again.data, s->bytes.data, again.len));
    if (!ok) {
        print_error("%s v%d variant %d: %s, used %zu of %zu\n", s->message->name, s->version,
                    s->variant, status_name(read), used, s->bytes.len);
    }
    buf_done(&again);
    assert_true(ok);
}

static void test_every_message_in_every_version_survives_a_round_trip(void **state)
{
    (void)state;
    each_sample(check_round);
    assert_int_equal(mem_outstanding(), 0);
}

static void check_prefixes(struct sample *s)
{
    if (s->variant != FULL) return;
    struct arena arena;
    arena_init(&arena, ARENA_CAP);
    void *back = mem_zalloc(wire_object_size(s->message));
    for (size_t n = 0; n < s->bytes.len; n++) {
        uint8_t *prefix = mem_memdup(s->bytes.data, n ? n : 1);
        status read = wire_decode(s->message, s->version, bytes_of(prefix, n), &arena, back, NULL);
        mem_free(prefix);
        if (is_ok(read)) print_error("%s v%d: %zu bytes\n", s->message->name, s->version, n);
        assert_true(read.code == E_TRUNCATED || read.code == E_MALFORMED);
        arena_reset(&arena);
    }
    mem_free(back);
    arena_done(&arena);
}

static void test_every_prefix_of_every_message_is_refused(void **state)
{
    (void)state;
    each_sample(check_prefixes);
}

/* Overwrites one byte at a time with values that make lengths and counts huge or null: any result
 * is fine but a crash or memory beyond the arena's cap. */
static void check_damage(struct sample *s)
{
    static const uint8_t values[] = { 0x00, 0x7f, 0x80, 0xff };
    if (s->variant != FULL || s->bytes.len == 0) return;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    void *back = mem_zalloc(wire_object_size(s->message));
    uint8_t *copy = mem_memdup(s->bytes.data, s->bytes.len);
    for (size_t at = 0; at < s->bytes.len; at++) {
        uint8_t before = copy[at];
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            copy[at] = values[i];
            (void)wire_decode(s->message, s->version, bytes_of(copy, s->bytes.len), &arena, back,
                              NULL);
            assert_true(arena.used <= arena.cap);
            arena_reset(&arena);
        }
        copy[at] = before;
    }
    mem_free(copy);
    mem_free(back);
    arena_done(&arena);
}

static void test_damaged_bytes_never_harm(void **state)
{
    (void)state;
    each_sample(check_damage);
}

static void test_versions_outside_the_range_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct buf out;
    arena_init(&arena, ARENA_CAP);
    buf_init(&out, BYTES_MAX);
    for (const struct wire_message *const *m = wire_messages; *m; m++) {
        void *object = arena_alloc(&arena, wire_object_size(*m));
        wire_default(*m, object);
        int16_t above = (int16_t)((*m)->max_version + 1), below = (int16_t)((*m)->min_version - 1);
        assert_int_equal(wire_encode(*m, above, object, &out).code, E_UNSUPPORTED_VERSION);
        assert_int_equal(wire_decode(*m, below, bytes_of("", 0), &arena, object, NULL).code,
                         E_UNSUPPORTED_VERSION);
        assert_int_equal(out.len, 0);
        arena_reset(&arena);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_in_every_version_survives_a_round_trip),
        cmocka_unit_test(test_every_prefix_of_every_message_is_refused),
        cmocka_unit_test(test_damaged_bytes_never_harm),
        cmocka_unit_test(test_versions_outside_the_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
