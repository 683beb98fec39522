/* Every administrative command reads members and writes items in the same way. */
#include "admin/admin_parts.h"

#include "meter/rfc3339.h"

bool admin_member_flag(const struct json *request, const char *name) {
  const struct json *member = json_member(request, name);
  return member != NULL && member->type == JSON_TRUE;
}

int admin_member_copy(const struct json *request, const char *name, char *out, size_t size, struct err *err) {
  struct str text = json_member_text(request, name);
  bool good = (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL) && str_copy(text, out, size);
  return good ? 0 : err_set(err, ERR_RANGE, "%s is longer than %zu bytes, or holds a NUL byte", name, size - 1);
}

/* Takes the server's setting if the request names no zone. */
int admin_choose_zone(const struct admin *admin, char zone[ZONE_NAME_MAX + 1], struct err *err) {
  if (zone[0] != '\0') return 0;
  if (admin->time_zone == NULL || admin->time_zone[0] == '\0') {
    return err_set(err, ERR_USAGE,
                   "no time zone is given: give --time-zone ZONE, such as Europe/Berlin, or run the server with the "
                   "setting project.time_zone");
  }
  return str_copy(str_of(admin->time_zone), zone, ZONE_NAME_MAX + 1)
             ? 0
             : err_set(err, ERR_RANGE, "project.time_zone is longer than %d bytes", ZONE_NAME_MAX);
}

void admin_put_time(struct json_write *item, const char *name, int64_t ms) {
  char text[RFC3339_SIZE] = "";
  if (ms != 0) rfc3339_format(ms, text);
  json_write_text(item, name, text);
}
