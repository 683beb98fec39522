/* One machine plays every region and zone that its users' programs name: UCloud's CLI refuses a profile whose region or
 * zone GetRegion does not list. Types as in ucloud-sdk-go, services/uaccount. */
#include "api/regions.h"

#include "base/json_write.h"

struct pair {
  struct str region, zone;
};

static bool is_name(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return false;
  }
  return text.len > 0 && text.len <= REGION_PART_MAX;
}

static int read_pair(struct str text, struct pair *ret, struct err *err) {
  struct str rest = str_trim(text), region = str_trim(str_cut(&rest, '/')), zone = str_trim(rest);
  if (!is_name(region) || !is_name(zone)) {
    return err_set(err, ERR_USAGE,
                   "api.regions: expected pairs REGION/ZONE with commas between, like cn-bj2/cn-bj2-04, each name of 1 "
                   "to %d characters a-z, 0-9 and -; got '%.*s'",
                   REGION_PART_MAX, (int)(text.len < 80 ? text.len : 80), text.ptr);
  }
  *ret = (struct pair){region, zone};
  return 0;
}

/* True if the pair is already among those of `before`, which are good. */
static bool is_repeated(struct str before, const struct pair *pair) {
  struct pair other;
  while (before.len > 0) {
    if (read_pair(str_cut(&before, ','), &other, NULL) != 0) continue;
    if (str_equal(other.region, pair->region) && str_equal(other.zone, pair->zone)) return true;
  }
  return false;
}

static void write_pair(struct json_write *json, const struct pair *pair, unsigned number) {
  json_write_object(json, NULL);
  json_write_u64(json, "RegionId", number);
  json_write_text(json, "RegionName", "self-hosted");
  json_write_bool(json, "IsDefault", number == 1);
  json_write_text(json, "BitMaps", "1");
  json_write_str(json, "Region", pair->region);
  json_write_str(json, "Zone", pair->zone);
  json_write_end(json);
}

int regions_append(struct str setting, struct buf *out, struct err *err) {
  size_t start = out->len;
  struct json_write json = json_write_to(out);
  struct str rest = setting;
  unsigned number = 0;
  int result = 0;
  bool is_last;
  json_write_list(&json, NULL);
  do {
    is_last = rest.len == 0 || memchr(rest.ptr, ',', rest.len) == NULL; /* so "a/b," ends with an empty pair */
    struct str before = str_make(setting.ptr, setting.len - rest.len);
    struct pair pair;
    result = read_pair(str_cut(&rest, ','), &pair, err);
    if (result == 0 && is_repeated(before, &pair)) {
      result = err_set(err, ERR_USAGE, "api.regions: %.*s/%.*s is given twice; name it once", STR_ARG(pair.region),
                       STR_ARG(pair.zone));
    }
    if (result == 0) write_pair(&json, &pair, ++number);
  } while (result == 0 && !is_last);
  json_write_end(&json);
  if (result != 0) out->len = start;
  return result;
}
