/* The states of a run's note, how an agent knows them, and what it does:
 *
 *   `run` lives          the process that wrote the first line exists      nothing: `run` settles it
 *   being prepared       locked, and not yet two lines                     nothing
 *   its command lives    locked, or the process of the third line exists   left for later
 *   of another host      the host in line 1                                left: processes and paths are not ours
 *   never begun          not two lines; or no third, and no output made    removes it
 *   ended                none of these                                     makes events, then removes it
 *
 * The lock alone is not enough: `sudo`, and scripts that close inherited descriptors, lose it and go on. The process
 * alone is not enough either: a script may end while an ffmpeg that it started goes on, and holds the lock.
 *
 * The system does not tell us the exit status of a command that outlived its `run`. Its outputs are measured: a file
 * that was cut short is refused, and a whole one is metered.
 *
 * After a crash during this work, the next agent does it again: it puts the same events under the same names, and an
 * event that was already sent is a duplicate.
 *
 * A later run may write to the same path, perhaps for another customer. So it settles such notes before its command
 * starts (intent_settle_outputs). The settler holds the note's lock: two at once would both measure, one of them too
 * late.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/intent.h"
#include "agent/intent_note.h"
#include "agent/path_text.h"
#include "agent/rivals.h"
#include "base/check.h"
#include "base/file.h"

#define NAME_SIZE 64
#define SETTLER_WAIT_MS 3000 /* for another agent that is measuring the outputs */
#define SETTLER_POLL_MS 50

static bool has_failed(const struct intent_note *note) { return note->has_status && note->status != 0; }

static bool may_pass(int result) {
  return err_kind(result) == ERR_KIND_RETRY || result == -ERR_IO || result == -ERR_MISSING;
}

/* Not 0: something cannot be judged yet, and err says what. */
static int check_findings(const struct findings *findings, struct err *err) {
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    const struct err *why = &finding->why;
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++) {
      if (!finding->reports.items[n].is_measured) why = &finding->reports.items[n].why;
    }
    if (why->code == ERR_NONE || !may_pass(-(int)why->code)) continue;
    *err = *why;
    return -(int)why->code;
  }
  return 0;
}

/* What is done with the findings of a run. */
struct settling {
  struct spool spool; /* with the address of the run's events */
  const struct spool_pass *pass;
  const struct intent_note *note;
  size_t unmetered; /* notes written */
};

static int note_unmetered(struct settling *settling, const char *output, const char *why, struct err *err) {
  char name[NAME_SIZE + 32];
  (void)snprintf(name, sizeof name, "%.63s-%zu.json", settling->note->name, settling->unmetered++);
  const struct timespec *began = &settling->note->began;
  const char *project = settling->note->texts[TEXT_PROJECT];
  const struct spool_lost lost = {.output = output,
                                  .project = project != NULL ? project : "",
                                  .began_ms = (int64_t)began->tv_sec * 1000 + began->tv_nsec / 1000000};
  return spool_note_unmetered(&settling->spool, name, &lost, why, err);
}

static int put_report(struct settling *settling, const struct finding *finding, const struct report *report,
                      struct err *err) {
  if (finding->verdict == FINDING_UNMETERED)
    return report->is_measured ? spool_reject(&settling->spool, report, REPORT_REJECTED, finding->why.text, err) : 0;
  if (!report->is_measured) return note_unmetered(settling, report->name, report->why.text, err);
  return report->is_repeat ? 0 : spool_put(&settling->spool, report, err);
}

static int put(struct settling *settling, const struct findings *findings, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < findings->count && result == 0; i++) {
    const struct finding *finding = &findings->items[i];
    if (finding->verdict == FINDING_LEFT_OUT) continue;
    for (size_t n = 0; n < finding->reports.count && result == 0; n++)
      result = put_report(settling, finding, &finding->reports.items[n], err);
    if (result == 0 && finding->verdict == FINDING_UNMETERED)
      result = note_unmetered(settling, finding->path, finding->why.text, err);
  }
  return result;
}

