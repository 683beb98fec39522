/* Records of the log, as bytes: docs/format.md, section "Record". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/log/block.h"
#include "ledger/log/record_fields.h"

#define T0 INT64_C(1600000000000)
#define HASH "1:00112233445566778899aabbccddeeff"
#define UUID "00112233-4455-6677-8899-aabbccddeeff"

static struct usage plain(void) {
  return (struct usage){.kind = USAGE_TRANSCODE, .outcome = USAGE_FINISHED, .project = STR("org-a"), .source = STR("farm"),
                        .id = STR("id"), .codec = STR("h264"), .width = 1280, .height = 720, .tier = TIER_MEDIUM,
                        .has_amount = true, .amount = 20033, .finished_ms = T0, .finish_stated = true, .arrived_ms = T0 + 1};
}

static bool texts_equal(const struct usage *a, const struct usage *b) {
  struct str left[RECORD_NAMES], right[RECORD_NAMES];
  record_usage_names(a, left);
  record_usage_names(b, right);
  for (size_t i = 0; i < RECORD_NAMES; i++) {
    if (!str_equal(left[i], right[i])) return false;
  }
  return str_equal(a->id, b->id) && str_equal(a->task_id, b->task_id) && str_equal(a->src_url, b->src_url) &&
         str_equal(a->dest_name, b->dest_name) && str_equal(a->dest_bucket, b->dest_bucket);
}

static bool numbers_equal(const struct usage *a, const struct usage *b) {
  return a->kind == b->kind && a->outcome == b->outcome && a->tier == b->tier && a->width == b->width &&
         a->height == b->height && a->has_amount == b->has_amount && a->amount == b->amount &&
         a->finished_ms == b->finished_ms && a->finish_stated == b->finish_stated && a->arrived_ms == b->arrived_ms &&
         a->has_created == b->has_created && a->created_ms == b->created_ms && a->passes == b->passes &&
         a->frame_rate.numerator == b->frame_rate.numerator && a->frame_rate.denominator == b->frame_rate.denominator &&
         a->is_relayed == b->is_relayed && a->has_input_duration == b->has_input_duration && a->input_duration_ms == b->input_duration_ms;
}

static char longest[1024];
static char all_labels[LABELS_SIZE_MAX];

static struct str most_labels(void) {
  struct label labels[LABELS_MAX];
  static const char *const names[LABELS_MAX] = {"h", "g", "f", "e", "d", "c", "b", "a0123456789012345678901234567_89"};
  for (size_t i = 0; i < LABELS_MAX; i++) labels[i] = (struct label){str_of(names[i]), str_make(longest, LABEL_VALUE_MAX)};
  size_t len;
  assert_true(labels_encode(labels, LABELS_MAX, all_labels, &len));
  return str_make(all_labels, len);
}

/* What is written reads back the same, in as many bytes as format.md says. */
static void test_round_trip(void **state) {
  (void)state;
  memset(longest, 'x', sizeof longest);
  struct usage usages[16];
  size_t sizes[16], n = 0;
  usages[n] = plain(), sizes[n++] = 56; /* 40, amount 8, size 4, id 2 + 2 */
  usages[n] = plain(), usages[n].id = STR(UUID), sizes[n++] = 72;
  usages[n] = plain(), usages[n].id = STR(HASH), sizes[n++] = 72;
  usages[n] = plain(), usages[n].id = STR(HASH "#2"), sizes[n++] = 96;
  usages[n] = plain(), usages[n].id = STR("00112233-4455-6677-8899-AABBCCDDEEFF"), sizes[n++] = 96;
  usages[n] = plain(), usages[n].id = STR("00112233-4455-6677-8899_aabbccddeeff"), sizes[n++] = 96;
  usages[n] = plain(), usages[n].id = STR("2:00112233445566778899aabbccddeeff"), sizes[n++] = 88;
  usages[n] = plain(), usages[n].task_id = STR(UUID), usages[n].src_url = STR(UUID), usages[n].dest_name = STR(HASH),
  usages[n].dest_bucket = STR(UUID), sizes[n++] = 128;
  usages[n] = plain(), usages[n].outcome = USAGE_FAILED, usages[n].has_amount = false, usages[n].amount = 0,
  usages[n].codec = STR(""), usages[n].width = usages[n].height = 0, usages[n].finish_stated = false, sizes[n++] = 48;
  usages[n] = plain(), usages[n].kind = USAGE_AUDIO, usages[n].codec = STR("aac"), sizes[n++] = 56;
  usages[n] = plain(), usages[n].kind = USAGE_SNAPSHOT, usages[n].codec = STR(""), sizes[n++] = 56;
  usages[n] = plain(), usages[n].kind = USAGE_UNRESOLVED, usages[n].has_amount = false, usages[n].amount = 0,
  sizes[n++] = 48;
  usages[n] = (struct usage){.kind = USAGE_VOID, .outcome = USAGE_FINISHED, .project = STR("org-a"), .source = STR("farm"),
                             .id = STR("v"), .target_source = STR("farm"), .target_id = STR(UUID), .reason = STR("wrong"),
                             .actor = STR("me"), .token = STR("0123456789abcdef"), .finished_ms = T0, .arrived_ms = T0};
  sizes[n++] = 80;
  usages[n] = (struct usage){
      .kind = USAGE_TRANSCODE, .outcome = USAGE_FINISHED, .project = str_make(longest, PROJECT_ID_MAX),
      .source = str_make(longest, SOURCE_MAX), .id = str_make(longest, EVENT_ID_MAX), .codec = str_make(longest, CODEC_NAME_MAX),
      .width = PIXELS_MAX, .height = PIXELS_MAX, .has_amount = true, .amount = INT64_C(31622400000), .tier = TIER_SUPER,
      .finished_ms = INT64_MAX, .finish_stated = true, .arrived_ms = INT64_MAX, .frame_rate = {FRAME_RATE_TERM_MAX, FRAME_RATE_TERM_MAX},
      .quality = str_make(longest, QUALITY_MAX), .region = str_make(longest, REGION_MAX), .passes = PASSES_MAX,
      .has_input_duration = true, .input_duration_ms = UINT64_C(31622400000),
      .codec_reported = str_make(longest, CODEC_REPORTED_MAX), .labels = most_labels(),
      .token = str_make(longest, USAGE_TOKEN_MAX), .has_created = true, .created_ms = -1,
      .task_id = str_make(longest, TASK_ID_MAX), .src_url = str_make(longest, SRC_URL_MAX),
      .dest_name = str_make(longest, DEST_MAX), .dest_bucket = str_make(longest, DEST_MAX), .format = str_make(longest, DEST_MAX)};
  sizes[n++] = 2152;
  struct block_writer *writer = block_writer_new();
  assert_non_null(writer);
  for (size_t i = 0; i < n; i++) {
    struct record record;
    struct err err = {0};
    uint64_t position;
    memset(&record, 0xA5, sizeof record); /* every member is filled */
    block_writer_begin(writer, 64, 64, T0);
    assert_int_equal(block_add_usage(writer, &usages[i], &position), 0);
    assert_int_equal(block_writer_record(writer, position, &record, &err), 0);
    if (record.size != sizes[i]) fail_msg("%zu takes %u bytes, not %zu", i, record.size, sizes[i]);
    if (!texts_equal(&usages[i], &record.usage) || !numbers_equal(&usages[i], &record.usage)) fail_msg("%zu differs", i);
  }
  block_writer_free(writer);
}

