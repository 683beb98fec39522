/* DASH manifests (ISO/IEC 23009-1) that are static. Attributes and addresses are inherited from MPD, Period,
 * AdaptationSet and Representation, in this order.
 *
 * A manifest without a timeline states one duration for all segments, and a writer may cut later than it says. So the
 * number of segments that follows from the whole length is only a guess: fewer may be on disk, or one more, if the
 * length was cut to tenths of a second. If fewer are there, the stated length shows whether something is missing.
 *
 * A period may play less than its segments or its file hold. Where the manifest alone does not say so, the stretch carries
 * what the period plays (list.h), and the measuring compares.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/mpd.h"
#include "media/segments.h"

#define SKIPPED_MAX_US UINT64_C(604800000000) /* 7 days */
#define US_PER_S UINT64_C(1000000)
#define WIDTH_MAX 20                            /* digits of a number in an address */
#define CANDIDATES_MAX (2 * RENDITIONS_MAX)     /* of a period: each looks through what its AdaptationSet has */
#define LEVELS 4                                /* MPD, Period, AdaptationSet, Representation */
#define LINK_SHOWN ((size_t)200)                /* bytes of a link in a message */
#define START_MAX_US UINT64_C(1000000000000000) /* 31 years */
#define OVERLAP_PARTS 10 /* of a second: segments of a timeline may overlap by one part, which is rounding */
#define SLACK_US 250000 /* pictures may go on for this much after a period's end: sound ends at another time than they do */

/* One representation over all periods. */
struct track {
  char *id;
  char *look; /* size and codec, as the manifest states them; empty: it does not */
  struct making making;
  bool is_unstated;   /* a period does not state how long it is */
};

struct manifest {
  struct segments *all;
  GPtrArray *tracks;
  GPtrArray *dependents; /* representations that are no output of their own */
  size_t periods; /* so far, this one included */
  uint64_t period_us, unit_us; /* of this period; 0: unknown. unit: of the last digit */
  bool is_last;                /* this period */
  bool is_all;                 /* it is the only one, and only the length of the whole presentation says when it ends */
};

/* A representation in one period, before it is known which track it continues. */
struct candidate {
  const struct mpd *levels[LEVELS];
  char *id, *look;
  bool is_video;
  struct track *track; /* NULL: it is no output */
};

/* A representation in one period. */
struct source {
  struct manifest *manifest;
  struct track *track;
  const struct mpd *levels[LEVELS];
  const char *kind;  /* SegmentTemplate, SegmentList, SegmentBase; NULL: a file */
  char *base;        /* the address that relative ones start from */
  const char *id;
  uint64_t timescale, start, offset; /* offset: presentationTimeOffset */
  int64_t delta; /* eptDelta: from the period's begin to that of its first segment; negative if that begins before */
  bool has_end;
  uint64_t end; /* endNumber */
};

static void track_free(void *pointer) {
  struct track *track = pointer;
  making_fini(&track->making);
  g_free(track->id);
  g_free(track->look);
  g_free(track);
}

/* ---- what is inherited ---- */

static const char *inherited(const struct source *source, const char *name) {
  for (size_t i = LEVELS; i-- > 0;) {
    const char *value = mpd_attribute(mpd_child(source->levels[i], source->kind), name);
    if (value != NULL) return value;
  }
  return NULL;
}

static const struct mpd *inherited_child(const struct source *source, const char *name) {
  for (size_t i = LEVELS; i-- > 0;) {
    const struct mpd *child = mpd_child(mpd_child(source->levels[i], source->kind), name);
    if (child != NULL) return child;
  }
  return NULL;
}

static bool inherited_number(const struct source *source, const char *name, uint64_t otherwise, uint64_t *ret) {
  const char *text = inherited(source, name);
  *ret = otherwise;
  return text == NULL || str_to_u64(str_trim(str_of(text)), ret);
}

static bool is_far(const char *address) { return address[0] == '/' || strstr(address, "://") != NULL; }

/* RFC 3986, section 5.2.3. The file system takes care of "..". */
static char *resolve(const char *base, const char *address) {
  const char *slash = strrchr(base, '/');
  if (is_far(address) || slash == NULL) return g_strdup(address[0] != '\0' ? address : base);
  if (address[0] == '\0') return g_strdup(base);
  return g_strdup_printf("%.*s%s", (int)(slash + 1 - base), base, address);
}

/* Several base addresses are alternatives. One that is beside the manifest is preferred. */
static char *base_of(const struct source *source) {
  char *base = g_strdup("");
  for (size_t i = 0; i < LEVELS; i++) {
    const struct mpd *chosen = mpd_child(source->levels[i], "BaseURL");
    for (const struct mpd *next = chosen; next != NULL; next = mpd_next(next)) {
      if (chosen->text == NULL || (next->text != NULL && is_far(chosen->text->str) && !is_far(next->text->str)))
        chosen = next;
    }
    if (chosen == NULL || chosen->text == NULL) continue;
    char *before = base;
    SCOPED_MALLOC char *text = g_strstrip(g_strdup(chosen->text->str));
    base = resolve(before, text);
    g_free(before);
  }
  return base;
}

/* ---- addresses ---- */

static int fail(const struct source *source, const char *what, struct err *err) {
  return err_set(err, ERR_MEDIA, "%s: %s", source->track->making.label, what);
}

