/* The open connections, counted by address. Decides which new connection is refused because its address has too many,
 * and which one is closed when there is little room. Knows no HTTP library and no sockets.
 *
 * A member is a connection. It is busy while the server works on its request, or while its client receives the answer
 * at a good pace. Otherwise it is idle: it waits between requests, its request is still arriving, or its client reads
 * the answer too slowly. When there is little room, the address with the most idle members loses the one that has
 * been idle for longest; of several such addresses, the one that has had as many for longest. So a newcomer is never
 * the first to go while others are idle. Members of exempt addresses (proxies) are never lost and are not counted by
 * address.
 *
 * An address is an IPv4 address or the first 64 bits of an IPv6 address, because a host can choose the other 64 bits
 * itself. An IPv4 address mapped into IPv6 is that IPv4 address.
 *
 * Each operation takes constant time, apart from looking up an address in a hash table. Not thread-safe: the caller
 * holds its own lock.
 */
#ifndef CODECMETER_HTTP_CROWD_H
#define CODECMETER_HTTP_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

/* A list of addresses and blocks: "127.0.0.1, 10.0.0.0/8, ::1, 2001:db8::/32". */
#define CROWD_EXEMPT_MAX 64
struct crowd_exempt {
  struct {
    uint8_t bytes[16]; /* as an IPv6 address */
    unsigned bits;
  } blocks[CROWD_EXEMPT_MAX];
  size_t count;
};
/* Reads such a list. Blanks around an item do not count; an empty list is valid. -ERR_USAGE names the wrong item. */
MUST_USE int crowd_exempt_read(struct str list, struct crowd_exempt *ret, struct err *err);

struct crowd;
struct crowd_address;

/* Embedded in each connection. The caller zeroes it before crowd_join; only crowd.c reads it. */
struct crowd_member {
  struct crowd_address *address;        /* NULL: exempt, or lost */
  struct crowd_member *previous, *next; /* in the list of the address's idle members */
  bool is_idle;
  bool is_counted;
};

struct crowd_options {
  unsigned members_max; /* the caller has room for this many */
  unsigned address_max; /* limit for one address that is not exempt */
  struct crowd_exempt exempt;
};
/* Never returns NULL: without memory it ends the program. */
MUST_USE struct crowd *crowd_new(const struct crowd_options *options);
void crowd_free(struct crowd *crowd); /* every member has left */

/* False if the address already has address_max members. */
bool crowd_admits(const struct crowd *crowd, const struct sockaddr *address);
/* Adds a member, which begins idle. All addresses of an unknown family count as one address. False if there is no
 * memory; then nothing has changed. */
MUST_USE bool crowd_join(struct crowd *crowd, struct crowd_member *member, const struct sockaddr *address);
void crowd_leave(struct crowd *crowd, struct crowd_member *member);

/* How many members there are; those that were lost do not count. */
unsigned crowd_count(const struct crowd *crowd);

/* Mark a member as idle or busy. A member that was busy starts a new idle time. Marking it as what it already is
 * changes nothing. */
void crowd_idle(struct crowd *crowd, struct crowd_member *member);
void crowd_busy(struct crowd *crowd, struct crowd_member *member);

/* Picks the member that must be closed to make room. NULL if there is enough room, or if every idle member is exempt.
 * The member is no longer counted. The caller closes it, and calls crowd_leave when it is gone. */
MUST_USE struct crowd_member *crowd_lose_one(struct crowd *crowd);

#endif
