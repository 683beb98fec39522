/* TCP does not say whether a peer that has sent its FIN has closed its socket, or only shut down one side. Only the answer to
 * something that we send says so. */
#include "http/peer.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ASK_AFTER_S 5 /* without traffic; then every so many seconds */
#define ASK_TIMES 3   /* without an answer: the peer is gone */

enum peer peer_look(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLRDHUP};
  if (poll(&look, 1, 0) <= 0) return PEER_THERE;
  if ((look.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return PEER_GONE;
  return (look.revents & POLLRDHUP) != 0 ? PEER_ENDED : PEER_THERE;
}

void peer_ask_kernel(int fd) {
  int on = 1, after = ASK_AFTER_S, times = ASK_TIMES;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &after, sizeof after);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* While an earlier answer is on its way, that one asks. Behind it the socket might take only a part of the interim answer. */
bool peer_ask(int fd) {
  static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
  int left = 0;
  if (ioctl(fd, SIOCOUTQ, &left) != 0 || left > 0) return false;
  return send(fd, interim, sizeof interim - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}
