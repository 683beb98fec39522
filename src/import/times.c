#include "import/times.h"

#include "import/local_time.h"
#include "import/outline.h"
#include "meter/rfc3339.h"

#define SHOWN_MAX 40

static void refuse(enum local_time_state state, const struct times *times, const char *field, struct str value,
                   struct buf *refusal) {
  buf_printf(refusal, "%s: %.*s ", field, (int)(value.len < SHOWN_MAX ? value.len : SHOWN_MAX), value.ptr);
  if (state == LOCAL_TIME_DATE)
    buf_text(refusal, "is a date without a time of day");
  else if (state == LOCAL_TIME_NO_ZONE)
    buf_text(refusal,
             "states no time zone: give --time-zone NAME if all times of the file are local times of one zone");
  else
    buf_printf(refusal, "does not exist in %s: the clock went forward over it", zone_name(times->zone));
}

bool times_write(const struct times *times, const char *field, struct str value, struct buf *out, struct buf *refusal,
                 bool *ret_is_twice) {
  int64_t time_ms;
  char text[RFC3339_SIZE];
  bool is_twice = false;
  if (rfc3339_parse(value, &time_ms, NULL) == 0) {
    buf_str(out, value);
    return true;
  }
  enum local_time_state state = local_time_read(value, times->zone, &time_ms, &is_twice);
  if (state == LOCAL_TIME_OTHER) {
    buf_str(out, value);
    return true;
  }
  if (state != LOCAL_TIME_GOOD) {
    refuse(state, times, field, value, refusal);
    return false;
  }
  rfc3339_format(time_ms, text);
  buf_text(out, text);
  *ret_is_twice |= is_twice;
  return true;
}

/* ---- events in JSON ---- */

struct rewriting {
  const struct times *times;
  struct str event;
  size_t copied; /* of the event, to out */
  struct buf *out, *refusal;
  bool *is_twice;
};

/* Writes the times among the members of an object: those with this name, and those of its member `inner`. Texts with
 * escapes stay as they are: no time is written so. */
static bool rewrite(struct rewriting *rewriting, struct outline_part object, const char *name, const char *inner) {
  struct str event = rewriting->event, member;
  struct outline_part value;
  for (size_t at = object.begin + 1; outline_member(event, &at, &member, &value);) {
    bool is_text = event.ptr[value.begin] == '"' && value.end - value.begin > 2;
    bool is_inner = inner != NULL && event.ptr[value.begin] == '{' && str_equal(member, str_of(inner));
    if (is_inner && !rewrite(rewriting, value, "created", NULL)) return false;
    if (!is_text || !str_equal(member, str_of(name))) continue;
    struct str text = str_make(event.ptr + value.begin + 1, value.end - value.begin - 2);
    buf_append(rewriting->out, event.ptr + rewriting->copied, value.begin + 1 - rewriting->copied);
    rewriting->copied = value.end - 1;
    if (!times_write(rewriting->times, name, text, rewriting->out, rewriting->refusal, rewriting->is_twice))
      return false;
  }
  return true;
}

bool times_write_event(const struct times *times, struct str event, struct buf *out, struct buf *refusal,
                       bool *ret_is_twice) {
  struct rewriting rewriting = {
      .times = times, .event = event, .out = out, .refusal = refusal, .is_twice = ret_is_twice};
  bool is_object = event.len > 0 && event.ptr[0] == '{';
  if (is_object && !rewrite(&rewriting, (struct outline_part){0, event.len}, "time", "data")) return false;
  buf_append(out, event.ptr + rewriting.copied, event.len - rewriting.copied);
  return true;
}
