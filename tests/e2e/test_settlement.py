# SPDX-License-Identifier: Apache-2.0
"""Results by an operator's verbs: what bets are worth then, taken back, void, final; and a data
plane that dies while it settles."""

import json
import os
import random
import threading
import time

import demo
import pytest

import season_run
from controlled import ControlledSwitch
from instance import InstanceError
from season_run import BET_OPEN, BET_SETTLED, FIRST_ACCOUNT, ask, walks_wait
from switch import wait_until

HEADER = "market,event,name,start,kind,line,state,selections"
MARKETS = """\
1,1,a - b,2035-01-01T12:00:00Z,1x2,,,a:2;draw:3.5;b:4
2,1,a - b,2035-01-01T12:00:00Z,over_under,2.25,,over:1.9;under:1.8
3,2,c - d,2035-01-02T12:00:00Z,handicap,-0.75,,c:2;d:1.8
4,3,e f g,2035-01-03T12:00:00Z,other,,,e:3;f:4;g:-
"""
BALANCE = 1_000_000
BET_VOID = 4
KILLS = int(os.environ.get("SLUICE_SETTLE_KILLS", "4"))
KILL_BETS = 30_000


def begin(switch, accounts, terminals=2, text=MARKETS):
    switch.begin(terminals, accounts=1)  # a season of its own ids lies beside these markets
    control = switch.control
    control.ctl("rules", "set", *(f"{key}={value}" for key, value in season_run.RULES.items()))
    path = switch.path("var/lib/markets.csv")
    with open(path, "w", encoding="ascii") as stream:
        stream.write(f"{HEADER}\n{text}")
    control.ctl("market", "import", path)
    demo.accounts_open(control, FIRST_ACCOUNT + 1, accounts, BALANCE)


class Bets:
    """A few bets at one terminal, and what they must be worth."""

    def __init__(self, switch):
        self.switch = switch
        self.ids = {}

    def place(self, bets):
        """{number: (account, stake, legs as text)}; all are taken."""
        outcomes = ask(self.switch, 1, [
            (0, number, f"bet {account} {stake} 0 {legs}")
            for number, (account, stake, legs) in bets.items()])
        assert {outcome[0] for outcome in outcomes.values()} == {"OK"}, outcomes
        self.ids.update({number: outcome[1] for number, outcome in outcomes.items()})

    def worth(self):
        """{number: (state, payout)}"""
        outcomes = ask(self.switch, 1, [(0, number, f"status {bet}")
                                        for number, bet in self.ids.items()])
        return {number: (outcome[4], outcome[3]) for number, outcome in outcomes.items()}

    def balances(self, accounts):
        outcomes = ask(self.switch, 1, [(0, account, f"balance {account}")
                                        for account in accounts])
        return [outcomes[account][2] for account in accounts]


def refused(control, *arguments):
    ran = control.ctl(*arguments, check=False)
    assert ran.returncode != 0
    return ran.stderr


