# SPDX-License-Identifier: Apache-2.0
"""A damaged root: a start refuses it, sluice-db repair tells what is lost and asks first."""

import glob
import json
import os
import struct

import demo
import network
from instance import UDP_PORT, InstanceError
from sluice_terminal import Terminal, load_sessions
from switch import Switch, wait_until
from test_archive import database

BLOCK = 4096
MAGIC = b"SUCEJRNL"


def headers(switch, shard=0):
    """(path, offset, first LSN, last LSN, durable through) of every batch, in order of LSN."""
    found = []
    for path in sorted(glob.glob(switch.path(f"var/lib/sluice/shard-{shard}/journal/*.seg"))):
        with open(path, "rb") as stream:
            data = stream.read()
        generation = int(os.path.basename(path)[8:24], 16)
        for offset in range(0, len(data), BLOCK):
            if data[offset:offset + 8] != MAGIC:
                continue
            own, first, count = struct.unpack_from("<QQI", data, offset + 32)
            durable, = struct.unpack_from("<Q", data, offset + 64)
            if own == generation:
                found.append((path, offset, first, first + count - 1, durable))
    return sorted(found, key=lambda header: header[2])


def damage(header):
    with open(header[0], "r+b") as stream:
        stream.seek(header[1] + 200)
        byte = stream.read(1)
        stream.seek(header[1] + 200)
        stream.write(bytes([byte[0] ^ 1]))


def wait_for_log(switch):
    """Until the logs have all that the journals have; without load that stays so."""
    wait_until(lambda: all(shard["pending"] == 0 and
                           shard["committed_lsn"] == shard["durable_lsn"] == shard["applied_lsn"]
                           for shard in switch.status()["shards"]), 60, "the log has all of it")


def log_end(switch, shard=0):
    return database(switch, "stat")[1]["shards"][shard]["log_last_lsn"]


def refused(switch):
    """The start's message."""
    try:
        switch.start()
    except InstanceError as error:
        return str(error)
    raise AssertionError("a damaged journal was started on")


def repair(switch, *flags):
    return database(switch, "repair", "--shard", "0", *flags)


