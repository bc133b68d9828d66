/* http.h - leatd's door: libmicrohttpd in front of the api's route table, and the console's files.
 *
 * Two epoll threads of the library parse, authenticate, and run READ handlers; DOMAIN handlers run
 * on the domain thread while their connection is suspended. No HTTP thread waits for a broker. */
#pragma once
#include "base/status.h"

struct domain;
struct http;

struct http_options {
    const char *listen;   /* "127.0.0.1:8080", "[::1]:8080", ":0" for a free port on loopback */
    const char *web_dir;  /* the console's files; NULL: none */
    const char *data_dir; /* where the database is: each HTTP thread opens its own reader */
    const char *tls_chain, *tls_key; /* PEM files: HTTPS; NULL: HTTP */
    int64_t requests_per_s, requests_burst; /* of a key, a user or an address; 0: no limit */
};

status http_start(const struct http_options *options, struct domain *domain, struct why *why,
                  struct http **ret_http);
uint16_t http_port(const struct http *http);
/* Once the domain's loop has ended (its thread is the caller): what still waits is answered 503. */
void http_stop(struct http *http); /* NULL ok */
