/* The state is written after the work that it records. After a crash between the two, a file is measured once more;
 * its identity makes that a duplicate. No file is passed over.
 *
 * There are two tables. `paths` says which file a path led to, and so which file needs no more work. `files` holds
 * the files themselves, and so shows which one was only renamed. It is needed because outputs are looked at in any
 * order: another file may have the old name of a renamed file before its new name is looked at. The state begins with
 * the entries that only `files` holds. The reader lets a later line take over the path, so both tables come out as
 * they were.
 *
 * A third table has the outputs that were recorded. It outlives the entry of a path whose file has changed, and says whether
 * the file only goes on where the recorded one ended.
 *
 * A file differs from others by inode, size and time of writing, and by its time of birth, because inodes are reused
 * and each file system has its own. Device numbers are not kept: they may change when the machine restarts.
 */
#include "agent/watch_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "agent/path_text.h"
#include "agent/spool.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define HEAD "codecmeter-watch 3 "
#define HEAD_WITHOUT_OUTPUTS "codecmeter-watch 2 "
#define HEAD_WITHOUT_BIRTH "codecmeter-watch 1 "
#define NAME_SIZE 64
#define STATE_MAX ((size_t)1 << 30)
#define PATIENCE_MIN_MS 1000
#define PRUNE_MIN 1000 /* new entries before the next pruning */

/* A file, under one of its names. */
struct entry {
  char *path;
  int64_t size, mtime_ns, birth_ns; /* birth_ns 0: unknown */
  uint64_t inode;
  enum watch_memory_status status;
  unsigned missing; /* the pruning at which it was first found to be gone; 0: it exists */
};

/* What was recorded under a name. */
struct recorded {
  struct watch_memory_output output;
  bool is_missing; /* it was gone at the last pruning */
};

struct watch_memory {
  char *dir, *root;
  char name[NAME_SIZE];
  int lock_fd;
  bool is_first, is_dirty, has_missing;
  unsigned prunings; /* number of the last pruning; 1 means those of earlier processes */
  GHashTable *paths; /* path -> entry */
  GHashTable *files; /* entry -> entry, by inode, size and times; the last name of each file */
  GHashTable *outputs; /* name -> struct recorded */
  size_t pruned_at;
};

/* ---- entries; both tables hold references to them ---- */

static void clear_entry(void *entry) { free(((struct entry *)entry)->path); }

static void release_entry(void *entry) { g_rc_box_release_full(entry, clear_entry); }

static guint hash_file(const void *arg) {
  const struct entry *entry = arg;
  uint64_t mixed = (entry->inode * 0x9E3779B97F4A7C15u) ^ (uint64_t)entry->mtime_ns;
  return (guint)(mixed ^ (mixed >> 32));
}

static gboolean same_file(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  return x->inode == y->inode && x->size == y->size && x->mtime_ns == y->mtime_ns && x->birth_ns == y->birth_ns;
}

/* Absurd times wrap around; they still differ from each other. */
static int64_t ns_of(int64_t seconds, int64_t ns) { return (int64_t)((uint64_t)seconds * 1000000000 + (uint64_t)ns); }

/* When the file was made; 0 if the file system does not know. */
static int64_t birth_ns_of(const char *path, const struct stat *st) {
  struct statx now;
  bool is_known = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &now) == 0 &&
                  (now.stx_mask & STATX_BTIME) != 0 && now.stx_ino == st->st_ino;
  return is_known ? ns_of(now.stx_btime.tv_sec, now.stx_btime.tv_nsec) : 0;
}

static struct entry values_of(const struct stat *st) {
  return (struct entry){
      .size = st->st_size, .mtime_ns = ns_of(st->st_mtim.tv_sec, st->st_mtim.tv_nsec), .inode = st->st_ino};
}

/* Adds an entry to both tables. Takes the path. */
static void insert(struct watch_memory *memory, struct entry values, char *path) {
  CHECK(path != NULL);
  struct entry *entry = g_rc_box_dup(sizeof values, &values);
  entry->path = path;
  (void)g_hash_table_replace(memory->paths, entry->path, entry);
  (void)g_hash_table_replace(memory->files, g_rc_box_acquire(entry), entry);
  memory->is_dirty = true;
}

