/* A command inherits the note's descriptor, and may have written into it. So lines behind the first two are ignored
 * if they are not as `run` writes them.
 */
#include "agent/intent_note.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/path_text.h"
#include "base/check.h"
#include "base/file.h"

#define NOTE_MAX (3 * INTENT_MAX) /* the lines of `run`, those of other runs, and what a command may have scribbled */
#define WAS_NUMBERS 7
#define HASH_DIGITS 16
#define RIVAL_LINE "{\"rival\":"
#define FIELD_STATE 3 /* of /proc/PID/stat, as in proc(5) */
#define FIELD_PARENT 4
#define FIELD_START 22

const char *const intent_role_names[3] = {
    [CANDIDATE_NAMED] = "", [CANDIDATE_OUTPUT] = "output", [CANDIDATE_ARGUMENT] = "argument"};

/* ---- processes and hosts ---- */

/* Reads a number from /proc/PID/stat. 0: the process does not exist, has ended, or is hidden from us. */
static uint64_t read_process(int64_t pid, int field_number) {
  char path[48], text[1024];
  uint64_t value = 0;
  (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (got <= 0) return 0;
  text[got] = '\0';
  const char *close = strrchr(text, ')'); /* ends the process's name, which may contain anything */
  if (close == NULL) return 0;
  struct str rest = str_of(close + 1), field = str_cut(&rest, ' ');
  for (int number = FIELD_STATE; number <= field_number; number++) {
    field = str_cut(&rest, ' ');
    if (number == FIELD_STATE && (str_equal(field, STR("Z")) || str_equal(field, STR("X")))) return 0;
  }
  return str_to_u64(field, &value) ? value : 0;
}

uint64_t intent_process_start(int64_t pid) { return read_process(pid, FIELD_START); }

bool intent_is_above(int64_t pid) {
  int64_t above = getppid();
  while (above > 1 && above != pid)
    above = (int64_t)read_process(above, FIELD_PARENT);
  return above == pid && pid > 1;
}

bool intent_process_lives(int64_t pid, uint64_t start) { return start != 0 && intent_process_start(pid) == start; }

void intent_host(char out[HOST_NAME_MAX + 1]) {
  memset(out, 0, HOST_NAME_MAX + 1);
  (void)gethostname(out, HOST_NAME_MAX);
}

bool intent_is_our_host(const struct intent_note *note) {
  char host[HOST_NAME_MAX + 1];
  intent_host(host);
  return str_equal(note->host, str_of(host));
}

bool intent_command_lives(const struct intent_note *note) {
  return note->has_command && intent_process_lives(note->command_pid, note->command_start);
}

/* ---- reading ---- */

void intent_note_fini(struct intent_note *note) {
  for (int i = 0; i < TEXTS; i++)
    free(note->texts[i]);
  outputs_fini(&note->outputs);
  free(note->url);
  free(note->path);
  buf_fini(&note->content);
  if (note->arena != NULL) arena_free(note->arena);
  if (note->parser != NULL) json_parser_free(note->parser);
  if (note->fd >= 0) (void)close(note->fd);
}

static bool read_i64(const struct json *value, int64_t *ret) {
  return value != NULL && value->type == JSON_NUMBER && str_to_i64(value->text, ret);
}

static bool read_u64(const struct json *value, uint64_t *ret) {
  return value != NULL && value->type == JSON_NUMBER && str_to_u64(value->text, ret);
}

static bool read_time(const struct json *value, struct timespec *ret) {
  int64_t seconds, nanoseconds;
  if (value == NULL || value->type != JSON_ARRAY || !read_i64(value->child, &seconds)) return false;
  if (!read_i64(value->child->next, &nanoseconds)) return false;
  *ret = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds};
  return true;
}

static bool read_was(const struct json *value, struct file_before *ret) {
  *ret = (struct file_before){.was_there = false};
  if (value == NULL) return false;
  if (value->type == JSON_NULL) return true;
  if (value->type != JSON_ARRAY) return false;
  int64_t numbers[WAS_NUMBERS];
  uint64_t dev, ino;
  const struct json *item = value->child;
  if (!read_u64(item, &dev) || !read_u64(item->next, &ino)) return false;
  item = item->next->next;
  for (int i = 2; i < WAS_NUMBERS; i++, item = item->next) {
    if (!read_i64(item, &numbers[i])) return false;
  }
  *ret = (struct file_before){.was_there = true,
                              .dev = dev,
                              .ino = ino,
                              .size = numbers[2],
                              .mtime = {.tv_sec = numbers[3], .tv_nsec = numbers[4]},
                              .ctime = {.tv_sec = numbers[5], .tv_nsec = numbers[6]}};
  return true;
}

