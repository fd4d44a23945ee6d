# SPDX-License-Identifier: Apache-2.0
"""Power cuts: the disk loses and tears what was not synced, everything else dies at once.

SLUICE_CUTS times (4), half of them with one worker, half with three and transfers between them;
more than that is the long form, in rounds of 20 on fresh switches. After each cut everything that
was acknowledged before it is there, once; after each round sluice-db verify, sums, state hashes.
"""

import os
import random
import time

import pytest
from faulty import FaultySwitch
from instance import InstanceError
from killing import Load, begin, conclude, paused, restart, wait_unpaused

SHORT, ROUND, MORE = 4, 20, 10
CUTS = int(os.environ.get("SLUICE_CUTS", str(SHORT)))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
RATE = 300


def has_lost(total):
    return total.get("writes_lost", 0) + total.get("writes_torn", 0) > 0


def cut_round(shards, cuts, seed):
    """Some more cuts where chance has kept all writes under way: of five, one time in thirty."""
    chance = random.Random(seed)
    terminals, movers = (3, 0) if shards == 1 else (2 * shards, 2)
    total = {}
    with FaultySwitch(f"power{shards}", shards=shards, accounts=30_000) as switch:
        begin(switch, terminals, movers)
        with Load(switch, terminals, movers, RATE, seed) as load:
            while total.get("cuts", 0) < cuts + (0 if has_lost(total) else MORE) and \
                    not (total and paused()):
                load.wait_for_answers()
                time.sleep(chance.uniform(0.0, 0.5))
                lost = switch.power_cut(chance.getrandbits(63))
                load.witness.check()
                load.witness.collect()
                restart(switch, chance)
                del lost["ok"]
                for name, count in {"cuts": 1, **lost}.items():
                    total[name] = total.get(name, 0) + count
            done = conclude(load)
    print({"shards": shards, "seed": seed, **done, **total})
    return total


@pytest.mark.parametrize("shards", [1, 3])
def test_power_cuts_lose_nothing_acknowledged(shards):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    left, number, total = CUTS // 2, 0, {}
    while left > 0:
        wait_unpaused()
        part = cut_round(shards, min(left, ROUND), SEED + number)
        total = {name: total.get(name, 0) + count for name, count in part.items()}
        left, number = left - part["cuts"], number + 1
    # The test itself must have had something to lose.
    assert has_lost(total), total


def test_a_disk_that_lies_about_syncs_is_found_out():
    """So the tests above can fail: with syncs that do nothing something acknowledged is missing,
    and either recovery refuses because of it, or the witness misses it."""
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with FaultySwitch("lies") as switch:
        begin(switch, 3, 0)
        with Load(switch, 3, 0, RATE, SEED) as load:
            switch.disk_faults.fault("shard-0/journal/*", "sync", "lie")
            for _ in range(10):
                load.wait_for_answers()
            switch.power_cut(chance.getrandbits(63))
            load.witness.collect()
            try:
                switch.restart()
                load.witness.check()
            except InstanceError as error:
                assert "journal recovery refused" in str(error), error
            except AssertionError as error:
                assert "is lost" in str(error), error
            else:
                raise AssertionError("nothing was lost by a disk that lies")
