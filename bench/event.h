/* The stream of events that every peer is fed: a pure function of a seed and an index.
 *
 * Any part of a stream can be made again, in any order, by any thread, so all peers see the same events and a run can
 * go on where another ended. Ids are random UUIDs, finish times random within the 31 days before `now_ms`, sizes lie
 * in each of the four tiers alike. Nothing is allocated.
 */
#ifndef CODECMETER_BENCH_EVENT_H
#define CODECMETER_BENCH_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_DAYS 31
#define STREAM_SOURCES_MAX 10
#define EVENT_JSON_MAX 320 /* bytes that event_json may write */

struct stream {
  uint64_t seed;
  int64_t now_ms;
  unsigned sources;    /* 1 to STREAM_SOURCES_MAX */
  unsigned duplicates; /* events in 1000 that repeat an earlier one */
};

struct event {
  uint64_t id[2];
  unsigned source; /* from 0 */
  unsigned codec;  /* 0 h264, 1 h265 */
  unsigned tier;   /* 0 low to 3 super */
  unsigned width, height;
  uint32_t duration_ms;
  int64_t finished_ms;
};

void stream_event(const struct stream *stream, uint64_t index, struct event *ret_event);

/* Does this event repeat an earlier one? */
bool stream_repeats(const struct stream *stream, uint64_t index);

/* Writes the event as codecmeter takes it; gives the number of bytes. */
size_t event_json(const struct event *event, char *out);

/* The rules that peers apply for themselves: seconds rounded half up, at least 1; whole minutes; the day at UTC+8. */
uint32_t event_seconds(const struct event *event);
uint32_t event_minutes(const struct event *event);
int32_t event_day(const struct event *event);

#endif
