/* Configuration: one table of settings, from which the struct, the checks and docs/config.md are made.
 *
 * Values come from an INI file and from section.key=value texts, the latter last. Sizes are bytes, with KiB, MiB, GiB, TiB;
 * durations are seconds, with ms, s, m, h, d; both without a blank before the unit. The user of a text checks what it
 * says.
 */
#ifndef CODECMETER_BASE_CONFIG_H
#define CODECMETER_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum config_type { CONFIG_SIZE, CONFIG_COUNT, CONFIG_DURATION /* kept in ms */, CONFIG_BOOL, CONFIG_TEXT };

#define CONFIG_TEXT_MAX 1023 /* bytes */

/* X(section, key, type, default, least, most, meaning): default, least and most as they would be written; least and
 * most are "" for a type that has no order. */
#define CONFIG_TABLE(X)                                                                                                \
  X(api, body_max, SIZE, "1MiB", "1KiB", "64MiB", "bytes of a body sent to the signed API")                            \
  X(api, params_max, COUNT, "1000", "16", "100000", "parameters of one API call, nested ones counted")                 \
  X(http, header_max, SIZE, "24KiB", "4KiB", "28KiB", "bytes of request line and headers")                             \
  X(http, threads, COUNT, "0", "0", "256", "threads that serve connections; 0 is one a core")                          \
  X(http, connections_max, COUNT, "4096", "8", "1000000", "connections at one time")                                   \
  X(http, connections_per_address, COUNT, "4096", "1", "1000000", "connections at one time from one address")          \
  X(http, proxies, TEXT, "127.0.0.1,::1", "", "", "addresses and blocks whose connections are not limited by address")  \
  X(http, request_timeout, DURATION, "30s", "1s", "1h", "for a request to be received and its answer to begin")        \
  X(http, idle_timeout, DURATION, "15s", "1s", "1h", "after which a connection without traffic is closed")             \
  X(http, wait_timeout, DURATION, "20s", "100ms", "1h", "for reported usage to be on disk, else 503")                  \
  X(http, drain_max, SIZE, "8MiB", "0", "1GiB", "bytes of a refused body that are read before the answer")             \
  X(http, bodies_max, SIZE, "512MiB", "1MiB", "1TiB", "bytes of all bodies in memory, else 150 or 503")                \
  X(http, answers_max, SIZE, "256MiB", "1MiB", "1TiB", "bytes of all long answers in memory, else 150 or 503")          \
  X(http, access_log, BOOL, "true", "", "", "write a line a request to standard error")                                \
  X(query, max_age, DURATION, "31d", "0", "36500d", "EndTime may be no older; 0 is off")                               \
  X(query, max_span, DURATION, "32d", "0", "36500d", "from BeginTime to EndTime at most; 0 is off")                    \
  X(query, rows_max, COUNT, "100000", "1", "10000000", "rows of one answer")                                           \
  X(ingest, body_max, SIZE, "16MiB", "64KiB", "1GiB", "bytes of a body sent to /v1/events")                            \
  X(ingest, events_max, COUNT, "10000", "1", "1000000", "events in one body")                                          \
  X(ingest, queue_max, COUNT, "200000", "1", "100000000", "events that wait for the committer, else 503")              \
  X(ingest, commit_max, SIZE, "4MiB", "64KiB", "256MiB", "bytes of the log written with one sync")                     \
  X(ingest, delta_max, COUNT, "1000000", "1", "100000000", "records of usage kept in memory before a checkpoint")      \
  X(ingest, delta_age, DURATION, "10m", "0", "365d", "after which records in memory are checkpointed; 0 is never")      \
  X(project, time_zone, TEXT, "", "", "", "time zone of new projects, if the command names none")                      \
  X(ledger, map_size, SIZE, "64GiB", "16MiB", "64TiB", "address space for totals and catalogue; sparse")               \
  X(ledger, segment_size, SIZE, "256MiB", "1KiB", "64GiB", "bytes after which a new segment of the log is begun")      \
  X(ledger, disk_reserve, SIZE, "256MiB", "0", "1TiB", "free bytes on the disk below which usage is refused")          \
  X(ledger, blocks_cache, SIZE, "128MiB", "2MiB", "1TiB", "bytes of the log kept in memory while repeats are compared")

/* adapter.NAME.codec, adapter.NAME.codec.PRESET: the codec of what a service makes, whose notices do not say. */
#define CONFIG_ADAPTER_CODECS_MAX 256
struct config_adapter_codec {
  char adapter[33], preset[129], codec[33]; /* preset: "" for all */
};

struct config {
  struct config_adapter_codec adapter_codecs[CONFIG_ADAPTER_CODECS_MAX];
  size_t adapter_codecs_count;
#define CONFIG_FIELD_SIZE(name) uint64_t name;
#define CONFIG_FIELD_COUNT(name) uint64_t name;
#define CONFIG_FIELD_DURATION(name) uint64_t name;
#define CONFIG_FIELD_BOOL(name) uint64_t name;
#define CONFIG_FIELD_TEXT(name) char name[CONFIG_TEXT_MAX + 1];
#define CONFIG_FIELD(section, key, type, preset, least, most, meaning) CONFIG_FIELD_##type(section##_##key)
  CONFIG_TABLE(CONFIG_FIELD)
#undef CONFIG_FIELD
};

/* The defaults. */
void config_init(struct config *config);
/* An INI file. -ERR_USAGE names file, setting and what is allowed; also for a setting that there is not. */
MUST_USE int config_load(struct config *config, const char *path, struct err *err);
/* "section.key=value". */
MUST_USE int config_set(struct config *config, const char *assignment, struct err *err);
/* A duration like 30s or 7d, in milliseconds. */
MUST_USE bool config_duration(struct str text, uint64_t *ret_ms);
/* The defaults, then a file (or NULL), then assignments (NULL, or an array that ends with NULL), as commands take
 * them. */
MUST_USE int config_read(struct config *config, const char *path, char *const *assignments, struct err *err);
/* The table of settings in Markdown, as docs/config.md has it. */
void config_describe(struct buf *out);

#endif
