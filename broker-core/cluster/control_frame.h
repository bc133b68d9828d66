/* control_frame.h - frames of the control protocol between leatd and a broker: int32 size, int16
 * type, int16 version, body. The messages and who sends them stand in wire/schema/leat.txt. */
#pragma once
#include "wire/codec.h"
#include "wire/messages.h"

#define CONTROL_VERSION_MIN 0 /* of the protocol, as said in ControlHello */
/* Of the last release: a broker of it goes on; an older one is started anew. */
#define CONTROL_VERSION_PREVIOUS 3
/* 1: the image may hold ImageTls and ImageAuthentication. 2: ControlHold; reports say StorageState.
 * 3: reports say which partitions are damaged. 4: ControlBackup. 5: ControlClients, ControlLags.
 * What is new is said in control_frame.c, too: from which version on a message may be sent */
#define CONTROL_VERSION_MAX 5
#define CONTROL_SOCKET "control.sock"

/* The version in which a message goes to a peer with which this version of the protocol was agreed; -1: it
 * does not know it. */
int16_t control_message_version(const struct wire_message *message, int16_t protocol);
/* Appends a whole frame, ready for stream_send; on failure `out` is as before. UNSUPPORTED_VERSION: the peer
 * would not know it. */
status control_frame(struct buf *out, int16_t protocol, const struct wire_message *message,
                     const void *object);

/* Reads a frame (without its size): *ret_message says which struct *ret_object is. Strings are views
 * into the frame, the rest comes from the arena. The whole frame must be the message. */
status control_parse(struct bytes frame, struct arena *arena,
                     const struct wire_message **ret_message, const void **ret_object);
/* Do both sides speak a common version? */
bool control_hello_fits(const struct control_hello *hello);
int16_t control_agreed(const struct control_hello *hello); /* the highest of them, when it fits */
