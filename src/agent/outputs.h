/* The outputs of a command: which paths to look at, what was there before, and which files are the command's.
 * agent/findings.h measures them. `run` does it when its command has ended, and the next agent does the same for a
 * run that was killed (agent/intent.h). So all that decides is in struct outputs, and can be noted. For users:
 * docs/agents.md.
 *
 * Candidates. Of a line of ffmpeg: its outputs (agent/ffmpeg_line.h). Of another command: every argument, what
 * follows
 * "=" in it, and the pieces of one with commas. With --output: what it names, and nothing else. A name with %d, %v,
 * %Y or $Name$ is also a pattern. A directory that did not exist, or was empty, gives the files directly in it.
 *
 * What counts. A file that was not there before, or has changed since, and that holds video. A list counts for the
 * files that it plays; they are not counted again. Inputs do not change. An argument whose file only changed its
 * attributes, or was moved or linked there from another argument, is no output.
 *
 * Other runs. A directory or a pattern may be that of several runs at once. agent/rivals.h says whose a file is then.
 *
 * After a kill, other programs may have written to the candidates before they are measured. If `run` saw the command
 * end, it noted which files were made: only these count, and only while their content is the same. Else it is unknown
 * whether the command or another program changed a file that was there before. Such a file is doubtful, unless
 * the line of ffmpeg or --output names it as an output.
 */
#ifndef CODECMETER_AGENT_OUTPUTS_H
#define CODECMETER_AGENT_OUTPUTS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/vector.h"

/* In the reason of an output whose path another run has written to: the file that is there is not this run's. */
#define OUTPUTS_TAKEN "another run wrote to this path"

/* The file at a path before a command ran. */
struct file_before {
  bool was_there;
  uint64_t dev, ino;
  int64_t size;
  struct timespec mtime, ctime;
};
struct file_before file_before_look(const char *path);
/* Checks that the command made the file. -ERR_MEDIA: there is no file, or it is the same one as before; to report it
 * would meter other work. Its time of writing alone proves nothing, because a copy may keep that of its original. */
MUST_USE int file_before_check(const struct file_before *before, const char *path, struct err *err);

enum candidate_role {
  CANDIDATE_NAMED,    /* by --output: must be made, must hold video */
  CANDIDATE_OUTPUT,   /* by a line of ffmpeg: must be made; may be a picture, sound, … */
  CANDIDATE_ARGUMENT, /* of another command: may be anything */
};

/* Recognizes a file. Short, because a pattern may match 100,000 files. Equal hashes of different files are so
 * unlikely (64 bits of SHA-256) that they are taken for the same. */
struct file_mark {
  uint64_t path;    /* a hash */
  uint64_t content; /* a hash of device, inode, size and time of writing */
  uint64_t change;  /* the time of the last change of attributes, in ns since 1970 */
};
/* was: a file that was there. */
struct file_mark file_mark_of(const char *path, const struct file_before *was);

struct candidate {
  char *path; /* absolute, also if nothing is there; perhaps a pattern */
  enum candidate_role role;
  bool is_remux;   /* ffmpeg copies all its video */
  bool is_mixed;   /* ffmpeg may copy some of its video */
  bool is_task;    /* if the command fails, a failed task is reported for it */
  bool is_taken;   /* by a later run: what is there now is not this command's */
  bool was_full;   /* a directory with files: theirs are not looked at */
  bool was_hidden; /* a directory, or one that a pattern leads to, could not be read before: nothing there counts */
  struct file_before before;
  struct file_mark *seen; /* of the files that the pattern matched before; in any order */
  size_t seen_count;
};

/* What is known about the end of the command. */
enum outputs_end {
  OUTPUTS_SEEN,    /* the caller has just seen it end */
  OUTPUTS_NOTED,   /* after a kill: `made` has what it had made when it ended */
  OUTPUTS_UNKNOWN, /* after a kill: nothing */
};

struct outputs {
  VECTOR(struct candidate);  /* in the order of the command, each path once */
  VECTOR(char *) elsewhere; /* outputs that are no files: "pipe:1: a pipe cannot be measured" */
  struct timespec began; /* when outputs_look noted what was there */
  enum outputs_end end;
  struct file_mark *made; /* with OUTPUTS_NOTED; in any order */
  size_t made_count;
  VECTOR(struct rival) rivals; /* agent/rivals.h */
};
/* Another run that overlaps with this one, and may write to the same places. */
struct rival {
  struct timespec began;
  struct outputs outputs; /* only its candidates */
};
/* Finds the candidates of a command. named: those of --output, ends with NULL; or NULL. Relative paths are those of
 * the working directory. Fills an empty struct in any case; the caller calls outputs_fini. -ERR_USAGE: an output has
 * a relative name, and the working directory has no path, as one that was removed. */
MUST_USE int outputs_find(char *const *argv, char *const *named, struct outputs *ret, struct err *err);
/* Notes what is there, before the command starts. */
void outputs_look(struct outputs *outputs);
void outputs_fini(struct outputs *outputs);
/* Appends a candidate; takes path. */
struct candidate *outputs_add(struct outputs *outputs, char *path, enum candidate_role role);
/* Appends a rival without candidates. Valid until the next call. */
struct rival *outputs_add_rival(struct outputs *outputs, struct timespec began);
void outputs_forget_rivals(struct outputs *outputs);

enum made_state {
  MADE_FILE,     /* made or changed by the command */
  MADE_DOUBTFUL, /* changed after the command began, perhaps by another program */
  MADE_SHARED,   /* made by the command or by another run, and nobody can tell by which */
  MADE_RIVALS,   /* another run names it as its own */
  MADE_OTHER,    /* there, but no output: it was moved from another of the names, or is a pipe or a device */
  MADE_NOTHING,  /* expected, and not made; or it cannot be examined now */
};

/* A file that the command made or changed, or the reason why an expected one is none. */
struct made {
  char *path;
  const struct candidate *of;
  enum made_state state;
  struct err why; /* unless MADE_FILE: begins with the path; ERR_MEDIA, or ERR_IO if it cannot be examined now */
};
struct made_list {
  VECTOR(struct made); /* in the order of candidates, then of names; each file once */
};
/* Finds what the command made. */
void outputs_made(const struct outputs *outputs, struct made_list *ret);
/* The marks of the files that are made now, for `made`. The caller frees *ret. */
size_t outputs_mark_made(const struct outputs *outputs, struct file_mark **ret);
void made_list_fini(struct made_list *list);
/* True if there is a file now that the command may have made. */
bool outputs_made_any(const struct outputs *outputs);
/* True if there is a file at the candidate's path that was not there before, or has changed. */
bool candidate_has_changed(const struct candidate *candidate);
/* True if something is at the candidate's path, or matches its pattern. */
bool candidate_exists(const struct candidate *candidate);

bool outputs_is_pattern(const char *text);
/* True if the name matches one component of a pattern: %d and %03d are digits; %v, %Y, $Name$ and $Number%05d$ are
 * any characters, at least one; %% and $$ are themselves. */
bool outputs_match(const char *pattern, const char *name);

#endif
