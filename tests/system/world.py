"""The world in which the tests run what they start: the same on every machine, whoever runs them and from where.

Importing this sets it for this process and for what it starts.
"""
import locale
import os
import signal

# A shell that runs the tests in the background has them ignore SIGINT, nohup SIGHUP, and what they start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Files that the tests make for another user are readable to that user.
os.umask(0o022)

# Texts are UTF-8, messages English, and local times those of no particular place.
os.environ.update(LC_ALL="C.UTF-8", TZ="UTC")
locale.setlocale(locale.LC_ALL, "C.UTF-8")

# A client.env that was sourced, a proxy for the web, a narrow terminal: none of them is ours.
for name in list(os.environ):
    if name.startswith(("CODECMETER_", "XDG_")) or name.lower().endswith("_proxy") or name in ("COLUMNS", "LINES", "NOTIFY_SOCKET"):
        del os.environ[name]
