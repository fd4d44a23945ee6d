# SPDX-License-Identifier: Apache-2.0
"""What an operator does with sluicectl, seen from the terminals."""

import contextlib
import grp
import json
import os
import signal
import subprocess
import time

import demo
import keying
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
    text = process.communicate(timeout=300)[0]
    return process.returncode, json.loads(text) if text.strip() else None


def refused(switch, *arguments):
    """The words of a command that must be refused."""
    ran = switch.control.ctl(*arguments, check=False)
    assert ran.returncode in (1, 2), (ran.returncode, ran.stdout, ran.stderr)
    return ran.stderr


def bet(switch, terminal, market=21, odds="2.00"):
    return run(switch, terminal, "bet", ACCOUNT, 1000, f"{market}:0:{odds}")


def newest(switch, count=1):
    """The newest entry of the audit log."""
    return switch.control.json("audit", "tail", "--count", count)["entries"][count - 1]


@contextlib.contextmanager
def changed_config(switch, text):
    """control.yaml holds `text`; afterwards what it held before."""
    path = switch.path("etc/sluice/control.yaml")
    with open(path, encoding="utf-8") as stream:
        before = stream.read()

    def write(content):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(content)
    write(text)
    try:
        yield
    finally:
        write(before)


def code_of(answer):
    return answer["code"]


def test_an_account_keeps_its_currency(switch):
    said = refused(switch, "account", "open", ACCOUNT - 2, "--count", 5, "--currency", 840)
    assert f"account {ACCOUNT} is open already, in currency 410, not 840" in said
    assert "no such account" in refused(switch, "account", "show", ACCOUNT - 1)
    switch.control.ctl("account", "open", ACCOUNT, "--currency", 410)


def test_a_decision_is_explained_right_after_its_answer(switch):
    for _ in range(5):
        answer = bet(switch, 1)[1]
        told = switch.control.json("explain", "--terminal", 1, "--request", answer["request_id"])
        assert str(told["request"]) == str(answer["request_id"]), told
    assert "it may not be in it yet" in refused(
        switch, "explain", "--terminal", 1, "--request", 99999999)

def test_an_import_without_room_is_refused_and_holds_nothing_up(switch, tmp_path):
    most = switch.settings.markets
    path = tmp_path / "many.csv"
    path.write_text("market,event,name,start,kind,selections\n" + "".join(
        f"{9_000_000 + n},9,a - b,2035-01-01T12:00:00Z,1x2,a:2;draw:3;b:4\n"
        for n in range(most)), encoding="ascii")
    said = refused(switch, "market", "import", path)
    assert f"capacity.markets: {most}" in said and "import fewer" in said, said
    switch.control.ctl("market", "suspend", 21)
    switch.control.ctl("market", "open", 21)


def test_status_names_every_part(switch):
    status = switch.control.status()
    assert status["health"] == {"ok": True, "problems": []}
    assert status["dataplane"]["state"] == "up" and status["dataplane"]["open"] is True
    assert len(status["shards"]) == 2
    assert status["control"]["state"] == "running"
    assert status["dataplane"]["uptime_ns"] > 0 and status["control"]["uptime_ns"] > 0
    for shard in status["shards"]:
        assert shard["store_lag_ns"] >= 0 and shard["log_lag"] >= 0
        assert shard["replication_lag"] is None  # no PostgreSQL here
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
    shown = control.json("market", "show", 21)
    assert shown["state"] == shown["switch"]["state"] == "closed"
    assert shown["odds"] == shown["switch"]["odds"] == [2500, 3400, 4200]
    assert shown["start_time_ns"] == shown["switch"]["start_time_ns"]
    assert shown["market"] == shown["switch"]["market"] == 21


