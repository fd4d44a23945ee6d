# SPDX-License-Identifier: Apache-2.0
"""Every message of the catalogue and every answer code (0xF excepted), over the wire, by the
terminal that was written from wire/README.md alone. Two shards, so that accounts, tickets and
sprinkles are at home and elsewhere. The last test counts what was seen."""

import contextlib
import time

import demo
import keying
import pytest
import sluice_terminal as st
from controlled import ControlledSwitch
from sluice_messages import CODES, NAMES, NUMBERS
from switch import balance_sum, wait_until

FIRST = 500_001  # accounts of this test, OPENING each
OPENING = 1_000_000
COUNT = 60
MARKET, OTHER, LONGSHOT, LATER, STARTED = 700_001, 700_002, 700_003, 700_004, 700_005
RESULTS = 700_010  # markets to be settled, one a test
NO_MONEY = 599_999  # an account that is opened empty

SEEN_CODES, SEEN_TEMPLATES = set(), set()


class Noting(keying.KeyedTerminal):
    """A terminal that notes what it asked and what it was answered."""

    def take_answer(self, answer):
        SEEN_CODES.add(answer.code)
        SEEN_TEMPLATES.add(answer.template & 0x7fff)
        return super().take_answer(answer)

    def request(self, template, *arguments, **options):
        SEEN_TEMPLATES.add(template)
        return super().request(template, *arguments, **options)


def market_lines():
    """A market file (control/markets/README.md)."""
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86_400))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    prices = "home:2;draw:3.5;away:25"
    rows = [(MARKET, 7001, later), (OTHER, 7001, later), (LONGSHOT, 7003, later),
            (LATER, 7004, later), (STARTED, 7005, soon)]
    rows += [(RESULTS + n, 7010 + n, later) for n in range(20)]
    return "market,event,name,start,kind,line,state,selections\n" + "".join(
        f"{market},{event},Test {market},{start},1x2,,open,{prices}\n"
        for market, event, start in rows)


def connect(switch, number, silence=120):
    """Patient: a switch that the machine keeps waiting needs no new session."""
    host, port = switch.control.address.split(":")
    with switch.terminal_network():
        terminal = Noting((host, int(port)), switch.control.identity(number), switch.name,
                          silence=silence, spread=0.5)
    assert terminal.hello().ok
    return terminal


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("catalogue", shards=2) as switch:
        switch.begin(terminals=4)
        control = switch.control
        # Each code by itself: thousands of odd requests of a few accounts would score.
        control.ctl("rules", "set", "factors=0")
        path = switch.path("markets.csv")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(market_lines())
        control.ctl("market", "import", path)
        demo.accounts_open(control, FIRST, COUNT, OPENING)
        control.ctl("partner", "set", 1, "--name", "One", "--keys-max", 1_000)
        control.ctl("partner", "set", 2, "--name", "Two", "--keys-max", 2)
        yield switch
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0


@pytest.fixture(name="terminal", scope="module")
def terminal_fixture(switch):
    terminal = connect(switch, 1)
    yield terminal
    terminal.close()


@pytest.fixture(name="other", scope="module")
def other_fixture(switch):
    terminal = connect(switch, 2)
    yield terminal
    terminal.close()


def account(number):
    return FIRST + number


def bet(terminal, number, stake=1_000, market=MARKET, selection=0, odds=2_000, **more):
    return terminal.place_bet(account(number), stake, [(market, selection, odds)], **more)


def money(terminal, number):
    return terminal.balance(account(number)).balance


@contextlib.contextmanager
def rules(switch, *settings):
    """Other rules for a while."""
    shown = {rule["key"]: rule["value"] for rule in switch.control.json("rules", "show")["rules"]}
    switch.control.ctl("rules", "set", *settings)
    try:
        yield
    finally:
        switch.control.ctl("rules", "set", *(
            f"{one.split('=')[0]}={shown[one.split('=')[0]]}" for one in settings))


# ---- Session ----

def test_heartbeat_key_update_and_goodbye(switch):
    terminal = connect(switch, 4, silence=3)
    assert terminal.heartbeat().ok
    updated = terminal.key_update()
    assert updated.ok and updated.fields["epoch"] == terminal.epoch
    assert terminal.goodbye().ok
    # The session is gone: the terminal makes a new one by itself.
    with switch.terminal_network():
        assert terminal.balance(account(0), timeout=120).ok
    assert terminal.tls_handshakes == 2
    terminal.close()


