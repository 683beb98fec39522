#include "ingest/read/gunzip.h"

#include <zlib.h>

#include "base/scope.h"

#define PIECE ((size_t)64 << 10)
#define WINDOW_GZIP (15 + 16) /* the largest window; accepts only a gzip header */

static void end(z_stream *stream) { (void)inflateEnd(stream); }

static int refuse(struct err *err) {
  return err_set(err, ERR_PARSE, "the body is not gzip, or is damaged or cut off");
}

/* Inflates until the text is used up or a member ends. */
static int inflate_member(z_stream *stream, size_t max, struct buf *out, int *ret_code, struct err *err) {
  do {
    size_t room = max - out->len < PIECE ? max - out->len + 1 : PIECE; /* one more byte shows that it is too long */
    char *at = buf_extend(out, room);
    if (at == NULL) return err_set(err, ERR_MEMORY, "no memory to inflate the body");
    stream->next_out = (unsigned char *)at;
    stream->avail_out = (unsigned)room;
    *ret_code = inflate(stream, Z_NO_FLUSH);
    out->len -= stream->avail_out;
    if (*ret_code == Z_MEM_ERROR) return err_set(err, ERR_MEMORY, "no memory to inflate a body");
    if (*ret_code != Z_OK && *ret_code != Z_STREAM_END) return refuse(err);
    if (out->len > max) return err_set(err, ERR_LIMIT, "the body has more than %zu bytes when it is inflated", max);
  } while (*ret_code == Z_OK && (stream->avail_in > 0 || stream->avail_out == 0));
  return 0;
}

int gunzip(struct str text, size_t max, struct buf *out, struct err *err) {
  SCOPED(end) z_stream stream = {0};
  if (text.len > UINT32_MAX || inflateInit2(&stream, WINDOW_GZIP) != Z_OK) {
    return err_set(err, ERR_MEMORY, "no memory to inflate the body");
  }
  stream.next_in = (unsigned char *)(uintptr_t)text.ptr;
  stream.avail_in = (unsigned)text.len;
  size_t before = out->len;
  for (;;) {
    int code;
    int result = inflate_member(&stream, before + max, out, &code, err);
    if (result != 0) return result;
    if (code != Z_STREAM_END) return refuse(err);
    if (stream.avail_in == 0) return 0;
    if (inflateReset(&stream) != Z_OK) return refuse(err);
  }
}

void gzip_whole(struct str text, struct buf *out) {
  z_stream stream = {0};
  if (text.len > UINT32_MAX / 2 ||
      deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    out->failed = true;
    return;
  }
  size_t room = deflateBound(&stream, text.len);
  char *at = buf_extend(out, room);
  if (at != NULL) {
    stream.next_in = (unsigned char *)(uintptr_t)text.ptr;
    stream.avail_in = (unsigned)text.len;
    stream.next_out = (unsigned char *)at;
    stream.avail_out = (unsigned)room;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) out->failed = true;
    out->len -= stream.avail_out;
  }
  (void)deflateEnd(&stream);
}
