/* fetch_session.h - fetch sessions (KIP-227): a consumer names its partitions once, later only what
 * changed, and is answered only what changed. The cache holds a bounded number of sessions and of
 * partitions; who finds no room gets session id 0 and names everything each time.
 *
 * One Fetch: begin() tells the partitions to read, end() which of them to send. In between the request
 * may wait while others use the cache. Loop thread only. */
#pragma once
#include "base/arena.h"
#include "wire/messages.h"

#define FETCH_SESSIONS_MAX 1000             /* max.incremental.fetch.session.cache.slots */
#define FETCH_SESSION_PARTITIONS_MAX 20000  /* of one session: what the arena of a request holds */
#define FETCH_CACHED_PARTITIONS_MAX 100000  /* of all sessions */
#define FETCH_SESSION_EVICTION_MS 120000    /* unused so long: may go for another; so young: may not */

struct fetch_sessions;
status fetch_sessions_new(struct fetch_sessions **ret_sessions);
void fetch_sessions_free(struct fetch_sessions *sessions); /* NULL ok */

struct fetch_target { /* one partition to read */
    struct fetch_request_fetch_partition asked;
    struct str topic;     /* null when asked for by id */
    struct uuid topic_id; /* zero when asked for by name */
    void *cached;         /* fetch_session.c's */
};
enum fetch_kind { FETCH_SESSIONLESS, FETCH_FULL, FETCH_INCREMENTAL };
struct fetch_context { /* lives, as all it points to, in the request's arena */
    enum fetch_kind kind;
    bool by_id;
    int32_t session_id; /* for the answer: 0 none */
    int32_t epoch;      /* the session's while it is ours */
    uint64_t serial;
    struct fetch_target *targets; /* in the order to read them: partitions rotate, none starves */
    int32_t count;
};

/* What a request asks for; by_id: its version names topics by id. Closes, updates and advances sessions
 * as it says. FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR;
 * NO_MEMORY. */
status fetch_session_begin(struct fetch_sessions *sessions, const struct fetch_request *body, bool by_id,
                           int64_t now, struct arena *arena, struct fetch_context *ret_context);

/* answers[i] belongs to targets[i]. A full fetch opens its session here (context->session_id). Sets
 * ret_send[i] for what has to be sent. INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_ID_NOT_FOUND when
 * another request used or closed the session meanwhile. */
status fetch_session_end(struct fetch_sessions *sessions, struct fetch_context *context,
                         const struct fetch_response_partition_data *answers, int64_t now,
                         bool *ret_send);

size_t fetch_sessions_count(const struct fetch_sessions *sessions);
