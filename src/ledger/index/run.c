/* Hashes are uniform, so a search guesses the page of an entry from the hash itself (interpolation), and finds it
 * within a few pages of the guess. In time runs it uses binary search. Both compare the first entry of each page. */
#include "ledger/index/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "ledger/index/run_format.h"

#define REMEDY "stop the server and run `codecmeter rebuild`"

struct run {
  struct run_info info;
  char name[RUN_NAME_SIZE];
  atomic_uint holds;
  int fd;
  const char *map;
  size_t size;
  uint64_t pages, filter_blocks;
};

void run_name(uint64_t number, char out[RUN_NAME_SIZE]) {
  (void)snprintf(out, RUN_NAME_SIZE, "%016" PRIx64 ".run", number);
}

/* ---- opening ---- */

static int check_header(const struct run *run, const uint8_t *uuid, struct err *err) {
  const char *page = run->map;
  if (memcmp(page, RUN_MAGIC, sizeof RUN_MAGIC - 1) != 0) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s is not a run; " REMEDY, run->name);
  }
  if (le32_load(page + RUN_AT_VERSION) > RUN_VERSION) {
    return err_set(err, ERR_VERSION, "derived/runs/%s has format %u, this version knows up to %u; " REMEDY, run->name,
                   le32_load(page + RUN_AT_VERSION), RUN_VERSION);
  }
  if (crc32c(page, RUN_AT_PAGE_CRC) != le32_load(page + RUN_AT_PAGE_CRC)) {
    return err_set(err, ERR_CORRUPT,
                   "derived/runs/%s is damaged: the header at offset 0 does not match its checksum; " REMEDY,
                   run->name);
  }
  if (memcmp(page + RUN_AT_UUID, uuid, LEDGER_UUID_SIZE) != 0) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s belongs to another ledger; " REMEDY, run->name);
  }
  const struct run_info *info = &run->info;
  bool as_listed = le64_load(page + RUN_AT_NUMBER) == info->number && le32_load(page + RUN_AT_KIND) == info->kind &&
                   le64_load(page + RUN_AT_COUNT) == info->count && le64_load(page + RUN_AT_FROM) == info->from &&
                   le64_load(page + RUN_AT_TO) == info->to && le64_load(page + RUN_AT_PAGES) == run->pages &&
                   le64_load(page + RUN_AT_FILTER) == run->filter_blocks;
  if (!as_listed)
    return err_set(err, ERR_CORRUPT, "derived/runs/%s does not match its entry in the run list; " REMEDY, run->name);
  return 0;
}

static int map_file(struct run *run, const char *path, struct err *err) {
  run->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (run->fd < 0 && errno == ENOENT) {
    return err_set(err, ERR_NOT_FOUND, "derived/runs/%s is missing; " REMEDY, run->name);
  }
  if (run->fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open derived/runs/%s", run->name);
  uint64_t size, expected = (1 + run->pages) * RUN_PAGE + run->filter_blocks * RUN_FILTER_BLOCK;
  int result = file_size(run->fd, run->name, &size, err);
  if (result != 0) return result;
  if (size != expected) {
    return err_set(err, ERR_CORRUPT,
                   "derived/runs/%s is damaged: its size is %" PRIu64 " bytes, not %" PRIu64 "; " REMEDY, run->name,
                   size, expected);
  }
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, run->fd, 0);
  if (map == MAP_FAILED) return err_set_errno(err, ERR_IO, errno, "cannot map derived/runs/%s", run->name);
  (void)madvise(map, size, MADV_RANDOM);
  run->map = map;
  run->size = size;
  return 0;
}

int run_open(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info, struct run **ret,
             struct err *err) {
  SCOPED(run_release_ref) struct run *run = calloc(1, sizeof *run);
  if (run == NULL) return err_set(err, ERR_MEMORY, "no memory to open a run: free some memory");
  run->info = *info;
  run->holds = 1;
  run->fd = -1;
  run->pages = run_pages(info->count);
  run->filter_blocks = run_filter_blocks(info);
  run_name(info->number, run->name);
  SCOPED_MALLOC char *path = file_path(dir, run->name);
  int result = map_file(run, path, err);
  if (result == 0) result = check_header(run, uuid, err);
  if (result == 0) *ret = MOVE(run);
  return result;
}

