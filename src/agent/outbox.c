#include "agent/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/intent.h"
#include "agent/plural.h"
#include "base/check.h"
#include "base/clock.h"

#define AWAY_MS 5000
#define AWAY_MAX_MS 60000 /* if the server asks for a longer wait */
#define CATCH_UP_EVENTS 64
#define NAME_SHOWN_MAX 300 /* so that two names leave room for the reason */

int outbox_open(const struct client_settings *settings, struct outbox *ret, struct err *err) {
  struct outbox outbox = {.client = NULL};
  int result = client_open(settings, &outbox.client, err);
  if (result != 0) return result;
  spool_init(&outbox.spool, settings);
  *ret = outbox;
  return 0;
}

void outbox_close(struct outbox *outbox) {
  client_close(outbox->client);
  spool_fini(&outbox->spool);
  outbox->client = NULL;
}

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static int send_event(struct outbox *outbox, const struct report *report, struct delivered *ret, struct err *err) {
  if (now_ms() < outbox->again_ms) {
    *err = outbox->away;
    return -(int)err->code;
  }
  int result = report_send(outbox->client, buf_view(&report->event), REPORT_TRIES, &ret->outcome, ret->reason, err);
  if (result == 0) outbox->reached = true;
  if (result != 0 && err_kind(result) == ERR_KIND_RETRY) {
    int64_t asked_ms = client_busy_ms(outbox->client);
    if (asked_ms > AWAY_MAX_MS) asked_ms = AWAY_MAX_MS;
    outbox->again_ms = now_ms() + (asked_ms > AWAY_MS ? asked_ms : AWAY_MS);
    outbox->away = *err;
  }
  return result;
}

int outbox_send(struct outbox *outbox, const struct report *report, struct delivered *ret, struct err *err) {
  struct delivered delivered = {.outcome = REPORT_STORED};
  struct err why = {0};
  int result = send_event(outbox, report, &delivered, err);
  if (result == 0 && outbox->keeps_projectless && report_lacks_project(delivered.outcome, delivered.reason)) {
    delivered.lacks_project = true;
    result = err_set(err, ERR_DENIED, "%s", delivered.reason);
  }
  bool waits = result != 0 && (err_kind(result) == ERR_KIND_RETRY || result == -ERR_DENIED);
  if (result != 0 && !waits) return result;
  if (result != -ERR_DENIED || delivered.lacks_project) pulse_hurry(&outbox->pulse);
  bool is_kept = !waits || spool_put(&outbox->spool, report, &why) == 0;
  (void)snprintf(outbox->pulse.spool_error, sizeof outbox->pulse.spool_error, "%s", is_kept ? "" : why.text);
  if (!is_kept) {
    return err_set(err, (enum err_code) - result, "%s; the event cannot be kept in the spool either: %s", err->text,
                   why.text);
  }
  if (waits) {
    delivered.outcome = REPORT_SPOOLED;
    delivered.needs_help = result == -ERR_DENIED;
    outbox->said_projectless += delivered.lacks_project; /* the owner prints it */
    (void)snprintf(delivered.reason, sizeof delivered.reason, "%s", err->text);
  }
  *ret = delivered;
  return 0;
}

int outbox_say_waiting(const struct outbox *outbox, const char *what, const struct delivered *delivered,
                       struct err *err) {
  SCOPED_MALLOC char *subject = strdup(what), *dir = strdup(outbox->spool.dir);
  CHECK(subject != NULL && dir != NULL);
  err_shorten(subject, NAME_SHOWN_MAX);
  err_shorten(dir, NAME_SHOWN_MAX);
  const char *how =
      delivered->lacks_project ? report_project_advice(delivered->reason)
      : delivered->needs_help
          ? "correct the server's address or the token, then send it by `codecmeter flush --any`: it counts for the "
            "project of the token that sends it"
          : "it is sent with the next event that is stored, or by `codecmeter flush`";
  return err_set(err, delivered->needs_help ? ERR_DENIED : ERR_NETWORK, "%s: %s; the event waits in %s; %s", subject,
                 delivered->reason, dir, how);
}

static void say(void *command, const char *text) {
  SCOPED_MALLOC char *shown = str_printable(str_of(text));
  (void)fprintf(stderr, "codecmeter %s: %s\n", (const char *)command, shown);
}

