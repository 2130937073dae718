/* tests/support/sha256.h - SHA-256 (FIPS 180-4), to hold tensors against recorded
 * digests.  For tests only. */
#ifndef WKV_TESTS_SHA256_H
#define WKV_TESTS_SHA256_H

#include <stddef.h>

/* Writes the digest of n bytes as 64 hexadecimal digits and a NUL. */
void sha256_hex(char out[65], const void *data, size_t n);

#endif
