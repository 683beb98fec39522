/* Each PID with a PCR has a clock of its own, because a stream may carry several programs. A leap of a program that is
 * not measured does no harm: clock.c breaks only where the video's own times step too.
 */
#include "media/ts.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/zeros.h"

#define SYNC 0x47
#define PACKET TS_PACKET
#define PIDS 8192
#define HEAD_PACKETS 5             /* in a row with a sync byte: a transport stream */
#define CHUNK ((size_t)204 * 1024) /* a multiple of all three packet sizes is not needed: packets are kept whole below */
#define PCR_NONE UINT64_MAX
#define PCR_MASK ((UINT64_C(1) << 33) - 1)
#define PCR_STEP_MAX TS_CLOCK
#define PRIVATE_STREAM_1 0xBD /* AC-3, subtitles */
#define METADATA_STREAM 0xFC

struct scan {
  struct reel *reel;
  struct ts *ts;
  uint64_t zeros; /* in a row, where a packet must begin */
  uint64_t last[PIDS]; /* the PCR's base, 90 kHz */
  uint8_t kinds[PIDS]; /* what its PES packets carry: 0 not known, 1 video, 2 something else */
};

void ts_fini(struct ts *ts) {
  ts_tables_free(ts->tables);
  ts->tables = NULL;
  vector_fini(&ts->breaks);
}

/* The size of the packets that begin at the first byte, and the position of the first sync byte; 0: there are none. */
static uint64_t find_packets(const uint8_t *head, size_t len, uint64_t *ret_first) {
  static const struct {
    size_t size, sync;
  } kinds[] = {{188, 0}, {192, 4}, {204, 0}};
  for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
    size_t size = kinds[kind].size, seen = 0;
    for (size_t at = kinds[kind].sync; at < len && head[at] == SYNC; at += size)
      seen++;
    bool is_whole = seen > 0 && (seen >= HEAD_PACKETS || kinds[kind].sync + seen * size >= len);
    if (!is_whole) continue;
    *ret_first = kinds[kind].sync;
    return size;
  }
  return 0;
}

/* A recording may begin within a packet, or behind other data. Few packets are not enough there. */
static uint64_t search_packets(const uint8_t *head, size_t len, uint64_t *ret_first) {
  uint64_t size = find_packets(head, len, ret_first);
  for (size_t at = 1; size == 0 && at + 204 * (HEAD_PACKETS + 1) <= len; at++) {
    size = find_packets(head + at, 204 * (HEAD_PACKETS + 1), ret_first);
    *ret_first += at;
  }
  return size;
}

static int add_break(struct scan *scan, uint64_t position, int64_t step, bool is_flagged, struct err *err) {
  struct ts *ts = scan->ts;
  if (ts->breaks.count == TS_BREAKS_MAX)
    return err_set(err, ERR_MEDIA, "its clock leaps more than %zu times", TS_BREAKS_MAX);
  *vector_must_add(&ts->breaks) = (struct ts_break){position, step, is_flagged};
  return 0;
}

static int64_t difference(uint64_t now, uint64_t before) {
  uint64_t step = (now - before) & PCR_MASK;
  return step > PCR_MASK / 2 ? (int64_t)step - (int64_t)PCR_MASK - 1 : (int64_t)step;
}

/* What a PES packet carries, by its stream_id (ISO/IEC 13818-1, table 2-22): 1 video; 2 sound, subtitles or data; 0 either, as
 * the extended stream_id of VC-1 and of some sound, or nothing of its own, as padding and private_stream_2, which may be among
 * the video's packets. */
static uint8_t kind_of(uint8_t stream_id) {
  if (stream_id >= 0xE0 && stream_id <= 0xEF) return 1;
  bool is_sound = stream_id >= 0xC0 && stream_id <= 0xDF;
  return is_sound || stream_id == PRIVATE_STREAM_1 || stream_id == METADATA_STREAM ? 2 : 0;
}

