/* HLS playlists (RFC 8216). Tags that do not say which bytes are played, or how long, are skipped.
 *
 * A list that keeps only the last segments looks like a whole one. It is refused if the segment that comes before its
 * first one is on disk, because its writer made that too. A list without EXT-X-PLAYLIST-TYPE may drop segments (RFC
 * 8216, 4.3.3.5), and only such a list is suspected.
 */
#include <stdlib.h>
#include <string.h>

#include "media/list_kind.h"
#include "media/segments.h"

#define US_PER_S 1000000
#define HALF_SECOND_US 500000
#define ATTRIBUTES_MAX 100
#define DURATION_MAX_S 100000000 /* three years; sums cannot overflow */

struct playlist {
  struct making *making;
  char *real; /* the playlist's own path, without links */
  uint64_t stated_us, rounding_us;
  uint64_t duration_us; /* of the next segment */
  bool has_duration, is_rounded, is_unstated;
  struct str range_text; /* of the next segment; ptr NULL: the whole file */
  char *range_name;      /* the address of the last range, for a range without an offset */
  uint64_t range_end;
  struct str method; /* of the encryption in force; empty: none */
  char *first, *second; /* names of the first two segments */
  size_t count;
  uint64_t sequence;
  size_t line;     /* that is being read, from 1 */
  const char *tag; /* of that line */
  bool is_window, is_typed, is_ended;
  bool has_ranges; /* some segments are ranges of files */
  bool has_parts; /* parts of a segment that has not come yet */
  bool is_over; /* it has too many segments */
};

static void playlist_fini(struct playlist *playlist) {
  g_free(playlist->first);
  g_free(playlist->second);
  g_free(playlist->range_name);
  free(playlist->real);
}

/* ---- attribute lists ---- */

/* Takes the next NAME=value; a quoted value may hold commas, and loses its quotes. */
static bool next_attribute(struct str *rest, struct str *ret_name, struct str *ret_value) {
  *rest = str_trim(*rest);
  if (rest->len == 0) return false;
  const char *equals = memchr(rest->ptr, '=', rest->len);
  if (equals == NULL) return false;
  *ret_name = str_trim(str_cut(rest, '='));
  *rest = str_trim(*rest);
  bool is_quoted = rest->len > 0 && rest->ptr[0] == '"';
  if (!is_quoted) {
    *ret_value = str_trim(str_cut(rest, ','));
    return true;
  }
  *rest = str_make(rest->ptr + 1, rest->len - 1);
  *ret_value = str_cut(rest, '"');
  (void)str_cut(rest, ',');
  return true;
}

/* ptr NULL: there is none. */
static struct str attribute(struct str list, const char *name) {
  struct str found, value;
  while (next_attribute(&list, &found, &value)) {
    if (str_equal(found, str_of(name))) return value;
  }
  return (struct str){.ptr = NULL};
}

static bool is_name(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    if (!g_ascii_isalnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_') return false;
  }
  return name.len > 0;
}

/* True if a list has at least one attribute, and all of it is NAME=value, each name once. */
static bool are_attributes(struct str list) {
  size_t count = 0;
  for (struct str rest = str_trim(list), name, value; rest.len > 0; count++) {
    struct str before = rest;
    if (count == ATTRIBUTES_MAX || !next_attribute(&rest, &name, &value) || !is_name(name)) return false;
    bool is_quoted = value.ptr > before.ptr && value.ptr[-1] == '"';
    const char *end = value.ptr + value.len, *limit = before.ptr + before.len;
    if (is_quoted && (end == limit || *end != '"')) return false;
    while (is_quoted && ++end < limit && *end != ',') {
      if (*end != ' ' && *end != '\t') return false;
    }
    for (struct str again = rest, other; next_attribute(&again, &other, &value);) {
      if (str_equal(name, other)) return false;
    }
  }
  return count > 0;
}

/* ---- numbers ---- */

/* Seconds with a fraction, as microseconds. */
static bool read_seconds(struct str text, uint64_t *ret_us, bool *ret_is_whole) {
  struct str fraction = text, whole = str_cut(&fraction, '.');
  uint64_t seconds, part = 0, unit = US_PER_S / 10;
  *ret_is_whole = whole.len == text.len;
  if (!str_to_u64(whole, &seconds) || seconds > DURATION_MAX_S) return false;
  for (size_t i = 0; i < fraction.len; i++, unit /= 10) {
    if (!g_ascii_isdigit(fraction.ptr[i])) return false;
    part += (uint64_t)(fraction.ptr[i] - '0') * unit;
  }
  *ret_us = seconds * US_PER_S + part;
  return true;
}

