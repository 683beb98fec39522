/* The place of a watch against a model: whatever is made, renamed, swapped, linked, rewritten and removed between two
 * looks, every version of a file that a look finds is recorded, and none twice; over reopening and pruning. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/watch_memory.h"
#include "base/file.h"

#define NAMES 6
#define VERSIONS 20000

static char dir[64], state[96], root[96];
static unsigned versions, recorded[VERSIONS];
static struct watch_memory *memory;

static int make_dir(void **unused) {
  (void)unused;
  strcpy(dir, "/tmp/codecmeter-place-XXXXXX");
  if (mkdtemp(dir) == NULL) return -1;
  (void)snprintf(state, sizeof state, "%s/state", dir);
  (void)snprintf(root, sizeof root, "%s/root", dir);
  memset(recorded, 0, sizeof recorded);
  versions = 0;
  return mkdir(state, 0700) == 0 && mkdir(root, 0700) == 0 ? 0 : -1;
}

static int remove_dir(void **unused) {
  (void)unused;
  struct err err;
  watch_memory_close(memory);
  memory = NULL;
  return file_remove_tree(dir, &err);
}

static uint64_t dice;
static unsigned roll(unsigned sides) { /* splitmix64 */
  uint64_t z = dice += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return (unsigned)((z ^ z >> 31) % sides);
}

static const char *path_of(unsigned name) {
  static char paths[2][128];
  static unsigned turn;
  char *path = paths[turn++ % 2];
  (void)snprintf(path, sizeof paths[0], "%s/%c", root, (char)('a' + name));
  return path;
}

/* A version of a file: its number is its content, and its time of writing. All are of one size. */
static void write_version(const char *path, int flags) {
  char text[16];
  int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
  assert_true(fd >= 0);
  unsigned version = versions++;
  assert_true(version < VERSIONS);
  (void)snprintf(text, sizeof text, "%08u", version);
  assert_int_equal(write(fd, text, 8), 8);
  const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000 + version, .tv_nsec = 5}};
  assert_int_equal(futimens(fd, times), 0);
  assert_int_equal(close(fd), 0);
}

static unsigned version_at(const char *path) {
  char text[16] = "";
  int fd = open(path, O_RDONLY);
  assert_int_equal(read(fd, text, 8), 8);
  (void)close(fd);
  return (unsigned)atoi(text);
}

static void open_state(void) {
  struct err err = {0};
  if (memory != NULL) assert_int_equal(watch_memory_save(memory, &err), 0);
  watch_memory_close(memory);
  memory = NULL;
  if (watch_memory_open(state, root, &memory, &err) != 0) fail_msg("%s", err.text);
}

/* What a watch does with a path. */
static void look_at(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0 || watch_memory_knows(memory, path, &st)) return;
  enum watch_memory_status status;
  if (watch_memory_twin(memory, path, &st, &status) == NULL) ++recorded[version_at(path)];
  watch_memory_remember(memory, path, &st, WATCH_MEMORY_DONE);
}

static void look_at_all(void) {
  for (unsigned name = 0; name < NAMES; name++)
    look_at(path_of(name));
}

static void swap(const char *one, const char *other) {
  char between[128];
  (void)snprintf(between, sizeof between, "%s/.between", root);
  if (rename(one, between) != 0) return;
  (void)rename(other, one);
  (void)rename(between, other);
}

static void change_something(void) {
  const char *path = path_of(roll(NAMES)), *other = path_of(roll(NAMES));
  switch (roll(7)) {
    case 0:
      write_version(path, 0); /* as it lies, under all its names */
      break;
    case 1:
      (void)unlink(path);
      write_version(path, O_EXCL);
      break;
    case 2:
    case 3:
      (void)rename(path, other);
      break;
    case 4:
      swap(path, other);
      break;
    case 5:
      (void)link(path, other);
      break;
    default:
      (void)unlink(path);
  }
}

static void check_recorded(unsigned seed) {
  for (unsigned version = 0; version < versions; version++) {
    if (recorded[version] > 1) fail_msg("seed %u: version %u is recorded %u times", seed, version, recorded[version]);
  }
  for (unsigned name = 0; name < NAMES; name++) {
    const char *path = path_of(name);
    if (access(path, F_OK) == 0 && recorded[version_at(path)] != 1) fail_msg("seed %u: %s is lost", seed, path);
  }
}

