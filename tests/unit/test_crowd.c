/* A crowd: which lists of addresses are refused, who counts as one address, who has to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "http/crowd.h"

static const struct sockaddr *address(const char *text) {
  static struct sockaddr_storage made;
  struct sockaddr_in *v4 = (void *)&made;
  struct sockaddr_in6 *v6 = (void *)&made;
  memset(&made, 0, sizeof made);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    made.ss_family = AF_INET;
  } else {
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    made.ss_family = AF_INET6;
  }
  return (const struct sockaddr *)&made;
}

static struct crowd *crowd_of(unsigned members_max, unsigned address_max, const char *exempt) {
  struct crowd_options options = {.members_max = members_max, .address_max = address_max};
  struct err err = {0};
  if (crowd_exempt_read(str_of(exempt), &options.exempt, &err) != 0) fail_msg("%s: %s", exempt, err.text);
  return crowd_new(&options);
}

static void test_bad_lists(void **state) {
  (void)state;
  static const char *const bad[] = {"x",           "127.0.0.1 ::1", "127.0.0",    "127.0.0.1/33", "127.0.0.1/", "127.0.0.1/-1",
                                    "::1/129",     "10.0.0.0/8/8",  "1.2.3.4.5",  "[::1]",        "::1%lo",     "localhost",
                                    "1.2.3.4/ 8",  "/8",            "1.2.3.4,x",  "1.2.3.4:80",
                                    "0000000000:0000000000:0000000000:0000000000:0000000000"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct crowd_exempt exempt = {.count = 7};
    struct err err = {0};
    if (crowd_exempt_read(str_of(bad[i]), &exempt, &err) != -ERR_USAGE) fail_msg("'%s' is taken", bad[i]);
    assert_int_equal(exempt.count, 7);
    assert_non_null(strstr(err.text, "is not an address"));
  }
  char many[CROWD_EXEMPT_MAX * 4 + 8] = "";
  for (int i = 0; i <= CROWD_EXEMPT_MAX; i++)
    strcat(many, "::1,");
  struct crowd_exempt exempt;
  struct err err;
  assert_int_equal(crowd_exempt_read(str_of(many), &exempt, &err), -ERR_USAGE);
}

static void test_who_is_exempt(void **state) {
  (void)state;
  static const struct {
    const char *list, *address;
    bool is_exempt;
  } rows[] = {
      {"", "127.0.0.1", false},
      {" , ,", "127.0.0.1", false},
      {"127.0.0.1,::1", "127.0.0.1", true},
      {"127.0.0.1,::1", "127.0.0.2", false},
      {"127.0.0.1,::1", "::1", true},
      {"127.0.0.1,::1", "::2", false},
      {"127.0.0.1", "::ffff:127.0.0.1", true},
      {"::ffff:127.0.0.1", "127.0.0.1", true},
      {" 10.0.0.0/8 , ::1", "10.255.3.4", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.32.0.0/11", "10.63.255.255", true},
      {"10.32.0.0/11", "10.64.0.0", false},
      {"0.0.0.0/0", "192.0.2.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "192.0.2.1", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"2001:db8::1", "2001:db8::2", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct crowd *crowd = crowd_of(8, 1, rows[i].list);
    struct crowd_member member = {0};
    assert_true(crowd_join(crowd, &member, address(rows[i].address)));
    if (crowd_admits(crowd, address(rows[i].address)) != rows[i].is_exempt) {
      fail_msg("'%s' and %s", rows[i].list, rows[i].address);
    }
    crowd_leave(crowd, &member);
    assert_true(crowd_admits(crowd, address(rows[i].address)));
    crowd_free(crowd);
  }
}

static void test_what_is_one_address(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    bool same;
  } rows[] = {
      {"192.0.2.1", "192.0.2.1", true},        {"192.0.2.1", "192.0.2.2", false},
      {"192.0.2.1", "::ffff:192.0.2.1", true}, {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
      {"2001:db8::1", "2001:db8::2", true},    {"2001:db8::1", "2001:db8:0:0:ffff::2", true},
      {"2001:db8::1", "2001:db8:0:1::1", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct crowd *crowd = crowd_of(8, 1, "");
    struct crowd_member member = {0};
    assert_true(crowd_join(crowd, &member, address(rows[i].a)));
    if (crowd_admits(crowd, address(rows[i].b)) == rows[i].same) fail_msg("%s and %s", rows[i].a, rows[i].b);
    crowd_leave(crowd, &member);
    crowd_free(crowd);
  }
  struct crowd *crowd = crowd_of(8, 1, "");
  struct crowd_member unknown = {0};
  assert_true(crowd_join(crowd, &unknown, NULL));
  assert_false(crowd_admits(crowd, NULL));
  crowd_leave(crowd, &unknown);
  crowd_free(crowd);
}

#define PLACES 80 /* room is short when more than 69 are taken */
#define TAKEN 68

