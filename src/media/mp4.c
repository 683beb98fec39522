/* The walk over the top level visits every box header and nothing of the media. Inside moov, each thing that is
 * needed is looked up by its path; a file has few boxes there, so a second look costs nothing. Tables of samples are
 * streamed through windows, because they may have 100 million entries.
 *
 * What is truncated: a file without fragments may lack bytes at its end that only sound needs, so its own sample
 * tables decide (samples_beyond), not the size of mdat. In a fragmented file the tables come piece by piece, so a box
 * that is cut means that more video may have followed.
 *
 *   a box that goes beyond the end     no fragments              fragments
 *   moov                               is_cut                    is_cut
 *   mdat                               the sample tables decide  is_cut
 *   free, skip, wide, mfra             nothing                   nothing
 *   any other, or half a header        nothing                   is_cut
 */
#include "media/mp4.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/window.h"

#define TRACKS_MAX 1024
#define ENTRIES_MAX 256               /* sample entries of a track; libavformat reads fewer */
#define EDITS_MAX ((uint64_t)1 << 20) /* of all tracks of a file */

struct box {
  char type[5]; /* printable */
  uint64_t start, body, end;
  bool is_cut; /* `end` is the end of what is around it, but the box claims to be longer */
};

struct entry { /* of stsd */
  uint32_t format;
  struct mp4_size size;
  uint16_t reference; /* of dref, from 1 */
  bool is_used;
};

/* What is known of a track only while the file is read. */
struct detail {
  struct entry *entries;
  uint32_t entry_count;
  uint32_t default_size, default_entry; /* of trex */
};

struct reading {
  struct reel *reel;
  uint64_t size;
  struct window headers;
  struct window sizes, chunks, runs; /* three tables are read side by side */
  struct mp4 *mp4;
  struct detail details[TRACKS_MAX]; /* one for each of mp4->tracks */
  uint64_t edits;
  uint64_t data_start, data_end; /* of the video in the last fragment */
};

static bool is_type(const struct box *box, const char *type) { return memcmp(box->type, type, 4) == 0; }

static int damaged(const struct box *box, const char *what, struct err *err) {
  return err_set(err, ERR_MEDIA, "its box '%s' at byte %llu %s; the file is damaged", box->type,
                 (unsigned long long)box->start, what);
}

/* ---- boxes ---- */

static bool is_printable(const char *type) {
  for (size_t i = 0; i < 4; i++) {
    if ((type[i] < ' ' || type[i] > '~') && type[i] != '\xa9') return false;
  }
  return true;
}

static void name_box(struct box *box, const char *type) {
  memcpy(box->type, type, 4);
  for (size_t i = 0; i < 4; i++) {
    if (box->type[i] < ' ' || box->type[i] > '~') box->type[i] = '?';
  }
}

/* Reads the header at a position. At least 8 bytes are left before `limit`, which is the end of the box around it or
 * of the reel. A size of 0 means up to there. */
static int read_box(struct window *window, uint64_t position, uint64_t limit, struct box *ret, struct err *err) {
  const char *head;
  int result = window_view(window, position, 8, &head, err);
  if (result != 0) return result;
  struct box box = {.start = position, .body = position + 8};
  uint64_t size = be32_load(head);
  name_box(&box, head + 4);
  if (size == 1) {
    if (limit - position < 16) return damaged(&box, "ends within its size", err);
    result = window_view(window, position + 8, 8, &head, err);
    if (result != 0) return result;
    size = be64_load(head);
    box.body = position + 16;
  } else if (size == 0) {
    size = limit - position;
  }
  if (size < box.body - box.start) return damaged(&box, "is shorter than its own header", err);
  box.is_cut = size > limit - position;
  box.end = box.is_cut ? limit : position + size;
  *ret = box;
  return 0;
}

/* The first child of a type. Children that follow one that goes beyond its parent are not seen, as libavformat does.
 * A child of size 0 ends the list, as in QuickTime. */
static int find_child(struct window *window, const struct box *parent, const char *type, uint64_t from,
                      struct box *ret, bool *ret_found, struct err *err) {
  struct box box = {.end = from};
  *ret_found = false;
  while (parent->end - box.end >= 8) {
    int result = read_box(window, box.end, parent->end, &box, err);
    if (result != 0) return result;
    if (!is_type(&box, type)) continue;
    if (box.is_cut) return damaged(&box, "is longer than the box around it", err);
    *ret = box;
    *ret_found = true;
    return 0;
  }
  return 0;
}

/* Follows a path, "mdia/minf/stbl". */
static int find(struct reading *reading, const struct box *parent, const char *path, struct box *ret, bool *ret_found,
                struct err *err) {
  struct box box = *parent;
  bool found = true;
  int result = 0;
  for (const char *type = path; found && result == 0; type += 5) {
    result = find_child(&reading->headers, &box, type, box.body, &box, &found, err);
    if (type[4] == '\0') break;
  }
  if (result != 0) return result;
  *ret_found = found;
  if (found) *ret = box;
  return 0;
}

