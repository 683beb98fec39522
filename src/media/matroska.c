/* The walk visits the elements of level 1 (Clusters, Cues, Tags …) by their sizes. It goes into a Cluster only if
 * that has no size, as in files that are written live; then the blocks lead to the next Cluster.
 *
 * What is truncated. Blocks of video are in Clusters. A Segment ends with Cues and Tags, so a file that is cut within
 * these has all of its video. Where exactly between two Clusters a Segment of known size is cut cannot be seen, so
 * it is cut if Clusters are what was seen last.
 *
 *   at the end of the reel             Segment has a size        live
 *   within a Cluster or its blocks     is_cut                    is_cut
 *   within Cues, Tags … after Clusters nothing                   nothing
 *   between elements, after a Cluster  is_cut                    nothing: live files end anywhere
 */
#include "media/matroska.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "media/window.h"

#define PARTS_MAX 4096
#define HEADER_MAX 12 /* an identifier of 4 bytes, a size of 8 */

enum element_id {
  ID_EBML = 0x1A45DFA3,
  ID_DOCTYPE = 0x4282,
  ID_SEGMENT = 0x18538067,
  ID_SEEK_HEAD = 0x114D9B74,
  ID_INFO = 0x1549A966,
  ID_TRACKS = 0x1654AE6B,
  ID_CLUSTER = 0x1F43B675,
  ID_CUES = 0x1C53BB6B,
  ID_ATTACHMENTS = 0x1941A469,
  ID_CHAPTERS = 0x1043A770,
  ID_EDITION = 0x45B9,
  ID_ORDERED = 0x45DD,
  ID_TAGS = 0x1254C367,
};

struct element {
  uint32_t id;
  uint64_t start, body, end;
  bool is_open; /* of unknown size; `end` is the end of the reel */
  bool is_cut;  /* goes beyond the end of the reel, which is `end` */
};

struct reading {
  struct window window;
  uint64_t size;
  struct matroska *matroska;
};

static bool is_level_one(uint32_t id) {
  return id == ID_SEEK_HEAD || id == ID_INFO || id == ID_TRACKS || id == ID_CLUSTER || id == ID_CUES ||
         id == ID_ATTACHMENTS || id == ID_CHAPTERS || id == ID_TAGS;
}

static int damaged(uint64_t position, const char *what, struct err *err) {
  return err_set(err, ERR_MEDIA, "the element at byte %llu %s; the file is damaged", (unsigned long long)position,
                 what);
}

/* Length of a number by its first byte: 1 to 8; 9 if it has none. */
static unsigned number_length(unsigned char first) {
  unsigned len = 1;
  while (len <= 8 && (first & (0x80U >> (len - 1))) == 0)
    len++;
  return len;
}

/* ret_found false: the reel ends within the header. */
static int read_element(struct reading *reading, uint64_t position, struct element *ret, bool *ret_found,
                        struct err *err) {
  uint64_t left = reading->size - position;
  size_t take = left < HEADER_MAX ? (size_t)left : HEADER_MAX;
  const char *bytes;
  *ret_found = false;
  int result = take > 0 ? window_view(&reading->window, position, take, &bytes, err) : 0;
  if (result != 0 || take == 0) return result;
  const unsigned char *head = (const unsigned char *)bytes;
  unsigned id_len = number_length(head[0]);
  if (id_len > 4) return damaged(position, "has no identifier", err);
  if (take <= id_len) return 0;
  unsigned size_len = number_length(head[id_len]);
  if (size_len > 8) return damaged(position, "has no size", err);
  if (take < id_len + size_len) return 0;
  struct element element = {.start = position, .body = position + id_len + size_len};
  for (unsigned i = 0; i < id_len; i++)
    element.id = element.id << 8 | head[i];
  uint64_t size = head[id_len] & (0xffU >> size_len), unknown = (UINT64_C(1) << (7 * size_len)) - 1;
  for (unsigned i = 1; i < size_len; i++)
    size = size << 8 | head[id_len + i];
  element.is_open = size == unknown;
  element.is_cut = !element.is_open && size > reading->size - element.body;
  element.end = element.is_open || element.is_cut ? reading->size : element.body + size;
  *ret = element;
  *ret_found = true;
  return 0;
}

