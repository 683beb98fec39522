/* A fault in one segment does not end the reading: a watch must know all files of a list, so that it does not take them
 * for outputs. So a rendition keeps its first fault, and the reader goes on.
 *
 * Files are found by stat alone. Nothing is opened but the lists, and, to tell media from an index, the heads of the
 * boxes that lie between the ranges of an MP4 file.
 */
#include "media/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"

#define LIST_SIZE_MAX ((size_t)64 << 20)
#define NAME_BYTES_MAX ((size_t)512 << 20) /* of all spans' paths: memory, if many ranges have a long path */
#define SHOWN 200                          /* bytes of an address in a message */
#define GAP_BOXES 64                       /* boxes between two ranges */

/* ---- the list ---- */

void segments_init(struct segments *all, const char *path, struct list *ret) {
  *ret = (struct list){.refusal = MEDIA_REFUSED_BROKEN};
  *all = (struct segments){.path = path, .list = ret};
  all->known = g_hash_table_new(g_str_hash, g_str_equal);
  SCOPED_MALLOC char *real = realpath(path, NULL);
  if (real != NULL) (void)segments_add_part(all, real);
}

void segments_fini(struct segments *all) { g_hash_table_destroy(all->known); }

bool segments_add_part(struct segments *all, const char *path) {
  if (g_hash_table_contains(all->known, path)) return false;
  char *part = g_strdup(path);
  *vector_must_add(&all->list->parts) = part;
  (void)g_hash_table_add(all->known, part);
  return true;
}

int segments_read_text(const char *path, struct buf *ret, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0)
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  if (!S_ISREG(st.st_mode)) return err_set(err, ERR_MEDIA, "%s: not a regular file", path);
  if ((uint64_t)st.st_size > LIST_SIZE_MAX)
    return err_set(err, ERR_MEDIA, "%s: the playlist or manifest is larger than 64 MiB", path);
  size_t got = 0;
  char *room = buf_extend(ret, (size_t)st.st_size + 1);
  if (room == NULL) return err_set(err, ERR_MEMORY, "not enough memory to read %s", path);
  int result = file_read(fd, path, 0, room, (size_t)st.st_size, &got, err);
  if (result != 0) return result;
  size_t mark = got >= 3 && memcmp(room, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  memmove(room, room + mark, got - mark);
  ret->len = got - mark;
  ret->ptr[ret->len] = '\0';
  return 0;
}

static bool spans_equal(const struct rendition *a, const struct rendition *b) {
  if (!a->is_usable || !b->is_usable || a->spans.count != b->spans.count) return false;
  for (size_t i = 0; i < a->spans.count; i++) {
    const struct media_span *x = &a->spans.items[i], *y = &b->spans.items[i];
    if (x->offset != y->offset || x->size != y->size || strcmp(x->path, y->path) != 0) return false;
  }
  return true;
}

static void drop_repeats(struct list *list) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    bool is_repeat = false;
    for (size_t j = 0; j < kept && !is_repeat; j++)
      is_repeat = spans_equal(&list->items[j], &list->items[i]);
    if (is_repeat)
      rendition_fini(&list->items[i]);
    else
      list->items[kept++] = list->items[i];
  }
  list->count = kept;
}

/* Messages of a master playlist's renditions start with their own paths. */
static int fail_whole(const struct segments *all, const struct err *reason, struct err *err) {
  bool is_own = strncmp(reason->text, all->path, strlen(all->path)) == 0;
  return is_own ? err_set(err, ERR_MEDIA, "%s", reason->text)
                : err_set(err, ERR_MEDIA, "%s: %s", all->path, reason->text);
}

void segments_note(struct segments *all, const struct err *fault, enum media_refusal refusal) {
  if (all->is_refused) return;
  all->is_refused = true;
  all->fault = *fault;
  all->fault_refusal = refusal;
}

int segments_end(struct segments *all, struct err *err) {
  struct list *list = all->list;
  const struct err *reason = NULL;
  bool any_usable = false;
  if (all->trouble.code != ERR_NONE) return err_set(err, all->trouble.code, "%s", all->trouble.text);
  if (all->is_refused) {
    list->refusal = all->fault_refusal;
    return fail_whole(all, &all->fault, err);
  }
  drop_repeats(list);
  for (size_t i = 0; i < list->count; i++) {
    any_usable |= list->items[i].is_usable;
    if (!list->items[i].is_usable && reason == NULL) reason = &list->items[i].why;
  }
  if (all->is_unfinished) {
    list->refusal = MEDIA_REFUSED_UNFINISHED;
    return fail_whole(all, &all->unfinished, err);
  }
  if (any_usable) return 0;
  if (reason != NULL) {
    list->refusal = all->refusal;
    return fail_whole(all, reason, err);
  }
  list->refusal = all->has_left_out ? MEDIA_REFUSED_NO_OUTPUT : MEDIA_REFUSED_BROKEN;
  return err_set(err, ERR_MEDIA, "%s: it lists no video", all->path);
}

