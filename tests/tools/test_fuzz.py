# SPDX-License-Identifier: Apache-2.0
"""What tools/fuzz keeps: its log, and corpora packed into one file a target."""

import os

import pytest

import corpora
from fuzz_log import FuzzLog, figures_of

OUTPUT = """#2\tINITED cov: 120 ft: 200 corp: 3/1Kb exec/s: 0 rss: 40Mb
#4096\tNEW    cov: 140 ft: 260 corp: 9/2Kb exec/s: 2048 rss: 41Mb
stat::number_of_executed_units: 5000
stat::new_units_added:          17
"""


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as stream:
        stream.write(data)


def test_figures_are_those_of_libfuzzer(tmp_path):
    write(tmp_path, "log", OUTPUT.encode())
    assert figures_of(tmp_path / "log") == {"executions": 5000, "new": 17, "coverage": 140}
    # One that was killed said less.
    write(tmp_path, "killed", OUTPUT.partition("stat::")[0].encode())
    assert figures_of(tmp_path / "killed") == {"executions": 4096, "new": 0, "coverage": 140}
    write(tmp_path, "nothing", b"")
    assert figures_of(tmp_path / "nothing") == {"executions": 0, "new": 0, "coverage": 0}


def test_the_log_adds_up_and_a_torn_line_is_no_run(tmp_path):
    log = FuzzLog(str(tmp_path / "fuzz.log"))
    figures = {"executions": 1000, "new": 3, "coverage": 50}
    assert log.seconds() == {} and log.text().startswith("0 targets: 0 s")
    log.add("frame", 60, 30.5, figures, 0)
    log.add("frame", 60, 29.5, figures, 1)
    log.add("tls", 60, 10, figures, 0)
    with open(log.path, "a", encoding="utf-8") as stream:
        stream.write("2026-11-21T10:00:00Z abc tls wall=60 cpu=5")
    assert log.seconds() == {"frame": 60, "tls": 10}
    assert log.text().splitlines()[-1] == (
        "2 targets: 70 s of the processor, 180 s by the clock, 3000 runs, 1 failures in the log")


def test_a_pack_gives_back_the_smallest_inputs_that_are_not_seeds(tmp_path):
    merged, out = tmp_path / "merged", tmp_path / "out"
    merged.mkdir()
    out.mkdir()
    inputs = [b"", b"a", b"bb", bytes(corpora.SIZE_MAX - 100), bytes(200)]
    for number, data in enumerate(inputs):
        write(merged, f"input-{number}", data)
    write(merged, "seed", b"s")
    size, count = corpora.pack(merged, {"seed"}, str(tmp_path / "packs/fuzz_x.pack"))
    assert count == 4 and size <= corpora.SIZE_MAX
    corpora.unpack(str(tmp_path / "packs/fuzz_x.pack"), out)
    found = sorted((out / name).read_bytes() for name in os.listdir(out))
    assert found == sorted([b"", b"a", b"bb", bytes(200)])


def test_no_pack_is_an_empty_one_and_another_file_is_none(tmp_path):
    corpora.unpack(str(tmp_path / "missing"), tmp_path)
    assert os.listdir(tmp_path) == []
    write(tmp_path, "other", b"something else")
    with pytest.raises(ValueError):
        corpora.unpack(str(tmp_path / "other"), tmp_path)
