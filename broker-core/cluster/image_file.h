/* image_file.h - the metadata image on disk: the file `image` in the data folder.
 *
 *   bytes 0-7   "LEATIMG" and a zero
 *         8-11  format, 1
 *        12-15  length of the records
 *        16-19  CRC-32C of bytes 8-15 and the records
 *        20-    the records: a whole image (delta.h)
 *
 * Numbers are little-endian. A change writes `image.new`, syncs it, renames it over `image` and syncs
 * the folder, so there is always one whole image. */
#pragma once
#include "base/buf.h"
#include "cluster/image.h"
#include "io/fs.h"

/* NOT_FOUND: there is none. CORRUPT, FORMAT (newer than this program). */
status image_file_read(struct fs *fs, struct image *image);
/* `whole` is a delta from 0. Blocks on the disk; any thread. */
status image_file_write(struct fs *fs, struct bytes whole);
/* The whole image as it will be once `delta` is applied, for image_file_write. */
status image_file_next(const struct image *image, struct bytes delta, struct buf *ret_whole);
