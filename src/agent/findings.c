/* The order. Numbers of equal outputs (`#2`) follow the order of measuring, and a run that was killed must give the
 * same ones. So the order comes from the candidates and from the files only: master playlists and manifests, then
 * other lists, then the rest; in each, the order of the command, and of names.
 *
 * Ids by prefix need the common directory of what is counted, which is known only afterwards. So we first
 * guess it from all files that were made. If the guess is wrong, because a thumbnail lies elsewhere, we measure what
 * counts again. That happens seldom, and keeps one way to make an event.
 */
#include "agent/findings.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define HEAD_MAX 65536 /* of a list: a master playlist names its playlists early */
#define SEEN_SHOWN 5

void findings_fini(struct findings *findings) {
  for (size_t i = 0; i < findings->count; i++) {
    free(findings->items[i].path);
    reports_fini(&findings->items[i].reports);
  }
  free(findings->items);
  *findings = (struct findings){.items = NULL};
}

/* findings->items has room. */
static struct finding *append(struct findings *findings, const char *path) {
  struct finding *finding = &findings->items[findings->count++];
  *finding = (struct finding){.path = strdup(path), .verdict = FINDING_UNMETERED};
  CHECK(finding->path != NULL);
  return finding;
}

/* The kernel refuses a lease for reading if a process has the file open for writing. If a process opens the file
 * while we have the lease, the kernel sends us a signal: SIGIO, unless we choose another. SIGURG is ignored by
 * default. */
static bool is_written_to(const char *path) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  (void)fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

/* ---- the order ---- */

enum rank { RANK_MASTER, RANK_LIST, RANK_MEDIA, RANKS };

/* By the head of the file: its name may be any. */
static enum rank rank_of(const char *path) {
  size_t got = 0;
  SCOPED_MALLOC char *head = malloc(HEAD_MAX);
  CHECK(head != NULL);
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || file_read(fd, path, 0, head, HEAD_MAX, &got, NULL) != 0) return RANK_MEDIA;
  struct str text = str_make(head, got);
  static const char bom[] = "\xEF\xBB\xBF";
  if (str_starts(text, str_of(bom))) text = str_make(head + 3, got - 3);
  bool is_playlist = str_starts(text, STR("#EXTM3U"));
  if (is_playlist && memmem(head, got, "#EXT-X-STREAM-INF", 17) != NULL) return RANK_MASTER;
  bool is_manifest = str_starts(str_trim(text), STR("<")) && memmem(head, got, "<MPD", 4) != NULL;
  if (is_manifest) return RANK_MASTER;
  return is_playlist ? RANK_LIST : RANK_MEDIA;
}

static bool is_file(const struct made *made) { return made->state == MADE_FILE || made->state == MADE_DOUBTFUL; }

/* Places in the list of what was made, in the order of measuring. The caller frees them. */
static size_t *order_of(const struct made_list *made, enum rank *ranks) {
  size_t *order = calloc(made->count + 1, sizeof *order), count = 0;
  CHECK(order != NULL);
  for (size_t i = 0; i < made->count; i++)
    ranks[i] = is_file(&made->items[i]) ? rank_of(made->items[i].path) : RANK_MEDIA;
  for (int rank = 0; rank < RANKS; rank++) {
    for (size_t i = 0; i < made->count; i++) {
      if (ranks[i] == (enum rank)rank) order[count++] = i;
    }
  }
  CHECK(count == made->count);
  return order;
}

/* ---- measuring ---- */

/* A pass over what was made. */
struct pass {
  const struct outputs_report *report;
  struct report_ids *ids;
  const char *id_base;
  bool without_id;
  GHashTable *parts; /* paths of files that count with a list that plays them */
};

static void measure(const struct pass *pass, const struct made *made, struct finding *ret) {
  struct report_options as = pass->report->as;
  as.ids = made->state == MADE_FILE ? pass->ids : NULL;
  as.id_base = pass->id_base;
  if (pass->without_id || made->state == MADE_DOUBTFUL) as.id = NULL;
  if (!pass->report->has_kind) as.kind = made->of->is_remux ? REPORT_REMUX : REPORT_TRANSCODE;
  ret->kind = as.kind;
  int result = report_measure(made->path, &as, &ret->reports, &ret->why);
  enum media_refusal refusal = ret->reports.media.refusal;
  bool is_no_output = result == -ERR_MEDIA && (refusal == MEDIA_REFUSED_NOT_VIDEO || refusal == MEDIA_REFUSED_PART ||
                                               refusal == MEDIA_REFUSED_NO_OUTPUT);
  if (result == 0)
    ret->verdict = FINDING_COUNTED;
  else if (is_no_output && made->of->role != CANDIDATE_NAMED)
    ret->verdict = FINDING_LEFT_OUT;
}

