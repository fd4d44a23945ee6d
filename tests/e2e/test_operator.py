# SPDX-License-Identifier: Apache-2.0
"""What an operator does with sluicectl, seen from the terminals."""

import json
import os
import subprocess
import time

import demo
import pytest
from controlled import ControlledSwitch
from instance import InstanceError
from switch import wait_until

ACCOUNT = demo.FIRST_ACCOUNT
SILENT = ("--timeout", 3)


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("operator", shards=2) as switch:
        switch.begin(terminals=3)
        yield switch


def run(switch, terminal, *arguments):
    """A terminal command to its end: (exit status, JSON object or None)."""
    process = switch.control.terminal(terminal, "--json", *arguments, out=subprocess.PIPE)
    text = process.communicate(timeout=60)[0]
    return process.returncode, json.loads(text) if text.strip() else None


def refused(switch, *arguments):
    """The words of a command that must be refused."""
    ran = switch.control.ctl(*arguments, check=False)
    assert ran.returncode in (1, 2), (ran.returncode, ran.stdout, ran.stderr)
    return ran.stderr


def bet(switch, terminal, market=21, odds="2.00"):
    return run(switch, terminal, "bet", ACCOUNT, 1000, f"{market}:0:{odds}")


def code_of(answer):
    return answer["code"]


def test_status_names_every_part(switch):
    status = switch.control.status()
    assert status["health"] == {"ok": True, "problems": []}
    assert status["dataplane"]["state"] == "up" and status["dataplane"]["open"] is True
    assert len(status["shards"]) == 2
    assert {shard["control_sequence"] for shard in status["shards"]} == {
        status["control"]["commands_committed"]}
    assert switch.control.ctl("status", "--health").returncode == 0


def test_market_and_odds_change_what_terminals_get(switch):
    control = switch.control
    control.ctl("odds", "set", 21, "2.00", "3.40", "4.20")
    status, answer = bet(switch, 1)
    assert (status, code_of(answer)) == (0, "OK"), answer
    control.ctl("market", "suspend", 21)
    assert code_of(bet(switch, 1)[1]) == "MARKET_NOT_OPEN"
    control.ctl("market", "open", 21)
    assert code_of(bet(switch, 2)[1]) == "OK"
    control.ctl("odds", "set", 21, "2.50", "3.40", "4.20")
    assert code_of(run(switch, 1, "--exact", "bet", ACCOUNT, 1000, "21:0:2.00")[1]) == \
        "ODDS_CHANGED"
    control.ctl("market", "close", 21, "--yes")
    assert "closed for good" in refused(switch, "market", "open", 21)
    assert control.json("market", "show", 21)["state"] == "closed"


def test_account_is_frozen_and_thawed(switch):
    control = switch.control
    control.ctl("account", "freeze", ACCOUNT)
    assert control.json("account", "show", ACCOUNT)["frozen"] is True
    assert code_of(bet(switch, 1, 31, "1.01")[1]) == "ACCOUNT_FROZEN"
    control.ctl("account", "unfreeze", ACCOUNT)
    assert code_of(bet(switch, 1, 31, "1.01")[1]) == "OK"
    assert "no such account" in refused(switch, "account", "show", 999_999_999)
    assert "nothing was changed" in refused(switch, "account", "freeze", 999_999_999)
    # The refused number is used up, so the next command goes through.
    assert control.json("account", "freeze", ACCOUNT)["done"] is True
    control.ctl("account", "unfreeze", ACCOUNT)


def test_rules_change_decisions_and_explain_tells_which(switch):
    control = switch.control
    control.ctl("rules", "set", "stake_single_max=500")
    status, answer = bet(switch, 1, 31, "1.01")
    assert (status, code_of(answer)) == (1, "LIMIT_SINGLE_STAKE")
    assert "no rule" in refused(switch, "rules", "set", "stake_max=1")
    control.ctl("rules", "set", "stake_single_max=1000000")
    _, answer = bet(switch, 1, 31, "1.01")
    bet_id = answer["object_id"]
    shown = control.json("bet", "show", bet_id)
    assert shown["bet"] == str(bet_id) and shown["account"] == ACCOUNT
    assert shown["state"] == "open" and shown["stake"] == 1000 and shown["terminal"] == 1
    assert isinstance(shown["placed_at_ns"], int)
    assert shown["legs"] == [{"market": 31, "selection": 0, "odds": shown["legs"][0]["odds"]}]
    told = control.json("explain", bet_id)
    event = told["events"][-1]
    assert event["code"] == "OK" and event["rules"]["stake_single_max"] == 1_000_000
    assert event["legs"][0]["market"] == 31 and event["legs"][0]["selection_name"] == "home"
    why = control.json("explain", "--terminal", 1, "--request", event["request"])
    assert why["lsn"] == event["lsn"]


def test_blocked_terminal_is_silenced_at_once_and_comes_back(switch):
    control = switch.control
    assert bet(switch, 2, 31, "1.01")[0] == 0
    session = control.json("session", "list", "--terminal", 2)["sessions"][0]["session"]
    control.ctl("terminal", "block", 2)
    # The data plane has no session of it any more when the command returns or soon after.
    wait_until(lambda: not control.json("session", "list", "--terminal", 2)["sessions"], 10,
               f"session {session} ending")
    status, _ = run(switch, 2, *SILENT, "balance", ACCOUNT)
    assert status in (1, 3)
    control.ctl("terminal", "unblock", 2)
    assert run(switch, 2, "balance", ACCOUNT)[0] == 0


