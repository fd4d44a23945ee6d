# SPDX-License-Identifier: Apache-2.0
"""tools/check --long goes on where it was stopped, and only there."""

import os
import subprocess

import pytest

import check
import seeds
from long_state import LongState, commit_of


@pytest.fixture(name="path")
def path_fixture(tmp_path):
    return str(tmp_path / "long-state.json")


def test_passed_suite_is_known_to_the_next_run(path):
    LongState(path, "aa").record("unit", check.Count(passed=5, skipped=1), 2.0)
    earlier = LongState(path, "aa").passed("unit")
    assert (earlier["passed"], earlier["skipped"]) == (5, 1)
    assert LongState(path, "aa").passed("e2e") is None


def test_failed_suite_runs_again_even_if_it_passed_before(path):
    state = LongState(path, "aa")
    state.record("unit", check.Count(passed=5), 2.0)
    state.record("unit", check.Count(passed=4, failed=1), 2.0)
    assert LongState(path, "aa").passed("unit") is None


def test_other_commit_and_fresh_know_nothing(path):
    LongState(path, "aa").record("unit", check.Count(passed=5), 2.0)
    assert LongState(path, "bb").passed("unit") is None
    assert LongState(path, "aa", fresh=True).passed("unit") is None


def test_without_a_commit_nothing_is_kept(path):
    LongState(path, "").record("unit", check.Count(passed=5), 2.0)
    assert not os.path.exists(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "sluice-check-long/1"}'])
def test_damaged_state_file_is_no_state(path, text):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    assert LongState(path, "aa").passed("unit") is None


def test_changed_files_are_no_commit(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b",
                        *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)

    assert commit_of(str(tmp_path)) == ""
    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    assert len(commit_of(str(tmp_path))) == 40
    (tmp_path / "file").write_text("two")
    assert commit_of(str(tmp_path)) == ""


def test_seeds_names_the_seed_that_fails_and_leaves_out_what_is_not_random(capsys):
    say = 'echo "seed $SLUICE_TEST_SEED (repeat with SLUICE_TEST_SEED)"; '
    names, failed = seeds.sweep({
        "good": (["sh", "-c", say], "/", {}),
        "bad": (["sh", "-c", say + '[ "$SLUICE_TEST_SEED" != "$BAD" ]'], "/", {"BAD": "12"}),
        "plain": (["true"], "/", {})}, 10, 5)
    assert (names, failed) == (["bad", "good"], {"bad": 12})
    assert "bad failed: SLUICE_TEST_SEED=12" in capsys.readouterr().out


def test_long_form_kills_1000_times_and_lets_chaos_reign_20_times():
    suites = {suite.name: suite for suite in check.suites_all(True, "x-")}
    assert suites["kills"].environment["SLUICE_KILLS"] == "1000"
    assert suites["kills"].command[-1].endswith("tests/e2e/test_kill.py")
    assert suites["chaos"].environment["SLUICE_CHAOS"] == "20"
    assert suites["chaos"].command[-1].endswith("tests/e2e/test_chaos.py")
    assert suites["switches"].environment["SLUICE_SWITCHES"] == "1000"
    assert suites["switches"].command[-1].endswith("tests/e2e/test_rules_switch.py")
    for name in ("kills", "chaos", "switches"):
        assert os.path.exists(suites[name].command[-1])
        assert suites[name].environment["SLUICE_E2E_PREFIX"] == "x-"
        assert check.needs(suites[name]) == ["release"]
    short = {suite.name for suite in check.suites_all(False, "x-")}
    assert not short & {"kills", "chaos", "switches"}
