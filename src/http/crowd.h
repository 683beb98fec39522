/* A crowd of connections, by address: who is refused when one address has too many, and who has to go when there is
 * little room left. Free of any HTTP library and of sockets.
 *
 * A member is a connection. It is busy while its request is worked on or its answer is sent well; else it is idle: it
 * waits between requests, receives, or reads its answer too slowly. When there is little room, the address with the
 * most idle members loses the one that has been idle for longest; of several such addresses, the one that has had as
 * many for longest. So a newcomer is never the first to go while others are idle. Members of exempt addresses
 * (proxies) are never lost and not counted by address.
 *
 * An address is an IPv4 address or the first 64 bits of an IPv6 address, which is what a host can give itself. An
 * IPv4 address mapped into IPv6 is that IPv4 address.
 *
 * Each operation takes constant time but for the look-up of an address in a hash table. Not thread-safe: the caller
 * holds a lock of its own.
 */
#ifndef CODECMETER_HTTP_CROWD_H
#define CODECMETER_HTTP_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

/* Addresses and blocks: "127.0.0.1, 10.0.0.0/8, ::1, 2001:db8::/32". */
#define CROWD_EXEMPT_MAX 64
struct crowd_exempt {
  struct {
    uint8_t bytes[16]; /* as an IPv6 address */
    unsigned bits;
  } blocks[CROWD_EXEMPT_MAX];
  size_t count;
};
/* Reads such a list; blanks around an item do not count, an empty list is none. -ERR_USAGE names the wrong item. */
MUST_USE int crowd_exempt_read(struct str list, struct crowd_exempt *ret, struct err *err);

struct crowd;
struct crowd_address;

/* A part of each connection. Zeroed before crowd_join; only crowd.c reads it. */
struct crowd_member {
  struct crowd_address *address; /* NULL: exempt, or it has been lost */
  struct crowd_member *previous, *next; /* of the address's idle ones */
  bool is_idle;
  bool is_counted;
};

struct crowd_options {
  unsigned members_max; /* that the caller has room for, at most */
  unsigned address_max; /* members of one address that is not exempt */
  struct crowd_exempt exempt;
};
/* Never NULL: ends the program for want of memory. */
MUST_USE struct crowd *crowd_new(const struct crowd_options *options);
void crowd_free(struct crowd *crowd); /* without members */

/* False if the address has as many members as it may. */
bool crowd_admits(const struct crowd *crowd, const struct sockaddr *address);
/* Makes a member, idle. An address that cannot be read counts as one address. False, and nothing has changed, if
 * there is no memory. */
MUST_USE bool crowd_join(struct crowd *crowd, struct crowd_member *member, const struct sockaddr *address);
void crowd_leave(struct crowd *crowd, struct crowd_member *member);

/* Says what a member does. To be idle again begins its idle time anew; to be what it is already changes nothing. */
void crowd_idle(struct crowd *crowd, struct crowd_member *member);
void crowd_busy(struct crowd *crowd, struct crowd_member *member);

/* The member that has to go for room, or NULL: there is enough room, or nobody idle that is not exempt. It is on its
 * way out from now on, and not counted any more; the caller closes it, and calls crowd_leave when it is gone. */
MUST_USE struct crowd_member *crowd_lose_one(struct crowd *crowd);

#endif
