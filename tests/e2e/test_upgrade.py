# SPDX-License-Identifier: Apache-2.0
"""A root that an earlier version wrote and left as kill -9 leaves it: this version starts on it,
and what was answered then is answered again. No version starts on what a newer one wrote."""

import json
import os
import subprocess
import tarfile

import demo
import pytest
from instance import InstanceError
from switch import Switch

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures")
VERSIONS = sorted(name.removesuffix(".tar.gz") for name in os.listdir(FIXTURES)
                  if name.endswith(".tar.gz"))


class Old(Switch):
    """A switch whose data a fixture brought."""

    def __init__(self, version):
        with open(os.path.join(FIXTURES, version + ".json"), encoding="ascii") as stream:
            self.expected = json.load(stream)
        super().__init__(f"upgrade-{version}", shards=self.expected["shards"])
        self.version = version

    def __enter__(self):
        super().__enter__()
        with tarfile.open(os.path.join(FIXTURES, self.version + ".tar.gz")) as archive:
            archive.extractall(self.root)
        os.chmod(self.path("var/lib/sluice/ticket.key"), 0o600)
        return self

    def ask(self, terminal, *words):
        process = subprocess.Popen(
            [*self.terminal_command(terminal), *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=self.environment())
        return json.loads(process.communicate(timeout=300)[0])

    def terminal_command(self, terminal):
        state = self.path(f"var/lib/sluice-terminal/{terminal}")
        os.makedirs(state, mode=0o700, exist_ok=True)
        return ["nsenter", f"--net=/run/netns/sluice-terminal-{self.name}",
                self.binary("tools/sluice-terminal"), "--switch", self.address, "--session-file",
                self.sessions, "--terminal", str(terminal), "--state-dir", state, "--json"]


def as_told_now(outcome):
    """Version 3 and before named the amount of a withdrawal that was given back as paid out."""
    if outcome.get("target_code") == "WITHDRAWAL_CLOSED":
        return {**outcome, "payout": 0}
    return outcome


@pytest.mark.parametrize("version", VERSIONS)
def test_this_version_starts_on_what_an_earlier_one_left(version):
    with Old(version) as switch:
        assert switch.verify()["state_hash"] == switch.expected["state_hash"]
        switch.start_with_fallback(switch.notes.append)
        switch.sessions_make(demo.FIRST_TERMINAL, 3)
        switch.install_and_open()
        assert len(switch.expected["outcomes"]) > 20
        for then in switch.expected["outcomes"]:
            now = switch.ask(then["terminal"], "tx-status", then["request"])
            assert {name: now[name] for name in then["outcome"]} == as_told_now(then["outcome"])
        # A ticket of then is known by its code; whether it has run out since is time's affair.
        assert switch.ask(3, "redeem", switch.expected["ticket"])["code"] in (
            "OK", "TICKET_NOT_PAYABLE", "TICKET_EXPIRED")
        assert switch.stop() == 0
        assert switch.verify()["ok"]


def test_a_newer_version_is_refused_by_name():
    with Old(VERSIONS[-1]) as switch:
        path = switch.path("var/lib/sluice/shard-0/rows/data.mdb")
        with open(path, "rb") as stream:
            data = stream.read()
        # The value behind the key, le32, becomes 9.
        key = b"version" + bytes([int(VERSIONS[-1][1])]) + b"\x00\x00\x00"
        at = data.index(key)
        while at >= 0:
            data = data[:at + 7] + b"\x09" + data[at + 8:]
            at = data.find(key, at)
        with open(path, "wb") as stream:
            stream.write(data)
        with pytest.raises(InstanceError, match="schema version 9 is newer than this program's"):
            switch.start_with_fallback(switch.notes.append)
