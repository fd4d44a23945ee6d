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
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("port", ["af_xdp", "af_packet"])
def test_once_places_bets_checks_them_and_leaves_nothing(place, port):
    name, root = place
    report = os.path.join(root, "up.json")
    pages = hugepages.reserved()
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
    assert hugepages.reserved() == pages
    assert Instance(name, root).running_pid() == 0


def test_once_with_postgres_says_that_every_row_is_there(place):
    name, root = place
    name += "-pg"
    report = os.path.join(root, "up.json")
    folder = f"/var/tmp/sluice-postgres-{name}"
    try:
        assert not os.path.exists(folder)
        ran = run("up", name, root, "--once", "--postgres", "--json", report, "--bets", "600")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        with open(report, encoding="utf-8") as stream:
            result = json.load(stream)
        assert result["ok"] is True and result["problems"] == []
        verdict = result["replication"]
        assert verdict["ok"] is True
        # All that the demo did, not only what had arrived when somebody looked: the season's
        # markets, opening and deposit of each account, each bet.
        assert verdict["rows"] >= 760 + 2 * 200 + 600, verdict
        assert result["bets_accepted"] > 400
        assert network.names_with_prefix(name) == []
        assert postgres_of(folder) == [], "its PostgreSQL still runs"
        down = run("down", name, root, "--wipe")
        assert down.returncode == 0 and not os.path.exists(folder), down.stdout + down.stderr
    finally:
        run("down", name, root, "--wipe")
        shutil.rmtree(folder, ignore_errors=True)


def postgres_of(folder):
    """Ids of the processes that name `folder` on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                if f"{folder}/data".encode() in stream.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


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
