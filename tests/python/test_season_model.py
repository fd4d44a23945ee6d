# SPDX-License-Identifier: Apache-2.0
"""Generated bets and the model of balances, on a season made up here."""

import dataclasses
import datetime
import random

import pytest
from season import book, catalogue, model, settle
from season.catalogue import CLOSING, OPENING
from season.settle import HALF_WIN, LOSE, VOID, WIN


def season_make(seed, count=40):
    """Odds that rise, fall or stay, lines that move, no price, matches not played."""
    generator = random.Random(seed)
    events = []
    for number in range(1, count + 1):
        def odds(size):
            return tuple(generator.randint(1001, 6000) for _ in range(size))
        first, score = odds(3), (generator.randrange(5), generator.randrange(5))
        moved = generator.randint(-8, 8)
        make = catalogue.market_make
        markets = [make(number, "result", (first, generator.choice((first, odds(3))))),
                   make(number, "total", (odds(2), (0, 2000)), line=10),
                   make(number, "handicap", (odds(2), None), line=moved),
                   make(number, "handicap", (None, odds(2)), line=moved + 1)]
        events.append(catalogue.Event(
            number, "X1", datetime.datetime(2021, 8, 1 + number % 28), f"Home {number}",
            f"Away {number}", None if number % 20 == 0 else catalogue.Score(score),
            tuple(markets)))
    return catalogue.Season(events, [])


def settings(bets=500, **others):
    return book.Settings(bets, tuple(range(100, 110)), **others)


# ---- What a bet is answered ----

def fixed():
    make = catalogue.market_make
    markets = [make(1, "result", ((2000, 3000, 4000), (2100, 3000, 3900))),
               make(1, "total", ((1900, 0), (1900, 0)), line=10),
               make(2, "result", ((1500, 3500, 6000), None)),
               make(3, "result", (None, (1500, 3500, 6000)))]
    events = [catalogue.Event(number, "X", datetime.datetime(2021, 1, number), "A", "B",
                              catalogue.Score((1, 0)),
                              tuple(market for market in markets if market.event_id == number))
              for number in (1, 2, 3)]
    return catalogue.Season(events, []), [market.id for market in markets]


@pytest.mark.parametrize("phase, policy, legs, code, odds", [
    (OPENING, 0, [(0, 0, 2000)], "OK", (2000,)),
    (CLOSING, 0, [(0, 0, 2000)], "ODDS_CHANGED", None),  # rose, but exact was asked for
    (CLOSING, 1, [(0, 0, 2000)], "OK", (2100,)),  # rose: taken at the book's odds
    (CLOSING, 1, [(0, 2, 4000)], "ODDS_CHANGED", None),  # fell
    (CLOSING, 0, [(0, 1, 3000)], "OK", (3000,)),  # stayed
    (OPENING, 1, [(1, 1, 1001)], "ODDS_CHANGED", None),  # no price
    (OPENING, 0, [(0, 3, 2000)], "SELECTION_UNKNOWN", None),
    (CLOSING, 1, [(2, 0, 1500)], "MARKET_NOT_OPEN", None),  # suspended by the change
    (OPENING, 1, [(3, 0, 1500)], "MARKET_NOT_OPEN", None),  # not open before it
    (OPENING, 0, [(0, 0, 2000), (2, 1, 3500)], "OK", (2000, 3500)),
    (OPENING, 0, [(0, 0, 2000), (0, 1, 3000)], "LEGS_DUPLICATE", None),
    (OPENING, 0, [(0, 0, 2000), (1, 0, 1900)], "LEGS_RELATED", None),
    (CLOSING, 0, [(0, 0, 2100), (3, 0, 1600)], "ODDS_CHANGED", None),
])
def test_expected_answers(phase, policy, legs, code, odds):
    season, ids = fixed()
    legs = [book.Leg(ids[index], selection, claimed) for index, selection, claimed in legs]
    expected = book.Board(season).expect(9, 1000, policy, phase, legs)
    assert expected.code == code
    assert expected.odds == (odds or tuple(leg.odds for leg in legs))
    if code == "OK":
        assert expected.payout == settle.payout_full(1000, odds) and expected.market_id == 0
    else:
        assert expected.market_id == legs[-1].market_id


def test_the_most_that_is_paid_and_checks_of_a_configuration():
    season, ids = fixed()
    legs = [book.Leg(ids[0], 0, 2000)]
    board = book.Board(season, 3000, [
        lambda account, stake, _, payout: "ACCOUNT_FROZEN" if account == 7 else None,
        lambda account, stake, _, payout: "LIMIT_SINGLE_STAKE" if stake > 1000 else None])
    codes = [board.expect(*who, 0, OPENING, legs).code
             for who in ((1, 1000), (1, 1001), (7, 1001), (1, 1501), (1, 1500))]
    assert codes == ["OK", "LIMIT_SINGLE_STAKE", "ACCOUNT_FROZEN", "PAYOUT_LIMIT",
                     "LIMIT_SINGLE_STAKE"]
    unknown = board.expect(1, 1, 0, OPENING, [book.Leg(99, 0, 2000)])
    assert (unknown.code, unknown.market_id) == ("MARKET_UNKNOWN", 99)