/* A record of 64 bytes: a usage with id "id" and the flags, and filler behind it that fields may take. */
struct bytes {
  char at[256];
  size_t len;
};

static struct bytes usage_bytes(unsigned type, unsigned kind, uint32_t flags) {
  struct bytes bytes = {.len = 128};
  le32_store(bytes.at, (uint32_t)bytes.len);
  le32_store(bytes.at + 4, 48);
  bytes.at[8] = (char)type;
  bytes.at[9] = (char)kind;
  bytes.at[10] = USAGE_FAILED;
  le32_store(bytes.at + 12, flags);
  le16_store(bytes.at + 32, 0);
  le16_store(bytes.at + 34, 1);
  le16_store(bytes.at + 36, RECORD_NAME_NONE);
  le16_store(bytes.at + 38, RECORD_NAME_NONE);
  le16_store(bytes.at + 40, 2);
  memcpy(bytes.at + 42, "id", 2);
  return bytes;
}

static const struct str names[] = {{.ptr = "org-a", .len = 5}, {.ptr = "farm", .len = 4}, {.ptr = "h264", .len = 4}};

static int decode(const struct bytes *bytes, struct record *ret) {
  struct err err = {0};
  return record_decode(str_make(bytes->at, bytes->len), (struct record_names){names, 3}, ret, &err);
}