/* 40 of one address, 20 of another, 8 exempt. */
static void fill(struct crowd *crowd, struct crowd_member members[PLACES]) {
  memset(members, 0, PLACES * sizeof members[0]);
  for (size_t i = 0; i < TAKEN; i++) {
    const char *text = i < 40 ? "192.0.2.1" : i < 60 ? "192.0.2.2" : "127.0.0.1";
    assert_true(crowd_join(crowd, &members[i], address(text)));
    assert_null(crowd_lose_one(crowd));
  }
}

static void test_who_has_to_go(void **state) {
  (void)state;
  struct crowd *crowd = crowd_of(PLACES, PLACES, "127.0.0.1");
  struct crowd_member members[PLACES], more[PLACES] = {0};
  fill(crowd, members);
  /* Of the larger address, the one that has been idle for longest: not 0, which is busy, nor 1, which was. */
  crowd_busy(crowd, &members[0]);
  crowd_busy(crowd, &members[1]);
  crowd_idle(crowd, &members[1]);
  for (size_t i = 0; i < 2; i++) {
    assert_true(crowd_join(crowd, &more[i], address("2001:db8::1")));
    assert_ptr_equal(crowd_lose_one(crowd), i == 0 ? NULL : &members[2]);
  }
  assert_null(crowd_lose_one(crowd)); /* one for one */
  /* What is on its way out changes nothing any more. */
  crowd_busy(crowd, &members[2]);
  crowd_idle(crowd, &members[2]);
  /* Down to the other's size, then by turns, and never the newcomer or who is exempt. */
  unsigned lost[3] = {0};
  for (size_t i = 2; i < 60; i++) {
    assert_true(crowd_join(crowd, &more[i], address("127.0.0.1")));
    struct crowd_member *member = crowd_lose_one(crowd);
    if (member == NULL) fail_msg("%zu", i);
    size_t index = (size_t)(member - members);
    bool is_newcomer = member == &more[0] || member == &more[1];
    assert_true(is_newcomer || index < 60);
    lost[is_newcomer ? 2 : index < 40 ? 0 : 1]++;
    if (i == 18) assert_true(lost[0] == 17 && lost[1] == 0);
    if (lost[0] + lost[1] < 54) assert_int_equal(lost[2], 0);
  }
  assert_true(lost[0] >= 36 && lost[1] >= 18);
  for (size_t i = 0; i < TAKEN; i++)
    crowd_leave(crowd, &members[i]);
  for (size_t i = 0; i < 60; i++)
    crowd_leave(crowd, &more[i]);
  crowd_free(crowd);
}

static void test_nobody_is_idle(void **state) {
  (void)state;
  struct crowd *crowd = crowd_of(PLACES, PLACES, "127.0.0.1");
  struct crowd_member members[PLACES], more[4] = {0};
  fill(crowd, members);
  for (size_t i = 0; i < 60; i++)
    crowd_busy(crowd, &members[i]);
  for (size_t i = 0; i < 4; i++)
    assert_true(crowd_join(crowd, &more[i], address("127.0.0.1")));
  assert_null(crowd_lose_one(crowd));
  crowd_idle(crowd, &members[50]);
  assert_ptr_equal(crowd_lose_one(crowd), &members[50]);
  assert_null(crowd_lose_one(crowd));
  for (size_t i = 0; i < TAKEN; i++)
    crowd_leave(crowd, &members[i]);
  for (size_t i = 0; i < 4; i++)
    crowd_leave(crowd, &more[i]);
  crowd_free(crowd);
}

