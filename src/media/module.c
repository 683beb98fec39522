/* The module's entry: turns a path into its outputs, and measures them. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "media/flv.h"
#include "media/list.h"
#include "media/list_kind.h"
#include "media/matroska.h"
#include "media/measure.h"
#include "media/media.h"
#include "media/reel.h"

#define US 1000000.0
#define COUNTED_MAX_S 95443.0 /* 2^33 / 90000: a list that counts further takes its numbers from a clock */
#define BEGIN_MAX_S 10.0
#define SHOWN_FIRST 20 /* stretches that an explanation shows one by one, at the begin of a list */
#define SHOWN_LAST 5   /* and at its end */
#define KEPT_BYTES (16 << 20)
#define SLACK_US 1000000 /* pictures may be shown this much less than a list states */

media_probe_function codecmeter_media_probe;

/* ---- one output ---- */

static int measure_rendition(const struct rendition *rendition, bool are_files, const struct media_options *media,
                             struct media_output *output, enum media_refusal *ret_refusal);

static struct media_output *add_output(struct media *media, const char *name) {
  struct media_output *output = vector_must_add(media);
  output->name = strdup(name);
  CHECK(output->name != NULL);
  return output;
}

static void take_spans(struct media_output *output, const struct media_span *spans, size_t count) {
  output->spans = calloc(count + 1, sizeof *output->spans);
  CHECK(output->spans != NULL);
  for (size_t i = 0; i < count; i++) {
    output->spans[i] = spans[i];
    output->spans[i].path = strdup(spans[i].path);
    CHECK(output->spans[i].path != NULL);
  }
  output->span_count = count;
}

static uint64_t to_ms(int64_t num, int64_t den) {
  return (uint64_t)(((__int128)num * 1000 * 2 + den) / ((__int128)den * 2));
}

static void set_measures(struct media_output *output, const struct measured *measured, uint64_t duration_ms) {
  output->is_measured = true;
  memcpy(output->codec, measured->codec, sizeof output->codec);
  output->width = measured->width;
  output->height = measured->height;
  output->rate_num = measured->rate_num;
  output->rate_den = measured->rate_den;
  output->duration_ms = duration_ms;
}

static void take_explanation(struct media_output *output, struct buf *text) {
  buf_char(text, '\0');
  if (!text->failed && text->len > 1) output->explanation = strdup(text->ptr);
}

/* ---- a file ---- */

/* Files that were joined to one are measured like the stretches of a list: libavformat reads only the first of them, so
 * each is measured by itself. `parts` borrows its paths. No parts, or one: nothing was joined. */
static void parts_fini(struct rendition *parts) {
  vector_fini(&parts->spans);
  vector_fini(&parts->stretches);
}

static void add_part(struct rendition *parts, const struct media_span *file, uint64_t start, uint64_t end) {
  size_t index = parts->spans.count;
  *vector_must_add(&parts->spans) = (struct media_span){.path = file->path, .offset = start, .size = end - start};
  *vector_must_add(&parts->stretches) = (struct stretch){.first = index, .count = 1};
}

static int find_flv(struct reel *reel, const struct media_span *file, struct rendition *parts, struct err *err) {
  struct flv flv;
  int result = flv_scan(reel, &flv, err);
  for (size_t i = 0; result == 0 && i < flv.count; i++)
    add_part(parts, file, flv.starts[i], i + 1 < flv.count ? flv.starts[i + 1] : file->size);
  return result;
}

/* A part ends where the next one begins: bytes between them are checked too. */
static int find_matroska(struct reel *reel, const struct media_span *file, struct rendition *parts, struct err *err) {
  SCOPED(matroska_fini) struct matroska matroska;
  int result = matroska_read(reel, &matroska, err);
  for (size_t i = 0; result == 0 && i < matroska.count; i++)
    add_part(parts, file, matroska.parts[i].start, i + 1 < matroska.count ? matroska.parts[i + 1].start : file->size);
  return result;
}

static int find_parts(struct reel *reel, const struct media_span *file, struct rendition *parts, struct err *err) {
  int result = find_flv(reel, file, parts, err);
  return result == 0 && parts->spans.count == 0 ? find_matroska(reel, file, parts, err) : result;
}

