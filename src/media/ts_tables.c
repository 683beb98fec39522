/* A section may span packets, so its bytes are gathered for each PID that carries tables. A stream with more such PIDs than
 * there is room for has its other programs ignored: start codes tell of them too (stream_codec.c).
 */
#include "media/ts_tables.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define PACKET 188
#define PIDS 8192
#define SECTION_MAX 1024
#define GATHERED_MAX 32
#define PAT 0
#define PMT 2
#define REGISTRATION 5

struct gathered {
  unsigned pid;
  size_t len; /* 0: no section has begun */
  uint8_t bytes[SECTION_MAX];
};

struct ts_tables {
  bool is_map[PIDS];       /* carries a program's map */
  const char *codec[PIDS]; /* NULL: not known, or no video */
  struct gathered gathered[GATHERED_MAX];
  size_t gathered_count;
  struct ts_change changes[TS_CHANGES_MAX];
  size_t change_count;
};

struct ts_tables *ts_tables_new(void) {
  struct ts_tables *tables = calloc(1, sizeof *tables);
  CHECK(tables != NULL);
  return tables;
}

void ts_tables_free(struct ts_tables *tables) { free(tables); }

const struct ts_change *ts_tables_changes(const struct ts_tables *tables, size_t *ret_count) {
  *ret_count = tables->change_count;
  return tables->changes;
}

static uint32_t be(const uint8_t *bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; i++)
    value = value << 8 | bytes[i];
  return value;
}

/* ---- codecs ---- */

/* Writers confuse MPEG-1 and MPEG-2, so both are one here: start codes tell which it is. */
static const char *codec_of_type(uint8_t type) {
  static const struct {
    uint8_t type;
    const char *codec;
  } types[] = {
      {0x01, "mpeg2video"}, {0x02, "mpeg2video"}, {0x10, "mpeg4"}, {0x1B, "h264"}, {0x20, "h264"}, {0x21, "jpeg2000"}, {0x24, "hevc"},
      {0x33, "vvc"},        {0x42, "cavs"},       {0xD1, "dirac"}, {0xD2, "avs2"}, {0xD4, "avs3"}, {0xEA, "vc1"},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].type == type) return types[i].codec;
  }
  return NULL;
}

/* A private stream says by a descriptor what it is. */
static const char *codec_of_descriptors(const uint8_t *bytes, size_t len) {
  static const struct {
    char format[5];
    const char *codec;
  } formats[] = {{"HEVC", "hevc"}, {"AV01", "av1"}, {"VC-1", "vc1"}, {"drac", "dirac"}, {"BBCD", "dirac"}, {"VP09", "vp9"}};
  for (size_t at = 0; at + 2 <= len && at + 2 + bytes[at + 1] <= len; at += 2 + bytes[at + 1]) {
    if (bytes[at] != REGISTRATION || bytes[at + 1] < 4) continue;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
      if (memcmp(bytes + at + 2, formats[i].format, 4) == 0) return formats[i].codec;
    }
  }
  return NULL;
}

static void see_stream(struct ts_tables *tables, unsigned pid, const char *codec) {
  const char *before = tables->codec[pid];
  if (codec == NULL) return;
  tables->codec[pid] = codec;
  if (before == NULL || strcmp(before, codec) == 0 || tables->change_count == TS_CHANGES_MAX) return;
  for (size_t i = 0; i < tables->change_count; i++) {
    if (tables->changes[i].pid == pid) return;
  }
  tables->changes[tables->change_count++] = (struct ts_change){pid, before, codec};
}

/* ---- sections ---- */

/* Checked over the whole section, the remainder is 0. */
static bool is_whole(const uint8_t *section, size_t len) {
  uint32_t rest = 0xFFFFFFFF;
  for (size_t i = 0; i < len; i++) {
    rest ^= (uint32_t)section[i] << 24;
    for (int bit = 0; bit < 8; bit++)
      rest = (rest & 0x80000000) != 0 ? rest << 1 ^ 0x04C11DB7 : rest << 1;
  }
  return rest == 0;
}

