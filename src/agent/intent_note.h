/* A note of a run that was found in the spool: how it is read, and how its processes are known. agent/intent.h
 * describes the file. */
#ifndef CODECMETER_AGENT_INTENT_NOTE_H
#define CODECMETER_AGENT_INTENT_NOTE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/findings.h"
#include "agent/outputs.h"
#include "auth/token.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "meter/labels.h"

#define INTENT_VERSION 4
#define INTENT_VERSION_PLAIN 3        /* of a note without labels */
#define INTENT_MAX ((size_t)16 << 20) /* bytes of the first two lines; and of the line about the end of the command \
                                       */

/* The values of "role" in a note, by enum candidate_role. */
extern const char *const intent_role_names[3];

enum { TEXT_PROJECT, TEXT_SOURCE, TEXT_ID, TEXT_ID_PREFIX, TEXT_TASK_ID, TEXTS };

/* The caller sets name (borrowed), path (malloc'd) and fd (-1), and calls intent_note_fini in any case. */
struct intent_note {
  const char *name;
  char *path;
  int fd;
  bool is_locked; /* by another process */
  struct buf content;
  struct arena *arena;
  struct json_parser *parser;
  bool has_lines; /* the first two lines are complete */
  struct str host;
  int64_t run_pid, command_pid;
  uint64_t run_start, command_start;
  bool has_command, has_status;
  int64_t status;
  struct timespec began, ended;
  char *url, *texts[TEXTS]; /* the texts of report.as */
  char labels[LABELS_SIZE_MAX]; /* report.as.labels */
  char token[TOKEN_PUBLIC_ID_SIZE];
  struct outputs outputs;
  struct outputs_report report;
};

/* Opens the note, tries to lock it, and reads it. It stays open. -ERR_NOT_FOUND: it is gone. -ERR_CORRUPT: it is no
 * note. -ERR_VERSION: it is of a later version. -ERR_IO. */
MUST_USE int intent_note_read(struct intent_note *note, struct err *err);
void intent_note_fini(struct intent_note *note);

/* When a process began, in the system's own unit; 0: it does not exist, has ended, or is hidden from us. */
uint64_t intent_process_start(int64_t pid);
/* True if the process exists that began then. */
bool intent_process_lives(int64_t pid, uint64_t start);
/* True if this process was started by that one, or by one that it started, and so on. */
bool intent_is_above(int64_t pid);
/* This machine's name. */
void intent_host(char out[HOST_NAME_MAX + 1]);
bool intent_is_our_host(const struct intent_note *note);
/* True if the process that became the command exists. */
bool intent_command_lives(const struct intent_note *note);
/* Reads the rivals from the lines of a note; others are ignored. intent_note_read does not, because many runs may have noted
 * themselves there. */
void intent_note_read_rivals(struct str lines, struct outputs *outputs);

#endif