static bool is_true(const struct json *object, const char *name) {
  const struct json *value = json_member(object, name);
  return value != NULL && value->type == JSON_TRUE;
}

static bool read_role(const struct json *item, enum candidate_role *ret) {
  struct str role = json_member_text(item, "role");
  for (size_t i = 0; i < sizeof intent_role_names / sizeof intent_role_names[0]; i++) {
    if (!str_equal(role, str_of(intent_role_names[i]))) continue;
    *ret = (enum candidate_role)i;
    return true;
  }
  return false;
}

static size_t count_items(const struct json *list) {
  size_t count = 0;
  for (const struct json *item = list->child; item != NULL; item = item->next)
    count++;
  return count;
}

static bool read_hash(const char *digits, uint64_t *ret) {
  *ret = 0;
  for (int i = 0; i < HASH_DIGITS; i++) {
    int digit = g_ascii_xdigit_value(digits[i]);
    if (digit < 0) return false;
    *ret = *ret << 4 | (uint64_t)digit;
  }
  return true;
}

/* Three hashes for each file. */
static bool read_marks(struct str digits, struct file_mark **ret, size_t *ret_count) {
  size_t count = digits.len / (3 * HASH_DIGITS);
  struct file_mark *marks = calloc(count + 1, sizeof *marks);
  CHECK(marks != NULL);
  bool good = digits.len % (3 * HASH_DIGITS) == 0;
  for (size_t i = 0; i < count && good; i++) {
    const char *at = digits.ptr + i * 3 * HASH_DIGITS;
    good = read_hash(at, &marks[i].path) && read_hash(at + HASH_DIGITS, &marks[i].content) &&
           read_hash(at + 2 * HASH_DIGITS, &marks[i].change);
  }
  *ret = marks;
  *ret_count = count;
  return good;
}

/* Notes of version 2 have the files themselves. */
static bool read_seen_files(const struct json *list, struct candidate *candidate) {
  candidate->seen = calloc(count_items(list) + 1, sizeof *candidate->seen);
  CHECK(candidate->seen != NULL);
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    struct str path = item->type == JSON_OBJECT ? json_member_text(item, "path") : STR("");
    struct file_before was;
    if (path.len == 0 || !read_was(json_member(item, "was"), &was)) return false;
    SCOPED_MALLOC char *decoded = path_text_read(path);
    if (was.was_there) candidate->seen[candidate->seen_count++] = file_mark_of(decoded, &was);
  }
  return true;
}

static bool read_seen(const struct json *seen, struct candidate *candidate) {
  if (seen == NULL) return true;
  if (seen->type == JSON_ARRAY) return read_seen_files(seen, candidate);
  return seen->type == JSON_STRING && read_marks(seen->text, &candidate->seen, &candidate->seen_count);
}

static bool read_outputs(const struct json *list, int64_t version, struct outputs *ret) {
  if (list == NULL || list->type != JSON_ARRAY) return false;
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    struct str path = item->type == JSON_OBJECT ? json_member_text(item, "path") : STR("");
    struct file_before before;
    enum candidate_role role;
    if (path.len == 0 || !read_was(json_member(item, "was"), &before) || !read_role(item, &role)) return false;
    struct candidate *candidate = outputs_add(ret, path_text_read(path), role);
    candidate->before = before;
    candidate->is_task = version == 1 || is_true(item, "task");
    candidate->is_remux = is_true(item, "remux");
    candidate->was_full = is_true(item, "full");
    candidate->was_hidden = is_true(item, "hidden");
    if (candidate->path[0] != '/') return false;
    if (!read_seen(json_member(item, "seen"), candidate)) return false;
  }
  return true;
}

static char *read_text(const struct json *object, const char *name) {
  const struct json *value = json_member(object, name);
  if (value == NULL || value->type != JSON_STRING) return NULL;
  char *text = strndup(value->text.ptr, value->text.len);
  CHECK(text != NULL);
  return text;
}