def test_account_is_frozen_and_thawed(switch):
    control = switch.control
    control.ctl("account", "freeze", ACCOUNT)
    assert control.json("account", "show", ACCOUNT)["frozen"] is True
    assert code_of(bet(switch, 1, 31, "1.01")[1]) == "ACCOUNT_FROZEN"
    control.ctl("account", "unfreeze", ACCOUNT)
    assert code_of(bet(switch, 1, 31, "1.01")[1]) == "OK"
    assert "no such account" in refused(switch, "account", "show", 999_999_999)
    assert "no such" in refused(switch, "account", "freeze", 999_999_999)
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
    wait_until(lambda: not control.json("session", "list", "--terminal", 2)["sessions"], 60,
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


def test_dry_run_shows_what_would_be_and_refuses_what_would_be_refused(switch):
    control = switch.control
    assert control.json("market", "suspend", 41, "--dry-run")["state"] == "suspended"
    assert control.json("odds", "set", 41, "2", "3", "4", "--dry-run")["odds"] == [2000, 3000, 4000]
    assert control.json("rules", "set", "points_odds=3", "--dry-run")["points_odds"] == 3
    assert control.json("terminal", "block", 1, "--dry-run")["state"] == "blocked"
    assert control.json("log", "level", "debug", "--dry-run")["level"] == "debug"
    assert control.json("market", "show", 41)["state"] == "open"
    assert control.json("terminal", "show", 1)["state"] == "active"
    for verb in (("session", "end", 4_000_000_000), ("session", "rotate", 4_000_000_000),
                 ("ca", "init"), ("ca", "activate", "--yes"), ("ca", "retire", "--yes"),
                 ("command", "adopt", "--yes"), ("market", "open", 999_999)):
        assert refused(switch, *verb, "--dry-run"), verb
    with changed_config(switch, "log: [\n"):
        assert "control.yaml" in refused(switch, "config", "reload", "--dry-run")


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

    def use(terminal):
        assert run(switch, terminal, "balance", ACCOUNT)[0] == 0

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
        assert control.terminal(terminal, "renew").wait(300) == 0
    # A certificate that was never used may never have arrived.
    assert "locked out" in refused(switch, "ca", "activate", "--yes")
    for terminal in enrolled:
        use(terminal)
    control.ctl("ca", "activate", "--yes")
    next_second()
    assert "locked out" in refused(switch, "ca", "retire", "--yes")
    forced = control.json("ca", "retire", "--yes", "--force", "--dry-run")
    assert forced["dry_run"] is True and forced["state"] == "next active"
    for terminal in enrolled:
        # Its certificate is still from the old authority; control says so, and it renews.
        use(terminal)
        use(terminal)
    control.ctl("ca", "retire", "--yes")
    for terminal in enrolled:
        use(terminal)
    control.ctl("ca", "server-renew")
    use(1)


def test_monitor_shows_what_a_terminal_reports(switch):
    control = switch.control
    host, port = control.address.split(":")
    with switch.terminal_network():
        terminal = keying.KeyedTerminal((host, int(port)), control.identity(1), switch.name)
    try:
        # Paper out, door open; the numbers are those of wire/README.md.
        assert terminal.heartbeat(sequence=1, firmware=3, error=17, state=2 | 8, battery=66).ok

        def row():
            rows = control.json("terminal", "monitor")["terminals"]
            return next((row for row in rows if row["terminal"] == 1 and "error" in row), None)
        seen = wait_until(row, 60, "the heartbeat")
    finally:
        terminal.close()
    assert (seen["paper"], seen["door"], seen["printer"], seen["error"], seen["battery"]) == (
        "out", "open", "ok", 17, 66)
    assert seen["online"] is True and seen["session"] == terminal.session.session_id
    assert abs(time.time_ns() - seen["last_seen_ns"]) < 300 * 10**9


@pytest.mark.parametrize("way", ["verb", "signal"])
def test_configuration_is_read_again(switch, way):
    control = switch.control
    text = control.configuration().replace("terminals:\n", "terminals:\n  silent_intervals: 7\n")
    text += "access:\n  clients_max: 64\n"
    entries = control.json("audit", "verify")["entries"]

    def reload():
        if way == "verb":
            return control.json("config", "reload")
        count = control.json("audit", "verify")["entries"]
        os.kill(control.pid(), signal.SIGHUP)
        wait_until(lambda: control.json("audit", "verify")["entries"] > count, 60, "the reload")
        return None

    with changed_config(switch, text):
        answer = reload()
    if answer is not None:
        assert answer["changed"] == {"terminals.silent_intervals": 7, "access.clients_max": 64}
    entry = newest(switch)
    assert entry["action"] == "config reload" and entry["outcome"] == "done"
    assert entry["before"] == {"terminals.silent_intervals": 3, "access.clients_max": 32}
    assert entry["after"] == {"terminals.silent_intervals": 7, "access.clients_max": 64}
    assert entry["user"] == ("control" if way == "signal" else "root (admin)")
    shown = {key["key"]: key["value"] for key in control.json("config", "show")["keys"]}
    assert shown["terminals.silent_intervals"] == 7
    with changed_config(switch, "terminals: 5\n"):
        if way == "verb":
            assert "control.yaml" in refused(switch, "config", "reload")
        else:
            reload()
    assert newest(switch)["outcome"].startswith("refused")
    shown = {key["key"]: key["value"] for key in control.json("config", "show")["keys"]}
    assert shown["terminals.silent_intervals"] == 7
    reload()  # as it was
    assert newest(switch)["after"]["terminals.silent_intervals"] == 3
    assert control.json("audit", "verify")["entries"] == entries + 3


def test_a_key_that_needs_a_restart_is_named(switch):
    control = switch.control
    text = control.configuration() + "replication:\n  months_ahead: 5\n"
    with changed_config(switch, text):
        answer = control.json("config", "reload", "--dry-run")
    assert answer["changed"] == {}
    assert answer["restart_needed_for"] == "replication.months_ahead"


def test_configuration_file_is_checked_without_being_used(switch, tmp_path):
    control = switch.control
    path = tmp_path / "control.yaml"
    path.write_text(control.configuration(), encoding="utf-8")
    assert control.json("config", "check", path)["ok"] is True
    path.write_text(control.configuration() + "nonsense: 1\n", encoding="utf-8")
    assert "nonsense" in refused(switch, "config", "check", path)


def test_log_level_changes_what_is_written(switch):
    control = switch.control

    def written():
        with open(control.log, encoding="utf-8") as stream:
            return stream.read()
    assert control.json("log", "level", "error")["level"] == "error"
    entry = newest(switch)
    assert entry["before"] == {"level": "info"} and entry["after"] == {"level": "error"}
    size = len(written())
    control.ctl("account", "unfreeze", ACCOUNT)
    assert "account unfreeze" not in written()[size:]
    control.ctl("log", "level", "info")
    control.ctl("account", "unfreeze", ACCOUNT)
    assert "account unfreeze" in written()[size:]


def test_audit_tells_before_and_after_of_every_kind_of_change(switch):
    control = switch.control
    control.ctl("account", "freeze", ACCOUNT)
    entry = newest(switch)
    assert entry["before"]["frozen"] is False and entry["after"] == {
        "account": ACCOUNT, "frozen": True}
    assert "frozen no -> yes" in control.ctl("audit", "tail", "--count", 1).stdout
    control.ctl("account", "unfreeze", ACCOUNT)
    assert newest(switch)["before"]["frozen"] is True
    assert run(switch, 1, "balance", ACCOUNT)[0] == 0
    session = control.json("session", "list", "--terminal", 1)["sessions"][0]
    assert session["expires_ns"] > session["established_ns"] > 10**18
    control.ctl("session", "end", session["session"])
    entry = newest(switch)
    assert entry["before"]["state"] == "live" and entry["before"]["terminal"] == 1
    assert entry["after"]["state"] in ("ending", "ended")
    control.ctl("replication", "pause")
    assert newest(switch)["after"] == {"paused": True}
    control.ctl("replication", "resume")
    assert newest(switch)["after"] == {"paused": False}
    control.ctl("ca", "server-renew")
    entry = newest(switch)
    assert entry["before"]["server"]["sha256"] != entry["after"]["server"]["sha256"]


def test_health_fails_while_the_data_plane_is_dead(switch):
    control = switch.control
    switch.kill()
    try:
        wait_until(lambda: control.status()["dataplane"]["state"] == "down", 60, "its end")
        ran = control.ctl("status", "--health", check=False)
        assert ran.returncode == 1, ran
        problems = control.status()["health"]["problems"]
        assert any("data plane is not there" in text for text in problems), problems
        number = control.json("market", "suspend", 81, "--wait-ms", 0)["command"]
        wait_until(lambda: any(f"command {number} has waited" in text
                               for text in control.status()["health"]["problems"]), 60,
                   "the waiting command")
    finally:
        switch.start()
        control.wait_up()
    wait_until(lambda: control.ctl("status", "--health", check=False).returncode == 0, 60, "health")


ROLE_GROUPS = {"viewer": "daemon", "operator": "bin", "risk": "sys", "admin": "adm"}
# What each may; everything else of this list is refused.
ROLE_MAY = {
    "viewer": {"status"},
    "operator": {"status", "market suspend"},
    "risk": {"status", "account freeze"},
    "admin": {"status", "market suspend", "account freeze", "log level"},
}


def as_group(switch, group, *arguments):
    """sluicectl as a user whom no user database knows: his process's group counts then."""
    return subprocess.run(
        [switch.binary("tools/sluicectl"), "--root", switch.root, *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        user=54_321, group=grp.getgrnam(group).gr_gid, extra_groups=[])


def others_may_enter(path):
    """Every folder on the way lets other users through (not so for a clone below /root)."""
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def test_groups_give_roles_and_nothing_else_does(switch):
    control = switch.control
    for path in (switch.root, switch.build):
        if not others_may_enter(path):
            pytest.skip(f"other users cannot enter {path}")
    access = "".join(f"  {role}_group: {group}\n" for role, group in ROLE_GROUPS.items())
    verbs = {"status": ("status",), "market suspend": ("market", "suspend", 71, "--dry-run"),
             "account freeze": ("account", "freeze", ACCOUNT, "--dry-run"),
             "log level": ("log", "level", "info", "--dry-run")}
    with changed_config(switch, control.configuration() + "access:\n" + access):
        control.ctl("config", "reload")
    try:
        for role, group in ROLE_GROUPS.items():
            for name, words in verbs.items():
                ran = as_group(switch, group, *words)
                assert (ran.returncode == 0) == (name in ROLE_MAY[role]), (role, name, ran)
        stranger = as_group(switch, "nogroup", "status")
        assert stranger.returncode == 1 and "daemon" in stranger.stderr, stranger
        assert as_group(switch, "bin", "market", "suspend", 71).returncode == 0
        assert newest(switch)["user"] == "uid 54321 (operator)"
        assert as_group(switch, "daemon", "market", "open", 71).returncode == 1
        assert newest(switch)["outcome"].startswith("refused")
    finally:
        control.ctl("config", "reload")
    assert as_group(switch, "daemon", "status").returncode == 1


def test_a_database_older_than_the_shards_is_refused_until_adopted(switch):
    """Control's database lost: the shards know commands that it never gave out."""
    control = switch.control
    control.stop()
    database = switch.path("var/lib/sluice/control")
    os.rename(database, database + ".lost")
    control.start()
    wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 60, "the refusal")
    assert "command adopt" in control.status()["dataplane"]["message"]
    with pytest.raises(InstanceError):
        control.wait_up()
    control.stop()
    os.rename(database, database + ".empty")
    os.rename(database + ".lost", database)
    control.start()
    control.wait_up()
    assert control.json("market", "suspend", 61)["done"] is True


def test_an_adopted_database_goes_on(switch):
    """The last test here: the old database is not put back."""
    control = switch.control
    control.stop()
    database = switch.path("var/lib/sluice/control")
    os.rename(database, database + ".gone")
    control.start()
    wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 60, "the refusal")
    problems = control.status()["health"]["problems"]
    assert any("command adopt" in text for text in problems), problems
    known = max(shard["control_sequence"] for shard in control.status()["shards"])
    would = control.json("command", "adopt", "--yes", "--dry-run")
    assert would["commands_committed"] == known
    assert control.status()["dataplane"]["state"] == "refused"
    control.ctl("command", "adopt", "--yes")
    entry = newest(switch)
    assert entry["before"] == {"commands_committed": 0}
    assert entry["after"] == {"commands_committed": known}
    status = control.wait_up()
    assert status["control"]["commands_committed"] == known
    assert control.json("account", "open", 70_001)["command"] == known + 1
    assert control.json("account", "show", 70_001)["account"] == 70_001
    # The authority's files were not lost, the terminals' rows were.
    control.enroll(12)
    assert run(switch, 12, "balance", ACCOUNT)[0] == 0


def test_health_names_an_authority_near_its_end(switch):
    """Behind the last one, too: terminals are locked out."""
    control = switch.control
    assert control.status()["health"]["ok"] is True
    text = control.configuration().replace("keys:\n", "keys:\n  authority_days: 30\n"
                                           "  terminal_certificate_days: 20\n"
                                           "  server_certificate_days: 20\n")
    with changed_config(switch, text):
        control.ctl("config", "reload")
    for step in (("renew",), ("activate", "--yes", "--force"), ("retire", "--yes", "--force")):
        control.ctl("ca", *step)
    problems = control.status()["health"]["problems"]
    assert any("ends in 29 days" in text for text in problems), problems
    assert newest(switch)["before"]["state"] == "next active"