/* "%05d" behind an identifier; 0: no width is given. */
static bool read_width(struct str format, unsigned *ret) {
  uint64_t width;
  *ret = 1;
  if (format.len == 0) return true;
  bool is_format = format.len > 2 && format.ptr[0] == '%' && format.ptr[1] == '0' && format.ptr[format.len - 1] == 'd';
  if (!is_format || !str_to_u64(str_make(format.ptr + 1, format.len - 2), &width) || width > WIDTH_MAX) return false;
  *ret = width > 0 ? (unsigned)width : 1;
  return true;
}

static bool fill_identifier(const struct source *source, struct str text, uint64_t number, uint64_t time, GString *out) {
  size_t len = 0;
  unsigned width;
  while (len < text.len && text.ptr[len] != '%')
    len++;
  struct str name = str_make(text.ptr, len);
  if (name.len == 0 && text.len == 0) {
    g_string_append_c(out, '$');
    return true;
  }
  if (str_equal(text, STR("RepresentationID"))) {
    g_string_append(out, source->id);
    return true;
  }
  if (!read_width(str_make(text.ptr + len, text.len - len), &width)) return false;
  uint64_t value = number;
  if (str_equal(name, STR("Time"))) value = time;
  else if (str_equal(name, STR("Bandwidth"))) {
    if (!mpd_number(source->levels[LEVELS - 1], "bandwidth", 0, &value)) return false;
  } else if (!str_equal(name, STR("Number"))) return false;
  g_string_append_printf(out, "%0*llu", (int)width, (unsigned long long)value);
  return true;
}

/* Fills a template in and resolves it. NULL: it holds an unknown identifier. */
static char *fill(const struct source *source, const char *template, uint64_t number, uint64_t time) {
  GString *out = g_string_new(NULL);
  struct str rest = str_of(template);
  bool is_valid = true;
  while (rest.len > 0 && is_valid && out->len < SEGMENT_NAME_MAX) {
    struct str text = str_cut(&rest, '$');
    g_string_append_len(out, text.ptr, (gssize)text.len);
    bool is_open = text.ptr + text.len < template + strlen(template); /* a $ follows */
    if (!is_open) break;
    const char *close = memchr(rest.ptr, '$', rest.len);
    is_valid = close != NULL && fill_identifier(source, str_cut(&rest, '$'), number, time, out);
  }
  char *filled = is_valid ? resolve(source->base, out->str) : NULL;
  (void)g_string_free(out, TRUE);
  return filled;
}

/* "first-last", both included. */
static bool read_range(const char *text, struct range *ret) {
  uint64_t last;
  *ret = (struct range){.size = 0};
  if (text == NULL) return true;
  struct str end = str_trim(str_of(text)), begin = str_cut(&end, '-');
  bool is_range = str_to_u64(begin, &ret->offset) && str_to_u64(end, &last) && last >= ret->offset && last < INT64_MAX;
  if (is_range) ret->size = last - ret->offset + 1;
  return is_range;
}

/* ---- segments ---- */

static int add(struct source *source, const char *address, struct range range, struct err *err) {
  struct making *making = &source->track->making;
  return making_note(making, making_add(making, str_of(address), range, err), MEDIA_REFUSED_BROKEN, err);
}

static int note(struct source *source, int result, struct err *err) {
  return making_note(&source->track->making, result, MEDIA_REFUSED_BROKEN, err);
}

static int add_number(struct source *source, const char *media, uint64_t number, uint64_t time, struct err *err) {
  SCOPED_MALLOC char *address = fill(source, media, number, time);
  if (address == NULL) return note(source, fail(source, "its address template is not valid", err), err);
  return add(source, address, (struct range){.size = 0}, err);
}

static bool has_number(const struct source *source, const char *media, uint64_t number, uint64_t time, struct found *ret) {
  SCOPED_MALLOC char *address = fill(source, media, number, time);
  *ret = (struct found){.path = NULL};
  return address != NULL && making_look(&source->track->making, str_of(address), ret);
}

/* Refuses a manifest whose first segment is not the first that was made. */
static int check_begin(struct source *source, const char *media, uint64_t time, uint64_t duration, struct err *err) {
  SCOPED(found_fini) struct found found = {.path = NULL};
  bool by_time = strstr(media, "$Time") != NULL, by_number = strstr(media, "$Number") != NULL;
  bool is_window = source->start > 1 || time > source->offset;
  bool is_possible = (by_time || by_number) && (!by_time || time >= duration) && (!by_number || source->start > 0);
  if (!is_window || !is_possible) return 0;
  uint64_t before = time >= duration ? time - duration : 0;
  uint64_t number = source->start > 0 ? source->start - 1 : 0;
  if (!has_number(source, media, number, before, &found) ||
      g_hash_table_contains(source->manifest->all->known, found.path))
    return 0;
  SCOPED_MALLOC char *first = fill(source, media, source->start, time);
  return note(source, making_fail_end(&source->track->making, "manifest", str_of(first), err), err);
}

static void state(struct source *source, uint64_t stated_us, uint64_t rounding_us) {
  struct rendition *rendition = &source->track->making.rendition;
  source->track->is_unstated |= stated_us == 0;
  rendition->stated_us += stated_us;
  rendition->rounding_us += rounding_us;
}

static uint64_t to_us(const struct source *source, uint64_t ticks) {
  unsigned __int128 us = (unsigned __int128)ticks * US_PER_S / source->timescale;
  return us < (uint64_t)INT64_MAX ? (uint64_t)us : 0;
}

