/* The server answers each request at once, so that other commands can use the socket in between. So this file repeats
 * its request until the checkpoint covers the position that was the end at the first request.
 */
#include "cli/server_checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/admin_command.h"
#include "server/control.h"

#define WAIT_MS 120000
#define POLL_MS 50
#define REPLY_DEPTH_MAX 8
#define REPLY_ARENA_MAX ((size_t)64 << 10)

struct answer {
  uint64_t end, covered; /* positions: behind the last record; up to where derived files are complete */
};

static int read_answer(struct str reply, struct answer *ret, struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(REPLY_ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *top;
  int result = json_parse(parser, arena, reply, REPLY_DEPTH_MAX, &top, err);
  if (result != 0) return err_prefix(err, "malformed reply from the server");
  if (!str_equal(json_member_text(top, "code"), STR("OK"))) {
    struct str text = json_member_text(top, "text");
    return err_set(err, ERR_REMOTE, "%.*s", STR_ARG(text));
  }
  const struct json *items = json_member(top, "items");
  const struct json *item = items != NULL ? items->child : NULL;
  bool good =
      item != NULL && json_member_u64(item, "end", &ret->end) && json_member_u64(item, "covered", &ret->covered);
  return good ? 0 : err_set(err, ERR_REMOTE, "malformed reply from the server: end or covered is missing");
}

static int ask(const struct datadir *dir, uint64_t up_to, struct answer *ret, struct err *err) {
  SCOPED(buf_fini) struct buf request = {0};
  SCOPED(buf_fini) struct buf reply = {0};
  struct json_write json = admin_begin(&request, "checkpoint", "make");
  json_write_u64(&json, "up_to", up_to);
  json_write_end(&json);
  int result = control_ask(dir, buf_view(&request), &reply, err);
  if (result != 0) return result;
  char *padding = buf_extend(&reply, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  reply.len -= JSON_PADDING;
  return read_answer(buf_view(&reply), ret, err);
}

int server_checkpoint_wait(const struct datadir *dir, struct progress *progress, struct err *err) {
  struct answer first, now;
  int64_t until_ms = clock_monotonic_ms(clock_system()) + WAIT_MS;
  int result = ask(dir, INT64_MAX, &first, err);
  if (result == -ERR_NOT_FOUND) return 0;
  for (now = first; result == 0 && now.covered < first.end;) {
    if (clock_monotonic_ms(clock_system()) >= until_ms) {
      return err_set(err, ERR_BUSY,
                     "the server did not finish a checkpoint up to position %" PRIu64 " within %d seconds", first.end,
                     WAIT_MS / 1000);
    }
    progress_count(progress, now.covered, first.end, "bytes of the log checkpointed");
    (void)usleep(POLL_MS * 1000);
    result = ask(dir, first.end, &now, err);
  }
  progress_end(progress);
  return result;
}
