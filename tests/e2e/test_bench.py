# SPDX-License-Identifier: Apache-2.0
"""bench/run on each port, a second each: its JSON is complete and what it says can be checked."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from switch import BUILD, PREFIX, ROOTS, TOP, Instance, balance_sum, wait_until

AF_XDP = 44  # socket(2); the socket module does not name it
NUMBER = (int, float)
# What anyone may rely on in the output of `sluice-bench --json`: names and kinds.
FIELDS = {
    "acked_per_s": int, "accepted_share": NUMBER, "offered_per_s": int, "lost": int,
    "duplicated": int, "p50_us": NUMBER, "p90_us": NUMBER, "p99_us": NUMBER, "p999_us": NUMBER,
    "max_us": NUMBER, "in_flight": int, "messages_per_datagram": int, "accounts": int, "port": str,
    "durable": bool, "disk": str, "disk_write_cache": (str, type(None)), "disk_fua": bool,
    "worker_busy_ns_per_message": NUMBER, "risk_factors": bool, "store_running": bool,
    "store_lag_events": int, "generator_polls": bool,
    "cpu_placement": dict, "journal_interrupt_cpu": (int, type(None)), "cores": dict,
    "write_p50_us": NUMBER, "workload": str, "zipf": NUMBER, "hot_permille": int,
    "requests": dict, "refused": dict, "data": dict, "seconds": NUMBER, "machine": dict}
ACCOUNTS, SESSIONS, SEED = 500, 32, 7
CLOSED, OPEN = ("--in-flight", "32"), ("--rate", "4000")


def kernel_has_af_xdp():
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


@pytest.fixture(name="root")
def root_fixture(request):
    """On failure the root stays: journal, tables and log are the evidence."""
    root = os.path.join(ROOTS, PREFIX + "bench")
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    failed = request.session.testsfailed
    yield root
    if request.session.testsfailed == failed:
        shutil.rmtree(root)


def command(root, port, *load, seconds=1):
    return [os.path.join(TOP, "bench/run"), port, *load, "--seconds", str(seconds), "--warmup", "0",
            "--accounts", str(ACCOUNTS), "--sessions", str(SESSIONS), "--bets", "1000000",
            "--segment-mib", "8", "--seed", str(SEED), "--build", BUILD, "--root", root]


def bench(root, port, *load):
    return subprocess.run(command(root, port, *load), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600, check=False)


def check_fields(result):
    assert result["schema"] == "sluice-bench/1"
    for name, kind in FIELDS.items():
        assert name in result, f"{name} is missing"
        assert isinstance(result[name], kind), (name, result[name])
    assert 0 < result["p50_us"] <= result["p90_us"] <= result["p99_us"] <= result["p999_us"] \
        <= result["max_us"]
    assert result["cores"]["machine"] == os.cpu_count()


def check_log(root, result):
    """What was acknowledged is what the log holds, told by a program that asks nobody."""
    instance = Instance(PREFIX + "bench", root, build=BUILD)
    asked = result["requests"].get("TX_STATUS", {"acked": 0})["acked"]
    acked = result["acked_total"] - asked
    events = instance.events()
    ticks = sum(event["type"] == "TICK" for event in events)  # at most one a second
    assert 0 <= result["events_logged"] - acked <= ticks
    verified = instance.verify()
    assert verified["ok"], verified
    assert balance_sum(verified) == 0
    assert 0 <= verified["events"] - result["events_in_log"] <= ticks
    requests = [(event["terminal_id"], event["request_id"]) for event in events
                if event["request_id"]]
    assert len(requests) == len(set(requests)) == acked


def generator_of(pid):
    """The generator that bench/run started, or None yet."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
        children = stream.read().split()
    for child in children:
        with contextlib.suppress(OSError), open(f"/proc/{child}/comm", encoding="ascii") as name:
            if name.read().strip() == "sluice-bench":
                return int(child)
    return None


