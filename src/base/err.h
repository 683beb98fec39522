/* Errors: one table of codes, and one struct that carries the detail.
 *
 * A function that can fail is marked MUST_USE and returns int: 0, or a negative member of enum err_code.
 * The function that first sees the failure writes the detail into the caller's struct err, once. Only the edges
 * of the program (a command, a request, a thread's loop) print it or turn it into an answer. Outputs named
 * ret_… are untouched on failure.
 */
#ifndef CODECMETER_BASE_ERR_H
#define CODECMETER_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/scope.h"

/* Whose fault an error is. It decides what an edge does. */
enum err_kind {
  ERR_KIND_CLIENT, /* the caller's request is wrong: report it, continue */
  ERR_KIND_RETRY,  /* our fault, for now: the same request may succeed later */
  ERR_KIND_STOP,   /* our fault, for good: stop accepting and exit non-zero */
};

/*        name          kind    what it means                                                    */
#define ERR_TABLE(X)                                                                              \
  X(USAGE, CLIENT, "wrong usage of a command or an option")                                       \
  X(PARSE, CLIENT, "malformed text")                                                              \
  X(RANGE, CLIENT, "value out of range")                                                          \
  X(LIMIT, CLIENT, "limit reached")                                                               \
  X(NOT_FOUND, CLIENT, "not found")                                                               \
  X(EXISTS, CLIENT, "already exists")                                                             \
  X(DENIED, CLIENT, "not allowed")                                                                \
  X(MEDIA, CLIENT, "media file cannot be measured")                                               \
  X(SCRIPT, CLIENT, "adapter script failed on the notice")                                        \
  X(BUSY, RETRY, "queue or delta is full, or another process holds the resource")                 \
  X(FULL, RETRY, "the disk is full, or below its reserve")                                        \
  X(STOPPING, RETRY, "starting or stopping")                                                      \
  X(NETWORK, RETRY, "the server could not be reached")                                            \
  X(REMOTE, RETRY, "the server answered with an error")                                           \
  X(MEMORY, RETRY, "out of memory, or a bounded arena is full")                                   \
  X(DESCRIPTORS, RETRY, "too many open files")                                                    \
  X(IO, STOP, "a read, write or sync failed")                                                     \
  X(CORRUPT, STOP, "bytes on disk are not what was written")                                      \
  X(VERSION, STOP, "unknown format version")                                                      \
  X(MISSING, STOP, "a required package or file is missing")                                       \
  X(INTERNAL, STOP, "unexpected failure of a library")

enum err_code {
  ERR_NONE = 0,
#define ERR_ENUM(name, kind, what) ERR_##name,
  ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
  ERR_CODES
};

#define ERR_TEXT_MAX 1024 /* longer texts are shortened in the middle */

struct err {
  enum err_code code;
  char text[ERR_TEXT_MAX]; /* one line, UTF-8, NUL-terminated; says what to do, where possible */
};

/* Shortens a text to at most max bytes. It removes the middle, because the ends of a path or a message say most. */
void err_shorten(char *text, size_t max);

/* Writes code and text into err and returns -code, so that `return err_set(…)` reads well. err may be NULL. The
 * arguments may point into err. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Like err_set, and appends ": <strerror(errno_value)>". A shortage that can pass decides the code, whatever `code`
 * says: ENOSPC and EDQUOT give ERR_FULL, EMFILE and ENFILE give ERR_DESCRIPTORS, ENOMEM gives ERR_MEMORY. Where such
 * a shortage must not count as passing (a write or sync failed), the caller uses err_set_errno_lasting. */
int err_set_errno(struct err *err, enum err_code code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* Like err_set_errno, but only a full disk (ENOSPC, EDQUOT) decides the code. For calls that leave it unknown what is
 * on disk when they fail. */
int err_set_errno_lasting(struct err *err, enum err_code code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* Puts "<prefix>: " before the text already in err and returns -err->code. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The kind, name ("NOT_FOUND") and meaning of a code; result is the negative value a function returned. */
enum err_kind err_kind(int result);
const char *err_name(int result);
const char *err_meaning(int result);

#endif
