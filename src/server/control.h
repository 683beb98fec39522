/* The control socket: administrative commands speak to a running server over DATA/control.sock. Source: design §7.
 *
 * A connection carries one request: a line of JSON each way (admin/admin.h). The socket is 0600 in a directory 0700,
 * and the peer must be the server's own user or root. The socket exists before the ledger is recovered; requests wait
 * until the server is ready.
 */
#ifndef CODECMETER_SERVER_CONTROL_H
#define CODECMETER_SERVER_CONTROL_H

#include "admin/admin.h"
#include "base/bytes.h"
#include "server/datadir.h"

struct control;

/* The server's side. The directory's lock is held. */
MUST_USE int control_start(const struct datadir *dir, struct control **ret, struct err *err);
/* Starts to carry out requests. Borrows admin until control_stop. */
void control_ready(struct control *control, const struct admin *admin);
/* Finishes the request under way, refuses those that wait, removes the socket, frees. */
void control_stop(struct control *control);

/* The command's side: sends a request (without its newline) and appends the reply. -ERR_NOT_FOUND when no server
 * listens. */
MUST_USE int control_ask(const struct datadir *dir, struct str request, struct buf *reply, struct err *err);

#endif
