#include "http/listen.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

#define BACKLOG 1024

static int bad_address(const char *address, struct err *err) {
  return err_set(err, ERR_USAGE,
                 "'%s' is not an address to listen on: give ADDR:PORT, like 127.0.0.1:8080, [::1]:8080 or :8080",
                 address);
}

/* Splits host and port, and removes the brackets of an IPv6 address. */
static int split(const char *address, char host[256], char port[8], struct err *err) {
  const char *colon = strrchr(address, ':');
  if (colon == NULL) return bad_address(address, err);
  struct str name = str_make(address, (size_t)(colon - address));
  uint64_t number;
  bool bracketed = name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
  if (bracketed) name = str_make(name.ptr + 1, name.len - 2);
  else if (name.len > 0 && memchr(name.ptr, ':', name.len) != NULL) return bad_address(address, err);
  bool good = str_copy(name, host, 256) && str_copy(str_of(colon + 1), port, 8) && str_to_u64(str_of(port), &number) &&
              number <= 65535;
  return good ? 0 : bad_address(address, err);
}

static int open_socket(const struct addrinfo *info, const char *address, const char *option, int *ret, struct err *err) {
  SCOPED_FD int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  if (fd < 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a socket for %s", address);
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info->ai_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
    if (errno == EADDRINUSE) {
      return err_set(err, ERR_EXISTS,
                     "cannot listen on %s: another program uses it; choose another port with %s", address, option);
    }
    return err_set_errno(err, ERR_DENIED, errno, "cannot listen on %s", address);
  }
  *ret = fd;
  fd = -1;
  return 0;
}

static bool is_loopback(const struct sockaddr_storage *name) {
  if (name->ss_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)name)->sin6_addr);
  }
  return ntohl(((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr) >> 24 == 127;
}

static int describe(struct listen_address *out, struct err *err) {
  struct sockaddr_storage name;
  socklen_t len = sizeof name;
  char host[64], port[8];
  if (getsockname(out->fd, (struct sockaddr *)&name, &len) != 0 ||
      getnameinfo((struct sockaddr *)&name, len, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return err_set(err, ERR_INTERNAL, "cannot read the address of the listening socket");
  }
  out->is_ipv6 = name.ss_family == AF_INET6;
  out->is_loopback = is_loopback(&name);
  (void)snprintf(out->text, sizeof out->text, out->is_ipv6 ? "[%.45s]:%s" : "%.45s:%s", host, port);
  return 0;
}

int listen_check(const char *address, struct err *err) {
  char host[256], port[8];
  return split(address, host, port, err);
}

int listen_open(const char *address, const char *option, struct listen_address *ret, struct err *err) {
  char host[256], port[8];
  int result = split(address, host, port, err);
  if (result != 0) return result;
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
  int code = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
  if (code != 0) return err_set(err, ERR_USAGE, "cannot listen on %s: %s", address, gai_strerror(code));
  struct listen_address out = {.fd = -1};
  result = open_socket(found, address, option, &out.fd, err);
  freeaddrinfo(found);
  if (result == 0) result = describe(&out, err);
  if (result != 0 && out.fd >= 0) (void)close(out.fd);
  if (result == 0) *ret = out;
  return result;
}

uint64_t listen_acknowledged(int fd) {
  struct tcp_info info = {0};
  socklen_t len = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_acked : 0;
}
