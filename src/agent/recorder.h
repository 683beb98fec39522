/* What `watch` does with a file that is finished: knows it, or measures it, gets its event away, and remembers it. */
#ifndef CODECMETER_AGENT_RECORDER_H
#define CODECMETER_AGENT_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/client.h"
#include "agent/place.h"
#include "base/err.h"

struct recorder_options {
  const struct client_settings *settings;  /* filled; borrowed */
  void (*complain)(const struct err *err); /* says it on standard error */
  bool quiet;                              /* prints nothing else */
};

struct recorder;
MUST_USE int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err);
void recorder_close(struct recorder *recorder);

/* Where the spool is: the usual directory for places. */
const char *recorder_spool(const struct recorder *recorder);

/* Says it once for each path and reason: a playlist that grows is not finished many times over. */
void recorder_complain(struct recorder *recorder, const char *path, const struct err *err);

enum recorded {
  RECORDED_DONE,    /* remembered, or gone */
  RECORDED_CHANGED, /* while it was measured; ret_now is as it is now */
  RECORDED_EARLY,   /* a list whose segments may come still */
  RECORDED_LOST,    /* it could not be read now, or its event be kept: to be tried again */
};
/* A file of a place that had this state when it was found to be finished. An error ends the watch: -ERR_MISSING. */
MUST_USE int recorder_take(struct recorder *recorder, struct place *place, const char *path, const struct stat *st,
                           enum recorded *ret, struct stat *ret_now, struct err *err);

/* Sends what waits in the spool, if it is time or the server was just reached. */
void recorder_catch_up(struct recorder *recorder);
/* Has it done at the next recorder_catch_up, whenever that is. */
void recorder_catch_up_now(struct recorder *recorder);
/* When it is time (monotonic); INT64_MAX while nothing waits. */
int64_t recorder_next_ms(const struct recorder *recorder);

/* The same size, time of writing and inode. */
bool recorder_is_unchanged(const struct stat *a, const struct stat *b);

#endif
