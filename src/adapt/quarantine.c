/* What is kept is known by a table in memory: the ids whose files are on disk with their names synced. An id that is
 * not in the table is written again, whatever the directory holds, because after a failed sync it is unknown what a
 * name leads to. No lock is held during I/O: one thread keeps notices, and any thread may drop those that are in the
 * table.
 *
 *   (none) --quarantine_keep, file and name synced--> in the table --quarantine_drop, removal synced--> (none)
 */
#include "adapt/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/lock.h"
#include "meter/rfc3339.h"

#define DIRECTORY "quarantine"
#define MAGIC "codecmeter quarantine "
#define FORMAT 1
#define ENDING ".notice"
#define FRESH "fresh" /* a file that is being written; its name begins with a dot */
#define NAME_SIZE (QUARANTINE_ID_SIZE + sizeof "." ENDING FRESH)
#define HEAD_MEMORY_MAX ((size_t)1 << 20)
#define HEAD_DEPTH_MAX 2
#define LIST_MEMORY_MAX ((size_t)256 << 20)

struct kept {
  char id[QUARANTINE_ID_SIZE];
  uint64_t bytes;
};

struct quarantine {
  struct quarantine_options options;
  int dir_fd; /* -1: the directory does not exist yet; the thread that keeps notices opens it, with the lock */
  char path[PATH_MAX];
  pthread_mutex_t lock; /* of what follows; held for memory only */
  VECTOR(struct kept);
  uint64_t bytes;
};

/* ---- ids and names ---- */

static struct str project_of(const struct quarantine_notice *notice) {
  return notice->project.len > 0 ? notice->project : notice->token_project;
}

/* Digests of the parts have one length, so two notices whose texts are cut elsewhere differ. Needs no memory: an id
 * that a shortage changed would be another notice's. */
void quarantine_id(const struct quarantine_notice *notice, char ret[QUARANTINE_ID_SIZE]) {
  const struct str parts[] = {notice->adapter, project_of(notice), notice->source,
                              notice->id,      notice->time,       notice->body};
  uint8_t digests[sizeof parts / sizeof parts[0]][DIGEST_SHA256_SIZE], all[DIGEST_SHA256_SIZE];
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    digest_sha256(parts[i], digests[i]);
  digest_sha256(str_make((const char *)digests, sizeof digests), all);
  bytes_hex(all, (QUARANTINE_ID_SIZE - 1) / 2, ret);
}

bool quarantine_is_id(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (memchr("0123456789abcdef", text.ptr[i], 16) == NULL) return false;
  }
  return text.len == QUARANTINE_ID_SIZE - 1;
}

static void name_of(const char *id, char name[NAME_SIZE]) { (void)snprintf(name, NAME_SIZE, "%s" ENDING, id); }

static bool is_name(const char *name, char ret_id[QUARANTINE_ID_SIZE]) {
  struct str text = str_of(name), ending = STR(ENDING);
  if (text.len <= ending.len || strcmp(name + text.len - ending.len, ENDING) != 0) return false;
  text.len -= ending.len;
  return quarantine_is_id(text) && str_copy(text, ret_id, QUARANTINE_ID_SIZE);
}

/* ---- the content of a file ---- */

static void add_head(const struct quarantine_notice *notice, struct buf *out) {
  char arrived[RFC3339_SIZE];
  rfc3339_format(notice->arrived_ms, arrived);
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  json_write_str(&json, "adapter", notice->adapter);
  json_write_str(&json, "project", notice->project);
  json_write_str(&json, "source", notice->source);
  json_write_str(&json, "id", notice->id);
  json_write_str(&json, "time", notice->time);
  json_write_str(&json, "token", notice->token);
  json_write_str(&json, "token_project", notice->token_project);
  json_write_str(&json, "projects_zone", notice->projects_zone);
  json_write_text(&json, "arrived", arrived);
  json_write_str(&json, "reason", notice->reason);
  json_write_end(&json);
  buf_char(out, '\n');
}

