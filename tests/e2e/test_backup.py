# SPDX-License-Identifier: Apache-2.0
"""Backups of a running switch, and what comes back of them: nothing acknowledged before is lost,
what was done later is gone on the shards and in control alike, and the switch goes on."""

import concurrent.futures
import datetime
import json
import os
import time

import demo
from controlled import ControlledSwitch
from instance import TOP
from switch import balance_sum, wait_until


def now():
    """In UTC, as --to-time takes it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def database(switch, *arguments):
    return json.loads(switch.tool("tools/sluice-db", "backup", *arguments, "--json").stdout)


def acks_of(started):
    return [ack for _, files in started for ack in demo.acknowledged(files["acks"])]


def end_all(switch, kill):
    if kill:
        switch.kill()
        switch.control.kill()
    else:
        assert switch.control.stop() == 0
        assert switch.stop() == 0


def begin_again(switch):
    switch.start()
    switch.control.start()
    switch.control.wait_up()


def lose(switch, aside):
    os.rename(switch.path("var/lib/sluice"), switch.path(aside))


def test_a_backup_under_load_restores_at_its_end_and_at_a_moment_before():
    with ControlledSwitch("backup", shards=2) as switch:
        control = switch.control
        switch.begin(terminals=3)
        early = demo.start_terminals(control, 3, 60, 300, 500)
        demo.wait(early)
        before = acks_of(early)
        moment = now()
        time.sleep(0.05)
        control.ctl("market", "suspend", 21)  # behind the moment
        started = demo.start_terminals(control, 3, 60, 2_000, 500, seed=7)
        wait_until(lambda: len(acks_of(started)) > 300, 60, "answers")
        during = acks_of(started)
        made = database(switch, "create", switch.root, switch.path("backup"), "--label", "live")
        assert made["ok"] and made["deployment"] == switch.name
        assert database(switch, "verify", switch.path("backup"))["ok"]
        demo.wait(started)
        everything = before + acks_of(started)
        assert len(everything) - len(before) > len(during) > 0, "the switch went on meanwhile"
        end_all(switch, kill=True)

        # As the backup ends: everything that was answered before it began.
        lose(switch, "var/lib/lost")
        restored = database(switch, "restore", switch.path("backup"), switch.root)
        assert switch.verify()["state_hash"] == restored["state_hash"]
        assert demo.compare(before + during, switch.events()) == []
        begin_again(switch)
        assert control.json("market", "show", 21)["state"] == "suspended"
        end_all(switch, kill=False)

        # As it was before the market was suspended: on the shards and in control.
        lose(switch, "var/lib/latest")
        database(switch, "restore", switch.path("backup"), switch.root, "--to-time", moment)
        assert demo.compare(before, switch.events()) == []
        begin_again(switch)
        assert control.json("market", "show", 21)["state"] == "open"
        assert control.json("audit", "verify")["ok"]
        # Terminals key themselves and go on; commands too, under numbers that were free again.
        demo.wait(demo.start_terminals(control, 3, 60, 150, 500, seed=9))
        control.ctl("market", "suspend", 21)
        assert control.json("market", "show", 21)["state"] == "suspended"
        end_all(switch, kill=False)
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0

        # The journals that were lost with the machine may turn up: after the backup's end, too.
        lose(switch, "var/lib/moment")
        database(switch, "restore", switch.path("backup"), switch.root, "--archive",
                 switch.path("var/lib/lost"))
        assert demo.compare(everything, switch.events()) == []
        begin_again(switch)
        end_all(switch, kill=False)
        assert switch.verify()["ok"]


def test_an_operator_makes_lists_and_verifies_backups():
    with ControlledSwitch("backup-ctl", shards=2) as switch:
        control = switch.control
        switch.begin(terminals=1)
        would = control.json("backup", "create", "--dry-run")
        assert would["dry_run"] and not os.path.exists(would["directory"])
        made = control.json("backup", "create", "--label", "nightly")
        assert made["ok"] and made["directory"].startswith(switch.path("var/backups/sluice"))
        listed = control.json("backup", "list")["backups"]
        assert [(entry["label"], entry["ok"]) for entry in listed] == [("nightly", True)]
        assert control.json("backup", "verify", listed[0]["name"])["ok"]
        refused = control.ctl("backup", "verify", "../x", check=False)
        assert refused.returncode == 1 and "backup list" in refused.stderr
        newest = control.json("audit", "tail", "--count", 1)["entries"][0]
        assert newest["action"] == "backup create"
        with open(os.path.join(made["directory"], "manifest.json"), "a", encoding="ascii") as file:
            file.write(" ,")
        refused = control.ctl("backup", "verify", listed[0]["name"], check=False)
        assert refused.returncode == 1 and "damaged" in refused.stderr


def test_backups_asked_for_in_one_second_get_names_of_their_own():
    with ControlledSwitch("backup-names", shards=1) as switch:
        control = switch.control
        switch.begin(terminals=1)
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            made = list(clients.map(lambda _: control.json("backup", "create"), range(4)))
        names = {os.path.basename(one["directory"]) for one in made}
        assert len(names) == 4
        assert {one["name"] for one in control.json("backup", "list")["backups"]} == names
        assert all(control.json("backup", "verify", name)["ok"] for name in names)


def model_asked(switch):
    """The version that the newest bet of each shard was asked of."""
    newest = {event["shard"]: event["lsn"] for event in switch.events()
              if event["type"] == "PLACE_BET"}
    return {switch.control.json("explain", "--shard", shard, "--lsn", lsn)["points"][
        "model_version"] for shard, lsn in newest.items()}


def test_the_active_model_comes_back_with_the_switch():
    model = os.path.join(TOP, "tools/risk-models/card.json")
    with ControlledSwitch("backup-model", shards=2) as switch:
        control = switch.control
        switch.begin(terminals=1)
        number = control.json("model", "load", model)["model"]
        control.ctl("rules", "set", "factors=1", f"model_version={number}", "model_state=active")
        demo.wait(demo.start_terminals(control, 1, 60, 60, 500))
        assert model_asked(switch) == {number}
        models = control.json("model", "list")["models"]
        assert [entry["state"] for entry in models] == ["active"]
        made = control.json("backup", "create")
        end_all(switch, kill=True)
        lose(switch, "var/lib/lost")
        database(switch, "restore", made["directory"], switch.root)
        begin_again(switch)
        again = control.json("model", "list")["models"]
        assert [(entry["state"], entry["checksum"]) for entry in again] == \
            [("active", models[0]["checksum"])]
        known = len(switch.events())
        demo.wait(demo.start_terminals(control, 1, 60, 60, 500, seed=9))
        assert len(switch.events()) >= known + 60 and model_asked(switch) == {number}
        end_all(switch, kill=False)
        assert switch.verify()["ok"]


def test_a_label_counts_once_whatever_was_restored_in_between():
    with ControlledSwitch("backup-labels", shards=2) as switch:
        control = switch.control
        switch.begin(terminals=1)
        labels = switch.path("labels.csv")
        with open(labels, "w", encoding="ascii") as stream:
            stream.write("kind,id,label,date\naccount,1000,confirmed,2026-11-20\n"
                         "terminal,1,false,2026-11-20\n")

        def imported():
            answer = control.json("feedback", "import", labels)
            return answer["added"], answer["skipped"]

        assert imported() == (2, 0) and imported() == (0, 2)
        made = control.json("backup", "create")
        end_all(switch, kill=True)
        lose(switch, "var/lib/lost")
        database(switch, "restore", made["directory"], switch.root)
        begin_again(switch)
        assert imported() == (0, 2)
        assert control.json("account", "profile", 1000)["holder"]["confirmed"] == 1
        end_all(switch, kill=False)
        assert switch.verify()["ok"]


def test_a_switch_that_was_killed_is_backed_up_with_its_journal():
    with ControlledSwitch("backup-dead", shards=2) as switch:
        switch.begin(terminals=3)
        started = demo.start_terminals(switch.control, 3, 60, 4_000, 2_000)
        wait_until(lambda: len(acks_of(started)) > 1_000, 60, "answers")
        switch.kill()
        switch.control.kill()
        demo.end(started)
        acks = acks_of(started)
        database(switch, "create", switch.root, switch.path("backup"))
        assert database(switch, "verify", switch.path("backup"))["ok"]
        lose(switch, "var/lib/lost")
        database(switch, "restore", switch.path("backup"), switch.root)
        assert demo.compare(acks, switch.events()) == []
        begin_again(switch)
        end_all(switch, kill=False)
        assert switch.verify()["ok"]


def test_the_archive_of_sealed_segments_goes_on_behind_a_backup():
    with ControlledSwitch("backup-archive", shards=2, segment_mib=1, segments_max=64,
                          archive="archive") as switch:
        control = switch.control
        switch.begin(terminals=3)
        early = demo.start_terminals(control, 3, 60, 3_000, 2_000)
        demo.wait(early)
        database(switch, "create", switch.root, switch.path("backup"))
        later = demo.start_terminals(control, 3, 60, 8_000, 4_000, seed=7)
        demo.wait(later)
        before = acks_of(later)
        moment = now()
        time.sleep(0.05)
        last = demo.start_terminals(control, 3, 60, 20_000, 4_000, seed=8)
        demo.wait(last)
        wait_until(lambda: all(shard["waiting_segments"] == 0
                               for shard in switch.status()["shards"]), 60, "all archived")
        archived = {shard["shard"]: shard["archived_lsn"] for shard in switch.status()["shards"]}
        end_all(switch, kill=True)
        everything = switch.events()
        lose(switch, "var/lib/lost")
        archive = switch.path("var/lib/lost/archive")

        # Nothing is left but the backup and the archive: all up to the last sealed segment.
        database(switch, "restore", switch.path("backup"), switch.root, "--archive", archive)
        assert not os.path.exists(switch.path("var/lib/sluice.archive"))
        found = switch.events()
        for shard, lsn in archived.items():
            wanted = [event for event in everything
                      if event["shard"] == shard and event["lsn"] <= lsn]
            kept = [event for event in found if event["shard"] == shard]
            # What had come from a shard that is cut earlier is cut too, and nothing else.
            assert kept == wanted[:len(kept)] and len(kept) > 0.9 * len(wanted)
        begin_again(switch)
        demo.wait(demo.start_terminals(control, 3, 60, 150, 500, seed=9))
        end_all(switch, kill=False)
        assert switch.verify()["ok"]

        # A moment between the backup and the end.
        lose(switch, "var/lib/latest")
        database(switch, "restore", switch.path("backup"), switch.root, "--archive", archive,
                 "--to-time", moment)
        assert demo.compare(before, switch.events()) == []
        assert switch.verify()["ok"]

        # A damaged file is named, and nothing is made.
        lose(switch, "var/lib/moment")
        folder = os.path.join(archive, "shard-0")
        name = sorted(name for name in os.listdir(folder) if name.endswith(".zst"))[-1]
        with open(os.path.join(folder, name), "r+b") as stream:
            stream.seek(5_000)
            stream.write(b"\xff\x00\xff")
        refused = switch.tool("tools/sluice-db", "backup", "restore", switch.path("backup"),
                              switch.root, "--archive", archive, check=False)
        assert refused.returncode == 1 and name in refused.stderr, refused.stderr
        assert not os.path.exists(switch.path("var/lib/sluice"))
        assert not os.path.exists(switch.path("var/lib/sluice.archive"))
