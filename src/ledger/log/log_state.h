/* The log's insides, shared by log.c, log_reader.c, log_walk.c and log_recover.c. No other file includes it. */
#ifndef CODECMETER_LEDGER_LOG_LOG_STATE_H
#define CODECMETER_LEDGER_LOG_LOG_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/log/log.h"
#include "ledger/log/segments.h"
#include "ledger/log/syncer.h"

struct log {
  char *data; /* the data directory */
  char *dir;  /* DATA/log */
  uint64_t segment_size;
  struct segments *segments;
  _Atomic uint64_t end; /* position after the last block; readers of any thread read it */
  uint64_t synced;
  struct syncer *syncer; /* NULL until the first use */
  bool broken;           /* a write or sync failed: the log accepts no more blocks */
  bool read_only;
};

#endif
