/* audit_rows.c - rows noted by SQLite's hook, put together by table and key, told as what differs.
 *
 * Invariant: a hidden column's value is held as a keyed hash and leaves this file as a fixed word. */
#include "domain/audit_rows.h"

#include "base/hash.h"
#include "cluster/acl.h"
#include "domain/scram_users.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 48
#define ID_MAX 600
#define TEXT_SHOWN 512

struct column {
    char name[48], fallback[64]; /* DEFAULT: what rows from before the column came hold */
    bool key, not_null, hidden;
};

struct table {
    char name[48];
    struct column columns[COLUMNS_MAX];
    int count;
    bool ignored;
    UT_hash_handle hh;
};

struct seen {
    struct table *table;
    json_t *before, *after; /* whole rows; NULL: there was none */
    char *id;
    UT_hash_handle hh;
};

struct audit_rows {
    struct db *db;
    struct table *tables;
    struct seen *seen;
    json_t *noted_before, *noted_after; /* objects; NULL: nothing */
    size_t text;                        /* bytes held */
    int64_t more;                       /* rows beyond the bounds */
    bool open;
};

/* Tables that are not the change itself. */
static const char *const ignored[] = {
    "audit", "audit_head", "usage_day", "usage_seen", "removal", "helper", "migration", "alert",
    "alert_delivery", "alert_delivery_alert",
};
static const struct { const char *table, *column; } secrets[] = { { "session", "csrf" } };
/* Bookkeeping, which tells nothing. */
static const char *const skipped[] = { "updated_at", "metadata_version", "jwks_at", "seq", "told_at" };
/* Rows that are a name and a value, told as one object: in changes of the noun; "": of any. */
static const struct { const char *table, *as, *name, *value, *noun; } pairs[] = {
    { "topic_config", "configs", "name", "value", "topic" },
    { "cluster_limit", "limits", "name", "value", "cluster" },
    { "setting", "settings", "name", "value", "" },
    { "price", "prices", "line_type", "price", "" },
};
/* Numbers of the database that REST has words for. */
static const char *resource_name(int64_t v) { return acl_resource_name((enum acl_resource)v); }
static const char *pattern_name(int64_t v) { return acl_pattern_name((enum acl_pattern)v); }
static const char *operation_name(int64_t v) { return acl_operation_name((enum acl_operation)v); }
static const char *permission_name(int64_t v) { return acl_permission_name((enum acl_permission)v); }
static const char *mechanism_name(int64_t v) { return scram_mechanism_name((int)v); }
static const struct { const char *table, *column; const char *(*name)(int64_t v); } words[] = {
    { "acl", "resource_type", resource_name }, { "acl", "pattern_type", pattern_name },
    { "acl", "operation", operation_name }, { "acl", "permission", permission_name },
    { "scram_user", "mechanism", mechanism_name },
};

/* --- the schema ------------------------------------------------------------------------------------- */

static bool is_ignored(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        if (strcmp(ignored[i], name) == 0) return true;
    }
    return strncmp(name, "sqlite_", 7) == 0;
}

static bool is_secret(const char *table, const char *column, struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        if (strcmp(secrets[i].table, table) == 0 && strcmp(secrets[i].column, column) == 0) return true;
    }
    return str_eq_c(type, "BLOB");
}

static struct table *table_of(struct audit_rows *r, const char *name, bool make)
{
    struct table *t;
    HASH_FIND_STR(r->tables, name, t);
    if (t || !make) return t;
    t = mem_zalloc(sizeof *t);
    if (!t) return NULL;
    str_copy(t->name, sizeof t->name, str_c(name));
    t->ignored = is_ignored(t->name);
    HASH_ADD_STR(r->tables, name, t);
    if (HASH_ADDED(hh, t)) return t;
    mem_free(t);
    return NULL;
}

