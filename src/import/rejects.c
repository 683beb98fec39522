#include "import/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"

#define FRONT STR("{\"line\":")
#define WRITE_SIZE ((size_t)256 << 10) /* bytes gathered before a write */
#define DEPTH_MAX 32                   /* like the server's */
/* A tree takes up to thirty times its text (if that is IMPORT_ROW_MAX bytes of nothing but commas). */
#define TREE_MAX ((size_t)64 << 20)

struct import_rejects {
  int fd;
  char *path;
  uint64_t written; /* length of the file */
  bool is_synced;
  bool is_old;      /* what was written is of an earlier import */
  struct buf lines; /* still to be written */
  struct json_parser *parser;
  struct buf text; /* an event with the padding that the parser needs */
};

/* The process that held the lock before may have removed the file after this process opened it, so compare inodes. */
static int take_hold(int fd, const char *path, struct err *err) {
  struct stat mine, there;
  bool is_mine = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
                 mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
  return is_mine ? 0
                 : err_set(err, ERR_BUSY,
                           "%s: another import is writing to it; wait for it, or give another name with --rejected",
                           path);
}

/* A mistyped name must not overwrite another file. */
static int check_content(int fd, const char *path, int input_fd, uint64_t *ret_size, struct err *err) {
  struct stat mine, input;
  char front[16];
  size_t got;
  if (fstat(fd, &mine) != 0) return err_set_errno(err, ERR_IO, errno, "cannot read the attributes of %s", path);
  bool is_input = fstat(input_fd, &input) == 0 && mine.st_ino == input.st_ino && mine.st_dev == input.st_dev;
  int result = file_read(fd, path, 0, front, FRONT.len, &got, err);
  if (result != 0) return result;
  if (is_input || !S_ISREG(mine.st_mode) || (got > 0 && !str_equal(str_make(front, got), FRONT))) {
    return err_set(err, ERR_USAGE, "%s is not a file of rejected events; give another name with --rejected", path);
  }
  *ret_size = (uint64_t)mine.st_size;
  return 0;
}

int import_rejects_open(const char *path, int input_fd, struct import_rejects **ret, struct err *err) {
  uint64_t size;
  /* O_APPEND: whatever else happens, no line overwrites another. */
  SCOPED_FD int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0)
    return err_set_errno(err, ERR_IO, errno, "cannot open %s for events that are not stored (--rejected)", path);
  int result = take_hold(fd, path, err);
  if (result == 0) result = check_content(fd, path, input_fd, &size, err);
  if (result != 0) return result;
  struct import_rejects *rejects = calloc(1, sizeof *rejects);
  CHECK(rejects != NULL);
  *rejects = (struct import_rejects){
      .fd = fd, .path = strdup(path), .written = size, .is_synced = true, .parser = json_parser_new()};
  CHECK(rejects->path != NULL && rejects->parser != NULL);
  fd = -1;
  *ret = rejects;
  return 0;
}

void import_rejects_close(struct import_rejects *rejects) {
  if (rejects == NULL) return;
  if (rejects->written == 0) (void)unlink(rejects->path);
  (void)close(rejects->fd);
  json_parser_free(rejects->parser);
  buf_fini(&rejects->lines);
  buf_fini(&rejects->text);
  free(rejects->path);
  free(rejects);
}

int import_rejects_cut(struct import_rejects *rejects, uint64_t bytes, struct err *err) {
  if (bytes >= rejects->written) return 0;
  if (ftruncate(rejects->fd, (off_t)bytes) != 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot truncate %s", rejects->path);
  }
  rejects->written = bytes;
  rejects->is_synced = false;
  return 0;
}

void import_rejects_begin(struct import_rejects *rejects) { rejects->is_old = rejects->written > 0; }

int import_rejects_drop_old(struct import_rejects *rejects, struct err *err) {
  int result = rejects->is_old ? import_rejects_cut(rejects, 0, err) : 0;
  if (result == 0) rejects->is_old = false;
  return result;
}

static int write_lines(struct import_rejects *rejects, struct err *err) {
  if (rejects->lines.len == 0) return 0;
  int result = import_rejects_drop_old(rejects, err);
  if (result != 0) return result;
  result = file_write(rejects->fd, rejects->path, rejects->written, rejects->lines.ptr, rejects->lines.len, err);
  if (result != 0) {
    int cut = ftruncate(rejects->fd, (off_t)rejects->written); /* leaves no partial line, if it succeeds */
    (void)cut;
    return result;
  }
  rejects->written += rejects->lines.len;
  rejects->is_synced = false;
  buf_clear(&rejects->lines);
  return 0;
}

/* Writes an event as JSON if it is JSON, else as a string. */
static void write_event(struct import_rejects *rejects, struct json_write *out, struct str event) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(TREE_MAX);
  CHECK(arena != NULL);
  const struct json *tree;
  buf_clear(&rejects->text);
  buf_str(&rejects->text, event);
  char *padding = buf_extend(&rejects->text, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  if (event.len == 0)
    json_write_null(out, "event");
  else if (json_parse(rejects->parser, arena, str_make(rejects->text.ptr, event.len), DEPTH_MAX, &tree, NULL) == 0)
    json_write_raw(out, "event", event);
  else
    json_write_str(out, "event", event);
}

int import_rejects_add(struct import_rejects *rejects, const struct import_reject *reject, struct err *err) {
  struct buf *out = &rejects->lines;
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  json_write_u64(&json, "line", reject->line); /* FRONT */
  if (reject->id.len > 0)
    json_write_str(&json, "id", reject->id);
  else
    json_write_null(&json, "id");
  json_write_text(&json, "outcome", report_outcome_name(reject->outcome));
  json_write_str(&json, "reason", reject->reason);
  write_event(rejects, &json, reject->event);
  json_write_end(&json);
  buf_char(out, '\n');
  CHECK(!out->failed);
  return out->len < WRITE_SIZE ? 0 : write_lines(rejects, err);
}

int import_rejects_sync(struct import_rejects *rejects, struct err *err) {
  int result = write_lines(rejects, err);
  if (result != 0 || rejects->is_synced) return result;
  result = file_sync(rejects->fd, rejects->path, err);
  if (result == 0) result = file_sync_dir_of(rejects->path, err);
  if (result == 0) rejects->is_synced = true;
  return result;
}

uint64_t import_rejects_bytes(const struct import_rejects *rejects) {
  return (rejects->is_old ? 0 : rejects->written) + rejects->lines.len;
}
const char *import_rejects_path(const struct import_rejects *rejects) { return rejects->path; }
