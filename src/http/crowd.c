/* There is one queue of addresses for each number of idle members, so the address with the most is found at once.
 * When one member becomes idle or busy, its address moves to the next queue up or down, and most_idle changes by one
 * at most.
 *
 * Of several addresses with as many idle members, the one that came into the queue first loses a member first. If it
 * were the one that came last, a crowd of single connections from many addresses would keep its places, and each
 * newcomer would go at once.
 */
#include "http/crowd.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define KEY_SIZE 16
/* Room is short when less than an eighth of the places is free, or less than 256 places if that is fewer. A
 * connection that is being closed keeps its place for a moment, and newcomers need places during that moment. */
#define SPARE_SHARE 8
#define SPARE_MAX 256u

struct crowd_address {
  uint8_t key[KEY_SIZE]; /* an IPv6 address; bits 64 to 127 are 0, unless it is a mapped IPv4 address */
  unsigned members, idle;
  struct crowd_member *oldest, *newest;  /* of the idle members */
  struct crowd_address *previous, *next; /* in the list of addresses with as many idle members */
};

struct queue {
  struct crowd_address *first, *last;
};

struct crowd {
  struct crowd_options options;
  GHashTable *addresses;
  struct queue *by_idle; /* [1] to [members_max] */
  unsigned most_idle;    /* the highest index of by_idle whose queue is not empty; 0: all are empty */
  unsigned members;      /* exempt ones included, lost ones not */
};

/* ---- addresses ---- */

static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

static bool is_mapped(const uint8_t key[KEY_SIZE]) { return memcmp(key, mapped, sizeof mapped) == 0; }

static void map(const struct in_addr *address, uint8_t ret[KEY_SIZE]) {
  memcpy(ret, mapped, sizeof mapped);
  memcpy(ret + sizeof mapped, address, sizeof *address);
}

/* The whole address; zeros if its family is unknown. */
static void address_bytes(const struct sockaddr *address, uint8_t ret[KEY_SIZE]) {
  memset(ret, 0, KEY_SIZE);
  if (address == NULL) return;
  if (address->sa_family == AF_INET) map(&((const struct sockaddr_in *)(const void *)address)->sin_addr, ret);
  if (address->sa_family == AF_INET6) {
    memcpy(ret, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, KEY_SIZE);
  }
}