/* Bytes of a box's body. */
static int view(struct window *window, const struct box *box, uint64_t offset, size_t len, const char **ret,
                struct err *err) {
  if (offset > box->end - box->body || box->end - box->body - offset < len)
    return damaged(box, "is shorter than what it says of itself", err);
  return window_view(window, box->body + offset, len, ret, err);
}

/* ---- tables of a box: a count, and entries of one width ---- */

struct table {
  struct box box;
  uint64_t first; /* position of entry 0 */
  uint64_t count;
  unsigned bits; /* of an entry; 0: every entry is `constant` */
  uint32_t constant;
};

/* at: offset of the count in the box's body. */
static int read_table(struct window *window, const struct box *box, uint64_t at, unsigned bits, struct table *ret,
                      struct err *err) {
  const char *bytes;
  int result = view(window, box, at, 4, &bytes, err);
  if (result != 0) return result;
  struct table table = {.box = *box, .first = box->body + at + 4, .count = be32_load(bytes), .bits = bits};
  if ((table.count * bits + 7) / 8 > box->end - table.first)
    return damaged(box, "claims more entries than it has room for", err);
  *ret = table;
  return 0;
}

static int table_entry(struct window *window, const struct table *table, uint64_t index, const char **ret,
                       struct err *err) {
  CHECK(index < table->count);
  return window_view(window, table->first + index * table->bits / 8, (table->bits + 7) / 8, ret, err);
}

/* stsz and stz2: a table without entries, if all samples have one size. */
static int read_sizes(struct reading *reading, const struct box *stbl, struct table *ret, struct err *err) {
  struct box box;
  bool found;
  const char *bytes;
  *ret = (struct table){.count = 0};
  int result = find(reading, stbl, "stsz", &box, &found, err);
  if (result == 0 && found) {
    result = view(&reading->sizes, &box, 4, 4, &bytes, err);
    if (result != 0) return result;
    uint32_t constant = be32_load(bytes);
    result = read_table(&reading->sizes, &box, 8, constant != 0 ? 0 : 32, ret, err);
    ret->constant = constant;
    return result;
  }
  if (result == 0) result = find(reading, stbl, "stz2", &box, &found, err);
  if (result != 0 || !found) return result;
  result = view(&reading->sizes, &box, 7, 1, &bytes, err);
  if (result != 0) return result;
  unsigned bits = (unsigned char)bytes[0];
  if (bits != 4 && bits != 8 && bits != 16) return damaged(&box, "has entries of an unknown width", err);
  return read_table(&reading->sizes, &box, 8, bits, ret, err);
}

static int sample_size(struct reading *reading, const struct table *sizes, uint64_t index, uint32_t *ret,
                       struct err *err) {
  const char *bytes;
  *ret = sizes->constant;
  if (sizes->bits == 0) return 0;
  int result = table_entry(&reading->sizes, sizes, index, &bytes, err);
  if (result != 0) return result;
  unsigned char byte = (unsigned char)bytes[0];
  switch (sizes->bits) {
    case 4:
      *ret = index % 2 == 0 ? byte >> 4 : byte & 15;
      break;
    case 8:
      *ret = byte;
      break;
    case 16:
      *ret = be16_load(bytes);
      break;
    default:
      *ret = be32_load(bytes);
  }
  return 0;
}

/* ---- where the samples of the moov box are ---- */

struct layout {
  struct table sizes, chunks, runs;
  uint64_t next; /* sample */
};

/* How many of `count` samples of one size, from a position on, lie beyond the end. */
static uint64_t beyond(const struct reading *reading, uint64_t position, uint32_t size, uint64_t count) {
  if (size == 0) return 0;
  uint64_t room = position < reading->size ? (reading->size - position) / size : 0;
  return room < count ? count - room : 0;
}

static int see_chunk(struct reading *reading, struct mp4_track *track, struct layout *layout, uint64_t position,
                     uint64_t count, struct err *err) {
  if (layout->sizes.bits == 0) {
    track->samples_beyond += beyond(reading, position, layout->sizes.constant, count);
    layout->next += count;
    return 0;
  }
  for (uint64_t i = 0; i < count; i++) {
    uint32_t size;
    int result = sample_size(reading, &layout->sizes, layout->next++, &size, err);
    if (result != 0) return result;
    if (size == 0) track->empty_samples++;
    track->samples_beyond += beyond(reading, position, size, 1);
    if (__builtin_add_overflow(position, size, &position)) position = UINT64_MAX;
  }
  return 0;
}

struct run { /* of stsc */
  uint32_t first_chunk, samples, entry;
};

static int read_run(struct reading *reading, const struct table *runs, uint64_t index, struct run *ret,
                    struct err *err) {
  const char *bytes;
  *ret = (struct run){.first_chunk = UINT32_MAX};
  if (index >= runs->count) return 0;
  int result = table_entry(&reading->runs, runs, index, &bytes, err);
  if (result == 0) *ret = (struct run){be32_load(bytes), be32_load(bytes + 4), be32_load(bytes + 8)};
  return result;
}

