/* sha256: checksums of tensors, lessons and seeds.
 * FIPS 180-4, streaming; any number of hashes may run at once.
 * Any length below 2^61 bytes. */
#ifndef ENGINE_SHA256_H
#define ENGINE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX = 65 }; /* hex digits and the closing zero */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;     /* added so far; bytes % 64 of them wait in block */
    uint8_t  block[64];
};

/* Begin, add any number of pieces, end: digest is written once, then begin again. */
void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t bytes);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);

/* The three steps for data already in memory. */
void sha256_of(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES]);

/* Lower-case digits, as sha256sum prints them. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX]);

#endif