@pytest.mark.parametrize("code, text", [
    ("BAD_LENGTH", st.message(st.BALANCE, 900_000_001, bytes(0))),
    ("UNKNOWN_TEMPLATE", st.message(0x00F1, 900_000_002, bytes(8))),
    ("BAD_SCHEMA_VERSION", st.message(st.BALANCE, 900_000_003, st.id_block(1), schema=9)),
    ("RESERVED_NOT_ZERO", st.message(st.HEARTBEAT, 900_000_004,
                                     st.heartbeat_block(0, 0, reserved=1))),
    ("BAD_FIELD", st.message(st.BALANCE, 900_000_005, st.id_block(0))),
    ("BAD_REQUEST_ID", st.message(st.DEPOSIT, 0, st.deposit_block(FIRST, 1, st.NO_DEADLINE))),
])
def test_frames_that_are_wrong_are_named(terminal, code, text):
    terminal.send(text)
    request_id = int.from_bytes(text[8:16], "little")
    answers = until_answers(terminal, {request_id})
    assert answers[request_id].name == code


def until_answers(terminal, ids, seconds=60):
    """Answers to messages that were sent by hand: all of each id, the last one kept."""
    found, end = {}, time.monotonic() + seconds
    while not ids <= set(found) and time.monotonic() < end:
        for answer in terminal.receive(0.2) or []:
            SEEN_CODES.add(answer.code)
            found[answer.request_id] = answer
    assert ids <= set(found), f"no answer to {ids - set(found)}"
    return found


def all_answers(terminal, count, ids, seconds=60):
    """As many answers to these as that, and what more comes within a moment."""
    found, until = [], time.monotonic() + seconds
    while (answers := terminal.receive(0.2)) is not None or \
            len(found) < count and time.monotonic() < until:
        found += [answer for answer in answers or [] if answer.request_id in ids]
    SEEN_CODES.update(answer.code for answer in found)
    return found


def test_the_same_request_twice_in_one_datagram_is_in_progress_once(terminal):
    request_id = terminal.take_id(st.DEPOSIT)
    text = st.message(st.DEPOSIT, request_id,
                      st.deposit_block(account(0), 5, st.NO_DEADLINE))
    before = money(terminal, 0)
    terminal.send(text, text)
    names = sorted(answer.name for answer in all_answers(terminal, 2, {request_id}))
    assert names == ["IN_PROGRESS", "OK"]
    assert money(terminal, 0) == before + 5


def test_ids_too_far_apart_while_one_runs_are_busy(terminal):
    first = terminal.take_id(st.DEPOSIT)
    block = st.deposit_block(account(0), 1, st.NO_DEADLINE)
    terminal.send(st.message(st.DEPOSIT, first, block),
                  st.message(st.DEPOSIT, first + 64, block))
    names = {answer.request_id: answer.name
             for answer in all_answers(terminal, 2, {first, first + 64})}
    assert names[first] == "OK" and names[first + 64] == "BUSY"


def test_no_right(switch):
    terminal = connect(switch, 3)
    switch.control.ctl("terminal", "set", 3, "--rights", "balance,market")
    wait_until(lambda: terminal.deposit(account(0), 1).name == "NO_RIGHT", 60, "rights")
    switch.control.ctl("terminal", "set", 3, "--rights", "all")
    wait_until(lambda: terminal.deposit(account(0), 1).ok, 60, "all rights")
    terminal.close()


# ---- Wallet ----

def test_open_account(switch, terminal):
    opened = terminal.open_account(NO_MONEY, partner=1)
    assert opened.ok and terminal.balance(NO_MONEY).balance == 0
    assert terminal.open_account(NO_MONEY, partner=2).name == "ACCOUNT_EXISTS"
    assert terminal.open_account(NO_MONEY + 1, partner=77).name == "PARTNER_UNKNOWN"
    assert terminal.open_account(NO_MONEY + 2, partner=2).ok
    assert terminal.withdraw(NO_MONEY, 1).name == "FUNDS_INSUFFICIENT"
    assert terminal.deposit(999_999_999, 1).name == "ACCOUNT_UNKNOWN"


