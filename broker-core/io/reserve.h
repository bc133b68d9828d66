/* reserve.h - disk space kept for what must go on when the disk is full: one file without content that
 * is given up piece by piece, and made again when there is room.
 *
 * While a piece is given up and not made again the disk counts as full (reserve_full): whoever can wait
 * leaves the rest to those who cannot. The file means nothing to anybody else and may be deleted. On
 * file systems that copy on write (btrfs, ZFS) what is given up may come free later than at once. */
#pragma once
#include "io/fs.h"

struct reserve;

/* The file `path` below the root of `disk`, which is not made here; what there is of it counts. */
status reserve_new(struct fs *disk, const char *path, struct reserve **ret_reserve);
void reserve_free(struct reserve *r); /* NULL ok; the file stays */

/* The disk with the reserve behind it: open, pwrite, truncate, mkdir and rename that find no space take
 * a piece and are tried again. Same files as of `disk`, so both may be used side by side. */
struct fs *reserve_fs(struct reserve *r);

/* Any thread. A write of `need` bytes found no space: gives up a piece, from now on the disk is full.
 * False: nothing is left of the reserve. */
bool reserve_give(struct reserve *r, size_t need);
/* Any thread. Somebody who may not use the reserve found no space. */
void reserve_note_full(struct reserve *r);
bool reserve_full(const struct reserve *r);
int64_t reserve_size(const struct reserve *r);

/* Blocks; one caller at a time. Makes the file `size` bytes long. A full disk is full no longer when it
 * has room for `spare` bytes more. NO_SPACE: what could be had is kept, and the disk is full. */
status reserve_fill(struct reserve *r, int64_t size, int64_t spare);
