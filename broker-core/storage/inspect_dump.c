/* inspect_dump.c - prints one file of a data folder. */
#include "base/mem.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/inspect_walk.h"
#include "storage/journal.h"
#include "storage/producer_state.h"

#include <string.h>

#define SHOWN 200 /* bytes of a key or value */

/* Text as it is, what is none as \xNN. */
static void put_text(FILE *out, struct bytes v)
{
    if (!v.data) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < v.len && i < SHOWN; i++) {
        if (v.data[i] >= ' ' && v.data[i] < 127 && v.data[i] != '"' && v.data[i] != '\\')
            fputc(v.data[i], out);
        else fprintf(out, "\\x%02x", v.data[i]);
    }
    fputs(v.len > SHOWN ? "\"…" : "\"", out);
    if (v.len > SHOWN) fprintf(out, " (%zu bytes)", v.len);
}

/* --- segments --------------------------------------------------------------------------------- */

static void put_attributes(FILE *out, const struct batch_header *h, struct bytes batch)
{
    enum control_type type;
    int32_t epoch;
    if (h->attributes & BATCH_LOG_APPEND_TIME) fputs(" log-append-time", out);
    if (h->attributes & BATCH_TRANSACTIONAL) fputs(" transactional", out);
    if (h->attributes & BATCH_DELETE_HORIZON)
        fprintf(out, " delete-horizon=%lld", (long long)h->base_timestamp);
    if (!(h->attributes & BATCH_CONTROL)) return;
    if (is_ok(batch_get_marker(batch, &type, &epoch)))
        fprintf(out, " %s coordinator-epoch=%d", type == CONTROL_COMMIT ? "COMMIT" : "ABORT",
                (int)epoch);
    else fputs(" control", out);
}

static void put_records(FILE *out, struct bytes batch)
{
    struct batch_reader reader;
    struct record r;
    if (failed(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX))) return;
    while (batch_reader_next(&reader, &r)) {
        fprintf(out, "  offset=%lld timestamp=%lld key=", (long long)r.offset,
                (long long)r.timestamp);
        put_text(out, r.key);
        fputs(" value=", out);
        put_text(out, r.value);
        if (r.header_count) fprintf(out, " headers=%d", (int)r.header_count);
        fputc('\n', out);
    }
    batch_reader_done(&reader);
}

static status dump_segment(struct fs *fs, const char *name, bool records, FILE *out)
{
    struct inspect_walk w;
    struct batch_header h;
    status s;
    TRY(inspect_walk_open(&w, fs, name));
    for (int64_t at = 0; is_ok(s = inspect_walk_next(&w, &h)); at = w.position) {
        fprintf(out,
                "at=%lld size=%zu offsets=%lld..%lld records=%d codec=%s leader-epoch=%d "
                "max-timestamp=%lld",
                (long long)at, h.size, (long long)h.base_offset, (long long)batch_last_offset(&h),
                (int)h.record_count, compress_name(batch_codec(&h)), (int)h.leader_epoch,
                (long long)h.max_timestamp);
        if (h.producer_id >= 0)
            fprintf(out, " producer-id=%lld producer-epoch=%d sequence=%d",
                    (long long)h.producer_id, (int)h.producer_epoch, (int)h.base_sequence);
        put_attributes(out, &h, buf_bytes(&w.batch));
        fputc('\n', out);
        if (records && !(h.attributes & BATCH_CONTROL)) put_records(out, buf_bytes(&w.batch));
    }
    if (s.code == E_NOT_FOUND) s = OK;
    else
        fprintf(out, "at=%lld: no batch, or its CRC is wrong; %lld bytes from here on\n",
                (long long)w.position, (long long)(w.size - w.position));
    inspect_walk_close(&w);
    return s;
}

/* --- the other files -------------------------------------------------------------------------- */

static status dump_checkpoint(struct bytes in, FILE *out)
{
    struct checkpoint_header h;
    TRY(checkpoint_open(in, &h));
    fprintf(out, "store=%016llx generation=%llu first-live-frame=%llu format=%d\n",
            (unsigned long long)h.store_id, (unsigned long long)h.generation,
            (unsigned long long)h.first_live, (int)h.format);
    for (uint32_t i = 0; i < h.count; i++) {
        struct checkpoint_entry e;
        char text[UUID_TEXT];
        checkpoint_get(in, i, &e);
        uuid_format(e.topic, text);
        fprintf(
            out,
            "%s-%d log-start=%lld recovery-point=%lld segment=%lld position=%lld snapshot=%lld%s\n",
            text, (int)e.partition, (long long)e.start, (long long)e.offset, (long long)e.segment,
            (long long)e.position, (long long)e.snapshot, e.flags & CHECKPOINT_CUT ? " cut" : "");
    }
    return OK;
}

