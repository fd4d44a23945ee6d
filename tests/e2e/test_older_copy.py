# SPDX-License-Identifier: Apache-2.0
"""An older copy of a shard, put back with the mark of its starts: the data plane cannot know it,
control does, by how far it saw that journal."""

import os
import shutil
import subprocess

import demo
from controlled import ControlledSwitch
from switch import wait_until

SHARD = "var/lib/sluice/shard-0"
MARK = "var/lib/sluice/shards.made"


def move(switch, change, suffix):
    """Shard and mark as they are, to a name beside or back from it."""
    for path in (SHARD, MARK):
        here, there = switch.path(path), switch.path(path) + suffix
        if change == "copy":
            subprocess.run(["cp", "-a", "--sparse=always", here, there], check=True)
        elif change == "away":
            os.rename(here, there)
        else:
            os.rename(there, here)


def begin_again(switch):
    switch.start()
    switch.control.start()


def end_all(switch):
    switch.control.stop()
    switch.stop()


def play(switch, seed):
    demo.wait(demo.start_terminals(switch.control, 2, 30, 2_000, 2_000, seed=seed), 120)


def test_control_does_not_open_an_older_copy_that_nothing_else_tells():
    with ControlledSwitch("older-copy") as switch:
        control = switch.control
        switch.begin(terminals=2)
        play(switch, 1)
        end_all(switch)
        move(switch, "copy", ".older")
        begin_again(switch)
        control.wait_up()
        play(switch, 2)
        # What control saw last it may have kept for a moment only: the next start writes it down.
        control.stop()
        control.start()
        control.wait_up()
        newest = switch.status()["shards"][0]["durable_lsn"]
        end_all(switch)
        move(switch, "away", ".newest")
        move(switch, "back", ".older")
        # In its own directory all fits, and it starts.
        begin_again(switch)
        wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 60, "the refusal")
        older = switch.status()["shards"][0]["durable_lsn"]
        assert older < newest and switch.status()["open"] == 0
        said = f"ends at LSN {older}, and went to {newest} before"
        assert any(said in text for text in control.status()["health"]["problems"])
        assert control.ctl("status", "--health", check=False).returncode != 0
        assert control.json("command", "adopt", "--yes", "--dry-run") is not None
        assert control.status()["dataplane"]["state"] == "refused"
        # The newest put back is opened without a word, and nothing is missing.
        end_all(switch)
        for path in (SHARD, MARK):
            shutil.rmtree(switch.path(path), ignore_errors=True)
            if os.path.exists(switch.path(path)):
                os.remove(switch.path(path))
        move(switch, "back", ".newest")
        begin_again(switch)
        control.wait_up()
        assert switch.status()["shards"][0]["durable_lsn"] >= newest
        play(switch, 3)
        end_all(switch)
        assert switch.verify()["ok"]
