# SPDX-License-Identifier: Apache-2.0
"""The Python terminal, written from wire/README.md, against the real control: keys over TLS, RESET,
another epoch, a new session after silence, renewal, and what must be refused."""

import os
import shutil

import demo
import keying
import pytest
from controlled import ControlledSwitch
from switch import wait_until

ACCOUNT = demo.FIRST_ACCOUNT
TERMINAL = 1
PATIENT, HASTY = 120, 3  # seconds of silence until a terminal asks control for a new session


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("keying") as switch:
        switch.begin(terminals=2)
        yield switch


def connect(switch, number=TERMINAL, folder=None, silence=PATIENT):
    host, port = switch.control.address.split(":")
    with switch.terminal_network():
        return keying.KeyedTerminal((host, int(port)), folder or switch.control.identity(number),
                                    switch.name, silence=silence, spread=0.5)


@pytest.fixture(name="terminal")
def terminal_fixture(switch):
    terminal = connect(switch)
    assert terminal.hello().ok
    yield terminal
    terminal.close()


@pytest.fixture(name="hasty")
def hasty_fixture(switch):
    terminal = connect(switch, silence=HASTY)
    assert terminal.hello().ok
    yield terminal
    terminal.close()


def in_network(switch, function, *arguments):
    """TLS sockets of a later handshake are made in the terminals' network too."""
    with switch.terminal_network():
        return function(*arguments)


def test_keys_over_tls_carry_bets(terminal):
    market = next(row for row in terminal.markets() if row["state"] == 2 and row["first"] == 0)
    placed = terminal.place_bet(ACCOUNT, 1_000, [(market["market"], 0, market["odds"][0])])
    assert placed.ok and terminal.bet_status(placed.object_id).ok
    assert terminal.tls_handshakes == 1


def test_restart_of_the_data_plane_is_healed_by_reset(switch, terminal):
    switch.kill()
    switch.start()
    assert terminal.balance(ACCOUNT, timeout=120).ok
    assert terminal.tls_handshakes == 1


def test_epoch_changes_without_losing_a_request(switch, terminal):
    for epoch in (2, 3, 4):
        switch.control.ctl("session", "rotate", terminal.session.session_id)
        wait_until(lambda: terminal.balance(ACCOUNT).ok and terminal.epoch == epoch, 60,
                   f"epoch {epoch}")
    assert terminal.tls_handshakes == 1


def test_silence_after_both_died_leads_to_one_new_handshake(switch, hasty):
    switch.control.kill()
    switch.kill()
    switch.start()
    switch.control.start()
    switch.control.wait_up()
    answer = in_network(switch, hasty.balance, ACCOUNT, 120)
    assert answer.ok and hasty.tls_handshakes == 2


def test_ended_session_is_followed_by_a_new_one(switch, hasty):
    switch.control.ctl("session", "end", hasty.session.session_id)
    answer = in_network(switch, hasty.balance, ACCOUNT, 120)
    assert answer.ok and hasty.tls_handshakes == 2


def test_certificate_is_renewed(switch):
    folder = switch.control.identity(2)
    host, port = switch.control.address.split(":")
    with switch.terminal_network():
        old = keying.Identity(folder, switch.name).certificate.serial_number
        new = keying.renew((host, int(port)), folder, switch.name).certificate.serial_number
    assert new != old
    terminal = connect(switch, 2)
    assert terminal.balance(ACCOUNT).ok
    terminal.close()
    states = [row["state"] for row in switch.control.json("terminal", "show", 2)["certificates"]]
    assert sorted(states) == ["revoked", "valid"]


@pytest.mark.parametrize("verb, reason", [("block", "BLOCKED"), ("revoke", "REVOKED")])
def test_who_may_not_come_in_is_told_why(switch, verb, reason):
    number = {"block": 21, "revoke": 22}[verb]
    switch.control.enroll(number)
    connect(switch, number).close()
    switch.control.ctl("terminal", verb, number, "--yes")
    with pytest.raises(keying.Refused) as refused:
        connect(switch, number)
    assert reason in str(refused.value).upper()


def test_a_certificate_of_another_authority_is_refused(switch, tmp_path):
    """Signed by nobody we trust: the handshake itself fails, and no session is made."""
    before = switch.control.status()["sessions"]["established"]
    folder = tmp_path / "terminal"
    shutil.copytree(switch.control.identity(TERMINAL), folder)
    for name in ("terminal.key", "terminal.csr"):
        os.unlink(folder / name)
    keying.identity_make(folder, switch.name, TERMINAL)  # another key: the certificate is not its
    with pytest.raises(Exception):
        connect(switch, folder=str(folder))
    assert switch.control.status()["sessions"]["established"] == before
