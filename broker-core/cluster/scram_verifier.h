/* scram_verifier.h - what is kept of a SCRAM password: salt, iterations, stored key, server key. The
 * password itself, and the salted one that Kafka clients send, are not. No I/O; any thread. */
#pragma once
#include "cluster/image.h"

#define SCRAM_ITERATIONS 4096
#define SCRAM_ITERATIONS_MAX 16384

/* mechanism: SCRAM_SHA_256 or SCRAM_SHA_512 (image.h). Bytes of its hash; 0 = unknown. */
size_t scram_hash_size(int mechanism);

/* Verifier of a password: a salt of 1 to SCRAM_SALT_MAX bytes, iterations 4096..16384, else INVALID. */
status scram_verifier_make(int mechanism, struct str password, struct bytes salt,
                           int32_t iterations, struct scram_verifier *ret_verifier);
/* … with a fresh random salt of 32 bytes and SCRAM_ITERATIONS. */
status scram_verifier_new(int mechanism, struct str password,
                          struct scram_verifier *ret_verifier);
/* The salted password alone, as AlterUserScramCredentials carries it: scram_hash_size bytes. */
status scram_salt_password(int mechanism, struct str password, struct bytes salt, int32_t iterations,
                           uint8_t ret_salted[64]);
/* … of the salted password that AlterUserScramCredentials carries. */
status scram_verifier_of_salted(int mechanism, struct bytes salted, struct bytes salt,
                                int32_t iterations, struct scram_verifier *ret_verifier);

/* With the mechanism's hash; ret takes scram_hash_size bytes. NO_MEMORY. */
status scram_hmac(int mechanism, struct bytes key, struct bytes data, uint8_t ret[64]);
status scram_hash(int mechanism, struct bytes data, uint8_t ret[64]);
