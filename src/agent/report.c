/* The media are looked at before and after they are read, because an identity of other bytes than the
 * measured ones would be wrong for ever.
 */
#include "agent/report.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/file_writer.h"
#include "agent/identity.h"
#include "agent/report_ids.h"
#include "auth/digest.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/stop.h"
#include "meter/codec.h"
#include "meter/frame_rate.h"
#include "meter/labels.h"
#include "meter/rfc3339.h"
#include "meter/usage.h"

#define MEASURE_TRIES 2      /* if a part of a list seems to change */
#define BACKOFF_FIRST_MS 500 /* doubled after each attempt: 3.5 s in all */
#define WAIT_MAX_MS 5000     /* in all, if the server asks for longer waits */

void report_fini(struct report *report) {
  buf_fini(&report->event);
  free(report->name);
  report->name = NULL;
}

void reports_fini(struct reports *reports) {
  for (size_t i = 0; i < reports->count; i++)
    report_fini(&reports->items[i]);
  free(reports->items);
  media_fini(&reports->media);
  *reports = (struct reports){.items = NULL};
}

/* ---- identity of an output that failed ---- */

static void hash_texts(struct str path, const char *rest, char id[33]) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  SCOPED(buf_fini) struct buf text = {0};
  buf_str(&text, path);
  buf_char(&text, '\0');
  buf_text(&text, rest);
  digest_sha256(buf_view(&text), digest);
  bytes_hex(digest, 16, id);
}

static void host_source(char out[REPORT_ID_SIZE]) {
  char host[HOST_NAME_MAX + 1] = "unknown";
  static_assert(sizeof host + sizeof "host:" <= REPORT_ID_SIZE, "a host's name fits into a source");
  (void)gethostname(host, sizeof host - 1);
  (void)snprintf(out, REPORT_ID_SIZE, "host:%s", host);
}

/* ---- events ---- */

/* Writes the attributes and opens the data. */
static struct json_write begin_event(const char *type, const char *project, struct report *ret) {
  struct json_write json = json_write_to(&ret->event);
  char time[RFC3339_SIZE];
  rfc3339_format(ret->time_ms, time);
  json_write_object(&json, NULL);
  json_write_text(&json, "specversion", "1.0");
  json_write_text(&json, "type", type);
  json_write_text(&json, "source", ret->source);
  json_write_text(&json, "id", ret->id);
  if (project != NULL) json_write_text(&json, "subject", project);
  json_write_text(&json, "time", time);
  json_write_object(&json, "data");
  return json;
}

/* Ends data and event. Leaves out a name that is longer than the ledger keeps, instead of cutting it. */
static int end_event(struct json_write *json, const char *name, size_t path_len, const struct report_options *options,
                     struct err *err) {
  struct str dest = str_of(report_ids_base_name(name, path_len));
  if (options->task_id != NULL) json_write_text(json, "task_id", options->task_id);
  if (dest.len > 0 && dest.len <= DEST_MAX && str_is_utf8(dest) && !str_has_control(dest))
    json_write_str(json, "dest_name", dest);
  if (options->labels.len > 0) {
    json_write_next(json, "labels");
    labels_write_json(options->labels, json->out);
  }
  json_write_end(json);
  json_write_end(json);
  return json->out->failed ? err_set(err, ERR_MEMORY, "%s: no memory for its event", name) : 0;
}

static int describe(const struct media_output *media, size_t path_len, const struct report_options *options,
                    struct report *ret, struct err *err) {
  bool is_remux = options->kind == REPORT_REMUX;
  char codec[CODEC_NAME_MAX + 1];
  int result = codec_canonical(str_of(media->codec), codec, err);
  if (result != 0) return err_prefix(err, "%s", media->name);
  struct json_write json = begin_event(is_remux ? "remux.finished" : "transcode.finished", options->project, ret);
  json_write_u64(&json, "duration_ms", media->duration_ms);
  struct frame_rate rate;
  if (frame_rate_of(media->rate_num, media->rate_den, &rate)) {
    json_write_next(&json, "frame_rate");
    buf_char(&ret->event, '"');
    frame_rate_write(rate, &ret->event);
    buf_char(&ret->event, '"');
  }
  if (!is_remux) {
    json_write_text(&json, "codec", codec);
    json_write_u64(&json, "width", media->width);
    json_write_u64(&json, "height", media->height);
  }
  ret->duration_ms = media->duration_ms;
  (void)snprintf(ret->summary, sizeof ret->summary, "%s%s %ux%u %" PRIu64 ".%03u s", is_remux ? "remux, " : "", codec,
                 media->width, media->height, media->duration_ms / 1000, (unsigned)(media->duration_ms % 1000));
  return end_event(&json, media->name, path_len, options, err);
}

