/* Breaks of the clock in transport streams that are made here, packet by packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "media/ts.h"

#define PACKETS 8
#define NO_PCR -1
#define SECOND 90000
#define TOP (INT64_C(1) << 33)

struct table {
  const char *name;
  size_t before, after;  /* bytes around each packet */
  size_t cut;            /* bytes that are left away at the end */
  int64_t pcr[PACKETS];  /* 90 kHz */
  unsigned flags;        /* bit i: packet i has the discontinuity flag */
  unsigned other;        /* bit i: packet i is of another PID */
  int is_ts, has_pcr, ends_within;
  int breaks[4];         /* numbers of packets; ends with 0 */
};

static size_t make_packet(const struct table *table, int i, uint8_t *out) {
  memset(out, 0xFF, table->before + 188 + table->after);
  uint8_t *packet = out + table->before;
  packet[0] = 0x47;
  packet[1] = 0x01;
  packet[2] = (table->other >> i & 1) != 0 ? 0x01 : 0x00;
  packet[3] = 0x30;
  packet[4] = 7;
  packet[5] = (table->flags >> i & 1) != 0 ? 0x80 : 0;
  if (table->pcr[i] != NO_PCR) {
    uint64_t pcr = (uint64_t)table->pcr[i];
    packet[5] |= 0x10;
    packet[6] = (uint8_t)(pcr >> 25);
    packet[7] = (uint8_t)(pcr >> 17);
    packet[8] = (uint8_t)(pcr >> 9);
    packet[9] = (uint8_t)(pcr >> 1);
    packet[10] = (uint8_t)((pcr & 1) << 7 | 0x7E);
  }
  return table->before + 188 + table->after;
}

static void check(const struct table *table) {
  char path[] = "/tmp/test_ts.XXXXXX";
  uint8_t bytes[PACKETS * 204];
  size_t len = 0, packet = table->before + 188 + table->after;
  int fd = mkstemp(path);
  for (int i = 0; i < PACKETS; i++)
    len += make_packet(table, i, bytes + len);
  len -= table->cut;
  assert_true(write(fd, bytes, len) == (ssize_t)len);
  const struct media_span span = {.path = path, .size = len};
  struct reel *reel = reel_open(NULL, &span, 1);
  struct ts ts;
  struct err err;
  int result = ts_scan(reel, &ts, &err);
  if (result != 0 || ts.is_ts != table->is_ts || ts.has_pcr != table->has_pcr || ts.ends_within_packet != table->ends_within)
    fail_msg("%s: result %d, is_ts %d, has_pcr %d, ends_within_packet %d", table->name, result, ts.is_ts, ts.has_pcr,
             ts.ends_within_packet);
  size_t count = 0;
  for (; table->breaks[count] != 0; count++) {
    uint64_t right = (uint64_t)table->breaks[count] * packet + table->before;
    if (count >= ts.breaks.count || ts.breaks.items[count].position != right) fail_msg("%s: break %zu is missing", table->name, count);
  }
  if (ts.breaks.count != count) fail_msg("%s: %zu breaks", table->name, ts.breaks.count);
  ts_fini(&ts);
  reel_close(reel);
  (void)close(fd);
  (void)unlink(path);
}

#define STEADY {0, 9000, 18000, 27000, 36000, 45000, 54000, 63000}

