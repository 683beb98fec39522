/* Streamed answers and query threads, over real sockets: what request.h promises to endpoints and to clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream_check.h"

/* ---- answers ---- */

static void check_refusal(struct client *client, unsigned status, const char *says) {
  struct answer answer;
  hear_answer(client, true, &answer);
  buf_char(&answer.body, '\0');
  assert_int_equal(answer.status, status);
  assert_true(answer.is_whole && answer.has_length);
  if (strstr(answer.body.ptr, says) == NULL) fail_msg("'%s' does not say '%s'", answer.body.ptr, says);
  if (status == 503) assert_non_null(strstr(answer.head, "Retry-After: "));
  buf_fini(&answer.body);
}

static void streams_of_every_size_arrive_whole(void **state) {
  (void)state;
  static const struct {
    uint64_t size;
    const char *query;
  } cases[] = {
      {0, "piece=1"},           {1, "piece=1"},           {300, "piece=1"},     {65535, "piece=65536"},
      {65536, "piece=65536"},   {65537, "piece=65536"},   {200000, "piece=999&idle=1"}, {1 << 20, "idle=3"},
      {500, "tail=1"},          {200000, "piece=100000&tail=1&idle=1"},
      {3 << 20, "piece=1000000"}, {12 << 20, "piece=4194304"}, {64 << 20, "piece=65536"},
  };
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0); /* one connection for all */
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    check_stream(client, cases[i].query, cases[i].size);
    check_quick(client);
  }
  hang_up(client);
  stop_server(server);
}

static void a_short_stream_is_an_answer_with_a_length(void **state) {
  (void)state;
  static const struct {
    const char *target;
    bool is_chunked;
  } cases[] = {
      {"/stream?size=0", false},
      {"/stream?size=5&idle=3", false},
      {"/stream?size=65536&piece=65536", false},
      {"/stream?size=65536&piece=65535", true},
      {"/stream?size=6&piece=3", true},
  };
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct answer answer;
    ask(client, cases[i].target);
    hear_answer(client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(answer.is_whole && answer.is_chunked == cases[i].is_chunked);
    buf_fini(&answer.body);
  }
  hang_up(client);
  stop_server(server);
}

static void pipelined_requests_are_answered_in_order(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  struct answer answer;
  say(client, "GET /stream?size=300000 HTTP/1.1\r\nHost: x\r\n\r\nGET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
              "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nlater"
              "GET /stream?size=200000 HTTP/1.1\r\nHost: x\r\n\r\n");
  static const uint64_t sizes[] = {300000, 5, 5, 200000};
  for (size_t i = 0; i < 4; i++) {
    hear_answer(client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(answer.is_whole);
    assert_int_equal(answer.body.len, sizes[i]);
    if (sizes[i] > 5) check_bytes(&answer.body, sizes[i]);
    buf_fini(&answer.body);
  }
  check_quick(client);
  hang_up(client);
  stop_server(server);
}

/* HEAD: the head of the answer, and nothing that belongs to the next one. If one piece is the whole answer, its length is known. */
static void head_makes_one_piece(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  struct answer answer;
  say(client, "HEAD /stream?size=300000 HTTP/1.1\r\nHost: x\r\n\r\n");
  hear_answer(client, false, &answer);
  assert_int_equal(answer.status, 200);
  assert_false(answer.has_length);
  assert_non_null(strstr(answer.head, "X-Test: stream\n"));
  if (strstr(answer.head, "Connection: close\n") == NULL) check_quick(client);
  else assert_false(hear(client, 1)); /* and not a byte more */
  hang_up(client);
  client = dial(server, 0);
  for (unsigned size = 0; size < 20000; size += 9999) {
    say(client, "HEAD /stream?size=%u HTTP/1.1\r\nHost: x\r\n\r\n", size);
    hear_answer(client, false, &answer);
    assert_true(answer.status == 200 && answer.has_length && answer.length == size);
    assert_null(strstr(answer.head, "Connection: close\n"));
    check_quick(client);
  }
  hang_up(client);
  client = dial(server, 0);
  say(client, "HEAD /stream?size=9 HTTP/1.0\r\n\r\n");
  hear_answer(client, false, &answer);
  assert_int_equal(answer.status, 200);
  assert_false(hear(client, 1));
  hang_up(client);
  assert_int_equal(atomic_load(&seen.pieces), 5);
  stop_server(server);
}

/* HTTP/1.0 knows no chunks. */
static void http_1_0_gets_a_buffered_answer_or_505(void **state) {
  (void)state;
  static const struct {
    uint64_t size;
    unsigned status;
  } cases[] = {{0, 200}, {100, 200}, {1 << 20, 200}, {HTTP_BUFFERED_MAX, 200}, {HTTP_BUFFERED_MAX + 1, 505},
               {64 << 20, 505}};
  struct http_server *server = start_server((struct http_options){0});
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct client *client = dial(server, 0);
    say(client, "GET /stream?size=%" PRIu64 "&piece=60000&idle=1 HTTP/1.0\r\n\r\n", cases[i].size);
    if (cases[i].status == 505) {
      check_refusal(client, 505, "needs HTTP/1.1");
    } else {
      struct answer answer;
      hear_answer(client, true, &answer);
      assert_int_equal(answer.status, 200);
      assert_true(answer.is_whole && answer.has_length);
      check_bytes(&answer.body, cases[i].size);
      buf_fini(&answer.body);
    }
    assert_false(hear(client, 1));
    hang_up(client);
  }
  stop_server(server);
}

