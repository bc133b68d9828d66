/* backup.h - the broker's part in a backup: it names the files of one moment, which leatd links and
 * copies while it serves on, and keeps them until leatd says that it is over, or is gone. Loop thread. */
#pragma once
#include "broker/server.h"
#include "wire/messages.h"

struct backup {
    struct broker *broker;
    void (*send)(void *arg, const struct wire_message *message, const void *object); /* to leatd */
    void *arg;
    int64_t token;
    bool under_way;
};

void backup_init(struct backup *backup, struct broker *broker,
                 void (*send)(void *arg, const struct wire_message *message, const void *object), void *arg);
void backup_received(struct backup *backup, const struct control_backup *message);
void backup_over(struct backup *backup); /* none: ok */
