# SPDX-License-Identifier: Apache-2.0
"""Replication of a running switch: everything an operator and a terminal can change arrives."""

import json
import subprocess

import demo
import pytest
from controlled import ControlledSwitch
from switch import wait_until


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("repl", postgres=True, shards=2) as switch:
        switch.begin(terminals=3)
        yield switch


def settled(switch):
    """Waits for all there is, and gives the verdict."""
    control = switch.control

    def current():
        status = control.json("replication", "status")
        assert status["state"] != "failed", status
        shards = control.status()["shards"]
        return status["lag_events"] == 0 and all(
            shard["replication_lag"] == 0 for shard in shards)
    wait_until(current, 60, "PostgreSQL")
    audit = control.json("audit", "verify")["entries"]
    wait_until(lambda: int(switch.postgres.sql("select count(*) from sluice.audit")) >= audit, 60,
               "the audit log in PostgreSQL")
    ran = control.ctl("--json", "replication", "verify", check=False)
    verdict = json.loads(ran.stdout)
    assert verdict["ok"], verdict
    return verdict


def certificates(switch):
    return sorted(switch.postgres.sql(
        "select terminal, state from sluice.certificates").splitlines())


def test_every_kind_of_change_arrives(switch):
    control = switch.control
    demo.wait(demo.start_terminals(control, 3, 60, 300, 500))
    control.ctl("terminal", "set", 1, "--name", "계산대 1", "--daily-max", 100000)
    control.ctl("market", "suspend", 21)
    control.ctl("rules", "set", "points_odds=7")
    control.ctl("account", "freeze", demo.FIRST_ACCOUNT)
    verdict = settled(switch)
    assert verdict["tables"]["certificates"]["rows"] == 3
    assert switch.postgres.sql("select name from sluice.terminals where id = 1") == "계산대 1"


def test_money_of_partners_is_reported(switch):
    control = switch.control
    control.ctl("account", "unfreeze", demo.FIRST_ACCOUNT)
    control.ctl("partner", "set", 5, "--name", "Games")
    account = 7_700_001

    def terminal(*words):
        process = control.terminal(2, "--json", *words, out=subprocess.PIPE)
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, (words, text)
    terminal("open-account", account, "KRW", 5)
    terminal("deposit", account, 50_000, "KRW")
    terminal("bet", account, 1000, "31:0:1.01")
    terminal("round-debit", 5, 1, 77, account, 300, "KRW", "a1")
    terminal("round-credit", 5, 1, 77, account, 120, "KRW", "a2")
    control.ctl("market", "void", 31)
    control.ctl("account", "adjust", account, "--credit", 5_000_000)
    verdict = settled(switch)
    assert verdict["tables"]["postings"]["rows"] > 0
    assert verdict["tables"]["partners"]["rows"] == 1
    assert verdict["tables"]["adjustments"]["rows"] == 1
    report = control.json("report", "partners", "--from", "2020-01-01T00:00:00Z",
                          "--to", "2100-01-01T00:00:00Z")["partners"]
    own = next(row for row in report if row["partner"] == 5)
    # The void bet pays its stake: a settlement at odds 1.
    assert (own["bets"], own["stakes"], own["payouts"], own["net"]) == (1, 1000, 1000, 0)
    assert (own["rounds"], own["rounds_debited"], own["rounds_credited"]) == (1, 300, 120)
    assert own["rounds_net"] == 180 and own["fees"] == 0
    assert switch.postgres.sql(
        "select count(*) from (select from sluice.entries group by shard, lsn, currency "
        "having sum(amount) <> 0) e") == "0"


def test_who_owes_is_reported(switch):
    control = switch.control
    account = 7_700_002

    def terminal(*words):
        process = control.terminal(2, "--json", *words, out=subprocess.PIPE)
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, (words, text)
        return json.loads(text)
    assert control.json("report", "receivables")["receivables"] == []
    terminal("open-account", account, "KRW", 5)
    terminal("deposit", account, 1000, "KRW")
    payout = terminal("bet", account, 1000, "41:0:1.01")["payout"]
    control.ctl("market", "result", 41, "--score", "1:0")
    terminal("withdraw", account, payout, "KRW")
    control.ctl("market", "rollback", 41)
    wait_until(lambda: control.json("report", "receivables")["receivables"], 60, "what is owed")
    report = control.json("report", "receivables", "--partner", 5)
    assert report["receivables"] == [
        {"account": account, "partner": 5, "currency": 410, "owed": payout}]
    assert report["sums"] == [{"currency": 410, "accounts": 1, "owed": payout}]
    assert control.json("report", "receivables")["sums"] == report["sums"]
    assert control.json("report", "receivables", "--partner", 6)["receivables"] == []
    words = control.ctl("report", "receivables").stdout
    assert str(account) in words and words.count(f"{payout:,}") == 2
    # What comes in later goes to what is owed first.
    terminal("deposit", account, payout, "KRW")
    wait_until(lambda: not control.json("report", "receivables")["receivables"], 60,
               "nothing owed")


def test_certificates_follow_renewal_and_revocation(switch):
    control = switch.control
    assert control.terminal(1, "renew").wait(300) == 0
    assert control.terminal(1, "balance", demo.FIRST_ACCOUNT).wait(300) == 0
    control.ctl("terminal", "revoke", 3, "--yes")
    settled(switch)
    # Terminal 1: the old one was given up at the first use of the new one. 1 valid, 3 revoked.
    assert certificates(switch) == ["1|1", "1|3", "2|1", "3|3"]


def test_a_row_changed_behind_its_back_is_found(switch):
    switch.postgres.sql("update sluice.certificates set state = 1 where terminal = 3")
    ran = switch.control.ctl("--json", "replication", "verify", check=False)
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["tables"]["certificates"]["differing"] == 1
    switch.postgres.sql("update sluice.certificates set state = 3 where terminal = 3")
    settled(switch)