struct run *run_hold(struct run *run) {
  atomic_fetch_add(&run->holds, 1);
  return run;
}

void run_release(struct run *run) {
  if (run == NULL || atomic_fetch_sub(&run->holds, 1) > 1) return;
  if (run->map != NULL) (void)munmap((void *)(uintptr_t)run->map, run->size);
  if (run->fd >= 0) (void)close(run->fd);
  free(run);
}

const struct run_info *run_info(const struct run *run) { return &run->info; }

/* ---- reading ---- */

static int damaged(const struct run *run, uint64_t offset, struct err *err) {
  return err_set(err, ERR_CORRUPT, "derived/runs/%s is damaged at offset %" PRIu64 "; " REMEDY, run->name, offset);
}

static const char *filter_block_of(const struct run *run, struct hash hash) {
  return run->map + (1 + run->pages) * RUN_PAGE + run_scale(hash.high, run->filter_blocks) * RUN_FILTER_BLOCK;
}

void run_prefetch(const struct run *run, struct hash hash) {
  if (run->filter_blocks > 0) __builtin_prefetch(filter_block_of(run, hash));
}

int run_may_hold(const struct run *run, struct hash hash, bool *ret, struct err *err) {
  CHECK(run->info.kind != ENTRY_TIME);
  *ret = false;
  if (run->filter_blocks == 0) return 0;
  const char *block = filter_block_of(run, hash);
  if (crc32c(block, RUN_FILTER_BITS / 8) != le32_load(block + RUN_FILTER_BITS / 8)) {
    return damaged(run, (uint64_t)(block - run->map), err);
  }
  for (unsigned probe = 0; probe < RUN_FILTER_PROBES; probe++) {
    unsigned bit = run_filter_bit(hash.low, probe);
    if ((block[bit / 8] >> bit % 8 & 1) == 0) return 0;
  }
  *ret = true;
  return 0;
}

/* Checks the page of that number, which is at `page`, and returns its entries. */
static int check_page(const struct run *run, uint64_t number, const char *page, const struct entry **ret,
                      uint32_t *ret_count, struct err *err) {
  uint64_t left = run->info.count - number * RUN_PAGE_ENTRIES;
  uint32_t count = le32_load(page + RUN_AT_PAGE_COUNT);
  bool good = crc32c(page, RUN_AT_PAGE_CRC) == le32_load(page + RUN_AT_PAGE_CRC) &&
              le64_load(page + RUN_AT_PAGE_NUMBER) == number &&
              count == (left < RUN_PAGE_ENTRIES ? left : RUN_PAGE_ENTRIES);
  if (!good) return damaged(run, (1 + number) * RUN_PAGE, err);
  *ret = (const struct entry *)(const void *)page;
  *ret_count = count;
  return 0;
}

static int read_page(const struct run *run, uint64_t number, const struct entry **ret, uint32_t *ret_count,
                     struct err *err) {
  CHECK(number < run->pages);
  return check_page(run, number, run->map + (1 + number) * RUN_PAGE, ret, ret_count, err);
}

/* Finds the last page whose first entry is before the wanted one, or page 0. Starts at the guessed page for hashes,
 * in the middle for times. */
static int seek_page(const struct run *run, const struct entry *wanted, uint64_t *ret, struct err *err) {
  uint64_t low = 0, high = run->pages; /* the page is in [low, high) */
  uint64_t guess = run->info.kind == ENTRY_TIME ? high / 2 : run_scale(wanted->first, high);
  for (uint64_t step = 1; high - low > 1;) {
    const struct entry *entries = NULL;
    uint32_t count = 0;
    if (guess <= low) guess = low + 1;
    if (guess >= high) guess = high - 1;
    int result = read_page(run, guess, &entries, &count, err);
    if (result != 0) return result;
    bool before = entry_compare(&entries[0], wanted) < 0;
    if (before)
      low = guess;
    else
      high = guess;
    /* Look near the guess first, in growing steps, then by halves: the cost of a wrong guess is logarithmic. */
    bool bounded = low > 0 && high < run->pages;
    if (bounded || run->info.kind == ENTRY_TIME)
      guess = low + (high - low) / 2;
    else
      guess = before ? low + step : (high > step ? high - step : 1);
    step *= 2;
  }
  *ret = low;
  return 0;
}

