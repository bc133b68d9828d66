/* cluster_image.h - the metadata of one cluster as records for its broker, from the database. Domain
 * thread. */
#pragma once
#include "base/buf.h"
#include "cluster/image.h"
#include "store/db.h"

/* The whole image as a delta from 0. */
status cluster_image_build(struct db *db, const char *cluster_id, struct buf *out);

/* One record of what the row says now. */
status cluster_image_limits(struct db *db, const char *cluster_id, struct buf *out);
status cluster_image_credential(struct db *db, const char *key_id, struct buf *out);
/* The entity of a quota's principal: sa-…, u-… or <default>; rates < 0: it is deleted. */
void cluster_image_quota(struct buf *out, struct str principal, int64_t ingress, int64_t egress);
