# SPDX-License-Identifier: Apache-2.0
"""Results, corrections, withdrawals, limits and partners: an operator's work on the ledger."""

import time

import demo
import pytest
from controlled import ControlledSwitch
from switch import wait_until
from test_operator import as_group, changed_config, code_of, newest, refused, run

ACCOUNT = demo.FIRST_ACCOUNT
OTHER = demo.FIRST_ACCOUNT + 1
CUSTOMER = 7_700_001


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("operator-ledger", shards=2) as switch:
        switch.begin(terminals=2)
        yield switch


def balance(switch, account=ACCOUNT):
    return switch.control.json("account", "show", account)["balance"]


def bet(switch, market, selection=0, stake=1000, account=ACCOUNT):
    odds = switch.control.json("market", "show", market)["odds"][selection]
    status, answer = run(switch, 1, "bet", account, stake,
                         f"{market}:{selection}:{odds / 1000:.3f}")
    assert status == 0, answer
    return str(answer["object_id"]), stake * odds // 1000


def state_of(switch, bet_id):
    return switch.control.json("bet", "show", bet_id)["state"]


def test_a_result_is_set_taken_back_and_set_otherwise(switch):
    control = switch.control
    before = balance(switch)
    winner, payout = bet(switch, 51, 0)
    loser, _ = bet(switch, 51, 2)
    shown = control.json("market", "show", 51)["switch"]
    assert shown["exposure"][0] == payout and shown["result"] == ["open"] * 3
    done = control.json("market", "result", 51, "--score", "2:1")
    assert done["done"] is True and done["walked"] is True and done["state"] == "settled"
    assert balance(switch) == before - 2000 + payout
    assert (state_of(switch, winner), state_of(switch, loser)) == ("settled", "settled")
    assert control.json("bet", "show", loser)["payout"] == 0
    assert "has a result" in refused(switch, "market", "result", 51, "--score", "0:1")
    assert code_of(run(switch, 1, "bet", ACCOUNT, 1000, "51:0:1.01")[1]) == "MARKET_NOT_OPEN"

    assert control.json("market", "rollback", 51)["walked"] is True
    assert balance(switch) == before - 2000 and state_of(switch, winner) == "open"
    control.json("market", "result", 51, "--outcomes", "lose,lose,win")
    shown = control.json("market", "show", 51)["switch"]
    assert shown["result"] == ["lose", "lose", "win"] and shown["walked"] is True
    assert control.json("bet", "show", loser)["payout"] > 0
    assert control.json("market", "final", 51, "--yes")["final"] is True
    assert "final" in refused(switch, "market", "rollback", 51)

    # Final, its bets are put away; the next checkpoint shows them where they went.
    wait_until(lambda: control.ctl("bet", "show", winner, check=False).returncode == 0, 60,
               "the bet among the closed ones")
    told = control.json("explain", winner)
    assert [event["event"] for event in told["events"]] == ["settlement"] * 3 + ["bet"]
    assert [event.get("to") for event in told["events"]][:3] == ["settled", "open", "settled"]
    entry = newest(switch, 2)
    assert entry["action"] == "market final"


def test_a_result_must_fit_the_market(switch):
    assert "one of both" in refused(switch, "market", "result", 61)
    assert "selections" in refused(switch, "market", "result", 61, "--outcomes", "win;lose")
    assert "no score" in refused(switch, "market", "result", 61, "--score", "void")
    assert "no market" in refused(switch, "market", "result", 999_999, "--score", "1:0")
    assert "no result" in refused(switch, "market", "rollback", 61)


def test_a_void_market_and_a_voided_bet_give_the_stake_back(switch):
    before = balance(switch)
    one, _ = bet(switch, 61)
    two, _ = bet(switch, 71)
    assert balance(switch) == before - 2000
    switch.control.ctl("market", "void", 61)
    assert balance(switch) == before - 1000 and state_of(switch, one) == "settled"
    switch.control.ctl("bet", "void", two, "--reason", 9, "--yes")
    assert balance(switch) == before and state_of(switch, two) == "void"
    switch.control.ctl("bet", "void", two, "--yes")  # again: nothing is left to do
    assert balance(switch) == before
    assert "not open" in refused(switch, "bet", "void", one, "--yes")
    assert "no such bet" in refused(switch, "bet", "void", "18014398509481000", "--yes")
    assert switch.control.json("account", "freeze", OTHER)["done"] is True  # numbers go on
    switch.control.ctl("account", "unfreeze", OTHER)


