# SPDX-License-Identifier: Apache-2.0
"""Readers of seasons: what is read, what is left out and noted, what is refused and where."""

import datetime

import pytest
from season import catalogue, football_data, kleague

EVENT = 224957741920  # of the match in BASE
BASE = {"Div": "E0", "Date": "2021-08-13", "Time": "20:00", "HomeTeam": "Brentford",
        "AwayTeam": "Arsenal", "FTHG": "2", "FTAG": "0", "FTR": "H", "HTHG": "1", "HTAG": "0"}
ODDS = {"B365H": "4.0", "B365D": "3.4", "B365A": "1.95", "PSH": "4.05", "PSD": "3.46",
        "PSA": "2.05", "B365>2.5": "2.1", "B365<2.5": "1.72", "AHh": "0.5", "B365AHH": "1.86",
        "B365AHA": "2.07", "B365CH": "3.8", "B365CD": "3.25", "B365CA": "2.05", "PSCH": "3.94",
        "PSCD": "3.33", "PSCA": "2.13", "B365C>2.5": "2.37", "B365C<2.5": "1.57", "AHCh": "0.5",
        "B365CAHH": "1.75", "B365CAHA": "2.05"}
KOREA = {"Date": "2021-02-27", "Time": "02:00:00", "HomeTeam": "Jeonbuk", "AwayTeam": "Seoul",
         "FTHG": "2", "FTAG": "0", "FTR": "H", "HTHG": "0", "HTAG": "0", "B365H": "1.5",
         "B365D": "3.9", "B365A": "6.5", "B365>2.5": "1.8", "B365<2.5": "2.0", "HC": "7", "AC": "3",
         "Over_HT_3_5": "19.0", "Under_HT_3_5": "1.0", "odds_corners_over_95": "1.9",
         "odds_corners_under_95": ""}


def file_write(tmp_path, *rows, name="E0_2122.csv", end="\n"):
    path = tmp_path / name
    header = list(rows[0])
    lines = [",".join(header)] + [",".join(row.get(key, "") for key in header) for row in rows]
    path.write_bytes((end.join(lines) + end).encode())
    return path


def football(tmp_path, *changes, **options):
    rows = [BASE | ODDS | {"HomeTeam": f"Team {n}"} | change for n, change in enumerate(changes)]
    return football_data.read(file_write(tmp_path, *rows, **options))


def by_kind(season):
    return {(market.kind, market.line): market.prices for market in season.markets()}


@pytest.mark.parametrize("text, value", [
    ("2.15", 2150), ("8", 8000), ("4.0", 4000), ("1.125", 1125), ("1.1250", 1125),
    ("-0.25", -250), ("0.0", 0), ("0001.5", 1500), ("67.01", 67010), ("9999999", 9999999000)])
def test_numbers_digit_by_digit(text, value):
    assert catalogue.thousandths(text) == value


