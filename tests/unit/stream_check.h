/* What test_http_stream.c and test_http_log.c check of an answer. Include cmocka.h before. */
#ifndef CODECMETER_TESTS_STREAM_CHECK_H
#define CODECMETER_TESTS_STREAM_CHECK_H

#include "stream_client.h"
#include "stream_server.h"

static void check_bytes(const struct buf *body, uint64_t size) {
  assert_false(body->failed);
  assert_int_equal(body->len, size);
  for (uint64_t i = 0; i < size; i++) {
    if ((unsigned char)body->ptr[i] != byte_at(i)) fail_msg("byte %" PRIu64 " of %" PRIu64 " is another one", i, size);
  }
}

/* Asks for a stream on an open connection, and reads it to its end. */
static void check_stream(struct client *client, const char *query, uint64_t size) {
  struct answer answer;
  say(client, "GET /stream?size=%" PRIu64 "&%s HTTP/1.1\r\nHost: x\r\n\r\n", size, query);
  hear_answer(client, true, &answer);
  assert_int_equal(answer.status, 200);
  assert_true(answer.is_whole);
  assert_non_null(strstr(answer.head, "Content-Type: application/octet-stream\n"));
  assert_non_null(strstr(answer.head, "X-Test: stream\n"));
  check_bytes(&answer.body, size);
  buf_fini(&answer.body);
}

static inline void check_quick(struct client *client) {
  struct answer answer;
  ask(client, "/quick");
  hear_answer(client, true, &answer);
  assert_int_equal(answer.status, 200);
  assert_true(answer.is_whole && str_equal(buf_view(&answer.body), STR("quick")));
  buf_fini(&answer.body);
}

#endif
