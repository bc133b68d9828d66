/* domain.h - what the service does, whichever door asks: REST, the console, or a Kafka admin client.
 *
 * One domain thread (an event loop) owns the writing database, the engine and the supervisor. A
 * change is one transaction; when it concerns a cluster it raises the cluster's metadata version,
 * and the delta is pushed to the broker; done() comes after the broker's acknowledgement (PENDING
 * after 5 s or when it is away: the change stands, and arrives later). Each noun has its own header
 * beside this one. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "engine/engine.h"
#include "identity/lockout.h"
#include "identity/password.h"
#include "identity/secret.h"
#include "store/db.h"
#include "supervise/supervisor.h"

#include <jansson.h>

struct alerts;
struct history;

/* What waits until the changes before it are durable: run() on the domain thread at the end of the turn.
 * When the disk does not take them run() never comes: leatd ends with status 3, and nobody is told what may
 * not hold. */
struct hold {
    void (*run)(struct hold *hold);
    struct hold *prev, *next;
};

struct domain_options {
    const char *data_dir;         /* absolute */
    const char *bin_dir;          /* where leat-broker and leat are */
    const char *web_dir;          /* the console's files */
    const char *listen;           /* "127.0.0.1:8080" */
    const char *oidc_file;        /* see oidc.h; NULL: none */
    bool https;                   /* the door; with the service's own certificate unless these are given */
    const char *https_chain, *https_key;
    const char *advertise;        /* host that Kafka clients are told; NULL: 127.0.0.1 and loopback only */
    uint16_t broker_port_first, broker_port_last;
    int64_t liveness_ms;          /* see engine_set_liveness */
    uint32_t broker_user_first, broker_user_last; /* own users of brokers; 0: none */
    bool no_cgroups;
    bool alert_near;              /* alerts may be sent to this machine and its link, see notify/target.h */
    int64_t history_max;          /* bytes of history.db; 0: the default */
    int64_t min_free;             /* bytes of the disk, see disk_watch.h; -1: the default */
    bool demo;                    /* make the demo at first start */
};

struct domain {
    struct domain_options options;
    struct loop *loop;
    struct db *db;                /* the writer; domain thread only */
    struct engine *engine;        /* NULL in tests without processes: changes are done at commit */
    struct supervisor *supervisor;/* NULL likewise */
    char organisation_id[40];
    struct passwords passwords;
    struct lockout *lockout;
    int64_t started_at;           /* ms since 1970 */
    char helper_waits[ID_TEXT];   /* the demo's cluster until its generator may start; "" none */
    bool stopping;                /* all processes are being ended: nothing is started any more */
    struct certificates *certificates; /* certificates.c's own */
    struct logins_state *logins;       /* logins.c's own; NULL before domain_start */
    struct room *room;                 /* for the database, when the disk is full */
    struct disk_watch *disk_watch;     /* disk_watch.c's own */
    struct backup_work *backup;        /* backups.c's own: the one under way */
    struct rolling *rolling;           /* rolling.c's own */
    struct resets *resets;             /* reset_resume.c's own */
    struct cgroups cgroups;       /* of brokers, as found at start */
    bool own_users;               /* brokers run as users of their own; isolation.c */
    struct why no_own_users;      /* why not */
    struct oidc *oidc;                 /* oidc.c's own; NULL: not configured */
    struct audit_rows *audit_rows;     /* what the open change has changed */
    struct refusals *refusals;         /* refusals.c's own */
    struct usage *usage;               /* usage.c's own */
    struct lifetimes *lifetimes;       /* lifetimes.c's own */
    struct alerts *alerts;             /* alerts_int.h; NULL before domain_start */
    struct history *history;      /* NULL: there is none */
    void *watchers;               /* watchers.c's own */
    struct hold *holds;           /* first first */
    struct deferred syncing;      /* at the end of a turn with changes: one sync for all of them */
    bool unsynced;                /* a change was committed and not synced yet */
    int searches;                 /* under way, see records_search.h */
    void *lags;                   /* lags.c's own */
};

