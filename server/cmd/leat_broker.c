/* leat_broker.c - the program leat-broker: one broker of one cluster, until SIGTERM or SIGINT.
 * `check` and `dump` look at a data folder instead.
 * SIGHUP: a standalone one reads its files (certificate, users) again.
 *
 * Exit codes: 0 stopped in order, 1 cannot start, 2 bad arguments, 3 the store failed. The last line
 * on standard error is the reason, where its supervisor looks for it. */
#include "leat.h"

#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS 65536

/* The leak check at the end of a sanitized build reads /proc. */
#ifdef __SANITIZE_ADDRESS__
#define FLAGS 0
#else
#define FLAGS LEAT_SANDBOX
#endif

static struct leat_broker *broker;

static void stop(int signal_number)
{
    (void)signal_number;
    leat_broker_stop(broker);
}

static void reload(int signal_number)
{
    (void)signal_number;
    leat_broker_reload(broker);
}

static void handle_signals(void)
{
    struct sigaction on_reload = { .sa_handler = reload };
    struct sigaction on_stop = { .sa_handler = stop };
    sigaction(SIGTERM, &on_stop, NULL);
    sigaction(SIGINT, &on_stop, NULL);
    sigaction(SIGHUP, &on_reload, NULL);
}

/* Every partition written to since the last checkpoint has a file open: as many as we may. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    rlim_t wanted = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    if (wanted <= limit.rlim_cur) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(leat_broker_help(), stdout);
        return LEAT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("leat-broker %s\n", leat_version());
        return LEAT_OK;
    }
    signal(SIGPIPE, SIG_IGN);
    int code = leat_broker_inspect(argc - 1, (const char *const *)argv + 1);
    if (code >= 0) return code;
    mem_keep_freed();
    raise_descriptors();
    char why[256];
    code = leat_broker_open(argc - 1, (const char *const *)argv + 1, FLAGS, &broker, why,
                                sizeof why);
    if (code != LEAT_OK) {
        fprintf(stderr, "leat-broker: %s\n", why);
        return code;
    }
    handle_signals();
    printf("listening on %s\n", leat_broker_address(broker));
    fflush(stdout);
    code = leat_broker_run(broker);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    leat_broker_close(broker);
    return code;
}