/* "size" or "size@offset". */
static bool read_range(struct str text, uint64_t begin, struct range *ret) {
  bool has_offset = memchr(text.ptr, '@', text.len) != NULL;
  struct str offset = text, size = str_trim(str_cut(&offset, '@'));
  ret->offset = begin;
  return str_to_u64(size, &ret->size) && ret->size > 0 && (!has_offset || str_to_u64(str_trim(offset), &ret->offset)) &&
         ret->size <= INT64_MAX && ret->offset <= (uint64_t)INT64_MAX - ret->size;
}

/* ---- tags of a media playlist ---- */

/* What is wrong with the line that is being read; `what` follows the tag's name. */
static int fail_tag(const struct playlist *playlist, const char *what, struct err *err) {
  return err_set(err, ERR_MEDIA, "%s: line %zu: #%s %s; correct the list, or make it again", playlist->making->label,
                 playlist->line, playlist->tag, what);
}

static int fail_range(const struct playlist *playlist, struct err *err) {
  return err_set(err, ERR_MEDIA, "%s: line %zu: it lists a range of bytes that is not valid", playlist->making->label,
                 playlist->line);
}

static int check_attributes(const struct playlist *playlist, struct str list, struct err *err) {
  return are_attributes(list) ? 0 : fail_tag(playlist, "has attributes that are not valid", err);
}

static int take_duration(struct playlist *playlist, struct str value, struct err *err) {
  bool is_whole;
  struct str seconds = str_trim(str_cut(&value, ','));
  playlist->has_duration = read_seconds(seconds, &playlist->duration_us, &is_whole);
  playlist->is_rounded = playlist->has_duration && is_whole;
  return playlist->has_duration ? 0 : fail_tag(playlist, "states no valid duration", err);
}

static int take_range(struct playlist *playlist, struct str value, struct err *err) {
  struct range range;
  playlist->range_text = value;
  return read_range(value, 0, &range) ? 0 : fail_range(playlist, err);
}

static int take_map(struct playlist *playlist, struct str value, struct err *err) {
  struct str range_text = attribute(value, "BYTERANGE"), address = attribute(value, "URI");
  struct range range = {.size = 0};
  int result = check_attributes(playlist, value, err);
  if (result != 0) return result;
  if (address.len == 0) return fail_tag(playlist, "has no URI", err);
  if (range_text.ptr != NULL && !read_range(range_text, 0, &range)) return fail_range(playlist, err);
  return making_set_init(playlist->making, address, range, err);
}

static int take_discontinuity(struct playlist *playlist, struct str value, struct err *err) {
  (void)value, (void)err;
  playlist->making->is_joint = true;
  return 0;
}

/* An encryption that is not understood is one all the same. */
static int take_key(struct playlist *playlist, struct str value, struct err *err) {
  struct str method = attribute(value, "METHOD");
  playlist->method = str_equal(method, STR("NONE")) ? STR("") : method.len > 0 ? method : STR("unknown");
  int result = check_attributes(playlist, value, err);
  return result != 0 || method.len > 0 ? result : fail_tag(playlist, "has no METHOD", err);
}

static int take_sequence(struct playlist *playlist, struct str value, struct err *err) {
  if (!str_to_u64(value, &playlist->sequence)) return fail_tag(playlist, "is not a number", err);
  if (playlist->count > 0) return fail_tag(playlist, "stands behind the first segment", err);
  playlist->is_window = playlist->sequence != 0;
  return 0;
}

static int take_number(struct playlist *playlist, struct str value, struct err *err) {
  uint64_t number;
  return str_to_u64(value, &number) ? 0 : fail_tag(playlist, "is not a number", err);
}

static int take_type(struct playlist *playlist, struct str value, struct err *err) {
  playlist->is_typed = str_equal_nocase(value, STR("VOD")) || str_equal_nocase(value, STR("EVENT"));
  return playlist->is_typed ? 0 : fail_tag(playlist, "is neither VOD nor EVENT", err);
}

static int take_end(struct playlist *playlist, struct str value, struct err *err) {
  (void)value, (void)err;
  playlist->is_ended = true;
  return 0;
}

