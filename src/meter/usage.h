/* A record of usage in memory: the report of one finished or failed task, or a void of such a report. It is checked
 * and canonical.
 *
 * Ingest makes it from an event, the ledger keeps it and compares it with later reports of the same identity. Texts
 * are borrowed. Source: design §4.
 */
#ifndef CODECMETER_METER_USAGE_H
#define CODECMETER_METER_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "meter/frame_rate.h"
#include "meter/tier.h"

/* Bounds, in bytes. */
#define PROJECT_ID_MAX 64
#define SOURCE_MAX 256
#define EVENT_ID_MAX 256
#define TASK_ID_MAX 256
#define SRC_URL_MAX 1024
#define DEST_MAX 256 /* dest_name, dest_bucket, format */
#define VOID_REASON_MAX 1024
#define VOID_ACTOR_MAX 256

#define QUALITY_MAX 32
#define REGION_MAX 32
#define USAGE_TOKEN_MAX 32

#define PIXELS_MAX 65535
#define PASSES_MAX 65535

/* The values are stored on disk: never renumber. An unresolved record is a finished transcode that still lacks a
 * measure (a codec, a size, a duration). It counts nothing, and does not yet use up its identity. */
enum usage_kind {
  USAGE_TRANSCODE = 1,
  USAGE_REMUX = 2,
  USAGE_SNAPSHOT = 3,
  USAGE_VOID = 4,
  USAGE_UNRESOLVED = 5,
  USAGE_AUDIO = 6,
};
/* True for work that was done: a task, finished or failed. False for a void and for an unresolved record. */
bool usage_is_task(enum usage_kind kind);
/* All kinds of tasks: those that totals have. */
#define USAGE_TASK_KINDS 4
extern const enum usage_kind usage_task_kinds[USAGE_TASK_KINDS];
enum usage_outcome { USAGE_FINISHED = 1, USAGE_FAILED = 2 };

struct usage {
  /* identity: counts once, for ever */
  struct str project, source, id;
  enum usage_kind kind;
  enum usage_outcome outcome;
  struct str codec;        /* canonical; empty if not stated (only failed tasks, remuxes, snapshots) */
  uint16_t width, height;  /* 0 if not stated */
  bool has_amount;         /* amount was stated: always for finished tasks */
  uint64_t amount;         /* milliseconds; images of a snapshot */
  enum tier tier;          /* of a finished transcode, decided when it arrives; otherwise TIER_LOW */
  int64_t finished_ms;     /* Unix ms; if finish_stated is false, when it arrived, or its notice (keeper.h) */
  bool finish_stated;
  bool is_relayed;         /* made from a service's notice or job list (adapt/); not stored */
  int64_t arrived_ms;      /* Unix ms */
  /* measures that prices may depend on; empty or 0 if not stated */
  struct frame_rate frame_rate;
  struct str quality, region; /* QUALITY_MAX, REGION_MAX */
  uint16_t passes;
  bool has_input_duration;
  uint64_t input_duration_ms;
  /* what the report said beside; never compared */
  struct str codec_reported; /* the codec as it arrived; empty if that was the canonical name */
  struct str labels;         /* meter/labels.h; empty: none */
  struct str token;          /* id of the token that reported it; empty if not known */
  /* descriptive: never compared; empty or false if absent */
  bool has_created;
  int64_t created_ms;
  union {
    struct {
      struct str task_id; /* empty: the same as id */
      struct str src_url, dest_name, dest_bucket, format;
    };
    /* of a void: the record of the same project that it voids, and who wanted that */
    struct {
      struct str target_source; /* SOURCE_MAX */
      struct str reason;        /* VOID_REASON_MAX bytes, like src_url */
      struct str target_id;     /* EVENT_ID_MAX */
      struct str actor;         /* VOID_ACTOR_MAX; who voided it, as the report says */
    };
  };
};
_Static_assert(VOID_REASON_MAX == SRC_URL_MAX && SOURCE_MAX == TASK_ID_MAX && EVENT_ID_MAX == DEST_MAX &&
                   VOID_ACTOR_MAX == DEST_MAX,
               "both members of the union have the same bound");

