/* seal.h - secrets that the service itself must read again (passwords of mail servers, keys of
 * signatures): AES-256-GCM under a key in a file of its own, DATA/seal.key (0600), so that a copy of
 * the database alone tells none of them. Any thread. */
#pragma once
#include "base/buf.h"

struct seal;
/* Reads the key, or makes it and makes it durable. CORRUPT: the file is none of ours. */
status seal_open(const char *data_dir, struct seal **ret_seal);
void seal_close(struct seal *seal); /* NULL ok */

/* seal NULL is CORRUPT, here and below. `of`: whose secret it is (an id): sealed for one it does not
 * open for another. Appends to out. */
status seal_put(const struct seal *seal, struct str of, struct str secret, struct buf *out);
/* CORRUPT: made under another key, for another id, or changed since. Appends to out. */
status seal_get(const struct seal *seal, struct str of, struct bytes sealed, struct buf *out);
