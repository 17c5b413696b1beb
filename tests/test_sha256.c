/* test_sha256: the vectors of FIPS 180-4's examples, and every way to cut a message in two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sha256.h"

static void expect(const char *message, size_t bytes, const char *want)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];

    sha256_of(message, bytes, digest);
    sha256_hex(digest, hex);
    assert_string_equal(hex, want);
}

static void sha256_fips_vectors(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    (void)state;
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(two_blocks, strlen(two_blocks),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void sha256_a_million_bytes_in_uneven_pieces(void **state)
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX], piece[997];
    size_t left = 1000000;

    (void)state;
    memset(piece, 'a', sizeof piece);
    sha256_begin(&hash);
    while (left > 0) {
        size_t take = left < sizeof piece ? left : sizeof piece;
        sha256_add(&hash, piece, take);
        left -= take;
    }
    sha256_end(&hash, digest);
    sha256_hex(digest, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void sha256_same_digest_for_every_cut(void **state)
{
    uint8_t message[200], whole[SHA256_BYTES], cut[SHA256_BYTES];
    struct sha256 hash;

    (void)state;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 37);
    for (size_t bytes = 0; bytes <= sizeof message; bytes++) {
        sha256_of(message, bytes, whole);
        for (size_t at = 0; at <= bytes; at++) {
            sha256_begin(&hash);
            sha256_add(&hash, message, at);
            sha256_add(&hash, message + at, bytes - at);
            sha256_end(&hash, cut);
            assert_memory_equal(cut, whole, sizeof whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_fips_vectors),
        cmocka_unit_test(sha256_a_million_bytes_in_uneven_pieces),
        cmocka_unit_test(sha256_same_digest_for_every_cut),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
