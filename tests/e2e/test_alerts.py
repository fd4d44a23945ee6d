# SPDX-License-Identifier: Apache-2.0
"""Alerts from the bet that raises them to the verdict: once each, also when control dies, and in
PostgreSQL."""

import concurrent.futures
import json
import os
import signal
import time

import demo
import pytest
from controlled import ControlledSwitch
from switch import wait_until
from test_catalogue import connect
from test_operator import refused, run

ACCOUNT = demo.FIRST_ACCOUNT


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("alerts", shards=2, postgres=True) as switch:
        switch.begin(terminals=2)
        switch.control.ctl("rules", "set", "factors=0", "large_amount=50000", "alert_score=40",
                           "refuse_score=90", "points_behaviour=0", "points_odds=0")
        yield switch


def bet(switch, account, stake=60_000, terminal=1):
    return run(switch, terminal, "bet", account, stake, "21:0:1.01")[1]["code"]


def alerts(switch, *arguments):
    return switch.control.json("alert", "list", "--count", 10000, *arguments)["alerts"]


def wait_alerts(switch, count):
    wait_until(lambda: len(alerts(switch)) >= count, 60, f"{count} alerts")
    found = alerts(switch)
    assert len(found) == count, found
    return found


def control_dies(switch):
    with open(switch.path("run/sluice/control.pid"), encoding="utf-8") as stream:
        os.kill(int(stream.read()), signal.SIGKILL)
    switch.control.kill()
    switch.control.start()
    switch.control.wait_up()


def test_a_bet_becomes_one_alert_and_repetitions_are_counted(switch):
    assert bet(switch, ACCOUNT, stake=1000) == "OK"
    assert bet(switch, ACCOUNT) == "OK"
    found = wait_alerts(switch, 1)[0]
    assert (found["alert"], found["state"], found["severity"], found["reason"]) == \
        (1, "new", "low", "risk")
    assert found["id"] == ACCOUNT and found["score"] == 40 and "LARGE" in found["text"]
    assert bet(switch, ACCOUNT) == "OK"
    wait_until(lambda: alerts(switch)[0]["count"] == 2, 60, "the repetition")
    told = switch.control.json("explain", found["bet"])["events"][0]
    assert (told["shard"], told["lsn"]) == (found["shard"], found["lsn"])


def test_a_refusal_by_score_is_an_alert_of_high_severity(switch):
    switch.control.ctl("rules", "set", "points_large=95")
    assert bet(switch, ACCOUNT + 1, terminal=2) == "RISK_SCORE"
    found = wait_alerts(switch, 2)[0]
    assert found["severity"] == "critical" and found["code"] == "RISK_SCORE"
    switch.control.ctl("rules", "set", "points_large=40")


def test_each_event_once_while_control_dies(switch):
    before = len(alerts(switch))
    for number in range(6):
        assert bet(switch, ACCOUNT + 10 + number, terminal=1 + number % 2) == "OK"
        if number % 2 == 0:
            control_dies(switch)
    found = wait_alerts(switch, before + 6)
    places = [(row["shard"], row["lsn"]) for row in found]
    assert len(set(places)) == len(places)
    assert [row["alert"] for row in found] == list(range(before + 6, 0, -1))
    assert all(row["count"] == 1 for row in found[:6])