def test_a_run_that_is_stopped_tells_what_it_saw_until_then(root):
    with subprocess.Popen(command(root, "memif", *OPEN, seconds=600), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True) as run:
        wait_until(lambda: generator_of(run.pid) is not None, 60, "the generator")
        wait_until(lambda: Instance(PREFIX + "bench", root, build=BUILD).status()
                   ["shards"][0]["messages_in"] > 2000, 60, "requests")
        os.kill(generator_of(run.pid), signal.SIGTERM)
        result = json.loads(run.communicate(timeout=300)[0])
    check_fields(result)
    assert result["seconds"] < 300 and result["lost"] == 0 and result["acked_total"] > 0
    check_log(root, result)


@pytest.mark.parametrize("accounts", [("--zipf", "1.2"), ("--hot", "1000")], ids=["zipf", "hot"])
def test_a_mixed_day_does_everything_and_agrees_with_the_log(root, accounts):
    ran = bench(root, "memif", *CLOSED, "--workload", "mixed", *accounts)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    result = json.loads(ran.stdout)
    check_fields(result)
    assert result["workload"] == "mixed" and result["lost"] == result["duplicated"] == 0
    assert sorted(result["requests"]) == sorted(
        ["PLACE_BET", "TX_STATUS", "DEPOSIT", "WITHDRAW", "TRANSFER", "CANCEL_BET"])
    assert sum(kind["acked"] for kind in result["requests"].values()) == result["acked_total"]
    assert sum(result["refused"].values()) == result["acked_total"] - sum(
        kind["accepted"] for kind in result["requests"].values())
    assert result["data"]["durable_lsn"] == result["events_in_log"]
    check_log(root, result)


def groups():
    """Control groups that runs made."""
    return [os.path.join(folder, name) for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu",
            "/sys/fs/cgroup/unified") if os.path.isdir(folder)
            for name in os.listdir(folder) if name.startswith("sluice-")]


def test_a_generator_that_polls_runs_when_nobody_else_does(root):
    """In a control group with cpu.idle, which is gone when the run has ended."""
    ran = bench(root, "memif", *CLOSED, "--generator", "idle")
    if ran.returncode == 3 and "no control group with cpu.idle" in ran.stderr:
        pytest.skip("this kernel has no cpu.idle, or its control groups may not be written")
    assert ran.returncode == 0, ran.stderr + ran.stdout
    result = json.loads(ran.stdout)
    check_fields(result)
    assert result["generator_polls"] is True and result["ok"] is True
    check_log(root, result)
    assert not groups()


def test_with_the_store_held_it_is_durable_and_follows_later(root):
    """The follower stands still while it is measured, says so, and is level when it has ended."""
    # Slow enough for the segments that are ready: who makes them stands still too.
    ran = bench(root, "memif", *OPEN, "--hold-store")
    if ran.returncode == 3 and "cannot be held" in ran.stderr:
        pytest.skip("no control groups of version 2 can be made here")
    assert ran.returncode == 0, ran.stderr + ran.stdout
    result = json.loads(ran.stdout)
    check_fields(result)
    assert result["store_running"] is False and result["durable"] is True
    assert result["generator_polls"] is False and result["lost"] == 0
    check_log(root, result)  # all of it is in the log, so the threads went on at the end
    assert not groups()


@pytest.mark.parametrize("load", [CLOSED, OPEN], ids=["closed", "open"])
@pytest.mark.parametrize("port", ["memif", "af_xdp", "udp"])
def test_a_short_run_is_complete_and_agrees_with_the_log(root, port, load):
    if port != "memif" and not kernel_has_af_xdp():
        pytest.skip("this kernel has no AF_XDP")
    ran = bench(root, port, *load)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    result = json.loads(ran.stdout)
    check_fields(result)
    assert result["ok"] is True and result["problems"] == []
    assert (result["port"], result["loop"]) == (port, "closed" if load == CLOSED else "open")
    assert (result["accounts"], result["messages_per_datagram"]) == (ACCOUNTS, 1)
    assert result["in_flight"] == (32 if load == CLOSED else 0)
    assert result["lost"] == result["duplicated"] == result["failed"] == 0
    assert result["accepted_share"] >= 0.99 and result["acked_per_s"] > 0
    assert result["durable"] is True, result.get("durable_refused")
    assert result["journal_files"] == result["journal_files_direct"] > 0
    if load == OPEN:
        assert result["offered_per_s"] == 4000 and result["unsent"] == 0
    check_log(root, result)
