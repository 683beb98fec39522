/* MP4 boxes: damaged, cut and unusual files that are built here box by box, and what edit lists show. */
#include "media/mp4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/scope.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- building boxes ---- */

static void put16(struct buf *out, unsigned value) {
  char bytes[2];
  be16_store(bytes, (uint16_t)value);
  buf_append(out, bytes, sizeof bytes);
}

static void put32(struct buf *out, uint64_t value) {
  char bytes[4];
  be32_store(bytes, (uint32_t)value);
  buf_append(out, bytes, sizeof bytes);
}

static void put64(struct buf *out, uint64_t value) {
  put32(out, value >> 32);
  put32(out, value);
}

static void zeros(struct buf *out, size_t len) {
  while (len-- > 0)
    buf_char(out, '\0');
}

static size_t begin(struct buf *out, const char *type) {
  put32(out, 0);
  buf_append(out, type, 4);
  return out->len - 8;
}

static void end(struct buf *out, size_t at) { be32_store(out->ptr + at, (uint32_t)(out->len - at)); }

/* What a file is made of. 0 means the usual. */
struct film {
  uint32_t samples, sample_size, per_chunk; /* sample_size 0: sizes of 10, 11, 12 … in a table */
  uint32_t claimed;                         /* by stsz */
  unsigned bits;                            /* 4, 8, 16: stz2 */
  bool is_sound, wide, no_chunks, no_timescale, no_movie_timescale, cmov, moov_first, rmra, two_sizes, two_formats;
  bool no_stbl;
  const char *reference; /* what dref's entry names */
  struct mp4_edit edits[3];
  uint32_t edit_count, claimed_edits;
  bool edits_wide;
  unsigned fragments; /* mvex, and so many fragments of 4 samples of 100 bytes */
  bool mvex, base_offset, base_moof, default_size, no_moov, sidx, negative_offsets;
  uint32_t sidx_claims; /* bytes more than there are */
};

static uint64_t sample_bytes(const struct film *film, uint32_t index) {
  if (film->sample_size > 0) return film->sample_size;
  return film->bits == 4 ? index % 16 : 10 + index % 5;
}

static void put_sizes(struct buf *out, const struct film *film) {
  uint32_t claimed = film->claimed > 0 ? film->claimed : film->samples;
  size_t at = begin(out, film->bits > 0 ? "stz2" : "stsz");
  put32(out, 0);
  put32(out, film->bits > 0 ? film->bits : film->sample_size);
  put32(out, claimed);
  for (uint32_t i = 0; film->sample_size == 0 && i < film->samples; i++) {
    uint64_t size = sample_bytes(film, i);
    if (film->bits == 4 && i % 2 == 0)
      buf_char(out, (char)(size << 4 | (i + 1 < film->samples ? sample_bytes(film, i + 1) : 0)));
    if (film->bits == 8) buf_char(out, (char)size);
    if (film->bits == 16) put16(out, (unsigned)size);
    if (film->bits == 0 || film->bits == 32) put32(out, size);
  }
  end(out, at);
}

/* data: where sample 0 begins. */
static void put_chunks(struct buf *out, const struct film *film, uint64_t data) {
  uint32_t per_chunk = film->per_chunk > 0 ? film->per_chunk : 1;
  uint32_t chunks = film->no_chunks ? 0 : (uint32_t)(((uint64_t)film->samples + per_chunk - 1) / per_chunk);
  size_t at = begin(out, "stsc");
  put32(out, 0);
  put32(out, 1);
  put32(out, 1);
  put32(out, per_chunk);
  put32(out, 1);
  end(out, at);
  at = begin(out, film->wide ? "co64" : "stco");
  put32(out, 0);
  put32(out, chunks);
  for (uint32_t i = 0; i < film->samples; i++) {
    if (i % per_chunk == 0 && film->wide) put64(out, data);
    if (i % per_chunk == 0 && !film->wide && !film->no_chunks) put32(out, data);
    data += sample_bytes(film, i);
  }
  end(out, at);
}

static void put_entry(struct buf *out, const char *format, unsigned width, unsigned height) {
  size_t at = begin(out, format);
  zeros(out, 6);
  put16(out, 1);
  zeros(out, 16);
  put16(out, width);
  put16(out, height);
  zeros(out, 50);
  end(out, at);
}

static void put_tables(struct buf *out, const struct film *film, uint64_t data) {
  size_t stbl = begin(out, "stbl"), at = begin(out, "stsd");
  put32(out, 0);
  put32(out, film->two_sizes || film->two_formats ? 2 : 1);
  put_entry(out, "avc1", 320, 180);
  if (film->two_sizes) put_entry(out, "avc1", 640, 360);
  if (film->two_formats) put_entry(out, "hvc1", 320, 180);
  end(out, at);
  put_sizes(out, film);
  put_chunks(out, film, data);
  end(out, stbl);
}