def test_work_on_an_alert_is_kept_with_everything_said(switch):
    control = switch.control
    assert "begin with it first" in refused(switch, "alert", "close", 1, "false")
    control.ctl("alert", "investigate", 1, "--note", "called the shop")
    assert control.json("alert", "show", 1)["assignee"].startswith("root")
    control.ctl("alert", "assign", 1, "lee")
    control.ctl("alert", "severity", 1, "high")
    control.ctl("alert", "report", 1, "STR 2026-17")
    shown = control.json("alert", "close", 1, "confirmed", "--note", "he admitted it")
    assert (shown["state"], shown["verdict"], shown["report"]) == \
        ("closed", "confirmed", "STR 2026-17")
    history = control.json("alert", "show", 1)["history"]
    assert [step["action"] for step in history] == \
        ["raised", "assigned", "state", "note", "assigned", "severity", "state", "state", "note"]
    assert history[0]["user"] == "control" and history[3]["text"] == "called the shop"
    entry = control.json("audit", "tail", "--count", 1)["entries"][0]
    assert entry["action"] == "alert close" and entry["object"] == "alert 1"
    assert "no such alert" in refused(switch, "alert", "show", 9999)
    made = control.json("alert", "create", "terminal", 2, "a tip by telephone", "--severity",
                        "medium")
    assert made["state"] == "new" and made["about"] == "terminal 2"
    assert made["alert"] == len(alerts(switch))
    control.ctl("alert", "investigate", 2, "--dry-run")
    assert control.json("alert", "show", 2)["state"] == "new"


def test_a_profile_tells_what_was_seen(switch):
    profile = switch.control.json("account", "profile", ACCOUNT)
    assert (profile["holder"]["confirmed"], profile["holder"]["dismissed"]) == (1, 0)
    assert [row["alert"] for row in profile["alerts"]] == [1]

    def factors():
        told = switch.control.json("account", "profile", ACCOUNT)["factors"]
        return {row["factor"]: row["count"] for row in told} == \
            {"LARGE": 2, "ODDS_CLAIMED": 3, "ALERT": 2}
    wait_until(factors, 60, "the factors of the account")
    assert profile["switch"]["balance"] > 0


def test_labels_and_countries_come_from_files(switch, tmp_path):
    control = switch.control
    labels = tmp_path / "labels.csv"
    labels.write_text(f"kind,id,label,date\naccount,{ACCOUNT},confirmed,2026-11-01\n"
                      "terminal,1,false,2026-11-02\n", encoding="utf-8")
    assert control.json("feedback", "import", str(labels))["added"] == 2
    again = control.json("feedback", "import", str(labels))
    assert (again["added"], again["skipped"], again["already_imported"]) == (0, 2, 2)
    assert control.json("account", "profile", ACCOUNT)["holder"]["confirmed"] == 2
    labels.write_text("account,1,perhaps,2026-11-01\n", encoding="utf-8")
    assert "line 1: the label must be" in refused(switch, "feedback", "import", str(labels))
    labels.write_text("account,1,false,2026-11-01\naccount,1,false,2099-01-01\n", encoding="utf-8")
    assert "line 2: the date is in the future" in refused(
        switch, "feedback", "import", str(labels))
    countries = tmp_path / "fatf.csv"
    countries.write_text("iso3,fatf_status\nPRK,High-Risk (Call for Action)\n"
                         "BGR,Increased Monitoring (Grey List)\n", encoding="utf-8")
    assert control.json("country", "import", str(countries), "--dated", "2026-10-24")[
        "countries"] == 2
    for dated in ("2026-99-99", "2026-02-31", "tomorrow"):
        assert "a day that there is" in refused(
            switch, "country", "import", str(countries), "--dated", dated)
        assert "a day that there is" in refused(
            switch, "watchlist", "import", "days", "--names", str(countries), "--dated", dated)
    assert "no such country" in refused(switch, "country", "set", "ZZZ", "high")
    assert "no such country" in refused(
        switch, "subject", "set", "account", ACCOUNT, "--country", "XXX")
    control.ctl("country", "set", "KEN", "monitored")
    assert [(row["country"], row["level"]) for row in control.json("country", "list")[
        "countries"]] == [("BGR", "monitored"), ("KEN", "monitored"), ("PRK", "high")]
    control.ctl("subject", "set", "account", ACCOUNT, "--name", "Hong Gil-dong", "--country", "KOR")
    assert control.json("account", "profile", ACCOUNT)["holder"]["country"] == "KOR"


