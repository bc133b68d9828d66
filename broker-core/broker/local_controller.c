/* local_controller.c - admin requests of a standalone broker. Loop thread.
 *
 * Requests are taken one at a time: each is planned against the image as the one before left it, all
 * that it grants becomes one delta, and it is answered when that is durable and applied. */
#include "broker/local_controller.h"

#include "base/log.h"
#include "broker/admin.h"
#include "broker/image_commit.h"
#include "broker/local_access.h"
#include "cluster/admin_topics.h"
#include "cluster/image_file.h"

#define QUEUE_MAX 1000
#define RESOURCE_TOPIC 2

struct submission {
    int16_t api_key, version;
    const void *request;
    struct arena *arena;
    controller_done done;
    void *arg;
    void *response; /* once planned */
    struct submission *prev, *next;
};

struct local_controller {
    struct controller controller; /* first: what the broker knows */
    struct broker *broker;
    struct image_commit commit;
    struct submission *queue; /* utlist DL; the first one is being done */
    size_t queued;
    struct deferred turn;
    bool stopping;
};

/* --- one request ----------------------------------------------------------------------------------- */
struct planning {
    struct image *image;
    struct topic_facts facts;
    struct arena *arena;
    int16_t version;
    struct buf records; /* of the delta; begun with its versions */
    size_t empty;       /* length without a change */
};

static struct str sentence(struct planning *p, const struct topic_plan *plan)
{
    if (is_ok(plan->result)) return STR_NULL;
    return arena_str(p->arena, plan->why.text[0] ? str_c(plan->why.text)
                                                 : str_c(status_text(plan->result)));
}

static struct topic_plan twice(const char *what)
{
    struct topic_plan plan = { .result = FAIL(INVALID_REQUEST) };
    why_set(&plan.why, "Duplicate %s in request.", what);
    return plan;
}

static status too_many(int32_t count) { return count > ADMIN_TOPICS_MAX ? FAIL(INVALID_REQUEST) : OK; }

static status plan_create(struct planning *p, const struct create_topics_request *request,
                          void **ret_response)
{
    struct create_topics_response *response = ARENA_NEW(p->arena, struct create_topics_response);
    if (!response) return FAIL(NO_MEMORY);
    wire_default(&create_topics_response_message, response);
    TRY(too_many(request->topics_count));
    response->topics = ARENA_ARRAY(p->arena, struct create_topics_response_creatable_topic_result,
                                   request->topics_count);
    if (!response->topics) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < request->topics_count; i++) {
        struct str name = request->topics[i].name;
        bool exists = image_topic(p->image, name) != NULL;
        struct topic_plan plan =
            create_topics_repeated(request, i)
                ? twice("topic name")
                : plan_topic_create(&p->facts, exists, &request->topics[i], p->arena);
        create_topics_answer(&plan, name, p->version, p->arena, &response->topics[i]);
        if (is_ok(plan.result) && !request->validate_only) delta_topic(&p->records, &plan.topic);
    }
    response->topics_count = request->topics_count;
    *ret_response = response;
    return OK;
}

static const struct topic *topic_asked(const struct image *image,
                                       const struct delete_topics_request_delete_topic_state *asked)
{
    return asked->name.data ? image_topic(image, asked->name)
                            : image_topic_by_id(image, asked->topic_id);
}

/* By name or id (v6), or by a list of names: both come as rows of one kind. */
static status plan_delete(struct planning *p, const struct delete_topics_request *request,
                          void **ret_response)
{
    bool by_state = request->topics_count > 0;
    int32_t count = by_state ? request->topics_count : request->topic_names_count;
    struct delete_topics_response *response = ARENA_NEW(p->arena, struct delete_topics_response);
    if (!response) return FAIL(NO_MEMORY);
    wire_default(&delete_topics_response_message, response);
    TRY(too_many(count));
    response->responses = ARENA_ARRAY(
        p->arena, struct delete_topics_response_deletable_topic_result, count < 0 ? 0 : count);
    if (!response->responses) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < count; i++) {
        struct delete_topics_request_delete_topic_state asked = { .name = STR_NULL };
        if (by_state) asked = request->topics[i];
        else asked.name = request->topic_names[i];
        const struct topic *topic = topic_asked(p->image, &asked);
        struct delta_topic view;
        if (topic) view = delta_topic_view(topic, p->arena);
        struct topic_plan plan = plan_topic_delete(topic ? &view : NULL);
        if (!topic && !asked.name.data) plan.result = FAIL(UNKNOWN_TOPIC_ID);
        struct delete_topics_response_deletable_topic_result *row = &response->responses[i];
        wire_default_struct(&delete_topics_response_deletable_topic_result_struct, row);
        row->name = topic ? arena_str(p->arena, topic->name) : asked.name;
        row->topic_id = topic ? topic->id : asked.topic_id;
        row->error_code = status_kafka(plan.result);
        row->error_message = sentence(p, &plan);
        if (is_ok(plan.result)) delta_topic_deleted(&p->records, topic->id);
    }
    response->responses_count = count < 0 ? 0 : count;
    *ret_response = response;
    return OK;
}

