# SPDX-License-Identifier: Apache-2.0
"""bench/ladder's search and judgement, and bench/plot, without a switch."""

import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess
import types

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOADER = importlib.machinery.SourceFileLoader("ladder", os.path.join(TOP, "bench/ladder"))
ladder = importlib.util.module_from_spec(importlib.util.spec_from_loader("ladder", LOADER))
LOADER.exec_module(ladder)

GOOD = {"problems": [], "unsent": 0, "acked_per_s": 1000, "offered_per_s": 1000, "p99_us": 10.0}


def options(**more):
    return types.SimpleNamespace(**{"first": 1000, "to": 1_000_000, "tries": 1, "precision": 5,
                                    **more})


def search(limit, **more):
    """A switch that is good up to `limit`: (rates tried, best)."""
    asked = options(**more)
    steps, best = ladder.search(lambda rate: {"rate": rate, "good": rate <= limit}, asked)
    return [step["rate"] for step in steps], best


@pytest.mark.parametrize("limit", [1000, 1001, 4321, 64_000, 999_999])
def test_the_search_ends_just_below_the_limit(limit):
    tried, best = search(limit)
    assert best in tried and best <= limit
    assert limit - best <= max(2, 1.06 * 0.05 * limit)


def test_no_rate_is_good_or_all_are():
    assert search(999) == ([1000], 0)
    tried, best = search(10**9, to=3000)
    assert (tried, best) == ([1000, 2000, 3000], 3000)


def test_a_bad_run_is_tried_again():
    runs = iter([False, True, True, False, False, False, False])
    steps, best = ladder.search(
        lambda rate: {"rate": rate, "good": next(runs)}, options(tries=2, precision=50))
    assert [step["rate"] for step in steps] == [1000, 1000, 2000, 4000, 4000]
    assert best == 2000


@pytest.mark.parametrize("change, bad", [
    ({}, False), ({"problems": ["requests were lost"]}, True), ({"unsent": 1}, True),
    ({"acked_per_s": 989}, True), ({"p99_us": 50.1}, True), ({"p99_us": 50.0}, False)])
def test_what_makes_a_run_bad(change, bad):
    assert bool(ladder.judge({**GOOD, **change}, 50.0)) == bad


def plot(tmp_path, report):
    out = tmp_path / "out.png"
    drawn = subprocess.run([os.path.join(TOP, "bench/plot"), "-", "--out", out], text=True,
                           input=json.dumps(report), capture_output=True, check=False)
    return drawn, out


@pytest.mark.skipif(shutil.which("gnuplot") is None, reason="gnuplot is not installed")
def test_plots_are_drawn(tmp_path):
    step = {"port": "memif", "messages_per_datagram": 1, "p50_us": 1, "p90_us": 2, "p99_us": 3,
            "p999_us": 4}
    report = {"schema": "bench-ladder/1", "rate_max": 10, "p99_bound_us": 5, "steps": [
        {**step, "rate": 10, "good": True}, {**step, "rate": 20, "good": False}]}
    drawn, out = plot(tmp_path, report)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert out.read_bytes().startswith(b"\x89PNG")
    report = {"schema": "bench-compare/1", "entries": [
        {"name": "it's `this`", "acked_per_s": 10, "p99_us": 5},
        {"name": "that", "acked_per_s": 20, "p99_us": 7}, {"name": "left out"}]}
    drawn, out = plot(tmp_path, report)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert out.read_bytes().startswith(b"\x89PNG")


def test_another_schema_is_not_drawn(tmp_path):
    drawn, out = plot(tmp_path, {"schema": "other/1"})
    if drawn.returncode != 3:
        assert drawn.returncode == 2 and "other/1" in drawn.stderr and not out.exists()
