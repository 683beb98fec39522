/* Errors: one table, one way to carry them.
 *
 * A function that can fail returns int: 0, or a negative member of enum err_code; it is marked MUST_USE.
 * The detail is written once, where the failure was first seen, into the caller's struct err. Only the edges
 * of the program (a command, a request, a thread's loop) print it or turn it into an answer. Outputs named
 * ret_… are untouched on failure.
 */
#ifndef CODECMETER_BASE_ERR_H
#define CODECMETER_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/scope.h"

/* Whose fault it is, and so what an edge does about it. */
enum err_kind {
  ERR_KIND_CLIENT, /* the caller's request is wrong: tell it, carry on */
  ERR_KIND_RETRY,  /* ours, for now: the same request may succeed later */
  ERR_KIND_STOP,   /* ours, for good: stop accepting and exit non-zero */
};

/*        name          kind    what it means                                                    */
#define ERR_TABLE(X)                                                                              \
  X(USAGE, CLIENT, "wrong usage of a command or an option")                                       \
  X(PARSE, CLIENT, "text that is not in the form it must have")                                   \
  X(RANGE, CLIENT, "a value outside what is allowed")                                             \
  X(LIMIT, CLIENT, "a named bound was reached")                                                   \
  X(NOT_FOUND, CLIENT, "no such thing")                                                           \
  X(EXISTS, CLIENT, "it is already there")                                                        \
  X(DENIED, CLIENT, "not allowed")                                                                \
  X(MEDIA, CLIENT, "a media file that cannot be measured")                                        \
  X(BUSY, RETRY, "no room in a queue or delta now, or another process holds it")                  \
  X(FULL, RETRY, "the disk is full, or below its reserve")                                        \
  X(STOPPING, RETRY, "starting or draining")                                                      \
  X(NETWORK, RETRY, "the server could not be reached")                                            \
  X(REMOTE, RETRY, "the server answered with an error")                                           \
  X(MEMORY, RETRY, "no memory, or a bounded arena is used up")                                                  \
  X(IO, STOP, "a read, write or sync failed")                                                     \
  X(CORRUPT, STOP, "bytes on disk that cannot be what was written")                               \
  X(VERSION, STOP, "a format that this version does not know")                                    \
  X(MISSING, STOP, "something that must be installed or present is not")                          \
  X(INTERNAL, STOP, "a library failed in a way that is not expected")

enum err_code {
  ERR_NONE = 0,
#define ERR_ENUM(name, kind, what) ERR_##name,
  ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
  ERR_CODES
};

#define ERR_TEXT_MAX 1024 /* what is longer loses of its middle */

struct err {
  enum err_code code;
  char text[ERR_TEXT_MAX]; /* one line, UTF-8, NUL-terminated, says what to do where that can be said */
};

/* Takes out of the middle of a text what is more than max bytes: a path or a message says most at its ends. */
void err_shorten(char *text, size_t max);

/* Writes code and text into err (which may be NULL; what it held may be among the arguments) and returns -code, so
 * that `return err_set(…)` reads well. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* As err_set, with ": <strerror(errno_value)>" behind; ENOSPC and EDQUOT make it ERR_FULL whatever code says. */
int err_set_errno(struct err *err, enum err_code code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* Puts "<prefix>: " before the text already in err and returns -err->code. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The kind, name ("NOT_FOUND") and meaning of a code; result is the negative value a function returned. */
enum err_kind err_kind(int result);
const char *err_name(int result);
const char *err_meaning(int result);

#endif
