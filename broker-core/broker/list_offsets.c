/* list_offsets.c - ListOffsets (key 2): ends of partitions, and the offset of a time. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/leader.h"

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

static void partition_fill(struct request *r, struct str topic, bool allowed, bool twice,
                           const struct list_offsets_request_list_offsets_partition *asked,
                           partition_answer *answer)
{
    const struct list_offsets_request *body = r->body;
    wire_default_struct(&list_offsets_response_list_offsets_partition_response_struct, answer);
    answer->partition_index = asked->partition_index;
    status result = !allowed ? FAIL(TOPIC_AUTHORIZATION_FAILED)
                    : twice  ? FAIL(INVALID_REQUEST)
                             : OK;
    struct plog *log = is_ok(result)
                           ? broker_find_log(r->broker, topic, asked->partition_index, &result)
                           : NULL;
    if (log) result = partition_check(r, asked);
    if (log && is_ok(result)) {
        int64_t bound = body->isolation_level == 1 ? plog_stable(log) : plog_high_watermark(log);
        result = offset_of(log, asked->timestamp, bound, store_epoch(r->broker->store), answer);
    }
    answer->error_code = status_kafka(result);
    if (r->version < 4) answer->leader_epoch = -1; /* KIP-320 came with version 4 */
}

static bool named_twice(const struct list_offsets_request_list_offsets_topic *topic, int32_t i)
{
    for (int32_t k = 0; k < topic->partitions_count; k++)
        if (k != i && topic->partitions[k].partition_index == topic->partitions[i].partition_index)
            return true;
    return false;
}

void handle_list_offsets(struct request *r)
{
    const struct list_offsets_request *body = r->body;
    struct list_offsets_response response;
    wire_default(&list_offsets_response_message, &response);
    int32_t topics = body->topics_count < 0 ? 0 : body->topics_count;
    response.topics = ARENA_ARRAY(
        r->arena, struct list_offsets_response_list_offsets_topic_response, topics);
    for (int32_t t = 0; response.topics && t < topics; t++) {
        const struct list_offsets_request_list_offsets_topic *asked = &body->topics[t];
        struct list_offsets_response_list_offsets_topic_response *answer = &response.topics[t];
        int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
        bool allowed = authorize(r, OP_DESCRIBE, RES_TOPIC, asked->name);
        answer->name = asked->name;
        answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
        if (!answer->partitions) break;
        answer->partitions_count = n;
        for (int32_t p = 0; p < n; p++)
            partition_fill(r, asked->name, allowed, named_twice(asked, p), &asked->partitions[p],
                           &answer->partitions[p]);
    }
    response.topics_count = topics;
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
