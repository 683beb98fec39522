/* Administration of tokens. Only for admin.c, which has these commands in its table. Items: {"id":…,"scope":…,
 * "project":…,"creates_projects":…,"time_zone":…,"label":…,"expires":…,"last_used":…,"revoked":…,"created":…}; texts
 * are empty where there is none. */
#ifndef CODECMETER_ADMIN_ADMIN_TOKEN_H
#define CODECMETER_ADMIN_ADMIN_TOKEN_H

#include "admin/admin.h"
#include "base/json.h"

/* The item also has the secret, as "token". Members: "scope" (write, the default, read or void); "project" (an id, or
 * "all"; without it, all); "label"; "expires" (a duration from now, a date, which means its beginning in UTC, or an
 * RFC 3339 time; it must be in the future); "create_projects", "time_zone". */
int admin_token_create(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err);
/* Revokes the token "id". */
int admin_token_revoke(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err);
int admin_token_list(const struct admin *admin, const struct json *request, struct json_write *items,
                     struct err *err);

#endif
