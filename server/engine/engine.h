/* engine.h - the one door to a cluster's data plane. The domain says what should be; the engine
 * makes brokers know it and answers what only they know. Native brokers now (native.c).
 *
 * Domain thread only (its event loop); every answer comes later by callback, never from inside
 * the call. A cluster that is away answers BROKER_NOT_AVAILABLE or REQUEST_TIMED_OUT. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"
#include "io/loop.h"

struct control_audit;
struct control_backup_part;
struct engine;
struct supervisor;

/* A Kafka admin request that a broker authorised and forwards; all of it is valid until answered. */
struct engine_admin {
    uint64_t token;
    int16_t api_key, version;
    const void *request;     /* decoded */
    struct str principal;    /* "User:sa-…" */
    struct str client_host;  /* where the client connected from, as the broker says */
    struct arena *arena;     /* for the response */
};
struct engine_events {
    /* Answer with engine_answer(admin->token, …) once. */
    void (*admin)(void *arg, const char *cluster_id, const struct engine_admin *admin);
    /* The whole image is wanted (a broker came up with an older or unknown version): write the
     * current delta-from-0 of this cluster (see cluster/delta.h) into out. */
    status (*image)(void *arg, const char *cluster_id, struct buf *out);
    /* State of the process or fresh figures arrived: event streams are told. */
    void (*changed)(void *arg, const char *cluster_id);
    /* What happened on the Kafka port, for the audit log; as the broker says, so check it. */
    void (*audit)(void *arg, const char *cluster_id, const struct control_audit *audit);
    void *arg;
};

status engine_new(struct loop *loop, struct supervisor *supervisor,
                  const struct engine_events *events, struct engine **ret_engine);
void engine_free(struct engine *engine);
/* A broker that was told its metadata and then answers nothing for so long is killed and started again;
 * 0 (as made): never. */
void engine_set_liveness(struct engine *engine, int64_t ms);

/* Clusters the engine should know; limits etc. travel in the image. */
status engine_attach(struct engine *engine, const char *cluster_id);
void engine_detach(struct engine *engine, const char *cluster_id); /* deleted */

/* A committed change: send the delta (bytes of cluster/delta.h, n-1 -> version). done(OK) once the
 * broker acknowledged; PENDING after 5 s or when it is away (the change will reach it later). */
typedef void (*engine_done)(void *arg, status result);
void engine_push(struct engine *engine, const char *cluster_id, int64_t version,
                 struct bytes delta, engine_done done, void *arg);
void engine_answer(struct engine *engine, uint64_t token, status result, const void *response);

/* A Kafka request to the cluster's broker over kafka.sock as `principal` ("User:leat" is the super
 * user); request encoded at once. The response is valid during done() only: what is kept is copied
 * to `arena` by the caller. Used for groups, offsets, lag, produce, fetch. */
typedef void (*engine_response)(void *arg, status result, const void *response);
void engine_call(struct engine *engine, const char *cluster_id, struct str principal,
                 int16_t api_key, int16_t version, const void *request, struct arena *arena,
                 int64_t timeout_ms, engine_response done, void *arg);

/* --- live figures, as last reported; domain thread ---------------------------------------------- */
struct engine_topic_figures {
    char name[250];
    int64_t bytes_in, bytes_out, records_in, records_out; /* totals since the broker started */
    int64_t bytes_stored, last_record_at;
    double in_per_s, out_per_s, records_in_per_s, records_out_per_s;
};
struct engine_principal_figures {
    char principal[128];
    int64_t bytes_in, bytes_out, throttle_ms; /* totals */
    double in_per_s, out_per_s, throttle_ms_per_s;
};
struct engine_quota_figures { /* of an entity that has a quota; a default one: of all it stands for */
    bool has_user, has_client_id, has_ip;
    char user[256], client_id[256], ip[64]; /* "": the default */
    int64_t bytes_in, bytes_out, request_us, mutations, connections, throttle_ms; /* totals */
    double in_per_s, out_per_s, request_percent, mutations_per_s, connections_per_s, throttle_ms_per_s;
};
struct engine_damage { /* a partition with files that are damaged, as its broker told */
    char topic[250];
    int32_t partition;
    bool offline; /* nothing of it is served */
    char text[400];
};
struct engine_figures {
    bool known;
    bool from_start;             /* this leatd started the broker: all its totals are news to it */
    int64_t reported_at;         /* ms since 1970 */
    int64_t bytes_in, bytes_out, records_in, records_out, requests, errors, throttle_ms;
    double in_per_s, out_per_s, requests_per_s;
    int64_t connections, bytes_stored, memory_bytes; /* bytes_stored: without internal topics */
    int64_t turns_over_1ms, turns_over_10ms, longest_turn_us; /* of the broker's event loop */
    enum engine_storage { ENGINE_STORAGE_OPEN, ENGINE_STORAGE_AT_LIMIT, ENGINE_STORAGE_HELD,
                          ENGINE_STORAGE_FULL } storage; /* may clients append, and why not */
    struct engine_topic_figures *topics;      size_t topic_count;
    int64_t damaged_partitions;
    struct engine_damage *damage;             size_t damage_count; /* the first of them */
    struct engine_principal_figures *principals; size_t principal_count;
    struct engine_quota_figures *quotas;      size_t quota_count; /* the first that were used */
};
const struct engine_figures *engine_figures(struct engine *engine, const char *cluster_id);
/* Totals begin at 0 again when a broker or a topic does: what they stood at last is told before it is
 * forgotten. Domain thread; nothing of it is valid after the call. */
