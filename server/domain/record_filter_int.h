/* record_filter_int.h - what the reader and the matcher of filters share. */
#pragma once
#include "base/buf.h"
#include "domain/record_filter.h"

enum filter_field { FIELD_KEY, FIELD_VALUE, FIELD_HEADER, FIELD_OFFSET, FIELD_PARTITION, FIELD_TIMESTAMP,
                    FIELD_ANY /* key or value, ASCII case ignored */ };
enum filter_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_CONTAINS, OP_STARTS };

struct filter_step {
    struct str name;      /* null: an index */
    int64_t index;
};
enum filter_type { TYPE_NULL, TYPE_BOOL, TYPE_NUMBER, TYPE_TEXT, TYPE_OTHER };
struct filter_value {
    enum filter_type type;
    bool truth;
    bool whole;           /* the number is `integer`, exactly */
    int64_t integer;
    double number;        /* also when whole */
    struct str text;
    bool escaped;         /* the text has JSON's escapes */
};
struct filter_test {
    enum filter_field field;
    enum filter_op op;
    struct str header;    /* its name */
    struct filter_step *path;
    int path_len;
    struct filter_value literal;
};
enum filter_kind { NODE_TEST, NODE_NOT, NODE_AND, NODE_OR };
struct filter_node {
    enum filter_kind kind;
    struct filter_test test;
    const struct filter_node *left, *right; /* NOT: left */
};
struct record_filter {
    const struct filter_node *root;
    int nodes;
    struct buf scratch;   /* a text without its escapes */
};

/* "123", "-1.5e3": false when it is no number. */
bool filter_number(struct str text, struct filter_value *ret);
/* The value at a path in a JSON text; TYPE_NULL: there is none. LIMIT: *steps is spent. */
status filter_json(struct bytes text, const struct filter_step *path, int path_len, int64_t *steps,
                   struct filter_value *ret);
/* Appends a JSON text's characters (between its quotes) without escapes; false: an escape is broken. */
bool filter_unescape(struct str text, struct buf *out);