void quarantine_encode(const struct quarantine_notice *notice, struct buf *out) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hex[2 * DIGEST_SHA256_SIZE + 1] = "";
  buf_expect(out, 2048 + notice->body.len); /* one allocation in most cases */
  buf_printf(out, MAGIC "%d %*s\n", FORMAT, (int)sizeof hex - 1, hex);
  size_t start = out->len;
  add_head(notice, out);
  buf_str(out, notice->body);
  if (out->failed) return;
  digest_sha256(str_make(out->ptr + start, out->len - start), digest);
  bytes_hex(digest, sizeof digest, hex);
  memcpy(out->ptr + start - sizeof hex, hex, sizeof hex - 1);
}

static int damaged(const char *path, const char *name, struct err *err) {
  return err_set(err, ERR_CORRUPT, "%s/%s is damaged", path, name);
}

/* Takes the first line of a file, and checks what follows it. */
static int check_sum(const char *path, const char *name, struct str *rest, struct err *err) {
  struct str line = str_cut(rest, '\n');
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hex[2 * DIGEST_SHA256_SIZE + 1];
  uint64_t format;
  if (!str_starts(line, STR(MAGIC))) return damaged(path, name, err);
  line = str_make(line.ptr + strlen(MAGIC), line.len - strlen(MAGIC));
  if (!str_to_u64(str_cut(&line, ' '), &format)) return damaged(path, name, err);
  if (format > FORMAT)
    return err_set(err, ERR_VERSION, "%s/%s has format %llu, but this version reads formats up to %d", path, name,
                   (unsigned long long)format, FORMAT);
  if (format != FORMAT) return damaged(path, name, err);
  digest_sha256(*rest, digest);
  bytes_hex(digest, sizeof digest, hex);
  return str_equal(line, str_of(hex)) ? 0 : damaged(path, name, err);
}

static bool take_head(const struct json *head, struct quarantine_notice *ret) {
  *ret = (struct quarantine_notice){
      .adapter = json_member_text(head, "adapter"),
      .project = json_member_text(head, "project"),
      .source = json_member_text(head, "source"),
      .id = json_member_text(head, "id"),
      .time = json_member_text(head, "time"),
      .token = json_member_text(head, "token"),
      .token_project = json_member_text(head, "token_project"),
      .projects_zone = json_member_text(head, "projects_zone"),
      .reason = json_member_text(head, "reason"),
  };
  return rfc3339_parse(json_member_text(head, "arrived"), &ret->arrived_ms, NULL) == 0 && ret->adapter.len > 0;
}