def test_results_by_verbs():
    first, second = FIRST_ACCOUNT + 1, FIRST_ACCOUNT + 2
    with ControlledSwitch("results") as switch:
        begin(switch, 2)
        control, bets = switch.control, Bets(switch)
        bets.place({1: (first, 1001, "1:0:2000"), 2: (first, 1001, "1:1:3500"),
                    3: (first, 1001, "2:0:1900"), 4: (first, 1001, "3:0:2000"),
                    5: (second, 333, "1:0:2000 3:1:1800 4:0:3000"), 6: (second, 50, "4:1:4000")})
        staked = 4 * 1001
        assert bets.balances([first, second]) == [BALANCE - staked, BALANCE - 383]

        shown = control.json("market", "result", 1, "--score", "1:1")
        assert shown["state"] == "settled" and shown["walked"]
        assert [one["outcome"] for one in shown["selections"]] == ["lose", "win", "lose"]
        worth = bets.worth()
        assert worth[1] == (BET_SETTLED, 0) and worth[2] == (BET_SETTLED, 3503)
        assert worth[5] == (BET_SETTLED, 0)  # one leg is lost: nothing can save it
        assert worth[3][0] == worth[4][0] == worth[6][0] == BET_OPEN
        assert "has a result" in refused(control, "market", "result", 1, "--score", "2:0")
        assert "closed for good" in refused(control, "market", "open", 1)
        taken = ask(switch, 1, [(0, 1, f"bet {first} 1 0 1:1:3500")])
        assert taken[1][0] == "MARKET_NOT_OPEN"

        control.ctl("market", "rollback", 1)
        worth = bets.worth()
        assert worth[1] == (BET_OPEN, 2002) and worth[2] == (BET_OPEN, 3503)
        assert worth[5][0] == BET_OPEN
        assert bets.balances([first, second]) == [BALANCE - staked, BALANCE - 383]
        control.ctl("market", "result", 1, "--outcomes", "win,lose,lose")
        control.ctl("market", "result", 2, "--score", "2:0")  # 2 of 2.25: half lost
        control.ctl("market", "result", 3, "--score", "2:1")  # by one of 0.75: half won
        control.ctl("market", "result", 4, "--outcomes", "dead_heat 1/2,dead_heat 1/2,lose")
        walks_wait(switch)
        # 333 * 2 * (half lost: 1/2) * (3 / 2) = 499.5; 50 * 4 / 2
        assert bets.worth() == {
            1: (BET_SETTLED, 2002), 2: (BET_SETTLED, 0), 3: (BET_SETTLED, 500),
            4: (BET_SETTLED, 1501), 5: (BET_SETTLED, 499), 6: (BET_SETTLED, 100)}
        assert bets.balances([first, second]) == [
            BALANCE - staked + 2002 + 500 + 1501, BALANCE - 383 + 499 + 100]

        control.ctl("market", "rollback", 3)
        control.ctl("market", "void", 3)
        walks_wait(switch)
        worth = bets.worth()
        assert worth[4] == (BET_SETTLED, 1001) and worth[5] == (BET_SETTLED, 999)
        assert control.json("market", "show", 3)["state"] == "void"
        control.ctl("market", "final", 3, "--yes")
        assert "final" in refused(control, "market", "rollback", 3)
        assert switch.stop() == 0
        assert switch.verify()["ok"]


@pytest.mark.parametrize("shards", [1, 2])
def test_control_makes_results_final_on_all_shards_alike(shards):
    with ControlledSwitch(f"final{shards}", shards=shards) as switch:
        begin(switch, 2)
        control = switch.control
        control.ctl("rules", "set", "result_final_s=1")
        control.ctl("market", "result", 4, "--outcomes", "win,lose,lose")
        wait_until(lambda: control.json("market", "show", 4)["final"], 60, "the final result")
        entry = control.json("audit", "tail", "--count", 1)["entries"][0]
        assert (entry["action"], entry["user"]) == ("market final", "control")
        wait_until(lambda: control.json("command", "list")["commands"][0]["state"] == "done", 60,
                   "the command on all shards")
        assert "final" in refused(control, "market", "rollback", 4)
        # An operator's word comes before control's; and one that all shards refuse changes nothing.
        control.ctl("rules", "set", "result_final_s=86400")
        control.ctl("market", "result", 3, "--score", "2:1")
        time.sleep(3)
        assert control.json("market", "show", 3)["final"] is False
        control.ctl("market", "rollback", 3)
        assert switch.stop() == 0
        assert switch.verify()["ok"]


def test_a_bet_made_void_and_a_payout_that_is_no_longer_there():
    account = FIRST_ACCOUNT + 1
    with ControlledSwitch("owed") as switch:
        begin(switch, 1)
        control, bets = switch.control, Bets(switch)
        bets.place({1: (account, 5000, "1:0:2000"), 2: (account, 700, "4:0:3000")})
        control.ctl("bet", "void", bets.ids[2], "--reason", 7, "--yes")
        assert bets.worth()[2][0] == BET_VOID
        assert bets.balances([account]) == [BALANCE - 5000]
        control.ctl("market", "result", 1, "--score", "3:0")
        walks_wait(switch)
        everything = BALANCE + 5000
        assert bets.balances([account]) == [everything]
        out = ask(switch, 1, [(0, 1, f"withdraw {account} {everything}")])
        assert out[1][0] == "OK"
        control.ctl("market", "rollback", 1)
        walks_wait(switch)
        assert bets.balances([account]) == [0]  # 10,000 were taken back from nothing
        out = ask(switch, 1, [(0, 1, f"deposit {account} 4000")])
        assert out[1][:1] == ("OK",)
        assert bets.balances([account]) == [0]  # repaid first: 6,000 are still owed
        out = ask(switch, 1, [(0, 1, f"deposit {account} 6500")])
        assert bets.balances([account]) == [500]
        control.ctl("market", "result", 1, "--score", "0:3")
        walks_wait(switch)
        assert bets.worth()[1] == (BET_SETTLED, 0)
        assert bets.balances([account]) == [500]
        assert switch.stop() == 0
        assert switch.verify()["ok"]