const char *watch_memory_root(const struct watch_memory *memory) { return memory->root; }
bool watch_memory_is_first(const struct watch_memory *memory) { return memory->is_first; }

/* A file was replaced by an equal one (restored from a backup, for example). Its identity stays. The entry gets the
 * new inode, so that a later rename is recognized. */
static void renew(struct watch_memory *memory, const struct entry *old, const struct stat *st) {
  struct entry values = values_of(st);
  values.status = old->status;
  values.birth_ns = birth_ns_of(old->path, st);
  if (!same_file(&values, old)) insert(memory, values, strdup(old->path));
}

static const struct entry *find_entry(const struct watch_memory *memory, const char *path, const struct stat *st) {
  const struct entry *entry = g_hash_table_lookup(memory->paths, path);
  struct entry now = values_of(st);
  return entry != NULL && entry->size == now.size && entry->mtime_ns == now.mtime_ns ? entry : NULL;
}

bool watch_memory_knows(struct watch_memory *memory, const char *path, const struct stat *st) {
  const struct entry *entry = find_entry(memory, path, st);
  if (entry == NULL) return false;
  if (entry->inode != st->st_ino || entry->birth_ns == 0) renew(memory, entry, st);
  return true;
}

bool watch_memory_find(const struct watch_memory *memory, const char *path, const struct stat *st, enum watch_memory_status *ret_status) {
  const struct entry *entry = find_entry(memory, path, st);
  if (entry == NULL) return false;
  *ret_status = entry->status;
  return true;
}

/* True if the entry's path leads to a file with the same numbers on another file system: then it is another file, as
 * in a copy of the whole file system. */
static bool is_elsewhere(const struct entry *entry, const struct stat *st) {
  struct stat there;
  if (lstat(entry->path, &there) != 0 || there.st_dev == st->st_dev) return false;
  struct entry values = values_of(&there);
  return values.inode == entry->inode && values.size == entry->size && values.mtime_ns == entry->mtime_ns;
}

const char *watch_memory_twin(const struct watch_memory *memory, const char *path, const struct stat *st,
                       enum watch_memory_status *ret_status) {
  struct entry now = values_of(st);
  now.birth_ns = birth_ns_of(path, st);
  const struct entry *twin = g_hash_table_lookup(memory->files, &now);
  if (twin == NULL) {
    now.birth_ns = 0;
    twin = g_hash_table_lookup(memory->files, &now);
  }
  bool counts = twin != NULL && twin->status != WATCH_MEMORY_FAILED && !is_elsewhere(twin, st);
  if (!counts) return NULL;
  *ret_status = twin->status;
  return twin->path;
}

void watch_memory_remember(struct watch_memory *memory, const char *path, const struct stat *st, enum watch_memory_status status) {
  struct entry values = values_of(st);
  values.birth_ns = birth_ns_of(path, st);
  values.status = status;
  insert(memory, values, strdup(path));
}

void watch_memory_remember_output(struct watch_memory *memory, const char *name, const struct watch_memory_output *output) {
  struct recorded *recorded = g_new0(struct recorded, 1);
  char *key = strdup(name);
  CHECK(key != NULL);
  recorded->output = *output;
  (void)g_hash_table_replace(memory->outputs, key, recorded);
  memory->is_dirty = true;
}

const struct watch_memory_output *watch_memory_find_output(const struct watch_memory *memory, const char *name) {
  const struct recorded *recorded = g_hash_table_lookup(memory->outputs, name);
  return recorded != NULL ? &recorded->output : NULL;
}

bool watch_memory_has_file(const struct watch_memory *memory, const struct stat *st) {
  GHashTableIter iter;
  void *value;
  struct entry now = values_of(st);
  g_hash_table_iter_init(&iter, memory->files);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    now.birth_ns = ((const struct entry *)value)->birth_ns;
    if (same_file(value, &now)) return true;
  }
  return false;
}

void watch_memory_remember_unseen(struct watch_memory *memory, const char *dir, int64_t began_ns) {
  insert(memory, (struct entry){.status = WATCH_MEMORY_UNSEEN, .mtime_ns = began_ns}, strdup(dir));
}