/* Opens (and migrates) DATA/leat.db. Engine and supervisor come with domain_start; tests leave it out. */
status domain_new(const struct domain_options *options, struct why *why, struct domain **ret_domain);
/* Makes engine and supervisor, wants what the database names (adopting what runs), goes on with
 * deletions that were under way. */
status domain_start(struct domain *domain);
void domain_free(struct domain *domain); /* NULL ok; processes go on */
DEFINE_CLEANUP(domain);

/* Runs job->done on the domain thread soon; any thread. */
void domain_post(struct domain *domain, struct job *job);
int64_t domain_wall(void); /* ms since 1970; any thread */

/* Who does it, for audit and ownership. */
struct actor {
    const char *id;          /* u-…, sa-…, "system" */
    const char *door;        /* session, cloud_key, cluster_key, kafka, system */
    const char *address;
    const char *request_id;
};
extern const struct actor actor_system;

/* May be called before the function that was given it returns. `why` is for a failure (never NULL). */
typedef void (*domain_done)(void *arg, status result, const struct why *why);

/* Of a Kafka admin request: the answer has a row for everything asked about; NULL, and nothing was
 * changed, unless the result is OK or PENDING. `version`: the cluster's metadata version with it. */
typedef void (*admin_done)(void *arg, status result, int64_t version, const void *response);

/* --- changes (change.c) ------------------------------------------------------------------------- */
/* Opens a transaction. Metadata records (cluster/delta.h) appended to change_records become the delta
 * of this cluster: change_commit raises its version, commits, pushes, and calls done. A change without
 * records is done at commit. NOT_FOUND: no such cluster. */
struct change;
status change_begin(struct domain *domain, const char *cluster_id /* NULL: none */,
                    const struct actor *actor, struct change **ret_change);
/* For audit rows of a cluster made in this very change. */
void change_set_cluster(struct change *change, const char *cluster_id);
struct buf *change_records(struct change *change);      /* delta_begin was called already */
int64_t change_version(const struct change *change);    /* that the cluster will have */
/* Writes the audit row of what the change has done since it began, or since the audit row before: call it
 * after the rows are written. "before" and "after" of those rows come by themselves (audit_rows.h), so
 * detail_json, an object as text without secrets (NULL: {}), says only what they do not.
 * operation: NOUN.VERB, "topic.create" … */
status change_audit(struct change *change, const char *operation, const char *resource,
                    const char *detail_json);
/* The same with {"name": "value"} as detail. */
status change_audit_with(struct change *change, const char *operation, const char *resource,
                         const char *name, struct str value);
/* What no table holds, before and after (NULL: none; both are taken), for the next audit row. */
void change_note(struct change *change, const char *name, json_t *before, json_t *after);
void change_commit(struct change *change, domain_done done, void *arg); /* takes change; done may be NULL */
/* For changes without records, which are done at commit: takes *change. */
status change_commit_now(struct change **change);
/* False: all changes are durable, go on at once. Else run() comes, once what was committed is synced: no
 * answer leaves, and no broker hears of a change, before that. Changes of one turn share one sync. */
bool domain_hold(struct domain *domain, struct hold *hold);
void change_abort(struct change *change);                               /* rolls back; takes it; NULL ok */
static inline void change_abort_p(struct change **p) { change_abort(*p); }
#define CLEANUP_CHANGE __attribute__((cleanup(change_abort_p)))

/* --- what names and texts may be (names.c) -------------------------------------------------------- */
#define NAME_MAX_BYTES 64
#define TEXT_MAX_BYTES 512
/* 1 to 64 bytes of UTF-8 without control characters, no space at either end. INVALID with a sentence. */
status name_check(struct str name, struct why *why);
status text_check(struct str text, struct why *why); /* up to 512 bytes, may be empty */
