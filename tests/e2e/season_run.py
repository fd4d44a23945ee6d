# SPDX-License-Identifier: Apache-2.0
"""A real season through the whole system: markets by control, bets and money over UDP, results by
control; and after each step every bet and every balance, asked over the wire, against tests/season.
"""

import dataclasses
import datetime
import json
import random
import subprocess
import time

import demo  # tools/lib, put on the path by conftest.py or the script
import network
from instance import CURRENCY, InstanceError
from season import book, catalogue, football_data, kleague, model, settle
from season.catalogue import CLOSING, OPENING

FIRST_ACCOUNT = 1_000
FIRST_TERMINAL = demo.FIRST_TERMINAL
PAYOUT_MAX = 10**15
AMOUNT_MAX = 10**12  # of one message
DAYS_AHEAD = 30  # from now to the first match
CHUNK = 4_000  # markets or results in one file
WAIT_MS = 180_000
SETTLE_SECONDS = 600
SHOWN = 20  # mismatches that are named
OWED_LOOKED_AT = 30
BET_OPEN, BET_SETTLED = 1, 3
# Only what tests/season knows of may refuse a bet.
RULES = {"refuse_score": 101, "alert_score": 100, "stake_single_max": AMOUNT_MAX,
         "stake_daily_max": 10**15, "terminal_daily_max": 10**15, "payout_max": PAYOUT_MAX,
         "exposure_selection_max": 0, "exposure_market_max": 0, "withdraw_pending_min": 0}


class Mismatch(Exception):
    """The switch and tests/season differ; the instance's files are kept."""


@dataclasses.dataclass
class Plan:
    bets: int = 112_000  # of these about one in eleven is refused, as it must be
    accounts: int = 1_000
    terminals: int = 8
    corrections: int = 10
    seed: int = 1


def read(path):
    """By what the header says. SeasonError names what is wrong."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            header = stream.readline().split(",")
    except OSError as error:
        raise catalogue.SeasonError(f"{path}: {error.strerror}") from error
    return (kleague if "Odd_1_HT" in header else football_data).read(path)


def capacities(season, plan):
    """Settings of an instance that has room for all of it."""
    markets = len(season.markets())
    return {"accounts": plan.accounts + 1_000, "bets": plan.bets + 10_000,
            "markets": markets + 100, "terminals": 1_024, "sessions": 1_024, "memory_mib": 512,
            "segment_mib": 16, "segments_max": 64, "log_rotate_mib": 256, "log_keep_mib": 0}


# ---- Terminals ----

def ask(switch, terminals, requests):
    """Sends [(terminal index, number, text)] as tests/season/place.c says; the terminals from
    FIRST_TERMINAL on are enrolled. {number: (code, object, balance, payout, state)}."""
    command = [switch.binary("tests/season/season-place"), "--control", switch.control.address,
               "--deployment", switch.name, "--identities",
               switch.path("var/lib/sluice-terminal"), "--terminals",
               f"{FIRST_TERMINAL}:{terminals}", "--currency", str(CURRENCY)]
    text = "".join(f"{terminal} {number} {what}\n" for terminal, number, what in requests)
    ran = subprocess.run(
        network.inside(network.terminal_namespace(switch.name), command), input=text,
        capture_output=True, text=True, timeout=1_800, check=False)
    outcomes = {}
    for line in ran.stdout.splitlines():
        number, code, *values = line.split()
        outcomes[int(number)] = (code, *map(int, values))
    if ran.returncode != 0 or len(outcomes) != len(requests):
        raise InstanceError(f"season-place: {ran.stderr.strip()} ({len(outcomes)} of "
                            f"{len(requests)} outcomes; log: {switch.log})", 1)
    return outcomes


def walks_wait(switch, seconds=SETTLE_SECONDS):
    """Until every shard is through with the bets of every result."""
    until = time.monotonic() + seconds
    before, quiet = None, 0
    while quiet < 3:
        shards = switch.status()["shards"]
        now = [shard["walk_events"] for shard in shards]
        still = now == before and not any(
            shard["walks_open"] or shard["queues"]["command"] for shard in shards)
        quiet, before = quiet + 1 if still else 0, now
        if time.monotonic() > until:
            raise InstanceError(f"Settlement did not end within {seconds} s: "
                                f"{[shard['walks_open'] for shard in shards]} walks.", 1)
        time.sleep(0.05)


# ---- Files for control ----

def decimal(number, places):
    """2150 in thousandths -> "2.15"."""
    sign, size = "-" if number < 0 else "", abs(number)
    text = f"{size // 10**places}.{size % 10**places:0{places}d}".rstrip("0").rstrip(".")
    return sign + text


def kind_of(market):
    """The switch's kind. What follows from goals or corners by a line is settled from a score."""
    if market.kind == "draw_no_bet":
        return "handicap"  # on a line of 0
    return {"result": "1x2", "total": "over_under", "handicap": "handicap"}.get(
        market.kind, "other")


