/* test_golden.c - our bytes are Kafka's bytes.
 *
 * golden/ was written by Apache Kafka's own classes (Golden.java there). For every message and
 * version the same values are put into our struct, in the same order; length and CRC of what we
 * write must be Kafka's. Batches of every codec are read, and built again byte for byte. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/batch.h"
#include "wire/header.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define BIG (8u << 20)
#define LINE_SIZE 8192

/* --- values: one counter, as Golden.java counts ----------------------------------------------- */

struct filler {
    struct arena *arena;
    int16_t version;
    int64_t counter;
};

static void fill_struct(struct filler *fl, const struct wire_struct *s, uint8_t *object);

static struct uuid uuid_of(uint64_t high, uint64_t low)
{
    struct uuid u;
    put_be64(u.b, high);
    put_be64(u.b + 8, low);
    return u;
}

static void fill_value(struct filler *fl, const struct wire_field *f, uint8_t *at)
{
    void *p = at;
    if (f->type == WIRE_STRUCT) {
        fill_struct(fl, &wire_structs[f->of], p);
        return;
    }
    int64_t n = ++fl->counter;
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL: *(bool *)p = true; break;
    case WIRE_INT8: *(int8_t *)p = (int8_t)(n % 100 + 1); break;
    case WIRE_INT16: *(int16_t *)p = (int16_t)(n + 1000); break;
    case WIRE_UINT16: *(uint16_t *)p = (uint16_t)(n + 1000); break;
    case WIRE_INT32: *(int32_t *)p = (int32_t)(n + 100000); break;
    case WIRE_UINT32: *(uint32_t *)p = (uint32_t)(n + 100000); break;
    case WIRE_INT64: *(int64_t *)p = n + 10000000000; break;
    case WIRE_FLOAT64: *(double *)p = (double)n + 0.5; break;
    case WIRE_STRING: *(struct str *)p = arena_printf(fl->arena, "s%" PRId64, n); break;
    case WIRE_BYTES: {
        struct str text = arena_printf(fl->arena, "b%" PRId64, n);
        *(struct bytes *)p = str_bytes(text);
        break;
    }
    case WIRE_UUID: *(struct uuid *)p = uuid_of((uint64_t)n, (uint64_t)n + 1); break;
    case WIRE_STRUCT: break;
    }
}

static size_t element_size(const struct wire_field *f)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 8, 8, sizeof(struct str),
                                     sizeof(struct bytes), 16 };
    return f->type == WIRE_STRUCT ? wire_structs[f->of].size : sizes[f->type];
}

static uint8_t *new_elements(struct filler *fl, const struct wire_field *f, int count)
{
    size_t size = element_size(f);
    uint8_t *items = arena_array(fl->arena, (size_t)count, size);
    assert_non_null(items);
    for (int i = 0; i < count; i++) {
        if (f->type == WIRE_STRUCT) wire_default_struct(&wire_structs[f->of], items + i * size);
        fill_value(fl, f, items + i * size);
    }
    return items;
}

static void fill_field(struct filler *fl, const struct wire_field *f, uint8_t *object)
{
    if (!(f->flags & (WIRE_ARRAY | WIRE_POINTER))) {
        fill_value(fl, f, object + f->at);
        return;
    }
    uint8_t *items = new_elements(fl, f, f->flags & WIRE_ARRAY ? 2 : 1);
    memcpy(object + f->at, &items, sizeof items);
    if (f->flags & WIRE_ARRAY) *(int32_t *)(void *)(object + f->count_at) = 2;
}

static void fill_struct(struct filler *fl, const struct wire_struct *s, uint8_t *object)
{
    const struct wire_field *fields = &wire_fields[s->first];
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &fields[i];
        if (wire_in(f->in, fl->version) && !wire_in(f->tagged, fl->version)) {
            fill_field(fl, f, object);
        }
    }
    for (int tag = 0; tag < s->tag_count; tag++) {
        for (int i = 0; i < s->field_count; i++) {
            const struct wire_field *f = &fields[i];
            bool here = wire_in(f->in, fl->version) && wire_in(f->tagged, fl->version);
            if (here && f->tag == tag) fill_field(fl, f, object);
        }
    }
}

/* --- messages --------------------------------------------------------------------------------- */

static const struct wire_message *find(const char *name)
{
    for (const struct wire_message *const *m = wire_messages; *m; m++) {
        if (!strcmp((*m)->name, name)) return *m;
    }
    return NULL;
}

