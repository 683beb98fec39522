/* An index leads to candidates; decide_matches compares the texts of each. Staged records exist only as bytes of the
 * blocks that are being built, so they are read out of those bytes. The newest records are searched first: a
 * repetition mostly comes soon. At most one record that counts answers a question, so the order decides nothing.
 */
#include "ledger/lookup.h"

#include <inttypes.h>

#include "base/check.h"

/* A search for an earlier record: what to look for, and whether it was found in ledger->found. */
struct search {
  struct ledger *ledger;
  enum decide_question question;
  const struct usage *wanted;
  struct hash hash;
  bool found;
};

/* Reads a candidate, staged or on disk, and compares its texts. */
static int try_position(struct search *search, uint64_t position, struct err *err) {
  struct ledger *ledger = search->ledger;
  struct record *record = &ledger->found;
  bool is_staged = ledger->is_staging && position >= log_end(ledger->log);
  int result = is_staged ? block_writer_record(ledger->staging, position, record, err)
                         : log_read_record(ledger->reader, position, record, err);
  if (result != 0) return result;
  if (record->type != RECORD_USAGE) {
    return err_set(err, ERR_CORRUPT,
                   "an index entry points to log position %" PRIu64
                   ", which is not a usage record; stop the server and run `codecmeter rebuild`",
                   position);
  }
  search->found = decide_matches(search->question, &record->usage, search->wanted);
  return 0;
}

static int search_staged(struct search *search, struct err *err) {
  const struct ledger *ledger = search->ledger;
  const struct identities *staged = search->question == DECIDE_VOID ? &ledger->staged_voids : &ledger->staged;
  uint32_t at = 0;
  int result = 0;
  for (uint64_t position = 1; position != 0 && result == 0 && !search->found;) {
    position = identities_find(staged, search->hash, &at);
    if (position != 0) result = try_position(search, position, err);
  }
  return result;
}

static int search_delta(struct search *search, const struct delta *delta, struct err *err) {
  bool of_voids = search->question == DECIDE_VOID;
  uint32_t at = 0;
  int result = 0;
  for (uint64_t position = 1; position != 0 && result == 0 && !search->found;) {
    position = of_voids ? delta_find_void(delta, search->hash, &at) : delta_find_identity(delta, search->hash, &at);
    if (position != 0) result = try_position(search, position, err);
  }
  return result;
}

static int search_run(struct search *search, const struct run *run, struct err *err) {
  bool may_hold;
  int result = run_may_hold(run, search->hash, &may_hold, err);
  if (result != 0 || !may_hold) return result;
  struct entry wanted = {.first = search->hash.high, .second = search->hash.low}, entry;
  uint64_t index;
  result = run_seek(run, &wanted, &index, err);
  while (result == 0 && !search->found && index < run_info(run)->count) {
    result = run_entry(run, index++, &entry, err);
    if (result != 0 || entry.first != wanted.first || entry.second != wanted.second) break;
    result = try_position(search, entry.position, err);
  }
  return result;
}

/* The writer reads deltas and the run list without the view lock, because only the writer changes them. */
static int search_all(struct search *search, struct err *err) {
  struct ledger *ledger = search->ledger;
  enum entry_kind kind = entry_kind_of(search->question);
  int result = search_staged(search, err);
  if (result == 0 && !search->found) result = search_delta(search, ledger->filling, err);
  if (result == 0 && !search->found && ledger->frozen != NULL) result = search_delta(search, ledger->frozen, err);
  for (size_t i = ledger->runs->count; i > 0 && result == 0 && !search->found; i--) {
    const struct run *run = ledger->runs->items[i - 1];
    if (run_info(run)->kind == kind) result = search_run(search, run, err);
  }
  return result;
}

void lookup_prefetch(const struct ledger *ledger, struct hash identity) {
  identities_prefetch(&ledger->staged, identity);
  delta_prefetch(ledger->filling, identity);
  if (ledger->frozen != NULL) delta_prefetch(ledger->frozen, identity);
  for (size_t i = 0; i < ledger->runs->count; i++) {
    if (run_info(ledger->runs->items[i])->kind == ENTRY_IDENTITY) run_prefetch(ledger->runs->items[i], identity);
  }
}

/* Most reports are for the same project as the report before. */
const struct project_state *lookup_project(struct ledger *ledger, struct str id) {
  const struct project_state *recent = ledger->recent_project;
  if (recent != NULL && str_equal(str_of(recent->info.id), id)) return recent;
  const struct project_state *found = catalogue_state(ledger->catalogue, id);
  if (found != NULL) ledger->recent_project = found;
  return found;
}

/* ---- what decide() asks ---- */

static bool has_project(void *arg, const struct usage *usage) {
  struct lookup *lookup = arg;
  return lookup_project(lookup->ledger, usage->project) != NULL;
}

/* Counts the names that staged records bring into a project and that are in no group of meter/codec.h. */
static unsigned staged_others(const struct ledger *ledger, uint32_t project, struct str codec, bool *ret_is_staged) {
  unsigned others = 0;
  *ret_is_staged = false;
  for (size_t i = 0; i < ledger->staged_codecs_count; i++) {
    struct str name = str_of(ledger->staged_codecs[i].name);
    if (ledger->staged_codecs[i].project != project) continue;
    *ret_is_staged |= str_equal(name, codec);
    others += codec_is_known(name) ? 0 : 1;
  }
  return others;
}

static bool has_codec_room(void *arg, const struct usage *usage) {
  struct lookup *lookup = arg;
  const struct project_state *project = lookup_project(lookup->ledger, usage->project);
  bool is_staged;
  unsigned others = staged_others(lookup->ledger, project->info.number, usage->codec, &is_staged);
  return is_staged || catalogue_has_codec_room(project, usage->codec, others);
}

static int find(void *arg, enum decide_question question, const struct usage *usage, const struct usage **ret,
                struct err *err) {
  struct lookup *lookup = arg;
  struct search search = {.ledger = lookup->ledger,
                          .question = question,
                          .wanted = usage,
                          .hash = question == DECIDE_IDENTITY ? lookup->identity : hash_question(question, usage)};
  int result = search_all(&search, err);
  if (result == 0) *ret = search.found ? &lookup->ledger->found.usage : NULL;
  return result;
}

struct decide_before lookup_before(struct lookup *lookup) {
  return (struct decide_before){
      .arg = lookup, .has_project = has_project, .has_codec_room = has_codec_room, .find = find};
}
