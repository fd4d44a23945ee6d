# SPDX-License-Identifier: Apache-2.0
"""Transfers between accounts of several shards while the process is killed again and again: no
money is lost or made, every one that was asked for has one definite outcome, and nothing stays on
its way.

SLUICE_TRANSFER_KILLS times (4; `tools/check --long` more).
"""

import os
import random
import time

import demo
from killing import Mover, check_transfers, wait_for_transfers
from sluice_terminal import load_sessions
from switch import Switch, balance_sum

KILLS = int(os.environ.get("SLUICE_TRANSFER_KILLS", "4"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
SHARDS, TERMINALS, ACCOUNTS = 3, 4, 24


def test_kill_while_money_is_between_shards():
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with Switch("transfer-kill", shards=SHARDS, accounts=30_000) as switch:
        switch.begin(TERMINALS, accounts=ACCOUNTS)
        sessions = load_sessions(switch.sessions)
        movers = [Mover(switch, session, SEED + n, demo.FIRST_ACCOUNT, ACCOUNTS)
                  for n, session in enumerate(sessions)]
        reader = movers[0].terminal
        start = {}
        assert reader.hello(timeout=60).ok
        for n in range(ACCOUNTS):
            start[demo.FIRST_ACCOUNT + n] = reader.balance(demo.FIRST_ACCOUNT + n).balance
        for mover in movers:
            mover.start()
        for _ in range(KILLS):
            wait_for_transfers(movers)
            time.sleep(chance.uniform(0.0, 0.3))
            switch.kill()
            switch.restart()
        wait_for_transfers(movers)
        for mover in movers:
            mover.finish()
        names = check_transfers(movers, start)
        print(names)
        assert names["OK"] > 10 * KILLS and names.get("ACCOUNT_UNKNOWN", 0) > 0
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0
        assert verified["transit_open"] == 0
