/* audit.c - the chain of the audit log, and reading it.
 *
 * hash = SHA-256(previous, id, at, then actor, door, address, request id, operation, resource, cluster and
 * detail, each with its length), numbers big-endian; the first row's previous is 32 zeros. When the oldest
 * rows have gone, the chain begins with the previous of the first that is left. */
#include "domain/audit.h"

#include "base/log.h"
#include "identity/secret.h"

#define COLUMNS                                                                                    \
    "SELECT id, at, actor, door, address, request_id, operation, resource, cluster_id, detail, "   \
    "previous, hash FROM audit "
/* ?1 … ?9: cluster, actor, door, operation, its beginning, resource, text, from, to */
#define FILTER                                                                                     \
    "(?1 IS NULL OR cluster_id = ?1) AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR door = ?3) AND "    \
    "(?4 IS NULL OR operation = ?4) AND (?5 IS NULL OR substr(operation, 1, length(?5)) = ?5) AND "        \
    "(?6 IS NULL OR instr(resource, ?6) > 0) AND (?7 IS NULL OR instr(lower(actor || ' ' || operation || " \
    "' ' || resource || ' ' || address || ' ' || detail), lower(?7)) > 0) AND at >= ?8 AND at < ?9 "
#define ROW_MAX (1u << 20)
#define CHAIN_BATCH 5000

static void read_row(const struct db_query *q, struct audit_row *row)
{
    *row = (struct audit_row){
        .id = db_i64(q, 0), .at = db_i64(q, 1), .actor = db_text(q, 2), .door = db_text(q, 3),
        .address = db_text(q, 4), .request_id = db_text(q, 5), .operation = db_text(q, 6),
        .resource = db_text(q, 7), .cluster_id = db_text(q, 8), .detail = db_text(q, 9),
        .previous = db_bytes(q, 10), .hash = db_bytes(q, 11),
    };
}

/* --- searching ------------------------------------------------------------------------------------- */

static void bind_filter(struct db_query *q, const struct audit_filter *f)
{
    struct str whole = f->operation, begin = STR_NULL;
    if (whole.len && (whole.data[whole.len - 1] == '*' || whole.data[whole.len - 1] == '.')) {
        begin = whole;
        begin.len -= whole.data[whole.len - 1] == '*';
        whole = STR_NULL;
    }
    db_bind_str(q, f->cluster_id);
    db_bind_str(q, f->actor);
    db_bind_str(q, f->door);
    db_bind_str(q, whole);
    db_bind_str(q, begin);
    db_bind_str(q, f->resource);
    db_bind_str(q, f->text);
    db_bind_i64(q, f->from);
    db_bind_i64(q, f->to ? f->to : INT64_MAX);
}

static status each_row(struct db_query *q, void (*each)(void *arg, const struct audit_row *row), void *arg)
{
    struct audit_row row;
    while (db_next(q)) {
        read_row(q, &row);
        each(arg, &row);
    }
    return db_end(q);
}

status audit_list(struct db *db, const struct audit_filter *filter, int64_t before, int64_t limit,
                  void (*each)(void *arg, const struct audit_row *row), void *arg)
{
    struct db_query *q = db_query(db, COLUMNS "WHERE " FILTER "AND (?10 = 0 OR id < ?10) ORDER BY id DESC "
                                              "LIMIT ?11");
    bind_filter(q, filter);
    db_bind_i64(q, before);
    db_bind_i64(q, limit);
    return each_row(q, each, arg);
}

status audit_export(struct db *db, const struct audit_filter *filter, int64_t after, int64_t limit,
                    void (*each)(void *arg, const struct audit_row *row), void *arg)
{
    struct db_query *q = db_query(db, COLUMNS "WHERE " FILTER "AND id > ?10 ORDER BY id LIMIT ?11");
    bind_filter(q, filter);
    db_bind_i64(q, after);
    db_bind_i64(q, limit);
    return each_row(q, each, arg);
}

/* --- the chain ------------------------------------------------------------------------------------- */