static uint64_t to_ticks(const struct source *source, uint64_t us) {
  unsigned __int128 ticks = (unsigned __int128)us * source->timescale / US_PER_S;
  return ticks < (uint64_t)INT64_MAX ? (uint64_t)ticks : INT64_MAX;
}

/* Notes what may have come before the first segment of the first period. Times that count from 1970 say nothing of it. */
static void skip(struct source *source, uint64_t time) {
  struct rendition *rendition = &source->track->making.rendition;
  uint64_t skipped_us = time > source->offset ? to_us(source, time - source->offset) : 0;
  if (rendition->spans.count == 0 && skipped_us < SKIPPED_MAX_US) rendition->skipped_us = skipped_us;
}

/* Counts the segments of an S element. False if it does not say. */
static bool count_of(const struct source *source, const struct mpd *s, uint64_t time, uint64_t duration, uint64_t *ret) {
  const char *repeat = mpd_attribute(s, "r");
  const struct mpd *next = mpd_next(s);
  int64_t times = 0;
  uint64_t end;
  if (repeat != NULL && !str_to_i64(str_trim(str_of(repeat)), &times)) return false;
  *ret = (uint64_t)times + 1;
  if (times >= 0) return true;
  uint64_t last = source->manifest->period_us > 0 ? source->offset + to_ticks(source, source->manifest->period_us) : 0;
  if (!mpd_number(next != NULL ? next : s, next != NULL ? "t" : "", last, &end) || end <= time) return false;
  *ret = (end - time) / duration + ((end - time) % duration > 0);
  return true;
}

/* Adds the segments of a timeline. media NULL: only adds up how long they last. ffmpeg states the length of its first stream
 * as that of the presentation, also if this is a sound that is shorter than the picture. So in a manifest of one period, what
 * the timeline lists was made, and counts. */
static int add_timeline(struct source *source, const struct mpd *timeline, const char *media, struct err *err) {
  uint64_t time = 0, number = source->start, sum = 0, duration, count, left = SEGMENTS_MAX;
  int result = 0;
  if (source->manifest->is_all) source->track->making.period.plays_us = 0;
  for (const struct mpd *s = mpd_child(timeline, "S"); s != NULL; s = mpd_next(s)) {
    uint64_t before = time; /* the end of the segment before */
    bool is_valid = mpd_number(s, "t", time, &time) && mpd_number(s, "d", 0, &duration) && duration > 0 &&
                    time < INT64_MAX && duration < INT64_MAX && count_of(source, s, time, duration, &count);
    if (is_valid && time < before && before - time > source->timescale / OVERLAP_PARTS)
      return note(source, fail(source, "its timeline goes back: an S element begins before the one before it ends", err), err);
    if (!is_valid) return note(source, fail(source, "its timeline is not valid", err), err);
    if (number == source->start && media != NULL) {
      skip(source, time);
      result = check_begin(source, media, time, duration, err);
    }
    for (; count > 0 && result == 0; count--, left--, number++, time += duration, sum += duration) {
      if (source->has_end && number > source->end) break;
      bool is_over = left == 0 || (media != NULL && making_is_over(&source->track->making)) || time >= INT64_MAX - duration;
      if (is_over) return note(source, making_fail_count(&source->track->making, err), err);
      if (media != NULL) result = add_number(source, media, number, time, err);
    }
    if (result != 0) return result;
  }
  uint64_t period_us = source->manifest->period_us, sum_us = to_us(source, sum);
  state(source, period_us > 0 ? MIN(sum_us, period_us) : sum_us, 0);
  return 0;
}

/* The number of segments of one length; 0: unknown. */
static uint64_t count_by_length(const struct source *source, uint64_t duration) {
  uint64_t numbers = !source->has_end ? UINT64_MAX : source->end >= source->start ? source->end - source->start + 1 : 0;
  if (source->has_end && source->manifest->period_us == 0) return numbers;
  /* The length may be cut; the last number says whether one more segment begins within what was cut. */
  uint64_t cut_us = source->has_end && source->manifest->unit_us < US_PER_S ? source->manifest->unit_us : 0;
  __int128 whole = (__int128)(source->manifest->period_us + cut_us) * source->timescale - (__int128)source->delta * US_PER_S;
  __int128 each = (__int128)duration * US_PER_S;
  __int128 count = whole > 0 ? (whole + each - 1) / each : 0;
  return count < numbers ? (uint64_t)count : numbers;
}

/* True if the segment behind the last one belongs to the output: the stated length was cut where one more began. A file
 * that an earlier run left there is older. */
static bool has_one_more(const struct source *source, const char *media, uint64_t number, uint64_t duration) {
  SCOPED(found_fini) struct found next = {.path = NULL};
  SCOPED(found_fini) struct found later = {.path = NULL};
  const struct making *making = &source->track->making;
  uint64_t unit = source->manifest->unit_us, count = number - source->start;
  uint64_t reached = count < INT64_MAX / duration ? to_us(source, count * duration) : 0;
  bool is_cut = unit > 1 && unit < US_PER_S && reached < source->manifest->period_us + unit;
  if (!is_cut || source->has_end || making->last.path == NULL) return false;
  bool is_there = has_number(source, media, number, count * duration, &next) &&
                  !has_number(source, media, number + 1, (count + 1) * duration, &later);
  return is_there && next.st.st_mtime >= making->last.st.st_mtime;
}

