/* Segments are named by the position of their first byte, so a position finds its file by the names alone. A new one
 * is written, synced, and its directory synced, before a block goes into it; so a segment without a whole head can
 * only be the last, and empty, and is removed.
 *
 *   log_open ──> log_recover ──> log_next ──> log_append ─┐
 *                                   ^                     │  0: synced
 *                                   └─────────────────────┘  -ERR_FULL: cut back to the synced end
 *                                                            other: `broken`, for good
 *
 * Threads: the writer alone changes the list of segments and the end; readers look a segment up under a short lock.
 */
#include "ledger/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/file.h"
#include "ledger/syncer.h"

#define SEGMENT_VERSION 1u
#define SEGMENT_NAME_SIZE 21 /* 16 hex digits, ".seg", NUL */
static const char segment_magic[8] = "CMSEGMNT";

enum { AT_VERSION = 8, AT_HEAD_SIZE = 12, AT_UUID = 16, AT_BASE = 32, AT_CREATED = 40, AT_CRC = 60 };

struct segment {
  uint64_t base; /* position of its first byte */
  uint64_t size; /* bytes of the file that count */
  int fd;
  char name[SEGMENT_NAME_SIZE];
};

struct log {
  char *data; /* the data directory */
  char *dir;  /* DATA/log */
  uint64_t segment_size;
  uint8_t uuid[LEDGER_UUID_SIZE];
  pthread_mutex_t lock;     /* the list of segments */
  struct segment *segments; /* by base */
  size_t count;
  _Atomic uint64_t end; /* position behind the last block; readers of any thread look */
  uint64_t synced;
  struct syncer *syncer; /* NULL until it is first wanted */
  bool broken; /* a write or sync failed: nothing more is taken */
  bool read_only;
};

/* ---- segments ---- */

static void segment_head(char head[SEGMENT_HEAD_SIZE], const uint8_t *uuid, uint64_t base, int64_t now_ms) {
  memset(head, 0, SEGMENT_HEAD_SIZE);
  memcpy(head, segment_magic, sizeof segment_magic);
  le32_store(head + AT_VERSION, SEGMENT_VERSION);
  le32_store(head + AT_HEAD_SIZE, SEGMENT_HEAD_SIZE);
  memcpy(head + AT_UUID, uuid, LEDGER_UUID_SIZE);
  le64_store(head + AT_BASE, base);
  le64_store(head + AT_CREATED, (uint64_t)now_ms);
  le32_store(head + AT_CRC, crc32c(head, AT_CRC));
}

static int check_head(const struct segment *segment, const char head[SEGMENT_HEAD_SIZE], struct err *err) {
  if (memcmp(head, segment_magic, sizeof segment_magic) != 0) {
    return err_set(err, ERR_CORRUPT, "log/%s is not a segment of a codecmeter log; restore it from a backup",
                   segment->name);
  }
  uint32_t version = le32_load(head + AT_VERSION);
  if (version > SEGMENT_VERSION) {
    return err_set(err, ERR_VERSION, "log/%s has format %u, this version knows up to %u: use a later codecmeter",
                   segment->name, version, SEGMENT_VERSION);
  }
  if (crc32c(head, AT_CRC) != le32_load(head + AT_CRC) || le64_load(head + AT_BASE) != segment->base ||
      le32_load(head + AT_HEAD_SIZE) != SEGMENT_HEAD_SIZE) {
    return err_set(err, ERR_CORRUPT, "log/%s: its header (offset 0) is damaged; restore it from a backup",
                   segment->name);
  }
  return 0;
}

static struct segment *last_segment(struct log *log) { return &log->segments[log->count - 1]; }

static void add_segment(struct log *log, const struct segment *segment) {
  (void)pthread_mutex_lock(&log->lock);
  struct segment *grown = realloc(log->segments, (log->count + 1) * sizeof *grown);
  CHECK(grown != NULL);
  log->segments = grown;
  log->segments[log->count++] = *segment;
  (void)pthread_mutex_unlock(&log->lock);
}