static int take_key_pictures(struct playlist *playlist, struct str value, struct err *err) {
  (void)value;
  int result = err_set(err, ERR_MEDIA, "%s: a list of key pictures is no output of its own; record the list of all pictures",
                       playlist->making->label);
  return making_note(playlist->making, result, MEDIA_REFUSED_NO_OUTPUT, err);
}

static int take_gap(struct playlist *playlist, struct str value, struct err *err) {
  (void)value;
  return err_set(err, ERR_MEDIA, "%s: it says itself that a segment is missing (#EXT-X-GAP)", playlist->making->label);
}

static int take_skip(struct playlist *playlist, struct str value, struct err *err) {
  (void)value;
  return err_set(err, ERR_MEDIA, "%s: it is an update that leaves segments out (#EXT-X-SKIP); record the whole list",
                 playlist->making->label);
}

static int take_define(struct playlist *playlist, struct str value, struct err *err) {
  (void)value;
  return fail_tag(playlist, "defines a variable, which is not supported", err);
}

/* Parts of segments are no media of their own; the segments hold the same bytes. */
static int take_part(struct playlist *playlist, struct str value, struct err *err) {
  SCOPED(found_fini) struct found found = {.path = NULL};
  struct str address = attribute(value, "URI");
  int result = check_attributes(playlist, value, err);
  if (result != 0) return result;
  if (address.len == 0) return fail_tag(playlist, "has no URI", err);
  playlist->has_parts = true;
  if (making_look(playlist->making, address, &found)) (void)segments_add_part(playlist->making->all, found.path);
  return 0;
}

static const struct tag {
  const char *name;
  enum { ALONE, VALUED, EITHER } form; /* whether a value follows */
  int (*take)(struct playlist *playlist, struct str value, struct err *err);
} tags[] = {
    {"EXTINF", VALUED, take_duration},
    {"EXT-X-BYTERANGE", VALUED, take_range},
    {"EXT-X-MAP", VALUED, take_map},
    {"EXT-X-DISCONTINUITY", ALONE, take_discontinuity},
    {"EXT-X-DISCONTINUITY-SEQUENCE", VALUED, take_number},
    {"EXT-X-KEY", VALUED, take_key},
    {"EXT-X-MEDIA-SEQUENCE", VALUED, take_sequence},
    {"EXT-X-PLAYLIST-TYPE", VALUED, take_type},
    {"EXT-X-ENDLIST", EITHER, take_end},
    {"EXT-X-I-FRAMES-ONLY", ALONE, take_key_pictures},
    {"EXT-X-GAP", ALONE, take_gap},
    {"EXT-X-SKIP", VALUED, take_skip},
    {"EXT-X-PART", VALUED, take_part},
    {"EXT-X-DEFINE", VALUED, take_define},
};

/* ---- segments ---- */

static int range_of(struct playlist *playlist, struct str address, struct range *ret, struct err *err) {
  *ret = (struct range){.size = 0};
  bool goes_on = playlist->range_name != NULL && str_equal(address, str_of(playlist->range_name));
  if (playlist->range_text.ptr == NULL) {
    g_clear_pointer(&playlist->range_name, g_free);
    return 0;
  }
  bool has_offset = memchr(playlist->range_text.ptr, '@', playlist->range_text.len) != NULL;
  if ((!has_offset && !goes_on) || !read_range(playlist->range_text, playlist->range_end, ret))
    return fail_range(playlist, err);
  if (!goes_on) {
    g_free(playlist->range_name);
    playlist->range_name = g_strndup(address.ptr, address.len);
  }
  playlist->range_end = ret->offset + ret->size;
  return 0;
}

static void add_duration(struct playlist *playlist) {
  playlist->is_unstated |= !playlist->has_duration;
  playlist->stated_us += playlist->duration_us;
  playlist->rounding_us += playlist->is_rounded ? HALF_SECOND_US : 0;
}

static int fail_encrypted(const struct playlist *playlist, struct err *err) {
  SCOPED_MALLOC char *method = str_printable(str_make(playlist->method.ptr, MIN(playlist->method.len, 40)));
  return err_set(err, ERR_MEDIA, "%s: its segments are encrypted (%s); record the output before it is encrypted",
                 playlist->making->label, method);
}

