/* handlers.h - prototypes of every handler, made from the route table. */
#pragma once
#include "api/api.h"

#define ROUTE(method, path, dialect, where, access, handler, operation)                            \
    void handler(struct api_request *rq);
#include "api/routes.def"
#undef ROUTE
