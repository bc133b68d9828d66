/* stream.h - a connection that carries frames: int32 big-endian size, then so many bytes. TCP and
 * Unix sockets, both ends; Kafka and the control protocol use the same framing.
 *
 * The owner embeds nothing: a stream is heap-allocated, closed by its owner (stream_close) or
 * after an error, and freed at the end of the turn in which closed() was called. */
#pragma once
#include "base/buf.h"
#include "io/loop.h"

struct stream;

struct stream_events {
    /* A whole frame without its size; the bytes are valid during the call and may be changed. */
    void (*frame)(struct stream *stream, struct bytes frame, void *owner);
    /* Called once when the stream ends for whatever reason (also stream_close). */
    void (*closed)(struct stream *stream, status why, void *owner);
    /* Optional: a connect, or the TLS handshake of an accepted stream, finished. */
    void (*connected)(struct stream *stream, void *owner);
    /* Optional: everything queued was handed to the kernel. */
    void (*drained)(struct stream *stream, void *owner);
};

/* Takes the descriptor (also on failure). max_frame bounds one frame; a larger size closes. */
status stream_accept(struct loop *loop, int fd, size_t max_frame, const struct stream_events *events,
                     void *owner, struct stream **ret_stream);
/* The same under TLS: frames come, and connected() is called, after the handshake. */
struct tls_server;
status stream_accept_tls(struct loop *loop, int fd, struct tls_server *server, size_t max_frame,
                         const struct stream_events *events, void *owner,
                         struct stream **ret_stream);
/* The subject of the client's certificate (tls_name.h); "" without one, or without TLS. */
const char *stream_client_name(const struct stream *stream);
/* In closed(): what was wrong with the peer's bytes, half a sentence; NULL when nothing was. */
const char *stream_trouble(const struct stream *stream);
/* Starts to connect; connected() or closed() follows. Numeric addresses only ("127.0.0.1", "::1"). */
status stream_connect(struct loop *loop, const char *addr, uint16_t port, size_t max_frame,
                      const struct stream_events *events, void *owner, struct stream **ret_stream);
/* A Unix socket, `name` relative to the folder dir_fd (its path would be too long otherwise). */
status stream_connect_unix(struct loop *loop, int dir_fd, const char *name, size_t max_frame,
                           const struct stream_events *events, void *owner,
                           struct stream **ret_stream);

void stream_set_owner(struct stream *stream, void *owner);
void stream_set_max_frame(struct stream *stream, size_t max_frame);
/* Queues bytes that already contain their size prefix; takes the buffer (also on failure). Written
 * at the end of the turn, together with what else is queued. LIMIT when more than 64 MiB waits. */
status stream_send(struct stream *stream, struct buf *take_bytes);
/* The same for a few bytes, which are copied. */
#define STREAM_COPY_MAX 512
status stream_send_copy(struct stream *stream, struct bytes bytes);

/* Bytes that are made when there is room for them: stretches of a file. A source belongs to one part
 * and is freed when its bytes are sent, or the stream ends. */
struct stream_source {
    /* Between 1 and n bytes from `at` on into p. BUSY: not now, stream_go_on() comes later, once; any
     * other failure ends the stream. The same bytes may be asked for again. */
    status (*read)(struct stream_source *source, size_t at, uint8_t *p, size_t n, size_t *ret_n);
    /* NULL, or: n > 0 bytes that were read last, p, have gone, and not all there are. The next read begins
     * behind them, or, when nothing was told of, where the one before began. */
    void (*sent)(struct stream_source *source, const uint8_t *p, size_t n);
    void (*free)(struct stream_source *source);
    struct stream *stream; /* it is queued on; stream.c's */
};
struct stream_part {
    size_t at;  /* stands before this byte of the buffer */
    size_t len; /* > 0 */
    struct stream_source *source;
};
/* As stream_send, with parts in ascending order of `at`; takes the array (mem_alloc) and its sources. */
status stream_send_parts(struct stream *stream, struct buf *take_bytes, struct stream_part *take_parts,
                         int count);
void stream_parts_free(struct stream_part *parts, int count); /* with their sources; NULL ok */
void stream_go_on(struct stream *stream); /* a source that was BUSY may be asked again */
size_t stream_unsent(const struct stream *stream);
size_t stream_received(const struct stream *stream); /* bytes buffered of an unfinished frame */
void stream_pause(struct stream *stream);  /* no more frames, stop reading the socket */
void stream_resume(struct stream *stream); /* buffered frames come at the next turn */
void stream_close(struct stream *stream);             /* at once */
/* After what is queued; reads no more. The peer gets a second to take its bytes. */
void stream_close_when_sent(struct stream *stream);
const char *stream_peer(const struct stream *stream); /* "127.0.0.1" or "unix" */
uint16_t stream_peer_port(const struct stream *stream);
int stream_fd(const struct stream *stream);