static bool same_as_kafka(const char *name, int version, size_t length, uint32_t crc)
{
    const struct wire_message *m = find(name);
    if (!m) return false;
    struct arena arena;
    struct buf out;
    arena_init(&arena, BIG);
    buf_init(&out, BIG);
    void *object = arena_alloc(&arena, wire_object_size(m));
    wire_default(m, object);
    struct filler fl = { &arena, (int16_t)version, 0 };
    fill_struct(&fl, wire_body(m), object);
    status written = wire_encode(m, (int16_t)version, object, &out);
    bool same = is_ok(written) && out.len == length && crc32c(0, out.data, out.len) == crc;
    buf_done(&out);
    arena_done(&arena);
    return same;
}

static FILE *open_golden(const char *path)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    return in;
}

static void test_every_message_is_written_as_kafka_writes_it(void **state)
{
    (void)state;
    FILE *in = open_golden(GOLDEN "/messages.txt");
    char line[LINE_SIZE], name[128];
    int version, checked = 0, wrong = 0;
    size_t length;
    uint32_t crc;
    while (fgets(line, sizeof line, in)) {
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%127s %d %zu %" SCNx32, name, &version, &length, &crc), 4);
        checked++;
        if (same_as_kafka(name, version, length, crc)) continue;
        print_error("%s v%d differs\n", name, version);
        wrong++;
    }
    fclose(in);
    assert_int_equal(wrong, 0);
    assert_true(checked > 600);
}

static void test_advertised_versions_are_those_of_the_schema(void **state)
{
    (void)state;
    for (const struct wire_message *const *m = wire_messages; *m; m++) {
        if ((*m)->kind == WIRE_CONTROL || (*m)->kind == WIRE_IMAGE) continue;
        assert_true((*m)->min_version >= 0 && (*m)->max_version >= (*m)->min_version);
    }
#define API(key, name, low, high)                                                                  \
    assert_non_null(wire_request(key));                                                            \
    assert_string_equal(wire_api_name(key), #name);                                                \
    assert_true(wire_knows(wire_request(key), high));                                              \
    assert_true((key) == 0 || wire_request(key)->min_version == (low));                            \
    assert_int_equal(wire_request(key)->max_version - wire_request(key)->unstable_last, high);     \
    assert_int_equal(wire_request(key)->flex_from, wire_response(key)->flex_from);
#include "wire/api_versions.def"
#undef API
}

/* --- batches ---------------------------------------------------------------------------------- */

static uint8_t hex_digit(char c) { return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10); }

static void load_batch(const char *name, struct buf *out)
{
    FILE *in = open_golden(GOLDEN "/batches.txt");
    char line[LINE_SIZE];
    size_t n = strlen(name);
    buf_clear(out);
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, name, n) != 0 || line[n] != ' ') continue;
        for (const char *p = line + n + 1; p[0] > ' ' && p[1] > ' '; p += 2) {
            uint8_t byte = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
            buf_put(out, &byte, 1);
        }
    }
    fclose(in);
    assert_true(out->len > BATCH_HEADER_SIZE);
}

static void check_second(const struct record *r)
{
    struct record_header h;
    size_t position = 0;
    assert_true(str_eq_c(bytes_str(r->key), "k"));
    assert_null(r->value.data);
    assert_int_equal(r->header_count, 2);
    assert_true(is_ok(record_header_next(r, &position, &h)));
    assert_true(str_eq_c(h.key, "h1") && str_eq_c(bytes_str(h.value), "v"));
    assert_true(is_ok(record_header_next(r, &position, &h)));
    assert_true(str_eq_c(h.key, "h2"));
    assert_null(h.value.data);
}

/* The three records that Golden.java puts into each batch. */
static void check_records(struct bytes batch, bool append_time)
{
    struct batch_reader reader;
    struct record r;
    assert_true(is_ok(batch_check_crc(batch)));
    assert_true(is_ok(batch_reader_init(&reader, batch, BIG)));
    assert_int_equal(reader.header.base_offset, 40);
    assert_int_equal(reader.header.leader_epoch, 9);
    assert_true(batch_reader_next(&reader, &r));
    assert_int_equal(r.offset, 40);
    assert_int_equal(r.timestamp, append_time ? 5000 : 1000);
    assert_null(r.key.data);
    assert_true(str_eq_c(bytes_str(r.value), "one"));
    assert_true(batch_reader_next(&reader, &r));
    check_second(&r);
    assert_true(batch_reader_next(&reader, &r));
    assert_int_equal(r.offset, 42);
    assert_int_equal(r.timestamp, append_time ? 5000 : 900);
    assert_non_null(r.key.data);
    assert_int_equal(r.key.len, 0);
    assert_int_equal(r.value.len, 300);
    assert_false(batch_reader_next(&reader, &r));
    assert_true(is_ok(batch_reader_result(&reader)));
    batch_reader_done(&reader);
}

