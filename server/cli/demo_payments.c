/* demo_payments.c - writes about twenty payments a second. Loop thread. */
#include "cli/demo.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "wire/messages.h"

#include <stdio.h>

#define EVERY_MS 50
#define WAITING_MAX 100 /* batches without an answer */

static struct payments {
    struct demo_link link;
    struct timer tick;
    uint64_t number;
    uint32_t random;
    int waiting;
} payments;

static uint32_t draw(uint32_t below)
{
    payments.random = payments.random * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)payments.random * below) >> 32);
}

/* Most payments are harmless; one in about thirty looks like fraud. */
static int payment_write(char *text, size_t size, int64_t now, uint32_t card)
{
    static const char *const currencies[] = { "EUR", "USD", "GBP", "SEK", "CHF" };
    static const char *const countries[] = { "DE", "FR", "NL", "SE", "US", "GB", "ES" };
    static const char *const methods[] = { "card", "wallet", "transfer" };
    bool odd = draw(30) == 0;
    uint32_t cents = 150 + draw(odd ? 400000 : 12000);
    uint32_t probability = odd ? 550 + draw(440) : draw(180); /* thousandths */
    return snprintf(text, size,
                    "{\"id\":\"pay-%012llu\",\"card\":\"card-%05u\",\"amount\":%u.%02u,"
                    "\"currency\":\"%s\",\"country\":\"%s\",\"method\":\"%s\","
                    "\"fraudProbability\":0.%03u,\"createdAt\":%lld}",
                    (unsigned long long)payments.number, card, cents / 100, cents % 100,
                    currencies[draw(ARRAY_LEN(currencies))], countries[draw(ARRAY_LEN(countries))],
                    methods[draw(ARRAY_LEN(methods))], probability, (long long)now);
}

static void produced(void *arg, status result, int64_t base_offset, int64_t append_time_ms,
                     struct str message)
{
    (void)arg, (void)base_offset, (void)append_time_ms, (void)message;
    payments.waiting--;
    if (result.code == E_UNKNOWN_TOPIC_OR_PARTITION) payments.link.demo->partitions = 0;
}

static void ask_partitions(void);

static void send_one(void)
{
    struct demo *demo = payments.link.demo;
    char value[512], key[32];
    int64_t now = loop_wall(demo->loop);
    uint32_t card = draw(2000);
    payments.number++;
    int n = payment_write(value, sizeof value, now, card);
    int k = snprintf(key, sizeof key, "card-%05u", card);
    struct client_record record = { .timestamp = now, .key = bytes_of(key, (size_t)k),
                                    .value = bytes_of(value, (size_t)n) };
    int32_t partition = (int32_t)(card % (uint32_t)demo->partitions);
    if (is_ok(client_produce(payments.link.client, demo->topic, partition, CODEC_NONE, &record, 1,
                             produced, NULL)))
        payments.waiting++;
}

static void tick(struct timer *timer)
{
    struct demo *demo = payments.link.demo;
    if (!payments.link.client) return;
    if (!demo->partitions) ask_partitions();
    else if (payments.waiting < WAITING_MAX) send_one();
    int64_t pause = demo->partitions ? EVERY_MS / 2 + draw(EVERY_MS) : 1000;
    if (failed(loop_timer_set(demo->loop, timer, loop_now(demo->loop) + pause)))
        loop_stop(demo->loop);
}

static void partitions_known(void *arg, status result, const void *response)
{
    const struct metadata_response *r = response;
    (void)arg;
    if (failed(result) || r->topics_count != 1 || r->topics[0].error_code) return;
    payments.link.demo->partitions = r->topics[0].partitions_count < DEMO_PARTITIONS_MAX
                                         ? r->topics[0].partitions_count
                                         : DEMO_PARTITIONS_MAX;
}

static void ask_partitions(void)
{
    struct metadata_request request;
    struct metadata_request_metadata_request_topic topic;
    wire_default(&metadata_request_message, &request);
    memset(&topic, 0, sizeof topic);
    topic.name = payments.link.demo->topic;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    (void)client_call(payments.link.client, 3, -1, &request, partitions_known, NULL);
}

static void payments_up(struct demo_link *link)
{
    (void)link;
    payments.waiting = 0;
    tick(&payments.tick);
}

static void payments_down(struct demo_link *link)
{
    loop_timer_clear(link->demo->loop, &payments.tick);
}

status demo_payments_start(struct demo *demo)
{
    payments.link = (struct demo_link){ .demo = demo, .up = payments_up, .down = payments_down };
    timer_init(&payments.tick, tick);
    random_bytes(&payments.random, sizeof payments.random);
    payments.number = (uint64_t)loop_wall(demo->loop);
    demo_link_open(&payments.link);
    return OK;
}
