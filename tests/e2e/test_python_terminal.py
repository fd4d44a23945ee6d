# SPDX-License-Identifier: Apache-2.0
"""The terminal written from wire/README.md alone does what the C terminal does."""

import demo
import network
import pytest
from instance import UDP_PORT
from sluice_terminal import NUMBERS, Terminal, load_sessions
from switch import Switch, balance_sum

ACCOUNT = demo.FIRST_ACCOUNT
BET_OPEN, BET_CANCELLED = 1, 2


def connect(switch, number=demo.FIRST_TERMINAL):
    session = next(one for one in load_sessions(switch.sessions) if one["terminal"] == number)
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"], session["root"])
    assert terminal.hello().ok
    return terminal


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with Switch("python") as switch:
        switch.begin(terminals=2)
        yield switch


@pytest.fixture(name="terminal")
def terminal_fixture(switch):
    terminal = connect(switch)
    yield terminal
    terminal.close()


def open_market(terminal):
    return next(row for row in terminal.markets() if row["state"] == 2 and row["first"] == 0)


def bet(terminal, market, stake=1_000, **more):
    return terminal.place_bet(ACCOUNT, stake, [(market["market"], 0, market["odds"][0])], **more)


def test_learns_all_markets_of_the_season(terminal):
    rows = terminal.markets()
    assert len({row["market"] for row in rows}) == 2 * 380
    assert all(1_001 <= row["odds"][0] <= 10_000_000 for row in rows)


def test_places_queries_and_cancels_a_bet(terminal):
    market = open_market(terminal)
    before = terminal.balance(ACCOUNT)
    placed = bet(terminal, market)
    assert placed.ok and placed.balance == before.balance - 1_000
    assert placed.payout == 1_000 * market["odds"][0] // 1_000

    status = terminal.bet_status(placed.object_id)
    assert status.ok and status.state == BET_OPEN
    assert (status.account, status.stake, status.payout) == (ACCOUNT, 1_000, placed.payout)

    cancelled = terminal.cancel_bet(placed.object_id)
    assert cancelled.ok and cancelled.balance == before.balance
    assert terminal.bet_status(placed.object_id).state == BET_CANCELLED
    assert terminal.balance(ACCOUNT).balance == before.balance
    assert terminal.cancel_bet(placed.object_id).name == "BET_NOT_OPEN"


def test_deposits(terminal):
    before = terminal.balance(ACCOUNT).balance
    assert terminal.deposit(ACCOUNT, 500).balance == before + 500
    assert terminal.balance(ACCOUNT).balance == before + 500


def test_the_same_request_again_gives_the_same_answer_and_no_second_bet(terminal):
    market = open_market(terminal)
    first = bet(terminal, market, seconds=None)
    # Behind the answer of a later question none to a resend of the bet is to come.
    assert terminal.balance(ACCOUNT).ok
    again = bet(terminal, market, seconds=None, request_id=first.request_id)
    assert again.replayed and not first.replayed
    assert (again.code, again.object_id, again.position, again.balance, again.payout,
            again.ticket) == (first.code, first.object_id, first.position, first.balance,
                              first.payout, first.ticket)
    assert first.ticket != bytes(7)
    assert terminal.balance(ACCOUNT).balance == first.balance  # and none to one of the second
    other = bet(terminal, market, stake=2_000, seconds=None, request_id=first.request_id)
    assert other.name == "MISMATCH"
    assert terminal.balance(ACCOUNT).balance == first.balance


def test_a_ticket_is_the_same_from_history_and_after_a_restart(switch, terminal):
    market = open_market(terminal)
    first = bet(terminal, market, seconds=None)
    for _ in range(70):  # out of the window
        assert terminal.deposit(ACCOUNT + 3, 1).ok
    old = bet(terminal, market, seconds=None, request_id=first.request_id)
    assert old.replayed and old.object_id == first.object_id and old.ticket == first.ticket
    young = bet(terminal, market, seconds=None)
    switch.kill()
    switch.restart()
    for one in (first, young):
        again = bet(terminal, market, seconds=None, request_id=one.request_id)
        assert again.replayed and (again.object_id, again.ticket) == (one.object_id, one.ticket)
    assert terminal.balance(ACCOUNT).balance == young.balance


