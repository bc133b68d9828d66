/* index_save.c - the .index file of a segment that was closed, written on the lane for deletion: its bytes
 * are made on the loop, where the index lives. On that lane, because the removal of the segment comes
 * behind it there. Nothing is lost without the file. */
#include "storage/files.h"
#include "storage/storage_int.h"

struct saving {
    struct task task;
    struct buf bytes;
    char path[PATH_SIZE];
};

static void saving_work(struct job *job)
{
    struct saving *v = CONTAINER_OF(job, struct saving, task.job);
    segment_write_index(v->task.store->fs, v->path, buf_bytes(&v->bytes));
}

static void saving_finish(struct task *task) { (void)task; }

static void saving_free(struct task *task)
{
    struct saving *v = CONTAINER_OF(task, struct saving, task);
    buf_done(&v->bytes);
    mem_free(v);
}

void index_save(struct store *store, const struct segment *s)
{
    struct saving *v = mem_zalloc(sizeof *v);
    if (!v) return;
    buf_init(&v->bytes, SIZE_MAX / 2);
    segment_put_index(s, &v->bytes);
    if (failed(buf_check(&v->bytes)) || !v->bytes.len) {
        saving_free(&v->task);
        return;
    }
    segment_path(s, ".index", v->path, sizeof v->path);
    v->task.job.work = saving_work;
    v->task.finish = saving_finish;
    v->task.free = saving_free;
    store_submit(store, &v->task, LANE_DELETION);
}
