# SPDX-License-Identifier: Apache-2.0
"""Roots that are not whole: a start refuses them by name instead of serving what it cannot know."""

import glob
import json
import os
import shutil
import struct

import demo
import network
import pytest
from controlled import ControlledSwitch
from instance import UDP_PORT, InstanceError
from sluice_terminal import Terminal, load_sessions
from switch import Switch, wait_until
from test_backup import acks_of, begin_again, end_all


def refused(switch):
    """The start's message."""
    try:
        switch.start()
    except InstanceError as error:
        return str(error)
    raise AssertionError("a damaged root was started on")


def connect(switch):
    session = load_sessions(switch.sessions)[0]
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"],
                            session["root"])
    assert terminal.hello().ok
    return terminal


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_bit_in_a_balance_is_refused_though_nothing_is_replayed(how):
    with Switch(f"rowbit-{how}") as switch:
        switch.begin(1)
        terminal = connect(switch)
        for _ in range(20):
            assert terminal.deposit(demo.FIRST_ACCOUNT, 12_345).ok
        balance = struct.pack("<q", terminal.balance(demo.FIRST_ACCOUNT).balance)
        terminal.close()
        if how == "stop":
            switch.stop()
        else:
            wait_until(lambda: all(shard["checkpoint_lsn"] == shard["durable_lsn"]
                                   for shard in switch.status()["shards"]), 60,
                       "a checkpoint with nothing left to replay")
            switch.kill()
        rows = switch.path("var/lib/sluice/shard-0/rows/data.mdb")
        with open(rows, "rb") as stream:
            whole = stream.read()
        assert balance in whole
        with open(rows, "wb") as stream:
            stream.write(whole.replace(balance, balance[:4] + bytes([balance[4] ^ 1]) +
                                       balance[5:]))
        said = refused(switch)
        assert "shard 0: the rows in" in said and "sluice-db verify" in said
        with open(rows, "wb") as stream:
            stream.write(whole)
        switch.restart()
        switch.stop()


@pytest.mark.parametrize("how", ["restore", "reshard"])
def test_a_bit_in_rows_that_no_batch_speaks_for_is_refused(how):
    with Switch(f"newbit-{how}") as switch:
        switch.begin(1)
        terminal = connect(switch)
        for _ in range(20):
            assert terminal.deposit(demo.FIRST_ACCOUNT, 12_345).ok
        balance = struct.pack("<q", terminal.balance(demo.FIRST_ACCOUNT).balance)
        terminal.close()
        switch.stop()
        if how == "restore":
            switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("copy"))
            switch.tool("tools/sluice-db", "backup", "restore", switch.path("copy"),
                        switch.path("new"))
        else:
            switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("new"),
                        "--shards", 1)
        shutil.rmtree(switch.path("var/lib/sluice"))
        os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
        rows = switch.path("var/lib/sluice/shard-0/rows/data.mdb")
        with open(rows, "rb") as stream:
            whole = stream.read()
        assert balance in whole
        with open(rows, "wb") as stream:
            stream.write(whole.replace(balance, balance[:2] + bytes([balance[2] ^ 0x40]) +
                                       balance[3:]))
        said = refused(switch)
        assert "shard 0: the rows in" in said and "sluice-db verify" in said
        assert not switch.verify()["ok"]
        with open(rows, "wb") as stream:
            stream.write(whole)
        assert switch.verify()["ok"]
        switch.restart()
        switch.stop()


def test_a_re_sharded_switch_is_not_started_without_its_past():
    with Switch("nopast", shards=2) as switch:
        switch.begin(1)
        terminal = connect(switch)
        asked = terminal.next_id
        placed = terminal.deposit(demo.FIRST_ACCOUNT, 12_345)
        assert placed.ok
        terminal.close()
        switch.stop()
        switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("new"), "--shards", 3)
        shutil.rmtree(switch.path("var/lib/sluice"))
        os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
        switch.settings.shards = 3
        past = switch.path("var/lib/sluice/history")
        for gone in (past, past + "/1", past + "/1/var/lib/sluice/shard-1"):
            os.rename(gone, switch.path("away"))
            said = refused(switch)
            assert "history/1/var/lib/sluice/shard-" in said and "is missing" in said, said
            assert not switch.verify()["ok"]
            os.rename(switch.path("away"), gone)
        for log in glob.glob(past + "/1/var/lib/sluice/shard-1/log-*"):
            os.rename(log, switch.path("away"))
            assert "shard-1: its log is missing" in refused(switch)
            os.rename(switch.path("away"), log)
        assert switch.verify()["ok"]
        switch.restart()
        terminal = connect(switch)
        told = terminal.tx_status(asked)
        assert told.ok and told.payout == 12_345, told
        terminal.close()
        switch.stop()