/* If nothing was counted, and nothing else says so. */
static int put_nothing(struct settling *settling, const struct findings *findings, struct err *ret_why,
                       struct err *err) {
  const struct outputs *outputs = &settling->note->outputs;
  if (findings_counted(findings) > 0 || settling->unmetered > 0 || has_failed(settling->note)) return 0;
  (void)findings_say_nothing(outputs, findings, ret_why);
  return note_unmetered(settling, outputs->count > 0 ? outputs->items[outputs->count - 1].path : "", ret_why->text,
                        err);
}

static void say_report(const struct spool_pass *pass, const struct report *report) {
  SCOPED_MALLOC char *text = NULL;
  if (report->is_repeat) return;
  CHECK(asprintf(&text, "%s: %s, of a run that was killed", report->name, report->summary) >= 0);
  pass->say(pass->say_arg, report->is_measured ? text : report->why.text);
}

static void say(const struct spool_pass *pass, const struct findings *findings, const struct err *nothing) {
  if (pass->say == NULL) return;
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++)
      say_report(pass, &finding->reports.items[n]);
    if (finding->verdict == FINDING_UNMETERED) pass->say(pass->say_arg, finding->why.text);
  }
  if (nothing->code != ERR_NONE) pass->say(pass->say_arg, nothing->text);
}

static int remove_note(const struct intent_note *note, struct err *err) {
  return unlink(note->path) == 0 ? 0 : err_set_errno(err, ERR_IO, errno, "cannot remove %s", note->path);
}

static void find(const struct intent_note *note, struct findings *ret) {
  if (has_failed(note))
    findings_fail(&note->outputs, &note->report, note->began, note->ended, ret);
  else
    findings_measure(&note->outputs, &note->report, ret);
}

static int settle_ended(const struct spool *spool, const struct spool_pass *pass, const struct intent_note *note,
                        struct spool_sums *sums, struct err *err) {
  struct settling settling = {.spool = {.dir = spool->dir, .url = note->url}, .pass = pass, .note = note};
  SCOPED(findings_fini) struct findings findings = {.items = NULL};
  struct err nothing = {0};
  memcpy(settling.spool.token, note->token, sizeof settling.spool.token);
  find(note, &findings);
  int result = check_findings(&findings, err);
  if (result == 0) result = put(&settling, &findings, err);
  if (result == 0) result = put_nothing(&settling, &findings, &nothing, err);
  if (result == 0) result = remove_note(note, err);
  if (result == 0) say(pass, &findings, &nothing);
  if (result == 0) sums->rejected += settling.unmetered;
  return result;
}

/* Follows the table above, for a note that was read with this result. Not 0: the run is left for later; err says why.
 */
static int settle_note(const struct spool *spool, const struct spool_pass *pass, struct intent_note *note, int result,
                       struct spool_sums *sums, struct err *err) {
  if (result == -ERR_NOT_FOUND) return 0;
  if (result == -ERR_CORRUPT) {
    result = spool_move_aside(spool, note->name, err->text, err);
    if (result == 0) ++sums->rejected;
    return result;
  }
  if (result != 0) return result;
  if (!note->has_lines) return note->is_locked ? 0 : remove_note(note, err);
  if (!intent_is_our_host(note)) {
    return err_set(err, ERR_BUSY, "a run on host %.*s: run `codecmeter flush` there", STR_ARG(note->host));
  }
  if (intent_process_lives(note->run_pid, note->run_start)) return 0;
  bool lives = note->is_locked || intent_command_lives(note);
  if (lives) {
    return err_set(err, ERR_BUSY, "the run's command (process %" PRId64 "), or a process that it started, still runs",
                   note->command_pid);
  }
  intent_note_read_rivals(buf_view(&note->content), &note->outputs);
  bool began = note->has_command || outputs_made_any(&note->outputs);
  if (began) return settle_ended(spool, pass, note, sums, err);
  return remove_note(note, err);
}

static int is_intent(const struct dirent *entry) { return spool_is_run(entry->d_name); }