static int take_segment(struct playlist *playlist, struct str address, struct err *err) {
  struct making *making = playlist->making;
  struct range range;
  playlist->is_over = making_is_over(making);
  int result = range_of(playlist, address, &range, err);
  if (result == 0) result = making_add(making, address, range, err);
  bool is_found = result == 0;
  if (is_found && playlist->real != NULL && strcmp(making->last.path, playlist->real) == 0)
    result = err_set(err, ERR_MEDIA, "%s: the list names itself as a segment", making->label);
  else if (is_found && playlist->method.len > 0)
    result = fail_encrypted(playlist, err);
  if (is_found && playlist->count == 0) playlist->first = g_strdup(making->last.name);
  if (is_found && playlist->count == 1) playlist->second = g_strdup(making->last.name);
  playlist->count++;
  playlist->has_ranges |= playlist->range_text.ptr != NULL;
  add_duration(playlist);
  playlist->range_text = str_make(NULL, 0);
  playlist->has_duration = playlist->is_rounded = playlist->has_parts = false;
  playlist->duration_us = 0;
  return result;
}

static int take_line(struct playlist *playlist, struct str line, struct err *err) {
  playlist->line++;
  if (line.len == 0) return 0;
  if (line.ptr[0] != '#') return take_segment(playlist, line, err);
  size_t len = 1;
  while (len < line.len && line.ptr[len] != ':' && !g_ascii_isspace(line.ptr[len]))
    len++;
  struct str name = str_make(line.ptr + 1, len - 1), value = str_make(line.ptr + len, line.len - len);
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    if (!str_equal(name, str_of(tags[i].name))) continue;
    playlist->tag = tags[i].name;
    bool has_value = value.len > 0 && value.ptr[0] == ':';
    if (tags[i].form == ALONE && value.len > 0) return fail_tag(playlist, "has a value, but takes none", err);
    if (tags[i].form == VALUED && !has_value) return fail_tag(playlist, "has no value", err);
    return tags[i].take(playlist, has_value ? str_trim(str_make(value.ptr + 1, value.len - 1)) : value, err);
  }
  return 0;
}

/* ---- lists that keep only the end ---- */

/* The digits in a name that count the segments. */
struct counter {
  size_t begin, end;
  uint64_t value, step; /* step: to the second segment; 0: unknown */
};

static bool read_counter(struct str name, size_t begin, struct counter *ret) {
  *ret = (struct counter){.begin = begin, .end = begin};
  while (ret->end < name.len && g_ascii_isdigit(name.ptr[ret->end]))
    ret->end++;
  return str_to_u64(str_make(name.ptr + begin, ret->end - begin), &ret->value);
}

/* The one place where the first two names differ. */
static bool find_difference(struct str first, struct str second, struct counter *ret) {
  size_t at = 0;
  struct counter next;
  while (at < first.len && at < second.len && first.ptr[at] == second.ptr[at])
    at++;
  while (at > 0 && g_ascii_isdigit(first.ptr[at - 1]))
    at--;
  if (!read_counter(first, at, ret) || !read_counter(second, at, &next) || next.value <= ret->value) return false;
  ret->step = next.value - ret->value;
  return str_equal(str_make(first.ptr + ret->end, first.len - ret->end),
                   str_make(second.ptr + next.end, second.len - next.end));
}

/* The last number before the file's extension, or the last one that equals the list's sequence number. */
static bool find_number(struct str name, uint64_t sequence, struct counter *ret) {
  const char *dot = memrchr(name.ptr, '.', name.len);
  size_t limit = dot != NULL ? (size_t)(dot - name.ptr) : name.len;
  bool any = false, equals = false;
  for (size_t at = 0; at < limit; at++) {
    struct counter now;
    if (!g_ascii_isdigit(name.ptr[at])) continue;
    bool is_number = read_counter(name, at, &now);
    at = now.end;
    if (!is_number || (equals && now.value != sequence)) continue;
    equals |= now.value == sequence;
    any = true;
    *ret = now;
  }
  return any;
}

static bool has_number(const struct making *making, struct str name, const struct counter *counter, uint64_t value) {
  int digits = (int)(counter->end - counter->begin);
  for (int width = digits; width >= 1 && width >= digits - 1; width--) { /* out9.ts comes before out10.ts, out09.ts too */
    SCOPED_MALLOC char *text = g_strdup_printf("%.*s%0*llu%.*s", (int)counter->begin, name.ptr, width, (unsigned long long)value,
                                               (int)(name.len - counter->end), name.ptr + counter->end);
    if (making_has_unlisted(making, str_of(text))) return true;
  }
  return false;
}

