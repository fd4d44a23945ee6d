# SPDX-License-Identifier: Apache-2.0
"""Settlement against published examples, and against a second way of computing it."""

import itertools
import random
from fractions import Fraction

import pytest
from season import catalogue, settle
from season.settle import HALF_LOSE, HALF_WIN, LOSE, VOID, WIN

# Unibet, "Asian Handicap - Full, Half & Quarter Lines", and the usual table of quarter lines
# (line on the team that is bet on; goals it is ahead by).
HANDICAPS = [
    ("+2", -1, WIN), ("+2", -2, VOID), ("+2", -3, LOSE),
    ("+1.5", -1, WIN), ("+1.5", -2, LOSE),
    ("-0.5", 1, WIN), ("-0.5", 0, LOSE),
    ("0", 1, WIN), ("0", 0, VOID), ("0", -1, LOSE),
    ("-0.25", 1, WIN), ("-0.25", 0, HALF_LOSE), ("-0.25", -1, LOSE),
    ("+0.25", 1, WIN), ("+0.25", 0, HALF_WIN), ("+0.25", -1, LOSE),
    ("-0.75", 2, WIN), ("-0.75", 1, HALF_WIN), ("-0.75", 0, LOSE), ("-0.75", -1, LOSE),
    ("+0.75", 0, WIN), ("+0.75", -1, HALF_LOSE), ("+0.75", -2, LOSE),
    ("-1.25", 2, WIN), ("-1.25", 1, HALF_LOSE), ("-1.25", 0, LOSE),
    ("-1.75", 3, WIN), ("-1.75", 2, HALF_WIN), ("-1.75", 1, LOSE),
    ("+1.25", -1, HALF_WIN), ("+1.25", 0, WIN), ("+1.25", -2, LOSE),
    ("+1.75", -2, HALF_LOSE), ("+1.75", -1, WIN), ("+1.75", -3, LOSE),
]
TOTALS = [  # line, goals, over, under
    ("2.5", 3, WIN, LOSE), ("2.5", 2, LOSE, WIN),
    ("2", 3, WIN, LOSE), ("2", 2, VOID, VOID), ("2", 1, LOSE, WIN),
    ("2.25", 3, WIN, LOSE), ("2.25", 2, HALF_LOSE, HALF_WIN), ("2.25", 1, LOSE, WIN),
    ("2.75", 4, WIN, LOSE), ("2.75", 3, HALF_WIN, HALF_LOSE), ("2.75", 2, LOSE, WIN),
]


def market(kind, line="0", measure="full"):
    count = len(catalogue.SELECTIONS[kind])
    return catalogue.market_make(7, kind, ((2000,) * count,) * 2, measure,
                                 catalogue.line_parse(line.lstrip("+")))


@pytest.mark.parametrize("line, ahead, expected", HANDICAPS)
def test_handicap_as_published_for_either_team(line, ahead, expected):
    score = catalogue.Score((max(ahead, 0) + 1, max(-ahead, 0) + 1))
    assert settle.outcomes(market("handicap", line), score)[0] == expected
    other = line.translate(str.maketrans("+-", "-+"))
    mirrored = catalogue.Score(score.full[::-1])
    assert settle.outcomes(market("handicap", other), mirrored)[1] == expected


@pytest.mark.parametrize("line, goals, over, under", TOTALS)
def test_total_as_published(line, goals, over, under):
    for home in range(goals + 1):
        score = catalogue.Score((home, goals - home))
        assert settle.outcomes(market("total", line), score) == (over, under)


@pytest.mark.parametrize("kind, full, expected", [
    ("result", (2, 1), (WIN, LOSE, LOSE)), ("result", (1, 1), (LOSE, WIN, LOSE)),
    ("result", (0, 1), (LOSE, LOSE, WIN)),
    ("both_score", (1, 1), (WIN, LOSE)), ("both_score", (0, 0), (LOSE, WIN)),
    ("both_score", (3, 0), (LOSE, WIN)),
    ("double_chance", (2, 1), (WIN, WIN, LOSE)), ("double_chance", (1, 1), (WIN, LOSE, WIN)),
    ("double_chance", (0, 1), (LOSE, WIN, WIN)),
    ("draw_no_bet", (1, 0), (WIN, LOSE)), ("draw_no_bet", (2, 2), (VOID, VOID)),
    ("draw_no_bet", (0, 1), (LOSE, WIN)),
    ("win_to_nil", (2, 0), (WIN, LOSE)), ("win_to_nil", (2, 1), (LOSE, LOSE)),
    ("win_to_nil", (0, 0), (LOSE, LOSE)), ("win_to_nil", (0, 1), (LOSE, WIN)),
])
def test_other_markets(kind, full, expected):
    assert settle.outcomes(market(kind), catalogue.Score(full)) == expected


