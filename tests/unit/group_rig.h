/* group_rig.h - a group coordinator over a real store and the real loop in a folder of its own, with
 * short timeouts and topics that can be made, grown and deleted; it can be killed and started again. */
#pragma once
#include "broker/consumer.h"
#include "io/loop.h"

extern struct group_coordinator *rig_groups;
extern struct group_options rig_options; /* changes hold from the next start */
extern struct loop *rig_loop;
extern struct image *rig_image;

int rig_setup(void **state);    /* topics "payments" (3 partitions) and "orders" (4) */
int rig_teardown(void **state); /* fails when memory leaks */
void rig_restart(void);         /* as by kill */
void rig_topic(const char *name, int32_t partitions); /* makes or grows one */
void rig_delete(const char *name);
/* A fresh folder and the same topics: for tests that go through many lives. */
void rig_again(void);

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            if (turns_ > 20000) fail_msg("never came: %s", #condition);                            \
            loop_turn(rig_loop, 10);                                                               \
        }                                                                                          \
    } while (0)