static void use_entry(struct detail *detail, uint32_t index) {
  if (index >= 1 && index <= detail->entry_count) detail->entries[index - 1].is_used = true;
}

static int see_chunks(struct reading *reading, struct mp4_track *track, struct layout *layout, struct err *err) {
  struct detail *detail = &reading->details[track - reading->mp4->tracks];
  struct run run, next;
  uint64_t runs = 1;
  int result = read_run(reading, &layout->runs, 0, &run, err);
  if (result == 0) result = read_run(reading, &layout->runs, 1, &next, err);
  for (uint64_t chunk = 0; result == 0 && chunk < layout->chunks.count && layout->next < track->samples; chunk++) {
    const char *bytes;
    while (result == 0 && runs < layout->runs.count && next.first_chunk <= chunk + 1) {
      run = next;
      result = read_run(reading, &layout->runs, ++runs, &next, err);
    }
    if (result == 0) result = table_entry(&reading->chunks, &layout->chunks, chunk, &bytes, err);
    if (result != 0) return result;
    uint64_t left = track->samples - layout->next;
    uint64_t position = layout->chunks.bits == 64 ? be64_load(bytes) : be32_load(bytes);
    if (run.samples > 0) use_entry(detail, run.entry);
    result = see_chunk(reading, track, layout, position, run.samples < left ? run.samples : left, err);
  }
  track->samples_beyond += track->samples - layout->next; /* they are in no chunk */
  return result;
}

static int see_samples(struct reading *reading, struct mp4_track *track, const struct box *stbl,
                       const struct table *sizes, struct err *err) {
  struct layout layout = {.sizes = *sizes};
  struct box box;
  bool found;
  unsigned bits = 32;
  int result = find(reading, stbl, "stsc", &box, &found, err);
  if (result == 0 && found) result = read_table(&reading->runs, &box, 4, 96, &layout.runs, err);
  if (result == 0) result = find(reading, stbl, "stco", &box, &found, err);
  if (result == 0 && !found) {
    bits = 64;
    result = find(reading, stbl, "co64", &box, &found, err);
  }
  if (result == 0 && found) result = read_table(&reading->chunks, &box, 4, bits, &layout.chunks, err);
  return result == 0 ? see_chunks(reading, track, &layout, err) : result;
}

/* ---- sample entries, and the files that they name ---- */

static int read_entries(struct reading *reading, struct detail *detail, const struct box *stbl, struct err *err) {
  struct box stsd, box;
  bool found;
  const char *bytes;
  int result = find(reading, stbl, "stsd", &stsd, &found, err);
  if (result == 0 && found) result = view(&reading->headers, &stsd, 4, 4, &bytes, err);
  if (result != 0 || !found) return result;
  uint32_t count = be32_load(bytes);
  if (count > ENTRIES_MAX) return damaged(&stsd, "has more than 256 entries", err);
  detail->entries = calloc((size_t)count + 1, sizeof *detail->entries);
  CHECK(detail->entries != NULL);
  box.end = stsd.body + 8;
  for (uint32_t i = 0; i < count; i++) {
    if (stsd.end - box.end < 8) return damaged(&stsd, "claims more entries than it has room for", err);
    result = read_box(&reading->headers, box.end, stsd.end, &box, err);
    if (result == 0) result = view(&reading->headers, &box, 0, 28, &bytes, err);
    if (result != 0) return result;
    struct entry *entry = &detail->entries[detail->entry_count++];
    entry->reference = be16_load(bytes + 6);
    entry->size = (struct mp4_size){be16_load(bytes + 24), be16_load(bytes + 26)};
    memcpy(&entry->format, box.type, sizeof entry->format);
  }
  return 0;
}

/* True if an entry of dref names another file. Some writers leave out the flag "in this file" and name nothing. */
static int names_file(struct reading *reading, const struct box *box, bool *ret, struct err *err) {
  const char *bytes;
  int result = view(&reading->headers, box, 0, 4, &bytes, err);
  if (result != 0) return result;
  *ret = false;
  if ((bytes[3] & 1) != 0) return 0;
  uint64_t len = box->end - box->body - 4;
  size_t look = len < 256 ? (size_t)len : 256;
  result = view(&reading->headers, box, 4, look, &bytes, err);
  for (size_t i = 0; result == 0 && i < look; i++) {
    if (bytes[i] != 0) *ret = true;
  }
  return result;
}

static int read_references(struct reading *reading, struct mp4_track *track, const struct box *minf,
                           struct err *err) {
  struct box dref, box;
  bool found, names = false;
  const char *bytes;
  const struct detail *detail = &reading->details[track - reading->mp4->tracks];
  int result = find(reading, minf, "dinf/dref", &dref, &found, err);
  if (result == 0 && found) result = view(&reading->headers, &dref, 4, 4, &bytes, err);
  if (result != 0 || !found) return result;
  uint32_t count = be32_load(bytes);
  box.end = dref.body + 8;
  for (uint32_t i = 1; i <= count && i <= UINT16_MAX && dref.end - box.end >= 8; i++) {
    result = read_box(&reading->headers, box.end, dref.end, &box, err);
    if (result == 0) result = names_file(reading, &box, &names, err);
    if (result != 0) return result;
    for (uint32_t j = 0; names && j < detail->entry_count; j++) {
      if (detail->entries[j].reference == i) track->is_external = true;
    }
  }
  return 0;
}

