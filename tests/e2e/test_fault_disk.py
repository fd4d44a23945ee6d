# SPDX-License-Identifier: Apache-2.0
"""The disk under the switch fails: errors, no room, slowness. What was acknowledged stays, what can
go on goes on, and when the disk is well again so is the switch."""

import contextlib
import os
import time

from faulty import FaultySwitch, start_refused
from killing import Load, acks_size, begin, conclude, settled
from switch import wait_until

SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
RATE = 300
JOURNAL, STORE, LOG, ROWS = (
    "shard-0/journal/*", "shard-0/*.mdb", "shard-0/log-*/data.mdb", "shard-0/rows/data.mdb")


@contextlib.contextmanager
def loaded(name, **settings):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    with FaultySwitch(name, **settings) as switch:
        begin(switch, 3, 0)
        with Load(switch, 3, 0, RATE, SEED) as load:
            yield switch, switch.disk_faults, load


def shard(switch):
    return switch.status()["shards"][0]


def test_a_failed_journal_write_ends_the_process_and_loses_nothing():
    """Whether it wrote nothing, a part, or all of it but was not synced; recovery decides."""
    with loaded("write-fails") as (switch, faults, load):
        for operation, action in (("write", "eio"), ("write", "torn"), ("sync", "eio"),
                                  ("write", "enospc")):
            load.wait_for_answers()
            faults.fault("shard-0/journal/journal-*", operation, action, skip=3, count=1)
            assert switch.wait_dead() == 1
            words = switch.last_words()[-1]["message"]
            assert "shard 0: a journal write failed" in words and "start again" in words
            load.witness.collect()
            switch.restart()
            load.witness.check()
        conclude(load)


def test_a_journal_that_cannot_be_read_is_refused_and_left_as_it_is():
    with loaded("read-fails") as (switch, faults, load):
        load.wait_for_answers()
        switch.kill()
        load.witness.collect()
        faults.fault("shard-0/journal/journal-*", "read", "eio")
        words = start_refused(switch)
        assert "shard 0: journal recovery refused" in words and "Input/output error" in words
        faults.ask("clear")
        switch.restart()
        load.witness.check()
        conclude(load)


def test_a_store_that_cannot_write_does_not_stop_the_worker():
    """An error of the disk below LMDB is final for the store until the next start; the journal
    has everything."""
    with loaded("store-fails") as (switch, faults, load):
        faults.fault(STORE, "sync", "eio", count=1)
        wait_until(lambda: shard(switch)["store_errors"], 60, "the store's failure")
        committed = shard(switch)["committed_lsn"]
        for _ in range(3):
            load.wait_for_answers()
        now = shard(switch)
        assert now["committed_lsn"] == committed < now["durable_lsn"]
        assert any("the store has failed" in line["message"] for line in switch.last_words())
        switch.kill()
        load.witness.collect()
        switch.restart()
        load.witness.check()
        conclude(load)


def test_no_room_for_the_store_is_waited_for():
    """LMDB's files cannot grow: the worker goes on, and the store follows when there is room."""
    with loaded("store-full") as (switch, faults, load):
        faults.fault(STORE, "grow", "enospc")
        wait_until(lambda: shard(switch)["store_waiting"], 60, "a store that waits")
        committed = shard(switch)["committed_lsn"]
        for _ in range(3):
            load.wait_for_answers()
        now = shard(switch)
        assert committed <= now["committed_lsn"] < now["durable_lsn"]
        faults.ask("clear")
        wait_until(lambda: not shard(switch)["store_waiting"], 60, "a store that goes on")
        assert shard(switch)["store_errors"] == 0
        conclude(load)


def test_no_room_for_journal_segments_is_busy_until_there_is():
    """None can be recycled either, because no checkpoint is due."""
    with loaded("journal-full", checkpoint_interval_ms=600_000) as (switch, faults, load):
        faults.fault(JOURNAL, "grow", "enospc")
        wait_until(lambda: shard(switch)["codes"]["BUSY"], 300, "BUSY")
        wait_until(lambda: any("a journal segment could not be made" in line["message"] and
                               "No space left" in line["message"] for line in
                               switch.last_words()), 60, "the reason in the log")
        durable = shard(switch)["durable_lsn"]
        faults.ask("clear")
        wait_until(lambda: shard(switch)["durable_lsn"] > durable, 60, "going on")
        load.wait_for_answers()
        load.witness.collect()
        conclude(load)


def test_a_slow_disk_makes_answers_slow_and_loses_none():
    with loaded("slow") as (switch, faults, load):
        faults.fault(JOURNAL, "sync", "delay=200")
        load.wait_for_answers()
        load.wait_for_answers()
        switch.kill()
        load.witness.collect()
        switch.restart()
        load.witness.check()
        load.wait_for_answers()
        faults.ask("clear")
        conclude(load)


def test_a_store_that_stands_still_does_not_hold_up_the_worker():
    """LMDB's sync does not return: answers go on, the follower falls behind, then catches up."""
    with loaded("stalled") as (switch, faults, load):
        hits = faults.ask("stat")["hits"]
        faults.fault(STORE, "sync", "hold")
        # What synced already when the fault was set comes to its end; the next one is held.
        wait_until(lambda: faults.ask("stat")["hits"] > hits, 300, "a sync that is held")
        before, committed = acks_size(load.started), shard(switch)["committed_lsn"]
        for _ in range(5):
            load.wait_for_answers()
        now = shard(switch)
        assert now["committed_lsn"] == committed < now["durable_lsn"]
        assert all(size > old for size, old in zip(acks_size(load.started), before))
        faults.ask("clear")
        load.end()
        assert settled(switch).events >= now["durable_lsn"]
        load.witness.collect()
        assert switch.stop() == 0
        load.witness.check()
        assert switch.verify()["ok"]
