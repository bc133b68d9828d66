/* plans.h - what a plan allows, and what a cluster may therefore do. Reading: any thread, with that
 * thread's database; changes: domain thread. */
#pragma once
#include "cluster/limits.h"
#include "domain/domain.h"

#define CKU_MAX 100
#define PLANS_MAX 200
#define PLAN_NAME_MAX 31

struct plan {
    char name[PLAN_NAME_MAX + 1];
    struct limits limits; /* of one unit */
    bool preset;          /* trial and those of REST's kinds: may be changed, stays */
    int64_t clusters;     /* that have it */
};

/* A limit that people set: the same name in the database, in REST and here. */
struct limit_kind {
    const char *name, *unit, *title;
    size_t offset;   /* of the int64_t in struct limits */
    int64_t least;   /* allowed, beside -1 where endless */
    bool endless;    /* -1 = no limit is allowed */
    bool by_cku;     /* grows with a dedicated cluster's units */
};
const struct limit_kind *limit_kinds(size_t *ret_count);
const struct limit_kind *limit_kind_find(struct str name); /* NULL: there is none */
int64_t limit_get(const struct limits *limits, const struct limit_kind *kind);
void limit_set(struct limits *limits, const struct limit_kind *kind, int64_t value);

/* The plan that REST's config.kind means: Basic, Standard, Dedicated; NULL: another kind. */
const char *plans_of_kind(struct str kind);
const char *plans_kind(const char *plan); /* the kind shown for a plan: trial shows as Basic */
status plans_get(struct db *db, const char *name, struct plan *ret); /* NOT_FOUND */
/* All, those with few partitions first. */
status plans_list(struct db *db, void (*each)(void *arg, const struct plan *plan), void *arg);
status plans_count(struct db *db, int64_t *ret);
/* Limits of a plan with so many units: some grow with them. */
status plans_limits(struct db *db, const char *name, int64_t cku, struct limits *ret);
/* What holds for a cluster: its plan's with its units, and its own in their place. NOT_FOUND. */
status plans_of_cluster(struct db *db, const char *cluster_id, struct limits *ret);
/* Its own limits, each by name. */
status plans_overrides(struct db *db, const char *cluster_id,
                       void (*each)(void *arg, const struct limit_kind *kind, int64_t value), void *arg);

/* --- changes (plan_changes.c) ---------------------------------------------------------------------- */
/* What a plan will be. LIMIT, EXISTS, INVALID (a sentence about a limit), NOT_FOUND. Every cluster that
 * has the plan gets it at once: brokers are told, nothing that exists is taken away. */
status plans_create(struct domain *domain, const struct actor *actor, const struct plan *plan,
                    struct why *why);
status plans_update(struct domain *domain, const struct actor *actor, const struct plan *plan,
                    struct why *why);
/* CONFLICT: a preset, or clusters have it. */
status plans_delete(struct domain *domain, const struct actor *actor, struct str name, struct why *why);

/* A limit of a cluster's own, inside a transaction; clear: the plan's again. */
struct limit_change {
    const struct limit_kind *kind;
    int64_t value;
    bool clear;
};
status plans_override(struct db *db, const char *cluster_id, const struct limit_change *change,
                      struct why *why);
