# SPDX-License-Identifier: Apache-2.0
"""Control's own files on a disk that fails: its database and the authority's keys, with the data
plane's beside them on the same disk.

SLUICE_CUTS power cuts (2; 100 in the long form, with PostgreSQL) while two operators work: what
they were told is done is there afterwards, under its number, once, on control and on every shard.
Then errors, no room, and a database that cannot be read.
"""

import contextlib
import json
import os
import random
import threading
import time

import demo
import pytest
from faulty import FaultyControlledSwitch
from instance import InstanceError
from switch import balance_sum, wait_until

CUTS = int(os.environ.get("SLUICE_CUTS", "4")) // 2
LONG = CUTS > 2
ROUND = 20
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
SHARDS = 2
DATABASE = "control/data.mdb"
# Where a change has its own number, so that it is known again wherever it is kept.
ACCOUNT_BASE, AMOUNT_BASE, DAILY_BASE, TIP_BASE = 51_000_000, 61_000_000, 71_000_000, 81_000_000


class Operator(threading.Thread):
    """Changes all sorts of things, each with a number of its own, and notes what was answered."""

    def __init__(self, switch, first):
        super().__init__(daemon=True)
        self.switch, self.number = switch, first
        self.stopping = threading.Event()
        self.done = {}  # number -> answer
        self.tried = []
        self.failure = None

    def verb(self, number):
        return [
            ("account", "open", ACCOUNT_BASE + number),
            ("rules", "set", f"large_amount={AMOUNT_BASE + number}"),
            ("terminal", "set", demo.FIRST_TERMINAL, "--daily-max", DAILY_BASE + number),
            ("alert", "create", "terminal", demo.FIRST_TERMINAL, f"tip {TIP_BASE + number}"),
        ][number % 4]

    def run(self):
        try:
            while not self.stopping.is_set():
                self.number += 1
                verb = self.verb(self.number)
                self.tried.append(self.number)
                ran = self.switch.control.ctl("--json", *verb, check=False)
                # 3: the power is off just now; a refusal would be a defect.
                assert ran.returncode in (0, 3), (verb, ran.stdout, ran.stderr)
                if ran.returncode == 0:
                    self.done[self.number] = json.loads(ran.stdout)
        except Exception as error:  # shown by finish()
            self.failure = error

    def finish(self):
        self.stopping.set()
        self.join(300)
        assert self.failure is None, repr(self.failure)
        assert not self.is_alive()