static void a_query_without_a_stream_answers_with_its_body(void **state) {
  (void)state;
  static const char *const paths[] = {"/body", "/later"};
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  for (size_t i = 0; i < 2; i++) {
    struct answer answer;
    say(client, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", paths[i]);
    say(client, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    hear_answer(client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(answer.is_whole && str_equal(buf_view(&answer.body), STR("abcdefg")));
    buf_fini(&answer.body);
    ask(client, paths[i]);
    hear_answer(client, true, &answer);
    assert_true(answer.status == 200 && answer.is_whole && answer.body.len == 0);
    buf_fini(&answer.body);
  }
  assert_int_equal(atomic_load(&seen.handled), 4);
  say(client, "POST /later?turns=20 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  struct answer answer;
  hear_answer(client, true, &answer);
  assert_true(answer.status == 200 && str_equal(buf_view(&answer.body), STR("abc")));
  buf_fini(&answer.body);
  hang_up(client);
  stop_server(server);
}

/* ---- failures ---- */

static void a_failure_before_the_head_has_a_status(void **state) {
  (void)state;
  static const struct {
    const char *query, *says;
    unsigned status;
  } cases[] = {
      {"size=9&fail=0", "could not make this answer", 500},
      {"size=9&fail=0&idle=2", "could not make this answer", 500},
      {"size=9&fail=0&status=409", "as asked", 409},
      {"size=9000000&piece=5000000", "no memory", 503}, /* a piece beyond HTTP_PIECE_MAX */
  };
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    say(client, "GET /stream?%s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].query);
    check_refusal(client, cases[i].status, cases[i].says);
    check_quick(client);
  }
  hang_up(client);
  stop_server(server);
}

/* The client gets what was made before, right, and no final chunk. */
static void a_failure_later_ends_the_connection(void **state) {
  (void)state;
  static const char *const queries[] = {"size=1000000&piece=1000&fail=1000", "size=1000000&piece=65536&fail=655360",
                                        "size=900&piece=100&fail=800&idle=2&status=409"};
  static const uint64_t good[] = {1000, 655360, 800};
  struct http_server *server = start_server((struct http_options){0});
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct client *client = dial(server, 0);
    struct answer answer;
    say(client, "GET /stream?%s HTTP/1.1\r\nHost: x\r\n\r\n", queries[i]);
    hear_answer(client, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_false(answer.is_whole);
    assert_true(client->is_closed);
    check_bytes(&answer.body, good[i]);
    buf_fini(&answer.body);
    hang_up(client);
  }
  stop_server(server);
}

/* ---- clients that are slow or gone ---- */

static void a_slow_reader_gets_every_byte(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){.query_running_max = 1});
  struct client *client = dial(server, 4096);
  struct answer answer = {0};
  ask(client, "/stream?size=3000000&piece=65536");
  assert_true(hear_head(client, &answer) && answer.is_chunked);
  for (int i = 0; i < 100; i++) {
    if (client->end + 512 > sizeof client->in) break;
    assert_true(hear(client, 512));
    pause_ms(5);
  }
  answer.is_whole = hear_chunks(client, &answer.body);
  assert_true(answer.is_whole);
  check_bytes(&answer.body, 3000000);
  buf_fini(&answer.body);
  check_quick(client);
  hang_up(client);
  stop_server(server);
}

/* Clients that go away in each part of an answer; the only place becomes free each time. */
static void a_client_that_goes_away_costs_its_piece_only(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){.query_running_max = 1, .query_waiting_max = 100});
  for (int i = 0; i < 60; i++) {
    struct client *client = dial(server, i % 2 == 0 ? 4096 : 0);
    struct answer answer = {0};
    ask(client, "/stream?size=50000000&piece=65536&idle=1");
    if (i % 3 > 0) assert_true(hear_head(client, &answer));
    if (i % 3 > 1) (void)hear_bytes(client, (uint64_t)i * 3000, &answer.body);
    buf_fini(&answer.body);
    if (i % 4 < 2) hang_up(client);
    else break_off(client);
  }
  struct client *client = dial(server, 0);
  check_stream(client, "piece=65536", 1 << 20);
  hang_up(client);
  wait_for_count(&seen.freed, atomic_load(&seen.made));
  stop_server(server);
}

