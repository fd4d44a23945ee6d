# SPDX-License-Identifier: Apache-2.0
"""bench/micro: how counts are read and judged. The counts themselves: suite `instructions`."""

import importlib.machinery
import importlib.util
import json
import os

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOADER = importlib.machinery.SourceFileLoader("micro", os.path.join(TOP, "bench/micro"))
micro = importlib.util.module_from_spec(importlib.util.spec_from_loader("micro", LOADER))
LOADER.exec_module(micro)

# Two callers of stage_run_a, one call of stage_run_b, whose own cost is not a call's.
CALLGRIND = """version: 1
events: Ir
fn=(1) main
0 10
cfn=(2) stage_run_a
calls=3 0
0 300
cfn=(3) stage_run_b
calls=1 0
0 7

fn=(2)
0 330

fn=(4) other
0 5
cfn=(2)
calls=1 0
0 100
"""


def test_costs_of_callees_are_summed_over_callers(tmp_path):
    path = tmp_path / "callgrind.out"
    path.write_text(CALLGRIND)
    assert micro.callgrind_sums(path) == {"stage_run_a": (4, 400), "stage_run_b": (1, 7)}


@pytest.mark.parametrize("now, before, failed", [
    (100, 100, 0), (109.9, 100, 0), (110.1, 100, 1), (50, 100, 0), (None, 100, 1), (100, None, 1)])
def test_a_count_fails_above_its_slack_or_without_a_limit(now, before, failed):
    assert micro.judge(now, before, 0.10)[1] == failed


def test_limits_are_stored_for_what_check_counts():
    with open(micro.LIMITS, encoding="ascii") as stream:
        limits = json.load(stream)
    assert limits["schema"] == "bench-instructions/1" and limits["march"] == micro.MARCH
    assert 0 < limits["slack"] <= 0.2 and limits["instructions"]["decide"] > 0