/* ---- codecs ---- */

static bool is_no_video(struct str codec) {
  static const char *const names[] = {"mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "mp3", "vorbis", "dts", "mha", "mhm",
                                      "ipcm", "fpcm", "lpcm", "samr", "sawb", "stpp", "wvtt"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    size_t len = strlen(names[i]);
    if (codec.len >= len && str_equal_nocase(str_make(codec.ptr, len), str_of(names[i]))) return true;
  }
  return false;
}

bool segments_are_no_video(struct str codecs) {
  bool any = codecs.len > 0;
  while (codecs.len > 0) {
    if (!is_no_video(str_trim(str_cut(&codecs, ',')))) return false;
  }
  return any;
}

/* ---- files ---- */

void found_fini(struct found *found) {
  free(found->path);
  g_free(found->name);
  *found = (struct found){.path = NULL};
}

void making_init(struct making *making, struct segments *all, const char *name, const char *list, bool only_parts) {
  const char *slash = strrchr(list, '/');
  *making = (struct making){.all = all, .label = g_strdup(name), .only_parts = only_parts, .is_joint = true};
  making->base = slash != NULL ? g_strndup(list, (size_t)(slash + 1 - list)) : g_strdup("");
  making->rendition = (struct rendition){.name = g_strdup(name), .is_usable = true};
  all->has_left_out |= only_parts;
}

void making_fini(struct making *making) {
  rendition_fini(&making->rendition);
  found_fini(&making->last);
  found_fini(&making->init_file);
  g_free(making->last_address);
  g_free(making->label);
  g_free(making->base);
}

int making_note(struct making *making, int result, enum media_refusal refusal, struct err *err) {
  struct rendition *rendition = &making->rendition;
  if (result == 0 || (result == -ERR_MEDIA && making->is_broken && refusal <= making->refusal)) return 0;
  if (result == -ERR_MEDIA || rendition->is_usable) rendition->why = *err;
  rendition->is_usable = false;
  if (result != -ERR_MEDIA) return result;
  making->is_broken = true;
  making->refusal = refusal;
  return 0;
}

/* Keeps an error that may pass, where the reader would take it for "nothing is there". What is wrong with sound or
 * subtitles does no harm. */
static void note_trouble(const struct making *making, int code, const char *path) {
  struct segments *all = making->all;
  if (making->only_parts || all->trouble.code != ERR_NONE || !file_may_pass(code)) return;
  (void)err_set_errno(&all->trouble, ERR_IO, code, "%s: %s", making->label, path);
}

/* 0 or an errno. */
static int look(const struct making *making, struct str name, struct found *ret) {
  if (name.len == 0 || memchr(name.ptr, '\0', name.len) != NULL) return ENOENT;
  SCOPED_MALLOC char *path = g_strdup_printf("%s%.*s", making->base, STR_ARG(name));
  found_fini(ret);
  ret->path = realpath(path, NULL);
  if (ret->path == NULL || stat(ret->path, &ret->st) != 0) return errno;
  ret->name = g_strndup(name.ptr, name.len);
  return 0;
}

/* The file of that very name, else that of the name decoded. */
static int look_both(const struct making *making, struct str address, struct found *ret) {
  int code = look(making, address, ret);
  if (code == 0 || memchr(address.ptr, '%', address.len) == NULL) return code;
  SCOPED_MALLOC char *decoded = g_malloc(address.len + 1);
  int second = look(making, str_make(decoded, bytes_percent_decode(address, decoded)), ret);
  return second == 0 || !file_may_pass(code) ? second : code;
}

/* An address that starts with a scheme ("https:") or is absolute. */
static bool is_absolute(struct str address) {
  size_t i = 0;
  while (i < address.len && (g_ascii_isalnum(address.ptr[i]) || strchr("+-.", address.ptr[i]) != NULL) &&
         address.ptr[i] != '\0')
    i++;
  bool has_scheme = i > 1 && i < address.len && address.ptr[i] == ':' && g_ascii_isalpha(address.ptr[0]);
  return address.len > 0 && (address.ptr[0] == '/' || has_scheme);
}