static status plan_partitions(struct planning *p, const struct create_partitions_request *request,
                              void **ret_response)
{
    struct create_partitions_response *response =
        ARENA_NEW(p->arena, struct create_partitions_response);
    if (!response) return FAIL(NO_MEMORY);
    wire_default(&create_partitions_response_message, response);
    TRY(too_many(request->topics_count));
    response->results = ARENA_ARRAY(
        p->arena, struct create_partitions_response_create_partitions_topic_result,
        request->topics_count);
    if (!response->results) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct topic *topic = image_topic(p->image, request->topics[i].name);
        struct delta_topic view;
        if (topic) view = delta_topic_view(topic, p->arena);
        struct topic_plan plan =
            create_partitions_repeated(request, i)
                ? twice("topic name")
                : plan_topic_partitions(&p->facts, topic ? &view : NULL, &request->topics[i],
                                        p->arena);
        response->results[i].name = request->topics[i].name;
        response->results[i].error_code = status_kafka(plan.result);
        response->results[i].error_message = sentence(p, &plan);
        if (is_ok(plan.result) && !request->validate_only) delta_topic(&p->records, &plan.topic);
    }
    response->results_count = request->topics_count;
    *ret_response = response;
    return OK;
}

static struct topic_plan plan_resource(struct planning *p,
                                       const struct incremental_alter_configs_request *request,
                                       int32_t i)
{
    struct topic_plan plan = { .result = FAIL(INVALID_REQUEST) };
    if (request->resources[i].resource_type != RESOURCE_TOPIC) {
        why_set(&plan.why, "Only the configs of topics can be changed here.");
        return plan;
    }
    if (alter_configs_repeated(request, i)) return twice("resource");
    const struct topic *topic = image_topic(p->image, request->resources[i].resource_name);
    struct delta_topic view;
    if (topic) view = delta_topic_view(topic, p->arena);
    return plan_topic_configs(&p->facts, topic ? &view : NULL, &request->resources[i], p->arena);
}

static status plan_configs(struct planning *p,
                           const struct incremental_alter_configs_request *request,
                           void **ret_response)
{
    struct incremental_alter_configs_response *response =
        ARENA_NEW(p->arena, struct incremental_alter_configs_response);
    if (!response) return FAIL(NO_MEMORY);
    wire_default(&incremental_alter_configs_response_message, response);
    TRY(too_many(request->resources_count));
    response->responses = ARENA_ARRAY(
        p->arena, struct incremental_alter_configs_response_alter_configs_resource_response,
        request->resources_count);
    if (!response->responses) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < request->resources_count; i++) {
        struct topic_plan plan = plan_resource(p, request, i);
        response->responses[i].error_code = status_kafka(plan.result);
        response->responses[i].error_message = sentence(p, &plan);
        response->responses[i].resource_type = request->resources[i].resource_type;
        response->responses[i].resource_name = request->resources[i].resource_name;
        if (is_ok(plan.result) && !request->validate_only) delta_topic(&p->records, &plan.topic);
    }
    response->responses_count = request->resources_count;
    *ret_response = response;
    return OK;
}

static status plan_request(struct planning *p, struct submission *s)
{
    switch (s->api_key) {
    case API_CREATE_TOPICS: TRY(plan_create(p, s->request, &s->response)); break;
    case API_DELETE_TOPICS: TRY(plan_delete(p, s->request, &s->response)); break;
    case API_CREATE_PARTITIONS: TRY(plan_partitions(p, s->request, &s->response)); break;
    case API_INCREMENTAL_ALTER_CONFIGS: TRY(plan_configs(p, s->request, &s->response)); break;
    default:
        TRY(local_access_plan(p->image, s->api_key, s->request, s->arena, &p->records,
                              &s->response));
    }
    TRY(arena_check(s->arena));
    return buf_check(&p->records);
}

/* --- the queue ------------------------------------------------------------------------------------- */
static void answer_first(struct local_controller *l, status result)
{
    struct submission *s = l->queue;
    DL_DELETE(l->queue, s);
    l->queued--;
    s->done(s->arg, result, is_ok(result) ? s->response : NULL);
    mem_free(s);
    if (l->queue && !l->stopping) loop_defer(l->broker->loop, &l->turn);
}

static void committed(void *arg, status result) { answer_first(arg, result); }

