/* Reports: measures a path, makes the events of its outputs, and sends them to the server, with retries. `record`,
 * `run` and `watch` share it, so a file that several of them report counts once.
 *
 * The identity of an output, unless the user names one: source "file", id 1:… of the media (agent/identity.h). The
 * event's time is the time of writing of the newest file of the media, in whole seconds. Source: design section 4.
 */
#ifndef CODECMETER_AGENT_REPORT_H
#define CODECMETER_AGENT_REPORT_H

#include <time.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"
#include "media/media.h"

#define REPORT_ID_SIZE 257 /* the longest id or source, and its NUL */

enum report_kind { REPORT_TRANSCODE, REPORT_REMUX };

/* The outputs that one command has reported. It numbers distinct files with one identity, and finds repeats. */
struct report_ids;
struct report_ids *report_ids_new(void); /* never NULL */
void report_ids_free(struct report_ids *ids);
SCOPED_REF(struct report_ids, report_ids_free)

/* What the user says about outputs. All texts are borrowed; NULL: not given. source, id, id_prefix and task_id are 1 to
 * 256 bytes of UTF-8 without control characters. */
struct report_options {
  const char *project;   /* NULL: the token's */
  const char *source;    /* NULL: "file"; of a failed output without a chosen id: host:<host name> */
  const char *id;        /* of exactly one output; not together with id_prefix */
  const char *id_prefix; /* ids are PREFIX/NAME; a slash at the end of the prefix is not doubled. NAME is the output's
                          * name, relative to id_base. Control characters, bytes that are not UTF-8, and a % that two
                          * hexadecimal digits follow, become %HH: so distinct names give distinct ids */
  const char *id_base;   /* an absolute directory without links and without a slash at its end, see
                          * report_common_directory; NULL: NAME has no directory */
  struct report_ids *ids; /* NULL: nothing is numbered, and nothing is a repeat */
  const char *task_id;
  struct str labels; /* a label set (meter/labels.h); empty: none */
  enum report_kind kind;
  struct media_options media;
};
/* -ERR_USAGE if a text is not as above, or if two options exclude each other. report_measure and report_failure check
 * this too; a command that starts something checks it before. */
MUST_USE int report_check_options(const struct report_options *options, struct err *err);

/* The path that a file has, without links; of a file that does not exist: the one that it would have. The caller frees
 * it. NULL: the path is relative, and the working directory has no path, as one that was removed; errno says why. */
char *report_absolute_path(const char *path);
/* The directory that holds all these files, without a slash at its end ("" is the root). paths: at least one,
 * absolute, ends with NULL. The caller frees it; never NULL. */
char *report_common_directory(char *const *paths);

/* One output, and its event. */
struct report {
  char *name;       /* media_output.name, but the path as the caller gave it */
  bool is_measured; /* false: `why` says why not (it may pass, as that of report_measure), and there is no event */
  struct err why;
  bool is_repeat; /* options->ids holds the same media already, and this is its identity: the caller sends nothing */
  char source[REPORT_ID_SIZE], id[REPORT_ID_SIZE];
  int64_t time_ms;  /* the event's */
  uint64_t duration_ms;
  struct buf event; /* a structured CloudEvent, one line of JSON */
  char summary[96]; /* "h264 1280x720 20.000 s" */
};
void report_fini(struct report *report);

struct reports {
  struct report *items; /* one for each output of `media`, in its order */
  size_t count;
  struct media media;
};
void reports_fini(struct reports *reports);

/* Measures a path and makes the event of each of its outputs. 0: at least one output is measured. -ERR_MEDIA: there is
 * no such file, or it cannot be measured. -ERR_IO: it cannot be read now, or it changed while it was measured; another
 * try may succeed. -ERR_BUSY: a process has it, or a file that it plays, open for writing (agent/file_writer.h): it is not
 * finished. -ERR_USAGE: report_check_options; or options->id is given, and the path gives several outputs; or
 * the ids would be too long. Other errors: those of media_probe.
 * With options->ids, distinct files with one identity get the ids ID, ID#2, ID#3 …, unless the user chose the ids.
 * Files are distinct if the first files of their media are on different devices or have different inodes.
 * Fills ret in any case; the caller calls reports_fini. */
MUST_USE int report_measure(const char *path, const struct report_options *options, struct reports *ret,
                            struct err *err);
/* Checks that media can be measured at all, before what takes long is begun. -ERR_MISSING names the package to install.
 * -ERR_DESCRIPTORS, -ERR_MEMORY: not now. */
MUST_USE int report_check_module(struct err *err);
/* Makes the event of an output that failed: identity from path and start, time from the end, no measures. With
 * options->id or id_prefix the id is that one, "#failed-" and the start, because a later try that succeeds is another
 * event. */
MUST_USE int report_failure(const char *path, struct timespec started, struct timespec ended,
                            const struct report_options *options, struct report *ret, struct err *err);

/* All but REPORT_SPOOLED are answers of a server; agent/outbox.h gives REPORT_SPOOLED. */
enum report_outcome { REPORT_STORED, REPORT_DUPLICATE, REPORT_CONFLICT, REPORT_REJECTED, REPORT_SPOOLED };
const char *report_outcome_name(enum report_outcome outcome);

/* The line that a command prints for an output, without a line end: "NAME: h264 1280x720 20.000 s, stored, id ID", and
 * "…, stored, source SOURCE, id ID" if the source is not "file". The outcome of a repeat is always "the same output as
 * before". The caller frees it; never NULL. */
char *report_line(const struct report *report, enum report_outcome outcome);

#define REPORT_REASON_MAX 512 /* the longest reason of an answer, and its NUL */
/* True if an event was rejected only because the server has no such project, or because the token is not for it: the
 * same event may be stored later, or by another token. */
bool report_lacks_project(enum report_outcome outcome, const char *reason);
/* What the user can do about such an event in the spool: a sentence without its end, in the imperative. */
const char *report_project_advice(const char *reason);
#define REPORT_TRIES 4
/* Sends an event, up to `tries` times while the server cannot be reached or is busy. Between them it waits 3.5 s in all,
 * or as long as the server asks for (Retry-After), at most 5 s in all: if the server asks for more, it gives up at once. 0: *ret_outcome is set, and
 * ret_reason (may be empty) says why the event was not stored. An event that the server cannot read (400, 413, 415)
 * is rejected. -ERR_NETWORK, -ERR_REMOTE, -ERR_STOPPING may pass. -ERR_DENIED: the token or the address is wrong; the
 * event was not judged. */
MUST_USE int report_send(struct client *client, struct str event, int tries, enum report_outcome *ret_outcome,
                         char ret_reason[REPORT_REASON_MAX], struct err *err);

#endif
