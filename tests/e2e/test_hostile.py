# SPDX-License-Identifier: Apache-2.0
"""Promise 5 from outside: hostile packets change nothing, crash nothing, and each is counted."""

import collections
import json
import os
import random
import socket
import subprocess
import time

import demo
import hostile
import network
import pytest
from instance import UDP_PORT
from scapy.all import IP, UDP, Ether, Raw, fuzz
from sluice_terminal import Terminal, load_sessions
from switch import Switch, wait_until

SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
FUZZED = 3_000
PACE = 256  # on their way: the ring holds 1,024, and lost in the kernel is not lost at the switch


class Wire:
    """Raw frames onto the terminals' end of the data link."""

    def __init__(self, switch):
        self.switch = switch
        with switch.terminal_network():
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.raw.bind((network.INTERFACE, 0))
        self.switch_mac = self.mac(network.switch_namespace(switch.name))
        self.own_mac = self.mac(network.terminal_namespace(switch.name))
        # Else the kernel asks again for the switch's address now and then, which is counted too.
        network.ip("neigh", "replace", network.SWITCH_ADDRESS, "lladdr", self.switch_mac.hex(":"),
                   "dev", network.INTERFACE, "nud", "permanent",
                   namespace=network.terminal_namespace(switch.name))
        self.ports = []

    @staticmethod
    def mac(namespace):
        shown = subprocess.run(
            network.inside(namespace, ["ip", "-j", "link", "show", network.INTERFACE]),
            capture_output=True, check=True, stdin=subprocess.DEVNULL)
        return bytes.fromhex(json.loads(shown.stdout)[0]["address"].replace(":", ""))

    def target(self, terminal):
        """A source of its own. The port is bound, or the kernel would answer answers with ICMP."""
        with self.switch.terminal_network():
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            port.bind((network.TERMINAL_ADDRESS, 0))
        self.ports.append(port)
        return hostile.Target(
            terminal, self.switch_mac, self.own_mac, network.SWITCH_ADDRESS,
            network.TERMINAL_ADDRESS, UDP_PORT, port.getsockname()[1], wrong_ip="198.18.0.99")

    def close(self):
        for port in (self.raw, *self.ports):
            port.close()


def connect(switch, number):
    session = next(one for one in load_sessions(switch.sessions) if one["terminal"] == number)
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"], session["root"])
    assert terminal.hello().ok
    return terminal


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with Switch("hostile") as switch:
        switch.begin(terminals=3)
        yield switch


@pytest.fixture(name="wire", scope="module")
def wire_fixture(switch):
    wire = Wire(switch)
    yield wire
    wire.close()


@pytest.fixture(name="terminal", scope="module")
def terminal_fixture(switch):
    terminal = connect(switch, demo.FIRST_TERMINAL)
    yield terminal
    terminal.close()


def drops(switch):
    return collections.Counter(switch.status()["drops"])


def state(switch):
    """What a hostile packet must not change."""
    shards = switch.status()["shards"]
    names = ("state_hash", "events", "accounts", "bets", "bets_open", "markets", "sessions",
             "control_sequence", "rule_version")
    return [{name: shard[name] for name in names} for shard in shards]


def grown(switch, before):
    return {name: count - before[name] for name, count in drops(switch).items()
            if count != before[name]}


def send_paced(wire, frames, seen):
    """Sends all; goes on when the switch has seen what was sent so far. How many."""
    sent = 0
    for frame in frames:
        wire.raw.send(frame)
        sent += 1
        if sent % PACE == 0:
            wait_until(lambda: seen() >= sent, 60, f"{sent} packets seen")
    return sent


def counted(switch, before, expected):
    """Waits until the counters grew by exactly `expected`, and that nothing else follows."""
    try:
        wait_until(lambda: sum(grown(switch, before).values()) >= expected.total(), 60, "drops")
    except AssertionError:
        pass  # the comparison below says which are missing
    time.sleep(0.05)
    assert grown(switch, before) == dict(expected)


@pytest.mark.parametrize("generator", hostile.FRAMES + hostile.DATAGRAMS,
                         ids=lambda generator: generator.__name__)