static char *shown(struct str address) {
  return str_printable(str_make(address.ptr, address.len < SHOWN ? address.len : SHOWN));
}

static int fail_elsewhere(const struct making *making, struct str address, struct err *err) {
  SCOPED_MALLOC char *text = shown(address);
  return err_set(err, ERR_MEDIA, "%s: its segments are elsewhere: %s; record the list where they are beside it",
                 making->label, text);
}

static int fail_missing(struct making *making, struct str address, int code, struct err *err) {
  making->missing++;
  SCOPED_MALLOC char *text = shown(address);
  if (file_may_pass(code)) return err_set_errno(err, ERR_IO, code, "%s: %s", making->label, text);
  return err_set_errno(err, ERR_MEDIA, code, "%s: it is truncated: it lists %s, which cannot be read", making->label,
                       text);
}

bool making_look(const struct making *making, struct str address, struct found *ret) {
  *ret = (struct found){.path = NULL};
  if (address.len >= SEGMENT_NAME_MAX || is_absolute(address)) return false;
  int code = look_both(making, address, ret);
  if (code == 0) return S_ISREG(ret->st.st_mode);
  SCOPED_MALLOC char *text = shown(address);
  note_trouble(making, code, text);
  return false;
}

bool making_has_unlisted(const struct making *making, struct str name) {
  SCOPED(found_fini) struct found found = {.path = NULL};
  int code = look(making, name, &found);
  if (code == 0) return !g_hash_table_contains(making->all->known, found.path);
  SCOPED_MALLOC char *text = shown(name);
  note_trouble(making, code, text);
  return false;
}

int making_find(struct making *making, struct str address, const struct found **ret, struct err *err) {
  if (making->last_address != NULL && making->last.path != NULL && str_equal(address, str_of(making->last_address))) {
    *ret = &making->last;
    return 0;
  }
  if (address.len >= SEGMENT_NAME_MAX)
    return err_set(err, ERR_MEDIA, "%s: the name of a segment is longer than %d bytes", making->label, SEGMENT_NAME_MAX);
  SCOPED(found_fini) struct found found = {.path = NULL};
  bool is_far = is_absolute(address) && (address.ptr[0] == '/' || memmem(address.ptr, address.len, "://", 3) != NULL);
  int code = is_far ? ENOENT : look_both(making, address, &found);
  bool is_elsewhere = is_absolute(address) || memchr(address.ptr, '?', address.len) != NULL;
  if (code != 0 && !file_may_pass(code) && is_elsewhere) return fail_elsewhere(making, address, err);
  if (code != 0) return fail_missing(making, address, code, err);
  if (!S_ISREG(found.st.st_mode)) {
    SCOPED_MALLOC char *text = shown(address);
    return err_set(err, ERR_MEDIA, "%s: it lists %s, which is not a regular file", making->label, text);
  }
  (void)segments_add_part(making->all, found.path);
  g_free(making->last_address);
  found_fini(&making->last);
  making->last_address = g_strndup(address.ptr, address.len);
  making->last = found;
  found = (struct found){.path = NULL};
  *ret = &making->last;
  return 0;
}

/* ---- spans ---- */

static int cut(const struct making *making, const struct found *found, struct range range, struct media_span *ret,
               struct err *err) {
  uint64_t whole = (uint64_t)found->st.st_size;
  /* ffmpeg's -hls_segment_size gives the last range of its last file the size of the file. */
  bool is_to_end = range.offset > 0 && range.offset < whole && range.size == whole;
  if (is_to_end) range.size = whole - range.offset;
  bool is_within = range.offset <= whole && range.size <= whole - range.offset;
  if (!is_within || (range.size == 0 && range.offset == whole && whole > 0)) {
    SCOPED_MALLOC char *text = shown(str_of(found->name));
    return err_set(err, ERR_MEDIA, "%s: it is truncated: %s is shorter than the list says", making->label, text);
  }
  uint64_t size = range.size > 0 ? range.size : whole - range.offset;
  *ret = (struct media_span){.path = found->path, .offset = range.offset, .size = size};
  return 0;
}

static bool is_same_init(const struct media_span *a, const struct media_span *b) {
  if (a->path == NULL || b->path == NULL) return a->path == b->path;
  return strcmp(a->path, b->path) == 0 && a->offset == b->offset && a->size == b->size;
}

