# SPDX-License-Identifier: Apache-2.0
"""An idle data plane with adaptive polling leaves the CPU to others."""

import os
import time

import placement
from switch import Switch

SECONDS, SETTLED_SECONDS = 4, 60
SHARE_MAX = 0.25  # of one CPU: loose, machines are shared; a spinning worker takes 1.0


class Adaptive(Switch):
    """Also where the placement would let the worker spin."""

    def configuration(self):
        return super().configuration().replace("polling: busy", "polling: adaptive")


def cpu_ticks(pid):
    """User and kernel time of all threads (proc(5), fields 14 and 15 of stat)."""
    fields = placement.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def share_of_cpu(pid):
    """What the process takes of one CPU, over a few seconds."""
    began, ticks = time.monotonic(), cpu_ticks(pid)
    time.sleep(SECONDS)
    used = (cpu_ticks(pid) - ticks) / os.sysconf("SC_CLK_TCK")
    return used / (time.monotonic() - began)


def test_adaptive_polling_is_cheap_when_idle():
    with Adaptive("idle") as switch:
        switch.begin(1)
        assert "polling: adaptive" in switch.configuration()
        # The store works on what was loaded for a while: how long is the disk's affair.
        until = time.monotonic() + SETTLED_SECONDS
        while (share := share_of_cpu(switch.pid())) >= SHARE_MAX and time.monotonic() < until:
            pass
        print(f"idle, adaptive: {100 * share:.1f} % of one CPU")
        assert share < SHARE_MAX, f"{100 * share:.1f} % of one CPU while idle"
        assert switch.stop() == 0
