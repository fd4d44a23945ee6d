# SPDX-License-Identifier: Apache-2.0
"""Reads the K League and J League files: many markets per match, one price each (no closing odds).

`read(path)` -> catalogue.Season; SeasonError names every wrong cell. A selection without a usable
price keeps its place with price 0, so that the numbers of selections are the same in every match.
"""

import datetime
import pathlib

from . import catalogue

REQUIRED = ("Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "HTHG", "HTAG",
            "B365H", "B365D", "B365A")


def totals(measure, over, under, lines):
    """Lines in half goals or corners, as odd numbers: 5 is 2.5."""
    return [("total", measure, 2 * line, (over(line), under(line))) for line in lines]


def goals(part):
    return lambda line: f"{part}_{line // 2}_5"


def corners(side):
    return lambda line: f"odds_corners_{side}_{line // 2}5"


# kind, measure, line in quarters, columns in the order of catalogue.SELECTIONS
MARKETS = [
    ("result", "full", 0, ("B365H", "B365D", "B365A")),
    ("result", "half", 0, ("Odd_1_HT", "Odd_X_HT", "Odd_2_HT")),
    ("result", "second", 0, ("Odd_1_2H", "Odd_X_2H", "Odd_2_2H")),
    ("result", "corners", 0, ("odds_corners_1", "odds_corners_x", "odds_corners_2")),
    ("both_score", "full", 0, ("BTTS_Yes", "BTTS_No")),
    ("double_chance", "full", 0, ("DC_1X", "DC_12", "DC_X2")),
    ("draw_no_bet", "full", 0, ("DNB_1", "DNB_2")),
    ("win_to_nil", "full", 0, ("odds_win_to_nil_1", "odds_win_to_nil_2")),
    ("total", "full", 10, ("B365>2.5", "B365<2.5")),
    *totals("full", goals("Over_FT"), goals("Under_FT"), (1, 3, 7, 9)),
    *totals("half", goals("Over_HT"), goals("Under_HT"), (1, 3, 5, 7)),
    *totals("second", goals("Over_2H"), goals("Under_2H"), (1, 3, 5, 7)),
    *totals("corners", corners("over"), corners("under"), (15, 17, 19, 21, 23)),
]


def market_convert(row, event_id, score, entry):
    kind, measure, line, columns = entry
    odds = tuple(row.maybe(column, catalogue.odds_parse) or 0 for column in columns)
    if not any(odds):
        return []
    if score is not None and score.of(measure) is None:
        row.note(columns[0], f"left out: the file does not say the result ({measure})")
        return []
    return [catalogue.market_make(event_id, kind, (odds, odds), measure, line)]


def convert(row):
    before = len(row.faults)
    date = row.need("Date", catalogue.date_parse)
    time = row.need("Time", catalogue.time_parse)
    home, away = row.teams()
    score = row.score()
    if len(row.faults) > before:
        return None
    # "KOR_K1_2021-2024.csv:12" -> "KOR_K1": the rows do not name their competition.
    competition = pathlib.PurePath(row.where.rsplit(":", 1)[0]).stem.rsplit("_", 1)[0]
    event_id = catalogue.event_id_make(competition, date, home, away)
    markets = [market for entry in MARKETS
               for market in market_convert(row, event_id, score, entry)]
    return catalogue.Event(event_id, competition, datetime.datetime.combine(date, time), home,
                           away, score, tuple(markets))


def read(path):
    return catalogue.read_rows(path, REQUIRED, convert)
