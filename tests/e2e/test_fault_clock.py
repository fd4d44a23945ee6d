# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps, under a running switch and between a death and a start: only the data
plane's clock (tests/faults/clockshim.c), not the machine's."""

import json
import os
import struct

import demo
from faulty import start_refused
from killing import Load, begin, conclude
from switch import BUILD, Switch, wait_until

SHIM = os.path.join(BUILD, "tests/faults/clockshim.so")
SEED, RATE = 1, 200
DAY = 86400


class ClockedSwitch(Switch):
    """A Switch whose data plane lives `offset` seconds beside the machine's clock."""

    def __init__(self, name, **settings):
        super().__init__(name, **settings)
        self.offset_file = self.path("clock-offset")
        self.starting = False

    def __enter__(self):
        super().__enter__()
        self.set_clock(0)
        return self

    def set_clock(self, seconds):
        with open(self.offset_file, "r+b" if os.path.exists(self.offset_file) else "wb") as stream:
            stream.write(struct.pack("=q", int(seconds * 1e9)))

    def environment(self):
        more = {"LD_PRELOAD": SHIM, "SLUICE_CLOCK_SHIM": self.offset_file} if self.starting else {}
        return {**super().environment(), **more}

    def start(self):
        self.starting = True
        try:
            super().start()
        finally:
            self.starting = False

    def times(self):
        """Event times of shard 0 in order, in seconds."""
        dump = json.loads(self.tool("tools/sluice-db", "dump", "--json", timeout=300).stdout)
        return [int(event["time_ns"]) / 1e9 for event in dump["events"]]


def bets_accepted(load):
    return sum(ack["template"] == "PLACE_BET" and ack["code"] == "OK"
               for _, files in load.started for ack in demo.acknowledged(files["acks"]))


def jump(load, switch, seconds):
    """The clock is so far off from now on; bets are accepted again."""
    load.wait_for_answers()
    switch.set_clock(seconds)
    accepted = bets_accepted(load)
    wait_until(lambda: bets_accepted(load) > accepted + 20, 60, "accepted bets")


def test_forward_time_moves_and_backward_it_waits():
    """Forward: events are as late as the clock says. Backward: event time never goes back. Both
    times bets go on to be accepted: terminals learn the new time from any answer."""
    with ClockedSwitch("clock") as switch:
        begin(switch, 2, 0)
        with Load(switch, 2, 0, RATE, SEED) as load:
            jump(load, switch, 2 * DAY)
            jump(load, switch, -2 * DAY)
            switch.kill()
            load.witness.collect()
            times = switch.times()
            assert times == sorted(times)
            assert times[-1] - times[0] > 2 * DAY - 3600
            # Days behind the last event: refused, unless somebody says that it is meant.
            words = start_refused(switch)
            assert "ahead of the clock" in words and "--accept-clock" in words
            switch.options = ["--accept-clock"]
            switch.restart()
            load.witness.check()
            load.wait_for_answers()
            before = len(times)
            conclude(load)
            times = switch.times()
            assert times == sorted(times) and len(times) > before