static bool has_any(const struct source *source, const char *media, uint64_t index, uint64_t count, uint64_t duration) {
  for (uint64_t end = index + SEGMENTS_MISSING_MAX; index < count && index < end; index++) {
    SCOPED(found_fini) struct found found = {.path = NULL};
    if (has_number(source, media, source->start + index, index * duration, &found)) return true;
  }
  return false;
}

static int add_numbered(struct source *source, const char *media, uint64_t duration, struct err *err) {
  struct segments *all = source->manifest->all;
  uint64_t count = duration > 0 ? count_by_length(source, duration) : 1, index = 0;
  uint64_t unit = MIN(source->manifest->unit_us, US_PER_S / 2), rounding = to_us(source, duration);
  if (count == 0) return note(source, fail(source, "it does not say how many segments there are", err), err);
  int result = check_begin(source, media, 0, duration, err);
  bool is_over = count > SEGMENTS_MAX - all->count || duration > INT64_MAX / SEGMENTS_MAX ||
                 source->start > INT64_MAX - SEGMENTS_MAX;
  if (is_over) result = note(source, making_fail_count(&source->track->making, err), err);
  for (; index < count && result == 0 && !is_over && !making_is_over(&source->track->making); index++) {
    SCOPED(found_fini) struct found found = {.path = NULL};
    bool is_there = has_number(source, media, source->start + index, index * duration, &found);
    bool may_end = !is_there && index > 0 && !source->has_end && !source->track->making.is_broken;
    if (may_end && !has_any(source, media, index, count, duration)) {
      rounding = unit;
      break;
    }
    result = add_number(source, media, source->start + index, index * duration, err);
  }
  if (result == 0 && making_is_over(&source->track->making) && index < count)
    result = note(source, making_fail_count(&source->track->making, err), err);
  if (result == 0 && duration > 0 && index == count && has_one_more(source, media, source->start + index, duration))
    result = add_number(source, media, source->start + index, index * duration, err);
  uint64_t numbered_us = duration > 0 && source->has_end && !is_over ? to_us(source, count * duration) : UINT64_MAX;
  uint64_t period_us = source->manifest->period_us;
  state(source, period_us > 0 ? MIN(period_us, numbered_us) : 0, rounding);
  return result;
}

static int add_template(struct source *source, struct err *err) {
  const char *media = inherited(source, "media"), *init = inherited(source, "initialization");
  const struct mpd *timeline = inherited_child(source, "SegmentTimeline"),
                   *range = inherited_child(source, "Initialization");
  uint64_t duration;
  if (media == NULL || !inherited_number(source, "duration", 0, &duration))
    return note(source, fail(source, "its SegmentTemplate is not valid", err), err);
  if (init == NULL) init = mpd_attribute(range, "sourceURL");
  SCOPED_MALLOC char *address = init != NULL ? fill(source, init, 0, 0) : g_strdup("");
  if (address == NULL) return note(source, fail(source, "its address template is not valid", err), err);
  int result = making_set_init(&source->track->making, str_of(address), (struct range){.size = 0}, err);
  result = note(source, result, err);
  if (result != 0) return result;
  return timeline != NULL ? add_timeline(source, timeline, media, err) : add_numbered(source, media, duration, err);
}

/* A segment or an init segment of a SegmentList: an address, a range, or both. */
static char *address_of(const struct source *source, const struct mpd *mpd, const char *address, const char *range,
                        struct range *ret) {
  const char *text = mpd_attribute(mpd, address);
  if (!read_range(mpd_attribute(mpd, range), ret)) return NULL;
  return resolve(source->base, text != NULL ? text : "");
}

static int set_init(struct source *source, struct err *err) {
  const struct mpd *init = inherited_child(source, "Initialization");
  struct range range = {.size = 0};
  SCOPED_MALLOC char *address = init != NULL ? address_of(source, init, "sourceURL", "range", &range) : g_strdup("");
  if (address == NULL) return note(source, fail(source, "a range of bytes is not valid", err), err);
  return note(source, making_set_init(&source->track->making, str_of(address), range, err), err);
}

static int add_list(struct source *source, struct err *err) {
  struct making *making = &source->track->making;
  const struct mpd *timeline = inherited_child(source, "SegmentTimeline"), *entry = inherited_child(source, "SegmentURL");
  size_t before = making->rendition.spans.count;
  uint64_t duration, count = 0;
  if (!inherited_number(source, "duration", 0, &duration) || entry == NULL)
    return note(source, fail(source, "its SegmentList is not valid", err), err);
  int result = set_init(source, err);
  for (; entry != NULL && result == 0; entry = mpd_next(entry), count++) {
    struct range range;
    SCOPED_MALLOC char *address = address_of(source, entry, "media", "mediaRange", &range);
    result = address != NULL ? add(source, address, range, err)
                             : note(source, fail(source, "a range of bytes is not valid", err), err);
  }
  if (result == 0 && before == 0 && making_begins_within(making))
    result = note(source, making_fail_end(making, "manifest", str_of(source->base), err), err);
  if (result == 0 && timeline != NULL) return add_timeline(source, timeline, NULL, err);
  uint64_t length = duration < INT64_MAX / SEGMENTS_MAX && count <= SEGMENTS_MAX ? to_us(source, duration * count) : 0;
  bool is_longer = source->manifest->period_us > 0 && length > source->manifest->period_us;
  state(source, is_longer ? source->manifest->period_us : length, to_us(source, duration)); /* the last may be shorter */
  return result;
}