/* ---- tracks ---- */

static int read_edits(struct reading *reading, struct mp4_track *track, const struct box *trak, struct err *err) {
  struct box box;
  bool found;
  const char *bytes;
  struct table table;
  int result = find(reading, trak, "edts/elst", &box, &found, err);
  if (result == 0 && found) result = view(&reading->headers, &box, 0, 4, &bytes, err);
  if (result != 0 || !found) return result;
  bool is_wide = bytes[0] == 1;
  result = read_table(&reading->headers, &box, 4, is_wide ? 160 : 96, &table, err);
  if (result != 0) return result;
  reading->edits += table.count;
  if (reading->edits > EDITS_MAX) return damaged(&box, "has more than a million edits", err);
  track->edits = calloc((size_t)table.count + 1, sizeof *track->edits);
  CHECK(track->edits != NULL);
  for (uint64_t i = 0; i < table.count; i++) {
    result = table_entry(&reading->headers, &table, i, &bytes, err);
    if (result != 0) return result;
    struct mp4_edit *edit = &track->edits[track->edit_count++];
    edit->duration = is_wide ? be64_load(bytes) : be32_load(bytes);
    edit->media_time = is_wide ? (int64_t)be64_load(bytes + 8) : (int32_t)be32_load(bytes + 4);
    edit->rate = (int32_t)be32_load(bytes + (is_wide ? 16 : 8));
  }
  return 0;
}

/* mvhd and mdhd have the same head. A duration of all ones is unknown. */
static int read_clock(struct reading *reading, const struct box *box, uint32_t *ret_timescale, uint64_t *ret_duration,
                      struct err *err) {
  const char *bytes;
  int result = view(&reading->headers, box, 0, 4, &bytes, err);
  if (result != 0) return result;
  bool is_wide = bytes[0] == 1;
  result = view(&reading->headers, box, is_wide ? 20 : 12, is_wide ? 12 : 8, &bytes, err);
  if (result != 0) return result;
  *ret_timescale = be32_load(bytes);
  uint64_t duration = is_wide ? be64_load(bytes + 4) : be32_load(bytes + 4);
  *ret_duration = duration == (is_wide ? UINT64_MAX : UINT32_MAX) ? 0 : duration;
  return 0;
}

static int read_id(struct reading *reading, const struct box *tkhd, uint32_t *ret, struct err *err) {
  const char *bytes;
  int result = view(&reading->headers, tkhd, 0, 4, &bytes, err);
  if (result == 0) result = view(&reading->headers, tkhd, bytes[0] == 1 ? 20 : 12, 4, &bytes, err);
  if (result == 0) *ret = be32_load(bytes);
  return result;
}

static int read_handler(struct reading *reading, const struct box *mdia, bool *ret_is_video, struct err *err) {
  struct box hdlr;
  bool found;
  const char *bytes;
  int result = find(reading, mdia, "hdlr", &hdlr, &found, err);
  if (result == 0 && found) result = view(&reading->headers, &hdlr, 8, 4, &bytes, err);
  if (result == 0) *ret_is_video = found && (memcmp(bytes, "vide", 4) == 0 || memcmp(bytes, "pict", 4) == 0);
  return result;
}

static int read_video(struct reading *reading, struct mp4_track *track, const struct box *trak,
                      const struct box *mdia, struct err *err) {
  struct box mdhd, minf, stbl;
  bool found;
  struct table sizes;
  int result = find(reading, mdia, "mdhd", &mdhd, &found, err);
  if (result == 0 && found) result = read_clock(reading, &mdhd, &track->timescale, &track->media_duration, err);
  if (result == 0 && track->timescale == 0) return damaged(trak, "is a video track without a timescale", err);
  if (result == 0) result = read_edits(reading, track, trak, err);
  if (result == 0) result = find(reading, mdia, "minf", &minf, &found, err);
  if (result == 0 && found) result = find(reading, &minf, "stbl", &stbl, &found, err);
  if (result != 0 || !found) return result;
  result = read_entries(reading, &reading->details[track - reading->mp4->tracks], &stbl, err);
  if (result == 0) result = read_references(reading, track, &minf, err);
  if (result == 0) result = read_sizes(reading, &stbl, &sizes, err);
  if (result != 0) return result;
  track->samples = sizes.count;
  return track->is_external ? 0 : see_samples(reading, track, &stbl, &sizes, err);
}