/* What a list plays is not counted by itself. A list that is no output, as one of key pictures, claims nothing. */
static void claim_parts(const struct pass *pass, const struct finding *finding, bool is_doubtful) {
  const struct media *media = &finding->reports.media;
  bool is_whole = finding->verdict == FINDING_COUNTED && !is_doubtful;
  bool is_broken = finding->verdict == FINDING_UNMETERED &&
                   (media->refusal == MEDIA_REFUSED_BROKEN || media->refusal == MEDIA_REFUSED_UNFINISHED);
  for (size_t i = 0; media->is_list && (is_whole || is_broken || is_doubtful) && i < media->part_count; i++) {
    if (strcmp(media->parts[i], finding->path) == 0) continue;
    if (is_whole || rank_of(media->parts[i]) == RANK_MEDIA)
      (void)g_hash_table_add(pass->parts, g_strdup(media->parts[i]));
  }
}

static bool is_part(const struct pass *pass, const char *path) {
  SCOPED_MALLOC char *real = realpath(path, NULL);
  return real != NULL && g_hash_table_contains(pass->parts, real);
}

/* A doubtful file that holds video does not count. If it cannot be measured now, that is said first. */
static void doubt(const struct made *made, struct finding *finding) {
  bool is_judged = finding->verdict == FINDING_COUNTED || finding->why.code == ERR_MEDIA;
  if (finding->verdict == FINDING_LEFT_OUT || !is_judged) return;
  reports_fini(&finding->reports);
  finding->verdict = FINDING_UNMETERED;
  finding->why = made->why;
}

/* Measures one file, unless it counts with a list that plays it. */
static void measure_made(const struct pass *pass, const struct made *made, struct findings *ret) {
  if (is_file(made) && is_part(pass, made->path)) return;
  struct finding *finding = append(ret, made->path);
  if (is_file(made)) {
    measure(pass, made, finding);
    claim_parts(pass, finding, made->state == MADE_DOUBTFUL);
    if (made->state == MADE_DOUBTFUL) doubt(made, finding);
    return;
  }
  finding->why = made->why;
  if (made->state == MADE_OTHER) finding->verdict = FINDING_LEFT_OUT;
}

static void run_pass(struct pass *pass, const struct made_list *made, const size_t *order, struct findings *ret) {
  ret->items = calloc(made->count + 1, sizeof *ret->items);
  CHECK(ret->items != NULL);
  pass->ids = report_ids_new();
  pass->parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < made->count; i++)
    measure_made(pass, &made->items[order[i]], ret);
  g_hash_table_destroy(pass->parts);
  report_ids_free(pass->ids);
}

/* Frees the array. NULL if it is empty. */
static char *common_directory(GPtrArray *paths) {
  bool is_empty = paths->len == 0;
  g_ptr_array_add(paths, NULL);
  char *directory = is_empty ? NULL : report_common_directory((char *const *)paths->pdata);
  g_ptr_array_unref(paths);
  return directory;
}

/* The common directory of all that was made. */
static char *guess_base(const struct made_list *made) {
  GPtrArray *paths = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; i < made->count; i++) {
    char *real = made->items[i].state == MADE_FILE ? realpath(made->items[i].path, NULL) : NULL;
    if (real != NULL) g_ptr_array_add(paths, real);
  }
  return common_directory(paths);
}

/* The common directory of what was counted. */
static char *counted_base(const struct findings *findings) {
  GPtrArray *paths = g_ptr_array_new();
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++)
      g_ptr_array_add(paths, finding->reports.media.outputs[n].name);
  }
  return common_directory(paths);
}

size_t findings_counted(const struct findings *findings) {
  size_t count = 0;
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++)
      count += finding->reports.items[n].is_measured && !finding->reports.items[n].is_repeat;
  }
  return count;
}

/* True if --id cannot name what was made, because that is several outputs. */
static bool has_too_many(const struct findings *findings) {
  for (size_t i = 0; i < findings->count; i++) {
    if (findings->items[i].why.code == ERR_USAGE) return true;
  }
  return findings_counted(findings) > 1;
}

/* Measures again, with ids that do not come from --id, and lets none of them count. */
static void measure_without_id(struct pass *pass, const struct made_list *made, const size_t *order,
                               struct findings *ret) {
  findings_fini(ret);
  pass->without_id = true;
  run_pass(pass, made, order, ret);
  for (size_t i = 0; i < ret->count; i++) {
    struct finding *finding = &ret->items[i];
    if (finding->verdict != FINDING_COUNTED) continue;
    finding->verdict = FINDING_UNMETERED;
    (void)err_set(
        &finding->why, ERR_USAGE,
        "%s: --id names one output, and the command made several; its event has an id of its own and is not sent",
        finding->path);
  }
}

