/* Files: whole reads and writes at an offset, and the directory syncs that make names durable. */
#ifndef CODECMETER_BASE_FILE_H
#define CODECMETER_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Writes all of it; name is for the message. -ERR_FULL when the disk is full, -ERR_IO otherwise, also for want of
 * memory: what was written by then is unknown. Syncs give the same two errors. */
MUST_USE int file_write(int fd, const char *name, uint64_t offset, const void *ptr, size_t len, struct err *err);
/* Reads up to len bytes, fewer only at the end of the file. */
MUST_USE int file_read(int fd, const char *name, uint64_t offset, void *ptr, size_t len, size_t *ret_got,
                       struct err *err);
MUST_USE int file_size(int fd, const char *name, uint64_t *ret, struct err *err);
MUST_USE int file_sync(int fd, const char *name, struct err *err);      /* fsync */
MUST_USE int file_sync_data(int fd, const char *name, struct err *err); /* fdatasync */
/* Has the disk begin with a range, and waits until as many bytes before it are out: a large file then never leaves more
 * than that to its sync, which others would wait behind. Promises nothing; an error is one of writing. */
MUST_USE int file_push(int fd, const char *name, uint64_t offset, uint64_t len, struct err *err);

/* Puts a file of that content, 0600, in a directory, over one of that name: written under a temporary name (a dot, the
 * name, the process), synced, renamed, the directory synced. After a failure the name is as it was. */
MUST_USE int file_replace(const char *dir, const char *name, struct str content, struct err *err);

/* Syncs a directory, so that names made or removed in it survive a power cut. */
MUST_USE int file_sync_dir(const char *path, struct err *err);
/* The same, of the directory in which a file lies. */
MUST_USE int file_sync_dir_of(const char *path, struct err *err);
/* Makes a directory 0700 if it is not there, and syncs its parent. */
MUST_USE int file_make_dir(const char *path, struct err *err);
/* The same with all that are missing above it. */
MUST_USE int file_make_dirs(const char *path, struct err *err);
bool file_exists(const char *path);
/* True if a path, which need not exist, leads into a directory: by its name, through links or through "..". False for
 * the directory itself, and if the directory cannot be looked at. */
bool file_is_inside(const char *path, const char *dir);
/* Does an error of opening, reading or looking at a file say nothing of the file, so that another time it may go
 * well: no right, a disk or server that fails, too many open files, no memory? */
bool file_may_pass(int errno_value);
/* Removes a directory with all that is in it; no error when it is not there. Follows no links. */
MUST_USE int file_remove_tree(const char *path, struct err *err);

/* "dir/name", malloc'd, never NULL. */
char *file_path(const char *dir, const char *name);

#endif