/* An event's time has four digits for the year. */
static bool has_year(int64_t time_s) { return time_s >= RFC3339_MIN_MS / 1000 && time_s <= RFC3339_MAX_MS / 1000; }

/* ---- media that change while they are measured ---- */

/* What was known of a path before it was measured. */
struct before {
  const char *path; /* absolute */
  struct stat st;
  struct timespec time;
  bool part_changed; /* a file that the path, a list, plays seems to have changed since */
};

static int look_before(const char *path, struct before *ret, struct err *err) {
  *ret = (struct before){.path = path};
  if (stat(path, &ret->st) != 0)
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  if (!S_ISREG(ret->st.st_mode)) return err_set(err, ERR_MEDIA, "%s: not a regular file", path);
  ret->time = clock_file_time();
  return 0;
}

static int compare_times(struct timespec a, struct timespec b) {
  if (a.tv_sec != b.tv_sec) return a.tv_sec < b.tv_sec ? -1 : 1;
  return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}

/* The files that a list plays are known only afterwards. So their time of change tells, which no tool can set: it is
 * not between the start and now. A later one is of a file server whose clock goes ahead. If that clock goes ahead by
 * less, a file that did not change seems to have changed, but not a second time: see report_measure. Some kernels
 * stamp files with a clock that is a tick late, so a change in the first 10 ms may be overlooked. */
static bool has_changed(const struct before *before, const char *path, const struct stat *st, struct timespec now) {
  const struct stat *was = &before->st;
  if (strcmp(path, before->path) == 0)
    return st->st_dev != was->st_dev || st->st_ino != was->st_ino || st->st_size != was->st_size ||
           compare_times(st->st_mtim, was->st_mtim) != 0;
  return compare_times(st->st_ctim, before->time) > 0 && compare_times(st->st_ctim, now) <= 0;
}

static int check_unchanged(const struct before *before, const char *path, struct err *err) {
  struct stat st;
  if (stat(path, &st) != 0)
    return err_set_errno(err, ERR_IO, errno, "%s: it changed while it was measured; try again", path);
  return has_changed(before, path, &st, clock_file_time())
             ? err_set(err, ERR_IO, "%s: it changed while it was measured; try again", path)
             : 0;
}

/* Checks the path itself, which may be a list, and every file of the media. */
static int check_media_unchanged(struct before *before, const struct media_output *media, struct err *err) {
  int result = check_unchanged(before, before->path, err);
  if (result != 0) return result;
  for (size_t i = 0; i < media->span_count && result == 0; i++) {
    bool again = i > 0 && strcmp(media->spans[i].path, media->spans[i - 1].path) == 0; /* ranges of one file */
    if (!again) result = check_unchanged(before, media->spans[i].path, err);
  }
  if (result != 0) before->part_changed = true;
  return result;
}

/* -ERR_BUSY: somebody still writes to the path, or to a file that the output plays. */
static int check_writers(const struct before *before, const struct media_output *media, struct err *err) {
  int result = file_writer_check(before->path, err);
  for (size_t i = 0; i < media->span_count && result == 0; i++) {
    bool again = i > 0 && strcmp(media->spans[i].path, media->spans[i - 1].path) == 0; /* ranges of one file */
    if (!again) result = file_writer_check(media->spans[i].path, err);
  }
  return result;
}

/* The same of a path that is refused: it may be broken only because it is not finished. What is no video stays so.
 * -ERR_IO: it changed while it was read. */
static int check_refused(const struct before *before, const struct media *media, struct err *err) {
  bool may_change = media->refusal == MEDIA_REFUSED_BROKEN || media->refusal == MEDIA_REFUSED_UNFINISHED;
  int result = may_change ? file_writer_check(before->path, err) : 0;
  for (size_t i = 0; may_change && i < media->parts.count && result == 0; i++)
    result = file_writer_check(media->parts.items[i], err);
  return result == 0 ? check_unchanged(before, before->path, err) : result;
}

