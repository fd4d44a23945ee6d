# SPDX-License-Identifier: Apache-2.0
"""Seeded bets on a season, each with the answer it must get; and other results for corrections.

The same season, settings and seed give the same bets. They are numbered in the order in which they
are placed: those of OPENING before the odds change, those of CLOSING after it. Within one phase any
order gives the same answers.
"""

import bisect
import dataclasses
import random

from . import catalogue, settle
from .catalogue import CLOSING, OPENING

POLICY_EXACT, POLICY_SAME_OR_BETTER = 0, 1
LEGS_MAX = 10
PAYOUT_MAX = 10**15  # wire/README.md, section 14


@dataclasses.dataclass(frozen=True)
class Leg:
    market_id: int
    selection: int
    odds: int  # claimed


@dataclasses.dataclass(frozen=True)
class Expected:
    """code: the name in wire/codes.h. odds: accepted, per leg; of a refused bet as claimed.
    market_id: of the leg that is refused, else 0. payout: if all legs win; 0 when refused before
    it matters."""
    code: str
    odds: tuple
    market_id: int = 0
    payout: int = 0


@dataclasses.dataclass(frozen=True)
class Bet:
    number: int
    account: int
    stake: int  # minor units
    policy: int
    phase: int
    legs: tuple
    expected: Expected

    @property
    def accepted(self):
        return self.expected.code == "OK"


class Board:
    """What is on offer in each phase, and the answer a bet gets. `checks` are called in order as
    check(account, stake, legs, payout) after the checks here and name a refusal or return None:
    limits and risk rules of a particular configuration go there."""

    def __init__(self, season, payout_max=PAYOUT_MAX, checks=()):
        self.markets = {market.id: market for market in season.markets()}
        self.payout_max = payout_max
        self.checks = tuple(checks)

    def price(self, market_id, selection, phase):
        """In 1/1000. 0: not on offer."""
        odds = self.markets[market_id].prices[phase]
        return 0 if odds is None else odds[selection]

    def leg_refusal(self, leg, policy, phase):
        """wire/README.md, PLACE_BET: the first fault of one leg, or None."""
        market = self.markets.get(leg.market_id)
        if market is None:
            return "MARKET_UNKNOWN"
        if market.prices[phase] is None:
            return "MARKET_NOT_OPEN"
        if leg.selection >= len(market.selections):
            return "SELECTION_UNKNOWN"
        price = market.prices[phase][leg.selection]
        if price == 0 or price < leg.odds or (policy == POLICY_EXACT and price != leg.odds):
            return "ODDS_CHANGED"
        return None

    def expect(self, account, stake, policy, phase, legs):
        markets = {}  # event -> market of its first leg
        claimed = tuple(leg.odds for leg in legs)
        for leg in legs:
            refusal = self.leg_refusal(leg, policy, phase)
            if refusal is None:
                event_id = self.markets[leg.market_id].event_id
                if event_id in markets:
                    same = markets[event_id] == leg.market_id
                    refusal = "LEGS_DUPLICATE" if same else "LEGS_RELATED"
                markets[event_id] = leg.market_id
            if refusal is not None:
                return Expected(refusal, claimed, leg.market_id)
        odds = tuple(self.price(leg.market_id, leg.selection, phase) for leg in legs)
        payout = settle.payout_full(stake, odds)
        code = "PAYOUT_LIMIT" if payout > self.payout_max else next(
            filter(None, (check(account, stake, legs, payout) for check in self.checks)), "OK")
        return Expected(code, odds if code == "OK" else claimed, 0, payout)


@dataclasses.dataclass(frozen=True)
class Settings:
    bets: int
    accounts: tuple  # ids
    accumulators_percent: int = 40
    closing_percent: int = 50  # bets placed after the odds change
    stale_percent: int = 10  # of those, bets that claim the odds from before it
    greedy_percent: int = 3  # bets that claim one leg above the book
    related_permille: int = 5  # bets with a second leg on the event of the first
    stake_min: int = 1
    stake_max: int = 50_000
    spread: int = 0  # legs of an accumulator lie within so many events; 0: anywhere


