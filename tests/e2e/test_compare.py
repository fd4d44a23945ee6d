# SPDX-License-Identifier: Apache-2.0
"""bench/compare with one client and a second each: whatever is installed is measured and ended
again. How fast anything was is not looked at."""

import json
import os
import shutil
import subprocess
import tempfile

import pytest

from switch import BUILD, TOP

NAMES = ("acked_per_s", "offered_per_s", "lost", "duplicated", "p50_us", "p90_us", "p99_us",
         "p999_us", "max_us", "in_flight", "messages_per_datagram", "port", "durable",
         "worker_busy_ns_per_message", "cores", "seconds", "data", "accepted_share")
NEEDED = {"redis": "redis-benchmark", "postgres": "pgbench", "fio": "fio",
          "testpmd": "dpdk-testpmd"}


@pytest.fixture(name="folder")
def folder_fixture():
    """PostgreSQL runs as a user of its own, and its socket wants a short path."""
    path = tempfile.mkdtemp(prefix="compare-", dir="/var/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def test_a_short_comparison_is_complete(folder):
    ran = subprocess.run(
        [os.path.join(TOP, "bench/compare"), "--seconds", "1", "--clients", "1", "--accounts",
         "500", "--build", BUILD, "--directory", folder], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    result = json.loads(ran.stdout)
    assert result["schema"] == "bench-compare/1"
    found = {entry["peer"] for entry in result["entries"]}
    assert "sluice" in found
    for peer, program in NEEDED.items():
        assert (peer in found) == (shutil.which(program) is not None), result["left_out"]
    for entry in result["entries"]:
        if entry["peer"] in ("sluice", "redis", "postgres"):
            assert [name for name in NAMES if name not in entry] == []
            assert entry["accepted_share"] >= 0.99 and entry["acked_per_s"] > 0, entry
    assert os.listdir(folder) == []