/* ---- outputs ---- */

/* The length of the part of an output's name that is a path; "#ID" follows it in the name of a manifest's rendition.
 */
static size_t path_len_of(const struct before *before, const char *name) {
  size_t len = strlen(before->path);
  return strncmp(name, before->path, len) == 0 && name[len] == '#' ? len : strlen(name);
}

/* Gives a measured output the identity of its media, and their time. */
static int identify(struct before *before, const struct media_output *media, struct report *ret, struct err *err) {
  int64_t time_s = 0;
  char identity[IDENTITY_SIZE];
  if (!media->is_measured) {
    if (media->why.code == ERR_MEDIA && check_writers(before, media, err) != 0) return -ERR_BUSY;
    *err = media->why;
    return -(int)media->why.code;
  }
  int result = identity_of_media(media->spans, media->span_count, identity, &time_s, err);
  if (result == 0) result = check_writers(before, media, err); /* first: else one could write and end in between */
  if (result == 0) result = check_media_unchanged(before, media, err);
  if (result != 0) return result;
  if (!has_year(time_s))
    return err_set(err, ERR_MEDIA, "%s: its time of writing is not in the years 1 to 9999; correct it with touch",
                   media->name);
  ret->time_ms = time_s * 1000;
  memcpy(ret->source, "file", sizeof "file");
  memcpy(ret->id, identity, sizeof identity);
  return 0;
}

/* Settles the identity of an output and makes its event. */
static int make_event(const struct before *before, const struct media_output *media,
                      const struct report_options *options, struct report *ret, struct err *err) {
  char identity[IDENTITY_SIZE];
  size_t path_len = path_len_of(before, media->name);
  memcpy(identity, ret->id, sizeof identity);
  int result = report_ids_choose(options, media->name, path_len, "", ret, err);
  if (result == 0) result = report_ids_enter(options, media, identity, ret, err);
  return result == 0 ? describe(media, path_len, options, ret, err) : result;
}

/* The output's name for people: with the path as it was given. */
static char *shown_name(const struct before *before, const char *path, const char *name) {
  size_t len = strlen(before->path);
  char *shown = NULL;
  bool has_path = strncmp(name, before->path, len) == 0 && (name[len] == '\0' || name[len] == '#');
  CHECK(asprintf(&shown, "%s%s", has_path ? path : name, has_path ? name + len : "") >= 0);
  return shown;
}

/* Measures the path's outputs and identifies them. What each of them lacks is in its `why`. */
static int measure(struct before *before, const char *path, const struct report_options *options, struct reports *ret,
                   struct err *err) {
  struct err changed;
  int result = media_probe(before->path, &options->media, &ret->media, err);
  if (result == -ERR_MEDIA && check_refused(before, &ret->media, &changed) != 0) {
    *err = changed;
    return -(int)changed.code;
  }
  if (result != 0) return result;
  ret->count = ret->media.count;
  ret->items = calloc(ret->count + 1, sizeof *ret->items);
  CHECK(ret->items != NULL);
  for (size_t i = 0; i < ret->count; i++) {
    struct report *report = &ret->items[i];
    report->name = shown_name(before, path, ret->media.items[i].name);
    report->is_measured = identify(before, &ret->media.items[i], report, &report->why) == 0;
  }
  return 0;
}

/* Why no output of several is measured: rather what may pass than what is so for good. */
static const struct err *why_none(const struct reports *reports) {
  for (size_t i = 0; i < reports->count; i++) {
    const struct err *why = &reports->items[i].why;
    if (err_kind(-(int)why->code) == ERR_KIND_RETRY || why->code == ERR_IO) return why;
  }
  return &reports->items[0].why;
}

/* An output of which no event can be made counts as not measured. */
static int make_events(const struct before *before, const struct report_options *options, struct reports *ret,
                       struct err *err) {
  size_t measured = 0;
  for (size_t i = 0; i < ret->count; i++) {
    struct report *report = &ret->items[i];
    if (!report->is_measured) continue;
    report->is_measured = make_event(before, &ret->media.items[i], options, report, &report->why) == 0;
    measured += report->is_measured;
  }
  if (measured > 0) return 0;
  *err = *why_none(ret);
  return -(int)err->code;
}

