/* Each thing that is needed is looked up by its path; a file has few boxes in moov, so a second look costs nothing.
 * Tables of samples are streamed through three windows side by side, because they may have 100 million entries. Only
 * the tables of video are checked: a sound track that is damaged does not make the video wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "media/mp4_reading.h"

#define ENTRIES_MAX 256               /* sample entries of a track; libavformat reads fewer */
#define EDITS_MAX ((uint64_t)1 << 20) /* of all tracks of a file */

/* stsz and stz2: a table without entries, if all samples have one size. */
static int read_sizes(struct mp4_reading *reading, const struct box *stbl, struct box_table *ret, struct err *err) {
  struct box box;
  bool found;
  const char *bytes;
  *ret = (struct box_table){.count = 0};
  int result = box_find(&reading->headers, stbl, "stsz", &box, &found, err);
  if (result == 0 && found) {
    result = box_view(&reading->sizes, &box, 4, 4, &bytes, err);
    if (result != 0) return result;
    uint32_t constant = be32_load(bytes);
    result = box_table(&reading->sizes, &box, 8, constant != 0 ? 0 : 32, ret, err);
    ret->constant = constant;
    return result;
  }
  if (result == 0) result = box_find(&reading->headers, stbl, "stz2", &box, &found, err);
  if (result != 0 || !found) return result;
  result = box_view(&reading->sizes, &box, 7, 1, &bytes, err);
  if (result != 0) return result;
  unsigned bits = (unsigned char)bytes[0];
  if (bits != 4 && bits != 8 && bits != 16) return box_damaged(&box, "has entries of an unknown width", err);
  return box_table(&reading->sizes, &box, 8, bits, ret, err);
}

static int sample_size(struct mp4_reading *reading, const struct box_table *sizes, uint64_t index, uint32_t *ret,
                       struct err *err) {
  const char *bytes;
  *ret = sizes->constant;
  if (sizes->bits == 0) return 0;
  int result = box_entry(&reading->sizes, sizes, index, &bytes, err);
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
  struct box_table sizes, chunks, runs;
  uint64_t next; /* sample */
};

uint64_t mp4_beyond(const struct mp4_reading *reading, uint64_t position, uint32_t size, uint64_t count) {
  if (size == 0) return 0;
  uint64_t room = position < reading->size ? (reading->size - position) / size : 0;
  return room < count ? count - room : 0;
}

static int see_chunk(struct mp4_reading *reading, struct mp4_track *track, struct layout *layout, uint64_t position,
                     uint64_t count, struct err *err) {
  if (layout->sizes.bits == 0) {
    track->samples_beyond += mp4_beyond(reading, position, layout->sizes.constant, count);
    layout->next += count;
    return 0;
  }
  for (uint64_t i = 0; i < count; i++) {
    uint32_t size;
    int result = sample_size(reading, &layout->sizes, layout->next++, &size, err);
    if (result != 0) return result;
    if (size == 0) track->empty_samples++;
    track->samples_beyond += mp4_beyond(reading, position, size, 1);
    if (__builtin_add_overflow(position, size, &position)) position = UINT64_MAX;
  }
  return 0;
}

struct run { /* of stsc */
  uint32_t first_chunk, samples, entry;
};

static int read_run(struct mp4_reading *reading, const struct box_table *runs, uint64_t index, struct run *ret,
                    struct err *err) {
  const char *bytes;
  *ret = (struct run){.first_chunk = UINT32_MAX};
  if (index >= runs->count) return 0;
  int result = box_entry(&reading->runs, runs, index, &bytes, err);
  if (result == 0) *ret = (struct run){be32_load(bytes), be32_load(bytes + 4), be32_load(bytes + 8)};
  return result;
}

void mp4_use_entry(struct mp4_detail *detail, uint32_t index) {
  if (index >= 1 && index <= detail->entry_count) detail->entries[index - 1].is_used = true;
}

static int see_chunks(struct mp4_reading *reading, struct mp4_track *track, struct layout *layout, struct err *err) {
  struct mp4_detail *detail = &reading->details[track - reading->mp4->tracks];
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
    if (result == 0) result = box_entry(&reading->chunks, &layout->chunks, chunk, &bytes, err);
    if (result != 0) return result;
    uint64_t left = track->samples - layout->next;
    uint64_t position = layout->chunks.bits == 64 ? be64_load(bytes) : be32_load(bytes);
    if (run.samples > 0) mp4_use_entry(detail, run.entry);
    result = see_chunk(reading, track, layout, position, run.samples < left ? run.samples : left, err);
  }
  track->samples_beyond += track->samples - layout->next; /* they are in no chunk */
  return result;
}