static void put_text(struct buf *b, struct str s)
{
    buf_put_be32(b, (uint32_t)s.len);
    buf_put_str(b, s);
}

static status hash_row(const struct audit_row *row, const uint8_t previous[AUDIT_HASH],
                       uint8_t ret_hash[AUDIT_HASH])
{
    struct buf b;
    buf_init(&b, ROW_MAX);
    buf_put(&b, previous, AUDIT_HASH);
    buf_put_be64(&b, (uint64_t)row->id);
    buf_put_be64(&b, (uint64_t)row->at);
    const struct str texts[] = { row->actor, row->door, row->address, row->request_id, row->operation,
                                 row->resource, row->cluster_id, row->detail };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) put_text(&b, texts[i]);
    status result = buf_check(&b);
    if (is_ok(result)) secret_token_hash(bytes_str(buf_bytes(&b)), ret_hash);
    buf_done(&b);
    return result;
}

static status head_of(struct db *db, int64_t *ret_id, uint8_t ret_hash[AUDIT_HASH])
{
    *ret_id = 0;
    memset(ret_hash, 0, AUDIT_HASH);
    struct db_query *q = DB(db, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
    if (db_next(q)) {
        struct bytes hash = db_bytes(q, 1);
        *ret_id = db_i64(q, 0);
        if (hash.len == AUDIT_HASH) memcpy(ret_hash, hash.data, AUDIT_HASH);
    }
    return db_end(q);
}

static status set_head(struct db *db, int64_t id, const uint8_t hash[AUDIT_HASH])
{
    return db_run(DB(db, "INSERT INTO audit_head VALUES (1, ?1, ?2) ON CONFLICT (one) DO UPDATE SET id = ?1, "
                         "hash = ?2", id, bytes_of(hash, AUDIT_HASH)));
}

status audit_append(struct db *db, const struct audit_row *row)
{
    struct audit_row made = *row;
    uint8_t previous[AUDIT_HASH], hash[AUDIT_HASH];
    TRY(head_of(db, &made.id, previous));
    made.id++;
    TRY(hash_row(&made, previous, hash));
    struct db_query *q = db_query(db, "INSERT INTO audit (id, at, actor, door, address, request_id, "
                                      "operation, resource, cluster_id, detail, previous, hash) VALUES "
                                      "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_i64(q, made.id);
    db_bind_i64(q, made.at);
    db_bind_str(q, made.actor);
    db_bind_str(q, made.door);
    db_bind_str(q, made.address);
    db_bind_str(q, made.request_id);
    db_bind_str(q, made.operation);
    db_bind_str(q, made.resource);
    db_bind_str(q, made.cluster_id);
    db_bind_str(q, made.detail);
    db_bind_bytes(q, bytes_of(previous, AUDIT_HASH));
    db_bind_bytes(q, bytes_of(hash, AUDIT_HASH));
    TRY(db_run(q));
    TRY(set_head(db, made.id, hash));
    return db_run(DB(db, "DELETE FROM audit WHERE id <= ?", made.id - AUDIT_ROWS_MAX));
}

/* --- rows from before the chain --------------------------------------------------------------------- */

struct linking {
    struct db *db;
    int64_t last;
    uint8_t previous[AUDIT_HASH];
    int count;
    status result;
};

static void link_row(void *arg, const struct audit_row *row)
{
    struct linking *l = arg;
    uint8_t hash[AUDIT_HASH];
    if (failed(l->result)) return;
    l->result = hash_row(row, l->previous, hash);
    if (is_ok(l->result))
        l->result = db_run(DB(l->db, "UPDATE audit SET previous = ?, hash = ? WHERE id = ?",
                              bytes_of(l->previous, AUDIT_HASH), bytes_of(hash, AUDIT_HASH), row->id));
    memcpy(l->previous, hash, AUDIT_HASH);
    l->last = row->id;
    l->count++;
}

static status link_some(struct linking *l)
{
    l->count = 0;
    TRY(db_begin(l->db));
    status result = each_row(DB(l->db, COLUMNS "WHERE id > ? AND hash IS NULL ORDER BY id LIMIT ?", l->last,
                                CHAIN_BATCH), link_row, l);
    if (is_ok(result)) result = l->result;
    if (is_ok(result) && l->count) result = set_head(l->db, l->last, l->previous);
    if (is_ok(result)) return db_commit(l->db);
    db_rollback(l->db);
    return result;
}

/* Begins behind the last row that has a hash: a kill between two batches leaves a shorter rest. */
status audit_chain_old(struct db *db)
{
    struct linking l = { .db = db, .result = OK };
    struct db_query *q = DB(db, "SELECT id, hash FROM audit WHERE hash IS NOT NULL ORDER BY id DESC LIMIT 1");
    if (db_next(q)) {
        struct bytes hash = db_bytes(q, 1);
        l.last = db_i64(q, 0);
        if (hash.len == AUDIT_HASH) memcpy(l.previous, hash.data, AUDIT_HASH);
    }
    TRY(db_end(q));
    int64_t total = 0;
    do {
        TRY(link_some(&l));
        total += l.count;
    } while (l.count == CHAIN_BATCH);
    if (total) log_info("audit: chained %lld rows of before", (long long)total);
    return OK;
}

/* --- verifying -------------------------------------------------------------------------------------- */

static const char *check_row(const struct audit_row *row, const struct audit_verdict *v)
{
    uint8_t hash[AUDIT_HASH];
    if (row->hash.len != AUDIT_HASH || row->previous.len != AUDIT_HASH) return "This row has no hash.";
    if (v->rows && row->id != v->last + 1) return "Rows before this one are missing.";
    if (v->rows && memcmp(row->previous.data, v->head, AUDIT_HASH) != 0)
        return "The row before this one is not the one that was there when it was written.";
    if (failed(hash_row(row, row->previous.data, hash)) || memcmp(hash, row->hash.data, AUDIT_HASH) != 0)
        return "This row is not what was written.";
    return NULL;
}

struct verifying {
    struct audit_verdict v;
    int64_t head;           /* as it was before the rows were read: newer ones may have come since */
    uint8_t head_hash[AUDIT_HASH];
    bool head_seen;
};

static void verify_row(void *arg, const struct audit_row *row)
{
    struct verifying *s = arg;
    struct audit_verdict *v = &s->v;
    if (!v->intact) return;
    const char *fault = check_row(row, v);
    if (!v->rows) v->first = row->id;
    if (fault) {
        v->intact = false;
        v->broken_at = row->id;
        v->what = fault;
        return;
    }
    v->rows++;
    v->last = row->id;
    memcpy(v->head, row->hash.data, AUDIT_HASH);
    if (row->id == s->head) s->head_seen = memcmp(v->head, s->head_hash, AUDIT_HASH) == 0;
}

status audit_verify(struct db *db, struct audit_verdict *ret)
{
    struct verifying s = { .v = { .intact = true, .what = "" } };
    struct db_query *q = DB(db, "SELECT id, hash FROM audit_head");
    if (db_next(q)) {
        struct bytes hash = db_bytes(q, 1);
        s.head = db_i64(q, 0);
        if (hash.len == AUDIT_HASH) memcpy(s.head_hash, hash.data, AUDIT_HASH);
    }
    TRY(db_end(q));
    TRY(each_row(DB(db, COLUMNS "ORDER BY id"), verify_row, &s));
    if (s.v.intact && (s.v.rows || s.head) && !s.head_seen) {
        s.v.intact = false;
        s.v.broken_at = s.v.last + (s.head > s.v.last);
        s.v.what = "The newest rows are not those that were written last.";
    }
    *ret = s.v;
    return OK;
}

status audit_holds(struct db *db, struct str hex, bool *ret)
{
    int64_t found = 0;
    if (hex.len != 2 * AUDIT_HASH) return FAIL(INVALID);
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM audit WHERE hex(hash) = upper(?)", hex), &found));
    *ret = found > 0;
    return OK;
}