def test_partner_keys(terminal):
    key = b"k" * 16
    first = terminal.deposit(NO_MONEY, 700, key=key)
    again = terminal.deposit(NO_MONEY, 700, key=key)
    assert (first.name, again.name) == ("OK", "REPEATED")
    assert terminal.deposit(NO_MONEY, 701, key=key).name == "KEY_MISMATCH"
    assert terminal.balance(NO_MONEY).balance == 700
    # The account is part of the key: another's is another request, whatever shard it is on.
    assert terminal.open_account(NO_MONEY + 9, partner=1).ok
    others = [terminal.deposit(NO_MONEY + 9, 700, key=key).name for _ in range(2)]
    assert others == ["OK", "REPEATED"]
    names = [terminal.deposit(NO_MONEY + 2, 5, key=bytes([n]) * 16).name for n in range(1, 5)]
    assert names[0] == "OK" and names[-1] == "PARTNER_QUOTA"


def test_partner_blocked(switch, terminal):
    switch.control.ctl("partner", "set", 2, "--blocked", "on")
    assert terminal.deposit(NO_MONEY + 2, 5).name == "PARTNER_BLOCKED"
    switch.control.ctl("partner", "set", 2, "--blocked", "off")
    assert terminal.deposit(NO_MONEY + 2, 5).ok


def became(terminal, withdrawal):
    """What TX_STATUS says has become of one that waited."""
    status = terminal.tx_status(withdrawal.request_id)
    assert status.ok and status.object_id == withdrawal.object_id
    return CODES[status.fields["target_code"]]


def test_withdrawals_at_once_and_by_approval(switch, terminal):
    before = money(terminal, 1)
    assert terminal.withdraw(account(1), 1_000).balance == before - 1_000
    with rules(switch, "withdraw_pending_min=50000"):
        paid, refused = (terminal.withdraw(account(1), 60_000) for _ in range(2))
        assert paid.name == refused.name == "PENDING"
        assert money(terminal, 1) == before - 121_000
        waiting = switch.control.json("withdrawal", "list")["withdrawals"]
        assert len(waiting) == 2
        assert became(terminal, paid) == became(terminal, refused) == "PENDING"
        switch.control.ctl("withdrawal", "approve", paid.object_id)
        switch.control.ctl("withdrawal", "reject", refused.object_id)
        assert money(terminal, 1) == before - 61_000
        assert became(terminal, paid) == "OK"
        assert became(terminal, refused) == "WITHDRAWAL_CLOSED"
        assert terminal.reverse(refused.request_id).name == "WITHDRAWAL_CLOSED"
        # A reversal of one that was closed, too.
        third = terminal.withdraw(account(1), 60_000)
        assert terminal.reverse(third.request_id).ok
        assert became(terminal, third) == "WITHDRAWAL_CLOSED"
        assert money(terminal, 1) == before - 61_000


def test_transfers_here_and_to_another_shard(terminal):
    before = [money(terminal, n) for n in range(2, 12)]
    for n in range(3, 12):
        moved = terminal.transfer(account(2), account(n), 100 + n)
        assert moved.ok, moved.name
    after = [money(terminal, n) for n in range(2, 12)]
    assert after[0] == before[0] - sum(100 + n for n in range(3, 12))
    assert [new - old for new, old in zip(after[1:], before[1:])] == [100 + n for n in range(3, 12)]
    assert terminal.transfer(account(2), account(2), 1).name == "ACCOUNT_SAME"
    # Refused on the other side, here and elsewhere: the money comes back.
    names = {terminal.transfer(account(2), 888_000_000 + n, 50).name for n in range(8)}
    assert names == {"ACCOUNT_UNKNOWN"}
    assert money(terminal, 2) == after[0]
    assert terminal.transfer(account(2), account(3), 1, currency=840).name == "CURRENCY_MISMATCH"


def test_frozen_account(switch, terminal):
    switch.control.ctl("account", "freeze", account(12))
    assert terminal.deposit(account(12), 1).name == "ACCOUNT_FROZEN"
    switch.control.ctl("account", "unfreeze", account(12))


