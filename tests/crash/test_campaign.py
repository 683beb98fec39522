"""The campaign of kills, shortened; in full: `make crash`."""
import os
import time

from campaign import Campaign


def test_kills_at_every_phase(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    rounds = int(os.environ.get("ROUNDS", 10))
    print(f"SEED={seed} ROUNDS={rounds}")
    campaign = Campaign(seed, rounds, str(tmp_path))
    try:
        print(campaign.summary(campaign.run()))
    finally:
        if campaign.server.is_running():
            campaign.server.kill()
    assert sum(campaign.hits.values()) == rounds and campaign.hits["commit"] + campaign.hits["checkpoint"] > 0
