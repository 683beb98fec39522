/* GetCodecPattenList and GetWaterMarkPattenList: a meter has no templates, so both lists are empty. A program that
 * lists templates when it starts goes on. Source: design §5; names as in ucloud-sdk-go, services/umedia. */
#include "api/call.h"

int action_patten_list(const struct call *call, struct buf *out, struct refusal *refusal) {
  (void)call;
  (void)refusal;
  buf_text(out, ",\"DefaultPattenList\":[],\"CustomizedPattenList\":[]");
  return 0;
}
