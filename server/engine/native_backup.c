/* native_backup.c - asking a broker for the files of a copy. Domain thread.
 *
 * What it names is kept as it came, bounded, and read again by whoever copies: names of a broker are
 * believed by nobody. */
#include "engine/native_int.h"

#include <string.h>

#define FILES_MAX (64u << 20)
#define MOMENT_MS 60000 /* a step of compaction or a checkpoint may have to end first */

static void backup_end(struct node *node, status result, int64_t image_version)
{
    struct node_backup *b = &node->backup;
    engine_backup_done done = TAKE(b->done);
    struct buf files = b->files; /* done() may begin another one */
    buf_init(&b->files, FILES_MAX);
    loop_timer_clear(node->engine->loop, &b->deadline);
    b->held = done && is_ok(result);
    if (done) done(b->arg, result, image_version, &files);
    buf_done(&files);
}

static void backup_late(struct timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, backup.deadline);
    (void)engine_backup_end(node->engine, node->id);
    backup_end(node, FAIL(REQUEST_TIMED_OUT), -1);
}

void node_backup_init(struct node *node)
{
    buf_init(&node->backup.files, FILES_MAX);
    timer_init(&node->backup.deadline, backup_late);
}

void node_backup_part(struct node *node, const struct control_backup_part *part, struct bytes frame)
{
    struct node_backup *b = &node->backup;
    if (!b->done || part->token != b->token) return; /* of one that was given up */
    buf_put_be32(&b->files, (uint32_t)frame.len);
    buf_put(&b->files, frame.data, frame.len);
}

void node_backup_taken(struct node *node, const struct control_backup_taken *taken)
{
    struct node_backup *b = &node->backup;
    if (!b->done || taken->token != b->token) return;
    status result = taken->error_code ? status_from_kafka(taken->error_code) : buf_check(&b->files);
    if (failed(result)) (void)engine_backup_end(node->engine, node->id);
    backup_end(node, result, taken->image_version);
}

void node_backup_lost(struct node *node) { backup_end(node, FAIL(BROKER_NOT_AVAILABLE), -1); }

void engine_backup(struct engine *engine, const char *cluster_id, engine_backup_done done, void *arg)
{
    struct node *node = engine_node(engine, cluster_id);
    status result = OK;
    if (!node || !node->greeted) result = FAIL(BROKER_NOT_AVAILABLE);
    else if (control_message_version(&control_backup_message, node->protocol) < 0)
        result = FAIL(UNSUPPORTED_VERSION);
    else if (node->backup.done) result = FAIL(BUSY);
    if (failed(result)) {
        struct buf none;
        buf_init(&none, 0);
        done(arg, result, -1, &none);
        return;
    }
    node->backup.token++;
    node->backup.done = done;
    node->backup.arg = arg;
    (void)loop_timer_set(engine->loop, &node->backup.deadline, loop_now(engine->loop) + MOMENT_MS);
    node_send(node, &control_backup_message,
              &(struct control_backup){ .token = node->backup.token, .begin = true });
}

bool engine_backup_end(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node) return false;
    bool held = TAKE(node->backup.held);
    if (node->greeted && control_message_version(&control_backup_message, node->protocol) >= 0)
        node_send(node, &control_backup_message, &(struct control_backup){ .token = node->backup.token });
    return held;
}

status engine_backup_next(struct bytes *files, struct arena *arena,
                          const struct control_backup_part **ret_part)
{
    const struct wire_message *message;
    const void *object;
    if (files->len < 4) return FAIL(NOT_FOUND);
    uint32_t size = get_be32(files->data);
    if (size > files->len - 4) return FAIL(TRUNCATED);
    struct bytes frame = bytes_of(files->data + 4, size);
    *files = bytes_of(frame.data + size, files->len - 4 - size);
    TRY(control_parse(frame, arena, &message, &object));
    if (message != &control_backup_part_message) return FAIL(MALFORMED);
    *ret_part = object;
    return OK;
}
