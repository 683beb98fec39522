/* Builds the renditions of a list: finds the files that it names, and joins their spans. hls.c and dash.c share this. */
#ifndef CODECMETER_MEDIA_SEGMENTS_H
#define CODECMETER_MEDIA_SEGMENTS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"
#include "media/list.h"

#define SEGMENTS_MAX 1000000    /* of a list, in all its renditions */
#define SEGMENTS_MISSING_MAX 1000 /* then the reader looks no further */
#define SEGMENT_NAME_MAX 4096   /* as of a path; it also bounds the work on a name */
#define RENDITIONS_MAX 1000     /* also bounds the lists that a master playlist names */

/* A list that is being read. */
struct segments {
  const char *path; /* absolute; borrowed from the caller of hls_read or dash_read */
  struct list *list;
  GHashTable *known; /* the strings of list->parts, borrowed */
  size_t count;      /* segments so far */
  size_t stretches;  /* so far */
  size_t name_bytes; /* of the segments' paths */
  bool has_left_out; /* sound, subtitles, key pictures */
  bool is_unfinished; /* a rendition's writer has not ended it: `unfinished` says so */
  struct err unfinished;
  enum media_refusal refusal; /* of the first rendition that is not usable */
  bool is_refused; /* as a whole: `fault` says why */
  struct err fault;
  enum media_refusal fault_refusal;
  struct err trouble; /* the first error that may pass and that no result returned; its code is ERR_NONE if there was none */
};
/* Adds the list itself to the parts. Caller frees with segments_fini, which leaves the list. */
void segments_init(struct segments *all, const char *path, struct list *ret);
void segments_fini(struct segments *all);
/* Adds an absolute path without links. False: it is known already. */
bool segments_add_part(struct segments *all, const char *path);
/* Keeps a fault of the whole list, the first one only. segments_end returns it. */
void segments_note(struct segments *all, const struct err *fault, enum media_refusal refusal);
/* Drops renditions that play the same as an earlier one, and decides what hls_read or dash_read returns: an error that
 * may pass, if one hid from the reader whether a file is there. */
MUST_USE int segments_end(struct segments *all, struct err *err);

/* True if a list of codecs (RFC 6381: "mp4a.40.2, wvtt") names at least one, and only sound and subtitles. */
bool segments_are_no_video(struct str codecs);

/* Bytes of a file; size 0: to its end. */
struct range {
  uint64_t offset, size;
};

struct found {
  char *path; /* absolute, without links */
  char *name; /* as it was found: the address, or the address decoded */
  struct stat st;
};
void found_fini(struct found *found);

/* A rendition that is being built. Its first fault does not end the building, because the parts behind it are wanted
 * too. */
struct making {
  struct segments *all;
  char *label; /* what messages start with */
  char *base;  /* the directory of relative addresses, with its slash */
  bool only_parts; /* it is no output; nothing but its files matters */
  struct rendition rendition;
  bool is_broken; /* rendition.why says why */
  enum media_refusal refusal;
  size_t missing;        /* files that were not found */
  bool is_joint;         /* the next segment begins a stretch */
  struct stretch period; /* what a new stretch plays of its media: from_us, plays_us, slack_us */
  struct media_span init; /* of what follows; path NULL: none */
  struct found init_file;
  char *last_address;    /* of the last file that was found */
  struct found last;
};
/* name: becomes rendition.name. list: the file that names the segments. */
void making_init(struct making *making, struct segments *all, const char *name, const char *list, bool only_parts);
void making_fini(struct making *making);

/* Takes the result of a step: an error becomes the reason why the rendition is not usable. 0 is returned for a fault of the
 * list (-ERR_MEDIA), any other error as it is. A refusal of a higher value replaces one of a lower. */
MUST_USE int making_note(struct making *making, int result, enum media_refusal refusal, struct err *err);

/* Finds the file of an address and adds it to the parts. The result is valid until the next call. -ERR_MEDIA: it is
 * elsewhere, missing, or no regular file. */
MUST_USE int making_find(struct making *making, struct str address, const struct found **ret, struct err *err);
/* These two may be told by an error that may pass that nothing is there. Then segments_end returns that error, unless the
 * rendition is no output. */
/* True if a file is there that is not one of the list's parts so far: a segment that the list left out. */
bool making_has_unlisted(const struct making *making, struct str name);
/* Examines the file of an address; false if no file has it. ret: found_fini in any case. */
bool making_look(const struct making *making, struct str address, struct found *ret);

/* Sets the init segment of what follows; a changed one begins a stretch. An empty address: what follows has no init segment. */
MUST_USE int making_set_init(struct making *making, struct str address, struct range range, struct err *err);
MUST_USE int making_add(struct making *making, struct str address, struct range range, struct err *err);
/* These two say why a list is refused: it is only the end of an output; it has too many segments. kind: "playlist" or "manifest".
 * first: the name of the first segment. */
MUST_USE int making_fail_end(const struct making *making, const char *kind, struct str first, struct err *err);
MUST_USE int making_fail_count(const struct making *making, struct err *err);
/* True if the list has as many segments, or misses as many, as the reader looks at. */
bool making_is_over(const struct making *making);
/* True if the first segment begins within a file, so that media before it are not played. */
bool making_begins_within(const struct making *making);
/* Ends the rendition and adds it to the list, which takes its memory. */
void making_end(struct making *making);

/* Reads a whole list with a NUL behind it, without a byte order mark. -ERR_MEDIA also if it is larger than 64 MiB or
 * not a regular file. */
MUST_USE int segments_read_text(const char *path, struct buf *ret, struct err *err);

#endif
