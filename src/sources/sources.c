/* The follower's states:
 *
 *   COUNTING ──the log's end──> WAITING ──LOOK_MS, or a list is asked for──> COUNTING
 *      │ a shortage that may pass: WAITING
 *      └ any other error ──> FAILED: what was counted stays, and the list says so; the next start tries again
 *
 * A tally is written only between two blocks, so a file always says what the log holds up to its position.
 */
#include "sources/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/wait.h"
#include "ledger/log/follow.h"
#include "meter/rfc3339.h"
#include "sources/judge.h"
#include "sources/rejections.h"
#include "sources/state_file.h"
#include "sources/tally.h"

#define NICENESS 19   /* everything else has priority */
#define LOOK_MS 15000 /* between two looks at the log */
#define SAVE_AGENTS_MS 60000
#define SAVE_USES_MS 60000 /* at most once in this time; the first new use is saved at the next look */
#define SAVE_TALLY_MS 300000
#define SAVE_TALLY_BYTES (UINT64_C(1) << 30) /* of the log: sooner, so that a restart counts less again */
#define LIST_WAIT_MS 2000
#define YIELD_US 2000
#define AGENTS_FILE "agents"
#define TALLY_FILE "sources"
#define FILE_SIZE_MAX ((uint64_t)64 << 20)

struct sources {
  struct sources_options options;
  char *derived; /* DATA/derived */
  int64_t since_ms;
  _Atomic bool knocks; /* a list wants the lock: the follower, which takes it again and again, lets it in */
  struct agents *agents;
  struct rejections *rejections;
  pthread_t thread;
  bool has_thread;

  pthread_mutex_t lock; /* protects what follows */
  pthread_cond_t wake;  /* a list is asked for, or the room stops */
  struct tally *tally;  /* only the follower changes it */
  bool stopping, asked;
  bool has_failed;
  struct err failure;

  /* The follower's own. */
  uint64_t saved_position;
  int64_t saved_tally_ms, saved_agents_ms; /* monotonic */
  int64_t saved_uses_ms; /* likewise; when token uses were last saved, not looked at */
  bool said_unsaved;
};

static int64_t now_ms(const struct sources *sources) { return clock_real_ms(sources->options.clock); }
static int64_t monotonic_ms(const struct sources *sources) { return clock_monotonic_ms(sources->options.clock); }

static uint64_t log_end_of(const struct sources *sources) {
  struct ledger_status status;
  ledger_status(sources->options.ledger, &status);
  return status.end;
}

/* ---- files ---- */

/* A file of a longer log belongs to another ledger. */
static int check_position(const struct sources *sources, const struct tally *tally, struct err *err) {
  if (tally_position(tally) <= log_end_of(sources)) return 0;
  return err_set(err, ERR_CORRUPT, "it counts more of the log than there is");
}

static void load_tally(struct sources *sources) {
  SCOPED_MALLOC char *path = file_path(sources->derived, TALLY_FILE);
  SCOPED(buf_fini) struct buf bytes = {0};
  SCOPED(tally_free_ref) struct tally *tally = NULL;
  struct err err = {0};
  int result = state_file_read(path, FILE_SIZE_MAX, &bytes, &err);
  if (result == 0) result = tally_decode(buf_view(&bytes), &tally, &err);
  if (result == 0) result = check_position(sources, tally, &err);
  if (result != 0 && result != -ERR_NOT_FOUND)
    diag_warning("%s: %s; the sources are counted again from the log", path, err.text);
  sources->tally = result == 0 ? MOVE(tally) : tally_new();
  sources->saved_position = tally_position(sources->tally);
}

static void load_agents(struct sources *sources) {
  SCOPED_MALLOC char *path = file_path(sources->options.dir, AGENTS_FILE);
  SCOPED(buf_fini) struct buf lines = {0};
  struct err err = {0};
  int result = state_file_read(path, FILE_SIZE_MAX, &lines, &err);
  size_t bad = result == 0 ? agents_decode(sources->agents, buf_view(&lines)) : 0;
  if (result != 0 && result != -ERR_NOT_FOUND)
    diag_warning("%s: agents that have stopped are not known until they report again", err.text);
  if (bad > 0)
    diag_warning("%s: %zu lines cannot be read; these agents are not known until they report again", path, bad);
}

/* Says it once: the next try comes soon, and a full disk has warnings of its own. */
static void say_unsaved(struct sources *sources, int result, const struct err *err) {
  if (result != 0 && !sources->said_unsaved)
    diag_warning("cannot keep the state of agents, sources and token uses: %s", err->text);
  sources->said_unsaved = result != 0;
}

