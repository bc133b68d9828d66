/* clients.h - what each connection has done, by topic: who produces to a topic and who reads it. Counted
 * where topics are counted, told to leatd when it asks (client_list.h). Loop thread only.
 *
 * A connection costs nothing until it names a topic; then it has a small table, in which the topic is
 * found where the last one was or by one probe of a hash, so a request allocates nothing. Bounded: so
 * many topics a connection and so many rows a broker are counted one by one, the rest together. */
#pragma once
#include "base/uuid.h"

#define CLIENT_TOPICS_MAX 1536    /* of a connection, counted one by one */
#define CLIENT_ROWS_MAX (1 << 17) /* of all connections of a broker, free ones too: 11 MiB */
#define CLIENT_TEXT_MAX 255       /* bytes of a client id that are kept; a group of a longer name is not */
#define CLIENT_MEMBER_MAX 1024    /* bytes: a member with a longer id is of no group here */

struct connection;
struct request;

struct client_topic {
    struct uuid topic; /* zero: a free row */
    int64_t bytes_in, records_in, bytes_out, records_out; /* since it connected */
    int64_t produced_at, fetched_at; /* loop_now when something was accepted, or asked for; 0: never */
    int64_t producer_id;             /* of the last batch; -1: not idempotent */
};

struct client { /* part of a connection; all zero at its beginning */
    struct str id;               /* of its last request; owned, cut at CLIENT_TEXT_MAX */
    struct str group_id, member_id; /* the member that its last heartbeat was of; one block, owned */
    struct client_topic *topics; /* open addressing; owned */
    uint32_t cap, count;         /* rows, a power of two; those in use */
    uint32_t last;               /* where the topic of the last request is */
    bool full;                   /* there was no room for another topic, */
    int64_t full_at;             /* at this version of the image */
    struct client_topic others;  /* all topics without a row */
};

/* Every request that came with a header. */
void client_named(struct connection *c, struct str client_id);
/* A batch was accepted. producer_id -1: none. */
void client_produced(struct request *r, struct uuid topic, size_t bytes, int64_t records,
                     int64_t producer_id);
/* The topic was asked for (and may be read), and then: records of it are answered. */
void client_fetches(struct request *r, struct uuid topic);
void client_fetched(struct request *r, struct uuid topic, size_t bytes, int64_t records);
/* The request is one of a member of a group (and may be). */
void client_is_member(struct request *r, struct str group_id, struct str member_id);
/* The connection ends. */
void client_done(struct connection *c);