static void test_tables(void **state) {
  (void)state;
  const struct table tables[] = {
      {"odd bytes", 1, 0, 0, STEADY, 0, 0, false, false, false, {0}},
      {"cut in a packet", 0, 0, 100, STEADY, 0, 0, true, true, true, {0}},
      {"steady", 0, 0, 0, STEADY, 0, 0, true, true, false, {0}},
      {"M2TS", 4, 0, 0, STEADY, 0, 0, true, true, false, {0}},
      {"with checksums", 0, 16, 0, STEADY, 0, 0, true, true, false, {0}},
      {"no PCR", 0, 0, 0, {-1, -1, -1, -1, -1, -1, -1, -1}, 0, 0, true, false, false, {0}},
      {"a step of 1 s", 0, 0, 0, {0, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND}, 0, 0, true, true, false, {0}},
      {"a step of more", 0, 0, 0, {0, 0, SECOND + 1, SECOND + 1, SECOND + 1, SECOND + 1, SECOND + 1, SECOND + 1},
       0, 0, true, true, false, {2}},
      {"a step back", 0, 0, 0, {500, 500, 500, 499, 499, 499, 499, 499}, 0, 0, true, true, false, {3}},
      {"M2TS, two steps", 4, 0, 0, {500, 500, 500, 499, 499, 499, 499, SECOND * 3}, 0, 0, true, true, false, {3, 7}},
      {"a flag", 0, 0, 0, STEADY, 1 << 4, 0, true, true, false, {4}},
      {"a flag without PCR", 0, 0, 0, {0, -1, 9000, -1, 18000, -1, 27000, -1}, 1 << 3, 0, true, true, false, {0}},
      {"two clocks", 0, 0, 0, {0, SECOND * 9, 9000, SECOND * 9, 18000, SECOND * 9, 27000, SECOND * 9},
       0, 0xAA, true, true, false, {0}},
      {"the clock wraps", 0, 0, 0, {TOP - 9000, 0, 9000, 18000, 27000, 36000, 45000, 54000}, 0, 0, true, true, false, {0}},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    check(&tables[i]);
}

/* A PID that carries other streams too. */
static void test_kinds(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint8_t ids[PACKETS]; /* the stream_ids of PES packets on one PID; 0: the packet begins none */
    bool is_reassigned;
  } cases[] = {
      {"then sound", {0xE0, 0xE0, 0, 0xC0}, true},
      {"then sound, the last number", {0xEF, 0xDF}, true},
      {"sound, then video", {0xC0, 0xE0}, true},
      {"then AC-3 or subtitles", {0xE0, 0xE0, 0xBD}, true},
      {"then metadata", {0xE0, 0xFC}, true},
      {"padding, then sound", {0xE0, 0xBE, 0xC0}, true},
      {"one video", {0xE0, 0, 0xE0, 0xEF}, false},
      {"padding", {0xE0, 0xBE, 0xE0, 0xBE}, false},
      {"private_stream_2", {0xE0, 0xBF, 0xE0}, false},
      {"a map, ECM, EMM, DSM-CC, a directory", {0xE0, 0xBC, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF, 0xE0}, false},
      {"an extended stream_id, as of VC-1", {0xE0, 0xFD, 0xE0, 0xFD}, false},
      {"MPEG-4 in SL or FlexMux packets", {0xE0, 0xFA, 0xFB, 0xE0}, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t bytes[PACKETS * 188];
    memset(bytes, 0xFF, sizeof bytes);
    for (size_t j = 0; j < PACKETS; j++) {
      uint8_t *packet = bytes + j * 188;
      const uint8_t begin[8] = {0x47, 0x41, 0, 0x10, 0, 0, 1, cases[i].ids[j]}, inner[4] = {0x47, 0x01, 0, 0x10};
      if (cases[i].ids[j] != 0) memcpy(packet, begin, sizeof begin);
      else memcpy(packet, inner, sizeof inner);
    }
    char path[] = "/tmp/test_ts.XXXXXX";
    int fd = mkstemp(path);
    assert_true(write(fd, bytes, sizeof bytes) == sizeof bytes);
    const struct media_span span = {.path = path, .size = sizeof bytes};
    struct reel *reel = reel_open(NULL, &span, 1);
    struct ts ts;
    struct err err;
    assert_int_equal(ts_scan(reel, &ts, &err), 0);
    if (!ts.is_ts || ts.is_reassigned != cases[i].is_reassigned) fail_msg("%s: %d", cases[i].name, ts.is_reassigned);
    ts_fini(&ts);
    reel_close(reel);
    (void)close(fd);
    (void)unlink(path);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables), cmocka_unit_test(test_kinds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
