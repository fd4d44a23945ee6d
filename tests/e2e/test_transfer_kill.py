# SPDX-License-Identifier: Apache-2.0
"""Transfers between accounts of several shards while the process is killed again and again: no
money is lost or made, every one that was asked for has one definite outcome, and nothing stays on
its way.

SLUICE_TRANSFER_KILLS times (4; `tools/check --long` more).
"""

import os
import random
import threading
import time

import demo
import network
from instance import UDP_PORT
from sluice_terminal import NoAnswer, Terminal, load_sessions
from switch import Switch, balance_sum, wait_until

KILLS = int(os.environ.get("SLUICE_TRANSFER_KILLS", "4"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
SHARDS, TERMINALS, ACCOUNTS = 3, 4, 24


class Mover(threading.Thread):
    """One terminal that moves money between all accounts, one transfer after the other."""

    def __init__(self, switch, session, seed):
        super().__init__(daemon=True)
        with switch.terminal_network():
            self.terminal = Terminal(
                (network.SWITCH_ADDRESS, UDP_PORT), session["session"], session["root"])
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.outcomes = []  # (from, to, amount, code name)
        self.failure = None

    def run(self):
        try:
            assert self.terminal.hello(timeout=60).ok
            while not self.stopping.is_set():
                self.move()
        except Exception as error:  # shown by the test
            self.failure = error

    def move(self):
        source, target = self.chance.sample(range(ACCOUNTS), 2)
        # Some to accounts that are not there: refused on the other side and taken back.
        to = demo.FIRST_ACCOUNT + target if self.chance.random() < 0.9 else 900_000_000 + target
        amount = self.chance.randint(1, 400)
        answer = self.terminal.transfer(demo.FIRST_ACCOUNT + source, to, amount, seconds=None,
                                        timeout=120)
        while answer.name == "PENDING":
            time.sleep(0.02)
            status = self.terminal.tx_status(answer.request_id, timeout=120)
            if status.fields["target_code"] != answer.code:
                answer.code = status.fields["target_code"]
        self.outcomes.append((source, to, amount, answer.name))


def test_kill_while_money_is_between_shards():
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with Switch("transfer-kill", shards=SHARDS, accounts=30_000) as switch:
        switch.begin(TERMINALS, accounts=ACCOUNTS)
        sessions = load_sessions(switch.sessions)
        movers = [Mover(switch, session, SEED + n) for n, session in enumerate(sessions)]
        with switch.terminal_network():
            reader = movers[0].terminal
        start = {}
        assert reader.hello(timeout=60).ok
        for n in range(ACCOUNTS):
            start[demo.FIRST_ACCOUNT + n] = reader.balance(demo.FIRST_ACCOUNT + n).balance
        for mover in movers:
            mover.start()
        for _ in range(KILLS):
            before = [len(mover.outcomes) for mover in movers]
            wait_until(lambda: all(len(mover.outcomes) > old + 3 or mover.failure
                                   for mover, old in zip(movers, before)), 60, "transfers")
            time.sleep(chance.uniform(0.0, 0.3))
            switch.kill()
            switch.restart()
        before = [len(mover.outcomes) for mover in movers]
        wait_until(lambda: all(len(mover.outcomes) > old + 3 or mover.failure
                               for mover, old in zip(movers, before)), 60, "transfers at the end")
        for mover in movers:
            mover.stopping.set()
        for mover in movers:
            mover.join(120)
            assert mover.failure is None, repr(mover.failure)
            assert not mover.is_alive()
        expected = dict(start)
        names = {}
        for mover in movers:
            for source, to, amount, name in mover.outcomes:
                names[name] = names.get(name, 0) + 1
                if name == "OK":
                    expected[demo.FIRST_ACCOUNT + source] -= amount
                    expected[to] += amount
        print(names)
        assert names["OK"] > 10 * KILLS and names.get("ACCOUNT_UNKNOWN", 0) > 0
        assert set(names) <= {"OK", "ACCOUNT_UNKNOWN", "FUNDS_INSUFFICIENT"}, names
        for account, balance in expected.items():
            assert reader.balance(account).balance == balance, account
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0
        assert verified["transit_open"] == 0
