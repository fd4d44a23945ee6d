# SPDX-License-Identifier: Apache-2.0
"""At its quota a shard answers BUSY and goes on by itself when there is room."""

import json

import demo
from switch import Switch, wait_until
from test_limits_of_the_switch import begin_deposit
from test_python_terminal import ACCOUNT, connect

# 8 MiB of journal; the log keeps two environments of 1 MiB, rows are small.
ROOM = {"segment_mib": 1, "segments_max": 8, "log_rotate_mib": 1}


def shard(switch):
    return switch.status()["shards"][0]


def said(switch):
    with open(switch.log, encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream if line.startswith("{")]
    return [line["message"] for line in lines if line["event"] == "disk"]


def test_quota_is_busy_counted_and_left_again():
    with Switch("quota", **ROOM, log_keep_mib=0, disk_quota_mib=13) as switch:
        switch.begin(2)
        terminal = connect(switch, demo.FIRST_TERMINAL + 1)
        assert terminal.deposit(ACCOUNT, 1).ok
        started = demo.start_terminals(switch, 1, accounts=30, bets=200_000, rate=8_000)
        wait_until(lambda: shard(switch)["disk_state"] == 1, 600, "the quota is reached")
        demo.end(started)
        now = shard(switch)
        assert now["disk_used_bytes"] >= 13 << 20
        # Nothing more is taken; what is asked is told so; nothing fails.
        request_id = begin_deposit(terminal, 7)
        terminal.send(*terminal.texts(request_id))
        answers = terminal.receive(60) or []
        assert any(answer.name == "BUSY" for answer in answers), [a.name for a in answers]
        wait_until(lambda: shard(switch)["store_applied_lsn"] == shard(switch)["durable_lsn"],
                   60, "the store has caught up")
        now = shard(switch)
        assert now["disk_refused"] > 0
        assert now["store_errors"] == now["divergences"] == now["store_waiting"] == 0
        assert any("disk_quota_mib" in text for text in said(switch))
        # Room: the next start may keep less.
        switch.stop()
        switch.settings.log_keep_mib = 1
        switch.restart()
        wait_until(lambda: shard(switch)["disk_state"] == 0, 60, "there is room again")
        assert terminal.resume(request_id, timeout=120).ok
        terminal.close()
        switch.stop()


def test_a_file_system_with_less_than_the_floor_is_busy():
    with Switch("floor", **ROOM, disk_free_mib=1 << 29) as switch:
        switch.start_with_fallback(switch.notes.append)
        wait_until(lambda: shard(switch)["disk_state"] == 2, 60, "the floor is seen")
        assert any("disk_free_mib" in text for text in said(switch))
