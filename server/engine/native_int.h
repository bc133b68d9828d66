/* native_int.h - what the files of the native engine share. A node is one cluster's broker as the
 * engine sees it. Domain thread only. */
#pragma once
#include "base/hash.h"
#include "client/client.h"
#include "cluster/control_frame.h"
#include "engine/engine.h"
#include "engine/lags.h"
#include "supervise/supervisor.h"

#define NODE_ADMIN_MAX 200     /* forwarded requests of one broker under way */
#define NODE_WAITERS_MAX 10000 /* changes waiting for an acknowledgement */
#define NODE_CLIENTS_MAX 32    /* principals with a connection to one broker */
#define NODE_TOPICS_MAX 20000  /* rows of figures: a broker cannot make us keep more */
#define NODE_PRINCIPALS_MAX 10000
#define NODE_LAGS_MAX 20000    /* partitions of groups; a broker tells of half as many */

struct waiter { /* a pushed change */
    int64_t version, deadline;
    engine_done done;
    void *arg;
    struct waiter *prev, *next;
};

struct principal_client { /* one connection to kafka.sock */
    struct node *node;
    struct client *client;
    char principal[64];
    struct waiting_call *waiting; /* made before the connection was ready; DL, oldest first */
    int waiting_count;
    struct principal_client *prev, *next;
};

struct slot { /* name -> row of figures */
    char name[250];
    size_t at;
    UT_hash_handle hh;
};

struct figures {
    struct engine_figures shown;
    struct slot *topic_slots, *principal_slots;
    size_t topic_cap, principal_cap;
    int64_t gap_ms;   /* between the last two reports */
};

struct node_lags { /* native_lags.c */
    struct lag_topic *topics;
    size_t row_count;
    uint32_t round;          /* of telling everything */
    int32_t others;          /* committed offsets that its broker does not follow */
    bool known;              /* everything was told once */
    bool listed;             /* the list is up to date */
    struct engine_lag *list;
    size_t list_count;
};

struct node_backup { /* native_backup.c */
    int64_t token;
    struct buf files;
    engine_backup_done done; /* NULL: nobody waits */
    void *arg;
    struct timer deadline;
    bool held; /* the broker keeps its files */
};

struct node {
    struct engine *engine;
    char id[40], proc_id[64];
    struct stream *control; /* NULL: away */
    bool hold;
    char program[64];       /* as it greeted */
    int format, confirmed;  /* of its data folder: as it says (0: it does not), as it may be */
    int landlock;           /* the version that holds for it, as it says; 0: none */
    int16_t protocol;       /* the version of it that was agreed */
    struct node_backup backup;
    struct client_ask *client_asks; /* native_clients.c; utlist DL */
    int client_ask_count;
    int64_t client_token;           /* of the last one */
    bool greeted, refused;  /* refused: it would not take our image; wait for another life */
    int64_t sent, acknowledged; /* versions; -1 = unknown */
    struct waiter *waiters;     /* oldest first */
    int waiter_count, admin_count;
    struct timer deadline, redial, liveness;
    int64_t heard_at;           /* loop time of the last sign of life */
    uint64_t life;              /* which of its connections this is */
    struct principal_client *clients;
    int client_count;
    struct figures figures;
    pid_t figures_of;           /* the process that told them */
    struct node_lags lags;
    int64_t watched_at;
    UT_hash_handle hh;
};

struct admin_call { /* a forwarded request that the domain works on */
    uint64_t token;
    struct node *node; /* NULL: its broker went away */
    struct stream *stream;
    int64_t broker_token;
    int16_t api_key, version;
    struct arena arena;
    UT_hash_handle hh;
};

struct later { /* done() from outside the call that caused it */
    struct job job;
    engine_done done;
    engine_response response;
    void *arg;
    status result;
};

struct engine {
    int64_t liveness_ms;        /* 0: nobody is asked */
    struct loop *loop;
    struct supervisor *supervisor;
    struct engine_events events;
    struct engine_endings endings;
    struct node *nodes;
    struct admin_call *admin_calls;
    uint64_t next_token;
};

struct node *engine_node(const struct engine *engine, const char *cluster_id);
/* Calls done or response soon. Without memory: at once. */
void engine_later(struct engine *engine, engine_done done, engine_response response, void *arg,
                  status result);

/* native_control.c */
/* native_liveness.c */
void node_liveness_init(struct node *node);
void node_heard(struct node *node); /* it said something */
void node_dial(struct node *node);
void node_hang_up(struct node *node); /* closes the control connection */
void node_send(struct node *node, const struct wire_message *message, const void *object);
void node_tell_format(struct node *node); /* when its data folder may be written in a newer one */
void node_send_image(struct node *node);
void node_end_waiters(struct node *node, int64_t up_to, status result);

/* native_backup.c */
void node_backup_init(struct node *node);
void node_backup_part(struct node *node, const struct control_backup_part *part, struct bytes frame);
void node_backup_taken(struct node *node, const struct control_backup_taken *taken);
void node_backup_lost(struct node *node); /* its broker is gone */

/* native_clients.c */
void node_clients_part(struct node *node, const struct control_clients_part *part);
void node_clients_lost(struct node *node); /* its broker is gone */

/* native_admin.c */
void node_admin_received(struct node *node, const struct control_admin *admin);
void node_admin_lost(struct node *node);

/* native_calls.c */
void node_close_clients(struct node *node);

/* native_figures.c */
void node_report_received(struct node *node, const struct control_report *report);
void node_figures_begin(struct node *node); /* the broker greeted: of this life, or of another one */
const struct engine_topic_figures *figures_topic(const struct figures *figures, struct str name);
void figures_clear(struct figures *figures);
void figures_settle(struct figures *figures, int64_t now_wall); /* rates of a silent broker are 0 */

/* native_lags.c */
void lags_apply(struct node_lags *lags, const struct control_lags *told);
void lags_clear(struct node_lags *lags);
