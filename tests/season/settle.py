# SPDX-License-Identifier: Apache-2.0
"""What a bet returns, by exact fractions, from the rules of betting alone.

A leg's outcome parts the stake in three: a share that wins at the odds, a share that comes back at
odds 1, a share that is lost. So one formula serves win, lose, void, half-win, half-lose and dead
heat, and an accumulator stakes the whole return of a leg on the next.
"""

import dataclasses
import math
from fractions import Fraction

from . import catalogue


@dataclasses.dataclass(frozen=True)
class Outcome:
    win: Fraction  # share of the stake paid at the odds
    back: Fraction  # share of the stake given back; the rest is lost

    def __post_init__(self):
        if self.win < 0 or self.back < 0 or self.win + self.back > 1:
            raise ValueError(f"shares {self.win} and {self.back}")


WIN = Outcome(Fraction(1), Fraction(0))
LOSE = Outcome(Fraction(0), Fraction(0))
VOID = Outcome(Fraction(0), Fraction(1))
HALF_WIN = Outcome(Fraction(1, 2), Fraction(1, 2))
HALF_LOSE = Outcome(Fraction(0), Fraction(1, 2))

NAMES = {WIN: "win", LOSE: "lose", VOID: "void", HALF_WIN: "half_win", HALF_LOSE: "half_lose"}


def dead_heat(runners, places=1):
    """`runners` share `places`: the stake is divided by runners and multiplied by places, the part
    so found wins at full odds, the rest is lost."""
    if not 1 <= places <= runners:
        raise ValueError(f"{runners} runners share {places} places")
    return Outcome(Fraction(places, runners), Fraction(0))


def outcome_name(outcome):
    """win, lose, void, half_win, half_lose, or dead_heat P/N."""
    return NAMES.get(outcome) or f"dead_heat {outcome.win.numerator}/{outcome.win.denominator}"


# ---- Legs and bets ----

def leg_factor(odds, outcome):
    """What one unit staked on the leg returns. odds in 1/1000."""
    return outcome.win * Fraction(odds, 1000) + outcome.back


def payout(stake, legs):
    """Minor units for [(odds, outcome)]: the exact product, rounded down once, at the end."""
    return math.floor(math.prod((leg_factor(*leg) for leg in legs), start=Fraction(stake)))


def payout_full(stake, odds):
    """What the bet returns if every leg wins: what PLACE_BET answers."""
    return payout(stake, [(price, WIN) for price in odds])


def is_refund(outcomes):
    """All legs void: the stake goes back and nothing was won or lost."""
    return all(outcome == VOID for outcome in outcomes)


# ---- Markets ----

def line_outcome(quarters):
    """By how much the bet is ahead, line included, in quarters. A quarter line is two bets of half
    the stake, on the half-goal lines next to it; a whole or half line is both halves the same."""
    halves = (quarters, quarters) if quarters % 2 == 0 else (quarters - 1, quarters + 1)
    win = sum(Fraction(1, 2) for half in halves if half > 0)
    back = sum(Fraction(1, 2) for half in halves if half == 0)
    return Outcome(Fraction(win), Fraction(back))


def when(truth):
    return WIN if truth else LOSE


def outcomes(market, score):
    """One Outcome per selection. A score of None (not played) voids the market."""
    if score is None:
        return (VOID,) * len(market.selections)
    found = score.of(market.measure)
    if found is None:
        raise ValueError(f"market {market.id}: the score does not say {market.measure}")
    return RULES[market.kind](*found, market.line)


def result(home, away, _):
    return when(home > away), when(home == away), when(home < away)


def total(home, away, line):
    over = 4 * (home + away) - line
    return line_outcome(over), line_outcome(-over)


def handicap(home, away, line):
    ahead = 4 * (home - away) + line
    return line_outcome(ahead), line_outcome(-ahead)


def both_score(home, away, _):
    return when(home and away), when(not (home and away))


def double_chance(home, away, _):
    return when(home >= away), when(home != away), when(home <= away)


def draw_no_bet(home, away, _):
    return line_outcome(4 * (home - away)), line_outcome(4 * (away - home))


def win_to_nil(home, away, _):
    return when(home > away == 0), when(away > home == 0)


RULES = {kind: globals()[kind] for kind in catalogue.KINDS}