static void test_any_changes(void **unused) {
  (void)unused;
  for (unsigned seed = 1; seed <= 20; seed++) {
    dice = seed;
    open_state();
    for (int step = 0; step < 150; step++) {
      for (unsigned changes = roll(5); changes > 0; changes--)
        change_something();
      if (roll(4) == 0) watch_memory_prune(memory);
      if (roll(4) == 0) open_state();
      look_at_all();
      check_recorded(seed);
    }
  }
}

/* The renamed file is looked at after what has taken its name. */
static void test_a_name_used_again(void **unused) {
  (void)unused;
  open_state();
  for (unsigned name = 0; name < 2; name++)
    write_version(path_of(name), 0);
  look_at_all();
  swap(path_of(0), path_of(1));
  open_state();
  look_at_all();
  assert_int_equal(rename(path_of(0), path_of(2)), 0);
  write_version(path_of(0), O_EXCL);
  look_at(path_of(0));
  open_state();
  look_at(path_of(2));
  /* The newer of two names of a file is rewritten, the older one renamed. */
  assert_int_equal(link(path_of(1), path_of(3)), 0);
  look_at_all();
  assert_int_equal(unlink(path_of(3)), 0);
  write_version(path_of(3), O_EXCL);
  look_at_all();
  for (int i = 0; i < 3; i++)
    watch_memory_prune(memory);
  assert_int_equal(rename(path_of(1), path_of(4)), 0);
  look_at_all();
  check_recorded(0);
  assert_int_equal(versions, 4);
}

/* Those that are gone go, but not at once; and what is there stays. */
static void test_pruning(void **unused) {
  (void)unused;
  struct stat st, gone;
  char path[128];
  open_state();
  write_version(path_of(0), 0);
  look_at_all();
  assert_int_equal(lstat(path_of(0), &st), 0);
  assert_false(watch_memory_may_prune(memory));
  for (unsigned i = 0; i < 2000; i++) {
    gone = st;
    gone.st_ino += i + 1;
    (void)snprintf(path, sizeof path, "%s/gone %u", root, i);
    watch_memory_remember(memory, path, &gone, WATCH_MEMORY_DONE);
  }
  assert_true(watch_memory_may_prune(memory));
  watch_memory_prune(memory);
  assert_true(watch_memory_knows(memory, path, &gone) && watch_memory_may_prune(memory));
  open_state();
  assert_true(watch_memory_knows(memory, path, &gone) && watch_memory_may_prune(memory));
  watch_memory_prune(memory);
  assert_false(watch_memory_knows(memory, path, &gone) || watch_memory_may_prune(memory));
  assert_true(watch_memory_knows(memory, path_of(0), &st));
  open_state();
  assert_false(watch_memory_knows(memory, path, &gone));
  assert_true(watch_memory_knows(memory, path_of(0), &st));
}

/* One that was put back with the same times is known, and is then renamed under its new inode. */
static void test_replaced_by_its_like(void **unused) {
  (void)unused;
  open_state();
  write_version(path_of(0), 0);
  look_at_all();
  write_version(path_of(1), 0);
  versions = 0;
  write_version(path_of(1), 0); /* the same content and time */
  assert_int_equal(rename(path_of(1), path_of(0)), 0);
  look_at_all();
  assert_int_equal(rename(path_of(0), path_of(2)), 0);
  look_at_all();
  check_recorded(0);
}

static char name[256]; /* of the state's file */

/* A state by hand, of one file; birth "" for one of before these were kept. Does not open it. */
static void compose_state(const struct stat *st, char status, const char *birth) {
  open_state(); /* so that there is one */
  open_state();
  watch_memory_close(memory);
  memory = NULL;
  (void)snprintf(name, sizeof name, "ls %s/watch-*.state", state);
  FILE *list = popen(name, "r");
  assert_true(list != NULL && fgets(name, sizeof name, list) != NULL);
  name[strcspn(name, "\n")] = '\0';
  assert_int_equal(pclose(list), 0);
  FILE *file = fopen(name, "w");
  assert_non_null(file);
  (void)fprintf(file, "codecmeter-watch %d %s\n%c %jd %jd %ju%s %s/a\nend 1\n", birth[0] == '\0' ? 1 : 2, root,
                status, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                (uintmax_t)st->st_ino, birth, root);
  assert_int_equal(fclose(file), 0);
}

