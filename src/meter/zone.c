/* A zone is loaded once into a table of its offsets from 1970 on. Days are computed from that table alone, in about
 * 30 ns.
 *
 * GLib reads tzdata. Its GTimeZone numbers the intervals between transitions, but does not say where they begin. The
 * number never falls as time increases, so a binary search finds each beginning. (g_date_time_new is no use here:
 * where a day has two midnights, it returns the second.) Debian's tzdata lists transitions up to 2037, and GLib 2.74
 * keeps the last offset after that, so days of zones with daylight saving are an hour off in later summers.
 */
#include "meter/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/vector.h"

#define DAY_SECONDS 86400
#define ZONEINFO "/usr/share/zoneinfo"
/* Lists every zone ("Z name …") and every link to one ("L target name"). */
#define ZONE_LIST ZONEINFO "/tzdata.zi"
/* No local date is further than this from the date in UTC. */
#define OFFSET_MAX (26 * 3600)

/* The offset applies from `start` until the next span's start. */
struct span {
  int64_t start;
  int32_t offset;
};

struct zone {
  char name[ZONE_NAME_MAX + 1];
  uint64_t version;
  VECTOR(struct span) spans;
};

/* ---- the table of offsets ---- */

#define TABLE_BEGIN (-2 * (int64_t)DAY_SECONDS)
#define TABLE_END INT64_C(4102444800) /* 2100: tzdata's rules end before that today */

static int interval_at(GTimeZone *source, int64_t time) {
  int interval = g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, time);
  CHECK(interval >= 0); /* every UTC instant is in an interval */
  return interval;
}

/* The first instant after `time` that is in another interval, or TABLE_END. */
static int64_t next_transition(GTimeZone *source, int64_t time) {
  int before = interval_at(source, time);
  int64_t low = time, high = TABLE_END;
  if (interval_at(source, high) == before) return TABLE_END;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (interval_at(source, middle) == before) low = middle;
    else high = middle;
  }
  return high;
}

static void add_span(struct zone *zone, int64_t start, int32_t offset) {
  size_t count = zone->spans.count;
  if (count > 0 && zone->spans.items[count - 1].offset == offset) return; /* only its name changed */
  *vector_must_add(&zone->spans) = (struct span){.start = start, .offset = offset};
}

/* FNV-1a over the table: a version must not depend on the machine or the library. */
static uint64_t hash_spans(const struct zone *zone) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < zone->spans.count; i++) {
    const uint64_t words[2] = {(uint64_t)zone->spans.items[i].start, (uint64_t)zone->spans.items[i].offset};
    for (size_t byte = 0; byte < sizeof words; byte++) {
      hash = (hash ^ (words[byte / 8] >> byte % 8 * 8 & 0xFF)) * UINT64_C(0x100000001b3);
    }
  }
  return hash;
}

/* GLib does not say why it cannot load a zone, so this tries to open the zone's file and reports the error. */
static int cannot_load(const char *name, struct err *err) {
  char path[sizeof ZONEINFO + 1 + ZONE_NAME_MAX];
  (void)snprintf(path, sizeof path, ZONEINFO "/%s", name);
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 || (errno != ENOENT && errno != EMFILE && errno != ENFILE && errno != ENOMEM)) {
    return err_set(err, ERR_MISSING, "cannot read tzdata's file of the time zone %s: reinstall the package tzdata",
                   name);
  }
  if (errno != ENOENT) return err_set_errno(err, ERR_IO, errno, "cannot load the time zone %s", name);
  return err_set(err, ERR_MISSING,
                 "the time zone %s is in tzdata's list, but its file is missing: install the package tzdata-legacy, or "
                 "tzdata again",
                 name);
}

static struct zone *load(const char *name) {
  GTimeZone *source = g_time_zone_new_identifier(name);
  if (source == NULL) return NULL;
  struct zone *zone = calloc(1, sizeof *zone);
  CHECK(zone != NULL && str_copy(str_of(name), zone->name, sizeof zone->name));
  for (int64_t time = TABLE_BEGIN; time < TABLE_END; time = next_transition(source, time)) {
    add_span(zone, time, g_time_zone_get_offset(source, interval_at(source, time)));
  }
  g_time_zone_unref(source);
  vector_shrink(&zone->spans);
  zone->version = hash_spans(zone);
  return zone;
}

/* ---- finding zones ---- */

/* The alphabet is fixed, so a name cannot be a path out of the database or an offset like "+08:00". */
static bool is_zone_name(struct str name) {
  if (name.len == 0 || name.len > ZONE_NAME_MAX || !g_ascii_isalpha(name.ptr[0])) return false;
  for (size_t i = 0; i < name.len; i++) {
    if (!g_ascii_isalnum(name.ptr[i]) && memchr("/_-+", name.ptr[i], 4) == NULL) return false;
  }
  return true;
}

/* True if a line of the list defines this name: the second field of a zone, the third of a link. */
static bool line_names(const char *line, const char *name) {
  char first[ZONE_NAME_MAX + 1], second[ZONE_NAME_MAX + 1];
  int fields = 0;
  if (line[0] == 'Z') fields = sscanf(line, "Z %64s", second);
  if (line[0] == 'L') fields = sscanf(line, "L %64s %64s", first, second) == 2 ? 1 : 0;
  return fields == 1 && strcmp(second, name) == 0;
}

