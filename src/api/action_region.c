/* GetRegion: the only region is this machine. Source: design §3.6; types as in ucloud-sdk-go, services/uaccount. */
#include "api/call.h"

int action_region(const struct call *call, struct buf *out, struct refusal *refusal) {
  (void)call;
  (void)refusal;
  buf_text(out,
           ",\"Regions\":[{\"RegionId\":1,\"RegionName\":\"self-hosted\",\"IsDefault\":true,\"BitMaps\":\"1\","
           "\"Region\":\"self\",\"Zone\":\"self-01\"}]");
  return 0;
}
