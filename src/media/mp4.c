/* The walk over the top level visits every box header and nothing of the media. It reads moov (mp4_moov.c), moof and
 * sidx boxes. All of that goes through one small window, because a fragment may be a single picture.
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
#include "media/mp4_reading.h"
#include "media/zeros.h"

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

static int read_tfhd(struct mp4_reading *reading, const struct box *tfhd, struct fragment *fragment,
                     struct err *err) {
  const char *bytes;
  int result = box_view(&reading->headers, tfhd, 0, 8, &bytes, err);
  if (result != 0) return result;
  uint32_t flags = flags_of(bytes);
  fragment->track = mp4_track_of(reading->mp4, be32_load(bytes + 4));
  fragment->size = fragment->entry = 0;
  if (fragment->track != NULL) {
    const struct mp4_detail *detail = &reading->details[fragment->track - reading->mp4->tracks];
    fragment->size = detail->default_size;
    fragment->entry = detail->default_entry;
  }
  uint64_t at = 8;
  if ((flags & TFHD_BASE_IS_MOOF) != 0) fragment->position = fragment->moof->start;
  if ((flags & TFHD_BASE) != 0) {
    result = box_view(&reading->headers, tfhd, at, 8, &bytes, err);
    if (result == 0) fragment->position = be64_load(bytes);
    at += 8;
  }
  if (result == 0 && (flags & TFHD_ENTRY) != 0) {
    result = box_view(&reading->headers, tfhd, at, 4, &bytes, err);
    if (result == 0) fragment->entry = be32_load(bytes);
    at += 4;
  }
  if ((flags & TFHD_DURATION) != 0) at += 4;
  if (result == 0 && (flags & TFHD_SIZE) != 0) {
    result = box_view(&reading->headers, tfhd, at, 4, &bytes, err);
    if (result == 0) fragment->size = be32_load(bytes);
  }
  fragment->base = fragment->position;
  return result;
}

/* One sample, or `count` samples of one size. */
static void see_fragment_samples(struct mp4_reading *reading, struct fragment *fragment, uint32_t size,
                                 uint64_t count) {
  if (fragment->track != NULL && fragment->track->is_video) {
    fragment->track->fragment_samples += count;
    fragment->track->samples_beyond += mp4_beyond(reading, fragment->position, size, count);
  }
  move(&fragment->position, size * count);
}

