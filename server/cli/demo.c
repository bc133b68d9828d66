/* demo.c - `leat demo`: options, and connections that are opened again. */
#include "cli/demo.h"

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

/* The key lies in a file that its owner alone can read, never in the arguments. */
static bool read_key(struct demo *demo, const char *folder)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/key.json", folder);
    json_t *file = json_load_file(path, 0, &error);
    const char *key = json_string_value(json_object_get(file, "key"));
    const char *secret = json_string_value(json_object_get(file, "secret"));
    bool ok = key && secret && str_copy(demo->key, sizeof demo->key, str_c(key)) &&
              str_copy(demo->secret, sizeof demo->secret, str_c(secret));
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
    return str_copy(demo->addr, sizeof demo->addr, (struct str){ text, (size_t)(colon - text) });
}

static struct loop *running;
static void on_signal(int signal_number)
{
    (void)signal_number;
    loop_stop(running);
}

int demo_main(int argc, char **argv)
{
    static struct demo demo = { .topic = STR("payments"), .group = STR("fraud-check") };
    const char *folder = NULL, *bootstrap = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--run") == 0) folder = argv[i + 1];
        else if (strcmp(argv[i], "--bootstrap") == 0) bootstrap = argv[i + 1];
        else if (strcmp(argv[i], "--topic") == 0) demo.topic = str_c(argv[i + 1]);
        else if (strcmp(argv[i], "--group") == 0) demo.group = str_c(argv[i + 1]);
    }
    if (!folder || !bootstrap || !read_address(&demo, bootstrap)) {
        fputs("usage: leat demo --run DIR --bootstrap ADDR:PORT [--topic NAME] [--group NAME]\n"
              "DIR holds key.json: {\"key\": …, \"secret\": …} of a cluster key\n",
              stderr);
        return 2;
    }
    if (!read_key(&demo, folder)) return 1;
    if (failed(loop_new(&demo.loop))) return 1;
    running = demo.loop;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (failed(demo_payments_start(&demo)) || failed(demo_group_start(&demo))) return 1;
    loop_run(demo.loop);
    return 0;
}