/* A client that reads nothing is closed in the middle of the stream, by the idle time or by the pace, whichever comes
 * first; its place becomes free. */
static void check_closed(struct http_options options, const char *target) {
  struct http_server *server = start_server(options);
  struct client *stopped[2];
  for (int i = 0; i < 2; i++) {
    stopped[i] = dial(server, 4096);
    ask(stopped[i], target);
  }
  wait_for_count(&seen.freed, 2);
  struct client *client = dial(server, 0);
  check_stream(client, "piece=65536", 1 << 20);
  hang_up(client);
  for (int i = 0; i < 2; i++) {
    struct answer answer;
    hear_answer(stopped[i], true, &answer);
    assert_false(answer.is_whole);
    check_bytes(&answer.body, answer.body.len);
    buf_fini(&answer.body);
    hang_up(stopped[i]);
  }
  stop_server(server);
}

static void a_client_that_stops_reading_is_closed(void **state) {
  (void)state;
  check_closed((struct http_options){.query_running_max = 2, .idle_timeout_ms = 1000}, "/stream?size=500000000");
  check_closed((struct http_options){.query_running_max = 2, .request_timeout_ms = 1000, .idle_timeout_ms = 3600000},
               "/stream?size=500000000&piece=4000");
}

/* ---- many at one time ---- */

static void sixty_four_streams_at_once(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){.query_running_max = 64});
  struct client *clients[64];
  for (int i = 0; i < 64; i++) {
    clients[i] = dial(server, 0);
    say(clients[i], "GET /stream?size=%d&piece=%d HTTP/1.1\r\nHost: x\r\n\r\n", 1000000 + i, 9000 + i * 1000);
  }
  for (int i = 63; i >= 0; i--) {
    struct answer answer;
    hear_answer(clients[i], true, &answer);
    assert_true(answer.status == 200 && answer.is_whole);
    check_bytes(&answer.body, 1000000 + (uint64_t)i);
    buf_fini(&answer.body);
    hang_up(clients[i]);
  }
  assert_true(atomic_load(&seen.in_next_most) <= 2); /* the number of query threads */
  stop_server(server);
}

/* Of queries that come while the only place is taken, as many wait as may; the others are refused at once. Quick
 * requests are answered meanwhile. */
static void beyond_the_bounds_queries_are_refused(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){.query_running_max = 1, .query_waiting_max = 2});
  struct client *first = dial(server, 0), *waiting[2], *other = dial(server, 0);
  ask(first, "/stream?size=100000&hold=0");
  wait_for_held(1);
  for (int i = 0; i < 2; i++) {
    waiting[i] = dial(server, 0);
    say(waiting[i], "GET /stream?size=%d HTTP/1.1\r\nHost: x\r\n\r\n", 100001 + i);
    pause_ms(300); /* the order in which the server sees them matters only for what waits */
  }
  for (int i = 0; i < 3; i++) {
    ask(other, i == 0 ? "/stream?size=5" : i == 1 ? "/later" : "/body");
    check_refusal(other, 503, "query.running_max");
    check_quick(other);
  }
  set_gate(true);
  struct client *all[] = {first, waiting[0], waiting[1]};
  for (int i = 0; i < 3; i++) {
    struct answer answer;
    hear_answer(all[i], true, &answer);
    assert_true(answer.status == 200 && answer.is_whole);
    check_bytes(&answer.body, 100000 + (uint64_t)i);
    buf_fini(&answer.body);
    hang_up(all[i]);
  }
  check_stream(other, "piece=1000", 5000);
  hang_up(other);
  stop_server(server);
}