static int measure_whole(const char *path, struct reel *reel, const struct media_options *media,
                         struct media_output *output, enum media_refusal *ret_refusal) {
  struct measured measured;
  SCOPED(buf_fini) struct buf text = {0};
  const struct measure_options options = {.media = media, .explanation = media->explain ? &text : NULL};
  int result = measure_reel(reel, path, &options, &measured, ret_refusal, &output->why);
  take_explanation(output, &text);
  if (result == 0) set_measures(output, &measured, to_ms(measured.num, measured.den));
  return result;
}

static int measure_file(const char *path, uint64_t size, const struct media_options *media, struct media *ret,
                        struct err *err) {
  const struct media_span span = {.path = (char *)path, .size = size};
  struct media_output *output = add_output(ret, path);
  SCOPED(parts_fini) struct rendition parts = {.name = (char *)path, .is_usable = true};
  SCOPED(reel_close_ref) struct reel *reel = reel_open(NULL, &span, 1);
  int result = find_parts(reel, &span, &parts, &output->why);
  if (result != 0) (void)err_prefix(&output->why, "%s", path);
  if (result == 0 && parts.spans.count > 1)
    result = measure_rendition(&parts, true, media, output, &ret->refusal);
  else if (result == 0)
    result = measure_whole(path, reel, media, output, &ret->refusal);
  take_spans(output, &span, 1);
  if (result == -ERR_MEDIA && reel_trouble(reel) != 0)
    result = err_set_errno(&output->why, ERR_IO, reel_trouble(reel), "%s", path);
  if (result != 0) *err = output->why;
  return result;
}

/* ---- a list ---- */

struct total {
  const struct media_options *media;
  struct measured measured; /* of the first stretch; the others must have its codec and size */
  double seconds, begin_s;
  double stretch_begin_s; /* of the stretch that is being measured; unset while is_begun is false */
  bool is_begun;
  size_t opened; /* times that libavformat was opened */
  struct buf *text;        /* the explanation; NULL: none is wanted */
  struct buf *explanation; /* of what is being added: text or NULL */
  bool is_any;
  bool are_files; /* the stretches were files of their own: what each states of its length is checked */
};

/* True if a segment is a file of its own, as `ffmpeg -f segment` makes them: it begins with the head of an MP4 or Matroska
 * file. Such files cannot be read as one. */
static int is_own_file(const struct media_span *span, bool *ret, struct err *err) {
  char head[8] = "";
  size_t got = 0;
  SCOPED(reel_close_ref) struct reel *reel = reel_open(NULL, span, 1);
  int result = reel_read(reel, 0, head, sizeof head, &got, err);
  *ret = got == sizeof head && (memcmp(head + 4, "ftyp", 4) == 0 || memcmp(head, "\x1A\x45\xDF\xA3", 4) == 0);
  return result;
}

/* Adds what follows one after the other and can be read as one. */
static int add_reel(const struct rendition *rendition, const struct media_span *init, size_t first, size_t count,
                    struct total *total, enum media_refusal *ret_refusal, struct err *err) {
  struct measured now;
  if (total->opened++ >= STRETCHES_MAX)
    return err_set(err, ERR_MEDIA, "%s: it lists more than %d segments that are files of their own; make them longer",
                   rendition->name, STRETCHES_MAX);
  bool is_file = total->are_files || (rendition->spans.count == 1 && init == NULL);
  const struct measure_options options = {
      .media = total->media, .is_stretch = !is_file, .explanation = total->explanation};
  SCOPED(reel_close_ref) struct reel *reel = reel_open(init, &rendition->spans.items[first], count);
  int result = measure_reel(reel, rendition->name, &options, &now, ret_refusal, err);
  if (result == -ERR_MEDIA && reel_trouble(reel) != 0)
    return err_set_errno(err, ERR_IO, reel_trouble(reel), "%s", rendition->name);
  if (result != 0) return result;
  if (total->is_any && (now.width != total->measured.width || now.height != total->measured.height)) {
    return err_set(err, ERR_MEDIA,
                   "%s: the size of its pictures changes from %ux%u to %ux%u; report each part by itself",
                   rendition->name, total->measured.width, total->measured.height, now.width, now.height);
  }
  if (total->is_any && strcmp(now.codec, total->measured.codec) != 0) {
    return err_set(err, ERR_MEDIA, "%s: its codec changes from %s to %s; report each part by itself", rendition->name,
                   total->measured.codec, now.codec);
  }
  if (!total->is_any) total->measured = now;
  if (!total->is_any) total->begin_s = now.begin_s;
  if (!total->is_begun) total->stretch_begin_s = now.begin_s;
  total->is_any = total->is_begun = true;
  total->seconds += (double)now.num / (double)now.den;
  return 0;
}