def test_balance_limit_and_amounts(terminal):
    assert terminal.deposit(account(13), 0).name == "AMOUNT_INVALID"
    assert terminal.deposit(account(13), 10**15 - OPENING).ok
    assert terminal.deposit(account(13), 1).name == "BALANCE_LIMIT"
    assert terminal.withdraw(account(13), 10**15 - OPENING).ok


def test_statement_shows_every_change_with_its_balances(terminal):
    before = money(terminal, 14)
    amounts = [7, 11, 13]
    for amount in amounts:
        assert terminal.deposit(account(14), amount).ok
    assert terminal.withdraw(account(14), 31).ok
    rows = terminal.statement_all(account(14))
    assert [row["amount"] for row in rows[:4]] == [-31, 13, 11, 7]
    assert rows[0]["after"] == before and rows[3]["before"] == before
    assert all(row["before"] + row["amount"] == row["after"] for row in rows[:4])


def test_status_reversal_and_fence(terminal):
    before = money(terminal, 15)
    paid_in = terminal.deposit(account(15), 900)
    status = terminal.tx_status(paid_in.request_id)
    assert status.ok and status.fields["target_code"] == 0
    reversed_ = terminal.reverse(paid_in.request_id)
    assert reversed_.ok and money(terminal, 15) == before
    assert terminal.reverse(paid_in.request_id).name == "REVERSED_BEFORE"
    unknown = terminal.take_id(st.DEPOSIT)
    assert terminal.tx_status(unknown).name == "REQUEST_UNKNOWN"
    assert terminal.fence(unknown).name == "FENCED_NOW"
    # Told alike at once and, from the log, when the id is below the window.
    assert terminal.tx_status(unknown).name == "REQUEST_UNKNOWN"
    late = terminal.deposit(account(15), 900, request_id=unknown)
    assert late.name == "FENCED" and money(terminal, 15) == before
    assert terminal.fence(paid_in.request_id).name == "REQUEST_DONE"
    # A reversal of something that never came fences it, too.
    never = terminal.take_id(st.DEPOSIT)
    assert terminal.reverse(never).name == "FENCED_NOW"
    assert terminal.deposit(account(15), 900, request_id=never).name == "FENCED"
    opened = terminal.open_account(NO_MONEY + 3)
    assert terminal.reverse(opened.request_id).name == "NOT_REVERSIBLE"


def test_same_id_another_body_and_deadline(terminal):
    done = terminal.deposit(account(15), 3, seconds=None)
    money(terminal, 15)  # behind it no answer to a resend of that one is to come
    assert terminal.deposit(account(15), 4, seconds=None,
                            request_id=done.request_id).name == "MISMATCH"
    late = terminal.deposit(account(15), 3, seconds=-5)
    assert late.name == "EXPIRED"


def test_responsible_play(terminal):
    low = (1_000, -1, 2_000, -1, -1, -1)
    assert terminal.play_set(account(16), limits=low).ok
    assert terminal.deposit(account(16), 1_001).name == "LIMIT_DEPOSIT"
    assert terminal.deposit(account(16), 1_000).ok
    assert bet(terminal, 16, stake=2_001).name == "LIMIT_STAKE"
    assert bet(terminal, 16, stake=2_000).ok
    now = terminal.switch_time_ns()
    assert terminal.play_set(account(17), cooloff_until_ns=now + 3_600 * 10**9).ok
    assert bet(terminal, 17).name == "COOLING_OFF"
    assert terminal.play_set(account(18), excluded_until_ns=now + 86_400 * 10**9).ok
    assert bet(terminal, 18).name == "SELF_EXCLUDED"


def test_loss_limit(switch, terminal):
    market = RESULTS + 9
    assert terminal.play_set(account(19), limits=(-1, -1, -1, -1, 5_000, -1)).ok
    assert bet(terminal, 19, stake=5_000, market=market).ok
    assert bet(terminal, 19, stake=1_000).name == "LIMIT_LOSS"  # open, it may all be lost
    switch.control.ctl("market", "result", market, "--outcomes", "lose,win,lose")
    assert bet(terminal, 19, stake=1_000).name == "LIMIT_LOSS"


# ---- Betting ----

