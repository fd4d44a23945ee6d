# SPDX-License-Identifier: Apache-2.0
"""What a person meets when something is missing: one clear sentence, the remedy, an exit status."""

import os
import re
import subprocess

import pytest

import hugepages
import instance
import network
from switch import Instance, Switch

REFUSED, USAGE, MISSING = 1, 2, 3


def start_by_hand(switch, text, user=None, options=()):
    """Runs the data plane in the foreground on a configuration that cannot work."""
    config = switch.path("etc/sluice/dataplane.yaml")
    with open(config, "w", encoding="utf-8") as stream:
        stream.write(text)
    command = [switch.binary("dataplane/sluice-dataplane"), "--config", config, "--root",
               switch.root, *options]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                   "--no-new-privs", "--inh-caps=-all", *command]
    return subprocess.run(
        network.inside(network.switch_namespace(switch.name), command),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        env=switch.environment())


def message(ran):
    """The error message: a line for a person before the log begins, an error in the log after."""
    said = instance.last_error(ran.stderr)
    assert said, ran.stderr[-2000:]
    return said


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with Switch("errors", hugepages=False) as switch:
        yield switch


@pytest.mark.parametrize("before, after, words", [
    ("shards: 1", "shards: 65", ("shards", "65", "64")),
    ("shards: 1", "shards: many", ("shards",)),
    ("shards: 1", "shards: 1\nshrads: 2", ("shrads",)),
    ("polling: ", "polling: sometimes #", ("polling",)),
    ("  depth: 2", "  depth: 0", ("depth",)),
    ("  - type: af_xdp", "  - type: carrier_pigeon", ("type",)),
    ("198.18.0.1", "198.18.0.300", ("address", "198.18.0.300")),
    ("  workers: [", "  workers: [0, ", ("workers",)),
    ("lcores:", "\tlcores:", ("tab", ":6:")),
])
def test_bad_configuration_names_key_and_remedy(switch, before, after, words):
    text = switch.configuration()
    assert before in text, "the case does not fit the configuration any more"
    ran = start_by_hand(switch, text.replace(before, after, 1))
    assert ran.returncode == REFUSED
    said = message(ran)
    assert all(word in said for word in words), said
    assert len(said) < 500 and "\n" not in said