static void put_reference(struct buf *out, const struct film *film) {
  size_t dinf = begin(out, "dinf"), dref = begin(out, "dref");
  put32(out, 0);
  put32(out, 1);
  size_t url = begin(out, "url ");
  put32(out, film->reference != NULL ? 0 : 1);
  if (film->reference != NULL) buf_append(out, film->reference, strlen(film->reference) + 1);
  end(out, url);
  end(out, dref);
  end(out, dinf);
}

static void put_edits(struct buf *out, const struct film *film) {
  if (film->edit_count == 0) return;
  size_t edts = begin(out, "edts"), at = begin(out, "elst");
  put32(out, film->edits_wide ? 1 << 24 : 0);
  put32(out, film->claimed_edits > 0 ? film->claimed_edits : film->edit_count);
  for (uint32_t i = 0; i < film->edit_count; i++) {
    const struct mp4_edit *edit = &film->edits[i];
    if (film->edits_wide) put64(out, edit->duration);
    if (film->edits_wide) put64(out, (uint64_t)edit->media_time);
    if (!film->edits_wide) put32(out, edit->duration);
    if (!film->edits_wide) put32(out, (uint64_t)edit->media_time);
    put32(out, (uint32_t)edit->rate);
  }
  end(out, at);
  end(out, edts);
}

static void put_clock(struct buf *out, const struct film *film, const char *type, uint32_t timescale,
                      uint64_t duration) {
  size_t at = begin(out, type);
  put32(out, film->wide ? 1 << 24 : 0);
  zeros(out, film->wide ? 16 : 8);
  put32(out, timescale);
  if (film->wide)
    put64(out, duration);
  else
    put32(out, duration);
  zeros(out, 4);
  end(out, at);
}

static void put_track(struct buf *out, const struct film *film, uint64_t data) {
  size_t trak = begin(out, "trak"), at = begin(out, "tkhd");
  put32(out, film->wide ? 1 << 24 : 0);
  zeros(out, film->wide ? 16 : 8);
  put32(out, 7);
  zeros(out, 60);
  end(out, at);
  put_edits(out, film);
  size_t mdia = begin(out, "mdia");
  put_clock(out, film, "mdhd", film->no_timescale ? 0 : 25, film->samples);
  at = begin(out, "hdlr");
  zeros(out, 8);
  buf_append(out, film->is_sound ? "soun" : "vide", 4);
  zeros(out, 12);
  end(out, at);
  size_t minf = begin(out, "minf");
  put_reference(out, film);
  if (!film->no_stbl) put_tables(out, film, data);
  end(out, minf);
  end(out, mdia);
  end(out, trak);
}

static void put_moov(struct buf *out, const struct film *film, uint64_t data) {
  size_t moov = begin(out, "moov");
  put_clock(out, film, "mvhd", film->no_movie_timescale ? 0 : 1000, 0);
  if (film->cmov || film->rmra) end(out, begin(out, film->cmov ? "cmov" : "rmra"));
  if (!film->rmra) put_track(out, film, data);
  if (film->mvex || film->fragments > 0) {
    size_t mvex = begin(out, "mvex"), trex = begin(out, "trex");
    put32(out, 0);
    put32(out, 7);
    put32(out, 1);
    put32(out, 1);
    put32(out, 100);
    put32(out, 0);
    end(out, trex);
    end(out, mvex);
  }
  end(out, moov);
}

static void put_fragment(struct buf *out, const struct film *film) {
  size_t moof = begin(out, "moof"), traf = begin(out, "traf"), at = begin(out, "tfhd");
  put32(out, (film->base_offset ? 1 : 0) | (film->base_moof ? 0x20000 : 0));
  put32(out, 7);
  if (film->base_offset) put64(out, moof);
  end(out, at);
  at = begin(out, "trun");
  put32(out, 1 | (film->default_size ? 0 : 0x200) | (film->negative_offsets ? 0x800 : 0));
  put32(out, 4);
  size_t offset = out->len;
  put32(out, 0);
  for (int i = 0; i < 4; i++) {
    if (!film->default_size) put32(out, 100);
    if (film->negative_offsets) put32(out, (uint32_t)-i);
  }
  end(out, at);
  end(out, traf);
  end(out, moof);
  be32_store(out->ptr + offset, (uint32_t)(out->len + 8 - moof));
  at = begin(out, "mdat");
  zeros(out, 400);
  end(out, at);
}

static size_t put_sidx(struct buf *out, const struct film *film) {
  size_t at = begin(out, "sidx");
  put32(out, film->wide ? 1 << 24 : 0);
  put32(out, 7);
  put32(out, 25);
  zeros(out, film->wide ? 16 : 8);
  put16(out, 0);
  put16(out, film->fragments);
  for (unsigned i = 0; i < film->fragments; i++) {
    put32(out, 0);
    put32(out, 4);
    put32(out, 0);
  }
  end(out, at);
  return at + (film->wide ? 40 : 32); /* of the first entry */
}

