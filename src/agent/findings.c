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
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/near_lists.h"
#include "agent/parts.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define SEEN_SHOWN 5
#define CLOCK_SLACK_MS 100

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

/* ---- the order ---- */

static bool is_doubtful(const struct made *made) {
  return made->state == MADE_DOUBTFUL || made->state == MADE_SHARED || made->state == MADE_RIVALS;
}

static bool is_file(const struct made *made) { return made->state == MADE_FILE || is_doubtful(made); }

/* Places in the list of what was made, in the order of measuring. The caller frees them. */
static size_t *order_of(const struct made_list *made, enum part_rank *ranks) {
  size_t *order = calloc(made->count + 1, sizeof *order), count = 0;
  CHECK(order != NULL);
  for (size_t i = 0; i < made->count; i++)
    ranks[i] = is_file(&made->items[i]) ? part_rank_of(made->items[i].path) : PART_MEDIA;
  for (int rank = 0; rank < PART_RANKS; rank++) {
    for (size_t i = 0; i < made->count; i++) {
      if (ranks[i] == (enum part_rank)rank) order[count++] = i;
    }
  }
  CHECK(count == made->count);
  return order;
}

/* ---- measuring ---- */

/* A pass over what was made. */
struct pass {
  struct timespec began; /* of the run */
  const struct outputs_report *report;
  struct report_ids *ids;
  const char *id_base;
  bool without_id;
  struct parts *parts;
  struct near_lists *near;
};