# ---- The generator ----

def test_the_same_seed_gives_the_same_bets(seed):
    season = season_make(1)
    bets = book.generate(season, seed, settings())
    assert bets == book.generate(season, seed, settings())
    assert bets != book.generate(season, seed + 1, settings())


def test_bets_are_as_the_settings_say(seed):
    season = season_make(seed)
    board = book.Board(season)
    bets = book.generate(season, seed, settings(4000, stake_min=5, stake_max=70,
                                                 related_permille=30), board)
    assert [bet.number for bet in bets] == list(range(4000))
    assert [bet.phase for bet in bets] == [OPENING] * 2000 + [CLOSING] * 2000
    assert {len(bet.legs) for bet in bets} == set(range(1, 11))
    assert 0.35 < sum(len(bet.legs) > 1 for bet in bets) / len(bets) < 0.45
    assert {bet.account for bet in bets} == set(range(100, 110))
    assert {5, 70} <= {bet.stake for bet in bets} <= set(range(5, 71))
    codes = {bet.expected.code for bet in bets}
    assert codes == {"OK", "ODDS_CHANGED", "MARKET_NOT_OPEN", "LEGS_DUPLICATE", "LEGS_RELATED"}
    for bet in bets:
        events = [board.markets[leg.market_id].event_id for leg in bet.legs]
        assert len(set(events)) == len(events) or not bet.accepted
        assert all(book_odds >= leg.odds for leg, book_odds in zip(bet.legs, bet.expected.odds))
        if bet.accepted:
            assert bet.expected.odds == tuple(
                board.price(leg.market_id, leg.selection, bet.phase) for leg in bet.legs)
    assert sum(book.deposits(bets).values()) == sum(bet.stake for bet in bets)
    assert any(bet.accepted and bet.expected.odds != tuple(leg.odds for leg in bet.legs)
               for bet in bets), "no bet was taken at better odds"


def test_legs_close_together(seed):
    season = season_make(seed)
    for bet in book.generate(season, seed, settings(300, spread=5)):
        events = [leg.market_id >> 12 for leg in bet.legs]
        assert max(events) - min(events) < 5


def test_corrections_change_the_winner(seed):
    season = season_make(seed)
    changed = book.corrections(season, seed, 10)
    assert changed == book.corrections(season, seed, 10)
    assert len({event.id for event, _ in changed}) == 10
    for event, score in changed:
        result = event.markets[0]
        assert settle.outcomes(result, score) != settle.outcomes(result, event.score)
    score = catalogue.Score((1, 0), (1, 0), (4, 5))
    other = book.score_other(random.Random(seed), score)
    assert all(half <= full for half, full in zip(other.half, other.full)) and other.corners


def test_wrong_settings_are_refused():
    season = season_make(1)
    for wrong in (settings(0), book.Settings(5, ())):
        with pytest.raises(ValueError):
            book.generate(season, 1, wrong)
    with pytest.raises(ValueError):
        book.generate(catalogue.Season([], []), 1, settings())
    with pytest.raises(ValueError):
        book.corrections(season, 1, 1000)


# ---- The model ----

def account_with(amount):
    accounts = model.Model()
    accounts.deposit(1, amount)
    return accounts


def test_legs_settle_one_by_one():
    accounts = account_with(1000)
    accounts.place(5, 1, 100, [(11, 0, 2000), (12, 1, 3000)])
    assert accounts.balance(1) == 900 and accounts.summary().open == 1
    accounts.settle(11, (WIN, LOSE))
    assert accounts.balance(1) == 900 and accounts.summary().open == 1
    accounts.settle(12, (LOSE, HALF_WIN))
    assert accounts.balance(1) == 900 + 400 and accounts.payouts() == {5: 400}
    assert accounts.summary() == model.Summary(1, 1, 100, 400, 0, 0)


def test_a_lost_leg_decides_until_it_is_rolled_back():
    accounts = account_with(100)
    accounts.place(5, 1, 100, [(11, 0, 2000), (12, 0, 3000)])
    accounts.settle(11, (LOSE, WIN))
    assert accounts.summary().open == 0
    accounts.rollback(11)
    assert accounts.summary().open == 1
    accounts.settle(12, (WIN, LOSE))
    accounts.settle(11, (WIN, LOSE))
    assert accounts.balance(1) == 600