static void put_mdat(struct buf *out, const struct film *film) {
  size_t at = begin(out, "mdat");
  if (film->samples == 0) {
    end(out, at);
    return;
  }
  for (uint32_t i = 0; i < film->samples; i++)
    zeros(out, (size_t)sample_bytes(film, i));
  end(out, at);
}

static void put_film(struct buf *out, const struct film *film) {
  size_t at = begin(out, film->no_moov ? "styp" : "ftyp");
  buf_append(out, "isomxxxx", 8);
  end(out, at);
  if (!film->no_moov && film->moov_first) {
    SCOPED(buf_fini) struct buf once = {0};
    put_moov(&once, film, 0);
    put_moov(out, film, out->len + once.len + 8);
  }
  size_t data = out->len + 8;
  if (film->samples > 0) put_mdat(out, film);
  if (!film->no_moov && !film->moov_first) put_moov(out, film, data);
  size_t entry = film->sidx ? put_sidx(out, film) : 0;
  for (unsigned i = 0; i < film->fragments; i++) {
    size_t start = out->len;
    put_fragment(out, film);
    uint32_t more = i == 0 ? film->sidx_claims : 0;
    if (film->sidx) be32_store(out->ptr + entry + 12 * i, (uint32_t)(out->len - start) + more);
  }
}

/* ---- reading them ---- */

/* Bytes as a file without a name, whose path is valid while it is open. */
static int store(struct str bytes, char path[64]) {
  int fd = memfd_create("film", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
  (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
  return fd;
}

static int read_bytes(struct str bytes, struct mp4 *ret, struct err *err) {
  char path[64];
  SCOPED_FD int fd = store(bytes, path);
  struct media_span span = {.path = path, .size = bytes.len};
  struct reel *reel = reel_open(NULL, &span, 1);
  int result = mp4_read(reel, ret, err);
  assert_int_equal(reel_trouble(reel), 0);
  reel_close(reel);
  return result;
}

struct bad {
  const char *name;
  struct film film;
  const char *text; /* in the error */
};

static void test_contradictions(void **state) {
  (void)state;
  static const struct bad cases[] = {
      {"stsz claims too much", {.samples = 5, .claimed = 6}, "'stsz' at byte"},
      {"stsz claims 4 billion", {.samples = 5, .claimed = UINT32_MAX}, "more entries than it has room for"},
      {"stz2 claims too much", {.samples = 5, .bits = 4, .claimed = 7}, "'stz2' at byte"},
      {"stz2 of odd width", {.samples = 5, .bits = 32}, "unknown width"},
      {"elst claims too much", {.samples = 5, .edit_count = 1, .claimed_edits = 2}, "'elst' at byte"},
      {"wide elst claims too much",
       {.samples = 5, .edit_count = 1, .claimed_edits = 2, .edits_wide = true},
       "'elst' at"},
      {"elst claims 4 billion", {.samples = 5, .edit_count = 1, .claimed_edits = UINT32_MAX}, "'elst' at byte"},
      {"no timescale", {.samples = 5, .no_timescale = true}, "without a timescale"},
      {"no movie timescale",
       {.samples = 5, .no_movie_timescale = true, .edit_count = 1},
       "edits without a timescale"},
      {"compressed", {.samples = 5, .cmov = true}, "compressed (cmov)"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    print_message("%s\n", cases[i].name);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(mp4_fini) struct mp4 mp4 = {0};
    struct err err = {0};
    put_film(&bytes, &cases[i].film);
    assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), -ERR_MEDIA);
    assert_non_null(strstr(err.text, cases[i].text));
  }
}

struct raw {
  const char *name;
  const char *hex; /* behind ftyp and moov, if `film` has them */
  struct film film;
  int result;
  bool is_cut;
};

static void put_hex(struct buf *out, const char *hex) {
  for (unsigned value; hex[0] != '\0'; hex += 2) {
    assert_int_equal(sscanf(hex, "%2x", &value), 1);
    buf_char(out, (char)value);
  }
}

/* What follows the boxes of a whole file. */
static void test_tails(void **state) {
  (void)state;
  static const struct raw cases[] = {
      {"half a header", "0000", {.samples = 3}, 0, false},
      {"half a header", "00000020", {.fragments = 2}, 0, true},
      {"a few zeros", "00000000000000", {.fragments = 2}, 0, false},
      {"text", "48656c6c6f2c20776f726c6421", {.samples = 3}, 0, false},
      {"no type", "0000002000010203", {.fragments = 2}, -ERR_MEDIA, false},
      {"a size below 8", "000000076d646174", {.fragments = 2}, -ERR_MEDIA, false},
      {"a wide size below 16", "000000016d646174000000000000000f", {.fragments = 2}, -ERR_MEDIA, false},
      {"half a wide size", "000000016d64617400000000", {.fragments = 2}, -ERR_MEDIA, false},
      {"a wide size of all ones", "000000016d646174ffffffffffffffff", {.fragments = 2}, 0, true},
      {"a wide size of all ones", "000000016d646174ffffffffffffffff", {.samples = 2}, 0, false},
      {"zeros", "00000000000000000000000000000000", {.fragments = 2}, 0, false},
      {"a size of 0: to the end", "000000006d64617400", {.fragments = 2}, 0, false},
      {"mdat beyond the end", "000000206d64617400", {.fragments = 2}, 0, true},
      {"mdat beyond the end", "000000206d64617400", {.samples = 2}, 0, false},
      {"styp beyond the end", "000000207374797000", {.fragments = 2}, 0, true},
      {"free beyond the end", "000000206672656500", {.fragments = 2}, 0, false},
      {"mfra beyond the end", "000000206d66726100", {.fragments = 2}, 0, false},
      {"moof beyond the end", "000000206d6f6f6600", {.samples = 2}, 0, true},
      {"a second moov, empty", "000000086d6f6f76", {.samples = 2}, 0, false},
      {"a second moov, cut", "000000206d6f6f76", {.samples = 2}, 0, false},
      {"traf without tfhd", "000000106d6f6f660000000874726166", {.fragments = 1}, -ERR_MEDIA, false},
      {"traf longer than moof", "000000106d6f6f660000001074726166", {.fragments = 1}, -ERR_MEDIA, false},
      {"short sidx", "0000000c7369647800000000", {.fragments = 1}, -ERR_MEDIA, false},
      {"a box of a writer's own", "0000000a7a7a7a7a0000", {.fragments = 1}, 0, false},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    print_message("%s\n", cases[i].name);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(mp4_fini) struct mp4 mp4 = {0};
    struct err err = {0};
    put_film(&bytes, &cases[i].film);
    put_hex(&bytes, cases[i].hex);
    assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), cases[i].result);
    assert_int_equal(mp4.is_cut, cases[i].is_cut);
    assert_true(cases[i].result == 0 || err.text[0] != '\0');
    assert_true(mp4.has_moov);
  }
}

