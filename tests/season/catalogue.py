# SPDX-License-Identifier: Apache-2.0
"""What both file formats are read into: events, markets with odds, scores.

Whole numbers only: odds in 1/1000, lines in quarters of a goal. Numbers are read digit by digit.
"""

import csv
import dataclasses
import datetime
import hashlib
import re

ODDS_MIN, ODDS_MAX = 1001, 10_000_000  # wire/README.md, section 14
FAULTS_SHOWN_MAX = 20
LINE_LIMIT = 64  # quarters; 7 bits of a market id
OPENING, CLOSING = 0, 1  # phases: the odds change lies between them

# The number of a kind and of a measure is part of market ids: append only.
KINDS = ("result", "total", "handicap", "both_score", "double_chance", "draw_no_bet", "win_to_nil")
MEASURES = ("full", "half", "second", "corners")
SELECTIONS = {
    "result": ("home", "draw", "away"),
    "total": ("over", "under"),
    "handicap": ("home", "away"),
    "both_score": ("yes", "no"),
    "double_chance": ("home_or_draw", "home_or_away", "draw_or_away"),
    "draw_no_bet": ("home", "away"),
    "win_to_nil": ("home", "away"),
}


class SeasonError(ValueError):
    """The file cannot be used; one line per fault, each naming file, line and column."""


class Unusable(ValueError):
    """A number, but not one that can be offered: the market or price is left out and noted."""


@dataclasses.dataclass(frozen=True)
class Score:
    """(home, away) each; None where the source does not say."""
    full: tuple
    half: tuple = None
    corners: tuple = None

    def of(self, measure):
        if measure == "second":
            return None if self.half is None else (
                self.full[0] - self.half[0], self.full[1] - self.half[1])
        return getattr(self, measure)


@dataclasses.dataclass(frozen=True)
class Market:
    id: int
    event_id: int
    kind: str
    measure: str
    line: int  # quarters; of the home team for a handicap; 0 without a line
    prices: tuple  # per phase: odds per selection (0: no price), or None: not on offer

    @property
    def selections(self):
        return SELECTIONS[self.kind]

    @property
    def name(self):
        text = self.kind if self.measure == "full" else f"{self.measure} {self.kind}"
        if self.kind not in ("total", "handicap"):
            return text
        sign = "-" if self.line < 0 else "+" if self.line and self.kind == "handicap" else ""
        whole, quarters = divmod(abs(self.line), 4)
        return f"{text} {sign}{whole}{('', '.25', '.5', '.75')[quarters]}"


@dataclasses.dataclass(frozen=True)
class Event:
    id: int
    competition: str
    start: datetime.datetime  # by the source's own clock: good for order, not for kick-off
    home: str
    away: str
    score: Score  # None: not played; all its markets are void
    markets: tuple


@dataclasses.dataclass
class Season:
    """Events in order of start, then id; notes say what was left out and why."""
    events: list
    notes: list

    def markets(self):
        return [market for event in self.events for market in event.markets]

    def changes(self):
        """The markets that differ between the phases; prices[CLOSING] None means suspended."""
        return [market for market in self.markets() if market.prices[0] != market.prices[1]]


def event_id_make(competition, date, home, away):
    """40 bits: not 0 and unlike others only with luck, so merge() checks."""
    text = "\n".join((competition, date.isoformat(), home, away))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:5], "big")


def market_id_make(event_id, kind, measure, line=0):
    """event id, 3 bits of kind, 2 of measure, 7 of line: below 2^52, fit for any JSON reader."""
    if not -LINE_LIMIT <= line < LINE_LIMIT:
        raise Unusable(f"a line of {line} quarters is out of range")
    code = KINDS.index(kind) << 9 | MEASURES.index(measure) << 7 | (line + LINE_LIMIT)
    return event_id << 12 | code


def market_make(event_id, kind, prices, measure="full", line=0):
    market_id = market_id_make(event_id, kind, measure, line)
    for odds in prices:
        if odds is not None and len(odds) != len(SELECTIONS[kind]):
            raise ValueError(f"{len(odds)} prices for {kind}")
    return Market(market_id, event_id, kind, measure, line, tuple(prices))


def merge(seasons):
    """One season of several; SeasonError when two matches share an id."""
    events, seen = [], {}
    for event in (event for season in seasons for event in season.events):
        other = seen.setdefault(event.id, event)
        if other is not event or event.id == 0:
            raise SeasonError(f"{event.competition} {event.start.date()} {event.home} - "
                              f"{event.away} and {other.competition} {other.start.date()} "
                              f"{other.home} - {other.away} have the same id {event.id}. "
                              "Leave out one of the two, or the file that was given twice.")
        events.append(event)
    events.sort(key=lambda event: (event.start, event.id))
    return Season(events, [note for season in seasons for note in season.notes])


# ---- Numbers ----

def thousandths(text):
    """ "2.15" -> 2150, "-0.25" -> -250. ValueError: no number. Unusable: more than 3 places."""
    match = re.fullmatch(r"(-?)([0-9]{1,7})(?:\.([0-9]+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a decimal number")
    sign, whole, places = match.groups()
    places = (places or "").rstrip("0")
    if len(places) > 3:
        raise Unusable(f"{text!r} has more than three decimal places")
    value = int(whole) * 1000 + int(places.ljust(3, "0"))
    return -value if sign else value


def odds_parse(text):
    value = thousandths(text)
    if not ODDS_MIN <= value <= ODDS_MAX:
        raise Unusable(f"odds {text!r} are outside 1.001 .. 10000")
    return value


def line_parse(text):
    value = thousandths(text)
    if value % 250:
        raise Unusable(f"line {text!r} is not a multiple of a quarter")
    if not -LINE_LIMIT <= value // 250 < LINE_LIMIT:
        raise Unusable(f"line {text!r} is out of range")
    return value // 250