static void test_bad_records(void **state) {
  (void)state;
  struct record record;
  struct bytes good = usage_bytes(RECORD_USAGE, USAGE_TRANSCODE, 0), bad;
  assert_int_equal(decode(&good, &record), 0);
  assert_true(record.type == RECORD_USAGE && str_equal(record.usage.id, STR("id")));

#define BAD(change, code)                        \
  do {                                           \
    bad = good;                                  \
    change;                                      \
    assert_int_equal(decode(&bad, &record), code); \
  } while (0)
  BAD(bad.len = 8, -ERR_CORRUPT);
  BAD(le32_store(bad.at, 32), -ERR_CORRUPT);  /* shorter than its fixed part */
  BAD(le32_store(bad.at, 44), -ERR_CORRUPT);  /* not padded */
  BAD(le32_store(bad.at, 136), -ERR_CORRUPT); /* longer than what is there */
  BAD(bad.at[9] = 0, -ERR_CORRUPT);
  BAD(bad.at[9] = USAGE_VOID, -ERR_CORRUPT); /* of another type */
  BAD(bad.at[9] = USAGE_AUDIO + 1, -ERR_CORRUPT);
  BAD(bad.at[10] = 3, -ERR_CORRUPT);
  BAD(bad.at[10] = USAGE_FINISHED, -ERR_CORRUPT); /* without an amount */
  BAD(bad.at[11] = TIERS, -ERR_CORRUPT);
  BAD(bad.at[23] = (char)0x80, -ERR_CORRUPT); /* finished before 1970 */
  BAD(le16_store(bad.at + 32, 3), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 32, RECORD_NAME_NONE), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 34, RECORD_NAME_NONE), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 36, 3), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 38, 3), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 40, 0), -ERR_CORRUPT); /* no id */
  BAD(le16_store(bad.at + 40, 87), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 40, 257), -ERR_CORRUPT);
  BAD(le16_store(bad.at + 40, 32768), -ERR_CORRUPT); /* no shape */
  BAD(le16_store(bad.at + 40, 32771), -ERR_CORRUPT);
  for (unsigned bit = 16; bit < 32; bit++) BAD(le32_store(bad.at + 12, 1u << bit), -ERR_VERSION);
  BAD(le32_store(bad.at + 12, 16), -ERR_CORRUPT);   /* a frame rate whose denominator is 0 */
  BAD(le32_store(bad.at + 12, 128), -ERR_CORRUPT);  /* index 2, then an id of 25705 bytes */
  BAD(bad.at[8] = 14, -ERR_VERSION);
  BAD(bad.at[8] = 16, -ERR_VERSION);
  BAD(bad.at[8] = 19, -ERR_VERSION);
  BAD(bad.at[8] = 127, -ERR_VERSION);
  BAD(bad.at[8] = 0, -ERR_VERSION);
  BAD(bad.at[8] = RECORD_FORMER_USAGE, -ERR_CORRUPT);
#undef BAD
  for (unsigned type = RECORD_SKIPPABLE; type < 256; type++) {
    bad = good;
    bad.at[8] = (char)type;
    assert_int_equal(decode(&bad, &record), 0);
    assert_true(record.type == RECORD_SKIPPED && record.size == 128);
  }
}

