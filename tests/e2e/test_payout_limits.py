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
SECONDS = 15
RULES = [f"exposure_selection_max={LIMIT}", "stake_single_max=100000000", "payout_max=1000000000",
         "refuse_score=101"]


def begin_bet(terminal, stake):
    """A bet at 2.000 that is not waited for; its id."""
    request_id = terminal.take_id(PLACE_BET)
    block = bet_block(random.randrange(FIRST, FIRST + ACCOUNTS), stake, terminal.deadline(60), 410,
                      1, 1, cashier=0)
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
