/* uuid.h - 16 random bytes as an identity; text is Kafka's: 22 characters of URL-safe base64. */
#pragma once
#include "base/bytes.h"

struct uuid {
    uint8_t b[16];
};
#define UUID_TEXT 23 /* with the NUL */

/* A new random one (getrandom); never zero, and its text never begins with '-'. */
struct uuid uuid_new(void);
static inline bool uuid_eq(struct uuid a, struct uuid b) { return memcmp(a.b, b.b, 16) == 0; }
static inline bool uuid_is_zero(struct uuid u) { return uuid_eq(u, (struct uuid){ { 0 } }); }
void uuid_format(struct uuid u, char ret_text[UUID_TEXT]);
bool uuid_parse(struct str text, struct uuid *ret);

/* Fills p with n bytes from the kernel's generator; aborts when there is none. */
void random_bytes(void *p, size_t n);
/* Standard base64 (SCRAM) with padding; encode writes 4*((n+2)/3)+1 bytes. Decode: -1 = malformed. */
size_t base64_encode(const void *p, size_t n, char *ret_text);
int64_t base64_decode(struct str text, uint8_t *ret, size_t size);