@pytest.mark.parametrize("name, arguments", [
    ("ACCOUNT_UNKNOWN", {"account": 999_999_999}),
    ("CURRENCY_MISMATCH", {"currency": 840}),
    ("FUNDS_INSUFFICIENT", {"stake": 999_999}),
    ("AMOUNT_INVALID", {"stake": 0}),
    ("MARKET_UNKNOWN", {"market": 999_999}),
    ("SELECTION_UNKNOWN", {"selection": 9}),
    ("ODDS_CHANGED", {"odds": 9_999_000}),
    ("LIMIT_SINGLE_STAKE", {"stake": 1_000_001}),
])
def test_refusals_name_their_reason_and_leave_the_balance(terminal, name, arguments):
    market = open_market(terminal)
    if name == "LIMIT_SINGLE_STAKE":
        terminal.deposit(ACCOUNT + 1, 900_000)
    if name == "FUNDS_INSUFFICIENT":
        bet(terminal, market, stake=300_000)
    account = arguments.get("account", ACCOUNT + 1 if name == "LIMIT_SINGLE_STAKE" else ACCOUNT)
    before = terminal.balance(account)
    answer = terminal.place_bet(
        account, arguments.get("stake", 1_000),
        [(arguments.get("market", market["market"]), arguments.get("selection", 0),
          arguments.get("odds", market["odds"][0]))], currency=arguments.get("currency", 410))
    assert answer.name == name
    assert answer.code == NUMBERS[name]
    after = terminal.balance(account)
    assert (after.code, after.fields.get("balance")) == (before.code, before.fields.get("balance"))


def test_accumulator_of_ten_legs_and_two_on_one_event(terminal):
    rows = [row for row in terminal.markets() if row["kind"] == 1][:10]
    legs = [(row["market"], 2, row["odds"][2]) for row in rows]
    ten = terminal.place_bet(ACCOUNT + 2, 1, legs)
    assert ten.name in ("OK", "PAYOUT_LIMIT", "RISK_SCORE")
    twice = terminal.place_bet(ACCOUNT + 2, 1_000, [legs[0], legs[0]])
    assert twice.name == "LEGS_DUPLICATE"


def test_an_old_deadline_is_never_accepted(terminal):
    market = open_market(terminal)
    before = terminal.balance(ACCOUNT).balance
    late = bet(terminal, market, seconds=-5)
    assert late.name == "EXPIRED"
    assert terminal.balance(ACCOUNT).balance == before


def test_another_terminal_cannot_cancel_the_bet(switch, terminal):
    placed = bet(terminal, open_market(terminal))
    other = connect(switch, demo.FIRST_TERMINAL + 1)
    assert other.cancel_bet(placed.object_id).name == "NOT_YOUR_BET"
    other.close()
    assert terminal.bet_status(placed.object_id).state == BET_OPEN


def test_a_restart_is_followed_by_reset_and_keeps_every_answer():
    with Switch("python-reset") as switch:
        switch.begin(1)
        terminal = connect(switch)
        first = bet(terminal, open_market(terminal), seconds=None)
        boot = terminal.boot_id
        switch.kill()
        switch.restart()
        again = bet(terminal, open_market(terminal), seconds=None, request_id=first.request_id)
        # Odds are unchanged, so this is the same body: the stored answer, from before the kill.
        assert again.replayed and again.object_id == first.object_id
        assert (again.position, again.balance) == (first.position, first.balance)
        assert terminal.boot_id > boot
        terminal.close()
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0
        matching = [event for event in switch.events()
                    if event["request_id"] == first.request_id and event["terminal_id"] == 1]
        assert len(matching) == 1
