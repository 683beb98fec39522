/* A socket's address holds at most 107 bytes of path. So the directory is reached through its open descriptor, and a
 * path of any length works. One thread serves one request after another: administration is rare, and the thread drops
 * a slow peer after a few seconds.
 */
#include "server/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/wait.h"

#define PEER_TIMEOUT_MS 2000 /* for the line of a request, which a command sends at once */
#define SEND_TIMEOUT_S 2
#define ACCEPT_PAUSE_MS 200     /* before another try when descriptors or memory are short */
#define REPLY_TIMEOUT_MS 600000 /* the server may still be in a long recovery */

struct control {
  int dir_fd, listen_fd;
  int stop_pipe[2];
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  const struct admin *admin; /* NULL until ready */
  bool stopping;
};

static struct sockaddr_un address_in(int dir_fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control.sock", dir_fd);
  return address;
}

static void set_timeout(int fd, int seconds) {
  struct timeval timeout = {.tv_sec = seconds};
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

/* ---- lines ---- */

static bool send_all(int fd, struct str text) {
  while (text.len > 0) {
    ssize_t sent = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text = str_make(text.ptr + sent, text.len - (size_t)sent);
  }
  return true;
}

/* Waits until fd can be read. False when the time is up, or when stop_fd (or -1 for none) can be read. */
static bool wait_readable(int fd, int stop_fd, int64_t until_ms) {
  for (;;) {
    int64_t left_ms = until_ms - clock_monotonic_ms(clock_system());
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    if (left_ms <= 0) return false;
    int count = poll(fds, 2, (int)left_ms);
    if (count < 0 && errno == EINTR) continue;
    return count > 0 && fds[1].revents == 0;
  }
}

/* Reads up to a newline and cuts it off; JSON_PADDING bytes follow the line. False for more than len_max bytes. */
static bool read_line(int fd, int stop_fd, int64_t timeout_ms, size_t len_max, struct buf *line) {
  char piece[65536];
  int64_t until_ms = clock_monotonic_ms(clock_system()) + timeout_ms;
  for (;;) {
    if (!wait_readable(fd, stop_fd, until_ms)) return false;
    ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || line->len + (size_t)got > len_max) return false;
    buf_append(line, piece, (size_t)got);
    if (line->failed) return false;
    if (piece[got - 1] != '\n') continue;
    char *padding = buf_extend(line, JSON_PADDING);
    if (padding == NULL) return false;
    memset(padding, 0, JSON_PADDING);
    line->len -= JSON_PADDING + 1;
    return true;
  }
}

/* ---- the server's side ---- */

