/* A reason is a text for the reporter, and may hold names and values from the event. Its name is made from the words
 * that fields.c always writes: what comes before the colon, or before "is missing". The few reasons that begin with
 * something else are in a table.
 */
#include "ingest/commit/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/diag.h"

#define NAMES_MAX 12 /* in one line; further reasons are counted together */
#define SHOWN_MAX 3  /* ids, or reasons of a notice */
#define ID_MAX 64
#define REASON_MAX 200
#define REMARK_MAX 1000 /* of the first remark: an address to visit, with its token, fits */

/* ---- the names of reasons ---- */

static const struct {
  struct str text;
  const char *name;
} beginnings[] = {
    {STR("the event cannot be read"), "unreadable"},
    {STR("the event is too large"), "too_large"},
    {STR("an event must be"), "no_object"},
};

static const struct str repeated = STR("given more than once"), missing = STR(" is missing");

static const char *const verdict_names[] = {
    [VERDICT_REASON_NONE] = "other",
    [VERDICT_REASON_CONTENT] = "other", /* a conflict, which is not rejected */
    [VERDICT_REASON_NO_PROJECT] = "no_project",
    [VERDICT_REASON_CODECS] = "too_many_codecs",
    [VERDICT_REASON_NO_TARGET] = "no_target",
    [VERDICT_REASON_WAITS] = "target_unresolved",
    [VERDICT_REASON_VOID] = "target_is_void",
    [VERDICT_REASON_VOIDED] = "other", /* a duplicate */
    [VERDICT_REASON_RESOLVES] = "other", /* stored */
};

static bool ends(struct str s, struct str end) {
  return s.len >= end.len && str_equal(str_make(s.ptr + s.len - end.len, end.len), end);
}

static bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ' '; }

/* Blanks become '_'. False if a name cannot have one of the characters, or if it is too long. */
static bool write_name(struct str words, const char *suffix, char ret[TRACE_NAME_SIZE]) {
  if (words.len == 0 || words.len + strlen(suffix) >= TRACE_NAME_SIZE) return false;
  for (size_t i = 0; i < words.len; i++) {
    if (!is_plain(words.ptr[i])) return false;
    ret[i] = words.ptr[i] == ' ' ? '_' : words.ptr[i];
  }
  (void)snprintf(ret + words.len, TRACE_NAME_SIZE - words.len, "%s", suffix);
  return true;
}

void trace_reason_name(const char *reason, char ret[TRACE_NAME_SIZE]) {
  struct str rest = str_of(reason);
  const char *name = ends(rest, repeated) ? "repeated_member" : NULL;
  for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0] && name == NULL; i++) {
    if (str_starts(rest, beginnings[i].text)) name = beginnings[i].name;
  }
  struct str words = str_cut(&rest, ':');
  bool is_missing = ends(words, missing);
  if (is_missing) words.len -= missing.len;
  if (name == NULL && write_name(words, is_missing ? "_missing" : "", ret)) return;
  (void)snprintf(ret, TRACE_NAME_SIZE, "%s", name != NULL ? name : "other");
}

/* ---- what was rejected ---- */

struct tally {
  size_t count, others; /* rejected events; those whose reason has no place among the names */
  size_t names_count;
  struct {
    char name[TRACE_NAME_SIZE];
    size_t count;
  } names[NAMES_MAX];
  size_t shown_count;
  struct str shown[SHOWN_MAX]; /* ids */
  const char *first;           /* the reason of the first one, if it has a text */
};

static void count_name(struct tally *tally, const char *name) {
  size_t i = 0;
  while (i < tally->names_count && strcmp(tally->names[i].name, name) != 0)
    i++;
  if (i == NAMES_MAX) {
    tally->others++;
    return;
  }
  if (i == tally->names_count) {
    bool fits = str_copy(str_of(name), tally->names[i].name, TRACE_NAME_SIZE);
    CHECK(fits);
    tally->names_count++;
  }
  tally->names[i].count++;
}

static void count_rejected(struct tally *tally, const struct event *event, enum verdict_reason reason) {
  char name[TRACE_NAME_SIZE];
  if (event->reason != NULL) trace_reason_name(event->reason, name);
  count_name(tally, event->reason != NULL ? name : verdict_names[reason]);
  if (tally->count++ == 0) tally->first = event->reason;
  if (tally->shown_count < SHOWN_MAX) tally->shown[tally->shown_count++] = event->id;
}

