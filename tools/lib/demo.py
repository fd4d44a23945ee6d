# SPDX-License-Identifier: Apache-2.0
"""The demo: terminals bet on a real season through real UDP sockets, and what came of it."""

import json
import os
import re
import time

from instance import CURRENCY, InstanceError
from sources import TOP

SEASON = os.path.join(TOP, "tests/data/season/premier-league-2021-22.csv")
FIRST_TERMINAL = 1
FIRST_ACCOUNT = 1_000
OPENING_BALANCE = 1_000_000
DEPOSIT = 100_000
APPROVAL_MAX = 2**32 - 1  # the highest approval.adjustment_min
SEED = 20_210_813  # the season's first day
DEMO_SECONDS_MAX = 900
# Of sluice-terminal's --ack-log.
ACK_COLUMNS = (("request_id", int), ("template", str), ("account_id", int), ("amount", int),
               ("code", str), ("lsn", int), ("shard", int), ("object_id", int), ("balance", int),
               ("terminal_id", int), ("replayed", int))
# What an acknowledgement and its event must have in common.
OUTCOME = ("account_id", "code", "lsn", "shard", "object_id", "balance")


def load_with(instance, accounts, markets_load, accounts_open):
    """Markets anew (they start one day from now), accounts only where an earlier run has not."""
    marker = instance.path("var/lib/sluice/demo.json")
    try:
        with open(marker, encoding="ascii") as stream:
            loaded = json.load(stream)["accounts"]
    except (OSError, ValueError, KeyError):
        loaded = 0
    markets_load()
    if accounts > loaded:
        accounts_open(FIRST_ACCOUNT + loaded, accounts - loaded)
        with open(marker, "w", encoding="ascii") as stream:
            json.dump({"accounts": accounts}, stream)


def accounts_open(control, first, count, balance):
    """Opens accounts that begin with money, more of it than one operator may add alone: the amount
    from which another one must approve is raised as far as it goes for as long as it takes."""
    path = control.instance.path("etc/sluice/control.yaml")
    with open(path, encoding="utf-8") as stream:
        before = stream.read()

    def reload_with(text):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        control.ctl("config", "reload")
    lot = (APPROVAL_MAX - 1) // balance
    try:
        reload_with(re.sub(r"(?m)^approval:\n(  .*\n)*", "", before) +
                    f"approval:\n  adjustment_min: {APPROVAL_MAX}\n")
        for begin in range(0, count, lot):
            control.ctl("account", "open", first + begin, "--count", min(lot, count - begin),
                        "--currency", CURRENCY, "--opening-balance", balance)
    finally:
        reload_with(before)


def load_by_control(control, accounts):
    """By an operator's commands."""
    load_with(control.instance, accounts,
              lambda: control.ctl("market", "import", SEASON),
              lambda first, count: accounts_open(control, first, count, OPENING_BALANCE))


def load(instance, accounts):
    """By the stand-in for control."""
    load_with(instance, accounts,
              lambda: instance.provision("markets", "--file", SEASON),
              lambda first, count: instance.provision(
                  "accounts", "--first", first, "--count", count, "--currency", CURRENCY,
                  "--opening-balance", OPENING_BALANCE))


def shares(total, parts):
    """total split into parts that differ by at most one."""
    return [total // parts + (1 if index < total % parts else 0) for index in range(parts)]


def start_terminals(owner, terminals, accounts, bets, rate, seed=SEED, options=()):
    """Starts the terminal processes, each with its own accounts; returns (process, files) pairs.

    `owner` starts one: a Control (sessions by TLS) or an Instance (sessions from a file). `options`
    are sluice-terminal's.
    """
    folder = getattr(owner, "instance", owner).path("var/log/sluice")
    started, first = [], FIRST_ACCOUNT
    for index, (count, own_bets) in enumerate(
            zip(shares(accounts, terminals), shares(bets, terminals))):
        number = FIRST_TERMINAL + index
        report = os.path.join(folder, f"terminal-{number}.json")
        acks = os.path.join(folder, f"terminal-{number}.acks")
        words = os.path.join(folder, f"terminal-{number}.log")
        for path in (report, acks):
            if os.path.exists(path):
                os.unlink(path)
        with open(words, "wb") as log:
            process = owner.terminal(
                number, *options, "demo", "--accounts", f"{first}:{count}", "--deposit", DEPOSIT,
                "--bets", own_bets, "--seed", seed + index, "--rate", rate, "--json-out", report,
                "--ack-log", acks, log=log)
        started.append((process, {"report": report, "acks": acks, "log": words}))
        first += count
    return started


def wait(started, seconds=DEMO_SECONDS_MAX):
    """Waits for all terminals. Returns their reports; raises with a terminal's own words."""
    until = time.monotonic() + seconds
    reports = []
    try:
        for process, files in started:
            try:
                status = process.wait(max(0.1, until - time.monotonic()))
            except Exception as error:
                raise InstanceError(f"A terminal did not finish within {seconds} s. Read "
                                    f"{files['log']}.", 1) from error
            if status != 0:
                with open(files["log"], encoding="utf-8", errors="replace") as stream:
                    words = stream.read().strip().splitlines() or ["nothing"]
                raise InstanceError(f"A terminal ended with status {status} and said: {words[-1]}",
                                    1)
            with open(files["report"], encoding="utf-8") as stream:
                reports.append(json.load(stream))
    finally:
        end(started)
    return reports


def end(started):
    for process, _ in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def summary(reports):
    """One object over all terminals.

    The percentiles are those of the slowest terminal: the percentile of all answers together cannot
    be higher, so the figure is never better than the truth.
    """
    refused = {}
    for report in reports:
        for name, count in report["bets_refused"].items():
            refused[name] = refused.get(name, 0) + count
    return {
        "bets_accepted": sum(report["bets_accepted"] for report in reports),
        "bets_refused": dict(sorted(refused.items(), key=lambda item: -item[1])),
        "p50_us": max(report["p50_us"] or 0 for report in reports),
        "p99_us": max(report["p99_us"] or 0 for report in reports),
        "unanswered": sum(report["unanswered"] for report in reports),
    }


def acknowledged(path):
    """A terminal's ack log as objects: one per final answer it saw, written before it went on.

    A line without its end is the last word of a killed terminal and says nothing.
    """
    lines = []
    if os.path.exists(path):
        with open(path, encoding="ascii") as stream:
            lines = stream.read().split("\n")
    return [{name: convert(text) for (name, convert), text in zip(ACK_COLUMNS, line.split(" "),
                                                                  strict=True)}
            for line in lines[:-1]]


def compare(acks, events):
    """Every acknowledgement against the log. Returns sentences about what does not fit."""
    problems, found = [], {}
    for event in events:
        if not event["request_id"]:
            continue
        key = (event["terminal_id"], event["request_id"])
        if key in found:
            problems.append(f"terminal {key[0]} request {key[1]} is in the log twice")
        found[key] = event
    for ack in acks:
        key = (ack["terminal_id"], ack["request_id"])
        event = found.get(key)
        if event is None:
            problems.append(f"terminal {key[0]} request {key[1]} was acknowledged and is lost")
            continue
        for name in OUTCOME:
            if ack[name] != event[name]:
                problems.append(f"terminal {key[0]} request {key[1]}: {name} was answered "
                                f"{ack[name]}, the log has {event[name]}")
    return problems
