# SPDX-License-Identifier: Apache-2.0
"""Everything dies, in random order, under load and while an operator works.

Control is killed and restarted, the data plane is killed and restarted, PostgreSQL is stopped and
started: SLUICE_CHAOS times each (3; 20 in the long form). Nobody helps the terminals. At the end
nothing acknowledged is lost, every command was done once on every shard, PostgreSQL has every event
once, and TLS handshakes were made only by terminals whose keys had died with control.
"""

import collections
import json
import os
import random
import signal
import threading
import time

import demo
from controlled import ControlledSwitch
from instance import InstanceError
from switch import balance_sum, wait_until

TIMES = int(os.environ.get("SLUICE_CHAOS", "3"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
SHARDS, TERMINALS, RATE = 2, 4, 200
# Where no handshake is due, however long the machine takes for a start.
PATIENT = ("--silence", 300, "--spread", 1)


class Operator(threading.Thread):
    """Changes odds, states and accounts all the time, and notes what was reported done."""

    def __init__(self, switch, seed):
        super().__init__()
        self.switch, self.chance = switch, random.Random(seed)
        self.stopped = threading.Event()
        self.done, self.unreachable = [], 0
        self.failure = None

    def run(self):
        try:
            self.work()
        except Exception as error:  # shown by finish()
            self.failure = error

    def work(self):
        while not self.stopped.is_set():
            market = 10 * self.chance.randint(1, 300) + 1
            verb = self.chance.choice([
                ("market", "suspend", market), ("market", "open", market),
                ("odds", "set", market, "1.85", "3.4", f"{self.chance.randint(2, 9)}.25"),
                ("account", "freeze", 5000), ("account", "unfreeze", 5000),
                ("rules", "set", f"large_amount={self.chance.randint(500_000, 900_000)}")])
            ran = self.switch.control.ctl("--json", *verb, "--wait-ms", 3000, check=False)
            # 3: control or the data plane is dead just now; a refusal would be a defect.
            assert ran.returncode in (0, 3), (verb, ran.stdout, ran.stderr)
            if ran.returncode == 3:
                self.unreachable += 1
            elif json.loads(ran.stdout).get("command"):
                self.done.append(json.loads(ran.stdout)["command"])
            time.sleep(0.02)

    def finish(self):
        self.stopped.set()
        self.join()
        assert self.failure is None, repr(self.failure)


class Chaos:
    """The three ways to kill, and what each must cost in TLS handshakes."""

    def __init__(self, switch, chance):
        self.switch, self.chance = switch, chance
        self.keyless = False  # control died since the sessions were made
        self.handshakes_allowed = TERMINALS
        self.counts = collections.Counter()

    def control(self):
        self.switch.control.kill()
        time.sleep(self.chance.uniform(0.0, 0.3))
        self.switch.control.start()
        self.keyless = True

    def dataplane(self):
        self.switch.kill()
        time.sleep(self.chance.uniform(0.0, 0.3))
        self.switch.start()
        if self.keyless:
            # The roots died with control, so each terminal needs one new handshake. One that was
            # in the middle of it when the next thing died needs another.
            self.handshakes_allowed += 2 * TERMINALS
            self.keyless = False

    def postgres(self):
        server = self.switch.postgres
        (server.kill if self.chance.random() < 0.5 else server.stop)()
        time.sleep(self.chance.uniform(0.0, 0.5))
        server.start()

    def act(self, name):
        self.counts[name] += 1
        getattr(self, name)()


def acks_size(started):
    return [os.path.getsize(files["acks"]) if os.path.exists(files["acks"]) else 0
            for _, files in started]


def wait_for_answers(started, seconds=300):
    before = acks_size(started)
    wait_until(lambda: all(now > then for now, then in zip(acks_size(started), before)), seconds,
               "terminals going on by themselves")


def begin_load(switch, *options):
    started = demo.start_terminals(
        switch.control, TERMINALS, accounts=120, bets=10_000_000, rate=RATE, seed=SEED % 2**31,
        options=options)
    wait_until(lambda: all(acks_size(started)), 300, "first answers")
    return started


def end_load(started):
    """The terminals settle what is under way and report."""
    for process, _ in started:
        process.send_signal(signal.SIGTERM)
    for process, _ in started:
        process.wait(300)
    reports = []
    for _, files in started:
        with open(files["report"], encoding="utf-8") as stream:
            reports.append(json.load(stream))
    return reports


def check_commands(switch, operator, events):
    """Each number once on each shard, none left out, and all that was reported done is there."""
    committed = switch.control.status()["control"]["commands_committed"]
    listed = switch.control.json("command", "list", "--count", 10_000)["commands"]
    assert [entry["sequence"] for entry in listed] == list(range(committed, 0, -1))
    assert {entry["state"] for entry in listed} == {"done"}, collections.Counter(
        entry["state"] for entry in listed)
    assert set(operator.done) <= set(range(1, committed + 1))
    for shard in range(SHARDS):
        marks = [event["object_id"] for event in events
                 if event["shard"] == shard and event["type"] == "COMMAND_MARK"]
        assert marks == list(range(1, committed + 1)), f"shard {shard}: {len(marks)} marks"
    return committed


def check_handshakes(switch, chaos, reports):
    made = sum(report["tls_handshakes"] for report in reports)
    assert TERMINALS <= made <= chaos.handshakes_allowed, (made, chaos.handshakes_allowed)
    return made


def check_markets(switch):
    """Control's markets and the shards' are the same."""
    for market in (11, 21, 31, 1511, 3001):
        shown = switch.control.json("market", "show", market)
        assert shown["version"] == shown["switch"]["version"], shown
        assert [row["odds"] for row in shown["selections"]] == shown["switch"]["odds"]


def settle_replication(switch):
    wait_until(lambda: switch.control.json("replication", "status")["lag_events"] == 0, 600,
               "PostgreSQL catching up")
    verdict = switch.control.json("replication", "verify", timeout=300)
    assert verdict["ok"], verdict
    assert verdict["missing"] == verdict["doubled"] == verdict["sum_difference"] == 0
    return verdict


def test_everything_dies_in_random_order_and_nothing_is_lost():
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with ControlledSwitch("chaos", postgres=True, shards=SHARDS, accounts=30_000) as switch:
        switch.begin(TERMINALS, accounts=120)
        switch.control.ctl("account", "open", 5000)
        started = begin_load(switch)
        operator, chaos = Operator(switch, SEED), Chaos(switch, chance)
        operator.start()
        actions = ["control", "dataplane", "postgres"] * TIMES
        chance.shuffle(actions)
        try:
            for action in actions:
                # Sometimes the next one dies before the last is back.
                if chance.random() < 0.7:
                    wait_for_answers(started)
                time.sleep(chance.uniform(0.0, 0.5))
                chaos.act(action)
                assert all(process.poll() is None for process, _ in started), "a terminal gave up"
            wait_for_answers(started)
        finally:
            operator.finish()
            reports = end_load(started)
        switch.control.wait_up()
        wait_until(lambda: switch.control.status()["control"]["commands_done"] ==
                   switch.control.status()["control"]["commands_committed"], 300, "all commands")
        check_markets(switch)
        verdict = settle_replication(switch)
        assert switch.control.json("audit", "verify")["ok"]
        events = switch.events()
        committed = check_commands(switch, operator, events)
        handshakes = check_handshakes(switch, chaos, reports)
        assert switch.control.stop() == 0
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0
        acks = [ack for _, files in started for ack in demo.acknowledged(files["acks"])]
        problems = demo.compare(acks, switch.events())
        assert not problems, problems[:5]
        assert sum(report["unanswered"] for report in reports) == 0
        print(f"{dict(chaos.counts)}; {len(acks)} acknowledged, {committed} commands "
              f"({operator.unreachable} tries while something was dead), {verdict['rows']} rows in "
              f"PostgreSQL, {handshakes} TLS handshakes of {TERMINALS} terminals, at most "
              f"{chaos.handshakes_allowed} expected, "
              f"{sum(report['resets'] for report in reports)} re-keyed by RESET")


def test_a_data_plane_restart_alone_costs_no_handshake():
    with ControlledSwitch("rekey", shards=1) as switch:
        switch.begin(TERMINALS)
        started = begin_load(switch, *PATIENT)
        try:
            for _ in range(3):
                wait_for_answers(started)
                switch.kill()
                switch.start()
            wait_for_answers(started)
        finally:
            reports = end_load(started)
        assert sum(report["tls_handshakes"] for report in reports) == TERMINALS
        assert switch.control.status()["keys"]["handshakes"] == TERMINALS
        assert all(report["resets"] >= 3 for report in reports), reports


def test_the_data_plane_goes_on_without_control():
    with ControlledSwitch("alone", shards=1) as switch:
        switch.begin(TERMINALS)
        started = begin_load(switch, *PATIENT)
        try:
            switch.control.kill()
            for _ in range(3):
                wait_for_answers(started)
            try:
                switch.control.status()
                raise AssertionError("a dead control answered")
            except InstanceError as error:
                assert error.status == 3
        finally:
            reports = end_load(started)
        assert sum(report["tls_handshakes"] for report in reports) == TERMINALS