/* Copies the segment that holds a position; false when none does. */
static bool find_segment(struct log *log, uint64_t position, struct segment *ret) {
  (void)pthread_mutex_lock(&log->lock);
  size_t low = 0, high = log->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (log->segments[middle].base <= position)
      low = middle + 1;
    else
      high = middle;
  }
  bool found = low > 0;
  if (found) *ret = log->segments[low - 1];
  (void)pthread_mutex_unlock(&log->lock);
  return found;
}

static int create_segment(struct log *log, uint64_t base, int64_t now_ms, struct err *err) {
  struct segment segment = {.base = base, .size = SEGMENT_HEAD_SIZE};
  (void)snprintf(segment.name, sizeof segment.name, "%016" PRIx64 ".seg", base);
  SCOPED_MALLOC char *path = file_path(log->dir, segment.name);
  segment.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (segment.fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create log/%s", segment.name);
  char head[SEGMENT_HEAD_SIZE];
  segment_head(head, log->uuid, base, now_ms);
  int result = file_write(segment.fd, path, 0, head, sizeof head, err);
  if (result == 0) result = file_sync(segment.fd, path, err);
  if (result == 0) result = file_sync_dir(log->dir, err);
  if (result != 0) {
    (void)close(segment.fd);
    (void)unlink(path);
    return result;
  }
  add_segment(log, &segment);
  log->end = base + SEGMENT_HEAD_SIZE;
  return 0;
}

/* ---- opening ---- */

static struct log *log_new(const char *data, uint64_t segment_size) {
  struct log *log = calloc(1, sizeof *log);
  CHECK(log != NULL);
  log->data = strdup(data);
  log->dir = file_path(data, "log");
  log->segment_size = segment_size;
  CHECK(log->data != NULL && pthread_mutex_init(&log->lock, NULL) == 0);
  return log;
}

void log_close(struct log *log) {
  if (log == NULL) return;
  syncer_free(log->syncer);
  for (size_t i = 0; i < log->count; i++)
    (void)close(log->segments[i].fd);
  free(log->segments);
  free(log->dir);
  free(log->data);
  (void)pthread_mutex_destroy(&log->lock);
  free(log);
}

static int open_segment(struct log *log, const char *name, struct err *err) {
  struct segment segment = {.fd = -1};
  unsigned long long base;
  int used = 0;
  bool named = strlen(name) == SEGMENT_NAME_SIZE - 1 && sscanf(name, "%16llx.seg%n", &base, &used) == 1 &&
               used == SEGMENT_NAME_SIZE - 1;
  if (!named) return err_set(err, ERR_CORRUPT, "log/%s does not belong into a log; move it elsewhere", name);
  segment.base = base;
  memcpy(segment.name, name, SEGMENT_NAME_SIZE);
  SCOPED_MALLOC char *path = file_path(log->dir, name);
  segment.fd = open(path, (log->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
  if (segment.fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open log/%s", name);
  add_segment(log, &segment);
  return file_size(segment.fd, path, &last_segment(log)->size, err);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int is_entry(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int open_segments(struct log *log, struct err *err) {
  struct dirent **entries;
  int count = scandir(log->dir, &entries, is_entry, by_name);
  if (count < 0 && errno == ENOENT) return 0;
  if (count < 0) return err_set_errno(err, ERR_IO, errno, "cannot list %s", log->dir);
  int result = 0;
  for (int i = 0; i < count; i++) {
    if (result == 0) result = open_segment(log, entries[i]->d_name, err);
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

/* A segment whose making was cut off has no whole head and holds nothing: it is removed, by who may. */
static int drop_unfinished(struct log *log, bool *ret_dropped, struct err *err) {
  struct segment *segment = last_segment(log);
  char head[SEGMENT_HEAD_SIZE] = {0};
  size_t got;
  int result = file_read(segment->fd, segment->name, 0, head, sizeof head, &got, err);
  if (result != 0) return result;
  *ret_dropped = got < sizeof head || all_zero(head, sizeof head);
  if (!*ret_dropped) return 0;
  if (segment->size > SEGMENT_HEAD_SIZE) {
    return err_set(err, ERR_CORRUPT, "log/%s: its header (offset 0) is missing; restore it from a backup",
                   segment->name);
  }
  if (log->read_only) {
    (void)close(segment->fd);
    log->count--;
    return 0;
  }
  diag_warning("log/%s was never finished and holds nothing: removed", segment->name);
  SCOPED_MALLOC char *path = file_path(log->dir, segment->name);
  (void)close(segment->fd);
  log->count--;
  if (unlink(path) != 0) return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
  return file_sync_dir(log->dir, err);
}

static int check_segments(struct log *log, struct err *err) {
  uint64_t expected = 0;
  for (size_t i = 0; i < log->count; i++) {
    struct segment *segment = &log->segments[i];
    char head[SEGMENT_HEAD_SIZE];
    size_t got;
    int result = file_read(segment->fd, segment->name, 0, head, sizeof head, &got, err);
    if (result == 0 && got < sizeof head) result = err_set(err, ERR_CORRUPT, "log/%s is cut short", segment->name);
    if (result == 0) result = check_head(segment, head, err);
    if (result != 0) return result;
    if (segment->base != expected) {
      return err_set(err, ERR_CORRUPT,
                     "the log has nothing from position %" PRIu64
                     " to log/%s: a segment is missing or cut short; "
                     "restore it from a backup",
                     expected, segment->name);
    }
    if (i == 0) memcpy(log->uuid, head + AT_UUID, LEDGER_UUID_SIZE);
    if (memcmp(log->uuid, head + AT_UUID, LEDGER_UUID_SIZE) != 0) {
      return err_set(err, ERR_CORRUPT, "log/%s belongs to another ledger; move it elsewhere", segment->name);
    }
    expected = segment->base + segment->size;
  }
  log->end = expected;
  return 0;
}

static int open_log(const char *dir, uint64_t segment_size, bool read_only, struct log **ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = log_new(dir, segment_size);
  log->read_only = read_only;
  int result = open_segments(log, err);
  bool dropped = log->count > 0;
  while (result == 0 && dropped && log->count > 0)
    result = drop_unfinished(log, &dropped, err);
  if (result == 0) result = check_segments(log, err);
  if (result != 0) return result;
  *ret = log->count > 0 ? MOVE(log) : NULL;
  return 0;
}

int log_open(const char *dir, uint64_t segment_size, struct log **ret, struct err *err) {
  return open_log(dir, segment_size, false, ret, err);
}

int log_open_to_read(const char *dir, struct log **ret, struct err *err) {
  int result = open_log(dir, 0, true, ret, err);
  if (result == 0 && *ret == NULL) {
    return err_set(err, ERR_NOT_FOUND, "%s/log holds no ledger: is this the data directory?", dir);
  }
  return result;
}

size_t log_segments(const struct log *log) { return log->count; }

struct log_segment log_segment(const struct log *log, size_t index) {
  CHECK(log->read_only && index < log->count);
  const struct segment *segment = &log->segments[index];
  return (struct log_segment){.name = segment->name, .base = segment->base, .size = segment->size};
}

int log_sync_to_read(const struct log *log, struct err *err) {
  const struct segment *segment = &log->segments[log->count - 1]; /* the others were synced before it was begun */
  return file_sync_data(segment->fd, segment->name, err);
}

int log_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], int64_t now_ms, uint64_t segment_size,
               struct log **ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = log_new(dir, segment_size);
  memcpy(log->uuid, uuid, LEDGER_UUID_SIZE);
  int result = file_make_dir(log->dir, err);
  if (result == 0) result = create_segment(log, 0, now_ms, err);
  if (result != 0) return result;
  log->synced = log->end;
  *ret = MOVE(log);
  return 0;
}

const uint8_t *log_uuid(const struct log *log) { return log->uuid; }
uint64_t log_end(const struct log *log) { return log->end; }
uint64_t log_synced(const struct log *log) { return log->synced; }

/* ---- reading ---- */

/* Duplicates come in storms that hit a few blocks again and again. */
#define READER_BLOCKS 8

struct log_reader {
  struct log *log;
  unsigned next; /* whose turn it is to be replaced */
  struct held {
    char *bytes; /* BLOCK_MAX of them */
    struct block block;
    bool valid;
  } held[READER_BLOCKS];
};

struct log_reader *log_reader_new(struct log *log) {
  struct log_reader *reader = calloc(1, sizeof *reader);
  if (reader != NULL) reader->log = log;
  return reader;
}

void log_reader_free(struct log_reader *reader) {
  if (reader == NULL) return;
  for (int i = 0; i < READER_BLOCKS; i++)
    free(reader->held[i].bytes);
  free(reader);
}

static int at_fault(const struct segment *segment, uint64_t position, struct err *err) {
  return err_prefix(err, "log/%s, offset %" PRIu64, segment->name, position - segment->base);
}

static int read_into(struct held *held, struct log *log, uint64_t position, struct err *err) {
  struct segment segment;
  if (!find_segment(log, position, &segment)) return err_set(err, ERR_CORRUPT, "no segment holds %" PRIu64, position);
  uint64_t offset = position - segment.base;
  char head[BLOCK_HEAD_SIZE];
  size_t got;
  int result = file_read(segment.fd, segment.name, offset, head, sizeof head, &got, err);
  if (result != 0) return result;
  size_t length = block_claimed_length(str_make(head, got), position);
  result = length == 0 ? err_set(err, ERR_CORRUPT, "no block begins here")
                       : file_read(segment.fd, segment.name, offset, held->bytes, length, &got, err);
  if (result == 0) result = block_read(str_make(held->bytes, got), position, &held->block, err);
  held->valid = result == 0;
  return result == 0 ? 0 : at_fault(&segment, position, err);
}

static bool holds(const struct held *held, uint64_t position) {
  return held->valid && position >= held->block.position && position - held->block.position < held->block.bytes.len;
}

static const struct held *find_held(const struct log_reader *reader, uint64_t position) {
  for (int i = 0; i < READER_BLOCKS; i++) {
    if (holds(&reader->held[i], position)) return &reader->held[i];
  }
  return NULL;
}

int log_read_block(struct log_reader *reader, uint64_t position, const struct block **ret, struct err *err) {
  const struct held *found = find_held(reader, position);
  if (found != NULL && found->block.position == position) {
    *ret = &found->block;
    return 0;
  }
  if (position >= reader->log->end) return -ERR_NOT_FOUND;
  struct held *held = &reader->held[reader->next];
  reader->next = (reader->next + 1) % READER_BLOCKS;
  held->valid = false;
  if (held->bytes == NULL) held->bytes = malloc(BLOCK_MAX);
  if (held->bytes == NULL) return err_set(err, ERR_MEMORY, "no memory to read a block");
  int result = read_into(held, reader->log, position, err);
  if (result == 0) *ret = &held->block;
  return result;
}

/* The record says how far behind its block's head it stands; the block must then bear it out. */
static int block_start(struct log *log, uint64_t position, uint64_t *ret, struct err *err) {
  struct segment segment;
  char back[4];
  size_t got = 0;
  if (!find_segment(log, position, &segment)) return err_set(err, ERR_CORRUPT, "no segment holds %" PRIu64, position);
  uint64_t offset = position - segment.base;
  int result = file_read(segment.fd, segment.name, offset + 4, back, sizeof back, &got, err);
  if (result != 0) return result;
  uint32_t distance = got == sizeof back ? le32_load(back) : 0;
  if (distance < BLOCK_HEAD_SIZE || distance >= BLOCK_MAX || offset < SEGMENT_HEAD_SIZE + distance) {
    (void)err_set(err, ERR_CORRUPT, "no record stands here");
    return at_fault(&segment, position, err);
  }
  *ret = position - distance;
  return 0;
}

int log_read_record(struct log_reader *reader, uint64_t position, struct record *ret, struct err *err) {
  const struct held *held = find_held(reader, position);
  const struct block *block = held != NULL ? &held->block : NULL;
  int result = 0;
  if (block == NULL) {
    uint64_t start = 0;
    result = block_start(reader->log, position, &start, err);
    if (result == 0) result = log_read_block(reader, start, &block, err);
    if (result == -ERR_NOT_FOUND)
      result = err_set(err, ERR_CORRUPT, "a record beyond the end of the log is asked for");
    if (result != 0) return result;
  }
  return block_record_at(block, (uint32_t)(position - block->position), ret, err);
}

uint64_t log_position_behind(const struct log *log, const struct block *block) {
  uint64_t behind = block->position + block->bytes.len;
  struct segment segment;
  bool begins_segment =
      behind < log->end && find_segment((struct log *)(uintptr_t)log, behind, &segment) && segment.base == behind;
  return begins_segment ? behind + SEGMENT_HEAD_SIZE : behind;
}

/* ---- recovery ---- */

/* What a scan of the last segment learns. */
struct scan {
  struct log *log;
  uint64_t position; /* behind the last good block */
  uint64_t synced;   /* the furthest that is known to have been synced */
};

/* Is there a valid block in the tail that begins with a bad one, at `bad`, and does it say that that one was synced?
 */
static bool tail_says_synced(struct str tail, uint64_t bad) {
  SCOPED_MALLOC struct block *block = malloc(sizeof *block);
  CHECK(block != NULL);
  for (size_t at = BLOCK_ALIGN; at + BLOCK_HEAD_SIZE <= tail.len; at += BLOCK_ALIGN) {
    struct str rest = str_make(tail.ptr + at, tail.len - at);
    if (block_claimed_length(rest, bad + at) == 0) continue;
    if (block_read(rest, bad + at, block, NULL) == 0 && block->synced > bad) return true;
  }
  return false;
}

/* Looks at the last segment from a bad block on. */
static int look_at_tail(struct scan *scan, uint64_t bad, bool *ret_synced, bool *ret_zero, struct err *err) {
  struct segment *segment = last_segment(scan->log);
  uint64_t length = segment->base + segment->size - bad;
  SCOPED_MALLOC char *tail = malloc(length + 1);
  if (tail == NULL) return err_set(err, ERR_MEMORY, "no memory to look at a torn tail");
  size_t got;
  int result = file_read(segment->fd, segment->name, bad - segment->base, tail, length, &got, err);
  if (result != 0) return result;
  *ret_zero = all_zero(tail, got);
  *ret_synced = tail_says_synced(str_make(tail, got), bad);
  return 0;
}

/* Keeps a copy of what is about to be cut: DATA/cut/<position>-<time>. */
static int keep_cut(struct log *log, const struct segment *segment, uint64_t from, struct err *err) {
  SCOPED_MALLOC char *dir = file_path(log->data, "cut");
  int result = file_make_dir(dir, err);
  if (result != 0) return result;
  char name[64];
  (void)snprintf(name, sizeof name, "%016" PRIx64 "-%lld", from, (long long)time(NULL));
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot keep a torn tail as %s", path);
  char piece[1 << 16];
  uint64_t at = from - segment->base, to = 0;
  for (size_t got = sizeof piece; got == sizeof piece && result == 0;) {
    result = file_read(segment->fd, segment->name, at, piece, sizeof piece, &got, err);
    if (result == 0) result = file_write(fd, path, to, piece, got, err);
    at += got;
    to += got;
  }
  if (result == 0) result = file_sync(fd, path, err);
  return result == 0 ? file_sync_dir(dir, err) : result;
}

static int cut_tail(struct log *log, uint64_t from, struct err *err) {
  struct segment *segment = last_segment(log);
  if (ftruncate(segment->fd, (off_t)(from - segment->base)) != 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot cut log/%s", segment->name);
  }
  segment->size = from - segment->base;
  log->end = from;
  return file_sync(segment->fd, segment->name, err);
}

/* A block at `bad` cannot be read, for the reason in err. Is it a torn tail, never acknowledged? Anything else is an
 * error. */
static int judge_damage(struct scan *scan, uint64_t bad, bool *ret_zero, struct err *err) {
  struct segment *segment = last_segment(scan->log);
  bool synced = true;
  struct err reason = *err;
  if (bad >= segment->base && bad >= scan->synced) {
    int result = look_at_tail(scan, bad, &synced, ret_zero, err);
    if (result != 0) return result;
  }
  if (!synced) return 0;
  *err = reason;
  return err_prefix(err, "the log is damaged where it had been synced; restore it from a backup");
}

static int cut_torn(struct log *log, uint64_t bad, bool zero, const struct err *reason, struct err *err) {
  struct segment *segment = last_segment(log);
  if (!zero) {
    uint64_t lost = segment->base + segment->size - bad;
    diag_warning("cut a torn tail of %" PRIu64 " bytes, never acknowledged: log/%s from offset %" PRIu64
                 " (%s); kept under cut/",
                 lost, segment->name, bad - segment->base, reason->text);
    int result = keep_cut(log, segment, bad, err);
    if (result != 0) return result;
  }
  return cut_tail(log, bad, err);
}

static int rewrite_unsynced(struct scan *scan, uint64_t from, struct err *err) {
  struct log *log = scan->log;
  struct segment *segment = last_segment(log);
  if (from < segment->base) from = segment->base;
  SCOPED_MALLOC char *piece = malloc(BLOCK_MAX);
  if (piece == NULL) return err_set(err, ERR_MEMORY, "no memory for recovery");
  for (uint64_t at = from; at < log->end;) {
    size_t want = log->end - at < BLOCK_MAX ? (size_t)(log->end - at) : BLOCK_MAX, got;
    int result = file_read(segment->fd, segment->name, at - segment->base, piece, want, &got, err);
    if (result == 0 && got != want) result = err_set(err, ERR_IO, "log/%s shrank while it was read", segment->name);
    if (result == 0) result = file_write(segment->fd, segment->name, at - segment->base, piece, want, err);
    if (result != 0) return result;
    at += want;
  }
  int result = file_sync(segment->fd, segment->name, err);
  return result == 0 ? file_sync_dir(log->dir, err) : result;
}

/* Finds where the last segment's good blocks end; -ERR_CORRUPT when something else stands there. */
static int scan_tail(struct scan *scan, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(scan->log);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory for recovery");
  for (;;) {
    const struct block *block;
    int result = log_read_block(reader, scan->position, &block, err);
    if (result != 0) return result == -ERR_NOT_FOUND ? 0 : result;
    if (block->synced > scan->synced) scan->synced = block->synced;
    scan->position = block->position + block->bytes.len;
  }
}

/* Everything before the last segment was synced before that began, and everything below `from` before a checkpoint
 * covered it. What comes behind is read, cut if it is torn, and written anew. */
static int settle_tail(struct log *log, uint64_t from, struct err *err) {
  uint64_t begin = last_segment(log)->base + SEGMENT_HEAD_SIZE;
  if (from > begin) begin = from;
  struct scan scan = {.log = log, .position = begin, .synced = begin};
  int result = scan_tail(&scan, err);
  if (result == -ERR_CORRUPT) {
    bool zero = false;
    struct err reason = *err;
    result = judge_damage(&scan, scan.position, &zero, err);
    if (result == 0) result = cut_torn(log, scan.position, zero, &reason, err);
  }
  if (result == 0) result = rewrite_unsynced(&scan, scan.synced, err);
  if (result == 0) log->synced = log->end;
  return result;
}

/* What was the log's end once is the head of a segment that was begun there since. */
static uint64_t skip_head(struct log *log, uint64_t position) {
  struct segment begun;
  bool is_head = find_segment(log, position, &begun) && begun.base == position;
  return is_head ? position + SEGMENT_HEAD_SIZE : position;
}

int log_recover(struct log *log, uint64_t from, int (*apply)(void *arg, const struct block *block, struct err *err),
                void *arg, struct err *err) {
  if (from > log->end) {
    return err_set(err, ERR_CORRUPT,
                   "derived data reaches to position %" PRIu64 " but the log ends at %" PRIu64
                   ": restore the log from a backup, or run `codecmeter rebuild` to go on with what it holds",
                   from, log->end);
  }
  from = skip_head(log, from);
  int result = settle_tail(log, from, err);
  if (result != 0) return result;
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory for recovery");
  for (uint64_t position = from; position < log->end;) {
    const struct block *block;
    result = log_read_block(reader, position, &block, err);
    if (result == -ERR_CORRUPT) {
      return err_prefix(err, "the log is damaged where it had been synced; restore it from a backup");
    }
    if (result == 0) result = apply(arg, block, err);
    if (result != 0) return result;
    position = log_position_behind(log, block);
  }
  return 0;
}

/* ---- reading all, beside whoever writes ---- */

int log_scan(struct log *log, uint64_t from, int (*visit)(void *arg, const struct block *block, struct err *err),
             void *arg, uint64_t *ret_end, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  struct scan scan = {.log = log, .position = skip_head(log, from), .synced = LOG_FIRST_POSITION};
  while (scan.position < log->end) {
    const struct block *block = NULL;
    int result = log_read_block(reader, scan.position, &block, err);
    if (result == -ERR_CORRUPT) {
      bool zero;
      result = judge_damage(&scan, scan.position, &zero, err);
      if (result == 0) break; /* the rest is being written, or was torn */
    }
    if (result == 0) result = visit(arg, block, err);
    if (result != 0) return result;
    if (block->synced > scan.synced) scan.synced = block->synced;
    scan.position = log_position_behind(log, block);
  }
  *ret_end = scan.position;
  return 0;
}

/* ---- writing ---- */

int log_next(struct log *log, int64_t now_ms, uint64_t *ret_position, struct err *err) {
  if (log->broken) return err_set(err, ERR_IO, "the log takes nothing more after a failed write");
  if (log->end - last_segment(log)->base >= log->segment_size) {
    int result = create_segment(log, log->end, now_ms, err);
    if (result != 0) {
      log->broken = result != -ERR_FULL;
      return result;
    }
    log->synced = log->end;
  }
  *ret_position = log->end;
  return 0;
}

/* Without a thread to be had, one after the other. */
static int sync_segment(struct log *log, const struct segment *segment, void (*meanwhile)(void *arg), void *arg,
                        struct err *err) {
  if (meanwhile == NULL) return file_sync_data(segment->fd, segment->name, err);
  if (log->syncer == NULL) log->syncer = syncer_new();
  if (log->syncer != NULL) syncer_begin(log->syncer, segment->fd, segment->name);
  meanwhile(arg);
  return log->syncer != NULL ? syncer_wait(log->syncer, err) : file_sync_data(segment->fd, segment->name, err);
}

int log_append(struct log *log, struct str blocks, void (*meanwhile)(void *arg), void *arg, struct err *err) {
  CHECK(!log->broken);
  struct segment *segment = last_segment(log);
  uint64_t offset = log->end - segment->base;
  int result = file_write(segment->fd, segment->name, offset, blocks.ptr, blocks.len, err);
  if (result == -ERR_FULL && ftruncate(segment->fd, (off_t)offset) == 0) return result;
  if (result == -ERR_FULL) result = err_set_errno(err, ERR_IO, errno, "cannot cut log/%s back", segment->name);
  /* A sync that failed may have dropped what it could not write: trying again would prove nothing. */
  if (result == 0 && sync_segment(log, segment, meanwhile, arg, err) != 0) result = -ERR_IO;
  if (result != 0) {
    log->broken = true;
    return result;
  }
  (void)pthread_mutex_lock(&log->lock);
  segment->size = offset + blocks.len;
  (void)pthread_mutex_unlock(&log->lock);
  log->end += blocks.len;
  log->synced = log->end;
  return 0;
}
