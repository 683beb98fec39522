/* GLib knows in any locale which characters are wide and which have no width. wcwidth() knows it only in a UTF-8
 * locale, and a command must look the same under LANG=C.
 */
#include "cli/display.h"

#include <glib.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 10000

static size_t character_width(gunichar character) {
  if (g_unichar_iszerowidth(character)) return 0;
  return g_unichar_iswide(character) ? 2 : 1;
}

size_t display_width(struct str text) {
  size_t width = 0;
  for (size_t i = 0; i < text.len;) {
    gunichar character = g_utf8_get_char_validated(text.ptr + i, (gssize)(text.len - i));
    bool is_utf8 = character < (gunichar)-2; /* -1 and -2 say that it is not, or not whole */
    width += is_utf8 ? character_width(character) : 1;
    i += is_utf8 ? (size_t)g_utf8_skip[(unsigned char)text.ptr[i]] : 1;
  }
  return width;
}

static struct str skip_blanks(struct str text) {
  while (text.len > 0 && text.ptr[0] == ' ')
    text = str_make(text.ptr + 1, text.len - 1);
  return text;
}

static size_t word_length(struct str text) {
  const char *blank = text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;
  return blank != NULL ? (size_t)(blank - text.ptr) : text.len;
}

size_t display_word_width(struct str text) {
  size_t widest = 0;
  for (text = skip_blanks(text); text.len > 0; text = skip_blanks(text)) {
    size_t len = word_length(text), width = display_width(str_make(text.ptr, len));
    if (width > widest) widest = width;
    text = str_make(text.ptr + len, text.len - len);
  }
  return widest;
}

struct str display_line(struct str *rest, size_t width) {
  struct str text = skip_blanks(*rest), left = text;
  size_t len = 0, used = 0;
  while (left.len > 0) {
    struct str next = skip_blanks(left);
    size_t gap = (size_t)(next.ptr - left.ptr), word = word_length(next);
    used += gap + display_width(str_make(next.ptr, word));
    if (word == 0 || (len > 0 && used > width)) break;
    len += gap + word;
    left = str_make(next.ptr + word, next.len - word);
  }
  *rest = skip_blanks(left);
  return str_make(text.ptr, len);
}

size_t display_columns(void) {
  const char *variable = getenv("COLUMNS");
  struct winsize size;
  uint64_t columns;
  if (variable != NULL && str_to_u64(str_of(variable), &columns) && columns > 0) {
    return columns < COLUMNS_MAX ? (size_t)columns : COLUMNS_MAX;
  }
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
