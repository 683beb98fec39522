/* Configuration: one table of settings, from which the struct, the checks and docs/config.md are made.
 *
 * Values come from an INI file, then from section.key=value texts. A size is in bytes, or has a unit: KiB, MiB, GiB,
 * TiB. A duration is in seconds, or has a unit: ms, s, m, h, d. No blank comes before the unit. The code that uses a
 * text setting checks its meaning.
 */
#ifndef CODECMETER_SETTINGS_CONFIG_H
#define CODECMETER_SETTINGS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum config_type { CONFIG_SIZE, CONFIG_COUNT, CONFIG_DURATION /* kept in ms */, CONFIG_BOOL, CONFIG_TEXT };

#define CONFIG_TEXT_MAX 1023 /* bytes */

/* X(section, key, type, default, least, most, meaning): default, least and most are written as in the file; least and
 * most are "" for a type that has no order. */
#define CONFIG_TABLE(X)                                                                                                \
  X(api, body_max, SIZE, "1MiB", "1KiB", "64MiB", "largest body of a signed API request")                              \
  X(api, params_max, COUNT, "1000", "16", "100000", "maximum parameters in one API call, including nested ones")       \
  X(api, regions, TEXT, "self/self-01", "", "", "REGION/ZONE pairs that GetRegion lists; the first is the default")    \
  X(http, header_max, SIZE, "24KiB", "4KiB", "28KiB", "largest request line and headers together")                     \
  X(http, threads, COUNT, "0", "0", "256", "threads that serve connections; 0: one per core")                          \
  X(http, connections_max, COUNT, "4096", "8", "1000000", "maximum connections at one time")                           \
  X(http, connections_per_address, COUNT, "4096", "1", "1000000", "maximum connections at one time from one address")  \
  X(http, proxies, TEXT, "127.0.0.1,::1", "", "", "addresses and blocks whose connections have no limit per address") \
  X(http, request_timeout, DURATION, "30s", "1s", "1h", "time to receive a request and begin its answer")              \
  X(http, idle_timeout, DURATION, "15s", "1s", "1h", "a connection without traffic is closed after this time")         \
  X(http, wait_timeout, DURATION, "20s", "100ms", "1h", "time to bring reported usage to disk; then answer 503")       \
  X(http, drain_max, SIZE, "8MiB", "0", "1GiB", "maximum bytes of a refused body to read before answering")            \
  X(http, bodies_max, SIZE, "512MiB", "1MiB", "1TiB", "maximum memory for all bodies; beyond it answer 150 or 503")    \
  X(http, answers_max, SIZE, "256MiB", "1MiB", "1TiB", "maximum memory for long answers; beyond it answer 150 or 503") \
  X(http, access_log, BOOL, "true", "", "", "write one line per request to standard error")                            \
  X(query, max_age, DURATION, "31d", "0", "36500d", "maximum age of EndTime; 0: no limit")                             \
  X(query, max_span, DURATION, "32d", "0", "36500d", "maximum time from BeginTime to EndTime; 0: no limit")            \
  X(query, rows_max, COUNT, "100000", "1", "10000000", "maximum rows in one answer")                                   \
  X(query, threads, COUNT, "0", "0", "64", "threads that make long answers; 0: half of the cores, at least one")        \
  X(query, running_max, COUNT, "64", "1", "10000", "maximum long answers being made; others wait for their turn")        \
  X(query, waiting_max, COUNT, "256", "0", "100000", "maximum long answers waiting to begin; beyond it answer 150 or 503") \
  X(query, memory_max, SIZE, "192MiB", "1MiB", "1TiB", "maximum memory that long answers keep until sent; beyond it answer 503") \
  X(ingest, body_max, SIZE, "16MiB", "64KiB", "1GiB", "largest body sent to /v1/events")                               \
  X(ingest, events_max, COUNT, "10000", "1", "1000000", "maximum events in one body")                                  \
  X(ingest, queue_max, COUNT, "200000", "1", "100000000", "maximum events waiting for a commit; beyond it answer 503") \
  X(ingest, commit_max, SIZE, "4MiB", "64KiB", "256MiB", "maximum bytes of the log written with one sync")             \
  X(ingest, delta_max, COUNT, "1000000", "1", "100000000", "maximum usage records in memory before a checkpoint")      \
  X(ingest, delta_age, DURATION, "10m", "0", "365d", "checkpoint when records in memory are older; 0: never")          \
  X(ingest, quarantine_max, COUNT, "1000", "1", "100000", "maximum notices in the quarantine; beyond it answer 503")     \
  X(ingest, quarantine_size, SIZE, "256MiB", "64KiB", "1TiB", "maximum bytes of the quarantine; beyond it answer 503")   \
  X(ops, listen, TEXT, "", "", "", "ADDR:PORT that serves /metrics, /healthz and /readyz, without TLS; empty: where the API is") \
  X(project, time_zone, TEXT, "", "", "", "time zone of a new project that names none; empty: each must name one")     \
  X(ledger, map_size, SIZE, "64GiB", "16MiB", "64TiB", "address space for totals and catalogue; sparse")               \
  X(ledger, segment_size, SIZE, "256MiB", "1KiB", "64GiB", "size at which the log begins a new segment")               \
  X(ledger, disk_reserve, SIZE, "256MiB", "0", "1TiB", "usage is refused while less than this is free on the disk")    \
  X(ledger, blocks_cache, SIZE, "128MiB", "2MiB", "1TiB", "memory for log blocks that repeats are compared with")

