# SPDX-License-Identifier: Apache-2.0
"""The Python terminal and the C terminal, each against the switch of mini_switch.py.

Nothing here is shared with the C code but the specification. The tests of the C terminal need its
binary: SLUICE_TERMINAL, or build/tools/sluice-terminal; without one they are skipped.
"""
import json
import os
import pathlib
import subprocess
import threading
import time

import pytest

import sluice_terminal as st
from mini_switch import MiniSwitch

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("SLUICE_TERMINAL", TOP / "build/tools/sluice-terminal"))
needs_binary = pytest.mark.skipif(not BINARY.exists(), reason="%s is not built" % BINARY)


def connect(switch):
    terminal = st.Terminal(switch.address, switch.session_id, switch.root)
    assert terminal.hello().ok
    return terminal


def test_first_contact_goes_through_reset():
    with MiniSwitch() as switch:
        terminal = connect(switch)
        assert (terminal.boot_id, terminal.epoch) == (1000, 3)
        assert switch.resets == 1 and terminal.resets == 1
        assert terminal.deposit(42, 500).balance == 500
        assert terminal.balance(42).currency == 410
        assert terminal.heartbeat().ok
        assert len(terminal.markets()) == 20


def test_loss_and_restarts_leave_one_outcome_per_request():
    with MiniSwitch(lose=0.2) as switch:
        terminal = connect(switch)
        for index in range(60):
            if index % 20 == 10:
                switch.restart(switch.boot_id + 1, 1)
            if index % 9 == 0:
                switch.busy = 1
            answer = terminal.place_bet(42, 1000, [(1001, 0, 1500)])
            assert answer.name in ("OK", "FUNDS_INSUFFICIENT")
        assert switch.executed == 60 and switch.mismatches == 0 and switch.reused_numbers == 0


def test_the_same_id_with_another_body_is_a_mismatch():
    with MiniSwitch() as switch:
        terminal = connect(switch)
        first = terminal.deposit(42, 500)
        again = terminal.deposit(42, 501, request_id=first.request_id)
        assert again.name == "MISMATCH" and switch.executed == 1


RESETS = [
    ("same boot id and epoch", 1000, 3, None, False),
    ("boot id behind", 999, 4, None, False),
    ("epoch behind", 1000, 2, None, False),
    ("epoch ahead", 1000, 4, None, True),
    ("boot id ahead", 1001, 1, None, True),
    ("mac", 1001, 3, 30, False),
    ("boot id changed", 1001, 3, 16, False),
]


@pytest.mark.parametrize("name,boot_id,epoch,damage,accepted", RESETS, ids=[r[0] for r in RESETS])
def test_reset_moves_forward_only(name, boot_id, epoch, damage, accepted):
    terminal = st.Terminal(("127.0.0.1", 9), 5, bytes(48), boot_id=1000, epoch=3)
    reset = bytearray(st.reset_make(terminal.reset_key, epoch, 5, 1, boot_id))
    if damage is not None:
        reset[damage] ^= 1
    terminal.take(bytes(reset))
    assert (terminal.resets == 1) == accepted, name
    terminal.close()


# ---- The C terminal ----

