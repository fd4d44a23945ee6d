# SPDX-License-Identifier: Apache-2.0
"""bench/ladder against a real data plane, two rates of a second each. How fast it was is not looked
at; the search itself is tested in tests/tools/test_ladder_search.py."""

import json
import os
import subprocess

from switch import BUILD, TOP

NAMES = ("acked_per_s", "offered_per_s", "lost", "duplicated", "p50_us", "p90_us", "p99_us",
         "p999_us", "max_us", "in_flight", "messages_per_datagram", "port", "durable",
         "worker_busy_ns_per_message", "cores", "seconds")


def test_a_short_ladder_is_complete():
    ran = subprocess.run(
        [os.path.join(TOP, "bench/ladder"), "--from", "500", "--to", "1000", "--p99", "1e9",
         "--precision", "100", "--seconds", "1", "--warmup", "0", "--accounts", "500", "--sessions",
         "32", "--build", BUILD], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=600, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    result = json.loads(ran.stdout)
    assert result["schema"] == "bench-ladder/1"
    assert [step["rate"] for step in result["steps"]][0] == 500
    for step in result["steps"]:
        assert [name for name in NAMES if name not in step] == []
        assert step["good"] == (step["reasons"] == [])
        assert step["lost"] == step["duplicated"] == 0 and step["offered_per_s"] == step["rate"]
    assert result["rate_max"] == max(
        [step["rate"] for step in result["steps"] if step["good"]], default=0)
    assert (ran.returncode == 0) == (result["rate_max"] > 0)