static int decode(const char *path, const char *name, struct quarantine_file *file, struct err *err) {
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  struct str rest = buf_view(&file->content);
  const struct json *head;
  char id[QUARANTINE_ID_SIZE], named[QUARANTINE_ID_SIZE];
  int result = check_sum(path, name, &rest, err);
  if (result != 0) return result;
  file->arena = arena_new(HEAD_MEMORY_MAX);
  if (parser == NULL || file->arena == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s/%s", path, name);
  result = json_parse(parser, file->arena, str_cut(&rest, '\n'), HEAD_DEPTH_MAX, &head, err);
  if (result == -ERR_MEMORY) return err_set(err, ERR_MEMORY, "no memory to read %s/%s", path, name);
  if (result != 0 || !take_head(head, &file->notice)) return damaged(path, name, err);
  file->notice.body = rest;
  quarantine_id(&file->notice, id);
  return is_name(name, named) && strcmp(id, named) == 0 ? 0 : damaged(path, name, err);
}

void quarantine_file_fini(struct quarantine_file *file) {
  buf_fini(&file->content);
  arena_free(file->arena);
  *file = (struct quarantine_file){0};
}

/* ---- reading files ---- */

static int load(int fd, const char *path, const char *name, struct buf *content, struct err *err) {
  uint64_t size;
  size_t got;
  int result = file_size(fd, name, &size, err);
  if (result != 0) return err_prefix(err, "%s", path);
  content->limit = SIZE_MAX;
  char *at = size < SIZE_MAX - JSON_PADDING ? buf_extend(content, (size_t)size + JSON_PADDING) : NULL;
  if (at == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s/%s", path, name);
  memset(at, 0, (size_t)size + JSON_PADDING);
  result = file_read(fd, name, 0, at, (size_t)size, &got, err);
  content->len = got;
  return result == 0 ? 0 : err_prefix(err, "%s", path);
}

static int read_file(int dir_fd, const char *path, const char *name, struct quarantine_file *ret, struct err *err) {
  SCOPED_FD int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* a pipe opens at once */
  if (fd < 0 && errno == ENOENT)
    return err_set(err, ERR_NOT_FOUND, "no notice %.*s is in the quarantine", QUARANTINE_ID_SIZE - 1, name);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s/%s", path, name);
  int result = load(fd, path, name, &ret->content, err);
  return result == 0 ? decode(path, name, ret, err) : result;
}

static int open_directory(const char *data, char path[PATH_MAX], int *ret_fd, struct err *err) {
  int len = snprintf(path, PATH_MAX, "%s/" DIRECTORY, data);
  if (len >= PATH_MAX) return err_set(err, ERR_RANGE, "the path of the data directory %s is too long", data);
  *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*ret_fd >= 0) return 0;
  if (errno == ENOENT) return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
  return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
}

int quarantine_read(const char *data, const char *id, struct quarantine_file *ret, struct err *err) {
  char path[PATH_MAX], name[NAME_SIZE];
  SCOPED_FD int dir_fd = -1;
  if (!quarantine_is_id(str_of(id)))
    return err_set(err, ERR_NOT_FOUND, "'%.40s' is no id of a notice: `codecmeter adapter list` prints the ids", id);
  int result = open_directory(data, path, &dir_fd, err);
  name_of(id, name);
  return result == 0 ? read_file(dir_fd, path, name, ret, err) : result;
}

/* ---- listing ---- */

/* Calls `visit` with each name that does not begin with a dot. */
static int each_name(int dir_fd, const char *path, int (*visit)(void *arg, const char *name, struct err *err),
                     void *arg, struct err *err) {
  int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
  int result = 0;
  if (dir == NULL) {
    int saved = errno;
    if (copy >= 0) (void)close(copy);
    return err_set_errno(err, ERR_IO, saved, "cannot read the directory %s", path);
  }
  for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;) {
    bool is_self = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (!is_self) result = visit(arg, entry->d_name, err);
  }
  (void)closedir(dir);
  return result;
}

struct listing {
  struct quarantine_list *list;
  int dir_fd;
  const char *path;
  void (*differs)(void *arg, const char *line);
  void *arg;
};

static int no_memory_to_list(const struct listing *listing, struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory to list %s", listing->path);
}

static int add_entry(struct listing *listing, const char *id, const struct quarantine_notice *notice,
                     struct err *err) {
  struct quarantine_list *list = listing->list;
  struct quarantine_entry entry = {
      .adapter = arena_copy(list->arena, notice->adapter).ptr,
      .project = arena_copy(list->arena, project_of(notice)).ptr,
      .reason = arena_copy(list->arena, notice->reason).ptr,
      .arrived_ms = notice->arrived_ms,
      .bytes = notice->body.len,
  };
  if (entry.adapter == NULL || entry.project == NULL || entry.reason == NULL) return no_memory_to_list(listing, err);
  memcpy(entry.id, id, sizeof entry.id);
  struct quarantine_entry *added = vector_add(list);
  if (added == NULL) return no_memory_to_list(listing, err);
  *added = entry;
  return 0;
}

static int skip(struct listing *listing, const char *line) {
  listing->list->damaged++;
  if (listing->differs != NULL) listing->differs(listing->arg, line);
  return 0;
}

static int list_name(void *arg, const char *name, struct err *err) {
  struct listing *listing = arg;
  SCOPED(quarantine_file_fini) struct quarantine_file file = {0};
  char id[QUARANTINE_ID_SIZE];
  struct err why = {0};
  if (name[0] == '.') return 0; /* is being written, or was when the server was killed */
  if (!is_name(name, id)) {
    (void)err_set(&why, ERR_CORRUPT, "%s/%.200s is no notice of the quarantine", listing->path, name);
    return skip(listing, why.text);
  }
  int result = read_file(listing->dir_fd, listing->path, name, &file, &why);
  if (result == -ERR_NOT_FOUND) return 0; /* it has just left */
  if (result == 0) return add_entry(listing, id, &file.notice, err);
  if (err_kind(result) == ERR_KIND_RETRY) {
    *err = why;
    return result;
  }
  return skip(listing, why.text);
}