def result_in_background(control, *arguments):
    """The verb may not be answered: the data plane dies meanwhile."""
    thread = threading.Thread(target=lambda: control.ctl(
        *arguments, "--wait-ms", 120_000, timeout=150, check=False), daemon=True)
    thread.start()
    return thread


def up_again(switch):
    switch.start()
    switch.control.wait_up(60)


@pytest.mark.parametrize("shards", (1, 2))
def test_killed_while_settling(shards):
    seed = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed} (repeat with SLUICE_TEST_SEED)")
    generator = random.Random(seed)
    accounts = range(FIRST_ACCOUNT + 1, FIRST_ACCOUNT + 101)
    terminals = 4
    with ControlledSwitch("settlekill", shards=shards, bets=100_000, segments_max=256) as switch:
        begin(switch, len(accounts), terminals)
        control = switch.control
        placed = ask(switch, terminals, [
            (number % terminals, number,
             f"bet {accounts[number % len(accounts)]} 100 0 1:{number % 3}:"
             f"{(2000, 3500, 4000)[number % 3]}") for number in range(KILL_BETS)])
        assert {outcome[0] for outcome in placed.values()} == {"OK"}
        base = {account: BALANCE for account in accounts}
        for number in range(KILL_BETS):
            base[accounts[number % len(accounts)]] -= 100
        winner = None
        for _ in range(KILLS):
            before = sum(shard["walk_events"] for shard in switch.status()["shards"])
            if winner is None:
                winner = generator.randrange(3)
                thread = result_in_background(control, "market", "result", 1, "--score",
                                              ("1:0", "0:0", "0:1")[winner])
            else:
                winner = None
                thread = result_in_background(control, "market", "rollback", 1)
            target = generator.randrange(1, KILL_BETS)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                walked = sum(shard["walk_events"] for shard in switch.status()["shards"])
                if walked - before >= target // 2:
                    break
            switch.kill()
            up_again(switch)
            thread.join(150)
            walks_wait(switch, 120)
            balances = Bets(switch).balances(accounts)
            expected = dict(base)
            for number in range(KILL_BETS):
                if number % 3 == winner:
                    expected[accounts[number % len(accounts)]] += (200, 350, 400)[winner]
            assert balances == [expected[account] for account in accounts]
        states = ask(switch, terminals, [(number % terminals, number, f"status {outcome[1]}")
                                         for number, outcome in placed.items()])
        wanted = BET_OPEN if winner is None else BET_SETTLED
        assert {outcome[4] for outcome in states.values()} == {wanted}
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"], json.dumps(verified)


def test_results_of_a_file_are_done_together():
    with ControlledSwitch("resultfile") as switch:
        begin(switch, 1)
        path = switch.path("var/lib/results.csv")
        with open(path, "w", encoding="ascii") as stream:
            stream.write("market,result\n1,2:1\n4,1:0\n")
        with pytest.raises(InstanceError, match="market 4 does not follow from a score"):
            switch.control.ctl("market", "results", path)
        assert switch.control.json("market", "show", 1)["state"] == "open"
        with open(path, "w", encoding="ascii") as stream:
            stream.write("market,result\n1,2:1\n4,void\n1,rollback\n1,0:0\n")
        done = switch.control.json("market", "results", path)
        assert done["results"] == 4
        shown = switch.control.json("market", "show", 1)
        assert [one["outcome"] for one in shown["selections"]] == ["lose", "win", "lose"]