def test_results_come_from_a_file(switch, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("market,result\n81,1:0\n91,void\n81,rollback\n81,0:0\n", encoding="ascii")
    placed, payout = bet(switch, 81, 1)
    done = switch.control.json("market", "results", path)
    assert done["results"] == 4 and done["done"] is True
    wait_until(lambda: state_of(switch, placed) == "settled", 60, "settlement")
    assert switch.control.json("bet", "show", placed)["payout"] == payout
    assert switch.control.json("market", "show", 91)["state"] == "void"


def test_small_adjustments_at_once_large_ones_by_four_eyes(switch):
    control = switch.control
    before = balance(switch)
    control.ctl("account", "adjust", ACCOUNT, "--credit", 500, "--note", "counted wrong")
    control.ctl("account", "adjust", ACCOUNT, "--debit", 200)
    assert balance(switch) == before + 300
    assert newest(switch)["after"]["amount"] == -200
    assert "one of both" in refused(switch, "account", "adjust", ACCOUNT)
    assert "does not fit" in refused(
        switch, "account", "adjust", ACCOUNT, "--debit", 900_000_000_000)

    large = control.json("account", "adjust", ACCOUNT, "--credit", 2_000_000, "--reason", 7)
    assert large["state"] == "waiting" and large["done"] is False
    number = large["adjustment"]
    assert balance(switch) == before + 300
    waiting = control.json("adjustment", "list", "--state", "waiting")["adjustments"]
    assert [entry["adjustment"] for entry in waiting] == [number]
    # Whoever proposed it cannot approve it, whatever his role.
    assert "proposed by you" in refused(switch, "adjustment", "approve", number)
    with changed_config(switch, control.configuration() + "access:\n  operator_group: bin\n"):
        control.ctl("config", "reload")
        approved = as_group(switch, "bin", "adjustment", "approve", number)
        assert approved.returncode == 0, approved.stderr
        assert as_group(switch, "bin", "adjustment", "approve", number).returncode == 1
    control.ctl("config", "reload")
    assert balance(switch) == before + 300 + 2_000_000
    told = control.json("adjustment", "list", "--state", "approved")["adjustments"][0]
    assert told["proposed_by"] != told["decided_by"] and told["command"] > 0

    dropped = control.json("account", "adjust", ACCOUNT, "--debit", 1_000_000)["adjustment"]
    control.ctl("adjustment", "reject", dropped)
    assert "does not wait" in refused(switch, "adjustment", "reject", dropped)
    assert balance(switch) == before + 300 + 2_000_000


def test_money_is_not_added_alone_by_opening_accounts(switch):
    """As the amount that four eyes are for, at once, together, and more than 64 bits hold."""
    control, first = switch.control, 7_800_001
    for count, amount in ((1, 1_000_000), (2, 500_000), (2, 900_000_000_000),
                          (100_000, 10**12)):
        said = refused(switch, "account", "open", first, "--count", count, "--opening-balance",
                       amount)
        assert "approval.adjustment_min" in said and "account adjust" in said, said
    assert "no such account" in refused(switch, "account", "show", first)
    control.ctl("account", "open", first, "--count", 2, "--opening-balance", 499_999)
    assert control.json("account", "show", first + 1)["balance"] == 499_999
    control.ctl("account", "open", first + 2, "--count", 3)


def test_withdrawals_wait_and_are_paid_or_given_back(switch):
    control = switch.control
    control.ctl("rules", "set", "withdraw_pending_min=5000")
    before = balance(switch)
    assert code_of(run(switch, 1, "withdraw", ACCOUNT, 4999, "KRW")[1]) == "OK"
    ids = []
    for _ in range(2):
        status, answer = run(switch, 1, "withdraw", ACCOUNT, 5000, "KRW")
        assert code_of(answer) == "PENDING", (status, answer)
        ids.append(str(answer["object_id"]))
    listed = control.json("withdrawal", "list")["withdrawals"]
    assert {entry["withdrawal"] for entry in listed} == set(ids)
    assert listed[0]["amount"] == 5000 and listed[0]["account"] == ACCOUNT
    assert control.json("object", "show", ids[0])["state"] == "open"
    control.ctl("account", "freeze", ACCOUNT)
    assert "is frozen or its partner is blocked" in refused(
        switch, "withdrawal", "approve", ids[0])
    control.ctl("account", "unfreeze", ACCOUNT)
    control.ctl("withdrawal", "approve", ids[0])
    control.ctl("withdrawal", "reject", ids[1], "--reason", 3)
    assert balance(switch) == before - 4999 - 5000
    assert "not waiting" in refused(switch, "withdrawal", "approve", ids[1])
    assert control.json("withdrawal", "list")["withdrawals"] == []
    control.ctl("rules", "set", "withdraw_pending_min=0")


def test_limits_act_at_once_when_lower_and_exclusion_is_never_shortened(switch):
    control = switch.control
    control.ctl("account", "open", CUSTOMER, "--opening-balance", 999_999)
    control.ctl("account", "limits", CUSTOMER, "--stake-day", 3000)
    assert code_of(run(switch, 1, "bet", CUSTOMER, 3001, "101:0:1.01")[1]) == "LIMIT_STAKE"
    control.ctl("account", "limits", CUSTOMER, "--stake-day", "none")
    limits = control.json("account", "show", CUSTOMER)["limits"]
    assert limits["active"][2] == 3000 and limits["wanted"][2] == -1
    assert "at least one limit" in refused(switch, "account", "limits", CUSTOMER)
    assert "neither an amount" in refused(
        switch, "account", "limits", CUSTOMER, "--loss-day", "lots")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    control.ctl("account", "exclude", CUSTOMER, "--until", soon, "--cooloff", "--yes")
    assert code_of(run(switch, 1, "bet", CUSTOMER, 100, "101:0:1.01")[1]) == "COOLING_OFF"
    control.ctl("account", "exclude", CUSTOMER, "--forever", "--yes")
    assert code_of(run(switch, 1, "bet", CUSTOMER, 100, "101:0:1.01")[1]) == "SELF_EXCLUDED"
    control.ctl("account", "exclude", CUSTOMER, "--until", soon, "--yes")
    shown = control.json("account", "show", CUSTOMER)["limits"]
    assert shown["excluded_until_ns"] == 2**63 - 1


def test_partners_are_made_listed_and_blocked(switch):
    control = switch.control
    made = control.json("partner", "set", 5, "--name", "Games", "--keys-max", 10)
    assert made["done"] is True and made["keys_max"] == 10 and made["blocked"] is False
    assert "command" not in control.json("partner", "set", 5, "--keys-max", 10)
    assert "which cannot change" in refused(switch, "partner", "set", 5, "--currency", 840)
    said = refused(switch, "partner", "set", 6, "--currency", 840, "--exposure-max", 1000)
    assert "rules' currency (410)" in said, said
    assert [one["partner"] for one in control.json("partner", "list")["partners"]] == [5]
    shown = control.json("partner", "show", 5)
    assert {entry["shard"] for entry in shown["switch"]} == {0, 1}
    assert all(entry["keys_max"] == 10 for entry in shown["switch"])
    account = CUSTOMER + 1
    assert code_of(run(switch, 1, "open-account", account, "KRW", 5)[1]) == "OK"
    assert control.json("account", "show", account)["partner"] == 5
    control.ctl("partner", "set", 5, "--blocked", "on")
    assert code_of(run(switch, 1, "deposit", account, 100, "KRW")[1]) == "PARTNER_BLOCKED"
    control.ctl("partner", "set", 5, "--blocked", "off")
    assert code_of(run(switch, 1, "deposit", account, 100, "KRW")[1]) == "OK"
    assert "no such partner" in refused(switch, "partner", "show", 6)


def test_a_withdrawal_is_not_paid_while_its_partner_is_blocked_nor_to_who_owes(switch):
    control = switch.control
    control.ctl("rules", "set", "withdraw_pending_min=500")
    control.ctl("partner", "set", 8, "--name", "Slow", "--keys-max", 10)
    account, owing = CUSTOMER + 2, CUSTOMER + 3
    assert code_of(run(switch, 1, "open-account", account, "KRW", 8)[1]) == "OK"
    assert code_of(run(switch, 1, "deposit", account, 1000, "KRW")[1]) == "OK"
    waiting = str(run(switch, 1, "withdraw", account, 600, "KRW")[1]["object_id"])
    control.ctl("partner", "set", 8, "--blocked", "on")
    assert "its partner is blocked" in refused(switch, "withdrawal", "approve", waiting)
    control.ctl("partner", "set", 8, "--blocked", "off")
    control.ctl("withdrawal", "approve", waiting)
    assert balance(switch, account) == 400

    control.ctl("account", "open", owing, "--opening-balance", 1000)
    _, payout = bet(switch, 131, account=owing)
    control.ctl("market", "result", 131, "--outcomes", "win,lose,lose")
    assert balance(switch, owing) == payout
    waiting = str(run(switch, 1, "withdraw", owing, payout, "KRW")[1]["object_id"])
    assert control.json("market", "rollback", 131)["walked"] is True
    assert control.json("account", "show", owing)["owed"] == payout
    assert "owes the house: reject" in refused(switch, "withdrawal", "approve", waiting)
    control.ctl("withdrawal", "reject", waiting, "--reason", 3)
    shown = control.json("account", "show", owing)
    assert (shown["balance"], shown["owed"]) == (0, 0)
    control.ctl("rules", "set", "withdraw_pending_min=0")


def test_explain_tells_who_sold_a_bet_and_why_it_was_cancelled(switch):
    _, sold = run(switch, 1, "--cash", "--currency", "KRW", "--cashier", 77, "bet", 1000,
                  "112:0:1.01")
    assert code_of(run(switch, 1, "cancel", sold["object_id"], 12)[1]) == "OK"
    cancelled, placed = switch.control.json("explain", sold["object_id"])["events"]
    assert placed["cashier"] == 77 and "reason" not in placed
    assert cancelled["event"] == "cancellation" and cancelled["reason"] == 12
    words = str(switch.control.ctl("explain", sold["object_id"]).stdout)
    assert "CASHIER" in words and "REASON" in words


def test_a_ticket_is_verified_by_its_code(switch):
    status, answer = run(
        switch, 1, "bet", "--cash", "--currency", "KRW", 1000, "111:0:1.01")
    assert status == 0, answer
    code = answer["ticket"]
    told = switch.control.json("ticket", "verify", code)
    assert told["genuine"] is True and told["state"] == "open" and told["stake"] == 1000
    wrong = code[:-1] + ("0" if code[-1] != "0" else "8")
    assert "not genuine" in refused(switch, "ticket", "verify", wrong)
    assert "no ticket code" in refused(switch, "ticket", "verify", "u" * 24)
    # Settled, it is still its own: the code is over what was sold.
    switch.control.ctl("market", "result", 111, "--score", "1:0")
    assert switch.control.json("ticket", "verify", code)["state"] == "settled"
    assert code_of(run(switch, 2, "redeem", code)[1]) == "OK"
    assert switch.control.json("ticket", "verify", code)["state"] == "paid"
    told = switch.control.json("explain", told["bet"])
    assert [event["event"] for event in told["events"]] == ["ticket paid", "settlement", "bet"]


def test_the_report_needs_postgresql_and_says_so(switch):
    words = refused(switch, "report", "partners", "--from", "2026-01-01T00:00:00Z",
                    "--to", "2027-01-01T00:00:00Z")
    assert "no replication is configured" in words


def test_audit_and_database_are_whole_afterwards(switch):
    assert switch.control.json("audit", "verify")["ok"] is True
    assert switch.control.ctl("status", "--health", check=False).returncode == 0


def test_top_shows_what_is_nearest_to_its_limit_of_all_markets(switch):
    """The season has 760: the last ones are no less near."""
    control = switch.control
    markets = control.json("market", "list", "--count", 10_000)["markets"]
    last = markets[-1]["market"]
    assert len(markets) > 500
    _, payout = bet(switch, last, stake=50_000, account=OTHER)
    version = control.json("rules", "show")["rules"][0]["value"]
    control.ctl("rules", "set", f"exposure_selection_max={payout * 10 // 9}")
    first = control.json("report", "liability")["liabilities"][0]
    assert (first["id"], first["warning"]) == (last, True), first
    frame = control.json("top")
    assert frame["exposure"][0] == first and frame["markets_left_out"] is False
    control.ctl("rules", "rollback", version)