static void a_query_that_waits_too_long_is_refused(void **state) {
  (void)state;
  struct http_server *server = start_server(
      (struct http_options){.query_running_max = 1, .query_waiting_max = 9, .wait_timeout_ms = 100});
  struct client *first = dial(server, 0), *second = dial(server, 0);
  ask(first, "/stream?size=100000&hold=0");
  wait_for_held(1);
  ask(second, "/stream?size=10");
  check_refusal(second, 503, "none of query.running_max answers came to its end");
  set_gate(true);
  struct answer answer;
  hear_answer(first, true, &answer);
  assert_true(answer.is_whole); /* the one that runs has no such time */
  buf_fini(&answer.body);
  check_stream(second, "piece=1000", 5000);
  hang_up(first);
  hang_up(second);
  stop_server(server);
}

/* Each stream that runs counts 128 KiB against answers_max, and gives them back. */
static void streams_count_against_answers_max(void **state) {
  (void)state;
  struct http_server *server =
      start_server((struct http_options){.query_threads = 9, .query_waiting_max = 9, .answers_max = 1 << 20});
  for (int round = 0; round < 2; round++) {
    struct client *clients[9];
    set_gate(false);
    for (unsigned i = 0; i < 8; i++) {
      clients[i] = dial(server, 0);
      ask(clients[i], "/stream?size=100000&hold=0");
      wait_for_held(i + 1);
    }
    clients[8] = dial(server, 0);
    ask(clients[8], "/stream?size=100000");
    check_refusal(clients[8], 503, "http.answers_max");
    set_gate(true);
    for (int i = 0; i < 8; i++) {
      struct answer answer;
      hear_answer(clients[i], true, &answer);
      assert_true(answer.status == 200 && answer.is_whole);
      buf_fini(&answer.body);
      hang_up(clients[i]);
    }
    hang_up(clients[8]);
    wait_for_count(&seen.released, (unsigned)(round + 1) * 8);
  }
  stop_server(server);
}

/* Clients that do as chance says, more than the bounds allow; some go away in the middle. What arrives is right. */
struct visitor {
  pthread_t thread;
  const struct http_server *server;
  uint64_t seed;
  unsigned whole;
};

static unsigned chance(struct visitor *visitor, unsigned below) {
  visitor->seed = visitor->seed * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(visitor->seed >> 33) % below;
}

static void visit(struct visitor *visitor) {
  struct client *client = dial(visitor->server, chance(visitor, 2) > 0 ? 4096 : 0);
  uint64_t size = chance(visitor, 1000000);
  bool fails = chance(visitor, 4) == 0, leaves = chance(visitor, 3) == 0, is_old = chance(visitor, 5) == 0;
  struct answer answer = {0};
  say(client, "GET /stream?size=%" PRIu64 "&piece=%u&idle=%u&fail=%" PRIu64 " HTTP/1.%d\r\nHost: x\r\n\r\n", size,
      1 + chance(visitor, 100000), chance(visitor, 3), fails ? size / 2 : UINT64_MAX, is_old ? 0 : 1);
  if (leaves) {
    pause_ms(chance(visitor, 5));
    hang_up(client);
    return;
  }
  hear_answer(client, true, &answer);
  if (answer.status == 200) {
    CHECK(answer.is_whole ? answer.body.len == size : fails); /* a long piece passes the place of the failure */
    for (uint64_t i = 0; i < answer.body.len; i++)
      CHECK((unsigned char)answer.body.ptr[i] == byte_at(i));
    visitor->whole += answer.is_whole ? 1 : 0;
  } else {
    CHECK(answer.is_whole && (answer.status == 503 || (answer.status == 500 && fails)));
  }
  buf_fini(&answer.body);
  hang_up(client);
}

static void *visitor_main(void *arg) {
  for (int i = 0; i < 60; i++)
    visit(arg);
  return NULL;
}

static void clients_that_do_as_they_like(void **state) {
  (void)state;
  struct visitor visitors[12] = {0};
  const char *seed = getenv("SEED");
  struct http_server *server = start_server(
      (struct http_options){.query_running_max = 3, .query_waiting_max = 4, .wait_timeout_ms = 100});
  unsigned whole = 0;
  for (int i = 0; i < 12; i++) {
    visitors[i] = (struct visitor){.server = server, .seed = strtoull(seed != NULL ? seed : "15", NULL, 10)};
    visitors[i].seed += (unsigned)i;
    assert_int_equal(pthread_create(&visitors[i].thread, NULL, visitor_main, &visitors[i]), 0);
  }
  for (int i = 0; i < 12; i++) {
    assert_int_equal(pthread_join(visitors[i].thread, NULL), 0);
    whole += visitors[i].whole;
  }
  assert_true(whole > 0);
  struct client *client = dial(server, 0);
  check_stream(client, "piece=1000", 5000); /* all places are free again */
  hang_up(client);
  stop_server(server);
}