static void do_first(struct local_controller *l, struct submission *s)
{
    struct image *image = l->broker->image;
    struct planning p = {
        .image = image,
        .facts = { .limits = &image->limits, .partitions_used = image->partition_count },
        .arena = s->arena,
        .version = s->version,
    };
    buf_init(&p.records, DELTA_MAX);
    delta_begin(&p.records, image->version, image->version + 1);
    p.empty = p.records.len;
    status planned = plan_request(&p, s);
    bool changes = is_ok(planned) && p.records.len > p.empty;
    if (changes) planned = image_commit_start(&l->commit, &p.records, committed, l);
    buf_done(&p.records);
    if (!changes || failed(planned)) answer_first(l, planned);
}

static void next_request(struct deferred *turn)
{
    struct local_controller *l = CONTAINER_OF(turn, struct local_controller, turn);
    if (l->queue && !l->commit.busy && !l->stopping) do_first(l, l->queue);
}

static void local_submit(struct controller *controller, const struct controller_request *request,
                         controller_done done, void *arg)
{
    struct local_controller *l = (struct local_controller *)controller;
    struct submission *s = l->queued < QUEUE_MAX ? mem_zalloc(sizeof(*s)) : NULL;
    if (!s) {
        done(arg, FAIL(BUSY), NULL);
        return;
    }
    *s = (struct submission){ .api_key = request->api_key, .version = request->version,
                              .request = request->body, .arena = request->arena, .done = done,
                              .arg = arg };
    DL_APPEND(l->queue, s);
    l->queued++;
    loop_defer(l->broker->loop, &l->turn);
}

/* --- start and stop -------------------------------------------------------------------------------- */
/* Before the loop runs: durable, then applied. Takes the delta. */
static status start_with(struct broker *b, struct buf *delta)
{
    struct buf whole;
    buf_init(&whole, DELTA_MAX);
    status s = buf_check(delta);
    if (is_ok(s)) s = image_file_next(b->image, buf_bytes(delta), &whole);
    if (is_ok(s)) s = image_file_write(b->fs, buf_bytes(&whole));
    if (is_ok(s)) s = image_apply(b->image, buf_bytes(delta), NULL);
    buf_done(delta);
    buf_done(&whole);
    return s;
}

/* The internal topics that the image lacks: all, or those a newer version brought. */
static bool put_internal_topics(const struct image *image, struct buf *delta)
{
    bool any = false;
    for (size_t i = 0; i < internal_topic_count; i++) {
        if (image_topic(image, str_c(internal_topics[i].name))) continue;
        delta_internal_topic(delta, &internal_topics[i], uuid_new());
        any = true;
    }
    return any;
}

static status first_image(struct broker *b)
{
    char id[UUID_TEXT];
    struct buf delta;
    uuid_format(uuid_new(), id);
    buf_init(&delta, DELTA_MAX);
    delta_begin(&delta, 0, 1);
    delta_cluster(&delta, b->options.cluster_id ? str_c(b->options.cluster_id) : str_c(id),
                  uuid_new());
    delta_limits(&delta, &b->options.limits);
    (void)put_internal_topics(b->image, &delta);
    return start_with(b, &delta);
}

/* A folder of an older version. */
static status complete_image(struct broker *b)
{
    struct buf delta;
    buf_init(&delta, DELTA_MAX);
    delta_begin(&delta, b->image->version, b->image->version + 1);
    if (put_internal_topics(b->image, &delta)) return start_with(b, &delta);
    buf_done(&delta);
    return OK;
}

static status load_image(struct broker *b, struct why *why)
{
    status s = image_file_read(b->fs, b->image);
    if (s.code == E_NOT_FOUND) s = first_image(b);
    else if (is_ok(s)) s = complete_image(b);
    if (failed(s)) {
        why_set(why, "the metadata image of %s cannot be read or made: %s", b->options.data_dir,
                status_text(s));
        return s;
    }
    if (b->options.cluster_id && strcmp(b->image->cluster_id, b->options.cluster_id) != 0) {
        why_set(why, "the folder %s belongs to cluster %s", b->options.data_dir,
                b->image->cluster_id);
        return FAIL(INCONSISTENT_CLUSTER_ID);
    }
    b->image->limits = b->options.limits; /* the command line of this start rules */
    return OK;
}

status local_controller_start(struct broker *b, struct why *why)
{
    static const struct controller_ops ops = { local_submit };
    TRY(load_image(b, why));
    struct local_controller *l = mem_zalloc(sizeof(*l));
    if (!l) return FAIL(NO_MEMORY);
    l->controller.ops = &ops;
    l->broker = b;
    l->turn.run = next_request;
    image_commit_init(&l->commit, b);
    b->controller = &l->controller;
    return OK;
}

void local_controller_stop(struct broker *b)
{
    struct local_controller *l = (struct local_controller *)b->controller;
    if (!l) return;
    l->stopping = true;
    image_commit_finish(&l->commit);
    loop_undefer(b->loop, &l->turn);
    while (l->queue) answer_first(l, FAIL(REQUEST_TIMED_OUT));
    b->controller = NULL;
    mem_free(l);
}
