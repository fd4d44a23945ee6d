# SPDX-License-Identifier: Apache-2.0
"""A learned model beside the factors of a real switch: loaded, active, in shadow, after a kill -9.

Decisions carry its points, explain shows them, the log decided anew gives the same, and PostgreSQL
has score and factors of every event as the log has them.
"""

import json
import os
import random
import re

import demo
import pytest
from controlled import ControlledSwitch
from instance import TOP
from switch import wait_until
from test_catalogue import connect
from test_risk_patterns import MARKET, MARKETS, PRICES, markets_import

FIRST, COUNT, OPENING = 530_001, 30, 100_000_000
MODEL_BIT, SCORED = 1 << 23, 64
with open(os.path.join(TOP, "lmdb-schema/control_rows.h"), encoding="utf-8") as header:
    CONTROL_TABLES = re.findall(r'X\([A-Z_]+, "([a-z_]+)", [01]\)', header.read())
SEED = 7
UNREAD = 20  # bets of the time when the model's file was damaged


def generous_model(folder):
    """The model of the card data with other margins: its ordinary rows, too, get points."""
    with open(os.path.join(TOP, "tools/risk-models/card.json"), encoding="utf-8") as stream:
        model = json.load(stream)
    model["learner"]["attributes"].update(sluice_margin_zero="-8.0", sluice_margin_alert="2.0")
    path = folder / "generous.json"
    path.write_text(json.dumps(model), encoding="utf-8")
    return str(path)


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("riskmodel", shards=2, postgres=True) as switch:
        switch.begin(terminals=2)
        markets_import(switch)
        demo.accounts_open(switch.control, FIRST, COUNT, OPENING)
        yield switch


def bets(terminal, count, chance):
    for _ in range(count):
        selection = chance.randrange(3)
        answer = terminal.place_bet(
            FIRST + chance.randrange(COUNT), 100 * chance.randrange(10, 2_000),
            [(MARKET + chance.randrange(MARKETS), selection, PRICES[selection])], timeout=120)
        assert answer.name in ("OK", "RISK_SCORE"), answer.name


def explained(switch, event):
    told = switch.control.json("explain", "--shard", event["shard"], "--lsn", event["lsn"])
    return told, {row["factor"]: row for row in told["factors"]}


def check_points(switch, events, state):
    """Scores are sums in which the model has its part when it is active. How many had one."""
    with_points = 0
    for event in events:
        told, factors = explained(switch, event)
        points = told["points"]
        assert (points["model_state"], points["model_version"]) == (state, 1), told
        acting = points["model"] if state == "active" else 0
        assert told["score"] == min(100, points["profile"] + points["states"] + points["lists"] +
                                    acting), told
        assert ("MODEL" in factors) == (acting > 0), told
        if acting:
            assert factors["MODEL"]["saw"]["model_version"] == 1
            assert factors["MODEL"]["rules"]["points_model_max"] == 60
        with_points += points["model"] > 0
    return with_points


def placed(switch, version):
    return [event for event in switch.events()
            if event["type"] == "PLACE_BET" and event["rule_version"] == version]


def test_a_model_is_active_survives_a_kill_and_replays(switch, tmp_path):
    control, chance = switch.control, random.Random(SEED)
    assert control.json("model", "load", generous_model(tmp_path))["model"] == 1
    active = control.json("rules", "set", "factors=1", "model_version=1", "model_state=active",
                          "points_model_max=60", "alert_score=30", "refuse_score=45")["version"]
    terminal = connect(switch, 1)
    bets(terminal, 200, chance)
    # The data plane reads the model again at a start; what it decides then is like before.
    switch.kill()
    switch.start()
    control.wait_up()
    bets(terminal, 100, chance)
    wait_until(lambda: len(placed(switch, active)) >= 300, 60, "the log")
    events = placed(switch, active)
    assert all(event["flags"] & SCORED for event in events)
    assert sum(bool(event["factor_bits"] & MODEL_BIT) for event in events) > 100
    assert {"OK", "RISK_SCORE"} <= {event["code"] for event in events}
    assert check_points(switch, events[:20] + events[-20:], "active") > 10

    shadow = control.json("rules", "set", "model_state=shadow")["version"]
    bets(terminal, 60, chance)
    wait_until(lambda: len(placed(switch, shadow)) >= 60, 60, "the log")
    events = placed(switch, shadow)
    assert not any(event["factor_bits"] & MODEL_BIT for event in events)
    assert check_points(switch, events[:20], "shadow") > 5
    terminal.close()