int making_set_init(struct making *making, struct str address, struct range range, struct err *err) {
  struct media_span init = {.path = NULL};
  const struct found *found = NULL;
  int result = address.len > 0 ? making_find(making, address, &found, err) : 0;
  if (result == 0 && found != NULL) result = cut(making, found, range, &init, err);
  if (result != 0) return result;
  if (is_same_init(&init, &making->init)) return 0;
  found_fini(&making->init_file);
  making->init = init;
  if (init.path != NULL) making->init.path = making->init_file.path = strdup(init.path);
  making->is_joint = true;
  return 0;
}

int making_fail_count(const struct making *making, struct err *err) {
  return err_set(err, ERR_MEDIA, "%s: it lists more than %d segments", making->label, SEGMENTS_MAX);
}

bool making_is_over(const struct making *making) {
  const struct segments *all = making->all;
  return all->count >= SEGMENTS_MAX || making->missing >= SEGMENTS_MISSING_MAX || all->name_bytes >= NAME_BYTES_MAX;
}

static int begin_stretch(struct making *making, struct err *err) {
  struct rendition *rendition = &making->rendition;
  if (making->all->stretches >= STRETCHES_MAX)
    return err_set(err, ERR_MEDIA, "%s: it has more than %d discontinuities or periods; make lists of fewer", making->label,
                   STRETCHES_MAX);
  making->all->stretches++;
  making->is_joint = false;
  struct stretch stretch = making->period;
  stretch.init = making->init;
  stretch.init.path = making->init.path != NULL ? strdup(making->init.path) : NULL;
  stretch.first = rendition->spans.count;
  *vector_must_add(&rendition->stretches) = stretch;
  return 0;
}

/* Ranges that follow each other in a file become one span, however finely a list cuts the file. */
static bool extends_last(struct rendition *rendition, const struct media_span *span) {
  if (rendition->stretches.items[rendition->stretches.count - 1].count == 0) return false;
  struct media_span *last = &rendition->spans.items[rendition->spans.count - 1];
  if (last->offset + last->size != span->offset || strcmp(last->path, span->path) != 0) return false;
  last->size += span->size;
  return true;
}

int making_add(struct making *making, struct str address, struct range range, struct err *err) {
  struct segments *all = making->all;
  struct rendition *rendition = &making->rendition;
  const struct found *found;
  struct media_span span;
  if (making_is_over(making)) return making_fail_count(making, err);
  all->count++;
  int result = making_find(making, address, &found, err);
  if (result == 0) result = cut(making, found, range, &span, err);
  if (result != 0 || making->only_parts || making->is_broken) return result;
  if (making->is_joint) result = begin_stretch(making, err);
  if (result != 0) return result;
  if (extends_last(rendition, &span)) return 0;
  all->name_bytes += strlen(span.path);
  span.path = strdup(span.path);
  CHECK(span.path != NULL);
  *vector_must_add(&rendition->spans) = span;
  rendition->stretches.items[rendition->stretches.count - 1].count++;
  return 0;
}

/* ---- ranges that are a whole file ---- */

/* True if bytes of a file are only top-level boxes of MP4 that hold no media and no description of it. */
static bool is_only_index(const struct making *making, int fd, const char *path, uint64_t position, uint64_t end) {
  static const char kinds[][5] = {"sidx", "ssix", "styp", "emsg", "free", "skip", "prft", "mfra"};
  for (unsigned boxes = 0; position < end; boxes++) {
    unsigned char head[16] = "";
    size_t got = 0;
    bool is_known = false;
    if (boxes == GAP_BOXES || end - position < 8) return false;
    errno = 0;
    if (file_read(fd, path, position, head, sizeof head, &got, NULL) != 0) note_trouble(making, errno, path);
    if (got < 8) return false;
    uint64_t size = be32_load(head);
    if (size == 1) size = got == sizeof head ? be64_load(head + 8) : 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      is_known |= memcmp(head + 4, kinds[i], 4) == 0;
    if (!is_known || size < 8 || size > end - position) return false;
    position += size;
  }
  return true;
}

/* Where the media of a file begin: behind the init range, if that is at its head. */
static uint64_t begin_of_media(const struct stretch *stretch, const char *path) {
  bool is_own = stretch->init.path != NULL && strcmp(stretch->init.path, path) == 0 && stretch->init.offset == 0;
  return is_own ? stretch->init.size : 0;
}

