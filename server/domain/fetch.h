/* fetch.h - a small document from a URL, for brokers that fetch nothing themselves. Domain thread; the
 * transfer runs on a thread of its own.
 *
 * https only, no redirects, no proxy, ten seconds, a size limit, and no address of this machine or
 * its link (the service must not be made to ask its own neighbours), unless `insecure` says so. */
#pragma once
#include "base/buf.h"
#include "io/loop.h"

#define FETCH_MAX 4 /* at a time */

struct fetcher;
status fetcher_new(struct loop *loop, struct fetcher **ret_fetcher);
void fetcher_free(struct fetcher *fetcher); /* NULL ok; what is under way is given up, done() not called */

/* INVALID with a sentence: not such a URL. */
status fetch_check(struct str url, bool insecure, struct why *why);
/* `body` is valid during the call. */
typedef void (*fetch_done)(void *arg, status result, const struct why *why, struct bytes body);
/* BUSY: too many at a time; done() is not called then. */
status fetch(struct fetcher *fetcher, struct str url, bool insecure, size_t max, fetch_done done, void *arg);
/* The same as a POST of a form (application/x-www-form-urlencoded), with Basic authentication unless
 * secret is empty. Copies what it is given. */
struct fetch_post { struct bytes form; struct str user, secret; };
status fetch_with(struct fetcher *fetcher, struct str url, bool insecure, size_t max,
                  const struct fetch_post *post, fetch_done done, void *arg);
