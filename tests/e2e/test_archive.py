# SPDX-License-Identifier: Apache-2.0
"""Finished journal segments of a running switch are sealed, archived, kept and checked."""

import json
import os
import shutil
import subprocess

import demo
from controlled import ControlledSwitch
from instance import InstanceError
from switch import BUILD, Switch, wait_until

# Room for 6,000 bets in batches of their own while nothing is archived: 24 MiB.
SETTINGS = {"segment_mib": 1, "segments_max": 64, "archive": "archive"}


def database(switch, *command):
    """sluice-db: (exit status, what it printed as JSON)."""
    done = subprocess.run(
        [os.path.join(BUILD, "tools/sluice-db"), *command, "--root", switch.root, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=600,
        check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def play(switch, bets, rate=4_000):
    demo.wait(demo.start_terminals(switch, 2, accounts=30, bets=bets, rate=rate))


def shard(switch):
    return switch.status()["shards"][0]


def recycled(switch):
    """Oldest segment still there, by its name."""
    folder = switch.path("var/lib/sluice/shard-0/journal")
    return min(int(name[8:24], 16) for name in os.listdir(folder) if name.endswith(".seg"))


def test_segments_are_archived_checked_and_told_from_changed_ones():
    with Switch("archive", **SETTINGS) as switch:
        switch.begin(2)
        archive = switch.path("var/lib/sluice/archive/shard-0")
        play(switch, 40_000)
        wait_until(lambda: shard(switch)["waiting_segments"] == 0, 60, "all archived")
        now = shard(switch)
        assert now["archived_segment"] == now["sealed_segment"] == now["finished_segment"] > 3
        assert now["seals_damaged"] == now["archive_error"] == now["seal_errors"] == 0
        wait_until(lambda: recycled(switch) > 1, 60, "a segment used again")
        # Beside the running switch: seals, what is left of the segments, every archive file.
        code, found = database(switch, "journal", "verify")
        assert code == 0, found
        assert found["shards"][0]["archives_compared"] >= now["archived_segment"]
        assert database(switch, "verify")[0] == 0
        # An auditor's way, without a program of ours.
        code, found = database(switch, "archive", "list")
        file = found["shards"][0]["archive"][0]
        path = os.path.join(archive, file["file"])
        digest = subprocess.run(f"zstd -dcq '{path}' | sha256sum", shell=True, check=False,
                                stdout=subprocess.PIPE, universal_newlines=True).stdout
        if shutil.which("zstd"):
            assert digest.split()[0] == file["sha256"]
        # The archive goes away: nothing is used again, nobody is refused meanwhile; it comes back.
        os.rename(archive, archive + "-away")
        play(switch, 6_000)
        wait_until(lambda: shard(switch)["archive_error"] == 2, 60, "the failure is seen")
        before = recycled(switch)
        assert before <= now["archived_segment"] + 1
        os.rename(archive + "-away", archive)
        wait_until(lambda: shard(switch)["waiting_segments"] == 0, 60, "caught up")
        switch.stop()
        # One byte of the archive, one of the manifest: both are named.
        with open(path, "r+b") as stream:
            stream.seek(5_000)
            byte = stream.read(1)
            stream.seek(5_000)
            stream.write(bytes([byte[0] ^ 1]))
        code, found = database(switch, "archive", "verify")
        assert code == 1 and found["shards"][0]["bad"] == 1
        code, found = database(switch, "journal", "verify")
        assert code == 1 and file["file"] in found["shards"][0]["message"], found
        manifest = switch.path("var/lib/sluice/shard-0/journal/journal.manifest")
        with open(manifest, "r+b") as stream:
            text = stream.read()
            stream.seek(text.index(b'"last_lsn":', 400) + 11)
            stream.write(b"7")
        code, found = database(switch, "verify")
        assert code == 1 and "journal.manifest byte" in found["first_damage"]["what"], found


def test_only_so_much_is_kept():
    with Switch("archive-keep", **SETTINGS, archive_keep_mib=1) as switch:
        switch.begin(2)
        play(switch, 40_000)
        wait_until(lambda: shard(switch)["waiting_segments"] == 0, 60, "all archived")
        switch.stop()
        switch.restart()  # retention looks at the start, then hourly
        wait_until(lambda: shard(switch)["archive_removed"] > 0, 60, "old files removed")
        assert shard(switch)["archive_files"] < shard(switch)["archived_segment"]
        assert database(switch, "journal", "verify")[0] == 0


def test_an_operator_asks_the_running_switch():
    with ControlledSwitch("archive-ctl", **SETTINGS) as switch:
        switch.begin(2)
        demo.wait(demo.start_terminals(switch.control, 2, accounts=30, bets=12_000, rate=4_000))
        wait_until(lambda: shard(switch)["archived_segment"] > 0, 60, "something is archived")
        row = switch.control.json("journal", "status")["shards"][0]
        assert row["disk"] == "room" and row["archive"].endswith("archive/shard-0")
        assert len(row["seal_chain"]) == 64 and row["recovery"]["cut_batches"] == 0
        found = switch.control.json("journal", "verify")
        assert found["ok"] and found["archives_compared"] > 0 and found["seals"] > 0
        assert switch.control.json("journal", "archive")["waiting_segments"] == 0
        assert switch.control.json("shards")["shards"][0]["recovery"]["kept_lsn"] == 0
        archive = switch.path("var/lib/sluice/archive/shard-0")
        name = next(name for name in sorted(os.listdir(archive)) if name.endswith(".zst"))
        with open(os.path.join(archive, name), "r+b") as stream:
            stream.seek(5_000)
            stream.write(b"\xff\x00\xff")
        ran = switch.control.ctl("journal", "verify", check=False)
        assert ran.returncode == 1 and name in ran.stderr, ran.stderr


def archive_files(switch):
    """Name and bytes of every file of the archive."""
    found = {}
    for base, _, files in os.walk(switch.path("archive")):
        for name in files:
            with open(os.path.join(base, name), "rb") as stream:
                found[os.path.join(base, name)] = stream.read()
    return found


def test_an_older_copy_of_the_root_is_not_started_on_beside_its_archive():
    """All shards and control as they were: nothing in the root says so, but the archive does."""
    settings = {**SETTINGS, "shards": 2}
    with Switch("archive-older", **settings) as switch:
        switch.settings.archive = switch.path("archive")  # on another disk
        switch.begin(2)
        play(switch, 6_000)
        wait_until(lambda: all(s["waiting_segments"] == 0 for s in switch.status()["shards"]), 60,
                   "all archived")
        switch.stop()
        data = switch.path("var/lib/sluice")
        shutil.copytree(data, switch.path("older"))
        switch.restart()
        play(switch, 12_000)
        wait_until(lambda: all(s["waiting_segments"] == 0 for s in switch.status()["shards"]), 60,
                   "all archived")
        switch.stop()
        had = archive_files(switch)
        os.rename(data, switch.path("newest"))
        shutil.copytree(switch.path("older"), data)
        try:
            switch.start()
            raise AssertionError("an older copy was started on")
        except InstanceError as error:
            said = str(error)
        assert f"{data}/shard-0 ends at LSN" in said and "older copy" in said, said
        assert f"{switch.path('archive')}/shard-0" in said and "--archive" in said, said
        assert archive_files(switch) == had
        shutil.rmtree(data)
        os.rename(switch.path("newest"), data)
        switch.restart()
        play(switch, 300)
        switch.stop()
        assert switch.verify()["ok"]


def warned(switch, what):
    """Warnings of the sealer that hold these words."""
    with open(switch.log, encoding="utf-8") as stream:
        found = [json.loads(line) for line in stream if what in line]
    assert all(line["level"] == "warning" for line in found)
    return [line["message"] for line in found]


def verified(switch, *options):
    """(exit status, what is wrong, the archive's part)."""
    code, found = database(switch, "verify", *options)
    damage = found["first_damage"]
    return code, damage["what"] if damage else "", found["shards"][0].get("archive")


def damages(archive):
    """(what is done to the archive, words of verify); archive: a shard's folder, whole again."""
    names = sorted(os.listdir(archive))
    files = [name for name in names if name.endswith(".seg.zst")]
    manifest = next(name for name in names if name.endswith(".manifest"))

    def numbers(*gone):
        return ", ".join(str(int(files[at][17:33], 16)) for at in gone)

    def remove(*gone):
        for name in gone:
            os.remove(os.path.join(archive, name))

    def change(name, at):
        with open(os.path.join(archive, name), "r+b") as stream:
            stream.seek(at)
            byte = stream.read(1)
            stream.seek(at)
            stream.write(bytes([byte[0] ^ 1]))

    parent = os.path.dirname(archive)
    mark = "/shard-0/journal/journal.archive away"
    return [
        (lambda: shutil.rmtree(archive), [archive, "is gone", mark]),
        (lambda: shutil.rmtree(parent), [archive, "is gone", mark]),
        (lambda: remove(*names), [archive, "has nothing of this journal", mark]),
        (lambda: remove(files[0]), [archive, f"segments {numbers(0)} (", "missing", mark]),
        (lambda: remove(files[0], files[2]), [archive, f"segments {numbers(0, 2)} (", mark]),
        (lambda: change(files[1], 5_000), [archive, files[1], "does not give the bytes"]),
        (lambda: change(files[1], 40), [archive, files[1], "header is damaged"]),
        (lambda: shutil.copy(os.path.join(archive, files[0]), os.path.join(archive, files[1])),
         [archive, files[1], "of another segment"]),
        (lambda: remove(manifest), [archive, manifest, "is missing"]),
        (lambda: os.truncate(os.path.join(archive, manifest), 400), [archive, manifest, "ends at"]),
        (lambda: os.truncate(os.path.join(archive, manifest), 0), [archive, manifest, "damaged"]),
        (lambda: change(manifest, 400), [archive, manifest, "byte"]),
    ]


def test_verify_names_what_is_gone_or_changed_in_the_archive():
    with Switch("archive-verify", **SETTINGS) as switch:
        switch.begin(2)
        play(switch, 40_000)
        wait_until(lambda: recycled(switch) > 4, 60, "segments used again")
        # Beside the running switch, too.
        code, what, archive = verified(switch)
        assert code == 0 and archive["files"] > 3 and archive["lost"] == 0, (what, archive)
        switch.stop()
        code, what, archive = verified(switch)
        assert code == 0 and archive["files"] > 3 and archive["lost"] == 0, (what, archive)
        folder = archive["directory"]
        parent, kept = os.path.dirname(folder), switch.path("kept")
        assert folder == switch.path("var/lib/sluice/archive/shard-0")
        shutil.copytree(parent, kept)
        for at in range(len(damages(folder))):
            do, words = damages(folder)[at]
            do()
            code, what, archive = verified(switch)
            assert code == 1 and all(word in what for word in words), (at, what)
            assert not archive["ok"]
            # A start needs none, and repair has nothing to do with it.
            assert "nothing is damaged" in database(switch, "repair", "--shard", "0")[1], at
            # Where it is now can be said.
            code, what, archive = verified(switch, "--archive", kept)
            assert code == 0 and archive["directory"] == kept + "/shard-0", what
            shutil.rmtree(parent, ignore_errors=True)
            shutil.copytree(kept, parent)
        assert verified(switch)[0] == 0
        code, what, _ = verified(switch, "--archive", switch.path("nowhere"))
        assert code == 1 and "nowhere/shard-0" in what, what
        # A backup has no journal: an archive that is given is not silently left out.
        backup = switch.path("backup")
        subprocess.run([os.path.join(BUILD, "tools/sluice-db"), "backup", "create", switch.root,
                        backup], check=True, stdout=subprocess.DEVNULL)
        for options, status in ((), 0), (("--archive", kept), 1):
            ran = subprocess.run([os.path.join(BUILD, "tools/sluice-db"), "verify", "--root",
                                  backup, *options], stdout=subprocess.PIPE, check=False)
            assert ran.returncode == status, ran.stdout
        # The journal's own manifest gone, the archive's there.
        manifest = switch.path("var/lib/sluice/shard-0/journal/journal.manifest")
        os.rename(manifest, manifest + "-away")
        code, what, _ = verified(switch)
        assert code == 1 and "journal.manifest is missing" in what and folder in what, what
        os.rename(manifest + "-away", manifest)
        # The mark damaged: that hides no archive that is gone.
        mark = switch.path("var/lib/sluice/shard-0/journal/journal.archive")
        os.rename(mark, mark + "-away")
        with open(mark, "wb") as stream:
            stream.write(b"sluice-journal-archive 1\n")
        code, what, _ = verified(switch)
        assert code == 1 and "journal.archive is damaged" in what, what
        assert verified(switch, "--archive", kept)[0] == 0
        os.rename(mark + "-away", mark)
        # A file in the place of the folder.
        shutil.rmtree(folder)
        with open(folder, "w", encoding="utf-8"):
            pass
        code, what, _ = verified(switch)
        assert code == 1 and "cannot be opened: Not a directory" in what and folder in what, what
        os.remove(folder)
        # Given up, as it says.
        shutil.rmtree(parent)
        os.remove(switch.path("var/lib/sluice/shard-0/journal/journal.archive"))
        switch.restart()
        assert shard(switch)["archive_lacks"] > 0 and warned(switch, "gone or new")
        switch.stop()
        assert verified(switch)[0] == 0
        switch.restart()
        assert shard(switch)["archive_lacks"] == 0
        play(switch, 6_000)
        switch.stop()
        assert verified(switch)[0] == 0


def test_a_new_archive_of_an_old_switch_is_not_taken_for_a_lost_one():
    with Switch("archive-new", **{**SETTINGS, "archive": "", "segments_ready": 1}) as switch:
        switch.begin(2)
        play(switch, 12_000)
        wait_until(lambda: recycled(switch) > 1, 60, "a segment used again")
        switch.stop()
        code, what, archive = verified(switch)
        assert code == 0 and archive is None, what
        for folder, words in (("archive", "begins with segment"),
                              (switch.path("other"), "was archived before is in archive")):
            switch.settings.archive = folder
            switch.restart()
            assert shard(switch)["archive_lacks"] == 0
            assert len(warned(switch, words)) == 1 and folder in warned(switch, words)[0]
            before = recycled(switch)
            play(switch, 12_000)
            wait_until(lambda: recycled(switch) > before + 1, 60, "a segment used again")
            switch.stop()
            code, what, archive = verified(switch)
            assert code == 0 and archive["files"] > 0, what
            switch.restart()  # and then it says no more
            assert shard(switch)["archive_lacks"] == 0
            assert len(warned(switch, words)) == 1
            switch.stop()
        switch.settings.archive = ""
        switch.restart()
        assert warned(switch, "there is no archive any more")
        switch.stop()
        code, what, archive = verified(switch)
        assert code == 0, what


def test_an_archive_that_is_gone_is_told_at_the_start_and_by_health():
    with ControlledSwitch("archive-gone", **SETTINGS) as switch:
        control = switch.control
        switch.begin(terminals=2)
        archive = switch.path("var/lib/sluice/archive")
        demo.wait(demo.start_terminals(control, 2, 60, 12_000, 4_000), 120)
        wait_until(lambda: recycled(switch) > 1, 60, "a segment used again")
        control.stop()
        switch.stop()
        os.rename(archive, archive + ".away")
        switch.start()
        control.start()
        control.wait_up()
        gone = shard(switch)["archive_lacks"]
        assert gone >= 1
        line = warned(switch, "has not what was archived")[-1]
        assert archive in line and "journal.archive" in line
        assert any("the archive of shard 0 had not" in text
                   for text in control.status()["health"]["problems"])
        assert control.ctl("status", "--health", check=False).returncode != 0
        assert control.json("journal", "status")["shards"][0]["archive_lacks"] == gone
        control.stop()
        switch.stop()
        shutil.rmtree(archive)
        os.rename(archive + ".away", archive)
        switch.start()
        control.start()
        control.wait_up()
        assert shard(switch)["archive_lacks"] == 0
        control.stop()
        switch.stop()