/* True if a segment that comes before the first one is there. Names may be times, so a step is known to about one. */
static bool has_predecessor(const struct playlist *playlist) {
  struct counter counter;
  struct str first = str_of(playlist->first), second = str_of(playlist->second);
  bool is_known = second.len > 0 && find_difference(first, second, &counter);
  if (!is_known && !find_number(first, playlist->sequence, &counter)) return false;
  if (counter.value > 0 && has_number(playlist->making, first, &counter, counter.value - 1)) return true;
  if (counter.step < 2) return false;
  for (uint64_t back = counter.step - 1; back <= counter.step + 1; back++) {
    if (back <= counter.value && has_number(playlist->making, first, &counter, counter.value - back)) return true;
  }
  return false;
}

/* True if the playlist plays one file from its begin, as `-hls_flags single_file` makes it: files with other numbers are of other
 * renditions. A list of the last of several files (`-hls_segment_size`) goes on counting, and has its init segment elsewhere. */
static bool plays_one_file(const struct playlist *playlist) {
  const struct rendition *rendition = &playlist->making->rendition;
  if (rendition->spans.count != 1 || rendition->stretches.count != 1) return false;
  const char *init = rendition->stretches.items[0].init.path;
  bool has_init = init != NULL && strcmp(init, rendition->spans.items[0].path) == 0;
  return has_init || (playlist->count > 1 && playlist->sequence < 2);
}

/* ---- a media playlist ---- */

static int check_whole(const struct playlist *playlist, struct err *err) {
  const struct making *making = playlist->making;
  if (playlist->count == 0) return err_set(err, ERR_MEDIA, "%s: it lists no segments", making->label);
  if (playlist->has_parts)
    return err_set(err, ERR_MEDIA, "%s: it ends with parts (#EXT-X-PART) that are in none of its segments", making->label);
  if (playlist->first == NULL || playlist->is_typed) return 0;
  /* ffmpeg's -hls_segment_size leaves the number at 0, whatever it has dropped. */
  bool may_lack = playlist->is_window || (playlist->has_ranges && making->rendition.spans.count > 1);
  bool is_end = making_begins_within(making) || (may_lack && !plays_one_file(playlist) && has_predecessor(playlist));
  return is_end ? making_fail_end(making, "playlist", str_of(playlist->first), err) : 0;
}

/* The playlist counts its segments from 0 or 1. A writer that deletes old ones goes on counting. */
static uint64_t skipped_us(const struct playlist *playlist) {
  if (playlist->is_typed || playlist->sequence < 2 || playlist->count == 0) return 0;
  uint64_t each = playlist->stated_us / playlist->count;
  return each > 0 && playlist->sequence < INT64_MAX / each ? playlist->sequence * each : 0;
}

static int check_ended(const struct playlist *playlist, struct err *err) {
  if (playlist->is_ended) return 0;
  return err_set(err, ERR_MEDIA,
                 "%s: the playlist is not finished (it has no #EXT-X-ENDLIST): wait until its writer has ended it",
                 playlist->making->label);
}

static int read_media(struct making *making, const char *path, struct str text, struct err *err) {
  SCOPED(playlist_fini) struct playlist playlist = {.making = making, .real = realpath(path, NULL)};
  int result = 0;
  while (text.len > 0 && result == 0 && !playlist.is_over) {
    result = take_line(&playlist, str_trim(str_cut(&text, '\n')), err);
    result = making_note(making, result, MEDIA_REFUSED_BROKEN, err);
  }
  if (result == 0 && !playlist.is_over)
    result = making_note(making, check_ended(&playlist, err), MEDIA_REFUSED_UNFINISHED, err);
  if (result == 0) result = making_note(making, check_whole(&playlist, err), MEDIA_REFUSED_BROKEN, err);
  making->rendition.stated_us = playlist.is_unstated ? 0 : playlist.stated_us;
  making->rendition.rounding_us = playlist.rounding_us;
  making->rendition.skipped_us = skipped_us(&playlist);
  return result;
}

/* ---- master playlists ---- */

/* The playlists that a master playlist names. */
struct master {
  struct segments *all;
  GHashTable *kinds;  /* address to kind */
  GPtrArray *addresses; /* in order */
};
enum { KIND_OTHER = 1, KIND_UNDECLARED, KIND_VIDEO }; /* undeclared: a variant that may be sound or video */

