/* Scans the packets of an MPEG transport stream (ISO/IEC 13818-1) for places where its clock leaps. Pure: no libav. */
#ifndef CODECMETER_MEDIA_TS_H
#define CODECMETER_MEDIA_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vector.h"
#include "media/reel.h"
#include "media/ts_tables.h"

/* A place where the clock leaps: a packet with a discontinuity flag for the clock, or whose PCR steps back or by more than
 * 1 s from the one before of the same PID. */
struct ts_break {
  uint64_t position; /* in the reel */
  int64_t step;      /* of the PCR, 1/90000 s */
  bool is_flagged;
};

struct ts {
  bool is_ts;          /* false: its head holds no packets in a row, and nothing else is set */
  bool has_pcr;
  bool ends_within_packet;
  bool is_reassigned;   /* a PID carries video in one part and something else in another: recordings that were joined */
  bool has_zeros;       /* more than ZEROS_MAX zeros in a row where a packet must begin */
  struct ts_tables *tables; /* NULL: it is no transport stream */
  uint64_t packet_size; /* 188, 192 with a time before each packet, 204 with a checksum behind it */
  VECTOR(struct ts_break) breaks; /* ascending positions; at most TS_BREAKS_MAX: then the clock's value means nothing
                                   * anyway, and the scan ends */
};
#define TS_CLOCK 90000  /* a second */
#define TS_PACKET 188   /* bytes */
#define TS_BREAKS_MAX ((size_t)1 << 20)
void ts_fini(struct ts *ts);
/* -ERR_IO, -ERR_MEDIA: as of reel_read. -ERR_MEDIA also with more breaks than TS_BREAKS_MAX. The caller calls ts_fini in
 * any case. */
MUST_USE int ts_scan(struct reel *reel, struct ts *ret, struct err *err);

#endif