static void measure_all(const struct outputs_report *report, const struct made_list *made, struct findings *ret) {
  SCOPED_MALLOC enum rank *ranks = calloc(made->count + 1, sizeof *ranks);
  CHECK(ranks != NULL);
  SCOPED_MALLOC size_t *order = order_of(made, ranks);
  SCOPED_MALLOC char *base = report->as.id_prefix != NULL ? guess_base(made) : NULL;
  struct pass pass = {.report = report, .id_base = base};
  run_pass(&pass, made, order, ret);
  if (report->as.id != NULL && has_too_many(ret)) measure_without_id(&pass, made, order, ret);
  if (report->as.id_prefix == NULL || findings_counted(ret) == 0) return;
  SCOPED_MALLOC char *right = counted_base(ret);
  if (base != NULL && strcmp(right, base) == 0) return;
  pass.id_base = right;
  findings_fini(ret);
  run_pass(&pass, made, order, ret);
}

/* The first file that a process has open for writing. */
static const char *busy_file(const struct made_list *made) {
  for (size_t i = 0; i < made->count; i++) {
    if (made->items[i].state == MADE_FILE && is_written_to(made->items[i].path)) return made->items[i].path;
  }
  return NULL;
}

void findings_measure(const struct outputs *outputs, const struct outputs_report *report, struct findings *ret) {
  SCOPED(made_list_fini) struct made_list made;
  outputs_made(outputs, &made);
  *ret = (struct findings){.items = NULL};
  const char *busy = report->is_late ? busy_file(&made) : NULL;
  if (busy == NULL) {
    measure_all(report, &made, ret);
    return;
  }
  ret->items = calloc(1, sizeof *ret->items);
  CHECK(ret->items != NULL);
  struct finding *finding = append(ret, busy);
  (void)err_set(&finding->why, ERR_BUSY, "%s: a process still has it open for writing", busy);
}

/* ---- failed tasks ---- */

static GPtrArray *task_paths(const struct outputs *outputs) {
  GPtrArray *paths = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; i < outputs->count; i++) {
    if (outputs->items[i].is_task) g_ptr_array_add(paths, report_absolute_path(outputs->items[i].path));
  }
  return paths;
}

void findings_fail(const struct outputs *outputs, const struct outputs_report *report, struct timespec began,
                   struct timespec ended, struct findings *ret) {
  GPtrArray *paths = task_paths(outputs);
  size_t tasks = paths->len;
  SCOPED_MALLOC char *base = common_directory(paths);
  *ret = (struct findings){.items = calloc(outputs->count + 1, sizeof *ret->items)};
  CHECK(ret->items != NULL);
  for (size_t i = 0; i < outputs->count; i++) {
    const struct candidate *candidate = &outputs->items[i];
    struct report_options as = report->as;
    if (!candidate->is_task) continue;
    as.id_base = base;
    if (tasks > 1) as.id = NULL; /* it names one output */
    if (!report->has_kind) as.kind = candidate->is_remux ? REPORT_REMUX : REPORT_TRANSCODE;
    struct finding *finding = append(ret, candidate->path);
    finding->kind = as.kind;
    finding->reports.items = calloc(1, sizeof *finding->reports.items);
    CHECK(finding->reports.items != NULL);
    if (report_failure(candidate->path, began, ended, &as, finding->reports.items, &finding->why) != 0) continue;
    finding->reports.count = 1;
    finding->verdict = FINDING_COUNTED;
  }
}

/* ---- nothing ---- */

int findings_say_nothing(const struct outputs *outputs, const struct findings *findings, struct err *err) {
  SCOPED(buf_fini) struct buf seen = {0};
  size_t shown = 0;
  for (size_t i = 0; i < findings->count && shown < SEEN_SHOWN; i++, shown++)
    buf_printf(&seen, "; %s", findings->items[i].why.text);
  for (size_t i = 0; i < outputs->elsewhere_count && shown < SEEN_SHOWN; i++, shown++)
    buf_printf(&seen, "; %s", outputs->elsewhere[i]);
  for (size_t i = 0; i < outputs->count && shown < SEEN_SHOWN; i++) {
    const struct candidate *candidate = &outputs->items[i];
    if (candidate->role != CANDIDATE_ARGUMENT || !candidate->before.was_there) continue;
    buf_printf(
        &seen, "; %s: %s", candidate->path,
        candidate->was_full ? "it is a directory that had files before" : "the command did not change this file");
    shown++;
  }
  return err_set(err, ERR_MEDIA,
                 "nothing is recorded, because no output that holds video was found; name the outputs with "
                 "--output%.*s",
                 STR_ARG(buf_view(&seen)));
}