def test_postgresql_has_score_and_factors_of_every_event(switch):
    control = switch.control
    events = {(event["shard"], event["lsn"]): event for event in switch.events()}

    def arrived():
        return control.json("replication", "status")["lag_events"] == 0 and \
            int(switch.postgres.sql("select count(*) from sluice.transactions")) >= len(events)
    wait_until(arrived, 60, "PostgreSQL")
    scored = 0
    for line in switch.postgres.sql(
            "select shard, lsn, score, factor_bits, rule_version from sluice.transactions "
            "where score > 0 or factor_bits <> 0").splitlines():
        shard, lsn, score, bits, version = map(int, line.split("|"))
        event = events.get((shard, lsn))
        if event is not None:
            scored += 1
            assert (event["score"], event["factor_bits"], event["rule_version"]) == \
                (score, bits, version)
    assert scored == sum(event["score"] > 0 or event["factor_bits"] != 0
                         for event in events.values()) > 100
    assert int(switch.postgres.sql(
        "select count(*) from sluice.transactions where factor_bits >> 23 & 1 = 1")) == \
        sum(bool(event["factor_bits"] & MODEL_BIT) for event in events.values())
    ran = control.ctl("--json", "replication", "verify", check=False)
    assert json.loads(ran.stdout)["ok"], ran.stdout


def test_what_nobody_means_is_refused(switch):
    control = switch.control
    for settings, words in (
            (("factors=1", "model_version=77", "model_state=off"), "there is no model 77"),
            (("refuse_score=80", "alert_score=90"), "alert_score 90 is above refuse_score 80")):
        said = control.ctl("rules", "set", *settings, check=False)
        assert said.returncode != 0 and words in said.stderr, said.stderr


def test_what_rules_leave_out_and_where_events_are_is_told(switch):
    control = switch.control
    assert "factors is 0" in control.ctl("rules", "show", 1).stdout
    assert "note" not in control.json("rules", "show", 2)  # the first of an installation
    said = control.ctl("rules", "shadow", "--rules-version", 1, "--from",
                       "2099-01-01T00:00:00Z").stdout
    assert "there is no event in the range asked for; the logs hold events from 20" in said
    told = control.json("rules", "shadow", "--rules-version", 1, "--from", "2020-01-01T00:00:00Z")
    assert any("factors of the states off" in note for note in told["notes"]), told["notes"]
    assert told["logs"]["from_ns"] < told["logs"]["to_ns"]


def test_a_model_is_asked_about_the_past_before_rules_name_it(switch, tmp_path):
    control = switch.control
    since = ("--from", "2020-01-01T00:00:00Z")
    other = control.json("model", "load", os.path.join(TOP, "tools/risk-models/card.json"))["model"]
    told = control.json("rules", "shadow", "--model", other, *since)
    # About the bets that were scored by the states, whatever model the rules of then asked.
    bets_made = sum(event["type"] == "PLACE_BET" and bool(event["flags"] & SCORED)
                    for event in switch.events())
    assert told["model"]["asked"] == bets_made > 300 and told["model"]["missing"] == 0, told
    own = control.json("rules", "shadow", "--model", 1, *since)
    assert own["before"] == own["after"] and own["model"]["asked"] == bets_made
    assert own["model"]["with_points"] != told["model"]["with_points"]
    path = tmp_path / "rules.yaml"
    path.write_text("model_state: off\n", encoding="utf-8")
    both = control.json("rules", "shadow", str(path), "--model", other, *since)
    assert both["model"]["asked"] >= bets_made
    assert "model gave points" in control.ctl(
        "rules", "shadow", "--model", other, *since).stdout
    for arguments, words in ((("--model", 77), "there is no model 77"), ((), "or --model")):
        refused = control.ctl("rules", "shadow", *arguments, *since, check=False)
        assert refused.returncode != 0 and words in refused.stderr, refused.stderr