bool watch_memory_find_unseen(const struct watch_memory *memory, const char *path, int64_t *ret_began_ns) {
  SCOPED_MALLOC char *dir = strdup(path);
  CHECK(dir != NULL);
  for (char *slash = strrchr(dir, '/'); slash != NULL; slash = strrchr(dir, '/')) {
    *slash = '\0';
    const struct entry *entry = g_hash_table_lookup(memory->paths, *dir != '\0' ? dir : "/");
    if (entry == NULL || entry->status != WATCH_MEMORY_UNSEEN) continue;
    *ret_began_ns = entry->mtime_ns;
    return true;
  }
  return false;
}

static bool forget_unseen_of(GHashTable *table, bool (*is_still)(void *arg, const char *dir), void *arg) {
  GHashTableIter iter;
  void *value;
  bool any = false;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const struct entry *entry = value;
    if (entry->status != WATCH_MEMORY_UNSEEN || is_still(arg, entry->path)) continue;
    g_hash_table_iter_remove(&iter);
    any = true;
  }
  return any;
}

void watch_memory_forget_unseen(struct watch_memory *memory, bool (*is_still)(void *arg, const char *dir), void *arg) {
  bool any = forget_unseen_of(memory->files, is_still, arg);
  any = forget_unseen_of(memory->paths, is_still, arg) || any;
  if (any) memory->is_dirty = true;
}

static gboolean has_status(void *key, void *entry, void *status) {
  (void)key;
  return ((struct entry *)entry)->status == *(const enum watch_memory_status *)status;
}

void watch_memory_forget(struct watch_memory *memory, enum watch_memory_status status) {
  guint forgotten = g_hash_table_foreach_remove(memory->files, has_status, &status);
  forgotten += g_hash_table_foreach_remove(memory->paths, has_status, &status);
  if (forgotten > 0) memory->is_dirty = true;
}

/* True if another file has the entry's path now. */
static bool is_past(const struct watch_memory *memory, const struct entry *entry) {
  return g_hash_table_lookup(memory->paths, entry->path) != entry;
}

static bool is_missing(const struct watch_memory *memory, const struct entry *entry) {
  struct stat st;
  return is_past(memory, entry) || (lstat(entry->path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR));
}

static void prune_table(struct watch_memory *memory, GHashTable *table) {
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    struct entry *entry = value;
    if (!is_missing(memory, entry)) {
      entry->missing = 0;
      continue;
    }
    memory->is_dirty = true;
    if (entry->missing != 0 && entry->missing < memory->prunings) {
      g_hash_table_iter_remove(&iter);
      continue;
    }
    entry->missing = memory->prunings;
    memory->has_missing = true;
  }
}

static bool is_gone(const char *path) {
  struct stat st;
  return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* The file of an output has its name, or the part before the #. */
static bool is_output_gone(const char *name) {
  const char *mark = strrchr(name, '#');
  if (!is_gone(name)) return false;
  SCOPED_MALLOC char *path = mark != NULL ? strndup(name, (size_t)(mark - name)) : NULL;
  return path == NULL || is_gone(path);
}

static void prune_outputs(struct watch_memory *memory) {
  GHashTableIter iter;
  void *name, *value;
  g_hash_table_iter_init(&iter, memory->outputs);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    struct recorded *recorded = value;
    bool was_missing = recorded->is_missing;
    recorded->is_missing = is_output_gone(name);
    if (!was_missing || !recorded->is_missing) continue;
    g_hash_table_iter_remove(&iter);
    memory->is_dirty = true;
  }
}

bool watch_memory_may_prune(const struct watch_memory *memory) {
  return memory->has_missing || g_hash_table_size(memory->files) > memory->pruned_at * 2 + PRUNE_MIN;
}

void watch_memory_prune(struct watch_memory *memory) {
  GHashTableIter iter;
  void *value;
  ++memory->prunings;
  memory->has_missing = false;
  prune_table(memory, memory->files);
  prune_table(memory, memory->paths);
  prune_outputs(memory);
  /* A file with two names keeps the name that is left. */
  g_hash_table_iter_init(&iter, memory->paths);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    if (!g_hash_table_contains(memory->files, value)) (void)g_hash_table_add(memory->files, g_rc_box_acquire(value));
  }
  memory->pruned_at = g_hash_table_size(memory->files);
}

/* ---- the file ---- */

