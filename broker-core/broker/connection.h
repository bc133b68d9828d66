/* connection.h - one client's connection: frames in, requests decoded, replies out in order.
 *
 * At most CONNECTION_QUEUE requests wait for their answer; a full queue, a slow reader, a throttle
 * or a full memory budget stops the reading of the socket. Loop thread only. */
#pragma once
#include "broker/clients.h"
#include "broker/handler.h"
#include "broker/sasl.h"

#define CONNECTION_QUEUE 100
#define CONNECTION_FRAME_BEFORE_AUTH (512 * 1024)
#define CONNECTION_UNSENT_MAX (16u << 20) /* replies the client does not take */

struct connection {
    uint32_t magic;
    struct broker *broker;
    const struct endpoint *endpoint; /* NULL: kafka.sock */
    struct stream *stream;          /* NULL once it has ended */
    struct request *first;          /* in order of arrival, until their replies are sent */
    int queued;
    struct request *working;        /* in its handler now, not answered */
    struct sasl sasl;
    bool local;                     /* kafka.sock */
    bool authenticated;
    bool raw_tokens;                /* SaslHandshake v0: frames are SASL tokens, without header */
    bool muted, held, over_memory, closing, finished, paused;
    struct timer mute, idle;
    struct deferred end;
    int64_t last_active;
    int64_t session_until;          /* loop time; -1: for ever. Then only authentication is served */
    int64_t reauthenticated_at;     /* loop time of the last attempt to authenticate again */
    struct str login, principal;    /* views into sasl, or constants */
    char host[64];
    char software[96];              /* "librdkafka 2.0.2", told by ApiVersions v3+ */
    int64_t connected_at;           /* loop time */
    struct client client;           /* what it does, by topic */
    struct connection *prev, *next;
};

/* Takes fd. Refuses (and closes) past the limits of the plan. endpoint NULL: over kafka.sock. */
void connection_accept(struct broker *broker, int fd, const struct endpoint *endpoint);
/* At once; requests under way are abandoned. */
void connection_close(struct connection *c);
/* SASL succeeded: who this is, and the frame size of the plan. */
void connection_authenticated(struct connection *c);
struct sasl_source connection_sasl_source(const struct connection *c);
/* The plan changed. */
void connection_limits_changed(struct connection *c);
/* One SASL token of a connection without Kafka headers (SaslHandshake v0). */
void connection_raw_token(struct connection *c, struct bytes token);
