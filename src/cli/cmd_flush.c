/* Sends all events of the spool. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/client.h"
#include "agent/intent.h"
#include "agent/plural.h"
#include "agent/pulse.h"
#include "agent/spool.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/stop.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"

struct flush_options {
  struct client_settings settings;
  bool any, json;
};

static void show(void *arg, const struct spool_sums *sums, uint64_t of) {
  progress_count(arg, of + sums->unsettled - sums->left + sums->elsewhere, of, "events");
}

static void say(void *arg, const char *text) {
  (void)arg;
  SCOPED_MALLOC char *shown = str_printable(str_of(text));
  (void)fprintf(stderr, "codecmeter flush: %s\n", shown);
}

static void print_json(const struct spool_sums *sums) {
  SCOPED(buf_fini) struct buf text = {0};
  struct json_write json = json_write_to(&text);
  json_write_object(&json, NULL);
  json_write_u64(&json, "sent", sums->sent);
  json_write_u64(&json, "duplicate", sums->duplicate);
  json_write_u64(&json, "rejected", sums->rejected);
  json_write_u64(&json, "left", sums->left);
  json_write_end(&json);
  buf_char(&text, '\n');
  CHECK(!text.failed);
  (void)fwrite(text.ptr, 1, text.len, stdout);
}

static void print_sums(const struct spool_sums *sums, bool json) {
  if (json) {
    print_json(sums);
  } else {
    (void)printf("sent %" PRIu64 ", duplicate %" PRIu64 ", rejected %" PRIu64 ", left %" PRIu64 "\n", sums->sent,
                 sums->duplicate, sums->rejected, sums->left);
  }
  (void)fflush(stdout);
}

static int check_left(const struct spool *spool, const struct spool_sums *sums, struct err *err) {
  if (sums->left == 0) return 0;
  if (sums->unreadable > 0) {
    return err_set(err, ERR_DENIED,
                   "%s: %" PRIu64 " %s cannot be read by this user (%s): run flush as the user who owns %s, or check the disk",
                   spool->dir, sums->unreadable, plural(sums->unreadable, "event", "events"),
                   sums->why_unreadable.text, plural(sums->unreadable, "it", "them"));
  }
  if (sums->unsettled > 0) {
    return err_set(err, ERR_BUSY, "%s: %" PRIu64 " %s killed and cannot be metered yet: %s", spool->dir,
                   sums->unsettled, plural(sums->unsettled, "run was", "runs were"), sums->why_unsettled.text);
  }
  if (sums->projectless > 0) {
    return err_set(err, ERR_DENIED,
                   "%s: %" PRIu64
                   " %s until the server takes %s project (%s). For each: %s",
                   spool->dir, sums->projectless, plural(sums->projectless, "event waits", "events wait"),
                   plural(sums->projectless, "its", "their"), sums->why_projectless, report_project_advice(sums->why_projectless));
  }
  if (sums->elsewhere == 0)
    return err_set(err, ERR_BUSY, "%s: some events could not be sent; run flush again", spool->dir);
  return err_set(err, ERR_DENIED,
                 "%s: %" PRIu64
                 " %s for another server or token: run flush with the --env file of that server and token. If this server "
                 "and token replace them, run it with --any: an event that names no project then counts for the project "
                 "of this token",
                 spool->dir, sums->elsewhere, plural(sums->elsewhere, "event is", "events are"));
}

/* Of a server that is away, the failure says enough. */
static void tell_status(const struct flush_options *options, struct client *client, const struct spool *spool,
                        int result) {
  struct pulse pulse;
  if (result == -ERR_NETWORK) return;
  pulse_init(&pulse, &options->settings, STR("flush"), 0);
  pulse_hurry(&pulse);
  pulse_beat(&pulse, client, spool, options_quiet() ? NULL : say, NULL);
}

static int flush(struct flush_options *options, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  SCOPED(spool_fini) struct spool spool = {.dir = NULL};
  struct spool_sums sums = {0};
  struct progress progress;
  struct spool_pass pass = {.first = intent_settle,
                            .say = say,
                            .most = UINT64_MAX,
                            .tries = REPORT_TRIES,
                            .waits = true,
                            .other_tokens = true,
                            .any = options->any,
                            .step = show,
                            .step_arg = &progress};
  options->settings.interrupted = stop_is_wanted;
  int result = client_open(&options->settings, &client, err);
  if (result != 0) return result;
  if (options->settings.token == NULL) {
    return err_set(err, ERR_USAGE, "no token is given: give --env FILE, $CODECMETER_TOKEN or --token");
  }
  spool_init(&spool, &options->settings);
  stop_begin(); /* a stop ends the sending, and the event under way stays in the spool; the sums are printed */
  progress_begin(&progress);
  result = spool_send(&spool, client, &pass, &sums, err);
  progress_end(&progress);
  tell_status(options, client, &spool, result);
  bool never_spooled = result == -ERR_NOT_FOUND && options->settings.spool == NULL && !file_exists(spool.dir);
  bool shown = options->json || !options_quiet();
  if (shown && (result == 0 || sums.left > 0 || never_spooled)) print_sums(&sums, options->json);
  if (sums.rejected > 0)
    (void)fprintf(stderr, "codecmeter flush: the rejected events and the reasons are in %s/rejected\n", spool.dir);
  if (never_spooled) return 0;
  return result == 0 ? check_left(&spool, &sums, err) : result;
}

int cmd_flush(int argc, char **argv) {
  struct flush_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      CLIENT_SPOOL_ROW(options.settings),
      CLIENT_AGENT_ROW(options.settings),
      {"any", 0, OPTION_FLAG, &options.any, NULL,
       "also send events for another server, or for the project of another token"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print the sums as JSON"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "no event is left in the spool"},
      {EXIT_FAILED, "events are left, or the spool could not be read"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Sends the events that wait in the spool, oldest first. It moves an event that the server rejects, with "
          "the reason, to the directory `rejected` in the spool.",
      .examples = "codecmeter flush --env data/client.env",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  if (result == 0) result = flush(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("flush", &err);
}
