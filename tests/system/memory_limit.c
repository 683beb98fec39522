/* Preloaded by test_memory.py: makes allocations fail, as the file $MEMORY_LIMIT says at that moment. It holds four numbers:
 *
 *   0  allocations of so many bytes and more fail; 0: none
 *   1  counts the committer's allocations down; the one that makes it 0 fails. 0: off
 *   2  how many have failed, for the test to read
 *   3  as 1, of the threads that serve HTTP, and of those without a name, as the one that serves commands
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static _Atomic int64_t *limits;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("MEMORY_LIMIT");
  int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  void *map = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (map != MAP_FAILED) limits = map;
  if (fd >= 0) (void)close(fd);
}

/* True if a thread is one whose allocations are counted, and this one is the last. */
static int is_last_of(_Atomic int64_t *left, const char *thread) {
  char name[16] = "";
  if (*left <= 0 || prctl(PR_GET_NAME, name) != 0 || strncmp(name, thread, strlen(thread)) != 0) return 0;
  return atomic_fetch_sub(left, 1) == 1;
}

static int fails(size_t size) {
  if (limits == NULL) return 0;
  int64_t largest = limits[0];
  int is_last = is_last_of(&limits[1], "committer") || is_last_of(&limits[3], "MHD") ||
                is_last_of(&limits[3], "codecmeter");
  if (!is_last && (largest == 0 || size < (size_t)largest)) return 0;
  atomic_fetch_add(&limits[2], 1);
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return fails(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(count * size) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails(size) ? NULL : __libc_realloc(old, size); }
void *reallocarray(void *old, size_t count, size_t size) { return realloc(old, count * size); }