static void count_conflict(struct tally *tally, const struct event *event) {
  tally->count++;
  if (tally->shown_count < SHOWN_MAX) tally->shown[tally->shown_count++] = event->id;
}

static void take_tallies(const struct events *events, const struct verdict *verdicts, struct tally *ret_rejected,
                         struct tally *ret_conflicts) {
  size_t next_usage = 0;
  for (size_t i = 0; i < events->count; i++) {
    const struct event *event = &events->items[i];
    const struct verdict *verdict = event->reason == NULL ? &verdicts[next_usage++] : NULL;
    if (verdict == NULL)
      count_rejected(ret_rejected, event, VERDICT_REASON_NONE);
    else if (verdict->outcome == VERDICT_REJECTED)
      count_rejected(ret_rejected, event, verdict->reason);
    else if (verdict->outcome == VERDICT_CONFLICT)
      count_conflict(ret_conflicts, event);
  }
  CHECK(next_usage == events->usages_count);
}

/* ---- lines ---- */

struct line {
  char text[2048];
  size_t len;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t room = sizeof line->text - line->len;
  int len = vsnprintf(line->text + line->len, room, format, args);
  va_end(args);
  if (len > 0) line->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* The length of a text that is cut at the end of a character. */
static size_t cut(struct str text, size_t max) {
  size_t len = text.len < max ? text.len : max;
  while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
    len--;
  return len;
}

static void add_cut(struct line *line, struct str text, size_t max) {
  size_t len = cut(text, max);
  add(line, "%.*s%s", (int)len, text.ptr, len < text.len ? "…" : "");
}

/* An id that holds a quote must not look like its end, with a reason behind it. */
static void add_quoted(struct line *line, struct str text, size_t max) {
  size_t len = cut(text, max);
  add(line, "\"");
  for (size_t i = 0; i < len; i++)
    add(line, "%s%c", text.ptr[i] == '"' || text.ptr[i] == '\\' ? "\\" : "", text.ptr[i]);
  add(line, "%s\"", len < text.len ? "…" : "");
}

static void add_names(struct line *line, const struct tally *tally) {
  for (size_t i = 0; i < tally->names_count; i++)
    add(line, "%s%s %zu", i > 0 ? ", " : "", tally->names[i].name, tally->names[i].count);
  if (tally->others > 0) add(line, ", for other reasons %zu", tally->others);
}

static void add_shown(struct line *line, const struct tally *tally) {
  for (size_t i = 0; i < tally->shown_count; i++) {
    add(line, "%s", i > 0 ? ", " : "");
    add_quoted(line, tally->shown[i], ID_MAX);
    if (i > 0 || tally->first == NULL) continue;
    add(line, " (");
    add_cut(line, str_of(tally->first), REASON_MAX);
    add(line, ")");
  }
}

static void tell_rejected(const struct trace_origin *origin, const struct tally *tally, size_t events) {
  struct line line = {0};
  add_names(&line, tally);
  add(&line, "; ids: ");
  add_shown(&line, tally);
  diag_warning("%.*s: rejected %zu of %zu events of token %s: %s", STR_ARG(origin->path), tally->count, events,
               origin->token, line.text);
}

static void tell_conflicts(const struct trace_origin *origin, const struct tally *tally, size_t events) {
  struct line line = {0};
  add_shown(&line, tally);
  diag_warning("%.*s: %zu of %zu events of token %s contradict what was reported before, and do not count; ids: %s",
               STR_ARG(origin->path), tally->count, events, origin->token, line.text);
}

void trace_lost(const struct trace_origin *origin, const struct events *events, const struct verdict *verdicts) {
  struct tally rejected = {0}, conflicts = {0};
  take_tallies(events, verdicts, &rejected, &conflicts);
  if (rejected.count > 0) tell_rejected(origin, &rejected, events->count);
  if (conflicts.count > 0) tell_conflicts(origin, &conflicts, events->count);
}

void trace_ignored(const struct trace_origin *origin, const char *const *ignored, size_t count) {
  struct line line = {0};
  if (count == 0) return;
  for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
    add(&line, "%s", i > 0 ? "; " : "");
    add_cut(&line, str_of(ignored[i]), i == 0 ? REMARK_MAX : REASON_MAX);
  }
  if (count > SHOWN_MAX) add(&line, "; and %zu more", count - SHOWN_MAX);
  diag_info("%.*s: ignored of a notice of token %s: %s", STR_ARG(origin->path), origin->token, line.text);
}
