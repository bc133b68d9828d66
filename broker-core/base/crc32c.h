/* crc32c.h - CRC-32C (Castagnoli), as Kafka record batches and our own files use it.
 * By the instruction of SSE4.2 or of ARMv8 where the machine has it, three ways side by side, by a
 * table otherwise. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len); /* crc 0 to begin; may be chained */
/* By the table whatever the machine has: for machines without, and tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);
