/* Hashes are uniform, so the page of an entry is guessed from the hash itself (interpolation) and found within a few
 * pages of the guess; time runs are searched by halves. Both use the first entry of each page.
 */
#include "ledger/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/file.h"

#define RUN_VERSION 1u
#define PAGE_SIZE 4096u
#define PAGE_ENTRIES 170u
#define FILTER_BLOCK 64u
#define FILTER_BITS 480u         /* in the 60 bytes before the checksum */
#define FILTER_BLOCK_ENTRIES 40u /* 12 bits an entry */
#define FILTER_PROBES 8u
#define REMEDY "stop the server and run `codecmeter rebuild`"

static const char magic[8] = "CMRUNFIL";

enum {
  AT_VERSION = 8,
  AT_KIND = 12,
  AT_UUID = 16,
  AT_NUMBER = 32,
  AT_COUNT = 40,
  AT_FROM = 48,
  AT_TO = 56,
  AT_PAGES = 64,
  AT_FILTER = 72,
  AT_PAGE_COUNT = 4080,
  AT_PAGE_NUMBER = 4084,
  AT_PAGE_CRC = 4092,
};
_Static_assert(PAGE_ENTRIES * sizeof(struct entry) <= AT_PAGE_COUNT, "a page's entries end before its trailer");

struct run {
  struct run_info info;
  char name[RUN_NAME_SIZE];
  const char *map;
  size_t size;
  uint64_t pages, filter_blocks;
};

void run_name(uint64_t number, char out[RUN_NAME_SIZE]) {
  (void)snprintf(out, RUN_NAME_SIZE, "%016" PRIx64 ".run", number);
}

static uint64_t pages_of(uint64_t count) { return (count + PAGE_ENTRIES - 1) / PAGE_ENTRIES; }

static uint64_t filter_blocks_of(const struct run_info *info) {
  if (info->kind == ENTRY_TIME) return 0;
  return (info->count + FILTER_BLOCK_ENTRIES - 1) / FILTER_BLOCK_ENTRIES;
}

/* x * n / 2^64: where a uniform 64-bit number falls among n. */
static uint64_t scale(uint64_t x, uint64_t n) { return (uint64_t)((unsigned __int128)x * n >> 64); }

/* The i-th bit of a hash in its filter block: two 32-bit halves of the low word, stepped (Kirsch and Mitzenmacher). */
static unsigned filter_bit(uint64_t low, unsigned i) {
  uint32_t step = (uint32_t)(low >> 32) | 1u;
  return (unsigned)(((uint64_t)((uint32_t)low + i * step) * FILTER_BITS) >> 32);
}

/* ---- writing ---- */

static void fill_page(char *page, const struct entry *entries, uint32_t count, uint64_t number) {
  memset(page, 0, PAGE_SIZE);
  memcpy(page, entries, count * sizeof *entries);
  le32_store(page + AT_PAGE_COUNT, count);
  le64_store(page + AT_PAGE_NUMBER, number);
  le32_store(page + AT_PAGE_CRC, crc32c(page, AT_PAGE_CRC));
}

static void fill_header(char *page, const uint8_t *uuid, const struct run_info *info) {
  memset(page, 0, PAGE_SIZE);
  memcpy(page, magic, sizeof magic);
  le32_store(page + AT_VERSION, RUN_VERSION);
  le32_store(page + AT_KIND, (uint32_t)info->kind);
  memcpy(page + AT_UUID, uuid, LEDGER_UUID_SIZE);
  le64_store(page + AT_NUMBER, info->number);
  le64_store(page + AT_COUNT, info->count);
  le64_store(page + AT_FROM, info->from);
  le64_store(page + AT_TO, info->to);
  le64_store(page + AT_PAGES, pages_of(info->count));
  le64_store(page + AT_FILTER, filter_blocks_of(info));
  le32_store(page + AT_PAGE_CRC, crc32c(page, AT_PAGE_CRC));
}

/* The filter is made in memory: 1.6 bytes an entry. */
static char *make_filter(const struct run_info *info, const struct entry *entries) {
  uint64_t blocks = filter_blocks_of(info);
  char *filter = calloc(blocks + 1, FILTER_BLOCK);
  if (filter == NULL) return NULL;
  for (uint64_t i = 0; i < info->count && blocks > 0; i++) {
    char *block = filter + scale(entries[i].first, blocks) * FILTER_BLOCK;
    for (unsigned probe = 0; probe < FILTER_PROBES; probe++) {
      unsigned bit = filter_bit(entries[i].second, probe);
      block[bit / 8] = (char)(block[bit / 8] | 1 << bit % 8);
    }
  }
  for (uint64_t i = 0; i < blocks; i++) {
    char *block = filter + i * FILTER_BLOCK;
    le32_store(block + FILTER_BITS / 8, crc32c(block, FILTER_BITS / 8));
  }
  return filter;
}

/* Pages are gathered and written in pieces of this many. */
#define PIECE_PAGES 64u

