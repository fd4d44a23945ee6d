# SPDX-License-Identifier: Apache-2.0
"""Promise 1: no acknowledged transaction is lost, whenever the process dies.

The data plane is killed with SIGKILL under load: SLUICE_KILLS times (20) with one worker, a quarter
of that with three, where terminals are handed over and bets cross shards. Terminals are left alone:
they must find the restarted switch and go on by themselves.
"""

import dataclasses
import os
import random
import signal
import time

import demo
import placement
import pytest
from switch import Switch, balance_sum, wait_until

KILLS = int(os.environ.get("SLUICE_KILLS", "20"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
RATE = 400
FLUSH_FIELD, WRITES_FIELD = 15, 4  # of /sys/block/*/stat (Documentation/block/stat.rst)


def acks_size(started):
    return [os.path.getsize(files["acks"]) if os.path.exists(files["acks"]) else 0
            for _, files in started]


def grown(started, before):
    """True when every terminal has seen answers since `before`."""
    return all(now > then for now, then in zip(acks_size(started), before))


def journal_descriptors(switch):
    """(path, flags) of the data plane's open journal segments, from /proc."""
    folder = f"/proc/{switch.pid()}/fd"
    found = []
    for name in os.listdir(folder):
        try:
            path = os.readlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue
        if path.startswith(switch.path("var/lib/sluice/")) and path.endswith(".seg"):
            text = placement.read(f"/proc/{switch.pid()}/fdinfo/{name}")
            flags = [int(line.split()[1], 8) for line in text.splitlines()
                     if line.startswith("flags:")]
            found.append((path, flags[0]))
    return found


def device_counts(disk):
    """(writes, flushes) of the journal's disk."""
    fields = placement.read(f"/sys/block/{disk.name}/stat").split()
    return int(fields[WRITES_FIELD]), int(fields[FLUSH_FIELD])


def check_direct_and_flushed(switch, started):
    """Journal writes of every shard bypass the page cache and make the device flush."""
    writable = [(path, flags) for path, flags in journal_descriptors(switch)
                if flags & os.O_ACCMODE != os.O_RDONLY]
    folders = {os.path.dirname(path) for path, _ in writable}
    assert len(folders) == switch.settings.shards, f"segments open for writing: {writable}"
    for path, flags in writable:
        assert flags & os.O_DIRECT, f"{path} is open without O_DIRECT ({flags:o})"
    disk = placement.disk_of(switch.root)
    assert disk.name, f"{switch.root} is on {disk.filesystem}: run the tests on a disk"
    must_flush = disk.write_cache == "write back" and not disk.fua
    what = (f"{disk.name} has {'a' if must_flush else 'NO'} volatile cache (write_cache "
            f"{disk.write_cache!r}, fua {disk.fua}), flushes are "
            f"{'expected' if must_flush else 'not expected and were not checked'}")
    print(what)
    batches = switch.shards_sum("batches")
    writes, flushes = device_counts(disk)
    before = acks_size(started)
    wait_until(lambda: grown(started, before), 60, "answers")
    time.sleep(0.5)
    writes_after, flushes_after = device_counts(disk)
    batches_after = switch.shards_sum("batches")
    assert batches_after > batches
    # Batches closed while the counters were read may still be on their way.
    done = max(1, (batches_after - batches) // 2)
    # Neighbours may be merged by the block layer, and flushes of several shards are shared.
    writes_min = done if switch.settings.shards == 1 else done // 8 + 1
    assert writes_after - writes >= writes_min, f"the device wrote less than the journal; {what}"
    flushes_min = done // 8 + 1 if must_flush else 0
    assert flushes_after - flushes >= flushes_min, f"the device was not flushed; {what}"


def restart_under_load(switch, started, chance):
    before = acks_size(started)
    wait_until(lambda: grown(started, before), 60, "terminals going on by themselves")
    time.sleep(chance.uniform(0.0, 0.6))
    switch.kill()
    switch.restart()
    assert all(process.poll() is None for process, _ in started), "a terminal gave up"


@pytest.mark.parametrize("shards, terminals, kills", [(1, 3, KILLS), (3, 6, KILLS // 4)])
def test_kill_under_load_loses_and_doubles_nothing(shards, terminals, kills):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with Switch(f"kill{shards}", shards=shards, accounts=30_000) as switch:
        switch.begin(terminals, accounts=120)
        started = demo.start_terminals(
            switch, terminals, accounts=120, bets=10_000_000, rate=RATE, seed=SEED % 2**31)
        try:
            wait_until(lambda: all(acks_size(started)), 60, "first answers")
            check_direct_and_flushed(switch, started)
            for _ in range(kills):
                restart_under_load(switch, started, chance)
            before = acks_size(started)
            wait_until(lambda: grown(started, before), 60, "terminals going on after the last kill")
            assert all(process.poll() is None for process, _ in started)
            check_direct_and_flushed(switch, started)
            if shards > 1:
                assert switch.shards_sum("requests_remote") > 0, "no bet crossed shards"
                assert switch.shards_sum("handed_over") > 0, "no datagram was handed over"
        finally:
            for process, _ in started:
                process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            demo.end(started)
        acks = [demo.acknowledged(files["acks"]) for _, files in started]
        recovered = settled(switch)
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0
        # The log replayed by a program of its own gives the state that the switch had.
        assert verified["events"] == recovered.events
        assert int(verified["state_hash"], 16) == recovered.hash_sum
        events = switch.events()
        problems = demo.compare([ack for part in acks for ack in part], events)
        assert problems == [], problems[:10]
        # The test itself must have had something to lose.
        assert all(len(part) > 20 * kills // terminals for part in acks), list(map(len, acks))


@dataclasses.dataclass
class State:
    events: int
    hash_sum: int  # modulo 2^64, as sluice-db verify adds the shards


def settled(switch):
    """The state once nothing is in flight and the follower has caught up with no difference.

    A shard reports its hash from its first batch after a start on, so there must have been one.
    """

    def still():
        shards = switch.status()["shards"]
        if any(shard["pending"] or not shard["store_applied_lsn"] == shard["durable_lsn"] ==
               shard["applied_lsn"] for shard in shards):
            return None
        return State(sum(shard["durable_lsn"] for shard in shards),
                     sum(int(shard["state_hash"], 16) for shard in shards) % 2**64)

    state = wait_until(still, 60, "the follower catching up")
    assert switch.shards_sum("divergences") == 0
    return state
