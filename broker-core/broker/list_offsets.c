/* list_offsets.c - ListOffsets (key 2): ends of partitions, and the offset of a time.
 *
 * A time is looked for in indexes and records on disk. The loop does not wait for them: what is not in
 * memory is brought there on a lane (warm.h), and the request goes on at the partition where it was. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/leader.h"
#include "storage/warm.h"

#include <stdlib.h>

#define PATIENCE 4096 /* times that something is brought in for one partition; then wait */

enum { AT_LATEST = -1, AT_EARLIEST = -2, AT_MAX_TIME = -3, AT_EARLIEST_LOCAL = -4,
       AT_LATEST_TIERED = -5, AT_EARLIEST_PENDING = -6 };

typedef struct list_offsets_response_list_offsets_partition_response partition_answer;

/* Each special value came with a version of the API (KIP-734, KIP-405, KIP-1005, KIP-1023). */
static bool special_known(int64_t timestamp, int16_t version)
{
    switch (timestamp) {
    case AT_MAX_TIME: return version >= 7;
    case AT_EARLIEST_LOCAL: return version >= 8;
    case AT_LATEST_TIERED: return version >= 9;
    case AT_EARLIEST_PENDING: return version >= 11;
    default: return timestamp >= AT_EARLIEST;
    }
}

static status offset_of(struct plog *log, int64_t timestamp, int64_t bound, int32_t epoch_now,
                        partition_answer *answer)
{
    int64_t offset = -1, time = -1;
    int32_t epoch = -1;
    switch (timestamp) {
    case AT_LATEST:
        answer->offset = bound;
        answer->leader_epoch = epoch_now;
        return OK;
    case AT_EARLIEST:
    case AT_EARLIEST_LOCAL:
        answer->offset = plog_start(log);
        answer->leader_epoch = plog_epoch_at(log, answer->offset);
        if (answer->leader_epoch < 0) answer->leader_epoch = epoch_now;
        return OK;
    case AT_LATEST_TIERED:
    case AT_EARLIEST_PENDING: return OK; /* nothing is tiered */
    case AT_MAX_TIME: TRY(plog_offset_of_max_time(log, &offset, &time, &epoch)); break;
    default: TRY(plog_offset_for_time(log, timestamp, &offset, &time, &epoch)); break;
    }
    if (offset < 0 || offset >= bound) return OK;
    answer->offset = offset;
    answer->timestamp = time;
    answer->leader_epoch = epoch;
    return OK;
}

static status partition_check(struct request *r,
                              const struct list_offsets_request_list_offsets_partition *asked)
{
    if (!special_known(asked->timestamp, r->version)) return FAIL(UNSUPPORTED_VERSION);
    return leader_epoch_check(r->broker, asked->current_leader_epoch);
}

struct listing {
    struct request *r;
    struct list_offsets_response response;
    int32_t topic, partition; /* the next one to be answered */
    bool allowed;             /* the topic */
    int32_t *numbers;         /* of the topic's partitions as asked for, ascending */
    struct warm warm;
    struct read_miss miss;
    int warmed;               /* how often, for this partition */
    status unreadable;        /* why the last attempt failed */
};

