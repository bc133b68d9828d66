/* plans.h - what a plan allows. Any thread, with that thread's database. */
#pragma once
#include "cluster/limits.h"
#include "store/db.h"

#define CKU_MAX 100

struct plan {
    char name[32];
    struct limits limits; /* of one unit */
};
/* The plan that REST's config.kind means: Basic, Standard, Dedicated; NULL: another kind. */
const char *plans_of_kind(struct str kind);
const char *plans_kind(const char *plan); /* the kind shown for a plan: trial shows as Basic */
status plans_get(struct db *db, const char *name, struct plan *ret); /* NOT_FOUND */
/* Limits of a cluster: a dedicated cluster's counts grow with its units. */
status plans_limits(struct db *db, const char *name, int64_t cku, struct limits *ret);
status plans_list(struct db *db, void (*each)(void *arg, const struct plan *plan), void *arg);
