/* oauth.c - "n,[a=authzid],^A auth=Bearer TOKEN [^A key=value]… ^A^A". Pure. */
#include "broker/oauth.h"

#include <strings.h>

#define SEPARATOR '\x01'

/* What stands before `end`; the rest begins behind it. */
static bool take_until(struct str *rest, char end, struct str *ret)
{
    const char *found = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    if (!found) return false;
    size_t n = (size_t)(found - rest->data);
    *ret = (struct str){ rest->data, n };
    *rest = (struct str){ found + 1, rest->len - n - 1 };
    return true;
}

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] > 0x7e)
            if (s.data[i] != '\t' && s.data[i] != '\r' && s.data[i] != '\n') return false;
    return true;
}

static bool name_of_letters(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] | 0x20) < 'a' || (s.data[i] | 0x20) > 'z') return false;
    return s.len > 0;
}

static bool bearer(struct str value, struct str *ret_token)
{
    if (value.len < 8 || strncasecmp(value.data, "Bearer ", 7) != 0) return false;
    struct str token = { value.data + 7, value.len - 7 };
    while (token.len && token.data[0] == ' ') token = (struct str){ token.data + 1, token.len - 1 };
    *ret_token = token;
    return token.len > 0 && !memchr(token.data, ' ', token.len);
}

bool oauth_message(struct bytes message, struct str *ret_token, struct str *ret_authzid)
{
    struct str rest = bytes_str(message), part, name, authzid, token = STR_NULL;
    if (!take_until(&rest, ',', &part) || !str_eq(part, STR("n"))) return false;
    if (!take_until(&rest, ',', &authzid) || !take_until(&rest, SEPARATOR, &part) || part.len) return false;
    if (authzid.len) {
        if (!str_starts(authzid, STR("a="))) return false;
        authzid = (struct str){ authzid.data + 2, authzid.len - 2 };
    }
    while (take_until(&rest, SEPARATOR, &part) && part.len) {
        if (!take_until(&part, '=', &name) || !name_of_letters(name) || !printable(part)) return false;
        if (!str_eq(name, STR("auth"))) continue; /* an extension (KIP-342): none is known here */
        if (token.data || !bearer(part, &token)) return false;
    }
    if (!token.data || rest.len || message.data[message.len - 2] != SEPARATOR) return false;
    *ret_token = token;
    *ret_authzid = authzid;
    return true;
}