static void test_batches_of_every_codec_are_read(void **state)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    struct buf batch;
    struct batch_header h;
    int32_t bad;
    (void)state;
    buf_init(&batch, BIG);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        load_batch(names[i], &batch);
        assert_true(is_ok(batch_header_parse(buf_bytes(&batch), &h)));
        assert_string_equal(compress_name(batch_codec(&h)), names[i]);
        check_records(buf_bytes(&batch), false);
        assert_true(is_ok(batch_validate(buf_bytes(&batch), BIG, &bad)));
    }
    load_batch("append-time", &batch);
    check_records(buf_bytes(&batch), true);
    buf_done(&batch);
}

static void build(const struct batch_options *options, struct buf *out)
{
    struct batch_builder b;
    char x[300];
    memset(x, 'x', sizeof x);
    const struct record_header headers[] = { { STR("h1"), str_bytes(STR("v")) },
                                             { STR("h2"), BYTES_NULL } };
    batch_builder_init(&b, options);
    assert_true(is_ok(batch_builder_add(&b, 1000, BYTES_NULL, str_bytes(STR("one")), NULL, 0)));
    assert_true(is_ok(batch_builder_add(&b, 1001, str_bytes(STR("k")), BYTES_NULL, headers, 2)));
    assert_true(is_ok(batch_builder_add(&b, 900, bytes_of("", 0), bytes_of(x, 300), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&b, out)));
    batch_builder_done(&b);
}

static void test_batches_are_built_as_kafka_builds_them(void **state)
{
    struct buf golden, ours;
    struct batch_options options = batch_options_default;
    (void)state;
    options.base_offset = 40;
    options.leader_epoch = 9;
    buf_init(&golden, BIG);
    buf_init(&ours, BIG);
    load_batch("none", &golden);
    build(&options, &ours);
    assert_int_equal(ours.len, golden.len);
    assert_memory_equal(ours.data, golden.data, golden.len);

    load_batch("append-time", &golden);
    batch_set_append_time(ours.data, ours.len, 5000);
    assert_memory_equal(ours.data, golden.data, golden.len);

    options.producer_id = 77;
    options.producer_epoch = 3;
    options.base_sequence = 2147483646;
    options.attributes = BATCH_TRANSACTIONAL;
    load_batch("transactional", &golden);
    buf_clear(&ours);
    build(&options, &ours);
    assert_memory_equal(ours.data, golden.data, golden.len);
    struct batch_header h;
    assert_true(is_ok(batch_header_parse(buf_bytes(&ours), &h)));
    assert_int_equal(batch_last_sequence(&h), 0); /* goes on at 0 behind 2^31-1 */
    buf_done(&golden);
    buf_done(&ours);
}

static void test_markers_are_kafkas(void **state)
{
    struct buf golden, ours;
    (void)state;
    buf_init(&golden, BIG);
    buf_init(&ours, BIG);
    load_batch("commit", &golden);
    assert_true(is_ok(batch_put_marker(&ours, CONTROL_COMMIT, 77, 3, 8, 1234567)));
    assert_int_equal(ours.len, golden.len);
    assert_memory_equal(ours.data, golden.data, golden.len);
    load_batch("abort", &golden);
    buf_clear(&ours);
    assert_true(is_ok(batch_put_marker(&ours, CONTROL_ABORT, 77, 3, 8, 1234567)));
    assert_memory_equal(ours.data, golden.data, golden.len);
    buf_done(&golden);
    buf_done(&ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_is_written_as_kafka_writes_it),
        cmocka_unit_test(test_advertised_versions_are_those_of_the_schema),
        cmocka_unit_test(test_batches_of_every_codec_are_read),
        cmocka_unit_test(test_batches_are_built_as_kafka_builds_them),
        cmocka_unit_test(test_markers_are_kafkas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
