# SPDX-License-Identifier: Apache-2.0
"""A random day of everything at once: requests with money under rules that change, judged cases,
flags, results taken back, while processes are killed; restored from PostgreSQL, and re-sharded.
Decided anew by the rules of then, every request has the outcome it had.

SLUICE_DAY_STEPS: length (240); SLUICE_TEST_SEED: the same day again."""

import json
import os
import random
import shutil
import time

import demo
from controlled import ControlledSwitch
from switch import wait_until
from test_catalogue import connect
from test_risk_model import generous_model
from test_risk_patterns import MARKET, MARKETS, PRICES, markets_import

SEED = int(os.environ.get("SLUICE_TEST_SEED", "0")) or time.time_ns() % 10**9
STEPS = int(os.environ.get("SLUICE_DAY_STEPS", "240"))
SHARDS = 3
TERMINALS = (1, 2, 3)
WON, DOLLAR, PLAYER = 530_001, 540_001, 550_001
WON_COUNT, OTHER_COUNT = 24, 6
CHANGES = ("newly_refused", "newly_accepted", "other_refusal", "alert_new", "alert_gone")
AMOUNTS = (1, 900, 950, 999, 1_000, 1_200, 1_500, 2_000, 5_000, 9_500, 20_000, 100_000)
# Keys of rules and what they may be, low enough for a small day to reach.
RULES = {
    "utc_offset_s": (0, 1, 32_400, 43_200, 86_399),
    "stake_single_max": (1, 1_000, 5_000, 10**12),
    "stake_daily_max": (1, 50_000, 10**15),
    "terminal_daily_max": (100_000, 10**15),
    "payout_max": (1_000, 10**5, 10**15),
    "large_amount": (1, 5_000, 10**6),
    "longshot_liability": (1, 5_000, 10**6),
    "longshot_odds": (1_001, 2_000, 20_000),
    "deviation_z_tenths": (1, 25, 1_000),
    "deviation_observations": (1, 5),
    "frequency_count": (0, 3, 100),
    "points_large": (0, 40, 100),
    "points_behaviour": (0, 40, 100),
    "exposure_selection_max": (0, 100_000),
    "exposure_market_max": (0, 100_000),
    "withdraw_pending_min": (0, 1_000),
    "currency": (410, 410, 978),
    "report_threshold": (0, 1_000, 10_000),
    "rapid_moved_percent": (1, 80, 100),
    "ladder_steps": (2, 4),
    "repeated_transfers": (2, 3),
    "selection_repeats": (2, 6),
    "selection_at_terminal": (2, 100),
    "counterparties": (1, 5, 65),
    "confirmed_tenths": (1, 3),
    "terminal_confirmed_tenths": (0, 1, 11),
    "partner_confirmed_tenths": (0, 1, 20),
    "young_s": (0, 604_800),
    "model_state": ("off", "shadow", "active"),
    "points_model_max": (0, 40, 100),
    "points_composite": (0, 40, 100),
    "points_country": (0, 20, 100),
    "points_watch_list": (0, 100),
    "currency.840.large_amount": (0, 1, 10**15),
    "currency.840.stake_single_max": (0, 5_000, 10**12),
}
# What control keeps of such a day, and a restore has to bring back.
KEPT = (("alert", "list", "--count", 1_000), ("subject", "list"), ("rules", "list"),
        ("rules", "show"), ("country", "list"), ("watchlist", "list"))


