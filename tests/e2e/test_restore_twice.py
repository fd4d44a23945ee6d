# SPDX-License-Identifier: Apache-2.0
"""A switch restored to a moment goes on into the same archive. When it is lost again, what the
first restore discarded must not come back in the place of what was acknowledged since."""

import json
import os
import subprocess
import time

import demo
from controlled import ControlledSwitch
import pytest
from switch import BUILD, Switch, wait_until
from test_backup import acks_of, begin_again, database, end_all, lose, now


def play(switch, bets, seed):
    started = demo.start_terminals(switch.control, 3, 60, bets, 4_000, seed=seed)
    demo.wait(started)
    return acks_of(started)


def archived(switch):
    wait_until(lambda: all(shard["waiting_segments"] == 0 for shard in switch.status()["shards"]),
               60, "all archived")


def refused(switch, backup, archive, *options):
    ran = switch.tool("tools/sluice-db", "backup", "restore", switch.path(backup), switch.root,
                      "--archive", archive, *options, check=False)
    assert ran.returncode == 1, ran.stdout
    assert not os.path.exists(switch.path("var/lib/sluice"))
    return ran.stderr


def test_what_a_restore_discarded_does_not_come_back():
    with ControlledSwitch("restore-twice", shards=2, segment_mib=1, segments_max=64,
                          archive="archive") as switch:
        switch.begin(terminals=3)
        play(switch, 300, 1)
        database(switch, "create", switch.root, switch.path("first"))
        kept = play(switch, 6_000, 7)
        time.sleep(0.05)
        moment = now()
        time.sleep(0.05)
        play(switch, 12_000, 8)  # will be discarded
        archived(switch)
        end_all(switch, kill=True)
        lose(switch, "var/lib/lost")
        archive = switch.path("archive-kept")
        os.rename(switch.path("var/lib/lost/archive"), archive)
        database(switch, "restore", switch.path("first"), switch.root, "--archive", archive,
                 "--to-time", moment)
        assert demo.compare(kept, switch.events()) == []

        # The switch goes on into the same archive, which is lost with nobody.
        os.rename(archive, switch.path("var/lib/sluice/archive"))
        begin_again(switch)
        since = play(switch, 12_000, 9)
        archived(switch)
        database(switch, "create", switch.root, switch.path("second"))
        end_all(switch, kill=True)
        lose(switch, "var/lib/lost-again")
        os.rename(switch.path("var/lib/lost-again/archive"), archive)

        # The archive is looked at without a root.
        ran = subprocess.run(
            [os.path.join(BUILD, "tools/sluice-db"), "archive", "verify", "--archive", archive,
             "--root", switch.path("nowhere"), "--json"], stdout=subprocess.PIPE, check=False)
        assert ran.returncode == 0 and len(json.loads(ran.stdout)["shards"]) == 2

        # The backup of before does not follow the discarded history, however it is asked.
        said = refused(switch, "first", archive)
        assert "was discarded then" in said and "Use a backup made since" in said, said
        refused(switch, "first", archive, "--cut")
        # What both histories share can be had; the backup of after has all, and nothing more.
        database(switch, "restore", switch.path("first"), switch.root, "--to-lsn", "0:1,1:1",
                 "--cut", "--archive", archive)
        lose(switch, "var/lib/shared")
        database(switch, "restore", switch.path("second"), switch.root, "--archive", archive)
        assert demo.compare(kept + since, switch.events()) == []
        lose(switch, "var/lib/second")
        # The root of before the restore is another history; the one of after it goes on.
        said = refused(switch, "second", switch.path("var/lib/lost"))
        assert "begun later by a restore" in said, said
        database(switch, "restore", switch.path("first"), switch.root, "--archive",
                 switch.path("var/lib/lost-again"))
        assert demo.compare(kept + since, switch.events()) == []
        begin_again(switch)
        end_all(switch, kill=False)
        assert switch.verify()["ok"]


def ran(switch, *arguments):
    return switch.tool("tools/sluice-db", *arguments, check=False)


@pytest.mark.parametrize("kind", ["backup", "root"])
def test_an_archive_that_a_restore_cut_back_is_refused(kind):
    """The later history is shorter than the backup: nothing of it goes on behind the backup."""
    with Switch("cut-back-" + kind, shards=2) as switch:
        def played(bets, seed):
            started = demo.start_terminals(switch, 1, 30, bets, 3_000, seed=seed)
            demo.wait(started)
            return acks_of(started)

        switch.begin(1)
        kept = played(300, 1)
        time.sleep(0.05)
        moment = now()
        time.sleep(0.05)
        played(3_000, 2)  # will be discarded
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("first"))
        switch.stop()
        lose(switch, "var/lib/lost")
        switch.tool("tools/sluice-db", "backup", "restore", switch.path("first"), switch.root,
                    "--to-time", moment)
        switch.restart()
        since = played(300, 3)
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("second"))
        switch.stop()
        lose(switch, "var/lib/again")
        archive = switch.path("second" if kind == "backup" else "var/lib/again")
        said = ran(switch, "backup", "restore", switch.path("first"), switch.root, "--archive",
                   archive)
        assert said.returncode == 1, said.stdout
        # Of a root its journal says so first: it has nothing there that could be compared.
        assert ("a journal that a restore began" if kind == "backup" else
                "the archive does not go on from LSN") in said.stderr, said.stderr
        assert not os.path.exists(switch.path("var/lib/sluice"))
        switch.tool("tools/sluice-db", "backup", "restore", switch.path("second"), switch.root)
        assert demo.compare(kept + since, switch.events()) == []


def test_a_backup_right_after_re_sharding_is_joined_with_the_archive():
    with Switch("join-reshard", segment_mib=1, segments_max=64, archive="archive") as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, 30, 300, 3_000))
        switch.stop()
        switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("new"), "--shards", 2)
        lose(switch, "var/lib/old")
        os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
        switch.settings.shards = 2
        switch.restart()
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("right"))
        began = [shard["durable_lsn"] for shard in switch.status()["shards"]]
        demo.wait(demo.start_terminals(switch, 1, 30, 12_000, 9_000, seed=2))
        archived(switch)
        switch.stop()
        lose(switch, "var/lib/lost")
        switch.tool("tools/sluice-db", "backup", "restore", switch.path("right"), switch.root,
                    "--archive", switch.path("var/lib/lost/archive"))
        events = switch.events()
        for shard in range(2):
            assert max(e["lsn"] for e in events if e["shard"] == shard) > began[shard] + 1_000
        assert switch.verify()["ok"]
