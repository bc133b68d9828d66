/* fuzz_image.c - any bytes as a delta of the metadata image. What is taken makes an image that can be
 * written out and read again as the same image; what is refused changes nothing. */
#include "fuzz.h"

#include "cluster/delta.h"

#include <stdlib.h>

static void check(const struct image *image)
{
    struct buf once, twice;
    struct image *copy;
    buf_init(&once, DELTA_MAX);
    buf_init(&twice, DELTA_MAX);
    if (failed(image_serialise(image, &once)) || failed(image_new(&copy)) ||
        failed(image_apply(copy, buf_bytes(&once), NULL)) || copy->version != image->version ||
        copy->partition_count != image->partition_count || failed(image_serialise(copy, &twice)) ||
        twice.len != once.len || memcmp(twice.data, once.data, once.len) != 0)
        abort();
    image_free(copy);
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image *image;
    if (failed(image_new(&image))) abort();
    str_copy(image->cluster_id, sizeof image->cluster_id, STR("lkc-1"));
    image->version = 1;
    if (is_ok(image_apply(image, (struct bytes){ data, size }, NULL))) check(image);
    else if (image->topics || image->version != 1) abort();
    image_free(image);
    return 0;
}