def market_line(market, event, start, odds, state):
    lined = kind_of(market) in ("over_under", "handicap")
    prices = ";".join(f"{name}:{decimal(price, 3) if price else '-'}"
                      for name, price in zip(market.selections, odds))
    name = f"{event.home} - {event.away} {market.name}".replace(",", " ")[:60]
    return ",".join((str(market.id), str(event.id), name, start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                     kind_of(market), decimal(market.line * 25, 2) if lined else "", state,
                     prices))


def result_word(market, score):
    if score is None:
        return "void"
    if kind_of(market) != "other":
        return "{}:{}".format(*score.of(market.measure))
    return ";".join(settle.outcome_name(outcome) for outcome in settle.outcomes(market, score))


class Run:
    def __init__(self, switch, season, plan):
        self.switch, self.season, self.plan = switch, season, plan
        self.control = switch.control
        self.random = random.Random(plan.seed)
        self.accounts = tuple(range(FIRST_ACCOUNT, FIRST_ACCOUNT + plan.accounts))
        self.board = book.Board(season, PAYOUT_MAX)
        self.bets = book.generate(season, plan.seed, book.Settings(plan.bets, self.accounts),
                                  self.board)
        self.model = model.Model()
        self.ids = {}  # number of a bet -> bet id of the switch
        self.mismatches = []
        self.seconds = {}
        self.codes = {}
        # All matches by the same amount: the first one lies ahead, the order stays.
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
        self.shift = now + datetime.timedelta(DAYS_AHEAD) - season.events[0].start
        self.sent = 0

    def timed(self, name, function, *arguments):
        begin = time.monotonic()
        value = function(*arguments)
        self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - begin, 2)
        return value

    def wrong(self, step, lines):
        self.mismatches += [f"{step}: {line}" for line in lines]

    # ---- Control ----

    def file_send(self, verb, header, lines):
        for first in range(0, len(lines), CHUNK):
            path = self.switch.path("var/lib/season.csv")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("\n".join([header, *lines[first:first + CHUNK], ""]))
            self.control.ctl(*verb, path, "--wait-ms", WAIT_MS, timeout=WAIT_MS // 1000)

    def markets_send(self, lines):
        self.file_send(("market", "import"), "market,event,name,start,kind,line,state,selections",
                       lines)

    def markets_open(self):
        lines = []
        for event in self.season.events:
            for market in event.markets:
                state = "before" if market.prices[OPENING] is None else "open"
                odds = market.prices[OPENING] or market.prices[CLOSING]
                lines.append(market_line(market, event, event.start + self.shift, odds, state))
        self.markets_send(lines)

    def odds_change(self):
        """New odds; a line that moved: the old market is suspended, the new one opens."""
        events = {event.id: event for event in self.season.events}
        lines = []
        for market in self.season.changes():
            event = events[market.event_id]
            state = "suspended" if market.prices[CLOSING] is None else "open"
            odds = market.prices[CLOSING] or market.prices[OPENING]
            lines.append(market_line(market, event, event.start + self.shift, odds, state))
        self.markets_send(lines)

    def results_send(self, words):
        self.file_send(("market", "results"), "market,result",
                       [f"{market.id},{word}" for market, word in words])
        walks_wait(self.switch)

    # ---- Terminals ----

    def terminal_of(self, account):
        return account % self.plan.terminals

    def ask(self, requests):
        self.sent += len(requests)
        return ask(self.switch, self.plan.terminals, requests)

    def money(self, step, verb, amounts):
        """{account: amount} by messages of at most AMOUNT_MAX, all to be accepted."""
        requests = []
        for account, amount in amounts.items():
            while amount > 0:
                part = min(amount, AMOUNT_MAX)
                requests.append((self.terminal_of(account), len(requests),
                                 f"{verb} {account} {part}"))
                amount -= part
        outcomes = self.ask(requests)
        self.wrong(step, [f"{requests[number][2]}: {outcome[0]}"
                          for number, outcome in outcomes.items() if outcome[0] != "OK"])
        for account, amount in amounts.items():
            self.model.deposit(account, amount if verb == "deposit" else -amount)

    def place(self, phase):
        bets = [bet for bet in self.bets if bet.phase == phase]
        requests = []
        for bet in bets:
            legs = " ".join(f"{leg.market_id}:{leg.selection}:{leg.odds}" for leg in bet.legs)
            requests.append((self.terminal_of(bet.account), bet.number,
                             f"bet {bet.account} {bet.stake} {bet.policy} {legs}"))
        begin = time.monotonic()
        outcomes = self.ask(requests)
        self.seconds["placing"] = round(
            self.seconds.get("placing", 0) + time.monotonic() - begin, 2)
        for bet in bets:
            code, bet_id, _, payout, _ = outcomes[bet.number]
            self.codes[code] = self.codes.get(code, 0) + 1
            if code != bet.expected.code:
                self.wrong("placing", [f"bet {bet.number}: expected {bet.expected.code}, is {code}"
                                       f" (market {bet_id}, expected {bet.expected.market_id})"])
            elif bet.accepted and payout != bet.expected.payout:
                self.wrong("placing", [f"bet {bet.number}: full payout {payout}, expected "
                                       f"{bet.expected.payout}"])
            if code == "OK":
                self.ids[bet.number] = bet_id
            if bet.accepted:
                self.model.place_expected(bet)

    # ---- What must be equal ----

    def compare(self, step):
        """Every account's balance, every accepted bet's state and payout, over the wire."""
        balances = {account: outcome[2] if outcome[0] == "OK" else outcome[0]
                    for account, outcome in self.ask([
                        (self.terminal_of(account), account, f"balance {account}")
                        for account in self.model.positions]).items()}
        asked = [bet for bet in self.bets if bet.accepted and bet.number in self.ids]
        outcomes = self.ask([(self.terminal_of(bet.account), bet.number,
                              f"status {self.ids[bet.number]}") for bet in asked])
        found = self.model.mismatches(balances)
        for bet in asked:
            code, _, _, payout, state = outcomes[bet.number]
            stake = self.model.bets[bet.number]
            decided = model.decided(stake, self.model.results)
            expected = ("OK", stake.paid, BET_SETTLED) if decided else \
                ("OK", bet.expected.payout, BET_OPEN)
            if (code, payout, state) != expected:
                found.append(f"bet {bet.number} ({self.ids[bet.number]}): code, payout, state "
                             f"{(code, payout, state)}, expected {expected}")
        if model.derive(self.model) != self.model.positions:
            found.append("tests/season: the two derivations differ")
        self.wrong(step, found)

    def compare_owed(self, step):
        """What accounts owe after reversals, as an operator sees it."""
        owing = [account for account in self.model.positions if self.model.receivable(account)]
        for account in owing[:OWED_LOOKED_AT] + list(self.accounts[:3]):
            owed = self.control.json("account", "show", account).get("owed")
            if owed != self.model.receivable(account):
                self.wrong(step, [f"account {account}: owes {owed}, expected "
                                  f"{self.model.receivable(account)}"])

    # ---- The whole ----

    def begin(self):
        self.switch.start_all()
        for terminal in range(FIRST_TERMINAL, FIRST_TERMINAL + self.plan.terminals):
            self.control.enroll(terminal)
        self.control.wait_up()
        self.control.ctl("rules", "set", *(f"{key}={value}" for key, value in RULES.items()))
        self.control.ctl("account", "open", FIRST_ACCOUNT, "--count", self.plan.accounts,
                         "--currency", CURRENCY, "--wait-ms", WAIT_MS)

    def settle(self, events):
        words = []
        for event, score in events:
            self.model.settle_event(event, score)
            words += [(market, result_word(market, score)) for market in event.markets]
        self.timed("settling", self.results_send, words)

    def rollback(self, events):
        words = []
        for event in events:
            self.model.rollback_event(event)
            words += [(market, "rollback") for market in event.markets]
        self.timed("rolling_back", self.results_send, words)

    def corrections(self):
        """Other results, the last one void; before them half of the accounts that were paid by the
        old ones take everything out, so that reversals find nothing."""
        changed = book.corrections(self.season, self.plan.seed, self.plan.corrections)
        if changed:
            changed[-1] = (changed[-1][0], None)
        markets = {market.id for event, _ in changed for market in event.markets}
        paid = sorted({bet.account for bet in self.model.bets.values()
                       if bet.paid and any(leg[0] in markets for leg in bet.legs)})
        taken = self.random.sample(paid, (len(paid) + 1) // 2)
        self.money("withdrawing", "withdraw",
                   {account: self.model.balance(account) for account in sorted(taken)
                    if self.model.balance(account) > 0})
        return changed

    def run(self):
        self.timed("starting", self.begin)
        self.timed("importing", self.markets_open)
        self.money("depositing", "deposit", book.deposits(self.bets))
        self.place(OPENING)
        self.timed("importing", self.odds_change)
        self.place(CLOSING)
        self.compare("after placing")
        self.settle([(event, event.score) for event in self.season.events])
        self.compare("after the results")
        first = self.model.summary()
        changed = self.corrections()
        self.rollback([event for event, _ in changed])
        self.compare("after the rollback")
        self.compare_owed("after the rollback")
        receivable = sum(self.model.receivable(account) for account in self.model.positions)
        self.settle(changed)
        self.timed("comparing", self.compare, "after the other results")
        verified = self.verify()
        return self.summary(first, len(changed), receivable, verified)

    def verify(self):
        """The log alone, by sluice-db's own arithmetic."""
        self.switch.stop()
        verified = self.switch.verify()
        if not verified.get("ok"):
            self.wrong("sluice-db verify", [json.dumps(verified)])
        return bool(verified.get("ok"))

    def summary(self, first, corrected, receivable, verified):
        last = self.model.summary()
        return {
            "schema": "season/1", "seed": self.plan.seed,
            "events": len(self.season.events), "markets": len(self.season.markets()),
            "markets_changed": len(self.season.changes()), "left_out": len(self.season.notes),
            "shards": self.switch.settings.shards, "accounts": self.plan.accounts,
            "bets_asked": len(self.bets), "codes": dict(sorted(self.codes.items())),
            **first.as_json(), "corrected_events": corrected,
            "receivable_after_rollback": receivable,
            "payout_corrected": last.payout, "refunds_corrected": last.refunds,
            "open_corrected": last.open, "requests": self.sent, "seconds": self.seconds,
            "verified": verified, "mismatches": len(self.mismatches)}


def run(switch, season, plan):
    """(summary, mismatches as text)."""
    work = Run(switch, season, plan)
    summary = work.run()
    return summary, work.mismatches[:SHOWN]