/* The file states its own length. */
static int add_file(struct source *source, struct err *err) {
  const char *init = mpd_attribute(inherited_child(source, "Initialization"), "sourceURL");
  if (source->base[0] == '\0' || source->base[strlen(source->base) - 1] == '/')
    return note(source, fail(source, "it names no segments", err), err);
  SCOPED_MALLOC char *address = init != NULL ? resolve(source->base, init) : g_strdup("");
  int result = making_set_init(&source->track->making, str_of(address), (struct range){.size = 0}, err);
  result = note(source, result, err);
  state(source, 0, 0);
  return result == 0 ? add(source, source->base, (struct range){.size = 0}, err) : result;
}

static const char *kind_of(const struct source *source) {
  static const char *const kinds[] = {"SegmentTemplate", "SegmentList", "SegmentBase"};
  for (size_t i = LEVELS; i-- > 0;) {
    for (size_t j = 0; j < G_N_ELEMENTS(kinds); j++) {
      if (mpd_child(source->levels[i], kinds[j]) != NULL) return kinds[j];
    }
  }
  return "SegmentBase";
}

static int check_encryption(struct source *source, struct err *err) {
  const struct mpd *protection = NULL;
  for (size_t i = 0; i < LEVELS && protection == NULL; i++)
    protection = mpd_child(source->levels[i], "ContentProtection");
  if (protection == NULL) return 0;
  const char *scheme = mpd_attribute(protection, "value");
  SCOPED_MALLOC char *text = str_printable(str_make(scheme != NULL ? scheme : "", scheme != NULL ? MIN(strlen(scheme), 40) : 0));
  int result = err_set(err, ERR_MEDIA, "%s: its segments are encrypted (Common Encryption%s%s); record the output before it is encrypted",
                       source->track->making.label, text[0] != '\0' ? " " : "", text);
  return note(source, result, err);
}

static bool inherited_delta(const struct source *source, int64_t *ret) {
  const char *text = inherited(source, "eptDelta");
  *ret = 0;
  return text == NULL || (str_to_i64(str_trim(str_of(text)), ret) && *ret > -INT64_MAX / 2 && *ret < INT64_MAX / 2);
}

/* Notes what the period plays, for the measuring. */
static void bound(struct source *source) {
  const struct manifest *manifest = source->manifest;
  source->track->making.period = (struct stretch){.from_us = to_us(source, source->offset),
                                                  .plays_us = manifest->period_us,
                                                  .slack_us = SLACK_US + MIN(manifest->unit_us, US_PER_S)};
}

static int add_segments(struct source *source, struct err *err) {
  source->kind = kind_of(source);
  SCOPED_MALLOC char *base = base_of(source);
  source->base = base;
  source->has_end = inherited(source, "endNumber") != NULL;
  bool is_valid = inherited_number(source, "timescale", 1, &source->timescale) && source->timescale > 0 &&
                  source->timescale <= UINT32_MAX && inherited_number(source, "startNumber", 1, &source->start) &&
                  inherited_number(source, "presentationTimeOffset", 0, &source->offset) && source->offset < INT64_MAX &&
                  inherited_number(source, "endNumber", 0, &source->end) && inherited_delta(source, &source->delta);
  source->track->making.is_joint = true; /* a period begins */
  if (is_valid) bound(source);
  if (source->manifest->period_us == 0 && !source->manifest->is_last)
    return note(source, fail(source, "it does not say how long its periods last", err), err);
  if (!is_valid) return note(source, fail(source, "a number in the manifest is not valid", err), err);
  int result = check_encryption(source, err);
  if (result != 0) return result;
  if (strcmp(source->kind, "SegmentTemplate") == 0) return add_template(source, err);
  return strcmp(source->kind, "SegmentList") == 0 ? add_list(source, err) : add_file(source, err);
}

/* ---- which representations are video ---- */

static bool is_of(const char *text, const char *prefix) {
  return text != NULL && g_ascii_strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_scheme(const struct mpd *mpd, const char *property, const char *scheme) {
  const struct mpd *next = mpd_child(mpd, property);
  for (; next != NULL; next = mpd_next(next)) {
    const char *found = mpd_attribute(next, "schemeIdUri");
    if (found != NULL && strcmp(found, scheme) == 0) return true;
  }
  return false;
}

/* Key pictures for fast play, and pictures for a seek bar. */
static bool is_trick(const struct mpd *mpd) {
  static const char *const schemes[] = {"http://dashif.org/guidelines/trickmode",
                                        "http://dashif.org/guidelines/thumbnail_tile",
                                        "http://dashif.org/thumbnail_tile"};
  for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
    if (has_scheme(mpd, "EssentialProperty", schemes[i]) || has_scheme(mpd, "SupplementalProperty", schemes[i])) return true;
  }
  return false;
}

static const char *either(const struct mpd *representation, const struct mpd *set, const char *name) {
  const char *value = mpd_attribute(representation, name);
  return value != NULL ? value : mpd_attribute(set, name);
}

