/* A record of usage in memory: what one finished (or failed) task reports, or what takes one back, checked and
 * canonical.
 *
 * Made by ingest from an event, kept by the ledger, compared when the same identity comes again. Texts are borrowed.
 * Source: design §4.
 */
#ifndef CODECMETER_METER_USAGE_H
#define CODECMETER_METER_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
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

#define PIXELS_MAX 65535

/* The values stand on disk: never renumber. Unresolved is a finished transcode of which somebody has yet to say what
 * it is (a codec, a size, a duration); it counts nothing, and does not take the identity that it will have. */
enum usage_kind { USAGE_TRANSCODE = 1, USAGE_REMUX = 2, USAGE_SNAPSHOT = 3, USAGE_VOID = 4, USAGE_UNRESOLVED = 5 };
enum usage_outcome { USAGE_FINISHED = 1, USAGE_FAILED = 2 };

struct usage {
  /* identity: counts once, for ever */
  struct str project, source, id;
  enum usage_kind kind;
  enum usage_outcome outcome;
  struct str codec;        /* canonical; empty when not stated (only failed tasks, remuxes, snapshots) */
  uint16_t width, height;  /* 0 when not stated */
  bool has_amount;         /* amount was stated: always for finished tasks */
  uint64_t amount;         /* milliseconds of a transcode or remux, images of a snapshot */
  enum tier tier;          /* of a finished transcode, fixed when it arrived; otherwise TIER_LOW */
  int64_t finished_ms;     /* Unix ms; when it arrived, if finish_stated is false */
  bool finish_stated;
  int64_t arrived_ms;      /* Unix ms */
  /* descriptive: never compared; empty or false when absent */
  bool has_created;
  int64_t created_ms;
  union {
    struct {
      struct str task_id; /* empty: the same as id */
      struct str src_url, dest_name, dest_bucket, format;
    };
    /* of a void: the record of its project that counts no more, and who says so */
    struct {
      struct str target_source; /* SOURCE_MAX */
      struct str reason;        /* VOID_REASON_MAX, as src_url */
      struct str target_id;     /* EVENT_ID_MAX */
      struct str actor;         /* VOID_ACTOR_MAX; who it was, as the report says */
      struct str token;         /* id of the token with which it was reported */
    };
  };
};
_Static_assert(VOID_REASON_MAX == SRC_URL_MAX && SOURCE_MAX == TASK_ID_MAX && EVENT_ID_MAX == DEST_MAX &&
                   VOID_ACTOR_MAX == DEST_MAX,
               "whoever bounds the one bounds the other");

/* What a finished task adds to its cell; all zero for a failed one, and for a void. */
struct usage_count {
  uint64_t units;   /* seconds of a transcode or remux, images of a snapshot */
  uint64_t minutes; /* billable; 0 for snapshots */
  uint64_t tasks;
};
struct usage_count usage_count(const struct usage *usage);

/* Fields in which two reports of one identity contradict each other; 0 when the later is a plain duplicate. What
 * either left out is not compared; finish times only when both stated one. */
enum usage_field {
  USAGE_FIELD_KIND = 1 << 0,
  USAGE_FIELD_OUTCOME = 1 << 1,
  USAGE_FIELD_CODEC = 1 << 2,
  USAGE_FIELD_WIDTH = 1 << 3,
  USAGE_FIELD_HEIGHT = 1 << 4,
  USAGE_FIELD_AMOUNT = 1 << 5,
  USAGE_FIELD_TIME = 1 << 6,
  USAGE_FIELD_TARGET = 1 << 7,
};
unsigned usage_differences(const struct usage *first, const struct usage *later);
/* Measures that a finished transcode must have, and that this one lacks. */
unsigned usage_missing(const struct usage *usage);

/* Appends the names, "codec, duration_ms" (image_count for snapshots); kind and outcome both read "type". */
void usage_field_names(unsigned fields, enum usage_kind kind, struct buf *out);

/* "transcode.finished" …, "usage.voided", and back; false for any other text, and for "transcode.unresolved". */
const char *usage_type_name(enum usage_kind kind, enum usage_outcome outcome);
MUST_USE bool usage_type_parse(struct str type, enum usage_kind *ret_kind, enum usage_outcome *ret_outcome);

#endif
