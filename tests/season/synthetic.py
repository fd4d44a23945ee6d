# SPDX-License-Identifier: Apache-2.0
"""Made-up seasons in the format of www.football-data.co.uk, where the real ones may not lie: every
market, odds that move and stay, lines that move, quarter lines, missing cells, postponed matches.
"""

import datetime
import itertools
import random

COLUMNS = ("Div", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG", "FTR", "HTHG", "HTAG",
           "B365H", "B365D", "B365A", "B365>2.5", "B365<2.5", "AHh", "B365AHH", "B365AHA",
           "B365CH", "B365CD", "B365CA", "B365C>2.5", "B365C<2.5", "AHCh", "B365CAHH", "B365CAHA")
FIRST_DAY = datetime.date(2021, 8, 13)


def price(generator, probability):
    """The odds of a fair book less some percent, with two decimals; at least 1.01."""
    margin = generator.randrange(90, 98)
    return max(margin / 100 / probability, 1.01)


def prices(generator, shares):
    total = sum(shares)
    return [f"{price(generator, share / total):.2f}" for share in shares]


def moved(generator, shares):
    """The shares at the end: often the same."""
    return shares if generator.random() < 0.3 else [share * generator.uniform(0.8, 1.25)
                                                    for share in shares]


def goals(generator):
    return sum(generator.random() < 0.13 for _ in range(11))


def row(generator, day, home, away):
    played = generator.random() > 0.02
    full = goals(generator), goals(generator)
    half = [generator.randint(0, count) for count in full]
    result = "HDA"[(full[0] <= full[1]) + (full[0] < full[1])]
    shares = [generator.uniform(1, 6), generator.uniform(1, 3), generator.uniform(1, 6)]
    over = [generator.uniform(1, 2), generator.uniform(1, 2)]
    sides = [generator.uniform(1, 1.3), generator.uniform(1, 1.3)]
    line = generator.randrange(-8, 9) / 4
    last = line + generator.choice((0, 0, 0, -0.25, 0.25, 0.5))
    cells = ["X1", day.isoformat(), f"{generator.randrange(12, 21)}:00", home, away]
    cells += [*map(str, full), result, *map(str, half)] if played else [""] * 5
    opening = [*prices(generator, shares), *prices(generator, over), f"{line:g}",
               *prices(generator, sides)]
    closing = [*prices(generator, moved(generator, shares)),
               *prices(generator, moved(generator, over)), f"{last:g}",
               *prices(generator, moved(generator, sides))]
    for odds in (opening, closing):
        if generator.random() < 0.03:
            odds[3] = ""  # over/under is not on offer
    return [*cells, *opening, *closing]


def lines(seed, teams=20):
    """Every team against every other, home and away: teams * (teams - 1) matches."""
    generator = random.Random(seed)
    names = [f"Team {number:02d}" for number in range(1, teams + 1)]
    matches = list(itertools.permutations(names, 2))
    generator.shuffle(matches)
    yield ",".join(COLUMNS)
    for number, (home, away) in enumerate(matches):
        day = FIRST_DAY + datetime.timedelta(number * 280 // len(matches))
        yield ",".join(row(generator, day, home, away))


def write(path, seed, teams=20):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("\n".join([*lines(seed, teams), ""]))
