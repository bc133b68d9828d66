/* broker_rig.h - a real standalone broker in a temporary folder, on the test's own thread, and raw
 * clients that speak frames made by the wire codec. Everything fails the test when it goes wrong. */
#pragma once
#include "broker/handler.h"
#include "cluster/delta.h"

struct rig {
    struct broker *broker;
    char dir[64], run[80];
    struct broker_options options;
};
struct raw_client { /* a socket; frames are read while the broker's loop turns */
    int fd;
    struct buf in;
    int32_t correlation;
};

void rig_start(struct rig *rig);   /* new folder, options as broker_options_init and --standalone */
/* As under leatd: login needed, ACLs hold, Unix sockets in the folder `run`; the image holds one key
 * "KEY" with the secret "secret" of User:sa-1, and nothing may be done by anybody. */
void rig_start_managed(struct rig *rig);
/* A delta from the image's version to the next: begin, delta_…() calls on the buffer, apply. */
void rig_delta_begin(struct rig *rig, struct buf *delta);
void rig_delta_apply(struct rig *rig, struct buf *delta);
void rig_open(struct rig *rig);    /* again on its folder */
void rig_close(struct rig *rig);   /* a graceful stop */
void rig_stop(struct rig *rig);    /* rig_close and the folder goes */

void raw_connect(struct rig *rig, struct raw_client *c);
void raw_connect_local(struct rig *rig, struct raw_client *c); /* kafka.sock */
void raw_close(struct raw_client *c);
void raw_send(struct rig *rig, struct raw_client *c, int16_t key, int16_t version,
              const void *body);
void raw_send_bytes(struct raw_client *c, const void *p, size_t n);
/* The next answer, decoded from `version` into an arena that lives until rig_forget. */
void *raw_receive(struct rig *rig, struct raw_client *c, int16_t key, int16_t version);
void *raw_call(struct rig *rig, struct raw_client *c, int16_t key, int16_t version,
               const void *body);
bool raw_has_frame(struct rig *rig, struct raw_client *c); /* after some turns without waiting */
bool raw_is_closed(struct rig *rig, struct raw_client *c); /* waits for the end of the connection */
void rig_forget(void);

/* --- often needed ------------------------------------------------------------------------------- */
void rig_create_topic(struct rig *rig, struct raw_client *c, const char *name, int32_t partitions);
/* A batch of n records "value-0" …, record i of time rig_time + i; the same buffer each time. */
extern int64_t rig_time; /* when the rig was started: nothing has expired yet */
struct bytes rig_batch(int n, int64_t producer_id, int32_t sequence);
void rig_produce_send(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
                      int16_t acks, struct bytes batch);
/* acks=all and its answer for the one partition. */
struct produce_response_partition_produce_response *
rig_produce(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
            struct bytes batch);
void rig_fetch_send(struct rig *rig, struct raw_client *c, const char *topic, int32_t partition,
                    int64_t offset, int32_t max_wait_ms, int32_t min_bytes);
#define FETCH_VERSION 11
#define PRODUCE_VERSION 8