def test_rights_and_limits_are_enforced_and_outlive_control(switch):
    control = switch.control
    control.ctl("terminal", "set", 3, "--rights", "balance,market", "--daily-max", 5000)
    assert code_of(bet(switch, 3, 31, "1.01")[1]) == "NO_RIGHT"
    control.ctl("terminal", "set", 3, "--rights", "all")
    assert code_of(bet(switch, 3, 31, "1.01")[1]) == "OK"
    assert code_of(run(switch, 3, "bet", ACCOUNT, 4500, "31:0:1.01")[1]) == "LIMIT_TERMINAL_DAILY"
    shown = control.json("terminal", "show", 3)
    assert shown["switch"]["daily_max"] == 5000
    control.ctl("terminal", "set", 3, "--rights", "balance")
    switch.kill()
    switch.start()
    control.wait_up()
    assert control.json("terminal", "show", 3)["switch"]["rights"] == ["balance"]
    assert code_of(bet(switch, 3, 31, "1.01")[1]) == "NO_RIGHT"
    control.ctl("terminal", "set", 3, "--rights", "all", "--daily-max", 0)


def test_revoked_terminal_must_enrol_again(switch):
    control = switch.control
    control.enroll(9)
    assert run(switch, 9, "balance", ACCOUNT)[0] == 0
    control.ctl("terminal", "revoke", 9, "--yes")
    status, _ = run(switch, 9, *SILENT, "balance", ACCOUNT)
    assert status in (1, 3)
    assert "enrol it again" in refused(switch, "terminal", "unblock", 9)
    folder = control.identity(9)
    os.unlink(os.path.join(folder, "terminal.crt"))
    control.enroll(9)
    assert run(switch, 9, "balance", ACCOUNT)[0] == 0


def test_dry_run_changes_nothing(switch):
    control = switch.control
    before = control.status()["control"]["commands_committed"]
    entries = control.json("audit", "verify")["entries"]
    for verb in (("market", "suspend", 41), ("odds", "set", 41, "2", "3", "4"),
                 ("rules", "set", "points_odds=3"), ("account", "freeze", ACCOUNT),
                 ("terminal", "block", 1), ("account", "open", 70_000)):
        assert control.json(*verb, "--dry-run")["dry_run"] is True
    assert control.status()["control"]["commands_committed"] == before
    assert control.json("audit", "verify")["entries"] == entries
    assert control.json("market", "show", 41)["state"] == "open"


def test_every_change_is_in_the_audit_log(switch):
    control = switch.control
    control.ctl("market", "suspend", 51)
    newest = control.json("audit", "tail", "--count", 1)["entries"][0]
    assert newest["action"] == "market suspend" and newest["object"] == "market 51"
    assert newest["before"]["state"] == "open" and newest["after"]["state"] == "suspended"
    assert newest["uid"] == 0 and newest["outcome"] == "done"
    refused(switch, "market", "suspend", 999_999)
    newest = control.json("audit", "tail", "--count", 1)["entries"][0]
    assert newest["outcome"].startswith("refused")
    assert control.json("audit", "verify")["ok"] is True


def test_authority_is_renewed_without_losing_a_terminal(switch):
    control = switch.control

    def renew(terminal):
        assert control.terminal(terminal, "renew").wait(30) == 0

    def next_second():
        # Certificates count seconds; what was issued in the same one may be from before.
        time.sleep(1.1)

    refused(switch, "ca", "init")  # never overwritten
    control.ctl("ca", "renew")
    next_second()
    assert "locked out" in refused(switch, "ca", "activate", "--yes")
    enrolled = [row["terminal"] for row in control.json("terminal", "list")["terminals"]
                if row["state"] != "revoked"]
    for terminal in enrolled:
        renew(terminal)
    control.ctl("ca", "activate", "--yes")
    next_second()
    assert "locked out" in refused(switch, "ca", "retire", "--yes")
    for terminal in enrolled:
        # Its certificate is still from the old authority; control says so, and it renews.
        assert run(switch, terminal, "balance", ACCOUNT)[0] == 0
    control.ctl("ca", "retire", "--yes")
    for terminal in enrolled:
        assert run(switch, terminal, "balance", ACCOUNT)[0] == 0
    control.ctl("ca", "server-renew")
    assert run(switch, 1, "balance", ACCOUNT)[0] == 0


def test_a_database_older_than_the_shards_is_refused_until_adopted(switch):
    """Control's database lost: the shards know commands that it never gave out."""
    control = switch.control
    control.stop()
    database = switch.path("var/lib/sluice/control")
    os.rename(database, database + ".lost")
    control.start()
    wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 10, "the refusal")
    assert "command adopt" in control.status()["dataplane"]["message"]
    with pytest.raises(InstanceError):
        control.wait_up()
    control.stop()
    os.rename(database, database + ".empty")
    os.rename(database + ".lost", database)
    control.start()
    control.wait_up()
    assert control.json("market", "suspend", 61)["done"] is True