static bool has_prefix(const uint8_t bytes[KEY_SIZE], const uint8_t prefix[KEY_SIZE], unsigned bits) {
  unsigned whole = bits / 8, rest = bits % 8;
  if (memcmp(bytes, prefix, whole) != 0) return false;
  return rest == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool is_exempt(const struct crowd *crowd, const uint8_t bytes[KEY_SIZE]) {
  const struct crowd_exempt *exempt = &crowd->options.exempt;
  for (size_t i = 0; i < exempt->count; i++) {
    if (has_prefix(bytes, exempt->blocks[i].bytes, exempt->blocks[i].bits)) return true;
  }
  return false;
}

/* The key of an address. False if the address is exempt. */
static bool key_of(const struct crowd *crowd, const struct sockaddr *address, uint8_t ret[KEY_SIZE]) {
  address_bytes(address, ret);
  if (is_exempt(crowd, ret)) return false;
  if (!is_mapped(ret)) memset(ret + 8, 0, KEY_SIZE - 8);
  return true;
}

static bool read_bits(struct str text, unsigned most, unsigned *ret) {
  uint64_t bits;
  if (!str_to_u64(text, &bits) || bits > most) return false;
  *ret = (unsigned)bits;
  return true;
}

static bool read_block(struct str item, uint8_t bytes[KEY_SIZE], unsigned *ret_bits) {
  char text[INET6_ADDRSTRLEN];
  struct in_addr v4;
  bool has_bits = memchr(item.ptr, '/', item.len) != NULL;
  if (!str_copy(str_cut(&item, '/'), text, sizeof text)) return false;
  bool is_v4 = inet_pton(AF_INET, text, &v4) == 1;
  if (is_v4) map(&v4, bytes);
  else if (inet_pton(AF_INET6, text, bytes) != 1) return false;
  *ret_bits = is_v4 ? 32 : 128;
  if (has_bits && !read_bits(item, *ret_bits, ret_bits)) return false;
  if (is_v4) *ret_bits += 8 * sizeof mapped;
  return true;
}

int crowd_exempt_read(struct str list, struct crowd_exempt *ret, struct err *err) {
  struct crowd_exempt made = {0};
  while (list.len > 0) {
    struct str item = str_trim(str_cut(&list, ','));
    if (item.len == 0) continue;
    if (made.count == CROWD_EXEMPT_MAX)
      return err_set(err, ERR_USAGE, "more than %d addresses in the list", CROWD_EXEMPT_MAX);
    if (!read_block(item, made.blocks[made.count].bytes, &made.blocks[made.count].bits)) {
      return err_set(err, ERR_USAGE, "'%.*s' is not an address like 127.0.0.1, 10.0.0.0/8 or ::1",
                     (int)(item.len < 60 ? item.len : 60), item.ptr);
    }
    made.count++;
  }
  *ret = made;
  return 0;
}

/* ---- the table ---- */

/* The seed keeps clients, who can choose their addresses, from filling one bucket. */
static guint hash_of(gconstpointer pointer) {
  static uint64_t seed;
  if (seed == 0) seed = (uint64_t)g_random_int() << 32 | g_random_int() | 1;
  const uint8_t *key = pointer;
  uint64_t hash = seed;
  for (size_t i = 0; i < KEY_SIZE; i += 4) {
    hash = (hash ^ le32_load(key + i)) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 29;
  }
  return (guint)(hash >> 32);
}

static gboolean keys_equal(gconstpointer a, gconstpointer b) { return memcmp(a, b, KEY_SIZE) == 0; }
_Static_assert(offsetof(struct crowd_address, key) == 0, "a pointer to a key is a pointer to its address");

struct crowd *crowd_new(const struct crowd_options *options) {
  CHECK(options->members_max > 0);
  struct crowd *crowd = calloc(1, sizeof *crowd);
  CHECK(crowd != NULL);
  crowd->options = *options;
  crowd->by_idle = calloc((size_t)options->members_max + 1, sizeof *crowd->by_idle);
  CHECK(crowd->by_idle != NULL);
  crowd->addresses = g_hash_table_new_full(hash_of, keys_equal, free, NULL);
  return crowd;
}

void crowd_free(struct crowd *crowd) {
  if (crowd == NULL) return;
  CHECK(g_hash_table_size(crowd->addresses) == 0);
  g_hash_table_destroy(crowd->addresses);
  free(crowd->by_idle);
  free(crowd);
}

static struct crowd_address *address_made(struct crowd *crowd, const uint8_t key[KEY_SIZE]) {
  struct crowd_address *address = g_hash_table_lookup(crowd->addresses, key);
  if (address != NULL) return address;
  address = calloc(1, sizeof *address);
  if (address == NULL) return NULL;
  memcpy(address->key, key, KEY_SIZE);
  (void)g_hash_table_add(crowd->addresses, address);
  return address;
}

/* ---- addresses by the number of their idle members ---- */

static void unlist_address(struct crowd *crowd, struct crowd_address *address) {
  if (address->idle == 0) return;
  struct queue *queue = &crowd->by_idle[address->idle];
  if (address->previous != NULL) address->previous->next = address->next;
  else queue->first = address->next;
  if (address->next != NULL) address->next->previous = address->previous;
  else queue->last = address->previous;
}

static void list_address(struct crowd *crowd, struct crowd_address *address) {
  if (address->idle == 0) return;
  struct queue *queue = &crowd->by_idle[address->idle];
  address->next = NULL;
  address->previous = queue->last;
  if (queue->last != NULL) queue->last->next = address;
  else queue->first = address;
  queue->last = address;
}

static void set_idle_count(struct crowd *crowd, struct crowd_address *address, unsigned idle) {
  CHECK(idle <= crowd->options.members_max && idle <= address->members);
  unlist_address(crowd, address);
  address->idle = idle;
  list_address(crowd, address);
  if (idle > crowd->most_idle) crowd->most_idle = idle;
  while (crowd->most_idle > 0 && crowd->by_idle[crowd->most_idle].first == NULL)
    crowd->most_idle--;
}

/* ---- members ---- */

bool crowd_admits(const struct crowd *crowd, const struct sockaddr *address) {
  uint8_t key[KEY_SIZE];
  if (!key_of(crowd, address, key)) return true;
  const struct crowd_address *found = g_hash_table_lookup(crowd->addresses, key);
  return found == NULL || found->members < crowd->options.address_max;
}

bool crowd_join(struct crowd *crowd, struct crowd_member *member, const struct sockaddr *address) {
  uint8_t key[KEY_SIZE];
  CHECK(member->address == NULL && !member->is_idle);
  if (key_of(crowd, address, key)) {
    member->address = address_made(crowd, key);
    if (member->address == NULL) return false;
    member->address->members++;
  }
  CHECK(crowd->members < crowd->options.members_max);
  crowd->members++;
  member->is_counted = true;
  crowd_idle(crowd, member);
  return true;
}

/* Takes a member out of its address. */
static void part(struct crowd *crowd, struct crowd_member *member) {
  struct crowd_address *address = member->address;
  crowd_busy(crowd, member);
  member->address = NULL;
  if (address != NULL && --address->members == 0) (void)g_hash_table_remove(crowd->addresses, address);
}

static void discount(struct crowd *crowd, struct crowd_member *member) {
  if (!member->is_counted) return;
  CHECK(crowd->members > 0);
  crowd->members--;
  member->is_counted = false;
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member) {
  part(crowd, member);
  discount(crowd, member);
}

unsigned crowd_count(const struct crowd *crowd) { return crowd->members; }

void crowd_idle(struct crowd *crowd, struct crowd_member *member) {
  struct crowd_address *address = member->address;
  if (address == NULL || member->is_idle) return;
  member->is_idle = true;
  member->next = NULL;
  member->previous = address->newest;
  if (member->previous != NULL) member->previous->next = member;
  else address->oldest = member;
  address->newest = member;
  set_idle_count(crowd, address, address->idle + 1);
}

void crowd_busy(struct crowd *crowd, struct crowd_member *member) {
  struct crowd_address *address = member->address;
  if (!member->is_idle) return;
  member->is_idle = false;
  if (member->previous != NULL) member->previous->next = member->next;
  else address->oldest = member->next;
  if (member->next != NULL) member->next->previous = member->previous;
  else address->newest = member->previous;
  set_idle_count(crowd, address, address->idle - 1);
}

static bool is_room_short(const struct crowd *crowd) {
  unsigned most = crowd->options.members_max, spare = most / SPARE_SHARE + 1;
  return crowd->members > most - (spare < SPARE_MAX ? spare : SPARE_MAX);
}

struct crowd_member *crowd_lose_one(struct crowd *crowd) {
  if (!is_room_short(crowd) || crowd->most_idle == 0) return NULL;
  struct crowd_member *member = crowd->by_idle[crowd->most_idle].first->oldest;
  part(crowd, member);
  discount(crowd, member);
  return member;
}
