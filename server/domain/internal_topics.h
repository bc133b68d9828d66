/* internal_topics.h - the topics that Kafka keeps for itself, as rows of every cluster. Domain thread,
 * inside a transaction of the caller. */
#pragma once
#include "store/db.h"

/* The rows of those the cluster does not have yet. */
status internal_topics_insert(struct db *db, const char *cluster_id, int64_t now);
/* At start, after the migrations: clusters made before one of them existed get it, and a metadata
 * version that tells their brokers. A transaction of its own. */
status internal_topics_complete(struct db *db, int64_t now);