static int compare_numbers(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static bool named_twice(const struct listing *l, int32_t count, int32_t number)
{
    const int32_t *at = bsearch(&number, l->numbers, (size_t)count, sizeof number, compare_numbers);
    return (at > l->numbers && at[-1] == number) ||
           (at + 1 < l->numbers + count && at[1] == number);
}

/* BUSY: not now. */
static status partition_fill(struct listing *l, const struct list_offsets_request_list_offsets_topic *topic,
                             const struct list_offsets_request_list_offsets_partition *asked,
                             partition_answer *answer)
{
    struct request *r = l->r;
    const struct list_offsets_request *body = r->body;
    wire_default_struct(&list_offsets_response_list_offsets_partition_response_struct, answer);
    answer->partition_index = asked->partition_index;
    bool twice = named_twice(l, topic->partitions_count, asked->partition_index);
    status result = !l->allowed ? FAIL(TOPIC_AUTHORIZATION_FAILED)
                    : twice     ? FAIL(INVALID_REQUEST)
                                : OK;
    struct plog *log = is_ok(result) ? broker_find_log(r->broker, topic->name, asked->partition_index,
                                                       &result)
                                     : NULL;
    if (log) result = partition_check(r, asked);
    if (log && is_ok(result)) result = l->unreadable;
    if (log && is_ok(result)) {
        int64_t bound = body->isolation_level == 1 ? plog_stable(log) : plog_high_watermark(log);
        store_only_cached(r->broker->store, l->warmed < PATIENCE ? &l->miss : NULL);
        result = offset_of(log, asked->timestamp, bound, store_epoch(r->broker->store), answer);
        store_only_cached(r->broker->store, NULL);
        if (result.code == E_BUSY && l->warmed < PATIENCE) return result;
    }
    answer->error_code = status_kafka(result);
    if (r->version < 4) answer->leader_epoch = -1; /* KIP-320 came with version 4 */
    return OK;
}

/* Memory for the answer of the next topic; false: there is none. */
static bool topic_begin(struct listing *l, const struct list_offsets_request_list_offsets_topic *asked)
{
    struct request *r = l->r;
    struct list_offsets_response_list_offsets_topic_response *answer = &l->response.topics[l->topic];
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    l->allowed = authorize(r, OP_DESCRIBE, RES_TOPIC, asked->name);
    l->numbers = ARENA_ARRAY(r->arena, int32_t, n);
    answer->name = asked->name;
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (r->arena->failed) return false;
    answer->partitions_count = n;
    for (int32_t p = 0; p < n; p++) l->numbers[p] = asked->partitions[p].partition_index;
    if (n) qsort(l->numbers, (size_t)n, sizeof *l->numbers, compare_numbers);
    return true;
}

static void listing_go(struct listing *l);

static void listing_warmed(struct warm *warm, status result)
{
    struct listing *l = CONTAINER_OF(warm, struct listing, warm);
    l->unreadable = result;
    quota_work_begin(l->r);
    listing_go(l);
}

static void listing_abandoned(struct request *r)
{
    struct listing *l = r->state;
    warm_stop(&l->warm);
    request_drop(r);
}

static void listing_warm(struct listing *l)
{
    l->r->state = l;
    l->r->abandoned = listing_abandoned;
    l->warmed++;
    quota_work_pause(l->r);
    status started = warm_start(l->r->broker->store, &l->miss, &l->warm);
    if (failed(started)) listing_warmed(&l->warm, started);
}

/* Goes on as far as possible without waiting for the disk. */
static void listing_go(struct listing *l)
{
    struct request *r = l->r;
    const struct list_offsets_request *body = r->body;
    for (; l->topic < l->response.topics_count; l->topic++, l->partition = 0) {
        const struct list_offsets_request_list_offsets_topic *asked = &body->topics[l->topic];
        struct list_offsets_response_list_offsets_topic_response *answer = &l->response.topics[l->topic];
        if (!answer->partitions && !topic_begin(l, asked)) break;
        for (; l->partition < answer->partitions_count; l->partition++) {
            status filled = partition_fill(l, asked, &asked->partitions[l->partition],
                                           &answer->partitions[l->partition]);
            if (failed(filled)) {
                listing_warm(l);
                return;
            }
            l->warmed = 0;
            l->unreadable = OK;
        }
    }
    if (!request_out_of_memory(r)) request_reply(r, &l->response);
}

void handle_list_offsets(struct request *r)
{
    const struct list_offsets_request *body = r->body;
    struct listing *l = ARENA_NEW(r->arena, struct listing);
    if (l) {
        l->r = r;
        l->warm.done = listing_warmed;
        wire_default(&list_offsets_response_message, &l->response);
        l->response.topics_count = body->topics_count < 0 ? 0 : body->topics_count;
        l->response.topics = ARENA_ARRAY(r->arena, struct list_offsets_response_list_offsets_topic_response,
                                         l->response.topics_count);
    }
    if (!request_out_of_memory(r)) listing_go(l);
}