class Day:

    def __init__(self, switch):
        self.switch, self.chance = switch, random.Random(SEED)
        self.terminals, self.bets, self.payments = {}, [], []
        self.provider, self.settled = 0, set()
        self.asked = {
            self.bet: 45, self.deposit: 12, self.withdraw: 10, self.transfer: 11, self.undo: 7,
            self.round: 7, self.sprinkle: 3, self.change_rules: 2, self.judge: 1, self.close: 1,
            self.flag: 1, self.result: 1, self.limit: 1}

    def run(self, steps):
        for _ in range(steps):
            self.chance.choices(list(self.asked), self.asked.values())[0]()

    def pause(self):
        """A process ends: sessions of before are not used again."""
        for terminal in self.terminals.values():
            terminal.close()
        self.terminals, self.bets, self.payments = {}, [], []

    def terminal(self):
        number = self.chance.choice(TERMINALS)
        if number not in self.terminals:
            # Control that starts anew ends sessions whose rights change: the next one is due soon.
            terminal = self.terminals[number] = connect(self.switch, number, silence=3)
            terminal.new_session = self.within(terminal.new_session)
        return self.terminals[number]

    def within(self, function):
        """In the terminals' network, wherever it is called."""

        def call():
            with self.switch.terminal_network():
                return function()

        return call

    def ask(self, terminal, name, *words, **fields):
        answer = getattr(terminal, name)(*words, timeout=60, **fields)
        assert answer.name is not None
        return answer

    def operate(self, *words):
        """Refusals are part of the day, other failures are not."""
        assert self.switch.control.ctl(*words, check=False).returncode in (0, 1), words

    def account(self):
        return WON + self.chance.randrange(WON_COUNT)

    def amount(self):
        return self.chance.choice((*AMOUNTS, self.chance.randrange(1, 30_000)))

    # ---- Terminals ----

    def bet(self):
        chance, terminal = self.chance, self.terminal()
        legs = []
        for market in chance.sample(range(MARKETS), chance.choice((1, 1, 1, 2, 3))):
            selection = chance.randrange(3)
            odds = PRICES[selection] - chance.choice((0, 0, 0, 100, 500))
            legs.append((MARKET + market, selection, odds))
        account, currency = chance.choices(
            ((self.account(), 410), (DOLLAR + chance.randrange(OTHER_COUNT), 840), (0, 410)),
            (75, 20, 5))[0]
        answer = self.ask(terminal, "place_bet", account, self.amount(), legs, currency=currency,
                          policy=chance.randrange(2))
        if answer.ok:
            self.bets.append((terminal, answer.object_id, answer.request_id))

    def deposit(self):
        self.pay("deposit", self.amount() * self.chance.choice((1, 5)))

    def withdraw(self):
        self.pay("withdraw", self.amount())

    def pay(self, name, amount):
        terminal = self.terminal()
        answer = self.ask(terminal, name, self.account(), amount)
        if answer.ok:
            self.payments.append((terminal, answer.request_id))

    def transfer(self):
        self.ask(self.terminal(), "transfer", self.account(),
                 self.chance.choice((WON, self.account())), self.amount())

    def undo(self):
        if self.bets and self.chance.random() < 0.7:
            terminal, bet, request = self.bets.pop(self.chance.randrange(len(self.bets)))
            name, what = self.chance.choice((("cancel_bet", bet), ("reverse", request)))
            self.ask(terminal, name, what)
        elif self.payments:
            self.ask(self.payments[-1][0], "reverse", self.payments.pop()[1])

    def round(self):
        self.provider += 1
        account, number = PLAYER + self.chance.randrange(OTHER_COUNT), self.chance.randrange(20)
        key = self.provider.to_bytes(16, "little")
        name = self.chance.choice(("round_debit", "round_debit", "round_credit", "round_rollback"))
        what = self.chance.randrange(1, self.provider + 1).to_bytes(16, "little")
        words = (key, what) if name == "round_rollback" else (self.amount(), key)
        self.ask(self.terminal(), name, account, number, *words, partner=1)

    def sprinkle(self):
        terminal = self.terminal()
        answer = self.ask(terminal, "sprinkle", self.account(), self.amount(), 2, room=9,
                          window_s=1)
        if answer.ok:
            self.ask(terminal, "claim", answer.object_id, self.account(), room=9)

    # ---- Operators ----

    def change_rules(self):
        chance, what = self.chance, self.chance.random()
        if what < 0.15:
            self.operate("rules", "rollback", "2")
            return
        if what < 0.25:
            self.operate("rules", "set", "factors=0")
            return
        keys = chance.sample(sorted(RULES), chance.randrange(1, 8))
        self.operate("rules", "set", "factors=1", "model_version=1",
                     f"alert_score={chance.choice((1, 20, 30))}",
                     f"refuse_score={chance.choice((30, 80, 101))}",
                     *(f"{key}={chance.choice(RULES[key])}" for key in keys))

    def judge(self):
        kind, number = self.chance.choice((("account", self.account()),
                                           ("terminal", self.chance.choice(TERMINALS)),
                                           ("partner", 1)))
        path = self.switch.path("labels.csv")
        with open(path, "w", encoding="ascii") as stream:
            stream.write("kind,id,label,date\n")
            for _ in range(self.chance.choice((1, 3))):
                then = time.gmtime(time.time() - self.chance.randrange(10**6))
                label = self.chance.choice(("confirmed", "false"))
                stream.write(f"{kind},{number},{label},{time.strftime('%FT%TZ', then)}\n")
        self.operate("feedback", "import", path)

    def close(self):
        alerts = self.switch.control.json("alert", "list", "--count", 50)["alerts"]
        if alerts:
            self.operate("alert", "close", self.chance.choice(alerts)["alert"],
                         self.chance.choice(("confirmed", "false")))

    def flag(self):
        self.operate(*self.chance.choice((
            ("subject", "set", "account", self.account(), "--country", "PRK", "--name", "Evil One"),
            ("subject", "set", "account", self.account(), "--country", "KOR", "--name", "Good One"),
            ("country", "set", "PRK", self.chance.choice(("none", "high"))),
            ("account", self.chance.choice(("freeze", "unfreeze")), self.account()))))

    def result(self):
        market = MARKET + self.chance.randrange(8, MARKETS)
        if market in self.settled:
            self.operate("market", "rollback", market, "--yes")
        else:
            self.operate("market", "result", market, "--score", "1:0")
        self.settled ^= {market}

    def limit(self):
        self.operate("terminal", "set", self.chance.choice(TERMINALS), "--daily-max",
                     self.chance.choice((10**5, 10**9)))


