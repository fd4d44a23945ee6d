# SPDX-License-Identifier: Apache-2.0
"""Promise 1: no acknowledged transaction is lost, whenever the process dies.

The data plane is killed with SIGKILL under load, at random, also while it recovers from the death
before. Nobody helps the terminals: they must find the restarted switch and go on by themselves.
After each death every acknowledgement given before it is looked for in the log; after each round
everything is compared.

SLUICE_KILLS times (50), half of them with one worker, half with three, where terminals are handed
over, bets cross shards and money moves between them. More than 50 are the long form: rounds of 50,
each on a fresh switch, with load as fast as answers come; what is done is kept in
build/check/kills.json by the hash of the program tested, so a run that was stopped goes on, and
build/check/kills.log has a line for each round. While the file named by SLUICE_PAUSE exists no new
death is begun and nothing is left running.
"""

import os
import random
import time

import placement
import pytest
from killing import (
    Load, acks_size, begin, conclude, grown, paused, restart, wait_for_transfers, wait_unpaused)
from rounds import Rounds
from switch import Switch, wait_until

SHORT, ROUND = 50, 50
KILLS = int(os.environ.get("SLUICE_KILLS", str(SHORT)))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
RATE = 400
EARLY_SHARE = 0.15  # of the deaths are followed by one while recovering
FLUSH_FIELD, WRITES_FIELD = 15, 4  # of /sys/block/*/stat (Documentation/block/stat.rst)


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
    writes, flushes = device_counts(disk)
    batches = switch.shards_sum("batches")
    before = acks_size(started)
    wait_until(lambda: grown(started, before), 60, "answers")
    time.sleep(0.5)
    batches_after = switch.shards_sum("batches")
    writes_after, flushes_after = device_counts(disk)
    assert batches_after > batches
    # The device is looked at before and behind the batches; the last may still be on their way.
    done = max(1, (batches_after - batches) // 2)
    # Neighbours may be merged by the block layer, and flushes of several shards are shared.
    writes_min = done if switch.settings.shards == 1 else done // 8 + 1
    assert writes_after - writes >= writes_min, f"the device wrote less than the journal; {what}"
    flushes_min = done // 8 + 1 if must_flush else 0
    assert flushes_after - flushes >= flushes_min, f"the device was not flushed; {what}"


def kill_round(shards, kills, seed, rate, go_on=lambda: True):
    """One switch killed `kills` times, or until go_on() says no. Returns a summary."""
    chance = random.Random(seed)
    terminals, movers = (3, 0) if shards == 1 else (2 * shards, 2)
    died = 0
    with Switch(f"kill{shards}", shards=shards, accounts=30_000) as switch:
        begin(switch, terminals, movers)
        with Load(switch, terminals, movers, rate, seed) as load:
            check_direct_and_flushed(switch, load.started)
            while died < kills and go_on():
                load.wait_for_answers()
                wait_for_transfers(load.movers, more=0)  # however slow, something to lose
                time.sleep(chance.uniform(0.0, 0.3))
                switch.kill()
                # What the death before must not have lost. Now, because nothing is added meanwhile.
                load.witness.check()
                load.witness.collect()
                died += 1 + restart(switch, chance, EARLY_SHARE if died + 1 < kills else 0.0)
            load.wait_for_answers()
            check_direct_and_flushed(switch, load.started)
            if shards > 1:
                assert switch.shards_sum("requests_remote") > 0, "no bet crossed shards"
                assert switch.shards_sum("handed_over") > 0, "no datagram was handed over"
            done = conclude(load)
    # The test itself must have had something to lose.
    assert done["acknowledged"] > 20 * died and (shards == 1 or done["transfers"] > died), done
    return {"shards": shards, "kills": died, "seed": seed, "rate": rate, **done}


@pytest.mark.skipif(KILLS > SHORT, reason="the long form runs instead")
@pytest.mark.parametrize("shards", [1, 3])
def test_kill_under_load_loses_and_doubles_nothing(shards):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    print(kill_round(shards, KILLS // 2, SEED, RATE))


@pytest.mark.skipif(KILLS <= SHORT, reason="the long form: SLUICE_KILLS=1000, resumable")
def test_many_kills_in_rounds():
    rounds = Rounds("kills", "kills", "kills")
    while (left := KILLS - rounds.total()) > 0:
        wait_unpaused()
        number = len(rounds.done)
        done = kill_round((1, 3, 2)[number % 3], min(ROUND, left), SEED + number,
                          (0, RATE)[number % 2], go_on=lambda: not paused())
        if done["kills"] > 0:
            rounds.add(done)
