# SPDX-License-Identifier: Apache-2.0
"""Each folder and file of a shard's directory, removed and emptied: start, verify, repair agree.

What a start needs it refuses to do without, verify names it, repair says what it is and what helps.
What it does not need it makes again, and nothing is lost.
"""

import os
import shutil
import struct
import subprocess

import demo
from instance import InstanceError
from switch import Switch
from test_archive import database

SHARD = "var/lib/sluice/shard-0"
MARK = "var/lib/sluice/shards.made"
# Of log_rotate_mib=1 these are four logs or more, and segments that were used again.
BETS = 30_000

HEALED, NAMED = "healed", "named"  # NAMED: the start does not need it, verify and repair tell
MADE = "made"  # verify tells until the start makes it again
# (part, how) -> what a start says, verify says, repair says; or HEALED, or (NAMED, verify, repair),
# or (MADE, verify).
# Where a part is named from the newest or oldest, others of its kind are as the one in the middle.
TABLE = {
    ("journal", "removed"): ("no journal, but the store holds events", "journal.meta is missing",
                             "journal directory is missing"),
    ("journal", "emptied"): ("no journal, but the store holds events", "journal.meta is missing",
                             "no journal, but the store holds events"),
    ("journal.meta", "removed"): ("journal.meta is missing beside", "journal.meta is missing",
                                  "journal.meta is missing beside"),
    ("journal.meta", "emptied"): ("journal.meta is damaged", "journal.meta is damaged",
                                  "journal.meta is damaged"),
    # As before a segment was sealed: the sealer begins one, and says so.
    ("journal.manifest", "removed"): HEALED,
    ("journal.manifest", "emptied"): ("the first line is damaged", "the first line is damaged",
                                      "the first line is damaged"),
    # Of an archive, which this one has none of (test_archive.py): made again by each start, and
    # before programs made one there was none.
    ("journal.archive", "removed"): HEALED,
    ("journal.archive", "emptied"): (MADE, "journal.archive is damaged"),
    # As if it had been used again: the log has its events.
    ("oldest segment", "removed"): HEALED,
    ("oldest segment", "emptied"): (NAMED, "does not begin with a valid batch",
                                    "a start does not need it, the log has its events"),
    ("segment in use", "removed"): ("acknowledged up to", "journal:", "acknowledged up to"),
    ("segment in use", "emptied"): ("acknowledged up to", "journal:", "acknowledged up to"),
    # Made beforehand, nothing in it yet.
    ("segment to come", "removed"): HEALED,
    ("segment to come", "emptied"): HEALED,
    ("oldest log", "removed"): ("the oldest log-* directories are missing",
                                "the oldest log-* directories are missing",
                                "the oldest log-* directories are missing"),
    ("oldest log", "emptied"): ("the oldest log-* directories are missing",
                                "the oldest log-* directories are missing",
                                "the oldest log-* directories are missing"),
    ("oldest log data", "removed"): ("the oldest log-* directories are missing",
                                     "the oldest log-* directories are missing",
                                     "the oldest log-* directories are missing"),
    ("oldest log data", "emptied"): ("cannot be read", "log: block damaged", "log: block damaged"),
    ("log", "removed"): ("one between is missing, or not whole", "log: gap", "log: gap"),
    ("log", "emptied"): ("one between is missing, or not whole", "log: gap", "log: gap"),
    ("log data", "removed"): ("one between is missing, or not whole", "log: gap", "log: gap"),
    ("log data", "emptied"): ("cannot be read", "log: block damaged", "log: block damaged"),
    ("newest log", "removed"): ("A log-* directory is missing or old", "newest log-* directory",
                                "newest log-* directory"),
    ("newest log", "emptied"): ("A log-* directory is missing or old", "newest log-* directory",
                                "newest log-* directory"),
    ("newest log data", "removed"): ("A log-* directory is missing or old",
                                     "newest log-* directory", "newest log-* directory"),
    ("newest log data", "emptied"): ("A log-* directory is missing or old", "log: block damaged",
                                     "log: block damaged"),
    ("rows", "removed"): ("the rows are gone", "rows is missing or empty", "--rebuild-rows"),
    ("rows", "emptied"): ("the rows are gone", "rows is missing or empty", "--rebuild-rows"),
    ("rows data", "removed"): ("the rows are gone", "rows is missing or empty", "--rebuild-rows"),
    ("rows data", "emptied"): ("the rows are gone", "rows/data.mdb cannot be read",
                               "--rebuild-rows"),
    # Who reads which environment: of a process that runs.
    ("lock", "removed"): HEALED,
    ("lock", "emptied"): HEALED,
}


def is_used(path):
    """It begins with a batch of its own; one made again from another has that one's, or nothing."""
    with open(path, "rb") as stream:
        head = stream.read(48)
    own, = struct.unpack_from("<Q", head, 32)
    return head[:8] == b"SUCEJRNL" and own == int(os.path.basename(path)[8:24], 16)


