/* A file is remembered after its events are with the server or on disk. If the process ends before that, the next
 * start finds the file again, with the same identity.
 *
 * A list counts with the files that it plays: these are remembered as parts, so none is recorded by itself later.
 * Files that were recorded by themselves before their list came would count twice with it, because several files and
 * the list over them are different outputs by identity. So such an output is not recorded, and the reason is printed.
 * A list over one whole file has the identity of the file: the server finds a duplicate.
 *
 * An output that was recorded and then goes on (a list with -hls_flags append_list, a file that is appended to) would count
 * twice in its first part, as it is another output by identity. So the place keeps size, time and id of what was recorded: the
 * first bytes of the new media give this id if they are the same. The user decides then, because a void is final.
 *
 * An event whose project the server does not take goes into the spool, so it is not lost if its file is deleted. Yet the
 * file is not remembered, and tried again, with growing waits: its project may be created later, or the pattern that gave
 * it may be corrected and give another project. Then the event for the wrong project is removed from the spool
 * (spool_release). Of all files of a refused project, each is measured once, and later only one each time.
 */
#include "agent/recorder.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/identity.h"
#include "agent/outbox.h"
#include "agent/wanted.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "meter/labels.h"

#define LIST_PATIENCE_MS 60000 /* after the last change of the list and its files */
#define CATCH_UP_MIN_MS 1000   /* between attempts to send what waits; doubled each time, up to CATCH_UP_MAX_MS */
#define CATCH_UP_MAX_MS 60000
#define COMPLAINTS_MAX 10000
#define HELD_MAX 100000           /* beyond that, files of unknown projects are measured again */
#define PROJECT_AGAIN_MIN_MS 1000 /* between attempts for a project; doubled each time, up to the next line */
#define PROJECT_AGAIN_MAX_MS 300000

struct recorder {
  struct recorder_options options;
  struct outbox outbox;
  GHashTable *complaints; /* path -> the last text that complain got for it */
  GHashTable *projects;   /* those that the server does not take -> struct refused; "": the token's */
  GHashTable *held;       /* path -> struct stat of the file whose events are in the spool for want of a project */
  bool has_held;          /* the spool has, or had, such events, perhaps of an earlier process */
  bool has_former;        /* it had them when this process began */
  GHashTable *dry_ids;    /* a set: project, source and id of what a dry run has printed */
  bool said_away;
  bool needs_help;
  int64_t catch_up_ms, catch_up_wait_ms; /* monotonic; catch_up_ms 0: nothing waits */
};

struct refused {
  int64_t again_ms, wait_ms; /* monotonic */
};

int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err) {
  struct recorder *recorder = calloc(1, sizeof *recorder);
  CHECK(recorder != NULL);
  *recorder = (struct recorder){.options = *options, .catch_up_wait_ms = CATCH_UP_MIN_MS};
  int result = outbox_open(options->settings, &recorder->outbox, err);
  if (result != 0) {
    free(recorder);
    return result;
  }
  recorder->outbox.quiet = options->quiet;
  recorder->complaints = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  recorder->held = g_hash_table_new_full(g_str_hash, g_str_equal, free, g_free);
  recorder->has_former = recorder->has_held = spool_has_held(&recorder->outbox.spool);
  recorder->dry_ids = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
  recorder->projects = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  *ret = recorder;
  return 0;
}

void recorder_close(struct recorder *recorder) {
  if (recorder == NULL) return;
  g_hash_table_destroy(recorder->complaints);
  g_hash_table_destroy(recorder->projects);
  g_hash_table_destroy(recorder->held);
  g_hash_table_destroy(recorder->dry_ids);
  outbox_close(&recorder->outbox);
  free(recorder);
}

const char *recorder_spool(const struct recorder *recorder) { return recorder->outbox.spool.dir; }

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* ---- output ---- */

void recorder_complain(struct recorder *recorder, const char *path, const struct err *err) {
  const char *before = g_hash_table_lookup(recorder->complaints, path);
  if (before != NULL && strcmp(before, err->text) == 0) return;
  recorder->options.complain(err);
  if (g_hash_table_size(recorder->complaints) >= COMPLAINTS_MAX) g_hash_table_remove_all(recorder->complaints);
  char *key = strdup(path), *text = strdup(err->text);
  CHECK(key != NULL && text != NULL);
  (void)g_hash_table_replace(recorder->complaints, key, text);
}