/* What says nothing is taken for video; the measuring finds out. */
static bool is_video(const struct mpd *set, const struct mpd *representation) {
  const char *content = either(representation, set, "contentType"), *mime = either(representation, set, "mimeType");
  const char *codecs = either(representation, set, "codecs");
  if (is_trick(set) || is_trick(representation)) return false;
  bool is_other = false; /* components are stated, and none of them is video */
  for (const struct mpd *part = mpd_child(set, "ContentComponent"); part != NULL; part = mpd_next(part)) {
    const char *kind = mpd_attribute(part, "contentType");
    if (kind == NULL || is_of(kind, "video")) is_other = false;
    if (kind == NULL) break;
    if (is_of(kind, "video")) return true;
    is_other = true;
  }
  if (is_other) return false;
  if (content != NULL) return is_of(content, "video");
  if (mime != NULL && !is_of(mime, "video/")) return false;
  return codecs == NULL || either(representation, set, "width") != NULL || !segments_are_no_video(str_of(codecs));
}

/* ---- the manifest ---- */

static struct track *track_new(struct manifest *manifest, const char *id, bool only_parts) {
  struct track *track = g_new0(struct track, 1);
  SCOPED_MALLOC char *printable = str_printable(str_of(id));
  SCOPED_MALLOC char *name = g_strdup_printf("%s#%s", manifest->all->path, printable);
  track->id = g_strdup(id);
  track->look = g_strdup("");
  making_init(&track->making, manifest->all, name, manifest->all->path, only_parts);
  return track;
}

static int fail_periods(const struct manifest *manifest, const char *id, struct err *err) {
  SCOPED_MALLOC char *text = str_printable(str_of(id));
  return err_set(err, ERR_MEDIA,
                 "%s: its periods have different representations (%s is not in each of them), so it is unclear which "
                 "belong together; record the output of each period",
                 manifest->all->path, text);
}

static struct track *track_of(const GPtrArray *tracks, const char *id) {
  for (guint i = 0; i < tracks->len; i++) {
    struct track *track = g_ptr_array_index(tracks, i);
    if (strcmp(track->id, id) == 0) return track;
  }
  return NULL;
}

static void candidate_free(void *pointer) {
  struct candidate *candidate = pointer;
  g_free(candidate->id);
  g_free(candidate->look);
  g_free(candidate);
}

/* Size and kind of codec; empty if the manifest states no size. */
static char *look_of(const struct mpd *set, const struct mpd *representation) {
  const char *width = either(representation, set, "width"), *height = either(representation, set, "height");
  const char *codecs = either(representation, set, "codecs");
  if (width == NULL || height == NULL) return g_strdup("");
  struct str rest = str_of(codecs), codec = str_cut(&rest, ',');
  rest = codec;
  codec = str_trim(str_cut(&rest, '.'));
  return g_strdup_printf("%s x %s %.*s", width, height, STR_ARG(codec));
}

/* The representations of a period, in the manifest's order, at most CANDIDATES_MAX. */
static void find_candidates(const struct mpd *root, const struct mpd *period, GPtrArray *ret) {
  const struct mpd *set = mpd_child(period, "AdaptationSet");
  for (; set != NULL; set = mpd_next(set)) {
    const struct mpd *representation = mpd_child(set, "Representation");
    for (; representation != NULL && ret->len < CANDIDATES_MAX; representation = mpd_next(representation)) {
      struct candidate *candidate = g_new0(struct candidate, 1);
      const char *id = mpd_attribute(representation, "id");
      *candidate = (struct candidate){.levels = {root, period, set, representation}};
      candidate->id = id != NULL ? g_strdup(id) : g_strdup_printf("%u", ret->len);
      candidate->look = look_of(set, representation);
      candidate->is_video = is_video(set, representation);
      g_ptr_array_add(ret, candidate);
    }
  }
}

static bool is_dependent(const struct candidate *candidate) {
  const char *other = mpd_attribute(candidate->levels[LEVELS - 1], "dependencyId");
  return other != NULL && str_trim(str_of(other)).len > 0;
}

/* A layer of scalable video adds to another representation. It is named, but it is no output. */
static void name_dependent(struct manifest *manifest, struct candidate *candidate) {
  struct err err;
  if (manifest->dependents->len >= RENDITIONS_MAX) return;
  candidate->track = track_of(manifest->dependents, candidate->id);
  if (candidate->track != NULL) return;
  candidate->track = track_new(manifest, candidate->id, false);
  g_ptr_array_add(manifest->dependents, candidate->track);
  SCOPED_MALLOC char *other = str_printable(str_of(mpd_attribute(candidate->levels[LEVELS - 1], "dependencyId")));
  int result = err_set(&err, ERR_MEDIA,
                       "%s: it only adds to the representation %.200s (dependencyId), so it is no output of its own; record "
                       "that one",
                       candidate->track->making.label, other);
  CHECK(making_note(&candidate->track->making, result, MEDIA_REFUSED_NO_OUTPUT, &err) == 0);
}

/* The tracks of the first period. */
static int make_tracks(struct manifest *manifest, const GPtrArray *video, struct err *err) {
  for (guint i = 0; i < video->len; i++) {
    struct candidate *candidate = g_ptr_array_index(video, i);
    if (track_of(manifest->tracks, candidate->id) != NULL) {
      SCOPED_MALLOC char *text = str_printable(str_of(candidate->id));
      return err_set(err, ERR_MEDIA, "%s: two representations of a period have the id %.200s", manifest->all->path, text);
    }
    if (manifest->tracks->len >= RENDITIONS_MAX)
      return err_set(err, ERR_MEDIA, "%s: it has more than %d representations", manifest->all->path, RENDITIONS_MAX);
    candidate->track = track_new(manifest, candidate->id, false);
    g_free(candidate->track->look);
    candidate->track->look = g_strdup(candidate->look);
    g_ptr_array_add(manifest->tracks, candidate->track);
  }
  return 0;
}

