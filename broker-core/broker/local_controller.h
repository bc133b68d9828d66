/* local_controller.h - the controller of a standalone broker: owns its image, and changes it as
 * leatd's domain would, by the same rules (cluster/admin_topics.h). */
#pragma once
#include "broker/server.h"

/* Loads DIR/image or makes the first one, fills broker->image, sets broker->controller. */
status local_controller_start(struct broker *broker, struct why *why);
/* Waits for a change on its way; requests that wait behind it are answered REQUEST_TIMED_OUT. */
void local_controller_stop(struct broker *broker);
