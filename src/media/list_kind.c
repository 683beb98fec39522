/* Most files are no lists, so few bytes are read first. A list is read further: what comes before the first tag of a master
 * playlist, or before a manifest's first element, may be long comments.
 */
#include "media/list_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define HEAD ((size_t)4096)
#define HEAD_MAX ((size_t)1 << 20)

bool list_is_master_tag(struct str line) {
  return str_starts(line, STR("#EXT-X-STREAM-INF:")) || str_starts(line, STR("#EXT-X-MEDIA:")) ||
         str_starts(line, STR("#EXT-X-I-FRAME-STREAM-INF:"));
}

bool list_is_master(struct str text) {
  while (text.len > 0) {
    if (list_is_master_tag(str_trim(str_cut(&text, '\n')))) return true;
  }
  return false;
}

/* ---- XML ---- */

static struct str behind(struct str text, size_t len) { return str_make(text.ptr + len, text.len - len); }

/* Passes all up to the end of a mark. False: there is none. */
static bool pass(struct str *text, struct str mark) {
  const char *found = memmem(text->ptr, text->len, mark.ptr, mark.len);
  if (found == NULL) return false;
  *text = behind(*text, (size_t)(found - text->ptr) + mark.len);
  return true;
}

/* Passes a declaration, as of a document type, which may hold others in brackets. */
static bool pass_declaration(struct str *text) {
  size_t depth = 0;
  for (size_t i = 0; i < text->len; i++) {
    if (text->ptr[i] == '[') depth++;
    if (text->ptr[i] == ']' && depth > 0) depth--;
    if (text->ptr[i] != '>' || depth > 0) continue;
    *text = behind(*text, i + 1);
    return true;
  }
  return false;
}

/* Passes what may come before the outermost element (XML 1.0, rule [22], prolog). False: the text ends within it. */
static bool pass_prolog(struct str *text) {
  bool is_whole = true;
  while (is_whole) {
    *text = str_trim(*text);
    if (str_starts(*text, STR("<?")))
      is_whole = pass(text, STR("?>"));
    else if (str_starts(*text, STR("<!--")))
      is_whole = pass(text, STR("-->"));
    else if (str_starts(*text, STR("<!")))
      is_whole = pass_declaration(text);
    else
      break;
  }
  return is_whole;
}

static bool is_manifest(struct str text) {
  if (!str_starts(str_trim(text), STR("<"))) return false;
  /* One with a damaged prolog is a manifest all the same, and is refused as such. */
  if (!pass_prolog(&text)) return pass(&text, STR("<MPD")) || pass(&text, STR(":MPD"));
  if (!str_starts(text, STR("<"))) return false;
  size_t begin = 1, end = 1;
  for (; end < text.len && strchr(" \t\r\n/>", text.ptr[end]) == NULL; end++) {
    if (text.ptr[end] == ':') begin = end + 1;
  }
  return str_equal(str_make(text.ptr + begin, end - begin), STR("MPD"));
}

/* ---- files ---- */

static struct str without_mark(const struct buf *bytes) {
  struct str text = buf_view(bytes), mark = STR("\xEF\xBB\xBF"); /* a byte order mark */
  return str_starts(text, mark) ? behind(text, mark.len) : text;
}

static int read_head(int fd, const char *path, size_t max, struct buf *ret, struct err *err) {
  size_t got = 0;
  buf_clear(ret);
  char *room = buf_extend(ret, max);
  if (room == NULL) return err_set(err, ERR_MEMORY, "not enough memory to read %s", path);
  int result = file_read(fd, path, 0, room, max, &got, err);
  ret->len = got;
  return result;
}

int list_kind_of(const char *path, enum list_kind *ret, struct err *err) {
  SCOPED(buf_fini) struct buf head = {.ptr = NULL};
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0)
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  *ret = LIST_NONE;
  if (!S_ISREG(st.st_mode)) return 0;
  int result = read_head(fd, path, HEAD, &head, err);
  bool is_playlist = result == 0 && str_starts(without_mark(&head), STR("#EXTM3U"));
  bool may_be_manifest = result == 0 && str_starts(str_trim(without_mark(&head)), STR("<"));
  if (!is_playlist && !may_be_manifest) return result;
  if (head.len == HEAD) result = read_head(fd, path, HEAD_MAX, &head, err);
  if (result != 0) return result;
  if (is_playlist) *ret = list_is_master(without_mark(&head)) ? LIST_HLS_MASTER : LIST_HLS;
  if (may_be_manifest && is_manifest(without_mark(&head))) *ret = LIST_DASH;
  return 0;
}
