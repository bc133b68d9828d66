/* server.c - the life of one broker: open, lock, bind, recover, serve, stop. Loop thread.
 *
 * The order of broker_new is the order in which a sandboxed broker loses its rights: folders, user,
 * lock, listeners, capabilities, files, image, system calls, store, coordinators; nothing later opens a
 * path or binds a socket. */
#include "broker/server.h"

#include "base/log.h"
#include "broker/connection.h"
#include "broker/connection_rate.h"
#include "broker/control.h"
#include "broker/fetch_session.h"
#include "broker/group_coordinator.h"
#include "broker/local_controller.h"
#include "broker/parked.h"
#include "broker/sandbox.h"
#include "broker/time_lag.h"
#include "broker/txn_coordinator.h"
#include "cluster/delta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_MS_DEFAULT (10 * 60 * 1000) /* connections.max.idle.ms */
#define TRIM_MS 10000 /* after large requests or answers, freed memory goes back */
#define RETENTION_CHECK_MS 10000         /* after an append, once at most so often */
#define FULL_CHECK_MS 1000               /* while the disk is full */
#define LOAD_FIRST_MS 20
#define EXIT_STORE_FAILED 3

void broker_options_init(struct broker_options *options)
{
    *options = (struct broker_options){
        .endpoints = { { .security = SECURITY_PLAINTEXT, .addr = "127.0.0.1" } },
        .endpoint_count = 1,
        .node_id = 1,
        .limits = limits_standalone,
        .max_idle_ms = IDLE_MS_DEFAULT,
        .load_first_ms = LOAD_FIRST_MS,
    };
}

/* --- what the store asks and tells ------------------------------------------------------ */

static bool store_asks_known(void *arg, struct uuid topic, int32_t partition,
                             struct log_config *ret_config)
{
    struct broker *b = arg;
    const struct topic *t = image_topic_by_id(b->image, topic);
    if (!t || partition < 0 || partition >= t->partitions) return false;
    broker_log_config(b, t, ret_config);
    return true;
}

static void store_tells_moved(void *arg, struct plog *log)
{
    struct broker *b = arg;
    parked_moved(log);
    time_lag_touch(b->time_lag);
}

static void store_tells_fatal(void *arg, status why)
{
    struct broker *b = arg;
    log_error("the store failed (%s): nothing more is acknowledged; the broker ends",
              status_text(why));
    b->exit_code = EXIT_STORE_FAILED;
    b->stopping = true;
    loop_stop(b->loop);
}

static void store_tells_state(void *arg)
{
    static const char *const now[] = {
        [STORE_OPEN] = "clients may append",
        [STORE_AT_LIMIT] = "the storage limit of the plan is reached: appends are refused",
        [STORE_FULL] = "the disk is full: appends wait until there is room",
        [STORE_HELD] = "the disk of the service is nearly full: leatd holds appends back",
    };
    struct broker *b = arg;
    if (!b->store) return;
    log_info("%s", now[store_state(b->store)]);
    if (store_state(b->store) == STORE_FULL)
        (void)loop_timer_set(b->loop, &b->retention, loop_now(b->loop) + FULL_CHECK_MS);
    control_touch_now(b->control);
}

/* --- retention ------------------------------------------------------ */

static void retention_fire(struct timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, retention);
    int64_t next = store_retain(b->store);
    if (next <= loop_now(b->loop)) { /* it is not through with all logs */
        (void)loop_timer_set(b->loop, timer, next);
        return;
    }
    if (store_state(b->store) == STORE_FULL) {
        (void)loop_timer_set(b->loop, timer, loop_now(b->loop) + FULL_CHECK_MS);
        return;
    }
    int64_t soonest = loop_now(b->loop) + RETENTION_CHECK_MS;
    if (next != INT64_MAX) (void)loop_timer_set(b->loop, timer, next > soonest ? next : soonest);
}

static void store_tells_retain(void *arg)
{
    struct broker *b = arg;
    if (!b->stopping) (void)loop_timer_set(b->loop, &b->retention, loop_now(b->loop));
}

void broker_appended(struct broker *b)
{
    int64_t at = loop_now(b->loop) + RETENTION_CHECK_MS;
    if (!b->retention.slot || b->retention.at > at) (void)loop_timer_set(b->loop, &b->retention, at);
}

/* --- memory ------------------------------------------------------ */

static void trim_fire(struct timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, trim);
    int kept = b->spare.count;
    bool again = request_pool_trim(b);
    if (!again) loop_trim(b->loop);
    if (b->large || b->spare.count < kept) mem_trim();
    b->large = false;
    if (again) broker_keeps_memory(b);
}