/* A PES packet begins with 00 00 01 and its stream_id. */
static void see_kind(struct scan *scan, const uint8_t *packet) {
  bool begins = packet[0] == SYNC && (packet[1] & 0x40) != 0 && (packet[3] & 0x10) != 0;
  unsigned pid = (unsigned)(packet[1] & 0x1F) << 8 | packet[2];
  size_t at = 4 + ((packet[3] & 0x20) != 0 ? 1 + (size_t)packet[4] : 0);
  if (!begins || at + 4 > PACKET || memcmp(packet + at, "\x00\x00\x01", 3) != 0) return;
  uint8_t kind = kind_of(packet[at + 3]);
  if (kind == 0) return;
  if (scan->kinds[pid] != 0 && scan->kinds[pid] != kind) scan->ts->is_reassigned = true;
  scan->kinds[pid] = kind;
}

static int see_packet(struct scan *scan, const uint8_t *packet, uint64_t position, struct err *err) {
  unsigned pid = (unsigned)(packet[1] & 0x1F) << 8 | packet[2], length = packet[4];
  bool has_adaptation = packet[0] == SYNC && (packet[3] & 0x20) != 0 && length > 0 && length <= PACKET - 5;
  if (!has_adaptation) return 0;
  bool is_flagged = (packet[5] & 0x80) != 0, has_pcr = (packet[5] & 0x10) != 0 && length >= 7;
  if (!has_pcr) return 0;
  uint64_t pcr = (uint64_t)packet[6] << 25 | (uint64_t)packet[7] << 17 | (uint64_t)packet[8] << 9 |
                 (uint64_t)packet[9] << 1 | packet[10] >> 7;
  uint64_t before = scan->last[pid];
  scan->last[pid] = pcr;
  scan->ts->has_pcr = true;
  if (before == PCR_NONE) return 0;
  int64_t step = difference(pcr, before);
  return is_flagged || step < 0 || step > PCR_STEP_MAX ? add_break(scan, position, step, is_flagged, err) : 0;
}

/* A damaged stream may lose its step: the next sync byte is searched then. */
static int see_chunk(struct scan *scan, const uint8_t *chunk, size_t len, uint64_t position, size_t *ret_used,
                     struct err *err) {
  size_t at = 0;
  int result = 0;
  while (result == 0 && at + PACKET <= len) {
    if (chunk[at] != SYNC) {
      scan->zeros = chunk[at] == 0 ? scan->zeros + 1 : 0;
      scan->ts->has_zeros |= scan->zeros > ZEROS_MAX;
      at++;
      continue;
    }
    scan->zeros = 0;
    ts_tables_see(scan->ts->tables, chunk + at);
    see_kind(scan, chunk + at);
    result = see_packet(scan, chunk + at, position + at, err);
    at += scan->ts->packet_size;
  }
  *ret_used = at;
  return result;
}

/* Where the sync byte is in a packet: behind the time of 4 bytes, if there is one. */
static uint64_t sync_of(uint64_t packet_size) { return packet_size == 192 ? 4 : 0; }

static int scan_all(struct scan *scan, uint8_t *chunk, uint64_t first, struct err *err) {
  uint64_t position = first, size = reel_size(scan->reel);
  int result = 0;
  while (result == 0 && position + PACKET <= size) {
    size_t got = 0, used = 0;
    result = reel_read(scan->reel, position, chunk, CHUNK, &got, err);
    if (result == 0) result = see_chunk(scan, chunk, got, position, &used, err);
    position += used;
  }
  return result;
}

int ts_scan(struct reel *reel, struct ts *ret, struct err *err) {
  *ret = (struct ts){.is_ts = false};
  uint8_t *chunk = malloc(CHUNK);
  struct scan *scan = malloc(sizeof *scan);
  CHECK(chunk != NULL && scan != NULL);
  size_t got = 0;
  uint64_t first = 0;
  *scan = (struct scan){.reel = reel, .ts = ret};
  memset(scan->last, 0xFF, sizeof scan->last);
  int result = reel_read(reel, 0, chunk, CHUNK, &got, err);
  if (result == 0) ret->packet_size = search_packets(chunk, got, &first);
  ret->is_ts = ret->packet_size != 0;
  if (ret->is_ts) {
    ret->tables = ts_tables_new();
    uint64_t zeros = 0, rest = (reel_size(reel) - (first - sync_of(ret->packet_size))) % ret->packet_size;
    result = zeros_at_end(reel, &zeros, err);
    ret->ends_within_packet = zeros < rest; /* no packet begins with a zero: these are padding */
    if (result == 0) result = scan_all(scan, chunk, first, err);
  }
  free(scan);
  free(chunk);
  return result;
}