@pytest.mark.parametrize("code, legs, more", [
    ("MARKET_UNKNOWN", [(799_999, 0, 2_000)], {}),
    ("SELECTION_UNKNOWN", [(MARKET, 7, 2_000)], {}),
    ("ODDS_CHANGED", [(MARKET, 0, 2_500)], {}),
    ("LEGS_DUPLICATE", [(MARKET, 0, 2_000), (MARKET, 1, 3_500)], {}),
    ("LEGS_RELATED", [(MARKET, 0, 2_000), (OTHER, 0, 2_000)], {}),
    ("LIMIT_SINGLE_STAKE", [(MARKET, 0, 2_000)], {"stake": 1_000_001}),
    ("PAYOUT_LIMIT", [(RESULTS + n, 2, 25_000) for n in range(10, 19)], {"stake": 900_000}),
])
def test_bets_that_are_refused(terminal, code, legs, more):
    answer = terminal.place_bet(account(20), more.get("stake", 1_000), legs)
    assert answer.name == code


def test_market_not_open_and_event_started(switch, terminal):
    switch.control.ctl("market", "suspend", LATER)
    assert bet(terminal, 20, market=LATER).name == "MARKET_NOT_OPEN"
    wait_until(lambda: bet(terminal, 20, market=STARTED).name == "EVENT_STARTED", 60, "the start")


def test_daily_limits_and_score(switch, terminal):
    with rules(switch, "stake_daily_max=2000"):
        assert bet(terminal, 21, stake=2_000).ok
        assert bet(terminal, 21, stake=1).name == "LIMIT_DAILY_STAKE"
    with rules(switch, "terminal_daily_max=1"):
        assert bet(terminal, 22, stake=2_000).name == "LIMIT_TERMINAL_DAILY"
    with rules(switch, "refuse_score=1", "alert_score=1", "large_amount=500"):
        assert bet(terminal, 22, stake=2_000).name == "RISK_SCORE"


def test_exposure_limits(switch, terminal):
    with rules(switch, "exposure_selection_max=1000000"):
        names = [bet(terminal, n, stake=100_000, market=RESULTS + 8).name for n in range(23, 33)]
        assert names.count("OK") == 5 and set(names) == {"OK", "EXPOSURE_SELECTION"}, names
    with rules(switch, "exposure_market_max=1200000"):
        names = [bet(terminal, n, stake=100_000, market=RESULTS + 7, selection=n % 2,
                     odds=[2_000, 3_500][n % 2]).name for n in range(23, 33)]
        assert "EXPOSURE_MARKET" in names
    switch.control.ctl("partner", "set", 1, "--exposure-max", 1_000)
    assert terminal.deposit(NO_MONEY, 100_000).ok
    names = [terminal.place_bet(NO_MONEY, 400, [(MARKET, 0, 2_000)]).name for _ in range(3)]
    assert names[0] == "OK" and names[-1] == "EXPOSURE_PARTNER", names
    switch.control.ctl("partner", "set", 1, "--exposure-max", 0)


def test_cancel_status_and_reprint(switch, terminal, other):
    placed = bet(terminal, 33)
    assert terminal.bet_status(placed.object_id).state == 1
    assert other.cancel_bet(placed.object_id).name == "NOT_YOUR_BET"
    assert terminal.reprint(placed.object_id).ok
    assert terminal.bet_status(placed.object_id).fields["reprints"] == 1
    printed = [terminal.reprint(placed.object_id).payout for _ in range(16)]
    assert printed == list(range(2, 18))
    assert terminal.bet_status(placed.object_id).fields["reprints"] == 17
    assert terminal.cancel_bet(placed.object_id, reason=1).ok
    assert terminal.cancel_bet(placed.object_id).name == "BET_NOT_OPEN"
    assert terminal.bet_status(10**15).name == "BET_UNKNOWN"
    with rules(switch, "cancel_window_s=1"):
        late = bet(terminal, 33)
        time.sleep(1.2)
        assert terminal.cancel_bet(late.object_id).name == "CANCEL_TOO_LATE"


