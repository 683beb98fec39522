/* GetUserInfo: who asks. A meter knows a key and nothing of a person, so the key stands where UCloud shows the
 * address of the account. UCloud's CLI wants exactly one entry, and warns if AuthState is not CERTIFIED. Types as in
 * ucloud-sdk-go, services/uaccount. */
#include "api/call.h"

int action_user_info(const struct call *call, struct buf *out, struct refusal *refusal) {
  (void)refusal;
  buf_text(out, ",\"DataSet\":[{\"UserId\":1,\"UserEmail\":");
  json_quote(out, str_of(call->public_key));
  buf_text(out, ",\"UserName\":");
  json_quote(out, str_of(call->public_key));
  buf_text(out,
           ",\"UserPhone\":\"\",\"PhonePrefix\":\"\",\"CompanyName\":\"\",\"UserAddress\":\"\",\"Province\":\"\","
           "\"City\":\"\",\"UserType\":0,\"IndustryType\":0,\"UserVersion\":0,\"Finance\":0,\"Admin\":");
  buf_text(out, call->sub_account ? "0" : "1");
  buf_text(out, ",\"Administrator\":\"\",\"AuthState\":\"CERTIFIED\"}]");
  return 0;
}