@pytest.mark.parametrize("text", ["", "x", "1e3", "1,5", "+1", ".5", "1.", "٣", " 1", "nan", "1_0",
                                  "--1", "12345678"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError) as caught:
        catalogue.thousandths(text)
    assert not isinstance(caught.value, catalogue.Unusable)


@pytest.mark.parametrize("parse, text", [
    (catalogue.thousandths, "1.1234"), (catalogue.odds_parse, "1.0"),
    (catalogue.odds_parse, "0.42"), (catalogue.odds_parse, "-2"),
    (catalogue.odds_parse, "10000.001"), (catalogue.line_parse, "-1.2"),
    (catalogue.line_parse, "16"), (catalogue.line_parse, "0.125")])
def test_numbers_that_cannot_be_offered(parse, text):
    with pytest.raises(catalogue.Unusable):
        parse(text)


def test_a_match_with_all_its_markets(tmp_path):
    season = football(tmp_path, {})
    event = season.events[0]
    assert (event.competition, event.start) == ("E0", datetime.datetime(2021, 8, 13, 20, 0))
    assert event.score == catalogue.Score((2, 0), (1, 0))
    assert by_kind(season) == {
        ("result", 0): ((4000, 3400, 1950), (3800, 3250, 2050)),
        ("total", 10): ((2100, 1720), (2370, 1570)),
        ("handicap", 2): ((1860, 2070), (1750, 2050))}
    assert [market.name for market in event.markets] == ["result", "total 2.5", "handicap +0.5"]
    assert len(season.changes()) == 3 and season.notes == []


def test_ids_stay_and_differ(tmp_path):
    first = football(tmp_path, {}, {})
    again = football(tmp_path, {"FTHG": "3"}, {"B365H": "9", "Time": ""}, name="other.csv")
    ids = [market.id for market in first.markets()]
    assert sorted(ids) == sorted(market.id for market in again.markets())
    assert len(set(ids)) == 6 and all(0 < number < 2**52 for number in ids)
    assert all(market.id >> 12 == market.event_id for market in first.markets())
    # Written down: an import must find the markets of an earlier one.
    day = datetime.date(2021, 8, 13)
    assert catalogue.event_id_make("E0", day, "Brentford", "Arsenal") == EVENT
    assert catalogue.market_id_make(EVENT, "handicap", "full", -3) - (EVENT << 12) == 2 << 9 | 61


def test_the_bookmaker_with_both_prices_comes_first(tmp_path):
    lost = {"B365CH": "", "B365CD": "", "B365CA": ""}
    assert by_kind(football(tmp_path, lost))["result", 0] == (
        (4050, 3460, 2050), (3940, 3330, 2130))
    lost |= {"PSH": ""}  # now neither has both: each phase from the first that has it
    assert by_kind(football(tmp_path, lost))["result", 0] == (
        (4000, 3400, 1950), (3940, 3330, 2130))
    lost |= {"PSCA": ""}
    assert by_kind(football(tmp_path, lost))["result", 0] == ((4000, 3400, 1950),) * 2


def test_no_prices_no_market(tmp_path):
    assert ("total", 10) not in by_kind(football(tmp_path, {
        "B365>2.5": "", "B365C<2.5": ""}))
    everything = {column: "" for column in ODDS}
    season = football(tmp_path, everything)
    assert season.markets() == [] and "no odds at all" in season.notes[0]


def test_a_price_before_the_change_only_after_it_or_both(tmp_path):
    prices = by_kind(football(tmp_path, {"B365>2.5": ""}))["total", 10]
    assert prices == (None, (2370, 1570))
    assert by_kind(football(tmp_path, {"B365C>2.5": ""}))["total", 10] == ((2100, 1720),) * 2


def test_a_line_that_moves_is_another_market(tmp_path):
    prices = by_kind(football(tmp_path, {"AHCh": "0.75"}))
    assert prices["handicap", 2] == ((1860, 2070), None)
    assert prices["handicap", 3] == (None, (1750, 2050))


def test_an_unusable_cell_is_noted_and_its_market_left_out(tmp_path):
    season = football(tmp_path, {"AHh": "-1.2"})
    assert [key for key in by_kind(season) if key[0] == "handicap"] == [("handicap", 2)]
    assert season.notes == [f"{tmp_path}/E0_2122.csv:2: AHh: line '-1.2' is not a multiple of a "
                            "quarter"]
    season = football(tmp_path, {"B365C>2.5": "0.0"})
    assert "B365C>2.5: odds '0.0' are outside" in season.notes[0]


def test_the_older_columns(tmp_path):
    odds = {"B365H": "2.3", "B365D": "3.25", "B365A": "3.0", "BbAv>2.5": "2.01", "BbAv<2.5": "1.7",
            "BbAHh": "-0.25", "BbAvAHH": "2.01", "BbAvAHA": "1.84"}
    row = {key: value for key, value in BASE.items() if key != "Time"} | {"Date": "13/08/05"} | odds
    season = football_data.read(file_write(tmp_path, row, end="\r\n"))
    assert season.events[0].start == datetime.datetime(2005, 8, 13, 15, 0)
    assert by_kind(season) == {("result", 0): ((2300, 3250, 3000),) * 2,
                               ("total", 10): ((2010, 1700),) * 2,
                               ("handicap", -1): ((2010, 1840),) * 2}
    assert season.changes() == []


def test_a_match_not_played_and_spare_commas(tmp_path):
    path = file_write(tmp_path, BASE | ODDS | {"FTHG": "", "FTAG": "", "FTR": "", "": ""},
                      BASE | ODDS | {"HomeTeam": "Leeds", "": ""})
    path.write_text("\ufeff" + path.read_text() + ",,,\n\n")
    season = football_data.read(path)
    assert [event.score for event in season.events].count(None) == 1 and len(season.events) == 2


@pytest.mark.parametrize("change, column, text", [
    ({"FTHG": "two"}, "FTHG", "'two' is not a whole number"),
    ({"FTHG": "2.5"}, "FTHG", "'2.5' is not a whole number"),
    ({"FTHG": "-1"}, "FTHG", "'-1' is not"),
    ({"FTAG": ""}, "FTAG", "is empty, but not its pair"),
    ({"FTHG": "", "FTAG": ""}, "FTHG", "is empty, but FTR is not"),
    ({"FTR": "D"}, "FTR", "is 'D', but the goals say 'H'"),
    ({"FTR": ""}, "FTR", "is '', but the goals say 'H'"),
    ({"HTHG": "3"}, "HTHG", "more than the goals of the whole match"),
    ({"Date": "2021-13-01"}, "Date", "is not a date"),
    ({"Date": "Friday"}, "Date", "'Friday' is not a date"),
    ({"Date": ""}, "Date", "is empty"),
    ({"Time": "8pm"}, "Time", "'8pm' is not a time"),
    ({"AwayTeam": "Team 1"}, "AwayTeam", "is 'Team 1' like HomeTeam"),
    ({"HomeTeam": ""}, "HomeTeam", "is empty"),
    ({"B365H": "4,0x"}, None, "cells, but the header has"),
    ({"B365H": "evens"}, "B365H", "'evens' is not a decimal number"),
    ({"HomeTeam": "Team 0"}, "HomeTeam", "again"),
])
def test_a_wrong_cell_is_named_by_file_line_and_column(tmp_path, change, column, text):
    with pytest.raises(catalogue.SeasonError) as caught:
        football(tmp_path, {}, change)
    assert str(caught.value).startswith(f"{tmp_path}/E0_2122.csv:3: {column or 'cell'}")
    assert text in str(caught.value)


def test_all_wrong_cells_are_named_up_to_a_number(tmp_path):
    with pytest.raises(catalogue.SeasonError) as caught:
        football(tmp_path, *[{"FTHG": "x"}] * 30)
    lines = str(caught.value).splitlines()
    assert len(lines) == catalogue.FAULTS_SHOWN_MAX + 1 and lines[-1].endswith("10 more faults")


@pytest.mark.parametrize("content, text", [
    (b"", "Div: no such column"), (b"Div,Date\n", "HomeTeam: no such column"),
    (b"\xff\xfe", "Div: no such column"),
    (b'Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,"x\n', "after line 1: "),
    (b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,2021-08-13,M\xfcnchen,B,1,0,H\n",
     "x.csv:2: HomeTeam: is not UTF-8"),
    (",".join(football_data.REQUIRED).encode() + b"\n", "no matches"),
    (",".join(football_data.REQUIRED + ("FTR",)).encode() + b"\n", "FTR: is there twice")])
def test_files_that_are_none(tmp_path, content, text):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(catalogue.SeasonError, match=text):
        football_data.read(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(catalogue.SeasonError, match="No such file"):
        football_data.read(tmp_path / "none.csv")


def test_the_same_file_twice_is_refused(tmp_path):
    season, again = football(tmp_path, {}), football(tmp_path, {})
    with pytest.raises(catalogue.SeasonError, match="have the same id"):
        catalogue.merge([season, again])


def test_korean_markets(tmp_path):
    season = kleague.read(file_write(tmp_path, KOREA, name="KOR_K1_2021-2024.csv"))
    event = season.events[0]
    assert event.competition == "KOR_K1" and event.score == catalogue.Score((2, 0), (0, 0), (7, 3))
    assert {market.name: market.prices for market in event.markets} == {
        "result": ((1500, 3900, 6500),) * 2, "total 2.5": ((1800, 2000),) * 2,
        "half total 3.5": ((19000, 0),) * 2, "corners total 9.5": ((1900, 0),) * 2}
    assert len(season.notes) == 1 and "Under_HT_3_5: odds '1.0'" in season.notes[0]


def test_corners_nobody_counted(tmp_path):
    season = kleague.read(file_write(tmp_path, KOREA | {"HC": "", "AC": ""}, name="KOR_K1_1.csv"))
    assert "corners total 9.5" not in [market.name for market in season.markets()]
    assert any("does not say the result (corners)" in note for note in season.notes)


def test_every_korean_market_has_its_own_id():
    ids = [catalogue.market_id_make(1, kind, measure, line)
           for kind, measure, line, _ in kleague.MARKETS]
    assert len(set(ids)) == len(ids) == 26
