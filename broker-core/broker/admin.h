/* admin.h - the admin requests as they go to the controller: whatever version the client spoke, the
 * controller gets and answers this one. */
#pragma once
#include "broker/handler.h"

enum {
    API_CREATE_TOPICS = 19, CREATE_TOPICS_VERSION = 7,
    API_DELETE_TOPICS = 20, DELETE_TOPICS_VERSION = 6,
    API_CREATE_ACLS = 30, CREATE_ACLS_VERSION = 3,
    API_DELETE_ACLS = 31, DELETE_ACLS_VERSION = 3,
    API_ALTER_CLIENT_QUOTAS = 49, ALTER_CLIENT_QUOTAS_VERSION = 1,
    API_ALTER_USER_SCRAM_CREDENTIALS = 51, ALTER_USER_SCRAM_CREDENTIALS_VERSION = 0,
    API_CREATE_PARTITIONS = 37, CREATE_PARTITIONS_VERSION = 3,
    API_INCREMENTAL_ALTER_CONFIGS = 44, INCREMENTAL_ALTER_CONFIGS_VERSION = 1,
};

/* Hands `body`, which lives until r is answered, to the broker's controller on behalf of who sent r. */
void admin_submit(struct request *r, int16_t api_key, int16_t version, const void *body,
                  controller_done done, void *arg);
