#include "agent/report.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "meter/codec.h"
#include "meter/rfc3339.h"
#include "meter/usage.h"

#define BACKOFF_FIRST_MS 500 /* doubled after each attempt: 3.5 s in all */

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

/* ---- identity ---- */

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

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

/* Replaces id and source by those that the user chose, with a tail behind the id. name: absolute. */
static int choose_id(const char *name, const struct report_options *options, const char *tail, struct report *ret,
                     struct err *err) {
  SCOPED(buf_fini) struct buf id = {0};
  if (options->source != NULL && !str_copy(str_of(options->source), ret->source, sizeof ret->source))
    return err_set(err, ERR_USAGE, "--source is longer than %d bytes", REPORT_ID_SIZE - 1);
  if (options->id == NULL) return 0;
  if (options->source == NULL) memcpy(ret->source, "file", sizeof "file");
  buf_text(&id, options->id);
  buf_text(&id, tail);
  if (id.failed) return err_set(err, ERR_MEMORY, "%s: no memory for its id", name);
  if (str_copy(buf_view(&id), ret->id, sizeof ret->id)) return 0;
  return err_set(err, ERR_USAGE, "%s: its id would be longer than %d bytes; give a shorter one", name,
                 REPORT_ID_SIZE - 1);
}

/* ---- events ---- */

static void append_member(struct buf *out, const char *name, const char *value) {
  bool is_first = out->len > 0 && out->ptr[out->len - 1] == '{';
  buf_printf(out, "%s\"%s\":", is_first ? "" : ",", name);
  json_quote(out, str_of(value));
}

static void begin_event(const char *type, const char *project, struct report *ret) {
  char time[RFC3339_SIZE];
  rfc3339_format(ret->time_ms, time);
  buf_text(&ret->event, "{\"specversion\":\"1.0\"");
  append_member(&ret->event, "type", type);
  append_member(&ret->event, "source", ret->source);
  append_member(&ret->event, "id", ret->id);
  if (project != NULL) append_member(&ret->event, "subject", project);
  append_member(&ret->event, "time", time);
}

/* Ends the event. Leaves out a name that is longer than the ledger keeps, instead of cutting it. */
static int end_event(const char *name, const struct report_options *options, struct report *ret, struct err *err) {
  struct str dest = str_of(base_name(name));
  if (options->task_id != NULL) append_member(&ret->event, "task_id", options->task_id);
  if (dest.len > 0 && dest.len <= DEST_MAX && str_is_utf8(dest) && !str_has_control(dest))
    append_member(&ret->event, "dest_name", base_name(name));
  buf_text(&ret->event, "}}");
  return ret->event.failed ? err_set(err, ERR_MEMORY, "%s: no memory for its event", name) : 0;
}

static int describe(const struct media_output *media, const struct report_options *options, struct report *ret,
                    struct err *err) {
  bool is_remux = options->kind == REPORT_REMUX;
  char codec[CODEC_NAME_MAX + 1];
  int result = codec_canonical(str_of(media->codec), codec, err);
  if (result != 0) return err_prefix(err, "%s", media->name);
  begin_event(is_remux ? "remux.finished" : "transcode.finished", options->project, ret);
  buf_printf(&ret->event, ",\"data\":{\"duration_ms\":%" PRIu64, media->duration_ms);
  if (!is_remux)
    buf_printf(&ret->event, ",\"codec\":\"%s\",\"width\":%u,\"height\":%u", codec, media->width, media->height);
  ret->duration_ms = media->duration_ms;
  (void)snprintf(ret->summary, sizeof ret->summary, "%s%s %ux%u %" PRIu64 ".%03u s", is_remux ? "remux, " : "", codec,
                 media->width, media->height, media->duration_ms / 1000, (unsigned)(media->duration_ms % 1000));
  return end_event(media->name, options, ret, err);
}

/* An event's time has four digits for the year. */
static bool has_year(int64_t time_s) {
  return time_s >= RFC3339_MIN_MS / 1000 && time_s <= RFC3339_MAX_MS / 1000;
}

/* From absolute path, size and time of writing. agent/identity.h will take its place, when lists are read as their
 * segments: DESIGN.md, "Measuring: what comes". */