static status add_column(struct audit_rows *r, struct db_query *q)
{
    char name[48] = "";
    DB_COPY(q, 0, name);
    struct table *t = table_of(r, name, true);
    if (!t) return FAIL(NO_MEMORY);
    if (t->count == COLUMNS_MAX) return FAIL(LIMIT);
    struct column *c = &t->columns[t->count++];
    DB_COPY(q, 1, c->name);
    c->hidden = is_secret(t->name, c->name, db_text(q, 2));
    c->not_null = db_i64(q, 3) != 0;
    DB_COPY(q, 4, c->fallback);
    c->key = db_i64(q, 5) != 0;
    return OK;
}

static status read_schema(struct audit_rows *r)
{
    status result = OK;
    struct db_query *q = DB(r->db, "SELECT t.name, c.name, c.type, c.[notnull], "
                                   "coalesce(c.dflt_value, ''), c.pk "
                                   "FROM sqlite_schema t, pragma_table_info(t.name) c "
                                   "WHERE t.type = 'table' ORDER BY t.name, c.cid");
    while (db_next(q)) {
        if (is_ok(result)) result = add_column(r, q);
    }
    TRY(db_end(q));
    return result;
}

/* --- noting ------------------------------------------------------------------------------------------- */

static const char *word_of(const struct table *t, const struct column *c, int64_t v)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].table, t->name) == 0 && strcmp(words[i].column, c->name) == 0)
            return words[i].name(v);
    }
    return NULL;
}

static json_t *text_json(struct str s)
{
    size_t len = s.len;
    if (len > TEXT_SHOWN) { /* cut between two characters */
        for (len = TEXT_SHOWN; len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80;) len--;
    }
    json_t *whole = json_stringn(s.data, len);
    if (!whole) return json_string("(no text)");
    if (len == s.len) return whole;
    json_t *cut = json_sprintf("%s… (%zu bytes)", json_string_value(whole), s.len);
    json_decref(whole);
    return cut;
}

/* A row from before its column came is shorter: SQLite gives NULL for what is the default. */
static json_t *fallback_json(const struct column *c)
{
    struct str text = str_c(c->fallback);
    if (text.len >= 2 && text.data[0] == '\'') return json_stringn(text.data + 1, text.len - 2);
    return json_integer(strtoll(c->fallback, NULL, 10));
}

static json_t *value_json(const struct table *t, const struct column *c, const struct db_value *v)
{
    if (c->hidden && v->type != DB_NULL) return json_integer(hash_keyed(v->text.data, v->text.len));
    if (v->type == DB_NULL) return c->not_null && c->fallback[0] ? fallback_json(c) : json_null();
    if (v->type == DB_F64) return json_real(v->f64);
    if (v->type == DB_TEXT) return text_json(v->text);
    const char *word = word_of(t, c, v->i64);
    return word ? json_string(word) : json_integer(v->i64);
}

static json_t *row_json(const struct table *t, const struct db_row *row, bool after)
{
    json_t *o = db_row_has(row, after) ? json_object() : NULL;
    for (int i = 0; o && i < t->count; i++) {
        struct db_value v = db_row_value(row, after, i);
        json_object_set_new(o, t->columns[i].name, value_json(t, &t->columns[i], &v));
    }
    return o;
}

/* Its table and key as text; the key of a row is not changed anywhere. */
static size_t id_of(const struct table *t, const struct db_row *row, char ret[ID_MAX])
{
    bool after = !db_row_has(row, false);
    size_t n = (size_t)snprintf(ret, ID_MAX, "%s", t->name);
    for (int i = 0; i < t->count; i++) {
        if (!t->columns[i].key) continue;
        struct db_value v = db_row_value(row, after, i);
        int more = v.type == DB_TEXT || v.type == DB_BLOB
            ? snprintf(ret + n, ID_MAX - n, "|%zu:%x:%.*s", v.text.len, hash_keyed(v.text.data, v.text.len),
                       v.type == DB_TEXT ? (int)v.text.len : 0, v.text.data)
            : snprintf(ret + n, ID_MAX - n, "|%lld", (long long)v.i64);
        n += (size_t)more;
        if (n >= ID_MAX) return ID_MAX - 1;
    }
    return n;
}