/* Every cut of a whole file, and what is known of it. */
struct cut {
  const char *name;
  struct film film;
  bool is_told; /* each cut is told by is_cut, samples_beyond, a result or a missing moov, except between fragments */
};

static bool is_refused(int result, const struct mp4 *mp4) {
  return result != 0 || !mp4->is_mp4 || !mp4->has_moov || mp4->is_cut || mp4->is_init_only ||
         (mp4->count > 0 && mp4->tracks[0].samples_beyond > 0);
}

static void test_cuts(void **state) {
  (void)state;
  static const struct cut cases[] = {
      {"moov last", {.samples = 40, .per_chunk = 3}, true},
      {"moov first", {.samples = 40, .per_chunk = 3, .moov_first = true}, true},
      {"one size", {.samples = 40, .sample_size = 20, .moov_first = true}, true},
      {"wide", {.samples = 40, .wide = true, .moov_first = true}, true},
      {"stz2", {.samples = 40, .bits = 16, .per_chunk = 7, .moov_first = true}, true},
      {"sidx", {.fragments = 3, .sidx = true}, true},
      {"wide sidx", {.fragments = 3, .sidx = true, .wide = true}, true},
      {"fragments", {.fragments = 3}, false},
      {"fragments, base", {.fragments = 3, .base_offset = true}, false},
      {"fragments, sizes by trex", {.fragments = 3, .base_moof = true, .default_size = true}, false},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    SCOPED(buf_fini) struct buf bytes = {0};
    put_film(&bytes, &cases[i].film);
    unsigned passed = 0;
    for (size_t len = 0; len <= bytes.len; len++) {
      SCOPED(mp4_fini) struct mp4 mp4 = {0};
      struct err err = {0};
      int result = read_bytes(str_make(bytes.ptr, len), &mp4, &err);
      passed += !is_refused(result, &mp4);
      if (is_refused(result, &mp4) || len == bytes.len) continue;
      print_message("%s: %zu of %zu bytes: %llu fragments\n", cases[i].name, len, bytes.len,
                    (unsigned long long)mp4.fragments);
      assert_false(cases[i].is_told);
      assert_int_equal(mp4.tracks[0].fragment_samples, 4 * mp4.fragments);
    }
    assert_int_equal(passed, cases[i].is_told ? 1 : cases[i].film.fragments);
  }
}

struct good {
  const char *name;
  struct film film;
  struct mp4 mp4; /* without tracks */
  struct mp4_track track;
};

