/* Labels of usage: names and values that a customer chooses, such as team=news. Source: design §6.
 *
 * A label set is a text in canonical form: the labels in the order of their names, each as a length (one byte) and the
 * name, and a length and the value. So equal sets are equal texts. The empty text is the set without labels.
 */
#ifndef CODECMETER_METER_LABELS_H
#define CODECMETER_METER_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define LABELS_MAX 8
#define LABEL_NAME_MAX 32  /* bytes: a small letter, then small letters, digits and '_' */
#define LABEL_VALUE_MAX 64 /* bytes, at least 1, no control characters */
#define LABELS_SIZE_MAX (LABELS_MAX * (2 + LABEL_NAME_MAX + LABEL_VALUE_MAX))

struct label {
  struct str name, value;
};

bool label_name_is_valid(struct str name);
bool label_value_is_valid(struct str value);
/* Why a value is not valid, such as "is longer than 64 bytes"; NULL if it is valid. */
const char *label_value_fault(struct str value);

/* Sorts the labels, and writes their set to out. All of them are valid, and there are at most LABELS_MAX. False if a
 * name is given twice. */
MUST_USE bool labels_encode(struct label *labels, size_t count, char out[LABELS_SIZE_MAX], size_t *ret_len);
/* Takes the first label off a valid set; false if there is none. */
bool labels_next(struct str *set, struct label *ret);
/* True if a text is a label set in canonical form. */
bool labels_are_valid(struct str set);
/* Appends a valid set as a JSON object: {"show":"tonight","team":"news"}. */
void labels_write_json(struct str set, struct buf *out);

#endif
