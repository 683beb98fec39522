/* The offset of the clock is measured from the server's answer: it says what time it was there between the moments
 * before and after the request, most likely in the middle. The first report of a process has not measured yet, so
 * each report says our time, too, which the server compares with its own.
 */
#include "agent/pulse.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "meter/rfc3339.h"

#define HURRY_MS 10000         /* between two reports with events */
#define UNKNOWN_MS 3600000     /* until the next try at a server that does not know such reports */
#define ROUND_TRIP_MAX_MS 2000 /* a slower answer says too little about the time */
#define SPACE_LEAST 65536u     /* bytes: the file system of a spool with less is full */
#define REASON_MAX 160
#define ANSWER_MEMORY ((size_t)64 << 10)
#define HASH_DIGITS 8
#define HOST_UNKNOWN "unnamed"

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }
static int64_t real_ms(void) { return clock_real_ms(clock_system()); }

/* ---- names ---- */

bool pulse_is_name(struct str name) {
  return name.len <= PULSE_NAME_MAX && str_trim(name).len > 0 && str_is_utf8(name) && !str_has_control(name);
}

/* The length of the longest beginning of at most so many bytes that cuts no character. */
static size_t whole(struct str text, size_t most) {
  size_t len = text.len < most ? text.len : most;
  while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
    len--;
  return len;
}

static void keep_command(struct pulse *pulse, struct str command) {
  SCOPED_MALLOC char *shown = str_printable(command);
  struct str text = str_of(shown);
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hash[HASH_DIGITS + 1];
  if (str_copy(text, pulse->command, sizeof pulse->command)) return;
  digest_sha256(command, digest);
  bytes_hex(digest, HASH_DIGITS / 2, hash);
  (void)snprintf(pulse->command, sizeof pulse->command, "%.*s... %s",
                 (int)whole(text, PULSE_COMMAND_MAX - HASH_DIGITS - 4), shown, hash);
}

static void keep_name(struct pulse *pulse) {
  char host[256] = HOST_UNKNOWN;
  const char *given = pulse->settings->agent;
  (void)gethostname(host, sizeof host - 1);
  struct str name = str_of(given != NULL ? given : host);
  name.len = whole(name, PULSE_NAME_MAX);
  bool fits = str_copy(pulse_is_name(name) ? name : STR(HOST_UNKNOWN), pulse->name, sizeof pulse->name);
  CHECK(fits);
}

void pulse_init(struct pulse *pulse, const struct client_settings *settings, struct str command,
                int64_t interval_ms) {
  *pulse = (struct pulse){.settings = settings, .interval_ms = interval_ms, .due_ms = INT64_MAX};
  keep_name(pulse);
  keep_command(pulse, command);
  if (interval_ms > 0) pulse->due_ms = now_ms();
}

/* ---- when ---- */

int64_t pulse_next_ms(const struct pulse *pulse) { return pulse->settings != NULL ? pulse->due_ms : INT64_MAX; }

void pulse_hurry(struct pulse *pulse) {
  int64_t soon_ms = pulse->sent_ms > 0 ? pulse->sent_ms + HURRY_MS : now_ms();
  if (!pulse->is_unknown && soon_ms < pulse->due_ms) pulse->due_ms = soon_ms;
}

/* ---- what ---- */

/* Why the spool takes no event now; "" if it does, as far as one can see. */
static void look_at_spool(const struct pulse *pulse, const struct spool *spool, char *out, size_t size) {
  struct statvfs space;
  out[0] = '\0';
  if (pulse->spool_error[0] != '\0') (void)snprintf(out, size, "%s", pulse->spool_error);
  if (out[0] != '\0' || access(spool->dir, F_OK) != 0) return;
  if (access(spool->dir, W_OK | X_OK) != 0) {
    (void)snprintf(out, size, "this user may not write to %s", spool->dir);
  } else if (statvfs(spool->dir, &space) == 0 && (uint64_t)space.f_bavail * space.f_frsize < SPACE_LEAST) {
    (void)snprintf(out, size, "the disk of %s is full", spool->dir);
  }
}

/* The server takes texts up to a length, and no control characters. */
static void put_text(struct json_write *json, const char *name, const char *text) {
  SCOPED_MALLOC char *shown = str_printable(str_of(text));
  shown[whole(str_of(shown), REASON_MAX)] = '\0';
  json_write_text(json, name, shown);
}

