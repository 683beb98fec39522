/* Latencies in nanoseconds, to 1.6 %, up to an hour; fixed size, no allocation. One writer each, merged at the end.
 */
#ifndef CODECMETER_BENCH_HISTOGRAM_H
#define CODECMETER_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS (38 << HISTOGRAM_SUB_BITS)

struct histogram {
  uint64_t count, max_ns;
  uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The latency that `share` of all (0 to 1) do not exceed. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

#endif