static void test_facts(void **state) {
  (void)state;
  static const struct good cases[] = {
      {"usual", {.samples = 5}, {.has_moov = true}, {.samples = 5, .size_count = 1, .format_count = 1}},
      {"wide", {.samples = 5, .wide = true}, {.has_moov = true}, {.samples = 5, .size_count = 1, .format_count = 1}},
      {"stz2 of 8 bits",
       {.samples = 5, .bits = 8},
       {.has_moov = true},
       {.samples = 5, .size_count = 1, .format_count = 1}},
      {"samples of 0 bytes",
       {.samples = 33, .bits = 4},
       {.has_moov = true},
       {.samples = 33, .empty_samples = 3, .size_count = 1, .format_count = 1}},
      {"no chunks",
       {.samples = 5, .no_chunks = true},
       {.has_moov = true},
       {.samples = 5, .samples_beyond = 5, .size_count = 1, .format_count = 1}},
      {"4 billion samples of one size",
       {.samples = 5, .sample_size = 1, .claimed = UINT32_MAX},
       {.has_moov = true},
       {.samples = UINT32_MAX, .samples_beyond = UINT32_MAX - 5, .size_count = 1, .format_count = 1}},
      {"an unused size",
       {.samples = 5, .two_sizes = true},
       {.has_moov = true},
       {.samples = 5, .size_count = 1, .format_count = 1}},
      {"two sizes of an init segment",
       {.mvex = true, .two_sizes = true},
       {.has_moov = true, .is_init_only = true, .is_fragmented = true},
       {.size_count = 2, .format_count = 1}},
      {"two codecs of an init segment",
       {.mvex = true, .two_formats = true},
       {.has_moov = true, .is_init_only = true, .is_fragmented = true},
       {.size_count = 1, .format_count = 2}},
      {"another file",
       {.samples = 5, .reference = "file:///b.mov"},
       {.has_moov = true},
       {.samples = 5, .is_external = true, .size_count = 1, .format_count = 1}},
      {"no file, without the flag",
       {.samples = 5, .reference = ""},
       {.has_moov = true},
       {.samples = 5, .size_count = 1, .format_count = 1}},
      {"fragments",
       {.fragments = 3},
       {.has_moov = true, .is_fragmented = true, .fragments = 3},
       {.fragment_samples = 12, .size_count = 1, .format_count = 1}},
      {"fragments after samples",
       {.samples = 5, .fragments = 3, .moov_first = true},
       {.has_moov = true, .is_fragmented = true, .fragments = 3},
       {.samples = 5, .fragment_samples = 12, .size_count = 1, .format_count = 1}},
      {"negative offsets",
       {.fragments = 3, .negative_offsets = true},
       {.has_moov = true, .is_fragmented = true, .fragments = 3},
       {.fragment_samples = 12, .time_shift = 3, .size_count = 1, .format_count = 1}},
      {"no tables", {.no_stbl = true}, {.has_moov = true}, {.samples = 0}},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    const struct good *want = &cases[i];
    print_message("%s\n", want->name);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(mp4_fini) struct mp4 mp4 = {0};
    struct err err = {0};
    put_film(&bytes, &want->film);
    assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
    assert_true(mp4.is_mp4);
    assert_int_equal(mp4.timescale, 1000);
    assert_int_equal(mp4.has_moov, want->mp4.has_moov);
    assert_int_equal(mp4.is_fragmented, want->mp4.is_fragmented);
    assert_int_equal(mp4.is_init_only, want->mp4.is_init_only);
    assert_int_equal(mp4.fragments, want->mp4.fragments);
    assert_false(mp4.is_segment);
    assert_int_equal(mp4.count, 1);
    const struct mp4_track *track = mp4.tracks;
    assert_int_equal(track->id, 7);
    assert_int_equal(track->timescale, 25);
    assert_int_equal(track->samples, want->track.samples);
    assert_int_equal(track->fragment_samples, want->track.fragment_samples);
    assert_int_equal(track->samples_beyond, want->track.samples_beyond);
    assert_int_equal(track->empty_samples, want->track.empty_samples);
    assert_int_equal(track->is_external, want->track.is_external);
    assert_int_equal(track->time_shift, want->track.time_shift);
    assert_int_equal(track->size_count, want->track.size_count);
    assert_int_equal(track->format_count, want->track.format_count);
    assert_true(track->size_count == 0 || (track->sizes[0].width == 320 && track->sizes[0].height == 180));
  }
}