/* What lies between the first and the last ones is not explained one by one: a list may have thousands. */
static bool is_shown(size_t index, size_t count) { return index < SHOWN_FIRST || index + SHOWN_LAST >= count; }

/* Says how long the parts are that are not shown. index: of the part that was added last; before_s: the sum before the
 * first part that is not shown. */
static void sum_up(const struct total *total, size_t index, size_t count, double before_s, const char *what) {
  bool is_last_hidden = !is_shown(index, count) && is_shown(index + 1, count);
  if (!is_last_hidden || total->text == NULL) return;
  buf_printf(total->text, "%s %d to %zu: %.3f s; not shown one by one\n", what, SHOWN_FIRST + 1, index + 1,
             total->seconds - before_s);
}

static int add_stretch(const struct rendition *rendition, const struct stretch *stretch, struct total *total,
                       enum media_refusal *ret_refusal, struct err *err) {
  const struct media_span *init = stretch->init.path != NULL ? &stretch->init : NULL;
  bool is_apart = false;
  struct buf *explanation = total->explanation;
  double before = total->seconds, before_hidden = 0;
  int result = 0;
  total->is_begun = false;
  if (init == NULL && stretch->count > 1) result = is_own_file(&rendition->spans.items[stretch->first], &is_apart, err);
  if (result != 0) return err_prefix(err, "%s", rendition->name);
  if (!is_apart) result = add_reel(rendition, init, stretch->first, stretch->count, total, ret_refusal, err);
  for (size_t i = 0; is_apart && i < stretch->count && result == 0; i++) {
    if (i == SHOWN_FIRST) before_hidden = total->seconds;
    total->explanation = is_shown(i, stretch->count) ? explanation : NULL;
    result = add_reel(rendition, NULL, stretch->first + i, 1, total, ret_refusal, err);
    if (explanation != NULL) sum_up(total, i, stretch->count, before_hidden, "files");
  }
  return result == 0 ? stretch_check(rendition, stretch, total->stretch_begin_s, total->seconds - before, err) : result;
}

static int add_stretches(const struct rendition *rendition, struct total *total, enum media_refusal *ret_refusal,
                         struct err *err) {
  double before_hidden = 0;
  int result = 0;
  for (size_t i = 0; i < rendition->stretches.count && result == 0; i++) {
    if (i == SHOWN_FIRST) before_hidden = total->seconds;
    total->explanation = is_shown(i, rendition->stretches.count) ? total->text : NULL;
    result = add_stretch(rendition, &rendition->stretches.items[i], total, ret_refusal, err);
    sum_up(total, i, rendition->stretches.count, before_hidden, "stretches");
  }
  return result;
}

static int check_stated(const struct rendition *rendition, double seconds, struct err *err) {
  double stated = (double)rendition->stated_us, slack = (double)(SLACK_US + rendition->rounding_us);
  if (seconds * US + slack >= stated) return 0;
  return err_set(err, ERR_MEDIA,
                 "%s: it is truncated or damaged: it states %.3f s, but its segments show pictures for %.3f s",
                 rendition->name, stated / US, seconds);
}

/* A writer that deletes old segments leaves a list of the last ones. Their times go on counting; those of a part that was
 * made by itself begin near 0. Numbers from a clock say only that something may have come before. */
static int check_begin(const struct rendition *rendition, double begin_s, struct err *err) {
  double skipped_s = (double)rendition->skipped_us / US, bound_s = skipped_s / 2;
  double each_s = (double)rendition->stated_us / US / (double)(rendition->spans.count + 1);
  if (skipped_s > COUNTED_MAX_S) bound_s = 2 * each_s > BEGIN_MAX_S ? 2 * each_s : BEGIN_MAX_S;
  if (rendition->skipped_us == 0 || begin_s < bound_s) return 0;
  return err_set(err, ERR_MEDIA,
                 "%s: the list is only the end of the output: it begins at %.3f s, and the segments before are gone; make "
                 "it with -hls_list_size 0 or -hls_playlist_type vod (DASH: without -window_size)",
                 rendition->name, begin_s);
}

