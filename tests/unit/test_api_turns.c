/* What an action has done in one turn holds in the next one, whatever changed between them. Each look at this clock takes more than
 * half of a turn, so each turn is over at its second look. */
#include "scan_fixture.h"

#include "api/api.h"
#include "auth/sign.h"
#include "base/json.h"

#define RECORDS 9000u /* of one task id; more than are read at once */

static int64_t tick(void *arg) { return *(int64_t *)arg += API_TURN_MS / 2 + 1; }

static void set_default(struct fixture *f, const char *id) {
  struct change set = {.type = CHANGE_PROJECT_SET, .set = CHANGE_SET_DEFAULT, .project = {.is_default = true}};
  strcpy(set.project.id, id);
  assert_int_equal(change(f, &set), 0);
}

/* Project "a" has the task in RECORDS records, the newest of which is the last; project "b" has none. */
static void make_world(struct fixture *f) {
  struct change key = {.type = CHANGE_KEY_CREATE, .key = {.public_key = "public", .private_key = "private"}};
  open_ledger(f);
  make_project(f, "a", "UTC");
  make_project(f, "b", "UTC");
  assert_int_equal(change(f, &key), 0);
  for (unsigned i = 0; i < RECORDS; i++) {
    char id[16];
    (void)snprintf(id, sizeof id, "%u", i);
    struct usage usage = usage_of("a", id, T0 + i);
    usage.task_id = STR("same");
    assert_int_equal(stage(f, &usage), VERDICT_STORED);
  }
  commit(f);
}

/* Asks until the answer is whole, which takes more than two turns. After each turn the other project is the default
 * one. */
static void ask(struct fixture *f, const char *canonical, const char *params, struct buf *body) {
  int64_t now_ms = T0;
  struct clock clock = {.real_ms = tick, .monotonic_ms = tick, .arg = &now_ms};
  struct err err = {0};
  struct api *api;
  struct api_work *work = NULL;
  struct api_result result;
  char signature[SIGN_HEX_SIZE], query[256];
  make_world(f);
  struct api_options options = {.ledger = f->ledger, .clock = &clock, .body_max = 1 << 20, .params_max = 100, .rows_max = RECORDS, .regions = "cn-bj2/cn-bj2-04"};
  assert_int_equal(api_new(&options, &api, &err), 0);
  sign_hex(str_of(canonical), STR("private"), signature);
  (void)snprintf(query, sizeof query, "PublicKey=public&%s&Signature=%s", params, signature);
  struct api_request request = {.query = str_of(query), .id = "1", .may_take_long = true, .work = &work};
  unsigned turns = 1;
  for (api_handle(api, &request, body, &result); result.is_later && turns < 100; turns++) {
    set_default(f, turns % 2 == 1 ? "b" : "a");
    api_handle(api, &request, body, &result);
  }
  buf_char(body, '\0');
  assert_int_equal(result.ret_code, 0);
  assert_null(strstr(body->ptr + 2, "\"RetCode\"")); /* it has not begun again */
  assert_true(turns > 2 && !result.is_later);
  assert_null(work);
  api_free(api);
}

static void a_search_stays_in_its_project(void **state) {
  SCOPED(buf_fini) struct buf body = {0};
  ask(*state, "ActionGetCodecTaskDetailPublicKeypublicTaskIdsame", "Action=GetCodecTaskDetail&TaskId=same", &body);
  assert_non_null(strstr(body.ptr, "\"Id\":\"8999\"}"));
}

/* The list is open between the turns: no comma and no bracket is lost. */
static void a_list_is_whole(void **state) {
  SCOPED(buf_fini) struct buf body = {0};
  size_t rows = 0;
  ask(*state, "ActionGetCodecTaskListProjectIdaPublicKeypublic", "Action=GetCodecTaskList&ProjectId=a", &body);
  assert_non_null(strstr(body.ptr, ",\"TaskList\":[{\"TaskId\":\"same\","));
  assert_non_null(strstr(body.ptr, "\"Id\":\"8999\"}],\"TotalCount\":9000}"));
  for (const char *at = body.ptr; (at = strstr(at, "},{\"TaskId\"")) != NULL; at++) rows++;
  assert_int_equal(rows, RECORDS - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_search_stays_in_its_project, setup, teardown),
      cmocka_unit_test_setup_teardown(a_list_is_whole, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