static int see_samples(struct mp4_reading *reading, struct mp4_track *track, const struct box *stbl,
                       const struct box_table *sizes, struct err *err) {
  struct layout layout = {.sizes = *sizes};
  struct box box;
  bool found;
  unsigned bits = 32;
  int result = box_find(&reading->headers, stbl, "stsc", &box, &found, err);
  if (result == 0 && found) result = box_table(&reading->runs, &box, 4, 96, &layout.runs, err);
  if (result == 0) result = box_find(&reading->headers, stbl, "stco", &box, &found, err);
  if (result == 0 && !found) {
    bits = 64;
    result = box_find(&reading->headers, stbl, "co64", &box, &found, err);
  }
  if (result == 0 && found) result = box_table(&reading->chunks, &box, 4, bits, &layout.chunks, err);
  return result == 0 ? see_chunks(reading, track, &layout, err) : result;
}

/* ---- sample entries, and the files that they name ---- */

static int read_entries(struct mp4_reading *reading, struct mp4_detail *detail, const struct box *stbl,
                        struct err *err) {
  struct box stsd, box;
  bool found;
  const char *bytes;
  int result = box_find(&reading->headers, stbl, "stsd", &stsd, &found, err);
  if (result == 0 && found) result = box_view(&reading->headers, &stsd, 4, 4, &bytes, err);
  if (result != 0 || !found) return result;
  uint32_t count = be32_load(bytes);
  if (count > ENTRIES_MAX) return box_damaged(&stsd, "has more than 256 entries", err);
  detail->entries = calloc((size_t)count + 1, sizeof *detail->entries);
  CHECK(detail->entries != NULL);
  box.end = stsd.body + 8;
  for (uint32_t i = 0; i < count; i++) {
    if (stsd.end - box.end < 8) return box_damaged(&stsd, "claims more entries than it has room for", err);
    result = box_read(&reading->headers, box.end, stsd.end, &box, err);
    if (result == 0) result = box_view(&reading->headers, &box, 0, 28, &bytes, err);
    if (result != 0) return result;
    struct mp4_entry *entry = &detail->entries[detail->entry_count++];
    entry->reference = be16_load(bytes + 6);
    entry->size = (struct mp4_size){be16_load(bytes + 24), be16_load(bytes + 26)};
    memcpy(&entry->format, box.type, sizeof entry->format);
  }
  return 0;
}

/* True if an entry of dref names another file. Some writers leave out the flag "in this file" and name nothing. */
static int names_file(struct mp4_reading *reading, const struct box *box, bool *ret, struct err *err) {
  const char *bytes;
  int result = box_view(&reading->headers, box, 0, 4, &bytes, err);
  if (result != 0) return result;
  *ret = false;
  if ((bytes[3] & 1) != 0) return 0;
  uint64_t len = box->end - box->body - 4;
  size_t look = len < 256 ? (size_t)len : 256;
  result = box_view(&reading->headers, box, 4, look, &bytes, err);
  for (size_t i = 0; result == 0 && i < look; i++) {
    if (bytes[i] != 0) *ret = true;
  }
  return result;
}

static int read_references(struct mp4_reading *reading, struct mp4_track *track, const struct box *minf,
                           struct err *err) {
  struct box dref, box;
  bool found, names = false;
  const char *bytes;
  const struct mp4_detail *detail = &reading->details[track - reading->mp4->tracks];
  int result = box_find(&reading->headers, minf, "dinf/dref", &dref, &found, err);
  if (result == 0 && found) result = box_view(&reading->headers, &dref, 4, 4, &bytes, err);
  if (result != 0 || !found) return result;
  uint32_t count = be32_load(bytes);
  box.end = dref.body + 8;
  for (uint32_t i = 1; i <= count && i <= UINT16_MAX && dref.end - box.end >= 8; i++) {
    result = box_read(&reading->headers, box.end, dref.end, &box, err);
    if (result == 0) result = names_file(reading, &box, &names, err);
    if (result != 0) return result;
    for (uint32_t j = 0; names && j < detail->entry_count; j++) {
      if (detail->entries[j].reference == i) track->is_external = true;
    }
  }
  return 0;
}