/* What a finished task adds to its cell. All zero for a failed task and for a void. */
struct usage_count {
  uint64_t units;   /* seconds; images of a snapshot */
  uint64_t minutes; /* billable; 0 for snapshots */
  uint64_t tasks;
};
struct usage_count usage_count(const struct usage *usage);

/* Sums are modulo 2^64. One part of a ledger (a delta) may hold a void, and another part the task that it voids. The
 * first part then has a negative sum, as 2^64 minus its size; adding the other part gives the right sum. The sum of
 * a whole ledger never reaches 2^64: that needs 2^33 snapshots of the most images (EVENT_IMAGES_MAX), or 2^39 tasks of
 * the longest duration (DURATION_MS_MAX). */
static inline void usage_count_add(struct usage_count *sum, const struct usage_count *more) {
  sum->units += more->units;
  sum->minutes += more->minutes;
  sum->tasks += more->tasks;
}
static inline struct usage_count usage_count_negative(const struct usage_count *count) {
  return (struct usage_count){.units = 0 - count->units, .minutes = 0 - count->minutes, .tasks = 0 - count->tasks};
}
static inline bool usage_count_is_zero(const struct usage_count *count) {
  return count->units == 0 && count->minutes == 0 && count->tasks == 0;
}

/* A service's notice and its job list name different instants for one finish: when the notice was sent, when the job
 * ended. Times of a relayed report that are no further apart than this do not contradict each other. */
#define USAGE_RELAY_SLACK_MS INT64_C(300000)

/* The fields in which two reports of one identity contradict each other; 0 if the later one is a plain duplicate. A
 * field that either report leaves out is not compared; finish times are compared only if both reports state one, and
 * with USAGE_RELAY_SLACK_MS if the later report is relayed. */
enum usage_field {
  USAGE_FIELD_KIND = 1 << 0,
  USAGE_FIELD_OUTCOME = 1 << 1,
  USAGE_FIELD_CODEC = 1 << 2,
  USAGE_FIELD_WIDTH = 1 << 3,
  USAGE_FIELD_HEIGHT = 1 << 4,
  USAGE_FIELD_AMOUNT = 1 << 5,
  USAGE_FIELD_TIME = 1 << 6,
  USAGE_FIELD_TARGET = 1 << 7,
  USAGE_FIELD_FRAME_RATE = 1 << 8,
  USAGE_FIELD_QUALITY = 1 << 9,
  USAGE_FIELD_REGION = 1 << 10,
  USAGE_FIELD_PASSES = 1 << 11,
  USAGE_FIELD_INPUT_DURATION = 1 << 12,
};
unsigned usage_differences(const struct usage *first, const struct usage *later);
/* The measures in which a complete report contradicts the unresolved record that it would complete; 0 if it agrees.
 * Types and times are not compared: the record is unresolved because its notice did not say what the output is, and it
 * has not counted on any day. */
unsigned usage_resolution_differences(const struct usage *waiting, const struct usage *later);
/* The measures that a finished transcode must have and this one lacks. */
unsigned usage_missing(const struct usage *usage);

/* Appends the names of fields: "codec, duration_ms" (image_count for snapshots). Kind and outcome are both "type". */
void usage_field_names(unsigned fields, enum usage_kind kind, struct buf *out);

/* Appends " h264 1280x720 20.033 s", or as much of it as the record states; nothing if it states nothing. */
void usage_measures(const struct usage *usage, struct buf *out);

/* Appends both values of each of these fields: "codec: stored h264, reported h265; width: stored 1280, reported 640".
 * If the types differ, it describes both records instead of what they measure: "stored as a transcode (h264 1280x720
 * 20.033 s), reported as a remux (20.033 s)". At most USAGE_CONTRAST_MAX bytes; JSON
 * must escape none of them but what quality and region hold. Reads
 * of `first` only the fields that are compared. fields is what usage_differences found. */
#define USAGE_CONTRAST_MAX 768
void usage_contrast(const struct usage *first, const struct usage *later, unsigned fields, struct buf *out);

/* The name of a type: "transcode.finished" …, "usage.voided". The reverse; false for any other text, and for
 * "transcode.unresolved". */
const char *usage_type_name(enum usage_kind kind, enum usage_outcome outcome);
MUST_USE bool usage_type_parse(struct str type, enum usage_kind *ret_kind, enum usage_outcome *ret_outcome);

#endif