void intent_settle(const struct spool *spool, const struct spool_pass *pass, struct spool_sums *sums) {
  struct dirent **list = NULL;
  int count = scandir(spool->dir, &list, is_intent, alphasort);
  for (int i = 0; i < count; i++) {
    SCOPED(intent_note_fini)
    struct intent_note note = {.name = list[i]->d_name, .path = file_path(spool->dir, list[i]->d_name), .fd = -1};
    struct err why = {0};
    int result = intent_note_read(&note, &why);
    if (settle_note(spool, pass, &note, result, sums, &why) != 0) {
      if (sums->unsettled == 0) sums->why_unsettled = why;
      ++sums->unsettled;
      ++sums->left;
    }
    free(list[i]);
  }
  free(list);
}

/* ---- before a run ---- */

static bool is_among(const struct candidate *candidate, const struct outputs *outputs) {
  for (size_t i = 0; i < outputs->count; i++) {
    if (candidate_shares(candidate, &outputs->items[i])) return true;
  }
  return false;
}

static bool shares_output(const struct intent_note *note, const struct outputs *outputs) {
  for (size_t i = 0; i < note->outputs.count; i++) {
    if (is_among(&note->outputs.items[i], outputs)) return true;
  }
  return false;
}

/* Held by no command that we can see: perhaps by an agent that is settling it. */
static bool is_held_by_other(const struct intent_note *note) {
  return note->is_locked && note->has_lines && intent_is_our_host(note) &&
         !intent_process_lives(note->run_pid, note->run_start) && !intent_command_lives(note);
}

static int read_when_free(struct intent_note *note, const struct outputs *outputs, struct err *err) {
  int result = intent_note_read(note, err);
  for (int waited_ms = 0;
       result == 0 && is_held_by_other(note) && shares_output(note, outputs) && waited_ms < SETTLER_WAIT_MS;
       waited_ms += SETTLER_POLL_MS) {
    struct stat st;
    (void)usleep(SETTLER_POLL_MS * 1000);
    note->is_locked = flock(note->fd, LOCK_EX | LOCK_NB) != 0;
    if (fstat(note->fd, &st) == 0 && st.st_nlink == 0) return -ERR_NOT_FOUND;
  }
  return result;
}

/* Notes that the outputs that both have are no longer that run's. */
static void take_outputs(const struct intent_note *note, const struct outputs *outputs, const struct spool_pass *pass,
                         const struct err *why) {
  SCOPED_FD int fd = open(note->path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  for (size_t i = 0; i < note->outputs.count; i++) {
    const struct candidate *output = &note->outputs.items[i];
    SCOPED(buf_fini) struct buf line = {0};
    SCOPED_MALLOC char *text = NULL;
    if (output->is_taken || !is_among(output, outputs)) continue;
    struct json_write json = json_write_to(&line);
    buf_char(&line, '\n'); /* the line before may be cut short */
    json_write_object(&json, NULL);
    path_text_write(&json, "taken", output->path);
    json_write_end(&json);
    buf_char(&line, '\n');
    bool is_noted =
        fd >= 0 && !line.failed && write(fd, line.ptr, line.len) == (ssize_t)line.len && fdatasync(fd) == 0;
    if (output->role == CANDIDATE_ARGUMENT && !candidate_exists(output)) continue; /* perhaps no output at all */
    const char *what = is_noted ? "is not metered" : "may be metered twice";
    CHECK(asprintf(&text, "%s: an earlier run that was killed wrote it too, and %s there: %s", output->path, what,
                   why->text) >= 0);
    pass->say(pass->say_arg, text);
  }
}

void intent_settle_outputs(const struct spool *spool, const struct outputs *outputs, const struct spool_pass *pass) {
  struct dirent **list = NULL;
  int count = scandir(spool->dir, &list, is_intent, alphasort);
  for (int i = 0; i < count; i++) {
    SCOPED(intent_note_fini)
    struct intent_note note = {.name = list[i]->d_name, .path = file_path(spool->dir, list[i]->d_name), .fd = -1};
    struct spool_sums sums = {0};
    struct err why = {0};
    int result = read_when_free(&note, outputs, &why);
    if (result == 0 && intent_is_our_host(&note) && shares_output(&note, outputs) &&
        settle_note(spool, pass, &note, result, &sums, &why) != 0)
      take_outputs(&note, outputs, pass, &why);
    free(list[i]);
  }
  free(list);
}
