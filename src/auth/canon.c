#include "auth/canon.h"

#include <stdlib.h>

static int append_node(const struct json *node, struct buf *out);

static int compare_members(const void *a, const void *b) {
  return str_compare((*(const struct json *const *)a)->name, (*(const struct json *const *)b)->name);
}

static int append_object(const struct json *object, struct buf *out) {
  size_t count = 0;
  for (const struct json *member = object->child; member != NULL; member = member->next) count++;
  if (count == 0) return 0;
  SCOPED_MALLOC const struct json **members = calloc(count, sizeof(struct json *));
  if (members == NULL) return -ERR_MEMORY;
  size_t i = 0;
  for (const struct json *member = object->child; member != NULL; member = member->next) members[i++] = member;
  qsort(members, count, sizeof(struct json *), compare_members);
  int result = 0;
  for (i = 0; i < count && result == 0; i++) {
    buf_str(out, members[i]->name);
    result = append_node(members[i], out);
  }
  return result;
}

static int append_array(const struct json *array, struct buf *out) {
  int result = 0;
  for (const struct json *element = array->child; element != NULL && result == 0; element = element->next) {
    result = append_node(element, out);
  }
  return result;
}

/* The parser of the tree has bounded its depth. */
static int append_node(const struct json *node, struct buf *out) {
  switch (node->type) {
    case JSON_NULL: return 0;
    case JSON_FALSE: buf_text(out, "false"); return 0;
    case JSON_TRUE: buf_text(out, "true"); return 0;
    case JSON_NUMBER: return json_number_plain(node->text, CANON_NUMBER_MAX, out);
    case JSON_STRING: buf_str(out, node->text); return 0;
    case JSON_ARRAY: return append_array(node, out);
    case JSON_OBJECT: return append_object(node, out);
  }
  return 0;
}

static int compare_params(const void *a, const void *b) {
  return str_compare(((const struct param *)a)->name, ((const struct param *)b)->name);
}

int canon_append(struct param *params, size_t count, struct buf *out) {
  qsort(params, count, sizeof *params, compare_params);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    if (str_equal_nocase(params[i].name, CANON_SIGNATURE)) continue;
    buf_str(out, params[i].name);
    if (params[i].node != NULL) result = append_node(params[i].node, out);
    else buf_str(out, params[i].value);
  }
  if (result == 0 && out->failed) result = -ERR_MEMORY;
  return result;
}
