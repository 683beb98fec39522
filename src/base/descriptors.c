/* Shells and systemd start programs with a soft limit of 1,024 or less, so that programs that use select() do not break.
 * codecmeter does not use select(), so it raises the soft limit as far as it needs.
 */
#include "base/descriptors.h"

#include <sys/resource.h>

uint64_t descriptors_raise(uint64_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
    struct rlimit raised = {.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max,
                            .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}
