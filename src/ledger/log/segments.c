/* A segment's name is the position of its first byte, so the names alone tell which file holds a position. A new
 * segment and its directory are synced before a block is written to it. So only the last segment can lack a whole
 * head, and then it is empty.
 *
 * Only the last segment changes, so every other one can be closed and opened again at any time. Each opening checks
 * the head, because the name may lead to another file since.
 */
#include "ledger/log/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/vector.h"
#include "ledger/log/presence.h"

static const char segment_magic[8] = "CMSEGMNT";

enum { AT_FORMAT = 8, AT_HEAD_SIZE = 12, AT_UUID = 16, AT_BASE = 32, AT_CREATED = 40, AT_CRC = 60 };

/* An open segment. The list of open segments has one hold on it, and so has each reader that uses it. */
struct segment_file {
  atomic_uint holds;
  uint64_t base;
  uint64_t used; /* the number of its last use */
  int fd;
};

struct segments {
  char *dir;
  bool read_only;
  uint8_t uuid[LEDGER_UUID_SIZE];
  struct presence presence; /* of the directory, if not read_only */

  pthread_mutex_t lock; /* protects what follows */
  int last_fd;          /* of the last segment, for the writer; -1 if read_only or if there is none */
  VECTOR(struct segment);
  struct segment_file *open[SEGMENTS_OPEN]; /* NULL: a free place */
  uint64_t uses;                            /* counts uses, to order them */
};


/* ---- heads ---- */

static void make_head(char head[SEGMENT_HEAD_SIZE], const uint8_t *uuid, uint64_t base, int64_t now_ms) {
  memset(head, 0, SEGMENT_HEAD_SIZE);
  memcpy(head, segment_magic, sizeof segment_magic);
  le32_store(head + AT_FORMAT, SEGMENT_FORMAT);
  le32_store(head + AT_HEAD_SIZE, SEGMENT_HEAD_SIZE);
  memcpy(head + AT_UUID, uuid, LEDGER_UUID_SIZE);
  le64_store(head + AT_BASE, base);
  le64_store(head + AT_CREATED, (uint64_t)now_ms);
  le32_store(head + AT_CRC, crc32c(head, AT_CRC));
}

static int check_head(const struct segment *segment, const char head[SEGMENT_HEAD_SIZE], struct err *err) {
  if (memcmp(head, segment_magic, sizeof segment_magic) != 0) {
    return err_set(err, ERR_CORRUPT, "log/%s is not a segment of a codecmeter log: restore it from a backup",
                   segment->name);
  }
  uint32_t format = le32_load(head + AT_FORMAT);
  if (format > SEGMENT_FORMAT) {
    return err_set(err, ERR_VERSION,
                   "log/%s has format %u, but this version reads formats up to %u: use a later codecmeter",
                   segment->name, format, SEGMENT_FORMAT);
  }
  if (crc32c(head, AT_CRC) != le32_load(head + AT_CRC) || le64_load(head + AT_BASE) != segment->base ||
      le32_load(head + AT_HEAD_SIZE) != SEGMENT_HEAD_SIZE) {
    return err_set(err, ERR_CORRUPT, "log/%s: the header (offset 0) is damaged: restore it from a backup",
                   segment->name);
  }
  return 0;
}

static int read_head(int fd, const struct segment *segment, char head[SEGMENT_HEAD_SIZE], struct err *err) {
  size_t got;
  int result = file_read(fd, segment->name, 0, head, SEGMENT_HEAD_SIZE, &got, err);
  if (result == 0 && got < SEGMENT_HEAD_SIZE) {
    result = err_set(err, ERR_CORRUPT, "log/%s ends inside its header: restore it from a backup", segment->name);
  }
  return result == 0 ? check_head(segment, head, err) : result;
}

static int check_uuid(const struct segments *segments, const struct segment *segment, const char *head,
                      struct err *err) {
  if (memcmp(segments->uuid, head + AT_UUID, LEDGER_UUID_SIZE) == 0) return 0;
  return err_set(err, ERR_CORRUPT, "log/%s belongs to another ledger: move it out of the log directory",
                 segment->name);
}

/* ---- the list ---- */

/* Makes room for one more segment, so that adding it cannot fail. */
static int expect_one(struct segments *segments, struct err *err) {
  lock_take(&segments->lock);
  bool has_room = vector_reserve(segments, 1);
  lock_give(&segments->lock);
  return has_room ? 0 : err_set(err, ERR_MEMORY, "no memory to list the log's segments");
}

/* Adds a segment at the end of the list. `last_fd` is its file, open for writing, or -1. */
static void add(struct segments *segments, const struct segment *segment, int last_fd) {
  lock_take(&segments->lock);
  CHECK(segments->count < segments->cap);
  CHECK(segments->count == 0 || segments->items[segments->count - 1].base < segment->base);
  segments->items[segments->count++] = *segment;
  segments->last_fd = last_fd;
  lock_give(&segments->lock);
}

