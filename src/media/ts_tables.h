/* Follows the tables of a transport stream (ISO/IEC 13818-1, 2.4.4): which codec each PID carries, and whether that changes, as in
 * recordings that were joined. Pure: no libav. */
#ifndef CODECMETER_MEDIA_TS_TABLES_H
#define CODECMETER_MEDIA_TS_TABLES_H

#include <stddef.h>
#include <stdint.h>

#define TS_CHANGES_MAX 64 /* PIDs of which a change is kept */

/* The first change of a PID's video codec. */
struct ts_change {
  unsigned pid;
  const char *before, *after; /* libavcodec's names; static */
};

struct ts_tables;
struct ts_tables *ts_tables_new(void);
void ts_tables_free(struct ts_tables *tables); /* NULL is allowed */
/* packet: 188 bytes from the sync byte on. A table with a wrong checksum is ignored. */
void ts_tables_see(struct ts_tables *tables, const uint8_t *packet);
/* Borrowed until the next call of ts_tables_see. */
const struct ts_change *ts_tables_changes(const struct ts_tables *tables, size_t *ret_count);

#endif