def test_a_shard_that_is_not_there_is_not_made_anew():
    with Switch("noshard", shards=2) as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=300, rate=3_000))
        switch.stop()
        for shard in (1, 0):
            there = switch.path(f"var/lib/sluice/shard-{shard}")
            os.rename(there, there + ".away")
            assert f"{there} is missing or empty" in refused(switch)
            assert not os.path.exists(there)
            os.mkdir(there)  # where a disk would be mounted
            assert f"shard {1 - shard} holds events" in refused(switch)
            assert not os.listdir(there)
            os.rmdir(there)
            os.rename(there + ".away", there)
        switch.restart()
        switch.stop()


MARK = "var/lib/sluice/shards.made"


@pytest.mark.parametrize("shards", [1, 2])
def test_shards_that_are_all_gone_are_not_made_anew(shards):
    with Switch(f"allgone{shards}", shards=shards) as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=300, rate=3_000))
        switch.stop()
        there = [switch.path(f"var/lib/sluice/shard-{shard}") for shard in range(shards)]
        for path in there:
            os.rename(path, path + ".away")
        said = refused(switch)
        assert f"{there[0]} is missing or empty" in said and "shards.made" in said
        assert "Mount its disk" in said and "backup restore" in said
        for path in there:
            os.makedirs(path + "/lost+found")  # mounted, but another disk
            os.mkdir(path + "/rows")
            os.mkdir(path + "/journal")
        assert f"{there[0]} is missing or empty" in refused(switch)
        for path in there:
            shutil.rmtree(path)
            os.rename(path + ".away", path)
        switch.restart()
        switch.stop()
        assert switch.verify()["ok"]


def test_the_mark_of_made_shards_is_made_carried_and_made_for_older_roots():
    with Switch("mark") as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=300, rate=3_000))
        switch.stop()
        assert os.path.exists(switch.path(MARK))
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("with"))
        os.remove(switch.path(MARK))  # as of an older program
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("without"))
        for name in ("with", "without"):
            switch.tool("tools/sluice-db", "backup", "restore", switch.path(name),
                        switch.path("r-" + name))
            assert os.path.exists(switch.path(f"r-{name}/{MARK}"))
        switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("resharded"),
                    "--shards", 3)
        assert os.path.exists(switch.path("resharded/" + MARK))
        switch.restart()
        assert os.path.exists(switch.path(MARK))
        switch.stop()
        shutil.rmtree(switch.path("var/lib/sluice/shard-0"))
        assert "shards.made" in refused(switch)


def test_control_opens_no_data_plane_that_has_lost_what_it_had_done():
    with ControlledSwitch("another-log") as switch:
        control = switch.control
        switch.begin(terminals=1)
        started = demo.start_terminals(control, 1, 60, 150, 500)
        demo.wait(started)
        end_all(switch, kill=False)
        shard = switch.path("var/lib/sluice/shard-0")
        os.rename(shard, shard + ".away")
        os.remove(switch.path(MARK))  # of an older program: nothing says that there was a shard
        switch.start()
        control.start()
        wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 60, "the refusal")
        status = control.status()
        assert "its data are gone" in status["dataplane"]["message"]
        assert status["shards"][0]["control_sequence"] == 0  # nothing was sent
        assert any("its data are gone" in text for text in status["health"]["problems"])
        assert control.ctl("status", "--health", check=False).returncode != 0
        market = control.ctl("market", "suspend", 21, check=False)
        assert market.returncode != 0 and "has lost its data" in market.stderr, market.stderr
        would = control.json("command", "adopt", "--yes", "--dry-run")
        assert would["commands_on_shards"] > 0
        assert control.status()["dataplane"]["state"] == "refused"
        # A data plane that has them is opened without a word; but the mark is of the other one now.
        switch.stop()
        shutil.rmtree(shard)
        os.remove(switch.path(MARK))
        os.rename(shard + ".away", shard)
        switch.start()
        control.wait_up()
        end_all(switch, kill=False)
        assert demo.compare(acks_of(started), switch.events()) == []
        # Given up, the rest is sent again.
        shutil.rmtree(shard)
        os.remove(switch.path(MARK))
        switch.start()
        control.start()
        wait_until(lambda: control.status()["dataplane"]["state"] == "refused", 60, "the refusal")
        control.ctl("command", "adopt", "--yes")
        control.wait_up()
        wait_until(lambda: control.status()["shards"][0]["control_sequence"] ==
                   would["commands_on_shards"], 60, "the commands")
        end_all(switch, kill=False)
        begin_again(switch)
        end_all(switch, kill=False)


