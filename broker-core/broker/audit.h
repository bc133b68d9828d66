/* audit.h - what leatd's audit log shall hear of that only a broker sees: who signed in or was turned away
 * on the Kafka port, and what Kafka clients deleted beside the metadata. Loop thread.
 *
 * Bounded, whatever clients do: the same event of one principal, address and resource is one entry with a
 * count, told a second after the first and then once a minute; AUDIT_TOLD_MAX entries a minute are told, what
 * is beyond is only counted. While leatd is away the entries wait. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"
#include "io/loop.h"

#define AUDIT_ENTRIES_MAX 256    /* that wait or are remembered */
#define AUDIT_TOLD_MAX 30        /* a minute */
#define AUDIT_FACTS_MAX 64       /* of one entry */
#define AUDIT_LOGIN_AGAIN_MS 3600000 /* a login of the same principal from the same address is told again */

enum audit_event {
    AUDIT_LOGIN, AUDIT_LOGIN_FAILED, AUDIT_TLS_FAILED,
    AUDIT_RECORDS_DELETED, AUDIT_GROUP_DELETED, AUDIT_OFFSETS_DELETED,
};

struct audit;
struct control_audit;
/* send: to leatd; false: it is away, or too old to understand. */
status audit_new(struct loop *loop, bool (*send)(void *arg, const struct control_audit *message), void *arg,
                 struct audit **ret);
void audit_free(struct audit *audit); /* NULL ok; what waits is offered once more */
void audit_touch(struct audit *audit); /* leatd is there: what waits may go */

/* NULL audit: nothing. principal: who it is, or whose name it was ("": unknown); never what was typed. */
void audit_note(struct audit *audit, enum audit_event event, struct str principal, const char *host,
                const char *resource, const char *reason);
/* The same, of something that was `before` (< 0: nothing) and is `after` (< 0: nothing), as `name` says. */
void audit_note_change(struct audit *audit, enum audit_event event, struct str principal, const char *host,
                       const char *resource, const char *name, int64_t before, int64_t after);