static void test_kinds(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf bytes = {0};
  struct err err = {0};
  struct mp4 mp4;
  assert_int_equal(read_bytes(STR(""), &mp4, &err), 0);
  assert_false(mp4.is_mp4);
  assert_int_equal(read_bytes(STR("RIFF....AVI LIST"), &mp4, &err), 0);
  assert_false(mp4.is_mp4);
  put_film(&bytes, &(struct film){.no_moov = true, .fragments = 2});
  assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
  assert_true(mp4.is_segment && !mp4.has_moov && mp4.fragments == 2);
  mp4_fini(&mp4);
  buf_clear(&bytes);
  put_film(&bytes, &(struct film){.rmra = true});
  assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
  assert_true(mp4.is_reference);
  mp4_fini(&mp4);
  /* Joined files: the second moov box is only counted. */
  buf_clear(&bytes);
  put_film(&bytes, &(struct film){.samples = 5});
  put_film(&bytes, &(struct film){.samples = 9, .claimed = 99});
  assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
  assert_true(mp4.moovs == 2 && mp4.count == 1 && mp4.tracks[0].samples == 5);
  mp4_fini(&mp4);
  /* All of 4 billion samples of one byte are in one chunk, and what is behind sample 0 are few bytes. */
  buf_clear(&bytes);
  put_film(&bytes, &(struct film){.samples = 5, .sample_size = 1, .claimed = UINT32_MAX, .per_chunk = UINT32_MAX});
  assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
  assert_int_equal(mp4.tracks[0].samples_beyond, UINT32_MAX - (bytes.len - 24));
  mp4_fini(&mp4);
  /* A sound track may be damaged or cut; the video is what counts. */
  buf_clear(&bytes);
  put_film(&bytes, &(struct film){.is_sound = true, .samples = 5, .claimed = 6, .edit_count = 1, .claimed_edits = 9});
  assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
  assert_true(mp4.count == 1 && !mp4.tracks[0].is_video && mp4.tracks[0].samples_beyond == 0);
  mp4_fini(&mp4);
}

static void test_sidx(void **state) {
  (void)state;
  static const struct {
    struct film film;
    bool is_cut;
  } cases[] = {
      {{.fragments = 3, .sidx = true, .sidx_claims = 1}, true},
      {{.fragments = 3, .sidx = true, .sidx_claims = 0x7fff0000}, true},
      {{.fragments = 3, .sidx = true, .sidx_claims = 1, .wide = true}, true},
      {{.fragments = 3, .sidx = true, .sidx_claims = 1, .no_moov = true}, true}, /* of a track that is not known */
      {{.fragments = 3, .sidx = true, .sidx_claims = 1, .is_sound = true}, false},
      {{.fragments = 3, .sidx = true, .sidx_claims = 0x80000000}, false}, /* that bit is no part of the size */
      {{.fragments = 3, .sidx = true}, false},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(mp4_fini) struct mp4 mp4 = {0};
    struct err err = {0};
    print_message("sidx %zu\n", i);
    put_film(&bytes, &cases[i].film);
    assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
    assert_int_equal(mp4.is_cut, cases[i].is_cut);
    assert_true(!mp4.is_cut || strcmp(mp4.cut_what, "sidx") == 0);
  }
}

/* Flipped bytes and random sizes: any answer, but no crash, and in bounded time. */
static void test_noise(void **state) {
  (void)state;
  static const struct film films[] = {{.samples = 9, .edit_count = 2},
                                      {.fragments = 2, .sidx = true, .negative_offsets = true}};
  unsigned seed = 1;
  for (size_t i = 0; i < COUNT(films); i++) {
    SCOPED(buf_fini) struct buf bytes = {0};
    put_film(&bytes, &films[i]);
    for (int round = 0; round < 20000; round++) {
      size_t at = (size_t)rand_r(&seed) % bytes.len;
      char old = bytes.ptr[at];
      bytes.ptr[at] = (char)rand_r(&seed);
      struct mp4 mp4;
      struct err err = {0};
      int result = read_bytes(buf_view(&bytes), &mp4, &err);
      assert_true(result == 0 || (result == -ERR_MEDIA && err.text[0] != '\0'));
      mp4_fini(&mp4);
      bytes.ptr[at] = old;
    }
  }
}

/* ---- edits ---- */

#define ONE MP4_RATE_ONE

struct edits_read {
  const char *name;
  struct film film;
  struct mp4_edit want[3];
};

static void test_edits_read(void **state) {
  (void)state;
  static const struct edits_read cases[] = {
      {"narrow",
       {.samples = 5, .edit_count = 2, .edits = {{5, -1, ONE, false}, {200, 3, ONE, false}}},
       {{5, -1, ONE, false}, {200, 3, ONE, false}}},
      {"wide",
       {.samples = 5, .edit_count = 1, .edits_wide = true, .edits = {{INT64_MAX, INT64_MIN, -1, false}}},
       {{INT64_MAX, INT64_MIN, -1, false}}},
      {"0 without fragments", {.samples = 5, .edit_count = 1, .edits = {{0, 0, ONE, false}}}, {{0, 0, ONE, false}}},
      {"0 with fragments", {.fragments = 1, .edit_count = 1, .edits = {{0, 2, ONE, false}}}, {{0, 2, ONE, true}}},
      {"only the last",
       {.fragments = 1, .edit_count = 2, .edits = {{0, 2, ONE, false}, {9, 2, ONE, false}}},
       {{0, 2, ONE, false}, {9, 2, ONE, false}}},
      {"as long as moov's samples",
       {.samples = 5, .fragments = 1, .edit_count = 1, .edits = {{200, 0, ONE, false}}},
       {{200, 0, ONE, true}}},
      {"shorter than moov's samples",
       {.samples = 5, .fragments = 1, .edit_count = 1, .edits = {{158, 0, ONE, false}}},
       {{158, 0, ONE, false}}},
      {"empty with fragments",
       {.fragments = 1, .edit_count = 1, .edits = {{0, -1, ONE, false}}},
       {{0, -1, ONE, false}}},
      {"dwell with fragments", {.fragments = 1, .edit_count = 1, .edits = {{0, 0, 0, false}}}, {{0, 0, 0, false}}},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    print_message("%s\n", cases[i].name);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(mp4_fini) struct mp4 mp4 = {0};
    struct err err = {0};
    put_film(&bytes, &cases[i].film);
    assert_int_equal(read_bytes(buf_view(&bytes), &mp4, &err), 0);
    assert_int_equal(mp4.tracks[0].edit_count, cases[i].film.edit_count);
    for (size_t j = 0; j < mp4.tracks[0].edit_count; j++) {
      const struct mp4_edit *got = &mp4.tracks[0].edits[j], *want = &cases[i].want[j];
      assert_true(got->duration == want->duration && got->media_time == want->media_time);
      assert_true(got->rate == want->rate && got->is_open == want->is_open);
    }
  }
}

