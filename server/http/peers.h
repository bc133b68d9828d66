/* peers.h - the connections of the door, and how long each may take: a slow client holds a place that
 * others need. HTTP threads tell where a connection stands; a thread of its own looks once a second and
 * cuts those off that take longer than an honest client would, and, when the door is nearly full, those
 * that have waited longest without asking anything. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peers;
struct peer;

enum peer_phase {
    PEER_NEW,     /* connected; has not asked yet */
    PEER_IDLE,    /* between two requests */
    PEER_HEADERS, /* the first line is here */
    PEER_BODY,    /* the headers are here */
    PEER_SERVICE, /* all is here; it waits for us, or reads a stream of events */
    PEER_ANSWER,  /* the answer is under way */
};

/* At most max connections are expected. NULL: no thread could be made. */
struct peers *peers_new(int max);
void peers_free(struct peers *peers); /* after the last peer_gone; NULL ok */
int64_t peers_cut(const struct peers *peers);

/* One HTTP thread has a client at a time. NULL: no memory. fd stays open until peer_gone. */
struct peer *peer_new(struct peers *peers, int fd);
void peer_gone(struct peer *peer);                         /* NULL ok */
void peer_enter(struct peer *peer, enum peer_phase phase); /* NULL ok; again: no matter */
void peer_sent(struct peer *peer, size_t bytes);           /* of its body; NULL ok */
