/* Reading a note locks it, and a settler would take the lock for that of a command. So the lock is given back at
 * once.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>

#include "agent/intent.h"
#include "agent/intent_note.h"
#include "base/file.h"

/* Follows the table in intent_settle.c, and only says what would be done. */
static void judge(const struct intent_note *note, int result, struct intent_view *view, struct err *why) {
  view->state = INTENT_KILLED;
  if (result != 0) {
    view->state = INTENT_UNREADABLE;
  } else if (!note->has_lines) {
    view->state = INTENT_RUNS; /* or it never began, and nothing is lost with its note */
  } else if (!intent_is_our_host(note)) {
    (void)err_set(why, ERR_BUSY, "it ran on host %.*s: run `codecmeter flush` there", STR_ARG(note->host));
  } else if (intent_process_lives(note->run_pid, note->run_start)) {
    view->state = INTENT_RUNS;
  } else if (intent_command_lives(note)) {
    (void)err_set(why, ERR_BUSY, "its command (process %" PRId64 ") still runs", note->command_pid);
  } else if (note->is_locked) {
    (void)err_set(why, ERR_BUSY,
                  "a process that its command started still runs, or another agent measures its outputs");
  } else {
    (void)err_set(why, ERR_BUSY, "its command has ended: `codecmeter flush` measures its outputs and reports them");
  }
}

static void look_at(const char *dir, const char *name, void (*visit)(void *arg, const struct intent_view *view),
                    void *arg) {
  SCOPED(intent_note_fini) struct intent_note note = {.name = name, .path = file_path(dir, name), .fd = -1};
  struct intent_view view = {.name = name, .url = "", .token = "", .project = ""};
  struct err why = {0};
  int result = intent_note_read(&note, &why);
  if (note.fd >= 0) (void)flock(note.fd, LOCK_UN);
  if (result == -ERR_NOT_FOUND) return;
  judge(&note, result, &view, &why);
  view.why = why.text;
  if (note.has_lines) {
    view.url = note.url;
    view.token = note.token;
    view.project = note.report.as.project != NULL ? note.report.as.project : "";
    view.began_ms = (int64_t)note.began.tv_sec * 1000 + note.began.tv_nsec / 1000000;
    view.outputs = note.outputs.count;
  }
  visit(arg, &view);
}

void intent_look(const char *dir, void (*visit)(void *arg, const struct intent_view *view), void *arg) {
  DIR *listed = opendir(dir);
  for (struct dirent *entry = NULL; listed != NULL && (entry = readdir(listed)) != NULL;) {
    if (spool_is_run(entry->d_name)) look_at(dir, entry->d_name, visit, arg);
  }
  if (listed != NULL) (void)closedir(listed);
}
