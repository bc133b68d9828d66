/* demo_group.c - the group fraud-check: one member that joins, reads, commits, and now and then
 * stops reading for a while, so that lag grows and shrinks. Loop thread.
 *
 * Everything happens on one timer of a second: heartbeat, then (unless it rests) one fetch a
 * partition, then a commit of what was read. */
#include "cli/demo.h"

#include "base/mem.h"
#include "wire/messages.h"

#define SECOND_MS 1000
#define READ_SECONDS 60 /* reads for so long … */
#define REST_SECONDS 45 /* … then falls behind for so long */
#define FETCH_BYTES (256 * 1024)
#define API_OFFSET_COMMIT 8
#define API_JOIN_GROUP 11
#define API_HEARTBEAT 12
#define API_SYNC_GROUP 14

static struct member {
    struct demo_link link;
    struct timer tick;
    char id[256];
    int32_t generation; /* -1 = not a member */
    int seconds;
    int64_t offsets[DEMO_PARTITIONS_MAX]; /* next to read; -1 = not known */
    bool fetching[DEMO_PARTITIONS_MAX];
    bool dirty;
} member;

static struct str member_id(void) { return str_c(member.id); }

static void join(void);

/* Any refusal: forget the membership and join again at the next tick. */
static bool refused(status result, int16_t error)
{
    if (is_ok(result) && error == 0) return false;
    if (error == status_kafka(FAIL(UNKNOWN_MEMBER_ID))) member.id[0] = 0;
    member.generation = -1;
    return true;
}

static void committed_known(void *arg, status result, const struct client_group_offset *offsets,
                            int count)
{
    (void)arg;
    if (failed(result)) return;
    for (int p = 0; p < DEMO_PARTITIONS_MAX; p++) member.offsets[p] = 0;
    for (int i = 0; i < count; i++)
        if (str_eq(offsets[i].topic, member.link.demo->topic) && offsets[i].offset >= 0 &&
            offsets[i].partition >= 0 && offsets[i].partition < DEMO_PARTITIONS_MAX)
            member.offsets[offsets[i].partition] = offsets[i].offset;
}

static void synced(void *arg, status result, const void *response)
{
    const struct sync_group_response *r = response;
    (void)arg;
    if (refused(result, r ? r->error_code : 0)) return;
    for (int p = 0; p < DEMO_PARTITIONS_MAX; p++) member.offsets[p] = -1;
    (void)client_committed(member.link.client, member.link.demo->group, committed_known, NULL);
}

/* The only member leads, and gives itself every partition. */
static void sync_group(void)
{
    struct demo *demo = member.link.demo;
    int32_t numbers[DEMO_PARTITIONS_MAX];
    for (int32_t p = 0; p < demo->partitions; p++) numbers[p] = p;
    struct consumer_protocol_assignment_topic_partition topic = {
        .topic = demo->topic, .partitions = numbers, .partitions_count = demo->partitions
    };
    struct consumer_protocol_assignment assignment = { .assigned_partitions = &topic,
                                                       .assigned_partitions_count = 1 };
    struct buf bytes;
    buf_init(&bytes, 64 * 1024);
    buf_put_be16(&bytes, 0); /* version of the consumer protocol */
    status s = wire_encode(&consumer_protocol_assignment_message, 0, &assignment, &bytes);
    struct sync_group_request_sync_group_request_assignment mine = { .member_id = member_id(),
                                                                     .assignment = buf_bytes(&bytes) };
    struct sync_group_request request;
    wire_default(&sync_group_request_message, &request);
    request.group_id = demo->group;
    request.generation_id = member.generation;
    request.member_id = member_id();
    request.protocol_type = STR("consumer");
    request.protocol_name = STR("range");
    request.assignments = &mine;
    request.assignments_count = 1;
    if (is_ok(s)) s = client_call(member.link.client, API_SYNC_GROUP, 5, &request, synced, NULL);
    if (failed(s)) member.generation = -1;
    buf_done(&bytes);
}

static void joined(void *arg, status result, const void *response)
{
    const struct join_group_response *r = response;
    (void)arg;
    if (r && r->error_code == status_kafka(FAIL(MEMBER_ID_REQUIRED)) &&
        str_copy(member.id, sizeof member.id, r->member_id)) {
        member.generation = -1;
        join();
        return;
    }
    if (refused(result, r ? r->error_code : 0)) return;
    (void)str_copy(member.id, sizeof member.id, r->member_id);
    member.generation = r->generation_id;
    sync_group();
}