def test_a_model_that_cannot_be_read_at_a_start_is_told(switch):
    control = switch.control

    def told():
        status = control.json("status", check=False)
        return status["model_state"], status["model_version"], status["health"]["problems"]
    version = control.json("rules", "set", "factors=1", "model_version=1",
                           "model_state=active")["version"]
    assert told() == ("active", 1, [])
    path = os.path.join(switch.root, "var/lib/sluice/models/1")
    with open(path, "rb") as stream:
        whole = stream.read()
    with open(path, "wb") as stream:
        stream.write(whole[:-1] + bytes([whole[-1] ^ 1]))
    switch.kill()
    switch.start()
    control.wait_up()
    state, number, problems = told()
    assert (state, number) == ("active", 1)
    assert len(problems) == 1 and "model 1, which the data plane could not read" in problems[0]
    assert control.ctl("status", "--health", check=False).returncode == 1
    terminal = connect(switch, 1)
    bets(terminal, UNREAD, random.Random(SEED + 1))
    terminal.close()
    with open(path, "wb") as stream:
        stream.write(whole)
    switch.kill()
    switch.start()
    control.wait_up()
    wait_until(lambda: told()[2] == [], 60, "no problem")
    # What was decided without the model is decided anew without it, now that it is there again.
    wait_until(lambda: len(placed(switch, version)) >= UNREAD, 60, "the log")
    anew = json.loads(switch.tool("tools/sluice-db", "shadow", "--from-time", "0", "--json").stdout)
    assert anew["before"] == anew["after"] and anew["model"]["missing"] == UNREAD, anew["model"]
    assert all(anew[name] == 0 for name in ("newly_refused", "newly_accepted", "alert_new",
                                            "alert_gone")), anew
    control.ctl("rules", "set", "model_state=shadow")


def models_of(root):
    folder = os.path.join(root, "var/lib/sluice/models")
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as stream:
            found[name] = stream.read()
    return found


def restored(switch, root):
    return json.loads(switch.tool("tools/sluice-db", "restore", "--from-postgres",
                                  switch.postgres.conninfo, "--root", str(root), "--json").stdout)


def test_models_come_back_out_of_postgresql(switch, tmp_path):
    control = switch.control
    removed = control.json("model", "load",
                           os.path.join(TOP, "tools/risk-models/card.json"))["model"]
    control.ctl("model", "remove", removed, "--yes")

    def arrived():
        told = control.json("replication", "status")
        return told["lag_events"] == 0 and told["lag_changes"] == 0
    wait_until(arrived, 60, "PostgreSQL")
    assert control.json("replication", "verify")["ok"]
    control.stop()
    there = models_of(switch.root)
    assert len(there) == 2 and "1" in there
    told = restored(switch, tmp_path / "whole")
    assert told["models"] == 2 and "model_missing" not in told
    assert models_of(tmp_path / "whole") == there
    # What a program without them replicated: the model the rules ask is named.
    table = CONTROL_TABLES.index("model")
    switch.postgres.sql(f"update sluice.control_change set value = null "
                        f"where table_number = {table}")
    told = restored(switch, tmp_path / "without")
    assert told["models"] == 0 and told["model_missing"] == 1
    said = switch.tool("tools/sluice-db", "restore", "--from-postgres", switch.postgres.conninfo,
                       "--root", str(tmp_path / "said")).stdout
    assert "model 1 NOT restored" in said and "var/lib/sluice/models/1" in said


def test_the_log_decided_anew_is_the_same(switch):
    assert switch.stop() == 0
    assert switch.verify()["ok"]

    def shadow(*arguments):
        return json.loads(switch.tool("tools/sluice-db", "shadow", "--from-time", "0", "--json",
                                      *arguments).stdout)
    told = shadow()
    assert told["before"] == told["after"] and told["undecided"] == 0, told
    # Without those of the time when the model could not be read.
    assert told["model"]["asked"] >= 360 and told["model"]["missing"] == UNREAD, told["model"]
    assert told["model"]["with_points"] > 100
    # Without its file the model's part is missing, and the difference is told.
    os.unlink(switch.path("var/lib/sluice/models/1"))
    told = shadow()
    assert told["model"]["missing"] >= 360 and told["model"]["asked"] == 0
    assert told["newly_accepted"] > 0 and told["newly_refused"] == 0, told