def test_a_first_start_that_ended_half_way_goes_on():
    with Switch("halfway", shards=2) as switch:
        switch.start_with_fallback(switch.notes.append)
        switch.stop()
        shutil.rmtree(switch.path("var/lib/sluice/shard-1"))
        os.remove(switch.path("var/lib/sluice/shards.made"))  # written behind the last of them
        switch.begin(1)
        switch.stop()


# Of log_rotate_mib=1: a log is begun behind a commit, and one that waited for the disk has 2 MiB.
# So 24,000 bets (4 MiB) always are two logs, 45,000 three, and of twice as much two are kept.
LOG_MIB_MAX = 3


def test_a_log_gone_from_the_middle_is_refused():
    with Switch("loggap", log_rotate_mib=1) as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=45_000, rate=9_000))
        switch.stop()
        logs = sorted(glob.glob(switch.path("var/lib/sluice/shard-0/log-*")))
        assert len(logs) > 2
        os.rename(logs[1], switch.path("away"))
        said = refused(switch)
        assert os.path.basename(logs[0]) in said and os.path.basename(logs[2]) in said
        os.rename(switch.path("away"), logs[1])
        switch.restart()
        switch.stop()


@pytest.mark.parametrize("keep, bets", [(0, 24_000), (2 * LOG_MIB_MAX, 45_000)])
def test_the_oldest_log_gone_is_refused(keep, bets):
    with Switch(f"logold{keep}", log_rotate_mib=1, log_keep_mib=keep) as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=bets, rate=9_000))
        switch.stop()
        for _ in range(2):  # of the first start, and of one that found the mark
            logs = sorted(glob.glob(switch.path("var/lib/sluice/shard-0/log-*")))
            assert len(logs) > 1
            assert logs[0].endswith("0001") == (keep == 0)  # else there were others before
            assert switch.verify()["ok"]
            os.rename(logs[0], switch.path("away"))
            said = refused(switch)
            assert os.path.basename(logs[1]) in said and "log-* directories are missing" in said
            for arguments in (["verify"], ["backup", "create", switch.root, switch.path("b")]):
                ran = switch.tool("tools/sluice-db", *arguments, check=False)
                assert ran.returncode == 1, ran.stdout
                assert "log-* directories are missing" in ran.stdout + ran.stderr
            os.rename(switch.path("away"), logs[0])
            switch.restart()
            demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=3_000, rate=9_000,
                                           seed=7), 60)
            switch.stop()
        # What a restore makes begins with what the backup had.
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("backup"))
        shutil.rmtree(switch.path("var/lib/sluice"))
        switch.tool("tools/sluice-db", "backup", "restore", switch.path("backup"), switch.root)
        assert switch.verify()["ok"]
        switch.restart()
        switch.stop()
        assert switch.verify()["ok"]


def test_rows_cut_short_end_with_a_word():
    with Switch("rowscut") as switch:
        switch.begin(1)
        demo.wait(demo.start_terminals(switch, 1, accounts=30, bets=3_000, rate=3_000))
        switch.stop()
        os.truncate(switch.path("var/lib/sluice/shard-0/rows/data.mdb"), 4 * 4096)
        refused(switch)
        with open(switch.log, encoding="utf-8") as stream:
            said = json.loads(stream.readlines()[-1])
        assert said["event"] == "unreadable" and "cannot be read" in said["message"]
