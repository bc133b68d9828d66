/* image_file.h - the metadata image on disk: the file `image` in the data folder.
 *
 *   bytes 0-7   "LEATIMG" and a zero
 *         8-11  format, 1
 *        12-15  length of the records
 *        16-19  CRC-32C of bytes 8-15 and the records
 *        20-    the records: a whole image (delta.h), and behind it the delta that came last, if any:
 *               nothing has to be made anew for a change but what is written anyway
 *
 * Numbers are little-endian. A change writes `image.new`, syncs it, renames it over `image` and syncs
 * the folder, so there is always one whole image. */
#pragma once
#include "base/buf.h"
#include "cluster/image.h"
#include "io/fs.h"

/* NOT_FOUND: there is none. CORRUPT, FORMAT (newer than this program). */
status image_file_read(struct fs *fs, struct image *image);
/* Blocks on the disk; any thread. */
status image_file_write(struct fs *fs, struct bytes records);
/* The records for image_file_write that say what the image is once `delta` is applied, which was
 * checked as image_apply checks it. */
status image_file_next(const struct image *image, struct bytes delta, struct buf *ret_records);