def test_each_packet_is_counted_under_its_reason_and_changes_nothing(
        switch, wire, terminal, generator):
    target = wire.target(terminal)
    state_before, drops_before = state(switch), drops(switch)
    expected = collections.Counter()
    for case in generator(target):
        whole = generator in hostile.FRAMES
        if not whole and len(case.packet) > 1472:
            continue
        wire.raw.send(case.packet if whole else hostile.frame(target, case.packet))
        if case.expected is not None:
            expected[case.expected] += 1
    assert expected
    counted(switch, drops_before, expected)
    assert state(switch) == state_before


@pytest.mark.parametrize("generator", hostile.MESSAGES, ids=lambda generator: generator.__name__)
def test_each_bad_message_is_answered_with_its_code_and_changes_nothing(
        switch, terminal, generator):
    target = hostile.Target(terminal)
    state_before, drops_before = state(switch), drops(switch)
    for case in generator(target):
        wanted = hostile.request_ids(target, case.packet)
        terminal.send_raw(case.packet)
        answers = terminal.receive(30.0)
        assert answers, f"{case.name}: no answer"
        assert [(answer.request_id, answer.name) for answer in answers] == \
            [(number, case.expected) for number in wanted], case.name
    assert drops(switch) == drops_before
    assert state(switch) == state_before


def test_forged_tags_close_their_source_and_not_the_session(switch, wire, terminal):
    state_before, drops_before = state(switch), drops(switch)
    target = wire.target(terminal)
    sent = send_paced(wire, (hostile.frame(target, case.packet)
                             for case in hostile.source_rate(target, 2_000)),
                      lambda: sum(grown(switch, drops_before).values()))
    wait_until(lambda: sum(grown(switch, drops_before).values()) == sent, 60, "all counted")
    found = grown(switch, drops_before)
    assert set(found) == {"bad_tag", "source_rate"} and found["source_rate"] > 0
    assert terminal.balance(demo.FIRST_ACCOUNT).ok, "the victim's session must go on"
    assert state(switch) == state_before


def test_a_session_over_its_rate_is_held_back_and_others_are_not(switch, wire, terminal):
    noisy = connect(switch, demo.FIRST_TERMINAL + 1)
    try:
        switch.provision("install", "--sessions", switch.sessions, "--rate", 500, "--burst", 200)
        target = wire.target(noisy)
        state_before, drops_before = state(switch), drops(switch)
        for case in hostile.session_rate(target, 3_200):
            wire.raw.send(hostile.frame(target, case.packet))
        wait_until(lambda: grown(switch, drops_before).get("session_rate", 0) > 0, 60, "rate drops")
        assert set(grown(switch, drops_before)) == {"session_rate"}
        assert terminal.balance(demo.FIRST_ACCOUNT).ok
        assert state(switch) == state_before
    finally:
        switch.provision("install", "--sessions", switch.sessions)
        noisy.close()


def fuzzed_packets(wire, count):
    """Scapy's random headers over random bytes, half of them closer to real ones."""
    link = Ether(dst=wire.switch_mac.hex(":"), src=wire.own_mac.hex(":"))
    for number in range(count):
        body = Raw(random.randbytes(random.randrange(0, 1_400)))
        if number % 2:
            head = IP(src=network.TERMINAL_ADDRESS, dst=network.SWITCH_ADDRESS) / \
                UDP(sport=random.randrange(1, 65_536), dport=UDP_PORT)
        else:
            head = fuzz(IP(dst=network.SWITCH_ADDRESS)) / fuzz(UDP(dport=UDP_PORT))
        yield bytes(link / head / body)[:1_514]


def test_scapy_fuzz_every_packet_is_counted(switch, wire, terminal):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    random.seed(SEED)
    state_before, drops_before = state(switch), drops(switch)
    answered = switch.shards_sum("arp_icmp_answered")

    def seen():
        return sum(grown(switch, drops_before).values()) + \
            switch.shards_sum("arp_icmp_answered") - answered

    send_paced(wire, fuzzed_packets(wire, FUZZED), seen)
    wait_until(lambda: seen() == FUZZED, 60,
               f"{FUZZED} packets counted, {grown(switch, drops_before)}")
    assert terminal.balance(demo.FIRST_ACCOUNT).ok
    assert state(switch) == state_before