static int read_track(struct reading *reading, const struct box *trak, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  struct box box, mdia;
  bool found;
  struct table sizes;
  if (mp4->count == TRACKS_MAX) return err_set(err, ERR_MEDIA, "it has more than %d tracks", TRACKS_MAX);
  struct mp4_track *track = &mp4->tracks[mp4->count++];
  int result = find(reading, trak, "tkhd", &box, &found, err);
  if (result == 0 && found) result = read_id(reading, &box, &track->id, err);
  if (result == 0) result = find(reading, trak, "mdia", &mdia, &found, err);
  if (result == 0 && found) result = read_handler(reading, &mdia, &track->is_video, err);
  if (result != 0 || !found) return result;
  if (track->is_video) return read_video(reading, track, trak, &mdia, err);
  result = find(reading, &mdia, "minf/stbl", &box, &found, err);
  if (result == 0 && found && read_sizes(reading, &box, &sizes, NULL) == 0) track->samples = sizes.count;
  return result;
}

/* ---- moov ---- */

static struct mp4_track *track_of(const struct mp4 *mp4, uint32_t id) {
  for (size_t i = 0; i < mp4->count; i++) {
    if (mp4->tracks[i].id == id) return &mp4->tracks[i];
  }
  return NULL;
}

static int read_defaults(struct reading *reading, const struct box *trex, struct err *err) {
  const char *bytes;
  int result = view(&reading->headers, trex, 4, 16, &bytes, err);
  if (result != 0) return result;
  const struct mp4_track *track = track_of(reading->mp4, be32_load(bytes));
  if (track == NULL) return 0;
  struct detail *detail = &reading->details[track - reading->mp4->tracks];
  detail->default_entry = be32_load(bytes + 4);
  detail->default_size = be32_load(bytes + 12);
  return 0;
}

/* Calls see for each child of a type. */
static int each_child(struct reading *reading, const struct box *parent, const char *type,
                      int (*see)(struct reading *reading, const struct box *box, struct err *err), struct err *err) {
  struct box box = {.end = parent->body};
  bool found = true;
  int result = 0;
  while (found && result == 0) {
    result = find_child(&reading->headers, parent, type, box.end, &box, &found, err);
    if (result == 0 && found) result = see(reading, &box, err);
  }
  return result;
}

static bool has_samples(const struct mp4 *mp4) {
  for (size_t i = 0; i < mp4->count; i++) {
    if (mp4->tracks[i].samples > 0) return true;
  }
  return false;
}

static int read_moov(struct reading *reading, const struct box *moov, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  struct box box;
  bool found;
  uint64_t duration;
  int result = find(reading, moov, "cmov", &box, &found, err);
  if (result == 0 && found) {
    return err_set(err, ERR_MEDIA,
                   "its movie box is compressed (cmov), which codecmeter does not read; write it again with "
                   "ffmpeg -i FILE -c copy");
  }
  if (result == 0) result = find(reading, moov, "mvhd", &box, &found, err);
  if (result == 0 && found) result = read_clock(reading, &box, &mp4->timescale, &duration, err);
  if (result == 0) result = each_child(reading, moov, "trak", read_track, err);
  if (result == 0 && mp4->timescale == 0 && reading->edits > 0)
    return damaged(moov, "has edits without a timescale", err);
  if (result == 0) result = find(reading, moov, "rmra", &box, &found, err);
  if (result == 0) mp4->is_reference = found && !has_samples(mp4);
  if (result == 0) result = find(reading, moov, "mvex", &box, &mp4->is_fragmented, err);
  if (result == 0 && mp4->is_fragmented) result = each_child(reading, &box, "trex", read_defaults, err);
  mp4->has_moov = result == 0;
  return result;
}

/* ---- fragments ---- */

#define TFHD_BASE 1U
#define TFHD_ENTRY 2U
#define TFHD_DURATION 8U
#define TFHD_SIZE 0x10U
#define TFHD_BASE_IS_MOOF 0x20000U
#define TRUN_OFFSET 1U
#define TRUN_FIRST_FLAGS 4U
#define TRUN_DURATION 0x100U
#define TRUN_SIZE 0x200U
#define TRUN_FLAGS 0x400U
#define TRUN_COMPOSITION 0x800U

struct fragment {
  const struct box *moof;
  uint64_t base,
      position; /* of the data of the current traf: where its offsets count from, where the next run begins */
  struct mp4_track *track; /* NULL: moov has none such */
  uint32_t size, entry;
};

static uint32_t flags_of(const char *bytes) { return be32_load(bytes) & 0xffffff; }

static void move(uint64_t *position, uint64_t by) {
  if (__builtin_add_overflow(*position, by, position)) *position = UINT64_MAX;
}