static bool read_rate(const struct json *value, struct media_options *ret) {
  uint64_t num, den;
  if (value == NULL) return true;
  if (value->type != JSON_ARRAY || !read_u64(value->child, &num) || !read_u64(value->child->next, &den)) return false;
  ret->rate_num = (uint32_t)num;
  ret->rate_den = (uint32_t)den;
  return num <= UINT32_MAX && den <= UINT32_MAX && den > 0;
}

static bool read_labels(struct intent_note *note, const struct json *object) {
  struct label labels[LABELS_MAX];
  size_t count = 0, len;
  if (object == NULL) return true;
  if (object->type != JSON_OBJECT) return false;
  for (const struct json *member = object->child; member != NULL; member = member->next) {
    bool is_label =
        member->type == JSON_STRING && label_name_is_valid(member->name) && label_value_is_valid(member->text);
    if (!is_label || count == LABELS_MAX) return false;
    labels[count++] = (struct label){member->name, member->text};
  }
  if (!labels_encode(labels, count, note->labels, &len)) return false;
  note->report.as.labels = str_make(note->labels, len);
  return true;
}

/* How to report; notes of version 1 name the project only. */
static bool read_as(struct intent_note *note, const struct json *first) {
  const struct json *as = json_member(first, "as");
  note->texts[TEXT_PROJECT] = read_text(first, "project");
  note->report.as.project = note->texts[TEXT_PROJECT];
  if (as == NULL) return true;
  if (as->type != JSON_OBJECT) return false;
  struct str kind = json_member_text(as, "kind");
  note->texts[TEXT_SOURCE] = read_text(as, "source");
  note->texts[TEXT_ID] = read_text(as, "id");
  note->texts[TEXT_ID_PREFIX] = read_text(as, "id_prefix");
  note->texts[TEXT_TASK_ID] = read_text(as, "task_id");
  note->report.as.source = note->texts[TEXT_SOURCE];
  note->report.as.id = note->texts[TEXT_ID];
  note->report.as.id_prefix = note->texts[TEXT_ID_PREFIX];
  note->report.as.task_id = note->texts[TEXT_TASK_ID];
  note->report.has_kind = kind.len > 0;
  note->report.as.kind = str_equal(kind, STR("remux")) ? REPORT_REMUX : REPORT_TRANSCODE;
  return read_rate(json_member(as, "rate"), &note->report.as.media) && read_labels(note, json_member(as, "labels"));
}

static const struct json *parse_line(struct intent_note *note, struct str line) {
  const struct json *top;
  bool is_object =
      line.len > 0 && json_parse(note->parser, note->arena, line, 8, &top, NULL) == 0 && top->type == JSON_OBJECT;
  return is_object ? top : NULL;
}

static bool read_first(struct intent_note *note, const struct json *first, int64_t version) {
  note->host = json_member_text(first, "host");
  return read_i64(json_member(first, "pid"), &note->run_pid) &&
         read_u64(json_member(first, "start"), &note->run_start) &&
         read_time(json_member(first, "began"), &note->began) && read_as(note, first) &&
         read_outputs(json_member(first, "outputs"), version, &note->outputs);
}

static bool read_address(struct intent_note *note, const struct json *address) {
  struct str url = json_member_text(address, "url"), token = json_member_text(address, "token");
  note->url = strndup(url.ptr, url.len);
  CHECK(note->url != NULL);
  return url.len > 0 && str_copy(token, note->token, sizeof note->token);
}

static void read_taken(struct intent_note *note, struct str text) {
  SCOPED_MALLOC char *path = path_text_read(text);
  for (size_t i = 0; i < note->outputs.count; i++) {
    struct candidate *candidate = &note->outputs.items[i];
    if (strcmp(candidate->path, path) == 0) candidate->is_taken = true;
  }
}

/* Notes of older versions do not say what was made. */
static void read_end(struct intent_note *note, const struct json *line) {
  const struct json *made = json_member(line, "made");
  note->has_status =
      read_i64(json_member(line, "status"), &note->status) && read_time(json_member(line, "ended"), &note->ended);
  bool is_noted = note->has_status && made != NULL && made->type == JSON_STRING &&
                  read_marks(made->text, &note->outputs.made, &note->outputs.made_count);
  if (is_noted) note->outputs.end = OUTPUTS_NOTED;
}

