# SPDX-License-Identifier: Apache-2.0
"""What accounts hold after bets, settlement, rollback and re-settlement.

Two derivations that share only settle.py: Model keeps running sums as commands come, `derive` adds
up from the bets and the last results alone. Both must agree, and the switch with both.
"""

import dataclasses

from . import settle


@dataclasses.dataclass
class Stake:
    """A bet that was accepted."""
    bet_id: int
    account: int
    stake: int
    legs: tuple  # (market id, selection, odds)
    paid: int = 0  # to the account, payout or refund
    refunded: bool = False  # `paid` is the stake of a bet that was cancelled or wholly void
    cancelled: bool = False


@dataclasses.dataclass
class Summary:
    """`stake` and the counts are of accepted bets; payout and refunds are disjoint sums."""
    bets: int = 0
    accumulators: int = 0
    stake: int = 0
    payout: int = 0
    refunds: int = 0
    open: int = 0

    def as_json(self):
        return dataclasses.asdict(self)


class Model:
    def __init__(self):
        self.positions = {}  # account -> balance minus receivable
        self.deposited = {}
        self.bets = {}
        self.results = {}  # market id -> outcomes, while settled
        self.by_market = {}

    # ---- Money ----

    def deposit(self, account, amount):
        """A withdrawal is a deposit below zero."""
        self.positions[account] = self.positions.get(account, 0) + amount
        self.deposited[account] = self.deposited.get(account, 0) + amount

    def balance(self, account):
        return max(self.positions[account], 0)

    def receivable(self, account):
        """What a reversal took that was no longer there. Later credits repay it first."""
        return max(-self.positions[account], 0)

    # ---- Bets ----

    def place(self, bet_id, account, stake, legs):
        if bet_id in self.bets:
            raise ValueError(f"bet {bet_id} again")
        if any(market_id in self.results for market_id, _, _ in legs):
            raise ValueError(f"bet {bet_id} on a settled market")
        bet = self.bets[bet_id] = Stake(bet_id, account, stake, tuple(legs))
        self.positions[account] -= stake
        for market_id, _, _ in legs:
            self.by_market.setdefault(market_id, []).append(bet)

    def place_expected(self, bet, bet_id=None):
        """A book.Bet, if it was to be accepted."""
        if bet.accepted:
            legs = [(leg.market_id, leg.selection, odds)
                    for leg, odds in zip(bet.legs, bet.expected.odds)]
            self.place(bet.number if bet_id is None else bet_id, bet.account, bet.stake, legs)

    def cancel(self, bet_id):
        """By the customer or the operator, before it is decided: the stake goes back."""
        bet = self.bets[bet_id]
        if bet.cancelled or decided(bet, self.results):
            raise ValueError(f"bet {bet_id} is not open")
        bet.cancelled = True
        self.update(bet)

    # ---- Results ----

    def settle(self, market_id, outcomes):
        """Outcomes of all selections. Legs are settled one by one: a bet is paid with its last."""
        if market_id in self.results:
            raise ValueError(f"market {market_id} is settled; roll back first")
        self.results[market_id] = tuple(outcomes)
        self.update_all(market_id)

    def rollback(self, market_id):
        """The market is open for results again; what was paid by them is taken back."""
        del self.results[market_id]
        self.update_all(market_id)

    def settle_event(self, event, score):
        for market in event.markets:
            self.settle(market.id, settle.outcomes(market, score))

    def rollback_event(self, event):
        for market in event.markets:
            self.rollback(market.id)

    def update_all(self, market_id):
        for bet in self.by_market.get(market_id, ()):
            self.update(bet)

    def update(self, bet):
        paid, refunded = due(bet, self.results)
        self.positions[bet.account] += paid - bet.paid
        bet.paid, bet.refunded = paid, refunded

    # ---- What must hold ----

    def payouts(self):
        """{bet id: paid}, refunds too."""
        return {bet_id: bet.paid for bet_id, bet in self.bets.items()}

    def summary(self):
        summary = Summary()
        for bet in self.bets.values():
            summary.bets += 1
            summary.accumulators += len(bet.legs) > 1
            summary.stake += bet.stake
            if bet.refunded:
                summary.refunds += bet.paid
            else:
                summary.payout += bet.paid
            summary.open += not (bet.cancelled or decided(bet, self.results))
        return summary

    def mismatches(self, balances, payouts=None):
        """Lines naming each account ({id: balance}) and bet ({id: paid}) that differs or is on one
        side only. A balance is compared with balance(): not below zero."""
        found = differences("account", {account: self.balance(account)
                                        for account in self.positions}, balances)
        return found + ([] if payouts is None else differences("bet", self.payouts(), payouts))


def decided(bet, results):
    """All legs have results, or one is lost for good: the other legs change nothing."""
    known = [results[market_id][selection] for market_id, selection, _ in bet.legs
             if market_id in results]
    return len(known) == len(bet.legs) or settle.LOSE in known


def due(bet, results):
    """(amount paid by these results, whether it is a refund)."""
    if bet.cancelled:
        return bet.stake, True
    if any(market_id not in results for market_id, _, _ in bet.legs):
        return 0, False
    outcomes = [results[market_id][selection] for market_id, selection, _ in bet.legs]
    legs = [(odds, outcome) for (_, _, odds), outcome in zip(bet.legs, outcomes)]
    return settle.payout(bet.stake, legs), settle.is_refund(outcomes)


def derive(model):
    """{account: position} from deposits, bets and results, not from what was kept meanwhile."""
    positions = dict(model.deposited)
    for bet in model.bets.values():
        positions[bet.account] += due(bet, model.results)[0] - bet.stake
    return positions


def differences(what, expected, actual):
    lines = []
    for key in sorted(expected.keys() | actual.keys()):
        if expected.get(key) != actual.get(key):
            lines.append(f"{what} {key}: expected {expected.get(key, 'none')}, "
                         f"is {actual.get(key, 'none')}")
    return lines