struct engine_endings {
    /* Of a broker process. */
    void (*life)(void *arg, const char *cluster_id, const struct engine_figures *last);
    void (*topic)(void *arg, const char *cluster_id, const struct engine_figures *all, size_t which);
    void *arg;
};
void engine_set_endings(struct engine *engine, const struct engine_endings *endings);
/* Of one topic; NULL: not reported. Valid until the loop's turn ends. */
const struct engine_topic_figures *engine_topic_figures(struct engine *engine, const char *cluster_id,
                                                        struct str topic);
/* While someone looks, figures come once a second (else once a minute and only when changed);
 * call again at least every 10 s. */
void engine_watch(struct engine *engine, const char *cluster_id);
/* Clients of this cluster may not append (KAFKA_STORAGE_ERROR) until this is called with false; said
 * again to a broker that comes back. */
void engine_hold(struct engine *engine, const char *cluster_id, bool hold);
/* Files of a copy of the cluster, named by its broker at one moment: none of them is removed before
 * engine_backup_end (which is called once, after a done() that was OK) or the broker's end. `files`: the
 * messages of a broker, one behind the other, for engine_backup_next; done() may take them. It may be
 * called from inside. BROKER_NOT_AVAILABLE: away; UNSUPPORTED_VERSION: of an older version; BUSY. */
typedef void (*engine_backup_done)(void *arg, status result, int64_t image_version, struct buf *files);
void engine_backup(struct engine *engine, const char *cluster_id, engine_backup_done done, void *arg);
/* False: the broker has ended meanwhile, so that what was copied may be of different moments. */
bool engine_backup_end(struct engine *engine, const char *cluster_id);
/* Takes the next message off *files. Any thread; NOT_FOUND at the end. */
status engine_backup_next(struct bytes *files, struct arena *arena,
                          const struct control_backup_part **ret_part);
/* A connection of a client, as the broker counts; text is as the client sent it, so maybe no UTF-8. */
struct engine_client {
    struct str principal, client_id, address; /* "": none; principal: not signed in yet */
    struct str software_name, software_version; /* "": it does not say */
    struct str group_id; /* null: none, or not told apart */
    enum engine_group_match { ENGINE_GROUP_NONE, ENGINE_GROUP_OWN, ENGINE_GROUP_ALIKE,
                              ENGINE_GROUP_SEVERAL } group_match; /* broker/client_list.h */
    bool by_leatd; /* on behalf of somebody who uses REST or the console */
    int64_t connected_at, produced_at, fetched_at; /* ms since 1970; -1: never */
    int64_t bytes_in, records_in, bytes_out, records_out; /* since it connected */
    int64_t producer_id; /* of its last batch; -1: not idempotent */
    int32_t topics;
};
/* others: connections that may belong to the list and are not named. All is valid during done() only. */
typedef void (*engine_clients_done)(void *arg, status result, const struct engine_client *clients,
                                    size_t count, int64_t others);
/* Who uses the topic, or (null) who is connected, oldest first. OK: done() is called once, maybe from
 * inside. BROKER_NOT_AVAILABLE: away; UNSUPPORTED_VERSION: of an older version; BUSY: too many ask.
 * done: REQUEST_TIMED_OUT, UNKNOWN_TOPIC_OR_PARTITION, LIMIT, too. */
status engine_clients(struct engine *engine, const char *cluster_id, struct str topic,
                      engine_clients_done done, void *arg);
/* What the data folder of its broker is written in (base/format.h); 0: away, or it does not say. */
int engine_format(struct engine *engine, const char *cluster_id);
/* Its upgrade is confirmed: it may be written in that from now on; said again to a broker that comes back. */
void engine_set_format(struct engine *engine, const char *cluster_id, int format);
int64_t engine_version(struct engine *engine, const char *cluster_id); /* acknowledged, -1 away */
/* "leat-broker 1.2", as it greeted; "": away. */
const char *engine_program(struct engine *engine, const char *cluster_id);
/* The version of Landlock that its broker says holds for it; 0: none, or away. */
int engine_landlock(struct engine *engine, const char *cluster_id);