enum match { BY_ID, BY_ID_AND_LOOK, BY_LOOK };

static bool is_match(const struct track *track, const struct candidate *candidate, enum match match) {
  bool is_look = strcmp(track->look, candidate->look) == 0, is_id = strcmp(track->id, candidate->id) == 0;
  bool is_unknown = track->look[0] == '\0' || candidate->look[0] == '\0';
  switch (match) {
  case BY_ID: return is_id;
  case BY_ID_AND_LOOK: return is_id && (is_look || is_unknown);
  case BY_LOOK: return is_look && !is_unknown;
  }
  return false;
}

/* Gives each candidate its track. False: not each one has exactly one. */
static bool match_all(const struct manifest *manifest, const GPtrArray *video, enum match match) {
  SCOPED_MALLOC bool *taken = g_new0(bool, manifest->tracks->len + 1);
  if (video->len != manifest->tracks->len) return false;
  for (guint i = 0; i < video->len; i++) {
    struct candidate *candidate = g_ptr_array_index(video, i);
    guint found = 0, at = 0;
    for (guint j = 0; j < manifest->tracks->len; j++) {
      if (!is_match(g_ptr_array_index(manifest->tracks, j), candidate, match)) continue;
      found++;
      at = j;
    }
    if (found != 1 || taken[at]) return false;
    taken[at] = true;
    candidate->track = g_ptr_array_index(manifest->tracks, at);
  }
  return true;
}

/* Which representations of the periods belong together: those of equal ids, unless their sizes differ; else those of equal
 * size and codec; else, if each period has one, these. */
static int match_tracks(struct manifest *manifest, const GPtrArray *video, struct err *err) {
  if (manifest->periods == 1) return make_tracks(manifest, video, err);
  static const enum match order[] = {BY_ID_AND_LOOK, BY_LOOK, BY_ID};
  for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
    if (match_all(manifest, video, order[i])) return 0;
  }
  if (video->len == 1 && manifest->tracks->len == 1) {
    ((struct candidate *)g_ptr_array_index(video, 0))->track = g_ptr_array_index(manifest->tracks, 0);
    return 0;
  }
  for (guint i = 0; i < manifest->tracks->len; i++) {
    const struct track *track = g_ptr_array_index(manifest->tracks, i);
    bool is_there = false;
    for (guint j = 0; j < video->len; j++)
      is_there |= strcmp(((const struct candidate *)g_ptr_array_index(video, j))->id, track->id) == 0;
    if (!is_there) return fail_periods(manifest, track->id, err);
  }
  return fail_periods(manifest, video->len > 0 ? ((const struct candidate *)g_ptr_array_index(video, 0))->id : "", err);
}

/* Reads the segments of a representation. One without a track is no output; only its files matter. */
static int read_representation(struct manifest *manifest, const struct candidate *candidate, struct err *err) {
  const struct mpd *const *levels = candidate->levels;
  struct source source = {.manifest = manifest, .levels = {levels[0], levels[1], levels[2], levels[3]}, .id = candidate->id};
  source.track = candidate->track;
  if (source.track != NULL) return add_segments(&source, err);
  source.track = track_new(manifest, source.id, true);
  (void)add_segments(&source, err); /* whatever is wrong with sound or subtitles, the video can be measured */
  track_free(source.track);
  return 0;
}

static int read_period(struct manifest *manifest, const struct mpd *root, const struct mpd *period, struct err *err) {
  GPtrArray *candidates = g_ptr_array_new_with_free_func(candidate_free), *video = g_ptr_array_new();
  struct err fault;
  find_candidates(root, period, candidates);
  if (candidates->len == CANDIDATES_MAX) {
    (void)err_set(&fault, ERR_MEDIA, "%s: a period has %d representations or more", manifest->all->path,
                  CANDIDATES_MAX);
    segments_note(manifest->all, &fault, MEDIA_REFUSED_BROKEN);
  }
  for (guint i = 0; i < candidates->len; i++) {
    struct candidate *candidate = g_ptr_array_index(candidates, i);
    if (!candidate->is_video) continue;
    if (is_dependent(candidate)) name_dependent(manifest, candidate);
    else g_ptr_array_add(video, candidate);
  }
  if (match_tracks(manifest, video, &fault) != 0) segments_note(manifest->all, &fault, MEDIA_REFUSED_BROKEN);
  int result = 0;
  for (guint i = 0; i < candidates->len && result == 0; i++)
    result = read_representation(manifest, g_ptr_array_index(candidates, i), err);
  g_ptr_array_free(video, TRUE);
  g_ptr_array_free(candidates, TRUE);
  return result;
}

static void refuse_times(struct manifest *manifest, const char *what) {
  struct err fault;
  (void)err_set(&fault, ERR_MEDIA, "%s: %s", manifest->all->path, what);
  segments_note(manifest->all, &fault, MEDIA_REFUSED_BROKEN);
}

