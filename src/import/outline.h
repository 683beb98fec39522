/* Finds the parts of a JSON text without reading it into a tree. For documents of any size, of which the server reads
 * each piece: a text that is not JSON gives some parts or none, and never a place outside the text. */
#ifndef CODECMETER_IMPORT_OUTLINE_H
#define CODECMETER_IMPORT_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* A part of a text: the bytes from begin up to end. */
struct outline_part {
  size_t begin, end;
};

/* The next element of an array, or the next member of an object: its value, and its name with the escapes that it is
 * written with. *at is behind the opening bracket, or behind the element before. False: there is none. */
MUST_USE bool outline_element(struct str text, size_t *at, struct outline_part *ret);
MUST_USE bool outline_member(struct str text, size_t *at, struct str *ret_name, struct outline_part *ret);

/* The longest array at which a document can be divided: an array of at least two objects, each with a member id,
 * job_id or task_id of its own (in any case, with or without the line below), that lies in the outermost object or at
 * most two objects deeper, none of which has such a member: it would be one job, with its outputs. An array without
 * such ids is never taken: there the place of an element may be its identity, and a division would change it. ret:
 * from behind the opening bracket up to the closing one. */
MUST_USE bool outline_division(struct str text, struct outline_part *ret);

/* Appends the text without the blanks that are not in a string. */
void outline_compact(struct str text, struct buf *out);

#endif
