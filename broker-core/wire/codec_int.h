/* codec_int.h - shared by codec.c, codec_read.c and codec_write.c. */
#pragma once
#include "wire/table.h"

size_t wire_type_size(enum wire_type type); /* of a value in a C struct; not for WIRE_STRUCT */

/* Size of one element of the array f in memory. */
static inline size_t wire_element_size(const struct wire_field *f)
{
    return f->type == WIRE_STRUCT ? wire_structs[f->of].size
                                  : wire_type_size((enum wire_type)f->type);
}
