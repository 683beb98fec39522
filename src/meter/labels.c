#include "meter/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json_write.h"

bool label_name_is_valid(struct str name) {
  if (name.len < 1 || name.len > LABEL_NAME_MAX) return false;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool fits = (c >= 'a' && c <= 'z') || (i > 0 && ((c >= '0' && c <= '9') || c == '_'));
    if (!fits) return false;
  }
  return true;
}

const char *label_value_fault(struct str value) {
  static_assert(LABEL_VALUE_MAX == 64, "a text below says so");
  if (value.len < 1) return "is empty";
  if (value.len > LABEL_VALUE_MAX) return "is longer than 64 bytes";
  if (!str_is_utf8(value)) return "is not UTF-8";
  return str_has_control(value) ? "contains a control character" : NULL;
}

bool label_value_is_valid(struct str value) { return label_value_fault(value) == NULL; }

static int by_name(const void *a, const void *b) {
  return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static char *put(char *at, struct str text) {
  *at = (char)text.len;
  memcpy(at + 1, text.ptr, text.len);
  return at + 1 + text.len;
}

bool labels_encode(struct label *labels, size_t count, char out[LABELS_SIZE_MAX], size_t *ret_len) {
  CHECK(count <= LABELS_MAX);
  if (count > 0) qsort(labels, count, sizeof *labels, by_name);
  char *at = out;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && str_equal(labels[i - 1].name, labels[i].name)) return false;
    at = put(put(at, labels[i].name), labels[i].value);
  }
  *ret_len = (size_t)(at - out);
  return true;
}

static bool take(struct str *set, struct str *ret) {
  if (set->len < 1) return false;
  size_t len = (unsigned char)set->ptr[0];
  if (len > set->len - 1) return false;
  *ret = str_make(set->ptr + 1, len);
  *set = str_make(set->ptr + 1 + len, set->len - 1 - len);
  return true;
}

bool labels_next(struct str *set, struct label *ret) {
  return set->len > 0 && take(set, &ret->name) && take(set, &ret->value);
}

bool labels_are_valid(struct str set) {
  struct label label = {0}, before = {0};
  for (size_t count = 0; set.len > 0; count++) {
    bool fits = count < LABELS_MAX && labels_next(&set, &label) && label_name_is_valid(label.name) &&
                label_value_is_valid(label.value) && (count == 0 || str_compare(before.name, label.name) < 0);
    if (!fits) return false;
    before = label;
  }
  return true;
}

void labels_write_json(struct str set, struct buf *out) {
  struct json_write json = json_write_to(out);
  struct label label;
  json_write_object(&json, NULL);
  while (labels_next(&set, &label))
    json_write_member(&json, label.name, label.value);
  json_write_end(&json);
}