void broker_keeps_memory(struct broker *b)
{
    if (b->trim.slot) return;
    (void)loop_timer_set(b->loop, &b->trim, loop_now(b->loop) + TRIM_MS);
}

void broker_used_memory(struct broker *b)
{
    b->large = true;
    broker_keeps_memory(b);
}

/* --- what the image tells ------------------------------------------------------ */

static void topic_changed(struct broker *b, const struct topic *topic)
{
    struct log_config config;
    broker_log_config(b, topic, &config);
    for (int32_t p = 0; p < topic->partitions; p++) {
        struct plog *log = store_find(b->store, topic->id, p);
        if (log) plog_set_config(log, &config);
    }
    broker_appended(b);
}

static void topic_deleted(struct broker *b, struct topic *topic)
{
    if (b->groups) group_coordinator_topic_deleted(b->groups, topic);
    control_topic_ends(b->control, topic);
    endings_add(b, topic->id, topic->partitions);
}

static void limits_changed(struct broker *b)
{
    struct connection *c;
    DL_FOREACH(b->connections, c) connection_limits_changed(c);
    if (b->quotas) quotas_changed(b->quotas);
    store_set_limit(b->store, b->image->limits.storage_bytes);
}

static void image_tells(void *arg, enum image_event event, struct topic *topic, struct str login)
{
    struct broker *b = arg;
    if (!b->store) return; /* the first image: nothing runs yet */
    switch (event) {
    case TOPIC_CREATED:
        if (b->groups && str_eq(topic->name, OFFSETS_TOPIC) &&
            failed(group_coordinator_load(b->groups)))
            log_error("the offsets of consumer groups cannot be loaded");
        if (b->txns && str_eq_c(topic->name, TRANSACTION_STATE_TOPIC) &&
            failed(txn_coordinator_load(b->txns)))
            log_error("the state of transactions cannot be loaded");
        break;
    case TOPIC_CHANGED: topic_changed(b, topic); break;
    case TOPIC_DELETED: topic_deleted(b, topic); break;
    case CREDENTIAL_DELETED: broker_close_connections(b, login, STR_NULL); break;
    case QUOTAS_CHANGED: quotas_changed(b->quotas); break;
    case LIMITS_CHANGED: limits_changed(b); break;
    case TLS_CHANGED: endpoints_tls_changed(b); break;
    case CREDENTIAL_CHANGED:
    case ACLS_CHANGED: break;
    }
}

const struct image_observer *broker_observer(struct broker *b)
{
    b->observer = (struct image_observer){ image_tells, b };
    return &b->observer;
}

void broker_close_connections(struct broker *b, struct str login, struct str principal)
{
    struct connection *c, *next;
    DL_FOREACH_SAFE(b->connections, c, next) {
        if (c->local || !c->authenticated) continue;
        if (!str_is_null(login) && !str_eq(c->login, login)) continue;
        if (!str_is_null(principal) && !str_eq(c->principal, principal)) continue;
        connection_close(c);
    }
}

/* --- partitions ------------------------------------------------------ */

void broker_log_config(const struct broker *b, const struct topic *topic, struct log_config *ret)
{
    *ret = topic->config.log;
    ret->internal = topic->internal;
    if (!b->options.defaults_count) return;
    struct topic_config mixed;
    topic_config_init(&mixed);
    if (failed(topic_config_copy(&topic->config, &mixed))) return;
    for (size_t i = 0; i < b->options.defaults_count; i++) {
        const struct broker_default *d = &b->options.defaults[i];
        const struct config_info *info = topic_config_info(str_c(d->name));
        bool is_default = false;
        if (info) (void)topic_config_get(&topic->config, info, &is_default);
        if (is_default) (void)topic_config_set(&mixed, str_c(d->name), str_c(d->value));
    }
    *ret = mixed.log;
    ret->internal = topic->internal;
    topic_config_done(&mixed);
}

struct plog *broker_log(struct broker *b, const struct topic *topic, int32_t partition)
{
    struct plog *log = store_find(b->store, topic->id, partition);
    if (log) return log;
    struct log_config config;
    broker_log_config(b, topic, &config);
    return store_log(b->store, topic->id, partition, &config);
}

