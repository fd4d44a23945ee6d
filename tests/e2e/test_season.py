# SPDX-License-Identifier: Apache-2.0
"""Seasons, small: the whole of tests/e2e/season. The long form runs it on real files by hand."""

import itertools
import os
import pathlib

import pytest

import season_run
from controlled import ControlledSwitch
from season import synthetic

SHARED = pathlib.Path(os.environ.get(
    "SLUICE_SHARED", pathlib.Path(__file__).resolve().parents[3] / "shared/data"))
FOOTBALL = SHARED / "odds-football-data/E0_2122.csv"
K_LEAGUE = SHARED / "odds-kleague-multimarket/KOR_K1_2021-2024.csv"
K_LEAGUE_MATCHES = 60


def seed_make():
    seed = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed} (repeat with SLUICE_TEST_SEED)")
    return seed


def play(name, path, bets, shards, seed):
    season = season_run.read(path)
    plan = season_run.Plan(bets=bets, accounts=60, terminals=4, corrections=10, seed=seed)
    with ControlledSwitch(name, shards=shards, **season_run.capacities(season, plan)) as switch:
        summary, mismatches = season_run.run(switch, season, plan)
        print(summary)
        assert not mismatches, "\n".join(mismatches)
    assert summary["mismatches"] == 0 and summary["verified"] and summary["open"] == 0
    assert summary["bets"] > 0.8 * bets and summary["accumulators"] > 0.3 * bets
    assert summary["payout"] > 0 and summary["refunds"] > 0
    assert summary["receivable_after_rollback"] > 0, "no reversal found too little money"
    assert {"ODDS_CHANGED", "LEGS_RELATED"} <= summary["codes"].keys()
    return summary


def test_a_made_up_season_on_two_shards(tmp_path):
    seed = seed_make()
    path = tmp_path / "X1_2122.csv"
    synthetic.write(path, seed, teams=10)
    summary = play("synthetic", path, 5_000, 2, seed)
    assert summary["events"] == 90 and summary["markets_changed"] > 200


@pytest.mark.skipif(not FOOTBALL.exists(), reason=f"{FOOTBALL} is not there (SLUICE_SHARED)")
def test_a_real_season():
    summary = play("football", FOOTBALL, 8_000, 1, seed_make())
    assert summary["events"] == 380


@pytest.mark.skipif(not K_LEAGUE.exists(), reason=f"{K_LEAGUE} is not there (SLUICE_SHARED)")
def test_the_k_league_with_its_many_markets(tmp_path):
    path = tmp_path / K_LEAGUE.name
    with open(K_LEAGUE, encoding="utf-8") as stream:
        path.write_text("".join(itertools.islice(stream, K_LEAGUE_MATCHES + 1)), encoding="utf-8")
    season = season_run.read(path)
    plan = season_run.Plan(bets=4_000, accounts=60, terminals=4, corrections=5, seed=seed_make())
    with ControlledSwitch("kleague", **season_run.capacities(season, plan)) as switch:
        summary, mismatches = season_run.run(switch, season, plan)
        assert not mismatches, "\n".join(mismatches)
    assert summary["verified"] and summary["markets"] > 15 * K_LEAGUE_MATCHES


def test_what_the_script_says_of_files_it_cannot_use(tmp_path):
    script = pathlib.Path(__file__).with_name("season")
    path = tmp_path / "bad.csv"
    path.write_text("Div,Date\n", encoding="utf-8")
    for arguments, says in (([path], "no such column"), ([tmp_path / "none.csv"], "No such file")):
        ran = season_run.subprocess.run([script, *map(str, arguments)], capture_output=True,
                                        text=True, check=False)
        assert ran.returncode == 2 and says in ran.stderr