int report_measure(const char *path, const struct report_options *options, struct reports *ret, struct err *err) {
  struct before before;
  *ret = (struct reports){.items = NULL};
  int result = report_check_options(options, err);
  if (result != 0) return result;
  SCOPED_MALLOC char *absolute = realpath(path, NULL);
  if (absolute == NULL) return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  for (int tries = 0; tries < MEASURE_TRIES; tries++) {
    reports_fini(ret);
    result = look_before(absolute, &before, err);
    if (result == 0) result = measure(&before, path, options, ret, err);
    if (result != 0) return result;
    if (!before.part_changed) break;
  }
  if (options->id != NULL && ret->count > 1) {
    (void)err_set(err, ERR_USAGE, "%s: it has %zu outputs, and --id names one; give --id-prefix", path, ret->count);
    reports_fini(ret);
    return -ERR_USAGE;
  }
  return make_events(&before, options, ret, err);
}

int report_check_module(struct err *err) {
  SCOPED(media_fini) struct media media = {0};
  const struct media_options options = {.explain = false};
  struct err why;
  int result = media_probe("/dev/null", &options, &media, &why); /* loads the module, and is no media */
  if (result == 0 || result == -ERR_MEDIA || result == -ERR_IO) return 0;
  *err = why;
  return result;
}

int report_failure(const char *path, struct timespec started, struct timespec ended,
                   const struct report_options *options, struct report *ret, struct err *err) {
  char rest[64], tail[64];
  SCOPED_MALLOC char *absolute = report_absolute_path(path);
  if (absolute == NULL) return err_set_errno(err, ERR_IO, errno, "%s: the working directory has no path", path);
  (void)snprintf(rest, sizeof rest, "failed:%lld%09ld", (long long)started.tv_sec, started.tv_nsec);
  (void)snprintf(tail, sizeof tail, "#failed-%lld.%09ld", (long long)started.tv_sec, started.tv_nsec);
  host_source(ret->source);
  hash_texts(str_of(absolute), rest, ret->id);
  int result = report_check_options(options, err);
  if (result == 0) result = report_ids_choose(options, absolute, strlen(absolute), tail, ret, err);
  if (result != 0) return result;
  ret->name = strdup(path);
  CHECK(ret->name != NULL);
  ret->time_ms = (int64_t)ended.tv_sec * 1000 + ended.tv_nsec / 1000000;
  struct json_write json =
      begin_event(options->kind == REPORT_REMUX ? "remux.failed" : "transcode.failed", options->project, ret);
  (void)snprintf(ret->summary, sizeof ret->summary, "failed");
  ret->is_measured = true;
  return end_event(&json, path, strlen(path), options, err);
}

char *report_line(const struct report *report, enum report_outcome outcome) {
  SCOPED_MALLOC char *name = str_printable(str_of(report->name));
  SCOPED_MALLOC char *source = str_printable(str_of(report->source));
  SCOPED_MALLOC char *id = str_printable(str_of(report->id));
  bool is_file = strcmp(report->source, "file") == 0;
  char *line = NULL;
  CHECK(asprintf(&line, "%s: %s, %s%s%s, id %s", name, report->summary,
                 report->is_repeat ? "the same output as before" : report_outcome_name(outcome),
                 is_file ? "" : ", source ", is_file ? "" : source, id) >= 0);
  return line;
}

/* ---- sending ---- */

const char *report_outcome_name(enum report_outcome outcome) {
  static const char *const names[] = {[REPORT_STORED] = "stored",
                                      [REPORT_DUPLICATE] = "duplicate",
                                      [REPORT_CONFLICT] = "conflict",
                                      [REPORT_REJECTED] = "rejected",
                                      [REPORT_SPOOLED] = "spooled"};
  return names[outcome];
}

/* The server's reasons begin with the attribute's name: ingest/read/fields.c, ingest/commit/answer.c. */
bool report_lacks_project(enum report_outcome outcome, const char *reason) {
  static const char *const reasons[] = {"subject: no project has this id",
                                        "subject: the token is for another project", "subject is missing"};
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
    if (outcome == REPORT_REJECTED && str_starts(str_of(reason), str_of(reasons[i]))) return true;
  }
  return false;
}