static void join(void)
{
    struct demo *demo = member.link.demo;
    struct consumer_protocol_subscription subscription = { .topics = &demo->topic,
                                                           .topics_count = 1 };
    struct buf bytes;
    buf_init(&bytes, 64 * 1024);
    buf_put_be16(&bytes, 0);
    status s = wire_encode(&consumer_protocol_subscription_message, 0, &subscription, &bytes);
    struct join_group_request_join_group_request_protocol protocol = {
        .name = STR("range"), .metadata = buf_bytes(&bytes)
    };
    struct join_group_request request;
    wire_default(&join_group_request_message, &request);
    request.group_id = demo->group;
    request.session_timeout_ms = 30000;
    request.rebalance_timeout_ms = 30000;
    request.member_id = member_id();
    request.protocol_type = STR("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    if (is_ok(s)) s = client_call(member.link.client, API_JOIN_GROUP, 7, &request, joined, NULL);
    if (is_ok(s)) member.generation = -2; /* under way */
    buf_done(&bytes);
}

static void beaten(void *arg, status result, const void *response)
{
    const struct heartbeat_response *r = response;
    (void)arg;
    (void)refused(result, r ? r->error_code : 0);
}

static void heartbeat(void)
{
    struct heartbeat_request request;
    wire_default(&heartbeat_request_message, &request);
    request.group_id = member.link.demo->group;
    request.generation_id = member.generation;
    request.member_id = member_id();
    (void)client_call(member.link.client, API_HEARTBEAT, 4, &request, beaten, NULL);
}

static void committed(void *arg, status result, const void *response)
{
    const struct offset_commit_response *r = response;
    (void)arg;
    int16_t error = 0;
    if (r && r->topics_count && r->topics[0].partitions_count)
        error = r->topics[0].partitions[0].error_code;
    (void)refused(result, error);
}

static void commit(void)
{
    struct demo *demo = member.link.demo;
    struct offset_commit_request_offset_commit_request_partition rows[DEMO_PARTITIONS_MAX];
    int32_t count = 0;
    for (int32_t p = 0; p < demo->partitions; p++) {
        if (member.offsets[p] < 0) continue;
        rows[count++] = (struct offset_commit_request_offset_commit_request_partition){
            .partition_index = p, .committed_offset = member.offsets[p],
            .committed_leader_epoch = -1, .committed_metadata = STR("")
        };
    }
    struct offset_commit_request_offset_commit_request_topic topic = {
        .name = demo->topic, .partitions = rows, .partitions_count = count
    };
    struct offset_commit_request request;
    wire_default(&offset_commit_request_message, &request);
    request.group_id = demo->group;
    request.generation_id_or_member_epoch = member.generation;
    request.member_id = member_id();
    request.topics = &topic;
    request.topics_count = 1;
    member.dirty = false;
    (void)client_call(member.link.client, API_OFFSET_COMMIT, 8, &request, committed, NULL);
}

static void fetched(void *arg, status result, const struct client_fetched *got)
{
    int p = (int)(intptr_t)arg;
    member.fetching[p] = false;
    if (result.code == E_OFFSET_OUT_OF_RANGE) member.offsets[p] = 0; /* trimmed: from the start */
    if (failed(result) || got->next_offset <= member.offsets[p]) return;
    member.offsets[p] = got->next_offset;
    member.dirty = true;
}

static void fetch_all(void)
{
    struct demo *demo = member.link.demo;
    for (int32_t p = 0; p < demo->partitions; p++) {
        if (member.fetching[p] || member.offsets[p] < 0) continue;
        if (is_ok(client_fetch(member.link.client, demo->topic, p, member.offsets[p], 0, 0,
                               FETCH_BYTES, false, fetched, (void *)(intptr_t)p)))
            member.fetching[p] = true;
    }
}

static void tick(struct timer *timer)
{
    struct demo *demo = member.link.demo;
    if (!member.link.client) return;
    if (member.generation == -1) {
        if (demo->partitions) join();
    } else if (member.generation >= 0) {
        heartbeat();
        if (member.dirty) commit();
        if (member.seconds++ % (READ_SECONDS + REST_SECONDS) < READ_SECONDS) fetch_all();
    }
    if (failed(loop_timer_set(demo->loop, timer, loop_now(demo->loop) + SECOND_MS)))
        loop_stop(demo->loop);
}

static void member_up(struct demo_link *link)
{
    (void)link;
    member.generation = -1;
    memset(member.fetching, 0, sizeof member.fetching);
    tick(&member.tick);
}

static void member_down(struct demo_link *link)
{
    loop_timer_clear(link->demo->loop, &member.tick);
}

status demo_group_start(struct demo *demo)
{
    member.link = (struct demo_link){ .demo = demo, .up = member_up, .down = member_down };
    member.generation = -1;
    timer_init(&member.tick, tick);
    demo_link_open(&member.link);
    return OK;
}