/* adapter.NAME.codec, adapter.NAME.codec.PRESET: the codec of a service's outputs, where its notices do not name
 * it. */
#define CONFIG_ADAPTER_CODECS_MAX 256
struct config_adapter_codec {
  char adapter[33], preset[129], codec[33]; /* preset: "" applies to all */
};

/* adapter.NAME.script: the file of an adapter's script; adapter.NAME.map: what the built-in script `generic` reads. */
#define CONFIG_ADAPTER_SCRIPTS_MAX 64
struct config_adapter_script {
  char adapter[33], value[CONFIG_TEXT_MAX + 1]; /* a path in a configuration file begins at the file's directory */
  bool is_map;
};

struct config {
  struct config_adapter_codec adapter_codecs[CONFIG_ADAPTER_CODECS_MAX];
  size_t adapter_codecs_count;
  struct config_adapter_script adapter_scripts[CONFIG_ADAPTER_SCRIPTS_MAX];
  size_t adapter_scripts_count;
#define CONFIG_FIELD_SIZE(name) uint64_t name;
#define CONFIG_FIELD_COUNT(name) uint64_t name;
#define CONFIG_FIELD_DURATION(name) uint64_t name;
#define CONFIG_FIELD_BOOL(name) uint64_t name;
#define CONFIG_FIELD_TEXT(name) char name[CONFIG_TEXT_MAX + 1];
#define CONFIG_FIELD(section, key, type, preset, least, most, meaning) CONFIG_FIELD_##type(section##_##key)
  CONFIG_TABLE(CONFIG_FIELD)
#undef CONFIG_FIELD
};

/* Sets every setting to its default. */
void config_init(struct config *config);
/* Reads an INI file. -ERR_USAGE: the text names the file, the setting and what is allowed; also for an unknown
 * setting. */
MUST_USE int config_load(struct config *config, const char *path, struct err *err);
/* Applies one "section.key=value". -ERR_USAGE likewise. */
MUST_USE int config_set(struct config *config, const char *assignment, struct err *err);
/* Reads a duration like 30s or 7d into milliseconds. False if the text is not one. */
MUST_USE bool config_duration(struct str text, uint64_t *ret_ms);
/* Sets the defaults, then reads a file (or NULL), then applies assignments (NULL, or an array that ends with NULL), in
 * the order in which commands take them. */
MUST_USE int config_read(struct config *config, const char *path, char *const *assignments, struct err *err);
/* Appends the table of settings in Markdown, as docs/config.md shows it. */
void config_describe(struct buf *out);

#endif