struct show {
  const char *name;
  struct mp4_picture pictures[6];
  size_t count;
  struct mp4_edit edits[3];
  size_t edit_count;
  int64_t shift;
  int64_t num, den; /* seconds */
};

#define FIVE {{0, 40}, {40, 40}, {80, 40}, {120, 40}, {160, 40}}, 5
#define DELAYED {{80, 40}, {200, 40}, {160, 40}, {120, 40}, {240, 40}}, 5
#define HUGE_TIMES {{INT64_MIN, INT64_MAX}, {INT64_MAX, INT64_MAX}}, 2

/* The track has 1000 units a second, the movie 600: a tick is 1.67 units. */
static const struct show shows[] = {
    {"no pictures", {{0, 0}}, 0, {{600, 0, ONE, false}}, 1, 0, 0, 1},
    {"an edit that never was", FIVE, {{0, 0, ONE, false}}, 1, 0, 0, 1},
    {"before the media", FIVE, {{60, -200, ONE, false}}, 1, 0, 0, 1},
    {"behind the media", FIVE, {{60, 200, ONE, false}}, 1, 0, 0, 1},
    {"empty", FIVE, {{600, -1, ONE, false}}, 1, 0, 0, 1},
    {"a dwell behind the media", FIVE, {{600, 200, 0, false}}, 1, 0, 0, 1},
    {"negative durations", {{0, -9}, {40, -9}}, 2, {{0, 0, 0, false}}, 0, 0, 40, 1000},
    {"huge times", HUGE_TIMES, {{0, 0, 0, false}}, 0, 0, 0, 0},
    {"huge edit",
     HUGE_TIMES,
     {{UINT64_MAX, INT64_MIN, INT32_MIN, false},
      {UINT64_MAX, INT64_MAX, INT32_MAX, true},
      {UINT64_MAX, INT64_MAX, 1, false}},
     3,
     INT64_MAX,
     0,
     0},
    {"huge dwell", FIVE, {{UINT64_MAX, 0, 0, false}, {UINT64_MAX, 0, 0, false}}, 2, 0, 0, 0},
    {"slowest", HUGE_TIMES, {{UINT64_MAX, 0, 1, false}}, 1, 0, 0, 0},
    {"no edits", FIVE, {{0, 0, 0, false}}, 0, 0, 200, 1000},
    {"no edits, delayed", DELAYED, {{0, 0, 0, false}}, 0, 0, 200, 1000},
    {"a held picture", {{0, 40}, {400, 40}}, 2, {{0, 0, 0, false}}, 0, 0, 440, 1000},
    {"the same time twice", {{0, 40}, {0, 40}, {40, 40}}, 3, {{0, 0, 0, false}}, 0, 0, 80, 1000},
    {"all", FIVE, {{120, 0, ONE, false}}, 1, 0, 200, 1000},
    {"all, delayed", DELAYED, {{120, 80, ONE, false}}, 1, 0, 200, 1000},
    {"all, but the edit ignores the delay", DELAYED, {{120, 0, ONE, false}}, 1, 0, 120, 1000},
    {"all, shifted by the demuxer", DELAYED, {{120, 0, ONE, false}}, 1, 80, 200, 1000},
    {"longer than the media", FIVE, {{6000, 0, ONE, false}}, 1, 0, 200, 1000},
    {"head cut", FIVE, {{72, 80, ONE, false}}, 1, 0, 120, 1000},
    {"tail cut", FIVE, {{48, 0, ONE, false}}, 1, 0, 80, 1000},
    {"in the middle of a picture", FIVE, {{36, 0, ONE, false}}, 1, 0, 60, 1000},
    {"from the middle of a picture", FIVE, {{120, 100, ONE, false}}, 1, 0, 100, 1000},
    {"middle cut out", FIVE, {{24, 0, ONE, false}, {24, 160, ONE, false}}, 2, 0, 80, 1000},
    {"twice the same", FIVE, {{60, 0, ONE, false}, {60, 0, ONE, false}}, 2, 0, 200, 1000},
    {"delayed start", FIVE, {{600, -1, ONE, false}, {120, 0, ONE, false}}, 2, 0, 200, 1000},
    {"end rounded down", {{0, 33}, {33, 33}, {66, 34}}, 3, {{39, 0, ONE, false}}, 1, 0, 66, 1000},
    {"end rounded up", {{0, 33}, {33, 33}, {66, 34}}, 3, {{40, 0, ONE, false}}, 1, 0, 66, 1000},
    {"the media's end rounded down", {{0, 33}, {33, 33}, {66, 35}}, 3, {{60, 0, ONE, false}}, 1, 0, 101, 1000},
    {"two ticks from any end", FIVE, {{22, 0, ONE, false}}, 1, 0, 22, 600},
    {"dwell", FIVE, {{600, 199, 0, false}}, 1, 0, 1, 1},
    {"double speed", FIVE, {{60, 0, 2 * ONE, false}}, 1, 0, 100, 1000},
    {"half speed", FIVE, {{240, 0, ONE / 2, false}}, 1, 0, 400, 1000},
    {"backwards", FIVE, {{120, 0, -ONE, false}}, 1, 0, 200, 1000},
    {"open", FIVE, {{0, 40, ONE, true}}, 1, 0, 160, 1000},
    {"open, with a length of its own", FIVE, {{12, 40, ONE, true}}, 1, 0, 160, 1000},
};

