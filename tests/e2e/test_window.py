# SPDX-License-Identifier: Apache-2.0
"""Promise 3 at any age: ids below the window of 64, before and after a kill."""

import demo
import network
from instance import UDP_PORT
from sluice_terminal import NO_DEADLINE, PLACE_BET, Terminal, bet_block, leg, load_sessions
from switch import Switch, balance_sum, wait_until

ACCOUNT = demo.FIRST_ACCOUNT
STAKE = 1_000
LATER = 75  # more than the window holds


def connect(switch):
    session = load_sessions(switch.sessions)[0]
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"], session["root"])
    assert terminal.hello().ok
    return terminal


def bet(terminal, legs, stake=STAKE, request_id=None):
    """Without a deadline, so the same arguments give the same bytes."""
    block = bet_block(ACCOUNT, stake, NO_DEADLINE, leg_count=len(legs))
    return terminal.request(PLACE_BET, block, b"".join(leg(*one) for one in legs),
                            request_id=request_id)


def drain(terminal):
    """Answers to resends of the id before must not pass for answers to the next one's."""
    while terminal.receive(0.3) is not None:
        pass


def check_old_ids(terminal, legs, first, unused):
    """What an id below the window is answered; nothing of it may move money."""
    before = terminal.balance(ACCOUNT).balance
    again = bet(terminal, legs, request_id=first.request_id)
    assert again.replayed
    assert (again.code, again.shard, again.position, again.object_id, again.fields) == \
        (first.code, first.shard, first.position, first.object_id, first.fields)

    drain(terminal)
    # A late answer to a resend of the id before would pass for the first one to this.
    wait_until(lambda: bet(terminal, legs, stake=STAKE + 1, request_id=first.request_id).name ==
               "MISMATCH", 60, "MISMATCH")

    for _ in range(2):  # for ever
        drain(terminal)
        never = bet(terminal, legs, request_id=unused)
        assert (never.name, never.position) == ("EXPIRED", 0)
    assert terminal.balance(ACCOUNT).balance == before


def test_an_id_below_the_window_keeps_its_outcome_also_after_a_kill():
    with Switch("window") as switch:
        switch.begin(1)
        terminal = connect(switch)
        row = next(row for row in terminal.markets() if row["state"] == 2 and row["first"] == 0)
        legs = [(row["market"], 0, row["odds"][0])]
        first = bet(terminal, legs)
        assert first.ok and not first.replayed
        unused = terminal.next_id
        terminal.next_id += 1
        for _ in range(LATER):
            assert terminal.deposit(ACCOUNT, 1).ok

        check_old_ids(terminal, legs, first, unused)
        resets = terminal.resets
        switch.kill()
        switch.restart()
        check_old_ids(terminal, legs, first, unused)
        assert terminal.resets > resets, "the terminal did not notice the restart"
        terminal.close()

        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0
        ids = [event["request_id"] for event in switch.events() if event["request_id"]
               and event["terminal_id"] == demo.FIRST_TERMINAL]
        assert ids.count(first.request_id) == 1 and unused not in ids
        assert len(ids) == LATER + 1