/* A text is packed if every character is in its place, and comes back as it was. */
static void test_shapes(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum record_shape shape;
  } shapes[] = {{UUID, SHAPE_UUID}, {HASH, SHAPE_HASH}, {"fedcba98-7654-3210-0f1e-2d3c4b5a6978", SHAPE_UUID}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    const char *text = shapes[i].text;
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
      for (unsigned c = 0; c < 256; c++) {
        char changed[RECORD_SHAPE_MAX], packed[SHAPE_BYTES], out[RECORD_SHAPE_MAX];
        memcpy(changed, text, len);
        changed[at] = (char)c;
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        bool is_fixed = text[at] == '-' || (shapes[i].shape == SHAPE_HASH && at < 2);
        bool fits = is_fixed ? (char)c == text[at] : is_digit;
        enum record_shape shape = shape_pack(str_make(changed, len), packed);
        if (shape != (fits ? shapes[i].shape : SHAPE_NONE)) fail_msg("%s with 0x%x at %zu", text, c, at);
        if (!fits) continue;
        struct str again = shape_unpack(shape, packed, out);
        if (!str_equal(again, str_make(changed, len))) fail_msg("%s, 0x%x at %zu", text, c, at);
      }
    }
  }
  char packed[SHAPE_BYTES];
  const unsigned char bytes[SHAPE_BYTES] = {0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                            0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  assert_int_equal(shape_pack(STR(UUID), packed), SHAPE_UUID);
  assert_memory_equal(packed, bytes, sizeof packed);
  assert_int_equal(shape_pack(STR(HASH), packed), SHAPE_HASH);
  assert_memory_equal(packed, bytes, sizeof packed);
}

/* Each text at each cut of the record: never read beyond it. */
static void test_cut_records(void **state) {
  (void)state;
  struct usage usage = plain();
  usage.id = STR(UUID), usage.task_id = STR("task"), usage.src_url = STR("https://host/a"), usage.frame_rate = (struct frame_rate){25, 1};
  usage.passes = 2, usage.has_input_duration = true, usage.has_created = true;
  struct record_draft draft;
  record_usage_draft(&usage, &draft);
  char whole[256];
  const uint16_t ids[RECORD_NAMES] = {0, 1, 2, RECORD_NAME_NONE, RECORD_NAME_NONE, RECORD_NAME_NONE, RECORD_NAME_NONE,
                                      RECORD_NAME_NONE, RECORD_NAME_NONE};
  assert_true(draft.size <= sizeof whole);
  record_usage_encode(&draft, ids, 48, whole);
  for (size_t cut = 0; cut < draft.size; cut += RECORD_ALIGN) {
    struct record record;
    SCOPED_MALLOC char *copy = malloc(cut + 1); /* so that a sanitizer sees a read beyond it */
    memcpy(copy, whole, cut);
    if (cut >= 4) le32_store(copy, (uint32_t)cut);
    struct err err = {0};
    assert_int_equal(record_decode(str_make(copy, cut), (struct record_names){names, 3}, &record, &err), -ERR_CORRUPT);
  }
}

/* The first bytes of format 1, written out by hand: they are read for ever. */
static void test_former_usage(void **state) {
  (void)state;
  struct bytes bytes = {.len = 72};
  le32_store(bytes.at, 72);
  le32_store(bytes.at + 4, 48);
  bytes.at[8] = 6, bytes.at[9] = USAGE_VOID, bytes.at[10] = USAGE_FINISHED;
  le16_store(bytes.at + 16, 1);
  le16_store(bytes.at + 18, RECORD_NAME_NONE);
  const char *texts = "vfarmididtk"; /* id, source, reason, id, actor, token */
  const uint16_t lengths[] = {1, 4, 0, 2, 0, 1};
  memcpy(bytes.at + 64, texts, 8);
  for (size_t i = 0; i < 6; i++) le16_store(bytes.at + 48 + 2 * i, lengths[i]);
  struct record record;
  assert_int_equal(decode(&bytes, &record), 0);
  assert_true(record.type == RECORD_USAGE && record.usage.kind == USAGE_VOID);
  assert_true(str_equal(record.usage.target_source, STR("farm")) && str_equal(record.usage.target_id, STR("id")));
  assert_true(str_equal(record.usage.token, STR("i")) && record.usage.format.len == 0);
  bytes.at[8] = 1;
  assert_int_equal(decode(&bytes, &record), -ERR_CORRUPT);
  bytes.at[8] = 1, bytes.at[9] = USAGE_AUDIO, bytes.at[10] = USAGE_FAILED;
  assert_int_equal(decode(&bytes, &record), -ERR_CORRUPT); /* format 1 has no sound */
}

