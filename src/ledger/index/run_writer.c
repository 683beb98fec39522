/* Writes two streams into one file: pages from the front, and filter blocks from the place where the pages will end.
 * The number of entries is known at the start, and a hash's filter block grows with the hash, so neither stream ever
 * goes back.
 *
 * Dirty pages are pushed to the disk as the file grows: a sync of a gigabyte at the end would delay the log's syncs.
 */
#include "ledger/index/run_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "ledger/index/run_format.h"

#define PIECE_PAGES 64u        /* of entries, written at once */
#define PIECE_BLOCKS 1024u     /* of the filter, likewise */
#define FLUSH_BYTES (4u << 20) /* of pages between two pushes */

struct run_writer {
  struct run_info info;
  char *path;
  int fd;
  uint64_t added;
  uint64_t pages;        /* written */
  uint64_t flushed;      /* bytes that have been pushed */
  uint32_t piece_pages;  /* whole pages in `piece` */
  uint32_t page_entries; /* in the page behind them */
  uint64_t filter_blocks, filter_written;
  uint64_t filter_block; /* the one being filled: the last in `filter` */
  bool finished;
  char piece[PIECE_PAGES * RUN_PAGE];
  char filter[PIECE_BLOCKS * RUN_FILTER_BLOCK];
};

static int write_head(struct run_writer *writer, const uint8_t *uuid, struct err *err) {
  const struct run_info *info = &writer->info;
  char head[RUN_PAGE] = {0};
  memcpy(head, RUN_MAGIC, sizeof RUN_MAGIC - 1);
  le32_store(head + RUN_AT_VERSION, RUN_VERSION);
  le32_store(head + RUN_AT_KIND, (uint32_t)info->kind);
  memcpy(head + RUN_AT_UUID, uuid, LEDGER_UUID_SIZE);
  le64_store(head + RUN_AT_NUMBER, info->number);
  le64_store(head + RUN_AT_COUNT, info->count);
  le64_store(head + RUN_AT_FROM, info->from);
  le64_store(head + RUN_AT_TO, info->to);
  le64_store(head + RUN_AT_PAGES, run_pages(info->count));
  le64_store(head + RUN_AT_FILTER, writer->filter_blocks);
  le32_store(head + RUN_AT_PAGE_CRC, crc32c(head, RUN_AT_PAGE_CRC));
  return file_write(writer->fd, writer->path, 0, head, sizeof head, err);
}