static int by_arrival(const void *a, const void *b) {
  const struct quarantine_entry *first = a, *second = b;
  if (first->arrived_ms != second->arrived_ms) return first->arrived_ms < second->arrived_ms ? -1 : 1;
  return strcmp(first->id, second->id);
}

int quarantine_list(const char *data, void (*differs)(void *arg, const char *line), void *arg,
                    struct quarantine_list *ret, struct err *err) {
  char path[PATH_MAX];
  SCOPED_FD int dir_fd = -1;
  int result = open_directory(data, path, &dir_fd, err);
  if (result == -ERR_NOT_FOUND) return 0;
  struct listing listing = {.list = ret, .dir_fd = dir_fd, .path = path, .differs = differs, .arg = arg};
  ret->arena = arena_new(LIST_MEMORY_MAX);
  if (result == 0 && ret->arena == NULL) result = no_memory_to_list(&listing, err);
  if (result == 0) result = each_name(dir_fd, path, list_name, &listing, err);
  if (result == 0 && ret->count > 0) qsort(ret->items, ret->count, sizeof *ret->items, by_arrival);
  return result;
}

void quarantine_list_fini(struct quarantine_list *list) {
  vector_fini(list);
  arena_free(list->arena);
  *list = (struct quarantine_list){0};
}

/* ---- the table ---- */


static struct kept *find(struct quarantine *quarantine, const char *id) {
  for (size_t i = 0; i < quarantine->count; i++) {
    if (strcmp(quarantine->items[i].id, id) == 0) return &quarantine->items[i];
  }
  return NULL;
}

static int add(struct quarantine *quarantine, const char *id, uint64_t bytes, struct err *err) {
  struct kept *kept = vector_add(quarantine);
  if (kept == NULL) return err_set(err, ERR_MEMORY, "no memory to keep a notice in %s", quarantine->path);
  kept->bytes = bytes;
  (void)snprintf(kept->id, sizeof kept->id, "%s", id);
  quarantine->bytes += bytes;
  return 0;
}

static void forget(struct quarantine *quarantine, const char *id) {
  struct kept *kept = find(quarantine, id);
  if (kept == NULL) return;
  CHECK(quarantine->bytes >= kept->bytes);
  quarantine->bytes -= kept->bytes;
  *kept = quarantine->items[--quarantine->count];
}

void quarantine_status(struct quarantine *quarantine, struct quarantine_status *ret) {
  lock_take(&quarantine->lock);
  *ret = (struct quarantine_status){.notices = quarantine->count, .bytes = quarantine->bytes};
  lock_give(&quarantine->lock);
}

/* ---- opening ---- */

