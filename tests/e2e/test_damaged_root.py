# SPDX-License-Identifier: Apache-2.0
"""Roots that are not whole: a start refuses them by name instead of serving what it cannot know."""

import struct
import time

import demo
import network
import pytest
from instance import UDP_PORT, InstanceError
from sluice_terminal import Terminal, load_sessions
from switch import Switch


def refused(switch):
    """The start's message."""
    try:
        switch.start()
    except InstanceError as error:
        return str(error)
    raise AssertionError("a damaged root was started on")


def connect(switch):
    session = load_sessions(switch.sessions)[0]
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"],
                            session["root"])
    assert terminal.hello().ok
    return terminal


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_bit_in_a_balance_is_refused_though_nothing_is_replayed(how):
    with Switch(f"rowbit-{how}") as switch:
        switch.begin(1)
        terminal = connect(switch)
        for _ in range(20):
            assert terminal.deposit(demo.FIRST_ACCOUNT, 12_345).ok
        balance = struct.pack("<q", terminal.balance(demo.FIRST_ACCOUNT).balance)
        terminal.close()
        if how == "stop":
            switch.stop()
        else:
            time.sleep(1)  # checkpoints until nothing is left to replay
            switch.kill()
        rows = switch.path("var/lib/sluice/shard-0/rows/data.mdb")
        with open(rows, "rb") as stream:
            whole = stream.read()
        assert balance in whole
        with open(rows, "wb") as stream:
            stream.write(whole.replace(balance, balance[:4] + bytes([balance[4] ^ 1]) +
                                       balance[5:]))
        said = refused(switch)
        assert "shard 0: the rows in" in said and "sluice-db verify" in said
        with open(rows, "wb") as stream:
            stream.write(whole)
        switch.restart()
        switch.stop()
