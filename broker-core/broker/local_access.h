/* local_access.h - changes of access in a standalone broker: ACLs, and whatever else says who may do
 * what and how fast. Decided by cluster/admin_….h, like in leatd. Loop thread; holds no state. */
#pragma once
#include "base/arena.h"
#include "cluster/delta.h"

/* Plans one request against the image: what it grants becomes records of the delta, the answer comes
 * from the arena. INVALID_REQUEST: not a request of this kind. */
status local_access_plan(const struct image *image, int16_t api_key, const void *request,
                         struct arena *arena, struct buf *records, void **ret_response);
