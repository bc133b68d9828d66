/* target.h - which addresses the service may be made to ask. Who may set a URL must not thereby reach
 * what listens on this machine or its link alone: loopback, link-local (where clouds keep credentials),
 * nobody's and multicast addresses, and every address that this machine has itself, however they are
 * written (IPv4 in IPv6, NAT64, 6to4). Private networks are allowed: that is where receivers of a team
 * are. Any thread. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

#include <sys/socket.h>

bool target_is_near(const struct sockaddr *address);

#define TARGET_URL_MAX 1024
/* scheme "http": http:// and https://; "smtp": smtp:// and smtps:// with a host and perhaps a port
 * alone. INVALID with a sentence: no such URL, a user in it, or an address that is near as its host. */
status target_check(struct str url, const char *scheme, bool near_allowed, struct why *why);
