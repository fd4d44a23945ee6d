# SPDX-License-Identifier: Apache-2.0
"""What control can ask a running data plane: rows, sessions, stages, status; beside real bets."""

import json
import os
import socket
import time

import demo
import pytest
from switch import Switch, wait_until
from test_python_terminal import ACCOUNT, bet, connect, open_market

SHARDS = 2
STAGES = {"decide", "durable", "answer", "total", "journal_write", "turn"}


class Admin:
    """One connection to the admin socket, one question at a time."""

    def __init__(self, switch):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(300)
        folder = os.open(switch.path("run/sluice"), os.O_PATH)
        try:
            self.socket.connect(f"/proc/self/fd/{folder}/admin.sock")
        finally:
            os.close(folder)
        self.lines = self.socket.makefile("rb")

    def ask(self, command, **fields):
        self.socket.sendall(json.dumps({"cmd": command, **fields}).encode() + b"\n")
        return json.loads(self.lines.readline())

    def close(self):
        self.lines.close()
        self.socket.close()


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with Switch("admin-reads", shards=SHARDS) as switch:
        switch.begin(terminals=4)
        yield switch


@pytest.fixture(name="admin")
def admin_fixture(switch):
    admin = Admin(switch)
    yield admin
    admin.close()


@pytest.fixture(name="terminal")
def terminal_fixture(switch):
    terminal = connect(switch)
    yield terminal
    terminal.close()


def test_rows_agree_with_what_the_terminal_was_told(admin, terminal):
    market = open_market(terminal)
    placed = bet(terminal, market, stake=1_234)
    assert placed.ok

    account = admin.ask("account_show", account_id=ACCOUNT)
    assert account["found"] and account["balance"] == placed.balance
    assert account["staked_today"] >= 1_234 and not account["frozen"]
    assert account["profile"]["observations"] >= 1

    shown = admin.ask("bet_show", bet_id=str(placed.object_id))
    assert shown["found"] and shown["bet_id"] == str(placed.object_id)
    assert (shown["account_id"], shown["stake"], shown["payout"]) == (
        ACCOUNT, 1_234, placed.payout)
    assert shown["legs"] == [
        {"market_id": market["market"], "selection": 0, "odds": market["odds"][0]}]

    book = admin.ask("market_show", market_id=market["market"])
    assert book["found"] and book["odds"][0] == market["odds"][0] and book["state"] == 2

    seen = admin.ask("terminal_show", terminal_id=demo.FIRST_TERMINAL)
    assert seen["found"] and not seen["blocked"] and seen["staked_today"] >= 1_234
    assert int(seen["highest_request_id"]) >= 1

    unknown = admin.ask("account_show", account_id=2**62)
    assert unknown["ok"] and not unknown["found"] and "balance" not in unknown


def test_the_terminals_day_counts_the_rules_currency(admin, terminal):
    """On either shard; what is taken back gives nothing back that it did not take."""
    def staked():
        return admin.ask("terminal_show", terminal_id=demo.FIRST_TERMINAL)["staked_today"]

    market = open_market(terminal)
    before = staked()
    for dollars in range(900_001, 900_005):
        assert terminal.open_account(dollars, currency=840).ok
        assert terminal.deposit(dollars, 70_000, currency=840).ok
        legs = [(market["market"], 0, market["odds"][0])]
        placed = terminal.place_bet(dollars, 60_000, legs, currency=840)
        assert placed.ok, placed
        assert terminal.place_bet(dollars, 1_000, legs, currency=840).ok
        assert terminal.cancel_bet(placed.object_id).ok
    assert staked() == before
    assert bet(terminal, market, stake=1_000).ok
    assert staked() == before + 1_000


def test_the_list_of_sessions_has_each_once_with_its_heartbeat(admin, terminal):
    assert terminal.heartbeat(sequence=7, firmware=0x010203, error=5, state=2, battery=66).ok
    before = time.time_ns()
    answer = admin.ask("sessions")
    assert answer["ok"] and answer["next_slot"] == 0
    sessions = {one["terminal_id"]: one for one in answer["sessions"]}
    assert len(answer["sessions"]) == len(sessions) == 4
    own = sessions[demo.FIRST_TERMINAL]
    assert own["messages"] >= 2 and own["datagrams"] >= 2 and own["epoch"] == 1
    assert abs(int(own["last_seen_ns"]) - before) < 60 * 10**9
    heartbeat = own["heartbeat"]
    assert (heartbeat["sequence"], heartbeat["firmware"], heartbeat["error_code"],
            heartbeat["state"], heartbeat["battery"]) == (7, 0x010203, 5, 2, 66)
    assert sessions[demo.FIRST_TERMINAL + 1]["heartbeat"] is None


def test_stages_and_status_count_what_ran(admin, terminal, switch):
    market = open_market(terminal)
    for _ in range(20):
        assert bet(terminal, market).ok
    answer = admin.ask("histograms")
    bounds = answer["bounds_ns"]
    assert bounds == sorted(set(bounds)) and bounds[0] == 1024 and bounds[-1] == 2**34
    assert [one["shard"] for one in answer["shards"]] == list(range(SHARDS))
    counted = dict.fromkeys(STAGES, 0)
    for shard in answer["shards"]:
        assert set(shard["stages"]) == STAGES
        for name, stage in shard["stages"].items():
            assert len(stage["counts"]) == len(bounds) + 1
            counted[name] += sum(stage["counts"])
    for stage in STAGES:
        assert counted[stage] >= 20, f"{stage}: {counted}"

    status = admin.ask("status")
    assert status["pid"] == switch.pid()
    assert int(status["started_ns"]) < int(status["clock_ns"])
    assert abs(int(status["clock_ns"]) - time.time_ns()) < 60 * 10**9
    assert status["uptime_ns"] > 0
    assert sum(shard["codes"]["OK"] for shard in status["shards"]) == status["codes"]["OK"]
    for shard in status["shards"]:
        assert shard["segments_ready"] >= 1
        assert set(shard["queues"]) == {
            "command", "handover", "request", "answer", "transmit", "history"}
        assert 0 <= shard["busy_permille"] <= 1000
    wait_until(lambda: all(shard["store_lag_ns"] == 0 for shard in admin.ask("status")["shards"]),
               60, "the log tables did not catch up")


def test_a_question_whose_asker_leaves_harms_nobody(switch, admin):
    left = 0

    def leave():
        try:
            gone = Admin(switch)
        except BlockingIOError:  # as many wait as the listener lets wait
            return False
        try:
            gone.socket.sendall(b'{"cmd":"sessions"}\n' * 3)
        except BrokenPipeError:  # all places are taken
            return False
        finally:
            gone.close()
        return True

    while left < 100:
        left += wait_until(leave, 60, "no place")
    assert len(wait_until(lambda: admin.ask("sessions").get("sessions"), 60, "no list")) == 4