static void write_state(const struct stat *st, const char *birth) {
  compose_state(st, 'd', birth);
  open_state();
}

/* A letter that is no status is damage: to guess one would count a file twice, or not at all. */
static void test_damaged_status(void **unused) {
  (void)unused;
  static const char letters[] = {'x', 'X', '0', '?', 'd', 'D', 'b', 'p', 'F'};
  struct stat st = {.st_ino = 7, .st_size = 8};
  for (size_t i = 0; i < sizeof letters; i++) {
    struct err err = {0};
    compose_state(&st, letters[i], " 5");
    int result = watch_memory_open(state, root, &memory, &err);
    assert_int_equal(result, i < 4 ? -ERR_CORRUPT : 0);
    if (result != 0) memory = NULL;
    if (result != 0) assert_non_null(strstr(err.text, "is damaged: remove it"));
    if (result != 0) assert_int_equal(unlink(name), 0);
  }
}

/* The numbers that a file system gives are its own: with another time of birth it is another file. A state of before
 * these were kept is read, and gets them. */
static void test_time_of_birth(void **unused) {
  (void)unused;
  struct statx born;
  struct stat st;
  char birth[32];
  enum watch_memory_status status;
  open_state();
  write_version(path_of(0), 0);
  look_at_all();
  assert_int_equal(watch_memory_save(memory, NULL), 0);
  assert_int_equal(statx(AT_FDCWD, path_of(0), 0, STATX_BTIME, &born), 0);
  if ((born.stx_mask & STATX_BTIME) == 0) skip();
  assert_int_equal(lstat(path_of(0), &st), 0);
  intmax_t birth_ns = (intmax_t)born.stx_btime.tv_sec * 1000000000 + born.stx_btime.tv_nsec;
  for (int other = 0; other < 3; other++) {
    (void)snprintf(birth, sizeof birth, " %jd", birth_ns + other);
    write_state(&st, other == 2 ? "" : birth);
    assert_true(watch_memory_knows(memory, path_of(0), &st));
    if (other == 2) open_state(); /* written as it is now */
    assert_int_equal(rename(path_of(0), path_of(1)), 0);
    assert_true((watch_memory_twin(memory, path_of(1), &st, &status) == NULL) == (other == 1));
    assert_int_equal(rename(path_of(1), path_of(0)), 0);
  }
}

/* What was recorded is kept over restarts, as long as the file of the output is there. A state of an older version has none. */
static void test_recorded_outputs(void **unused) {
  (void)unused;
  static const struct watch_memory_output output = {.size = 123, .time_s = -5, .duration_ms = 3320, .id = "1:0123"};
  char rendition[160], path[128], other[128];
  struct err err;
  (void)snprintf(path, sizeof path, "%s/a b%%\n.mpd", root);
  (void)snprintf(other, sizeof other, "%s/other", root);
  (void)snprintf(rendition, sizeof rendition, "%s#v1", path);
  write_version(path, 0);
  open_state();
  assert_null(watch_memory_find_output(memory, path));
  watch_memory_remember_output(memory, path, &(struct watch_memory_output){.size = 1, .id = "1:f"});
  watch_memory_remember_output(memory, path, &output);
  watch_memory_remember_output(memory, rendition, &output);
  watch_memory_remember_output(memory, other, &output); /* its file is gone */
  open_state();
  const char *const names[] = {path, rendition, other};
  for (int pruned = 0; pruned < 3; pruned++) {
    for (int i = 0; i < 3; i++) {
      const struct watch_memory_output *found = watch_memory_find_output(memory, names[i]);
      if (i == 2 && pruned == 2) {
        assert_null(found);
        continue;
      }
      assert_non_null(found);
      assert_true(found->size == 123 && found->time_s == -5 && found->duration_ms == 3320);
      assert_string_equal(found->id, "1:0123");
    }
    watch_memory_prune(memory);
  }
  assert_int_equal(watch_memory_save(memory, &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_any_changes, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_a_name_used_again, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_pruning, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_replaced_by_its_like, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_time_of_birth, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_damaged_status, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(test_recorded_outputs, make_dir, remove_dir),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
