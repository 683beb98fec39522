#include "http/waiter.h"

#include <stdio.h>
#include <stdlib.h>

#include "ingest/commit/answer.h"
#include "metrics/metrics.h"

#define RETRY_AFTER "2" /* seconds */

enum http_result waiter_refuse(struct http_reply *reply, const char *detail) {
  http_reply_problem(reply, 503, detail);
  http_reply_header(reply, "Retry-After", RETRY_AFTER);
  return HTTP_ANSWERED;
}

bool waiter_claim(const struct waiter *waiter, size_t bytes) {
  if (bytes <= HTTP_SHORT || http_claim(waiter->request, bytes)) return true;
  char detail[192];
  (void)snprintf(
      detail, sizeof detail,
      "the server is busy: an answer of up to %zu bytes does not fit into http.answers_max now; send this again "
      "later, or fewer events at once; what was stored counts once",
      bytes);
  (void)waiter_refuse(waiter->reply, detail);
  return false;
}

static enum metric_refusal refusal_of(int result) {
  switch (-result) {
    case ERR_BUSY: return METRIC_REFUSED_QUEUE;
    case ERR_FULL: return METRIC_REFUSED_DISK;
    case ERR_MEMORY: return METRIC_REFUSED_MEMORY;
    case ERR_DESCRIPTORS: return METRIC_REFUSED_DESCRIPTORS;
    case ERR_LIMIT: return METRIC_REFUSED_PROJECTS;
    case ERR_STOPPING: return METRIC_REFUSED_STOPPING;
    default: return METRIC_REFUSED_FAILED;
  }
}

enum http_result waiter_refuse_report(struct http_reply *reply, enum metric_refusal why, const char *detail) {
  metrics_add(METRIC_REFUSED, why, 1);
  return waiter_refuse(reply, detail);
}

static void settle(struct waiter *waiter) {
  waiter->is_done = false;
  if (waiter->result == 0)
    waiter->answer(waiter);
  else
    (void)waiter_refuse_report(waiter->reply, refusal_of(waiter->result), delivery_failure(waiter->result));
}

/* On the thread that sends the reply. */
static void fill(struct http_request *request) { settle(request->state); }

/* On the committer's thread, or on that of waiter->at_once. */
static void done(struct delivery *delivery, int result) {
  struct waiter *waiter = delivery->arg;
  waiter->result = result;
  waiter->is_done = true;
  if (waiter->at_once)
    settle(waiter);
  else
    waiter->reply->fill = fill;
  http_resume(waiter->request);
}

struct waiter *waiter_new(struct http_request *request, struct http_reply *reply, size_t memory_max,
                          void (*answer)(const struct waiter *waiter)) {
  struct waiter *waiter = calloc(1, sizeof *waiter);
  struct delivery *delivery = waiter != NULL ? delivery_new(memory_max) : NULL;
  if (delivery == NULL) {
    free(waiter);
    return NULL;
  }
  *waiter = (struct waiter){.delivery = delivery, .request = request, .reply = reply, .answer = answer};
  waiter->delivery->done = done;
  waiter->delivery->arg = waiter;
  request->state = waiter;
  return waiter;
}

enum http_result waiter_submit(struct waiter *waiter, struct committer *committer, const char *projects_zone) {
  if (waiter->delivery->events.usages_count == 0) {
    waiter->delivery->has_lost = ingest_note(&waiter->delivery->events, NULL);
    waiter->answer(waiter);
    return HTTP_ANSWERED;
  }
  if (!http_hold(waiter->request, delivery_size(waiter->delivery)))
    return waiter_refuse_report(waiter->reply, METRIC_REFUSED_BODIES, HTTP_NO_ROOM);
  int result = delivery_submit(waiter->delivery, committer, projects_zone);
  return result == 0 ? HTTP_WAITING : waiter_refuse_report(waiter->reply, refusal_of(result), delivery_failure(result));
}

bool waiter_expired(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  struct waiter *waiter = request->state;
  if (!delivery_abandon(waiter->delivery)) return false;
  waiter->delivery = NULL;
  (void)waiter_refuse_report(reply, METRIC_REFUSED_LATE, "the events were not on disk in time: send this again, what was stored counts once");
  return true;
}

void waiter_release(void *arg, struct http_request *request) {
  (void)arg;
  struct waiter *waiter = request->state;
  if (waiter == NULL) return;
  if (waiter->is_done)
    settle(waiter); /* the client has gone: what became of the events is logged and counted even so */
  delivery_free(waiter->delivery);
  free(waiter);
  request->state = NULL;
}