static bool is_trusted(int fd) {
  struct ucred peer;
  socklen_t len = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

/* Waits until the ledger is ready; NULL when the server stops first. */
static const struct admin *wait_ready(struct control *control) {
  lock_take(&control->lock);
  while (control->admin == NULL && !control->stopping)
    wait_on(&control->wake, &control->lock);
  const struct admin *admin = control->stopping ? NULL : control->admin;
  lock_give(&control->lock);
  return admin;
}

static void serve_peer(struct control *control, int fd) {
  SCOPED(buf_fini) struct buf request = {0};
  SCOPED(buf_fini) struct buf reply = {0};
  set_timeout(fd, SEND_TIMEOUT_S);
  if (!is_trusted(fd)) {
    diag_warning(
        "control socket: refused a connection of another user; only the server's own user and root may connect");
    return;
  }
  if (!read_line(fd, control->stop_pipe[0], PEER_TIMEOUT_MS, ADMIN_REQUEST_MAX, &request)) return;
  const struct admin *admin = wait_ready(control);
  struct err stopping = {.code = ERR_STOPPING, .text = "the server is stopping; try again"};
  if (admin != NULL)
    admin_execute(admin, buf_view(&request), &reply);
  else
    admin_reply_error(&stopping, &reply);
  buf_char(&reply, '\n');
  if (!send_all(fd, buf_view(&reply)))
    diag_warning("control socket: a command closed its connection before its answer");
  bytes_wipe(request.ptr, request.len);
  bytes_wipe(reply.ptr, reply.len);
}

/* Waits ACCEPT_PAUSE_MS, or until the server stops. */
static void pause_accepting(struct control *control) {
  struct pollfd stop = {.fd = control->stop_pipe[0], .events = POLLIN};
  (void)poll(&stop, 1, ACCEPT_PAUSE_MS);
}

/* During a shortage of descriptors or memory the connection stays in the queue, and the socket stays readable. */
static void *control_main(void *arg) {
  struct control *control = arg;
  for (;;) {
    struct pollfd fds[2] = {{.fd = control->listen_fd, .events = POLLIN},
                            {.fd = control->stop_pipe[0], .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (fds[1].revents != 0) break;
    if ((fds[0].revents & POLLIN) == 0) continue;
    SCOPED_FD int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
      serve_peer(control, fd);
    else if (errno != EINTR && errno != ECONNABORTED)
      pause_accepting(control);
  }
  return NULL;
}

static int listen_in(int dir_fd, int *ret, struct err *err) {
  struct sockaddr_un address = address_in(dir_fd);
  (void)unlinkat(dir_fd, "control.sock", 0); /* it is a dead server's, because this process holds the lock */
  SCOPED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return err_set_errno(err, ERR_INTERNAL, errno,
                         "cannot create the control socket control.sock in the data directory");
  mode_t before = umask(0177);
  int code = bind(fd, (const struct sockaddr *)&address, sizeof address);
  int saved = errno;
  (void)umask(before);
  if (code != 0 || listen(fd, 64) != 0) {
    return err_set_errno(err, ERR_IO, code != 0 ? saved : errno,
                         "cannot create the control socket control.sock in the data directory");
  }
  *ret = fd;
  fd = -1;
  return 0;
}

int control_start(const struct datadir *dir, struct control **ret, struct err *err) {
  struct control *control = calloc(1, sizeof *control);
  CHECK(control != NULL);
  lock_init(&control->lock);
  wait_init(&control->wake);
  control->dir_fd = dir->dir_fd;
  int result = listen_in(dir->dir_fd, &control->listen_fd, err);
  if (result != 0) {
    free(control);
    return result;
  }
  CHECK(pipe(control->stop_pipe) == 0);
  CHECK(pthread_create(&control->thread, NULL, control_main, control) == 0);
  *ret = control;
  return 0;
}

void control_ready(struct control *control, const struct admin *admin) {
  lock_take(&control->lock);
  control->admin = admin;
  wait_wake_all(&control->wake);
  lock_give(&control->lock);
}

void control_stop(struct control *control) {
  if (control == NULL) return;
  lock_take(&control->lock);
  control->stopping = true;
  wait_wake_all(&control->wake);
  lock_give(&control->lock);
  (void)close(control->stop_pipe[1]);
  (void)pthread_join(control->thread, NULL);
  (void)close(control->stop_pipe[0]);
  (void)close(control->listen_fd);
  (void)unlinkat(control->dir_fd, "control.sock", 0);
  free(control);
}

/* ---- the command's side ---- */

int control_ask(const struct datadir *dir, struct str request, struct buf *reply, struct err *err) {
  struct sockaddr_un address = address_in(dir->dir_fd);
  SCOPED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot create a socket");
  set_timeout(fd, SEND_TIMEOUT_S);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      return err_set(err, ERR_NOT_FOUND, "no server runs on the data directory %s", dir->path);
    return err_set_errno(err, ERR_DENIED, errno, "cannot reach the server of %s", dir->path);
  }
  if (!send_all(fd, request) || !send_all(fd, STR("\n")) || !read_line(fd, -1, REPLY_TIMEOUT_MS, SIZE_MAX, reply)) {
    return err_set(
        err, ERR_REMOTE,
        "the server of %s stopped before it answered: check with `list` whether the change was made, then try again",
        dir->path);
  }
  return 0;
}