def report(switch):
    path, = glob.glob(switch.path("var/lib/sluice/shard-0/repair-*.json"))
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def test_what_the_log_holds_is_not_lost_with_the_journal():
    with Switch("repair", checkpoint_interval_ms=3_600_000) as switch:
        switch.begin(2)
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=3_000, rate=3_000))
        code, said = repair(switch, "--cut-damaged-tail", "--yes-lose-acknowledged")
        assert code == 1 and "runs under" in said
        wait_for_log(switch)
        switch.kill()
        code, said = repair(switch, "--cut-damaged-tail", "--yes-lose-acknowledged")
        assert code == 1 and "nothing is damaged" in said
        last = log_end(switch)
        batches = headers(switch)
        assert batches[-1][3] == last
        damage(batches[len(batches) // 2])
        hash_before = database(switch, "verify")[1]["state_hash"]
        assert f"LSN {batches[len(batches) // 2][2]}" in refused(switch)
        code, found = repair(switch)
        assert code == 1 and found["state"] == "examined"
        assert found["acknowledged_lost"] is None and found["kept_to_lsn"] == last
        assert found["place"]["lsn"] == batches[len(batches) // 2][2]
        assert not glob.glob(switch.path("var/lib/sluice/shard-0/repair-*"))
        code, found = repair(switch, "--cut-damaged-tail")
        assert code == 0 and found["state"] == "done"
        assert report(switch) == found
        # Every byte of the original is still there.
        saved = os.path.join(found["original_kept_in"], os.path.basename(batches[0][0]))
        assert os.path.getsize(saved) == 4 << 20
        switch.restart()
        assert switch.status()["shards"][0]["durable_lsn"] >= last
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=500, rate=3_000))
        switch.stop()
        code, verified = database(switch, "verify")
        assert code == 0, verified
        assert hash_before != verified["state_hash"]  # it went on
        code, said = repair(switch, "--cut-damaged-tail")
        assert code == 1 and "nothing is damaged" in said


def killed_with_events_the_log_lacks(switch):
    """Kills under load until the journal has batches the log has not. One that was acknowledged."""
    for _ in range(8):
        started = demo.start_terminals(switch, 2, accounts=30, bets=20_000, rate=6_000)
        before = switch.status()["shards"][0]["durable_lsn"]
        wait_until(lambda low=before: switch.status()["shards"][0]["durable_lsn"] > low + 2_000,
                   60, "load")
        switch.kill()
        demo.end(started)
        last = log_end(switch)
        batches = headers(switch)
        durable = max(header[4] for header in batches)
        for header in batches:
            if last < header[2] and header[3] <= durable:
                return header, last, durable
        switch.restart()
    raise AssertionError("the log was never behind")


def test_lost_acknowledged_events_are_named_and_asked_for():
    with Switch("repair-loss") as switch:
        switch.begin(2)
        header, last, durable = killed_with_events_the_log_lacks(switch)
        damage(header)
        refused(switch)
        code, found = repair(switch, "--cut-damaged-tail")
        assert code == 1 and found["state"] == "examined"
        keep = max(last, header[2] - 1)
        assert found["kept_to_lsn"] == keep and found["acknowledged_to_lsn"] >= durable
        assert found["acknowledged_lost"] == {
            "from_lsn": keep + 1, "to_lsn": found["acknowledged_to_lsn"]}
        code, found = repair(switch, "--cut-damaged-tail", "--yes-lose-acknowledged")
        assert code == 0, found
        assert report(switch)["acknowledged_lost"] == found["acknowledged_lost"]
        switch.restart()
        assert switch.status()["shards"][0]["durable_lsn"] >= keep
        switch.stop()
        code, verified = database(switch, "verify")
        assert code == 0, verified


def test_what_is_whole_behind_damage_that_the_log_holds_is_kept():
    with Switch("repair-behind", checkpoint_interval_ms=3_600_000) as switch:
        switch.begin(2)
        _, last, durable = killed_with_events_the_log_lacks(switch)
        held = [header for header in headers(switch) if header[3] <= last]
        damage(held[len(held) // 2])
        refused(switch)
        code, found = repair(switch)
        assert code == 1 and found["state"] == "examined"
        assert found["log_to_lsn"] == last and found["kept_to_lsn"] >= durable > last
        assert found["acknowledged_lost"] is None and len(found["log_fills"]) == 1
        assert found["log_fills"][0]["from_lsn"] == held[len(held) // 2][2]
        code, found = repair(switch, "--cut-damaged-tail")
        assert code == 0, found
        assert report(switch) == found
        switch.restart()
        assert switch.status()["shards"][0]["durable_lsn"] >= durable
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=500, rate=3_000))
        switch.stop()
        code, verified = database(switch, "verify")
        assert code == 0, verified


def connect(switch):
    session = load_sessions(switch.sessions)[0]
    with switch.terminal_network():
        terminal = Terminal((network.SWITCH_ADDRESS, UDP_PORT), session["session"],
                            session["root"])
    assert terminal.hello().ok
    return terminal


def test_damaged_rows_are_named_and_made_anew_from_the_log():
    with Switch("repair-rows", shards=2) as switch:
        switch.begin(2)
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=2_000, rate=3_000))
        terminal = connect(switch)
        before = terminal.balance(demo.FIRST_ACCOUNT).balance
        terminal.close()
        switch.stop()
        verified = database(switch, "verify")[1]
        rows = switch.path("var/lib/sluice/shard-1/rows/data.mdb")
        os.truncate(rows, os.path.getsize(rows) // 2)
        refused(switch)
        code, said = database(switch, "repair", "--shard", "0")
        assert code == 1 and "nothing is damaged" in said
        code, found = database(switch, "repair", "--shard", "1", "--cut-damaged-tail")
        assert code == 1 and found["part"] == "rows" and "--rebuild-rows" in found["remedy"]
        code, found = database(switch, "repair", "--shard", "1", "--rebuild-rows")
        assert code == 0 and found["state"] == "done", found
        assert os.path.getsize(found["original_kept_in"] + "/data.mdb") > 0
        assert database(switch, "verify")[1]["state_hash"] == verified["state_hash"]
        switch.restart()
        terminal = connect(switch)
        assert terminal.balance(demo.FIRST_ACCOUNT).balance == before
        terminal.close()
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=500, rate=3_000))
        switch.stop()
        code, verified = database(switch, "verify")
        assert code == 0, verified


def test_of_several_shards_only_the_damaged_one_is_touched():
    with Switch("repair-shards", shards=2, checkpoint_interval_ms=3_600_000) as switch:
        switch.begin(2)
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=1_000, rate=3_000))
        wait_for_log(switch)
        switch.kill()
        last = log_end(switch, 1)
        batches = headers(switch, 1)
        assert batches[-1][3] == last
        damage(batches[len(batches) // 2])
        other = headers(switch)
        assert "shard 1" in refused(switch)
        code, said = database(switch, "repair", "--cut-damaged-tail")
        assert code == 2 and "--shard" in said
        code, said = repair(switch, "--cut-damaged-tail")
        assert code == 1 and "nothing is damaged" in said
        code, found = database(switch, "repair", "--shard", "1", "--cut-damaged-tail")
        assert code == 0 and found["shard"] == 1 and found["kept_to_lsn"] == last
        assert headers(switch) == other
        assert not glob.glob(switch.path("var/lib/sluice/shard-0/repair-*"))
        switch.restart()
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=500, rate=3_000))
        switch.stop()
        code, verified = database(switch, "verify")
        assert code == 0, verified
