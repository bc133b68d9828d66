/* address.h - what a socket binds or connects to. Any thread. */
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Numeric addresses only ("127.0.0.1", "::1"); false: it is none. */
bool address_parse(const char *addr, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len);
/* A socket in the folder dir_fd, short wherever the folder is. INVALID: the name is too long. */
status address_unix(int dir_fd, const char *name, struct sockaddr_un *ret);
