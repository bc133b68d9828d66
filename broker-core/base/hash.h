/* hash.h - uthash as this project uses it: keyed hash (keys come from clients), and an insert
 * that finds no memory leaves the element out instead of ending the process.
 *
 * After HASH_ADD check HASH_ADDED(head, element, hh) where memory may be short. */
#pragma once
#include "base/mem.h"

#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#define HASH_FUNCTION(key, len, hashv) ((hashv) = hash_keyed((key), (len)))
uint32_t hash_keyed(const void *key, size_t len); /* SipHash-1-3 under a key drawn at start */
#include <uthash.h>
#include <utlist.h>

#define HASH_ADDED(hh, element) ((element)->hh.tbl != NULL)
