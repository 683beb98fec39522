#include "cli/import_summary.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/json_write.h"

#define OUTCOME(name) ((enum import_count)REPORT_##name)

/* The counts of each kind of summary, in its order. */
static const enum import_count of_rows[] = {OUTCOME(STORED), OUTCOME(DUPLICATE), OUTCOME(CONFLICT), OUTCOME(REJECTED),
                                            IMPORT_COUNTS};
static const enum import_count of_documents[] = {
    OUTCOME(STORED),   IMPORT_RESOLVED, IMPORT_UNRESOLVED,  OUTCOME(DUPLICATE), OUTCOME(CONFLICT),
    OUTCOME(REJECTED), IMPORT_IGNORED,  IMPORT_QUARANTINED, IMPORT_COUNTS,
};

uint64_t import_summary_count(const struct import_summary *summary) {
  uint64_t rows = 0;
  for (int i = 0; i < IMPORT_OUTCOMES; i++)
    rows += summary->counts[i];
  return summary->has_documents ? summary->counts[IMPORT_DOCUMENTS] : rows;
}

static const enum import_count *shown_of(const struct import_summary *summary) {
  return summary->has_documents ? of_documents : of_rows;
}

static const char *things_of(const struct import_summary *summary) {
  return summary->has_documents ? "documents" : "rows";
}

static void print_json(const struct import_summary *summary, double seconds, bool is_complete) {
  SCOPED(buf_fini) struct buf text = {0};
  struct json_write json = json_write_to(&text);
  json_write_object(&json, NULL);
  json_write_u64(&json, things_of(summary), import_summary_count(summary));
  for (const enum import_count *shown = shown_of(summary); *shown != IMPORT_COUNTS; shown++)
    json_write_u64(&json, import_count_name(*shown), summary->counts[*shown]);
  if (summary->has_zone)
    json_write_u64(&json, import_count_name(IMPORT_AMBIGUOUS), summary->counts[IMPORT_AMBIGUOUS]);
  json_write_next(&json, "seconds");
  buf_printf(&text, "%.3f", seconds);
  json_write_bool(&json, "complete", is_complete);
  json_write_end(&json);
  buf_char(&text, '\n');
  CHECK(!text.failed);
  (void)fwrite(text.ptr, 1, text.len, stdout);
}

static void print_count(const struct import_summary *summary, enum import_count count) {
  (void)printf(", %s %" PRIu64, import_count_name(count), summary->counts[count]);
}

void import_summary_print(const struct import_summary *summary, double seconds, bool is_complete, bool json) {
  if (json) {
    print_json(summary, seconds, is_complete);
    return;
  }
  (void)printf("%s %" PRIu64, things_of(summary), import_summary_count(summary));
  for (const enum import_count *shown = shown_of(summary); *shown != IMPORT_COUNTS; shown++)
    print_count(summary, *shown);
  if (summary->has_zone) print_count(summary, IMPORT_AMBIGUOUS);
  (void)printf(", in %.2f s\n", seconds);
}

static int refuse_documents(const struct import_summary *summary, uint64_t refused, uint64_t kept, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  if (refused > 0) {
    buf_printf(&text, "%" PRIu64 " outputs or documents were not stored; %s has the reasons%s", refused,
               summary->rejected_path, kept > 0 ? "; " : "");
  }
  if (kept > 0) {
    buf_printf(&text,
               "%" PRIu64
               " documents are in the server's quarantine, because the adapter failed on them; "
               "`codecmeter adapter list` names the reasons, `codecmeter adapter retry` reads them again",
               kept);
  }
  CHECK(!text.failed);
  return err_set(err, ERR_DENIED, "%.*s", STR_ARG(buf_view(&text)));
}

int import_summary_check(const struct import_summary *summary, struct err *err) {
  const uint64_t *counts = summary->counts;
  uint64_t refused = counts[REPORT_CONFLICT] + counts[REPORT_REJECTED], kept = counts[IMPORT_QUARANTINED];
  if (refused + kept == 0) return 0;
  if (summary->has_documents) return refuse_documents(summary, refused, kept, err);
  return err_set(err, ERR_DENIED, "%" PRIu64 " of %" PRIu64 " rows were not stored; %s has the rows and the reasons",
                 refused, import_summary_count(summary), summary->rejected_path);
}