static void see_programs(struct ts_tables *tables, const uint8_t *section, size_t len) {
  for (size_t at = 8; at + 4 <= len; at += 4) {
    if (be(section + at, 2) != 0) tables->is_map[be(section + at + 2, 2) & 0x1FFF] = true;
  }
}

static void see_map(struct ts_tables *tables, const uint8_t *section, size_t len) {
  size_t at = len >= 12 ? 12 + (be(section + 10, 2) & 0xFFF) : len;
  while (at + 5 <= len) {
    unsigned pid = be(section + at + 1, 2) & 0x1FFF;
    size_t more = be(section + at + 3, 2) & 0xFFF;
    if (at + 5 + more > len) return;
    const char *codec = codec_of_type(section[at]);
    see_stream(tables, pid, codec != NULL ? codec : codec_of_descriptors(section + at + 5, more));
    at += 5 + more;
  }
}

static void see_section(struct ts_tables *tables, unsigned pid, const uint8_t *section, size_t len) {
  bool is_programs = pid == 0 && section[0] == PAT, is_map = pid != 0 && section[0] == PMT;
  bool is_now = len >= 12 && (section[5] & 1) != 0;
  if ((!is_programs && !is_map) || !is_now || !is_whole(section, len)) return;
  if (is_programs)
    see_programs(tables, section, len - 4);
  else
    see_map(tables, section, len - 4);
}

/* ---- packets ---- */

static struct gathered *gathered_of(struct ts_tables *tables, unsigned pid) {
  for (size_t i = 0; i < tables->gathered_count; i++) {
    if (tables->gathered[i].pid == pid) return &tables->gathered[i];
  }
  if (tables->gathered_count == GATHERED_MAX) return NULL;
  struct gathered *gathered = &tables->gathered[tables->gathered_count++];
  gathered->pid = pid;
  return gathered;
}

/* Adds bytes to the section that has begun, and sees those that become whole. Stuffing (0xFF) ends them. */
static void gather(struct ts_tables *tables, struct gathered *gathered, const uint8_t *bytes, size_t len) {
  size_t room = SECTION_MAX - gathered->len, take = len < room ? len : room, at = 0;
  memcpy(gathered->bytes + gathered->len, bytes, take);
  gathered->len += take;
  while (gathered->len - at >= 3 && gathered->bytes[at] != 0xFF) {
    size_t size = 3 + (be(gathered->bytes + at + 1, 2) & 0xFFF);
    if (size > gathered->len - at) break;
    see_section(tables, gathered->pid, gathered->bytes + at, size);
    at += size;
  }
  bool is_over = at < gathered->len && gathered->bytes[at] == 0xFF;
  memmove(gathered->bytes, gathered->bytes + at, gathered->len - at);
  gathered->len = is_over || gathered->len == SECTION_MAX ? 0 : gathered->len - at;
}

static void see_payload(struct ts_tables *tables, struct gathered *gathered, bool begins, const uint8_t *bytes, size_t len) {
  size_t before = begins && len > 0 ? bytes[0] : len, skip = begins ? 1 : 0;
  if (before + skip > len) return;
  if (gathered->len > 0) gather(tables, gathered, bytes + skip, before);
  if (!begins) return;
  gathered->len = 0;
  gather(tables, gathered, bytes + skip + before, len - skip - before);
}

void ts_tables_see(struct ts_tables *tables, const uint8_t *packet) {
  unsigned pid = be(packet + 1, 2) & 0x1FFF;
  bool has_payload = (packet[3] & 0x10) != 0, is_broken = (packet[1] & 0x80) != 0;
  if ((pid != 0 && !tables->is_map[pid]) || !has_payload || is_broken) return;
  size_t at = 4 + ((packet[3] & 0x20) != 0 ? 1 + (size_t)packet[4] : 0);
  struct gathered *gathered = at < PACKET ? gathered_of(tables, pid) : NULL;
  if (gathered != NULL) see_payload(tables, gathered, (packet[1] & 0x40) != 0, packet + at, PACKET - at);
}