/* Composition offsets follow the other fields of an entry. */
static int see_entries(struct mp4_reading *reading, struct fragment *fragment, const struct box_table *table,
                       uint32_t flags, struct err *err) {
  bool has_size = (flags & TRUN_SIZE) != 0, has_offset = (flags & TRUN_COMPOSITION) != 0;
  unsigned at = (flags & TRUN_DURATION) != 0 ? 4 : 0;
  int result = 0;
  if (!has_size) see_fragment_samples(reading, fragment, fragment->size, table->count);
  for (uint64_t i = 0; (has_size || has_offset) && result == 0 && i < table->count; i++) {
    const char *bytes;
    result = box_entry(&reading->headers, table, i, &bytes, err);
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
  if (position < 0) return box_damaged(trun, "has its data before the file", err);
  fragment->position = position > UINT64_MAX ? UINT64_MAX : (uint64_t)position;
  return 0;
}

static int read_trun(struct mp4_reading *reading, const struct box *trun, struct fragment *fragment,
                     struct err *err) {
  const char *bytes;
  struct box_table table;
  int result = box_view(&reading->headers, trun, 0, 4, &bytes, err);
  if (result != 0) return result;
  uint32_t flags = flags_of(bytes);
  unsigned bits = 0;
  uint64_t skip = (flags & TRUN_FIRST_FLAGS) != 0 ? 4 : 0;
  for (uint32_t flag = TRUN_DURATION; flag <= TRUN_COMPOSITION; flag <<= 1)
    bits += (flags & flag) != 0 ? 32 : 0;
  if ((flags & TRUN_OFFSET) != 0) {
    result = box_view(&reading->headers, trun, 8, 4, &bytes, err);
    if (result != 0) return result;
    skip += 4;
    result = begin_run(trun, fragment, (int32_t)be32_load(bytes), err);
    if (result != 0) return result;
  }
  result = box_table(&reading->headers, trun, 4, bits, &table, err);
  if (result != 0) return result;
  table.first += skip;
  if (table.first > trun->end || table.count * bits / 8 > trun->end - table.first)
    return box_damaged(trun, "claims more entries than it has room for", err);
  uint64_t start = fragment->position;
  result = see_entries(reading, fragment, &table, flags, err);
  if (fragment->track == NULL || !fragment->track->is_video || start == fragment->position) return result;
  if (table.count > 0) mp4_use_entry(&reading->details[fragment->track - reading->mp4->tracks], fragment->entry);
  if (start < reading->data_start) reading->data_start = start;
  if (fragment->position > reading->data_end) reading->data_end = fragment->position;
  return result;
}

static int read_moof(struct mp4_reading *reading, const struct box *moof, struct err *err) {
  struct fragment fragment = {.moof = moof, .position = moof->start};
  struct box traf = {.end = moof->body}, box;
  bool found = true;
  int result = 0;
  reading->mp4->fragments++;
  reading->data_start = UINT64_MAX;
  reading->data_end = 0;
  while (result == 0) {
    result = box_child(&reading->headers, moof, "traf", traf.end, &traf, &found, err);
    if (result != 0 || !found) return result;
    result = box_find(&reading->headers, &traf, "tfhd", &box, &found, err);
    if (result == 0 && !found) return box_damaged(&traf, "has no tfhd box", err);
    if (result == 0) result = read_tfhd(reading, &box, &fragment, err);
    box.end = traf.body;
    while (result == 0 && found) {
      result = box_child(&reading->headers, &traf, "trun", box.end, &box, &found, err);
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
static int read_sidx(struct mp4_reading *reading, const struct box *sidx, struct err *err) {
  const char *bytes;
  struct box_table table;
  struct mp4 *mp4 = reading->mp4;
  int result = box_view(&reading->headers, sidx, 0, 8, &bytes, err);
  if (result != 0) return result;
  bool is_wide = bytes[0] != 0;
  const struct mp4_track *track = mp4_track_of(mp4, be32_load(bytes + 4));
  if (track != NULL && !track->is_video) return 0;
  uint64_t end = sidx->end;
  result = box_view(&reading->headers, sidx, is_wide ? 20 : 16, is_wide ? 12 : 8, &bytes, err);
  if (result != 0) return result;
  move(&end, is_wide ? be64_load(bytes) : be32_load(bytes));
  uint64_t at = is_wide ? 30 : 22; /* a count of 16 bits */
  result = box_view(&reading->headers, sidx, at, 2, &bytes, err);
  if (result != 0) return result;
  table = (struct box_table){.box = *sidx, .first = sidx->body + at + 2, .count = be16_load(bytes), .bits = 96};
  if (table.count * 12 > sidx->end - table.first)
    return box_damaged(sidx, "claims more entries than it has room for", err);
  for (uint64_t i = 0; i < table.count; i++) {
    result = box_entry(&reading->headers, &table, i, &bytes, err);
    if (result != 0) return result;
    move(&end, be32_load(bytes) & 0x7fffffff);
  }
  if (end > reading->size) cut(mp4, sidx->type);
  return 0;
}

static bool has_fragments(const struct mp4 *mp4) { return mp4->is_fragmented || mp4->fragments > 0; }

static bool is_padding(const struct box *box) {
  return box_is(box, "free") || box_is(box, "skip") || box_is(box, "wide") || box_is(box, "mfra");
}

static int see_box(struct mp4_reading *reading, const struct box *box, struct err *err) {
  struct mp4 *mp4 = reading->mp4;
  bool is_moov = box_is(box, "moov") && mp4->moovs++ == 0, is_moof = box_is(box, "moof");
  if (box->is_cut && (is_moov || is_moof || (has_fragments(mp4) && !is_padding(box)))) {
    cut(mp4, box->type);
    return 0;
  }
  if (is_moof && box->start > reading->data_start && box->start < reading->data_end) cut(mp4, "mdat");
  if (is_moov) return mp4_read_moov(reading, box, err);
  if (is_moof) return read_moof(reading, box, err);
  return box_is(box, "sidx") && !box->is_cut ? read_sidx(reading, box, err) : 0;
}

/* Bytes that are no box. Behind the moov box of a file without fragments they do no harm; neither do zeros up to the end, if
 * they are few. More of them are in the place of fragments. */
static int see_rest(struct mp4_reading *reading, uint64_t position, const struct err *why, struct err *err) {
  const struct mp4 *mp4 = reading->mp4;
  const char *bytes;
  int result = window_view(&reading->headers, position, 8, &bytes, err);
  if (result != 0) return result;
  bool is_zero = be64_load(bytes) == 0;
  uint64_t zeros = 0;
  if (mp4->has_moov && !has_fragments(mp4)) return 0;
  if (is_zero) {
    result = zeros_from(reading->reel, position, &zeros, err);
    if (result == 0 && (zeros > ZEROS_MAX || position + zeros < reading->size)) cut(reading->mp4, "");
    return result;
  }
  return err_set(err, ERR_MEDIA, "%s", why->text);
}

/* Fewer than 8 bytes are left: the begin of a box's header, or zeros. Up to 3 zeros may be a header's. */
static int see_last_bytes(struct mp4_reading *reading, uint64_t position, struct err *err) {
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
static int read_top(struct mp4_reading *reading, uint64_t position, struct box *ret, struct err *err) {
  const char *bytes;
  int result = window_view(&reading->headers, position, 8, &bytes, err);
  if (result == 0 && !box_is_type(bytes + 4))
    return err_set(err, ERR_MEDIA, "the bytes at %llu are no box; the file is damaged", (unsigned long long)position);
  return result == 0 ? box_read(&reading->headers, position, reading->size, ret, err) : result;
}

static int walk(struct mp4_reading *reading, struct err *err) {
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
static void sum_entries(struct mp4_track *track, const struct mp4_detail *detail) {
  bool any_used = false;
  for (uint32_t i = 0; i < detail->entry_count; i++)
    any_used = any_used || detail->entries[i].is_used;
  for (uint32_t i = 0; i < detail->entry_count; i++) {
    const struct mp4_entry *entry = &detail->entries[i];
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
  ret->tracks = calloc(MP4_TRACKS_MAX, sizeof *ret->tracks);
  SCOPED_MALLOC struct mp4_reading *reading = calloc(1, sizeof *reading);
  CHECK(ret->tracks != NULL && reading != NULL);
  *reading = (struct mp4_reading){.reel = reel, .size = reel_size(reel), .mp4 = ret, .data_start = UINT64_MAX};
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
  ret->is_init_only = ret->has_moov && ret->is_fragmented && ret->fragments == 0 && !mp4_has_samples(ret);
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
