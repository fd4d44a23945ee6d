# SPDX-License-Identifier: Apache-2.0
"""Every file of both data sets is read, bet on, settled and corrected. The data is not part of the
repository: it is looked for in SLUICE_SHARED, by default ../shared/data beside the repository."""

import csv
import os
import pathlib

import pytest
from season import book, catalogue, football_data, kleague, model, settle

SHARED = pathlib.Path(os.environ.get("SLUICE_SHARED") or
                      pathlib.Path(__file__).resolve().parents[3] / "shared/data")
FOLDERS = {football_data: "odds-football-data", kleague: "odds-kleague-multimarket"}
# League: matches of one season; the files of the second data set hold four seasons.
MATCHES = {"E0": 380, "SP1": 380, "I1": 380, "D1": 306}
MATCHES_MANY = {"JPN_J1": 1372, "JPN_J2": 1775, "KOR_K1": 912, "KOR_K2": 876}


def files(reader):
    found = sorted((SHARED / FOLDERS[reader]).glob("*.csv"))
    missing = pytest.mark.skip(reason=f"no files in {SHARED / FOLDERS[reader]}; name the folder "
                               f"that holds {FOLDERS[reader]} in SLUICE_SHARED")
    return [pytest.param(path, id=path.stem) for path in found] or [
        pytest.param(None, marks=missing, id="none")]


def tour(season, bets_count, seed):
    """Bets on a season, real results, 100 others: the two derivations agree at every stage."""
    accounts_ids = tuple(range(1, 51))
    bets = book.generate(season, seed, book.Settings(bets_count, accounts_ids))
    accounts = model.Model()
    for account, amount in book.deposits(bets).items():
        accounts.deposit(account, amount)
    for bet in bets:
        accounts.place_expected(bet)
    for event in season.events:
        accounts.settle_event(event, event.score)
    assert accounts.summary().open == 0 and model.derive(accounts) == accounts.positions
    before = dict(accounts.positions)
    # So many that some bet meets one: with 10 of a file of many seasons, none did by chance.
    for event, score in book.corrections(season, seed, 100):
        accounts.rollback_event(event)
        accounts.settle_event(event, score)
    assert accounts.summary().open == 0 and model.derive(accounts) == accounts.positions
    assert accounts.positions != before
    return accounts.summary()


@pytest.mark.parametrize("path", files(football_data))
def test_football_data(path, seed):
    season = football_data.read(path)
    assert len(season.events) == MATCHES[path.stem.split("_")[0]]
    kinds = [market.kind for market in season.markets()]
    for kind in ("result", "total", "handicap"):
        assert kinds.count(kind) >= len(season.events) - 12, kind
    assert len(season.notes) <= 4, season.notes
    quarter = [market for market in season.markets()
               if market.kind == "handicap" and market.line % 2]
    assert quarter
    print(f"{path.stem}: {len(season.events)} matches, {len(kinds)} markets, "
          f"{len(season.changes())} change, {len(quarter)} quarter lines")
    summary = tour(season, 1000, seed)
    assert summary.bets > 900 and summary.accumulators > 250 and summary.payout > 0


@pytest.mark.parametrize("path", files(football_data))
def test_results_agree_with_the_column_of_results(path):
    """1X2 is settled from the goals; the file says H, D or A in a column of its own."""
    with open(path, encoding="utf-8", newline="") as stream:
        said = {(row["Date"], row["HomeTeam"]): row["FTR"] for row in csv.DictReader(stream)}
    for event in football_data.read(path).events:
        outcomes = settle.outcomes(event.markets[0], event.score)
        assert event.markets[0].kind == "result" and outcomes.count(settle.WIN) == 1
        assert "HDA"[outcomes.index(settle.WIN)] == said[event.start.date().isoformat(), event.home]


@pytest.mark.parametrize("path", files(kleague))
def test_kleague(path, seed):
    season = kleague.read(path)
    assert len(season.events) == MATCHES_MANY[path.stem.rsplit("_", 1)[0]]
    markets = season.markets()
    assert len(markets) > 24 * len(season.events)
    assert {market.measure for market in markets} == set(catalogue.MEASURES)
    assert len(season.notes) < 100
    print(f"{path.stem}: {len(season.events)} matches, {len(markets)} markets, "
          f"{len(season.notes)} notes")
    summary = tour(season, 1000, seed)
    assert summary.bets > 900 and summary.payout > 0


def test_all_files_together_have_different_ids():
    seasons = [reader.read(parameter.values[0]) for reader in FOLDERS
               for parameter in files(reader) if parameter.values[0]]
    if not seasons:
        pytest.skip(f"no files in {SHARED}; see SLUICE_SHARED")
    season = catalogue.merge(seasons)
    markets = season.markets()
    assert len({market.id for market in markets}) == len(markets)
    print(f"{len(season.events)} matches, {len(markets)} markets")
