# SPDX-License-Identifier: Apache-2.0
"""sluice-terminal's commands against a real switch: what each says is what the ledger did, and the
printed ticket codes are those that another program computes with the switch's key."""

import json
import subprocess

import demo
import pytest
import sluice_ticket
from switch import Switch, balance_sum

ACCOUNT = demo.FIRST_ACCOUNT
NEW = 9_000_001
TRANSACTION = "00112233445566778899aabbccddeeff"


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with Switch("commands", shards=2) as switch:
        switch.begin(terminals=2)
        yield switch
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0


@pytest.fixture(name="run")
def run_fixture(switch, tmp_path):
    """run(*arguments, status=0, terminal=...) -> the JSON object"""
    def run(*arguments, status=0, terminal=demo.FIRST_TERMINAL):
        path = tmp_path / "out"
        with open(path, "w+", encoding="utf-8") as out:
            process = switch.terminal(terminal, "--json", *arguments, log=out)
            try:
                ended = process.wait(timeout=300)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            out.seek(0)
            said = out.read()
        assert ended == status, said
        return json.loads(said)

    return run


def money(run, account):
    return run("balance", account)["balance"]


def open_market(run):
    return next(row for row in run("markets")["markets"]
                if row["state"] == "open" and row["first_selection"] == 0)


def leg(market, selection=0):
    odds = market["odds_thousandths"][selection]
    return f"{market['market']}:{selection}:{odds // 1000}.{odds % 1000:03}"


def test_wallet(run):
    assert run("open-account", NEW, "KRW")["code"] == "OK"
    assert run("open-account", NEW, "KRW")["code"] == "REPEATED"
    assert run("open-account", NEW, "EUR", status=1)["code"] == "ACCOUNT_EXISTS"
    assert run("deposit", NEW, 5_000, "KRW")["balance"] == 5_000
    assert run("withdraw", NEW, 1_000, "KRW")["balance"] == 4_000
    assert run("withdraw", NEW, 9_000, "KRW", status=1)["code"] == "FUNDS_INSUFFICIENT"
    for to in range(ACCOUNT, ACCOUNT + 4):  # on both shards
        before = money(run, to)
        assert run("transfer", NEW, to, 500, "KRW")["payout"] == 500
        assert money(run, to) == before + 500
    rows = run("--rows", 100, "statement", NEW)["rows"]
    assert rows[0]["balance_after"] == 2_000 and rows[-1]["balance_before"] == 0
    moved = [row for row in rows if row["code"] in ("OK", "PENDING")]
    assert sum(row["amount"] for row in moved) == 2_000
    for newer, older in zip(rows, rows[1:]):
        assert newer["balance_before"] == older["balance_after"]
    assert run("--rows", 2, "statement", NEW)["rows"] == rows[:2]


def test_tickets(run, switch):
    market = open_market(run)
    sold = run("--cash", "--currency", "KRW", "--cashier", 7, "bet", 1_000, leg(market))
    bet = int(sold["object_id"])
    status = run("status", bet)
    assert (status["state"], status["account"], status["stake"]) == ("open", 0, 1_000)
    with open(switch.path("var/lib/sluice/ticket.key"), "rb") as stream:
        key = stream.read()
    mac = sluice_ticket.ticket_mac(key, bet, 1_000, sold["payout"], status["placed_at_ns"],
                                   [market["odds_thousandths"][0]])
    assert sold["ticket"] == sluice_ticket.ticket_code(bet, mac)

    assert run("redeem", sold["ticket"], status=1)["code"] == "TICKET_NOT_PAYABLE"
    wrong = sluice_ticket.ticket_code(bet, bytes([mac[0] ^ 1]) + mac[1:])
    assert run("redeem", wrong, status=1)["code"] == "TICKET_INVALID"
    other = demo.FIRST_TERMINAL + 1
    assert run("reprint", bet, status=1, terminal=other)["code"] == "NOT_YOUR_BET"
    assert [run("reprint", bet)["payout"] for _ in range(2)] == [1, 2]
    assert run("status", bet)["reprints"] == 2
    assert run("cancel", bet, 1)["code"] == "OK"
    assert run("status", bet)["state"] == "cancelled"