class Generator:
    def __init__(self, season, seed, settings, board=None):
        if settings.bets < 1 or not settings.accounts:
            raise ValueError("give at least one bet and one account")
        self.random = random.Random(seed)
        self.settings = settings
        self.board = board or Board(season)
        # Per phase: [[(market, selections with a price)] of one event]
        self.offers = [self.offers_of(season, phase) for phase in (OPENING, CLOSING)]
        if not all(self.offers):
            raise ValueError("the season has no odds in one of the phases")

    @staticmethod
    def offers_of(season, phase):
        events = []
        for event in season.events:
            offer = [(market, [number for number, odds in enumerate(market.prices[phase]) if odds])
                     for market in event.markets if market.prices[phase] is not None]
            if offer:
                events.append(offer)
        return events

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def legs_count(self, events):
        """2..10 with falling frequency: long accumulators are rare, but all lengths occur."""
        if not self.chance(self.settings.accumulators_percent):
            return 1
        weights = (0, 30, 52, 67, 78, 86, 92, 96, 98, 100)
        return min(1 + bisect.bisect_right(weights, self.random.randrange(100)), LEGS_MAX, events)

    def events(self, offers, count):
        spread = self.settings.spread
        if not spread or spread >= len(offers):
            return self.random.sample(offers, count)
        first = self.random.randrange(len(offers) - spread + 1)
        return self.random.sample(offers[first:first + spread], count)

    def stake(self):
        """Even sums and odd ones: only the odd ones try the rounding."""
        low, high = self.settings.stake_min, self.settings.stake_max
        stake = self.random.randint(low, high)
        return stake if self.chance(70) else min(max(stake // 100 * 100, low), high)

    def related(self, leg, offers):
        """The same leg again, or one on another market of its event."""
        event_id = self.board.markets[leg.market_id].event_id
        offer = next(offer for offer in offers if offer[0][0].event_id == event_id)
        market, selections = self.random.choice(offer)
        selection = self.random.choice(selections)
        phase = OPENING if offers is self.offers[OPENING] else CLOSING
        return Leg(market.id, selection, self.board.price(market.id, selection, phase))

    def bet(self, number, phase):
        stale = phase == CLOSING and self.chance(self.settings.stale_percent)
        offers = self.offers[OPENING if stale else phase]
        limit = min(len(offers), self.settings.spread or len(offers))
        legs = []
        for offer in self.events(offers, self.legs_count(limit)):
            market, selections = self.random.choice(offer)
            selection = self.random.choice(selections)
            odds = self.board.price(market.id, selection, OPENING if stale else phase)
            legs.append(Leg(market.id, selection, odds))
        if len(legs) < LEGS_MAX and self.random.randrange(1000) < self.settings.related_permille:
            legs.append(self.related(legs[0], offers))
        if self.chance(self.settings.greedy_percent):
            spot = self.random.randrange(len(legs))
            odds = min(legs[spot].odds + self.random.randint(1, 500), catalogue.ODDS_MAX)
            legs[spot] = dataclasses.replace(legs[spot], odds=odds)
        policy = self.random.choice((POLICY_EXACT, POLICY_SAME_OR_BETTER))
        account, stake = self.random.choice(self.settings.accounts), self.stake()
        return Bet(number, account, stake, policy, phase, tuple(legs),
                   self.board.expect(account, stake, policy, phase, legs))

    def __iter__(self):
        opening = self.settings.bets - self.settings.bets * self.settings.closing_percent // 100
        for number in range(self.settings.bets):
            yield self.bet(number, OPENING if number < opening else CLOSING)


def generate(season, seed, settings, board=None):
    """A list of Bet."""
    return list(Generator(season, seed, settings, board))


def deposits(bets, extra=0):
    """Per account what all its bets cost: with it none is refused for lack of money."""
    sums = {}
    for bet in bets:
        sums[bet.account] = sums.get(bet.account, extra) + bet.stake
    return sums


def corrections(season, seed, count):
    """[(event, another Score)] of `count` events, with another result than the real one."""
    generator = random.Random(seed)
    played = [event for event in season.events if event.score is not None and event.markets]
    if count > len(played):
        raise ValueError(f"{count} corrections of {len(played)} matches")
    chosen = sorted(generator.sample(played, count), key=lambda event: (event.start, event.id))
    return [(event, score_other(generator, event.score)) for event in chosen]


def score_other(generator, score):
    """Goals that change who wins; half-time goals and corners that fit, where known."""
    def sign(pair):
        return (pair[0] > pair[1]) - (pair[0] < pair[1])

    while True:
        full = (generator.randrange(6), generator.randrange(6))
        if sign(full) != sign(score.full):
            break
    half = score.half and tuple(generator.randint(0, goals) for goals in full)
    corners = score.corners and (generator.randrange(13), generator.randrange(13))
    return catalogue.Score(full, half, corners)
