/* Files: complete reads and writes at an offset, and the directory syncs that make names durable. */
#ifndef CODECMETER_BASE_FILE_H
#define CODECMETER_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Writes all len bytes; name is used in messages. -ERR_FULL if the disk is full, else -ERR_IO, also if memory is
 * short. After an error it is unknown what was written. Syncs return the same two errors. */
MUST_USE int file_write(int fd, const char *name, uint64_t offset, const void *ptr, size_t len, struct err *err);
/* Reads len bytes, or fewer if the file ends before. */
MUST_USE int file_read(int fd, const char *name, uint64_t offset, void *ptr, size_t len, size_t *ret_got,
                       struct err *err);
MUST_USE int file_size(int fd, const char *name, uint64_t *ret, struct err *err);
MUST_USE int file_sync(int fd, const char *name, struct err *err);      /* fsync */
MUST_USE int file_sync_data(int fd, const char *name, struct err *err); /* fdatasync */
/* Starts writing a range to the disk, and waits until the len bytes before it are written. So a large file never
 * leaves more than that to its sync, which other syncs would wait for. It promises no durability. Errors are those of
 * a write. */
MUST_USE int file_push(int fd, const char *name, uint64_t offset, uint64_t len, struct err *err);

/* Creates or replaces a file (mode 0600) in a directory. It writes the content under a temporary name (a dot, the
 * name, the process id), syncs it, renames it and syncs the directory. If a step before the rename fails, the old
 * file is unchanged. */
MUST_USE int file_replace(const char *dir, const char *name, struct str content, struct err *err);

/* Syncs a directory, so that names created or removed in it survive a power cut. */
MUST_USE int file_sync_dir(const char *path, struct err *err);
/* The same for the directory that holds a file. */
MUST_USE int file_sync_dir_of(const char *path, struct err *err);
/* Creates a directory (mode 0700) if it does not exist, and syncs its parent. */
MUST_USE int file_make_dir(const char *path, struct err *err);
/* The same, and creates missing parents too. */
MUST_USE int file_make_dirs(const char *path, struct err *err);
bool file_exists(const char *path);
/* True if path, which need not exist, is inside dir: by its name, through links or through "..". False for dir
 * itself, and if dir cannot be examined. */
bool file_is_inside(const char *path, const char *dir);
/* True if a path is that directory, or below it, by the names alone. Both are absolute. */
bool file_is_below(const char *path, const char *top);
/* True if an error of opening, reading or examining a file may be transient and says nothing about the file: no
 * permission, a failing disk or file server, too many open files, no memory. */
bool file_may_pass(int errno_value);
/* Removes a directory and everything in it. It is no error if the directory does not exist. Follows no links. */
MUST_USE int file_remove_tree(const char *path, struct err *err);

/* Returns "dir/name". The caller frees it; never NULL. */
char *file_path(const char *dir, const char *name);
/* The last name of a path: what follows its last slash. Borrows from path. */
const char *file_name(const char *path);
/* The directory that a path names its file in, without a slash at its end: "/" for "/a", "." for "a". The caller frees
 * it; never NULL. */
char *file_directory(const char *path);

#endif
