/* native_lags.c - how far groups are behind, as brokers told. Domain thread. */
#include "engine/lags.h"

#include "engine/native_int.h"

const struct engine_lag *engine_lags(struct engine *engine, const char *cluster_id, size_t *ret_count)
{
    const struct node *node = engine_node(engine, cluster_id);
    *ret_count = node ? node->lag_count : 0;
    return node ? node->lags : NULL;
}
