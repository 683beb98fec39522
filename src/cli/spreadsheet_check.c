/* A workbook is a zip file; the sheet is one of its entries, an XML text. A write that was lost left a hole of at
 * least one stdio buffer, 4096 bytes, which no cell of ours fills alone. So counting the tags of rows and cells finds
 * it. */
#include "cli/spreadsheet_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/file.h"

#define SHEET STR("xl/worksheets/sheet1.xml")
#define END_SIZE 22u /* of the record at the end of a zip file, without its comment, which is empty */
#define DIRECTORY_MAX (1u << 20)
#define ENTRY_SIZE 46u /* of an entry of the directory, without its name */
#define LOCAL_SIZE 30u /* of the header before an entry's bytes, likewise */
#define PIECE (64u << 10)
#define TAIL 12u /* "</worksheet>" */

struct place {
  uint64_t offset;
  uint32_t packed, crc;
};

/* Finds the sheet in the directory at the file's end. */
static bool find_in(struct str directory, struct place *ret) {
  while (directory.len >= ENTRY_SIZE && le32_load(directory.ptr) == 0x02014b50) {
    const char *at = directory.ptr;
    size_t name_len = le16_load(at + 28);
    size_t size = ENTRY_SIZE + name_len + le16_load(at + 30) + le16_load(at + 32);
    if (size > directory.len) return false;
    if (str_equal(str_make(at + ENTRY_SIZE, name_len), SHEET)) {
      *ret = (struct place){.offset = le32_load(at + 42), .packed = le32_load(at + 20), .crc = le32_load(at + 16)};
      return le16_load(at + 10) == 8;
    }
    directory = str_make(at + size, directory.len - size);
  }
  return false;
}

static bool find_sheet(int fd, const char *path, struct place *ret, struct err *err) {
  SCOPED(buf_fini) struct buf directory = {0};
  char end[END_SIZE], local[LOCAL_SIZE];
  uint64_t size = 0;
  size_t got;
  if (file_size(fd, path, &size, err) != 0 || size < END_SIZE) return false;
  if (file_read(fd, path, size - END_SIZE, end, END_SIZE, &got, err) != 0 || le32_load(end) != 0x06054b50)
    return false;
  uint32_t len = le32_load(end + 12);
  if (len > DIRECTORY_MAX || len > size) return false;
  char *room = buf_extend(&directory, len);
  if (room == NULL || file_read(fd, path, le32_load(end + 16), room, len, &got, err) != 0 || got != len) return false;
  if (!find_in(buf_view(&directory), ret)) return false;
  if (file_read(fd, path, ret->offset, local, LOCAL_SIZE, &got, err) != 0 || got != LOCAL_SIZE) return false;
  ret->offset += LOCAL_SIZE + le16_load(local + 26) + le16_load(local + 28);
  return le32_load(local) == 0x04034b50;
}

/* Counts tags, also those that are cut between two pieces. */
struct count {
  uint64_t rows, cells;
  char last[TAIL]; /* bytes of the text so far */
};

static void count_byte(struct count *count, char c) {
  memmove(count->last, count->last + 1, TAIL - 1);
  count->last[TAIL - 1] = c;
  if (c != ' ') return;
  count->rows += memcmp(count->last + TAIL - 5, "<row ", 5) == 0;
  count->cells += memcmp(count->last + TAIL - 3, "<c ", 3) == 0;
}

static bool inflate_all(int fd, const char *path, const struct place *place, z_stream *stream, struct count *count,
                        struct err *err) {
  unsigned char in[PIECE], out[PIECE];
  uLong crc = crc32(0, NULL, 0);
  uint64_t done = 0;
  for (int code = Z_OK; code == Z_OK;) {
    size_t got = 0, left = place->packed - done < PIECE ? (size_t)(place->packed - done) : PIECE;
    if (stream->avail_in == 0) {
      if (left == 0 || file_read(fd, path, place->offset + done, in, left, &got, err) != 0 || got != left)
        return false;
      done += got;
      stream->next_in = in;
      stream->avail_in = (uInt)got;
    }
    stream->next_out = out;
    stream->avail_out = PIECE;
    code = inflate(stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) return false;
    size_t len = PIECE - stream->avail_out;
    crc = crc32(crc, out, (uInt)len);
    for (size_t i = 0; i < len; i++)
      count_byte(count, (char)out[i]);
  }
  return crc == place->crc && memcmp(count->last, "</worksheet>", TAIL) == 0;
}

int spreadsheet_check(const char *path, uint64_t rows, uint64_t cells, struct err *err) {
  struct place place;
  struct count count = {0};
  z_stream stream = {0};
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot read back %s", path);
  bool is_whole = find_sheet(fd, path, &place, err) && inflateInit2(&stream, -MAX_WBITS) == Z_OK;
  if (is_whole) {
    is_whole = inflate_all(fd, path, &place, &stream, &count, err);
    (void)inflateEnd(&stream);
  }
  if (is_whole && count.rows == rows && count.cells == cells) return 0;
  return err_set(
      err, ERR_IO,
      "the workbook %s was not written whole (%llu of %llu rows can be read back): check that the disk has room",
      path, (unsigned long long)count.rows, (unsigned long long)rows);
}
