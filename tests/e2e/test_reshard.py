# SPDX-License-Identifier: Apache-2.0
"""One shard becomes three, three become two: tickets, ids, old outcomes, statements and balances
stay what they were, and the switch goes on."""

import json
import os
import subprocess

import demo
from controlled import ControlledSwitch

ACCOUNT = demo.FIRST_ACCOUNT
# What must not change, of an answer about something that was done before.
OUTCOME = ("code", "lsn", "shard", "object_id", "balance", "payout", "score", "target_code",
           "target_template", "target_shard")


def ask(switch, terminal, *words):
    """The answer of one request as JSON; refusals too."""
    process = switch.control.terminal(terminal, "--json", *words, out=subprocess.PIPE)
    text = process.communicate(timeout=300)[0]
    assert text, words
    return json.loads(text)


def told(answer):
    return {name: answer[name] for name in OUTCOME}


def balances(switch, accounts):
    return {account: ask(switch, 2, "balance", account)["balance"] for account in accounts}


def start(switch):
    switch.start()
    switch.control.start()
    switch.control.wait_up()


def reshard(switch, count):
    """Stops, re-shards, puts the new root's data in place, starts with `count` shards."""
    assert switch.control.stop() == 0
    assert switch.stop() == 0
    made = json.loads(switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("new"),
                                  "--shards", count, "--json").stdout)
    assert made["ok"] and made["shards_now"] == count
    os.rename(switch.path("var/lib/sluice"), switch.path(f"var/lib/before-{count}"))
    os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
    switch.settings.shards = count
    assert switch.verify()["ok"]
    start(switch)


def reshard_refused(switch):
    ran = subprocess.run([switch.binary("tools/sluice-db"), "reshard", switch.root,
                          switch.path("new"), "--shards", "2"], capture_output=True, text=True)
    assert ran.returncode == 1 and not os.path.exists(switch.path("new")), ran.stderr
    return ran.stderr


def test_a_root_in_use_is_not_re_sharded():
    with ControlledSwitch("reshardrun", shards=1) as switch:
        switch.begin(terminals=1)
        # Its process is found without this file too.
        os.unlink(switch.path("run/sluice/dataplane.pid"))
        assert "data plane" in reshard_refused(switch)
        assert switch.stop() == 0
        assert "sluice-control" in reshard_refused(switch)
        os.unlink(switch.path("run/sluice/control.pid"))
        assert "sluice-control" in reshard_refused(switch)
        assert switch.control.stop() == 0


def withdrawals_wait(switch, accounts):
    """Two of each account that wait for approval, every second one rejected then: answers of
    TX_STATUS by request."""
    switch.control.ctl("rules", "set", "withdraw_pending_min=50")
    requests = []
    for account in accounts:
        answers = [ask(switch, 2, "withdraw", account, 50, "KRW") for _ in range(2)]
        assert [answer["code"] for answer in answers] == ["PENDING"] * 2, answers
        switch.control.ctl("withdrawal", "reject", answers[1]["object_id"])
        requests += [answer["request_id"] for answer in answers]
    switch.control.ctl("rules", "set", "withdraw_pending_min=0")
    found = {request: told(ask(switch, 2, "tx-status", request)) for request in requests}
    # What was given back is told as nothing paid.
    assert [(entry["target_code"], entry["payout"]) for entry in found.values()] == \
        [("PENDING", 50), ("WITHDRAWAL_CLOSED", 0)] * len(accounts)
    return found


def withdrawal_asked_and_paid(switch, account):
    """Where the log does not begin at its first event."""
    switch.control.ctl("rules", "set", "withdraw_pending_min=50")
    answer = ask(switch, 2, "withdraw", account, 50, "KRW")
    assert answer["code"] == "PENDING", answer
    switch.control.ctl("withdrawal", "approve", answer["object_id"])
    switch.control.ctl("rules", "set", "withdraw_pending_min=0")


def test_tickets_outcomes_and_balances_outlive_the_number_of_shards():
    with ControlledSwitch("reshard", shards=1) as switch:
        control = switch.control
        switch.begin(terminals=3)
        demo.wait(demo.start_terminals(control, 3, 60, 300, 500))
        accounts = range(ACCOUNT, ACCOUNT + 20)
        tickets = []
        for market in (31, 41):
            bet = ask(switch, 1, "bet", "--cash", 700, f"{market}:0:1.01", "--currency", "KRW")
            tickets.append(bet)
        placed = ask(switch, 2, "bet", ACCOUNT, 1_000, "51:0:1.01")
        request = placed["request_id"]
        outcome = told(ask(switch, 2, "tx-status", request))
        statement = ask(switch, 2, "statement", ACCOUNT)["rows"]
        waiting = withdrawals_wait(switch, accounts[1:5])
        before = balances(switch, accounts)

        reshard(switch, 3)
        assert balances(switch, accounts) == before
        assert told(ask(switch, 2, "tx-status", request)) == outcome
        for waited, status in waiting.items():
            assert told(ask(switch, 2, "tx-status", waited)) == status
        assert ask(switch, 2, "statement", ACCOUNT)["rows"] == statement
        # Why it was decided so is told out of the logs of then.
        for words in (("--terminal", 2, "--request", request), (placed["object_id"],)):
            explained = control.json("explain", *words)
            event = explained.get("events", [explained])[-1]
            assert event["before_resharding"] and event["event"] == "bet", explained
            assert event["lsn"] == outcome["lsn"] and event["account"] == ACCOUNT
        assert sum(shard["accounts"] > 0 for shard in switch.status()["shards"]) == 3
        control.ctl("market", "void", 31)
        paid = ask(switch, 3, "redeem", tickets[0]["ticket"])
        assert paid["code"] == "OK", paid
        demo.wait(demo.start_terminals(control, 3, 60, 150, 500, seed=5))
        withdrawal_asked_and_paid(switch, accounts[6])
        now = balances(switch, accounts)

        reshard(switch, 2)
        assert balances(switch, accounts) == now
        assert told(ask(switch, 2, "tx-status", request)) == outcome
        for waited, status in waiting.items():
            assert told(ask(switch, 2, "tx-status", waited)) == status
        assert ask(switch, 3, "redeem", tickets[0]["ticket"])["code"] == "TICKET_PAID"
        control.ctl("market", "void", 41)
        assert ask(switch, 3, "redeem", tickets[1]["ticket"])["code"] == "OK"
        assert ask(switch, 2, "status", placed["object_id"])["code"] == "OK"
        demo.wait(demo.start_terminals(control, 3, 60, 150, 500, seed=6))
        control.ctl("account", "freeze", ACCOUNT)
        assert control.stop() == 0
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified["first_damage"]