def test_cash_ticket_is_paid_once_at_any_terminal(switch, terminal, other):
    market = RESULTS
    won = terminal.place_bet(0, 2_000, [(market, 0, 2_000)])
    lost = terminal.place_bet(0, 3_000, [(market, 1, 3_500)])
    assert won.ok and lost.ok
    code, wrong = (won.object_id, won.ticket), (won.object_id, bytes(7))
    assert other.redeem(wrong).name == "TICKET_INVALID"
    assert other.redeem(code).name == "TICKET_NOT_PAYABLE"  # not settled yet
    shown = switch.control.json("ticket", "verify", st.ticket_code(*code))
    assert shown["genuine"]
    switch.control.ctl("market", "result", market, "--score", "2:1")
    paid = other.redeem(code)
    assert paid.ok and paid.payout == 4_000
    assert terminal.redeem(code).name == "TICKET_PAID"
    assert terminal.redeem((lost.object_id, lost.ticket)).name == "TICKET_NOT_PAYABLE"


def test_unclaimed_ticket_expires(switch, terminal):
    with rules(switch, "ticket_expiry_s=1"):
        won = terminal.place_bet(0, 2_000, [(RESULTS + 1, 0, 2_000)])
        switch.control.ctl("market", "result", RESULTS + 1, "--score", "2:1")
        time.sleep(2)
        wait_until(lambda: terminal.redeem((won.object_id, won.ticket)).name == "TICKET_EXPIRED",
                   60, "the ticket to expire")


def test_settlement_rollback_and_void(switch, terminal):
    market, before = RESULTS + 2, money(terminal, 34)
    placed = bet(terminal, 34, market=market)
    switch.control.ctl("market", "result", market, "--score", "1:0")
    assert money(terminal, 34) == before + 1_000
    switch.control.ctl("market", "rollback", market)
    assert money(terminal, 34) == before - 1_000
    assert terminal.bet_status(placed.object_id).state == 1
    switch.control.ctl("market", "result", market, "--score", "0:0")
    assert money(terminal, 34) == before - 1_000
    assert terminal.bet_status(placed.object_id).state == 3
    voided = bet(terminal, 35)
    switch.control.ctl("bet", "void", voided.object_id, "--yes")
    assert terminal.bet_status(voided.object_id).state == 4


def test_events_and_markets(terminal):
    events = {row["event"]: row for row in terminal.events()}
    assert events[7001]["markets"] == 2
    rows = terminal.event_query(event=7001).rows
    assert {row["market"] for row in rows} == {MARKET, OTHER}
    assert terminal.market_query(market=MARKET).rows[0]["market"] == MARKET


# ---- Rounds ----

def test_game_rounds(terminal):
    def tx(number):
        return number.to_bytes(16, "little")

    game = {"partner": 1}
    account_id = NO_MONEY
    before = terminal.balance(account_id).balance
    assert terminal.round_debit(account_id, 1, 500, tx(1), **game).ok
    assert terminal.round_debit(account_id, 1, 500, tx(1), **game).name == "REPEATED"
    assert terminal.round_debit(account_id, 1, 501, tx(1), **game).name == "TRANSACTION_REPEATED"
    assert terminal.round_credit(account_id, 1, 800, tx(2), **game).ok
    assert terminal.balance(account_id).balance == before + 300
    assert terminal.round_rollback(account_id, 1, tx(3), tx(1), **game).ok
    assert terminal.balance(account_id).balance == before + 800
    # A rollback that comes before its debit.
    assert terminal.round_rollback(account_id, 1, tx(4), tx(5), **game).ok
    late = terminal.round_debit(account_id, 1, 100, tx(5), **game)
    assert late.name == "TRANSACTION_ROLLED_BACK"
    assert terminal.round_close(account_id, 1, **game).ok
    assert terminal.round_debit(account_id, 1, 100, tx(6), **game).name == "ROUND_CLOSED"
    assert terminal.round_close(account_id, 99, **game).name == "ROUND_UNKNOWN"


# ---- Sprinkles ----

