/* What the administrative commands share: reading members of a request, and writing times into items. Only for
 * admin.c and its parts. */
#ifndef CODECMETER_ADMIN_ADMIN_PARTS_H
#define CODECMETER_ADMIN_ADMIN_PARTS_H

#include "admin/admin.h"
#include "base/json.h"

/* True if the member is `true`. */
bool admin_member_flag(const struct json *request, const char *name);
/* Copies a text, "" if there is none, into out (size bytes). -ERR_RANGE if it is too long or holds a NUL byte. */
MUST_USE int admin_member_copy(const struct json *request, const char *name, char *out, size_t size, struct err *err);
/* If zone is empty, takes the server's setting. -ERR_USAGE if there is none either. */
MUST_USE int admin_choose_zone(const struct admin *admin, char zone[ZONE_NAME_MAX + 1], struct err *err);

/* Writes a time as RFC 3339; "" if ms is 0. */
void admin_put_time(struct json_write *item, const char *name, int64_t ms);

#endif
