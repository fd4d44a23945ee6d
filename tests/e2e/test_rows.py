# SPDX-License-Identifier: Apache-2.0
"""bench/rows with a few rows of a second each: rounds, ratios and what bets are judged by. How fast
anything was is not looked at."""

import json
import os
import shutil
import subprocess

import pytest

from switch import BUILD, TOP
from test_bench import kernel_has_af_xdp


def rows(only):
    ran = subprocess.run(
        [os.path.join(TOP, "bench/rows"), "--only", ",".join(only), "--rounds", "1", "--seconds",
         "1", "--warmup", "0", "--accounts", "500", "--build", BUILD], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=600, check=False)
    # 1: a run was not good, as it may be beside other work; what is told holds all the same.
    assert ran.returncode in (0, 1), ran.stderr
    result = json.loads(ran.stdout)
    assert result["schema"] == "bench-rows/1" and len(result["rounds"]) == 1
    found = {row["row"]: row for row in result["rows"]}
    assert list(found) == list(only)
    return found, result["rounds"][0]


def test_rows_agree_with_their_runs_and_say_what_judged():
    found, runs = rows(["uniform", "no_factors"])
    assert [found[name]["risk_factors"] for name in found] == [True, False]
    for name, row in found.items():
        assert row["acked_per_s"] == runs[name]["acked_per_s"] > 0
        assert row["lost"] == runs[name]["duplicated"] == 0 and runs[name]["durable"]
    assert found["no_factors"]["ratio"] == round(
        found["no_factors"]["acked_per_s"] / found["uniform"]["acked_per_s"], 3)


@pytest.mark.skipif(shutil.which("dpdk-testpmd") is None or not kernel_has_af_xdp(),
                    reason="needs dpdk-testpmd and AF_XDP")
def test_bets_are_compared_with_the_packets_of_the_same_port():
    found, runs = rows(["testpmd", "af_xdp"])
    assert runs["testpmd"]["port"] == runs["af_xdp"]["port"] == "af_xdp"
    assert found["af_xdp"]["ratio"] == round(
        runs["af_xdp"]["acked_per_s"] / runs["testpmd"]["packets_per_s"], 3) > 0
    # By the process: another test's comparison may be running.
    assert not [name for name in os.listdir("/run/netns") if name.startswith("sluice-bench-") and
                not any(os.path.exists(f"/proc/{word}") for word in name.split("-"))]