def check_decided_anew(switch, *more):
    told = json.loads(switch.tool("tools/sluice-db", "shadow", "--from-time", "0", "--json",
                                  "--examples", "3", *more, timeout=600).stdout)
    assert told["requests"] > 0 and told["undecided"] == 0, told
    assert told["before"] == told["after"], told
    assert [told[name] for name in CHANGES] == [0] * len(CHANGES), told


def settled(switch):
    """What control keeps, when nothing is under way any more and PostgreSQL has all of it."""
    control = switch.control

    def state():
        numbers = [shard["control_sequence"] for shard in switch.status()["shards"]]
        return [control.json(*words) for words in KEPT], numbers

    def arrived():
        before, told = state(), control.json("replication", "status")
        if told["lag_events"] != 0 or told["lag_changes"] != 0:
            return False
        time.sleep(1)  # a second without a change: alerts and verdicts go round in far less
        return state() == before and control.json("replication", "status")["lag_changes"] == 0

    wait_until(arrived, 60, "the day does not come to its end in PostgreSQL")
    assert control.json("replication", "verify")["ok"]
    return state()[0]


def data_replace(switch, fresh):
    """The data of the switch is what lies in `fresh`; of what is not a shard's or control's, the
    rest stays (tools/sluice-db/README.md)."""
    data, before = switch.path("var/lib/sluice"), switch.path("var/lib/before")
    shutil.rmtree(before, ignore_errors=True)
    os.rename(data, before)
    os.rename(os.path.join(fresh, "var/lib/sluice"), data)
    for name in os.listdir(before):
        source, target = os.path.join(before, name), os.path.join(data, name)
        if not name.startswith(("archive", "shard")) and not os.path.exists(target):
            (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, target)


def stop_all(switch):
    assert switch.control.stop() == 0 and switch.stop() == 0
    assert switch.verify()["ok"]


def start_all(switch):
    switch.start()
    switch.control.start()
    switch.control.wait_up()


def open_day(switch, tmp_path):
    control = switch.control
    switch.begin(terminals=len(TERMINALS))
    markets_import(switch)
    demo.accounts_open(control, WON, WON_COUNT, 1_000_000)
    control.ctl("account", "open", DOLLAR, "--count", OTHER_COUNT, "--currency", 840,
                "--opening-balance", 150_000)
    control.ctl("partner", "set", 1, "--name", "Games")
    control.ctl("model", "load", generous_model(tmp_path))
    control.ctl("rules", "set", "factors=1", "model_version=1")
    names = switch.path("names.txt")
    with open(names, "w", encoding="ascii") as stream:
        stream.write("Evil One\n")
    control.ctl("watchlist", "import", "evil", "--names", names)
    day = Day(switch)
    for i in range(OTHER_COUNT):
        assert day.ask(day.terminal(), "open_account", PLAYER + i, partner=1).ok
        day.ask(day.terminal(), "deposit", PLAYER + i, 10**6)
    return day


def test_every_request_of_a_random_day_is_decided_alike_ever_after(tmp_path):
    print("seed", SEED)
    with ControlledSwitch("day", shards=SHARDS, postgres=True) as switch:
        control = switch.control
        day = open_day(switch, tmp_path)
        day.run(STEPS // 3)
        day.pause()
        switch.kill()
        switch.start()
        control.wait_up()
        day.run(STEPS // 3)
        control.kill()
        control.start()
        control.wait_up()
        day.run(STEPS // 3)
        day.pause()
        control.ctl("rules", "rollback", "2")  # behind it all that was decided is in the log
        kept = settled(switch)
        stop_all(switch)
        check_decided_anew(switch)

        restored = str(tmp_path / "restored")
        switch.tool("tools/sluice-db", "restore", "--from-postgres", switch.postgres.conninfo,
                    "--root", restored)
        data_replace(switch, restored)
        check_decided_anew(switch)
        start_all(switch)
        assert [control.json(*words) for words in KEPT] == kept
        day.run(STEPS // 4)
        day.pause()
        stop_all(switch)
        check_decided_anew(switch)

        moved, base = str(tmp_path / "moved"), str(tmp_path / "base")
        switch.tool("tools/sluice-db", "reshard", switch.root, moved, "--shards", SHARDS - 1)
        data_replace(switch, moved)
        switch.settings.shards = SHARDS - 1
        switch.tool("tools/sluice-db", "backup", "create", switch.root, base)
        start_all(switch)
        day.run(STEPS // 4)
        day.pause()
        stop_all(switch)
        check_decided_anew(switch, "--base", base)