static int identify(const struct media_output *media, struct report *ret, int64_t *ret_time_s, struct err *err) {
  struct stat st;
  char rest[64];
  if (stat(media->name, &st) != 0)
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", media->name);
  (void)snprintf(rest, sizeof rest, "%lld:%lld%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec);
  host_source(ret->source);
  hash_texts(str_of(media->name), rest, ret->id);
  ret->time_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
  *ret_time_s = st.st_mtim.tv_sec;
  return 0;
}

static int report_output(const struct media_output *media, const struct report_options *options, struct report *ret,
                         struct err *err) {
  int64_t time_s = 0;
  if (!media->is_measured) {
    *err = media->why;
    return -(int)media->why.code;
  }
  int result = identify(media, ret, &time_s, err);
  if (result == 0) result = choose_id(media->name, options, "", ret, err);
  if (result != 0) return result;
  if (!has_year(time_s))
    return err_set(err, ERR_MEDIA, "%s: its time of writing is not in the years 1 to 9999; correct it with touch",
                   media->name);
  return describe(media, options, ret, err);
}

/* Reports every output. Only an error that says nothing of the output itself ends it. */
static int report_outputs(const char *path, const struct report_options *options, struct reports *ret,
                          struct err *err) {
  const struct media *media = &ret->media;
  ret->items = calloc(media->count + 1, sizeof *ret->items);
  CHECK(ret->items != NULL);
  if (options->id != NULL && media->count > 1) {
    return err_set(err, ERR_USAGE, "%s: it has %zu outputs, and --id names one", path,
                   media->count);
  }
  size_t measured = 0;
  for (size_t i = 0; i < media->count; i++) {
    struct report *report = &ret->items[i];
    report->name = strdup(media->outputs[i].name);
    CHECK(report->name != NULL);
    ret->count = i + 1;
    int result = report_output(&media->outputs[i], options, report, &report->why);
    if (result == -ERR_USAGE || result == -ERR_MEMORY) {
      *err = report->why;
      return result;
    }
    report->is_measured = result == 0;
    measured += result == 0;
  }
  if (measured > 0) return 0;
  *err = ret->items[0].why;
  return -(int)err->code;
}

int report_measure(const char *path, const struct report_options *options, struct reports *ret, struct err *err) {
  struct stat st;
  *ret = (struct reports){.items = NULL};
  SCOPED_MALLOC char *absolute = realpath(path, NULL);
  if (absolute == NULL || stat(absolute, &st) != 0) {
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  }
  if (!S_ISREG(st.st_mode)) return err_set(err, ERR_MEDIA, "%s: not a regular file", path);
  int result = media_probe(absolute, &options->media, &ret->media, err);
  return result == 0 ? report_outputs(path, options, ret, err) : result;
}

/* The path that a file has, or, if it never existed, would have had. */
static char *absolute_path(const char *path) {
  char directory[PATH_MAX] = "", *joined = realpath(path, NULL);
  if (joined != NULL) return joined;
  bool relative = path[0] != '/' && getcwd(directory, sizeof directory) != NULL;
  CHECK(asprintf(&joined, "%s%s%s", relative ? directory : "", relative ? "/" : "", path) >= 0);
  return joined;
}

int report_failure(const char *path, struct timespec started, struct timespec ended,
                   const struct report_options *options, struct report *ret, struct err *err) {
  char rest[64], tail[64];
  SCOPED_MALLOC char *absolute = absolute_path(path);
  (void)snprintf(rest, sizeof rest, "failed:%lld%09ld", (long long)started.tv_sec, started.tv_nsec);
  (void)snprintf(tail, sizeof tail, "#failed-%lld.%09ld", (long long)started.tv_sec, started.tv_nsec);
  host_source(ret->source);
  hash_texts(str_of(absolute), rest, ret->id);
  int result = choose_id(absolute, options, tail, ret, err);
  if (result != 0) return result;
  ret->name = strdup(path);
  CHECK(ret->name != NULL);
  ret->time_ms = (int64_t)ended.tv_sec * 1000 + ended.tv_nsec / 1000000;
  begin_event(options->kind == REPORT_REMUX ? "remux.failed" : "transcode.failed", options->project, ret);
  buf_text(&ret->event, ",\"data\":{");
  (void)snprintf(ret->summary, sizeof ret->summary, "failed");
  ret->is_measured = true;
  return end_event(path, options, ret, err);
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
  bool told = reply->status == 200 || reply->status == 409 || reply->status == 422;
  if (told && is_json && read_outcome(top, ret_outcome, ret_reason) == 0) return 0;
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
  for (int attempt = 0, wait_ms = BACKOFF_FIRST_MS; attempt < tries && !client_is_interrupted(client);
       attempt++, wait_ms *= 2) {
    result = send_once(client, event, ret_outcome, ret_reason, err);
    if (result == 0 || err_kind(result) != ERR_KIND_RETRY || attempt + 1 == tries) break;
    (void)usleep((useconds_t)wait_ms * 1000);
  }
  return result;
}