/* ---- stopping ---- */

struct stopping {
  pthread_t thread;
  struct http_server *server;
};

static void *stop_main(void *arg) {
  struct stopping *stopping = arg;
  stop_server(stopping->server);
  return NULL;
}

/* Told to hurry, a server that stops cuts streams off, refuses what waits, and frees everything. */
static bool hurry(void) { return true; }

static void a_stop_ends_streams(void **state) {
  (void)state;
  struct http_server *server =
      start_server((struct http_options){.query_running_max = 2, .query_waiting_max = 9, .hurries = hurry});
  struct client *held = dial(server, 0), *stuck = dial(server, 4096), *waits = dial(server, 0);
  struct answer answer = {0};
  ask(stuck, "/stream?size=500000000");
  assert_true(hear_head(stuck, &answer));
  ask(held, "/stream?size=9000000&hold=50000&piece=50000");
  wait_for_held(1);
  ask(waits, "/stream?size=100000");
  pause_ms(300);
  struct stopping stopping = {.server = server};
  assert_int_equal(pthread_create(&stopping.thread, NULL, stop_main, &stopping), 0);
  pause_ms(100);
  set_gate(true); /* the turn that goes on ends */
  check_refusal(waits, 503, "stopping");
  hear_answer(held, true, &answer);
  assert_true(answer.status == 200 && !answer.is_whole);
  check_bytes(&answer.body, answer.body.len);
  buf_fini(&answer.body);
  assert_int_equal(pthread_join(stopping.thread, NULL), 0);
  assert_false(hear_chunks(stuck, &answer.body));
  buf_fini(&answer.body);
  hang_up(held);
  hang_up(stuck);
  hang_up(waits);
}

/* Without hurry it sends what has begun to its end. */
static void a_stop_lets_streams_come_to_their_end(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  struct answer answer = {0};
  ask(client, "/stream?size=3000000&hold=65536");
  wait_for_held(1);
  struct stopping stopping = {.server = server};
  assert_int_equal(pthread_create(&stopping.thread, NULL, stop_main, &stopping), 0);
  pause_ms(100);
  set_gate(true);
  hear_answer(client, true, &answer);
  assert_true(answer.status == 200 && answer.is_whole);
  check_bytes(&answer.body, 3000000);
  buf_fini(&answer.body);
  assert_int_equal(pthread_join(stopping.thread, NULL), 0);
  hang_up(client);
}

/* A head that fills most of the library's memory for a connection leaves little room for chunks. */
static void a_long_head_leaves_room_for_a_stream(void **state) {
  (void)state;
  struct http_server *server = start_server((struct http_options){0});
  struct client *client = dial(server, 0);
  char *filler = malloc(24000);
  memset(filler, 'x', 24000);
  struct answer answer;
  say(client, "GET /stream?size=1000000 HTTP/1.1\r\nHost: x\r\nX-Filler: %.*s\r\n\r\n", 24000, filler);
  hear_answer(client, true, &answer);
  assert_true(answer.status == 200 && answer.is_whole);
  check_bytes(&answer.body, 1000000);
  buf_fini(&answer.body);
  check_quick(client);
  free(filler);
  hang_up(client);
  stop_server(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streams_of_every_size_arrive_whole),
      cmocka_unit_test(a_short_stream_is_an_answer_with_a_length),
      cmocka_unit_test(pipelined_requests_are_answered_in_order),
      cmocka_unit_test(head_makes_one_piece),
      cmocka_unit_test(http_1_0_gets_a_buffered_answer_or_505),
      cmocka_unit_test(a_query_without_a_stream_answers_with_its_body),
      cmocka_unit_test(a_failure_before_the_head_has_a_status),
      cmocka_unit_test(a_failure_later_ends_the_connection),
      cmocka_unit_test(a_slow_reader_gets_every_byte),
      cmocka_unit_test(a_client_that_goes_away_costs_its_piece_only),
      cmocka_unit_test(a_client_that_stops_reading_is_closed),
      cmocka_unit_test(sixty_four_streams_at_once),
      cmocka_unit_test(beyond_the_bounds_queries_are_refused),
      cmocka_unit_test(a_query_that_waits_too_long_is_refused),
      cmocka_unit_test(streams_count_against_answers_max),
      cmocka_unit_test(clients_that_do_as_they_like),
      cmocka_unit_test(a_stop_ends_streams),
      cmocka_unit_test(a_stop_lets_streams_come_to_their_end),
      cmocka_unit_test(a_long_head_leaves_room_for_a_stream),
  };
  memory_init();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