static void name_playlist(struct master *master, struct str address, int kind) {
  if (address.len == 0) return;
  char *text = g_strndup(address.ptr, address.len);
  int before = GPOINTER_TO_INT(g_hash_table_lookup(master->kinds, text));
  if (before == 0) g_ptr_array_add(master->addresses, text);
  /* A variant that is also a group's sound is sound, unless it is declared to be video. */
  bool is_sound = before != 0 && before != kind && MAX(before, kind) == KIND_UNDECLARED;
  int now = is_sound ? KIND_OTHER : MAX(before, kind);
  g_hash_table_insert(master->kinds, before == 0 ? text : g_strdup(text), GINT_TO_POINTER(now));
  if (before != 0) g_free(text);
}

static int kind_of_variant(struct str attributes) {
  struct str codecs = attribute(attributes, "CODECS");
  if (attribute(attributes, "RESOLUTION").len > 0) return KIND_VIDEO;
  if (codecs.len == 0) return KIND_UNDECLARED;
  return segments_are_no_video(codecs) ? KIND_OTHER : KIND_VIDEO;
}

/* The playlists behind the line are read all the same, because their files are parts. */
static void refuse_line(const struct master *master, size_t line, const char *what) {
  struct err fault;
  (void)err_set(&fault, ERR_MEDIA, "%s: line %zu: %s; correct the list, or make it again", master->all->path, line, what);
  segments_note(master->all, &fault, MEDIA_REFUSED_BROKEN);
}

static void find_playlists(struct master *master, struct str text) {
  int kind = 0; /* of the variant whose address comes */
  size_t number = 0, variant = 0; /* lines */
  struct str rest;
  while (text.len > 0 && master->addresses->len <= RENDITIONS_MAX) {
    struct str line = str_trim(str_cut(&text, '\n'));
    size_t colon = line.len > 0 && memchr(line.ptr, ':', line.len) != NULL
                       ? (size_t)((const char *)memchr(line.ptr, ':', line.len) - line.ptr) + 1
                       : line.len;
    rest = str_make(line.ptr + colon, line.len - colon);
    number++;
    if (str_starts(line, STR("#EXT-X-DEFINE"))) refuse_line(master, number, "it defines a variable, which is not supported");
    if (list_is_master_tag(line) && !are_attributes(rest)) refuse_line(master, number, "its attributes are not valid");
    if (str_starts(line, STR("#EXT-X-STREAM-INF:"))) {
      if (kind != 0) refuse_line(master, variant, "no address of a playlist follows");
      kind = kind_of_variant(rest);
      variant = number;
    } else if (str_starts(line, STR("#EXT-X-MEDIA:"))) {
      struct str type = attribute(rest, "TYPE");
      if (type.len == 0) refuse_line(master, number, "#EXT-X-MEDIA has no TYPE");
      name_playlist(master, attribute(rest, "URI"), str_equal(type, STR("VIDEO")) ? KIND_VIDEO : KIND_OTHER);
    } else if (list_is_master_tag(line)) {
      name_playlist(master, attribute(rest, "URI"), KIND_OTHER);
    } else if (line.len > 0 && line.ptr[0] != '#') {
      name_playlist(master, line, kind != 0 ? kind : KIND_UNDECLARED);
      kind = 0;
    }
  }
  if (kind != 0) refuse_line(master, variant, "no address of a playlist follows");
}

/* A list of songs or files (M3U) begins like a playlist of HLS, but has none of its tags. What it names are outputs of their
 * own, so they are not among its parts. */
static int check_tags(const char *label, struct str text, struct err *err) {
  while (text.len > 0) {
    if (str_starts(str_trim(str_cut(&text, '\n')), STR("#EXT-X-"))) return 0;
  }
  return err_set(err, ERR_MEDIA,
                 "%s: it is a list of songs or other files (M3U), not an HLS playlist: it has no tag that begins with #EXT-X-; "
                 "record the files",
                 label);
}

static int read_text_of(const struct making *making, const char *path, struct buf *text, struct err *err) {
  int result = segments_read_text(path, text, err);
  if (result != 0) return err_prefix(err, "%s", making->label);
  if (!str_starts(buf_view(text), STR("#EXTM3U")))
    return err_set(err, ERR_MEDIA, "%s: it is not an HLS playlist", making->label);
  if (!list_is_master(buf_view(text))) return check_tags(making->label, buf_view(text), err);
  return err_set(err, ERR_MEDIA, "%s: a master playlist names it, but it is a master playlist too", making->label);
}

