/* api_versions.h - what api_versions.c offers beside its handler. */
#pragma once
#include "broker/handler.h"

#define API_VERSIONS_KEY 18

/* Answers an ApiVersions request of a version that is not served: a v0 body with UNSUPPORTED_VERSION
 * and the range of ApiVersions alone, after which clients ask again in that range. */
void api_versions_refuse(struct request *r);
