# SPDX-License-Identifier: Apache-2.0
"""Payout limits over several shards: every bet gets its outcome, however little credit is left."""

import random
import time

import demo
import pytest
from controlled import ControlledSwitch
from sluice_terminal import PLACE_BET, bet_block, leg, message
from switch import balance_sum
from test_catalogue import connect

FIRST, ACCOUNTS, OPENING = 500_001, 60, 100_000_000
FULL, MARKET = 700_001, 700_002
LIMIT = 6_000_000
SECONDS = 120
SHARE_SECONDS = 2  # the shards need half of one to share a new limit out, where the CPU is theirs
RULES = [f"exposure_selection_max={LIMIT}", "stake_single_max=100000000", "payout_max=1000000000",
         "refuse_score=101"]


def begin_bet(terminal, stake):
    """A bet at 2.000 that is not waited for; its id."""
    request_id = terminal.take_id(PLACE_BET)
    block = bet_block(random.randrange(FIRST, FIRST + ACCOUNTS), stake,
                      terminal.deadline(SECONDS), 410, 1, 1, cashier=0)
    terminal.requests[request_id] = message(PLACE_BET, request_id, block, leg(MARKET, 0, 2_000))
    terminal.send(*terminal.texts(request_id))
    return request_id


@pytest.mark.parametrize("shards", [3, 6])
def test_every_bet_at_the_limit_gets_its_outcome(shards):
    with ControlledSwitch(f"payout-{shards}", shards=shards) as switch:
        switch.begin(terminals=3)
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86_400))
        path = switch.path("markets.csv")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("market,event,name,start,kind,line,state,selections\n")
            for market in (FULL, MARKET):
                stream.write(f"{market},{market},One,{later},1x2,,open,home:2;draw:3.5;away:25\n")
        switch.control.ctl("market", "import", path)
        demo.accounts_open(switch.control, FIRST, ACCOUNTS, OPENING)
        switch.control.ctl("rules", "set", *RULES)
        terminals = [connect(switch, number) for number in (1, 2, 3)]

        # As a market's first bet: above the whole limit, and the whole limit.
        above, whole = (terminals[0].place_bet(FIRST, stake, [(FULL, 0, 2_000)], timeout=SECONDS)
                        for stake in (LIMIT * 2 // 3, LIMIT // 2))
        assert (above.name, whole.name) == ("EXPOSURE_SELECTION", "OK")

        # Large bets, then more small ones than there is room for, of three terminals at once.
        random.seed(shards)
        accepted, names = 0, set()
        for turn in range(12):
            begun = [(terminal, stake, begin_bet(terminal, stake)) for terminal in terminals
                     for stake in [100_000 if turn < 3 else random.randrange(1_000, 12_000)
                                   for _ in range(16)]]
            for terminal, stake, request_id in begun:
                outcome = terminal.resume(request_id, timeout=SECONDS)
                names.add(outcome.name)
                accepted += 2 * stake if outcome.ok else 0
        assert names == {"OK", "EXPOSURE_SELECTION"}
        assert LIMIT - 24_000 < accepted <= LIMIT
        shown = switch.control.json("report", "liability")
        assert shown["warnings"] == 2, shown
        assert {(row["id"], row["liability"], row["limit"], row["warning"])
                for row in shown["liabilities"] if row["scope"] == "selection"} == {
                    (FULL, LIMIT, LIMIT, True), (MARKET, accepted, LIMIT, True)}
        for terminal in terminals:
            terminal.close()
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0, verified


class Seller:
    """Bets of one customer a shard, by what they may pay; what was accepted is counted."""

    def __init__(self, switch, terminal, accounts):
        self.terminal, self.account = terminal, {}
        for account in accounts:
            self.account.setdefault(terminal.balance(account).shard, account)
        self.switch, self.sold = switch, 0

    def sell(self, shard, market, payout):
        outcome = self.terminal.place_bet(self.account[shard], payout // 2, [(market, 0, 2_000)],
                                          timeout=SECONDS)
        self.sold += payout if outcome.ok else 0
        return outcome.name

    def sell_out(self, market):
        """Everything that any shard still accepts; the last refusals."""
        payout, names = 1_000_000, set()
        while payout >= 2:
            names = {self.sell(shard, market, payout) for shard in self.account}
            payout = payout if "OK" in names else payout // 2
        return names

    def liability(self, scope, number):
        return [(row["liability"], row["limit"])
                for row in self.switch.control.json("report", "liability")["liabilities"]
                if row["scope"] == scope and row["id"] == number]


def limit_set(switch, amount):
    """Sets the limit of a selection; the shards have a while to share it out."""
    switch.control.ctl("rules", "set", f"exposure_selection_max={amount}", *RULES[1:],
                       "exposure_market_max=0", "factors=0", "stake_daily_max=1000000000",
                       "terminal_daily_max=10000000000")
    time.sleep(SHARE_SECONDS)


def test_a_limit_lowered_or_first_set_while_running_holds_for_all_shards():
    first, markets, half = 700_001, 5, 500_000
    with ControlledSwitch("payout-lower", shards=2) as switch:
        switch.begin(terminals=1)
        control = switch.control
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86_400))
        path = switch.path("markets.csv")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("market,event,name,start,kind,line,state,selections\n")
            for market in range(first, first + markets):
                stream.write(f"{market},{market},One,{later},1x2,,open,home:2;draw:3.5;away:25\n")
        control.ctl("market", "import", path)
        demo.accounts_open(control, FIRST, ACCOUNTS, OPENING)
        terminal = connect(switch, 1)
        seller = Seller(switch, terminal, range(FIRST, FIRST + ACCOUNTS))

        # Lowered, and first set, to what shard 0 alone has sold.
        for market, before in ((first, 2_000_000), (first + 1, 0)):
            limit_set(switch, before)
            seller.sold = 0
            assert seller.sell(0, market, 1_000_000) == "OK"
            limit_set(switch, 1_000_000)
            assert seller.sell_out(market) == {"EXPOSURE_SELECTION"}
            assert seller.sold == 1_000_000
            assert seller.liability("selection", market) == [(1_000_000, 1_000_000)]

        # A rollback opens half a million again where as much was sold meanwhile.
        one, other = first + 2, first + 3
        legs = [(one, 0, 2_000), (other, 0, 2_000)]
        assert terminal.place_bet(seller.account[0], half // 4, legs, timeout=SECONDS).ok
        control.ctl("market", "result", one, "--score", "0:1")
        seller.sold = half
        assert seller.sell(0, other, half) == "OK"
        control.ctl("market", "rollback", one)
        time.sleep(SHARE_SECONDS)
        assert seller.sell_out(other) == {"EXPOSURE_SELECTION"}
        assert seller.sold == 1_000_000
        assert seller.liability("selection", other) == [(1_000_000, 1_000_000)]

        # A partner's, first set and then lowered.
        limit_set(switch, 0)
        control.ctl("partner", "set", 1, "--name", "One", "--keys-max", 100, "--currency", 410)
        for account in range(510_001, 510_020):
            assert terminal.open_account(account, partner=1).ok
            assert terminal.deposit(account, 10_000_000).ok
        partner, market = Seller(switch, terminal, range(510_001, 510_020)), first + 4
        assert partner.sell(0, market, 1_000_000) == "OK"
        for limit in (1_500_000, 1_000_000):
            control.ctl("partner", "set", 1, "--exposure-max", limit)
            time.sleep(SHARE_SECONDS)
            assert partner.sell(0, market, 1_000_000) == "EXPOSURE_PARTNER"
            assert partner.sell(1, market, 1_000_000) == "EXPOSURE_PARTNER"
        assert partner.sell_out(market) == {"EXPOSURE_PARTNER"}
        assert partner.liability("partner", 1) == [(1_000_000, 1_000_000)]

        terminal.close()
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0, verified