/* ---- tracks ---- */

static int read_edits(struct mp4_reading *reading, struct mp4_track *track, const struct box *trak, struct err *err) {
  struct box box;
  bool found;
  const char *bytes;
  struct box_table table;
  int result = box_find(&reading->headers, trak, "edts/elst", &box, &found, err);
  if (result == 0 && found) result = box_view(&reading->headers, &box, 0, 4, &bytes, err);
  if (result != 0 || !found) return result;
  bool is_wide = bytes[0] == 1;
  result = box_table(&reading->headers, &box, 4, is_wide ? 160 : 96, &table, err);
  if (result != 0) return result;
  reading->edits += table.count;
  if (reading->edits > EDITS_MAX) return box_damaged(&box, "has more than a million edits", err);
  track->edits = calloc((size_t)table.count + 1, sizeof *track->edits);
  CHECK(track->edits != NULL);
  for (uint64_t i = 0; i < table.count; i++) {
    result = box_entry(&reading->headers, &table, i, &bytes, err);
    if (result != 0) return result;
    struct mp4_edit *edit = &track->edits[track->edit_count++];
    edit->duration = is_wide ? be64_load(bytes) : be32_load(bytes);
    edit->media_time = is_wide ? (int64_t)be64_load(bytes + 8) : (int32_t)be32_load(bytes + 4);
    edit->rate = (int32_t)be32_load(bytes + (is_wide ? 16 : 8));
  }
  return 0;
}

/* mvhd and mdhd have the same head. A duration of all ones is unknown. */
static int read_clock(struct mp4_reading *reading, const struct box *box, uint32_t *ret_timescale,
                      uint64_t *ret_duration, struct err *err) {
  const char *bytes;
  int result = box_view(&reading->headers, box, 0, 4, &bytes, err);
  if (result != 0) return result;
  bool is_wide = bytes[0] == 1;
  result = box_view(&reading->headers, box, is_wide ? 20 : 12, is_wide ? 12 : 8, &bytes, err);
  if (result != 0) return result;
  *ret_timescale = be32_load(bytes);
  uint64_t duration = is_wide ? be64_load(bytes + 4) : be32_load(bytes + 4);
  *ret_duration = duration == (is_wide ? UINT64_MAX : UINT32_MAX) ? 0 : duration;
  return 0;
}

static int read_id(struct mp4_reading *reading, const struct box *tkhd, uint32_t *ret, struct err *err) {
  const char *bytes;
  int result = box_view(&reading->headers, tkhd, 0, 4, &bytes, err);
  if (result == 0) result = box_view(&reading->headers, tkhd, bytes[0] == 1 ? 20 : 12, 4, &bytes, err);
  if (result == 0) *ret = be32_load(bytes);
  return result;
}

static int read_handler(struct mp4_reading *reading, const struct box *mdia, bool *ret_is_video, struct err *err) {
  struct box hdlr;
  bool found;
  const char *bytes;
  int result = box_find(&reading->headers, mdia, "hdlr", &hdlr, &found, err);
  if (result == 0 && found) result = box_view(&reading->headers, &hdlr, 8, 4, &bytes, err);
  if (result == 0) *ret_is_video = found && (memcmp(bytes, "vide", 4) == 0 || memcmp(bytes, "pict", 4) == 0);
  return result;
}

static int read_video(struct mp4_reading *reading, struct mp4_track *track, const struct box *trak,
                      const struct box *mdia, struct err *err) {
  struct box mdhd, minf, stbl;
  bool found;
  struct box_table sizes;
  int result = box_find(&reading->headers, mdia, "mdhd", &mdhd, &found, err);
  if (result == 0 && found) result = read_clock(reading, &mdhd, &track->timescale, &track->media_duration, err);
  if (result == 0 && track->timescale == 0) return box_damaged(trak, "is a video track without a timescale", err);
  if (result == 0) result = read_edits(reading, track, trak, err);
  if (result == 0) result = box_find(&reading->headers, mdia, "minf", &minf, &found, err);
  if (result == 0 && found) result = box_find(&reading->headers, &minf, "stbl", &stbl, &found, err);
  if (result != 0 || !found) return result;
  result = read_entries(reading, &reading->details[track - reading->mp4->tracks], &stbl, err);
  if (result == 0) result = read_references(reading, track, &minf, err);
  if (result == 0) result = read_sizes(reading, &stbl, &sizes, err);
  if (result != 0) return result;
  track->samples = sizes.count;
  return track->is_external ? 0 : see_samples(reading, track, &stbl, &sizes, err);
}