/* The next child, from a position on. Not found at the end of the parent. */
static int read_child(struct reading *reading, const struct element *parent, uint64_t position, struct element *ret,
                      bool *ret_found, struct err *err) {
  *ret_found = false;
  if (position >= parent->end) return 0;
  int result = read_element(reading, position, ret, ret_found, err);
  if (result != 0 || !*ret_found) return result;
  bool fits = !ret->is_open && !ret->is_cut && ret->end <= parent->end;
  return fits ? 0 : damaged(position, "is longer than the element around it", err);
}

/* A number of up to 8 bytes. */
static int read_unsigned(struct reading *reading, const struct element *element, uint64_t *ret, struct err *err) {
  uint64_t len = element->end - element->body, value = 0;
  const char *bytes;
  if (len > 8) return damaged(element->start, "is longer than a number", err);
  int result = window_view(&reading->window, element->body, (size_t)len, &bytes, err);
  for (uint64_t i = 0; result == 0 && i < len; i++)
    value = value << 8 | (unsigned char)bytes[i];
  if (result == 0) *ret = value;
  return result;
}

/* ---- what elements say ---- */

static int read_edition(struct reading *reading, const struct element *edition, struct matroska_part *part,
                        struct err *err) {
  struct element child = {.end = edition->body};
  bool found = true;
  uint64_t flag = 0;
  int result = 0;
  while (result == 0 && found) {
    result = read_child(reading, edition, child.end, &child, &found, err);
    if (result == 0 && found && child.id == ID_ORDERED) result = read_unsigned(reading, &child, &flag, err);
  }
  if (result == 0 && flag != 0) part->is_ordered = true;
  return result;
}

static int read_chapters(struct reading *reading, const struct element *chapters, struct matroska_part *part,
                         struct err *err) {
  struct element child = {.end = chapters->body};
  bool found = true;
  int result = 0;
  while (result == 0 && found) {
    result = read_child(reading, chapters, child.end, &child, &found, err);
    if (result == 0 && found && child.id == ID_EDITION) result = read_edition(reading, &child, part, err);
  }
  return result;
}

/* ---- Clusters and Segments ---- */

static void cut(struct matroska *matroska, const char *what) {
  matroska->is_cut = true;
  matroska->cut_what = what;
}

/* Finds the end of a Cluster without a size: the first element that cannot be in it. */
static int pass_open_cluster(struct reading *reading, struct element *cluster, struct err *err) {
  struct element child = {.end = cluster->body};
  bool found = true;
  while (true) {
    uint64_t position = child.end;
    int result = read_element(reading, position, &child, &found, err);
    if (result != 0) return result;
    if (!found || is_level_one(child.id) || child.id == ID_EBML || child.id == ID_SEGMENT) {
      cluster->end = found ? position : reading->size;
      return 0;
    }
    if (child.is_open) return damaged(position, "has no size", err);
    if (child.is_cut) cut(reading->matroska, "Block");
  }
}

static int see_element(struct reading *reading, struct element *element, struct matroska_part *part,
                       struct err *err) {
  if (element->id == ID_CLUSTER) {
    part->clusters++;
    if (element->is_cut) cut(reading->matroska, "Cluster");
    return element->is_open ? pass_open_cluster(reading, element, err) : 0;
  }
  if (element->is_open) return damaged(element->start, "has no size", err);
  if (element->is_cut) {
    if (part->clusters == 0) cut(reading->matroska, "Segment");
    return 0;
  }
  return element->id == ID_CHAPTERS ? read_chapters(reading, element, part, err) : 0;
}

