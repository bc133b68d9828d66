/* domain_rig.h - a domain over a fresh folder, without engine and processes: changes are done at commit. */
#pragma once
#include "domain/domain.h"
#include "domain/environments.h"

/* What environments_create and _update write: a name alone. */
#define NAMED(name) (&(struct environment_write){ .display_name = (name) })

struct domain_rig {
    char folder[64];
    struct domain *domain;
    status result;      /* of the last change that reports by callback */
    char why[256];
    int done;
};
extern struct domain_rig domain_rig;
extern const struct actor domain_rig_actor;

int domain_rig_setup(void **state);
int domain_rig_teardown(void **state);
void domain_rig_done(void *arg, status result, const struct why *why); /* a domain_done; arg unused */
int64_t domain_rig_count(const char *sql); /* of the first row */
/* An environment, a cluster in it, and a service account. */
void domain_rig_cluster(char ret_cluster[ID_TEXT]);
void domain_rig_account(const char *name, char ret_account[ID_TEXT]);
/* The cluster's image as its broker would have it; image_free. */
struct image *domain_rig_image(const char *cluster_id);