size_t segments_count(struct segments *segments) {
  lock_take(&segments->lock);
  size_t count = segments->count;
  lock_give(&segments->lock);
  return count;
}

struct segment segments_at(struct segments *segments, size_t index) {
  lock_take(&segments->lock);
  CHECK(index < segments->count);
  struct segment segment = segments->items[index];
  lock_give(&segments->lock);
  return segment;
}

struct segment segments_last(struct segments *segments) {
  return segments_at(segments, segments->count - 1);
}

bool segments_find(struct segments *segments, uint64_t position, struct segment *ret) {
  lock_take(&segments->lock);
  size_t low = 0, high = segments->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (segments->items[middle].base <= position)
      low = middle + 1;
    else
      high = middle;
  }
  if (low > 0) *ret = segments->items[low - 1];
  lock_give(&segments->lock);
  return low > 0;
}

const uint8_t *segments_uuid(const struct segments *segments) { return segments->uuid; }
int segments_last_fd(const struct segments *segments) { return segments->last_fd; }

void segments_resize(struct segments *segments, uint64_t size) {
  lock_take(&segments->lock);
  CHECK(!segments->read_only && segments->count > 0);
  segments->items[segments->count - 1].size = size;
  lock_give(&segments->lock);
}

/* ---- opening ---- */

static struct segments *segments_new(const char *dir, bool read_only) {
  struct segments *segments = calloc(1, sizeof *segments);
  CHECK(segments != NULL);
  lock_init(&segments->lock);
  segments->dir = strdup(dir);
  CHECK(segments->dir != NULL);
  segments->read_only = read_only;
  segments->last_fd = -1;
  segments->presence = PRESENCE_NONE;
  return segments;
}

static void release(struct segment_file *file) {
  if (file == NULL || atomic_fetch_sub(&file->holds, 1) > 1) return;
  (void)close(file->fd);
  free(file);
}

void segments_free(struct segments *segments) {
  if (segments == NULL) return;
  for (size_t i = 0; i < SEGMENTS_OPEN; i++)
    release(segments->open[i]);
  if (segments->last_fd >= 0) (void)close(segments->last_fd);
  presence_fini(&segments->presence);
  lock_fini(&segments->lock);
  vector_fini(segments);
  free(segments->dir);
  free(segments);
}

static int open_file(const struct segments *segments, const char *name, int flags, int *ret, struct err *err) {
  SCOPED_MALLOC char *path = file_path(segments->dir, name);
  int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    return err_set(err, ERR_CORRUPT, "log/%s is missing: restore it from a backup", name);
  }
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open log/%s", name);
  *ret = fd;
  return 0;
}

