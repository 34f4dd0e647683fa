"""A power cut (kill -9 of the server and all runners) at random moments of launches, registrations, deletions, changes of
aliases and keys: what was acknowledged is there afterwards, nothing else is there by half, and the server starts each time.

GANTRY_POWER_CUTS says how many; 6 in the daily run, 100 in `make test-long`."""
import os
import pathlib
import random
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]
from chaos.powercut import World, round_of  # noqa: E402
from harness import Server  # noqa: E402

ROUNDS = int(os.environ.get("GANTRY_POWER_CUTS", "6"))
SEED = int(os.environ.get("GANTRY_CHAOS_SEED", "7"))


class Keyed(Server):
    """Asks for a key, so that the keys that are made matter."""
    headers = {"Authorization": "Bearer the-administrator-of-the-power-cuts"}


def test_what_was_acknowledged_outlives_power_cuts():
    dice, begin = random.Random(SEED), time.monotonic()
    with Keyed("--set", "auth.mode=on", GANTRY_AUTH_ADMIN_KEY="the-administrator-of-the-power-cuts") as server:
        world = World(server)
        for _ in range(ROUNDS):
            round_of(world, dice, workers=4, seconds=0.8)
        world.check_keys()
        print(f"\n{ROUNDS} cuts in {time.monotonic() - begin:.0f} s, {world.acknowledged} acknowledged changes,"
              f" {len(world.sure)} things there at the end")
        assert world.acknowledged >= ROUNDS


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-x", "-q", "-s"]))
