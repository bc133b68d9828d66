/* client_list.h - the broker's answer to ControlClients: who is connected, or who produces to or reads one
 * topic, and as a member of which group. Made some connections a turn, so that nobody waits for it, and
 * sent in parts; bounded. Loop thread.
 *
 * The group of a reader. Clients heartbeat over another connection than the one they fetch with, so:
 * a connection is of the group whose member its own heartbeats are of; else, when it reads, of the group
 * that all connections of the same principal, client id and address are of, when these agree. With a topic
 * only members count that are assigned a partition of it now. */
#pragma once
#include "broker/server.h"
#include "wire/messages.h"

#define CLIENT_LIST_MAX 1000 /* connections that one answer names */

enum client_group_match { /* ControlClientsPart's GroupMatch */
    CLIENT_GROUP_NONE,
    CLIENT_GROUP_OWN,     /* this very connection heartbeats */
    CLIENT_GROUP_ALIKE,   /* one of the same principal, client id and address does */
    CLIENT_GROUP_SEVERAL, /* such connections do, for different groups: not told apart */
};

struct client_list;
struct client_lists {
    struct broker *broker;
    void (*send)(void *arg, const struct wire_message *message, const void *object); /* to leatd */
    void *arg;
    struct client_list *first; /* utlist DL: the one in the making, and those that wait */
    int count;
    struct timer next;
};

void client_lists_init(struct client_lists *lists, struct broker *broker,
                       void (*send)(void *arg, const struct wire_message *message, const void *object),
                       void *arg);
void client_lists_asked(struct client_lists *lists, const struct control_clients *message);
void client_lists_gone(struct client_lists *lists, const struct connection *c); /* it ends; NULL ok */
void client_lists_over(struct client_lists *lists); /* nobody listens any more */
