/* Buckets as floating point has them: an exponent, and SUB_BITS of the leading digits. */
#include "histogram.h"

#include <math.h>

#define SUB (1u << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t ns) {
  if (ns < SUB) return (unsigned)ns;
  unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
  unsigned bucket = ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(ns >> shift & (SUB - 1));
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end_ns(unsigned bucket) {
  if (bucket < SUB) return bucket;
  unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
  return ((uint64_t)(SUB | (bucket & (SUB - 1))) + 1) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
  histogram->count++;
  histogram->buckets[bucket_of(ns)]++;
  if (ns > histogram->max_ns) histogram->max_ns = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
  into->count += from->count;
  if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    into->buckets[i] += from->buckets[i];
  }
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count), seen = 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen < wanted || seen == 0) continue;
    uint64_t end_ns = bucket_end_ns(i);
    return end_ns < histogram->max_ns ? end_ns : histogram->max_ns;
  }
  return histogram->max_ns;
}
