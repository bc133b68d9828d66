/* group_rig.c - see group_rig.h. */
#include "group_rig.h"

#include "base/mem.h"
#include "cluster/delta.h"
#include "io/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct group_coordinator *rig_groups;
struct group_options rig_options;
struct loop *rig_loop;
struct image *rig_image;

static char dir[64];
static struct fs *fs;
static struct store *store;
static struct uuid offsets_id;

static bool known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    (void)arg;
    (void)partition;
    *ret = log_config_default;
    return image_topic_by_id(rig_image, topic) != NULL;
}

static void moved(void *arg, struct plog *log)
{
    (void)arg;
    (void)log;
}

static void fatal(void *arg, status why)
{
    (void)arg;
    fail_msg("store: %s", status_text(why));
}

static struct plog *log_of(void *arg, const struct topic *topic, int32_t partition)
{
    (void)arg;
    return store_log(store, topic->id, partition, &log_config_default);
}

/* --- topics ----------------------------------------------------------------------------------- */
static void apply(struct buf *b)
{
    assert_true(is_ok(buf_check(b)));
    assert_true(is_ok(image_apply(rig_image, buf_bytes(b), NULL)));
    buf_done(b);
}

static void begin(struct buf *b)
{
    buf_init(b, DELTA_MAX);
    delta_begin(b, rig_image->version, rig_image->version + 1);
}

void rig_topic(const char *name, int32_t partitions)
{
    struct buf b;
    const struct topic *t = image_topic(rig_image, str_c(name));
    begin(&b);
    delta_topic(&b, &(struct delta_topic){ .id = t ? t->id : uuid_new(), .name = str_c(name),
                                           .partitions = partitions, .replication_factor = 1 });
    apply(&b);
}

void rig_delete(const char *name)
{
    struct buf b;
    begin(&b);
    delta_topic_deleted(&b, image_topic(rig_image, str_c(name))->id);
    apply(&b);
}

static void fill_image(void)
{
    struct limits limits = limits_standalone;
    limits.group_initial_delay_ms = 0;
    struct buf b;
    assert_true(is_ok(image_new(&rig_image)));
    begin(&b);
    delta_cluster(&b, STR("lkc-test"), uuid_new());
    delta_limits(&b, &limits);
    delta_consumer_offsets(&b, offsets_id);
    apply(&b);
    rig_topic("payments", 3);
    rig_topic("orders", 4);
}

/* --- lives ------------------------------------------------------------------------------------ */
static void start(void)
{
    assert_true(is_ok(loop_new(&rig_loop)));
    assert_true(is_ok(fs_posix_new(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fs)));
    struct store_options so = { .fs = fs, .loop = rig_loop, .known = known, .moved = moved,
                                .fatal = fatal };
    assert_true(is_ok(store_open(&so, &store)));
    rig_options.loop = rig_loop;
    rig_options.image = rig_image;
    rig_options.store = store;
    rig_options.log = log_of;
    assert_true(is_ok(group_coordinator_new(&rig_options, &rig_groups)));
    assert_true(is_ok(group_coordinator_load(rig_groups)));
}

static void halt(void)
{
    group_coordinator_free(rig_groups);
    store_free(store);
    loop_free(rig_loop);
    fs_posix_free(fs);
}

void rig_restart(void)
{
    halt();
    start();
}

int rig_setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/leat-groups-XXXXXX");
    if (mkdtemp(dir) == NULL) return 1;
    offsets_id = uuid_new();
    group_options_init(&rig_options);
    rig_options.session_min_ms = 10;
    fill_image();
    start();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int rig_teardown(void **state)
{
    (void)state;
    halt();
    image_free(rig_image);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != 0;
}

void rig_again(void)
{
    assert_int_equal(rig_teardown(NULL), 0);
    assert_int_equal(rig_setup(NULL), 0);
}
