# SPDX-License-Identifier: Apache-2.0
"""The Python terminal and the C terminal, each against the switch of mini_switch.py.

Nothing here is shared with the C code but the specification. The tests of the C terminal need its
binary: SLUICE_TERMINAL, or build/tools/sluice-terminal; without one they are skipped.
"""
import json
import os
import pathlib
import struct
import subprocess
import threading

import pytest

import mini_switch
import sluice_terminal as st
from mini_switch import MiniSwitch, wait_until

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


@pytest.mark.parametrize("codes,told", [
    (["STORAGE_UNAVAILABLE"] * 9, "STORAGE_UNAVAILABLE"),
    (["OUTCOME_UNKNOWN"] * 9, "OUTCOME_UNKNOWN"),
    (["STORAGE_UNAVAILABLE"] * 2, "OK"),
    (["STORAGE_UNAVAILABLE", "STORAGE_UNAVAILABLE", "BUSY", "STORAGE_UNAVAILABLE"], "OK"),
    (["BUSY"] * 4, "OK"),
], ids=lambda value: value if isinstance(value, str) else f"{len(value)}-{value[-1]}")
def test_a_question_that_cannot_be_answered_is_told_so_at_the_third_answer(codes, told):
    with MiniSwitch() as switch:
        terminal = connect(switch)
        switch.untold = list(codes)
        assert terminal.tx_status(1, timeout=60).name == told
        assert len(switch.untold) == (len(codes) - 3 if told != "OK" else 0)


def test_the_same_id_with_another_body_is_a_mismatch():
    with MiniSwitch() as switch:
        terminal = connect(switch)
        first = terminal.deposit(42, 500)
        assert terminal.balance(42).ok  # behind it no answer to a resend of the first is to come
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

    def run(switch, *arguments, mode=0o600, timeout=300):
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


KEY = "00112233445566778899aabbccddeeff"
COMMANDS = [
    ("KEY_UPDATE", "key-update"), ("GOODBYE", "goodbye"),
    ("OPEN_ACCOUNT", "open-account", 7, "KRW", 3), ("BALANCE", "balance", 42),
    ("DEPOSIT", "--key", KEY, "deposit", 42, 5, "KRW"), ("WITHDRAW", "withdraw", 42, 5, "KRW"),
    ("TRANSFER", "--key", KEY, "transfer", 42, 43, 5, "KRW"), ("STATEMENT", "statement", 42),
    ("PLAY_SET", "limits", 42, 1, 2, 3, 4, 5, "none", "ever", 1800000000),
    ("PLACE_BET", "--cash", "--currency", "KRW", "--cashier", 7, "bet", 100, "1001:0:1.501"),
    ("BET_STATUS", "status", 4711), ("CANCEL_BET", "cancel", 4711, 1),
    ("REDEEM", "redeem", "000000-0004K7-041061-050R3G"), ("REPRINT", "reprint", 4711),
    ("TX_STATUS", "tx-status", 1), ("REVERSE", "reverse", 1, 5), ("FENCE", "fence", 1),
    ("EVENT_QUERY", "events"), ("EVENT_QUERY", "event", 3), ("MARKET_QUERY", "markets", 12),
    ("SPRINKLE_CREATE", "sprinkle", 42, 1000, "KRW", 5, 1, 60, "equal"),
    ("CLAIM", "claim", 4711, 43, 1), ("SPRINKLE_STATUS", "sprinkle-status", 4711),
    ("ROUND_DEBIT", "round-debit", 3, 1, 9, 42, 5, "KRW", KEY),
    ("ROUND_CREDIT", "round-credit", 3, 1, 9, 42, 5, "KRW", "a1"),
    ("ROUND_ROLLBACK", "round-rollback", 3, 1, 9, 42, "KRW", "b", KEY),
    ("ROUND_CLOSE", "round-close", 3, 1, 9, 42, "KRW"),
    ("SHIFT_OPEN", "shift-open", 7, 1000, "KRW"), ("SHIFT_CLOSE", "shift-close", 7, 1000, "KRW"),
]


@needs_binary
@pytest.mark.parametrize("arguments", COMMANDS, ids=["%s-%s" % (c[0], i) for i, c in
                                                     enumerate(COMMANDS)])
