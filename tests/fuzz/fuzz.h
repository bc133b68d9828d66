/* fuzz.h - what a fuzz target is: one function that takes any bytes and never crashes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