static int read_tfhd(struct reading *reading, const struct box *tfhd, struct fragment *fragment, struct err *err) {
  const char *bytes;
  int result = view(&reading->headers, tfhd, 0, 8, &bytes, err);
  if (result != 0) return result;
  uint32_t flags = flags_of(bytes);
  fragment->track = track_of(reading->mp4, be32_load(bytes + 4));
  fragment->size = fragment->entry = 0;
  if (fragment->track != NULL) {
    const struct detail *detail = &reading->details[fragment->track - reading->mp4->tracks];
    fragment->size = detail->default_size;
    fragment->entry = detail->default_entry;
  }
  uint64_t at = 8;
  if ((flags & TFHD_BASE_IS_MOOF) != 0) fragment->position = fragment->moof->start;
  if ((flags & TFHD_BASE) != 0) {
    result = view(&reading->headers, tfhd, at, 8, &bytes, err);
    if (result == 0) fragment->position = be64_load(bytes);
    at += 8;
  }
  if (result == 0 && (flags & TFHD_ENTRY) != 0) {
    result = view(&reading->headers, tfhd, at, 4, &bytes, err);
    if (result == 0) fragment->entry = be32_load(bytes);
    at += 4;
  }
  if ((flags & TFHD_DURATION) != 0) at += 4;
  if (result == 0 && (flags & TFHD_SIZE) != 0) {
    result = view(&reading->headers, tfhd, at, 4, &bytes, err);
    if (result == 0) fragment->size = be32_load(bytes);
  }
  fragment->base = fragment->position;
  return result;
}

/* One sample, or `count` samples of one size. */
static void see_fragment_samples(struct reading *reading, struct fragment *fragment, uint32_t size, uint64_t count) {
  if (fragment->track != NULL && fragment->track->is_video) {
    fragment->track->fragment_samples += count;
    fragment->track->samples_beyond += beyond(reading, fragment->position, size, count);
  }
  move(&fragment->position, size * count);
}

/* Composition offsets follow the other fields of an entry. */
static int see_entries(struct reading *reading, struct fragment *fragment, const struct table *table, uint32_t flags,
                       struct err *err) {
  bool has_size = (flags & TRUN_SIZE) != 0, has_offset = (flags & TRUN_COMPOSITION) != 0;
  unsigned at = (flags & TRUN_DURATION) != 0 ? 4 : 0;
  int result = 0;
  if (!has_size) see_fragment_samples(reading, fragment, fragment->size, table->count);
  for (uint64_t i = 0; (has_size || has_offset) && result == 0 && i < table->count; i++) {
    const char *bytes;
    result = table_entry(&reading->sizes, table, i, &bytes, err);
    if (result == 0 && has_size) see_fragment_samples(reading, fragment, be32_load(bytes + at), 1);
    if (result != 0 || !has_offset || fragment->track == NULL) continue;
    int64_t offset = (int32_t)be32_load(bytes + table->bits / 8 - 4);
    if (-offset > fragment->track->time_shift) fragment->track->time_shift = -offset;
  }
  return result;
}

/* In 128 bits nothing wraps; a position beyond the end of everything stays there. */
static int begin_run(const struct box *trun, struct fragment *fragment, int32_t offset, struct err *err) {
  __int128 position = (__int128)fragment->base + offset;
  if (position < 0) return damaged(trun, "has its data before the file", err);
  fragment->position = position > UINT64_MAX ? UINT64_MAX : (uint64_t)position;
  return 0;
}

static int read_trun(struct reading *reading, const struct box *trun, struct fragment *fragment, struct err *err) {
  const char *bytes;
  struct table table;
  int result = view(&reading->headers, trun, 0, 4, &bytes, err);
  if (result != 0) return result;
  uint32_t flags = flags_of(bytes);
  unsigned bits = 0;
  uint64_t skip = (flags & TRUN_FIRST_FLAGS) != 0 ? 4 : 0;
  for (uint32_t flag = TRUN_DURATION; flag <= TRUN_COMPOSITION; flag <<= 1)
    bits += (flags & flag) != 0 ? 32 : 0;
  if ((flags & TRUN_OFFSET) != 0) {
    result = view(&reading->headers, trun, 8, 4, &bytes, err);
    if (result != 0) return result;
    skip += 4;
    result = begin_run(trun, fragment, (int32_t)be32_load(bytes), err);
    if (result != 0) return result;
  }
  result = read_table(&reading->sizes, trun, 4, bits, &table, err);
  if (result != 0) return result;
  table.first += skip;
  if (table.first > trun->end || table.count * bits / 8 > trun->end - table.first)
    return damaged(trun, "claims more entries than it has room for", err);
  uint64_t start = fragment->position;
  result = see_entries(reading, fragment, &table, flags, err);
  if (fragment->track == NULL || !fragment->track->is_video || start == fragment->position) return result;
  if (table.count > 0) use_entry(&reading->details[fragment->track - reading->mp4->tracks], fragment->entry);
  if (start < reading->data_start) reading->data_start = start;
  if (fragment->position > reading->data_end) reading->data_end = fragment->position;
  return result;
}

