/* The list of the actions, and the check that their tables are whole. An action only reads: a signed request can be
 * altered (docs/threat-model.md), so no action may write. */
#include "api/describe.h"

#include <string.h>

#include "api/call.h"
#include "base/check.h"

static const struct api_action *const actions[] = {
    &api_get_codec_total_stat,
    &api_get_format_total_stat,
    &api_get_snap_total_stat,
    &api_get_codec_task_list,
    &api_get_format_task_list,
    &api_get_snap_task_list,
    &api_get_codec_task_detail,
    &api_get_format_task_detail,
    &api_get_snap_task_detail,
    &api_get_codec_patten_list,
    &api_get_water_mark_patten_list,
    &api_get_project_list,
    &api_get_region,
    &api_get_user_info,
};
#define ACTIONS (sizeof actions / sizeof actions[0])

size_t api_actions(const struct api_action *const **ret) {
  *ret = actions;
  return ACTIONS;
}

const struct api_action *api_find_action(struct str name) {
  for (size_t i = 0; i < ACTIONS; i++) {
    if (str_equal(name, str_of(actions[i]->name))) return actions[i];
  }
  return NULL;
}

const struct api_param api_common_params[] = {
    {.name = "Action",
     .type = API_TEXT,
     .is_required = true,
     .example = "GetCodecTotalStat",
     .help = {"the action; matched exactly", "操作名称，须完全一致"}},
    {.name = "PublicKey",
     .type = API_TEXT,
     .is_required = true,
     .example = "ucloud-example@example.com",
     .help = {"the public key of the key that signs", "用于签名的密钥的公钥"}},
    {.name = "Signature",
     .type = API_TEXT,
     .is_required = true,
     .least = 40,
     .most = 40,
     .example = "4f9ef5df2abab2c6fccd1e9515cb7e2df8c6bb65",
     .help = {"SHA-1, in hexadecimal digits, of all other parameters, sorted by name, and the private key",
              "签名：将其他所有参数按名称排序后拼接，再加上私钥，取 SHA-1 的十六进制"}},
    {0},
};

/* ---- the tables, checked once ---- */

static bool is_help(const char *const help[API_LANGUAGES]) {
  for (int language = 0; language < API_LANGUAGES; language++) {
    if (help[language] == NULL || help[language][0] == '\0') return false;
  }
  return true;
}

static const struct api_param *find_param(const struct api_param *params, struct str name) {
  while (params->name != NULL && !str_equal_nocase(str_of(params->name), name))
    params++;
  return params;
}

static void check_params(const struct api_param *params) {
  for (const struct api_param *param = params; param->name != NULL; param++) {
    CHECK(find_param(params, str_of(param->name)) == param && is_help(param->help) && param->example != NULL);
    CHECK(param->type == API_TEXT || (param->type == API_INT && !param->is_required));
    CHECK(param->least >= 0 && (param->least <= param->most || param->most == 0));
    CHECK(!param->is_within_rows_max || (param->type == API_INT && param->most == API_ROWS_MAX));
  }
}

static void check_fields(const struct api_field *fields) {
  for (const struct api_field *field = fields; field->name != NULL; field++) {
    bool has_members = field->type == API_LIST || field->type == API_OBJECT;
    CHECK(is_help(field->help) && (has_members || field->members == NULL));
    /* All values come from a task, or none does. */
    CHECK(field->type == API_OBJECT || (field->write != NULL) == (fields->write != NULL));
    for (const struct api_field *other = fields; other < field; other++)
      CHECK(strcmp(other->name, field->name) != 0);
    if (field->members != NULL) check_fields(field->members);
  }
}

static void check_request(const struct api_action *action) {
  struct str rest = str_of(action->request_example);
  while (rest.len > 0) {
    struct str pair = str_cut(&rest, '&'), name = str_cut(&pair, '=');
    CHECK(find_param(action->params, name)->name != NULL && pair.len > 0);
  }
}

void api_check_tables(void) {
  for (size_t i = 0; i < ACTIONS; i++) {
    const struct api_action *action = actions[i];
    CHECK(api_find_action(str_of(action->name)) == action && action->handle != NULL && is_help(action->help));
    CHECK(action->needs_project == (find_param(action->params, STR("ProjectId"))->name != NULL));
    CHECK(action->request_example != NULL && action->answer_example != NULL);
    check_params(action->params);
    check_fields(action->fields);
    check_request(action);
  }
  check_params(api_common_params);
}