/* A missing file has its status as a capital letter. */
static void append_entry(struct buf *out, const struct entry *entry) {
  int status = entry->missing != 0 ? g_ascii_toupper((char)entry->status) : (int)entry->status;
  buf_printf(out, "%c %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 " ", status, entry->size, entry->mtime_ns,
             entry->inode, entry->birth_ns);
  path_text_append(out, entry->path);
  buf_char(out, '\n');
}

/* "o SIZE TIME DURATION ID NAME" */
static void append_output(struct buf *out, const char *name, const struct watch_memory_output *output) {
  buf_printf(out, "o %" PRIu64 " %" PRId64 " %" PRIu64 " %s ", output->size, output->time_s, output->duration_ms,
             output->id);
  path_text_append(out, name);
  buf_char(out, '\n');
}

static void compose(const struct watch_memory *memory, struct buf *out) {
  GHashTableIter iter;
  void *value, *name;
  unsigned count = g_hash_table_size(memory->paths) + g_hash_table_size(memory->outputs);
  out->limit = STATE_MAX;
  buf_text(out, HEAD);
  path_text_append(out, memory->root);
  buf_char(out, '\n');
  g_hash_table_iter_init(&iter, memory->files);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    if (!is_past(memory, value)) continue;
    append_entry(out, value);
    ++count;
  }
  g_hash_table_iter_init(&iter, memory->paths);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    append_entry(out, value);
  g_hash_table_iter_init(&iter, memory->outputs);
  while (g_hash_table_iter_next(&iter, &name, &value))
    append_output(out, name, &((struct recorded *)value)->output);
  buf_printf(out, "end %u\n", count);
}

int watch_memory_save(struct watch_memory *memory, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  if (!memory->is_dirty) return 0;
  compose(memory, &text);
  if (text.failed) return err_set(err, ERR_LIMIT, "cannot keep the state of %s: it has too many files", memory->root);
  int result = file_replace(memory->dir, memory->name, buf_view(&text), err);
  if (result == 0) memory->is_dirty = memory->is_first = false;
  return result;
}

int64_t watch_memory_patience_ms(const struct watch_memory *memory) {
  return PATIENCE_MIN_MS + (int64_t)g_hash_table_size(memory->paths) / 10;
}

/* A capital letter: the file was missing. */
static bool read_status(struct str text, enum watch_memory_status *ret) {
  static const enum watch_memory_status all[] = {WATCH_MEMORY_BEFORE, WATCH_MEMORY_DONE, WATCH_MEMORY_PART, WATCH_MEMORY_FAILED, WATCH_MEMORY_UNSEEN};
  for (size_t i = 0; text.len == 1 && i < sizeof all / sizeof all[0]; i++) {
    if (g_ascii_tolower(text.ptr[0]) != (char)all[i]) continue;
    *ret = all[i];
    return true;
  }
  return false;
}

static bool read_output(struct watch_memory *memory, struct str line) {
  struct watch_memory_output output = {.size = 0};
  struct str size = str_cut(&line, ' '), time = str_cut(&line, ' '), duration = str_cut(&line, ' '),
             id = str_cut(&line, ' ');
  bool good = str_to_u64(size, &output.size) && str_to_i64(time, &output.time_s) &&
              str_to_u64(duration, &output.duration_ms) && str_copy(id, output.id, sizeof output.id) && line.len > 0;
  if (!good) return false;
  SCOPED_MALLOC char *name = path_text_read(line);
  watch_memory_remember_output(memory, name, &output);
  return true;
}

static bool read_entry(struct watch_memory *memory, struct str line, bool has_birth) {
  if (str_starts(line, STR("o "))) return read_output(memory, str_make(line.ptr + 2, line.len - 2));
  struct entry values = {.missing = 0};
  struct str status = str_cut(&line, ' '), size = str_cut(&line, ' '), mtime = str_cut(&line, ' '),
             inode = str_cut(&line, ' '), birth = has_birth ? str_cut(&line, ' ') : STR("0");
  bool good = read_status(status, &values.status) && str_to_i64(size, &values.size) &&
              str_to_i64(mtime, &values.mtime_ns) && str_to_u64(inode, &values.inode) &&
              str_to_i64(birth, &values.birth_ns) && line.len > 0;
  if (!good) return false;
  if (g_ascii_isupper(status.ptr[0])) values.missing = memory->prunings;
  memory->has_missing = memory->has_missing || values.missing != 0;
  insert(memory, values, path_text_read(line));
  return true;
}

