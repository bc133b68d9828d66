/* domain.h - what the service does, whichever door asks: REST, the console, or a Kafka admin client.
 *
 * One domain thread (an event loop) owns the writing database, the engine and the supervisor. A
 * change is one transaction; when it concerns a cluster it raises the cluster's metadata version,
 * and the delta is pushed to the broker; done() comes after the broker's acknowledgement (PENDING
 * after 5 s or when it is away: the change stands, and arrives later). */
#pragma once
#include "base/arena.h"
#include "base/status.h"
#include "engine/engine.h"
#include "store/db.h"
#include "supervise/supervisor.h"

struct domain_options {
    const char *data_dir;         /* absolute */
    const char *bin_dir;          /* where leat-broker and leat are */
    const char *web_dir;          /* the console's files */
    const char *listen;           /* "127.0.0.1:8080" */
    const char *advertise;        /* host that Kafka clients are told; NULL: 127.0.0.1 and loopback only */
    uint16_t broker_port_first, broker_port_last;
    bool demo;                    /* make the demo at first start */
};

struct domain {
    struct domain_options options;
    struct loop *loop;
    struct db *db;                /* the writer; domain thread only */
    struct engine *engine;
    struct supervisor *supervisor;
    char organisation_id[40];
};

/* Who does it, for audit and ownership. */
struct actor {
    const char *id;          /* u-…, sa-…, "system" */
    const char *door;        /* rest, console, kafka, system */
    const char *address;
    const char *request_id;
};

typedef void (*domain_done)(void *arg, status result, const struct why *why);

/* Runs on the domain thread soon; any thread. */
void domain_post(struct domain *domain, struct job *job);

/* Inside an open transaction: appends a metadata record (an encoded Image… message, see
 * cluster/delta.h) to the change of this cluster; domain_commit raises the version, stores the
 * delta, commits, pushes, and calls done. A change without records is done at commit. */
struct change;
status change_begin(struct domain *domain, const char *cluster_id /* NULL: none */,
                    const struct actor *actor, struct change **ret_change); /* opens a transaction */
struct buf *change_records(struct change *change);      /* encoded records of the delta */
status change_audit(struct change *change, const char *operation, const char *resource,
                    const char *detail_json);
void change_commit(struct change *change, domain_done done, void *arg); /* takes change */
void change_abort(struct change *change);                               /* rolls back; takes it; NULL ok */
