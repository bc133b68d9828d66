/* crc32c.h - CRC-32C (Castagnoli), as Kafka record batches and our own files use it.
 * SSE4.2 three ways side by side where the machine has it, a table otherwise. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len); /* crc 0 to begin; may be chained */
