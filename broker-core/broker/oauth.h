/* oauth.h - the client's message of OAUTHBEARER (RFC 7628): whose token it carries. Pure. */
#pragma once
#include "base/bytes.h"

#define OAUTH_REFUSED "{\"status\":\"invalid_token\"}"

/* Views into `message`; the authorisation identity is "" without. False: it is not such a message. */
bool oauth_message(struct bytes message, struct str *ret_token, struct str *ret_authzid);