static bool read_state(struct watch_memory *memory, struct str text) {
  uint64_t count, lines = 0;
  struct str head = str_cut(&text, '\n');
  bool has_birth = str_starts(head, STR(HEAD)) || str_starts(head, STR(HEAD_WITHOUT_OUTPUTS));
  if (!has_birth && !str_starts(head, STR(HEAD_WITHOUT_BIRTH))) return false;
  for (; text.len > 0 && !str_starts(text, STR("end ")); lines++) {
    if (!read_entry(memory, str_cut(&text, '\n'), has_birth)) return false;
  }
  struct str end = str_cut(&text, '\n');
  return str_starts(end, STR("end ")) && str_to_u64(str_make(end.ptr + 4, end.len - 4), &count) && count == lines;
}

static int load(struct watch_memory *memory, struct err *err) {
  SCOPED(buf_fini) struct buf text = {.limit = STATE_MAX};
  SCOPED_MALLOC char *path = file_path(memory->dir, memory->name);
  uint64_t size;
  size_t got;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  memory->is_first = memory->is_dirty = fd < 0 && errno == ENOENT;
  if (memory->is_first) return 0;
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot read %s", path);
  int result = file_size(fd, path, &size, err);
  if (result != 0) return result;
  char *room = size < STATE_MAX ? buf_extend(&text, size) : NULL;
  if (room == NULL)
    return err_set(err, ERR_LIMIT, "%s is too large for the state of a watch, or there is no memory to read it",
                   path);
  result = file_read(fd, path, 0, room, size, &got, err);
  if (result != 0) return result;
  if (got != size || !read_state(memory, buf_view(&text))) {
    return err_set(err, ERR_CORRUPT,
                   "%s is damaged: remove it and start with --existing; an output that was recorded before still "
                   "counts once",
                   path);
  }
  memory->is_dirty = false;
  return 0;
}

static int lock(struct watch_memory *memory, struct err *err) {
  SCOPED_MALLOC char *name = NULL, *path = NULL;
  CHECK(asprintf(&name, "%.*s.lock", (int)(strlen(memory->name) - strlen(".state")), memory->name) >= 0);
  path = file_path(memory->dir, name);
  memory->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (memory->lock_fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  if (flock(memory->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno != EWOULDBLOCK) return err_set_errno(err, ERR_IO, errno, "cannot lock %s", path);
  return err_set(err, ERR_BUSY, "another process already watches %s", memory->root);
}

static struct watch_memory *make_place(const char *dir, const char *root) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hash[17];
  struct watch_memory *memory = calloc(1, sizeof *memory);
  CHECK(memory != NULL);
  *memory = (struct watch_memory){.dir = strdup(dir), .root = strdup(root), .lock_fd = -1, .prunings = 1};
  CHECK(memory->dir != NULL && memory->root != NULL);
  memory->paths = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, release_entry);
  memory->files = g_hash_table_new_full(hash_file, same_file, NULL, release_entry);
  memory->outputs = g_hash_table_new_full(g_str_hash, g_str_equal, free, g_free);
  digest_sha256(str_of(root), digest);
  bytes_hex(digest, 8, hash);
  (void)snprintf(memory->name, sizeof memory->name, SPOOL_WATCH_PREFIX "%s.state", hash);
  return memory;
}

int watch_memory_open(const char *dir, const char *root, struct watch_memory **ret, struct err *err) {
  struct watch_memory *memory = make_place(dir, root);
  int result = lock(memory, err);
  if (result == 0) result = load(memory, err);
  if (result == 0)
    *ret = memory;
  else
    watch_memory_close(memory);
  return result;
}

int watch_memory_look(const char *dir, const char *root, struct watch_memory **ret, struct err *err) {
  struct watch_memory *memory = make_place(dir, root);
  int result = load(memory, err);
  if (result == 0)
    *ret = memory;
  else
    watch_memory_close(memory);
  return result;
}

void watch_memory_close(struct watch_memory *memory) {
  if (memory == NULL) return;
  g_hash_table_destroy(memory->files);
  g_hash_table_destroy(memory->paths);
  g_hash_table_destroy(memory->outputs);
  if (memory->lock_fd >= 0) (void)close(memory->lock_fd);
  free(memory->dir);
  free(memory->root);
  free(memory);
}
