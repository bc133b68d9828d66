/* sender.h - transfers to other machines, side by side on a thread of their own; nothing here blocks
 * the loop. No redirects, no proxy, TLS always verified, ten seconds; where a name leads is looked at
 * when the socket is made (target.h). */
#pragma once
#include "base/buf.h"
#include "io/loop.h"

#define SENDER_AT_ONCE 16 /* transfers; the others wait in order */

struct sender;
/* near_allowed: also to this machine and its link. The thread starts with the first message. */
status sender_new(struct loop *loop, bool near_allowed, struct sender **ret_sender);
void sender_free(struct sender *sender); /* NULL ok; what is under way is given up, done() not called */

enum send_tls { SEND_TLS_NONE, SEND_TLS_STARTTLS, SEND_TLS_IMPLICIT };
struct send_result {
    bool arrived;
    bool partly;       /* it did, but perhaps not at every recipient (lenient) */
    bool again;        /* it did not, and may another time */
    int64_t after_ms;  /* the receiver asks for so much patience; 0: it does not */
    int code;          /* of HTTP or SMTP; 0: none came */
    char text[256];    /* what went wrong, a sentence */
};
typedef void (*send_done)(void *arg, const struct send_result *result);

/* Made by send_new, filled in, given to sender_send. */
struct send {
    char url[2048];
    struct buf body;           /* of the POST, or the whole mail */
    char *headers[8];          /* "Name: value", by send_header; of HTTP */
    size_t header_count;
    bool is_mail;
    enum send_tls tls;         /* of mail */
    char user[256], password[1024];
    char from[256];
    char *to[50];              /* by send_to */
    size_t to_count;
    bool lenient;              /* mail: who is refused does not keep it from the others */
    char *ca_pem;              /* trusted instead of the system's; NULL: the system's */
    send_done done;
    void *arg;
    struct send_work *work;    /* sender.c's own */
    struct send *prev, *next;
};
struct send *send_new(void); /* NULL without memory */
void send_free(struct send *send);
status send_header(struct send *send, const char *format, ...) __attribute__((format(printf, 2, 3)));
status send_to(struct send *send, struct str address);
/* Takes it. done() comes later, on the loop's thread. */
status sender_send(struct sender *sender, struct send *send);
