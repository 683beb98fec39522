/* What the ledger says of a report. */
#ifndef CODECMETER_LEDGER_VERDICT_H
#define CODECMETER_LEDGER_VERDICT_H

#include "meter/codec.h"
#include "meter/usage.h"

enum verdict_outcome { VERDICT_STORED, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_REJECTED };

enum verdict_reason {
  VERDICT_REASON_NONE,
  VERDICT_REASON_CONTENT,    /* conflict: `fields` names the fields that differ */
  VERDICT_REASON_NO_PROJECT, /* rejected: the project does not exist */
  VERDICT_REASON_CODECS,     /* rejected: the project has CODEC_OTHERS_MAX names that are not known already */
  VERDICT_REASON_NO_TARGET,  /* rejected: a void whose target does not exist */
  VERDICT_REASON_WAITS,      /* rejected: a void whose target is unresolved */
  VERDICT_REASON_VOID,       /* rejected: a void whose target is a void */
  VERDICT_REASON_VOIDED,     /* duplicate: a void whose target was voided before */
  VERDICT_REASON_RESOLVES,   /* stored: a relayed report that completes an unresolved record */
};

/* What a conflict says of the first report: as in struct usage. */
struct verdict_first {
  enum usage_kind kind;
  enum usage_outcome outcome;
  char codec[CODEC_NAME_MAX + 1];
  bool has_amount;
  uint16_t width, height;
  uint64_t amount;
  int64_t finished_ms;
  struct frame_rate frame_rate;
  char quality[QUALITY_MAX + 1], region[REGION_MAX + 1];
  uint16_t passes;
  bool has_input_duration;
  uint64_t input_duration_ms;
};

struct verdict {
  enum verdict_outcome outcome;
  enum verdict_reason reason;
  unsigned fields;            /* of a conflict: enum usage_field bits; otherwise 0 */
  struct verdict_first first; /* of a conflict; otherwise undefined */
};

#endif
