/* The access log of streams, and streams over TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "stream_check.h"

/* ---- the access log ---- */

/* A file takes the place of standard error. The log looks at it when the first line is logged, so this test is the
 * first. */
struct logged {
  FILE *file;
  int standard_error;
};

static struct logged begin_log(void) {
  struct logged logged = {.file = tmpfile(), .standard_error = dup(STDERR_FILENO)};
  CHECK(logged.file != NULL && logged.standard_error >= 0);
  CHECK(dup2(fileno(logged.file), STDERR_FILENO) >= 0);
  return logged;
}

static void end_log(struct logged *logged, struct buf *out) {
  char piece[4096];
  CHECK(dup2(logged->standard_error, STDERR_FILENO) >= 0 && close(logged->standard_error) == 0);
  rewind(logged->file);
  for (size_t got; (got = fread(piece, 1, sizeof piece, logged->file)) > 0;)
    buf_append(out, piece, got);
  buf_char(out, '\0');
  (void)fclose(logged->file);
}

static unsigned count_of(const char *text, const char *part) {
  unsigned count = 0;
  for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) count++;
  return count;
}

/* One line for each stream, when it has ended: how many bytes, how long, and how it ended. */
static void the_access_log_has_one_line_for_each_stream(void **state) {
  (void)state;
  struct buf log = {0};
  struct answer answer;
  struct logged logged = begin_log();
  struct http_server *server = start_server((struct http_options){.access_log = true, .query_running_max = 1});
  struct client *client = dial(server, 0);
  check_stream(client, "piece=65536", 300000);
  check_stream(client, "piece=65536", 400); /* in one piece: an answer like any other */
  ask(client, "/stream?size=900000&piece=1000&fail=5000");
  hear_answer(client, true, &answer);
  buf_fini(&answer.body);
  hang_up(client);
  client = dial(server, 4096);
  ask(client, "/stream?size=90000000");
  assert_true(hear_head(client, &answer));
  hang_up(client);
  wait_for_count(&seen.released, 4);
  stop_server(server);
  end_log(&logged, &log);
  static const struct {
    const char *part;
    unsigned count;
  } expected[] = {
      {"access 127.0.0.1 GET /stream status=200 code=0 action=stream who= bytes=300000 ms=", 1},
      {"access 127.0.0.1 GET /stream status=200 code=0 action=stream who= bytes=400 ms=", 1},
      {"access 127.0.0.1 GET /stream status=200 code=0 action=stream who= bytes=5000 ms=", 1},
      {"access ", 4}, {" stream=whole id=", 1}, {" stream=failed id=", 1}, {" stream=cut id=", 1},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    unsigned count = count_of(log.ptr, expected[i].part);
    if (count != expected[i].count) fail_msg("%u times '%s' in\n%s", count, expected[i].part, log.ptr);
  }
  buf_fini(&log);
}

/* ---- TLS ---- */

static size_t take(char *bytes, size_t size, size_t count, void *arg) {
  buf_append(arg, bytes, size * count);
  return size * count;
}

static CURLcode fetch(const struct http_server *server, const char *target, struct buf *out) {
  char url[256];
  CURL *curl = curl_easy_init();
  (void)snprintf(url, sizeof url, "%s%s", http_server_url(server), target);
  (void)curl_easy_setopt(curl, CURLOPT_URL, url);
  (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
  (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
  (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CLIENT_PATIENCE_MS);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_cleanup(curl);
  return code;
}

static void streams_go_over_tls(void **state) {
  (void)state;
  char dir[] = "/tmp/codecmeter-tls-XXXXXX", cert[64], key[64], command[512];
  assert_non_null(mkdtemp(dir));
  (void)snprintf(cert, sizeof cert, "%s/cert.pem", dir);
  (void)snprintf(key, sizeof key, "%s/key.pem", dir);
  (void)snprintf(command, sizeof command, "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 "
                 "-keyout %s -out %s 2>/dev/null", key, cert);
  assert_int_equal(system(command), 0);
  struct http_server *server = start_server((struct http_options){.tls_cert = cert, .tls_key = key});
  struct buf whole = {0}, cut = {0};
  assert_int_equal(fetch(server, "/stream?size=10000000&piece=65536", &whole), CURLE_OK);
  check_bytes(&whole, 10000000);
  assert_int_not_equal(fetch(server, "/stream?size=10000000&piece=65536&fail=655360", &cut), CURLE_OK);
  check_bytes(&cut, 655360);
  buf_fini(&whole);
  buf_fini(&cut);
  stop_server(server);
  assert_true(unlink(cert) == 0 && unlink(key) == 0 && rmdir(dir) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_access_log_has_one_line_for_each_stream),
      cmocka_unit_test(streams_go_over_tls),
  };
  memory_init();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
