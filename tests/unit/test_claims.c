/* Which files a pending list holds back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/claims.h"
#include "base/file.h"

static char dir[64], list[128];

static int make_dir(void **unused) {
  (void)unused;
  strcpy(dir, "/tmp/codecmeter-claims-XXXXXX");
  if (mkdtemp(dir) == NULL) return -1;
  (void)snprintf(list, sizeof list, "%s/list.m3u8", dir);
  return 0;
}

static int remove_dir(void **unused) {
  (void)unused;
  struct err err;
  return file_remove_tree(dir, &err);
}

static void write_list(const char *text) {
  FILE *file = fopen(list, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
}

static bool holds(struct claims *claims, const char *below) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s/%s", dir, below);
  const char *found = claims_find(claims, path);
  if (found != NULL) assert_string_equal(found, list);
  return found != NULL;
}

static void names_in_lists(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *below;
    bool is_held;
  } rows[] = {
      {"", "a.mp4", false},
      {"#EXTM3U\na.mp4\n", "b.mp4", false},
      {"#EXTM3U\nxa.mp4\n", "a.mp4", false},
      {"#EXTM3U\nlist.m3u8\n", "list.m3u8", false}, /* itself */
      {"#EXTM3U\n%zz\n", "a.mp4", false},
      {"#EXTM3U\na.mp4", "a.mp4", true},
      {"#EXTM3U\r\na.mp4\r\n", "a.mp4", true},
      {"#EXTM3U\nv0/a.mp4\n", "v0/a.mp4", true},
      {"#EXTM3U\n../x/a.mp4?v=2#t\n", "v0/deep/a.mp4", true},
      {"#EXTM3U\na%20b%2Cc.mp4\n", "a b,c.mp4", true},
      {"#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"1@0\"\n", "init.mp4", true},
      {"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"v/sound.m3u8\"\n", "v/sound.m3u8", true},
      {"<MPD><BaseURL>media_0.mp4</BaseURL></MPD>", "media_0.mp4", true},
      {"<MPD><SegmentURL media='s1.mp4'/></MPD>", "s1.mp4", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct claims *claims = claims_new();
    write_list(rows[i].text);
    claims_add(claims, list);
    claims_add(claims, list);
    if (holds(claims, rows[i].below) != rows[i].is_held) fail_msg("row %zu: '%s', '%s'", i, rows[i].text, rows[i].below);
    claims_remove(claims, list);
    assert_false(holds(claims, rows[i].below));
    claims_remove(claims, list);
    claims_free(claims);
  }
}

static void lists_that_change(void **unused) {
  (void)unused;
  struct claims *claims = claims_new();
  claims_add(claims, list);
  assert_false(holds(claims, "a.mp4")); /* it is not there yet */
  write_list("#EXTM3U\na.mp4\n");
  assert_true(holds(claims, "a.mp4"));
  write_list("#EXTM3U\nb.mp4\nc.mp4\n");
  assert_false(holds(claims, "a.mp4"));
  assert_true(holds(claims, "c.mp4"));
  assert_null(claims_find(claims, "/elsewhere/c.mp4"));
  assert_int_equal(remove(list), 0);
  assert_false(holds(claims, "c.mp4"));
  claims_free(claims);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(names_in_lists, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(lists_that_change, make_dir, remove_dir),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
