#include "cli/delivery.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/command.h"

#define AWAY_MS 5000
#define CATCH_UP_EVENTS 64

int delivery_open(const struct client_settings *settings, struct delivery *ret, struct err *err) {
  struct delivery delivery = {.client = NULL};
  int result = client_open(settings, &delivery.client, err);
  if (result != 0) return result;
  spool_init(&delivery.spool, settings);
  *ret = delivery;
  return 0;
}

void delivery_close(struct delivery *delivery) {
  client_close(delivery->client);
  spool_fini(&delivery->spool);
  delivery->client = NULL;
}

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static int send_event(struct delivery *delivery, const struct report *report, struct delivered *ret,
                      struct err *err) {
  if (now_ms() < delivery->again_ms) {
    *err = delivery->away;
    return -(int)err->code;
  }
  int result = report_send(delivery->client, buf_view(&report->event), REPORT_TRIES, &ret->outcome, ret->reason, err);
  if (result == 0) delivery->reached = true;
  if (result != 0 && err_kind(result) == ERR_KIND_RETRY) {
    delivery->again_ms = now_ms() + AWAY_MS;
    delivery->away = *err;
  }
  return result;
}

int delivery_event(struct delivery *delivery, const struct report *report, struct delivered *ret, struct err *err) {
  struct delivered delivered = {.outcome = REPORT_STORED};
  struct err why = {0};
  int result = send_event(delivery, report, &delivered, err);
  bool waits = result != 0 && (err_kind(result) == ERR_KIND_RETRY || result == -ERR_DENIED);
  if (result != 0 && !waits) return result;
  if (waits && spool_put(&delivery->spool, report, &why) != 0) {
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", err->text);
    return err_set(err, (enum err_code) - result, "%.240s; nor can it be kept: %.240s", text, why.text);
  }
  if (waits) {
    delivered.outcome = REPORT_SPOOLED;
    delivered.needs_help = result == -ERR_DENIED;
    (void)snprintf(delivered.reason, sizeof delivered.reason, "%s", err->text);
  }
  *ret = delivered;
  return 0;
}

void delivery_say_where(const struct delivery *delivery, char *out, size_t size) {
  (void)snprintf(out, size, "it waits in %s, and goes with what is stored next, or with `codecmeter flush`",
                 delivery->spool.dir);
}

enum catch_up delivery_catch_up(struct delivery *delivery, const char *command) {
  const struct spool_pass pass = {.most = CATCH_UP_EVENTS, .tries = 1};
  struct spool_sums sums = {0};
  struct err err = {0};
  if (!delivery->reached) return CATCH_UP_NONE;
  delivery->reached = false;
  int result = spool_send(&delivery->spool, delivery->client, &pass, &sums, &err);
  if (sums.sent + sums.duplicate + sums.rejected > 0) {
    (void)fprintf(stderr,
                  "codecmeter %s: of %s: sent %" PRIu64 ", duplicate %" PRIu64 ", rejected %" PRIu64 ", left %" PRIu64
                  "\n",
                  command, delivery->spool.dir, sums.sent, sums.duplicate, sums.rejected, sums.left);
  }
  if (result == -ERR_NOT_FOUND) return CATCH_UP_ALL;
  if (result == 0) delivery->again_ms = 0;
  if (result != 0 && err_kind(result) != ERR_KIND_RETRY) (void)command_fail(command, &err);
  if (result == 0 && sums.left == sums.elsewhere) return CATCH_UP_ALL;
  return sums.sent + sums.duplicate > 0 ? CATCH_UP_SOME : CATCH_UP_NONE;
}
