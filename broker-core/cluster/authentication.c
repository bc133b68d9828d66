/* authentication.c - settings of logins. Any thread. */
#include "cluster/authentication.h"

#include "base/mem.h"
#include "cluster/image_int.h"

static bool own(struct str from, size_t max, struct str *to)
{
    if (from.len > max) return false;
    *to = str_own(from.data ? from : STR(""));
    return to->data != NULL;
}

status authentication_make(const struct authentication *from, struct why *why,
                           struct authentication *ret_authentication)
{
    struct authentication a = { .max_reauth_ms = from->max_reauth_ms, .skew_ms = from->skew_ms };
    status result = OK;
    if (from->max_reauth_ms < 0 || from->skew_ms < 0 || from->skew_ms > OAUTH_SKEW_MAX_MS ||
        from->issuer.len > OAUTH_TEXT_MAX || from->audience.len > OAUTH_TEXT_MAX ||
        from->claim.len > OAUTH_TEXT_MAX || from->jwks.len > JWKS_MAX) {
        why_set(why, "A text is too long or a time out of range.");
        return FAIL(INVALID);
    }
    if (!own(from->issuer, OAUTH_TEXT_MAX, &a.issuer) || !own(from->audience, OAUTH_TEXT_MAX, &a.audience) ||
        !own(from->claim, OAUTH_TEXT_MAX, &a.claim) || !own(from->jwks, JWKS_MAX, &a.jwks))
        result = FAIL(NO_MEMORY);
    if (is_ok(result) && a.jwks.len) result = jwks_parse(str_bytes(a.jwks), why, &a.keys);
    if (failed(result)) {
        authentication_done(&a);
        return result;
    }
    *ret_authentication = a;
    return OK;
}

void authentication_done(struct authentication *a)
{
    mem_free((void *)a->issuer.data);
    mem_free((void *)a->audience.data);
    mem_free((void *)a->claim.data);
    mem_free((void *)a->jwks.data);
    jwks_free(a->keys);
    *a = (struct authentication){ 0 };
}

static bool same(struct str a, struct str b) { return a.len == b.len && (!a.len || str_eq(a, b)); }

bool authentication_same(const struct authentication *a, const struct authentication *b)
{
    return a->max_reauth_ms == b->max_reauth_ms && a->skew_ms == b->skew_ms &&
           same(a->issuer, b->issuer) && same(a->audience, b->audience) && same(a->claim, b->claim) &&
           same(a->jwks, b->jwks);
}