def test_missing_configuration_file(switch):
    ran = subprocess.run(
        [switch.binary("dataplane/sluice-dataplane"), "--config", "/nonexistent.yaml"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == MISSING
    assert "/nonexistent.yaml" in message(ran) and "--config" in message(ran)


@pytest.mark.parametrize("program", [
    "dataplane/sluice-dataplane", "tools/sluice-terminal", "tools/sluice-provision",
    "tools/sluice-db", "bench/sluice-bench"])
def test_help_version_and_usage(switch, program):
    def run(*arguments):
        return subprocess.run([switch.binary(program), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=600, check=False)

    assert run("--help").returncode == 0 and "--" in run("--help").stdout
    assert run("--version").returncode == 0 and run("--version").stdout.split()[1][0].isdigit()
    wrong = run("--no-such-option")
    assert wrong.returncode == USAGE and wrong.stderr and not wrong.stdout


def test_missing_interface(switch):
    ran = start_by_hand(switch, switch.configuration().replace("data0", "nosuch0"))
    assert ran.returncode == MISSING
    assert "nosuch0" in message(ran)


def test_missing_permission(switch):
    """An ordinary user: no raw packets, and the sentence says which right is missing."""
    for folder, _, names in os.walk(switch.root):
        os.chown(folder, 65534, 65534)
        for name in names:
            os.chown(os.path.join(folder, name), 65534, 65534)
    # Reaching the binary needs the way to it to be open, which a root-only checkout is not.
    reach = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test",
                            "-x", switch.binary("dataplane/sluice-dataplane")], check=False)
    if reach.returncode != 0:
        pytest.skip("the checkout is not readable for other users")
    ran = start_by_hand(switch, switch.configuration(), user=65534)
    assert ran.returncode == MISSING
    said = message(ran)
    assert "root" in said or "CAP_" in said or "permission" in said.lower(), said


def test_root_busy_and_port_busy(switch):
    """A second data plane on the same root must not touch the first one's journal."""
    with Switch("busy", hugepages=False, memory_mib=512) as first:
        first.begin(1)
        pid = first.pid()
        ran = start_by_hand(first, first.configuration())
        assert ran.returncode == MISSING
        assert "runs" in message(ran) or "use" in message(ran) or "lock" in message(ran)
        # Another root, but the same interface.
        other = Instance(first.name, first.root, first.settings)
        text = other.configuration().replace(first.root, switch.root)
        text = text.replace(first.file_prefix(), "sluice-e2e-second")
        config = switch.path("etc/sluice/second.yaml")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(text)
        if first.settings.port == "af_xdp":
            ran = subprocess.run(
                network.inside(network.switch_namespace(first.name), [
                    switch.binary("dataplane/sluice-dataplane"), "--config", config, "--root",
                    switch.root]),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
            assert ran.returncode == MISSING and "another program" in message(ran)
        assert first.pid() == pid and first.status()["open"] is True
        assert first.stop() == 0 and first.verify()["ok"]


def test_runs_without_hugepages(switch):
    """--no-hugepages is the path of a machine that has none to give."""
    with Switch("nohuge", hugepages=False, memory_mib=512) as small:
        small.begin(1)
        assert "hugepages: false" in small.configuration()
        assert small.status()["open"] is True
        assert small.stop() == 0


def test_tables_that_do_not_fit_are_refused_before_memory_is_taken(switch):
    text = switch.configuration().replace("populate: false", "populate: true", 1)
    text = re.sub(r"accounts: \d+", "accounts: 200000000", text, count=1)
    text = re.sub(r"bets: \d+", "bets: 200000000", text, count=1)
    ran = start_by_hand(switch, text)
    assert ran.returncode == MISSING
    said = message(ran)
    found = re.search(r"`capacity` take (\d+) MiB, and (\d+) MiB are available", said)
    assert found and int(found.group(1)) > int(found.group(2)), said
    assert "memory.populate" in said and "lower the capacity" in said
    # Taken as rows come the same tables are address space. A small one is taken, and runs.
    with Switch("populated", hugepages=False, memory_mib=512, populate=True) as small:
        small.begin(1)
        assert small.status()["open"] is True
        assert small.stop() == 0 and small.verify()["ok"]


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as stream:
        return {line.split(":")[0]: int(line.split()[1]) for line in stream}


def check_hugepages(said, needed):
    """How much is free and needed, and the setting that gives it: as many pages as are in use, and
    those needed."""
    found = re.search(r"(\d+) MiB of hugepages are free, (\d+) are needed; run `sysctl "
                      r"vm\.nr_hugepages=(\d+)` or start without hugepages", said)
    assert found, said
    free, wanted, pages = map(int, found.groups())
    page_mib = meminfo()["Hugepagesize"] // 1024
    assert wanted == needed and free < needed, said
    assert pages * page_mib >= needed, said
    assert pages * page_mib <= needed + (1 + meminfo()["HugePages_Total"]) * page_mib, said


def test_hugepages_asked_for_and_not_there(switch):
    text = switch.configuration().replace("hugepages: false", "hugepages: true").replace(
        "megabytes: 256", "megabytes: 1048576")
    # Nobody beside us gets pages or gives them back while we look at how many there are.
    with hugepages.locked():
        ran = start_by_hand(switch, text)
        assert ran.returncode == MISSING
        check_hugepages(message(ran), 1048576)
        # One page more than there are.
        memory = meminfo()
        lacking = max((memory["HugePages_Total"] + 1) * (memory["Hugepagesize"] // 1024), 64)
        ran = start_by_hand(switch, text.replace("megabytes: 1048576", f"megabytes: {lacking}"))
        assert ran.returncode == MISSING
        check_hugepages(message(ran), lacking)


def test_data_without_the_key_of_its_tickets_is_refused():
    with Switch("keyless", hugepages=False) as switch:
        # Ends behind the key, before it makes a shard.
        text = switch.configuration().replace("hugepages: false", "hugepages: true").replace(
            "megabytes: 256", "megabytes: 1048576")
        key = switch.path("var/lib/sluice/ticket.key")
        ran = start_by_hand(switch, text)
        assert ran.returncode == MISSING and os.path.getsize(key) == 16
        with open(key, "rb") as stream:
            first = stream.read()

        os.makedirs(switch.path("var/lib/sluice/shard-0"))
        os.rename(key, key + ".away")
        ran = start_by_hand(switch, text)
        assert ran.returncode == REFUSED and not os.path.exists(key)
        said = message(ran)
        assert "ticket.key" in said and "backup" in said and "--new-ticket-key" in said

        ran = start_by_hand(switch, text, options=["--new-ticket-key"])
        assert ran.returncode == MISSING  # hugepages again
        with open(key, "rb") as stream:
            second = stream.read()
        assert len(second) == 16 and second != first
        # One that is there is never replaced.
        os.replace(key + ".away", key)
        ran = start_by_hand(switch, text, options=["--new-ticket-key"])
        assert ran.returncode == MISSING
        with open(key, "rb") as stream:
            assert stream.read() == first


def test_journal_on_tmpfs_is_refused(switch):
    root = f"/dev/shm/{switch.name}"
    os.makedirs(root, exist_ok=True)
    try:
        config = switch.path("etc/sluice/tmpfs.yaml")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(switch.configuration().replace(switch.root, root))
        ran = subprocess.run(
            network.inside(network.switch_namespace(switch.name), [
                switch.binary("dataplane/sluice-dataplane"), "--config", config, "--root", root]),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
        assert ran.returncode == REFUSED
        assert "tmpfs" in message(ran)
    finally:
        subprocess.run(["rm", "-rf", root], check=True)


def test_provision_without_a_data_plane(switch):
    ran = switch.provision("status", check=False)
    assert ran.returncode == MISSING
    assert "admin.sock" in ran.stderr or "data plane" in ran.stderr