/* Moves segment->end to where the Segment's elements end. */
static int read_segment(struct reading *reading, struct element *segment, struct matroska_part *part,
                        struct err *err) {
  struct element element = {.end = segment->body};
  bool found = true, ends_with_cluster = true;
  while (element.end < segment->end) {
    uint64_t position = element.end;
    int result = read_element(reading, position, &element, &found, err);
    if (result != 0) return result;
    if (!found) break;
    bool is_next = element.id == ID_EBML || element.id == ID_SEGMENT;
    if (is_next && !segment->is_open) return damaged(position, "begins another file within this one", err);
    if (is_next) {
      segment->end = position;
      return 0;
    }
    result = see_element(reading, &element, part, err);
    if (result != 0) return result;
    if (is_level_one(element.id)) ends_with_cluster = element.id == ID_CLUSTER || part->clusters == 0;
  }
  if (element.end > segment->end) segment->end = element.end;
  if (segment->is_cut && ends_with_cluster && !reading->matroska->is_cut) cut(reading->matroska, "Segment");
  return 0;
}

/* ---- the whole ---- */

static int is_header(struct reading *reading, const struct element *ebml, bool *ret, struct err *err) {
  struct element child = {.end = ebml->body};
  bool found = true;
  const char *bytes;
  *ret = false;
  while (true) {
    int result = read_child(reading, ebml, child.end, &child, &found, err);
    if (result != 0 || !found) return result;
    uint64_t len = child.end - child.body;
    if (child.id != ID_DOCTYPE || len > 16) continue;
    result = window_view(&reading->window, child.body, (size_t)len, &bytes, err);
    if (result != 0) return result;
    struct str type = str_make(bytes, (size_t)len);
    while (type.len > 0 && type.ptr[type.len - 1] == '\0')
      type.len--;
    *ret = str_equal(type, STR("matroska")) || str_equal(type, STR("webm"));
    return 0;
  }
}

static int add_part(struct reading *reading, uint64_t start, struct element *segment, struct err *err) {
  struct matroska *matroska = reading->matroska;
  if (matroska->count == PARTS_MAX) return err_set(err, ERR_MEDIA, "it has more than %d Segments", PARTS_MAX);
  struct matroska_part *part = &matroska->parts[matroska->count++];
  part->start = start;
  int result = read_segment(reading, segment, part, err);
  part->end = segment->end;
  return result;
}

/* Bytes behind the last Segment that are no element do no harm. */
static int walk(struct reading *reading, struct err *err) {
  struct element element = {.end = 0};
  uint64_t start = 0;
  bool found = true;
  while (element.end < reading->size) {
    struct err why;
    uint64_t position = element.end;
    int result = read_element(reading, position, &element, &found, &why);
    if (result == -ERR_MEDIA && reading->matroska->count > 0) return 0;
    if (result != 0) return err_set(err, why.code, "%s", why.text);
    if (!found) return 0;
    if (element.id == ID_EBML) start = position;
    if (element.id == ID_SEGMENT) {
      result = add_part(reading, start, &element, err);
      start = element.end;
    } else if (element.is_open) {
      return reading->matroska->count > 0 ? 0 : damaged(position, "has no size", err);
    }
    if (result != 0) return result;
  }
  return 0;
}

int matroska_read(struct reel *reel, struct matroska *ret, struct err *err) {
  struct reading *reading = &(struct reading){.size = reel_size(reel), .matroska = ret};
  struct element ebml;
  bool found;
  char head[4];
  size_t got = 0;
  *ret = (struct matroska){.is_matroska = false};
  int result = reel_read(reel, 0, head, sizeof head, &got, err);
  if (result != 0 || got < sizeof head || be32_load(head) != ID_EBML) return result;
  window_init(&reading->window, reel, WINDOW_HEADERS);
  result = read_element(reading, 0, &ebml, &found, err);
  if (result == 0 && found && !ebml.is_open && !ebml.is_cut)
    result = is_header(reading, &ebml, &ret->is_matroska, err);
  if (result == 0 && ret->is_matroska) {
    ret->parts = calloc(PARTS_MAX, sizeof *ret->parts);
    CHECK(ret->parts != NULL);
    result = walk(reading, err);
  }
  window_fini(&reading->window);
  return result;
}

void matroska_fini(struct matroska *matroska) {
  free(matroska->parts);
  *matroska = (struct matroska){.is_matroska = false};
}