/* Reads an attribute that is a duration; false if the element lacks it. One that is not valid refuses the manifest. */
static bool read_time(struct manifest *manifest, const struct mpd *mpd, const char *name, uint64_t *ret_us,
                      uint64_t *ret_unit_us) {
  const char *text = mpd_attribute(mpd, name);
  if (text == NULL) return false;
  if (mpd_duration(text, ret_us, ret_unit_us)) return true;
  refuse_times(manifest, "the start or length of a period is not a valid duration");
  return false;
}

/* How long a period lasts: its own duration, but at most up to the next one or to the end. start_us: of this period; becomes
 * that of the next one. */
static void find_length(struct manifest *manifest, const struct mpd *root, const struct mpd *period, uint64_t *start_us) {
  const struct mpd *next = mpd_next(period);
  uint64_t start = *start_us, unit, own_us = 0, own_unit = 1, end_us = 0, end_unit = 1;
  manifest->is_last = next == NULL;
  (void)read_time(manifest, period, "start", &start, &unit);
  bool has_own = read_time(manifest, period, "duration", &own_us, &own_unit);
  bool has_end = next != NULL ? read_time(manifest, next, "start", &end_us, &end_unit)
                              : read_time(manifest, root, "mediaPresentationDuration", &end_us, &end_unit);
  if (has_end && end_us < start) refuse_times(manifest, "a period begins after its end, or its periods are not in order");
  uint64_t up_to_end = has_end && end_us > start ? end_us - start : 0;
  /* The two lengths of a last period are rounded apart from each other. */
  bool is_own = has_own && (!has_end || own_us < up_to_end || (next == NULL && own_us - up_to_end <= US_PER_S));
  if (has_own && own_us == 0) refuse_times(manifest, "a period lasts 0 s");
  manifest->unit_us = is_own ? own_unit : end_unit;
  manifest->is_all = manifest->periods == 1 && next == NULL && !has_own;
  manifest->period_us = is_own || has_end ? MAX(is_own ? own_us : up_to_end, 1) : 0;
  if (start > START_MAX_US) refuse_times(manifest, "its periods begin too late");
  *start_us = MIN(start, START_MAX_US) + manifest->period_us;
}

static void refuse_links(struct manifest *manifest, const struct mpd *root) {
  const char *name, *link = mpd_link(root, &name);
  struct err fault;
  if (link == NULL) return;
  SCOPED_MALLOC char *text = str_printable(str_make(link, MIN(strlen(link), LINK_SHOWN)));
  (void)err_set(&fault, ERR_MEDIA,
                "%s: a part of the manifest is elsewhere: its %s is a link to %s (xlink:href), and nothing is fetched; record "
                "a manifest that holds all of it",
                manifest->all->path, name, text);
  segments_note(manifest->all, &fault, MEDIA_REFUSED_BROKEN);
}

static void end_tracks(const GPtrArray *tracks) {
  for (guint i = 0; i < tracks->len; i++) {
    struct track *track = g_ptr_array_index(tracks, i);
    struct rendition *rendition = &track->making.rendition;
    if (track->is_unstated) rendition->stated_us = 0;
    if (rendition->is_usable && rendition->spans.count == 0) {
      struct err none;
      (void)err_set(&none, ERR_MEDIA, "%s: it lists no segments", track->making.label);
      CHECK(making_note(&track->making, -ERR_MEDIA, MEDIA_REFUSED_BROKEN, &none) == 0);
    }
    making_end(&track->making);
  }
}

static int read_periods(struct manifest *manifest, const struct mpd *root, struct err *err) {
  uint64_t start_us = 0;
  int result = 0;
  const struct mpd *period = mpd_child(root, "Period");
  for (; period != NULL && result == 0; period = mpd_next(period)) {
    manifest->periods++;
    find_length(manifest, root, period, &start_us);
    result = read_period(manifest, root, period, err);
  }
  end_tracks(manifest->tracks);
  end_tracks(manifest->dependents);
  return result;
}

static int read_root(struct segments *all, const struct mpd *root, struct err *err) {
  struct manifest manifest = {.all = all,
                              .tracks = g_ptr_array_new_with_free_func(track_free),
                              .dependents = g_ptr_array_new_with_free_func(track_free)};
  const char *type = mpd_attribute(root, "type");
  refuse_links(&manifest, root);
  int result = read_periods(&manifest, root, err);
  g_ptr_array_free(manifest.tracks, TRUE);
  g_ptr_array_free(manifest.dependents, TRUE);
  if (type != NULL && strcmp(type, "dynamic") == 0) {
    all->list->refusal = MEDIA_REFUSED_UNFINISHED;
    return err_set(err, ERR_MEDIA,
                   "%s: the manifest is not finished (its type is dynamic): wait until its writer has ended it",
                   all->path);
  }
  return result == 0 ? segments_end(all, err) : result;
}

int dash_read(const char *path, struct list *ret, struct err *err) {
  SCOPED(segments_fini) struct segments all;
  SCOPED(buf_fini) struct buf text = {.ptr = NULL};
  SCOPED(mpd_free_ref) struct mpd *root = NULL;
  struct err own;
  if (err == NULL) err = &own;
  segments_init(&all, path, ret);
  int result = segments_read_text(path, &text, err);
  if (result == 0) result = mpd_parse(path, buf_view(&text), &root, err);
  return result == 0 ? read_root(&all, root, err) : result;
}