/* The rendition has spans. */
static bool is_whole_file(const struct making *making, uint64_t *ret_size) {
  const struct rendition *rendition = &making->rendition;
  const struct stretch *stretches = rendition->stretches.items;
  const struct media_span *spans = rendition->spans.items;
  const char *path = spans[0].path;
  struct stat st;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0) {
    note_trouble(making, errno, path);
    return false;
  }
  if (!S_ISREG(st.st_mode)) return false;
  for (size_t i = 0; i < rendition->stretches.count; i++) {
    if (!is_same_init(&stretches[i].init, &stretches[0].init)) return false;
  }
  if (stretches[0].init.path != NULL && strcmp(stretches[0].init.path, path) != 0) return false;
  *ret_size = (uint64_t)st.st_size;
  if (rendition->spans.count == 1 && spans[0].offset == 0 && spans[0].size == *ret_size) return true;
  uint64_t position = begin_of_media(stretches, path);
  for (size_t i = 0; i < rendition->spans.count; i++) {
    const struct media_span *span = &rendition->spans.items[i];
    if (strcmp(span->path, path) != 0 || span->offset < position || !is_only_index(making, fd, path, position, span->offset))
      return false;
    position = span->offset + span->size;
  }
  return is_only_index(making, fd, path, position, *ret_size);
}

/* One stretch of all periods over one file. */
static struct stretch join(const struct rendition *rendition) {
  struct stretch joined = {.first = 0, .count = 1, .from_us = rendition->stretches.items[0].from_us};
  bool is_known = true;
  for (size_t i = 0; i < rendition->stretches.count; i++) {
    const struct stretch *stretch = &rendition->stretches.items[i];
    is_known &= stretch->plays_us > 0;
    joined.plays_us += stretch->plays_us;
    joined.slack_us += stretch->slack_us;
  }
  if (!is_known) joined.plays_us = 0;
  return joined;
}

static void become_whole(struct rendition *rendition, uint64_t size) {
  for (size_t i = 1; i < rendition->spans.count; i++)
    free(rendition->spans.items[i].path);
  for (size_t i = 0; i < rendition->stretches.count; i++)
    free(rendition->stretches.items[i].init.path);
  rendition->spans.items[0].offset = 0;
  rendition->spans.items[0].size = size;
  rendition->stretches.items[0] = join(rendition);
  rendition->spans.count = rendition->stretches.count = 1;
}

bool making_begins_within(const struct making *making) {
  const struct rendition *rendition = &making->rendition;
  if (rendition->spans.count == 0) return false;
  const struct media_span *first = &rendition->spans.items[0];
  uint64_t begin = begin_of_media(&rendition->stretches.items[0], first->path);
  if (first->offset <= begin) return false;
  SCOPED_FD int fd = open(first->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) note_trouble(making, errno, first->path);
  return fd < 0 || !is_only_index(making, fd, first->path, begin, first->offset);
}

int making_fail_end(const struct making *making, const char *kind, struct str first, struct err *err) {
  SCOPED_MALLOC char *text = shown(first);
  bool is_within = making_begins_within(making);
  const char *before = is_within ? "the bytes before its first range of" : "segments before";
  bool is_manifest = strcmp(kind, "manifest") == 0;
  const char *remedy = is_manifest ? "make it without -window_size"
                                                     : "make it with -hls_list_size 0 or -hls_playlist_type vod";
  const char *now = is_within     ? "record the file that it plays"
                    : is_manifest ? "join its init segment and all segments in order into one file with `cat`, and record "
                                    "that file"
                                  : "list all its segments, in order, in another playlist, and record that one";
  return err_set(err, ERR_MEDIA,
                 "%s: the %s is only the end of the output: %s %s are beside it, but not in it; next time %s; to count what "
                 "is there now, %s",
                 making->label, kind, before, text, remedy, now);
}

void making_end(struct making *making) {
  struct segments *all = making->all;
  struct rendition *rendition = &making->rendition;
  uint64_t size;
  if (making->only_parts) return;
  CHECK(!rendition->is_usable || rendition->spans.count > 0);
  if (rendition->is_usable && is_whole_file(making, &size)) become_whole(rendition, size);
  if (making->is_broken && making->refusal == MEDIA_REFUSED_UNFINISHED && !all->is_unfinished) {
    all->is_unfinished = true;
    all->unfinished = rendition->why;
  }
  bool is_first = true;
  for (size_t i = 0; i < all->list->count; i++)
    is_first &= all->list->items[i].is_usable;
  if (making->is_broken && is_first) all->refusal = making->refusal;
  *vector_must_add(all->list) = *rendition;
  *rendition = (struct rendition){.name = NULL};
}