struct plog *broker_find_log(struct broker *b, struct str name, int32_t partition,
                             status *ret_error)
{
    const struct topic *topic = image_topic(b->image, name);
    if (!topic || partition < 0 || partition >= topic->partitions) {
        *ret_error = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
        return NULL;
    }
    struct plog *log = broker_log(b, topic, partition);
    if (log && !plog_offline(log)) return log;
    *ret_error = FAIL(KAFKA_STORAGE_ERROR);
    return NULL;
}

uint16_t broker_port(const struct broker *b) { return listener_port(b->endpoints[0].listener); }

/* --- start ------------------------------------------------------ */

static status folder_open(const char *path, bool make, int *ret_fd, struct why *why)
{
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST) {
        status refused = status_from_errno(errno);
        why_set(why, "the folder %s cannot be made: %s", path, status_text(refused));
        return refused;
    }
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd >= 0) return OK;
    status refused = status_from_errno(errno);
    why_set(why, "the folder %s cannot be opened: %s", path, status_text(refused));
    return refused;
}

static status folder_lock(struct broker *b, struct why *why)
{
    b->lock_fd = openat(b->data_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (b->lock_fd < 0) {
        status refused = status_from_errno(errno);
        why_set(why, "the lock of %s cannot be opened: %s", b->options.data_dir,
                status_text(refused));
        return refused;
    }
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(b->lock_fd, F_OFD_SETLK, &lock) == 0) return OK;
    why_set(why, "another broker serves the folder %s", b->options.data_dir);
    return FAIL(LOCKED);
}

static void accepted_local(int fd, void *owner) { connection_accept(owner, fd, NULL); }

static status listeners_bind(struct broker *b, struct why *why)
{
    const struct broker_options *o = &b->options;
    TRY(endpoints_bind(b, why));
    if (!o->run_dir) return OK;
    status bound = listener_new_unix(b->loop, b->run_fd, "kafka.sock", accepted_local, b, &b->local);
    if (failed(bound)) why_set(why, "cannot listen on %s/kafka.sock", o->run_dir);
    return bound;
}

static status controller_start(struct broker *b, struct why *why)
{
    if (b->options.standalone) return local_controller_start(b, why);
    status started = control_start(b, &b->control);
    if (started.code == E_FORMAT)
        why_set(why, "the metadata image of %s is of a newer version of Leat than this program; nothing was "
                     "changed: start the newer version again", b->options.data_dir);
    else if (failed(started))
        why_set(why, "the metadata image or the control socket cannot be opened: %s", status_text(started));
    return started;
}

static status store_start(struct broker *b, struct why *why)
{
    struct store_options options = {
        .fs = b->disk,
        .reserve = b->reserve,
        .loop = b->loop,
        .known = store_asks_known,
        .moved = store_tells_moved,
        .state_changed = store_tells_state,
        .retain = store_tells_retain,
        .fatal = store_tells_fatal,
        .arg = b,
        .why = why,
    };
    status opened = store_open(&options, &b->store);
    if (failed(opened) && why && !why->text[0])
        why_set(why, "the data of %s cannot be recovered: %s", b->options.data_dir,
                status_text(opened));
    if (failed(opened)) return opened;
    store_set_limit(b->store, b->image->limits.storage_bytes);
    retention_fire(&b->retention);
    return opened;
}

/* The folders are opened by who may pass through those above them, and used by the broker's own user. */
static status folders_start(struct broker *b, struct why *why)
{
    /* leatd makes the folders of its brokers: without one, the cluster was deleted this moment. */
    TRY(folder_open(b->options.data_dir, b->options.standalone, &b->data_fd, why));
    if (!realpath(b->options.data_dir, b->log_dir)) return status_from_errno(errno);
    if (b->options.run_dir) TRY(folder_open(b->options.run_dir, false, &b->run_fd, why));
    if (b->options.sandbox) sandbox_limits();
    if (b->options.uid && !sandbox_user(b->options.uid)) {
        why_set(why, "it cannot become the user %u", b->options.uid);
        return FAIL(NOT_PERMITTED);
    }
    return folder_lock(b, why);
}

static void fence_files(struct broker *b)
{
    int folders[FILES_MAX];
    size_t count = files_folders(b, folders);
    /* A standalone one may have to read its files again that belong to somebody else. */
    if (!b->options.standalone) (void)sandbox_capabilities();
    if (b->options.sandbox) b->landlock = sandbox_files(b->data_fd, b->run_fd, folders, count);
}