static unsigned type_of(const struct record *record) {
  SCOPED(buf_fini) struct buf out = {0};
  record_encode(record, &out);
  struct record again;
  struct err err = {0};
  assert_int_equal(record_decode(buf_view(&out), (struct record_names){0}, &again, &err), 0);
  assert_true(again.type == record->type);
  return (unsigned char)out.ptr[8];
}

/* The catalogue's records take a later type only for what the earlier ones cannot hold. */
static void test_types_of_the_catalogue(void **state) {
  (void)state;
  struct record project = {.type = RECORD_PROJECT, .project = {.id = STR("a"), .name = STR("a"), .zone = STR("UTC")}};
  assert_int_equal(type_of(&project), RECORD_PROJECT);
  project.project.labels[0] = STR("team"), project.project.labels_count = 1;
  assert_int_equal(type_of(&project), RECORD_PROJECT_LABELS);
  struct record token = {.type = RECORD_TOKEN, .token = {.id = STR("t"), .scope = TOKEN_VOID}};
  assert_int_equal(type_of(&token), RECORD_TOKEN);
  token.token.zone = STR("UTC");
  assert_int_equal(type_of(&token), RECORD_TOKEN_ZONE);
  token.token.zone = STR(""), token.token.expires_ms = T0;
  assert_int_equal(type_of(&token), RECORD_TOKEN_MORE);
  token.token.expires_ms = 0, token.token.label = STR("ci");
  assert_int_equal(type_of(&token), RECORD_TOKEN_MORE);
  token.token.label = STR(""), token.token.scope = TOKEN_COPY;
  assert_int_equal(type_of(&token), RECORD_TOKEN_MORE);
}

/* The first 24 bytes decide, before any text is read. */
static void test_unknown_flags(void **state) {
  (void)state;
  static const struct {
    enum record_type type;
    unsigned known;
  } table[] = {
      {RECORD_PROJECT, 1}, {RECORD_PROJECT_LABELS, 1}, {RECORD_ACCOUNT, 0},    {RECORD_KEY, 7},
      {RECORD_TOKEN, 7},   {RECORD_TOKEN_ZONE, 7},     {RECORD_TOKEN_MORE, 7},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    for (unsigned flag = 1; flag < 256; flag <<= 1) {
      struct bytes bytes = {.len = 24};
      struct record record;
      le32_store(bytes.at, 24);
      bytes.at[8] = (char)table[i].type;
      bytes.at[9] = (char)flag;
      int expected = (table[i].known & flag) != 0 ? -ERR_CORRUPT : -ERR_VERSION; /* it has no texts */
      if (decode(&bytes, &record) != expected) fail_msg("type %u, flag %u", table[i].type, flag);
    }
  }
  static const unsigned former[] = {RECORD_FORMER_USAGE, RECORD_FORMER_VOID, RECORD_FORMER_UNRESOLVED};
  for (size_t i = 0; i < sizeof former / sizeof former[0]; i++) {
    for (unsigned flag = 1; flag < 65536; flag <<= 1) {
      struct bytes bytes = {.len = 72};
      struct record record;
      le32_store(bytes.at, 72);
      bytes.at[8] = (char)former[i];
      le16_store(bytes.at + 12, (uint16_t)flag);
      assert_int_equal(decode(&bytes, &record), flag <= 4 ? -ERR_CORRUPT : -ERR_VERSION); /* it has no id */
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_bad_records),
      cmocka_unit_test(test_shapes), cmocka_unit_test(test_cut_records),  cmocka_unit_test(test_former_usage),
      cmocka_unit_test(test_types_of_the_catalogue), cmocka_unit_test(test_unknown_flags),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