def test_parts_of_a_match_and_corners():
    score = catalogue.Score((2, 1), (0, 1), (3, 3))
    assert settle.outcomes(market("result"), score) == (WIN, LOSE, LOSE)
    assert settle.outcomes(market("result", measure="half"), score) == (LOSE, LOSE, WIN)
    assert settle.outcomes(market("result", measure="second"), score) == (WIN, LOSE, LOSE)
    assert settle.outcomes(market("result", measure="corners"), score) == (LOSE, WIN, LOSE)
    with pytest.raises(ValueError, match="does not say half"):
        settle.outcomes(market("result", measure="half"), catalogue.Score((2, 1)))


def test_a_match_not_played_is_void():
    for kind, selections in catalogue.SELECTIONS.items():
        assert settle.outcomes(market(kind), None) == (VOID,) * len(selections)


@pytest.mark.parametrize("stake, legs, expected", [
    (1000, [(2050, WIN)], 2050),  # Unibet: 10 at 2.05 returns 20.50
    (1000, [(2050, VOID)], 1000),
    (1000, [(2050, LOSE)], 0),
    (1000, [(1900, HALF_WIN)], 1450),  # 5 x 1.90 + 5
    (1000, [(1900, HALF_LOSE)], 500),
    (1, [(1999, WIN)], 1), (3, [(1999, WIN)], 5), (999, [(1001, WIN)], 999),  # rounded down
    (5, [(1001, HALF_LOSE)], 2),
    (1000, [(2000, WIN), (3000, VOID)], 2000),  # a void leg counts as odds 1
    (1000, [(2000, WIN), (3000, LOSE)], 0),
    (1000, [(2000, WIN), (1900, HALF_WIN), (2100, HALF_LOSE)], 1450),
    (3, [(1500, WIN), (1500, WIN)], 6),
    (1, [(1500, WIN), (2000, WIN)], 3),  # rounding after each leg would say 2
    (1000, [(5000, settle.dead_heat(2))], 2500),  # half the stake at full odds
    (1000, [(1500, settle.dead_heat(2))], 750),  # less than the stake
    (1000, [(4000, settle.dead_heat(3, 2))], 2666),
    (10**12, [(10_000_000, WIN)], 10**16),
])
def test_payouts(stake, legs, expected):
    assert settle.payout(stake, legs) == expected


def test_wrong_shares_are_refused():
    for win, back in ((2, 0), (-1, 0), (Fraction(1, 2), 1)):
        with pytest.raises(ValueError):
            settle.Outcome(Fraction(win), Fraction(back))
    for runners, places in ((0, 1), (2, 3), (2, 0)):
        with pytest.raises(ValueError):
            settle.dead_heat(runners, places)


def by_parts(stake, legs):
    """Without fractions: an accumulator is many small ones, each leg of them wholly won, given back
    or lost. Weights are counted in parts of 4 a leg (dead heats of 1, 2 or 4 runners)."""
    parts = [[(odds, round(4 * outcome.win)), (1000, round(4 * outcome.back))]
             for odds, outcome in legs]
    total = 0
    for combination in itertools.product(*parts):
        product = stake
        for odds, weight in combination:
            product *= odds * weight
        total += product
    return total // 4000 ** len(legs)


def test_random_bets_pay_the_same_by_a_second_computation(seed):
    generator = random.Random(seed)
    outcomes = [WIN, WIN, WIN, VOID, HALF_WIN, HALF_LOSE, LOSE, settle.dead_heat(2),
                settle.dead_heat(4), settle.dead_heat(4, 3)]
    for _ in range(2000):
        legs = [(generator.randint(1001, generator.choice((3000, 50_000, 10_000_000))),
                 generator.choice(outcomes[:generator.choice((3, 6, 10))]))
                for _ in range(generator.randint(1, 10))]
        stake = generator.randint(1, 10 ** generator.randint(1, 12))
        paid = settle.payout(stake, legs)
        assert paid == by_parts(stake, legs), (stake, legs)
        generator.shuffle(legs)
        assert paid == settle.payout(stake, legs)
        assert 0 <= paid <= settle.payout_full(stake, [odds for odds, _ in legs])


def test_both_sides_of_a_line_part_the_stake(seed):
    """What one side wins the other loses; at even odds the two together return the stakes."""
    generator = random.Random(seed)
    for _ in range(2000):
        kind = generator.choice(("total", "handicap"))
        low = 0 if kind == "total" else -40
        market_here = catalogue.market_make(1, kind, (None, None), line=generator.randint(low, 40))
        score = catalogue.Score((generator.randrange(10), generator.randrange(10)))
        first, second = settle.outcomes(market_here, score)
        assert first.back == second.back and first.win + first.back + second.win == 1
        assert settle.payout(1000, [(2000, first)]) + settle.payout(1000, [(2000, second)]) == 2000