void outbox_before_run(const struct outbox *outbox, const char *command, const struct outputs *outputs) {
  SCOPED_MALLOC char *name = strdup(command);
  const struct spool_pass pass = {.say = say, .say_arg = name};
  intent_settle_outputs(&outbox->spool, outputs, &pass);
}

int64_t outbox_beat_ms(const struct outbox *outbox) {
  int64_t due_ms = pulse_next_ms(&outbox->pulse);
  return due_ms > outbox->again_ms ? due_ms : outbox->again_ms;
}

void outbox_beat(struct outbox *outbox, const char *command) {
  SCOPED_MALLOC char *name = strdup(command);
  if (now_ms() < outbox_beat_ms(outbox)) return;
  pulse_beat(&outbox->pulse, outbox->client, &outbox->spool, outbox->quiet ? NULL : say, name);
}

/* Says it once for each run that was killed. */
static void say_unsettled(struct outbox *outbox, const char *command, const struct spool_sums *sums) {
  bool is_news = sums->unsettled > outbox->said_unsettled;
  outbox->said_unsettled = sums->unsettled;
  if (!is_news) return;
  SCOPED_MALLOC char *shown = str_printable(str_of(sums->why_unsettled.text));
  (void)fprintf(stderr, "codecmeter %s: %" PRIu64 " killed %s noted in %s %s not metered yet: %s\n", command,
                sums->unsettled, plural(sums->unsettled, "run", "runs"), outbox->spool.dir,
                plural(sums->unsettled, "is", "are"), shown);
}

/* Says it once for each further event. */
static void say_projectless(struct outbox *outbox, const char *command, const struct spool_sums *sums) {
  bool is_news = sums->projectless > outbox->said_projectless;
  outbox->said_projectless = sums->projectless;
  if (!is_news) return;
  SCOPED_MALLOC char *reason = str_printable(str_of(sums->why_projectless));
  (void)fprintf(stderr,
                "codecmeter %s: %" PRIu64 " %s in %s %s until the server takes %s project (%s). For each: %s\n",
                command, sums->projectless, plural(sums->projectless, "event", "events"), outbox->spool.dir,
                plural(sums->projectless, "waits", "wait"), plural(sums->projectless, "its", "their"), reason, report_project_advice(sums->why_projectless));
}

enum catch_up outbox_catch_up(struct outbox *outbox, const char *command) {
  SCOPED_MALLOC char *name = strdup(command);
  const struct spool_pass pass = {
      .first = intent_settle, .say = say, .say_arg = name, .most = CATCH_UP_EVENTS, .tries = 1};
  struct spool_sums sums = {0};
  struct err err = {0};
  if (!outbox->reached) return CATCH_UP_NONE;
  outbox->reached = false;
  int result = spool_send(&outbox->spool, outbox->client, &pass, &sums, &err);
  if (!outbox->quiet && sums.sent + sums.duplicate + sums.rejected > 0) {
    (void)fprintf(stderr,
                  "codecmeter %s: %s: sent %" PRIu64 ", duplicate %" PRIu64 ", rejected %" PRIu64 ", left %" PRIu64
                  "\n",
                  command, outbox->spool.dir, sums.sent, sums.duplicate, sums.rejected, sums.left);
  }
  if (result == -ERR_NOT_FOUND) return CATCH_UP_ALL;
  say_unsettled(outbox, command, &sums);
  say_projectless(outbox, command, &sums);
  if (result == 0 && sums.elsewhere > 0 && !outbox->said_elsewhere && !outbox->quiet) {
    outbox->said_elsewhere = true;
    (void)fprintf(
        stderr,
        "codecmeter %s: %" PRIu64
        " %s in %s %s for another server or token: give `codecmeter flush` with the --env file of that server and "
        "token (with --any, an event that names no project would count for the project of this token)\n",
        command, sums.elsewhere, plural(sums.elsewhere, "event", "events"), outbox->spool.dir,
        plural(sums.elsewhere, "waits", "wait"));
  }
  if (result == 0) outbox->again_ms = 0;
  if (result != 0 && err_kind(result) != ERR_KIND_RETRY && strcmp(err.text, outbox->said.text) != 0) {
    SCOPED_MALLOC char *text = str_printable(str_of(err.text));
    (void)fprintf(stderr, "codecmeter %s: %s\n", command, text);
    outbox->said = err;
  }
  if (result == 0 && sums.left == sums.elsewhere + sums.unreadable) return CATCH_UP_ALL;
  return sums.sent + sums.duplicate > 0 ? CATCH_UP_SOME : CATCH_UP_NONE;
}