def test_names_are_screened_and_screened_again_when_a_list_changes(switch, tmp_path):
    control = switch.control
    before = len(alerts(switch))
    control.ctl("subject", "set", "account", ACCOUNT + 1, "--name", "Pedro Martinez")
    sdn = tmp_path / "sdn.csv"
    sdn.write_text('ent_num,name,type\n535,CIMEX,entity\n900,"MARTINEZ, Pedro",individual\n',
                   encoding="utf-8")
    alt = tmp_path / "alt.csv"
    alt.write_text('535,1,aka,"CIMEX, S.A."\n', encoding="utf-8")
    told = control.json("watchlist", "import", "ofac", "--sdn", str(sdn), "--alt", str(alt),
                        "--dated", "2026-03-22")
    assert (told["entries"], told["names"], told["version"]) == (2, 3, 1)
    hit = wait_alerts(switch, before + 1)[0]
    assert hit["reason"] == "watch_list" and hit["id"] == ACCOUNT + 1
    assert hit["similarity_permille"] == 1000 and hit["entry"] == 900
    control.ctl("alert", "investigate", hit["alert"])
    control.ctl("alert", "close", hit["alert"], "false", "--note", "another birthday")
    control.ctl("watchlist", "import", "ofac", "--sdn", str(sdn))
    control_dies(switch)
    control.ctl("subject", "set", "account", ACCOUNT + 2, "--name", "Cimex Ltd")
    hit = wait_alerts(switch, before + 2)[0]
    assert hit["id"] == ACCOUNT + 2

    matched = control.json("watchlist", "match", "Martinez Pedro")["matches"]
    assert matched[0]["listed"] == "MARTINEZ, Pedro"
    names = tmp_path / "names.txt"
    names.write_text("Cimex\nNobody At All\n", encoding="utf-8")
    told = control.json("watchlist", "match", "--file", str(names))
    assert told["names"] == 2 and [row["name"] for row in told["matches"]] == ["Cimex"]
    sdn.write_text("535\n", encoding="utf-8")
    assert "sdn, line 1: expected number,name" in refused(
        switch, "watchlist", "import", "ofac", "--sdn", str(sdn))


def flags_of(switch, account):
    shown = switch.control.json("account", "show", account)
    return {name for name in ("pep", "sanctioned", "country_risk") if shown.get(name)}


def commands(switch, kind):
    rows = switch.control.json("command", "list", "--count", 2000)["commands"]
    return [row["command"] for row in reversed(rows) if row["type"] == kind]


def told(switch, account):
    return [row for row in commands(switch, "account_flags") if row["account_id"] == account]


