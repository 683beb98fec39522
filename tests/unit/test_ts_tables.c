/* Tables of transport streams that are made here: programs, their maps, and codecs that change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "media/ts_tables.h"

#define MAP 0x1000
#define VIDEO 0x100

struct step {
  unsigned map; /* the PID that carries the map; 0: the table of programs, which names MAP */
  uint8_t type; /* of VIDEO */
  const char *format;    /* of a registration descriptor; or NULL */
  size_t before;         /* bytes of a descriptor of the program: a long table spans packets */
  bool is_damaged, is_later; /* later: it does not apply yet */
};

struct table {
  const char *name;
  struct step steps[4];
  const char *before, *after; /* NULL: nothing changes */
};

static uint32_t crc_of(const uint8_t *bytes, size_t len) {
  uint32_t rest = 0xFFFFFFFF;
  for (size_t i = 0; i < len * 8; i++) {
    bool bit = (bytes[i / 8] >> (7 - i % 8) & 1) != 0, top = rest >> 31 != 0;
    rest = rest << 1 ^ (bit != top ? 0x04C11DB7 : 0);
  }
  return rest;
}

static size_t make_section(const struct step *step, uint8_t *out) {
  size_t len = 8;
  memset(out, 0, 1024);
  out[0] = step->map == 0 ? 0 : 2;
  out[5] = step->is_later ? 0xC0 : 0xC1;
  if (step->map == 0) {
    memcpy(out + len, "\0\1\xF0\0", 4);
    len += 4;
  } else {
    out[8] = 0xE1;
    out[10] = (uint8_t)(0xF0 | step->before >> 8);
    out[11] = (uint8_t)step->before;
    len = 12 + step->before;
    out[len++] = step->type;
    out[len++] = 0xE0 | VIDEO >> 8;
    out[len++] = VIDEO & 0xFF;
    out[len++] = 0xF0;
    out[len++] = step->format != NULL ? 6 : 0;
    if (step->format != NULL) {
      out[len++] = 5;
      out[len++] = 4;
      memcpy(out + len, step->format, 4);
      len += 4;
    }
  }
  out[1] = (uint8_t)(0xB0 | (len + 1) >> 8);
  out[2] = (uint8_t)(len + 1);
  uint32_t crc = crc_of(out, len) ^ step->is_damaged;
  for (int shift = 24; shift >= 0; shift -= 8)
    out[len++] = (uint8_t)(crc >> shift);
  return len;
}

static void send(struct ts_tables *tables, const struct step *step) {
  uint8_t section[1024];
  size_t len = make_section(step, section), at = 0;
  for (bool is_first = true; is_first || at < len; is_first = false) {
    uint8_t packet[188];
    memset(packet, 0xFF, sizeof packet);
    size_t head = is_first ? 5 : 4, take = len - at < 188 - head ? len - at : 188 - head;
    packet[0] = 0x47;
    packet[1] = (uint8_t)((is_first ? 0x40 : 0) | step->map >> 8);
    packet[2] = (uint8_t)step->map;
    packet[3] = 0x10;
    if (is_first) packet[4] = 0;
    memcpy(packet + head, section + at, take);
    at += take;
    ts_tables_see(tables, packet);
  }
}

static void test_tables(void **state) {
  (void)state;
  static const struct table tables[] = {
      {"no map", {{.map = 0}}, NULL, NULL},
      {"damaged", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = MAP, .type = 0x24, .is_damaged = true}}, NULL, NULL},
      {"not yet", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = MAP, .type = 0x24, .is_later = true}}, NULL, NULL},
      {"a PID that is no map", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = 0x20, .type = 0x24}}, NULL, NULL},
      {"the same", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = MAP, .type = 0x1B}}, NULL, NULL},
      {"MPEG-1 and MPEG-2", {{.map = 0}, {.map = MAP, .type = 1}, {.map = MAP, .type = 2}}, NULL, NULL},
      {"two names of one", {{.map = 0}, {.map = MAP, .type = 0x24}, {.map = MAP, .type = 6, .format = "HEVC"}}, NULL, NULL},
      {"unknown in between", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = MAP, .type = 0x99}, {.map = MAP, .type = 0x1B}}, NULL, NULL},
      {"changed", {{.map = 0}, {.map = MAP, .type = 0x1B}, {.map = MAP, .type = 0x24}}, "h264", "hevc"},
      {"changed and back", {{.map = 0}, {.map = MAP, .type = 2}, {.map = MAP, .type = 0x10}, {.map = MAP, .type = 2}}, "mpeg2video", "mpeg4"},
      {"by a descriptor", {{.map = 0}, {.map = MAP, .type = 6, .format = "HEVC"}, {.map = MAP, .type = 6, .format = "AV01"}}, "hevc", "av1"},
      {"over packets", {{.map = 0}, {.map = MAP, .type = 0x1B, .before = 400}, {.map = MAP, .type = 0x24, .before = 176}}, "h264", "hevc"},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    struct ts_tables *ts = ts_tables_new();
    size_t count = 0;
    for (size_t step = 0; step < 4 && (step == 0 || tables[i].steps[step].map != 0); step++)
      send(ts, &tables[i].steps[step]);
    const struct ts_change *changes = ts_tables_changes(ts, &count);
    if (count != (tables[i].before != NULL)) fail_msg("%s: %zu changes", tables[i].name, count);
    if (count == 1) {
      assert_int_equal(changes[0].pid, VIDEO);
      assert_string_equal(changes[0].before, tables[i].before);
      assert_string_equal(changes[0].after, tables[i].after);
    }
    ts_tables_free(ts);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