/* Counts a file by its size alone, also if it is damaged: it takes room. */
static int take_name(void *arg, const char *name, struct err *err) {
  struct quarantine *quarantine = arg;
  char id[QUARANTINE_ID_SIZE];
  struct stat st;
  if (name[0] == '.') {
    if (unlinkat(quarantine->dir_fd, name, 0) == 0 || errno == EISDIR) return 0;
    return err_set_errno(err, ERR_IO, errno, "cannot remove %s/%s", quarantine->path, name);
  }
  if (!is_name(name, id) || fstatat(quarantine->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    diag_warning("%s/%s is no notice of the quarantine: it is left as it is", quarantine->path, name);
    return 0;
  }
  return add(quarantine, id, (uint64_t)st.st_size, err);
}

static int take_directory(struct quarantine *quarantine, struct err *err) {
  int result = open_directory(quarantine->options.dir, quarantine->path, &quarantine->dir_fd, err);
  if (result == -ERR_NOT_FOUND) return 0; /* the first notice makes it, so a start on a full disk needs no room */
  if (result == 0) result = each_name(quarantine->dir_fd, quarantine->path, take_name, quarantine, err);
  /* A process that was killed may have renamed a file and not synced its name. */
  return result == 0 ? file_sync(quarantine->dir_fd, quarantine->path, err) : result;
}

int quarantine_open(const struct quarantine_options *options, struct quarantine **ret, struct err *err) {
  SCOPED(quarantine_close_ref) struct quarantine *quarantine = calloc(1, sizeof *quarantine);
  if (quarantine == NULL) return err_set(err, ERR_MEMORY, "no memory to open the quarantine");
  quarantine->options = *options;
  quarantine->dir_fd = -1;
  lock_init(&quarantine->lock);
  int result = take_directory(quarantine, err);
  if (result == 0) *ret = MOVE(quarantine);
  return result;
}

void quarantine_close(struct quarantine *quarantine) {
  if (quarantine == NULL) return;
  if (quarantine->dir_fd >= 0) (void)close(quarantine->dir_fd);
  lock_fini(&quarantine->lock);
  vector_fini(quarantine);
  free(quarantine);
}

/* ---- keeping ---- */

/* A notice in a directory that its path no longer leads to would be lost at the next start. */
static int check_place(const struct quarantine *quarantine, struct err *err) {
  struct stat mine, found;
  bool is_same = fstat(quarantine->dir_fd, &mine) == 0 && stat(quarantine->path, &found) == 0 &&
                 mine.st_dev == found.st_dev && mine.st_ino == found.st_ino;
  if (is_same) return 0;
  return err_set(err, ERR_IO, "%s was removed or replaced while the server ran: put it back, or restart the server",
                 quarantine->path);
}

static int make_directory(struct quarantine *quarantine, struct err *err) {
  const char *data = quarantine->options.dir;
  if (quarantine->dir_fd >= 0) return check_place(quarantine, err);
  if (mkdir(quarantine->path, 0700) != 0 && errno != EEXIST)
    return err_set_errno(err, ERR_IO, errno, "cannot create directory %s", quarantine->path);
  int fd = -1, result = file_sync_dir(data, err);
  if (result == 0) result = open_directory(data, quarantine->path, &fd, err);
  lock_take(&quarantine->lock);
  quarantine->dir_fd = fd;
  lock_give(&quarantine->lock);
  return result;
}

static int check_disk(const struct quarantine *quarantine, struct err *err) {
  const struct quarantine_options *options = &quarantine->options;
  struct statvfs disk;
  if (options->disk_reserve == UINT64_MAX || fstatvfs(quarantine->dir_fd, &disk) != 0) return 0;
  if ((uint64_t)disk.f_bavail * disk.f_frsize >= options->disk_reserve) return 0;
  return err_set(err, ERR_FULL, "the disk of %s has less than ledger.disk_reserve left: free some space on it",
                 quarantine->path);
}

static int check_room(const struct quarantine *quarantine, uint64_t count, uint64_t bytes, struct err *err) {
  const struct quarantine_options *options = &quarantine->options;
  if (count > options->notices_max)
    return err_set(err, ERR_FULL,
                   "%s holds as many notices as ingest.quarantine_max allows (%llu): mend the script, restart the "
                   "server, then run `codecmeter adapter retry --all`",
                   quarantine->path, (unsigned long long)options->notices_max);
  if (bytes > options->bytes_max)
    return err_set(
        err, ERR_FULL,
        "%s has no room for the notice: ingest.quarantine_size allows %llu bytes; mend the script, restart "
        "the server, then run `codecmeter adapter retry --all`",
        quarantine->path, (unsigned long long)options->bytes_max);
  return 0;
}

/* Takes a place in the table, which the caller gives back if the file cannot be written. A damaged file of the same
 * notice loses its place, because it will be replaced. */
static int take_place(struct quarantine *quarantine, const char *id, uint64_t bytes, struct err *err) {
  lock_take(&quarantine->lock);
  const struct kept *former = find(quarantine, id);
  uint64_t former_bytes = former != NULL ? former->bytes : 0;
  int result =
      check_room(quarantine, quarantine->count + (former == NULL), quarantine->bytes - former_bytes + bytes, err);
  if (result == 0) forget(quarantine, id);
  if (result == 0) result = add(quarantine, id, bytes, err);
  lock_give(&quarantine->lock);
  return result;
}

/* Writes a file under another name, syncs it, renames it and syncs the name. Afterwards the file is there whole, or
 * as it was. If the last sync fails, it is unknown which of the two a power cut leaves. */
static int write_file(struct quarantine *quarantine, const char *id, struct str content, struct err *err) {
  char name[NAME_SIZE], fresh[NAME_SIZE];
  name_of(id, name);
  (void)snprintf(fresh, sizeof fresh, ".%s." FRESH, id);
  SCOPED_FD int fd = openat(quarantine->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s/%s", quarantine->path, name);
  int result = file_write(fd, name, 0, content.ptr, content.len, err);
  if (result == 0) result = file_sync(fd, name, err);
  if (result == 0 && renameat(quarantine->dir_fd, fresh, quarantine->dir_fd, name) != 0)
    result = err_set_errno(err, ERR_IO, errno, "cannot create %s/%s", quarantine->path, name);
  if (result != 0) (void)unlinkat(quarantine->dir_fd, fresh, 0);
  return result == 0 ? file_sync(quarantine->dir_fd, quarantine->path, err) : result;
}

/* True if the notice is there, and its file is good. */
static bool is_kept(struct quarantine *quarantine, const char *id) {
  SCOPED(quarantine_file_fini) struct quarantine_file file = {0};
  char name[NAME_SIZE];
  struct err why;
  lock_take(&quarantine->lock);
  bool is_known = find(quarantine, id) != NULL;
  lock_give(&quarantine->lock);
  name_of(id, name);
  return is_known && read_file(quarantine->dir_fd, quarantine->path, name, &file, &why) == 0;
}

int quarantine_keep(struct quarantine *quarantine, const char *id, struct str content, struct err *err) {
  int result = make_directory(quarantine, err);
  if (result == 0 && is_kept(quarantine, id)) return 0;
  if (result == 0) result = check_disk(quarantine, err);
  if (result == 0) result = take_place(quarantine, id, content.len, err);
  if (result != 0) return result;
  result = write_file(quarantine, id, content, err);
  if (result == 0) return 0;
  lock_take(&quarantine->lock);
  forget(quarantine, id);
  lock_give(&quarantine->lock);
  return result;
}

int quarantine_set_reason(struct quarantine *quarantine, const char *id, const struct quarantine_notice *notice,
                          struct err *err) {
  SCOPED(buf_fini) struct buf content = {.limit = SIZE_MAX};
  lock_take(&quarantine->lock);
  bool is_known = find(quarantine, id) != NULL;
  lock_give(&quarantine->lock);
  if (!is_known) return err_set(err, ERR_NOT_FOUND, "no notice %s is in the quarantine", id);
  quarantine_encode(notice, &content);
  if (content.failed) return err_set(err, ERR_MEMORY, "no memory to write the notice %s", id);
  return write_file(quarantine, id, buf_view(&content), err);
}

int quarantine_drop(struct quarantine *quarantine, const char *id, struct err *err) {
  char name[NAME_SIZE];
  lock_take(&quarantine->lock);
  bool has_directory = quarantine->dir_fd >= 0;
  lock_give(&quarantine->lock);
  name_of(id, name);
  bool was_there = has_directory && unlinkat(quarantine->dir_fd, name, 0) == 0;
  if (!was_there && (!has_directory || errno == ENOENT))
    return err_set(err, ERR_NOT_FOUND, "no notice %s is in the quarantine", id);
  if (!was_there) return err_set_errno(err, ERR_IO, errno, "cannot remove %s/%s", quarantine->path, name);
  int result = file_sync(quarantine->dir_fd, quarantine->path, err);
  lock_take(&quarantine->lock);
  if (result == 0) forget(quarantine, id);
  lock_give(&quarantine->lock);
  return result;
}
