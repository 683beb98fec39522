/* The recorder: what `watch` does with a finished file. It recognizes the file, or measures it, sends or spools the
 * events of its outputs, and remembers it, and the files that a list plays. */
#ifndef CODECMETER_AGENT_RECORDER_H
#define CODECMETER_AGENT_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/client.h"
#include "agent/path_pattern.h"
#include "agent/report.h"
#include "agent/wanted.h"
#include "agent/watch_memory.h"
#include "base/err.h"

/* In the reason of an output that is not recorded, because it begins with one that was. */
#define RECORDER_CONTINUED "it continues what was recorded already"

struct recorder_options {
  const struct client_settings *settings; /* filled; borrowed */
  const struct wanted *wanted;            /* the files that the watch looks at; borrowed */
  const struct path_pattern *pattern;     /* gives fields of events; NULL: none; borrowed */
  struct report_options as; /* source, kind, labels and media of the events; the rest is not used; borrowed */
  bool is_dry;                             /* prints what it would record; sends nothing, and keeps nothing on disk */
  void (*complain)(const struct err *err); /* prints err on standard error */
  bool quiet;                              /* prints nothing else */
};

struct recorder;
MUST_USE int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err);
void recorder_close(struct recorder *recorder);

/* The spool's directory, which is the default directory for places. Borrowed. */
const char *recorder_spool(const struct recorder *recorder);

/* Calls complain once for each path and reason: a playlist that still grows would give the same reason many times. */
void recorder_complain(struct recorder *recorder, const char *path, const struct err *err);

/* True if an event of this file waits in the spool for its project. */
bool recorder_has_event(const struct recorder *recorder, const char *path, const struct stat *st);

enum recorded {
  RECORDED_DONE,     /* remembered */
  RECORDED_GONE,     /* it went away before it could be measured */
  RECORDED_CHANGED,  /* it changed while it was measured; ret_now is its state now */
  RECORDED_EARLY,    /* a list whose segments may still arrive, or somebody still writes to a file that it plays */
  RECORDED_LOST,     /* it could not be read now, its event could not be kept, or its project is not one that the
                      * server knows or that the token is for: try again */
  RECORDED_PATHLESS, /* the path does not give its project or task: reported, and not remembered */
};
/* Takes a file of the place. st: its state when it was found to be finished. An error ends the watch: -ERR_MISSING,
 * the media libraries are missing. */
MUST_USE int recorder_take(struct recorder *recorder, struct watch_memory *memory, const char *path, const struct stat *st,
                           enum recorded *ret, struct stat *ret_now, struct err *err);

/* Sends the events that wait in the spool, if it is time for that or the server was just reached. */
void recorder_catch_up(struct recorder *recorder);
/* Makes the next recorder_catch_up send them in any case. */
void recorder_catch_up_now(struct recorder *recorder);
/* True if an event waits in the spool for a token or an address that is wrong. */
bool recorder_needs_help(const struct recorder *recorder);
/* From now on recorder_beat reports this agent's status: pulse_init. */
void recorder_begin_pulse(struct recorder *recorder, struct str command, int64_t interval_ms);
/* Reports it, if that is due, or in any case (`now`). */
void recorder_beat(struct recorder *recorder, bool now);
/* When recorder_beat is due (monotonic); INT64_MAX: never. */
int64_t recorder_beat_ms(const struct recorder *recorder);
/* When recorder_catch_up is due (monotonic); INT64_MAX while nothing waits. */
int64_t recorder_next_ms(const struct recorder *recorder);

/* True if size, time of writing and inode are the same. */
bool recorder_is_unchanged(const struct stat *a, const struct stat *b);

#endif