static void save_agents(struct sources *sources) {
  SCOPED(buf_fini) struct buf lines = {0};
  struct err err = {0};
  sources->saved_agents_ms = monotonic_ms(sources);
  if (!agents_are_new(sources->agents)) return;
  agents_encode(sources->agents, now_ms(sources), &lines);
  int result = lines.failed ? err_set(&err, ERR_MEMORY, "no memory to write %s", AGENTS_FILE)
                            : file_replace(sources->options.dir, AGENTS_FILE, buf_view(&lines), &err);
  say_unsaved(sources, result, &err);
}

static void load_uses(struct sources *sources) {
  struct err err = {0};
  size_t bad = 0;
  int result = token_uses_load(sources->options.token_uses, sources->options.dir, &bad, &err);
  if (result != 0) diag_warning("%s: the last uses of tokens are not known until they are used again", err.text);
  if (bad > 0)
    diag_warning("%s/%s: %zu lines cannot be read; the last uses of these tokens are not known until they are used again",
                 sources->options.dir, TOKEN_USES_FILE, bad);
}

static void save_uses(struct sources *sources) {
  struct err err = {0};
  if (!token_uses_are_new(sources->options.token_uses)) return;
  sources->saved_uses_ms = monotonic_ms(sources);
  say_unsaved(sources, token_uses_save(sources->options.token_uses, sources->options.dir, &err), &err);
}

static void save_tally(struct sources *sources) {
  SCOPED(buf_fini) struct buf bytes = {0};
  struct err err = {0};
  sources->saved_tally_ms = monotonic_ms(sources);
  if (sources->has_failed || tally_position(sources->tally) == sources->saved_position) return;
  tally_encode(sources->tally, &bytes);
  int result = bytes.failed ? err_set(&err, ERR_MEMORY, "no memory to write %s", TALLY_FILE)
                            : file_replace(sources->derived, TALLY_FILE, buf_view(&bytes), &err);
  if (result == 0) sources->saved_position = tally_position(sources->tally);
  say_unsaved(sources, result, &err);
}

static void save_due(struct sources *sources) {
  int64_t now = monotonic_ms(sources);
  bool is_long = tally_position(sources->tally) - sources->saved_position >= SAVE_TALLY_BYTES;
  if (now >= sources->saved_agents_ms + SAVE_AGENTS_MS) save_agents(sources);
  if (now >= sources->saved_uses_ms + SAVE_USES_MS) save_uses(sources);
  if (is_long || now >= sources->saved_tally_ms + SAVE_TALLY_MS) save_tally(sources);
}

/* ---- the follower ---- */

static void count_usage(void *arg, const struct usage *usage) { tally_count(((struct sources *)arg)->tally, usage); }

/* Called with the lock held, between two blocks: lets a list in. */
static bool go_on(void *arg, uint64_t position) {
  struct sources *sources = arg;
  tally_reach(sources->tally, position);
  bool goes_on = !sources->stopping;
  lock_give(&sources->lock);
  save_due(sources);
  if (atomic_load(&sources->knocks)) (void)usleep(YIELD_US);
  lock_take(&sources->lock);
  return goes_on;
}

static void fail(struct sources *sources, const struct err *err) {
  diag_warning("the outputs of sources are not counted any more, until the next start: %s", err->text);
  sources->failure = *err;
  sources->has_failed = true;
}

/* Counts up to the log's end. Called with the lock held, and returns with it. */
static void count(struct sources *sources) {
  struct err err = {0};
  uint64_t end;
  const struct follow follow = {.dir = sources->options.dir,
                                .from = tally_position(sources->tally),
                                .to = log_end_of(sources),
                                .visit = count_usage,
                                .goes_on = go_on,
                                .arg = sources};
  if (sources->has_failed || follow.from >= follow.to) return;
  int result = follow_usage(&follow, &end, &err);
  if (result != 0 && err_kind(result) != ERR_KIND_RETRY) fail(sources, &err);
}

static void *follower_main(void *arg) {
  struct sources *sources = arg;
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
  lock_take(&sources->lock);
  while (!sources->stopping) {
    sources->asked = false;
    count(sources);
    lock_give(&sources->lock);
    save_due(sources);
    lock_take(&sources->lock);
    if (!sources->stopping && !sources->asked) (void)wait_for_ms(&sources->wake, &sources->lock, LOOK_MS);
  }
  lock_give(&sources->lock);
  return NULL;
}

int sources_start(const struct sources_options *options, struct sources **ret, struct err *err) {
  struct sources *sources = memory_wait(sizeof *sources);
  sources->options = *options;
  sources->derived = file_path(options->dir, "derived");
  sources->since_ms = now_ms(sources);
  sources->saved_agents_ms = sources->saved_tally_ms = monotonic_ms(sources);
  sources->saved_uses_ms = sources->saved_agents_ms - SAVE_USES_MS;
  sources->agents = agents_new();
  sources->rejections = rejections_new();
  lock_init(&sources->lock);
  wait_init(&sources->wake);
  load_tally(sources);
  load_agents(sources);
  load_uses(sources);
  int code = pthread_create(&sources->thread, NULL, follower_main, sources);
  sources->has_thread = code == 0;
  if (code == 0) (void)pthread_setname_np(sources->thread, "sources");
  if (code == 0) {
    *ret = sources;
    return 0;
  }
  sources_stop(sources);
  return err_set_errno(err, ERR_INTERNAL, code, "cannot start the thread that counts sources");
}

