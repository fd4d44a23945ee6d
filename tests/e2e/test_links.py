# SPDX-License-Identifier: Apache-2.0
"""Shards of different moments: a restore cuts them so that they fit, also where no log goes back to
the first event; a start and verify refuse them by name."""

import os
import shutil

import pytest

import demo
from switch import Switch, balance_sum, wait_until
from test_damaged_root import connect, refused

ACCOUNTS = list(range(demo.FIRST_ACCOUNT, demo.FIRST_ACCOUNT + 40))


def balances(terminal):
    return {account: terminal.balance(account).balance for account in ACCOUNTS}


def re_shard(switch, count):
    """To another number of shards: the logs begin behind LSN 1, the links at number 1."""
    switch.stop()
    switch.tool("tools/sluice-db", "reshard", switch.root, switch.path("new"), "--shards", count)
    shutil.rmtree(switch.path("var/lib/sluice"))
    os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
    switch.settings.shards = count
    switch.restart()


def owners(terminal):
    """The accounts of shard 0 and of shard 1."""
    found = {0: [], 1: []}
    for account in ACCOUNTS:
        found[terminal.deposit(account, 10_000).shard].append(account)
    return found


def verified(switch):
    ran = switch.tool("tools/sluice-db", "verify", "--root", switch.root, check=False)
    return ran.returncode, ran.stdout


def test_a_restore_behind_a_re_sharding_makes_no_money():
    with Switch("links-restore", shards=1, segment_mib=1, segments_max=64,
                archive="archive") as switch:
        switch.begin(1)
        re_shard(switch, 2)
        terminal = connect(switch)
        of = owners(terminal)
        switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("copy"))
        before = balances(terminal)
        moved = terminal.transfer(of[0][0], of[1][0], 5_000)  # the first on this link
        assert moved.ok
        # Only the receiver's log reaches the archive.
        for _ in range(6_000):
            if terminal.next_id % 100 == 0 and \
                    switch.status()["shards"][1]["archived_segment"] > 0:
                break
            assert terminal.transfer(of[1][1], of[1][2], 1).ok
            assert terminal.transfer(of[1][2], of[1][1], 1).ok
        wait_until(lambda: switch.status()["shards"][1]["archived_segment"] > 0, 60, "archived")
        assert switch.status()["shards"][0]["archived_segment"] == 0
        terminal.close()
        switch.kill()
        os.rename(switch.path("var/lib/sluice"), switch.path("lost"))
        switch.tool("tools/sluice-db", "backup", "restore", switch.path("copy"),
                    switch.path("new"), "--archive", switch.path("lost/archive"))
        os.rename(switch.path("new/var/lib/sluice"), switch.path("var/lib/sluice"))
        assert verified(switch)[0] == 0
        switch.restart()
        terminal = connect(switch)
        now = balances(terminal)
        assert sum(now.values()) == sum(before.values())
        assert now[of[0][0]] == before[of[0][0]] and now[of[1][0]] == before[of[1][0]]
        for source, target in ((0, 1), (1, 0)):
            assert terminal.transfer(of[source][1], of[target][3], 7).ok
        terminal.close()
        switch.stop()
        answer = switch.verify()
        assert answer["ok"] and answer["transit_open"] == 0 and balance_sum(answer) == 0


@pytest.mark.parametrize("how", ["first-log", "re-sharded"])
def test_a_shard_put_back_from_an_older_copy_is_not_started_on(how):
    with Switch(f"links-{how}", shards=2 if how == "first-log" else 1) as switch:
        switch.begin(1)
        if how == "re-sharded":
            re_shard(switch, 2)
        terminal = connect(switch)
        of = owners(terminal)
        terminal.close()
        switch.stop()
        data = switch.path("var/lib/sluice")
        for shard in (0, 1):
            shutil.copytree(f"{data}/shard-{shard}", switch.path(f"old-{shard}"))
        switch.restart()
        terminal = connect(switch)
        before = balances(terminal)
        for n in range(10):
            assert terminal.transfer(of[0][n], of[1][n], 1_000).ok
        after = balances(terminal)
        assert sum(after.values()) == sum(before.values())
        terminal.close()
        switch.stop()
        for shard in (0, 1):
            there = f"{data}/shard-{shard}"
            os.rename(there, there + ".away")
            shutil.copytree(switch.path(f"old-{shard}"), there)
            said = refused(switch)
            assert f"shard {shard}: " in said and "of an older copy" in said, said
            os.rename(f"{data}/shards.made", switch.path("mark"))  # as of an older program
            said = refused(switch)
            os.rename(switch.path("mark"), f"{data}/shards.made")
            assert f"shard {shard} is behind shard {1 - shard}" in said, said
            assert there in said and "backup restore" in said, said
            code, said = verified(switch)
            assert code == 1 and "NOT OK" in said, said
            shutil.rmtree(there)
            os.rename(there + ".away", there)
        assert verified(switch)[0] == 0
        switch.restart()
        terminal = connect(switch)
        assert balances(terminal) == after
        terminal.close()
        switch.stop()


@pytest.mark.parametrize("how", ["made", "restored"])
def test_an_older_copy_of_the_only_shard_is_not_started_on(how):
    """No other shard and no archive: the mark beside it has counted the starts."""
    with Switch(f"links-only-{how}") as switch:
        switch.begin(1)
        data = switch.path("var/lib/sluice")
        if how == "restored":
            switch.stop()
            switch.tool("tools/sluice-db", "backup", "create", switch.root, switch.path("copy"))
            shutil.rmtree(data)
            switch.tool("tools/sluice-db", "backup", "restore", switch.path("copy"), switch.root)
            switch.restart()
        terminal = connect(switch)
        assert terminal.deposit(ACCOUNTS[0], 10_000).ok
        terminal.close()
        switch.stop()
        shutil.copytree(f"{data}/shard-0", switch.path("older"))
        switch.restart()
        terminal = connect(switch)
        assert terminal.deposit(ACCOUNTS[0], 5_000).ok
        after = balances(terminal)
        terminal.close()
        switch.stop()
        os.rename(f"{data}/shard-0", switch.path("newest"))
        shutil.copytree(switch.path("older"), f"{data}/shard-0")
        for _ in range(3):  # a refused start counts for nothing
            said = refused(switch)
            assert "shard 0: " in said and "of an older copy" in said, said
            assert "put the newest state of this shard back" in said, said
        shutil.rmtree(f"{data}/shard-0")
        os.rename(switch.path("newest"), f"{data}/shard-0")
        switch.restart()
        terminal = connect(switch)
        assert balances(terminal) == after
        terminal.close()
        switch.stop()
        # Who gives up what it lacks takes the mark away.
        shutil.rmtree(f"{data}/shard-0")
        shutil.copytree(switch.path("older"), f"{data}/shard-0")
        os.remove(f"{data}/shards.made")
        switch.restart()
        switch.stop()