def test_void_legs_and_refunds():
    accounts = account_with(1000)
    accounts.place(5, 1, 100, [(11, 0, 2000), (12, 0, 3000)])
    accounts.place(6, 1, 100, [(11, 0, 2000)])
    accounts.place(7, 1, 100, [(13, 0, 2000)])
    accounts.cancel(7)
    accounts.settle(11, (VOID, VOID))
    accounts.settle(12, (WIN, LOSE))
    assert accounts.payouts() == {5: 300, 6: 100, 7: 100}
    assert accounts.summary() == model.Summary(3, 1, 300, 300, 200, 0)
    with pytest.raises(ValueError, match="not open"):
        accounts.cancel(6)


def test_a_payout_taken_back_after_it_was_withdrawn_is_receivable():
    accounts = account_with(100)
    accounts.place(5, 1, 100, [(11, 0, 3000)])
    accounts.settle(11, (WIN, LOSE))
    accounts.deposit(1, -250)
    accounts.rollback(11)
    assert (accounts.balance(1), accounts.receivable(1)) == (0, 250)
    accounts.settle(11, (VOID, VOID))
    assert (accounts.balance(1), accounts.receivable(1)) == (0, 150)
    accounts.deposit(1, 200)
    assert (accounts.balance(1), accounts.receivable(1)) == (50, 0)


def test_commands_in_the_wrong_order_are_refused():
    accounts = account_with(100)
    accounts.place(5, 1, 10, [(11, 0, 3000)])
    accounts.settle(11, (WIN, LOSE))
    for wrong in (lambda: accounts.settle(11, (WIN, LOSE)),
                  lambda: accounts.place(5, 1, 10, [(12, 0, 3000)]),
                  lambda: accounts.place(6, 1, 10, [(11, 0, 3000)])):
        with pytest.raises(ValueError):
            wrong()


def test_mismatches_are_named():
    accounts = account_with(100)
    accounts.place(5, 1, 10, [(11, 0, 3000)])
    assert accounts.mismatches({1: 90}, {5: 0}) == []
    assert accounts.mismatches({1: 91, 2: 5}, {}) == [
        "account 1: expected 90, is 91", "account 2: expected none, is 5",
        "bet 5: expected 0, is none"]


def played(season, bets):
    accounts = model.Model()
    for account, amount in book.deposits(bets).items():
        accounts.deposit(account, amount)
    for bet in bets:
        accounts.place_expected(bet)
    return accounts


def fresh(season, bets, scores):
    """The same bets settled once, with `scores` for the events named there."""
    accounts = played(season, bets)
    for event in season.events:
        accounts.settle_event(event, scores.get(event.id, event.score))
    return accounts


def test_rollback_and_other_results_end_as_if_they_had_been_the_only_ones(seed):
    season = season_make(seed)
    bets = book.generate(season, seed, settings(2000, spread=20))
    accounts = played(season, bets)
    stakes = sum(bet.stake for bet in bets if bet.accepted)
    assert accounts.summary().stake == stakes and model.derive(accounts) == accounts.positions
    for event in season.events:
        accounts.settle_event(event, event.score)
    first = fresh(season, bets, {})
    assert accounts.positions == first.positions and accounts.summary().open == 0
    changed = book.corrections(season, seed, 10)
    for event, _ in changed:
        accounts.rollback_event(event)
    assert accounts.summary().open > 0 and model.derive(accounts) == accounts.positions
    for event, score in changed:
        accounts.settle_event(event, score)
    other = fresh(season, bets, {event.id: score for event, score in changed})
    assert accounts.positions == other.positions != first.positions
    assert accounts.payouts() == other.payouts() and accounts.summary() == other.summary()


def test_random_commands_keep_both_derivations_equal(seed):
    """Settles, rolls back, cancels and deposits in any order, checked after each command."""
    generator = random.Random(seed)
    season = season_make(seed, 12)
    bets = book.generate(season, seed, settings(150))
    accounts, markets = played(season, bets), season.markets()
    for _ in range(400):
        market = generator.choice(markets)
        bet = accounts.bets[generator.choice(list(accounts.bets))]
        chance = generator.randrange(10)
        if chance < 7 and market.id in accounts.results:
            accounts.rollback(market.id)
        elif chance < 7:
            accounts.settle(market.id, settle.outcomes(market, generator.choice(
                (None, catalogue.Score((generator.randrange(4), generator.randrange(4)))))))
        elif chance == 7 and not bet.cancelled and not model.decided(bet, accounts.results):
            accounts.cancel(bet.bet_id)
        else:
            accounts.deposit(bet.account, generator.randint(-500, 500))
        assert model.derive(accounts) == accounts.positions
        summary = accounts.summary()
        assert (sum(accounts.positions.values()) == sum(accounts.deposited.values())
                - summary.stake + summary.payout + summary.refunds)
    assert dataclasses.asdict(summary) == summary.as_json()