static void seen_free(struct seen *s)
{
    json_decref(s->before);
    json_decref(s->after);
    mem_free(s->id);
    mem_free(s);
}

static bool is_skipped(const struct column *c)
{
    for (size_t i = 0; i < ARRAY_LEN(skipped); i++) {
        if (strcmp(skipped[i], c->name) == 0) return true;
    }
    return false;
}

static bool only_skipped_differ(const struct seen *s)
{
    for (int i = 0; s->before && s->after && i < s->table->count; i++) {
        const struct column *c = &s->table->columns[i];
        if (is_skipped(c)) continue;
        json_t *old = json_object_get(s->before, c->name), *new = json_object_get(s->after, c->name);
        if (!json_equal(old, new)) return false;
    }
    return s->before && s->after;
}

static void keep(struct audit_rows *r, struct table *t, const struct db_row *row, const char *id,
                 size_t id_len)
{
    struct seen *s = mem_zalloc(sizeof *s);
    if (s) s->id = mem_strdup(id);
    if (!s || !s->id) {
        mem_free(s);
        r->more++;
        return;
    }
    s->table = t;
    s->before = row_json(t, row, false);
    s->after = row_json(t, row, true);
    if (only_skipped_differ(s)) {
        seen_free(s);
        return;
    }
    r->text += 256 * (size_t)t->count;
    HASH_ADD_KEYPTR(hh, r->seen, s->id, id_len, s);
    if (HASH_ADDED(hh, s)) return;
    seen_free(s);
    r->more++;
}

static void on_row(void *arg, const struct db_row *row)
{
    struct audit_rows *r = arg;
    struct table *t = r->open ? table_of(r, db_row_table(row), false) : NULL;
    char id[ID_MAX];
    struct seen *s;
    if (!t || t->ignored) return;
    size_t len = id_of(t, row, id);
    HASH_FIND(hh, r->seen, id, len, s);
    if (s) {
        json_decref(s->after);
        s->after = row_json(t, row, true);
    } else if (HASH_COUNT(r->seen) < AUDIT_ROWS_NOTED_MAX && r->text < AUDIT_ROWS_TEXT_MAX) {
        keep(r, t, row, id, len);
    } else {
        r->more++;
    }
}

static void forget(struct audit_rows *r)
{
    struct seen *s, *next;
    HASH_ITER(hh, r->seen, s, next) {
        HASH_DEL(r->seen, s);
        seen_free(s);
    }
    json_decref(r->noted_before);
    json_decref(r->noted_after);
    r->noted_before = r->noted_after = NULL;
    r->text = 0;
    r->more = 0;
}

status audit_rows_new(struct db *db, struct audit_rows **ret)
{
    struct audit_rows *r = mem_zalloc(sizeof *r);
    if (!r) return FAIL(NO_MEMORY);
    r->db = db;
    status result = read_schema(r);
    if (failed(result)) {
        audit_rows_free(r);
        return result;
    }
    db_watch_rows(db, on_row, r);
    *ret = r;
    return OK;
}

void audit_rows_free(struct audit_rows *r)
{
    struct table *t, *next;
    if (!r) return;
    db_watch_rows(r->db, NULL, NULL);
    forget(r);
    HASH_ITER(hh, r->tables, t, next) {
        HASH_DEL(r->tables, t);
        mem_free(t);
    }
    mem_free(r);
}

void audit_rows_begin(struct audit_rows *r)
{
    forget(r);
    r->open = true;
}

void audit_rows_end(struct audit_rows *r)
{
    forget(r);
    r->open = false;
}

bool audit_rows_left(const struct audit_rows *r) { return r->seen || r->more; }