static int begin_file(struct run_writer *writer, const char *dir, const uint8_t *uuid, struct err *err) {
  char name[RUN_NAME_SIZE];
  run_name(writer->info.number, name);
  writer->path = file_path(dir, name);
  writer->fd = open(writer->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (writer->fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", writer->path);
  return write_head(writer, uuid, err);
}

int run_writer_new(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                   struct run_writer **ret, struct err *err) {
  SCOPED(run_writer_free_ref) struct run_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL) return err_set(err, ERR_MEMORY, "no memory to write a run: free some memory");
  writer->info = *info;
  writer->filter_blocks = run_filter_blocks(info);
  int result = begin_file(writer, dir, uuid, err);
  if (result == 0) *ret = MOVE(writer);
  return result;
}

void run_writer_free(struct run_writer *writer) {
  if (writer == NULL) return;
  if (writer->fd >= 0) (void)close(writer->fd);
  if (!writer->finished && writer->path != NULL) (void)unlink(writer->path);
  free(writer->path);
  free(writer);
}

/* ---- pages ---- */

static void seal_page(struct run_writer *writer) {
  char *page = writer->piece + (size_t)writer->piece_pages * RUN_PAGE;
  size_t used = writer->page_entries * sizeof(struct entry);
  memset(page + used, 0, RUN_PAGE - used);
  le32_store(page + RUN_AT_PAGE_COUNT, writer->page_entries);
  le64_store(page + RUN_AT_PAGE_NUMBER, writer->pages + writer->piece_pages);
  le32_store(page + RUN_AT_PAGE_CRC, crc32c(page, RUN_AT_PAGE_CRC));
  writer->piece_pages++;
  writer->page_entries = 0;
}

static int write_piece(struct run_writer *writer, struct err *err) {
  uint64_t at = (1 + writer->pages) * RUN_PAGE;
  int result = file_write(writer->fd, writer->path, at, writer->piece, (size_t)writer->piece_pages * RUN_PAGE, err);
  writer->pages += writer->piece_pages;
  writer->piece_pages = 0;
  uint64_t end = (1 + writer->pages) * RUN_PAGE;
  if (result != 0 || end - writer->flushed < FLUSH_BYTES) return result;
  result = file_push(writer->fd, writer->path, writer->flushed, end - writer->flushed, err);
  writer->flushed = end;
  return result;
}

/* ---- filter ---- */

/* The memory of a filter block, by its number among all. */
static char *filter_at(struct run_writer *writer, uint64_t block) {
  return writer->filter + (block - writer->filter_written) * RUN_FILTER_BLOCK;
}

static int write_filter(struct run_writer *writer, uint64_t count, struct err *err) {
  uint64_t at = (1 + run_pages(writer->info.count)) * RUN_PAGE + writer->filter_written * RUN_FILTER_BLOCK;
  int result = file_write(writer->fd, writer->path, at, writer->filter, count * RUN_FILTER_BLOCK, err);
  memset(writer->filter, 0, count * RUN_FILTER_BLOCK);
  writer->filter_written += count;
  return result;
}

static void seal_block(char *block) { le32_store(block + RUN_FILTER_BITS / 8, crc32c(block, RUN_FILTER_BITS / 8)); }

/* Seals blocks until `wanted` is the one being filled. */
static int move_filter(struct run_writer *writer, uint64_t wanted, struct err *err) {
  int result = 0;
  while (writer->filter_block < wanted && result == 0) {
    seal_block(filter_at(writer, writer->filter_block));
    writer->filter_block++;
    uint64_t held = writer->filter_block - writer->filter_written;
    if (held == PIECE_BLOCKS) result = write_filter(writer, held, err);
  }
  return result;
}

static int add_to_filter(struct run_writer *writer, const struct entry *entry, struct err *err) {
  uint64_t number = run_scale(entry->first, writer->filter_blocks);
  if (number != writer->filter_block) {
    int result = move_filter(writer, number, err);
    if (result != 0) return result;
  }
  char *block = filter_at(writer, number);
  for (unsigned probe = 0; probe < RUN_FILTER_PROBES; probe++) {
    unsigned bit = run_filter_bit(entry->second, probe);
    block[bit / 8] = (char)(block[bit / 8] | 1 << bit % 8);
  }
  return 0;
}

/* ---- entries ---- */

int run_writer_add(struct run_writer *writer, const struct entry *entries, size_t count, struct err *err) {
  CHECK(!writer->finished && count <= writer->info.count - writer->added);
  writer->added += count;
  int result = 0;
  for (size_t i = 0; i < count && writer->filter_blocks > 0 && result == 0; i++) {
    result = add_to_filter(writer, &entries[i], err);
  }
  while (count > 0 && result == 0) {
    size_t room = RUN_PAGE_ENTRIES - writer->page_entries, take = count < room ? count : room;
    char *page = writer->piece + (size_t)writer->piece_pages * RUN_PAGE;
    memcpy(page + writer->page_entries * sizeof *entries, entries, take * sizeof *entries);
    writer->page_entries += (uint32_t)take;
    entries += take;
    count -= take;
    if (writer->page_entries == RUN_PAGE_ENTRIES) seal_page(writer);
    if (writer->piece_pages == PIECE_PAGES) result = write_piece(writer, err);
  }
  return result;
}

int run_writer_finish(struct run_writer *writer, struct err *err) {
  CHECK(!writer->finished && writer->added == writer->info.count);
  if (writer->page_entries > 0) seal_page(writer);
  int result = writer->piece_pages > 0 ? write_piece(writer, err) : 0;
  if (result == 0) result = move_filter(writer, writer->filter_blocks, err);
  uint64_t held = writer->filter_block - writer->filter_written;
  if (result == 0 && held > 0) result = write_filter(writer, held, err);
  if (result == 0) result = file_sync(writer->fd, writer->path, err);
  writer->finished = result == 0;
  return result;
}
