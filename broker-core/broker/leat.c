/* leat.c - the public API over struct broker. */
#include "leat.h"

#include "broker/options.h"

#include <stdio.h>

struct leat_broker {
    struct options options;
    struct broker *broker;
    char address[80];
};

static int leat_failed(struct leat_broker *b, const struct why *reason, int code, char *why,
                       size_t why_size)
{
    if (!str_copy(why, why_size, str_c(reason->text)) && why_size) why[0] = 0;
    leat_broker_close(b);
    return code;
}

int leat_broker_open(int count, const char *const *arguments, unsigned flags,
                     struct leat_broker **ret_broker, char *why, size_t why_size)
{
    struct why reason = { "" };
    struct leat_broker *b = mem_must(mem_zalloc(sizeof *b));
    *ret_broker = NULL;
    if (failed(options_parse(&b->options, count, arguments, &reason)))
        return leat_failed(b, &reason, LEAT_USAGE, why, why_size);
    b->options.broker.sandbox = (flags & LEAT_SANDBOX) != 0;
    if (failed(broker_new(&b->options.broker, &b->broker, &reason)))
        return leat_failed(b, &reason, LEAT_FAILED, why, why_size);
    const char *addr = b->options.broker.endpoints[0].addr;
    snprintf(b->address, sizeof b->address, strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr,
             broker_port(b->broker));
    *ret_broker = b;
    return LEAT_OK;
}

const char *leat_broker_address(const struct leat_broker *b) { return b->address; }

int leat_broker_run(struct leat_broker *b)
{
    broker_run(b->broker);
    return b->broker->exit_code;
}

void leat_broker_stop(struct leat_broker *b) { broker_stop(b->broker); }

void leat_broker_reload(struct leat_broker *b) { broker_reload(b->broker); }

void leat_broker_close(struct leat_broker *b)
{
    if (!b) return;
    broker_free(b->broker);
    mem_free(b);
}

const char *leat_broker_help(void) { return options_help; }
const char *leat_version(void) { return LEAT_VERSION; }