/* A crowd of single connections: those that have been idle for longest make room, not the newcomers. */
static void test_each_of_another_address(void **state) {
  (void)state;
  enum { MEMBERS = 3 * PLACES };
  struct crowd *crowd = crowd_of(PLACES, PLACES, "");
  struct crowd_member members[MEMBERS] = {0};
  size_t gone = 0;
  for (size_t i = 0; i < MEMBERS; i++) {
    char text[32];
    (void)snprintf(text, sizeof text, "192.0.2.%zu", i);
    assert_true(crowd_join(crowd, &members[i], address(text)));
    if (i == 1) crowd_busy(crowd, &members[1]);
    struct crowd_member *lost = crowd_lose_one(crowd);
    if (lost == NULL) continue;
    gone += gone == 1; /* the busy one stays */
    assert_ptr_equal(lost, &members[gone++]);
  }
  assert_int_equal(gone, MEMBERS - 68); /* 69 stay, the busy one among them */
  for (size_t i = 0; i < MEMBERS; i++)
    crowd_leave(crowd, &members[i]);
  crowd_free(crowd);
}

/* Against a plain model: the oldest of an address with most idle ones. */
static void test_at_random(void **state) {
  (void)state;
  enum { MEMBERS = 60, ADDRESSES = 6 };
  unsigned seed = 12345;
  struct crowd *crowd = crowd_of(MEMBERS, MEMBERS, "");
  struct crowd_member members[MEMBERS] = {0};
  struct {
    bool is_in, is_idle, is_lost;
    unsigned address, since;
  } model[MEMBERS] = {0};
  for (unsigned step = 1; step < 200000; step++) {
    unsigned i = (unsigned)rand_r(&seed) % MEMBERS, what = (unsigned)rand_r(&seed) % 8;
    char text[32];
    if (!model[i].is_in) {
      model[i].address = (unsigned)rand_r(&seed) % ADDRESSES;
      (void)snprintf(text, sizeof text, "192.0.2.%u", model[i].address);
      assert_true(crowd_join(crowd, &members[i], address(text)));
      model[i].is_in = model[i].is_idle = true;
      model[i].is_lost = false;
      model[i].since = step;
    } else if (what == 0 || model[i].is_lost) {
      crowd_leave(crowd, &members[i]);
      model[i].is_in = model[i].is_idle = false;
    } else if (what < 4) {
      crowd_busy(crowd, &members[i]);
      model[i].is_idle = false;
    } else {
      crowd_idle(crowd, &members[i]);
      if (!model[i].is_idle) model[i].since = step;
      model[i].is_idle = true;
    }
    unsigned idle[ADDRESSES] = {0}, most = 0, counted = 0;
    for (unsigned k = 0; k < MEMBERS; k++) {
      counted += model[k].is_in && !model[k].is_lost;
      if (model[k].is_in && model[k].is_idle && ++idle[model[k].address] > most) most = idle[model[k].address];
    }
    struct crowd_member *lost = crowd_lose_one(crowd);
    assert_int_equal(lost != NULL, counted > MEMBERS - (MEMBERS / 8 + 1) && most > 0);
    if (lost == NULL) continue;
    unsigned at = (unsigned)(lost - members);
    assert_true(at < MEMBERS && model[at].is_idle && idle[model[at].address] == most);
    for (unsigned k = 0; k < MEMBERS; k++) {
      bool is_sibling = model[k].is_in && model[k].is_idle && model[k].address == model[at].address;
      assert_true(!is_sibling || model[k].since >= model[at].since);
    }
    model[at].is_lost = true;
    model[at].is_idle = false;
  }
  for (unsigned k = 0; k < MEMBERS; k++) {
    if (model[k].is_in) crowd_leave(crowd, &members[k]);
  }
  crowd_free(crowd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad_lists),
      cmocka_unit_test(test_who_is_exempt),
      cmocka_unit_test(test_what_is_one_address),
      cmocka_unit_test(test_who_has_to_go),
      cmocka_unit_test(test_nobody_is_idle),
      cmocka_unit_test(test_at_random),
      cmocka_unit_test(test_each_of_another_address),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
