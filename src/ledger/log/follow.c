/* Records below `to` were synced and applied, so the scan never meets a block that is being written. */
#include "ledger/log/follow.h"

#include "ledger/log/log.h"

struct following {
  const struct follow *follow;
  uint64_t end;
};

/* Usage that a later version has marked as skippable is of no kind that this version counts. */
static int visit_block(void *arg, const struct block *block, struct err *err) {
  struct following *following = arg;
  const struct follow *follow = following->follow;
  struct record record;
  if (block->position >= follow->to) return -ERR_STOPPING;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    int result = block_next(block, &at, &record, err);
    if (result != 0) return result;
    if (record.type == RECORD_USAGE) follow->visit(follow->arg, &record.usage);
  }
  following->end = block->position + block->bytes.len;
  return follow->goes_on(follow->arg, following->end) ? 0 : -ERR_STOPPING;
}

int follow_usage(const struct follow *follow, uint64_t *ret_end, struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  struct following following = {.follow = follow, .end = follow->from};
  uint64_t end;
  *ret_end = follow->from;
  int result = log_open_to_read(follow->dir, &log, err);
  if (result == 0) result = log_scan(log, follow->from, visit_block, &following, &end, err);
  *ret_end = following.end;
  return result == -ERR_STOPPING ? 0 : result;
}