static void compose(const struct pulse *pulse, const struct spool *spool, struct buf *out) {
  struct spool_depth depth;
  struct json_write json = json_write_to(out);
  char time[RFC3339_SIZE], why[ERR_TEXT_MAX];
  spool_measure(spool->dir, &depth);
  look_at_spool(pulse, spool, why, sizeof why);
  json_write_object(&json, NULL);
  json_write_text(&json, "agent", pulse->name);
  json_write_text(&json, "command", pulse->command);
  if (pulse->settings->version != NULL) json_write_text(&json, "version", pulse->settings->version);
  if (pulse->settings->project != NULL) json_write_text(&json, "project", pulse->settings->project);
  if (why[0] != '\0') put_text(&json, "spool_error", why);
  if (pulse->interval_ms > 0) json_write_i64(&json, "interval_ms", pulse->interval_ms);
  json_write_u64(&json, "spooled", depth.waiting);
  if (depth.waiting > 0) json_write_i64(&json, "oldest_ms", depth.oldest_ms);
  json_write_u64(&json, "rejected", depth.rejected);
  if (pulse->has_offset) json_write_i64(&json, "clock_offset_ms", pulse->offset_ms);
  rfc3339_format(real_ms(), time);
  json_write_text(&json, "time", time);
  json_write_end(&json);
}

/* ---- the answer ---- */

/* The text of a member of the answer, which the caller frees; NULL if there is none. */
static char *answer_text(const struct client_reply *reply, const char *name) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ANSWER_MEMORY);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  const struct json *top;
  CHECK(arena != NULL && parser != NULL);
  if (json_parse(parser, arena, buf_view(&reply->body), 4, &top, NULL) != 0 || top->type != JSON_OBJECT) return NULL;
  struct str text = json_member_text(top, name);
  return text.len > 0 ? strndup(text.ptr, text.len) : NULL;
}

static void take_time(struct pulse *pulse, const struct client_reply *reply, int64_t before_ms, int64_t took_ms) {
  SCOPED_MALLOC char *time = answer_text(reply, "time");
  int64_t server_ms;
  if (time == NULL || took_ms > ROUND_TRIP_MAX_MS || rfc3339_parse(str_of(time), &server_ms, NULL) != 0) return;
  pulse->has_offset = true;
  pulse->offset_ms = before_ms + took_ms / 2 - server_ms;
}

/* Says why the server refuses the reports, because the user believes that this agent would be missed. Nobody misses
 * one that promises no reports; and if its token or project is wrong, it has said so of its events. */
static void say_refused(struct pulse *pulse, const struct client_reply *reply,
                        void (*say)(void *arg, const char *text), void *say_arg) {
  SCOPED_MALLOC char *detail = answer_text(reply, "detail");
  char text[ERR_TEXT_MAX];
  (void)snprintf(text, sizeof text,
                 "the server does not take the status of this agent, so it will not be missed: HTTP %ld%s%.700s",
                 reply->status, detail != NULL ? ": " : "", detail != NULL ? detail : "");
  if (say == NULL || pulse->interval_ms == 0 || strcmp(text, pulse->said) == 0) return;
  (void)snprintf(pulse->said, sizeof pulse->said, "%s", text);
  say(say_arg, text);
}

void pulse_beat(struct pulse *pulse, struct client *client, const struct spool *spool,
                void (*say)(void *arg, const char *text), void *say_arg) {
  SCOPED(buf_fini) struct buf body = {0};
  SCOPED(client_reply_fini) struct client_reply reply = {0};
  struct err err = {0};
  if (now_ms() < pulse_next_ms(pulse) || pulse->settings == NULL) return;
  compose(pulse, spool, &body);
  int64_t before_ms = real_ms(), began_ms = now_ms();
  int result = client_tell(client, buf_view(&body), &reply, &err);
  pulse->sent_ms = now_ms();
  pulse->due_ms = pulse->interval_ms > 0 ? pulse->sent_ms + pulse->interval_ms : INT64_MAX;
  if (result != 0) return; /* the events' own errors say that the server is away */
  pulse->is_unknown = reply.status == 404 || reply.status == 405;
  if (reply.status == 200)
    take_time(pulse, &reply, before_ms, pulse->sent_ms - began_ms);
  else if (pulse->is_unknown)
    pulse->due_ms = pulse->sent_ms + UNKNOWN_MS;
  else if (!client_may_pass(reply.status) || reply.status == 429)
    say_refused(pulse, &reply, say, say_arg);
}