static int read_track(struct mp4_reading *reading, const struct box *trak, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  struct box box, mdia;
  bool found;
  struct box_table sizes = {.count = 0};
  if (mp4->count == MP4_TRACKS_MAX) return err_set(err, ERR_MEDIA, "it has more than %d tracks", MP4_TRACKS_MAX);
  struct mp4_track *track = &mp4->tracks[mp4->count++];
  int result = box_find(&reading->headers, trak, "tkhd", &box, &found, err);
  if (result == 0 && found) result = read_id(reading, &box, &track->id, err);
  if (result == 0) result = box_find(&reading->headers, trak, "mdia", &mdia, &found, err);
  if (result == 0 && found) result = read_handler(reading, &mdia, &track->is_video, err);
  if (result != 0 || !found) return result;
  if (track->is_video) return read_video(reading, track, trak, &mdia, err);
  struct err why;
  result = box_find(&reading->headers, &mdia, "minf/stbl", &box, &found, &why);
  if (result == 0 && found) result = read_sizes(reading, &box, &sizes, &why);
  if (result == 0 && found) track->samples = sizes.count;
  return result == 0 || result == -ERR_MEDIA ? 0 : err_set(err, why.code, "%s", why.text);
}

/* ---- moov ---- */

struct mp4_track *mp4_track_of(const struct mp4 *mp4, uint32_t id) {
  for (size_t i = 0; i < mp4->count; i++) {
    if (mp4->tracks[i].id == id) return &mp4->tracks[i];
  }
  return NULL;
}

static int read_defaults(struct mp4_reading *reading, const struct box *trex, struct err *err) {
  const char *bytes;
  int result = box_view(&reading->headers, trex, 4, 16, &bytes, err);
  if (result != 0) return result;
  const struct mp4_track *track = mp4_track_of(reading->mp4, be32_load(bytes));
  if (track == NULL) return 0;
  struct mp4_detail *detail = &reading->details[track - reading->mp4->tracks];
  detail->default_entry = be32_load(bytes + 4);
  detail->default_size = be32_load(bytes + 12);
  return 0;
}

/* Calls see for each child of a type. */
static int each_child(struct mp4_reading *reading, const struct box *parent, const char *type,
                      int (*see)(struct mp4_reading *reading, const struct box *box, struct err *err),
                      struct err *err) {
  struct box box = {.end = parent->body};
  bool found = true;
  int result = 0;
  while (found && result == 0) {
    result = box_child(&reading->headers, parent, type, box.end, &box, &found, err);
    if (result == 0 && found) result = see(reading, &box, err);
  }
  return result;
}

bool mp4_has_samples(const struct mp4 *mp4) {
  for (size_t i = 0; i < mp4->count; i++) {
    if (mp4->tracks[i].samples > 0) return true;
  }
  return false;
}

int mp4_read_moov(struct mp4_reading *reading, const struct box *moov, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  struct box box;
  bool found;
  uint64_t duration;
  int result = box_find(&reading->headers, moov, "cmov", &box, &found, err);
  if (result == 0 && found) {
    return err_set(err, ERR_MEDIA,
                   "its movie box is compressed (cmov), which codecmeter does not read; write it again with "
                   "ffmpeg -i FILE -c copy");
  }
  if (result == 0) result = box_find(&reading->headers, moov, "mvhd", &box, &found, err);
  if (result == 0 && found) result = read_clock(reading, &box, &mp4->timescale, &duration, err);
  if (result == 0) result = each_child(reading, moov, "trak", read_track, err);
  if (result == 0 && mp4->timescale == 0 && reading->edits > 0)
    return box_damaged(moov, "has edits without a timescale", err);
  if (result == 0) result = box_find(&reading->headers, moov, "rmra", &box, &found, err);
  if (result == 0) mp4->is_reference = found && !mp4_has_samples(mp4);
  if (result == 0) result = box_find(&reading->headers, moov, "mvex", &box, &mp4->is_fragmented, err);
  if (result == 0 && mp4->is_fragmented) result = each_child(reading, &box, "trex", read_defaults, err);
  mp4->has_moov = result == 0;
  return result;
}