const char *report_project_advice(const char *reason) {
  if (str_starts(str_of(reason), STR("subject is missing")))
    return "send it by `codecmeter flush --any` with a token of the one project that it is for; next time give "
           "--project";
  return "create the project (`codecmeter project create`), then give `codecmeter flush`; or give `codecmeter flush` "
         "with "
         "a token that is for the project";
}

static void copy_reason(struct str reason, char out[REPORT_REASON_MAX]) {
  if (reason.len > REPORT_REASON_MAX - 1) reason.len = REPORT_REASON_MAX - 1;
  bool fits = str_copy(reason, out, REPORT_REASON_MAX);
  CHECK(fits);
}

/* {"stored":1,…,"results":[{"outcome":…,"reason":…}]} */
static int read_outcome(const struct json *top, enum report_outcome *ret_outcome,
                        char ret_reason[REPORT_REASON_MAX]) {
  const struct json *results = json_member(top, "results"), *stored = json_member(top, "stored");
  if (results == NULL || results->type != JSON_ARRAY) return -ERR_REMOTE;
  *ret_outcome = REPORT_STORED;
  ret_reason[0] = '\0';
  if (results->child == NULL) {
    return stored != NULL && stored->type == JSON_NUMBER && str_equal(stored->text, STR("1")) ? 0 : -ERR_REMOTE;
  }
  struct str outcome = json_member_text(results->child, "outcome");
  copy_reason(json_member_text(results->child, "reason"), ret_reason);
  for (int i = REPORT_DUPLICATE; i <= REPORT_REJECTED; i++) {
    if (!str_equal(outcome, str_of(report_outcome_name((enum report_outcome)i)))) continue;
    *ret_outcome = (enum report_outcome)i;
    return 0;
  }
  return -ERR_REMOTE;
}

/* True if the server cannot take this event, now or later. */
static bool is_unreadable(long status) { return status == 400 || status == 413 || status == 415; }

static int read_reply(struct client_reply *reply, enum report_outcome *ret_outcome,
                      char ret_reason[REPORT_REASON_MAX], struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(1 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *top = NULL;
  bool is_json = json_parse(parser, arena, buf_view(&reply->body), 8, &top, NULL) == 0 && top->type == JSON_OBJECT;
  bool is_judged = reply->status == 200 || reply->status == 409 || reply->status == 422;
  if (is_judged && is_json && read_outcome(top, ret_outcome, ret_reason) == 0) return 0;
  struct str detail = is_json ? json_member_text(top, "detail") : STR("check that it is a codecmeter server");
  if (is_json && detail.len > 0 && is_unreadable(reply->status)) {
    *ret_outcome = REPORT_REJECTED;
    copy_reason(detail, ret_reason);
    return 0;
  }
  enum err_code code = client_may_pass(reply->status) ? ERR_REMOTE : ERR_DENIED;
  return err_set(err, code, "the server answered with HTTP %ld: %.*s", reply->status,
                 (int)(detail.len < 300 ? detail.len : 300), detail.ptr);
}

static int send_once(struct client *client, struct str event, enum report_outcome *ret_outcome,
                     char ret_reason[REPORT_REASON_MAX], struct err *err) {
  SCOPED(client_reply_fini) struct client_reply reply = {0};
  int result = client_report(client, event, &reply, err);
  return result == 0 ? read_reply(&reply, ret_outcome, ret_reason, err) : result;
}

int report_send(struct client *client, struct str event, int tries, enum report_outcome *ret_outcome,
                char ret_reason[REPORT_REASON_MAX], struct err *err) {
  int result = client_is_interrupted(client) ? err_set(err, ERR_STOPPING, "interrupted before the event was sent")
                                             : -ERR_NETWORK;
  int64_t backoff_ms = BACKOFF_FIRST_MS, left_ms = WAIT_MAX_MS;
  for (int attempt = 0; attempt < tries && !client_is_interrupted(client); attempt++, backoff_ms *= 2) {
    result = send_once(client, event, ret_outcome, ret_reason, err);
    if (result == 0 || err_kind(result) != ERR_KIND_RETRY || attempt + 1 == tries) break;
    int64_t asked_ms = client_busy_ms(client), wait_ms = asked_ms > backoff_ms ? asked_ms : backoff_ms;
    if (wait_ms > left_ms) break;
    left_ms -= wait_ms;
    (void)stop_wait(wait_ms);
  }
  return result;
}
