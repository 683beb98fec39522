#include "event.h"

#include <string.h>

#define DAY_MS 86400000
#define SHANGHAI_MS 28800000 /* UTC+8 without daylight saving since 1991 */

static uint64_t mix(uint64_t x) { /* splitmix64's output function */
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

static uint64_t draw(const struct stream *stream, uint64_t index, uint64_t what) {
  return mix(mix(stream->seed ^ mix(index)) + what);
}

bool stream_repeats(const struct stream *stream, uint64_t index) {
  return stream->duplicates > 0 && index > 0 && draw(stream, index, 9) % 1000 < stream->duplicates;
}

void stream_event(const struct stream *stream, uint64_t index, struct event *ret_event) {
  static const struct { unsigned width, height; } sizes[] = {{640, 360}, {1280, 720}, {1920, 1080}, {3840, 2160}};

  while (stream_repeats(stream, index)) {
    index = draw(stream, index, 8) % index;
  }
  uint64_t choice = draw(stream, index, 2);
  ret_event->id[0] = draw(stream, index, 0);
  ret_event->id[1] = draw(stream, index, 1);
  ret_event->source = (unsigned)((choice & 0xff) % stream->sources);
  ret_event->codec = choice >> 8 & 1;
  ret_event->tier = choice >> 9 & 3;
  ret_event->width = sizes[ret_event->tier].width;
  ret_event->height = sizes[ret_event->tier].height;
  ret_event->duration_ms = 1 + (uint32_t)((choice >> 32) % 3600000);
  ret_event->finished_ms = stream->now_ms - (int64_t)(draw(stream, index, 3) % ((uint64_t)STREAM_DAYS * DAY_MS));
}

uint32_t event_seconds(const struct event *event) {
  uint32_t seconds = (event->duration_ms + 500) / 1000;
  return seconds > 0 ? seconds : 1;
}

uint32_t event_minutes(const struct event *event) { return (event_seconds(event) + 59) / 60; }

int32_t event_day(const struct event *event) { return (int32_t)((event->finished_ms + SHANGHAI_MS) / DAY_MS); }

/* ---- JSON, by hand: the client shares the machine with what it measures ---- */

static char *put(char *out, const char *text, size_t len) {
  memcpy(out, text, len);
  return out + len;
}
#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static char *put_digits(char *out, uint32_t value, unsigned digits) {
  for (unsigned i = digits; i > 0; i--, value /= 10) {
    out[i - 1] = (char)('0' + value % 10);
  }
  return out + digits;
}

static char *put_number(char *out, uint32_t value) {
  unsigned digits = 1;
  for (uint32_t rest = value / 10; rest > 0; rest /= 10) {
    digits++;
  }
  return put_digits(out, value, digits);
}

static char *put_hex(char *out, uint64_t value, unsigned digits) {
  for (unsigned i = digits; i > 0; i--, value >>= 4) {
    out[i - 1] = "0123456789abcdef"[value & 15];
  }
  return out + digits;
}

static char *put_uuid(char *out, const uint64_t id[2]) {
  out = put_hex(out, id[0] >> 32, 8);
  *out++ = '-';
  out = put_hex(out, id[0] >> 16, 4);
  *out++ = '-';
  out = put_hex(out, id[0], 4);
  *out++ = '-';
  out = put_hex(out, id[1] >> 48, 4);
  *out++ = '-';
  return put_hex(out, id[1], 12);
}

/* Civil date from days since 1970, Hinnant's algorithm; the stream's times are after 1970. */
static char *put_date(char *out, uint32_t days) {
  uint32_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
  uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  uint32_t month = mp < 10 ? mp + 3 : mp - 9;
  out = put_digits(out, yoe + era * 400 + (month <= 2), 4);
  *out++ = '-';
  out = put_digits(out, month, 2);
  *out++ = '-';
  return put_digits(out, doy - (153 * mp + 2) / 5 + 1, 2);
}

static char *put_time(char *out, int64_t time_ms) {
  uint32_t ms = (uint32_t)(time_ms % DAY_MS);
  out = put_date(out, (uint32_t)(time_ms / DAY_MS));
  *out++ = 'T';
  out = put_digits(out, ms / 3600000, 2);
  *out++ = ':';
  out = put_digits(out, ms / 60000 % 60, 2);
  *out++ = ':';
  out = put_digits(out, ms / 1000 % 60, 2);
  *out++ = '.';
  out = put_digits(out, ms % 1000, 3);
  return PUT(out, "Z");
}

size_t event_json(const struct event *event, char *out) {
  char *at = PUT(out, "{\"source\":\"farm-");
  *at++ = (char)('0' + event->source);
  at = PUT(at, "\",\"id\":\"");
  at = put_uuid(at, event->id);
  at = PUT(at, "\",\"type\":\"transcode.finished\",\"time\":\"");
  at = put_time(at, event->finished_ms);
  at = event->codec == 0 ? PUT(at, "\",\"data\":{\"codec\":\"h264\",\"width\":")
                         : PUT(at, "\",\"data\":{\"codec\":\"h265\",\"width\":");
  at = put_number(at, event->width);
  at = PUT(at, ",\"height\":");
  at = put_number(at, event->height);
  at = PUT(at, ",\"duration_ms\":");
  at = put_number(at, event->duration_ms);
  at = PUT(at, "}}");
  return (size_t)(at - out);
}