static void test_show(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(shows); i++) {
    const struct show *show = &shows[i];
    SCOPED(buf_fini) struct buf text = {0};
    struct mp4_edit edits[3];
    struct mp4_picture pictures[6];
    memcpy(edits, show->edits, sizeof edits);
    memcpy(pictures, show->pictures, sizeof pictures);
    struct mp4 mp4 = {.timescale = 600};
    struct mp4_track track = {.timescale = 1000,
                              .is_video = true,
                              .edits = edits,
                              .edit_count = show->edit_count,
                              .time_shift = show->shift};
    struct mp4_shown shown = mp4_show(&mp4, &track, pictures, show->count, &text);
    print_message("%s: %lld/%lld\n%.*s", show->name, (long long)shown.num, (long long)shown.den,
                  STR_ARG(buf_view(&text)));
    assert_true(shown.num >= 0 && shown.den > 0);
    if (show->den == 0) continue; /* any answer */
    assert_true((__int128)shown.num * show->den == (__int128)show->num * shown.den);
    assert_int_equal(text.len > 0, show->edit_count > 0 && show->count > 0);
  }
}

/* The largest timescales do not fit into the fraction as they are. */
static void test_show_large_scales(void **state) {
  (void)state;
  struct mp4_picture pictures[] = {{0, UINT32_MAX}};
  struct mp4_edit edits[] = {{UINT32_MAX, 0, ONE, false}};
  struct mp4 mp4 = {.timescale = UINT32_MAX};
  struct mp4_track track = {.timescale = UINT32_MAX, .edits = edits, .edit_count = 1};
  struct mp4_shown shown = mp4_show(&mp4, &track, pictures, 1, NULL);
  assert_true(shown.num == shown.den);
}

/* A million edits over a million pictures: each costs a search. */
static void test_show_many(void **state) {
  (void)state;
  const size_t count = 1000000;
  SCOPED_MALLOC struct mp4_picture *pictures = calloc(count, sizeof *pictures);
  SCOPED_MALLOC struct mp4_edit *edits = calloc(count, sizeof *edits);
  SCOPED(buf_fini) struct buf text = {0};
  assert_true(pictures != NULL && edits != NULL);
  for (size_t i = 0; i < count; i++) {
    pictures[i] = (struct mp4_picture){(int64_t)(count - i) * 40, 40};
    edits[i] = (struct mp4_edit){24, (int64_t)(i + 1) * 40, ONE, false};
  }
  struct mp4 mp4 = {.timescale = 600};
  struct mp4_track track = {.timescale = 1000, .edits = edits, .edit_count = count};
  struct mp4_shown shown = mp4_show(&mp4, &track, pictures, count, &text);
  assert_true((__int128)shown.num == (__int128)shown.den * 40000);
  assert_true(text.len < 4096);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_contradictions), cmocka_unit_test(test_tails),
      cmocka_unit_test(test_cuts),           cmocka_unit_test(test_facts),
      cmocka_unit_test(test_kinds),          cmocka_unit_test(test_sidx),
      cmocka_unit_test(test_noise),          cmocka_unit_test(test_edits_read),
      cmocka_unit_test(test_show),           cmocka_unit_test(test_show_large_scales),
      cmocka_unit_test(test_show_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
