"""Faults at file calls, a seeded share of them; every one: `make faults`."""
import os
import shutil
import tempfile
import time

import pytest

from faults import KINDS, STORIES, Campaign

RUNS = {"serve": 6, "recover": 2, "former": 2, "rebuild": 2, "spool": 2, "flush": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_some_faults(kind):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    directory = tempfile.mkdtemp(prefix="codecmeter-faults-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    print(f"SEED={seed} KINDS={kind}")
    campaign = Campaign(seed, STORIES, (kind,), 61, directory, limit=RUNS)
    print(campaign.summary(campaign.run()))
    assert not campaign.failures, campaign.failures
    assert sum(campaign.runs.values()) >= len(STORIES) and campaign.outcomes
    shutil.rmtree(directory)
