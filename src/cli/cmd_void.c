/* Takes back what was stored: reports an event usage.voided for each id (docs/events.md, "Corrections").
 *
 * The void's own identity is made from what it voids. So the same command twice stores one void: the second is
 * reported as a duplicate, also if another user gives it on another machine.
 *
 * A void never goes into the spool. The user asks for a change of what is billed now, and must know whether it
 * happened; and a void that arrives before its record is rejected, so one that waits could be lost in silence.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "agent/client.h"
#include "agent/report.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/json_write.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "meter/usage.h"

#define SOURCE_DEFAULT "file" /* of what `record`, `run` and `watch` report */
#define VOID_SOURCE "codecmeter-void"
#define VOID_ID_SIZE (sizeof "void:" + 2 * DIGEST_SHA256_SIZE)

struct void_options {
  struct client_settings settings;
  char *source, *reason, *actor;
};

/* ---- the event ---- */

/* What the server would refuse, or store as another text, because JSON holds UTF-8 only. */
static int check_text(const char *what, const char *text, size_t max, struct err *err) {
  struct str value = str_of(text);
  if (value.len > max) return err_set(err, ERR_USAGE, "%s is longer than %zu bytes; give a shorter one", what, max);
  if (!str_is_utf8(value) || str_has_control(value))
    return err_set(err, ERR_USAGE, "%s is not a text in UTF-8 without control characters: %s", what, text);
  if (str_trim(value).len == 0) return err_set(err, ERR_USAGE, "%s is empty", what);
  return 0;
}

static int check(const struct void_options *options, char *const *ids, struct err *err) {
  if (options->reason == NULL) {
    return err_set(err, ERR_USAGE,
                   "--reason is missing: say why, for example --reason 'wrong preset'; the record keeps it");
  }
  int result = check_text("--reason", options->reason, VOID_REASON_MAX, err);
  if (result == 0 && options->source != NULL) result = check_text("--source", options->source, SOURCE_MAX, err);
  if (result == 0 && options->actor != NULL) result = check_text("--actor", options->actor, VOID_ACTOR_MAX, err);
  if (result == 0 && ids[0] == NULL)
    result = err_set(err, ERR_USAGE, "ID is missing; give it like this: codecmeter void ID... --reason TEXT");
  for (size_t i = 0; result == 0 && ids[i] != NULL; i++)
    result = check_text("an ID", ids[i], EVENT_ID_MAX, err);
  return result;
}

/* Made from source and id, with a NUL between them, which neither can hold. */
static void name_void(const char *source, const char *id, char out[VOID_ID_SIZE]) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  SCOPED(buf_fini) struct buf text = {0};
  buf_text(&text, source);
  buf_char(&text, '\0');
  buf_text(&text, id);
  digest_sha256(buf_view(&text), digest);
  memcpy(out, "void:", sizeof "void:");
  bytes_hex(digest, sizeof digest, out + sizeof "void:" - 1);
}

/* USER@HOST, unless the user names somebody. Leaves it out if it is no text that the server keeps. */
static void write_actor(const struct void_options *options, struct json_write *json) {
  char here[VOID_ACTOR_MAX + 1];
  struct err ignored;
  int len = snprintf(here, sizeof here, "%s@%s", g_get_user_name(), g_get_host_name());
  bool fits = len > 0 && (size_t)len < sizeof here && check_text("", here, VOID_ACTOR_MAX, &ignored) == 0;
  if (options->actor != NULL)
    json_write_text(json, "actor", options->actor);
  else if (fits)
    json_write_text(json, "actor", here);
}

static void compose(const struct void_options *options, const char *id, struct buf *out) {
  char own_id[VOID_ID_SIZE];
  name_void(options->source, id, own_id);
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  json_write_text(&json, "specversion", "1.0");
  json_write_text(&json, "type", usage_type_name(USAGE_VOID, USAGE_FINISHED));
  json_write_text(&json, "source", VOID_SOURCE);
  json_write_text(&json, "id", own_id);
  if (options->settings.project != NULL) json_write_text(&json, "subject", options->settings.project);
  json_write_object(&json, "data");
  json_write_text(&json, "source", options->source);
  json_write_text(&json, "id", id);
  json_write_text(&json, "reason", options->reason);
  write_actor(options, &json);
  json_write_end(&json);
  json_write_end(&json);
}

/* ---- the answer ---- */

