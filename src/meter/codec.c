/* Transcoders report the names of encoders (`libx264`, `h264_nvenc`), of sample entries (`avc1`, also with a profile
 * after a dot, RFC 6381) and of standards (`h.264`). All of these mean the same codec. A name without an alias is
 * its own canonical name.
 */
#include "meter/codec.h"

static const struct {
  const char *alias, *name;
} aliases[] = {
    {"avc", "h264"},     {"avc1", "h264"},       {"avc3", "h264"},        {"h.264", "h264"},
    {"h_264", "h264"},   {"mpeg4-avc", "h264"},  {"mpeg4avc", "h264"},    {"x264", "h264"},
    {"libx264", "h264"}, {"libx264rgb", "h264"}, {"libopenh264", "h264"}, {"hevc", "h265"},
    {"hvc1", "h265"},    {"hev1", "h265"},       {"h.265", "h265"},       {"h_265", "h265"},
    {"x265", "h265"},    {"libx265", "h265"},    {"libkvazaar", "h265"},
};

/* ffmpeg's hardware encoders: `h264_nvenc`, `hevc_vaapi` and so on. Sample entries with a profile: `avc1.64001f`. */
static const struct {
  const char *prefix, *name;
} prefixes[] = {
    {"h264_", "h264"}, {"hevc_", "h265"}, {"h265_", "h265"}, {"avc1.", "h264"},
    {"avc3.", "h264"}, {"hvc1.", "h265"}, {"hev1.", "h265"},
};

static const char *canonical_of(const char *name) {
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
    if (strcmp(name, aliases[i].alias) == 0) return aliases[i].name;
  }
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t len = strlen(prefixes[i].prefix);
    if (strncmp(name, prefixes[i].prefix, len) == 0 && name[len] != '\0') return prefixes[i].name;
  }
  return name;
}

static bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

int codec_canonical(struct str given, char ret_name[CODEC_NAME_MAX + 1], struct err *err) {
  struct str trimmed = str_trim(given);
  char name[CODEC_NAME_MAX + 1];
  bool good = trimmed.len > 0 && !str_has_control(given) && str_copy(trimmed, name, sizeof name);
  for (size_t i = 0; good && i < trimmed.len; i++) {
    if (name[i] >= 'A' && name[i] <= 'Z') name[i] = (char)(name[i] - 'A' + 'a');
    good = is_name_character(name[i]);
  }
  if (!good) return err_set(err, ERR_RANGE, "must be 1 to %d characters of a-z, 0-9, '.', '_', '-'", CODEC_NAME_MAX);
  const char *canonical = canonical_of(name);
  memcpy(ret_name, canonical, strlen(canonical) + 1);
  return 0;
}