static int read_variant(struct master *master, struct making *finder, const char *address, bool only_parts,
                        GHashTable *seen, struct err *err) {
  SCOPED(buf_fini) struct buf text = {.ptr = NULL};
  const struct found *found;
  int result = making_find(finder, str_of(address), &found, err);
  if (result == 0 && !g_hash_table_add(seen, g_strdup(found->path))) return 0;
  SCOPED_MALLOC char *path = result == 0 ? g_strdup(found->path) : NULL;
  SCOPED_MALLOC char *name = result != 0 && strstr(address, "://") != NULL
                                 ? g_strdup(address)
                                 : g_canonicalize_filename(result == 0 ? found->name : address, finder->base);
  SCOPED_MALLOC char *list = g_strconcat(finder->base, result == 0 ? found->name : address, NULL);
  SCOPED(making_fini) struct making making;
  making_init(&making, master->all, name, list, only_parts);
  if (result == 0) result = read_text_of(&making, path, &text, err);
  bool is_read = result == 0;
  result = making_note(&making, result, MEDIA_REFUSED_BROKEN, err);
  if (is_read) result = read_media(&making, path, buf_view(&text), err);
  if (only_parts) return 0; /* whatever is wrong with sound or subtitles, the video can be measured */
  making_end(&making);
  return result;
}

static int read_master(struct segments *all, struct str text, struct err *err) {
  struct master master = {.all = all, .addresses = g_ptr_array_new()};
  master.kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  SCOPED(making_fini) struct making finder;
  making_init(&finder, all, all->path, all->path, true);
  all->has_left_out = false;
  find_playlists(&master, text);
  int result = 0;
  if (master.addresses->len > RENDITIONS_MAX)
    result = err_set(err, ERR_MEDIA, "%s: it names more than %d playlists", all->path, RENDITIONS_MAX);
  for (int only_parts = 0; only_parts <= 1; only_parts++) {
    for (guint i = 0; i < master.addresses->len && result == 0; i++) {
      const char *address = g_ptr_array_index(master.addresses, i);
      int kind = GPOINTER_TO_INT(g_hash_table_lookup(master.kinds, address));
      if ((kind == KIND_OTHER) == (only_parts == 1))
        result = read_variant(&master, &finder, address, only_parts == 1, seen, err);
    }
  }
  g_hash_table_destroy(seen);
  g_hash_table_destroy(master.kinds);
  g_ptr_array_free(master.addresses, TRUE);
  return result;
}

static int read_single(struct segments *all, struct str text, struct err *err) {
  SCOPED(making_fini) struct making making;
  making_init(&making, all, all->path, all->path, false);
  int result = read_media(&making, all->path, text, err);
  making_end(&making);
  return result;
}

/* True if the list holds nothing but its head. A media playlist states at least its target duration. */
static bool is_empty(struct str text) {
  while (text.len > 0) {
    struct str line = str_trim(str_cut(&text, '\n'));
    bool is_head = line.len == 0 || str_starts(line, STR("#EXTM3U")) || str_starts(line, STR("\xEF\xBB\xBF#EXTM3U")) ||
                   str_starts(line, STR("#EXT-X-VERSION")) || str_starts(line, STR("#EXT-X-INDEPENDENT-SEGMENTS"));
    if (!is_head) return false;
  }
  return true;
}

int hls_read(const char *path, struct list *ret, struct err *err) {
  SCOPED(segments_fini) struct segments all;
  SCOPED(buf_fini) struct buf text = {.ptr = NULL};
  struct err own;
  if (err == NULL) err = &own;
  segments_init(&all, path, ret);
  int result = segments_read_text(path, &text, err);
  if (result != 0) return result;
  struct str view = buf_view(&text);
  if (is_empty(view)) {
    ret->refusal = MEDIA_REFUSED_NO_OUTPUT;
    return err_set(err, ERR_MEDIA,
                   "%s: it lists nothing; ffmpeg leaves a master playlist empty if it knows no bit rate: give -b:v, or "
                   "record its media playlists",
                   path);
  }
  result = check_tags(path, view, err);
  if (result != 0) {
    ret->refusal = MEDIA_REFUSED_NO_OUTPUT;
    return result;
  }
  result = list_is_master(view) ? read_master(&all, view, err) : read_single(&all, view, err);
  return result == 0 ? segments_end(&all, err) : result;
}
