# SPDX-License-Identifier: Apache-2.0
"""Reads season files of www.football-data.co.uk: 1X2, over/under 2.5, Asian handicap.

`read(path)` -> catalogue.Season; SeasonError names every wrong cell. Column names follow the site's
notes.txt: <bookmaker><H|D|A>, <bookmaker>>2.5 and <2.5, <bookmaker>AHH and AHA with the line in AHh
(BbAHh before 2019/20); a C after the bookmaker marks closing odds (AHCh: the closing line).
"""

import datetime

from . import catalogue

REQUIRED = ("Div", "Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR")
TIME_UNKNOWN = datetime.time(15, 0)

# In order of preference; each entry is how the site abbreviates one bookmaker (or the market's
# average, or its best price: last, since no book offers all of those at once).
RESULT_BOOKS = ("B365", "PS", "P", "WH", "BW", "IW", "VC", "LB", "GB", "SB", "SJ", "BS", "SO", "SY",
                "BF", "BFE", "1XB", "Avg", "BbAv", "Max", "BbMx")
PAIR_BOOKS = ("B365", "P", "GB", "LB", "BFE", "Avg", "BbAv", "Max", "BbMx")
# Bookmakers whose line has a column of its own in older seasons, and the shared ones.
LINES_OPENING = {"GB": "GBAH", "LB": "LBAH", "BbAv": "BbAHh", "BbMx": "BbAHh"}


def prices(row, columns):
    """Odds from the columns, or None when one is missing, empty or unusable (noted)."""
    if not all(row.get(column) for column in columns):
        return None
    odds = tuple(row.maybe(column, catalogue.odds_parse) for column in columns)
    return None if None in odds else odds


def choose(books, opening, closing):
    """(opening, closing) of the first bookmaker with both, else of the first with either."""
    best = (None, None)
    for book in books:
        pair = opening(book), closing(book)
        if None not in pair:
            return pair
        best = tuple(old if old is not None else new for old, new in zip(best, pair))
    return best


def result_market(row, event_id):
    first, last = choose(
        RESULT_BOOKS,
        lambda book: prices(row, [book + side for side in "HDA"]),
        lambda book: prices(row, [f"{book}C{side}" for side in "HDA"]))
    return price_both(event_id, "result", first, last)


def total_market(row, event_id):
    first, last = choose(
        PAIR_BOOKS,
        lambda book: prices(row, [book + side for side in (">2.5", "<2.5")]),
        lambda book: prices(row, [f"{book}C{side}" for side in (">2.5", "<2.5")]))
    return price_both(event_id, "total", first, last, 10)


def price_both(event_id, kind, first, last, line=0):
    """[Market], [] without any price. Without closing odds the opening ones stay; a market with
    closing odds alone is offered from the odds change on."""
    if first is None and last is None:
        return []
    return [catalogue.market_make(event_id, kind, (first, last or first), line=line)]


def handicap_markets(row, event_id):
    """A line that moves is another market: the first is suspended, the second opens."""
    def opening(book):
        if f"{book}AHH" not in row.cells:
            return None  # its line is no fault of a row that has no such odds
        return with_line(row, LINES_OPENING.get(book, book_line(row, book)),
                         (f"{book}AHH", f"{book}AHA"))

    def closing(book):
        return with_line(row, "AHCh", (f"{book}CAHH", f"{book}CAHA"))

    first, last = choose(PAIR_BOOKS, opening, closing)
    if last is None:
        last = first
    if first is None:
        first = (None, None)
    if last is None:
        return []
    if first[0] == last[0]:
        return [catalogue.market_make(event_id, "handicap", (first[1], last[1]), line=last[0])]
    moved = [] if first[1] is None else [
        catalogue.market_make(event_id, "handicap", (first[1], None), line=first[0])]
    return moved + [catalogue.market_make(event_id, "handicap", (None, last[1]), line=last[0])]


def book_line(row, book):
    return f"{book}AH" if row.get(f"{book}AH") else "AHh"


def with_line(row, line_column, columns):
    """(line, odds), or None when one of the cells is missing or unusable."""
    if not row.get(line_column):
        return None
    odds = prices(row, columns)
    line = row.maybe(line_column, catalogue.line_parse) if odds is not None else None
    return None if line is None else (line, odds)


def convert(row):
    before = len(row.faults)
    competition = row.need("Div")
    date = row.need("Date", catalogue.date_parse)
    time = row.maybe("Time", catalogue.time_parse) or TIME_UNKNOWN
    home, away = row.teams()
    score = row.score()
    if len(row.faults) > before:
        return None
    event_id = catalogue.event_id_make(competition, date, home, away)
    markets = (result_market(row, event_id) + total_market(row, event_id) +
               handicap_markets(row, event_id))
    if not markets:
        row.note("HomeTeam", "no odds at all: the match has no markets")
    return catalogue.Event(event_id, competition, datetime.datetime.combine(date, time), home,
                           away, score, tuple(markets))


def read(path):
    return catalogue.read_rows(path, REQUIRED, convert)