def count_parse(text):
    """ "9" or, as some copies write it, "9.0"."""
    if re.fullmatch(r"[0-9]{1,3}(\.0+)?", text) is None:
        raise ValueError(f"{text!r} is not a whole number from 0 to 999")
    return int(text.partition(".")[0])


def date_parse(text):
    """The site writes 13/08/2021 (older: 13/08/05), some copies 2021-08-13."""
    for pattern, form in ((r"\d{4}-\d\d-\d\d", "%Y-%m-%d"), (r"\d\d/\d\d/\d{4}", "%d/%m/%Y"),
                          (r"\d\d/\d\d/\d\d", "%d/%m/%y")):
        if re.fullmatch(pattern, text, re.ASCII):
            try:
                return datetime.datetime.strptime(text, form).date()
            except ValueError:
                break
    raise ValueError(f"{text!r} is not a date such as 2021-08-13 or 13/08/2021")


def time_parse(text):
    if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text, re.ASCII) is None:
        raise ValueError(f"{text!r} is not a time such as 20:00")
    return datetime.time.fromisoformat(text)


# ---- Rows ----

class Row:
    """One line of a file. Faults go to `faults`; cells that cannot be used to `notes`."""

    def __init__(self, path, line, cells, faults, notes):
        self.where = f"{path}:{line}"
        self.cells = cells
        self.faults = faults
        self.notes = notes

    def fault(self, column, text):
        self.faults.append(f"{self.where}: {column}: {text}")

    def note(self, column, text):
        note = f"{self.where}: {column}: {text}"
        if note not in self.notes[-8:]:  # two bookmakers may share a column
            self.notes.append(note)

    def is_text(self):
        """Bytes that are no UTF-8 were let through as lone surrogates: now the column is known."""
        wrong = [column for column, text in self.cells.items()
                 if re.search("[\ud800-\udfff]", text)]
        for column in wrong:
            self.fault(column, "is not UTF-8; write the file anew in UTF-8")
        return not wrong

    def get(self, column):
        return self.cells.get(column, "").strip()

    def need(self, column, parse=str):
        """The value; None after noting the fault."""
        text = self.get(column)
        if not text:
            self.fault(column, "is empty")
            return None
        return self.maybe(column, parse)

    def maybe(self, column, parse):
        """The value; None when the cell is empty, unusable (noted) or wrong (a fault)."""
        text = self.get(column)
        if not text:
            return None
        try:
            return parse(text)
        except Unusable as error:
            self.note(column, str(error))
        except ValueError as error:
            self.fault(column, str(error))
        return None

    def pair(self, home, away, parse=count_parse):
        """(home, away), or None when both are empty; one alone is a fault."""
        values = self.maybe(home, parse), self.maybe(away, parse)
        if bool(self.get(home)) != bool(self.get(away)):
            self.fault(away if self.get(home) else home, "is empty, but not its pair")
        return None if None in values else values

    def teams(self):
        home, away = self.need("HomeTeam"), self.need("AwayTeam")
        if home is not None and home == away:
            self.fault("AwayTeam", f"is {away!r} like HomeTeam")
        return home, away

    def score(self):
        """None when none of the three is given: not played."""
        if not (self.get("FTHG") or self.get("FTAG") or self.get("FTR")):
            self.note("FTHG", "no result: all its markets are void")
            return None
        full = self.pair("FTHG", "FTAG")
        if full is None:
            if not self.get("FTHG"):
                self.fault("FTHG", "is empty, but FTR is not")
            return None
        result = "H" if full[0] > full[1] else "A" if full[0] < full[1] else "D"
        if self.get("FTR") != result:
            self.fault("FTR", f"is {self.get('FTR')!r}, but the goals say {result!r}")
        half = self.pair("HTHG", "HTAG")
        for side in (0, 1) if half else ():
            if half[side] > full[side]:
                self.fault(("HTHG", "HTAG")[side], "is more than the goals of the whole match")
        return Score(full, half, self.pair("HC", "AC") if self.get("HC") or self.get("AC")
                     else None)


def read_rows(path, required, convert):
    """A Season of the rows. `convert(row)` makes an Event, or None when it found a fault."""
    faults, notes, events, seen = [], [], [], {}
    line = 1
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            while header and not header[-1].strip():
                header.pop()  # the site's own files end lines with spare commas
            header_check(path, header, required)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                line = reader.line_num
                row = Row(path, line, dict(zip(header, cells)), faults, notes)
                if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header):]):
                    row.fault(f"cell {len(cells)}",
                              f"{len(cells)} cells, but the header has {len(header)}")
                    continue
                event = convert(row) if row.is_text() else None
                if event is None:
                    continue
                if event.id in seen:
                    row.fault("HomeTeam", f"the match of {seen[event.id]} again")
                seen[event.id] = row.where
                events.append(event)
    except OSError as error:
        raise SeasonError(f"{path}: {error.strerror}") from error
    except csv.Error as error:
        raise SeasonError(f"{path}: after line {line}: {error}") from error
    if faults:
        more = len(faults) - FAULTS_SHOWN_MAX
        raise SeasonError("\n".join(faults[:FAULTS_SHOWN_MAX] +
                                    ([f"{path}: and {more} more faults"] if more > 0 else [])))
    if not events:
        raise SeasonError(f"{path}: no matches. Give a file with at least one.")
    return merge([Season(events, notes)])


def header_check(path, header, required):
    for column in required:
        if column not in header:
            raise SeasonError(f"{path}:1: {column}: no such column. Give a file of this format.")
    for column in header:
        if header.count(column) > 1:
            raise SeasonError(f"{path}:1: {column}: is there twice")