/* A rival that cannot be read keeps the candidates before the fault. */
static void read_rival(const struct json *line, struct outputs *outputs) {
  struct timespec began;
  if (!read_time(json_member(line, "rival"), &began)) return;
  bool is_whole = read_outputs(json_member(line, "outputs"), INTENT_VERSION, &outputs_add_rival(outputs, began)->outputs);
  (void)is_whole;
}

/* The command has the file open, and may have written into it: lines that are not ours are ignored. */
static void read_rest(struct intent_note *note, struct str rest) {
  while (rest.len > 0) {
    struct str text = str_cut(&rest, '\n');
    const struct json *line = str_starts(text, STR(RIVAL_LINE)) ? NULL : parse_line(note, text);
    if (line == NULL) continue;
    struct str taken = json_member_text(line, "taken");
    if (taken.len > 0) {
      read_taken(note, taken);
    } else if (!note->has_command) {
      note->has_command = read_i64(json_member(line, "pid"), &note->command_pid) &&
                          read_u64(json_member(line, "start"), &note->command_start);
    } else if (!note->has_status) {
      read_end(note, line);
    } else if (is_true(line, "unfinished")) {
      note->outputs.end = OUTPUTS_UNKNOWN;
    }
  }
}

void intent_note_read_rivals(struct str lines, struct outputs *outputs) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(lines.len * 32 + (1 << 20));
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  while (lines.len > 0) {
    const struct json *top;
    struct str line = str_cut(&lines, '\n');
    if (!str_starts(line, STR(RIVAL_LINE))) continue;
    if (json_parse(parser, arena, line, 8, &top, NULL) == 0 && top->type == JSON_OBJECT) read_rival(top, outputs);
  }
}

/* -ERR_CORRUPT: the first two lines are not those of an intent. -ERR_VERSION: they are of a later version. */
static int read_lines(struct intent_note *note, struct err *err) {
  struct str text = buf_view(&note->content), rest = text;
  const char *feed = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
  if (feed == NULL || memchr(feed + 1, '\n', text.len - (size_t)(feed + 1 - text.ptr)) == NULL) return 0;
  note->arena = arena_new(text.len * 32 + (1 << 20));
  note->parser = json_parser_new();
  CHECK(note->arena != NULL && note->parser != NULL);
  const struct json *first = parse_line(note, str_cut(&rest, '\n'));
  const struct json *address = parse_line(note, str_cut(&rest, '\n'));
  int64_t version;
  if (first == NULL || !read_i64(json_member(first, "intent"), &version))
    return err_set(err, ERR_CORRUPT, "its lines are not those of a run's note");
  if (version > INTENT_VERSION)
    return err_set(err, ERR_VERSION,
                   "%s: a later version of codecmeter made it; run `codecmeter flush` of that version", note->path);
  if (address == NULL || !read_first(note, first, version) || !read_address(note, address))
    return err_set(err, ERR_CORRUPT, "its lines are not those of a run's note");
  note->has_lines = true;
  note->outputs.began = note->began;
  note->outputs.end = OUTPUTS_UNKNOWN;
  read_rest(note, rest);
  return 0;
}

int intent_note_read(struct intent_note *note, struct err *err) {
  uint64_t size;
  struct stat st;
  size_t got;
  note->fd = open(note->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (note->fd < 0) return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", note->path);
  note->is_locked = flock(note->fd, LOCK_EX | LOCK_NB) != 0;
  if (fstat(note->fd, &st) == 0 && st.st_nlink == 0)
    return err_set(err, ERR_NOT_FOUND, "%s: another agent has settled it", note->path);
  int result = file_size(note->fd, note->path, &size, err);
  if (result != 0) return result;
  if (size > NOTE_MAX) return err_set(err, ERR_CORRUPT, "it is too long for a run's note");
  char *room = buf_extend(&note->content, size + JSON_PADDING);
  CHECK(room != NULL);
  memset(room, 0, size + JSON_PADDING);
  result = file_read(note->fd, note->path, 0, room, size, &got, err);
  note->content.len = got;
  return result == 0 ? read_lines(note, err) : result;
}