@pytest.fixture(name="run")
def fixture_run(tmp_path):
    """run(switch, *arguments) -> (status, stdout, stderr)"""
    sessions = tmp_path / "sessions"

    def run(switch, *arguments, mode=0o600, timeout=60):
        sessions.write_text("# lab\n%d 77 f %s\n" % (switch.session_id, switch.root.hex()))
        sessions.chmod(mode)
        done = subprocess.run(
            [BINARY, "--switch", "%s:%d" % switch.address, "--session-file", sessions, "--session",
             str(switch.session_id), "--state-dir", tmp_path, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@needs_binary
def test_c_commands(run):
    with MiniSwitch() as switch:
        status, out, err = run(switch, "--json", "hello")
        assert status == 0 and json.loads(out)["terminal"] == 77, err
        status, out, _ = run(switch, "--json", "deposit", 42, 500, "KRW")
        made = json.loads(out)
        assert status == 0 and made["balance"] == 500 and made["request_id"] == "1"
        status, out, _ = run(switch, "--json", "bet", 42, 100, "1001:0:1.501", "1002:1:3.2")
        made = json.loads(out)
        assert status == 0 and made["object_id"] == "4711" and made["request_id"] == "2"
        assert run(switch, "status", 4711)[0] == 0
        assert run(switch, "cancel", 4711)[0] == 0
        status, out, _ = run(switch, "--json", "markets")
        assert [row["market"] for row in json.loads(out)["markets"]] == list(range(1000, 1020))
        status, out, _ = run(switch, "balance", 42)
        assert status == 0 and "500 KRW" in out
        assert switch.mismatches == 0 and switch.reused_numbers == 0


@needs_binary
def test_c_refusal_and_language(run):
    with MiniSwitch() as switch:
        switch.executed = 6
        status, out, _ = run(switch, "--lang", "ko", "deposit", 42, 500, "KRW")
        assert status == 1 and "잔액이 부족합니다." in out


@needs_binary
@pytest.mark.parametrize("arguments", [
    (), ("dance",), ("balance",), ("balance", "x"), ("deposit", 1, 2), ("deposit", 1, 2, "XXX"),
    ("bet", 1, 2, "1:0:2"), ("bet", 1, 2, "1:0"), ("demo",), ("--rate", "x", "hello"),
    ("--lang", "fr", "hello")])
def test_c_usage(run, arguments):
    with MiniSwitch() as switch:
        status, out, err = run(switch, *arguments)
        assert status == 2 and out == "" and "--help" in err
        assert not switch.received


@needs_binary
def test_c_missing_things_are_named(run):
    with MiniSwitch() as switch:
        status, _, err = run(switch, "hello", mode=0o644)
        assert status == 3 and "chmod 600" in err
        switch.session_id += 1  # so it stays silent
    with MiniSwitch(lose=1.0) as switch:
        status, _, err = run(switch, "--timeout", 1, "hello")
        assert status == 3 and "no answer from the switch" in err


@needs_binary
@pytest.mark.parametrize("batch", [1, 8])
def test_c_demo_outlives_loss_and_restarts(run, tmp_path, batch):
    with MiniSwitch(lose=0.1) as switch:
        def restarts():
            for step in range(3):
                time.sleep(0.3)
                switch.restart(switch.boot_id + 1, 1 + step)

        restarter = threading.Thread(target=restarts)
        restarter.start()
        report, acks = tmp_path / "report.json", tmp_path / "acks"
        status, _, err = run(
            switch, "demo", "--accounts", "100:10", "--deposit", 5000, "--bets", 300, "--rate", 250,
            "--in-flight", 16, "--batch", batch, "--seed", 5, "--json-out", report, "--ack-log",
            acks)
        restarter.join()
        assert status == 0, err
        made = json.loads(report.read_text())
        assert made["bets_accepted"] + sum(made["bets_refused"].values()) == 300
        assert made["deposits_sent"] == 10 and made["unanswered"] == 0 and made["rekeys"] >= 2
        assert switch.executed == 310 and switch.mismatches == 0 and switch.reused_numbers == 0
        lines = [line.split() for line in acks.read_text().splitlines()]
        assert len(lines) == 310 and len({line[0] for line in lines}) == 310
        for line in lines:
            _, code, position = switch.outcomes[int(line[0])]
            assert (st.NUMBERS[line[4]], position) == (code, int(line[5]))
        assert {line[1] for line in lines} == {"DEPOSIT", "PLACE_BET"}
        assert made["accumulators_sent"] > 0


@needs_binary
def test_c_ids_are_never_used_again_after_kill(run, tmp_path):
    with MiniSwitch() as switch:
        seen = 0
        sessions = tmp_path / "sessions"
        for _ in range(3):
            run(switch, "hello")
            process = subprocess.Popen(
                [BINARY, "--switch", "%s:%d" % switch.address, "--session-file", sessions,
                 "--session", str(switch.session_id), "--state-dir", tmp_path, "demo", "--accounts",
                 "1:5", "--duration", "20", "--rate", "500"],
                stdout=subprocess.DEVNULL)
            time.sleep(0.4)
            process.kill()
            process.wait()
            assert len(switch.outcomes) > seen
            seen = len(switch.outcomes)
        assert switch.mismatches == 0 and switch.reused_numbers == 0
