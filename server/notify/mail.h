/* mail.h - a mail of plain text. Any thread. */
#pragma once
#include "base/buf.h"

#define MAIL_ADDRESS_MAX 254
/* One address without a name: a@b, printable ASCII, nothing that ends a header or an SMTP command. */
bool mail_address_is_sound(struct str address);

struct mail {
    struct str from;
    const struct str *to;
    size_t to_count;
    struct str subject, text; /* UTF-8 */
    struct str id;            /* of the message, without brackets: makes a retry the same mail */
    struct str thread;        /* mails of one thread are shown together; null: of none */
    int64_t at;               /* ms since 1970 */
};
void mail_write(const struct mail *mail, struct buf *out); /* see buf_check */
