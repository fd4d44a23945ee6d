# SPDX-License-Identifier: Apache-2.0
"""The network under the switch goes away and comes back: links of both sides, a memif peer that
dies. Nothing acknowledged is lost, and terminals go on by themselves."""

import json
import os
import shutil
import signal
import subprocess
import time

import demo
import network
import pytest
from killing import Load, acks_size, begin, conclude
from switch import Switch, balance_sum, wait_until

SEED = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0) or int(time.time())
RATE = 300


def link(switch, namespace, state):
    network.ip("link", "set", network.INTERFACE, state, namespace=namespace(switch.name))


def silent(started):
    """No answer for a while: those that were there before the link went down are written too."""
    before = acks_size(started)
    time.sleep(0.3)
    return acks_size(started) == before


@pytest.mark.parametrize("port", ["af_xdp", "af_packet"])
def test_links_go_down_and_up(port):
    print(f"seed {SEED} (repeat with SLUICE_TEST_SEED)")
    with Switch("link-" + port.replace("_", "-"), port=port) as switch:
        begin(switch, 3, 0)
        if switch.settings.port != port:
            pytest.skip("this kernel has no AF_XDP")
        with Load(switch, 3, 0, RATE, SEED) as load:
            for namespace in (network.switch_namespace, network.terminal_namespace):
                for _ in range(2):
                    load.wait_for_answers()
                    link(switch, namespace, "down")
                    wait_until(lambda: silent(load.started), 60,
                               "no answers through a link that is down")
                    link(switch, namespace, "up")
            conclude(load)


class MemifSwitch(Switch):
    """Its one port is memif: shared memory with a peer process."""

    def __init__(self, name, **settings):
        super().__init__(name, port="memif", **settings)
        self.memif = self.path("run/sluice/memif.sock")

    def configuration(self):
        return super().configuration().replace(
            f"interface: {network.INTERFACE}", f"socket: {json.dumps(self.memif)}")

    def bench(self, sessions, seconds):
        """A peer with a load of its own; sessions are used by one process only."""
        with open(self.sessions, encoding="ascii") as stream:
            lines = [line for line in stream if line.split("#")[0].strip()]
        path = self.path(f"run/sluice/sessions-{sessions[0]}")
        with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(
                name, flags, 0o600)) as stream:
            stream.writelines(lines[sessions[0]:sessions[1]])
        return subprocess.Popen(
            [self.binary("bench/sluice-bench"), "--port", "memif:" + self.memif, "--switch",
             self.address, "--sessions", path, "--accounts", "1000:100", "--in-flight", "16",
             "--warmup", "0", "--seconds", str(seconds), "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_memif_peer_dies_and_comes_back():
    with MemifSwitch("memif") as switch:
        switch.start()
        switch.sessions_make(1, 12)
        demo.load(switch, 100)
        switch.provision("install", "--sessions", switch.sessions, "--rate", 1_000_000, "--burst",
                         1_000_000)
        switch.provision("open")
        for first in (0, 4):
            durable = switch.shards_sum("durable_lsn")
            peer = switch.bench((first, first + 4), 600)
            try:
                wait_until(lambda: switch.shards_sum("durable_lsn") > durable + 100, 60, "load")
            finally:
                peer.send_signal(signal.SIGKILL)
                peer.communicate()
                # What DPDK of a killed process leaves.
                shutil.rmtree(f"/var/run/dpdk/sluice-bench-{peer.pid}", ignore_errors=True)
        peer = switch.bench((8, 12), 1)
        output, words = peer.communicate(timeout=300)
        assert peer.returncode == 0, words + output
        result = json.loads(output)
        assert result["ok"] and result["lost"] == result["duplicated"] == 0, result
        assert switch.stop() == 0
        verified = switch.verify()
        assert verified["ok"] and balance_sum(verified) == 0, verified
        requests = [(event["terminal_id"], event["request_id"]) for event in switch.events()
                    if event["request_id"]]
        assert len(requests) == len(set(requests)) > 200