static int read_moof(struct reading *reading, const struct box *moof, struct err *err) {
  struct fragment fragment = {.moof = moof, .position = moof->start};
  struct box traf = {.end = moof->body}, box;
  bool found = true;
  int result = 0;
  reading->mp4->fragments++;
  reading->data_start = UINT64_MAX;
  reading->data_end = 0;
  while (result == 0) {
    result = find_child(&reading->headers, moof, "traf", traf.end, &traf, &found, err);
    if (result != 0 || !found) return result;
    result = find(reading, &traf, "tfhd", &box, &found, err);
    if (result == 0 && !found) return damaged(&traf, "has no tfhd box", err);
    if (result == 0) result = read_tfhd(reading, &box, &fragment, err);
    box.end = traf.body;
    while (result == 0 && found) {
      result = find_child(&reading->headers, &traf, "trun", box.end, &box, &found, err);
      if (result == 0 && found) result = read_trun(reading, &box, &fragment, err);
    }
  }
  return result;
}

/* ---- the top level ---- */

static void cut(struct mp4 *mp4, const char *type) {
  if (!mp4->is_cut) CHECK(str_copy(str_of(type), mp4->cut_what, sizeof mp4->cut_what));
  mp4->is_cut = true;
}

/* What an index of segments lists begins behind it. The index of a sound track says nothing of the video. */
static int read_sidx(struct reading *reading, const struct box *sidx, struct err *err) {
  const char *bytes;
  struct table table;
  struct mp4 *mp4 = reading->mp4;
  int result = view(&reading->headers, sidx, 0, 8, &bytes, err);
  if (result != 0) return result;
  bool is_wide = bytes[0] != 0;
  const struct mp4_track *track = track_of(mp4, be32_load(bytes + 4));
  if (track != NULL && !track->is_video) return 0;
  uint64_t end = sidx->end;
  result = view(&reading->headers, sidx, is_wide ? 20 : 16, is_wide ? 12 : 8, &bytes, err);
  if (result != 0) return result;
  move(&end, is_wide ? be64_load(bytes) : be32_load(bytes));
  uint64_t at = is_wide ? 30 : 22; /* a count of 16 bits */
  result = view(&reading->headers, sidx, at, 2, &bytes, err);
  if (result != 0) return result;
  table = (struct table){.box = *sidx, .first = sidx->body + at + 2, .count = be16_load(bytes), .bits = 96};
  if (table.count * 12 > sidx->end - table.first)
    return damaged(sidx, "claims more entries than it has room for", err);
  for (uint64_t i = 0; i < table.count; i++) {
    result = table_entry(&reading->sizes, &table, i, &bytes, err);
    if (result != 0) return result;
    move(&end, be32_load(bytes) & 0x7fffffff);
  }
  if (end > reading->size) cut(mp4, sidx->type);
  return 0;
}

static bool has_fragments(const struct mp4 *mp4) { return mp4->is_fragmented || mp4->fragments > 0; }

static bool is_padding(const struct box *box) {
  return is_type(box, "free") || is_type(box, "skip") || is_type(box, "wide") || is_type(box, "mfra");
}

static int see_box(struct reading *reading, const struct box *box, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  bool is_moov = is_type(box, "moov") && mp4->moovs++ == 0, is_moof = is_type(box, "moof");
  if (box->is_cut && (is_moov || is_moof || (has_fragments(mp4) && !is_padding(box)))) {
    cut(mp4, box->type);
    return 0;
  }
  if (is_moof && box->start > reading->data_start && box->start < reading->data_end) cut(mp4, "mdat");
  if (is_moov) return read_moov(reading, box, err);
  if (is_moof) return read_moof(reading, box, err);
  return is_type(box, "sidx") && !box->is_cut ? read_sidx(reading, box, err) : 0;
}

/* Bytes that are no box. Behind the moov box of a file without fragments they do no harm; neither do zeros, anywhere.
 */
static int see_rest(struct reading *reading, uint64_t position, const struct err *why, struct err *err) {
  const struct mp4 *mp4 = reading->mp4;
  const char *bytes;
  int result = window_view(&reading->headers, position, 8, &bytes, err);
  if (result != 0) return result;
  bool is_zero = be64_load(bytes) == 0;
  if (is_zero || (mp4->has_moov && !has_fragments(mp4))) return 0;
  return err_set(err, ERR_MEDIA, "%s", why->text);
}

/* Fewer than 8 bytes are left: the begin of a box's header, or zeros. Up to 3 zeros may be a header's. */
static int see_last_bytes(struct reading *reading, uint64_t position, struct err *err) {
  size_t left = (size_t)(reading->size - position);
  const char *bytes;
  int result = window_view(&reading->headers, position, left, &bytes, err);
  if (result != 0) return result;
  bool is_zeros = left == 0 || left >= 4;
  for (size_t i = 0; i < left; i++)
    is_zeros = is_zeros && bytes[i] == 0;
  if (!is_zeros) cut(reading->mp4, "");
  return 0;
}

/* The box at a position of the top level. */
static int read_top(struct reading *reading, uint64_t position, struct box *ret, struct err *err) {
  const char *bytes;
  int result = window_view(&reading->headers, position, 8, &bytes, err);
  if (result == 0 && !is_printable(bytes + 4))
    return err_set(err, ERR_MEDIA, "the bytes at %llu are no box; the file is damaged", (unsigned long long)position);
  return result == 0 ? read_box(&reading->headers, position, reading->size, ret, err) : result;
}

