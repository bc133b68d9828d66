/* listener.h - a bound socket that hands out the connections made to it. Loop thread. */
#pragma once
#include "io/loop.h"

struct listener;
typedef void (*accept_fn)(int fd, void *owner); /* takes fd (non-blocking, close-on-exec) */
/* Port 0 picks a free one. Accepting pauses for 100 ms on EMFILE instead of spinning. */
status listener_new(struct loop *loop, const char *addr, uint16_t port, accept_fn accepted,
                    void *owner, struct listener **ret_listener);
/* Binds `name` inside the folder (an old socket file is removed), mode 0600. */
status listener_new_unix(struct loop *loop, int dir_fd, const char *name, accept_fn accepted,
                         void *owner, struct listener **ret_listener);
uint16_t listener_port(const struct listener *listener);
void listener_hold(struct listener *listener, bool hold); /* accept nothing for now, or go on */
void listener_free(struct listener *listener); /* NULL ok */
