/* password_rules.c - asks libpasswdqc twice: about the whole password, and about what is left of a short one
 * without its digits and signs at both ends, which guessers add to words. */
#include "identity/password_rules.h"

#include "base/mem.h"

#include <ctype.h>
#include <passwdqc.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORE_MIN 4
#define CORE_MAX 16  /* characters; more is no single word */
#define BESIDE_MAX 6 /* digits and signs */

/* The least length is asked of all classes alike. NULL: nothing against it. */
static const char *ask(const char *password, const char *login, size_t least)
{
    passwdqc_params_t params;
    struct passwd user = { .pw_name = (char *)login, .pw_gecos = (char *)"", .pw_dir = (char *)"" };
    char lengths[64], most[32], *trouble = NULL;
    snprintf(lengths, sizeof lengths, "min=%zu,%zu,%zu,%zu,%zu", least, least, least, least, least);
    snprintf(most, sizeof most, "max=%d", PASSWORD_MAX);
    const char *options[] = { lengths, most };
    passwdqc_params_reset(&params);
    int bad = passwdqc_params_parse(&params, &trouble, (int)ARRAY_LEN(options), options);
    free(trouble); /* tidy: allowed, libpasswdqc's */
    const char *reason = bad ? "check failed" : passwdqc_check(&params.qc, password, NULL, &user);
    passwdqc_params_free(&params);
    return reason;
}

static char letter_of(char c)
{
    static const char signs[] = "@013$5", letters[] = "aoiess";
    const char *sign = c ? strchr(signs, c) : NULL;
    return sign ? letters[sign - signs] : isalpha((unsigned char)c) ? (char)tolower((unsigned char)c) : 0;
}

/* "P@ssword2024!" -> "password"; false: it is no single word, or has more beside it. */
static bool core_of(const char *password, char ret[CORE_MAX + 1])
{
    const char *begin = password, *end = password + strlen(password);
    size_t whole = strlen(password);
    while (begin < end && !isalpha((unsigned char)*begin)) begin++;
    while (end > begin && !isalpha((unsigned char)end[-1])) end--;
    size_t len = (size_t)(end - begin);
    if (len < CORE_MIN || len > CORE_MAX || whole - len > BESIDE_MAX) return false;
    for (size_t i = 0; i < len; i++) {
        ret[i] = letter_of(begin[i]);
        if (!ret[i]) return false;
    }
    ret[len] = 0;
    return true;
}

/* About a word: only that it is one. */
static const char *ask_core(const char *core, const char *login)
{
    const char *reason = ask(core, login, strlen(core));
    return reason && strstr(reason, "based on") ? reason : NULL;
}

static void say(const char *reason, struct why *why)
{
    static const struct { const char *part, *sentence; } sentences[] = {
        { "personal", "This password is made of the login, or hardly more; take another." },
        { "sequence", "This password is a row of keys or characters, which is tried first; take another." },
        { "dictionary", "This password is one well-known word with little beside it, which is tried first; "
                        "take several words, or something that is no word." },
        { "different characters", "This password repeats a few characters; take one with more of them." },
        { "too short", "This password is too short." },
        { "too long", "This password is too long." },
    };
    for (size_t i = 0; i < ARRAY_LEN(sentences); i++) {
        if (!strstr(reason, sentences[i].part)) continue;
        why_set(why, "%s", sentences[i].sentence);
        return;
    }
    why_set(why, "This password is too easy to guess; take another.");
}

status password_acceptable(struct str password, struct str login, struct why *why)
{
    char text[PASSWORD_MAX + 1], name[256] = "", core[CORE_MAX + 1];
    if (password.len < PASSWORD_MIN || !str_copy(text, sizeof text, password)) {
        why_set(why, "A password has %d to %d characters.", PASSWORD_MIN, PASSWORD_MAX);
        return FAIL(INVALID);
    }
    if (memchr(password.data, 0, password.len)) {
        why_set(why, "A password has no NUL character.");
        return FAIL(INVALID);
    }
    str_copy(name, sizeof name, login);
    const char *reason = ask(text, name, PASSWORD_MIN);
    if (!reason && core_of(text, core)) reason = ask_core(core, name);
    explicit_bzero(text, sizeof text);
    explicit_bzero(core, sizeof core);
    if (!reason) return OK;
    say(reason, why);
    return FAIL(INVALID);
}