static void measure(const struct pass *pass, const struct made *made, struct finding *ret) {
  struct report_options as = pass->report->as;
  as.ids = made->state == MADE_FILE ? pass->ids : NULL;
  as.id_base = pass->id_base;
  if (pass->without_id || is_doubtful(made)) as.id = NULL;
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

/* What a list plays is not counted by itself. A doubtful list does not count, but its parts are no outputs either. */
static void claim_parts(const struct pass *pass, const struct finding *finding, bool has_doubt) {
  bool counts = finding->verdict == FINDING_COUNTED && !has_doubt;
  if (counts || has_doubt || finding->verdict == FINDING_UNMETERED)
    parts_claim(pass->parts, finding->path, finding->path, &finding->reports.media, counts);
}

/* A part of a list that the command did not make, or that is no output of this run. --id says that it is an output of
 * its own. */
static void refuse_part(const struct pass *pass, struct finding *finding) {
  bool has_id = pass->report->as.id != NULL && !pass->without_id;
  if (finding->verdict != FINDING_COUNTED || has_id) return;
  if (near_lists_check(pass->near, &finding->reports.media, finding->path, &finding->why) == 0) return;
  reports_fini(&finding->reports);
  finding->verdict = FINDING_UNMETERED;
}

/* True if the file was last changed before the run began. Kernels stamp files with a clock that may be a tick late. */
static bool is_from_before(const struct pass *pass, const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return false;
  int64_t age_ms = (int64_t)(pass->began.tv_sec - st.st_ctim.tv_sec) * 1000 +
                   (pass->began.tv_nsec - st.st_ctim.tv_nsec) / 1000000;
  return age_ms > CLOCK_SLACK_MS;
}

/* As with -hls_flags append_list: the list was there before, and plays files that this run did not write. */
static void refuse_continued(const struct pass *pass, const struct made *made, struct finding *finding) {
  bool was_there = made->of->before.was_there && strcmp(made->of->path, made->path) == 0;
  if (finding->verdict != FINDING_COUNTED || !was_there || !finding->reports.media.is_list) return;
  for (size_t i = 0; i < finding->reports.count; i++) {
    struct report *report = &finding->reports.items[i];
    const struct media_output *output = &finding->reports.media.items[i];
    for (size_t n = 0; n < output->span_count && report->is_measured; n++) {
      if (!is_from_before(pass, output->spans[n].path)) continue;
      report->is_measured = false;
      (void)err_set(&report->why, ERR_MEDIA,
                    "%s: not counted: it continues an output from before this run, with %s, which would count twice; to count "
                    "all of it (%s) as one, take back what was recorded of it with `codecmeter void`, then record it with "
                    "`codecmeter record`",
                    report->name, output->spans[n].path, report->summary);
    }
  }
}

/* A doubtful file that holds video does not count. If it cannot be measured now, that is said first; but a file that may
 * be another run's, and perhaps is still written by that one, holds nothing back. */
static void doubt(const struct made *made, struct finding *finding) {
  bool is_judged =
      finding->verdict == FINDING_COUNTED || finding->why.code == ERR_MEDIA || made->state != MADE_DOUBTFUL;
  if (finding->verdict == FINDING_LEFT_OUT || !is_judged) return;
  reports_fini(&finding->reports);
  finding->verdict = made->state == MADE_RIVALS ? FINDING_LEFT_OUT : FINDING_UNMETERED;
  finding->why = made->why;
}

/* Measures one file, unless it counts with a list that plays it. */
static void measure_made(const struct pass *pass, const struct made *made, struct findings *ret) {
  if (is_file(made) && parts_find(pass->parts, made->path) != NULL) return;
  struct finding *finding = append(ret, made->path);
  if (is_file(made)) {
    measure(pass, made, finding);
    claim_parts(pass, finding, is_doubtful(made));
    if (is_doubtful(made))
      doubt(made, finding);
    else
      refuse_part(pass, finding);
    refuse_continued(pass, made, finding);
    return;
  }
  finding->why = made->why;
  if (made->state == MADE_OTHER) finding->verdict = FINDING_LEFT_OUT;
}

static void run_pass(struct pass *pass, const struct made_list *made, const size_t *order, struct findings *ret) {
  ret->items = calloc(made->count + 1, sizeof *ret->items);
  CHECK(ret->items != NULL);
  pass->ids = report_ids_new();
  pass->parts = parts_new();
  pass->near = near_lists_new();
  for (size_t i = 0; i < made->count; i++)
    measure_made(pass, &made->items[order[i]], ret);
  parts_free(pass->parts);
  near_lists_free(pass->near);
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
      g_ptr_array_add(paths, finding->reports.media.items[n].name);
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

static void measure_all(const struct outputs_report *report, struct timespec began, const struct made_list *made,
                        struct findings *ret) {
  SCOPED_MALLOC enum part_rank *ranks = calloc(made->count + 1, sizeof *ranks);
  CHECK(ranks != NULL);
  SCOPED_MALLOC size_t *order = order_of(made, ranks);
  SCOPED_MALLOC char *base = report->as.id_prefix != NULL ? guess_base(made) : NULL;
  struct pass pass = {.report = report, .began = began, .id_base = base};
  run_pass(&pass, made, order, ret);
  if (report->as.id != NULL && has_too_many(ret)) measure_without_id(&pass, made, order, ret);
  if (report->as.id_prefix == NULL || findings_counted(ret) == 0) return;
  SCOPED_MALLOC char *right = counted_base(ret);
  if (base != NULL && strcmp(right, base) == 0) return;
  pass.id_base = right;
  findings_fini(ret);
  run_pass(&pass, made, order, ret);
}

void findings_measure(const struct outputs *outputs, const struct outputs_report *report, struct findings *ret) {
  SCOPED(made_list_fini) struct made_list made;
  outputs_made(outputs, &made);
  *ret = (struct findings){.items = NULL};
  measure_all(report, outputs->began, &made, ret);
}

const struct err *findings_busy(const struct findings *findings) {
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    if (finding->why.code == ERR_BUSY) return &finding->why;
    for (size_t n = 0; n < finding->reports.count; n++) {
      const struct report *report = &finding->reports.items[n];
      if (!report->is_measured && report->why.code == ERR_BUSY) return &report->why;
    }
  }
  return NULL;
}

/* ---- failed tasks ---- */

static GPtrArray *task_paths(const struct outputs *outputs) {
  GPtrArray *paths = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; i < outputs->count; i++) {
    char *path = outputs->items[i].is_task ? report_absolute_path(outputs->items[i].path) : NULL;
    if (path != NULL) g_ptr_array_add(paths, path);
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
  for (size_t i = 0; i < outputs->elsewhere.count && shown < SEEN_SHOWN; i++, shown++)
    buf_printf(&seen, "; %s", outputs->elsewhere.items[i]);
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