static int write_pages(int fd, const char *path, const struct run_info *info, const struct entry *entries,
                       struct err *err) {
  SCOPED_MALLOC char *piece = malloc((size_t)PIECE_PAGES * PAGE_SIZE);
  if (piece == NULL) return err_set(err, ERR_MEMORY, "no memory to write a run");
  uint64_t pages = pages_of(info->count);
  int result = 0;
  for (uint64_t page = 0; page < pages && result == 0; page += PIECE_PAGES) {
    uint64_t n = pages - page < PIECE_PAGES ? pages - page : PIECE_PAGES;
    for (uint64_t i = 0; i < n; i++) {
      uint64_t from = (page + i) * PAGE_ENTRIES;
      uint64_t count = info->count - from < PAGE_ENTRIES ? info->count - from : PAGE_ENTRIES;
      fill_page(piece + i * PAGE_SIZE, entries + from, (uint32_t)count, page + i);
    }
    result = file_write(fd, path, (page + 1) * PAGE_SIZE, piece, n * PAGE_SIZE, err);
  }
  return result;
}

int run_write(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
              const struct entry *entries, struct err *err) {
  char name[RUN_NAME_SIZE], header[PAGE_SIZE];
  run_name(info->number, name);
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", path);
  fill_header(header, uuid, info);
  int result = file_write(fd, path, 0, header, sizeof header, err);
  if (result == 0) result = write_pages(fd, path, info, entries, err);
  uint64_t blocks = filter_blocks_of(info);
  if (result == 0 && blocks > 0) {
    SCOPED_MALLOC char *filter = make_filter(info, entries);
    if (filter == NULL) return err_set(err, ERR_MEMORY, "no memory to make the filter of a run");
    result = file_write(fd, path, (1 + pages_of(info->count)) * PAGE_SIZE, filter, blocks * FILTER_BLOCK, err);
  }
  return result == 0 ? file_sync(fd, path, err) : result;
}

/* ---- opening ---- */

static int check_header(const struct run *run, const uint8_t *uuid, struct err *err) {
  const char *page = run->map;
  if (memcmp(page, magic, sizeof magic) != 0) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s is not a run; " REMEDY, run->name);
  }
  if (le32_load(page + AT_VERSION) > RUN_VERSION) {
    return err_set(err, ERR_VERSION, "derived/runs/%s has format %u, this version knows up to %u; " REMEDY, run->name,
                   le32_load(page + AT_VERSION), RUN_VERSION);
  }
  if (crc32c(page, AT_PAGE_CRC) != le32_load(page + AT_PAGE_CRC)) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s, offset 0: its header is damaged; " REMEDY, run->name);
  }
  if (memcmp(page + AT_UUID, uuid, LEDGER_UUID_SIZE) != 0) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s belongs to another ledger; " REMEDY, run->name);
  }
  const struct run_info *info = &run->info;
  bool as_listed = le64_load(page + AT_NUMBER) == info->number && le32_load(page + AT_KIND) == info->kind &&
                   le64_load(page + AT_COUNT) == info->count && le64_load(page + AT_FROM) == info->from &&
                   le64_load(page + AT_TO) == info->to && le64_load(page + AT_PAGES) == run->pages &&
                   le64_load(page + AT_FILTER) == run->filter_blocks;
  if (!as_listed) return err_set(err, ERR_CORRUPT, "derived/runs/%s is not the run that is listed; " REMEDY, run->name);
  return 0;
}

static int map_file(struct run *run, const char *path, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s is missing; " REMEDY, run->name);
  }
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open derived/runs/%s", run->name);
  uint64_t size, expected = (1 + run->pages) * PAGE_SIZE + run->filter_blocks * FILTER_BLOCK;
  int result = file_size(fd, run->name, &size, err);
  if (result != 0) return result;
  if (size != expected) {
    return err_set(err, ERR_CORRUPT, "derived/runs/%s has %" PRIu64 " bytes, not %" PRIu64 "; " REMEDY, run->name,
                   size, expected);
  }
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return err_set_errno(err, ERR_IO, errno, "cannot map derived/runs/%s", run->name);
  (void)madvise(map, size, MADV_RANDOM);
  run->map = map;
  run->size = size;
  return 0;
}

int run_open(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info, struct run **ret,
             struct err *err) {
  struct run *run = calloc(1, sizeof *run);
  if (run == NULL) return err_set(err, ERR_MEMORY, "no memory to open a run");
  run->info = *info;
  run->pages = pages_of(info->count);
  run->filter_blocks = filter_blocks_of(info);
  run_name(info->number, run->name);
  SCOPED_MALLOC char *path = file_path(dir, run->name);
  int result = map_file(run, path, err);
  if (result == 0) result = check_header(run, uuid, err);
  if (result != 0) {
    run_close(run);
    return result;
  }
  *ret = run;
  return 0;
}

void run_close(struct run *run) {
  if (run == NULL) return;
  if (run->map != NULL) (void)munmap((void *)(uintptr_t)run->map, run->size);
  free(run);
}

