/* jwt.h - a bearer token (RFC 7519, signed as RFC 7515 says): is it good, whose is it, until when. Pure;
 * any thread. */
#pragma once
#include "cluster/authentication.h"

#define JWT_MAX (32u << 10)

struct jwt {
    char name[241];     /* the principal's, without "User:" */
    int64_t expires_ms; /* since 1970 */
};
/* INVALID and half a sentence for the log (never a part of the token) when it is not good now. */
status jwt_check(const struct authentication *authentication, struct str token, int64_t now_ms,
                 struct jwt *ret_jwt, const char **ret_why);
