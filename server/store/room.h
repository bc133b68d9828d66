/* room.h - room on the disk for the database: a reserve that is given up piece by piece when the file
 * system is nearly full, so that changes, SQLite's own files and a start still have a place. Any one
 * thread at a time. */
#pragma once
#include "base/status.h"

struct room;
struct reserve;

status room_new(const char *folder, struct room **ret_room); /* its file is `reserve` */
void room_free(struct room *room);                           /* NULL ok; the file stays */
/* Before something is written: with less than half a MiB free a piece of the reserve goes. NULL ok. */
void room_make(struct room *room);
struct reserve *room_reserve(struct room *room); /* to see to its size */
