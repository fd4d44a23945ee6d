# SPDX-License-Identifier: Apache-2.0
"""Key establishment of the Python terminal and of the C one, each against mini_control.py and
mini_switch.py. The C terminal is the one of test_terminal.py; without it its tests are skipped.
"""
import json
import subprocess
import threading
import time

import pytest

import keying
import sluice_terminal as st
from mini_control import Authority, MiniControl
from mini_switch import MiniSwitch, wait_until
from test_terminal import BINARY, needs_binary

LAB = "lab"


@pytest.fixture(name="authority", scope="module")
def fixture_authority():
    return Authority()


@pytest.fixture(name="enrolled")
def fixture_enrolled(tmp_path, authority):
    """The directory of an enrolled terminal 77."""
    keying.identity_make(tmp_path / "id", LAB, 77)
    authority.enroll(tmp_path / "id", LAB, 77)
    return tmp_path / "id"


# ---- The Python terminal ----

def test_a_session_from_control_works_at_the_switch(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB)
        assert terminal.hello().ok and terminal.deposit(42, 500).balance == 500
        assert terminal.session.root == control.roots[terminal.session_id]
        assert terminal.session.terminal_id == 77 and terminal.session.rights == 15
        assert (terminal.resets, terminal.tls_handshakes, control.handshakes) == (0, 1, 1)
        terminal.close()


def test_another_boot_id_than_control_knew_goes_through_reset(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        control.lie = dict(boot_id=0, epoch=1)
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB)
        assert terminal.hello().ok and terminal.resets == 1
        switch.restart(switch.boot_id + 1, 2)
        assert terminal.deposit(42, 500).ok
        assert terminal.resets == 2 and control.handshakes == 1
        terminal.close()


def test_epochs_rotate_without_reset_or_handshake(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB)
        assert terminal.hello().ok
        for _ in range(3):
            switch.rotate()
            assert terminal.deposit(42, 500).ok  # its answer tells the next epoch
            assert terminal.deposit(42, 500).ok
            assert switch.epoch_seen == switch.epoch == terminal.epoch
        assert terminal.resets == 0 and control.handshakes == 1 and switch.reused_numbers == 0
        terminal.close()


def test_a_silent_switch_leads_to_control_and_requests_go_on(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB, silence=1, spread=0.5)
        assert terminal.hello().ok
        for index in range(4):
            if index % 2:
                switch.forget()
            assert terminal.place_bet(42, 1000, [(1001, 0, 1500)]).ok
        assert terminal.silences == 2 and terminal.replaced == 2 and control.handshakes == 3
        assert switch.executed == 4 and switch.mismatches == 0 and switch.reused_numbers == 0
        terminal.close()


def test_a_switch_that_comes_back_in_time_costs_no_handshake(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB, silence=60)
        assert terminal.hello().ok

        def outage():
            wait_until(lambda: terminal.silences, "silence")
            switch.restart(switch.boot_id + 1, 1)
            switch.down = False

        switch.down = True
        thread = threading.Thread(target=outage)
        thread.start()
        assert terminal.deposit(42, 500).ok
        thread.join()
        assert terminal.silences == 1 and terminal.resets == 1 and control.handshakes == 1
        terminal.close()


def test_control_and_switch_both_away(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB, silence=0.5, spread=0.1)
        assert terminal.hello().ok
        control.stop()
        switch.forget()

        def come_back():
            wait_until(lambda: terminal.keying_failures, "a failure")
            control.start()

        thread = threading.Thread(target=come_back)
        thread.start()
        assert terminal.deposit(42, 500).ok
        thread.join()
        assert terminal.keying_failures >= 1 and terminal.replaced == 1
        assert switch.executed == 1
        terminal.close()


def test_a_session_is_replaced_before_its_end(authority, enrolled):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        control.life = 0.5
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB)
        first = terminal.session_id
        time.sleep(0.5)
        control.life = 3600
        assert terminal.hello().ok
        assert terminal.session_id != first and terminal.silences == 0
        terminal.close()


def test_an_old_certificate_is_renewed(authority, enrolled):
    authority.enroll(enrolled, LAB, 77, begin=-3600, end=600)
    before = (enrolled / keying.KEY).read_bytes()
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        terminal = keying.KeyedTerminal(control.address, enrolled, LAB)
        assert terminal.renewals == 1 and control.renewals == 1
        assert (enrolled / keying.KEY).read_bytes() != before
        assert (enrolled / keying.KEY).stat().st_mode & 0o777 == 0o600
        assert keying.establish(control.address, enrolled, LAB).terminal_id == 77
        terminal.close()


def test_refused(authority, enrolled):
    with MiniControl(authority, LAB) as control:
        control.refuse = (4, 0, "ask Ana")
        with pytest.raises(keying.Refused, match="TERMINAL_BLOCKED: ask Ana"):
            keying.establish(control.address, enrolled, LAB)
        with pytest.raises(keying.Refused):
            keying.renew(control.address, enrolled, LAB)


