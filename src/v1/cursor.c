/* The bytes of a cursor: version (1), as_of, finished_ms, position (8 each, big-endian), the first 16 bytes of the
 * query's SHA-256, the first 16 bytes of an HMAC-SHA256 over all before and the token's id.
 *
 * The query's hash is among the bytes, and not only under the authentication, so that the two mistakes of honest
 * clients get different answers: parameters that changed, and a text that was cut. The token's id is only under the
 * authentication.
 *
 * 16 bytes of an HMAC cannot be guessed, and there is nothing to win: a forged cursor would only move its owner
 * within what the token may read. The check keeps positions and times from being made up, which the ledger need not
 * bear then.
 */
#include "v1/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "auth/digest.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/file.h"

#define VERSION 1
#define HASH_SIZE 16
#define PROOF_SIZE 16
#define FIELDS 3
#define HASH_AT (1 + FIELDS * 8)
#define PROOF_AT (HASH_AT + HASH_SIZE)
_Static_assert(PROOF_AT + PROOF_SIZE == CURSOR_BYTES, "the parts of a cursor");

/* ---- the key ---- */

#define KEY_NAME "cursor.key"

/* False with err->code ERR_NONE: there is no file, or one that was cut. */
static bool read_key(const char *path, struct cursor_key *ret, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return false;
  if (fd < 0) {
    (void)err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
    return false;
  }
  struct cursor_key key;
  uint64_t size = 0;
  size_t got = 0;
  bool is_read = file_size(fd, path, &size, err) == 0 && file_read(fd, path, 0, &key, sizeof key, &got, err) == 0;
  if (!is_read || size != sizeof key || got != sizeof key) return false;
  *ret = key;
  bytes_wipe(&key, sizeof key);
  return true;
}

int cursor_key_load(const char *dir, struct cursor_key *ret, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, KEY_NAME);
  struct cursor_key key;
  err->code = ERR_NONE;
  if (read_key(path, ret, err)) return 0;
  struct err cause = *err;
  int result = digest_random(&key, sizeof key, err);
  if (result != 0) return result;
  /* A file that cannot be read now may be good: it stays. */
  if (cause.code == ERR_NONE)
    (void)!file_replace(dir, KEY_NAME, str_make((const char *)key.bytes, sizeof key.bytes), &cause);
  *ret = key;
  bytes_wipe(&key, sizeof key);
  *err = cause;
  return 0;
}

/* ---- the query's hash ---- */

static int by_name_and_value(const void *a, const void *b) {
  const struct cursor_param *left = a, *right = b;
  int order = str_compare(left->name, right->name);
  return order != 0 ? order : str_compare(left->value, right->value);
}

/* A length before each text, so that no two queries are the same text. */
static void add_text(struct digest_sha256 *digest, struct str text) {
  char length[4];
  le32_store(length, (uint32_t)text.len);
  digest_sha256_add(digest, str_make(length, sizeof length));
  digest_sha256_add(digest, text);
}

static void hash_query(struct str resource, struct cursor_param *params, size_t count, uint8_t out[HASH_SIZE]) {
  struct digest_sha256 digest;
  uint8_t whole[DIGEST_SHA256_SIZE];
  CHECK(count <= CURSOR_PARAMS_MAX);
  if (count > 0) qsort(params, count, sizeof *params, by_name_and_value);
  digest_sha256_begin(&digest);
  add_text(&digest, resource);
  for (size_t i = 0; i < count; i++) {
    add_text(&digest, params[i].name);
    add_text(&digest, params[i].value);
  }
  digest_sha256_end(&digest, whole);
  memcpy(out, whole, HASH_SIZE);
}

/* ---- the bytes ---- */

static void prove(const struct cursor_key *key, struct str token_id, const uint8_t bytes[CURSOR_BYTES],
                  uint8_t out[PROOF_SIZE]) {
  uint8_t whole[DIGEST_SHA256_SIZE];
  digest_hmac_sha256(str_make((const char *)key->bytes, sizeof key->bytes), str_make((const char *)bytes, PROOF_AT),
                     token_id, whole);
  memcpy(out, whole, PROOF_SIZE);
}

static void put_fields(const struct cursor *cursor, uint8_t *out) {
  const uint64_t fields[FIELDS] = {cursor->as_of, (uint64_t)cursor->finished_ms, cursor->position};
  for (size_t i = 0; i < FIELDS; i++)
    be64_store(out + i * 8, fields[i]);
}

static void get_fields(const uint8_t *bytes, struct cursor *ret) {
  *ret = (struct cursor){
      .as_of = be64_load(bytes),
      .finished_ms = (int64_t)be64_load(bytes + 8),
      .position = be64_load(bytes + 16),
  };
}

void cursor_write(const struct cursor_key *key, struct str token_id, struct str resource, struct cursor_param *params,
                  size_t count, const struct cursor *cursor, char out[CURSOR_TEXT_SIZE]) {
  uint8_t bytes[CURSOR_BYTES] = {VERSION};
  put_fields(cursor, bytes + 1);
  hash_query(resource, params, count, bytes + HASH_AT);
  prove(key, token_id, bytes, bytes + PROOF_AT);
  size_t len = base64url_encode(bytes, sizeof bytes, out);
  CHECK(len == CURSOR_TEXT_SIZE - 1);
}

static int refuse(struct err *err) {
  return err_set(err, ERR_RANGE,
                 "this is not a cursor that this server gave to this token: it was cut or changed, or another token "
                 "got it; send "
                 "next_cursor of an answer as it is, or leave cursor out to begin with the first page");
}

int cursor_read(const struct cursor_key *key, struct str token_id, struct str resource, struct cursor_param *params,
                size_t count, struct str text, struct cursor *ret, struct err *err) {
  uint8_t bytes[CURSOR_BYTES], proof[PROOF_SIZE], hash[HASH_SIZE];
  if (text.len != CURSOR_TEXT_SIZE - 1 || !base64url_decode(text, bytes, sizeof bytes)) return refuse(err);
  prove(key, token_id, bytes, proof);
  if (!bytes_equal_constant_time(proof, bytes + PROOF_AT, PROOF_SIZE) || bytes[0] != VERSION) return refuse(err);
  hash_query(resource, params, count, hash);
  if (memcmp(hash, bytes + HASH_AT, HASH_SIZE) != 0) {
    return err_set(err, ERR_RANGE,
                   "this cursor belongs to another query: send it with the parameters of the request that gave it "
                   "(only limit and format "
                   "may differ), or leave cursor out to begin with the first page");
  }
  get_fields(bytes + 1, ret);
  return 0;
}