static int check_listed(const char *name, struct err *err) {
  FILE *list = fopen(ZONE_LIST, "re");
  if (list == NULL && errno == ENOENT) {
    return err_set(err, ERR_MISSING, "the time zone database is missing (" ZONE_LIST "): install the package tzdata");
  }
  if (list == NULL) return err_set_errno(err, ERR_IO, errno, "cannot read the time zone database (" ZONE_LIST ")");
  bool listed = false;
  char *line = NULL;
  size_t cap = 0;
  while (!listed && getline(&line, &cap, list) > 0) listed = line_names(line, name);
  free(line);
  (void)fclose(list);
  return listed ? 0
                : err_set(err, ERR_RANGE, "'%s' is not a time zone of tzdata; use a name like Asia/Shanghai", name);
}

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *cache; /* name -> struct zone; zones are never freed while the process lives */

static int find_or_load(const char *name, const struct zone **ret, struct err *err) {
  if (cache == NULL) cache = g_hash_table_new(g_str_hash, g_str_equal);
  struct zone *zone = g_hash_table_lookup(cache, name);
  if (zone == NULL) {
    int result = check_listed(name, err);
    if (result != 0) return result;
    zone = load(name);
    if (zone == NULL) return cannot_load(name, err);
    (void)g_hash_table_insert(cache, zone->name, zone);
  }
  *ret = zone;
  return 0;
}

int zone_find(struct str name, const struct zone **ret, struct err *err) {
  char text[ZONE_NAME_MAX + 1];
  if (!is_zone_name(name) || !str_copy(name, text, sizeof text)) {
    return err_set(err, ERR_RANGE, "'%.*s' is not a time zone of tzdata; use a name like Asia/Shanghai",
                   (int)(name.len < ZONE_NAME_MAX ? name.len : ZONE_NAME_MAX), name.ptr);
  }
  lock_take(&cache_lock);
  int result = find_or_load(text, ret, err);
  lock_give(&cache_lock);
  return result;
}

const char *zone_name(const struct zone *zone) { return zone->name; }
uint64_t zone_version(const struct zone *zone) { return zone->version; }

/* ---- days ---- */

/* The last span that starts at or before an instant; for earlier instants, the first span. */
static size_t span_at(const struct zone *zone, int64_t time) {
  size_t low = 0, high = zone->spans.count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (zone->spans.items[middle].start <= time) low = middle;
    else high = middle;
  }
  return low;
}

int32_t zone_offset(const struct zone *zone, int64_t time) { return zone->spans.items[span_at(zone, time)].offset; }

/* Within one span local time advances evenly, so the first instant of a span whose local date is `day` or later is
 * the local midnight or the start of the span. The earliest span that has such an instant has the earliest of all. */
int64_t zone_day_start(const struct zone *zone, int32_t day) {
  int64_t midnight = (int64_t)day * DAY_SECONDS;
  for (size_t i = span_at(zone, midnight - OFFSET_MAX);; i++) {
    const struct span *span = &zone->spans.items[i];
    int64_t start = midnight - span->offset;
    if (i > 0 && start < span->start) start = span->start;
    if (i + 1 == zone->spans.count || start < zone->spans.items[i + 1].start) return start;
  }
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* If clocks go back over midnight, the local date goes back too, but the day that has begun continues. */
int32_t zone_day_of(const struct zone *zone, int64_t time) {
  if (time < 0) time = 0;
  if (time > ZONE_TIME_MAX) time = ZONE_TIME_MAX;
  int32_t day = (int32_t)floor_div(time + zone_offset(zone, time), DAY_SECONDS);
  while (zone_day_start(zone, day + 1) <= time) day++;
  return day;
}

/* ---- dates (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms") ---- */

int32_t zone_day_from_date(int year, int month, int day) {
  year -= month <= 2;
  int era = (year >= 0 ? year : year - 399) / 400;
  int year_of_era = year - era * 400;
  int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

void zone_date_from_day(int32_t day, int *ret_year, int *ret_month, int *ret_day) {
  day += 719468;
  int era = (day >= 0 ? day : day - 146096) / 146097;
  int day_of_era = day - era * 146097;
  int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int shifted = (5 * day_of_year + 2) / 153;
  *ret_day = day_of_year - (153 * shifted + 2) / 5 + 1;
  *ret_month = shifted + (shifted < 10 ? 3 : -9);
  *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

int zone_day_parse(struct str date, int32_t *ret_day, struct err *err) {
  uint64_t year, month, day;
  bool form = date.len == 10 && date.ptr[4] == '-' && date.ptr[7] == '-' && str_to_u64(str_make(date.ptr, 4), &year) &&
              str_to_u64(str_make(date.ptr + 5, 2), &month) && str_to_u64(str_make(date.ptr + 8, 2), &day);
  int back_year = 0, back_month = 0, back_day = 0;
  int32_t number = 0;
  if (form && month >= 1 && month <= 12 && day >= 1 && day <= 31 && year >= 1970) {
    number = zone_day_from_date((int)year, (int)month, (int)day);
    zone_date_from_day(number, &back_year, &back_month, &back_day);
    if (back_day == (int)day && back_month == (int)month) {
      *ret_day = number;
      return 0;
    }
  }
  return err_set(err, ERR_PARSE, "'%.*s' is not a date like 2026-01-31", (int)(date.len < 40 ? date.len : 40), date.ptr);
}