def parts(shard):
    """Relative path -> its name in TABLE, of everything in the directory; one of each name."""
    names = {}
    logs = sorted(name for name in os.listdir(shard) if name.startswith("log-"))
    segments = sorted(name for name in os.listdir(os.path.join(shard, "journal"))
                      if name.endswith(".seg"))
    used = [name for name in segments if is_used(os.path.join(shard, "journal", name))]
    assert len(logs) > 3 and 1 < len(used) < len(segments)
    for base, folders, files in os.walk(shard):
        for name in sorted(folders + files):
            path = os.path.relpath(os.path.join(base, name), shard)
            top = path.split("/")[0]
            log = {logs[0]: "oldest log", logs[-1]: "newest log"}.get(top, "log")
            kind = name
            if name == "lock.mdb":
                kind = "lock"
            elif top in logs:
                kind = log + (" data" if name == "data.mdb" else "")
            elif name == "data.mdb":
                kind = "rows data"
            elif name in segments:
                kind = {segments[0]: "oldest segment", segments[-1]: "segment to come",
                        used[-1]: "segment in use"}.get(name)
            if kind is not None and kind not in names.values():
                names[path] = kind
    return names


def removed(path):
    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def emptied(path):
    if os.path.isdir(path):
        for name in os.listdir(path):
            removed(os.path.join(path, name))
    else:
        os.truncate(path, 0)


def put_back(switch):
    for path, kept in ((SHARD, "whole"), (MARK, "made")):
        removed(switch.path(path))
        subprocess.run(["cp", "-a", "--sparse=always", switch.path(kept), switch.path(path)],
                       check=True)


def said(*command):
    """(exit status, all that it says to people)."""
    ran = database(*command)
    return ran[0], str(ran[1])


def started(switch):
    """'' when it came up (and was stopped again), else what it said."""
    try:
        switch.start()
    except InstanceError as error:
        return str(error)
    switch.stop()
    return ""


def looked_at(switch, says, name):
    """verify and repair as the table has it."""
    code, text = said(switch, "verify")
    assert code == 1 and says[0] in text, (name, text)
    code, text = said(switch, "repair", "--shard", "0")
    assert code == 1 and says[1] in text, (name, text)


def test_each_part_that_is_gone_is_refused_and_named_alike_or_made_again():
    with Switch("parts", log_rotate_mib=1, log_keep_mib=0, segments_ready=1) as switch:
        switch.begin(2)
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=BETS, rate=9_000), 120)
        switch.stop()
        code, whole = database(switch, "verify")
        assert code == 0, whole
        for path, kept in ((SHARD, "whole"), (MARK, "made")):
            subprocess.run(["cp", "-a", "--sparse=always", switch.path(path), switch.path(kept)],
                           check=True)
        names = parts(switch.path(SHARD))
        assert set(names.values()) == {kind for kind, _ in TABLE}
        for path, kind in names.items():
            for how in (removed, emptied):
                name, says = f"{path} {how.__name__}", TABLE[kind, how.__name__]
                put_back(switch)
                how(os.path.join(switch.path(SHARD), path))
                if says == HEALED:
                    code, found = database(switch, "verify")
                    assert code == 0 and found["state_hash"] == whole["state_hash"], (name, found)
                elif says[0] == MADE:
                    looked_at(switch, (says[1], "nothing is damaged"), name)
                elif says[0] != NAMED:
                    looked_at(switch, says[1:], name)
                text = started(switch)
                if says == HEALED or says[0] == MADE:
                    assert text == "", name
                    code, found = database(switch, "verify")
                    assert code == 0 and found["state_hash"] == whole["state_hash"], (name, found)
                elif says[0] == NAMED:
                    assert text == "", name
                    looked_at(switch, says[1:], name)
                else:
                    assert says[0] in text, (name, text)
                    # What the start made before it was refused hides nothing.
                    code, found = database(switch, "verify")
                    assert code == 1, (name, found)


def test_rows_that_are_gone_are_made_anew_also_behind_a_start_that_was_refused():
    # The journal goes back farther than the newest log, and not to the first event.
    with Switch("rowsgone", log_rotate_mib=1, log_keep_mib=0, segments_ready=1,
                segment_mib=8) as switch:
        switch.begin(2)
        # Logs change every 5,650 to 6,270 events: this ends in the middle of one. Where a new one
        # has just been begun it is empty, and a start rightly does without it.
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=37_000, rate=9_000), 120)
        switch.stop()
        whole = database(switch, "verify")[1]
        for refused_first in (False, True):
            shutil.rmtree(switch.path(SHARD + "/rows"))
            if refused_first:
                assert "--rebuild-rows" in started(switch)
            code, found = database(switch, "repair", "--shard", "0", "--rebuild-rows")
            assert code == 0 and found["state"] == "done", found
            code, found = database(switch, "verify")
            assert code == 0 and found["state_hash"] == whole["state_hash"], found
        logs = sorted(name for name in os.listdir(switch.path(SHARD)) if name.startswith("log-"))
        shutil.rmtree(os.path.join(switch.path(SHARD), logs[-1]))
        assert "A log-* directory is missing" in started(switch)
        code, found = database(switch, "repair", "--shard", "0", "--rebuild-rows")
        assert code == 0 and found["state"] == "done", found
        assert started(switch) == ""
        code, found = database(switch, "verify")
        assert code == 0 and found["state_hash"] == whole["state_hash"], found
        switch.restart()
        demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=500, rate=3_000, seed=7), 60)
        switch.stop()
        assert database(switch, "verify")[0] == 0
