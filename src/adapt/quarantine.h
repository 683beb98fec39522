/* The quarantine: notices that were answered, although the adapter's script failed on them. Each waits on disk until
 * a later script reads it, or a person gives it up. For users: docs/operations.md, "The quarantine".
 *
 * A directory `quarantine` in the data directory holds a file for each notice, ID.notice:
 *
 *   codecmeter quarantine 1 SHA256      the format, and the digest of all that follows
 *   {"adapter":…,"project":…,…}         a line of JSON: what came beside the body, and why the script failed
 *   …                                   the body, as it was sent
 *
 * The id is made from what the notice is: adapter, project, the URL's source, id and time, and body. So a notice that
 * is sent again is kept once, and no text of a sender is part of a path. A file is written whole under another name,
 * synced, and renamed.
 */
#ifndef CODECMETER_ADAPT_QUARANTINE_H
#define CODECMETER_ADAPT_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/vector.h"

#define QUARANTINE_ID_SIZE 33 /* with NUL */

struct quarantine_notice {
  struct str adapter;
  struct str project, source, id, time; /* what the URL said; empty if it did not */
  struct str token;                     /* id of the token that sent it */
  struct str token_project;             /* the token's project; empty: it is for all */
  struct str projects_zone;             /* zone of the projects that its outputs create; empty: they create none */
  int64_t arrived_ms;                   /* Unix ms */
  struct str reason;                    /* why the script failed */
  struct str body;
};

/* Writes the id. */
void quarantine_id(const struct quarantine_notice *notice, char ret[QUARANTINE_ID_SIZE]);
/* True if a text has the form of an id. */
bool quarantine_is_id(struct str text);
/* Appends the content of the notice's file. */
void quarantine_encode(const struct quarantine_notice *notice, struct buf *out);

/* ---- the server's: bounded, any thread ---- */

struct quarantine;
struct quarantine_options {
  const char *dir;       /* DATA; borrowed */
  uint64_t notices_max;  /* most notices */
  uint64_t bytes_max;    /* most bytes of their files */
  uint64_t disk_reserve; /* free bytes of the disk below which nothing is kept; UINT64_MAX: no reserve */
};

/* Removes what a killed process left half written, and counts what is there. The first notice that is kept makes the
 * directory. */
MUST_USE int quarantine_open(const struct quarantine_options *options, struct quarantine **ret, struct err *err);
void quarantine_close(struct quarantine *quarantine);
SCOPED_REF(struct quarantine, quarantine_close)

struct quarantine_status {
  uint64_t notices, bytes;
};
void quarantine_status(struct quarantine *quarantine, struct quarantine_status *ret);

/* Keeps a notice, given its id and content; it is on disk when this returns 0. If the same notice is there already,
 * that one stays. -ERR_FULL: a bound is reached, or the disk is full or below its reserve. -ERR_IO and others of its
 * kind: it was not kept. After any error the same notice may be sent again. One thread at a time. */
MUST_USE int quarantine_keep(struct quarantine *quarantine, const char *id, struct str content, struct err *err);
/* Replaces the reason of a notice that is there. -ERR_NOT_FOUND. */
MUST_USE int quarantine_set_reason(struct quarantine *quarantine, const char *id,
                                   const struct quarantine_notice *notice, struct err *err);
/* Removes a notice for good; it is gone from the disk when this returns 0. -ERR_NOT_FOUND. */
MUST_USE int quarantine_drop(struct quarantine *quarantine, const char *id, struct err *err);

/* ---- reading: any process, while a server runs or not ---- */

/* A notice that was read from its file. */
struct quarantine_file {
  struct buf content;
  struct arena *arena;
  struct quarantine_notice notice; /* its texts live in the two above; JSON_PADDING bytes behind its body */
};
void quarantine_file_fini(struct quarantine_file *file);

/* Reads a notice. -ERR_NOT_FOUND: no notice has this id. -ERR_CORRUPT: the file is damaged; the text names it.
 * -ERR_VERSION: a later version wrote it. The caller calls quarantine_file_fini in any case; *ret is empty before. */
MUST_USE int quarantine_read(const char *data, const char *id, struct quarantine_file *ret, struct err *err);

struct quarantine_entry {
  char id[QUARANTINE_ID_SIZE];
  const char *adapter, *project, *reason; /* project: of the URL, else of the token */
  int64_t arrived_ms;
  uint64_t bytes; /* of the body */
};
struct quarantine_list {
  struct arena *arena;
  VECTOR(struct quarantine_entry); /* the oldest first */
  size_t damaged;
};
void quarantine_list_fini(struct quarantine_list *list);

/* Lists the notices of a data directory or a backup. Calls `differs` with a line about each file that it skips: one
 * that cannot be read, or that does not belong to a quarantine. The caller calls quarantine_list_fini in any case; *ret is
 * empty before. It is no error if there is no quarantine. */
MUST_USE int quarantine_list(const char *data, void (*differs)(void *arg, const char *line), void *arg,
                             struct quarantine_list *ret, struct err *err);

#endif
