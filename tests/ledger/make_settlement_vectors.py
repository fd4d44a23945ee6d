#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/vectors/settlement.txt from the rules of settlement, with none of the C code.

    tests/ledger/make_settlement_vectors.py > tests/data/vectors/settlement.txt

Two ways that the C code does not take: a quarter line is settled as two bets on the lines a quarter
below and above, each by comparing fractions; a leg is settled part by part (n parts of 1/n of the
stake, each at the odds, returned or lost), and a bet is the product of fractions, rounded down.
"""

import argparse
import math
import os
import random
import sys
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import sources  # noqa: E402

SEED = 20261121
STAKE_MAX = 10**12
ODDS_MIN, ODDS_MAX = 1001, 10_000_000
PAYOUT_MAX = 10**15
BETS, LINES = 1500, 250

# What becomes of each equal part of the stake.
PARTS = {"win": ["odds"], "lose": ["lost"], "void": ["back"], "half_win": ["odds", "back"],
         "half_lose": ["back", "lost"]}
OF_HALVES = {(1, 1): "win", (-1, -1): "lose", (0, 0): "void", (0, 1): "half_win",
             (-1, 0): "half_lose"}


def parts_of(outcome):
    if outcome.startswith("dead_heat:"):
        places, winners = map(int, outcome.split(":")[1].split("/"))
        return ["odds"] * places + ["lost"] * (winners - places)
    return PARTS[outcome]


def leg_value(odds, outcome):
    parts = parts_of(outcome)
    pays = {"odds": Fraction(odds, 1000), "back": Fraction(1), "lost": Fraction(0)}
    return sum(pays[part] * Fraction(1, len(parts)) for part in parts)


def settle(stake, legs):
    """Payout and class; legs are (odds, outcome)."""
    outcomes = [outcome for _, outcome in legs]
    if "lose" in outcomes:
        return 0, "lost"
    if "open" in outcomes:
        return 0, "undecided"
    exact = Fraction(stake)
    for odds, outcome in legs:
        exact *= leg_value(odds, outcome)
    payout = min(math.floor(exact), PAYOUT_MAX + 1)
    if all(outcome == "void" for outcome in outcomes):
        return payout, "refunded"
    if all(outcome in ("void", "win") for outcome in outcomes):
        return payout, "won"
    return payout, "part_won" if payout > stake else "part_lost"


def side(margin):
    """One side of a line: the margin with the line in it, in goals."""
    lines = [Fraction(0)] if margin.denominator <= 2 else [Fraction(-1, 4), Fraction(1, 4)]
    signs = [(margin + shift > 0) - (margin + shift < 0) for shift in lines]
    return OF_HALVES[tuple(sorted(signs * (3 - len(signs))))]


def spread(source, low, high):
    """Whole numbers with every order of magnitude about as likely as the others."""
    return min(high, max(low, int(math.exp(source.uniform(math.log(low), math.log(high + 1))))))


def random_outcome(source, rare):
    draw = source.random()
    if draw < rare:
        return source.choice(["lose", "open"])
    if draw < 0.5:
        return "win"
    if draw < 0.65:
        return "void"
    if draw < 0.77:
        return "half_win"
    if draw < 0.88:
        return "half_lose"
    winners = spread(source, 2, 255)
    return f"dead_heat:{source.randrange(1, winners)}/{winners}"


def random_bet(source):
    count = source.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 10])
    stake = source.choice([spread(source, 1, STAKE_MAX), spread(source, 1, 1_000_000),
                           source.randrange(1, 50), STAKE_MAX])
    # Most bets stay payable: the odds together are about PAYOUT_MAX / stake at most.
    room = PAYOUT_MAX / stake if source.random() < 0.85 else float(ODDS_MAX) ** count
    odds_high = min(ODDS_MAX, max(ODDS_MIN + 1, int(1000 * room ** (1 / count))))
    rare = source.choice([0, 0, 0, 0.15])
    return stake, [(spread(source, ODDS_MIN, odds_high), random_outcome(source, rare))
                   for _ in range(count)]


def write_bet(stake, legs):
    payout, name = settle(stake, legs)
    print("bet", stake, payout, name, *(f"{odds}:{outcome}" for odds, outcome in legs))


def edges():
    for outcome in ("win", "half_win", "half_lose", "void", "dead_heat:254/255", "dead_heat:1/255"):
        for count in (1, 2, 3, 4, 9, 10):
            for odds in (ODDS_MIN, ODDS_MAX):
                for stake in (0, 1, STAKE_MAX):
                    write_bet(stake, [(odds, outcome)] * count)


def main():
    parser = argparse.ArgumentParser(
        prog="make_settlement_vectors.py",
        description="Writes the vectors of settlement to standard output, from its rules alone.",
        epilog="Exit status: 0 written, 1 not, 2 wrong usage.")
    parser.add_argument("--version", action="version",
                        version="make_settlement_vectors.py " + sources.version())
    parser.parse_args()
    source = random.Random(SEED)
    print("# Settlement, written by tests/ledger/make_settlement_vectors.py; read by")
    print("# tests/ledger/test_settlement_payout.c. Stakes in minor units, odds in 1/1,000.")
    print("#   bet STAKE PAYOUT CLASS ODDS:OUTCOME...       payout 10^15 + 1: above the maximum")
    print("#   over_under HOME AWAY LINE OVER UNDER         line in quarters of a goal")
    print("#   handicap HOME AWAY HANDICAP HOME AWAY        home's handicap in quarters")
    edges()
    for _ in range(BETS):
        write_bet(*random_bet(source))
    for _ in range(LINES):
        home, away = source.randrange(7), source.randrange(7)
        line = source.randrange(1, 33)
        margin = home + away - Fraction(line, 4)
        print("over_under", home, away, line, side(margin), side(-margin))
        line = source.randrange(-16, 17)
        margin = home - away + Fraction(line, 4)
        print("handicap", home, away, line, side(margin), side(-margin))
    return 0


if __name__ == "__main__":
    sys.exit(main())