void audit_rows_note(struct audit_rows *r, const char *name, json_t *before, json_t *after)
{
    if (!r->noted_before) r->noted_before = json_object();
    if (!r->noted_after) r->noted_after = json_object();
    if (before) json_object_set_new(r->noted_before, name, before);
    if (after) json_object_set_new(r->noted_after, name, after);
}

/* --- telling ------------------------------------------------------------------------------------------ */

/* What differs of the row, put into *before and *after (objects); false: nothing does. */
static bool tell_row(const struct seen *s, bool keys, json_t *before, json_t *after)
{
    bool both = s->before && s->after, any = false;
    for (int i = 0; i < s->table->count; i++) {
        const struct column *c = &s->table->columns[i];
        json_t *old = json_object_get(s->before, c->name), *new = json_object_get(s->after, c->name);
        bool differs = !both || !json_equal(old, new);
        if (is_skipped(c) || (c->hidden && !both) || (!differs && !(keys && c->key))) continue;
        any = any || differs;
        if (c->hidden) {
            json_object_set_new(before, c->name, json_string("(hidden)"));
            json_object_set_new(after, c->name, json_string("(hidden, another)"));
            continue;
        }
        if (old) json_object_set(before, c->name, old);
        if (new) json_object_set(after, c->name, new);
    }
    return any;
}

/* The object or array `name` of the parent, made when it is not there. */
static json_t *part_of(json_t *parent, const char *name, bool array)
{
    json_t *part = json_object_get(parent, name);
    if (part) return part;
    json_object_set_new(parent, name, array ? json_array() : json_object());
    return json_object_get(parent, name);
}

static bool tell_pair(const struct seen *s, const char *noun, json_t *before, json_t *after)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (strcmp(pairs[i].table, s->table->name) != 0) continue;
        if (pairs[i].noun[0] && strcmp(pairs[i].noun, noun) != 0) return false;
        json_t *name = json_object_get(s->before ? s->before : s->after, pairs[i].name);
        json_t *old = json_object_get(s->before, pairs[i].value);
        json_t *new = json_object_get(s->after, pairs[i].value);
        if (json_equal(old, new)) return true;
        if (old) json_object_set(part_of(before, pairs[i].as, false), json_string_value(name), old);
        if (new) json_object_set(part_of(after, pairs[i].as, false), json_string_value(name), new);
        return true;
    }
    return false;
}

static void tell_listed(const struct seen *s, json_t *before, json_t *after)
{
    json_t *old = json_object(), *new = json_object();
    if (tell_row(s, true, old, new)) {
        if (s->before) json_array_append(part_of(before, s->table->name, true), old);
        if (s->after) json_array_append(part_of(after, s->table->name, true), new);
    }
    json_decref(old);
    json_decref(new);
}

static size_t rows_of(const struct audit_rows *r, const char *table)
{
    size_t n = 0;
    for (const struct seen *s = r->seen; s; s = s->hh.next) n += strcmp(s->table->name, table) == 0;
    return n;
}

status audit_rows_take(struct audit_rows *r, const char *operation, json_t *detail)
{
    char noun[48];
    json_t *before = r->noted_before ? json_incref(r->noted_before) : json_object();
    json_t *after = r->noted_after ? json_incref(r->noted_after) : json_object();
    snprintf(noun, sizeof noun, "%.*s", (int)strcspn(operation, "."), operation);
    bool one = rows_of(r, noun) == 1;
    for (const struct seen *s = r->seen; s; s = s->hh.next) {
        if (!s->before && !s->after) continue; /* came and went */
        if (one && strcmp(s->table->name, noun) == 0) (void)tell_row(s, false, before, after);
        else if (!tell_pair(s, noun, before, after)) tell_listed(s, before, after);
    }
    bool good = json_object_set_new(detail, "before", before) == 0;
    good = json_object_set_new(detail, "after", after) == 0 && good;
    if (r->more) json_object_set_new(detail, "rows_not_listed", json_integer(r->more));
    forget(r);
    return good ? OK : FAIL(NO_MEMORY);
}