static void say(const struct report *report, enum report_outcome outcome) {
  SCOPED_MALLOC char *line = report_line(report, outcome);
  (void)printf("%s\n", line);
  (void)fflush(stdout);
}

static void say_spooled(struct recorder *recorder, const char *path, const struct delivered *delivered) {
  struct err err;
  if (recorder->catch_up_ms == 0) {
    recorder->catch_up_wait_ms = CATCH_UP_MIN_MS;
    recorder->catch_up_ms = now_ms() + CATCH_UP_MIN_MS;
  }
  if (delivered->needs_help) recorder->needs_help = true;
  if (recorder->said_away && !delivered->needs_help) return;
  recorder->said_away = true;
  (void)outbox_say_waiting(&recorder->outbox, path, delivered, &err);
  recorder->options.complain(&err);
}

bool recorder_needs_help(const struct recorder *recorder) { return recorder->needs_help; }

/* ---- a finished file ---- */

bool recorder_is_unchanged(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* ---- projects that the server does not take ---- */

static bool is_project_refused(const struct recorder *recorder, const char *project) {
  const struct refused *refused = g_hash_table_lookup(recorder->projects, project != NULL ? project : "");
  return refused != NULL && now_ms() < refused->again_ms;
}

/* True if the file's events are in the spool already. */
static bool is_held(const struct recorder *recorder, const char *path, const struct stat *st) {
  const struct stat *held = g_hash_table_lookup(recorder->held, path);
  return held != NULL && recorder_is_unchanged(held, st);
}

bool recorder_has_event(const struct recorder *recorder, const char *path, const struct stat *st) {
  return is_held(recorder, path, st);
}

/* Complains once for each project. */
static void refuse_project(struct recorder *recorder, const char *path, const char *project,
                           const struct delivered *delivered) {
  struct err err;
  struct refused *refused = g_hash_table_lookup(recorder->projects, project != NULL ? project : "");
  if (refused == NULL) {
    char *key = strdup(project != NULL ? project : "");
    refused = calloc(1, sizeof *refused);
    CHECK(key != NULL && refused != NULL);
    (void)g_hash_table_insert(recorder->projects, key, refused);
    (void)err_set(&err, ERR_DENIED,
                  "%s: %s; the events of this file and of others of the project wait in %s until the server takes "
                  "it: create the "
                  "project, use a token that is for it, or correct --path or --project while the files are there",
                  path, delivered->reason, recorder->outbox.spool.dir);
    recorder->options.complain(&err);
  }
  refused->wait_ms = refused->wait_ms == 0 ? PROJECT_AGAIN_MIN_MS : refused->wait_ms * 2;
  if (refused->wait_ms > PROJECT_AGAIN_MAX_MS) refused->wait_ms = PROJECT_AGAIN_MAX_MS;
  refused->again_ms = now_ms() + refused->wait_ms;
}

/* ---- the outputs of a file ---- */

/* A finished file, and what has become of its outputs so far. */
struct taking {
  struct recorder *recorder;
  struct watch_memory *memory;
  const char *path;
  const struct stat *st;
  const char *project; /* NULL: the token's */
  const char *task_id; /* NULL: not given */
  struct str labels;   /* a set */
  bool is_incomplete;  /* an output was not recorded, and will not be */
  bool is_held;        /* the server does not take its project; every event of it waits in the spool */
};

/* Puts a refused event into rejected/, because nobody reads the output of a watch. */
static int keep_refused(struct recorder *recorder, const struct report *report, const struct delivered *delivered,
                        struct err *err) {
  int result = spool_reject(&recorder->outbox.spool, report, delivered->outcome, delivered->reason, err);
  if (result != 0) return err_prefix(err, "%s", report->name);
  (void)err_set(err, ERR_DENIED, "%s: %s: %s", report->name, report_outcome_name(delivered->outcome),
                delivered->reason);
  recorder_complain(recorder, report->name, err);
  return 0;
}

static uint64_t size_of(const struct media_output *output) {
  uint64_t size = 0;
  for (size_t i = 0; i < output->span_count; i++)
    size += output->spans[i].size;
  return size;
}

/* `watch` gives no ids of its own, so the report's id is the identity of the media. */
static void remember_output(const struct taking *taking, const struct report *report, const struct media_output *output) {
  struct watch_memory_output recorded = {
      .size = size_of(output), .time_s = report->time_ms / 1000, .duration_ms = report->duration_ms};
  bool fits = str_copy(str_of(report->id), recorded.id, sizeof recorded.id);
  CHECK(fits);
  watch_memory_remember_output(taking->memory, output->name, &recorded);
}

/* Keeps an event in the spool whose project the server does not take. */
static int hold(struct taking *taking, const struct report *report, const struct media_output *output, struct err *err) {
  struct recorder *recorder = taking->recorder;
  int result = spool_hold(&recorder->outbox.spool, report, recorder->has_former, err);
  if (result != 0) return err_prefix(err, "%s: its event cannot be kept in the spool", report->name);
  recorder->outbox.said_projectless += !is_held(recorder, taking->path, taking->st);
  recorder->has_held = true;
  taking->is_held = true;
  remember_output(taking, report, output);
  if (recorder->catch_up_ms == 0) recorder->catch_up_ms = now_ms() + recorder->catch_up_wait_ms;
  return 0;
}

/* 0: the event is with the server, in the spool or in rejected/. */
static int deliver(struct taking *taking, const struct report *report, const struct media_output *output, struct err *err) {
  struct recorder *recorder = taking->recorder;
  struct delivered delivered;
  if (is_project_refused(recorder, taking->project)) return hold(taking, report, output, err);
  int result = outbox_send(&recorder->outbox, report, &delivered, err);
  if (result != 0) return err_prefix(err, "%s", report->name);
  if (report_lacks_project(delivered.outcome, delivered.reason)) {
    refuse_project(recorder, report->name, taking->project, &delivered);
    return hold(taking, report, output, err);
  }
  bool is_stored = delivered.outcome == REPORT_STORED || delivered.outcome == REPORT_DUPLICATE;
  if (is_stored && recorder->has_held) spool_release(&recorder->outbox.spool, report);
  if (delivered.outcome == REPORT_SPOOLED)
    say_spooled(recorder, report->name, &delivered);
  else
    recorder->said_away = false;
  if (delivered.outcome == REPORT_CONFLICT || delivered.outcome == REPORT_REJECTED) {
    taking->is_incomplete = true;
    return keep_refused(recorder, report, &delivered, err);
  }
  if (delivered.outcome != REPORT_SPOOLED)
    (void)g_hash_table_remove(recorder->projects, taking->project != NULL ? taking->project : "");
  remember_output(taking, report, output);
  if (!recorder->options.quiet) say(report, delivered.outcome);
  (void)g_hash_table_remove(recorder->complaints, report->name);
  return 0;
}

static void say_dry(const struct taking *taking, const struct report *report) {
  SCOPED_MALLOC char *name = str_printable(str_of(report->name));
  struct label label;
  char *key = NULL;
  CHECK(asprintf(&key, "%s\n%s\n%s", taking->project != NULL ? taking->project : "", report->source, report->id) >=
        0);
  bool is_first = g_hash_table_add(taking->recorder->dry_ids, key);
  (void)printf("%s: %s, would be %s", name, report->summary, is_first ? "recorded" : "a duplicate");
  if (taking->project != NULL) (void)printf(", project %s", taking->project);
  if (taking->task_id != NULL) (void)printf(", task %s", taking->task_id);
  if (strcmp(report->source, "file") != 0) (void)printf(", source %s", report->source);
  for (struct str rest = taking->labels; labels_next(&rest, &label);)
    (void)printf(", label %.*s=%.*s", STR_ARG(label.name), STR_ARG(label.value));
  (void)printf(", id %s\n", report->id);
  (void)fflush(stdout);
}

/* A file that the output plays, among others or in part, and that was recorded by itself. NULL: none. */
static const char *find_counted(const struct taking *taking, const struct media_output *output) {
  struct stat st;
  enum watch_memory_status status;
  const char *before = "";
  for (size_t i = 0; i < output->span_count; i++) {
    const struct media_span *span = &output->spans[i];
    if (strcmp(span->path, before) == 0 || strcmp(span->path, taking->path) == 0) continue;
    before = span->path;
    if (lstat(span->path, &st) != 0 || !watch_memory_find(taking->memory, span->path, &st, &status)) continue;
    bool is_whole = output->span_count == 1 && span->offset == 0 && span->size == (uint64_t)st.st_size;
    if (status == WATCH_MEMORY_DONE && !is_whole) return span->path;
  }
  return NULL;
}

/* ---- outputs that are continued ---- */

/* *ret: what was recorded of the output that this one begins with and goes on; NULL: nothing. */
static int find_continued(const struct taking *taking, const struct media_output *output,
                          const struct watch_memory_output **ret, struct err *err) {
  const struct watch_memory_output *before = watch_memory_find_output(taking->memory, output->name);
  char id[IDENTITY_SIZE];
  *ret = NULL;
  if (before == NULL || size_of(output) <= before->size) return 0;
  int result = identity_of_begin(output->spans, output->span_count, before->size, before->time_s, id, err);
  if (result == 0 && strcmp(id, before->id) == 0) *ret = before;
  return result == -ERR_MEDIA ? 0 : result;
}

/* A blank and a word for a shell, in quotes if it needs them. */
static void append_word(struct buf *out, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:";
  gchar *quoted = word[strspn(word, plain)] != '\0' || word[0] == '\0' ? g_shell_quote(word) : g_strdup(word);
  buf_printf(out, " %s", quoted);
  g_free(quoted);
}

/* " --NAME VALUE"; nothing without a value. */
static void append_option(struct buf *out, const char *name, const char *value) {
  if (value == NULL) return;
  buf_printf(out, " --%s", name);
  append_word(out, value);
}

static void append_labels(struct buf *out, struct str set) {
  struct label label;
  while (labels_next(&set, &label)) {
    char word[LABEL_NAME_MAX + LABEL_VALUE_MAX + sizeof "="];
    (void)snprintf(word, sizeof word, "%.*s=%.*s", STR_ARG(label.name), STR_ARG(label.value));
    append_option(out, "label", word);
  }
}

/* What was recorded, what there is now, and the commands. */
static void explain_continued(const struct taking *taking, const struct report *report, const struct watch_memory_output *before,
                              struct buf *out) {
  bool is_remux = taking->recorder->options.as.kind == REPORT_REMUX;
  const char *source = strcmp(report->source, "file") != 0 ? report->source : NULL;
  buf_printf(out,
             "not recorded, because " RECORDER_CONTINUED ": id %s, %" PRIu64 ".%03u s. It is %s now, and its beginning "
             "would count twice. To count it as it is now, give `codecmeter void",
             before->id, before->duration_ms / 1000, (unsigned)(before->duration_ms % 1000), report->summary);
  append_option(out, "project", taking->project);
  append_option(out, "source", source);
  buf_printf(out, " --reason 'it was continued' %s`, then `codecmeter record", before->id);
  append_option(out, "project", taking->project);
  append_option(out, "source", source);
  append_option(out, "task-id", taking->task_id);
  append_option(out, "kind", is_remux ? "remux" : NULL);
  append_labels(out, taking->labels);
  append_word(out, taking->path);
  buf_char(out, '`');
}

/* A note in rejected/, one for each output, so that nothing is lost. */
static int note_continued(const struct taking *taking, const struct report *report, const struct watch_memory_output *before,
                          const char *reason, struct err *err) {
  const struct spool *spool = &taking->recorder->outbox.spool;
  const struct spool_lost lost = {.output = report->name,
                                  .project = taking->project != NULL ? taking->project : "",
                                  .began_ms = before->time_s * 1000};
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hash[33], name[64];
  digest_sha256(str_of(report->name), digest);
  bytes_hex(digest, 16, hash);
  (void)snprintf(name, sizeof name, "continued-%s.json", hash);
  int result = spool_make(spool->dir, err);
  return result == 0 ? spool_note_unmetered(spool, name, &lost, reason, err) : result;
}

static int take_continued(struct taking *taking, const struct report *report, const struct watch_memory_output *before,
                          struct err *err) {
  SCOPED(buf_fini) struct buf reason = {0};
  explain_continued(taking, report, before, &reason);
  buf_char(&reason, '\0');
  CHECK(!reason.failed);
  int result = taking->recorder->options.is_dry ? 0 : note_continued(taking, report, before, reason.ptr, err);
  if (result != 0) return err_prefix(err, "%s: it is continued, and that cannot be noted", report->name);
  (void)err_set(err, ERR_MEDIA, "%s: %s", report->name, reason.ptr);
  recorder_complain(taking->recorder, report->name, err);
  taking->is_incomplete = true;
  return 0;
}

/* An output that cannot be recorded is reported; the others of its file are recorded. */
static int take_output(struct taking *taking, const struct report *report, const struct media_output *output,
                       struct err *err) {
  if (!report->is_measured && (err_kind(-(int)report->why.code) == ERR_KIND_RETRY || report->why.code == ERR_IO)) {
    *err = report->why;
    return -(int)report->why.code;
  }
  const char *counted = report->is_measured ? find_counted(taking, output) : NULL;
  if (!report->is_measured) *err = report->why;
  if (counted != NULL) {
    (void)err_set(err, ERR_MEDIA,
                  "%s: not recorded, because it plays %s, which is recorded by itself already and would count twice; "
                  "next time give --exclude for the names of segments; to count the list instead, void the segments' "
                  "records, then `codecmeter record` it",
                  report->name, counted);
  }
  if (!report->is_measured || counted != NULL) {
    recorder_complain(taking->recorder, report->name, err);
    taking->is_incomplete = true;
    return 0;
  }
  const struct watch_memory_output *before;
  int result = find_continued(taking, output, &before, err);
  if (result == 0 && before != NULL) return take_continued(taking, report, before, err);
  if (result != 0 || !taking->recorder->options.is_dry)
    return result == 0 ? deliver(taking, report, output, err) : err_prefix(err, "%s", report->name);
  say_dry(taking, report);
  return 0;
}

/* The files that a list plays are no outputs of their own, if its outputs count. */
static void remember_parts(const struct taking *taking, const struct media *media) {
  struct stat st;
  enum watch_memory_status status;
  const char *root = watch_memory_root(taking->memory);
  for (size_t i = 0; i < media->parts.count; i++) {
    const char *part = media->parts.items[i];
    if (strcmp(part, taking->path) == 0 || !file_is_below(part, root)) continue;
    if (!wanted_has(taking->recorder->options.wanted, part + strlen(root)) || lstat(part, &st) != 0) continue;
    bool is_counted = watch_memory_find(taking->memory, part, &st, &status) && status == WATCH_MEMORY_DONE;
    if (!is_counted) watch_memory_remember(taking->memory, part, &st, WATCH_MEMORY_PART);
  }
}

static void remember_held(const struct taking *taking) {
  char *key = strdup(taking->path);
  struct stat *st = g_new(struct stat, 1);
  CHECK(key != NULL);
  *st = *taking->st;
  if (g_hash_table_size(taking->recorder->held) >= HELD_MAX) g_hash_table_remove_all(taking->recorder->held);
  (void)g_hash_table_replace(taking->recorder->held, key, st);
}

static int take_outputs(struct taking *taking, const struct reports *reports, struct err *err) {
  int result = 0;
  CHECK(reports->count == reports->media.count);
  for (size_t i = 0; result == 0 && i < reports->count; i++)
    result = take_output(taking, &reports->items[i], &reports->media.items[i], err);
  if (result == 0 && taking->is_held) remember_held(taking);
  if (result != 0 || taking->is_held) return result;
  (void)g_hash_table_remove(taking->recorder->held, taking->path);
  remember_parts(taking, &reports->media);
  watch_memory_remember(taking->memory, taking->path, taking->st, taking->is_incomplete ? WATCH_MEMORY_FAILED : WATCH_MEMORY_DONE);
  return 0;
}

/* A renamed file is not measured again. Nor does it count again if its new path gives another project. */
static bool is_renamed(const struct recorder *recorder, struct watch_memory *memory, const char *path,
                       const struct stat *st) {
  enum watch_memory_status status;
  const char *twin = watch_memory_twin(memory, path, st, &status);
  if (twin == NULL) return false;
  bool has_new_name = strcmp(twin, path) != 0; /* else it is back under its old name */
  if (has_new_name && status != WATCH_MEMORY_PART && !recorder->options.quiet) {
    SCOPED_MALLOC char *shown = str_printable(str_of(path)), *shown_twin = str_printable(str_of(twin));
    (void)printf("%s: the same file as %s, not recorded again\n", shown, shown_twin);
    (void)fflush(stdout);
  }
  const struct watch_memory_output *recorded = watch_memory_find_output(memory, twin);
  if (recorded != NULL && has_new_name) watch_memory_remember_output(memory, path, recorded);
  watch_memory_remember(memory, path, st, status);
  return true;
}

static int64_t changed_ms(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) return INT64_MIN;
  return (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
}

/* True while the list, or one of its files, still changes: a slow copy may bring the segments after the list, and a
 * transcoder writes a master list long before the last segment. The time of the last change of attributes tells,
 * which no tool can set. What else happens in their directories does not matter: in a busy one, a broken list would
 * be waited for without end, and with it the files that it names. */
static bool is_list_in_the_making(const char *path, const struct media *media) {
  if (!wanted_is_list(path)) return false;
  int64_t last_ms = changed_ms(path);
  for (size_t i = 0; i < media->parts.count; i++) {
    int64_t part_ms = changed_ms(media->parts.items[i]);
    if (part_ms > last_ms) last_ms = part_ms;
  }
  return last_ms != INT64_MIN && clock_real_ms(clock_system()) - last_ms < LIST_PATIENCE_MS;
}

/* A fault of the file itself is reported, and the file is not tried again. An init segment or a segment is passed
 * over quietly, because its list is the output. Missing media libraries end the watch, because without them no file
 * can be measured. */
static int take_failure(struct taking *taking, const struct media *media, int result, enum recorded *ret,
                        const struct err *err) {
  if (result == -ERR_MISSING) return result;
  if (result == -ERR_BUSY) {
    *ret = RECORDED_EARLY;
    return 0;
  }
  if (err_kind(result) == ERR_KIND_RETRY || result == -ERR_IO) {
    recorder_complain(taking->recorder, taking->path, err);
    *ret = RECORDED_LOST;
    return 0;
  }
  if (is_list_in_the_making(taking->path, media)) {
    *ret = RECORDED_EARLY;
    return 0;
  }
  bool is_part = result == -ERR_MEDIA && media->refusal == MEDIA_REFUSED_PART;
  if (!is_part) recorder_complain(taking->recorder, taking->path, err);
  watch_memory_remember(taking->memory, taking->path, taking->st, WATCH_MEMORY_FAILED);
  *ret = RECORDED_DONE;
  return 0;
}

static bool has_unmeasured(const struct reports *reports) {
  for (size_t i = 0; i < reports->count; i++) {
    if (!reports->items[i].is_measured) return true;
  }
  return false;
}

/* True if somebody still writes to a file that one of the outputs plays. */
static bool has_busy(const struct reports *reports) {
  for (size_t i = 0; i < reports->count; i++) {
    const struct report *report = &reports->items[i];
    if (!report->is_measured && report->why.code == ERR_BUSY) return true;
  }
  return false;
}

/* Measures the file, and takes its outputs if it is still the same then. */
static int measure(struct taking *taking, const struct report_options *options, enum recorded *ret,
                   struct stat *ret_now, struct err *err) {
  SCOPED(reports_fini) struct reports reports = {0};
  struct stat now;
  int result = report_measure(taking->path, options, &reports, err);
  bool is_there = lstat(taking->path, &now) == 0;
  if (!is_there && (file_may_pass(errno) || result != 0)) {
    *ret = file_may_pass(errno) ? RECORDED_LOST : RECORDED_GONE;
    return 0;
  }
  if (is_there && !recorder_is_unchanged(&now, taking->st)) {
    *ret = RECORDED_CHANGED;
    *ret_now = now;
    return 0;
  }
  if (result != 0) return take_failure(taking, &reports.media, result, ret, err);
  /* A file that is gone now, and was measured, existed: its events are sent. */
  bool is_early = has_unmeasured(&reports) && is_list_in_the_making(taking->path, &reports.media);
  if (is_there && (is_early || has_busy(&reports))) {
    *ret = RECORDED_EARLY;
    return 0;
  }
  result = take_outputs(taking, &reports, err);
  if (result == 0 && !taking->is_held) return 0;
  if (result != 0) recorder_complain(taking->recorder, taking->path, err);
  *ret = RECORDED_LOST;
  return 0;
}

static const char *text_or_null(const char *text) { return text[0] != '\0' ? text : NULL; }

/* Writes the labels of the options and those of the path to out, and returns them. `watch` checked that no name is in
 * both, and how many there are. */
static struct str join_labels(const struct recorder_options *options, const struct path_fields *fields,
                              char out[LABELS_SIZE_MAX]) {
  struct label all[LABELS_MAX];
  size_t count = options->pattern != NULL ? path_pattern_label_count(options->pattern) : 0, len;
  struct str rest = options->as.labels;
  struct label label;
  memcpy(all, fields->labels, count * sizeof *all);
  while (labels_next(&rest, &label)) {
    CHECK(count < LABELS_MAX);
    all[count++] = label;
  }
  bool is_set = labels_encode(all, count, out, &len);
  CHECK(is_set);
  return str_make(out, len);
}

int recorder_take(struct recorder *recorder, struct watch_memory *memory, const char *path, const struct stat *st,
                  enum recorded *ret, struct stat *ret_now, struct err *err) {
  const struct recorder_options *options = &recorder->options;
  struct report_options reporting = {.project = options->settings->project,
                                     .source = options->as.source,
                                     .kind = options->as.kind,
                                     .media = options->as.media};
  struct path_fields fields = {.project = ""};
  char labels[LABELS_SIZE_MAX];
  *ret = RECORDED_DONE;
  if (watch_memory_knows(memory, path, st) || is_renamed(recorder, memory, path, st)) return 0;
  if (options->pattern != NULL &&
      path_pattern_match(options->pattern, path + strlen(watch_memory_root(memory)), &fields, err) != 0) {
    (void)err_prefix(err, "%s: not recorded", path);
    recorder_complain(recorder, path, err);
    *ret = RECORDED_PATHLESS;
    return 0;
  }
  if (fields.project[0] != '\0') reporting.project = fields.project;
  if (fields.source[0] != '\0') reporting.source = fields.source;
  reporting.task_id = text_or_null(fields.task_id);
  reporting.labels = join_labels(options, &fields, labels);
  if (is_project_refused(recorder, reporting.project) && is_held(recorder, path, st)) {
    *ret = RECORDED_LOST;
    return 0;
  }
  struct taking taking = {.recorder = recorder,
                          .memory = memory,
                          .path = path,
                          .st = st,
                          .project = reporting.project,
                          .task_id = reporting.task_id,
                          .labels = reporting.labels};
  return measure(&taking, &reporting, ret, ret_now, err);
}

/* ---- events that wait in the spool ---- */

void recorder_catch_up_now(struct recorder *recorder) {
  if (recorder->options.is_dry) return;
  if (recorder->catch_up_ms == 0) recorder->catch_up_ms = now_ms();
  recorder->outbox.reached = true;
}

int64_t recorder_next_ms(const struct recorder *recorder) {
  return recorder->catch_up_ms != 0 ? recorder->catch_up_ms : INT64_MAX;
}

void recorder_catch_up(struct recorder *recorder) {
  bool due = recorder->catch_up_ms != 0 && now_ms() >= recorder->catch_up_ms;
  if (!due && !recorder->outbox.reached) return;
  recorder->outbox.reached = true;
  switch (outbox_catch_up(&recorder->outbox, "watch")) {
    case CATCH_UP_ALL:
      recorder->catch_up_ms = 0;
      return;
    case CATCH_UP_SOME:
      recorder->catch_up_wait_ms = CATCH_UP_MIN_MS;
      break;
    case CATCH_UP_NONE:
      recorder->catch_up_wait_ms *= 2;
      break;
  }
  if (recorder->catch_up_wait_ms > CATCH_UP_MAX_MS) recorder->catch_up_wait_ms = CATCH_UP_MAX_MS;
  recorder->catch_up_ms = now_ms() + recorder->catch_up_wait_ms;
}

/* ---- the agent's status ---- */

void recorder_begin_pulse(struct recorder *recorder, struct str command, int64_t interval_ms) {
  pulse_init(&recorder->outbox.pulse, recorder->options.settings, command, interval_ms);
}

int64_t recorder_beat_ms(const struct recorder *recorder) { return outbox_beat_ms(&recorder->outbox); }

void recorder_beat(struct recorder *recorder, bool now) {
  if (now) pulse_hurry(&recorder->outbox.pulse);
  outbox_beat(&recorder->outbox, "watch");
}
