#include "import/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"

#define FRONT_SIZE ((size_t)64 << 10) /* bytes at the front of the file that are hashed */
#define PLACE_MAX ((size_t)4096)
#define DEPTH_MAX 3
#define VERSION 3
#define CHECK_SIZE 17 /* 16 hex digits */

const char *import_count_name(enum import_count count) {
  static const char *const names[] = {
      [IMPORT_UNRESOLVED] = "unresolved",   [IMPORT_RESOLVED] = "resolved",   [IMPORT_IGNORED] = "ignored",
      [IMPORT_QUARANTINED] = "quarantined", [IMPORT_DOCUMENTS] = "documents", [IMPORT_AMBIGUOUS] = "ambiguous",
  };
  CHECK(count < IMPORT_COUNTS);
  return count < IMPORT_OUTCOMES ? report_outcome_name((enum report_outcome)count) : names[count];
}

int import_resume_print(int fd, const char *name, struct str how, char ret[IMPORT_PRINT_SIZE], struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  struct stat st;
  size_t got;
  uint8_t digest[DIGEST_SHA256_SIZE];
  if (fstat(fd, &st) != 0) return err_set_errno(err, ERR_IO, errno, "cannot read the attributes of %s", name);
  buf_str(&text, how);
  buf_printf(&text, "%lld:%lld.%09ld:", (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  char *front = buf_extend(&text, FRONT_SIZE);
  CHECK(front != NULL);
  int result = file_read(fd, name, 0, front, FRONT_SIZE, &got, err);
  if (result != 0) return result;
  text.len -= FRONT_SIZE - got;
  digest_sha256(buf_view(&text), digest);
  bytes_hex(digest, sizeof digest, ret);
  return 0;
}

/* A checksum of all text before it. Without it, a damaged place could be believed, and rows would be skipped. */
static void make_check(struct str text, char ret[CHECK_SIZE]) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  digest_sha256(text, digest);
  bytes_hex(digest, (CHECK_SIZE - 1) / 2, ret);
}

/* ---- load ---- */

static bool is_intact(struct str text, const struct json *top) {
  const struct str start = STR(",\"check\":");
  char expected[CHECK_SIZE];
  const char *found = memmem(text.ptr, text.len, start.ptr, start.len);
  if (found == NULL) return false;
  make_check(str_make(text.ptr, (size_t)(found - text.ptr)), expected);
  return str_equal(json_member_text(top, "check"), str_of(expected));
}

static bool read_place(const struct json *top, struct import_resume *ret) {
  uint64_t version;
  bool good = top->type == JSON_OBJECT && json_member_u64(top, "version", &version) && version == VERSION &&
              json_member_u64(top, "offset", &ret->offset) && json_member_u64(top, "line", &ret->line) &&
              json_member_u64(top, "rejected_bytes", &ret->rejected_bytes);
  for (int i = 0; i < IMPORT_COUNTS && good; i++)
    good = json_member_u64(top, import_count_name((enum import_count)i), &ret->counts[i]);
  return good;
}

static int parse_place(struct str text, const char *path, const char *print, struct import_resume *ret,
                       struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(PLACE_MAX * 64);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *top, *of;
  struct import_resume place;
  if (json_parse(parser, arena, text, DEPTH_MAX, &top, NULL) != 0 || !read_place(top, &place) ||
      !is_intact(text, top)) {
    return err_set(err, ERR_PARSE, "%s is damaged", path);
  }
  of = json_member(top, "of");
  if (of == NULL || !str_equal(of->text, str_of(print))) {
    return err_set(err, ERR_EXISTS, "%s belongs to another file, server or token, or to other options", path);
  }
  *ret = place;
  return 0;
}

int import_resume_load(const char *path, const char *print, struct import_resume *ret, struct err *err) {
  char text[PLACE_MAX + JSON_PADDING] = {0};
  size_t got;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  int result = file_read(fd, path, 0, text, PLACE_MAX, &got, err);
  return result == 0 ? parse_place(str_make(text, got), path, print, ret, err) : result;
}

/* ---- save ---- */

static int write_new(const char *path, struct str text, struct err *err) {
  (void)unlink(path); /* a killed run may have left it; O_EXCL follows no link at that name */
  SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", path);
  int result = file_write(fd, path, 0, text.ptr, text.len, err);
  return result == 0 ? file_sync(fd, path, err) : result;
}

int import_resume_save(const char *path, const char *print, const struct import_resume *place, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  SCOPED_MALLOC char *path_new = NULL;
  char check[CHECK_SIZE];
  CHECK(asprintf(&path_new, "%s.new", path) >= 0);
  struct json_write json = json_write_to(&text);
  json_write_object(&json, NULL);
  json_write_u64(&json, "version", VERSION);
  json_write_text(&json, "of", print);
  json_write_u64(&json, "offset", place->offset);
  json_write_u64(&json, "line", place->line);
  json_write_u64(&json, "rejected_bytes", place->rejected_bytes);
  for (int i = 0; i < IMPORT_COUNTS; i++)
    json_write_u64(&json, import_count_name((enum import_count)i), place->counts[i]);
  make_check(buf_view(&text), check);
  json_write_text(&json, "check", check);
  json_write_end(&json);
  buf_char(&text, '\n');
  CHECK(!text.failed);
  int result = write_new(path_new, buf_view(&text), err);
  if (result == 0 && rename(path_new, path) != 0)
    result = err_set_errno(err, ERR_IO, errno, "cannot rename %s", path_new);
  if (result != 0) (void)unlink(path_new);
  return result == 0 ? file_sync_dir_of(path, err) : result;
}

int import_resume_remove(const char *path, struct err *err) {
  if (unlink(path) == 0 || errno == ENOENT) return 0;
  return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
}
