# SPDX-License-Identifier: Apache-2.0
"""Rules changed again and again under full load: no answer is lost or late because of it, every
event names the version that decided it, and the log decided anew gives the same.

SLUICE_SWITCHES times (20), under load as fast as answers come, on one shard and on three. More than
20 are the long form: rounds of 50, each on a fresh switch; what is done is kept in
build/check/switches.json by the hash of the program tested, so a run that was stopped goes on, and
build/check/switches.log has a line for each round.

A third of the changes is about a limit, a third about points and a third switches the factors of
the risk states off and on: by its stake, score and size each event shows by which rules it was
decided, so a wrong number of the version would be seen.
"""

import json
import os
import time

import demo
import pytest
from controlled import ControlledSwitch
from killing import acks_size, settled
from rounds import Rounds
from switch import balance_sum, wait_until

SHORT, ROUND = 20, 50
SWITCHES = int(os.environ.get("SLUICE_SWITCHES", str(SHORT)))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
TERMINALS, ACCOUNTS, OPENING = 4, 80, 1_000_000_000
PAUSE = 0.05  # between two changes
FLIGHT = 64 * 128  # more of a terminal's ack log than what it may have in flight
LOW, HIGH = 4_000, 1_000_000  # stakes are 1,000 to 10,000
# What each change sets, in turn.
CHANGES = [
    {"stake_single_max": LOW},
    {"stake_single_max": HIGH, "large_amount": 6_000, "refuse_score": 40},
    {"large_amount": 1_000_000, "refuse_score": 80, "factors": 0},
    {"factors": 1},
]
FIRST = {"factors": 1, "stake_single_max": HIGH, "large_amount": 1_000_000, "refuse_score": 80,
         "alert_score": 101, "stake_daily_max": 10**15, "terminal_daily_max": 10**15}
SCORED = 64  # EVENT_FLAG_SCORED


class Load:
    """Terminals that bet as fast as answers come, until told to end."""

    def __init__(self, switch, seed):
        self.started = demo.start_terminals(switch.control, TERMINALS, ACCOUNTS, bets=10_000_000,
                                            rate=0, seed=seed % 2**31)
        wait_until(lambda: all(acks_size(self.started)), 60, "first answers")

    def end(self):
        """Their reports; every request that was sent has its answer."""
        for process, _ in self.started:
            process.terminate()
        reports = demo.wait(self.started)
        for report in reports:
            assert all(report[name] == 0 for name in (
                "unanswered", "expired_unsent", "outcome_unknown_at_deadline")), report
        return reports, [ack for _, files in self.started
                         for ack in demo.acknowledged(files["acks"])]


def decided_since(started, before):
    """True when every terminal has answers that were decided later than those in `before`."""
    return all(now > then + FLIGHT for now, then in zip(acks_size(started), before))


def rules_set(switch, values):
    """The version that is in force now."""
    done = switch.control.json("rules", "set", *(f"{key}={value}" for key, value in values.items()))
    return done["version"]


def check_versions(events, versions):
    """Every event names the version in force at its place in the shard's log, and shows it."""
    counts = {version: 0 for version in versions}
    current = {}
    for event in events:
        shard = event["shard"]
        if event["type"] == "RULES_SET":
            assert event["rule_version"] > current.get(shard, 0), event
            current[shard] = event["rule_version"]
        if shard not in current or event["rule_version"] not in versions:
            continue
        assert event["rule_version"] == current[shard], (event, current[shard])
        if event["type"] != "PLACE_BET":
            continue
        rules = versions[event["rule_version"]]
        counts[event["rule_version"]] += 1
        stake, code, score = -event["amount"], event["code"], event["score"]
        if code == "OK":
            assert stake <= rules["stake_single_max"], (event, rules)
            assert score < rules["refuse_score"], (event, rules)
            assert (score >= 40) == (stake >= rules["large_amount"]) or score > 40, (event, rules)
            assert bool(event["flags"] & SCORED) == bool(rules["factors"]), (event, rules)
        if code == "RISK_SCORE":
            assert score >= rules["refuse_score"], (event, rules)
    return counts


def switch_round(shards, switches, seed):
    """One switch whose rules are changed `switches` times under load. Returns a summary."""
    with ControlledSwitch(f"switch{shards}", shards=shards, accounts=30_000,
                          bets=4_000_000, log_keep_mib=16_384) as switch:
        switch.begin(terminals=TERMINALS, accounts=0)
        demo.accounts_open(switch.control, demo.FIRST_ACCOUNT, ACCOUNTS, OPENING)
        rules = dict(FIRST)
        versions = {rules_set(switch, rules): dict(rules)}

        load = Load(switch, seed)
        time.sleep(max(1.0, switches * 2 * PAUSE))  # the same load with no change
        before, acks = load.end()

        load = Load(switch, seed + TERMINALS)
        began = time.monotonic()
        for number in range(switches):
            rules.update(CHANGES[number % len(CHANGES)])
            versions[rules_set(switch, rules)] = dict(rules)
            # Load before and behind each change, from every terminal.
            answers = acks_size(load.started)
            wait_until(lambda seen=answers: decided_since(load.started, seen), 60, "answers")
            time.sleep(PAUSE)
        seconds = time.monotonic() - began
        during, more = load.end()
        acks += more

        state = settled(switch)
        switch.control.stop()
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0, verified
        assert verified["events"] == state.events
        assert int(verified["state_hash"], 16) == state.hash_sum
        events = switch.events()
        assert demo.compare(acks, events) == []
        counts = check_versions(events, versions)
        told = json.loads(switch.tool("tools/sluice-db", "shadow", "--from-time", "0", "--json",
                                      timeout=600).stdout)
        assert told["before"] == told["after"] and told["undecided"] == 0, told
        assert all(told[name] == 0 for name in ("newly_refused", "newly_accepted",
                                                "other_refusal", "alert_new", "alert_gone")), told
        # The changes had something to decide, each of them.
        decided = sum(count > 0 for count in counts.values())
        assert len(versions) == switches + 1 and decided > switches * 9 // 10, counts
        return {"shards": shards, "switches": switches, "seed": seed, "acknowledged": len(acks),
                "events": verified["events"], "decided_anew": told["requests"],
                "versions_that_decided": decided, "seconds": round(seconds, 1),
                "p50_us": [demo.summary(reports)["p50_us"] for reports in (before, during)],
                "p99_us": [demo.summary(reports)["p99_us"] for reports in (before, during)]}


@pytest.mark.skipif(SWITCHES > SHORT, reason="the long form runs instead")
@pytest.mark.parametrize("shards", [1, 3])
def test_rules_change_under_load_and_every_event_names_its_version(shards):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    print(switch_round(shards, SWITCHES // 2, SEED))


@pytest.mark.skipif(SWITCHES <= SHORT, reason="the long form: SLUICE_SWITCHES=1000, resumable")
def test_many_changes_in_rounds():
    rounds = Rounds("switches", "switches", "changes")
    while (left := SWITCHES - rounds.total()) > 0:
        number = len(rounds.done)
        rounds.add(switch_round((1, 3, 2)[number % 3], min(ROUND, left), SEED + number))
        print(rounds.done[-1])