def test_what_lists_say_reaches_the_shards_and_counts(switch, tmp_path):
    control = switch.control
    before = {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    control.ctl("rules", "set", "factors=1", "refuse_score=80")
    held = ACCOUNT + 52
    assert bet(switch, held, stake=1000) == "OK"
    control.ctl("subject", "set", "account", held, "--name", "Pedro Martinez", "--country", "PRK")
    wait_until(lambda: flags_of(switch, held) == {"sanctioned", "country_risk"}, 60, "the flags")
    assert told(switch, held)[-1]["country"] == 408
    status, answer = run(switch, 1, "bet", held, 1000, "21:0:1.01")
    assert answer["code"] == "RISK_SCORE"
    shown = control.json("explain", "--terminal", 1, "--request", answer["request_id"])
    saw = {row["factor"]: row["saw"] for row in shown["factors"]}
    assert saw["WATCH_LIST"]["flags"] == ["on a watch list", "country of risk"], shown
    assert (saw["COUNTRY"]["country"], saw["COUNTRY"]["country_letters"]) == (408, "PRK"), shown
    # A hit that is false is taken back, and a control that dies repeats nothing.
    for row in alerts(switch, "--open"):
        if row["id"] == held and row["reason"] in ("watch_list", "country"):
            control.ctl("alert", "investigate", row["alert"])
            control.ctl("alert", "close", row["alert"], "false")
    wait_until(lambda: flags_of(switch, held) == set(), 60, "no flags")
    assert held not in {row.get("account_id") for row in commands(switch, "feedback")}
    count = len(told(switch, held))
    control_dies(switch)
    # A list that changes is looked through again.
    names = tmp_path / "pep.txt"
    names.write_text("Pedro Martinez\n", encoding="utf-8")
    control.ctl("watchlist", "import", "pep-ours", "--names", str(names))
    wait_until(lambda: flags_of(switch, held) == {"pep"}, 60, "the other flag")
    assert len(told(switch, held)) == count + 1
    # Of an account that is not open yet, it is told when it is.
    later = ACCOUNT + 5000
    control.ctl("subject", "set", "account", later, "--name", "Martinez, Pedro")
    wait_until(lambda: told(switch, later), 60, "the command for an account there is not")
    control.ctl("account", "open", later)
    wait_until(lambda: flags_of(switch, later) == {"pep", "sanctioned"}, 60, "its flags")
    control.ctl("subject", "set", "account", later, "--name", "")
    wait_until(lambda: flags_of(switch, later) == set(), 60, "a name taken away")
    control.ctl("rules", "rollback", before["version"])


def test_a_model_is_loaded_and_named_by_rules(switch, tmp_path):
    control = switch.control
    before = {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    models = os.path.join(os.path.dirname(__file__), "../../tools/risk-models")
    path = os.path.join(models, "card.json")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    assert "no model that can be used" in refused(switch, "model", "load", str(wrong))
    assert control.json("model", "load", path, "--dry-run")["model"] == 1
    assert control.json("model", "list")["models"] == []
    loaded = control.json("model", "load", path, "--note", "cards, days 0 to 99")
    assert loaded["model"] == 1 and loaded["trees"] > 1 and not loaded["damaged"]
    entry = control.json("audit", "tail", "--count", 1)["entries"][0]
    assert (entry["action"], entry["object"]) == ("model load", "model 1")
    control.ctl("rules", "set", "factors=1", "model_state=shadow", "model_version=1")
    assert control.json("model", "show", 1)["state"] == "shadow"
    assert "the rules in force use model 1" in refused(switch, "model", "remove", 1, "--yes")
    answer = run(switch, 1, "bet", ACCOUNT + 46, 60_000, "21:0:1.01")[1]
    shown = control.json("explain", "--terminal", 1, "--request", answer["request_id"])
    assert shown["points"]["model_version"] == 1 and shown["points"]["model_state"] == "shadow"
    control.ctl("rules", "rollback", before["version"])
    control.ctl("model", "remove", 1, "--yes")
    assert "no model 1" in refused(switch, "model", "show", 1)
    assert control.json("model", "load", path)["model"] == 2  # a number is never given twice
    said = refused(switch, "rules", "set", "factors=1", "model_version=1", "model_state=active")
    assert "there is no model 1" in said


def test_rules_come_from_a_file_and_an_older_version_comes_back(switch, tmp_path):
    control = switch.control

    def in_force():
        return {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    first = in_force()
    path = tmp_path / "rules.yaml"
    control.ctl("rules", "show", "--out", str(path))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("large_amount: 50000 ", "large_amount: 70000 "), encoding="utf-8")
    assert control.json("rules", "diff", first["version"], "--file", str(path))["differences"] == \
        [{"key": "large_amount", "from": 50000, "to": 70000, "unit": "minor units"}]
    control.ctl("rules", "set", "--file", str(path), "--note", "fewer small ones")
    assert bet(switch, ACCOUNT + 30) == "OK"
    second = in_force()
    assert second["large_amount"] == 70000 and second["version"] > first["version"]
    control.ctl("rules", "rollback", first["version"], "--note", "it was worse")
    third = in_force()
    assert third == {**first, "version": third["version"]}
    versions = control.json("rules", "list")["versions"]
    assert (versions[0]["version"], versions[0]["copied_from"], versions[0]["note"]) == \
        (third["version"], first["version"], "it was worse")
    assert versions[0]["set_by"].startswith("root") and versions[-1]["note"] == "the defaults"
    assert control.json("rules", "diff", second["version"])["differences"][0]["to"] == 50000
    path.write_text("points_odds: 7\nlarge_amont: 1\n", encoding="utf-8")
    assert 'line 2: there is no rule "large_amont"' in refused(
        switch, "rules", "set", "--file", str(path))
    assert "no version 99999" in refused(switch, "rules", "rollback", 99999)
    assert "in force already" in refused(switch, "rules", "rollback", third["version"])


def test_rules_are_stored_tried_on_the_past_and_activated(switch, tmp_path):
    control = switch.control
    began = int(time.time()) + 1  # the range begins with a whole second
    time.sleep(began - time.time())
    for nth in range(3):
        assert bet(switch, ACCOUNT + 40 + nth, stake=30_000) == "OK"
    path = tmp_path / "rules.yaml"
    path.write_text("stake_single_max: 20000\n", encoding="utf-8")
    before = control.json("rules", "show")["rules"][0]["value"]
    stored = control.json("rules", "set", "--file", str(path), "--stage")
    assert stored["stored"] and stored["version"] > before
    assert control.json("rules", "show")["rules"][0]["value"] == before
    assert bet(switch, ACCOUNT + 43, stake=30_000) == "OK"
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    for asked in ([str(path)], ["--rules-version", stored["version"]]):
        told = control.json("rules", "shadow", *asked, "--from", start)
        assert (told["newly_refused"], told["newly_accepted"]) == (4, 0), told
        assert told["after"]["codes"]["LIMIT_SINGLE_STAKE"] == 4
        assert {row["account"] for row in told["examples"]} == {ACCOUNT + 40 + n for n in range(4)}
    same = control.json("rules", "shadow", "--rules-version", before, "--from", start)
    assert same["before"] == same["after"]
    assert "accepted" in control.ctl("rules", "shadow", str(path), "--from", start).stdout
    assert "line 1: there is no rule" in refused(
        switch, "rules", "shadow", write(tmp_path, "no_rule: 1\n"), "--from", start)
    control.ctl("rules", "activate", stored["version"], "--note", "tried")
    assert bet(switch, ACCOUNT + 44, stake=30_000) == "LIMIT_SINGLE_STAKE"
    assert "in force already" in refused(switch, "rules", "activate", stored["version"])
    control.ctl("rules", "rollback", before)
    assert bet(switch, ACCOUNT + 44, stake=30_000) == "OK"
    assert {row["version"]: row["state"] for row in control.json("rules", "list")["versions"]}[
        stored["version"]] == "past"


def test_factors_of_the_states_are_rules_too(switch):
    control = switch.control

    def in_force():
        return {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    first = control.json("rules", "list", "--count", 1000)["versions"][-2]
    assert (first["version"], first["set_by"]) == (2, "control")  # of every new installation
    rows = control.json("rules", "show", 2)["rules"]
    assert {"factors": 1, "points_structuring": 30, "model_state": 0}.items() <= \
        {row["key"]: row["value"] for row in rows}.items()
    before = in_force()
    assert "points_structuring" not in before and before["factors"] == 0
    assert "set factors to 1 before it" in refused(switch, "rules", "set", "points_structuring=1")
    control.ctl("rules", "set", "factors=1", "points_structuring=35", "refuse_score=101",
                "currency.840.large_amount=900")
    shown = in_force()
    assert (shown["points_structuring"], shown["currency.840.large_amount"]) == (35, 900)
    status, answer = run(switch, 1, "bet", ACCOUNT + 45, 60_000, "21:0:1.01")
    assert (status, answer["code"]) == (0, "OK")
    told = control.json("explain", answer["object_id"])["events"][0]
    large = {row["factor"]: row for row in told["factors"]}["LARGE"]
    assert large["saw"]["amount"] == 60_000 and large["rules"]["large_amount"] == 50_000
    assert told["score"] == min(100, sum(told["points"].values())), told
    assert told["points"]["profile"] == 40 and told["points"]["states"] >= 20, told
    control.ctl("rules", "rollback", before["version"])
    assert in_force() == {**before, "version": in_force()["version"]}


def test_judged_cases_reach_the_shards_once(switch, tmp_path):
    control = switch.control

    def sent():
        return [row for row in control.json("command", "list", "--count", 1000)["commands"]
                if row["type"] == "feedback"]
    before = len(sent())
    control.ctl("partner", "set", 3, "--name", "Games 3", "--keys-max", 10)
    labels = tmp_path / "labels.csv"
    labels.write_text(f"kind,id,label,date\naccount,{ACCOUNT + 50},confirmed,2026-11-05\n"
                      "terminal,1,false,2026-11-05\npartner,3,confirmed,2026-11-05\n",
                      encoding="utf-8")
    for _ in range(2):
        control.ctl("feedback", "import", str(labels))
        wait_until(lambda: len(sent()) == before + 3 and
                   all(row["state"] == "done" for row in sent()), 60, "the labels on all shards")


def test_an_order_goes_between_the_labels_of_a_long_file(switch, tmp_path):
    control = switch.control
    count = 3000
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"account,{ACCOUNT + 60 + n % 7},false,2026-11-05,5-{n}\n"
                              for n in range(count)) + "terminal,77777,false,2026-11-05\n",
                      encoding="utf-8")

    def newest():
        return control.json("command", "list", "--count", 1)["commands"][0]["sequence"]
    before = newest()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        importing = pool.submit(control.json, "feedback", "import", str(labels))
        wait_until(lambda: newest() > before, 60, "the first labels")
        suspended = control.json("market", "suspend", 21)
        told = importing.result()
    control.ctl("market", "open", 21)
    assert (told["added"], told["unknown"], told["done"]) == (count, 1, True), told
    assert told["command"] == before + count + 1, told
    assert suspended["done"] and suspended["command"] < told["command"], suspended


def test_a_verdict_taken_back_reaches_the_shards(switch):
    control = switch.control
    number = control.json("alert", "create", "account", ACCOUNT + 48, "a tip")["alert"]
    before = control.json("command", "list", "--count", 1)["commands"][0]["sequence"]
    for verdict in ("confirmed", "false"):
        control.ctl("alert", "investigate", number)
        control.ctl("alert", "close", number, verdict)

    def sent():
        rows = control.json("command", "list", "--count", 100)["commands"]
        return [row for row in reversed(rows) if row["sequence"] > before]
    wait_until(lambda: len(sent()) == 3 and all(row["state"] == "done" for row in sent()), 60,
               "three commands on all shards")
    assert [(row["command"]["confirmed"], row["command"].get("withdrawn", False))
            for row in sent()] == [(True, False), (True, True), (False, False)]
    def learnt():
        found = []
        for shard in range(2):
            ran = switch.tool("tools/sluice-db", "dump", "--json", "--shard", shard)
            found += [(event["case"], event["withdrawn"])
                      for event in json.loads(ran.stdout)["events"]
                      if event["type"] == "FEEDBACK" and event["account"] == ACCOUNT + 48]
        return found
    wait_until(lambda: learnt() == [("confirmed", False), ("confirmed", True),
                                    ("dismissed", False)], 60, "the three in the log")


def test_judged_cases_of_a_partner_are_a_factor_of_its_accounts(switch, tmp_path):
    control = switch.control
    before = control.json("rules", "show")["rules"][0]["value"]
    first = ACCOUNT + 7000
    for partner in (5, 6):
        control.ctl("partner", "set", partner, "--name", f"Games {partner}", "--keys-max", 10)
    control.ctl("rules", "set", "factors=1", "partner_confirmed_tenths=5",
                "points_terminal_confirmed=0", "points_partner_confirmed=7")
    terminal = connect(switch, 2)
    for account in range(first, first + 4):
        assert terminal.open_account(account, partner=5).ok
        assert terminal.deposit(account, 1_000_000).ok

    def factors(account, stake=1000):
        answer = terminal.place_bet(account, stake, [(21, 0, 1010)])
        assert answer.ok, answer.name
        told = control.json("explain", "--terminal", 2, "--request", answer.request_id)
        told = told["events"][0] if "events" in told else told
        return {row["factor"]: row for row in told["factors"]}

    def counts(partner):
        shown = control.json("partner", "show", partner)["switch"]
        assert len(shown) == 2, shown
        return {(row["confirmed"], row["dismissed"]) for row in shown}
    # A case of one customer, by an alert that its bet raised.
    assert "PARTNER_CONFIRMED" not in factors(first, 60_000)
    raised = wait_until(lambda: [row for row in alerts(switch) if row["id"] == first], 60,
                        "the alert")
    number = raised[0]["alert"]
    control.ctl("alert", "investigate", number)
    control.ctl("alert", "close", number, "confirmed")
    wait_until(lambda: counts(5) == {(1, 0)}, 60, "the case on all shards")
    for account in range(first + 1, first + 4):  # customers of both shards, with no case
        factor = factors(account)["PARTNER_CONFIRMED"]
        assert sorted(factor["saw"]) == ["confirmed_7d", "judged_7d"]
        assert all(0.9 <= value <= 1 for value in factor["saw"].values()), factor  # it decays
        assert factor["rules"] == {"partner_confirmed_tenths": 5, "confirmed_percent": 15,
                                   "points_partner_confirmed": 7}
    assert "PARTNER_CONFIRMED" not in factors(ACCOUNT + 40)
    # Taken back, and judged otherwise.
    control.ctl("alert", "investigate", number)
    control.ctl("alert", "close", number, "false")
    wait_until(lambda: counts(5) == {(0, 1)}, 60, "the other verdict on all shards")
    assert "PARTNER_CONFIRMED" not in factors(first + 1)
    # Labels of a file: of an account, and so of its partner; of a partner without accounts.
    labels = tmp_path / "partners.csv"
    labels.write_text(f"kind,id,label,date\naccount,{first + 2},confirmed,2026-11-06\n"
                      "partner,6,confirmed,2026-11-06\n", encoding="utf-8")
    control.ctl("feedback", "import", str(labels))
    wait_until(lambda: counts(5) == {(1, 1)} and counts(6) == {(1, 0)}, 60, "the labels")
    assert "PARTNER_CONFIRMED" in factors(first + 3)
    terminal.close()
    control.ctl("rules", "rollback", before)


def test_rules_the_shards_refuse_are_not_in_force(switch):
    control = switch.control

    def in_force():
        return {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    before = in_force()
    said = refused(switch, "rules", "set", "factors=1", "model_version=77", "model_state=shadow")
    assert "there is no model 77" in said
    assert in_force() == before
    # While the data plane is away nobody knows what it will find.
    models = os.path.join(os.path.dirname(__file__), "../../tools/risk-models")
    number = control.json("model", "load", os.path.join(models, "card.json"))["model"]
    os.kill(switch.process.pid, signal.SIGSTOP)
    control.ctl("rules", "set", "factors=1", f"model_version={number}", "model_state=shadow",
                "--wait-ms", 0)
    assert in_force()["model_version"] == number
    os.remove(switch.path(f"var/lib/sluice/models/{number}"))
    os.kill(switch.process.pid, signal.SIGCONT)
    wait_until(lambda: in_force() == before, 60, "the rules that are in force")
    newest = control.json("rules", "list")["versions"][0]
    assert newest["state"] == "refused" and f"model {number} cannot be read" in newest["refusal"]
    entry = control.json("audit", "tail", "--count", 1)["entries"][0]
    assert entry["action"] == "rules refused" and "model_state=off" in entry["after"]["why"]
    control.ctl("rules", "set", "points_odds=9")
    assert in_force()["points_odds"] == 9 and in_force()["factors"] == before["factors"]
    control.ctl("rules", "rollback", before["version"])


def test_liability_is_shown_beside_its_limit(switch):
    control = switch.control
    before = control.json("rules", "show")["rules"][0]["value"]

    def rows():
        return {(row["scope"], row["id"], row.get("selection")): row
                for row in control.json("report", "liability")["liabilities"]}
    was = rows().get(("selection", 21, 0), {"liability": 0})["liability"]
    told = run(switch, 1, "bet", ACCOUNT + 33, 10_000, "21:0:1.01")[1]
    assert told["code"] == "OK"
    row = rows()[("selection", 21, 0)]
    assert row["liability"] == was + told["payout"] and not row["warning"]
    control.ctl("rules", "set", f"exposure_selection_max={row['liability'] * 10 // 9}")
    row = rows()[("selection", 21, 0)]
    assert row["warning"] and 89 <= row["share_percent"] <= 91
    assert control.json("report", "liability")["warnings"] >= 1
    control.ctl("rules", "rollback", before)


def test_what_comes_near_a_limit_is_told_once(switch):
    control = switch.control
    before = control.json("rules", "show")["rules"][0]["value"]
    assert run(switch, 1, "bet", ACCOUNT + 34, 10_000, "22:0:1.01")[1]["code"] == "OK"
    row = {(row["scope"], row["id"], row.get("selection")): row for row in
           control.json("report", "liability")["liabilities"]}[("selection", 22, 0)]

    def near():
        return [alert for alert in alerts(switch, "--reason", "limit") if alert["id"] == 22]
    control.ctl("rules", "set", f"exposure_selection_max={row['liability'] * 10 // 9}")
    wait_until(near, 60, "the alert")
    assert near()[0]["about"] == "market 22" and "of its limit" in near()[0]["text"]
    wait_until(lambda: control.json("top", "--once")["limits_near"]["selection"] >= 1, 60,
               "the figure")
    frame = control.json("top")
    assert ("selection", 22) in {(row["scope"], row["id"]) for row in frame["exposure"]}
    assert len(frame["shards"]) == 2 and frame["dataplane"] == "up" and frame["alerts"]
    assert "selection" in control.ctl("top", "--once").stdout
    control_dies(switch)
    wait_until(lambda: control.json("top")["limits_near"]["selection"] >= 1, 60, "it again")
    assert len(near()) == 1  # the same crossing
    control.ctl("rules", "set", "exposure_selection_max=0")
    wait_until(lambda: control.json("top", "--once")["limits_near"]["selection"] == 0, 60,
               "nothing near a limit that is not there")
    control.ctl("rules", "set", f"exposure_selection_max={row['liability'] * 10 // 9}")
    wait_until(lambda: len(near()) == 2, 60, "another crossing")
    control.ctl("rules", "rollback", before)


def write(folder, text):
    path = folder / "other.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_metrics_count_what_is_open(switch):
    def written():
        counts = {row["severity"]: 0 for row in alerts(switch)}
        for row in alerts(switch, "--open"):
            counts[row["severity"]] += 1
        with open(switch.path("var/lib/sluice/node-exporter/sluice.prom"),
                  encoding="utf-8") as stream:
            text = stream.read()
        return all(f'sluice_alerts_open{{severity="{name}"}} {count}\n' in text
                   for name, count in counts.items())
    wait_until(written, 60, "the alerts in the metrics file")


def test_all_of_it_is_in_postgresql(switch):
    control = switch.control
    changes = control.json("audit", "verify")["entries"]
    wait_until(lambda: int(switch.postgres.sql("select count(*) from sluice.audit")) >= changes, 60,
               "the audit log in PostgreSQL")
    ran = control.ctl("--json", "replication", "verify", check=False)
    verdict = json.loads(ran.stdout)
    assert verdict["ok"], verdict
    tables = verdict["tables"]
    assert tables["alerts"]["rows"] == len(alerts(switch))
    assert tables["alert_history"]["rows"] > tables["alerts"]["rows"]
    assert tables["watch_lists"]["rows"] == 2 and tables["rules_notes"]["rows"] >= 5
    assert tables["countries"]["rows"] == 3 and tables["subjects"]["rows"] >= 2
    assert switch.postgres.sql("select report from sluice.alerts where number = 1") == "STR 2026-17"