static void put_frame(FILE *out, int64_t at, struct bytes frame, const struct frame_header *h)
{
    struct frame_record r;
    size_t position = 0;
    uint32_t index = 0;
    fprintf(out, "at=%lld generation=%llu sequence=%llu previous=%llu records=%u length=%u\n",
            (long long)at, (unsigned long long)h->generation, (unsigned long long)h->sequence,
            (unsigned long long)h->previous, h->count, h->length);
    while (is_ok(journal_next_record(frame, h, &position, &index, &r))) {
        char text[UUID_TEXT];
        uuid_format(r.topic, text);
        if (r.type == RECORD_START)
            fprintf(out, "  %s-%d log-start=%lld\n", text, (int)r.partition, (long long)r.offset);
        else
            fprintf(out, "  %s-%d offsets=%lld..%lld segment=%lld position=%lld bytes=%zu\n", text,
                    (int)r.partition, (long long)r.offset, (long long)r.end - 1,
                    (long long)r.segment, (long long)r.position, r.data.len);
    }
}

/* All that can be read as a frame: also those that were freed long ago. */
static status dump_journal(struct fs *fs, const char *name, struct bytes in, FILE *out)
{
    struct file *file;
    struct buf frame;
    uint64_t id = in.len >= FRAME_HEADER ? get_le64(in.data + 16) : 0;
    TRY(fs->ops->open(fs, name, FS_READ, &file));
    buf_init(&frame, FRAME_SIZE_MAX);
    for (int64_t at = 0; at + FRAME_HEADER <= (int64_t)in.len;) {
        struct frame_header h;
        if (is_ok(journal_read_frame(fs, file, at, id, &frame, &h))) {
            put_frame(out, at, buf_bytes(&frame), &h);
            at += (int64_t)frame_padded(h.length);
        } else {
            at += FRAME_ALIGN;
        }
    }
    buf_done(&frame);
    fs->ops->close(fs, file);
    return OK;
}

static void put_producer(void *arg, const struct plog_producer *p)
{
    fprintf(arg,
            "producer-id=%lld epoch=%d last-sequence=%d last-timestamp=%lld coordinator-epoch=%d",
            (long long)p->producer_id, (int)p->epoch, (int)p->last_sequence,
            (long long)p->last_timestamp, (int)p->coordinator_epoch);
    if (p->txn_first_offset >= 0)
        fprintf(arg, " transaction-from=%lld", (long long)p->txn_first_offset);
    fputc('\n', arg);
}

static status dump_index(struct bytes in, int64_t base, FILE *out)
{
    const uint8_t *p = in.data;
    if (in.len < 72 || memcmp(p, "LIX1", 4) != 0 || in.len < 72 + 16 * (size_t)get_le32(p + 12))
        return FAIL(CORRUPT);
    fprintf(out, "bytes=%lld end=%lld interval=%u\n", (long long)get_le64(p + 16),
            (long long)get_le64(p + 24), get_le32(p + 60));
    for (uint32_t i = 0; i < get_le32(p + 12); i++)
        fprintf(out, "offset=%lld position=%u\n", (long long)base + get_le32(p + 72 + 16 * i),
                get_le32(p + 76 + 16 * i));
    return OK;
}

static status dump_snapshot(struct bytes in, int64_t offset, FILE *out)
{
    struct producer_state state = { 0 };
    size_t size = producer_state_size(in);
    TRY(producer_state_decode(bytes_of(in.data, size), offset, 0, &state));
    fprintf(out, "offset=%lld\n", (long long)offset);
    for (uint32_t i = 0; i < state.epoch_count; i++)
        fprintf(out, "leader-epoch=%d from=%lld\n", (int)state.epochs[i].epoch,
                (long long)state.epochs[i].start);
    producer_state_each(&state, put_producer, out);
    producer_state_done(&state);
    if (size == in.len) return OK;
    fputs("index of the segment that ends here, offsets from its base:\n", out);
    return dump_index(bytes_of(in.data + size, in.len - size), 0, out);
}

static status dump_aborted(struct bytes in, FILE *out)
{
    const uint8_t *p = in.data;
    if (in.len < 32 || memcmp(p, "LAT1", 4) != 0 || in.len < 32 + 32 * (size_t)get_le32(p + 12))
        return FAIL(CORRUPT);
    for (uint32_t i = 0; i < get_le32(p + 12); i++) {
        const uint8_t *e = p + 32 + 32 * (size_t)i;
        fprintf(out, "producer-id=%lld first=%lld marker=%lld\n", (long long)get_le64(e),
                (long long)get_le64(e + 8), (long long)get_le64(e + 16));
    }
    return OK;
}

status inspect_dump(struct fs *fs, const char *name, bool records, FILE *out)
{
    int64_t base = files_offset_of(name, ".log"), snap = files_offset_of(name, ".snap");
    int64_t index = files_offset_of(name, ".index"), aborted = files_offset_of(name, ".aborted");
    bool journal = strcmp(name, "journal-0") == 0 || strcmp(name, "journal-1") == 0;
    bool checkpoint = strcmp(name, "checkpoint") == 0;
    struct buf in;
    if (base >= 0) return dump_segment(fs, name, records, out);
    if (snap < 0 && index < 0 && aborted < 0 && !journal && !checkpoint) return FAIL(INVALID);
    TRY(inspect_read(fs, name, &in));
    status s = journal      ? dump_journal(fs, name, buf_bytes(&in), out)
               : checkpoint ? dump_checkpoint(buf_bytes(&in), out)
               : snap >= 0  ? dump_snapshot(buf_bytes(&in), snap, out)
               : index >= 0 ? dump_index(buf_bytes(&in), index, out)
                            : dump_aborted(buf_bytes(&in), out);
    buf_done(&in);
    return s;
}