int run_seek(const struct run *run, const struct entry *wanted, uint64_t *ret_index, struct err *err) {
  if (run->info.count == 0) {
    *ret_index = 0;
    return 0;
  }
  uint64_t page = 0;
  const struct entry *entries = NULL;
  uint32_t count = 0;
  int result = seek_page(run, wanted, &page, err);
  if (result == 0) result = read_page(run, page, &entries, &count, err);
  if (result != 0) return result;
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (entry_compare(&entries[middle], wanted) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *ret_index = page * RUN_PAGE_ENTRIES + low;
  return 0;
}

int run_entry(const struct run *run, uint64_t index, struct entry *ret, struct err *err) {
  CHECK(index < run->info.count);
  const struct entry *entries = NULL;
  uint32_t count = 0;
  int result = read_page(run, index / RUN_PAGE_ENTRIES, &entries, &count, err);
  if (result == 0) *ret = entries[index % RUN_PAGE_ENTRIES];
  return result;
}

int run_page_at(const struct run *run, uint64_t index, const struct entry **ret, uint64_t *ret_first,
                uint32_t *ret_count, struct err *err) {
  CHECK(index < run->info.count);
  *ret_first = index - index % RUN_PAGE_ENTRIES;
  return read_page(run, index / RUN_PAGE_ENTRIES, ret, ret_count, err);
}

void run_expect(const struct run *run, uint64_t index, bool backwards) {
  uint64_t page = index / RUN_PAGE_ENTRIES;
  if (backwards) page = page + 1 > RUN_EXPECT_PAGES ? page + 1 - RUN_EXPECT_PAGES : 0;
  (void)posix_fadvise(run->fd, (off_t)((1 + page) * RUN_PAGE), RUN_EXPECT_PAGES * RUN_PAGE, POSIX_FADV_WILLNEED);
}

/* ---- reading all ---- */

#define PIECE_PAGES 64u

struct run_cursor {
  const struct run *run;
  uint64_t page;       /* the next one */
  uint64_t read_until; /* pages before this one have been read into `piece` */
  char piece[PIECE_PAGES * RUN_PAGE];
};

struct run_cursor *run_cursor_new(const struct run *run) {
  struct run_cursor *cursor = calloc(1, sizeof *cursor);
  if (cursor == NULL) return NULL;
  cursor->run = run;
  (void)posix_fadvise(run->fd, 0, (off_t)((1 + run->pages) * RUN_PAGE), POSIX_FADV_SEQUENTIAL);
  return cursor;
}

void run_cursor_free(struct run_cursor *cursor) { free(cursor); }

int run_cursor_next(struct run_cursor *cursor, const struct entry **ret, uint32_t *ret_count, struct err *err) {
  const struct run *run = cursor->run;
  if (cursor->page == run->pages) {
    *ret_count = 0;
    return 0;
  }
  if (cursor->page == cursor->read_until) {
    uint64_t left = run->pages - cursor->page, pages = left < PIECE_PAGES ? left : PIECE_PAGES;
    size_t got, want = (size_t)pages * RUN_PAGE;
    int result = file_read(run->fd, run->name, (1 + cursor->page) * RUN_PAGE, cursor->piece, want, &got, err);
    if (result != 0) return result;
    if (got < want) return damaged(run, (1 + cursor->page) * RUN_PAGE + got, err);
    cursor->read_until += pages;
  }
  const char *page = cursor->piece + (cursor->page % PIECE_PAGES) * RUN_PAGE;
  int result = check_page(run, cursor->page, page, ret, ret_count, err);
  if (result == 0) cursor->page++;
  return result;
}

bool run_is_of(const char *path, const uint8_t uuid[LEDGER_UUID_SIZE]) {
  char header[RUN_PAGE];
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || file_read(fd, path, 0, header, sizeof header, &got, NULL) != 0 || got < sizeof header) return false;
  return memcmp(header, RUN_MAGIC, sizeof RUN_MAGIC - 1) == 0 &&
         memcmp(header + RUN_AT_UUID, uuid, LEDGER_UUID_SIZE) == 0;
}
