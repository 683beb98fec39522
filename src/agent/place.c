/* The state is written after what it says has happened: a crash between the two has a file measured once more, which
 * its identity makes a duplicate, and never passed over.
 */
#include "agent/place.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "agent/spool.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define HEAD "codecmeter-watch 1 "
#define NAME_SIZE 64
#define STATE_MAX ((size_t)1 << 30)
#define PATIENCE_MIN_MS 1000
#define PRUNE_MIN 1000 /* entries more than after the last time */

struct entry {
  char *path;
  int64_t size, mtime_ns;
  uint64_t inode;
  enum place_status status;
};

struct place {
  char *dir, *root;
  char name[NAME_SIZE];
  int lock_fd;
  bool is_first, is_dirty;
  GHashTable *paths; /* path -> entry, which it owns */
  GHashTable *files; /* entry -> entry, by inode, size and time */
  size_t pruned_at;
};

/* ---- entries ---- */

static void free_entry(void *arg) {
  struct entry *entry = arg;
  free(entry->path);
  free(entry);
}

static guint hash_file(const void *arg) {
  const struct entry *entry = arg;
  uint64_t mixed = (entry->inode * 0x9E3779B97F4A7C15u) ^ (uint64_t)entry->mtime_ns;
  return (guint)(mixed ^ (mixed >> 32));
}

static gboolean same_file(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  return x->inode == y->inode && x->size == y->size && x->mtime_ns == y->mtime_ns;
}

static struct entry entry_of(const struct stat *st) {
  return (struct entry){.size = st->st_size,
                        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                        .inode = st->st_ino};
}

static void forget(struct place *place, const char *path) {
  struct entry *entry = g_hash_table_lookup(place->paths, path);
  if (entry == NULL) return;
  if (g_hash_table_lookup(place->files, entry) == entry) (void)g_hash_table_remove(place->files, entry);
  (void)g_hash_table_remove(place->paths, path);
  place->is_dirty = true;
}

static void insert(struct place *place, struct entry values, char *path) {
  struct entry *entry = malloc(sizeof *entry);
  CHECK(entry != NULL && path != NULL);
  *entry = values;
  entry->path = path;
  forget(place, path);
  (void)g_hash_table_replace(place->paths, entry->path, entry);
  (void)g_hash_table_replace(place->files, entry, entry);
  place->is_dirty = true;
}

const char *place_root(const struct place *place) { return place->root; }
bool place_is_first(const struct place *place) { return place->is_first; }

bool place_is_below(const char *path, const char *top) {
  size_t len = strlen(top);
  if (strcmp(top, "/") == 0) return true;
  return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool place_knows(const struct place *place, const char *path, const struct stat *st) {
  const struct entry *entry = g_hash_table_lookup(place->paths, path);
  struct entry now = entry_of(st);
  return entry != NULL && entry->size == now.size && entry->mtime_ns == now.mtime_ns;
}

const char *place_twin(const struct place *place, const char *path, const struct stat *st) {
  struct entry now = entry_of(st);
  const struct entry *twin = g_hash_table_lookup(place->files, &now);
  bool counts = twin != NULL && twin->status != PLACE_FAILED && strcmp(twin->path, path) != 0;
  return counts ? twin->path : NULL;
}

void place_remember(struct place *place, const char *path, const struct stat *st, enum place_status status) {
  struct entry values = entry_of(st);
  values.status = status;
  insert(place, values, strdup(path));
}

void place_prune(struct place *place) {
  GHashTableIter iter;
  void *value;
  struct stat st;
  if (g_hash_table_size(place->paths) <= place->pruned_at * 2 + PRUNE_MIN) return;
  g_hash_table_iter_init(&iter, place->paths);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    struct entry *entry = value;
    if (lstat(entry->path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) continue;
    if (g_hash_table_lookup(place->files, entry) == entry) (void)g_hash_table_remove(place->files, entry);
    g_hash_table_iter_remove(&iter);
    place->is_dirty = true;
  }
  place->pruned_at = g_hash_table_size(place->paths);
}

/* ---- the file ---- */

/* A path is bytes: what would break a line or a field is written as %XX. */
static void append_path(struct buf *out, const char *path) {
  for (const char *c = path; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (byte <= ' ' || byte == 0x7F || byte == '%')
      buf_printf(out, "%%%02X", byte);
    else
      buf_char(out, *c);
  }
}

static char *read_path(struct str text) {
  char *path = malloc(text.len + 1), *end = path;
  CHECK(path != NULL);
  for (size_t i = 0; i < text.len; i++) {
    bool escaped = text.ptr[i] == '%' && i + 2 < text.len;
    int high = escaped ? g_ascii_xdigit_value(text.ptr[i + 1]) : -1,
        low = escaped ? g_ascii_xdigit_value(text.ptr[i + 2]) : -1;
    if (high >= 0 && low >= 0) i += 2;
    *end++ = high >= 0 && low >= 0 ? (char)(high * 16 + low) : text.ptr[i];
  }
  *end = '\0';
  return path;
}

static void compose(const struct place *place, struct buf *out) {
  GHashTableIter iter;
  void *value;
  out->limit = STATE_MAX;
  buf_text(out, HEAD);
  append_path(out, place->root);
  buf_char(out, '\n');
  g_hash_table_iter_init(&iter, place->paths);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const struct entry *entry = value;
    buf_printf(out, "%c %" PRId64 " %" PRId64 " %" PRIu64 " ", (int)entry->status, entry->size, entry->mtime_ns,
               entry->inode);
    append_path(out, entry->path);
    buf_char(out, '\n');
  }
  buf_printf(out, "end %u\n", g_hash_table_size(place->paths));
}