void sources_stop(struct sources *sources) {
  if (sources == NULL) return;
  lock_take(&sources->lock);
  sources->stopping = true;
  wait_wake_all(&sources->wake);
  lock_give(&sources->lock);
  if (sources->has_thread) (void)pthread_join(sources->thread, NULL);
  save_agents(sources);
  save_uses(sources);
  save_tally(sources);
  tally_free(sources->tally);
  agents_free(sources->agents);
  rejections_free(sources->rejections);
  lock_fini(&sources->lock);
  wait_fini(&sources->wake);
  free(sources->derived);
  free(sources);
}

/* ---- reports ---- */

int sources_report(struct sources *sources, const struct token *token, const struct agent_status *status,
                   struct err *err) {
  return agents_report(sources->agents, token, status, now_ms(sources), err);
}

void sources_count_rejected(struct sources *sources, struct str project, struct str source, uint64_t count) {
  rejections_add(sources->rejections, project, source, count, now_ms(sources));
}

int sources_forget(struct sources *sources, struct str project, struct str name, struct err *err) {
  if (agents_forget(sources->agents, project, name) > 0) return 0;
  return err_set(err, ERR_NOT_FOUND, "no agent of this name has reported: `codecmeter sources` lists them");
}

/* ---- the list ---- */

struct visiting {
  struct sources *sources;
  int64_t now_ms;
  sources_visit_item visit;
  void *arg;
};

static void visit_agent(void *arg, const struct agent *agent) {
  const struct visiting *visiting = arg;
  const struct sources_item item = {
      .agent = agent,
      .troubles = judge_agent(agent, visiting->now_ms, visiting->sources->since_ms),
      .now_ms = visiting->now_ms,
  };
  visiting->visit(visiting->arg, &item);
}

static void visit_rejected(const struct visiting *visiting, const struct tally_source *source,
                           const struct rejection *rejection) {
  const struct sources_item item = {
      .source = source,
      .rejection = rejection,
      .troubles = judge_source(source) | judge_rejection(rejection, visiting->now_ms),
      .now_ms = visiting->now_ms,
  };
  visiting->visit(visiting->arg, &item);
}

static void visit_source(void *arg, const struct tally_source *source) {
  const struct visiting *visiting = arg;
  struct rejection rejection = rejections_of(visiting->sources->rejections, source->project, source->source);
  visit_rejected(visiting, source, &rejection);
}

/* A source of which the server has taken nothing yet. */
static void visit_rejection(void *arg, const struct rejection *rejection) {
  const struct visiting *visiting = arg;
  const struct tally_source none = {
      .project = rejection->project, .source = rejection->source, .last_ms = rejection->last_ms};
  if (!tally_has(visiting->sources->tally, rejection->project, rejection->source))
    visit_rejected(visiting, &none, rejection);
}

static void knock(struct sources *sources) {
  atomic_store(&sources->knocks, true);
  lock_take(&sources->lock);
  atomic_store(&sources->knocks, false);
}

/* Has the follower count what is new, and returns with the lock held. */
static void catch_up(struct sources *sources, uint64_t end) {
  int64_t until_ms = monotonic_ms(sources) + LIST_WAIT_MS;
  knock(sources);
  while (tally_position(sources->tally) < end && !sources->has_failed && monotonic_ms(sources) < until_ms) {
    sources->asked = true;
    wait_wake(&sources->wake);
    lock_give(&sources->lock);
    (void)usleep(YIELD_US);
    knock(sources);
  }
}

int sources_visit(struct sources *sources, sources_visit_item visit, void *arg, struct sources_state *ret_state,
                  struct err *err) {
  struct visiting visiting = {.sources = sources, .now_ms = now_ms(sources), .visit = visit, .arg = arg};
  uint64_t end = log_end_of(sources);
  catch_up(sources, end);
  struct sources_state state = {
      .now_ms = visiting.now_ms,
      .since_ms = sources->since_ms,
      .counted = tally_position(sources->tally),
      .end = end,
      .is_rough = tally_is_rough(sources->tally),
      .has_failed = sources->has_failed,
      .failure = sources->failure,
  };
  int result = agents_visit(sources->agents, visit_agent, &visiting);
  if (result == 0) result = tally_visit(sources->tally, visiting.now_ms, visit_source, &visiting);
  if (result == 0) rejections_visit(sources->rejections, visit_rejection, &visiting);
  lock_give(&sources->lock);
  if (result != 0) return err_set(err, ERR_MEMORY, "the server has no memory to list the sources: try again later");
  *ret_state = state;
  return 0;
}
