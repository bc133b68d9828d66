/* alter_configs.h - what both APIs that alter configs ask first. */
#pragma once
#include "broker/handler.h"

/* May the sender of r change the configs of this resource, and can they be changed at all? A sentence
 * for the client when not. */
status alter_configs_check(struct request *r, int8_t resource_type, struct str name,
                           struct str *ret_message);
