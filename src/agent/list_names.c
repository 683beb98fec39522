#include "agent/list_names.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"

#define TEXT_MAX ((size_t)16 << 20)

bool list_names_read(const char *path, struct buf *ret) {
  struct stat st;
  struct err err;
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  bool is_usable = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
                   (uint64_t)st.st_size <= TEXT_MAX;
  char *room = is_usable ? buf_extend(ret, (size_t)st.st_size) : NULL;
  if (room == NULL || file_read(fd, path, 0, room, (size_t)st.st_size, &got, &err) != 0) return false;
  ret->len = got;
  return true;
}

static bool is_end(char c) { return (unsigned char)c < ' ' || strchr("\"'<>", c) != NULL; }

static void visit_token(struct str token, void (*visit)(void *arg, struct str name), void *arg) {
  for (size_t i = 0; i < token.len; i++) {
    if (token.ptr[i] == '?' || token.ptr[i] == '#') token.len = i;
  }
  if (token.len > 0) visit(arg, token);
}

void list_names_visit(struct str text, void (*visit)(void *arg, struct str name), void *arg) {
  size_t begin = 0;
  for (size_t i = 0; i <= text.len; i++) {
    if (i < text.len && !is_end(text.ptr[i])) continue;
    visit_token(str_make(text.ptr + begin, i - begin), visit, arg);
    begin = i + 1;
  }
}

struct str list_names_last(struct str name) {
  const char *slash = name.len > 0 ? memrchr(name.ptr, '/', name.len) : NULL;
  return slash != NULL ? str_make(slash + 1, name.len - (size_t)(slash + 1 - name.ptr)) : name;
}