def test_sprinkle_and_claims_from_both_shards(terminal):
    made = terminal.sprinkle(account(36), 1_000, 4, room=9)
    assert made.ok
    token = made.object_id
    assert terminal.claim(token, account(36), room=9).name == "CLAIM_OWN"
    assert terminal.claim(token, account(37), room=8).name == "SPRINKLE_UNKNOWN"
    before = {n: money(terminal, n) for n in range(37, 42)}
    claimed = {n: terminal.claim(token, account(n), room=9) for n in range(37, 41)}
    assert all(answer.ok for answer in claimed.values()), {n: a.name for n, a in claimed.items()}
    assert terminal.claim(token, account(37), room=9).name == "CLAIMED_BEFORE"
    assert terminal.claim(token, account(41), room=9).name == "SPRINKLE_EMPTY"
    # Wherever the claimer lives: the answers are alike.
    assert all(answer.object_id == token for answer in claimed.values())
    assert all(answer.balance == money(terminal, n) for n, answer in claimed.items())
    shares = {n: money(terminal, n) - before[n] for n in range(37, 41)}
    assert sum(shares.values()) == 1_000 and min(shares.values()) >= 1
    status = terminal.sprinkle_status(token)
    assert status.ok and status.fields["claimed"] == 4
    assert terminal.sprinkle(account(36), 10, 11).name == "SHARES_INVALID"


def test_the_rest_of_a_sprinkle_comes_back(terminal):
    before = money(terminal, 42)
    made = terminal.sprinkle(account(42), 900, 3, room=9, window_s=6)
    assert made.ok and money(terminal, 42) == before - 900
    assert terminal.claim(made.object_id, account(43), room=9).ok
    wait_until(lambda: money(terminal, 42) > before - 900, 60, "the rest")
    share = before - money(terminal, 42)
    assert 1 <= share <= 898
    assert terminal.claim(made.object_id, account(44), room=9).name == "SPRINKLE_ENDED"


# ---- Counter ----

def test_shift_with_cash_count(switch):
    terminal = connect(switch, 4)
    assert terminal.shift_close(31, 0).name == "SHIFT_NOT_OPEN"
    assert terminal.shift_open(31, 50_000).ok
    assert terminal.shift_open(32, 0).name == "SHIFT_OPEN_ALREADY"
    assert terminal.shift_close(32, 0).name == "CASHIER_OTHER"
    assert terminal.deposit(account(45), 3_000).ok
    assert terminal.withdraw(account(45), 1_000).ok
    assert terminal.place_bet(0, 500, [(MARKET, 0, 2_000)]).ok
    closed = terminal.shift_close(31, 52_400)  # 100 are missing
    assert closed.ok and closed.payout == -100
    terminal.close()


# ---- Linked groups ----

def test_linked_group_is_all_or_none(terminal):
    before = money(terminal, 46)
    deadline = st.NO_DEADLINE
    both = terminal.linked([
        (st.DEPOSIT, st.deposit_block(account(46), 100, deadline)),
        (st.WITHDRAW, st.withdraw_block(account(46), 40, deadline))])
    assert [answer.name for answer in both] == ["OK", "OK"]
    assert money(terminal, 46) == before + 60
    none = terminal.linked([
        (st.DEPOSIT, st.deposit_block(account(46), 100, deadline)),
        (st.WITHDRAW, st.withdraw_block(account(46), 10**12, deadline))])
    assert [answer.name for answer in none] == ["LINKED_NOT_DONE", "FUNDS_INSUFFICIENT"]
    assert money(terminal, 46) == before + 60
    # With accounts of both shards, some pairs lie apart.
    pairs = [terminal.linked([
        (st.DEPOSIT, st.deposit_block(account(46), 1, deadline)),
        (st.WITHDRAW, st.withdraw_block(account(n), 1, deadline))]) for n in range(47, 59)]
    assert any(answer.name == "LINK_INVALID" for pair in pairs for answer in pair)


# ---- The end: nothing was forgotten ----

# Codes that need a switch of their own; the test named produces them.
ELSEWHERE = {
    "TERMINAL_BLOCKED": "test_limits_of_the_switch.py",
    "RATE_LIMITED": "test_limits_of_the_switch.py",
    "STORAGE_UNAVAILABLE": "test_limits_of_the_switch.py",
    "OUTCOME_UNKNOWN": "test_limits_of_the_switch.py",
}


def test_every_message_was_sent():
    missing = set(NAMES) - SEEN_TEMPLATES
    assert not missing, sorted(NAMES[one] for one in missing)


def test_every_code_was_answered():
    wanted = {number for number in CODES if number >> 12 != 0xF} - {
        NUMBERS[name] for name in ELSEWHERE}
    missing = wanted - SEEN_CODES
    assert not missing, sorted(CODES[one] for one in missing)
