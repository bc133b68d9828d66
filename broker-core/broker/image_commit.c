/* image_commit.c - see image_commit.h. The file is written on the commit lane: producers that wait for
 * a sync at that moment wait for this one too, and no long background job delays an administrator. */
#include "broker/image_commit.h"

#include "base/log.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"

static void image_write(struct job *job);
static void image_written(struct job *job);

void image_commit_init(struct image_commit *c, struct broker *broker)
{
    *c = (struct image_commit){ .broker = broker };
    c->job.work = image_write;
    c->job.done = image_written;
}

status image_commit_start(struct image_commit *c, struct buf *take_delta,
                          void (*done)(void *arg, status result), void *arg)
{
    struct buf delta = buf_take(take_delta);
    if (c->busy) {
        buf_done(&delta);
        return FAIL(BUSY);
    }
    buf_init(&c->whole, DELTA_MAX);
    status s = buf_check(&delta);
    if (is_ok(s)) s = image_file_next(c->broker->image, buf_bytes(&delta), &c->whole);
    if (is_ok(s)) s = loop_submit(c->broker->loop, &c->job, LANE_COMMIT);
    if (failed(s)) {
        buf_done(&c->whole);
        buf_done(&delta);
        return s;
    }
    c->busy = true;
    c->delta = delta;
    c->done = done;
    c->arg = arg;
    return OK;
}

static void image_write(struct job *job) /* on the lane's thread */
{
    struct image_commit *c = CONTAINER_OF(job, struct image_commit, job);
    c->written = image_file_write(c->broker->fs, buf_bytes(&c->whole));
}

static void image_written(struct job *job)
{
    struct image_commit *c = CONTAINER_OF(job, struct image_commit, job);
    struct buf delta = buf_take(&c->delta);
    status s = c->written;
    buf_done(&c->whole);
    /* checked before it was written: only memory can lack now, and then image and file differ */
    if (is_ok(s)) s = image_apply(c->broker->image, buf_bytes(&delta), broker_observer(c->broker));
    if (failed(s)) log_error("a change of the metadata image failed: %s", status_text(s));
    buf_done(&delta);
    c->busy = false;
    c->done(c->arg, s);
}

void image_commit_finish(struct image_commit *c)
{
    while (c->busy) loop_turn(c->broker->loop, -1);
}