def test_what_became_of_requests(run):
    before = money(run, ACCOUNT)
    request = int(run("deposit", ACCOUNT, 700, "KRW")["request_id"])
    told = run("tx-status", request)
    assert (told["target_code"], told["target_template"]) == ("OK", "DEPOSIT")
    undone = run("reverse", request, 3)
    assert (undone["code"], undone["payout"], money(run, ACCOUNT)) == ("OK", 700, before)
    assert run("reverse", request, status=1)["code"] == "REVERSED_BEFORE"
    assert run("fence", request, status=1)["code"] == "REQUEST_DONE"
    assert run("tx-status", 10**9, status=1)["code"] == "REQUEST_UNKNOWN"


def test_events_and_their_markets(run):
    events = run("events")["events"]
    assert len(events) == len({row["event"] for row in events}) == 380
    markets = run("event", events[0]["event"])["markets"]
    assert len({row["market"] for row in markets}) == events[0]["markets"]
    assert {row["event"] for row in markets} == {events[0]["event"]}
    newest = max(row["version"] for row in events)
    assert run("events", newest)["events"] == [] and run("markets", newest)["markets"] == []


def test_sprinkle(run):
    before = [money(run, ACCOUNT + number) for number in range(3)]
    token = run("sprinkle", ACCOUNT, 1_001, "KRW", 2, 77, 60, "equal")["object_id"]
    shares = [run("claim", token, ACCOUNT + number, 77)["payout"] for number in (1, 2)]
    assert shares == [501, 500]
    assert run("claim", token, ACCOUNT + 1, 77, status=1)["code"] == "CLAIMED_BEFORE"
    left = run("sprinkle-status", token)
    assert (left["total"], left["remaining"], left["claimed"]) == (1_001, 0, 2)
    after = [money(run, ACCOUNT + number) for number in range(3)]
    assert [b - a for a, b in zip(before, after)] == [-1_001, 501, 500]


def test_round(run):
    before = money(run, ACCOUNT)
    name = (0, 5, 99, ACCOUNT)  # the house's own game
    assert run("round-debit", *name, 300, "KRW", TRANSACTION)["payout"] == 300
    assert run("round-debit", *name, 300, "KRW", TRANSACTION)["code"] == "REPEATED"
    assert run("round-credit", *name, 450, "KRW", "c1")["balance"] == before + 150
    assert run("round-rollback", *name, "KRW", "d1", "c1")["balance"] == before - 300
    assert run("round-close", *name, "KRW")["code"] == "OK"
    assert run("round-debit", *name, 1, "KRW", "e1", status=1)["code"] == "ROUND_CLOSED"


def test_shift(run):
    assert run("shift-open", 7, 10_000, "KRW")["code"] == "OK"
    assert run("shift-open", 7, 10_000, "KRW", status=1)["code"] == "SHIFT_OPEN_ALREADY"
    run("deposit", ACCOUNT, 2_000, "KRW")
    run("withdraw", ACCOUNT, 500, "KRW")
    assert run("shift-close", 8, 11_500, "KRW", status=1)["code"] == "CASHIER_OTHER"
    assert run("shift-close", 7, 11_400, "KRW")["payout"] == -100


def test_limits(run):
    who = ACCOUNT + 5
    assert run("limits", who, 1_000, "none", "none", "none", "none", "none")["code"] == "OK"
    assert run("deposit", who, 1_001, "KRW", status=1)["code"] == "LIMIT_DEPOSIT"
    assert run("limits", who, "none", "none", "none", "none", "none", "none", "ever")["ok"]
    assert run("deposit", who, 1, "KRW", status=1)["code"] == "SELF_EXCLUDED"


def test_session(run):
    told = run("key-update")
    assert int(told["boot_id"]) > 0 and told["epoch"] > 0
    assert run("goodbye", terminal=demo.FIRST_TERMINAL + 1)["ok"]
