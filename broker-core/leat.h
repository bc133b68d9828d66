/* leat.h - the public door to broker-core: a broker within this process. C, no other header needed.
 *
 * The arguments are those of the program leat-broker (`leat-broker --help` lists them):
 *
 *     const char *arguments[] = { "--standalone", "--data", "d", "--listen", "127.0.0.1:9092" };
 *     struct leat_broker *broker;
 *     char why[256];
 *     int code = leat_broker_open(5, arguments, 0, &broker, why, sizeof why);
 *     if (code == LEAT_OK) code = leat_broker_run(broker);   // until leat_broker_stop
 *     leat_broker_close(broker);
 *
 * Everything but leat_broker_stop belongs to one thread. */
#pragma once
#include <stddef.h>

struct leat_broker;

enum leat_exit {
    LEAT_OK = 0,
    LEAT_FAILED = 1,       /* folder, port or data: `why` says it */
    LEAT_USAGE = 2,        /* an argument: `why` says which */
    LEAT_STORE_FAILED = 3, /* while running: a sync failed, nothing more may be acknowledged */
};

enum leat_flags {
    /* The whole process, for good, gives up files outside the broker's folders, new sockets,
     * programs and processes (Landlock, seccomp, no_new_privs; what the kernel has of them). */
    LEAT_SANDBOX = 1,
};

/* Locks the folder, binds, recovers. `why` gets a sentence on failure. */
int leat_broker_open(int count, const char *const *arguments, unsigned flags,
                     struct leat_broker **ret_broker, char *why, size_t why_size);
const char *leat_broker_address(const struct leat_broker *broker); /* "127.0.0.1:9092" */
int leat_broker_run(struct leat_broker *broker); /* returns an enum leat_exit */
/* Any thread, and from a signal handler. */
void leat_broker_stop(struct leat_broker *broker);
/* Any thread, and from a signal handler: certificate, key and users are read again. */
void leat_broker_reload(struct leat_broker *broker);
/* NULL ok. Stops the store cleanly unless it failed. */
void leat_broker_close(struct leat_broker *broker);

/* For people, on standard output; what is wrong with the arguments on standard error. Reads only.
 * "check DIR": every file of a data folder is verified; LEAT_FAILED: there is damage.
 * "dump FILE [--records]": one file of it is printed.
 * -1: the first argument is neither. */
int leat_broker_inspect(int count, const char *const *arguments);

const char *leat_broker_help(void);
const char *leat_version(void);
