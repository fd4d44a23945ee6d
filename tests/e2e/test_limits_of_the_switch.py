# SPDX-License-Identifier: Apache-2.0
"""Answers that only a switch at one of its limits gives: blocked terminal, rate, storage, and a log
that was let go."""

import resource
import time

import demo
from sluice_messages import CODES
from sluice_terminal import BALANCE, DEPOSIT, NO_DEADLINE, deposit_block, id_block, message
from switch import Switch, wait_until
from test_admin_reads import Admin
from test_python_terminal import ACCOUNT, connect

RIGHTS_ALL = 0x3ff


def test_blocked_terminal_is_told_so():
    with Switch("blocked") as switch:
        switch.begin(1)
        terminal, admin = connect(switch), Admin(switch)
        assert terminal.balance(ACCOUNT).ok
        number = switch.status()["shards"][0]["control_sequence"]
        for version, (blocked, name) in enumerate([(True, "TERMINAL_BLOCKED"), (False, "OK")], 1):
            answer = admin.ask("command", sequence=number + version, type="terminal_set",
                               terminal_id=demo.FIRST_TERMINAL, rights=RIGHTS_ALL,
                               blocked=blocked, daily_max=0)
            assert answer["ok"], answer
            assert terminal.deposit(ACCOUNT, 1).name == name
            assert terminal.heartbeat().ok  # its link can be seen to live all the same
        admin.close()
        terminal.close()


def test_messages_over_the_rate_are_told_to_wait():
    """One overdraft is answered; what comes before it is paid back is dropped and counted."""
    with Switch("rate") as switch:
        switch.begin(1)
        terminal = connect(switch)
        number, names = 1 << 62, set()
        switch.provision("install", "--sessions", switch.sessions, "--rate", 100, "--burst", 40)
        until = time.monotonic() + 60
        while not {"RATE_LIMITED", "OK"} <= names and time.monotonic() < until:
            for _ in range(6):
                terminal.send(*(message(BALANCE, number + n, id_block(ACCOUNT))
                                for n in range(16)))
                number += 16
            while (answers := terminal.receive(0.3)) is not None:
                names |= {CODES[answer.code] for answer in answers}
        assert names == {"RATE_LIMITED", "OK"}
        time.sleep(1)  # paid back
        while terminal.receive(0.1) is not None:
            pass
        assert terminal.balance(ACCOUNT).ok
        terminal.close()


def codes_of(terminal, request_id, seconds):
    """Sends a request again and again for a while; the names of all answers to it."""
    names, end = set(), time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.send(*terminal.texts(request_id))
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            names |= {answer.name for answer in terminal.receive(0.1) or []
                      if answer.request_id == request_id}
    return names


def begin_deposit(terminal, amount):
    """A deposit that is not waited for; its id."""
    request_id = terminal.take_id(DEPOSIT)
    terminal.requests[request_id] = message(
        DEPOSIT, request_id, deposit_block(ACCOUNT, amount, NO_DEADLINE))
    return request_id


def deposits_on_a_full_disk(switch, terminal, count):
    """Asked one after the other until the process has noticed and stopped: ids, answers' names."""
    pid = switch.pid()
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, old[1]))
    ids, names = [], set()
    while "STORAGE_UNAVAILABLE" not in names and len(ids) < count:
        ids.append(begin_deposit(terminal, len(ids) + 1))
        terminal.send(*terminal.texts(ids[-1]))
        time.sleep(0.002)
        while (answers := terminal.receive(0)) is not None:
            names |= {answer.name for answer in answers if answer.request_id in ids}
    return ids, names


def test_storage_that_takes_no_more_is_named_and_nothing_is_acknowledged():
    with Switch("storage") as switch:
        switch.begin(1)
        terminal = connect(switch)
        balance, names = terminal.deposit(ACCOUNT, 1).balance, set()
        # The answer is there between the failed write and the end of the process, which is soon:
        # where the machine had others to serve just then, nobody asked in time.
        for _ in range(10):
            ids, names = deposits_on_a_full_disk(switch, terminal, 60)
            assert "OK" not in names, names
            switch.kill()
            switch.restart()
            terminal.answers.clear()
            assert all(terminal.resume(request_id, timeout=120).ok for request_id in ids)
            balance += sum(range(1, len(ids) + 1))
            assert terminal.balance(ACCOUNT).balance == balance
            if "STORAGE_UNAVAILABLE" in names:
                break
        assert "STORAGE_UNAVAILABLE" in names, names
        terminal.close()


def test_outcome_in_a_log_that_was_let_go_is_unknown():
    with Switch("retired", log_rotate_mib=1, log_keep_mib=1) as switch:
        switch.begin(2)
        terminal = connect(switch)
        first = begin_deposit(terminal, 7)
        text = terminal.texts(first)
        assert terminal.resume(first).ok
        for _ in range(70):
            assert terminal.deposit(ACCOUNT, 1, seconds=None).ok
        started = demo.start_terminals(switch, 1, accounts=30, bets=30_000, rate=6_000)
        demo.wait(started)
        terminal.texts = lambda request_id: text
        wait_until(lambda: "OUTCOME_UNKNOWN" in codes_of(terminal, first, 1), 60,
                   "OUTCOME_UNKNOWN")
        terminal.close()