def test_c_every_command(run, arguments):
    name, *words = arguments
    with MiniSwitch() as switch:
        switch.outcomes[1] = (b"", 0, 1)  # so that 1 is below the next id
        for options in ((), ("--json",)):
            status, out, err = run(switch, *options, *words)
            assert status == 0, out + err
        assert st.NAMES[switch.received[-1][0]] == name
        assert json.loads(out)["ok"]


@needs_binary
def test_c_blocks_are_those_of_the_python_terminal(run):
    with MiniSwitch() as switch:
        run(switch, "--key", KEY, "transfer", 42, 43, 5, "KRW")
        body = switch.outcomes[1][0]
        deadline = struct.unpack_from("<Q", body, 24)[0]
        key = bytes.fromhex(KEY)[::-1]
        assert body == st.transfer_block(42, 43, 5, deadline, key=key)
        run(switch, "round-rollback", 3, 1, 9, 42, "KRW", "b", KEY)
        body = switch.outcomes[2][0]
        deadline = struct.unpack_from("<Q", body, 16)[0]
        assert body == st.round_block(42, 0, deadline, 9, (11).to_bytes(16, "little"), key, 1, 410,
                                      3)
        run(switch, "limits", 42, 1, 2, 3, 4, 5, "none", "ever", 1800000000)
        body = switch.outcomes[3][0]
        deadline = struct.unpack_from("<Q", body, 8)[0]
        assert body == st.play_set_block(42, deadline, (1, 2, 3, 4, 5, -1), st.FOR_EVER,
                                         1800000000 * 10**9)


@needs_binary
def test_c_tickets(run):
    with MiniSwitch() as switch:
        status, out, _ = run(switch, "--json", "--cash", "--currency", "KRW", "bet", 100,
                             "1001:0:1.501")
        code = json.loads(out)["ticket"]
        assert status == 0 and code == st.ticket_code(4711, mini_switch.TICKET)
        status, out, _ = run(switch, "--cash", "--currency", "KRW", "bet", 100, "1001:0:1.501")
        assert status == 0 and "ticket " + code in out
        assert run(switch, "redeem", code.lower())[0] == 0
        redeemed = [body for body, _, _ in switch.outcomes.values()][-1]
        assert redeemed[:8] == (4711).to_bytes(8, "little")
        assert redeemed[16:] == mini_switch.TICKET + b"\0"


@needs_binary
def test_c_statement_pages(run):
    with MiniSwitch() as switch:
        for rows, want in ((14, [5, 4, 2, 1]), (1, [5, 4]), (3, [5, 4, 2, 1])):
            status, out, _ = run(switch, "--json", "--rows", rows, "statement", 42)
            assert status == 0 and [row["lsn"] for row in json.loads(out)["rows"]] == want


@needs_binary
def test_c_reverse_at_the_deadline(run):
    with MiniSwitch() as switch:
        switch.deaf = st.DEPOSIT
        status, out, err = run(switch, "--timeout", 4, "--json", "deposit", 42, 5, "KRW")
        assert status == 3 and "tx-status 1" in err
        status, out, _ = run(switch, "--timeout", 4, "--json", "--reverse", "deposit", 42, 5, "KRW")
        assert status == 1 and json.loads(out)["request_id"] == "3"
        assert [template for template, number, _ in switch.received if number == 3] == [st.REVERSE]


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
    ("--lang", "fr", "hello"), ("transfer", 1, 2, 3), ("withdraw", 1, -1, "KRW"), ("redeem", "x"),
    ("limits", 1, 2, 3), ("bet", 0, 100, "1:0:2.0"), ("--cash", "bet", 100, "1:0:2.0"),
    ("hello", 1), ("sprinkle", 1, 2, "KRW", 3, 4, 5, "unequal"), ("--key", "xy", "hello"),
    ("round-debit", 1, 1, 1, 1, 1, "KRW", "0" * 33), ("--rows", 0, "statement", 1)])
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
                wait_until(lambda least=80 * (step + 1): switch.executed >= least, "bets")
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
            try:
                wait_until(lambda least=seen + 20: len(switch.outcomes) > least, "outcomes")
            finally:
                process.kill()
                process.wait()
            seen = len(switch.outcomes)
        assert switch.mismatches == 0 and switch.reused_numbers == 0
