# SPDX-License-Identifier: Apache-2.0
"""`sluice-db verify` while the switch works: shards are read one after the other, and money moves
between them meanwhile. Nothing of that may look like damage.
"""

import os
import time

import pytest

import demo
from sluice_terminal import load_sessions
from switch import Switch, wait_until
from test_links import re_shard
from test_transfer_kill import ACCOUNTS, SEED, SHARDS, TERMINALS, Mover

RUNS = int(os.environ.get("SLUICE_VERIFY_RUNS", "20"))


@pytest.mark.parametrize("before", [SHARDS, 1])
def test_verify_finds_nothing_wrong_with_a_running_switch(before):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    with Switch(f"verify-live-{before}", shards=before, accounts=30_000) as switch:
        switch.begin(TERMINALS, accounts=ACCOUNTS)
        if before != SHARDS:
            re_shard(switch, SHARDS)  # no log goes back to the first event
        sessions = load_sessions(switch.sessions)
        movers = [Mover(switch, session, SEED + n, demo.FIRST_ACCOUNT, ACCOUNTS)
                  for n, session in enumerate(sessions)]
        for mover in movers:
            mover.start()
        wait_until(lambda: all(mover.outcomes or mover.failure for mover in movers), 60,
                   "transfers")
        under_way = events = runs = 0
        until = time.monotonic() + 300
        # On, until one of them has met a transfer on its way: where it looks is chance.
        while runs < RUNS or (under_way == 0 and time.monotonic() < until):
            runs += 1
            # Until one of them has begun another transfer since, and has its answer.
            answered = sum(len(mover.outcomes) for mover in movers) + len(movers)
            wait_until(lambda least=answered: sum(len(mover.outcomes) for mover in movers) > least
                       or any(mover.failure for mover in movers), 300, "transfers")
            verified = switch.verify()
            assert verified["ok"], verified["first_damage"]
            assert all(total == 0 for total in verified["balance_sum"].values())
            assert verified["events"] > events, "nothing happened meanwhile"
            events = verified["events"]
            under_way += verified["transit_open"]
        print(f"{events} events, {under_way} transfers under way in {runs} runs")
        assert under_way > 0
        for mover in movers:
            mover.stopping.set()
        for mover in movers:
            mover.join(600)
            assert mover.failure is None, repr(mover.failure)
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and verified["transit_open"] == 0, verified
