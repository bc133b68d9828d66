/* demo.c - `leat demo`: options, and connections that are opened again. */
#include "cli/demo.h"
#include "cli/functions.h"

#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>

#define RETRY_MAX_MS 10000

static void link_retry(struct timer *timer)
{
    demo_link_open(CONTAINER_OF(timer, struct demo_link, retry));
}

static void link_later(struct demo_link *link)
{
    struct loop *loop = link->demo->loop;
    int64_t wait = 200LL << (link->failures < 6 ? link->failures : 6);
    link->failures++;
    if (is_ok(loop_timer_set(loop, &link->retry, loop_now(loop) +
                                                     (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS))))
        return;
    log_error("demo: out of memory");
    loop_stop(loop);
}

static void link_ready(struct client *client, void *owner)
{
    struct demo_link *link = owner;
    (void)client;
    link->failures = 0;
    link->up(link);
}

static void link_closed(struct client *client, status why, void *owner)
{
    struct demo_link *link = owner;
    link->client = NULL;
    client_free(client);
    if (link->failures == 0) log_info("demo: connection ended: %s", status_text(why));
    link->down(link);
    link_later(link);
}

static const struct client_events link_events = { .ready = link_ready, .closed = link_closed };

void demo_link_open(struct demo_link *link)
{
    struct demo *demo = link->demo;
    timer_init(&link->retry, link_retry);
    struct client_options options = { .addr = demo->addr, .port = demo->port,
                                      .client_id = STR("leat-demo"), .user = str_c(demo->key),
                                      .password = str_c(demo->secret) };
    status s = client_new(demo->loop, &options, &link_events, link, &link->client);
    if (is_ok(s)) return;
    link->client = NULL;
    link_later(link);
}

/* Where and as whom: from the file that the first start wrote (mode 0600), never from arguments. */
static bool read_quickstart(struct demo *demo, const char *path, char *bootstrap, size_t size)
{
    json_error_t error = { .text = "a field is missing" };
    json_t *file = json_load_file(path, 0, &error);
    const char *key = json_string_value(json_object_get(file, "kafka_api_key"));
    const char *secret = json_string_value(json_object_get(file, "kafka_api_secret"));
    const char *servers = json_string_value(json_object_get(file, "bootstrap_servers"));
    bool ok = key && secret && servers && str_copy(demo->key, sizeof demo->key, str_c(key)) &&
              str_copy(demo->secret, sizeof demo->secret, str_c(secret)) &&
              str_copy(bootstrap, size, str_c(servers));
    if (!ok) fprintf(stderr, "leat demo: %s cannot be used: %s\n", path, error.text);
    json_decref(file);
    return ok;
}

static bool read_address(struct demo *demo, const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || !str_to_i64(str_c(colon + 1), &port) || port < 1 || port > 65535) return false;
    demo->port = (uint16_t)port;
    struct str host = { text, (size_t)(colon - text) };
    /* The generator runs beside the broker, whatever name other hosts are told. */
    bool numeric = host.len && strspn(text, "0123456789.") >= host.len;
    return str_copy(demo->addr, sizeof demo->addr, numeric ? host : STR("127.0.0.1"));
}

static struct loop *running;
static void on_signal(int signal_number)
{
    (void)signal_number;
    loop_stop(running);
}

int verb_demo(struct cli *cli)
{
    static struct demo demo = { .topic = STR("payments"), .group = STR("fraud-check") };
    char bootstrap[300];
    if (cli_option(cli, "topic")) demo.topic = str_c(cli_option(cli, "topic"));
    if (cli_option(cli, "group")) demo.group = str_c(cli_option(cli, "group"));
    if (!read_quickstart(&demo, cli_option(cli, "quickstart"), bootstrap, sizeof bootstrap))
        return CLI_REFUSED;
    if (!read_address(&demo, bootstrap)) {
        fprintf(stderr, "leat demo: '%s' is not an address and a port\n", bootstrap);
        return CLI_REFUSED;
    }
    if (failed(loop_new(&demo.loop))) return CLI_REFUSED;
    running = demo.loop;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (failed(demo_payments_start(&demo)) || failed(demo_group_start(&demo))) return CLI_REFUSED;
    loop_run(demo.loop);
    return CLI_DONE;
}
