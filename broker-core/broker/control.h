/* control.h - the broker's end of control.sock: takes metadata images from leatd, forwards admin
 * requests to it, reports figures. One leatd at a time; with none the broker serves from its image.
 * Loop thread. The messages stand in wire/schema/leat.txt. */
#pragma once
#include "broker/server.h"

struct control;

/* Fills broker->image from the file `image` (none: an empty image, nobody can log in), listens on
 * control.sock in broker->run_fd, sets broker->controller. */
status control_start(struct broker *broker, struct control **ret_control);
void control_stop(struct control *control); /* waits for a change on its way */

/* Something that reports show has changed (a request was answered, a connection came or went): a
 * report is due. Cheap; call it as often as you like. NULL ok. */
void control_touch(struct control *control);
/* … and leatd wants to know at once: rare news only. */
/* … and leatd wants to know at once: rare news only. */
void control_touch_now(struct control *control);
/* The topic is deleted; a report tells how far its counters came. NULL ok. */
void control_topic_ends(struct control *control, const struct topic *topic);