static int walk(struct reading *reading, struct err *err) {
  struct box box = {.end = 0};
  while (reading->size - box.end >= 8) {
    struct err why;
    uint64_t at = box.end;
    int result = read_top(reading, at, &box, &why);
    if (result == -ERR_MEDIA) return see_rest(reading, at, &why, err);
    if (result != 0) return err_set(err, why.code, "%s", why.text);
    result = see_box(reading, &box, err);
    if (result != 0) return result;
  }
  return has_fragments(reading->mp4) ? see_last_bytes(reading, box.end, err) : 0;
}

/* ---- the whole ---- */

static bool begins_mp4(const char *type) {
  static const char first[][5] = {"ftyp", "styp", "moov", "moof", "mdat", "sidx", "free", "skip",
                                  "wide", "pnot", "uuid", "emsg", "prft", "ssix", "pdin", "meta"};
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
    if (memcmp(type, first[i], 4) == 0) return true;
  }
  return false;
}

static void add_size(struct mp4_track *track, struct mp4_size size) {
  for (size_t i = 0; i < track->size_count && i < 2; i++) {
    if (track->sizes[i].width == size.width && track->sizes[i].height == size.height) return;
  }
  if (track->size_count < 2) track->sizes[track->size_count] = size;
  track->size_count++;
}

/* If no sample says which entry it uses (an init segment), all count. */
static void sum_entries(struct mp4_track *track, const struct detail *detail) {
  bool any_used = false;
  for (uint32_t i = 0; i < detail->entry_count; i++)
    any_used = any_used || detail->entries[i].is_used;
  for (uint32_t i = 0; i < detail->entry_count; i++) {
    const struct entry *entry = &detail->entries[i];
    if (any_used && !entry->is_used) continue;
    add_size(track, entry->size);
    bool is_known = false;
    for (uint32_t j = 0; j < i; j++) {
      if ((!any_used || detail->entries[j].is_used) && detail->entries[j].format == entry->format) is_known = true;
    }
    if (!is_known) track->format_count++;
  }
}

/* Writers of fragmented files do not know how long the last edit will be. They write 0, or the length of the samples
 * in the moov box. */
static void open_last_edit(const struct mp4 *mp4, struct mp4_track *track) {
  if (!mp4->is_fragmented || track->edit_count == 0) return;
  struct mp4_edit *last = &track->edits[track->edit_count - 1];
  if (last->media_time == -1 || last->rate == 0) return;
  __int128 media = (__int128)last->media_time * mp4->timescale + (__int128)last->duration * track->timescale;
  __int128 slack = track->timescale;
  bool ends_with_moov = track->samples > 0 && track->fragment_samples > 0 &&
                        media + slack >= (__int128)track->media_duration * mp4->timescale;
  last->is_open = last->duration == 0 || ends_with_moov;
}

int mp4_read(struct reel *reel, struct mp4 *ret, struct err *err) {
  char head[8];
  size_t got = 0;
  *ret = (struct mp4){.is_mp4 = false};
  int result = reel_read(reel, 0, head, sizeof head, &got, err);
  if (result != 0 || got < sizeof head || !begins_mp4(head + 4)) return result;
  ret->is_mp4 = true;
  ret->tracks = calloc(TRACKS_MAX, sizeof *ret->tracks);
  SCOPED_MALLOC struct reading *reading = calloc(1, sizeof *reading);
  CHECK(ret->tracks != NULL && reading != NULL);
  *reading = (struct reading){.reel = reel, .size = reel_size(reel), .mp4 = ret, .data_start = UINT64_MAX};
  window_init(&reading->headers, reel, WINDOW_HEADERS);
  window_init(&reading->sizes, reel, WINDOW_TABLE);
  window_init(&reading->chunks, reel, WINDOW_TABLE);
  window_init(&reading->runs, reel, WINDOW_TABLE);
  result = walk(reading, err);
  for (size_t i = 0; i < ret->count; i++) {
    sum_entries(&ret->tracks[i], &reading->details[i]);
    open_last_edit(ret, &ret->tracks[i]);
    if (ret->tracks[i].samples > 0) ret->tracks[i].time_shift = 0;
    free(reading->details[i].entries);
  }
  ret->is_init_only = ret->has_moov && ret->is_fragmented && ret->fragments == 0 && !has_samples(ret);
  ret->is_segment = !ret->has_moov && ret->fragments > 0;
  window_fini(&reading->headers);
  window_fini(&reading->sizes);
  window_fini(&reading->chunks);
  window_fini(&reading->runs);
  return result;
}

void mp4_fini(struct mp4 *mp4) {
  for (size_t i = 0; i < mp4->count; i++)
    free(mp4->tracks[i].edits);
  free(mp4->tracks);
  *mp4 = (struct mp4){.is_mp4 = false};
}