static void explain_spans(const struct rendition *rendition, bool are_files, struct buf *out) {
  size_t count = rendition->spans.count, stretches = rendition->stretches.count;
  if (are_files) {
    buf_printf(out, "%zu files that were joined\n", count);
  } else {
    buf_printf(out, "%zu segment%s in %zu stretch%s; %.3f s are stated\n", count, count == 1 ? " or part" : "s or parts",
               stretches, stretches == 1 ? "" : "es", (double)rendition->stated_us / US);
  }
}

/* Each stretch opens libavformat and its decoders, and frees them. The C library would give that memory back to the system
 * and ask for it again each time, which takes longer than the measuring. */
static void keep_memory(void) {
  (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
  (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
}

static int measure_rendition(const struct rendition *rendition, bool are_files, const struct media_options *media,
                             struct media_output *output, enum media_refusal *ret_refusal) {
  SCOPED(buf_fini) struct buf text = {0};
  struct total total = {.media = media, .text = media->explain ? &text : NULL, .are_files = are_files};
  int result = 0;
  if (!rendition->is_usable) {
    output->why = rendition->why;
    return -(int)rendition->why.code;
  }
  if (media->explain) explain_spans(rendition, are_files, &text);
  if (rendition->stretches.count > 1) keep_memory();
  result = add_stretches(rendition, &total, ret_refusal, &output->why);
  if (result == 0) result = check_begin(rendition, total.begin_s, &output->why);
  if (result == 0) result = check_stated(rendition, total.seconds, &output->why);
  take_explanation(output, &text);
  if (result == 0) set_measures(output, &total.measured, (uint64_t)(total.seconds * 1000.0 + 0.5));
  return result;
}

static void drop_last(struct media *media) {
  CHECK(media->count > 0);
  struct media_output *output = &media->items[--media->count];
  for (size_t i = 0; i < output->span_count; i++)
    free(output->spans[i].path);
  free(output->spans);
  free(output->name);
  free(output->explanation);
}

/* Measures each rendition. A rendition without video is no output. */
static int measure_list(const struct list *list, const struct media_options *media, struct media *ret,
                        struct err *err) {
  size_t measured = 0;
  bool is_told = false;
  enum media_refusal refusal = MEDIA_REFUSED_BROKEN;
  for (size_t i = 0; i < list->count; i++) {
    struct media_output *output = add_output(ret, list->items[i].name);
    enum media_refusal why = MEDIA_REFUSED_BROKEN;
    take_spans(output, list->items[i].spans.items, list->items[i].spans.count);
    int result = measure_rendition(&list->items[i], false, media, output, &why);
    measured += result == 0;
    if (result == 0) continue;
    if (!is_told || result != -ERR_MEDIA) {
      *err = output->why;
      refusal = why;
    }
    is_told = true;
    if (result == -ERR_MEDIA && why == MEDIA_REFUSED_NOT_VIDEO) drop_last(ret);
  }
  if (measured > 0) return 0;
  ret->refusal = refusal;
  return is_told ? -(int)err->code : err_set(err, ERR_MEDIA, "the list plays nothing");
}

static int probe_list(const char *path, enum list_kind kind, const struct media_options *media, struct media *ret,
                      struct err *err) {
  SCOPED(list_fini) struct list list = {0};
  int result = kind == LIST_DASH ? dash_read(path, &list, err) : hls_read(path, &list, err);
  ret->is_list = true;
  ret->parts = list.parts;
  list.parts = (struct media_parts){0};
  if (result == 0) return measure_list(&list, media, ret, err);
  ret->refusal = list.refusal;
  /* A list may be refused for one that it names. */
  return strncmp(err->text, path, strlen(path)) == 0 ? result : err_prefix(err, "%s", path);
}

int codecmeter_media_probe(const char *path, const struct media_options *options, struct media *ret,
                             struct err *err) {
  struct stat st;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0)
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  enum list_kind kind;
  int result = list_kind_of(path, &kind, err);
  if (result != 0) return result;
  if (kind != LIST_NONE) return probe_list(path, kind, options, ret, err);
  return measure_file(path, (uint64_t)st.st_size, options, ret, err);
}