WRONG = [
    ("role of a terminal", dict(role=keying.uri(LAB, 77)), {}, "not control"),
    ("other deployment", dict(role=keying.uri("other")), {}, "not control"),
    ("no role", dict(role="https://example"), {}, "not control"),
    ("alpn", dict(alpn=b"http/1.1"), {}, "another protocol"),
    ("terminal id", {}, dict(terminal_id=78), "terminal 78"),
    ("deployment hash", {}, dict(deployment=bytes(32)), "another deployment"),
    ("aead", {}, dict(aead=1), "malformed"),
    ("session 0", {}, dict(session_id=0), "malformed"),
]


@pytest.mark.parametrize("name,server,lie,says", WRONG, ids=[w[0] for w in WRONG])
def test_wrong_servers_and_answers(authority, enrolled, name, server, lie, says):
    with MiniControl(authority, LAB, **server) as control:
        control.lie = lie
        with pytest.raises(keying.KeyingError, match=says):
            keying.establish(control.address, enrolled, LAB)
        if server:
            assert control.sessions == 0, name


def test_another_authority_is_not_trusted(enrolled):
    with MiniControl(Authority("stranger"), LAB) as control:
        with pytest.raises(keying.KeyingError, match="certificate verify failed"):
            keying.establish(control.address, enrolled, LAB)
        assert control.sessions == 0


def test_a_certificate_of_another_deployment_is_not_used(enrolled):
    with pytest.raises(keying.KeyingError, match="no terminal of other"):
        keying.establish(("127.0.0.1", 9), enrolled, "other")


# ---- The C terminal ----