const struct run_info *run_info(const struct run *run) { return &run->info; }

/* ---- reading ---- */

static int damaged(const struct run *run, const char *at, struct err *err) {
  return err_set(err, ERR_CORRUPT, "derived/runs/%s is damaged at offset %td; " REMEDY, run->name, at - run->map);
}

int run_may_hold(const struct run *run, struct hash hash, bool *ret, struct err *err) {
  CHECK(run->info.kind != ENTRY_TIME);
  *ret = false;
  if (run->filter_blocks == 0) return 0;
  const char *block = run->map + (1 + run->pages) * PAGE_SIZE + scale(hash.high, run->filter_blocks) * FILTER_BLOCK;
  if (crc32c(block, FILTER_BITS / 8) != le32_load(block + FILTER_BITS / 8)) return damaged(run, block, err);
  for (unsigned probe = 0; probe < FILTER_PROBES; probe++) {
    unsigned bit = filter_bit(hash.low, probe);
    if ((block[bit / 8] >> bit % 8 & 1) == 0) return 0;
  }
  *ret = true;
  return 0;
}

/* A page's entries, its checksum held against its bytes. */
static int read_page(const struct run *run, uint64_t number, const struct entry **ret, uint32_t *ret_count,
                     struct err *err) {
  CHECK(number < run->pages);
  const char *page = run->map + (1 + number) * PAGE_SIZE;
  uint64_t left = run->info.count - number * PAGE_ENTRIES;
  uint32_t count = le32_load(page + AT_PAGE_COUNT);
  bool good = crc32c(page, AT_PAGE_CRC) == le32_load(page + AT_PAGE_CRC) &&
              le64_load(page + AT_PAGE_NUMBER) == number && count == (left < PAGE_ENTRIES ? left : PAGE_ENTRIES);
  if (!good) return damaged(run, page, err);
  *ret = (const struct entry *)(const void *)page;
  *ret_count = count;
  return 0;
}

/* Where a search begins: the guessed page for hashes, the middle otherwise. Narrowed to the last page whose first entry
 * is before the wanted one. */
static int seek_page(const struct run *run, const struct entry *wanted, uint64_t *ret, struct err *err) {
  uint64_t low = 0, high = run->pages; /* the page is in [low, high) */
  uint64_t guess = run->info.kind == ENTRY_TIME ? high / 2 : scale(wanted->first, high);
  for (uint64_t step = 1; high - low > 1;) {
    const struct entry *entries = NULL;
    uint32_t count = 0;
    if (guess <= low) guess = low + 1;
    if (guess >= high) guess = high - 1;
    int result = read_page(run, guess, &entries, &count, err);
    if (result != 0) return result;
    bool before = entry_compare(&entries[0], wanted) < 0;
    if (before) low = guess;
    else high = guess;
    /* Near the guess first, in growing steps, then by halves: a wrong guess costs a logarithm, not a walk. */
    bool bounded = low > 0 && high < run->pages;
    if (bounded || run->info.kind == ENTRY_TIME) guess = low + (high - low) / 2;
    else guess = before ? low + step : (high > step ? high - step : 1);
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
    if (entry_compare(&entries[middle], wanted) < 0) low = middle + 1;
    else high = middle;
  }
  *ret_index = page * PAGE_ENTRIES + low;
  return 0;
}

int run_entry(const struct run *run, uint64_t index, struct entry *ret, struct err *err) {
  CHECK(index < run->info.count);
  const struct entry *entries = NULL;
  uint32_t count = 0;
  int result = read_page(run, index / PAGE_ENTRIES, &entries, &count, err);
  if (result == 0) *ret = entries[index % PAGE_ENTRIES];
  return result;
}

int run_verify(const struct run *run, struct err *err) {
  struct entry before = {0};
  for (uint64_t page = 0; page < run->pages; page++) {
    const struct entry *entries = NULL;
    uint32_t count = 0;
    int result = read_page(run, page, &entries, &count, err);
    if (result != 0) return result;
    for (uint32_t i = 0; i < count; i++) {
      bool in_order = entry_compare(&before, &entries[i]) < 0;
      bool may_hold = true;
      struct hash hash = {.high = entries[i].first, .low = entries[i].second};
      if (run->info.kind != ENTRY_TIME) result = run_may_hold(run, hash, &may_hold, err);
      if (result != 0) return result;
      if (!in_order || !may_hold) return damaged(run, (const char *)&entries[i], err);
      before = entries[i];
    }
  }
  return 0;
}

bool run_is_of(const char *path, const uint8_t uuid[LEDGER_UUID_SIZE]) {
  char header[PAGE_SIZE];
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || file_read(fd, path, 0, header, sizeof header, &got, NULL) != 0 || got < sizeof header) return false;
  return memcmp(header, magic, sizeof magic) == 0 && memcmp(header + AT_UUID, uuid, LEDGER_UUID_SIZE) == 0;
}