/* What to do about a reason of the server. */
static const char *advice_on(const char *reason) {
  static const struct {
    const char *begin, *advice;
  } table[] = {
      {"data: no record",
       "; check the id, --source and --project: `record` and `run` print the id of what they store. An event "
       "that still waits is not stored yet: `codecmeter spool status` shows such events"},
      {"type:", "; beside the server, `codecmeter token create --scope void` makes one"},
      {"subject is missing", "; give --project ID"},
      {"subject:", "; check --project and the token"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (strncmp(reason, table[i].begin, strlen(table[i].begin)) == 0) return table[i].advice;
  }
  return "";
}

/* Voids one record and prints the outcome. -ERR_DENIED and *ret_judged: the server refused this void. Another error:
 * it would meet the next void too. */
static int void_one(struct client *client, const struct void_options *options, const char *id, bool *ret_judged,
                    struct err *err) {
  SCOPED(buf_fini) struct buf event = {0};
  enum report_outcome outcome = REPORT_STORED;
  char reason[REPORT_REASON_MAX];
  compose(options, id, &event);
  *ret_judged = false;
  if (event.failed) return err_set(err, ERR_MEMORY, "no memory for the void of %s", id);
  int result = report_send(client, buf_view(&event), REPORT_TRIES, &outcome, reason, err);
  if (result != 0) return result;
  *ret_judged = true;
  SCOPED_MALLOC char *source = str_printable(str_of(options->source)), *shown = str_printable(str_of(id));
  if (outcome != REPORT_STORED && outcome != REPORT_DUPLICATE) {
    return err_set(err, ERR_DENIED, "%s %s is not voided: %s: %s%s", source, shown, report_outcome_name(outcome),
                   reason, advice_on(reason));
  }
  const char *said = outcome == REPORT_STORED ? "voided, it counts no more" : "already voided, nothing changed";
  if (!options_quiet()) (void)printf("%s %s: %s\n", source, shown, said);
  (void)fflush(stdout);
  return 0;
}

/* An answer may be lost on its way, so the server may have stored a void that it could not confirm. */
static int say_unconfirmed(char *const *ids, struct err *err) {
  size_t count = 0;
  while (ids[count] != NULL)
    count++;
  struct err why = *err;
  const char *again =
      err_kind(-(int)why.code) == ERR_KIND_RETRY ? "; give the command again later: it voids nothing twice" : "";
  if (count == 1) return err_set(err, why.code, "%s is not voided: %s%s", ids[0], why.text, again);
  return err_set(err, why.code, "%s and the ids after it (%zu) are not voided: %s%s", ids[0], count - 1, why.text,
                 again);
}

static int void_all(const struct void_options *options, char *const *ids, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  int status = EXIT_OK;
  int result = client_open(&options->settings, &client, err);
  if (result == 0) result = client_check_token(client, err);
  if (result != 0) return command_fail("void", err);
  for (size_t i = 0; ids[i] != NULL; i++) {
    bool is_judged;
    if (void_one(client, options, ids[i], &is_judged, err) == 0) continue;
    if (!is_judged) {
      (void)say_unconfirmed(ids + i, err);
      return command_fail("void", err);
    }
    (void)command_fail("void", err);
    status = EXIT_FAILED;
  }
  if (status == EXIT_OK && !options_quiet()) {
    (void)fprintf(
        stderr,
        "codecmeter void: an id stays in use after its void: the same file is then a duplicate and does not "
        "count; to count it again, record it with --id and a new id\n");
  }
  return status;
}

int cmd_void(int argc, char **argv) {
  struct void_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      {"reason", 0, OPTION_TEXT, &options.reason, "TEXT",
       "why; required. The ledger keeps it, and `codecmeter history` shows it"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE",
       "the source of the ids (default: file, as `record`, `run` and `watch` report)"},
      {"actor", 0, OPTION_TEXT, &options.actor, "WHO", "who takes it back (default: USER@HOST of this command)"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "every id is voided, now or before"},
      {EXIT_FAILED, "an id could not be voided"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "ID...",
      .summary =
          "Takes back stored usage: a voided record counts no more. The ledger keeps the record and the void, with "
          "reason, "
          "actor and token (`codecmeter history`). It needs a token of scope void (`codecmeter token create --scope "
          "void`).\n"
          "`record`, `run` and `watch` print the id of what they store. A void is final, and the id stays in use: if "
          "the same "
          "file is recorded again, it is a duplicate and does not count. To count it again, record it with --id and "
          "a new id. "
          "A void is never spooled: if the server cannot be reached, the command fails. An ID that begins with - "
          "goes behind "
          "--.",
      .quiet = "do not print the ids that were voided",
      .examples =
          "codecmeter void --env data/client.env --reason 'wrong preset' job-4711/720p\n"
          "codecmeter void --source farm-7 --reason 'test run' -- job-1 -job-2",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = check(&options, argv + 1, &err);
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  if (result != 0) return command_fail("void", &err);
  if (options.source == NULL) options.source = options_keep(strdup(SOURCE_DEFAULT));
  return void_all(&options, argv + 1, &err);
}
