/* server.h - one broker: its options, what it owns, its life.
 *
 * Start order: open the data folder (then only openat below it), lock it, bind listeners, load the
 * image, recover the store, start the coordinators, serve. Everything runs on broker->loop. The
 * struct is open to the files of this folder; nothing outside it looks inside (see leat.h). */
#pragma once
#include "broker/controller.h"
#include "broker/ending.h"
#include "broker/endpoint.h"
#include "broker/files.h"
#include "broker/loading.h"
#include "broker/quota.h"
#include "broker/request_pool.h"
#include "broker/stats.h"
#include "cluster/image.h"
#include "io/listener.h"
#include "io/loop.h"
#include "io/stream.h"
#include "storage/plog.h"
#include "storage/store.h"

#include <limits.h>

#define BROKER_MAX_DEFAULTS 32

/* A broker-wide default of a topic config (`--set log.retention.ms=…`), by its topic config name. */
struct broker_default {
    const char *name;
    const char *value;
};

struct broker_options {
    const char *data_dir;
    const char *run_dir;        /* managed: folder of the two Unix sockets; NULL: standalone */
    bool standalone;            /* local controller */
    struct endpoint_options endpoints[ENDPOINTS_MAX];
    size_t endpoint_count;      /* at least one */
    struct file_options files;  /* standalone */
    enum tls_client_auth client_auth; /* standalone: ssl.client.auth */
    struct authentication authentication; /* standalone; its key set comes from files.jwks */
    const char *cluster_id;     /* NULL (standalone): the image's, made at first start */
    int32_t node_id;
    struct limits limits;       /* standalone: what the image starts with */
    const char *super_users;    /* standalone: "User:a;User:b", for whom ACLs do not hold; NULL */
    int64_t max_idle_ms;        /* connections.max.idle.ms */
    int32_t load_first_ms;      /* so long the coordinators read their topics before anybody is served */
    bool sandbox;               /* fence the whole process, for good */
    uint32_t uid;               /* become this user and group once the folders are open; 0: stay */
    struct broker_default defaults[BROKER_MAX_DEFAULTS];
    size_t defaults_count;
};
void broker_options_init(struct broker_options *options);

struct fetch_sessions;
struct group_coordinator;
struct txn_coordinator;
struct client_lists;
struct connection;
struct audit;
struct control;
struct time_lag;

struct broker {
    struct broker_options options;
    struct loop *loop;
    struct fs *disk;            /* root is the data folder */
    struct reserve *reserve;    /* of its space */
    struct fs *fs;              /* the disk with the reserve behind it */
    int data_fd, run_fd, lock_fd;
    int landlock;               /* the version that holds; 0: none */
    char log_dir[PATH_MAX];     /* the data folder as clients are told it: absolute */
    struct image *image;
    struct image_observer observer;
    struct image *files;        /* standalone: what its files say; NULL: it has none */
    struct watch reload;        /* an eventfd: read the files again */
    int file_folders[FILES_MAX];
    size_t file_folder_count;
    struct store *store;
    struct controller *controller;
    struct control *control;    /* control.c; NULL when standalone */
    struct audit *audit;        /* what leatd's audit log shall hear; NULL when standalone */
    struct time_lag *time_lag;  /* how far groups are behind; NULL when standalone */
    struct quotas *quotas;
    struct group_coordinator *groups;
    struct endpoint endpoints[ENDPOINTS_MAX]; /* as many as options.endpoint_count */
    struct listener *local;     /* kafka.sock */
    struct loading loading;     /* of both coordinators */
    struct fetch_sessions *fetch_sessions;
    struct txn_coordinator *txns;
    struct connection *connections; /* utlist DL */
    int64_t connection_count;
    int64_t client_rows;        /* of all connections; clients.c's own */
    struct client_lists *client_lists; /* lists of them that are being made; NULL when standalone */
    struct kept_connection *kept_connections; /* connection_rate.c's own */
    int kept_count;
    int64_t memory_used;        /* requests under way and replies that wait */
    int64_t packing;            /* requests whose batches are on a lane */
    bool memory_short;          /* some connections are not read because of it */
    int64_t next_producer;      /* low half of the next producer id */
    struct endings endings;     /* topics that were deleted */
    struct timer retention;
    struct timer trim;
    bool large;                 /* freed blocks of the heap are to go back */
    struct request_pool spare;
    struct stats stats;
    bool stopping;
    int exit_code;
};

/* Opens, locks, binds, recovers; after OK the broker serves once its loop runs. `why` says what
 * went wrong in a sentence. */
status broker_new(const struct broker_options *options, struct broker **ret_broker,
                  struct why *why);
void broker_run(struct broker *broker);  /* until broker_stop or a fatal error */
void broker_stop(struct broker *broker); /* any thread, once: graceful */
void broker_reload(struct broker *broker); /* any thread, signal handlers too: read the files again */
void broker_free(struct broker *broker); /* NULL ok; stops the store cleanly when it can */
uint16_t broker_port(const struct broker *broker); /* of the first endpoint */

/* The log of a partition that is in the image; NULL when out of memory. */
struct plog *broker_log(struct broker *broker, const struct topic *topic, int32_t partition);
/* As above by name; NULL with *ret_error UNKNOWN_TOPIC_OR_PARTITION when there is none. */
struct plog *broker_find_log(struct broker *broker, struct str topic, int32_t partition,
                             status *ret_error);
/* Effective settings: the topic's own, then --set, then Kafka's defaults. */
void broker_log_config(const struct broker *broker, const struct topic *topic,
                       struct log_config *ret_config);
/* A producer id that was never given before; -1: this start has given out all it has. */
int64_t broker_producer_id(struct broker *broker);
/* Large buffers were used: what is free goes back to the system a while later. */
void broker_used_memory(struct broker *broker);
/* Memory is kept for the next requests: what proves unused goes back. */
void broker_keeps_memory(struct broker *broker);
/* Something was appended: retention has to look again. */
void broker_appended(struct broker *broker);
/* Ends the TCP connections of a login (STR_NULL: any) or principal (STR_NULL: any). */
void broker_close_connections(struct broker *broker, struct str login, struct str principal);
/* The observer to hand to image_apply: logs, groups, connections and parked fetches follow. */
extern const struct image_observer *broker_observer(struct broker *broker);