def scalars(value):
    """All texts and numbers in a JSON value, as texts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return " ".join(scalars(part) for part in value)
    return str(value)


def places(rows, base, numbers):
    """number -> the rows that hold base + number."""
    texts = [(row, scalars(row).replace(",", " ").split()) for row in rows]
    found = {}
    for row, words in texts:
        for word in set(words):
            if word.isdigit() and int(word) - base in numbers:
                found.setdefault(int(word) - base, []).append(row)
    return found


def check_changes(switch, operators):
    """Control has each change that was answered, under its number; none twice; one entry each."""
    control = switch.control
    commands = control.json("command", "list", "--count", 10_000)["commands"]
    committed = control.status()["control"]["commands_committed"]
    assert [row["sequence"] for row in commands] == list(range(committed, 0, -1))
    alerts = control.json("alert", "list", "--count", 10_000)["alerts"]
    tried = {number for operator in operators for number in operator.tried}
    done = {number: answer for operator in operators for number, answer in operator.done.items()}
    for kind, base in enumerate((ACCOUNT_BASE, AMOUNT_BASE, DAILY_BASE, TIP_BASE)):
        numbers = {number for number in tried if number % 4 == kind}
        rows = places(alerts if base == TIP_BASE else commands, base, numbers)
        for number in numbers:
            assert len(rows.get(number, [])) <= 1, (number, rows[number])
        for number in numbers & set(done):
            assert number in rows, f"{number} was answered {done[number]} and is lost"
            name = "alert" if base == TIP_BASE else "sequence"
            answered = done[number]["alert" if base == TIP_BASE else "command"]
            assert rows[number][0][name] == answered, (number, rows[number], done[number])
    assert control.json("audit", "verify")["ok"]
    return committed, len(done)


def check_shards(switch, committed):
    """Every shard has every command once, in order."""
    marks = [[] for _ in range(SHARDS)]
    for event in switch.events():
        if event["type"] == "COMMAND_MARK":
            marks[event["shard"]].append(event["object_id"])
    assert all(shard == list(range(1, committed + 1)) for shard in marks), [
        len(shard) for shard in marks]


def commands_over(switch):
    status = switch.control.status()["control"]
    return status["commands_done"] == status["commands_committed"]


def prepare(switch):
    switch.start_all()
    switch.control.enroll(demo.FIRST_TERMINAL)
    switch.control.wait_up()


def cut_round(cuts, seed):
    chance = random.Random(seed)
    lost, total = 0, {"cuts": 0, "seed": seed}
    with FaultyControlledSwitch("control-power", postgres=LONG, shards=SHARDS) as switch:
        prepare(switch)
        operators = []
        for cut in range(cuts):
            working = [Operator(switch, 100_000 * (2 * cut + i)) for i in range(2)]
            operators += working
            for operator in working:
                operator.start()
            wait_until(lambda working=working: all(operator.done or operator.failure
                                                   for operator in working), 60, "changes")
            time.sleep(chance.uniform(0.0, 0.4))
            said = switch.power_cut(chance.getrandbits(63))
            lost += said["writes_lost"] + said["writes_torn"] + said["names_lost"]
            for operator in working:
                operator.finish()
            starts = [switch.start, switch.control.start]
            chance.shuffle(starts)
            for start in starts:
                start()
            switch.control.wait_up()
            wait_until(lambda: commands_over(switch), 60, "all commands")
            committed, done = check_changes(switch, operators)
            check_shards(switch, committed)
            total["cuts"] += 1
        # The authority is the same: what it signed before all cuts is still good.
        assert switch.control.json("ca", "show")["state"] != "none"
        if switch.postgres is not None:
            wait_until(lambda: switch.control.json("replication", "status")["lag_events"] == 0, 60,
                       "PostgreSQL catching up")
            verdict = switch.control.json("replication", "verify", timeout=300)
            assert verdict["ok"], verdict
        assert switch.control.stop() == 0
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0, verified
    print({**total, "commands": committed, "answered": done, "lost_by_the_disk": lost})
    return lost


def test_power_cuts_lose_no_change_that_was_answered():
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    left, number, lost = CUTS, 0, 0
    while left > 0:
        lost += cut_round(min(left, ROUND), SEED + number)
        left, number = left - min(left, ROUND), number + 1
    # The test itself must have had something to lose.
    assert lost > 0


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with FaultyControlledSwitch("control-fails", shards=SHARDS) as switch:
        prepare(switch)
        yield switch


def change(switch, number):
    return switch.control.ctl("rules", "set", f"large_amount={AMOUNT_BASE + number}", check=False)


def problems(switch):
    return " ".join(json.loads(switch.control.ctl(
        "--json", "status", "--health", check=False).stdout)["health"]["problems"])


def test_no_room_is_said_and_control_goes_on_when_there_is(switch):
    faults, last = switch.disk_faults, switch.control.status()["control"]["commands_committed"]
    faults.fault(DATABASE, "write", "enospc")
    for _ in range(2):
        ran = change(switch, 1)
        assert ran.returncode == 3 and "disk is full: nothing was changed" in ran.stderr, ran
    assert "could not be written" in problems(switch)
    assert switch.control.status()["control"]["commands_committed"] == last
    faults.ask("clear")
    assert change(switch, 2).returncode == 0
    wait_until(lambda: "could not be written" not in problems(switch), 60, "health")
    assert switch.control.status()["control"]["commands_committed"] == last + 1
    assert commands_over(switch)


def test_a_sync_that_fails_changes_nothing_and_control_goes_on(switch):
    last = switch.control.status()["control"]["commands_committed"]
    switch.disk_faults.fault(DATABASE, "sync", "eio", count=1)
    ran = change(switch, 3)
    switch.disk_faults.ask("clear")
    if ran.returncode != 0:  # else it was the write of another thread
        assert ran.returncode == 3 and "look whether it is" in ran.stderr, ran
        assert switch.control.status()["control"]["commands_committed"] == last
    assert change(switch, 4).returncode == 0


def test_a_head_that_cannot_be_written_ends_control_in_order(switch):
    control, before = switch.control, switch.control.status()["control"]["commands_committed"]
    process, number = control.process, 10
    while process.poll() is None:
        # The second sync of a commit is that of LMDB's head, unless another thread's comes first.
        switch.disk_faults.fault(DATABASE, "sync", "eio", skip=1, count=1)
        number += 1
        before += change(switch, number).returncode == 0
        with contextlib.suppress(AssertionError):
            wait_until(lambda: process.poll() is not None, 1, "control's end")
        switch.disk_faults.ask("clear")
        assert number < 30, "control did not end"
    assert process.returncode == 3
    with open(control.log, encoding="utf-8") as stream:
        words = stream.read()
    assert "Mend the disk" in words and "then start control again" in words
    control.process = None
    control.start()
    control.wait_up()
    # The last one may be there: nobody was told of it.
    assert control.status()["control"]["commands_committed"] in (before, before + 1)
    assert change(switch, 5).returncode == 0
    assert control.json("audit", "verify")["ok"]


@pytest.mark.parametrize("skip", [0, 2])
def test_a_database_that_cannot_be_read_ends_the_start_with_words(switch, skip):
    """Its head by a read; behind it pages that are mapped: a SIGBUS."""
    control, before = switch.control, switch.control.status()["control"]["commands_committed"]
    control.kill()
    switch.kill()
    switch.disk_faults.power_on()  # the kernel forgets what it has read
    switch.disk_faults.fault(DATABASE, "read", "eio", skip=skip)
    with pytest.raises(InstanceError) as refused:
        control.start()
    words = str(refused.value)
    assert "cannot be opened: Input/output error" in words or "SIGBUS" in words, words
    switch.disk_faults.ask("clear")
    switch.disk_faults.power_on()
    switch.start()
    control.start()
    control.wait_up()
    assert control.status()["control"]["commands_committed"] == before
    assert change(switch, 6 + skip).returncode == 0
