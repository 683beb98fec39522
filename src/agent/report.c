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
#include "media/probe.h"
#include "meter/codec.h"
#include "meter/rfc3339.h"
#include "meter/usage.h"

#define BACKOFF_FIRST_MS 500 /* doubled after each attempt: 3.5 s in all */

void report_fini(struct report *report) { buf_fini(&report->event); }

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

static void append_source(struct buf *out) {
  char host[HOST_NAME_MAX + 1] = "unknown", source[HOST_NAME_MAX + 8];
  (void)gethostname(host, sizeof host - 1);
  (void)snprintf(source, sizeof source, "host:%s", host);
  json_quote(out, str_of(source));
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

/* ---- events ---- */

static void begin_event(struct buf *out, const char *type, const char *id, const char *project, int64_t time_ms) {
  char time[RFC3339_SIZE];
  rfc3339_format(time_ms, time);
  buf_text(out, "{\"specversion\":\"1.0\",\"type\":");
  json_quote(out, str_of(type));
  buf_text(out, ",\"source\":");
  append_source(out);
  buf_text(out, ",\"id\":");
  json_quote(out, str_of(id));
  if (project != NULL) {
    buf_text(out, ",\"subject\":");
    json_quote(out, str_of(project));
  }
  buf_text(out, ",\"time\":");
  json_quote(out, str_of(time));
}

/* Leaves out a name that is longer than the ledger keeps, instead of cutting it. */
static void append_dest(struct buf *out, const char *path) {
  struct str name = str_of(base_name(path));
  if (name.len == 0 || name.len > DEST_MAX || !str_is_utf8(name) || str_has_control(name)) return;
  buf_text(out, ",\"dest_name\":");
  json_quote(out, name);
}

static int describe(const char *path, const struct media *media, const char *codec, const struct stat *st,
                    const char *project, struct report *ret) {
  ret->time_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
  begin_event(&ret->event, "transcode.finished", ret->id, project, ret->time_ms);
  buf_printf(&ret->event, ",\"data\":{\"codec\":\"%s\",\"width\":%u,\"height\":%u,\"duration_ms\":%" PRIu64, codec,
             media->width, media->height, media->duration_ms);
  append_dest(&ret->event, path);
  buf_text(&ret->event, "}}");
  (void)snprintf(ret->summary, sizeof ret->summary, "%s %ux%u %" PRIu64 ".%03u s", codec, media->width, media->height,
                 media->duration_ms / 1000, (unsigned)(media->duration_ms % 1000));
  return ret->event.failed ? -ERR_MEMORY : 0;
}

/* An event's time has four digits for the year. */
static bool has_year(const struct stat *st) {
  return st->st_mtim.tv_sec >= RFC3339_MIN_MS / 1000 && st->st_mtim.tv_sec <= RFC3339_MAX_MS / 1000;
}

int report_file(const char *path, const char *project, struct report *ret, struct err *err) {
  struct media media;
  struct stat st;
  char codec[CODEC_NAME_MAX + 1], rest[64];
  SCOPED_MALLOC char *absolute = realpath(path, NULL);
  if (absolute == NULL || stat(absolute, &st) != 0) {
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  }
  if (!S_ISREG(st.st_mode)) return err_set(err, ERR_MEDIA, "%s: not a regular file", path);
  if (!has_year(&st))
    return err_set(err, ERR_MEDIA, "%s: its time of writing is not in the years 1 to 9999; correct it with touch",
                   path);
  int result = media_probe(absolute, &media, err);
  if (result == 0) result = codec_canonical(str_of(media.codec), codec, err);
  if (result != 0) return result;
  (void)snprintf(rest, sizeof rest, "%lld:%lld%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec);
  hash_texts(str_of(absolute), rest, ret->id);
  result = describe(path, &media, codec, &st, project, ret);
  return result == 0 ? 0 : err_set(err, ERR_MEMORY, "%s: no memory for its event", path);
}

int report_failure(const char *path, struct timespec started, struct timespec ended, const char *project,
                   struct report *ret, struct err *err) {
  char rest[64], directory[PATH_MAX] = "";
  SCOPED_MALLOC char *absolute = realpath(path, NULL);
  SCOPED_MALLOC char *joined = NULL;
  if (absolute == NULL) {
    /* The file may never have existed: takes the path that it would have had. */
    bool relative = path[0] != '/' && getcwd(directory, sizeof directory) != NULL;
    if (asprintf(&joined, "%s%s%s", relative ? directory : "", relative ? "/" : "", path) < 0) {
      return err_set(err, ERR_MEMORY, "%s: no memory for its path", path);
    }
  }
  (void)snprintf(rest, sizeof rest, "failed:%lld%09ld", (long long)started.tv_sec, started.tv_nsec);
  hash_texts(str_of(absolute != NULL ? absolute : joined), rest, ret->id);
  ret->time_ms = (int64_t)ended.tv_sec * 1000 + ended.tv_nsec / 1000000;
  begin_event(&ret->event, "transcode.failed", ret->id, project, ret->time_ms);
  buf_text(&ret->event, ",\"data\":{");
  size_t before = ret->event.len;
  append_dest(&ret->event, path);
  if (ret->event.len > before)
    memmove(ret->event.ptr + before, ret->event.ptr + before + 1, --ret->event.len - before);
  buf_text(&ret->event, "}}");
  (void)snprintf(ret->summary, sizeof ret->summary, "failed");
  return ret->event.failed ? err_set(err, ERR_MEMORY, "%s: no memory for its event", path) : 0;
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
