# SPDX-License-Identifier: Apache-2.0
"""Load on a switch that dies again and again, and witnesses of what was promised before each death.

A round: a fresh switch, terminals that bet, movers that transfer money between shards, and a way to
die, again and again. After each death every acknowledgement given before it must be in the log;
at the end the whole log is derived again and compared with all that was ever acknowledged.
"""

import contextlib
import dataclasses
import json
import os
import random
import signal
import threading
import time

import demo
import network
from instance import UDP_PORT, InstanceError
from sluice_terminal import Terminal, load_sessions
from switch import balance_sum, wait_until

BETTING_ACCOUNTS, MOVING_ACCOUNTS = 120, 24
MOVING_FIRST = demo.FIRST_ACCOUNT + BETTING_ACCOUNTS
ANSWERS_SECONDS = 300
PAUSE = os.environ.get("SLUICE_PAUSE", "")


def paused():
    """Long forms begin no new death while the file named by SLUICE_PAUSE exists."""
    return bool(PAUSE) and os.path.exists(PAUSE)


def wait_unpaused():
    while paused():
        time.sleep(1)


class Mover(threading.Thread):
    """One terminal that moves money between accounts of all shards, one transfer after the other.

    Some go to accounts that are not there: refused on the other side and taken back.
    """

    def __init__(self, switch, session, seed, first=MOVING_FIRST, count=MOVING_ACCOUNTS):
        super().__init__(daemon=True)
        with switch.terminal_network():
            self.terminal = Terminal(
                (network.SWITCH_ADDRESS, UDP_PORT), session["session"], session["root"])
        self.chance = random.Random(seed)
        self.first, self.count = first, count
        self.stopping = threading.Event()
        self.outcomes = []  # (from, to, amount, code name)
        self.failure = None

    def run(self):
        try:
            assert self.terminal.hello(timeout=60).ok
            while not self.stopping.is_set():
                self.move()
        except Exception as error:  # shown by finish()
            self.failure = error

    def move(self):
        source, target = self.chance.sample(range(self.count), 2)
        to = self.first + target if self.chance.random() < 0.9 else 900_000_000 + target
        amount = self.chance.randint(1, 400)
        answer = self.terminal.transfer(self.first + source, to, amount, seconds=None, timeout=900)
        while answer.name == "PENDING":
            time.sleep(0.02)
            status = self.terminal.tx_status(answer.request_id, timeout=900)
            if status.fields["target_code"] != answer.code:
                answer.code = status.fields["target_code"]
        self.outcomes.append((self.first + source, to, amount, answer.name))

    def finish(self):
        self.stopping.set()
        self.join(600)
        assert self.failure is None, repr(self.failure)
        assert not self.is_alive()


def wait_for_transfers(movers, more=3):
    before = [len(mover.outcomes) for mover in movers]
    wait_until(lambda: all(len(mover.outcomes) > old + more or mover.failure
                           for mover, old in zip(movers, before)), ANSWERS_SECONDS, "transfers")


def check_transfers(movers, opening):
    """What every account must hold by its outcomes is what the switch answers. Returns a count of
    outcomes by name."""
    expected, names = dict(opening), {}
    for mover in movers:
        for source, to, amount, name in mover.outcomes:
            names[name] = names.get(name, 0) + 1
            if name == "OK":
                expected[source] -= amount
                expected[to] += amount
    assert set(names) <= {"OK", "ACCOUNT_UNKNOWN", "FUNDS_INSUFFICIENT"}, names
    reader = movers[0].terminal
    for account, balance in expected.items():
        assert reader.balance(account).balance == balance, account
    return names


def acks_size(started):
    return [os.path.getsize(files["acks"]) if os.path.exists(files["acks"]) else 0
            for _, files in started]


def grown(started, before):
    """True when every terminal has seen answers since `before`."""
    return all(now > then for now, then in zip(acks_size(started), before))


def wait_for_answers(started, seconds=ANSWERS_SECONDS):
    before = acks_size(started)
    wait_until(lambda: grown(started, before), seconds, "terminals going on by themselves")


@dataclasses.dataclass
class State:
    events: int
    hash_sum: int  # modulo 2^64, as sluice-db verify adds the shards


def settled(switch, seconds=60):
    """The state once nothing is in flight and the follower has caught up with no difference.

    A shard reports its hash from its first batch after a start on, so there must have been one.
    """

    def still():
        shards = switch.status()["shards"]
        if any(shard["pending"] or not shard["store_applied_lsn"] == shard["durable_lsn"] ==
               shard["applied_lsn"] for shard in shards):
            return None
        return State(sum(shard["durable_lsn"] for shard in shards),
                     sum(int(shard["state_hash"], 16) for shard in shards) % 2**64)

    state = wait_until(still, seconds, "the follower catching up")
    assert switch.shards_sum("divergences") == 0
    return state


