"""A server whose disk hangs stops pinging the service manager's watchdog, and pings again when the disk is back."""
import os
import socket
import threading

import pytest

from harness import Connection, SHIM, Server, event, shim_environment, wait_for

HANG_MS = 10_000
INTERVAL_USEC = 1_000_000  # a ping is due each half of it


class Pings:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.count = 0
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            self.count += self.socket.recv(4096).decode().split("\n").count("WATCHDOG=1")


@pytest.mark.skipif(not os.path.exists(SHIM), reason="the shim is built with the unit tests")
def test_no_ping_while_the_committer_hangs(tmp_path):
    work, arm, notify = tmp_path / "work", tmp_path / "arm", str(tmp_path / "notify")
    work.mkdir()
    pings = Pings(notify)
    environment = dict(shim_environment(work, SLOW=HANG_MS, ARM=arm), NOTIFY_SOCKET=notify,
                       WATCHDOG_USEC=str(INTERVAL_USEC))
    server = Server(work / "data")
    server.start((), environment)
    server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
    token = server.admin("token", "create", "--project", "org-a")["token"]
    assert wait_for(lambda: pings.count >= 2, 60)

    arm.touch()
    before = pings.count
    assert Connection(server.port, token, timeout=60).report([event("a")]) == (200, ["stored"])
    # One ping may come before the event arrives, and one for what moved since the look before. A healthy server sends
    # twenty in this time.
    assert pings.count - before <= 3
    assert "nothing has been committed" in server.said()
    after = pings.count
    assert wait_for(lambda: pings.count >= after + 2, 60)
    server.stop()