int place_save(struct place *place, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  if (!place->is_dirty) return 0;
  compose(place, &text);
  if (text.failed) return err_set(err, ERR_LIMIT, "too many files below %s", place->root);
  int result = file_replace(place->dir, place->name, buf_view(&text), err);
  if (result == 0) place->is_dirty = place->is_first = false;
  return result;
}

int64_t place_patience_ms(const struct place *place) {
  return PATIENCE_MIN_MS + (int64_t)g_hash_table_size(place->paths) / 10;
}

static bool read_entry(struct place *place, struct str line) {
  struct entry values = {0};
  struct str status = str_cut(&line, ' '), size = str_cut(&line, ' '), mtime = str_cut(&line, ' '),
             inode = str_cut(&line, ' ');
  bool good = status.len == 1 && str_to_i64(size, &values.size) && str_to_i64(mtime, &values.mtime_ns) &&
              str_to_u64(inode, &values.inode) && line.len > 0;
  if (!good) return false;
  values.status = (enum place_status)status.ptr[0];
  insert(place, values, read_path(line));
  return true;
}

static bool read_state(struct place *place, struct str text) {
  uint64_t count;
  struct str head = str_cut(&text, '\n');
  if (!str_starts(head, STR(HEAD))) return false;
  while (text.len > 0 && !str_starts(text, STR("end "))) {
    if (!read_entry(place, str_cut(&text, '\n'))) return false;
  }
  struct str end = str_cut(&text, '\n');
  return str_starts(end, STR("end ")) && str_to_u64(str_make(end.ptr + 4, end.len - 4), &count) &&
         count == g_hash_table_size(place->paths);
}

static int load(struct place *place, struct err *err) {
  SCOPED(buf_fini) struct buf text = {.limit = STATE_MAX};
  SCOPED_MALLOC char *path = file_path(place->dir, place->name);
  uint64_t size;
  size_t got;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  place->is_first = place->is_dirty = fd < 0 && errno == ENOENT;
  if (place->is_first) return 0;
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot read %s", path);
  int result = file_size(fd, path, &size, err);
  if (result != 0) return result;
  char *room = size < STATE_MAX ? buf_extend(&text, size) : NULL;
  if (room == NULL) return err_set(err, ERR_LIMIT, "%s is too large", path);
  result = file_read(fd, path, 0, room, size, &got, err);
  if (result != 0) return result;
  if (got != size || !read_state(place, buf_view(&text))) {
    return err_set(err, ERR_CORRUPT,
                   "%s is damaged: remove it and start with --existing; what was recorded counts once all the same",
                   path);
  }
  place->is_dirty = false;
  return 0;
}

static int lock(struct place *place, struct err *err) {
  SCOPED_MALLOC char *name = NULL, *path = NULL;
  CHECK(asprintf(&name, "%.*s.lock", (int)(strlen(place->name) - strlen(".state")), place->name) >= 0);
  path = file_path(place->dir, name);
  place->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (place->lock_fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  if (flock(place->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno != EWOULDBLOCK) return err_set_errno(err, ERR_IO, errno, "cannot lock %s", path);
  return err_set(err, ERR_BUSY, "%s is watched by another process already", place->root);
}

int place_open(const char *dir, const char *root, struct place **ret, struct err *err) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  char hash[17];
  struct place *place = calloc(1, sizeof *place);
  CHECK(place != NULL);
  *place = (struct place){.dir = strdup(dir), .root = strdup(root), .lock_fd = -1};
  CHECK(place->dir != NULL && place->root != NULL);
  place->paths = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_entry);
  place->files = g_hash_table_new(hash_file, same_file);
  digest_sha256(str_of(root), digest);
  bytes_hex(digest, 8, hash);
  (void)snprintf(place->name, sizeof place->name, SPOOL_WATCH_PREFIX "%s.state", hash);
  int result = lock(place, err);
  if (result == 0) result = load(place, err);
  if (result == 0)
    *ret = place;
  else
    place_close(place);
  return result;
}

void place_close(struct place *place) {
  if (place == NULL) return;
  g_hash_table_destroy(place->files);
  g_hash_table_destroy(place->paths);
  if (place->lock_fd >= 0) (void)close(place->lock_fd);
  free(place->dir);
  free(place->root);
  free(place);
}
