/* ingest/commit/trace: the name of each reason is short and stable, and holds nothing that a reporter chose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ingest/commit/trace.h"

static void test_names(void **state) {
  (void)state;
  static const struct {
    const char *reason, *name;
  } rows[] = {
      {"", "other"},
      {": x", "other"},
      {"Width: x", "other"},
      {"a\nb: x", "other"},
      {"\xE2\x82\xAC is missing", "other"},
      {"a name that is longer than what the name of a reason may hold: x", "other"},
      {"evil,name: given more than once", "repeated_member"},
      {"labels: a name is given more than once", "repeated_member"},
      {"the event cannot be read: not UTF-8", "unreadable"},
      {"the event is too large: its JSON takes more than 4 MiB of memory", "too_large"},
      {"an event must be a JSON object", "no_object"},
      {"codec is missing", "codec_missing"},
      {"subject is missing: it must name the project, because the token is for every project", "subject_missing"},
      {"source of data is missing", "source_of_data_missing"},
      {"width: must be an integer from 1 to 65535", "width"},
      {"subject: the token is for another project", "subject"},
      {"input_duration_ms: must be an integer from 0 to 31622400000 (366 days)", "input_duration_ms"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char name[TRACE_NAME_SIZE];
    trace_reason_name(rows[i].reason, name);
    if (strcmp(name, rows[i].name) != 0) fail_msg("'%s': %s", rows[i].reason, name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
