# SPDX-License-Identifier: Apache-2.0
"""Promise 1: no acknowledged transaction is lost, whenever the process dies.

The data plane is killed with SIGKILL under load SLUICE_KILLS times (20). Terminals are left alone:
they must find the restarted switch and go on by themselves.
"""

import os
import random
import signal
import time

import demo
import placement
from switch import Switch, balance_sum, wait_until

KILLS = int(os.environ.get("SLUICE_KILLS", "20"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
TERMINALS = 3
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
    """Journal writes bypass the page cache and make the device flush."""
    writable = [flags for _, flags in journal_descriptors(switch)
                if flags & os.O_ACCMODE != os.O_RDONLY]
    assert writable, "no journal segment is open for writing"
    for flags in writable:
        assert flags & os.O_DIRECT, f"a journal segment is open without O_DIRECT ({flags:o})"
    disk = placement.disk_of(switch.root)
    assert disk.name, f"{switch.root} is on {disk.filesystem}: run the tests on a disk"
    batches = switch.shards_sum("batches")
    writes, flushes = device_counts(disk)
    before = acks_size(started)
    wait_until(lambda: grown(started, before), 20, "answers")
    time.sleep(0.5)
    writes_after, flushes_after = device_counts(disk)
    batches_after = switch.shards_sum("batches")
    assert batches_after > batches
    # Batches closed while the counters were read may still be on their way.
    done = max(1, (batches_after - batches) // 2)
    assert writes_after - writes >= done, "the device wrote less often than the journal"
    if disk.write_cache == "write back" and not disk.fua:
        assert flushes_after - flushes >= done // 8 + 1, "the device was not flushed"


def restart_under_load(switch, started, chance):
    before = acks_size(started)
    wait_until(lambda: grown(started, before), 30, "terminals going on by themselves")
    time.sleep(chance.uniform(0.0, 0.6))
    switch.kill()
    switch.restart()
    assert all(process.poll() is None for process, _ in started), "a terminal gave up"


def test_kill_under_load_loses_and_doubles_nothing():
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    chance = random.Random(SEED)
    with Switch("kill") as switch:
        switch.begin(TERMINALS)
        started = demo.start_terminals(
            switch, TERMINALS, accounts=60, bets=10_000_000, rate=RATE, seed=SEED % 2**31)
        try:
            wait_until(lambda: all(acks_size(started)), 30, "first answers")
            check_direct_and_flushed(switch, started)
            for _ in range(KILLS):
                restart_under_load(switch, started, chance)
            before = acks_size(started)
            wait_until(lambda: grown(started, before), 30, "terminals going on after the last kill")
            assert all(process.poll() is None for process, _ in started)
        finally:
            for process, _ in started:
                process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            demo.end(started)
        acks = [demo.acknowledged(files["acks"]) for _, files in started]
        live_hashes = settled_hashes(switch)
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], verified
        assert balance_sum(verified) == 0
        assert live_hashes
        events = switch.events()
        problems = demo.compare([ack for part in acks for ack in part], events)
        assert problems == [], problems[:10]
        # The test itself must have had something to lose.
        assert all(len(part) > 20 * KILLS // TERMINALS for part in acks), list(map(len, acks))


def settled_hashes(switch):
    """State hashes once nothing is in flight and the follower has caught up with no difference."""

    def settled():
        shards = switch.status()["shards"]
        still = all(shard["pending"] == 0 and
                    shard["store_applied_lsn"] == shard["durable_lsn"] == shard["applied_lsn"]
                    for shard in shards)
        return [shard["state_hash"] for shard in shards] if still else None

    hashes = wait_until(settled, 20, "the follower catching up")
    assert switch.shards_sum("divergences") == 0
    return hashes
