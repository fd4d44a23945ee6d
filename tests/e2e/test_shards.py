# SPDX-License-Identifier: Apache-2.0
"""Three workers: sessions at home, accounts elsewhere, money conserved in each shard by itself."""

import demo
from switch import Switch, balance_sum

SHARDS = 3
TERMINALS = 6  # enough that at least one lives on another worker than the one that receives


def test_three_shards_hand_over_and_decide_across_shards():
    with Switch("shards", shards=SHARDS, accounts=30_000) as switch:
        switch.begin(TERMINALS, accounts=120)
        started = demo.start_terminals(switch, TERMINALS, accounts=120, bets=3_000, rate=500)
        reports = demo.wait(started)
        total = demo.summary(reports)
        assert total["bets_accepted"] + sum(total["bets_refused"].values()) == 3_000
        assert total["bets_accepted"] > 2_000

        shards = switch.status()["shards"]
        assert len(shards) == SHARDS
        for shard in shards:
            assert shard["events"] > 0, f"shard {shard['shard']} decided nothing"
            assert shard["accounts"] > 0
        assert sum(shard["requests_remote"] for shard in shards) > 0, "no bet crossed shards"
        assert sum(shard["handed_over"] for shard in shards) > 0, "no datagram was handed over"

        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0
        acks = [ack for _, files in started for ack in demo.acknowledged(files["acks"])]
        assert len(acks) >= 3_000
        assert demo.compare(acks, switch.events()) == []


def test_three_shards_recover_together():
    with Switch("shards-kill", shards=SHARDS, accounts=30_000) as switch:
        switch.begin(3)
        for _ in range(3):
            started = demo.start_terminals(switch, 3, accounts=60, bets=600, rate=500)
            demo.wait(started)
            acks = [ack for _, files in started for ack in demo.acknowledged(files["acks"])]
            switch.kill()
            assert demo.compare(acks, switch.events()) == []
            switch.restart()
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0
