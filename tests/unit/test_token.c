/* Secrets: tokens, key pairs, digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/digest.h"
#include "auth/keyring.h"
#include "auth/token.h"

static void test_headers(void **state) {
  (void)state;
  static const char *const bad[] = {"", "Bearer", "Bearer ", "Bearer  ", "Basic cm_1", "Bearercm_1", "cm_1", "Bear cm_1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct str secret = STR("untouched");
    if (token_from_header(str_of(bad[i]), &secret)) fail_msg("'%s'", bad[i]);
  }
  static const char *const good[] = {"Bearer cm_1", "bearer cm_1", "BEARER cm_1", "Bearer   cm_1", "Bearer cm_1 "};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct str secret;
    if (!token_from_header(str_of(good[i]), &secret) || !str_equal(secret, STR("cm_1"))) fail_msg("'%s'", good[i]);
  }
}

static void test_secrets(void **state) {
  (void)state;
  char first[TOKEN_SECRET_SIZE], second[TOKEN_SECRET_SIZE];
  assert_int_equal(token_generate(first, NULL), 0);
  assert_int_equal(token_generate(second, NULL), 0);
  assert_true(strlen(first) == TOKEN_SECRET_SIZE - 1 && strncmp(first, "cm_", 3) == 0 && strcmp(first, second) != 0);
  uint8_t hash[DIGEST_SHA256_SIZE], again[DIGEST_SHA256_SIZE];
  token_hash(str_of(first), hash);
  digest_sha256(str_of(first), again);
  assert_memory_equal(hash, again, sizeof hash);
  char id[TOKEN_PUBLIC_ID_SIZE], hex[2 * sizeof hash + 1];
  token_id(hash, id);
  bytes_hex(hash, sizeof hash, hex);
  assert_memory_equal(id, hex, TOKEN_PUBLIC_ID_SIZE - 1);

  char public_key[KEYRING_PUBLIC_SIZE], private_key[KEYRING_PRIVATE_SIZE];
  assert_int_equal(keyring_generate(public_key, private_key, NULL), 0);
  assert_true(strlen(public_key) == 40 && strlen(private_key) == 40 && strcmp(public_key, private_key) != 0);
}

/* FIPS 180-2's examples. */
static void test_digests(void **state) {
  (void)state;
  uint8_t sha1[DIGEST_SHA1_SIZE], sha256[DIGEST_SHA256_SIZE];
  char hex[2 * DIGEST_SHA256_SIZE + 1];
  digest_sha1(STR("a"), STR("bc"), sha1);
  bytes_hex(sha1, sizeof sha1, hex);
  assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
  digest_sha1(STR(""), STR(""), sha1);
  bytes_hex(sha1, sizeof sha1, hex);
  assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  digest_sha256(STR("abc"), sha256);
  bytes_hex(sha256, sizeof sha256, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* The vectors of RFC 4231. */
static void test_hmac(void **state) {
  (void)state;
  static const struct {
    const char *key, *first, *second, *hex;
  } rows[] = {
      {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi ", "There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"Jefe", "", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint8_t digest[DIGEST_SHA256_SIZE];
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    digest_hmac_sha256(str_of(rows[i].key), str_of(rows[i].first), str_of(rows[i].second), digest);
    bytes_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, rows[i].hex);
  }
}

/* In pieces as at once. */
static void test_pieces(void **state) {
  (void)state;
  char text[300];
  uint8_t whole[DIGEST_SHA256_SIZE], pieces[DIGEST_SHA256_SIZE];
  memset(text, 'x', sizeof text);
  digest_sha256(str_make(text, sizeof text), whole);
  for (size_t at = 0; at <= sizeof text; at += 25) {
    struct digest_sha256 digest;
    digest_sha256_begin(&digest);
    digest_sha256_add(&digest, str_make(text, at));
    digest_sha256_add(&digest, str_make(text + at, sizeof text - at));
    digest_sha256_end(&digest, pieces);
    assert_memory_equal(pieces, whole, sizeof whole);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_secrets),
                                     cmocka_unit_test(test_digests), cmocka_unit_test(test_hmac), cmocka_unit_test(test_pieces)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
