/* admin.h - the admin requests as they go to the controller: whatever version the client spoke, the
 * controller gets and answers this one. */
#pragma once

enum {
    API_CREATE_TOPICS = 19, CREATE_TOPICS_VERSION = 7,
    API_DELETE_TOPICS = 20, DELETE_TOPICS_VERSION = 6,
    API_CREATE_PARTITIONS = 37, CREATE_PARTITIONS_VERSION = 3,
    API_INCREMENTAL_ALTER_CONFIGS = 44, INCREMENTAL_ALTER_CONFIGS_VERSION = 1,
};