static status broker_start(struct broker *b, struct why *why)
{
    TRY(folders_start(b, why));
    int fs_fd = fcntl(b->data_fd, F_DUPFD_CLOEXEC, 3);
    if (fs_fd < 0) return status_from_errno(errno);
    TRY(fs_posix_new(fs_fd, &b->disk));
    TRY(reserve_new(b->disk, "reserve", &b->reserve));
    b->fs = reserve_fs(b->reserve);
    TRY(loop_new(&b->loop));
    TRY(image_new(&b->image));
    b->image->super_users = b->options.super_users;
    TRY(listeners_bind(b, why));
    TRY(files_start(b, why));
    fence_files(b);
    TRY(controller_start(b, why));
    endpoints_tls_changed(b);
    if (b->options.sandbox) (void)sandbox_calls();
    TRY(quotas_new(b->image, &b->quotas));
    TRY(fetch_sessions_new(&b->fetch_sessions));
    TRY(store_start(b, why));
    status started = group_coordinator_start(b, &b->groups);
    if (failed(started)) why_set(why, "the consumer groups cannot be loaded: %s",
                                 status_text(started));
    TRY(started);
    started = txn_coordinator_start(b, &b->txns);
    if (failed(started)) why_set(why, "the state of transactions cannot be loaded: %s",
                                 status_text(started));
    TRY(started);
    loading_start(b);
    return OK;
}

status broker_new(const struct broker_options *options, struct broker **ret_broker,
                  struct why *why)
{
    struct broker *b = mem_zalloc(sizeof *b);
    if (!b) return FAIL(NO_MEMORY);
    b->options = *options;
    b->data_fd = b->run_fd = b->lock_fd = -1;
    timer_init(&b->retention, retention_fire);
    timer_init(&b->trim, trim_fire);
    status started = broker_start(b, why);
    if (failed(started)) {
        if (why && !why->text[0]) why_set(why, "the broker cannot start: %s", status_text(started));
        broker_free(b);
        return started;
    }
    *ret_broker = b;
    return OK;
}

/* --- run and stop ------------------------------------------------------ */

void broker_run(struct broker *b) { loop_run(b->loop); }
void broker_stop(struct broker *b) { loop_stop(b->loop); }

void broker_reload(struct broker *b)
{
    uint64_t one = 1;
    ssize_t n = b->files ? write(b->reload.fd, &one, sizeof one) : 0;
    (void)n; /* only fails when it was asked already */
}

static void broker_tell_turns(const struct broker *b)
{
    const struct loop_turns *turns = loop_turns(b->loop);
    log_info("of %llu turns of the event loop %llu took over 1 ms, %llu over 10 ms, the longest %.1f ms",
             (unsigned long long)turns->count, (unsigned long long)turns->over_1ms,
             (unsigned long long)turns->over_10ms, (double)turns->longest_ns / 1e6);
}

static void broker_close_doors(struct broker *b)
{
    b->stopping = true;
    endpoints_close(b);
    listener_free(b->local);
    if (b->local) unlinkat(b->run_fd, "kafka.sock", 0);
    if (b->control) control_stop(b->control);
    while (b->connections) connection_close(b->connections);
    connection_rate_stop(b);
}

void broker_free(struct broker *b)
{
    if (!b) return;
    if (b->loop) {
        broker_tell_turns(b);
        broker_close_doors(b);
        loading_stop(b);
        while (b->packing) loop_turn(b->loop, -1);
        txn_coordinator_stop(b->txns);
        b->txns = NULL;
        group_coordinator_stop(b->groups);
        b->groups = NULL;
        if (b->options.standalone && b->controller) local_controller_stop(b);
        loop_timer_clear(b->loop, &b->retention);
        loop_timer_clear(b->loop, &b->trim);
        endings_finish(b);
        if (b->store && b->exit_code == 0) {
            status stopped = store_stop(b->store);
            if (failed(stopped))
                log_error("the store did not stop cleanly (%s); it recovers at the next start",
                          status_text(stopped));
        }
        store_free(b->store);
        quotas_free(b->quotas);
        b->quotas = NULL;
        endpoints_free(b);
        files_stop(b);
        fetch_sessions_free(b->fetch_sessions);
        loop_turn(b->loop, 0); /* what ended waits for the end of a turn */
    }
    image_free(b->image);
    stats_done(&b->stats);
    loop_free(b->loop);
    request_pool_free(b);
    reserve_free(b->reserve);
    fs_posix_free(b->disk);
    if (b->data_fd >= 0) close(b->data_fd);
    if (b->run_fd >= 0) close(b->run_fd);
    if (b->lock_fd >= 0) close(b->lock_fd);
    mem_free(b);
}
