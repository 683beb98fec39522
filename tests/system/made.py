"""The media of ../data/media, made once for all processes of a session of tests."""
import fcntl
import os
import pathlib
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "media"))

import corpus  # noqa: E402


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The corpus's directory. Tests change nothing in it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory = pathlib.Path(base, "corpus").resolve()
    with open(base / "corpus.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "corpus.made").exists():
            corpus.make(directory)
            (base / "corpus.made").touch()
    return directory
