/* backup.c - naming the files of a backup. Loop thread. */
#include "broker/backup.h"

#include "base/arena.h"
#include "base/log.h"
#include "storage/store.h"

#define PART_LOGS 512
#define PART_SEGMENTS (8 * COPY_SEGMENTS_MAX) /* 130 KiB */
#define PART_ARENA (1u << 20)
#define CHECKPOINT_PIECE (256u << 10)
#define CHECKPOINT_BYTES (64u << 20)

struct naming { /* what goes into the next message */
    struct backup *backup;
    struct arena arena;
    struct control_backup_part_backup_log logs[PART_LOGS];
    int32_t count;
    uint32_t segments;
    status result;
};

void backup_init(struct backup *b, struct broker *broker,
                 void (*send)(void *arg, const struct wire_message *message, const void *object), void *arg)
{
    *b = (struct backup){ .broker = broker, .send = send, .arg = arg };
}

static void part_send(struct naming *n, struct bytes checkpoint)
{
    struct control_backup_part part;
    wire_default(&control_backup_part_message, &part);
    part.token = n->backup->token;
    part.logs = n->logs;
    part.logs_count = n->count;
    part.checkpoint = checkpoint;
    n->backup->send(n->backup->arg, &control_backup_part_message, &part);
    n->count = 0;
    n->segments = 0;
    arena_reset(&n->arena);
}

static void name_log(void *arg, const struct store_copy_log *log)
{
    struct naming *n = arg;
    if (n->count == PART_LOGS || n->segments + log->count > PART_SEGMENTS)
        part_send(n, bytes_of("", 0));
    struct control_backup_part_backup_log *row = &n->logs[n->count++];
    *row = (struct control_backup_part_backup_log){ .folder = str_c(log->folder), .whole = log->whole,
                                                    .snapshot = log->snapshot };
    row->segments = ARENA_ARRAY(&n->arena, struct control_backup_part_backup_segment, log->count + 1);
    if (!row->segments) n->result = FAIL(NO_MEMORY);
    for (uint32_t i = 0; row->segments && i < log->count; i++)
        row->segments[row->segments_count++] = (struct control_backup_part_backup_segment){
            .base = log->segments[i].base, .size = log->segments[i].size
        };
    n->segments += log->count;
}

static void answer(struct backup *b, status result)
{
    struct control_backup_taken taken = { .token = b->token, .error_code = status_kafka(result),
                                          .image_version = b->broker->image->version };
    b->send(b->arg, &control_backup_taken_message, &taken);
}

/* The moment. */
static void name_all(void *arg)
{
    struct backup *b = arg;
    struct buf checkpoint;
    struct naming *n = mem_zalloc(sizeof *n);
    if (!n) {
        answer(b, FAIL(NO_MEMORY));
        return;
    }
    n->backup = b;
    arena_init(&n->arena, PART_ARENA);
    buf_init(&checkpoint, CHECKPOINT_BYTES);
    status result = store_copy_take(b->broker->store, name_log, n, &checkpoint);
    if (is_ok(result)) result = n->result;
    struct bytes left = buf_bytes(&checkpoint);
    while (is_ok(result) && (n->count || left.len)) {
        size_t piece = left.len < CHECKPOINT_PIECE ? left.len : CHECKPOINT_PIECE;
        part_send(n, bytes_of(left.data, piece));
        left = bytes_of(left.data + piece, left.len - piece);
    }
    answer(b, result);
    buf_done(&checkpoint);
    arena_done(&n->arena);
    mem_free(n);
}

void backup_received(struct backup *b, const struct control_backup *message)
{
    if (!message->begin) {
        if (message->token == b->token) backup_over(b);
        return;
    }
    backup_over(b);
    b->token = message->token;
    if (!b->broker->store) {
        answer(b, FAIL(BROKER_NOT_AVAILABLE));
        return;
    }
    b->under_way = true;
    log_info("a backup begins");
    store_copy_want(b->broker->store, name_all, b);
}

void backup_over(struct backup *b)
{
    if (!b->under_way) return;
    b->under_way = false;
    if (b->broker->store) store_copy_end(b->broker->store);
}
