/* GetRegion: the regions of the setting api.regions, all of them this machine. Source: design §5. */
#include "api/call.h"

int action_region(const struct call *call, struct buf *out, struct refusal *refusal) {
  (void)refusal;
  buf_str(out, call->regions);
  return 0;
}
