/* status.h - the one error type.
 *
 * A function that can fail returns `status` by value; the compiler warns when it is dropped.
 * Values go out through ret_ parameters, which stay untouched on failure. The codes, with their
 * Kafka error code, HTTP status and text, stand in errors.def. */
#pragma once
#include <stdint.h>

enum err {
#define ERR(name, kafka, http, text) E_##name,
#include "base/errors.def"
#undef ERR
    ERR_COUNT
};

#if defined(__clang__)
#define MUST_USE __attribute__((warn_unused_result))
#else
#define MUST_USE [[nodiscard]]
#endif

typedef struct MUST_USE status {
    enum err code;
} status;

#define OK ((status){ E_OK })
#define FAIL(e) ((status){ E_##e })
#define TRY(x)                                                                                     \
    do {                                                                                           \
        status try_ = (x);                                                                         \
        if (try_.code != E_OK) return try_;                                                        \
    } while (0)

static inline int is_ok(status s) { return s.code == E_OK; }
static inline int failed(status s) { return s.code != E_OK; }
static inline status status_of(enum err code) { return (status){ code }; }

const char *status_name(status s);  /* "TOPIC_ALREADY_EXISTS" */
const char *status_text(status s);  /* a short sentence for people */
int16_t status_kafka(status s);     /* Kafka protocol error code */
int status_http(status s);          /* HTTP status */

/* The row whose Kafka code this is; UNKNOWN_SERVER_ERROR when there is none. */
status status_from_kafka(int16_t kafka_code);

/* errno at a seam -> status: ENOSPC/EDQUOT NO_SPACE, ENOENT NOT_FOUND, EEXIST EXISTS,
 * EACCES/EPERM NOT_PERMITTED, ENOMEM NO_MEMORY, EADDRINUSE ADDRESS_IN_USE, else IO. */
status status_from_errno(int e);

/* Human detail for an operation a person asked for; an optional last parameter (NULL ok). */
struct why {
    char text[256];
};
void why_set(struct why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
