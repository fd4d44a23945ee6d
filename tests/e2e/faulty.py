# SPDX-License-Identifier: Apache-2.0
"""A switch whose data lies on faultfs (tests/faults): a disk that loses what was not synced when
the power is cut, and fails when told to."""

import json
import os
import shutil
import socket
import subprocess
import tempfile

import pytest
from controlled import ControlledSwitch
from instance import InstanceError
from mounts import unmount_below
from switch import BUILD, Switch, wait_until

PROGRAM = os.path.join(BUILD, "tests/faults/faultfs")
SYNC_US = 150  # what a sync of the disk takes, so that a cut meets writes under way


class FaultFs:
    """One mounted faultfs."""

    def __init__(self, backing, mount):
        self.backing, self.mount = backing, mount
        self.socket_folder = tempfile.mkdtemp(prefix="faultfs-")  # short: names of sockets are
        self.socket = os.path.join(self.socket_folder, "control")
        self.process = None

    def start(self):
        os.makedirs(self.backing, exist_ok=True)
        os.makedirs(self.mount, exist_ok=True)
        device = os.stat(self.mount).st_dev
        self.process = subprocess.Popen(
            [PROGRAM, self.backing, self.mount, "--control", self.socket, "--sync-us",
             str(SYNC_US)], stdin=subprocess.DEVNULL)

        def mounted():
            assert self.process.poll() is None, "faultfs did not start"
            return os.stat(self.mount).st_dev != device

        wait_until(mounted, 60, "faultfs to be mounted")

    def ask(self, *words):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(" ".join(map(str, words)).encode() + b"\n")
            answer = json.loads(client.makefile().readline())
        assert answer["ok"], (words, answer)
        return answer

    def fault(self, glob, operation, action, **more):
        """For example fault("shard-0/journal/*", "write", "eio", skip=3, count=1)."""
        self.ask("fault", glob, operation, action, *(f"{key}={more[key]}" for key in more))

    def stop(self):
        if self.process is None:
            return
        subprocess.run(["umount", "-l", self.mount], check=False, capture_output=True)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def power_cut(self, seed):
        """At this instant the disk is off; what is in it is decided. Then everything must be killed
        and power_on() follows."""
        return self.ask("cut", seed)

    def power_on(self):
        self.stop()
        self.start()


class FaultySwitch(Switch):
    """A Switch whose var/lib/sluice, journal and LMDB of all shards, lies on faultfs."""

    def __init__(self, name, **settings):
        super().__init__(name, **settings)
        self.disk_faults = FaultFs(os.path.join(self.root, "disk"), self.path("var/lib/sluice"))

    def __enter__(self):
        if not os.path.exists(PROGRAM):
            pytest.skip("faultfs is not built: libfuse3-dev is missing")
        unmount_below(self.root + "/")
        super().__enter__()
        self.disk_faults.start()
        return self

    def __exit__(self, kind, value, trace):
        # A process that waits for a fault to end would never end.
        if self.disk_faults.process is not None:
            self.disk_faults.ask("clear")
        self.close()
        self.disk_faults.close()
        super().__exit__(kind, value, trace)

    def power_cut(self, seed):
        """Everything dies in the middle of what it does. Returns what the disk lost."""
        lost = self.disk_faults.power_cut(seed)
        self.kill()
        self.disk_faults.power_on()
        return lost

    def wait_dead(self, seconds=120):
        """Waits until the data plane has ended by itself; returns its exit status."""
        process = self.process
        wait_until(lambda: process.poll() is not None, seconds, "the data plane's end")
        self.process = None
        return process.returncode

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as stream:
            lines = [json.loads(line) for line in stream if line.startswith("{")]
        return [line for line in lines if line.get("level") in ("error", "warning")]


class FaultyControlledSwitch(ControlledSwitch, FaultySwitch):
    """The same with its control process: all of var/lib/sluice is on faultfs, control's database
    too, and the authority's files with it."""

    def __enter__(self):
        super().__enter__()
        folder = self.path("var/lib/sluice/authority")
        os.mkdir(folder, 0o700)
        parent = os.open(os.path.dirname(folder), os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
        os.makedirs(self.path("etc/sluice"), exist_ok=True)
        os.symlink(folder, self.path("etc/sluice/ca"))
        return self

    def power_cut(self, seed):
        lost = self.disk_faults.power_cut(seed)
        self.control.kill()
        self.kill()
        self.disk_faults.power_on()
        return lost


def start_refused(switch):
    """Starts the switch, which must refuse; returns its words."""
    try:
        switch.start()
    except InstanceError as error:
        return str(error)
    raise AssertionError("the data plane started")