class Witness:
    """Checks new acknowledgements against the log, each once: cheap enough for every death.

    Only those of betting terminals. A transfer has events on both sides under one request;
    check_transfers looks at those.
    """

    def __init__(self, switch, started):
        self.switch = switch
        self.files = [files["acks"] for _, files in started]
        self.terminals = range(demo.FIRST_TERMINAL, demo.FIRST_TERMINAL + len(started))
        self.offsets = [0] * len(started)
        self.unseen = []  # acknowledged, not yet looked for
        self.seen_to = [0] * switch.settings.shards  # LSN up to which events were looked at
        self.keys = set()  # (terminal, request) of these events
        self.outcomes = {}  # the same -> outcome, until asked for
        self.acknowledged = 0

    def collect(self):
        """Takes over what was acknowledged so far. To be called while the switch is dead."""
        for index, path in enumerate(self.files):
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as stream:
                stream.seek(self.offsets[index])
                text = stream.read()
                text = text[:text.rfind(b"\n") + 1]  # a line without its end says nothing yet
                self.offsets[index] += len(text)
                for line in text.decode("ascii").splitlines():
                    self.unseen.append({name: convert(part) for (name, convert), part in zip(
                        demo.ACK_COLUMNS, line.split(" "), strict=True)})

    def check(self):
        """Everything collected is in the log, exactly once and as it was answered. The switch has
        been up since (recovery brings the log up to the end) or was stopped in order."""
        for shard, seen in enumerate(self.seen_to):
            ran = self.switch.tool("tools/sluice-db", "dump", "--json", "--shard", shard, "--from",
                                   seen + 1, timeout=300)
            dump = json.loads(ran.stdout)
            assert dump["complete"], ran.stderr
            for event in dump["events"]:
                assert event["lsn"] == self.seen_to[shard] + 1, (event, self.seen_to)
                self.seen_to[shard] = event["lsn"]
                event["object_id"], event["account_id"] = int(event["object"]), event["account"]
                key = (event["terminal"], event["request"])
                if event["request"] and event["terminal"] in self.terminals:
                    assert key not in self.keys, f"{key} is in the log twice"
                    self.keys.add(key)
                    self.outcomes[key] = tuple(event[name] for name in demo.OUTCOME)
        for ack in self.unseen:
            key = (ack["terminal_id"], ack["request_id"])
            assert key in self.keys, f"{ack} was acknowledged and is lost"
            assert key in self.outcomes, f"{ack} was acknowledged twice"
            outcome = self.outcomes.pop(key)
            assert outcome == tuple(ack[name] for name in demo.OUTCOME), (ack, outcome)
        self.acknowledged += len(self.unseen)
        self.unseen = []


class Load:
    """Terminals that bet, movers that transfer; `with` ends them whatever happens."""

    def __init__(self, switch, terminals, movers, rate, seed):
        self.switch, self.seed = switch, seed
        sessions = load_sessions(switch.sessions)
        self.movers = [Mover(switch, session, seed + number)
                       for number, session in enumerate(sessions[terminals:terminals + movers])]
        self.opening = {}
        if self.movers:
            reader = self.movers[0].terminal
            assert reader.hello(timeout=ANSWERS_SECONDS).ok
            self.opening = {account: reader.balance(account).balance for account in range(
                MOVING_FIRST, MOVING_FIRST + MOVING_ACCOUNTS)}
        self.started = demo.start_terminals(
            switch, terminals, BETTING_ACCOUNTS, bets=10_000_000, rate=rate, seed=seed % 2**31)
        self.witness = Witness(switch, self.started)

    def __enter__(self):
        for mover in self.movers:
            mover.start()
        try:
            wait_until(lambda: all(acks_size(self.started)), ANSWERS_SECONDS, "first answers")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.end()

    def wait_for_answers(self, seconds=ANSWERS_SECONDS):
        wait_for_answers(self.started, seconds)
        assert all(process.poll() is None for process, _ in self.started), "a terminal gave up"
        assert not any(mover.failure for mover in self.movers), [
            repr(mover.failure) for mover in self.movers]

    def end(self):
        for mover in self.movers:
            mover.stopping.set()
        for process, _ in self.started:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 5
        while any(process.poll() is None for process, _ in self.started) and \
                time.monotonic() < until:
            time.sleep(0.02)
        demo.end(self.started)


def begin(switch, terminals, movers):
    switch.begin(terminals + movers, accounts=BETTING_ACCOUNTS + MOVING_ACCOUNTS)


def restart(switch, chance, early_share=0.0):
    """Starts the switch again; with this probability it dies once more before it is up. Returns
    how often it died."""
    def strike():
        process = switch.process
        if process is not None:
            process.send_signal(signal.SIGKILL)

    deaths = 0
    while chance.random() < early_share:
        timer = threading.Timer(chance.uniform(0.0, 0.4), strike)
        timer.start()
        with contextlib.suppress(InstanceError, OSError):
            switch.restart()
        timer.join()
        switch.kill()
        deaths += 1
    switch.restart()
    return deaths


def conclude(load):
    """Ends the load, stops the switch in order and compares everything. Returns a summary."""
    switch = load.switch
    load.wait_for_answers()
    if load.movers:
        wait_for_transfers(load.movers)
        for mover in load.movers:
            mover.finish()
    load.end()
    names = check_transfers(load.movers, load.opening) if load.movers else {}
    before = settled(switch)
    assert switch.stop() == 0
    verified = switch.verify()
    assert verified["ok"], verified
    assert balance_sum(verified) == 0
    assert verified["transit_open"] == 0
    # The log replayed by a program of its own gives the state that the switch had.
    assert verified["events"] == before.events
    assert int(verified["state_hash"], 16) == before.hash_sum
    load.witness.collect()
    load.witness.check()
    return {"acknowledged": load.witness.acknowledged, "events": verified["events"],
            "transfers": sum(names.values())}
