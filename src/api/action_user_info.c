/* GetUserInfo: who asks. A meter knows a key and nothing of a person, so the key stands where UCloud shows the
 * address of the account. UCloud's CLI wants exactly one entry, and warns if AuthState is not CERTIFIED. Types as in
 * ucloud-sdk-go, services/uaccount. */
#include "api/call.h"

static int answer(const struct call *call, struct json_write *json, struct refusal *refusal) {
  (void)refusal;
  json_write_list(json, "DataSet");
  json_write_object(json, NULL);
  json_write_u64(json, "UserId", 1);
  json_write_text(json, "UserEmail", call->public_key);
  json_write_text(json, "UserName", call->public_key);
  json_write_text(json, "UserPhone", "");
  json_write_text(json, "PhonePrefix", "");
  json_write_text(json, "CompanyName", "");
  json_write_text(json, "UserAddress", "");
  json_write_text(json, "Province", "");
  json_write_text(json, "City", "");
  json_write_u64(json, "UserType", 0);
  json_write_u64(json, "IndustryType", 0);
  json_write_u64(json, "UserVersion", 0);
  json_write_u64(json, "Finance", 0);
  json_write_u64(json, "Admin", call->sub_account ? 0 : 1);
  json_write_text(json, "Administrator", "");
  json_write_text(json, "AuthState", "CERTIFIED");
  json_write_end(json);
  json_write_end(json);
  return 0;
}

static const struct api_param params[] = {{0}};

/* clang-format off */
static const struct api_field row[] = {
    {.name = "UserId", .type = API_INT, .help = {"always 1", "始终为 1"}},
    {.name = "UserEmail", .type = API_TEXT, .help = {"the PublicKey of the request", "请求的 PublicKey"}},
    {.name = "UserName", .type = API_TEXT, .help = {"the PublicKey of the request", "请求的 PublicKey"}},
    {.name = "UserPhone", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "PhonePrefix", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "CompanyName", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "UserAddress", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "Province", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "City", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "UserType", .type = API_INT, .help = {"0: a meter knows no persons", "始终为 0：计量服务没有个人信息"}},
    {.name = "IndustryType", .type = API_INT, .help = {"0: a meter knows no persons", "始终为 0：计量服务没有个人信息"}},
    {.name = "UserVersion", .type = API_INT, .help = {"0: a meter knows no persons", "始终为 0：计量服务没有个人信息"}},
    {.name = "Finance", .type = API_INT, .help = {"0: a meter knows no persons", "始终为 0：计量服务没有个人信息"}},
    {.name = "Admin", .type = API_INT, .help = {"1; 0 for the key of a sub-account", "1；子账号的密钥为 0"}},
    {.name = "Administrator", .type = API_TEXT, .help = {"empty: a meter knows no persons", "始终为空：计量服务没有个人信息"}},
    {.name = "AuthState", .type = API_TEXT, .help = {"'CERTIFIED', so that UCloud's CLI does not warn", "CERTIFIED，这样 UCloud 的命令行工具不会告警"}},
    {0},
};

static const struct api_field fields[] = {
    {.name = "DataSet", .type = API_LIST, .members = row,
     .help = {"one entry, for the key that signs the request", "一项：为请求签名的密钥"}},
    {0},
};

const struct api_action api_get_user_info = {
    .name = "GetUserInfo",
    .handle = answer,
    .params = params,
    .fields = fields,
    .request_example = "",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetUserInfoResponse","DataSet":[
         {"UserId":1,"UserEmail":"ucloud-example@example.com","UserName":"ucloud-example@example.com","UserPhone":"","PhonePrefix":"",
          "CompanyName":"","UserAddress":"","Province":"","City":"","UserType":0,"IndustryType":0,"UserVersion":0,"Finance":0,
          "Admin":1,"Administrator":"","AuthState":"CERTIFIED"}]}),
    .help = {"the key that signed the request, in place of a user", "当前密钥的信息：这里以密钥代表用户"},
};
/* clang-format on */