static int add_named(struct segments *segments, const char *name, struct err *err) {
  struct segment segment = {0};
  unsigned long long base;
  int used = 0;
  bool named = strlen(name) == SEGMENT_NAME_SIZE - 1 && sscanf(name, "%16llx.seg%n", &base, &used) == 1 &&
               used == SEGMENT_NAME_SIZE - 1;
  if (!named) return err_set(err, ERR_CORRUPT, "unexpected file log/%s: move it out of the log directory", name);
  segment.base = base;
  memcpy(segment.name, name, SEGMENT_NAME_SIZE);
  SCOPED_FD int fd = -1;
  int result = open_file(segments, name, O_RDONLY, &fd, err);
  if (result == 0) result = file_size(fd, name, &segment.size, err);
  if (result == 0) result = expect_one(segments, err);
  if (result == 0) add(segments, &segment, -1);
  return result;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int is_entry(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int list(struct segments *segments, struct err *err) {
  struct dirent **entries;
  int count = scandir(segments->dir, &entries, is_entry, by_name);
  if (count < 0 && errno == ENOENT) return 0;
  if (count < 0) return err_set_errno(err, ERR_IO, errno, "cannot list %s", segments->dir);
  int result = 0;
  for (int i = 0; i < count; i++) {
    if (result == 0) result = add_named(segments, entries[i]->d_name, err);
    free(entries[i]);
  }
  free(entries);
  return result;
}

static bool all_zero(const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

static int is_unfinished(const struct segments *segments, const struct segment *segment, bool *ret, struct err *err) {
  char head[SEGMENT_HEAD_SIZE] = {0};
  size_t got;
  SCOPED_FD int fd = -1;
  int result = open_file(segments, segment->name, O_RDONLY, &fd, err);
  if (result == 0) result = file_read(fd, segment->name, 0, head, sizeof head, &got, err);
  if (result != 0) return result;
  *ret = got < sizeof head || all_zero(head, sizeof head);
  if (!*ret || segment->size <= SEGMENT_HEAD_SIZE) return 0;
  return err_set(err, ERR_CORRUPT, "log/%s: the header (offset 0) is missing: restore it from a backup",
                 segment->name);
}

/* A crash while the last segment was made leaves it without a whole head and without blocks: the writer removes it, a
 * reader ignores it. */
static int drop_unfinished(struct segments *segments, bool *ret_dropped, struct err *err) {
  struct segment last = segments_last(segments);
  int result = is_unfinished(segments, &last, ret_dropped, err);
  if (result != 0 || !*ret_dropped) return result;
  segments->count--;
  if (segments->read_only) return 0;
  diag_warning("removed log/%s: a crash interrupted the making of this segment, and it holds no events", last.name);
  SCOPED_MALLOC char *path = file_path(segments->dir, last.name);
  if (unlink(path) != 0) return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
  return file_sync_dir(segments->dir, err);
}

static int check_one(struct segments *segments, struct segment *segment, uint64_t expected, struct err *err) {
  char head[SEGMENT_HEAD_SIZE];
  SCOPED_FD int fd = -1;
  int result = open_file(segments, segment->name, O_RDONLY, &fd, err);
  if (result == 0) result = read_head(fd, segment, head, err);
  if (result != 0) return result;
  if (segment->base != expected) {
    return err_set(err, ERR_CORRUPT,
                   "the log has a gap from position %" PRIu64
                   " to log/%s: a segment is missing or cut short; restore the log from a backup",
                   expected, segment->name);
  }
  segment->format = le32_load(head + AT_FORMAT);
  if (expected == 0) memcpy(segments->uuid, head + AT_UUID, LEDGER_UUID_SIZE);
  return check_uuid(segments, segment, head, err);
}

static int check_all(struct segments *segments, struct err *err) {
  uint64_t expected = 0;
  for (size_t i = 0; i < segments->count; i++) {
    struct segment *segment = &segments->items[i];
    int result = check_one(segments, segment, expected, err);
    if (result != 0) return result;
    expected = segment->base + segment->size;
  }
  return 0;
}

static int open_last(struct segments *segments, struct err *err) {
  struct segment last = segments_last(segments);
  int result = open_file(segments, last.name, O_RDWR, &segments->last_fd, err);
  return result == 0 ? presence_begin(&segments->presence, segments->dir, err) : result;
}

int segments_open(const char *dir, bool read_only, struct segments **ret, struct err *err) {
  SCOPED(segments_free_ref) struct segments *segments = segments_new(dir, read_only);
  int result = list(segments, err);
  bool dropped = segments->count > 0;
  while (result == 0 && dropped && segments->count > 0)
    result = drop_unfinished(segments, &dropped, err);
  if (result == 0) result = check_all(segments, err);
  if (result == 0 && !read_only && segments->count > 0) result = open_last(segments, err);
  if (result == 0) *ret = MOVE(segments);
  return result;
}

/* ---- reading ---- */

/* The open file of a segment, held for the caller; NULL if it is not open. Called with the lock held. */
static struct segment_file *hold_open(struct segments *segments, uint64_t base) {
  for (size_t i = 0; i < SEGMENTS_OPEN; i++) {
    struct segment_file *file = segments->open[i];
    if (file == NULL || file->base != base) continue;
    (void)atomic_fetch_add(&file->holds, 1);
    file->used = ++segments->uses;
    return file;
  }
  return NULL;
}

/* Keeps a file open beyond its use, in a free place or instead of the least recently used one. Called with the lock
 * held. */
static void keep_open(struct segments *segments, struct segment_file *file) {
  size_t oldest = 0;
  for (size_t i = 0; i < SEGMENTS_OPEN; i++) {
    if (segments->open[i] == NULL) {
      oldest = i;
      break;
    }
    if (segments->open[i]->used < segments->open[oldest]->used) oldest = i;
  }
  release(segments->open[oldest]);
  (void)atomic_fetch_add(&file->holds, 1);
  file->used = ++segments->uses;
  segments->open[oldest] = file;
}

static int open_checked(const struct segments *segments, const struct segment *segment, struct segment_file **ret,
                        struct err *err) {
  char head[SEGMENT_HEAD_SIZE];
  SCOPED_FD int fd = -1;
  int result = open_file(segments, segment->name, O_RDONLY, &fd, err);
  if (result == 0) result = read_head(fd, segment, head, err);
  if (result == 0) result = check_uuid(segments, segment, head, err);
  if (result != 0) return result;
  struct segment_file *file = malloc(sizeof *file);
  if (file == NULL) return err_set(err, ERR_MEMORY, "no memory to open log/%s", segment->name);
  *file = (struct segment_file){.holds = 1, .base = segment->base, .fd = fd};
  fd = -1;
  *ret = file;
  return 0;
}

/* Opens the file without the lock, so that no thread waits for another thread's I/O. Two readers may therefore open
 * the same file at once; both descriptors are kept. */
int segments_use(struct segments *segments, uint64_t position, struct segment_use *ret, struct err *err) {
  struct segment segment;
  if (!segments_find(segments, position, &segment)) {
    return err_set(err, ERR_CORRUPT, "no segment of the log holds position %" PRIu64, position);
  }
  lock_take(&segments->lock);
  struct segment_file *file = hold_open(segments, segment.base);
  lock_give(&segments->lock);
  if (file == NULL) {
    int result = open_checked(segments, &segment, &file, err);
    if (result != 0) return result;
    lock_take(&segments->lock);
    keep_open(segments, file);
    lock_give(&segments->lock);
  }
  *ret = (struct segment_use){.segment = segment, .file = file, .fd = file->fd};
  return 0;
}

void segment_done(struct segment_use *use) {
  release(use->file);
  use->file = NULL;
}

/* ---- writing ---- */

static int write_new(const struct segments *segments, int fd, const char *path, uint64_t base, int64_t now_ms,
                     struct err *err) {
  char head[SEGMENT_HEAD_SIZE];
  make_head(head, segments->uuid, base, now_ms);
  int result = file_write(fd, path, 0, head, sizeof head, err);
  if (result == 0) result = file_sync(fd, path, err);
  return result == 0 ? file_sync_dir(segments->dir, err) : result;
}

int segments_create(struct segments *segments, const uint8_t uuid[LEDGER_UUID_SIZE], uint64_t base, int64_t now_ms,
                    struct err *err) {
  CHECK(!segments->read_only && (segments->count == 0) == (base == 0));
  struct segment segment = {.base = base, .size = SEGMENT_HEAD_SIZE, .format = SEGMENT_FORMAT};
  (void)snprintf(segment.name, sizeof segment.name, "%016" PRIx64 ".seg", base);
  if (base == 0) memcpy(segments->uuid, uuid, LEDGER_UUID_SIZE);
  int result = base == 0 ? file_make_dir(segments->dir, err) : 0;
  if (result == 0 && base == 0) result = presence_begin(&segments->presence, segments->dir, err);
  if (result == 0) result = expect_one(segments, err);
  if (result != 0) return result;
  SCOPED_MALLOC char *path = file_path(segments->dir, segment.name);
  SCOPED_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create log/%s", segment.name);
  result = write_new(segments, fd, path, base, now_ms, err);
  if (result != 0) {
    (void)unlink(path);
    return result;
  }
  int before = segments->last_fd;
  add(segments, &segment, fd);
  fd = -1;
  if (before >= 0) (void)close(before);
  return 0;
}

/* ---- presence ---- */

static int missing(const struct segment *segment, const char *what, struct err *err) {
  return err_set(err, ERR_CORRUPT, "log/%s was %s", segment->name, what);
}

/* The writer may begin the next segment during this check; the result for this segment stays valid. */
static int check_last(struct segments *segments, struct err *err) {
  lock_take(&segments->lock);
  struct segment last = segments->items[segments->count - 1];
  struct stat held, named;
  int held_code = fstat(segments->last_fd, &held);
  lock_give(&segments->lock);
  SCOPED_MALLOC char *path = file_path(segments->dir, last.name);
  if (held_code != 0) return err_set_errno(err, ERR_IO, errno, "cannot check log/%s", last.name);
  if (held.st_nlink == 0) return missing(&last, "removed", err);
  if ((uint64_t)held.st_size < last.size) return missing(&last, "cut short", err);
  if (lstat(path, &named) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return missing(&last, "moved away", err);
    return err_set_errno(err, ERR_IO, errno, "cannot check log/%s", last.name);
  }
  bool same = named.st_dev == held.st_dev && named.st_ino == held.st_ino;
  return same ? 0 : missing(&last, "replaced by another file", err);
}

static int check_others(struct segments *segments, struct err *err) {
  for (size_t i = 0; i + 1 < segments_count(segments); i++) {
    struct segment segment = segments_at(segments, i);
    SCOPED_MALLOC char *path = file_path(segments->dir, segment.name);
    struct stat named;
    if (lstat(path, &named) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return missing(&segment, "removed", err);
      return err_set_errno(err, ERR_IO, errno, "cannot check log/%s", segment.name);
    }
    if ((uint64_t)named.st_size < segment.size) return missing(&segment, "cut short", err);
  }
  return 0;
}

int segments_check_presence(struct segments *segments, bool all, struct err *err) {
  CHECK(!segments->read_only && segments_count(segments) > 0);
  int result = presence_check(&segments->presence, err);
  if (result == 0) result = check_last(segments, err);
  return result == 0 && all ? check_others(segments, err) : result;
}
