/* connection_rate.h - connection_creation_rate: addresses that open connections too fast. Such a
 * connection is not served but, as in Kafka, kept for the throttle time (at most a second), so that the
 * client slows down, and closed. Those kept are bounded in number. Loop thread only. */
#pragma once
#include "broker/server.h"

/* true: fd is too much for its address and was taken. */
bool connection_rate_exceeded(struct broker *broker, int fd);
/* Closes all that are kept. */
void connection_rate_stop(struct broker *broker);
