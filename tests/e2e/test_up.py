# SPDX-License-Identifier: Apache-2.0
"""tools/up and tools/down as a person runs them."""

import json
import os
import shutil
import subprocess

import pytest

import hugepages
import network
from switch import PREFIX, ROOTS, TOP, Instance

FIELDS = {"bets_accepted": int, "bets_refused": dict, "p50_us": (int, float),
          "p99_us": (int, float), "balance_sum": int, "terminals": int, "accounts": int,
          "port_type": str, "seconds": (int, float)}


@pytest.fixture(name="place")
def place_fixture():
    name = PREFIX + "up"
    root = os.path.join(ROOTS, name)
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    yield name, root
    Instance(name, root).close()
    shutil.rmtree(root)


def run(tool, name, root, *arguments):
    return subprocess.run(
        [os.path.join(TOP, "tools", tool), "--instance", name, "--root", root, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("port", ["af_xdp", "af_packet"])
def test_once_places_bets_checks_them_and_leaves_nothing(place, port):
    name, root = place
    report = os.path.join(root, "up.json")
    pages = hugepages.number("nr_hugepages")
    ran = run("up", name, root, "--once", "--json", report, "--bets", "1500", "--port", port)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with open(report, encoding="utf-8") as stream:
        result = json.load(stream)
    assert result["schema"] == "sluice-up/1"
    for field, kind in FIELDS.items():
        assert isinstance(result[field], kind), (field, result[field])
    assert result["terminals"] >= 3 and result["accounts"] >= 200
    assert result["bets_accepted"] + sum(result["bets_refused"].values()) == 1500
    assert result["bets_accepted"] > 1000
    assert all(name.isupper() for name in result["bets_refused"])
    assert result["balance_sum"] == 0
    assert 0 < result["p50_us"] <= result["p99_us"]
    assert result["port_type"] == port or "using AF_PACKET instead" in ran.stdout
    assert network.names_with_prefix(name) == []
    assert hugepages.number("nr_hugepages") == pages
    assert Instance(name, root).running_pid() == 0


def test_up_stays_and_down_removes_and_up_goes_on_with_the_data(place):
    name, root = place
    instance = Instance(name, root)
    first = run("up", name, root, "--bets", "300")
    assert first.returncode == 0, first.stdout + first.stderr
    assert instance.running_pid() and network.names_with_prefix(name) == [name]
    assert instance.status()["open"] is True

    again = run("up", name, root, "--bets", "300")
    assert again.returncode == 1 and "already runs" in again.stderr
    assert instance.running_pid(), "a refused second start must not stop the first"

    down = run("down", name, root)
    assert down.returncode == 0 and "Stopped" in down.stdout, down.stderr
    assert instance.running_pid() == 0 and network.names_with_prefix(name) == []
    before = instance.verify()
    assert before["ok"] and before["events"] >= 300

    once = run("up", name, root, "--once", "--bets", "300")
    assert once.returncode == 0, once.stdout + once.stderr
    after = instance.verify()
    assert after["ok"] and after["events"] >= before["events"] + 300
    assert after["accounts"] == before["accounts"]
    assert "was not running" in run("down", name, root).stdout
    assert json.loads(run("down", name, root, "--json").stdout) == {
        "schema": "sluice-down/1", "instance": name, "root": root, "was_running": False,
        "wiped": False}