@pytest.fixture(name="run")
def fixture_run(tmp_path, authority):
    """run(control, *arguments) -> (status, stdout, stderr), with an identity the C terminal made
    and this authority enrolled."""
    made = subprocess.run(
        [BINARY, "identity", "--terminal", "77", "--deployment", LAB, "--out", tmp_path / "id"],
        capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    authority.enroll(tmp_path / "id", LAB, 77)

    def run(control, *arguments, timeout=300):
        done = subprocess.run(
            [BINARY, "--control", "%s:%d" % control.address, "--identity", tmp_path / "id",
             "--deployment", LAB, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, check=False)
        return done.returncode, done.stdout, done.stderr

    run.identity = tmp_path / "id"
    return run


@needs_binary
def test_c_identity(run):
    identity = run.identity
    assert (identity / keying.KEY).stat().st_mode & 0o777 == 0o600
    assert keying.Identity(identity, LAB).terminal_id == 77
    again = subprocess.run(
        [BINARY, "identity", "--terminal", "77", "--deployment", LAB, "--out", identity],
        capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "already" in again.stderr


@needs_binary
def test_c_commands_with_a_session_from_control(run, authority):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        status, out, err = run(control, "--json", "deposit", 42, 500, "KRW")
        made = json.loads(out)
        assert status == 0 and made["balance"] == 500, err
        assert made["tls_handshakes"] == 1 and made["resets"] == 0 and made["silences"] == 0
        # The address the user gives is the one that counts.
        control.lie = dict(port=1)
        status, _, err = run(control, "--switch", "%s:%d" % switch.address, "balance", 42)
        assert status == 0, err
        control.lie = dict(port=0)
        status, _, err = run(control, "balance", 42)
        assert status == 2 and "--switch" in err
        assert switch.mismatches == 0 and switch.reused_numbers == 0


@needs_binary
def test_c_refusals_and_wrong_servers_are_named(run, authority):
    with MiniControl(authority, LAB) as control:
        control.refuse = (4, 0, "ask Ana")
        status, _, err = run(control, "hello")
        assert status == 1 and "ask Ana (TERMINAL_BLOCKED)" in err
    with MiniControl(Authority("stranger"), LAB) as control:
        status, _, err = run(control, "hello")
        assert status == 3 and "do not trust" in err
    with MiniControl(authority, LAB, role=keying.uri("other")) as control:
        status, _, err = run(control, "hello")
        assert status == 3 and "not the control of deployment" in err
    status, _, err = run(control, "--timeout", 1, "hello")  # it is gone
    assert status == 3 and "cannot reach" in err


@needs_binary
@pytest.mark.parametrize("arguments", [
    ("identity",), ("identity", "--terminal", "1", "--deployment", "x"),
    ("identity", "--terminal", "1", "--deployment", "x", "--out", "y", "more"), ("renew",),
    ("--control", "127.0.0.1:1", "hello"),
    ("--control", "127.0.0.1:1", "--identity", "x", "hello"),
    ("--control", "127.0.0.1:1", "--identity", "x", "--deployment", "y", "--session-file", "z",
     "hello")])
def test_c_usage(arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == "" and "--help" in done.stderr


@needs_binary
def test_c_control_that_comes_late_is_waited_for(run, authority):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        control.stop()
        timer = threading.Timer(1.0, control.start)
        timer.start()
        status, _, err = run(control, "hello")
        timer.join()
        assert status == 0, err


@needs_binary
def test_c_renew_by_hand_and_by_itself(run, authority):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        before = (run.identity / keying.KEY).read_bytes()
        assert run(control, "renew")[0] == 0
        assert (run.identity / keying.KEY).read_bytes() != before
        assert (run.identity / keying.KEY).stat().st_mode & 0o777 == 0o600
        assert (run.identity / (keying.CERTIFICATE + ".previous")).exists()
        control.renewal = (-3600, 600)
        assert run(control, "renew")[0] == 0  # gets one that is old already
        control.renewal = (-60, 3600)
        status, out, _ = run(control, "--json", "hello")
        assert status == 0 and json.loads(out)["certificates_renewed"] == 1
        status, out, _ = run(control, "--json", "hello")
        assert json.loads(out)["certificates_renewed"] == 0
        assert not (run.identity / (keying.CERTIFICATE + ".previous")).exists()
        assert control.renewals == 3


def demo(run, control, tmp_path, trouble, *more, bets=400):
    """A demo with trouble in another thread: its report, and its ack log's lines."""
    report, acks = tmp_path / "report.json", tmp_path / "acks"
    thread = threading.Thread(target=trouble)
    thread.start()
    status, _, err = run(
        control, "--silence", 1, "--spread", 1, *more, "demo", "--accounts", "100:10",
        "--deposit", 5000, "--bets", bets, "--rate", 100, "--in-flight", 16, "--json-out", report,
        "--ack-log", acks, timeout=300)
    thread.join()
    assert status == 0, err
    made = json.loads(report.read_text())
    assert made["bets_accepted"] + sum(made["bets_refused"].values()) == bets
    assert made["unanswered"] == 0
    return made, [line.split() for line in acks.read_text().splitlines()]


def outcomes_check(switch, lines, count):
    assert switch.executed == count and switch.mismatches == 0 and switch.reused_numbers == 0
    assert len(lines) == count and len({line[0] for line in lines}) == count
    for line in lines:
        _, code, position = switch.outcomes[int(line[0])]
        assert (st.NUMBERS[line[4]], position) == (code, int(line[5]))


@needs_binary
def test_c_demo_outlives_the_switch_without_handshakes(run, authority, tmp_path):
    with MiniSwitch(lose=0.02) as switch, MiniControl(authority, LAB, switch) as control:
        def trouble():
            for turn in range(3):
                wait_until(lambda least=80 * (turn + 1): switch.executed >= least, "bets")
                switch.down = True
                time.sleep(0.3)
                switch.restart(switch.boot_id + 1, 1)
                switch.down = False

        made, lines = demo(run, control, tmp_path, trouble, "--silence", 60)
        assert made["tls_handshakes"] == 1 and made["resets"] >= 3, made
        outcomes_check(switch, lines, 410)


@needs_binary
def test_c_demo_follows_epochs_without_reset(run, authority, tmp_path):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        def trouble():
            for turn in range(4):
                # The one before was seen: who misses two in a row needs a RESET.
                wait_until(lambda least=30 * (turn + 1): switch.executed >= least and
                           switch.epoch_seen == switch.epoch, "bets")
                switch.rotate()

        made, lines = demo(run, control, tmp_path, trouble, bets=200)
        assert made["tls_handshakes"] == 1 and made["resets"] == 0, made
        assert switch.epoch_seen == switch.epoch == 7
        outcomes_check(switch, lines, 210)


@needs_binary
def test_c_demo_outlives_control_and_both_together(run, authority, tmp_path):
    with MiniSwitch(lose=0.02) as switch, MiniControl(authority, LAB, switch) as control:
        def trouble():
            wait_until(lambda: switch.executed >= 80, "bets")
            control.stop()  # alone: nobody notices
            wait_until(lambda: switch.executed >= 120, "more bets")
            switch.forget()  # and the switch with it
            time.sleep(5.0)
            control.start()

        made, lines = demo(run, control, tmp_path, trouble, "--silence", 0)
        assert made["tls_handshakes"] >= 2 and made["sessions_replaced"] >= 1, made
        assert made["keying_failures"] >= 1 and made["silences"] >= 1
        outcomes_check(switch, lines, 410)


@needs_binary
def test_c_demo_ends_when_its_terminal_is_revoked(run, authority, tmp_path):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        def revoke():
            wait_until(lambda: switch.executed >= 10, "bets")
            control.refuse = (5, 0, "enrol again")
            switch.forget()

        thread = threading.Thread(target=revoke)
        thread.start()
        status, _, err = run(control, "--silence", 2, "--spread", 0, "demo", "--accounts", "1:5",
                             "--duration", 60, "--rate", 100, "--json-out", tmp_path / "report",
                             timeout=300)
        thread.join()
        assert status == 1 and "enrol again (CERTIFICATE_REVOKED)" in err
        assert json.loads((tmp_path / "report").read_text())["tls_handshakes"] == 2


@needs_binary
def test_c_demo_replaces_its_session_before_the_end(run, authority, tmp_path):
    with MiniSwitch() as switch, MiniControl(authority, LAB, switch) as control:
        control.life = 1.0
        made, lines = demo(run, control, tmp_path, lambda: None)
        assert made["sessions_replaced"] >= 2 and made["silences"] == 0, made
        assert made["tls_handshakes"] == made["sessions_replaced"] + 1
        outcomes_check(switch, lines, 410)
